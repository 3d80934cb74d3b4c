"""Stripe Checkout, by Stripe's own library: a session that we order, a page of Stripe's, and notices that are signed.

The page takes the money by itself; there is no confirm. Whatever the browser or a notice says, the session is
fetched before anything is believed.
"""
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import stripe as library
from stripe import HTTPClient, SignatureVerificationError, StripeClient, StripeError, WebhookSignature

from eventapp import faults
from eventapp.payments import stripe_codes, stripe_shapes
from eventapp.payments.provider import (
    AWAITING_DEPOSIT,
    CARD,
    PENDING,
    PROOF_SIGNATURE,
    BadReturn,
    BadSignature,
    CancelRequest,
    Capabilities,
    CheckoutInstruction,
    CredentialCheck,
    GatewayAccount,
    GatewayContractError,
    GatewayMisconfigured,
    GatewayPayment,
    GatewayRef,
    GatewayRefused,
    GatewayUnknown,
    LedgerEntry,
    Opened,
    PaymentIntent,
    ReturnHint,
    SettlementLine,
    WebhookHint,
)
from eventapp.payments.stripe_shapes import INTENT, SESSION
from eventapp.payments.transport import exchange, parse_json, told, with_each_key

log = logging.getLogger(__name__)
logging.getLogger("stripe").setLevel(logging.WARNING)  # it would log whole addresses
library.enable_telemetry = False  # the name of this machine and its last calls are nobody's business

name = "stripe"
caps = Capabilities(methods=frozenset([CARD]), signed_webhooks=True, refund_can_fail_later=True, refunds=True,
                    opens_first=True, books=True, settlements=True, currencies=None)
RETURN_NAMES = frozenset(["session_id"])

VERSION = "2026-10-28.endive"
KEY = re.compile(r"(pk|sk|rk)_(test|live)_[A-Za-z0-9_]{8,}\Z")
ORDER_REF = re.compile(r"[A-Za-z0-9_-]{6,64}\Z")
TOLERANCE = 300  # seconds that a notice's time may differ from ours, in either direction
PAGE = 100  # lines of the books in one call
TENTHS = frozenset("BHD JOD KWD OMR TND".split())  # of their thousandths Stripe takes whole tens only
DOUBTFUL = frozenset(["UGX"])  # Stripe's documents call it both whole and hundredths: a price a hundred times too low or too high
WHOLE_ISK = 100
EXPANDED = ["payment_intent.latest_charge.refunds"]

for _operation in ("open", "fetch", "cancel", "expire", "list", "account"):
    faults.register(f"stripe.{_operation}.before", f"stripe.{_operation}.after")
faults.register_guard("stripe.signature", "stripe.keys", "stripe.answer")


def two_step(account: GatewayAccount) -> bool:
    return False


# -- the page ---------------------------------------------------------------------------------------
def open(account: GatewayAccount, intent: PaymentIntent, key: str) -> Opened:  # noqa: A001 - the interface's name
    """Order a session. The same intent makes the same body, which Stripe demands of a repeated key.

    Neither address nor name of the buyer goes along: whoever has the page's address, as somebody who was asked to pay
    has, would read them there.
    """
    amount, currency = _amount(intent.amount.amount, intent.amount.currency), intent.amount.currency
    order_ref, title = _order_ref(intent.order_ref), intent.order_name[:250] or intent.order_ref
    mark = {"order_ref": order_ref}
    params: dict[str, Any] = {
        "mode": "payment", "client_reference_id": order_ref, "metadata": mark,
        "line_items": [{"quantity": 1, "price_data": {"currency": currency.lower(), "unit_amount": amount,
                                                      "product_data": {"name": title}}}],
        "payment_intent_data": {"description": title, "metadata": mark},
        "success_url": _with_session(intent.success_url), "cancel_url": intent.fail_url,
        "locale": intent.locale if intent.locale in ("ko", "en") else "auto",
        "adaptive_pricing": {"enabled": False},  # the buyer pays what we stored, in the currency we stored
    }
    if intent.due_at:
        params["expires_at"] = int(intent.due_at.timestamp())
    keyed = _keyed(key)
    session = _ask(account, "open", lambda v1: v1.checkout.sessions.create(params, keyed))
    opened = stripe_shapes.opened(session)
    right = session.get("client_reference_id") == order_ref and session.get("amount_total") == amount \
        and session.get("currency") == currency.lower()
    if not right and not faults.guard_off("stripe.answer"):
        raise GatewayContractError("another_payment", "the session is for something else")
    return opened


