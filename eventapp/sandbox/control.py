"""The switches, as JSON under /control: for tests, for the demo, for trying things out by hand."""
import json
import re
from urllib.parse import urlsplit

from werkzeug.wrappers import Request, Response

from eventapp.sandbox import billing, magic, receipts, shapes, window
from eventapp.sandbox.courier import Switches
from eventapp.sandbox.state import Payment, Refusal

LOOPBACK = ("localhost", "127.0.0.1", "::1")
EVENTS = ["PAYMENT_STATUS_CHANGED", "DEPOSIT_CALLBACK", "BILLING_DELETED"]


def call(sandbox, request: Request, what: str) -> Response:
    """`POST /control/<what>` with a JSON object, or `GET` to look."""
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


# -- accounts and notices ---------------------------------------------------------------------------
def accounts(sandbox, body) -> dict:
    """{client_key, secret_keys: [current, previous]}: these secrets, and no others, are valid from now on."""
    account = sandbox.accounts.put(body["client_key"], list(body["secret_keys"]))
    return {"client_key": account.client_key, "mId": account.merchant_id}


def webhooks(sandbox, body) -> dict:
    """{client_key or secret_key, url, events?, add?}: where notices go; `add` keeps the addresses there were."""
    account = sandbox.accounts.of_client(body["client_key"]) if body.get("client_key") \
        else sandbox.accounts.of_secret(body["secret_key"])
    if account is None:
        raise ValueError("no such account")
    events = body.get("events", EVENTS)
    if not set(events) <= set(EVENTS):
        raise ValueError(f"events are {EVENTS}")
    kept = [each for each in account.webhooks if each["url"] != body["url"]] if body.get("add") else []
    if body["url"]:
        _own_machine(body["url"])
        kept = [*kept, {"url": body["url"], "events": list(events)}]
    sandbox.accounts.set_webhooks(account, kept)
    return {"client_key": account.client_key, "webhooks": kept}


def switches(sandbox, body) -> dict:
    """{duplicate: N, reorder: bool, delay: seconds, drop: N}: what happens to notices; {} puts all right again."""
    sandbox.courier.switches = Switches(**body)
    return sandbox.courier.switches.__dict__


def forge(sandbox, body) -> dict:
    """A notice that nothing happened for: {client_key or url, body} with any body, or
    {order_id, status, shape: status, deposit or both, secret?, to?}; `to` is the client key of an account whose address it
    goes to instead, a `security_key` signs it as payouts are signed, `old` (seconds) makes it look old."""
    if "body" in body:
        notices, account = [body["body"]], sandbox.accounts.of_client(body.get("client_key", ""))
    else:
        payment = _payment(sandbox, body)
        account = sandbox.accounts.of_client(payment.account)
        at, status, shape = sandbox.books.now(), body.get("status", "DONE"), body.get("shape", "status")
        data = shapes.payment(payment, account, sandbox.base) | {"status": status}
        kinds = {"status": {"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": shapes.created_at(at),
                            "data": data | ({"secret": body["secret"]} if "secret" in body else {})},
                 "deposit": {"createdAt": shapes.created_at(at), "secret": body.get("secret", "ps_forged"),
                             "status": status, "transactionKey": "txrd_forged", "orderId": payment.order_id}}
        notices = list(kinds.values()) if shape == "both" else [kinds[shape]]
    account = sandbox.accounts.of_client(body["to"]) if "to" in body else account
    url = body.get("url") or account.webhooks[0]["url"]
    _own_machine(url)
    sent = [sandbox.courier.take(url, notice, sandbox.books.now(), secret=body.get("security_key", ""),
                                 old=float(body.get("old", 0))) for notice in notices]
    return {"sent": sent}


def _own_machine(url: str) -> None:
    if urlsplit(url).scheme not in ("http", "https") or urlsplit(url).hostname not in LOOPBACK:
        raise ValueError("notices go to this machine only: localhost, 127.0.0.1 or [::1]")


# -- faults, time -----------------------------------------------------------------------------------
def faults(sandbox, body) -> dict:
    """{op, fault, times?, order_id?}; the names are in faults.py."""
    sandbox.faults.add(body["op"], body["fault"], int(body.get("times", 1)), body.get("order_id", ""))
    return {"faults": sandbox.faults.listed()}


def no_faults(sandbox, body) -> dict:
    sandbox.faults.clear()
    return {"faults": []}


def clock(sandbox, body) -> dict:
    """{advance: seconds} from where it is, or {offset: seconds} from the real time."""
    if body:
        offset = body["offset"] if "offset" in body else sandbox.books.offset + body["advance"]
        sandbox.books.move_clock(float(offset))
    return {"offset": sandbox.books.offset, "now": shapes.moment(sandbox.books.now())}


def autopay(sandbox, body) -> dict:
    sandbox.autopay = bool(body["on"])
    return {"autopay": sandbox.autopay}


# -- people and banks -------------------------------------------------------------------------------
def pay(sandbox, body) -> dict:
    """{client_key, request, customer_key?}: a buyer who approves without a browser; answers where Toss sends them."""
    payment = window.begin(sandbox, body["client_key"], body.get("customer_key"), body["request"])
    sandbox.books.authenticate(payment.key)
    return {"paymentKey": payment.key, "location": window.success_url(payment)}


