#!/usr/bin/env python3
"""Writes vectors.json: requests signed by Python's `hmac` (and `cryptography` for Ed25519), and the vendors' published ones.

    pip install cryptography && python3 shared/signatures/tests/vectors.py
"""

import base64
import hashlib
import hmac
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

URL = "https://patchbay.example/hooks/hook_1"
NOW = 1_760_000_000
BODY = '{"id":"evt_1","event_id":"Ev1","text":"Grüße, 世界","webhookTimestamp":1760000000000}'.encode()
BINARY = bytes(range(256))
vectors = []


def mac(key, text, algorithm="sha256"):
    key = key.encode() if isinstance(key, str) else key
    return hmac.new(key, text, getattr(hashlib, algorithm)).digest()


def b64(data):
    return base64.b64encode(data).decode()


def add(name, verify, secret, headers, body, *, now=NOW, url=URL, delivery=None, source="vectors.py"):
    verify = verify if isinstance(verify, dict) else {"scheme": verify}
    vectors.append({"name": name, "source": source, "verify": verify, "secret": secret, "now": now, "url": url,
                    "headers": headers, "body": b64(body), "delivery": delivery})


# Published by the vendors.
add("standard, published", "standard", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    {"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
     "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
    b'{"test": 2432232314}', now=1614265330, delivery="msg_p5jXN8AQM9LWM0D4loKWxJek",
    source="standardwebhooks 1.1.0, tests")
add("github, published", "github", "It's a Secret to Everybody",
    {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
     "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"},
    b"Hello, World!", delivery="72d3162e-cc78-11e3-81ab-4c9367dc0958",
    source="docs.github.com, validating webhook deliveries")
SLACK = ("token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
         "&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
         "%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121."
         "803a0bc887a14d10d2c447fce8b6703c").encode()
add("slack, published", "slack", "8f742231b10e8888abcd99yyyzzz85a5",
    {"x-slack-request-timestamp": "1531420618",
     "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"},
    SLACK, now=1531420618, source="api.slack.com, verifying requests; python-slack-sdk, tests")
add("twilio, published", "twilio", "12345",
    {"x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8=", "content-type": "application/x-www-form-urlencoded"},
    b"Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE",
    url="https://mycompany.com/myapp.php?foo=1&bar=2", source="twilio-python, tests/unit/test_request_validator.py")

# Signed here.
key = bytes(range(24))
for name, body in [("text", BODY), ("bytes", BINARY), ("empty", b"")]:
    signed = b"msg_2.%d." % NOW + body
    add(f"standard, {name}", "standard", "whsec_" + b64(key),
        {"Webhook-Id": "msg_2", "Webhook-Timestamp": str(NOW), "Webhook-Signature": "v1,AAAA v2,x v1," + b64(mac(key, signed))},
        body, delivery="msg_2")
    add(f"github, {name}", "github", "s3cret", {"X-Hub-Signature-256": "sha256=" + mac("s3cret", body).hex()}, body)
    add(f"stripe, {name}", "stripe", "whsec_stripe",
        {"Stripe-Signature": f"t={NOW},v1={'0' * 64},v1={mac('whsec_stripe', b'%d.' % NOW + body).hex()},v0=other"},
        body, delivery="evt_1" if name == "text" else None)
    add(f"shopify, {name}", "shopify", "hush", {"X-Shopify-Hmac-Sha256": b64(mac("hush", body)), "X-Shopify-Webhook-Id": "w1"},
        body, delivery="w1")
    add(f"airtable, {name}", "airtable", b64(key), {"X-Airtable-Content-MAC": "hmac-sha256=" + mac(key, body).hex()}, body)
    add(f"notion, {name}", "notion", "secret_n", {"X-Notion-Signature": "sha256=" + mac("secret_n", body).hex()}, body,
        delivery="evt_1" if name == "text" else None)
    add(f"typeform, {name}", "typeform", "form", {"Typeform-Signature": "sha256=" + b64(mac("form", body))}, body,
        delivery="Ev1" if name == "text" else None)
    custom = {"scheme": "hmac", "header": "x-sig", "algorithm": "sha512", "encoding": "base64", "prefix": "v2=",
              "signed": ["v2:", "timestamp", ":", "id", ":", "body"], "timestamp": "x-time", "id": "x-id", "key": "hex"}
    add(f"hmac of all parts, {name}", custom, key.hex(),
        {"x-time": str(NOW * 1000), "x-id": "d1",
         "x-sig": "v2=" + b64(mac(key, b"v2:%d:d1:" % (NOW * 1000) + body, "sha512"))}, body, delivery="d1")
    add(f"hmac by sha1, {name}", {"scheme": "hmac", "header": "x-hub-signature", "algorithm": "sha1", "prefix": "sha1="}, "legacy",
        {"x-hub-signature": "sha1=" + mac("legacy", body, "sha1").hex().upper().replace("SHA1=", "sha1=")}, body)
add("svix", "standard", b64(key),
    {"svix-id": "msg_3", "svix-timestamp": str(NOW), "svix-signature": "v1," + b64(mac(key, b"msg_3.%d." % NOW + BODY))},
    BODY, delivery="msg_3")
private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
add("standard by ed25519", "standard", "whpk_" + b64(public),
    {"webhook-id": "msg_4", "webhook-timestamp": str(NOW),
     "webhook-signature": "v1,AAAA v1a," + b64(private.sign(b"msg_4.%d." % NOW + BINARY))}, BINARY, delivery="msg_4")
add("slack, an event", "slack", "shh",
    {"X-Slack-Request-Timestamp": str(NOW), "X-Slack-Signature": "v0=" + mac("shh", b"v0:%d:" % NOW + BODY).hex()}, BODY, delivery="Ev1")
add("linear", "linear", "lin_wh", {"Linear-Signature": mac("lin_wh", BODY).hex(), "Linear-Delivery": "l1"}, BODY, delivery="l1")
FORM = b"b=2&a=z&a=%C3%A9&a=z&empty=&plus=x+y"
FIELDS = "aza\u00e9b2emptyplusx y".encode()
for url, signed in [(URL, URL), (URL, "https://patchbay.example:443/hooks/hook_1"), ("https://patchbay.example:8443/h?x=1", "https://patchbay.example/h?x=1")]:
    add(f"twilio, a form, {signed}", "twilio", "token",
        {"X-Twilio-Signature": b64(mac("token", signed.encode() + FIELDS, "sha1")), "I-Twilio-Idempotency-Token": "i1",
         "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}, FORM, url=url, delivery="i1")
hashed = f"{URL}?bodySHA256={hashlib.sha256(BODY).hexdigest()}"
add("twilio, JSON", "twilio", "token",
    {"X-Twilio-Signature": b64(mac("token", hashed.encode(), "sha1")), "Content-Type": "application/json"}, BODY, url=hashed)
published = '{"property": "value", "boolean": true}'.encode()
hashed = f"{URL}?bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
add("twilio, JSON with the published hash", "twilio", "token",
    {"X-Twilio-Signature": b64(mac("token", hashed.encode(), "sha1")), "Content-Type": "application/json"}, published, url=hashed,
    source="the body and its hash: twilio-python, tests/unit/test_request_validator.py")
add("twilio by sha256", "twilio", "shared",
    {"X-Twilio-Signature": b64(mac("shared", URL.encode() + FIELDS)), "Content-Type": "application/x-www-form-urlencoded",
     "X-Twilio-Webhooks-Signature-Settings": "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"}, FORM)
add("a token in a header", {"scheme": "token", "header": "X-Goog-Channel-Token"}, "channel token", {"x-goog-channel-token": "channel token"}, b"")
add("a token behind a prefix", {"scheme": "token", "header": "authorization", "prefix": "Bearer "}, "t0ken", {"Authorization": "Bearer t0ken"}, BODY)
add("a token in the address", {"scheme": "token", "query": "key"}, "a b&ü", {}, BODY, url=f"{URL}?x=1&key=a+b%26%C3%BC")

out = Path(__file__).with_name("vectors.json")
out.write_text("[\n" + ",\n".join(json.dumps(v) for v in vectors) + "\n]\n")