def _with_session(url: str) -> str:
    """Stripe puts the session's id in the place of the braces, which must come to it as they are."""
    return f"{url}{'&' if '?' in url else '?'}session_id={{CHECKOUT_SESSION_ID}}"


def create_checkout(account: GatewayAccount, intent: PaymentIntent) -> CheckoutInstruction:
    """A redirect to the page of the session that was opened; its address is the payment's."""
    _check_keys(account)
    return CheckoutInstruction("redirect", public_key=account.client_key, params={
        "provider": name, "orderId": intent.order_ref, "amount": intent.amount.amount, "currency": intent.amount.currency,
        "clientKey": account.client_key, "successUrl": intent.success_url, "failUrl": intent.fail_url})


def parse_return(account: GatewayAccount, query: Mapping[str, str]) -> ReturnHint:
    """Stripe says which session, and nothing else; who comes back by the other address has turned round."""
    several = query.getlist("session_id") if hasattr(query, "getlist") else [query["session_id"]] if "session_id" in query else []
    if len(several) > 1:
        raise BadReturn("repeated_parameter", "session_id")
    if not several:
        return ReturnHint(failure_code="PAY_PROCESS_CANCELED")
    if not SESSION.match(several[0]):
        raise BadReturn("malformed_parameter", "session_id")
    return ReturnHint(gateway_key=several[0])


# -- calls ------------------------------------------------------------------------------------------
def fetch(account: GatewayAccount, ref: GatewayRef) -> GatewayPayment | None:
    """What Stripe knows, asked by session or payment intent; it cannot be asked by our order.

    None when it knows nothing of it.
    """
    try:
        session = _session(account, ref.gateway_key) if ref.gateway_key else None
        return _snapshot(account, ref, session) if session else None
    except GatewayRefused as refused:
        raise GatewayUnknown(refused.code, refused.message, http_status=refused.http_status,
                             trace_id=refused.trace_id) from refused


def cancel(account: GatewayAccount, ref: GatewayRef, request: CancelRequest, key: str) -> GatewayPayment:
    """Give money back, or close a page on which nobody has paid.

    Stripe has no lock on what is left and forgets keys after a day, so we look first: a refund that carries this key
    has been made, and another balance than the expected one refuses.
    """
    keyed, found = _keyed(key), fetch(account, ref)
    if found is None:
        raise GatewayRefused("resource_missing")
    if found.status == PENDING:
        _ask(account, "expire", lambda v1: v1.checkout.sessions.expire(found.gateway_key, {}, keyed))
        return _again(account, ref)
    if not found.captured:
        if found.status == AWAITING_DEPOSIT:
            raise GatewayRefused("payment_intent_unexpected_state", "the money is on its way")
        return found  # it has ended; no money can come
    if stripe_shapes.made_by(found, key):
        return found
    if found.balance != request.expected_remaining:
        raise GatewayRefused("NOT_MATCHES_REFUNDABLE_AMOUNT", "another balance than the expected one")
    amount = request.expected_remaining if request.amount is None else request.amount
    params = {"payment_intent": stripe_shapes.intent_of(found), "amount": _amount(amount, found.currency),
              "reason": "requested_by_customer",
              "metadata": {"order_ref": found.order_ref, "attempt": key, "reason": request.reason[:500]}}
    _ask(account, "cancel", lambda v1: v1.refunds.create(params, keyed))
    return _again(account, ref)


def _again(account: GatewayAccount, ref: GatewayRef) -> GatewayPayment:
    found = fetch(account, ref)
    if found is None:
        raise GatewayContractError("wrong_shape", "the payment is gone")
    return found


def list_transactions(account: GatewayAccount, start: datetime, end: datetime) -> Iterator[LedgerEntry]:
    """The balance's movements from `start` (included) to `end` (not) that belong to orders of ours.

    An organiser may sell other things through the same account; those carry no order of ours and are left out.
    """
    for line in _movements(account, start, end):
        entry = stripe_shapes.entry(line, _order_of(account, line))
        if entry.order_ref:
            yield entry


def list_settlements(account: GatewayAccount, start: date, end: date) -> Iterator[SettlementLine]:
    """What of the sales from `start` to `end`, both included, is paid out, and when it becomes available."""
    for line in _movements(account, datetime.combine(start, datetime.min.time(), UTC),
                           datetime.combine(end + timedelta(days=1), datetime.min.time(), UTC)):
        settled = stripe_shapes.settlement(line, _order_of(account, line))
        if settled.order_ref:
            yield settled


