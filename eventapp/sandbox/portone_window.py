"""What the buyer sees of PortOne: the stub of its browser SDK and the page on which they approve, decline, close."""
import json
import re
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from eventapp.sandbox.pages import page
from eventapp.sandbox.portone_books import CARD, ISSUED, MANUAL, MOBILE, READY, TRANSFER, VIRTUAL_ACCOUNT, Payment
from eventapp.sandbox.state import DAY, HOUR, Refusal
from eventapp.sandbox.times import seoul

SDK = (Path(__file__).parent / "portone_sdk.js").read_text(encoding="utf-8")
PAYMENT_ID = re.compile(r"[A-Za-z0-9_-]{6,64}\Z")
METHODS = (CARD, TRANSFER, VIRTUAL_ACCOUNT, MOBILE)
LOOPBACK = ("localhost", "127.0.0.1", "::1")
SLOW = "timeout_after_commit:4"  # longer than a return page looks for the result
CLOSED, DECLINED = "PAY_PROCESS_CANCELED", "REJECT_CARD_COMPANY"


def sdk(sandbox, request: Request) -> Response:
    response = Response(SDK, mimetype="text/javascript")
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Cache-Control"] = "no-cache"
    return response


def show(sandbox, request: Request) -> Response:
    """Where `requestPayment` sends the browser: begins a payment, then shows it under its own address."""
    try:
        values = json.loads(request.args.get("request", ""))
        payment = begin(sandbox, values)
    except ValueError:
        return page("refused.html", 400, code="INVALID_REQUEST")
    except Refusal as refusal:
        return page("refused.html", 400, code=refusal.code)
    if sandbox.autopay:
        return redirect(come_back(sandbox.portone.approve(payment.tx), payment.tx), 303)
    return redirect(f"/portone/window/{payment.tx}", 303)


def begin(sandbox, values) -> Payment:
    """A payment in READY, after the checks that PortOne makes; raises Refusal."""
    if not isinstance(values, dict):
        raise Refusal("INVALID_REQUEST")
    store = sandbox.portone.store(str(values.get("storeId", "")))
    if store is None:
        raise Refusal("STORE_NOT_FOUND")
    if values.get("channelKey") not in store.channels:
        raise Refusal("CHANNEL_NOT_FOUND")
    payment_id, order_name = values.get("paymentId"), values.get("orderName")
    if not isinstance(payment_id, str) or not PAYMENT_ID.match(payment_id):
        raise Refusal("INVALID_PAYMENT_ID")
    if not isinstance(order_name, str) or not 0 < len(order_name) <= 100:
        raise Refusal("INVALID_ORDER_NAME")
    total, tax_free = amount_of(values.get("totalAmount"), 1), amount_of(values.get("taxFreeAmount", 0))
    if total is None or tax_free is None or tax_free > total:
        raise Refusal("INVALID_AMOUNT")
    if currency_of(values.get("currency")) != "KRW":
        raise Refusal("INVALID_CURRENCY")
    if values.get("payMethod") not in METHODS:
        raise Refusal("INVALID_PAY_METHOD")
    if not str(values.get("redirectUrl", "")).startswith(("http://", "https://")):
        raise Refusal("INVALID_REDIRECT_URL")
    account = values.get("virtualAccount") or {}
    return sandbox.portone.open_window(
        store, payment_id, channel=values["channelKey"], order_name=order_name, method=values["payMethod"], total=total,
        tax_free=tax_free, currency="KRW", customer=values.get("customer") or {}, custom_data=values.get("customData"),
        redirect_url=values["redirectUrl"], notice_urls=[url for url in values.get("noticeUrls") or [] if own_machine(url)],
        receipt_type=account.get("cashReceiptType", ""),
        due_at=_due(account, sandbox.portone.now()) if values["payMethod"] == VIRTUAL_ACCOUNT else None)


def _due(account: dict, now: float) -> float:
    expiry = account.get("accountExpiry") or {}
    if "validHours" in expiry:
        hours = amount_of(expiry["validHours"], 1)
        at = hours and now + hours * HOUR
    else:
        at = seoul(expiry["dueDate"]) if "dueDate" in expiry else now + 7 * DAY
    if at is None or not now < at <= now + 90 * DAY:
        raise Refusal("INVALID_ACCOUNT_EXPIRY")
    return at


