"""PortOne's switches, as JSON under /control/portone: for tests, for the demo, for trying things out by hand."""
import json

from werkzeug.wrappers import Request, Response

from eventapp.sandbox import portone_shapes
from eventapp.sandbox.portone_books import FAILED, REQUESTED, SUCCEEDED, Payment, Store, moment
from eventapp.sandbox.portone_window import CLOSED, DECLINED, begin, come_back, own_machine
from eventapp.sandbox.state import Refusal


def call(sandbox, request: Request, what: str) -> Response:
    """`POST /control/portone/<what>` with a JSON object, or `GET` to look."""
    answers = GET if request.method == "GET" else POST
    if what not in answers:
        return _json({"error": "no such call"}, 404)
    body = request.get_json(silent=True) if request.method == "POST" and request.data else {}
    try:
        if not isinstance(body, dict):
            raise ValueError("a JSON object was expected")
        return _json(answers[what](sandbox, body if request.method == "POST" else request.args))
    except Refusal as refusal:
        return _json({"error": refusal.code}, 409)
    except (ValueError, TypeError, KeyError) as error:
        return _json({"error": f"{type(error).__name__}: {error}"}, 400)


def _json(body, status: int = 200) -> Response:
    return Response(json.dumps(body, ensure_ascii=False), status, mimetype="application/json")


# -- stores and notices -----------------------------------------------------------------------------
def accounts(sandbox, body) -> dict:
    """{store_id, secrets, channels?: {key: automatic or manual}, webhook_secrets?}: these, and no others, are valid from
    now on."""
    store = sandbox.portone.put(body["store_id"], list(body["secrets"]), body.get("channels"), body.get("webhook_secrets"))
    return {"store_id": store.id, "channels": store.channels}


def webhooks(sandbox, body) -> dict:
    """{store_id, url, add?}: where the console sends notices of payments that bring no address of their own."""
    store = _store(sandbox, body)
    kept = [url for url in store.webhooks if url != body["url"]] if body.get("add") else []
    if body["url"]:
        if not own_machine(body["url"]):
            raise ValueError("notices go to this machine only: localhost, 127.0.0.1 or [::1]")
        kept = [*kept, body["url"]]
    sandbox.portone.set_webhooks(store, kept)
    return {"store_id": store.id, "webhooks": kept}


def forge(sandbox, body) -> dict:
    """{order_id or store_id, url?, body?, type?, secret?, old?, id?}: a notice that nothing happened for. Signed rightly,
    unless `secret` says with what else; `old`: by how many seconds its time is too old."""
    payment = _payment(sandbox, body) if "order_id" in body else None
    store = sandbox.portone.stores[payment.store] if payment else _store(sandbox, body)
    url = body.get("url") or (payment and payment.notice_urls or store.webhooks)[0]
    if not own_machine(url):
        raise ValueError("notices go to this machine only: localhost, 127.0.0.1 or [::1]")
    notice = body.get("body") or {
        "type": body.get("type", "Transaction.Paid"), "timestamp": moment(sandbox.portone.now()),
        "data": {"storeId": store.id, "paymentId": payment.id, "transactionId": payment.tx}}
    more = {name: body[name] for name in ("old", "id") if name in body}
    return {"sent": sandbox.portone.send(url, notice, body.get("secret", " ".join(store.webhook_secrets)), **more)}


# -- people, banks, card companies -------------------------------------------------------------------
def pay(sandbox, body) -> dict:
    """{request, button?}: a buyer without a browser who approves (or presses decline, close, deposit); answers where
    PortOne sends them. `request` is the argument of requestPayment."""
    books, button = sandbox.portone, body.get("button", "approve")
    payment = begin(sandbox, body["request"])
    tx, code = payment.tx, {"decline": DECLINED, "close": CLOSED}.get(button, "")
    if button == "decline":
        books.decline(tx, DECLINED, "결제 승인이 거절되었습니다.")
    elif button != "close":
        books.approve(tx, deposit=button == "deposit", slow=button == "timeout")
    return {"paymentId": payment.id, "location": come_back(payment, tx, code, code)}


def deposit(sandbox, body) -> dict:
    return _shown(sandbox, sandbox.portone.deposit(_payment(sandbox, body), body.get("amount")))


def expire(sandbox, body) -> dict:
    return _shown(sandbox, sandbox.portone.expire(_payment(sandbox, body)))


def cancel(sandbox, body) -> dict:
    """{order_id, amount?}: somebody cancels in PortOne's console."""
    payment = _payment(sandbox, body)
    sandbox.portone.cancel(sandbox.portone.stores[payment.store], payment.id, reason=body.get("reason", "콘솔에서 취소"),
                           amount=body.get("amount"), current=None, tax_free=0, refund_account=None, trigger="CONSOLE")
    return _shown(sandbox, payment)


def refund(sandbox, body) -> dict:
    """{order_id, result: SUCCEEDED or FAILED}: how a cancellation that was under way ended."""
    if body["result"] not in (SUCCEEDED, FAILED):
        raise ValueError("a cancellation ends SUCCEEDED or FAILED")
    return _shown(sandbox, sandbox.portone.finish_refund(_payment(sandbox, body), body["result"] == SUCCEEDED))


def dispute(sandbox, body) -> dict:
    """{order_id, reason?, outcome?: won or lost}: a card holder contests; with an outcome it is decided."""
    payment = _payment(sandbox, body)
    if body.get("outcome", "won") not in ("won", "lost"):
        raise ValueError("a dispute is won or lost")
    if not any(one["status"] == "UNRESOLVED" for one in payment.disputes):
        sandbox.portone.contest(payment, body.get("reason", "본인이 사용하지 않음"))
    if "outcome" in body:
        sandbox.portone.resolve(payment, body["outcome"])
    return _shown(sandbox, payment)


# -- looking ------------------------------------------------------------------------------------------
def books(sandbox, args) -> dict:
    """Everything; ?store_id= and ?order_id= narrow it. `balances`: what each store received and did not return."""
    state = sandbox.portone
    with state.lock:
        state.sweep()
        payments = [payment for payment in state.payments.values()
                    if args.get("store_id") in (None, payment.store) and args.get("order_id") in (None, payment.id)]
        balances: dict[str, int] = {}
        for payment in payments:
            if payment.paid_at:
                balances[payment.store] = balances.get(payment.store, 0) + payment.balance
        return {"payments": [_shown(sandbox, payment) for payment in payments], "balances": balances}


def _shown(sandbox, payment: Payment) -> dict:
    return portone_shapes.payment(payment, sandbox.base) | {
        "balance": payment.balance, "requested": sum(one["amount"] for one in payment.cancellations if one["status"] == REQUESTED)}


def _store(sandbox, body) -> Store:
    store = sandbox.portone.store(body.get("store_id", ""))
    if store is None:
        raise ValueError("no such store")
    return store


def _payment(sandbox, body) -> Payment:
    return sandbox.portone.find_any(body["order_id"])


GET = {"books": books, "webhooks": lambda sandbox, args: {"webhooks": {store.id: store.webhooks for store
                                                                      in list(sandbox.portone.stores.values())}}}
POST = {"accounts": accounts, "webhooks": webhooks, "forge": forge, "pay": pay, "deposit": deposit, "expire": expire,
        "cancel": cancel, "refund": refund, "dispute": dispute}
