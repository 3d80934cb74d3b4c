"""One stand for each gateway, so that the same tests can stand at any of them: what a buyer, a shop and a bank do there.

A stand is either in front of the sandbox or, with keys of one's own in the environment (`CONTRACT_…`), in front of
the gateway's own test environment; then nobody sits at the window and what needs a buyer is skipped.
"""
import importlib.util
import os
import secrets

import pytest

from eventapp.money import Money
from eventapp.payments import PROVIDERS, provider
from eventapp.payments.provider import (
    CARD,
    CancelRequest,
    GatewayAccount,
    GatewayPayment,
    GatewayRef,
    Opened,
    PaymentIntent,
    RefundAccount,
    ReturnHint,
)

NAMES = [name for name in PROVIDERS if importlib.util.find_spec(f"tests.payments.stands.{name}")]
SHOP = "http://localhost:5000/payment"
BACK = RefundAccount("woori", "110-123-456789", "김하나")


def attempt(operation: str = "contract") -> str:
    return f"{operation}-{secrets.token_hex(16)}"


class Stand:
    """What a gateway's own module must say: `account_of`, `press`, and, where the gateway has such a thing, `deposit`,
    `told_at`, `in_books`, `fault`, `cancel_elsewhere`, `contest`. The rest is the same for all."""

    name = ""
    locks_refunds = True
    """The gateway refuses a refund that believes in another balance."""
    contests = False
    """Card holders' disputes are told."""
    never = GatewayRef("ev_never_opened")
    """A payment that was never opened."""
    variables: tuple[str, ...] = ()
    """The names of the environment that bring keys of the gateway's own test environment."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.real = gateway is None
        self.account = self.real_account(keys_of(type(self))) if self.real else self.account_of("demo0000000001")
        self.opened: dict[str, Opened] = {}

    # -- what each gateway says for itself ----------------------------------------------------------
    def account_of(self, ending: str, **changes) -> GatewayAccount:
        """An account whose keys end so; a demo ending is valid at the sandbox."""
        raise NotImplementedError

    def real_account(self, keys: dict[str, str]) -> GatewayAccount:
        """The account at the gateway's own test environment, from the values of `variables`."""
        raise NotImplementedError

    def press(self, intent: PaymentIntent, button: str) -> dict[str, str]:
        """A buyer goes to the window of an opened payment and presses `approve`, `decline` or `close`; answers the query
        they come back with."""
        raise NotImplementedError

    def deposit(self, payment: GatewayPayment) -> None:
        """Somebody pays into the virtual account."""
        raise NotImplementedError

    def told_at(self, url: str) -> None:
        """Notices of this account go to `url` from now on."""
        raise NotImplementedError

    def in_books(self) -> int:
        """What the gateway holds for this account: all that came minus all that went."""
        raise NotImplementedError

    def fault(self, operation: str, fault: str) -> None:
        """`operation`: confirm, fetch, cancel, open; `fault`: a name of the sandbox's faults."""
        raise NotImplementedError

    def cancel_elsewhere(self, payment: GatewayPayment, amount: int | None = None) -> None:
        """Somebody refunds at the gateway's own console."""
        raise NotImplementedError

    def contest(self, payment: GatewayPayment, outcome: str = "") -> None:
        """The card holder contests; with an outcome (`won` or `lost`) it ends so."""
        raise NotImplementedError

    # -- what is the same everywhere ----------------------------------------------------------------
    @property
    def provider(self):
        return provider(self.name)

    @property
    def caps(self):
        return self.provider.caps

    @property
    def two_step(self) -> bool:
        return self.provider.two_step(self.account)

    def intent(self, amount: int = 50000, method: str = CARD, **more) -> PaymentIntent:
        return PaymentIntent(f"ev_{secrets.token_hex(8)}", Money(amount, more.pop("currency", "KRW")), "선교대회 등록",
                             method, f"{SHOP}/success?ref=abc", f"{SHOP}/fail?ref=abc", customer_name="김하나", **more)

    def open(self, intent: PaymentIntent, key: str = "") -> Opened:
        """Tell the gateway of the payment, where it must know before the buyer comes."""
        if not self.caps.opens_first:
            return Opened()
        self.opened[intent.order_ref] = self.provider.open(self.account, intent, key or attempt("open"))
        return self.opened[intent.order_ref]

    def ref(self, intent: PaymentIntent) -> GatewayRef:
        return GatewayRef(intent.order_ref, self.opened.get(intent.order_ref, Opened()).gateway_key)

    def visit(self, intent: PaymentIntent, button: str) -> ReturnHint:
        if intent.order_ref not in self.opened:
            self.open(intent)
        return self.provider.parse_return(self.account, self.press(intent, button))

    def finish(self, intent: PaymentIntent, hint: ReturnHint, key: str = "") -> GatewayPayment:
        """As our worker does it when the buyer is back: confirm, or look, where the window has taken the money."""
        if self.two_step:
            return self.provider.confirm(self.account, intent, hint, key or attempt("confirm"))
        return self.provider.fetch(self.account, self.ref(intent))

    def pay(self, amount: int = 50000, method: str = CARD, **more) -> GatewayPayment:
        intent = self.intent(amount, method, **more)
        return self.finish(intent, self.visit(intent, "approve"))

    def fetch(self, payment: GatewayPayment) -> GatewayPayment | None:
        return self.provider.fetch(self.account, GatewayRef(payment.order_ref, payment.gateway_key))

    def cancel(self, payment: GatewayPayment, amount: int | None = None, key: str = "", **more) -> GatewayPayment:
        account = BACK if payment.method in self.caps.refund_account_for and payment.captured else None
        values = {"reason": "참가 취소", "expected_remaining": payment.balance, "amount": amount,
                  "refund_account": account} | more
        return self.provider.cancel(self.account, GatewayRef(payment.order_ref, payment.gateway_key),
                                    CancelRequest(**values), key or attempt("cancel"))

    # -- skipping, always with a reason -------------------------------------------------------------
    def needs(self, capability: str) -> None:
        """Skip when the gateway does not have it; `capability` is a name of Capabilities or one of its methods."""
        has = capability in self.caps.methods or bool(getattr(self.caps, capability, False))
        if not has:
            pytest.skip(f"{self.name} has no {capability}")

    def needs_a_buyer(self) -> None:
        if self.real:
            pytest.skip("nobody sits at the window of the gateway's own test environment")
        if type(self).press is Stand.press:
            pytest.skip(f"{self.name} has no window")

    def needs_the_sandbox(self) -> None:
        if self.real:
            pytest.skip("only the sandbox does this when it is told to")


def stand_of(name: str) -> type[Stand]:
    return importlib.import_module(f"tests.payments.stands.{name}").STAND


def all_stands() -> dict[str, type[Stand]]:
    """By what a test run calls them; a gateway with two manners has `ALSO` another stand."""
    found = {name: stand_of(name) for name in NAMES}
    for name in NAMES:
        found |= getattr(importlib.import_module(f"tests.payments.stands.{name}"), "ALSO", {})
    return found


def keys_of(stand: type[Stand]) -> dict[str, str]:
    """Keys from the environment; empty unless every one of them is there."""
    found = {variable: os.environ.get(variable, "") for variable in stand.variables}
    return found if all(found.values()) else {}