def window(sandbox, request: Request, tx: str) -> Response:
    payment = _of_try(sandbox, tx)
    if payment is None:
        return page("refused.html", 404, code="PAYMENT_NOT_FOUND")
    attempt = next(one for one in payment.tries if one["tx"] == tx)
    return page("portone/window.html", payment=payment, tx=tx, waiting=payment.status == ISSUED,
                open=payment.status == READY and not attempt["approved_at"] and not attempt["failure"])


def of_payment(sandbox, request: Request, payment_id: str) -> Response:
    try:
        return redirect(f"/portone/window/{sandbox.portone.find_any(payment_id).tx}", 303)
    except Refusal as refusal:
        return page("refused.html", 404, code=refusal.code)


def cash_receipt(sandbox, request: Request, number: str) -> Response:
    """What stands behind the address of a cash receipt."""
    books = sandbox.portone
    with books.lock:
        every = [*books.receipts.values(), *(one.receipt for one in books.payments.values() if one.receipt)]
    one = next((one for one in every if one["pg"] == number), None)
    return page("portone/receipt.html", receipt=one) if one else page("refused.html", 404, code="CASH_RECEIPT_NOT_FOUND")


def _of_try(sandbox, tx: str) -> Payment | None:
    try:
        return sandbox.portone.find_any(tx=tx)
    except Refusal:
        return None


def press(sandbox, request: Request, tx: str, action: str) -> Response:
    """One of the window's buttons."""
    books, payment = sandbox.portone, _of_try(sandbox, tx)
    try:
        if payment is None:
            raise Refusal("PAYMENT_NOT_FOUND")
        if action == "deposit" and payment.status == ISSUED:
            books.deposit(payment)
            return redirect(f"/portone/window/{tx}", 303)
        if payment.status != READY:
            raise Refusal("PAYMENT_IS_OVER")
        if action == "close":
            return redirect(come_back(payment, tx, CLOSED, "사용자가 결제를 취소했습니다."), 303)
        if action == "decline":
            books.decline(tx, DECLINED, "결제 승인이 거절되었습니다.")
            return redirect(come_back(payment, tx, DECLINED, "결제 승인이 거절되었습니다."), 303)
        if action == "timeout" and books.stores[payment.store].channels.get(payment.channel) == MANUAL:
            sandbox.faults.add("portone.confirm", SLOW, 1, payment.id)
        books.approve(tx, deposit=action == "deposit", slow=action == "timeout")
        return redirect(come_back(payment, tx), 303)
    except Refusal as refusal:
        return page("refused.html", 409, code=refusal.code)


def come_back(payment: Payment, tx: str, pg_code: str = "", message: str = "") -> str:
    """The shop's own parameters stay, PortOne's come behind them. There is no amount among them."""
    attempt = next(one for one in payment.tries if one["tx"] == tx)
    query = {"paymentId": payment.id, "txId": tx, "transactionType": "PAYMENT"}
    if pg_code:
        query |= {"code": "FAILURE_TYPE_PG", "message": message, "pgCode": pg_code, "pgMessage": message}
    elif attempt["token"]:
        query["paymentToken"] = attempt["token"]
    parts = urlsplit(payment.redirect_url)
    pairs = [*parse_qsl(parts.query, keep_blank_values=True), *query.items()]
    return urlunsplit(parts._replace(query=urlencode(pairs)))


def amount_of(value, least: int = 0) -> int | None:
    return value if type(value) is int and value >= least else None


def currency_of(value) -> str:
    """`KRW`, or `CURRENCY_KRW` as it was written before."""
    return value.removeprefix("CURRENCY_") if isinstance(value, str) else ""


def own_machine(url) -> bool:
    """Whether a notice may go there: nothing here talks to another machine."""
    parts = urlsplit(str(url))
    return parts.scheme in ("http", "https") and parts.hostname in LOOPBACK
