"""What TossPayments' error codes mean for us. Its HTTP status does not tell: a bank's pause is a 400 there.

Only a code listed here as a refusal is a definite no; whatever is not listed means "ask before deciding".
"""
from eventapp.payments.provider import GatewayError, GatewayMisconfigured, GatewayRefused, GatewayUnknown
from eventapp.payments.transport import Answer

KEYS_ARE_WRONG = frozenset("""
    UNAUTHORIZED_KEY INVALID_API_KEY INCORRECT_BASIC_AUTH_FORMAT INSECURE_KEY_USAGE
    NOT_SUPPORTED_WIDGET_KEY NOT_SUPPORTED_API_INDIVIDUAL_KEY API_VERSION_UPDATE_NEEDED
""".split())

NOT_THERE = frozenset(["NOT_FOUND_PAYMENT", "NOT_FOUND"])

REFUSALS = frozenset("""
    INVALID_REQUEST INVALID_REJECT_CARD BELOW_MINIMUM_AMOUNT INVALID_CARD_EXPIRATION INVALID_STOPPED_CARD
    INVALID_CARD_LOST_OR_STOLEN INVALID_CARD_NUMBER INVALID_CARD_INSTALLMENT_PLAN
    NOT_SUPPORTED_INSTALLMENT_PLAN_CARD_OR_MERCHANT EXCEED_MAX_DAILY_PAYMENT_COUNT EXCEED_MAX_PAYMENT_AMOUNT
    EXCEED_MAX_AMOUNT EXCEED_MAX_MONTHLY_PAYMENT_AMOUNT UNAPPROVED_ORDER_ID NOT_FOUND_TERMINAL_ID
    NOT_AVAILABLE_PAYMENT CARD_PROCESSING_ERROR INVALID_ACCOUNT_INFO_RE_REGISTER RESTRICTED_TRANSFER_ACCOUNT
    REJECT_CARD_PAYMENT REJECT_CARD_COMPANY REJECT_ACCOUNT_PAYMENT REJECT_TOSSPAY_INVALID_ACCOUNT FORBIDDEN_REQUEST
    EXCEED_MAX_AUTH_COUNT EXCEED_MAX_ONE_DAY_AMOUNT NOT_AVAILABLE_BANK INVALID_PASSWORD FDS_ERROR
    NOT_FOUND_PAYMENT NOT_FOUND_PAYMENT_SESSION NOT_SUPPORTED_METHOD NOT_SUPPORTED_CARD_TYPE
    EXCEEDS_TRANSFER_AMOUNT_MAXIMUM INVALID_ORDER_ID INVALID_CUSTOMER_KEY INVALID_TEST_CODE INVALID_IDEMPOTENCY_KEY
    EXCEED_MAX_VALID_HOURS EXCEED_MAX_DUE_DATE INVALID_BANK
    INVALID_REFUND_ACCOUNT_INFO INVALID_REFUND_ACCOUNT_NUMBER NOT_MATCHES_REFUNDABLE_AMOUNT
    EXCEED_CANCEL_AMOUNT_DISCOUNT_AMOUNT REFUND_REJECTED FORBIDDEN_BANK_REFUND_REQUEST NOT_CANCELABLE_AMOUNT
    NOT_CANCELABLE_PAYMENT NOT_CANCELABLE_PAYMENT_FOR_DORMANT_USER EXCEED_MAX_REFUND_DUE NOT_ALLOWED_PARTIAL_REFUND
    NOT_ALLOWED_PARTIAL_REFUND_WAITING_DEPOSIT EXCEED_CANCEL_LIMIT
    DUPLICATED_CASH_RECEIPT INVALID_CASH_RECEIPT_INFO INVALID_BUSINESS_NUMBER
""".split())

# Known, and still no answer: it has been done already, by us or by somebody else, or it may be done yet.
ASK_FIRST = frozenset("""
    ALREADY_PROCESSED_PAYMENT ALREADY_CANCELED_PAYMENT ALREADY_REFUND_PAYMENT DUPLICATED_ORDER_ID PROVIDER_ERROR
    FORBIDDEN_CONSECUTIVE_REQUEST IDEMPOTENT_REQUEST_PROCESSING
    FAILED_PAYMENT_INTERNAL_SYSTEM_PROCESSING FAILED_INTERNAL_SYSTEM_PROCESSING UNKNOWN_PAYMENT_ERROR
    FAILED_REFUND_PROCESS FAILED_PARTIAL_REFUND FAILED_METHOD_HANDLING_CANCEL COMMON_ERROR
""".split())


def error_of(answer: Answer, trace_id: str) -> GatewayError:
    """The exception for an answer that is not 200."""
    body = answer.body if isinstance(answer.body, dict) else {}
    code = body.get("code") if isinstance(body.get("code"), str) else ""
    message = body.get("message") if isinstance(body.get("message"), str) else ""
    code, message = code[:100], message[:510]
    details = {"http_status": answer.status, "trace_id": trace_id}
    if answer.status >= 500 or answer.status in (409, 429) or not 400 <= answer.status < 500 or not code:
        return GatewayUnknown(code or f"http_{answer.status}", message, **details)
    if answer.status == 401 or code in KEYS_ARE_WRONG:
        return GatewayMisconfigured(code, message, **details)
    if code in REFUSALS or code.startswith("NTS_ERROR"):  # the tax office's own, of cash receipts: they are many
        return GatewayRefused(code, message, **details)
    return GatewayUnknown(code, message, **details)
