"""Stripe's API, v1, as far as Checkout, refunds, disputes and the balance go: forms in, JSON out, and its idempotency."""
import base64
import binascii
import hashlib
import json
import re
import secrets
import time
from collections.abc import Callable

from werkzeug.wrappers import Request, Response

from eventapp.sandbox import stripe_control, stripe_page
from eventapp.sandbox import stripe_shapes as shapes
from eventapp.sandbox.faults import Fault
from eventapp.sandbox.routes import route
from eventapp.sandbox.stripe_books import DAY, MINUTE, Account, Checkout, Refusal, State
from eventapp.sandbox.toss import Drop

__all__ = ["ROUTES", "State"]

LEAST = {"krw": 100, "usd": 50, "eur": 50, "jpy": 50, "gbp": 30}
MOST = 99_999_999
CURRENCIES = frozenset("""aed ars aud bhd bif brl cad chf clp cny czk djf dkk egp eur gbp gnf hkd huf idr ils inr isk jod jpy kes kmf krw
    kwd mga mxn myr ngn nok nzd omr php pkr pln pyg ron rwf sar sek sgd thb tnd try twd tzs uah ugx usd vnd vuv xaf xof xpf zar""".split())
TENTHS = frozenset("bhd jod kwd omr tnd".split())
LOCALES = frozenset("auto ko en ja zh de fr es".split())
PARAMETERS = {
    "session": frozenset("""mode client_reference_id metadata line_items payment_intent_data success_url cancel_url locale
        adaptive_pricing expires_at customer_email payment_method_types submit_type expand""".split()),
    "refund": frozenset("payment_intent charge amount reason metadata expand".split()),
}
CODES = {"api_key_expired": 401, "more_permissions_required": 403, "card_declined": 402, "insufficient_funds": 402}


# -- around each call -------------------------------------------------------------------------------
def endpoint(operation: str, call: Callable, sandbox, request: Request, **ids) -> Response:
    """One call of the API, with everything Stripe does around it and what we were told to do wrong."""
    form = _form(request)
    fault = sandbox.faults.take(f"stripe.{operation}", _order_of(sandbox.stripe, form, ids))
    if fault and fault.name == "hang":
        time.sleep(float(fault.argument))
    if fault and fault.name in ("hang", "drop_before"):
        raise Drop
    try:
        _fail_early(fault)
        account = authenticate(sandbox.stripe, request)
        status, answer, replayed = _idempotently(sandbox.stripe, account, request, lambda: _perform(
            sandbox, account, fault, call, form, **ids))
    except Refusal as refusal:
        return _answer(refusal.status, shapes.error(refusal))
    except Html:
        return _html(502)
    return _fail_late(fault, status, answer) or _answer(status, answer, replayed)


class Html(Exception):
    """A proxy's page in place of Stripe's answer."""


def _perform(sandbox, account: Account, fault: Fault | None, call: Callable, form: dict, **ids) -> dict:
    if fault and fault.name == "delay":
        time.sleep(float(fault.argument))
    if fault and fault.name == "code":
        code = fault.argument
        raise Refusal(code, code, status=CODES.get(code, 400), kind="card_error" if CODES.get(code) == 402 else "invalid_request_error")
    sandbox.stripe.sweep()
    return call(sandbox, account, form, **ids)


def authenticate(state: State, request: Request) -> Account:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme == "Basic":
        try:
            token = base64.b64decode(token, validate=True).decode("ascii").partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            token = ""
    if not token:
        raise Refusal("", "You did not provide an API key.", status=401)
    if token.startswith("pk_"):
        raise Refusal("secret_key_required", "This API call cannot be made with a publishable API key.", status=401)
    account = state.of_secret(token) if re.match(r"(sk|rk)_test_", token) else None
    if account is None:
        raise Refusal("", f"Invalid API Key provided: {token[:8]}{'*' * 8}", status=401)
    return account


def _idempotently(state: State, account: Account, request: Request, perform: Callable) -> tuple[int, dict, bool]:
    """24 hours; another body with the same key is an error; what failed validation is not kept."""
    key = request.headers.get("Idempotency-Key", "") if request.method == "POST" else ""
    if not key:
        return 200, perform(), False
    if len(key) > 255:
        raise Refusal("", "Idempotency keys may only be up to 255 characters long.", kind="idempotency_error")
    digest = hashlib.sha256(request.path.encode() + b"\n" + request.get_data()).hexdigest()
    known = state.begin(account.key, key, digest)
    if known:
        return known["status"], known["body"], True
    kept, status = None, 200
    try:
        kept = perform()
        return 200, kept, False
    except Refusal as refusal:
        if refusal.status == 402:
            kept, status = shapes.error(refusal), 402
        raise
    finally:
        state.end(account.key, key, digest, status, kept)


