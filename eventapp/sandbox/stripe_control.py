"""Stripe's switches, as JSON under /control/stripe: buyers without a browser, the dashboard, the banks, the notices."""
import json
from urllib.parse import urlsplit

from werkzeug.wrappers import Request, Response

from eventapp.sandbox import stripe_page
from eventapp.sandbox import stripe_shapes as shapes
from eventapp.sandbox.stripe_books import Checkout, Refusal


def call(sandbox, request: Request, what: str) -> Response:
    """`POST /control/stripe/<what>` with a JSON object, or `GET` to look."""
    answers = GET if request.method == "GET" else POST
    if what not in answers:
        return _json({"error": "no such call"}, 404)
    body = request.get_json(silent=True) if request.method == "POST" and request.data else {}
    try:
        if not isinstance(body, dict):
            raise ValueError("a JSON object was expected")
        return _json(answers[what](sandbox, body if request.method == "POST" else request.args))
    except Refusal as refusal:
        return _json(shapes.error(refusal), 409)
    except (ValueError, TypeError, KeyError) as error:
        return _json({"error": f"{type(error).__name__}: {error}"}, 400)


def _json(body, status: int = 200) -> Response:
    return Response(json.dumps(body, ensure_ascii=False), status, mimetype="application/json")


# -- accounts and notices ---------------------------------------------------------------------------
def accounts(sandbox, body) -> dict:
    """{client_key, secret_keys: [current, previous]}: these secrets, and no others, are valid from now on."""
    account = sandbox.stripe.put(body["client_key"], list(body["secret_keys"]))
    return {"client_key": account.key, "id": account.id}


def webhooks(sandbox, body) -> dict:
    """{client_key or secret_key, url, secret?, events?, add?}: where events go; `add` keeps the addresses there were.
    Without a secret they are signed with whsec_ and the ending of a demo key. Two secrets: one text, a blank between."""
    state = sandbox.stripe
    account = state.of_client(body["client_key"]) if body.get("client_key") else state.of_secret(body["secret_key"])
    if account is None:
        raise ValueError("no such account")
    kept = [each for each in account.webhooks if each["url"] != body["url"]] if body.get("add") else []
    if body["url"]:
        if urlsplit(body["url"]).hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("notices go to this machine only: localhost, 127.0.0.1 or [::1]")
        secret = body.get("secret") or "whsec_" + account.key.removeprefix("pk_test_")
        kept = [*kept, {"url": body["url"], "secret": secret, "events": list(body.get("events", ["*"]))}]
    state.set_webhooks(account, kept)
    return {"client_key": account.key, "webhooks": kept}


def forge(sandbox, body) -> dict:
    """An event that nothing happened for: {order_id, type, object?} with fields of its object changed, or {client_key, body}
    with any body; `secret` signs it with another secret, `old` makes its time too old by so many seconds."""
    state, at = sandbox.stripe, sandbox.stripe.now()
    if "body" in body:
        account, event = state.of_client(body["client_key"]), body["body"]
    else:
        checkout = _checkout(sandbox, body)
        account, kind = state.accounts[checkout.account], body.get("type", "checkout.session.completed")
        event = shapes.event(kind, shapes.subject(state, checkout, kind, checkout.dispute or {}) | body.get("object", {}), at)
    webhook = account.webhooks[0]
    return {"sent": sandbox.courier.take(body.get("url") or webhook["url"], event, at, scheme="stripe",
                                         secret=body.get("secret", webhook["secret"]), old=float(body.get("old", 0)))}


# -- buyers -----------------------------------------------------------------------------------------
def pay(sandbox, body) -> dict:
    """{session or order_id, card?, delayed?}: a buyer who approves without a browser; answers where Stripe sends them."""
    checkout = _checkout(sandbox, body)
    if body.get("delayed"):
        sandbox.stripe.pay_later(checkout)
    else:
        sandbox.stripe.pay(checkout, body.get("card", "4242424242424242"))
    return {"session": checkout.id, "location": stripe_page.success_url(checkout)}


def close(sandbox, body) -> dict:
    """A buyer who turns round."""
    return {"location": _checkout(sandbox, body).cancel_url}


def deposit(sandbox, body) -> dict:
    """{order_id, failed?}: how a delayed method ended."""
    return _shown(sandbox, sandbox.stripe.settle(_checkout(sandbox, body), not body.get("failed")))


def expire(sandbox, body) -> dict:
    return _shown(sandbox, sandbox.stripe.expire(_checkout(sandbox, body)))


# -- dashboard and banks ----------------------------------------------------------------------------
def cancel(sandbox, body) -> dict:
    """{order_id, amount?, reason?}: somebody refunds in Stripe's dashboard."""
    checkout = _checkout(sandbox, body)
    sandbox.stripe.refund(checkout, body.get("amount"), reason=body.get("reason"))
    return _shown(sandbox, checkout)


def refund(sandbox, body) -> dict:
    """{refund, or order_id for its newest; result: succeeded, failed or canceled}: how a refund ended."""
    id = body.get("refund") or _checkout(sandbox, body).refunds[-1]["id"]
    sandbox.stripe.finish_refund(id, body["result"])
    return _shown(sandbox, sandbox.stripe.find_refund(id)[0])


def dispute(sandbox, body) -> dict:
    """{order_id, status: needs_response (default), won or lost; reason?, amount?}: a card holder contests, or it is decided."""
    checkout, status = _checkout(sandbox, body), body.get("status", "needs_response")
    if status == "needs_response":
        sandbox.stripe.contest(checkout, body.get("reason", "fraudulent"), body.get("amount"))
    else:
        sandbox.stripe.close_dispute(checkout, status)
    return _shown(sandbox, checkout)


# -- looking ----------------------------------------------------------------------------------------
def books(sandbox, args) -> dict:
    """Everything; ?client_key= and ?order_id= narrow it. `balances`: what each account received and did not return, fees apart."""
    state = sandbox.stripe
    state.sweep()
    with state.lock:
        client_key, order_id = args.get("client_key"), args.get("order_id")
        found = [one for one in state.checkouts.values() if client_key in (None, one.account) and order_id in (None, one.order_ref)]
        lines = [line for line in state.transactions if client_key in (None, line["account"]) and order_id in (None, line["order_ref"])]
        balances: dict[str, int] = {}
        for line in lines:
            balances[line["account"]] = balances.get(line["account"], 0) + line["amount"]
        return {"payments": [_shown(sandbox, one) for one in found], "transactions": list(lines), "balances": balances}


def _checkout(sandbox, body) -> Checkout:
    sandbox.stripe.sweep()
    return sandbox.stripe.find_any(body.get("session", ""), body.get("order_id", ""))


def _shown(sandbox, one: Checkout) -> dict:
    shown = shapes.session(one, sandbox.base, {"payment_intent.latest_charge.refunds"})
    return shown | {"clientKey": one.account, "orderId": one.order_ref, "left": one.left,
                    "disputes": [shapes.dispute(one, each) for each in one.disputes]}


GET = {"books": books, "webhooks": lambda sandbox, args: {"webhooks": {account.key: account.webhooks for account
                                                                       in list(sandbox.stripe.accounts.values())}}}
POST = {"accounts": accounts, "webhooks": webhooks, "forge": forge, "pay": pay, "close": close, "deposit": deposit,
        "expire": expire, "cancel": cancel, "refund": refund, "dispute": dispute}