def _movements(account: GatewayAccount, start: datetime, end: datetime) -> Iterator[Mapping[str, Any]]:
    period = {"gte": int(start.timestamp()), "lt": int(end.timestamp())}
    for line in _pages(account, lambda v1: v1.balance_transactions.list, {"created": period, "expand": ["data.source"]}):
        if isinstance(line, dict) and line.get("type") in stripe_shapes.MOVEMENTS:
            yield line


def _order_of(account: GatewayAccount, line: Mapping[str, Any]) -> str:
    """Our order on the movement's source or, where somebody made it at Stripe by hand, on its charge."""
    order_ref, charge = stripe_shapes.order_of(line)
    if not order_ref and charge:
        order_ref = stripe_shapes.order_ref_of(_ask(account, "list", lambda v1: v1.charges.retrieve(charge)))
    return order_ref


def check_credentials(account: GatewayAccount) -> CredentialCheck:
    """Read the account itself: good keys may, and in live mode it must be able to take money. Moves nothing."""
    try:
        body = _ask(account, "account", lambda v1: v1.accounts.retrieve_current())
    except (GatewayMisconfigured, GatewayRefused) as error:
        return CredentialCheck(False, error.code, error.message, error.trace_id)
    if body.get("object") != "account":
        return CredentialCheck(False, "UNEXPECTED_ANSWER")
    if account.mode == "live" and body.get("charges_enabled") is not True:
        return CredentialCheck(False, "CHARGES_NOT_ENABLED", "Stripe does not let this account take money yet")
    return CredentialCheck(True)


# -- notices ----------------------------------------------------------------------------------------
def parse_webhook(account: GatewayAccount, headers: Mapping[str, str], raw: bytes, now: datetime) -> WebhookHint:
    """Read an event; its signature must be right by one of the secrets, and its time near ours.

    The library refuses times in the past only, and by the machine's clock; so the time is looked at here.
    """
    header = next((value for key, value in headers.items() if key.lower() == "stripe-signature"), "")
    if not faults.guard_off("stripe.signature"):
        _verify(account.webhook_secrets, header, raw, now)
    claims = stripe_shapes.webhook(parse_json(raw))
    return WebhookHint(proof=PROOF_SIGNATURE, **claims)


def _verify(secrets: tuple[str, ...], header: str, raw: bytes, now: datetime) -> None:
    if not secrets:
        raise BadSignature("no_secret")
    if not header:
        raise BadSignature("no_signature")
    if not any(_signed(raw, header, secret) for secret in secrets):
        raise BadSignature("bad_signature")
    sent_at = re.search(r"(?:\A|,)t=([0-9]{1,12})(?:,|\Z)", header)
    if sent_at is None or abs(int(sent_at[1]) - now.timestamp()) > TOLERANCE:
        raise BadSignature("old_timestamp")


def _signed(raw: bytes, header: str, secret: str) -> bool:
    try:
        return WebhookSignature.verify_header(raw, header, secret)
    except (SignatureVerificationError, UnicodeDecodeError, TypeError):  # TypeError: letters beyond ASCII in the header
        return False


# -- the wire ---------------------------------------------------------------------------------------
class Wire(HTTPClient):
    """The library's requests over our connections: every wait and every body bounded, a broken answer an unknown one."""

    name = "httpx"

    def __init__(self, api_url: str):
        super().__init__()
        self.api_url = api_url

    def request(self, method, url, headers, post_data=None):
        status, answered, raw = exchange(self.api_url, method.upper(), url.removeprefix(self.api_url), headers=headers,
                                         content=post_data.encode() if post_data is not None else None)
        return raw, status, answered


def _ask(account: GatewayAccount, operation: str, ask: Callable[[Any], Any]) -> dict[str, Any]:
    """Ask with the current key and, when that one is not valid (any more), once with the previous one."""
    _check_keys(account)
    faults.point(f"stripe.{operation}.before")
    answer = with_each_key(account, lambda secret: _answer(operation, lambda: ask(_client(account, secret).v1)))
    faults.point(f"stripe.{operation}.after")
    return answer


def _client(account: GatewayAccount, secret_key: str) -> StripeClient:
    return StripeClient(secret_key, base_addresses={"api": account.api_url}, http_client=Wire(account.api_url), max_network_retries=0,
                        stripe_version=VERSION)