def _form(request: Request) -> dict:
    """`a[b][0][c]=1` as nested dicts, and lists where all names are numbers."""
    request.get_data()  # kept for the idempotency, before the form is read from it
    tree: dict = {}
    pairs = request.form if request.method == "POST" else request.args
    for name, value in pairs.items(multi=True):
        parts = re.findall(r"[^\[\]]+", name) + [""] * name.endswith("[]")  # one more of a list
        here = tree
        for part in parts[:-1]:
            here = here.setdefault(part, {})
            if not isinstance(here, dict):
                return {"": "malformed"}
        if parts:
            here[parts[-1] or str(len(here))] = value
    return _lists(tree)


def _lists(value):
    if not isinstance(value, dict):
        return value
    value = {name: _lists(each) for name, each in value.items()}
    return [value[str(number)] for number in range(len(value))] if value and all(str(n) in value for n in range(len(value))) else value


def _expand(form: dict) -> set[str]:
    paths = form.get("expand", [])
    if not isinstance(paths, list) or any(not isinstance(path, str) or path.count(".") > 3 for path in paths):
        raise Refusal("", "You cannot expand more than 4 levels of a property.", param="expand")
    return set(paths)


def _known(form: dict, what: str) -> None:
    unknown = sorted(form.keys() - PARAMETERS[what])
    if unknown:
        raise Refusal("parameter_unknown", f"Received unknown parameter: {unknown[0]}", param=unknown[0])


def _number(value, param: str, least: int = 1) -> int:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,15}", value, re.ASCII) or int(value) < least:
        raise Refusal("parameter_invalid_integer", f"Invalid integer: {value}", param=param)
    return int(value)


def _texts(value, param: str) -> dict:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > 50 or any(
            not isinstance(each, str) or len(name) > 40 or len(each) > 500 for name, each in value.items()):
        raise Refusal("", "Invalid metadata", param=param)
    return {name: each for name, each in value.items() if each}


# -- sessions ---------------------------------------------------------------------------------------
def create_session(sandbox, account: Account, form: dict) -> dict:
    _known(form, "session")
    if form.get("mode") != "payment":
        raise Refusal("parameter_missing", "The sandbox knows mode=payment only.", param="mode")
    name, currency, amount = _line_items(form.get("line_items"))
    for param in ("success_url", "cancel_url"):
        if not re.match(r"https?://[^/]", str(form.get(param, ""))) or len(form[param]) > 5000:
            raise Refusal("url_invalid", "Not a valid URL", param=param)
    locale, order_ref = form.get("locale", "auto"), form.get("client_reference_id", "")
    if locale not in LOCALES:
        raise Refusal("", f"Invalid locale: {locale}", param="locale")
    if not isinstance(order_ref, str) or len(order_ref) > 200:
        raise Refusal("", "Invalid client_reference_id", param="client_reference_id")
    inner = form.get("payment_intent_data", {})
    if not isinstance(inner, dict) or inner.keys() - {"description", "metadata"}:
        raise Refusal("parameter_unknown", "Received unknown parameter", param="payment_intent_data")
    now = sandbox.stripe.now()
    expires_at = _number(form["expires_at"], "expires_at") if "expires_at" in form else now + DAY
    if not now + 30 * MINUTE <= expires_at <= now + DAY:
        raise Refusal("", "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.",
                      param="expires_at")
    checkout = sandbox.stripe.create(
        account.key, expires_at=expires_at, amount=amount, currency=currency, name=name, order_ref=order_ref,
        success_url=form["success_url"], cancel_url=form["cancel_url"], metadata=_texts(form.get("metadata"), "metadata"),
        intent_metadata=_texts(inner.get("metadata"), "payment_intent_data[metadata]"), description=str(inner.get("description", "")),
        email=str(form.get("customer_email", ""))[:800], locale=locale)
    return shapes.session(checkout, sandbox.base, _expand(form))


