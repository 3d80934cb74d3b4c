"""PortOne V2's REST API: authentication, quoted idempotency keys, faults, and the calls that we use."""
import json
import re
import time
from collections.abc import Callable

from werkzeug.wrappers import Request, Response

from eventapp.sandbox import portone_control, portone_shapes, portone_window
from eventapp.sandbox.faults import Fault
from eventapp.sandbox.portone_books import PgRefusal, State, Store, moment
from eventapp.sandbox.portone_window import PAYMENT_ID, amount_of, currency_of
from eventapp.sandbox.routes import route
from eventapp.sandbox.state import Refusal
from eventapp.sandbox.toss import Drop

__all__ = ["ROUTES", "State"]

QUOTED = re.compile(r'"[\x21\x23-\x7e]{16,256}"\Z')
# PortOne's list, on purpose not our client's: a wrong name there must be refused here.
BANKS = frozenset("""
    KDB IBK KOOKMIN SUHYUP NONGHYUP LOCAL_NONGHYUP WOORI STANDARD_CHARTERED CITI DAEGU BUSAN KWANGJU JEJU JEONBUK KYONGNAM
    KFCC SHINHYUP SAVINGS_BANK HSBC NFCF POST HANA SHINHAN K_BANK KAKAO TOSS
""".split())
STATUS = {code: status for status, codes in {
    401: "UNAUTHORIZED", 403: "FORBIDDEN",
    404: "PAYMENT_NOT_FOUND BILLING_KEY_NOT_FOUND CHANNEL_NOT_FOUND PAYMENT_SCHEDULE_NOT_FOUND CASH_RECEIPT_NOT_FOUND",
    409: """ALREADY_PAID PAYMENT_NOT_PAID PAYMENT_ALREADY_CANCELLED CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN
            CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT MAX_CANCEL_COUNT_REACHED SUM_OF_PARTS_EXCEEDS_CANCEL_AMOUNT
            SUM_OF_PARTS_EXCEEDS_TOTAL_AMOUNT INFORMATION_MISMATCH BILLING_KEY_ALREADY_DELETED BILLING_KEY_NOT_ISSUED
            IDEMPOTENCY_OUTSTANDING_REQUEST PAYMENT_NOT_WAITING_FOR_DEPOSIT CASH_RECEIPT_ALREADY_ISSUED
            CASH_RECEIPT_NOT_ISSUED""",
    429: "TOO_MANY_REQUESTS", 500: "INTERNAL_SERVER_ERROR", 502: "PG_PROVIDER",
}.items() for code in codes.split()}  # whatever is not here is a 400


def endpoint(sandbox, operation: str, call: Callable, request: Request, **ids) -> Response:
    """One call of the API, with everything PortOne does around it and what we were told to do wrong."""
    body = request.get_json(silent=True) if request.method == "POST" and request.data else {}
    body = body if isinstance(body, dict) else None
    fault = sandbox.faults.take(f"portone.{operation}", ids.get("payment_id") or str((body or {}).get("paymentId", "")))
    if fault and fault.name == "hang":
        time.sleep(float(fault.argument))
    if fault and fault.name in ("hang", "drop_before"):
        raise Drop
    if fault and fault.fault in EARLY:
        return EARLY[fault.fault]()

    def perform() -> tuple[int, dict]:
        if fault and fault.name == "delay":
            time.sleep(float(fault.argument))
        try:
            if body is None:
                raise Refusal("INVALID_REQUEST")
            if fault and fault.name == "code":
                raise Refusal(fault.argument)
            return 200, call(sandbox, store, body, fault, **ids)
        except PgRefusal as refusal:
            return _error("PG_PROVIDER", refusal.code)
        except Refusal as refusal:
            return _error(refusal.code)

    try:
        store = _authenticate(sandbox, request, body or {})
        key = _key(request)
    except Refusal as refusal:
        return _answer(*_error(refusal.code))
    status, answer = _idempotently(sandbox.portone, request, key, perform)
    return _spoil(fault, status, answer) or _answer(status, answer)


def _authenticate(sandbox, request: Request, body: dict) -> Store:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    store = sandbox.portone.of_secret(secret) if scheme == "PortOne" else None
    if store is None:
        raise Refusal("UNAUTHORIZED")
    named = body.get("storeId") or request.args.get("storeId") or _parameters(request).get("storeId")
    if named and named != store.id:
        raise Refusal("FORBIDDEN")
    return store


