"""What Stripe's errors mean for us. Its `type` tells whether a call was carried out; a few codes say more.

Only what Stripe says it has not carried out is a definite no; whatever is not listed means "ask before deciding".
"""
from stripe import AuthenticationError, PermissionError, StripeError

from eventapp.payments.provider import GatewayError, GatewayMisconfigured, GatewayRefused, GatewayUnknown

KEYS_ARE_WRONG = frozenset("""
    api_key_expired platform_api_key_expired secret_key_required account_invalid livemode_mismatch
    testmode_charges_only platform_account_required
""".split())

# Said of a request that was not carried out, and still no answer: it may have been done before, or may be done yet.
ASK_FIRST = frozenset("""
    charge_already_refunded idempotency_key_in_use lock_timeout rate_limit
""".split())

REFUSING_TYPES = frozenset(["invalid_request_error", "card_error"])


def error_of(error: StripeError) -> GatewayError:
    """The exception for one of the library's."""
    body = error.json_body if isinstance(error.json_body, dict) else {}
    said = body.get("error") if isinstance(body.get("error"), dict) else {}
    kind, code, message = (said.get(name) if isinstance(said.get(name), str) else "" for name in ("type", "code", "message"))
    status = error.http_status
    trace_id = str(error.request_id or "")[:100]
    code, details = code[:100], {"http_status": status, "trace_id": trace_id}
    if isinstance(error, AuthenticationError | PermissionError) or code in KEYS_ARE_WRONG:
        return GatewayMisconfigured(code or "authentication_error", message[:510], **details)
    if status in (400, 402, 404) and kind in REFUSING_TYPES and code not in ASK_FIRST:
        return GatewayRefused(code or kind, message[:510], **details)
    return GatewayUnknown(code or kind or f"http_{status}", message[:510], **details)
