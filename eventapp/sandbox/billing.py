"""Toss's recurring payments: a window that ends in a one-time authKey, a stored key, charges nobody is told of, an end."""
import json
import re
import secrets
import threading
from dataclasses import asdict, dataclass, field

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from eventapp.sandbox import magic, shapes
from eventapp.sandbox.accounts import Account
from eventapp.sandbox.journal import Journal, made
from eventapp.sandbox.pages import page
from eventapp.sandbox.state import CARD, TRANSFER, Refusal
from eventapp.sandbox.toss import LEAST, ORDER_ID, amount_of, wire

CUSTOMER = re.compile(r"[A-Za-z0-9_=.@-]{2,300}\Z")
READY, APPROVED, USED = "READY", "APPROVED", "USED"


@dataclass
class Authorization:
    """A window in which somebody registers a card or an account."""

    id: str
    account: str
    customer_key: str
    method: str
    success_url: str
    fail_url: str
    status: str = READY
    auth_key: str = ""
    number: str = magic.GOOD_CARD


@dataclass
class BillingKey:
    key: str
    account: str
    customer_key: str
    method: str
    number: str
    at: float
    removed_at: float | None = None
    charges: list[str] = field(default_factory=list)


class Billing:
    def __init__(self, journal: Journal):
        self.journal, self.lock = journal, threading.Lock()
        self.windows: dict[str, Authorization] = {}
        self.keys: dict[str, BillingKey] = {}

    def put(self, one: Authorization | BillingKey) -> None:
        if isinstance(one, BillingKey):
            self.keys[one.key] = one
            self.journal.append(billing_key=asdict(one))
        else:
            self.windows[one.id] = one
            self.journal.append(billing_window=asdict(one))

    def find(self, account: str, key: str) -> BillingKey:
        found = self.keys.get(key)
        if found is None or found.account != account:
            raise Refusal("NOT_FOUND_BILLING")
        return found

    def restore(self, line: dict) -> None:
        if "billing_key" in line:
            key = made(BillingKey, line["billing_key"])
            self.keys[key.key] = key
        if "billing_window" in line:
            window = made(Authorization, line["billing_window"])
            self.windows[window.id] = window

    def dump(self):
        yield from ({"billing_window": asdict(one)} for one in list(self.windows.values()))
        yield from ({"billing_key": asdict(one)} for one in list(self.keys.values()))

    def clear(self) -> None:
        self.windows.clear()
        self.keys.clear()


# -- the window -------------------------------------------------------------------------------------
def show(sandbox, request: Request) -> Response:
    """Where `requestBillingAuth` sends the browser."""
    try:
        values = json.loads(request.args.get("request", ""))
        window = begin(sandbox, request.args.get("clientKey", ""), request.args.get("customerKey", ""), values)
    except ValueError:
        return page("refused.html", 400, code="INVALID_PARAMETERS")
    except Refusal as refusal:
        return page("refused.html", 400, code=refusal.code)
    if sandbox.autopay:
        return redirect(approve(sandbox, window, magic.GOOD_CARD), 303)
    return redirect(f"/toss/billing-auth/{window.id}", 303)


def begin(sandbox, client_key: str, customer_key: str, values) -> Authorization:
    """A window in READY, after the checks that the real SDK makes."""
    if sandbox.accounts.of_client(client_key) is None:
        raise Refusal("INVALID_CLIENT_KEY")
    if not CUSTOMER.match(customer_key) or customer_key == "@@ANONYMOUS":
        raise Refusal("INVALID_CUSTOMER_KEY")
    if not isinstance(values, dict) or values.get("method") not in (CARD, TRANSFER):
        raise Refusal("NOT_SUPPORTED_METHOD")
    for name, code in (("successUrl", "INCORRECT_SUCCESS_URL_FORMAT"), ("failUrl", "INCORRECT_FAIL_URL_FORMAT")):
        if not str(values.get(name, "")).startswith(("http://", "https://")):
            raise Refusal(code)
    window = Authorization(secrets.token_hex(14), client_key, customer_key, values["method"], values["successUrl"],
                           values["failUrl"])
    sandbox.billing.put(window)
    return window


def approve(sandbox, window: Authorization, number: str) -> str:
    """The address the browser goes back to."""
    window.status, window.auth_key, window.number = APPROVED, f"bln_{secrets.token_hex(16)}", number
    sandbox.billing.put(window)
    return shapes.with_query(window.success_url, customerKey=window.customer_key, authKey=window.auth_key)


def look(sandbox, request: Request, id: str) -> Response:
    window = sandbox.billing.windows.get(id)
    if window is None:
        return page("refused.html", 404, code="NOT_FOUND")
    return page("billing_window.html", window=window, cards=magic.CARDS, good=magic.GOOD_CARD)


def press(sandbox, request: Request, id: str, action: str) -> Response:
    window = sandbox.billing.windows.get(id)
    if window is None or window.status != READY:
        return page("refused.html", 409, code="NOT_AVAILABLE_PAYMENT")
    if action == "approve":
        number = re.sub(r"[^0-9]", "", request.form.get("number", "")) or magic.GOOD_CARD
        return redirect(approve(sandbox, window, number), 303)
    code, message = {"close": ("PAY_PROCESS_CANCELED", "사용자가 등록을 취소했습니다."),
                     "decline": ("REJECT_CARD_COMPANY", "카드사에서 거절했습니다.")}[action]
    return redirect(shapes.with_query(window.fail_url, code=code, message=message), 303)


