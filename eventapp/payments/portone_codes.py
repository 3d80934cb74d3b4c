"""What PortOne's errors mean for us. They are told apart by `type` and, where the gateway behind PortOne spoke, by its
`pgCode`: a refused card is a 502 there. Only what is listed as a refusal is a definite no."""
from eventapp.payments import toss_codes
from eventapp.payments.provider import GatewayError, GatewayMisconfigured, GatewayRefused, GatewayUnknown
from eventapp.payments.transport import Answer

KEYS_ARE_WRONG = frozenset("UNAUTHORIZED FORBIDDEN CHANNEL_NOT_FOUND".split())

NOT_THERE = frozenset(["PAYMENT_NOT_FOUND", "CASH_RECEIPT_NOT_FOUND"])

REFUSALS = NOT_THERE | frozenset("""
    INVALID_REQUEST INVALID_PAYMENT_TOKEN PAYMENT_NOT_PAID CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN
    CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT MAX_CANCEL_COUNT_REACHED SUM_OF_PARTS_EXCEEDS_CANCEL_AMOUNT
    SUM_OF_PARTS_EXCEEDS_TOTAL_AMOUNT INFORMATION_MISMATCH PAYMENT_NOT_WAITING_FOR_DEPOSIT CASH_RECEIPT_NOT_ISSUED
    CASH_RECEIPT_ALREADY_ISSUED
""".split())

# Known, and still no answer: it has been done already, by us or by somebody else, or it is being done.
ASK_FIRST = frozenset("ALREADY_PAID PAYMENT_ALREADY_CANCELLED IDEMPOTENCY_OUTSTANDING_REQUEST".split())

PG = "PG_PROVIDER"


def error_of(answer: Answer) -> GatewayError:
    """The exception for an answer that is not 200; its code is that of whoever refused."""
    body = answer.body if isinstance(answer.body, dict) else {}
    kind, pg_code = _text(body, "type"), _text(body, "pgCode")
    details = {"http_status": answer.status}
    if not 400 <= answer.status < 600 or not kind:
        return GatewayUnknown(kind or f"http_{answer.status}", **details)
    if kind == PG:
        # Toss's codes are the ones we know; another gateway's answer is looked at before it is believed.
        refused = pg_code in toss_codes.REFUSALS and pg_code not in toss_codes.NOT_THERE
        return (GatewayRefused if refused else GatewayUnknown)(pg_code or kind, _text(body, "pgMessage", 510), **details)
    message = _text(body, "message", 510)
    if kind in KEYS_ARE_WRONG:
        return GatewayMisconfigured(kind, message, **details)
    if kind in REFUSALS and answer.status < 500:
        return GatewayRefused(kind, message, **details)
    return GatewayUnknown(kind, message, **details)


def _text(body: dict, name: str, most: int = 100) -> str:
    value = body.get(name)
    return value[:most] if isinstance(value, str) else ""
