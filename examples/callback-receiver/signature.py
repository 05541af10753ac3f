"""Standard Webhooks signatures (https://www.standardwebhooks.com), scheme v1: HMAC-SHA256 over "id.timestamp.body"."""

import base64
import binascii
import hashlib
import hmac
import time

TOLERANCE_SECONDS = 300


class Rejected(Exception):
    """The request is not to be trusted. reason is "signature" or "timestamp", a name of /stats."""

    def __init__(self, reason, text):
        super().__init__(text)
        self.reason = reason


def parse_secret(text):
    """Returns the key of a secret such as whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw; ValueError if it is not base64."""
    try:
        key = base64.b64decode(text.strip().removeprefix("whsec_"), validate=True)
    except binascii.Error as err:
        raise ValueError("a signing secret must be whsec_ and base64") from err
    if not key:
        raise ValueError("a signing secret must not be empty")
    return key


def sign(key, webhook_id, timestamp, body):
    """Returns the signature of one key, "v1,BASE64"."""
    signed = webhook_id.encode() + b"." + str(timestamp).encode() + b"." + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def verify(keys, headers, bodies, now=None):
    """Raises Rejected unless one of the keys has signed one of the bodies.

    Several keys let secrets rotate: the sender signs with the new one while receivers still know the old one, or with both.
    Several bodies: the text, and what was on the wire when it was compressed.
    """
    webhook_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    signatures = headers.get("webhook-signature", "")
    if not (webhook_id and timestamp and signatures):
        raise Rejected("signature", "webhook-id, webhook-timestamp and webhook-signature are needed")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise Rejected("timestamp", "webhook-timestamp must be Unix seconds")
    if abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE_SECONDS:
        raise Rejected("timestamp", "webhook-timestamp is more than 5 minutes off")
    given = [s.encode() for s in signatures.split(" ")]
    for key in keys:
        for body in bodies:
            expected = sign(key, webhook_id, int(timestamp), body).encode()
            if any(hmac.compare_digest(expected, s) for s in given):
                return
    raise Rejected("signature", "no signature matches")