def _line_items(items) -> tuple[str, str, int]:
    if not isinstance(items, list) or len(items) != 1 or not isinstance(items[0], dict):
        raise Refusal("parameter_missing", "The sandbox takes one line item.", param="line_items")
    price = items[0].get("price_data") if isinstance(items[0].get("price_data"), dict) else {}
    product = price.get("product_data") if isinstance(price.get("product_data"), dict) else {}
    name, currency = product.get("name"), price.get("currency")
    if not isinstance(name, str) or not 0 < len(name) <= 1500:
        raise Refusal("parameter_missing", "Missing product name", param="line_items[0][price_data][product_data][name]")
    if currency not in CURRENCIES:
        raise Refusal("", f"Invalid currency: {currency}", param="line_items[0][price_data][currency]")
    amount = _number(price.get("unit_amount"), "line_items[0][price_data][unit_amount]") * _number(
        items[0].get("quantity", "1"), "line_items[0][quantity]")
    if amount < LEAST.get(currency, 1):
        raise Refusal("amount_too_small", "The Checkout Session's total amount due is too small.")
    if amount > MOST:
        raise Refusal("amount_too_large", "The Checkout Session's total amount due is too large.")
    _exact(amount, currency)
    return name, currency, amount


def _exact(amount: int, currency: str) -> None:
    if (currency in TENTHS and amount % 10) or (currency in ("isk", "ugx") and amount % 100):
        raise Refusal("invalid_charge_amount_no_decimal_compatible", "Invalid amount for this currency.", param="amount")


def session(sandbox, account: Account, form: dict, id: str) -> dict:
    return shapes.session(sandbox.stripe.find(account.key, "checkout.session", id), sandbox.base, _expand(form))


def sessions(sandbox, account: Account, form: dict) -> dict:
    found = [one for one in sandbox.stripe.of_account(account.key) if form.get("payment_intent", one.intent) == one.intent]
    expand = shapes.within(_expand(form), "data")
    return _paged([shapes.session(one, sandbox.base, expand) for one in reversed(found)], form, "/v1/checkout/sessions")


def expire(sandbox, account: Account, form: dict, id: str) -> dict:
    checkout = sandbox.stripe.expire(sandbox.stripe.find(account.key, "checkout.session", id))
    return shapes.session(checkout, sandbox.base, _expand(form))


# -- what hangs on them -----------------------------------------------------------------------------
def payment_intent(sandbox, account: Account, form: dict, id: str) -> dict:
    return shapes.intent(sandbox.stripe.find(account.key, "payment_intent", id), _expand(form))


def charge(sandbox, account: Account, form: dict, id: str) -> dict:
    return shapes.charge(sandbox.stripe.find(account.key, "charge", id), _expand(form))


def create_refund(sandbox, account: Account, form: dict) -> dict:
    _known(form, "refund")
    checkout = _charged(sandbox, account, form)
    if checkout is None:
        raise Refusal("parameter_missing", "One of the following params should be provided: payment_intent or charge.")
    amount = _number(form["amount"], "amount") if "amount" in form else None
    reason = form.get("reason")
    if reason not in (None, "duplicate", "fraudulent", "requested_by_customer"):
        raise Refusal("", f"Invalid reason: {reason}", param="reason")
    if amount:
        _exact(amount, checkout.currency)
    return shapes.refund(checkout, sandbox.stripe.refund(checkout, amount, reason=reason, metadata=_texts(form.get("metadata"), "metadata")))


def refund(sandbox, account: Account, form: dict, id: str) -> dict:
    checkout, found = sandbox.stripe.find_refund(id)
    if checkout.account != account.key:
        raise Refusal("resource_missing", f"No such refund: '{id}'", status=404, param="refund")
    return shapes.refund(checkout, found)


def refunds(sandbox, account: Account, form: dict) -> dict:
    only = _charged(sandbox, account, form)
    all_of_them = [shapes.refund(one, each) for one in ([only] if only else sandbox.stripe.of_account(account.key)) for each in one.refunds]
    return _paged(sorted(all_of_them, key=lambda each: -each["created"]), form, "/v1/refunds")


def disputes(sandbox, account: Account, form: dict) -> dict:
    only = _charged(sandbox, account, form)
    found = [shapes.dispute(one, each) for one in ([only] if only else sandbox.stripe.of_account(account.key))
             for each in reversed(one.disputes)]
    return _paged(found, form, "/v1/disputes")


def _charged(sandbox, account: Account, form: dict) -> Checkout | None:
    for what in ("payment_intent", "charge"):
        if what in form:
            return sandbox.stripe.find(account.key, what, str(form[what]))
    return None


# -- the balance and the account --------------------------------------------------------------------
def balance_transactions(sandbox, account: Account, form: dict) -> dict:
    period = form.get("created") if isinstance(form.get("created"), dict) else {}
    start, end = (_number(period.get(name, default), "created", 0) for name, default in (("gte", "0"), ("lt", "99999999999")))
    expand = shapes.within(_expand(form), "data")
    lines = [line for line in list(sandbox.stripe.transactions) if line["account"] == account.key and start <= line["created"] < end]
    return _paged([shapes.movement(sandbox.stripe, line, expand) for line in reversed(lines)], form, "/v1/balance_transactions")


