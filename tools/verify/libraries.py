"""Verifies tests/dialects/signed.json with the libraries that merchants use: tools/verify/libraries.py

standardwebhooks, stripe and Adyen are their makers' own; Airwallex publishes no verifier, so its
documented steps stand here.
"""

import datetime
import hashlib
import hmac
import json
import pathlib
from unittest import mock

import stripe
from Adyen.util import is_valid_hmac_payload
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SIGNED = json.loads(pathlib.Path("tests/dialects/signed.json").read_text(encoding="utf-8"))
BODY = SIGNED["body"].encode()
FORGED = BODY + b" "


def secrets(name):
    entry = json.loads(pathlib.Path(f"deploy/examples/{name}.json").read_text(encoding="utf-8"))
    return {secret["kind"] + " " + secret["id"]: secret["value"] for secret in entry["endpoints"][0]["secrets"]}


def headers(name):
    return SIGNED["requests"][name]["headers"]


def refused(error, verify):
    try:
        verify()
    except error:
        return True
    return False


def standard():
    sent = headers("standard")
    at = datetime.datetime.fromtimestamp(int(sent["webhook-timestamp"]) + 1, tz=datetime.timezone.utc)
    for name in ("hmac old", "hmac new"):
        library = Webhook(secrets("standard")[name])
        with mock.patch("standardwebhooks.webhooks.datetime", wraps=datetime.datetime) as clock:
            clock.now.return_value = at
            assert library.verify(BODY, sent)["id"] == "evt_1", name
            assert refused(WebhookVerificationError, lambda: library.verify(FORGED, sent)), name


def stripe_like():
    sent = headers("stripe-like")["stripe-signature"]
    assert sent.count("v1=") == 2
    verify = stripe.WebhookSignature.verify_header
    for name, secret in secrets("stripe-like").items():
        assert verify(BODY, sent, secret), name
        assert refused(stripe.SignatureVerificationError, lambda: verify(FORGED, sent, secret)), name


def adyen():
    key = secrets("adyen")["hmac-hex s1"]
    signature = headers("adyen")["hmacsignature"]
    assert is_valid_hmac_payload(signature, key, BODY)
    assert not is_valid_hmac_payload(signature, key, FORGED)


def airwallex():
    sent = headers("airwallex")
    key = secrets("airwallex")["hmac-text s1"].encode()
    digest = hmac.new(key, sent["x-timestamp"].encode() + BODY, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(digest, sent["x-signature"])


for check in (standard, stripe_like, adyen, airwallex):
    check()