def _parameters(request: Request) -> dict:
    """Of a GET: JSON in `requestBody`."""
    try:
        values = json.loads(request.args.get("requestBody", "{}"))
    except ValueError:
        raise Refusal("INVALID_REQUEST") from None
    return values if isinstance(values, dict) else {}


def _key(request: Request) -> str:
    key = request.headers.get("Idempotency-Key", "") if request.method == "POST" else ""
    if key and not QUOTED.match(key):
        raise Refusal("INVALID_REQUEST")
    return key


def _idempotently(books: State, request: Request, key: str, perform: Callable) -> tuple[int, dict]:
    if not key:
        return perform()
    name = books.answers.name(key, request.headers["Authorization"], request.method, request.path)
    before = books.answers.begin(name, books.now())
    if before is False:
        return _error("IDEMPOTENCY_OUTSTANDING_REQUEST")
    if before:
        return before["status"], before["body"]
    kept = None
    try:
        status, answer = perform()
        kept = {"status": status, "body": answer, "at": books.now()} if status != 500 else None
        return status, answer
    finally:
        books.answers.end(name, kept)


# -- the calls --------------------------------------------------------------------------------------
def register(sandbox, store: Store, body: dict, fault, payment_id: str) -> dict:
    """Fix what the window may be opened for; what is not said stays open."""
    if not PAYMENT_ID.match(payment_id):
        raise Refusal("INVALID_REQUEST")
    fixed = {}
    if "totalAmount" in body:
        fixed["total"] = _amount(body, "totalAmount", least=1)
    if "taxFreeAmount" in body:
        fixed["tax_free"] = _amount(body, "taxFreeAmount")
    if "currency" in body:
        fixed["currency"] = currency_of(body["currency"])
    if fixed.get("tax_free", 0) > fixed.get("total", 0) > 0:
        raise Refusal("SUM_OF_PARTS_EXCEEDS_TOTAL_AMOUNT")
    sandbox.portone.register(store, payment_id, fixed)
    return {}


def confirm(sandbox, store: Store, body: dict, fault, payment_id: str) -> dict:
    token = body.get("paymentToken")
    if not isinstance(token, str) or not token:
        raise Refusal("INVALID_REQUEST")
    checked = {name: body[name] for name in ("txId", "totalAmount", "taxFreeAmount", "isTest") if name in body}
    if "currency" in body:
        checked["currency"] = currency_of(body["currency"])
    payment = sandbox.portone.confirm(store, payment_id, token, checked, reject=_pg(fault))
    return {"payment": {"status": payment.status, "pgTxId": payment.pg_tx, "paidAt": moment(payment.paid_at)}
            if payment.paid_at else {"status": payment.status}}


def fetch(sandbox, store: Store, body: dict, fault, payment_id: str) -> dict:
    books = sandbox.portone
    with books.lock:
        return portone_shapes.payment(books.find(store, payment_id), sandbox.base)


def tries(sandbox, store: Store, body: dict, fault, payment_id: str) -> dict:
    """All tries of one payment id, the newest last."""
    books = sandbox.portone
    with books.lock:
        payment = books.find(store, payment_id)
        whole = portone_shapes.payment(payment, sandbox.base)
        return {"items": [whole if one["tx"] == payment.tx else {
            "status": "FAILED" if one["failure"] else "READY", "id": payment.id, "transactionId": one["tx"],
            "storeId": payment.store, "requestedAt": moment(one["at"])} for one in payment.tries]}


def cancel(sandbox, store: Store, body: dict, fault, payment_id: str) -> dict:
    if _pg(fault):
        raise PgRefusal(_pg(fault))
    reason = body.get("reason")
    if not isinstance(reason, str) or not reason.strip() or body.get("requester", "ADMIN") not in ("CUSTOMER", "ADMIN"):
        raise Refusal("INVALID_REQUEST")
    books = sandbox.portone
    with books.lock:
        payment = books.find(store, payment_id)
        account = body.get("refundAccount")
        if account is not None and payment.paid_at:
            _check_account(account)
        one = books.cancel(
            store, payment_id, reason=reason, amount=_optional(body, "amount", least=1),
            current=_optional(body, "currentCancellableAmount"), tax_free=_optional(body, "taxFreeAmount") or 0,
            refund_account=account, requester=body.get("requester", ""), later=bool(fault and fault.name == "requested"))
        return {"cancellation": portone_shapes.cancellation(one)}