def whose(sandbox, account: Account, form: dict) -> dict:
    return shapes.account(account)


def _paged(items: list[dict], form: dict, url: str) -> dict:
    limit = _number(form.get("limit", "10"), "limit")
    if limit > 100:
        raise Refusal("parameter_invalid_integer", "This value must be less than or equal to 100.", param="limit")
    after = form.get("starting_after")
    if after:
        places = [place for place, item in enumerate(items) if item["id"] == after]
        if not places:
            raise Refusal("resource_missing", f"No such object: '{after}'", param="starting_after")
        items = items[places[0] + 1:]
    return shapes.listed(items[:limit], url, len(items) > limit)


# -- going wrong ------------------------------------------------------------------------------------
def _order_of(state: State, form: dict, ids: dict) -> str:
    if "client_reference_id" in form:
        return str(form["client_reference_id"])
    name = str(ids.get("id") or form.get("payment_intent") or form.get("charge") or "")
    checkout = state.checkouts.get(state.named.get(name, name))
    return checkout.order_ref if checkout else ""


def _fail_early(fault: Fault | None) -> None:
    name = fault.fault if fault else ""
    if name == "409":
        raise Refusal("idempotency_key_in_use", "in use", status=409, kind="idempotency_error")
    if name == "429":
        raise Refusal("rate_limit", "Too many requests", status=429)
    if name == "500":
        raise Refusal("", "An unknown error occurred", status=500, kind="api_error")
    if name == "html":
        raise Html


def _fail_late(fault: Fault | None, status: int, answer: dict) -> Response | None:
    """The answer that takes the place of the right one, when that is the plan."""
    if fault is None or status != 200:
        return None
    if fault.name == "timeout_after_commit":
        time.sleep(float(fault.argument or 0))
        raise Drop
    if fault.name == "500_after_commit":
        return _answer(500, shapes.error(Refusal("", "An unknown error occurred", kind="api_error")))
    if fault.name == "html_after_commit":
        return _html(200)
    if fault.name == "wrong_amount":
        name = "amount_total" if "amount_total" in answer else "amount"
        return _answer(200, answer | {name: answer.get(name, 0) + 1000})
    if fault.name == "truncated":
        whole = json.dumps(answer).encode()
        response = Response(whole[:len(whole) // 2], 200, mimetype="application/json")
        response.headers["Content-Length"], response.headers["Connection"] = str(len(whole)), "close"
        return response
    return None


def _answer(status: int, body: dict, replayed: bool = False) -> Response:
    response = Response(json.dumps(body, ensure_ascii=False), status, mimetype="application/json")
    response.headers["Request-Id"] = f"req_{secrets.token_hex(7)}"
    response.headers["Stripe-Version"] = shapes.VERSION
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def _html(status: int) -> Response:
    return Response("<html><body><h1>Bad Gateway</h1></body></html>", status, mimetype="text/html")


def _api(operation: str, call: Callable):
    return lambda sandbox, request, **ids: endpoint(operation, call, sandbox, request, **ids)


ROUTES = [
    route("POST", "/stripe/v1/checkout/sessions", _api("open", create_session)),
    route("GET", "/stripe/v1/checkout/sessions", _api("fetch", sessions)),
    route("GET", "/stripe/v1/checkout/sessions/<id>", _api("fetch", session)),
    route("POST", "/stripe/v1/checkout/sessions/<id>/expire", _api("expire", expire)),
    route("GET", "/stripe/v1/payment_intents/<id>", _api("fetch", payment_intent)),
    route("GET", "/stripe/v1/charges/<id>", _api("list", charge)),
    route("POST", "/stripe/v1/refunds", _api("cancel", create_refund)),
    route("GET", "/stripe/v1/refunds", _api("list", refunds)),
    route("GET", "/stripe/v1/refunds/<id>", _api("fetch", refund)),
    route("GET", "/stripe/v1/disputes", _api("list", disputes)),
    route("GET", "/stripe/v1/balance_transactions", _api("list", balance_transactions)),
    route("GET", "/stripe/v1/account", _api("account", whose)),
    route("GET", "/stripe/pay/<id>", stripe_page.show),
    route("POST", "/stripe/pay/<id>/<any(approve,decline,close,timeout,deposit,'deposit-failed'):action>", stripe_page.press),
    route("GET", "/control/stripe/<what>", stripe_control.call),
    route("POST", "/control/stripe/<what>", stripe_control.call),
]
