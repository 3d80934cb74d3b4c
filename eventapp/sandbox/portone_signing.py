"""Notices as Standard Webhooks signs them, written from its specification and not with our client's code."""
import base64
import hashlib
import hmac


def headers(notice: dict, at: float) -> dict[str, str]:
    """Two secrets with a space between them make two signatures."""
    stamp = str(int(at))
    signed = f"{notice['id']}.{stamp}.{notice['body']}".encode()
    return {"webhook-id": notice["id"], "webhook-timestamp": stamp,
            "webhook-signature": " ".join("v1," + sign(secret, signed) for secret in notice["secret"].split())}


def sign(secret: str, signed: bytes) -> str:
    return base64.b64encode(hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()).decode()