def deposit(sandbox, body) -> dict:
    return _shown(sandbox, sandbox.books.deposit(_payment(sandbox, body).key, body.get("amount")))


def reversal(sandbox, body) -> dict:
    return _shown(sandbox, sandbox.books.reverse(_payment(sandbox, body).key))


def expire(sandbox, body) -> dict:
    return _shown(sandbox, sandbox.books.expire(_payment(sandbox, body).key))


def cancel(sandbox, body) -> dict:
    """{order_id, amount?}: somebody cancels in Toss's dashboard."""
    payment = _payment(sandbox, body)
    return _shown(sandbox, sandbox.books.cancel(
        payment.account, payment.key, reason=body.get("reason", "대시보드에서 취소"), amount=body.get("amount"),
        refundable=None, tax_free=0, has_refund_account=True))


def refund(sandbox, body) -> dict:
    """{order_id, result: COMPLETED or FAILED}: how sending a virtual account's money back ended."""
    if not re.fullmatch("COMPLETED|FAILED|PARTIAL_FAILED", body["result"]):
        raise ValueError("a refund ends COMPLETED, FAILED or PARTIAL_FAILED")
    return _shown(sandbox, sandbox.books.finish_refund(_payment(sandbox, body).key, body["result"]))


def receipt(sandbox, body) -> dict:
    """{receipt_key or order_id, result: COMPLETED or FAILED}: the tax office answers before its day is over."""
    if not re.fullmatch("COMPLETED|FAILED", body["result"]):
        raise ValueError("a receipt ends COMPLETED or FAILED")
    keys = [one.key for one in sandbox.receipts.receipts.values()
            if body.get("receipt_key") == one.key or ("receipt_key" not in body and body["order_id"] == one.order_id)]
    now = sandbox.books.now()
    ended = [sandbox.receipts.end(now, key, body["result"] == "FAILED") for key in keys]
    if not ended:
        raise Refusal("NOT_FOUND")
    return {"receipts": [receipts.shape(one, now, sandbox.base) for one in ended]}


def register(sandbox, body) -> dict:
    """{client_key, customer_key, request, number?}: somebody registers a card without a browser; answers where Toss sends
    them."""
    opened = billing.begin(sandbox, body["client_key"], body["customer_key"], body["request"])
    location = billing.approve(sandbox, opened, body.get("number", magic.GOOD_CARD))
    return {"authKey": opened.auth_key, "location": location}


def unregister(sandbox, body) -> dict:
    """{billing_key}: it is deleted at Toss's console."""
    stored = sandbox.billing.keys.get(body["billing_key"])
    if stored is None:
        raise Refusal("NOT_FOUND_BILLING")
    billing.delete(sandbox, stored)
    return {"removed": stored.key}


# -- looking, and beginning again -------------------------------------------------------------------
def books(sandbox, args) -> dict:
    """Everything; ?client_key= and ?order_id= narrow it. `balances`: what each account received and did not return."""
    sandbox.books.sweep()
    with sandbox.books.lock:
        client_key, order_id = args.get("client_key"), args.get("order_id")
        payments = [payment for payment in sandbox.books.payments.values()
                    if client_key in (None, payment.account) and order_id in (None, payment.order_id)]
        lines = [line for line in sandbox.books.transactions
                 if client_key in (None, line["account"]) and order_id in (None, line["order_id"])]
        balances: dict[str, int] = {}
        for line in lines:
            balances[line["account"]] = balances.get(line["account"], 0) + line["amount"]
        return {"payments": [_shown(sandbox, payment) for payment in payments], "transactions": list(lines),
                "balances": balances}


def deliveries(sandbox, args) -> dict:
    return sandbox.courier.listed()


def reset(sandbox, body) -> dict:
    """Forget payments, answers, faults, notices and the clock; accounts and addresses stay."""
    sandbox.reset()
    return {}


def health(sandbox, args) -> dict:
    return {"sandbox": "toss", "status": "healthy"}


def _payment(sandbox, body) -> Payment:
    return sandbox.books.find_any(body.get("payment_key", ""), body.get("order_id", ""))


def _shown(sandbox, payment: Payment) -> dict:
    account = sandbox.accounts.of_client(payment.account)
    return shapes.payment(payment, account, sandbox.base) | {"clientKey": payment.account}


GET = {"books": books, "clock": clock, "magic": lambda sandbox, args: magic.listed(), "deliveries": deliveries, "health": health,
       "faults": lambda sandbox, args: {"faults": sandbox.faults.listed()},
       "webhooks": lambda sandbox, args: {"webhooks": {account.client_key: account.webhooks for account
                                                      in list(sandbox.accounts.by_client.values())}}}
POST = {"accounts": accounts, "webhooks": webhooks, "switches": switches, "forge": forge, "faults": faults,
        "no-faults": no_faults, "clock": clock, "autopay": autopay, "pay": pay, "deposit": deposit,
        "reversal": reversal, "expire": expire, "cancel": cancel, "refund": refund, "receipt": receipt,
        "register": register, "unregister": unregister, "reset": reset}
