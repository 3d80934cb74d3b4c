"""What the buyer sees: the stub of Toss's browser SDK and the page on which they approve, decline, close."""
import json
from pathlib import Path

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from eventapp.sandbox import magic
from eventapp.sandbox.pages import page
from eventapp.sandbox.shapes import with_query
from eventapp.sandbox.state import CARD, MOBILE, READY, TRANSFER, VIRTUAL_ACCOUNT, WAITING, Payment, Refusal
from eventapp.sandbox.toss import LEAST, MOST_BY_TRANSFER, ORDER_ID, amount_of, due

SDK = (Path(__file__).parent / "sdk.js").read_text(encoding="utf-8")
SLOW = "timeout_after_commit:4"  # longer than a return page looks for the result
PART = {TRANSFER: "transfer", VIRTUAL_ACCOUNT: "virtualAccount"}
RECEIPT_TYPES = ("소득공제", "지출증빙", "미발행")


def sdk(sandbox, request: Request) -> Response:
    response = Response(SDK, mimetype="text/javascript")
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Cache-Control"] = "no-cache"
    return response


def show(sandbox, request: Request) -> Response:
    """Where `requestPayment` sends the browser: begins a payment, then shows it under its own address."""
    try:
        values = json.loads(request.args.get("request", ""))
        payment = begin(sandbox, request.args.get("clientKey", ""), request.args.get("customerKey"), values)
    except ValueError:
        return page("refused.html", 400, code="INVALID_PARAMETERS")
    except Refusal as refusal:
        return page("refused.html", 400, code=refusal.code)
    if sandbox.autopay:
        return _approve(sandbox, payment)
    return redirect(f"/toss/window/{payment.key}", 303)


def begin(sandbox, client_key: str, customer_key: str | None, values) -> Payment:
    """A payment in READY, after the checks that the real SDK makes; raises Refusal with the SDK's code."""
    account = sandbox.accounts.of_client(client_key)
    if account is None:
        raise Refusal("INVALID_CLIENT_KEY")
    if not isinstance(values, dict):
        raise Refusal("INVALID_PARAMETERS")
    method, amount = values.get("method"), values.get("amount")
    if method not in (CARD, TRANSFER, VIRTUAL_ACCOUNT, MOBILE):
        raise Refusal("NOT_SUPPORTED_METHOD")
    if not isinstance(amount, dict) or amount.get("currency") != "KRW":
        raise Refusal("INVALID_AMOUNT_CURRENCY")
    value = amount.get("value")
    if type(value) is not int or value <= 0:
        raise Refusal("INVALID_AMOUNT_VALUE")
    if value < LEAST.get(method, 1):
        raise Refusal("BELOW_MINIMUM_AMOUNT")
    if method == TRANSFER and value > MOST_BY_TRANSFER:
        raise Refusal("EXCEEDS_TRANSFER_AMOUNT_MAXIMUM")
    order_id, order_name = values.get("orderId"), values.get("orderName")
    if not isinstance(order_id, str) or not ORDER_ID.match(order_id):
        raise Refusal("INVALID_ORDER_ID")
    if not isinstance(order_name, str) or not 0 < len(order_name) <= 100:
        raise Refusal("INVALID_ORDER_NAME")
    for name, code in (("successUrl", "INCORRECT_SUCCESS_URL_FORMAT"), ("failUrl", "INCORRECT_FAIL_URL_FORMAT")):
        if not str(values.get(name, "")).startswith(("http://", "https://")):
            raise Refusal(code)
    tax_free = amount_of(values.get("taxFreeAmount") or 0, least=0)
    if tax_free is None or tax_free > value:
        raise Refusal("INVALID_AMOUNT_VALUE")
    part = values.get(PART.get(method, "")) or {}
    receipt = (part.get("cashReceipt") or {}).get("type", "")
    if receipt and receipt not in RECEIPT_TYPES:
        raise Refusal("INVALID_PARAMETERS")
    more = due(part, sandbox.books.now()) if method == VIRTUAL_ACCOUNT else {}
    return sandbox.books.open_window(
        client_key, order_id=order_id, order_name=order_name, method=method, amount=value, tax_free=tax_free,
        receipt_type=receipt.replace("미발행", ""), customer_name=str(values.get("customerName", ""))[:100],
        customer_key=None if customer_key == "@@ANONYMOUS" else customer_key,
        success_url=values["successUrl"], fail_url=values["failUrl"], **more)


def window(sandbox, request: Request, key: str) -> Response:
    sandbox.books.sweep()
    payment = sandbox.books.payments.get(key)
    if payment is None:
        return page("refused.html", 404, code="NOT_FOUND_PAYMENT")
    return page("window.html", payment=payment, open=payment.status == READY, waiting=payment.status == WAITING,
                codes=magic.IN_THE_WINDOW)


def of_order(sandbox, request: Request, order_id: str) -> Response:
    try:
        return redirect(f"/toss/window/{sandbox.books.find_any(order_id=order_id).key}", 303)
    except Refusal as refusal:
        return page("refused.html", 404, code=refusal.code)


def press(sandbox, request: Request, key: str, action: str) -> Response:
    """One of the window's buttons."""
    payment = sandbox.books.payments.get(key)
    try:
        if payment is None:
            raise Refusal("NOT_FOUND_PAYMENT")
        if action == "deposit" and payment.status == WAITING:
            sandbox.books.deposit(key)
            return redirect(f"/toss/window/{key}", 303)
        if payment.status != READY:
            raise Refusal("NOT_AVAILABLE_PAYMENT")
        if action == "close":
            return _leave(payment.fail_url, code="PAY_PROCESS_CANCELED", message="사용자가 결제를 취소했습니다.")
        if action == "decline":
            sandbox.books.decline(key, "REJECT_CARD_COMPANY", "결제 승인이 거절되었습니다.")
            return _leave(payment.fail_url, code="REJECT_CARD_COMPANY", message="결제 승인이 거절되었습니다.",
                          orderId=payment.order_id)
        if action == "timeout":
            sandbox.faults.add("confirm", SLOW, 1, payment.order_id)
        forced = request.form.get("code", "")
        return _approve(sandbox, payment, deposit=action == "deposit",
                        forced=forced if forced in magic.IN_THE_WINDOW else "")
    except Refusal as refusal:
        return page("refused.html", 409, code=refusal.code)


def _approve(sandbox, payment: Payment, *, deposit: bool = False, forced: str = "") -> Response:
    sandbox.books.authenticate(payment.key, deposit_when_issued=deposit, forced=forced)
    return redirect(success_url(payment), 303)


def success_url(payment: Payment) -> str:
    """A widget says its kind of payment too."""
    kind = {"paymentType": "NORMAL"} if "_gck_" in payment.account else {}
    return with_query(payment.success_url, paymentKey=payment.key, orderId=payment.order_id, amount=payment.amount,
                      **kind)


def _leave(url: str, **query) -> Response:
    return redirect(with_query(url, **query), 303)