def _check_account(account) -> None:
    if not isinstance(account, dict) or account.get("bank") not in BANKS:
        raise Refusal("INVALID_REQUEST")
    if not re.fullmatch(r"[0-9]{1,20}", str(account.get("number", "")), re.ASCII):
        raise PgRefusal("INVALID_REFUND_ACCOUNT_NUMBER")
    if not 0 < len(str(account.get("holderName", ""))) <= 60:
        raise PgRefusal("INVALID_REFUND_ACCOUNT_INFO")


def close(sandbox, store: Store, body: dict, fault, payment_id: str) -> dict:
    return {"closedAt": moment(sandbox.portone.close(store, payment_id).status_at)}


def issue_receipt(sandbox, store: Store, body: dict, fault) -> dict:
    if _pg(fault):
        raise PgRefusal(_pg(fault))
    amount, customer = body.get("amount"), body.get("customer")
    wrong = not isinstance(amount, dict) or not isinstance(customer, dict) or body.get("type") not in ("PERSONAL", "CORPORATE") \
        or currency_of(body.get("currency")) != "KRW" or body.get("paymentMethod") not in ("TRANSFER", "VIRTUAL_ACCOUNT") \
        or not 0 < len(str(body.get("orderName", ""))) <= 100
    if wrong:
        raise Refusal("INVALID_REQUEST")
    if body.get("channelKey") not in store.channels:
        raise Refusal("CHANNEL_NOT_FOUND")
    total, tax_free = _amount(amount, "total", least=1), _optional(amount, "taxFree") or 0
    number, kind = str(customer.get("identityNumber", "")), customer.get("identityNumberType")
    forms = {"PHONE": r"01[0-9]{8,9}", "CARD": r"[0-9]{13,19}", "BUSINESS": r"[0-9]{10}"}
    if kind not in forms or (kind == "BUSINESS") != (body["type"] == "CORPORATE"):
        raise Refusal("INVALID_REQUEST")
    if not re.fullmatch(forms[kind], number, re.ASCII):
        raise PgRefusal("INVALID_BUSINESS_NUMBER" if kind == "BUSINESS" else "INVALID_CASH_RECEIPT_INFO")
    books, payment_id = sandbox.portone, str(body.get("paymentId", ""))
    payment = books.payments.get((store.id, payment_id))
    if not PAYMENT_ID.match(payment_id):
        raise Refusal("INVALID_REQUEST")
    if tax_free > total or (payment and total > payment.total):
        raise Refusal("SUM_OF_PARTS_EXCEEDS_TOTAL_AMOUNT")
    one = books.give_receipt(store, payment_id, body["type"], total, tax_free, str(body["orderName"]))
    shown = portone_shapes.receipt(one, sandbox.base)
    return {"cashReceipt": {name: shown[name] for name in ("issueNumber", "url", "pgReceiptId")}}


def fetch_receipt(sandbox, store: Store, body: dict, fault, payment_id: str) -> dict:
    with sandbox.portone.lock:
        one = sandbox.portone.receipt_of(store.id, payment_id)
        if not one:
            raise Refusal("CASH_RECEIPT_NOT_FOUND")
        shown = portone_shapes.receipt(one, sandbox.base)
        return shown | {"amount": shown.pop("totalAmount"), "paymentId": payment_id, "storeId": store.id,
                        "merchantId": "merchant-sandbox", "isManual": one["manual"]}


def cancel_receipt(sandbox, store: Store, body: dict, fault, payment_id: str) -> dict:
    if _pg(fault):
        raise PgRefusal(_pg(fault))
    one = sandbox.portone.take_receipt(store, payment_id)
    return {"cancelledAmount": one["amount"], "cancelledAt": moment(one["cancelled_at"])}


# -- inside -----------------------------------------------------------------------------------------
def _amount(values: dict, name: str, least: int = 0) -> int:
    amount = amount_of(values.get(name), least)
    if amount is None:
        raise Refusal("INVALID_REQUEST")
    return amount


