"""TossPayments' REST API, v1: authentication, idempotency, faults, and the calls that we use."""
import base64
import binascii
import json
import re
import secrets
import time
from collections.abc import Callable

from werkzeug.wrappers import Request, Response

from eventapp.sandbox import magic, shapes
from eventapp.sandbox.accounts import Account
from eventapp.sandbox.faults import Fault
from eventapp.sandbox.state import CARD, LONGEST_VALID_HOURS, MINUTE, TRANSFER, Payment, Refusal
from eventapp.sandbox.times import seoul

ORDER_ID = re.compile(r"[A-Za-z0-9_-]{6,64}\Z")
# Toss's list, on purpose not our client's: a wrong code there must be refused here.
BANKS = frozenset("02 03 06 07 11 12 20 23 27 31 32 34 35 37 39 45 48 50 54 64 71 81 88 89 90 92".split())
LEAST = {CARD: 100, TRANSFER: 200}
MOST_BY_TRANSFER = 10_000_000

STATUS = {code: status for status, codes in {
    401: "UNAUTHORIZED_KEY",
    403: """REJECT_CARD_PAYMENT REJECT_CARD_COMPANY REJECT_ACCOUNT_PAYMENT REJECT_TOSSPAY_INVALID_ACCOUNT
            FORBIDDEN_REQUEST EXCEED_MAX_AUTH_COUNT EXCEED_MAX_ONE_DAY_AMOUNT NOT_AVAILABLE_BANK INVALID_PASSWORD
            INCORRECT_BASIC_AUTH_FORMAT FDS_ERROR FORBIDDEN_CONSECUTIVE_REQUEST NOT_CANCELABLE_AMOUNT
            NOT_CANCELABLE_PAYMENT NOT_CANCELABLE_PAYMENT_FOR_DORMANT_USER EXCEED_MAX_REFUND_DUE
            NOT_ALLOWED_PARTIAL_REFUND NOT_ALLOWED_PARTIAL_REFUND_WAITING_DEPOSIT EXCEED_CANCEL_LIMIT""",
    404: "NOT_FOUND_PAYMENT NOT_FOUND_PAYMENT_SESSION NOT_FOUND NOT_FOUND_BILLING",
    409: "IDEMPOTENT_REQUEST_PROCESSING",
    429: "TOO_MANY_REQUESTS",
    500: """FAILED_PAYMENT_INTERNAL_SYSTEM_PROCESSING FAILED_INTERNAL_SYSTEM_PROCESSING UNKNOWN_PAYMENT_ERROR
            FAILED_REFUND_PROCESS FAILED_PARTIAL_REFUND FAILED_METHOD_HANDLING_CANCEL COMMON_ERROR
            FAILED_BILL_KEY_AUTH_CREATION FAILED_BILLING_AUTO_CANCEL""",
}.items() for code in codes.split()}  # whatever is not here is a 400
BAD_REQUESTS = frozenset("""
    ALREADY_PROCESSED_PAYMENT PROVIDER_ERROR INVALID_REQUEST INVALID_API_KEY INVALID_REJECT_CARD BELOW_MINIMUM_AMOUNT
    INVALID_CARD_EXPIRATION INVALID_STOPPED_CARD INVALID_CARD_LOST_OR_STOLEN INVALID_CARD_NUMBER
    INVALID_CARD_INSTALLMENT_PLAN NOT_SUPPORTED_INSTALLMENT_PLAN_CARD_OR_MERCHANT EXCEED_MAX_DAILY_PAYMENT_COUNT
    EXCEED_MAX_PAYMENT_AMOUNT EXCEED_MAX_AMOUNT EXCEED_MAX_MONTHLY_PAYMENT_AMOUNT UNAPPROVED_ORDER_ID
    NOT_FOUND_TERMINAL_ID NOT_AVAILABLE_PAYMENT CARD_PROCESSING_ERROR INVALID_ACCOUNT_INFO_RE_REGISTER
    RESTRICTED_TRANSFER_ACCOUNT ALREADY_CANCELED_PAYMENT INVALID_REFUND_ACCOUNT_INFO INVALID_REFUND_ACCOUNT_NUMBER
    INVALID_BANK NOT_MATCHES_REFUNDABLE_AMOUNT EXCEED_CANCEL_AMOUNT_DISCOUNT_AMOUNT REFUND_REJECTED
    ALREADY_REFUND_PAYMENT FORBIDDEN_BANK_REFUND_REQUEST EXCEED_MAX_VALID_HOURS EXCEED_MAX_DUE_DATE
    DUPLICATED_ORDER_ID NOT_SUPPORTED_METHOD INVALID_ORDER_ID EXCEEDS_TRANSFER_AMOUNT_MAXIMUM
    INVALID_IDEMPOTENCY_KEY INVALID_TEST_CODE NOT_MATCHES_CUSTOMER_KEY INVALID_BILL_KEY_REQUEST INVALID_BILLING_AUTH
    NOT_SUPPORTED_CARD_TYPE NOT_REGISTERED_CARD_COMPANY ALREADY_REMOVED_BILLING_KEY BILLING_KEY_NOT_FOUND
    INVALID_CARD_PASSWORD INVALID_CARD_IDENTITY INVALID_CUSTOMER_KEY DUPLICATED_CASH_RECEIPT
    INVALID_CASH_RECEIPT_INFO INVALID_BUSINESS_NUMBER
""".split())
# Refused by card company or bank: the payment ends. Other errors leave it as it was.
ENDS_IT = re.compile(r"REJECT_|INVALID_(STOPPED_)?CARD|EXCEED_MAX_|FDS_ERROR|INVALID_PASSWORD|CARD_PROCESSING_ERROR")