# -- the API ----------------------------------------------------------------------------------------
def issue(sandbox, account: Account, body: dict, request: Request, forced: str) -> dict:
    _forced(forced)
    auth_key, customer_key = body.get("authKey"), body.get("customerKey")
    if not isinstance(auth_key, str) or not isinstance(customer_key, str):
        raise Refusal("INVALID_REQUEST")
    with sandbox.billing.lock:
        window = next((one for one in sandbox.billing.windows.values() if one.auth_key and one.auth_key == auth_key), None)
        if window is None or window.account != account.client_key or window.status != APPROVED:
            raise Refusal("INVALID_BILLING_AUTH")
        if window.customer_key != customer_key:
            raise Refusal("NOT_MATCHES_CUSTOMER_KEY")
        _forced(magic.CARDS.get(window.number, ""))
        window.status = USED
        sandbox.billing.put(window)
        return _issued(sandbox, account, customer_key, window.method, window.number)


def issue_card(sandbox, account: Account, body: dict, request: Request, forced: str) -> dict:
    """By card data, which no shop should see."""
    _forced(forced)
    patterns = {"customerKey": CUSTOMER.pattern, "cardNumber": "[0-9]{14,20}", "cardExpirationYear": "[0-9]{2}",
                "cardExpirationMonth": "0[1-9]|1[0-2]", "customerIdentityNumber": "[0-9]{6}|[0-9]{10}"}
    wrong = {"cardNumber": "INVALID_CARD_NUMBER", "customerKey": "INVALID_CUSTOMER_KEY",
             "cardExpirationYear": "INVALID_CARD_EXPIRATION", "cardExpirationMonth": "INVALID_CARD_EXPIRATION"}
    for name, pattern in patterns.items():
        if not isinstance(body.get(name), str) or not re.fullmatch(pattern, body[name]):
            raise Refusal(wrong.get(name, "INVALID_REQUEST"))
    _forced(magic.CARDS.get(body["cardNumber"], ""))
    with sandbox.billing.lock:
        return _issued(sandbox, account, body["customerKey"], CARD, body["cardNumber"])


def charge(sandbox, account: Account, body: dict, request: Request, forced: str, key: str) -> dict:
    stored, amount = sandbox.billing.find(account.client_key, key), amount_of(body.get("amount"))
    order_id, order_name = body.get("orderId"), body.get("orderName")
    if amount is None or not isinstance(order_name, str) or not 0 < len(order_name) <= 100:
        raise Refusal("INVALID_REQUEST")
    if not isinstance(order_id, str) or not ORDER_ID.match(order_id):
        raise Refusal("INVALID_ORDER_ID")
    if stored.removed_at is not None:
        raise Refusal("ALREADY_REMOVED_BILLING_KEY")
    if body.get("customerKey") != stored.customer_key:
        raise Refusal("NOT_MATCHES_CUSTOMER_KEY")
    if amount < LEAST[stored.method]:
        raise Refusal("BELOW_MINIMUM_AMOUNT")
    plan = body.get("cardInstallmentPlan", 0)
    if plan not in (0, *range(2, 13)) or (plan and amount < 50_000):
        raise Refusal("INVALID_CARD_INSTALLMENT_PLAN")
    _forced(forced or magic.CHARGE.get(amount, ""))
    payment = sandbox.books.charge(
        account.client_key, order_id=order_id, order_name=order_name, method=stored.method, amount=amount,
        tax_free=amount_of(body.get("taxFreeAmount", 0), least=0) or 0, customer_key=stored.customer_key,
        customer_name=str(body.get("customerName", ""))[:100], card_number=_masked(stored.number))
    with sandbox.billing.lock:
        stored.charges.append(payment.key)
        sandbox.billing.put(stored)
    return wire(sandbox, payment, account)


def remove(sandbox, account: Account, body: dict, request: Request, forced: str, key: str) -> None:
    _forced(forced)
    delete(sandbox, sandbox.billing.find(account.client_key, key))


def delete(sandbox, stored: BillingKey) -> None:
    """By the shop, or at Toss's console; the one thing about billing that is told."""
    with sandbox.billing.lock:
        if stored.removed_at is not None:
            raise Refusal("ALREADY_REMOVED_BILLING_KEY")
        stored.removed_at = sandbox.books.now()
        sandbox.billing.put(stored)
    account, now = sandbox.accounts.of_client(stored.account), sandbox.books.now()
    notice = {"eventType": "BILLING_DELETED", "createdAt": shapes.created_at(now), "data": {"billingKey": stored.key}}
    for webhook in account.webhooks:
        if "BILLING_DELETED" in webhook["events"] and (sent := sandbox.courier.take(webhook["url"], notice, now)):
            sandbox.journal.append(deliveries=[sent])


def _issued(sandbox, account: Account, customer_key: str, method: str, number: str) -> dict:
    key = BillingKey(f"bk_{secrets.token_hex(20)}", account.client_key, customer_key, method, number,
                     sandbox.books.now())
    sandbox.billing.put(key)
    card = {"issuerCode": "61", "acquirerCode": "31", "number": _masked(number), "cardType": "신용", "ownerType": "개인"}
    return {"mId": account.merchant_id, "customerKey": customer_key, "authenticatedAt": shapes.moment(key.at),
            "method": shapes.METHODS[method], "billingKey": key.key, "card": card if method == CARD else None,
            "transfers": [{"bankName": "우리", "bankAccountNumber": "1002****"}] if method == TRANSFER else None,
            "easyPay": None, "cardCompany": "현대" if method == CARD else None,
            "cardNumber": card["number"] if method == CARD else None}


def _masked(number: str) -> str:
    return number[:8] + "****" + number[12:15] + "*"


def _forced(code: str) -> None:
    if code:
        raise Refusal(code)