def _optional(values: dict, name: str, least: int = 0) -> int | None:
    return _amount(values, name, least) if name in values else None


def _pg(fault: Fault | None) -> str:
    return fault.argument if fault and fault.name == "pg" else ""


def _error(code: str, pg_code: str = "") -> tuple[int, dict]:
    more = {"pgCode": pg_code, "pgMessage": f"SANDBOX: {pg_code}"} if pg_code else {}
    return STATUS.get(code, 400), {"type": code, "message": f"SANDBOX: {code}"} | more


def _answer(status: int, body: dict) -> Response:
    return Response(json.dumps(body, ensure_ascii=False), status, mimetype="application/json")


def _html(status: int) -> Response:
    return Response("<html><body><h1>Bad Gateway</h1></body></html>", status, mimetype="text/html")


EARLY = {"409": lambda: _answer(*_error("IDEMPOTENCY_OUTSTANDING_REQUEST")),
         "429": lambda: _answer(*_error("TOO_MANY_REQUESTS")),
         "500": lambda: _answer(*_error("INTERNAL_SERVER_ERROR")), "html": lambda: _html(502)}
LIES = {  # what an answer about a payment says instead
    "wrong_amount": lambda body: {"amount": body["amount"] | {"total": body["amount"]["total"] + 1000}},
    "wrong_store": lambda body: {"storeId": "store-another0000001"},
    "wrong_channel": lambda body: {"channel": body["channel"] | {"key": "channel-key-another0000001"}},
    "wrong_currency": lambda body: {"currency": "USD"},
    "live": lambda body: {"channel": body["channel"] | {"type": "LIVE"}},
    "unknown_status": lambda body: {"status": "SOMETHING_NEW"},
    "unknown_method": lambda body: {"method": {"type": "PaymentMethodShells"}},
}


def _spoil(fault: Fault | None, status: int, answer: dict) -> Response | None:
    """The answer that takes the place of the right one, when that is the plan."""
    if fault is None or status != 200:
        return None
    if fault.name == "timeout_after_commit":
        time.sleep(float(fault.argument or 0))
        raise Drop
    if fault.name == "500_after_commit":
        return _answer(*_error("INTERNAL_SERVER_ERROR"))
    if fault.name == "html_after_commit":
        return _html(200)
    if fault.name in LIES and "amount" in answer:
        return _answer(200, answer | LIES[fault.name](answer))
    if fault.name == "truncated":
        whole = json.dumps(answer).encode()
        response = Response(whole[:len(whole) // 2], 200, mimetype="application/json")
        response.headers["Content-Length"], response.headers["Connection"] = str(len(whole)), "close"
        return response
    return None


def api(method: str, path: str, operation: str, call: Callable):
    return route(method, f"/portone{path}", lambda sandbox, request, **ids: endpoint(sandbox, operation, call, request, **ids))


ROUTES = [
    api("POST", "/payments/<payment_id>/pre-register", "register", register),
    api("POST", "/payments/<payment_id>/confirm", "confirm", confirm),
    api("GET", "/payments/<payment_id>", "fetch", fetch),
    api("GET", "/payments/<payment_id>/transactions", "fetch", tries),
    api("POST", "/payments/<payment_id>/cancel", "cancel", cancel),
    api("POST", "/payments/<payment_id>/virtual-account/close", "close", close),
    api("POST", "/cash-receipts", "receipt", issue_receipt),
    api("GET", "/payments/<payment_id>/cash-receipt", "receipt_fetch", fetch_receipt),
    api("POST", "/payments/<payment_id>/cash-receipt/cancel", "receipt_cancel", cancel_receipt),
    route("GET", "/portone/v2/browser-sdk.js", portone_window.sdk),
    route("GET", "/portone/window", portone_window.show),
    route("GET", "/portone/window/<tx>", portone_window.window),
    route("GET", "/portone/receipt/<tx>", portone_window.window),
    route("GET", "/portone/cash-receipt/<number>", portone_window.cash_receipt),
    route("GET", "/portone/window/order/<payment_id>", portone_window.of_payment),
    route("POST", "/portone/window/<tx>/<any(approve,decline,close,timeout,deposit):action>", portone_window.press),
    route("GET", "/control/portone/<what>", portone_control.call),
    route("POST", "/control/portone/<what>", portone_control.call),
]