class Drop(Exception):
    """The connection ends here, without an answer."""


def endpoint(sandbox, operation: str, call: Callable, request: Request, **ids) -> Response:
    """One call of the API, with everything Toss does around it and what we were told to do wrong."""
    body = request.get_json(silent=True) if request.method == "POST" else {}
    body = body if isinstance(body, dict) else None
    fault = sandbox.faults.take(operation, _order_of(sandbox, body, ids))
    _fail_before(fault)
    if fault and fault.fault in EARLY:
        return EARLY[fault.fault]()
    try:
        account, secret_key = authenticate(sandbox, request)
    except Refusal as refusal:
        return _answer(*_error(refusal.code))

    def perform() -> tuple[int, dict | list]:
        if fault and fault.name == "delay":
            time.sleep(float(fault.argument))
        if body is None:
            return _error("INVALID_REQUEST")
        forced = fault.argument if fault and fault.name == "code" else request.headers.get("TossPayments-Test-Code", "")
        if forced and forced not in STATUS and forced not in BAD_REQUESTS and not fault:
            return _error("INVALID_TEST_CODE")
        try:
            return 200, call(sandbox, account, body, request, forced=forced, **ids)
        except Refusal as refusal:
            return _error(refusal.code)

    status, answer, key = _idempotently(sandbox, request, secret_key, perform)
    return _fail_after(fault, status, answer) or _answer(status, answer, key)


