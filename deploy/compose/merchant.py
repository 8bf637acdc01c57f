"""A sample merchant: verifies Standard Webhooks signatures and prints what it is told.

POST /hooks accepts; POST /flaky answers 503 to the first two attempts of each event.
The secret is a published test vector: for trying only.
"""

import base64
import hashlib
import hmac
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = base64.b64decode("C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
LARGEST_BODY = 1 << 20
attempts = Counter()


def signed_by_paynotify(headers, body):
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > 300:
        return False
    mac = hmac.new(SECRET, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    expected = "v1," + base64.b64encode(mac.digest()).decode()
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(expected.encode(), one.encode()) for one in given)


class Merchant(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_POST(self):
        body = self.rfile.read(min(int(self.headers.get("content-length", 0)), LARGEST_BODY))
        message_id = self.headers.get("webhook-id", "")
        attempts[message_id] += 1
        if not signed_by_paynotify(self.headers, body):
            status = 401
        elif self.path == "/flaky" and attempts[message_id] <= 2:
            status = 503
        else:
            status = 204
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()
        attempt = self.headers.get("paynotify-attempt")
        print(f"{self.path} {message_id} attempt {attempt} -> {status} {body!r}", flush=True)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("", 8443), Merchant).serve_forever()