def _answer(operation: str, ask: Callable[[], Any]) -> dict[str, Any]:
    with told(log, name, operation) as said:
        try:
            return ask().to_dict()
        except StripeError as found:
            error = stripe_codes.error_of(found)
            said.update(http_status=error.http_status, trace_id=error.trace_id)
            raise error from None  # the library's own holds the whole answer
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as found:  # JSON, but nothing of Stripe's
            raise GatewayContractError("wrong_shape", type(found).__name__) from found


def _pages(account: GatewayAccount, listing: Callable[[Any], Callable], params: dict[str, Any]) -> Iterator[Any]:
    """Everything of a list, page by page."""
    params = params | {"limit": PAGE}
    while True:
        body = _ask(account, "list", lambda v1: listing(v1)(dict(params)))  # noqa: B023 - asked at once
        lines = body.get("data")
        if not isinstance(lines, list):
            raise GatewayContractError("wrong_shape", "the list is no list")
        yield from lines
        if body.get("has_more") is not True:
            return
        last = lines[-1].get("id") if lines and isinstance(lines[-1], dict) else None
        if not last or params.get("starting_after") == last:
            raise GatewayContractError("wrong_shape", "the list does not end")
        params["starting_after"] = last


def _session(account: GatewayAccount, gateway_key: str) -> dict[str, Any] | None:
    """The session with its payment, charge and refunds, or None; found by its payment intent where a notice names that."""
    if INTENT.match(gateway_key):
        params = {"payment_intent": gateway_key, "limit": 1, "expand": [f"data.{each}" for each in EXPANDED]}
        found = _ask(account, "fetch", lambda v1: v1.checkout.sessions.list(params)).get("data")
        return found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else None
    if not SESSION.match(gateway_key):
        return None  # nothing that Stripe ever named
    try:
        return _ask(account, "fetch", lambda v1: v1.checkout.sessions.retrieve(gateway_key, {"expand": EXPANDED}))
    except GatewayRefused as refused:
        if refused.code == "resource_missing":
            return None
        raise


def _snapshot(account: GatewayAccount, ref: GatewayRef, session: dict[str, Any]) -> GatewayPayment:
    """Amounts are compared by the one who knows what was stored; that it is the payment asked for, here."""
    charge, refunds = stripe_shapes.charge_and_refunds(session)
    if refunds is None:  # more of them than come along with the charge
        refunds = list(_pages(account, lambda v1: v1.refunds.list, {"charge": charge}))
    disputes = list(_pages(account, lambda v1: v1.disputes.list, {"charge": charge})) \
        if stripe_shapes.disputed(session) else []
    snapshot = stripe_shapes.payment(session, refunds, disputes)
    wanted = stripe_shapes.intent_of(snapshot) if INTENT.match(ref.gateway_key) else snapshot.gateway_key
    another = wanted != ref.gateway_key or (ref.order_ref and snapshot.order_ref != ref.order_ref)
    if another and not faults.guard_off("stripe.answer"):
        raise GatewayContractError("another_payment", "the answer is about another payment")
    return snapshot


def _keyed(key: str) -> dict[str, str]:
    if not re.fullmatch(r"[!-~]{16,255}", key):
        raise ValueError("an idempotency key has 16 to 255 visible ASCII characters")
    return {"idempotency_key": key}


def _check_keys(account: GatewayAccount) -> None:
    """A publishable and secret (or restricted) keys of the account's mode; wrong ones never leave the house."""
    public = KEY.match(account.client_key)
    secret = [KEY.match(key) for key in account.secret_keys]
    wrong = not public or public[1] != "pk" or public[2] != account.mode or not secret or not all(secret) \
        or any(key[1] == "pk" or key[2] != account.mode for key in secret if key)
    if wrong and not faults.guard_off("stripe.keys"):
        raise GatewayMisconfigured("WRONG_KEYS", "the keys are missing, of the wrong kind or of the wrong mode")


def _amount(amount: int, currency: str) -> int:
    """Minor units as Stripe counts them, which are ours; what it cannot take exactly is refused, never rounded."""
    if amount <= 0:
        raise ValueError("Stripe takes more than nothing")
    step = 10 if currency in TENTHS else WHOLE_ISK if currency == "ISK" else 1
    if currency in DOUBTFUL or amount % step:
        raise GatewayRefused("CURRENCY_NOT_SUPPORTED", f"not an amount that Stripe takes exactly in {currency}")
    return amount


def _order_ref(value: str) -> str:
    if not ORDER_REF.match(value):
        raise ValueError("that is no order id")
    return value
