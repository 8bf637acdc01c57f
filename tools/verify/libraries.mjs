// Verifies tests/dialects/signed.json with the libraries that merchants use: the directory that holds
// their node_modules is the argument. standardwebhooks and mercadopago are their makers' own; Ed25519
// and RSA are Node's.
import assert from "node:assert";
import { createPrivateKey, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const library = createRequire(resolve(process.argv[2], "package.json"));
const read = (path) => JSON.parse(readFileSync(path, "utf8"));
const { body, requests } = read("tests/dialects/signed.json");
const forged = `${body} `;
const secret = (name, id) => {
  const { secrets } = read(`deploy/examples/${name}.json`).endpoints[0];
  return secrets.find((secret) => secret.id === id).value;
};

// standard, by each secret of a rotation
const { Webhook } = library("standardwebhooks");
const { headers } = requests["standard"];
const realNow = Date.now;
Date.now = () => (Number(headers["webhook-timestamp"]) + 1) * 1000;
for (const id of ["old", "new"]) {
  const webhook = new Webhook(secret("standard", id));
  assert.equal(webhook.verify(body, headers).id, "evt_1");
  assert.throws(() => webhook.verify(forged, headers), /No matching signature/);
}
Date.now = realNow;

// standard, v1a: the public key is what follows the 32 bytes of the private one
const pair = Buffer.from(secret("standard", "pair").replace("whsk_", ""), "base64");
const x = pair.subarray(32).toString("base64url");
const ed25519 = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
const v1a = headers["webhook-signature"].split(" ").find((one) => one.startsWith("v1a,"));
const content = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
const signature = Buffer.from(v1a.slice(4), "base64");
assert(verify(null, Buffer.from(content), ed25519, signature));
assert(!verify(null, Buffer.from(`${content} `), ed25519, signature));

// Mercado Pago
const { WebhookSignatureValidator } = library("mercadopago");
const mercado = requests["mercado-pago"].headers;
const notification = {
  xSignature: mercado["x-signature"],
  xRequestId: mercado["x-request-id"],
  secret: secret("mercado-pago", "s1"),
};
WebhookSignatureValidator.validate(notification);
assert.throws(() => WebhookSignatureValidator.validate({ ...notification, xRequestId: "other" }));

// Antom: what WebhookTool and SignatureTool of alipay/global-open-sdk-java do
const { path, headers: antom } = requests["antom"];
const key = createPublicKey(createPrivateKey(secret("antom", "1")));
const [, encoded] = antom["signature"].match(/^algorithm=RSA256,keyVersion=1,signature=(.*)$/);
const rsa = Buffer.from(decodeURIComponent(encoded), "base64");
const request = `POST ${path}\n${antom["client-id"]}.${antom["request-time"]}.`;
assert(verify("RSA-SHA256", Buffer.from(request + body), key, rsa));
assert(!verify("RSA-SHA256", Buffer.from(request + forged), key, rsa));
