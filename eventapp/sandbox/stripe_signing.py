"""Stripe's signature under its events, written from its documents: the whole `whsec_…` is the key, as text."""
import hashlib
import hmac


def headers(notice: dict, at: float) -> dict[str, str]:
    """As at each delivery; while a secret is being changed there are two, with a blank between them."""
    signed = f"{int(at)}.{notice['body']}".encode()
    sums = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in notice["secret"].split()]
    return {"Stripe-Signature": ",".join([f"t={int(at)}", *(f"v1={each}" for each in sums)]),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)"}