def authenticate(sandbox, request: Request) -> tuple[Account, str]:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    try:
        decoded = base64.b64decode(text, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        raise Refusal("INCORRECT_BASIC_AUTH_FORMAT") from None
    if scheme != "Basic" or not decoded.endswith(":"):
        raise Refusal("INCORRECT_BASIC_AUTH_FORMAT")
    secret_key = decoded[:-1]
    if re.match(r"(test|live)_g?ck_", secret_key):
        raise Refusal("INVALID_API_KEY")
    account = sandbox.accounts.of_secret(secret_key) if secret_key.startswith("test_") else None
    if account is None:
        raise Refusal("UNAUTHORIZED_KEY")
    return account, secret_key


def _idempotently(sandbox, request: Request, secret_key: str, perform: Callable):
    key = request.headers.get("Idempotency-Key", "") if request.method == "POST" else ""
    if not key:
        return *perform(), ""
    if len(key) > 300:
        return *_error("INVALID_IDEMPOTENCY_KEY"), ""
    name, now = sandbox.idempotency.name(key, secret_key, request.method, request.path), sandbox.books.now()
    before = sandbox.idempotency.begin(name, now)
    if before is False:
        return *_error("IDEMPOTENT_REQUEST_PROCESSING"), key
    if before:
        return before["status"], before["body"], key
    kept = None
    try:
        status, answer = perform()
        kept = {"status": status, "body": answer, "at": now} if status < 500 else None
        return status, answer, key
    finally:
        sandbox.idempotency.end(name, kept)


# -- the calls --------------------------------------------------------------------------------------
def confirm(sandbox, account: Account, body: dict, request: Request, forced: str) -> dict:
    key, order_id, amount = body.get("paymentKey"), body.get("orderId"), amount_of(body.get("amount"))
    if not isinstance(key, str) or not isinstance(order_id, str) or amount is None:
        raise Refusal("INVALID_REQUEST")
    forced = forced or magic.CONFIRM.get(amount, "")
    if forced and not ENDS_IT.match(forced):
        raise Refusal(forced)
    return wire(sandbox, sandbox.books.confirm(account.client_key, key, order_id, amount, reject=forced), account)


def fetch(sandbox, account: Account, body: dict, request: Request, forced: str, key: str) -> dict:
    if forced:
        raise Refusal(forced)
    sandbox.books.sweep()
    return wire(sandbox, sandbox.books.find(account.client_key, key), account)


def fetch_order(sandbox, account: Account, body: dict, request: Request, forced: str, order_id: str) -> dict:
    if forced:
        raise Refusal(forced)
    sandbox.books.sweep()
    return wire(sandbox, sandbox.books.find_order(account.client_key, order_id), account)


def cancel(sandbox, account: Account, body: dict, request: Request, forced: str, key: str) -> dict:
    if forced:
        raise Refusal(forced)
    reason, amount = body.get("cancelReason"), amount_of(body.get("cancelAmount"))
    refundable = amount_of(body.get("refundableAmount"), least=0)
    tax_free = amount_of(body.get("taxFreeAmount", 0), least=0)
    wrong = not isinstance(reason, str) or not 0 < len(reason) <= 200 or tax_free is None \
        or (amount is None and "cancelAmount" in body) or (refundable is None and "refundableAmount" in body) \
        or body.get("currency", "KRW") != "KRW"
    if wrong:
        raise Refusal("INVALID_REQUEST")
    if magic.said(reason):
        raise Refusal(magic.said(reason))
    payment = sandbox.books.cancel(account.client_key, key, reason=reason, amount=amount, refundable=refundable,
                                   tax_free=tax_free, has_refund_account=_refund_account(body))
    return wire(sandbox, payment, account)


def _refund_account(body: dict) -> bool:
    account = body.get("refundReceiveAccount")
    if account is None:
        return False
    if not isinstance(account, dict) or account.get("bank") not in BANKS:
        raise Refusal("INVALID_BANK")
    if not re.fullmatch(r"[0-9]{1,20}", str(account.get("accountNumber", ""))):
        raise Refusal("INVALID_REFUND_ACCOUNT_NUMBER")
    if not 0 < len(str(account.get("holderName", ""))) <= 60:
        raise Refusal("INVALID_REFUND_ACCOUNT_INFO")
    return True


def issue(sandbox, account: Account, body: dict, request: Request, forced: str) -> dict:
    if forced:
        raise Refusal(forced)
    amount, tax_free = amount_of(body.get("amount")), amount_of(body.get("taxFreeAmount", 0), least=0)
    texts = [body.get(name) for name in ("orderId", "orderName", "customerName", "bank")]
    if amount is None or tax_free is None or not all(isinstance(text, str) and 0 < len(text) <= 100 for text in texts):
        raise Refusal("INVALID_REQUEST")
    order_id, order_name, customer_name, bank = texts
    if not ORDER_ID.match(order_id):
        raise Refusal("INVALID_ORDER_ID")
    if bank not in BANKS:
        raise Refusal("INVALID_BANK")
    payment = sandbox.books.issue(account.client_key, amount=amount, tax_free=tax_free, order_id=order_id,
                                  order_name=order_name, customer_name=customer_name, bank=bank,
                                  **due(body, sandbox.books.now()))
    return wire(sandbox, payment, account)


def due(body: dict, now: float) -> dict:
    """`validHours` or `dueDate`, as both the window and the API take them."""
    hours, due_date = body.get("validHours"), body.get("dueDate")
    if hours is not None and due_date is not None:
        raise Refusal("INVALID_REQUEST")
    if due_date is not None:
        at = seoul(due_date)
        if at is None or at <= now:
            raise Refusal("INVALID_REQUEST")
        if at > now + LONGEST_VALID_HOURS * 60 * MINUTE:
            raise Refusal("EXCEED_MAX_DUE_DATE")
        return {"due_at": at}
    if hours is not None and (amount_of(hours) is None):
        raise Refusal("INVALID_REQUEST")
    if hours is not None and hours > LONGEST_VALID_HOURS:
        raise Refusal("EXCEED_MAX_VALID_HOURS")
    return {"valid_hours": hours}


def transactions(sandbox, account: Account, body: dict, request: Request, forced: str) -> list[dict]:
    if forced:
        raise Refusal(forced)
    args = request.args
    start, end = seoul(args.get("startDate")), seoul(args.get("endDate"))
    limit = int(args.get("limit", "100")) if args.get("limit", "100").isdecimal() else 0
    if start is None or end is None or not 0 < limit <= 5000:
        raise Refusal("INVALID_REQUEST")
    books = sandbox.books
    with books.lock:
        ours = [one for one in books.transactions if one["account"] == account.client_key and start <= one["at"] < end]
        after = args.get("startingAfter", "")
        if after:
            places = [place for place, one in enumerate(ours) if one["key"] == after]
            ours = ours[places[0] + 1:] if places else []
        return [shapes.transaction(one, books.payments[one["payment"]], account) for one in ours[:limit]]


# -- inside -----------------------------------------------------------------------------------------
def wire(sandbox, payment: Payment, account: Account) -> dict:
    with sandbox.books.lock:
        return shapes.payment(payment, account, sandbox.base)


def amount_of(value, least: int = 1) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and value >= least else None


def _order_of(sandbox, body: dict | None, ids: dict) -> str:
    if "order_id" in ids:
        return ids["order_id"]
    if "key" in ids and ids["key"] in sandbox.books.payments:
        return sandbox.books.payments[ids["key"]].order_id
    return str((body or {}).get("orderId", ""))


def _error(code: str) -> tuple[int, dict]:
    return STATUS.get(code, 400), {"code": code, "message": f"SANDBOX: {code}"}


def _answer(status: int, body: dict | list | None, key: str = "") -> Response:
    response = Response("" if body is None else json.dumps(body, ensure_ascii=False), status, mimetype="application/json")
    response.headers["x-tosspayments-trace-id"] = secrets.token_hex(16)
    if key:
        response.headers["idempotency-key"] = key
    return response


def _html(status: int) -> Response:
    return Response("<html><body><h1>Bad Gateway</h1></body></html>", status, mimetype="text/html")


EARLY = {"409": lambda: _answer(*_error("IDEMPOTENT_REQUEST_PROCESSING")),
         "429": lambda: _answer(*_error("TOO_MANY_REQUESTS")),
         "500": lambda: _answer(*_error("FAILED_INTERNAL_SYSTEM_PROCESSING")), "html": lambda: _html(502)}


def _fail_before(fault: Fault | None) -> None:
    if fault and fault.name == "hang":
        time.sleep(float(fault.argument))
    if fault and fault.name in ("hang", "drop_before"):
        raise Drop


def _fail_after(fault: Fault | None, status: int, answer) -> Response | None:
    """The answer that takes the place of the right one, when that is the plan."""
    if fault is None or status != 200:
        return None
    if fault.name == "timeout_after_commit":
        time.sleep(float(fault.argument or 0))
        raise Drop
    if fault.name == "500_after_commit":
        return _answer(*_error("FAILED_INTERNAL_SYSTEM_PROCESSING"))
    if fault.name == "html_after_commit":
        return _html(200)
    if fault.name == "wrong_amount":
        return _answer(200, answer | {"totalAmount": answer["totalAmount"] + 1000})
    if fault.name == "truncated":
        whole = json.dumps(answer).encode()
        response = Response(whole[:len(whole) // 2], 200, mimetype="application/json")
        response.headers["Content-Length"], response.headers["Connection"] = str(len(whole)), "close"
        return response
    return None
