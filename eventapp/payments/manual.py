"""Bank transfer by hand (무통장입금): we show the organiser's account, staff say when the money is there.

`account.public` holds `bank` (our name), `account_number` and `holder`.
"""
from collections.abc import Mapping
from datetime import datetime

from eventapp.payments.provider import (
    AWAITING_DEPOSIT,
    MANUAL_TRANSFER,
    PAID,
    BadReturn,
    Capabilities,
    CheckoutInstruction,
    GatewayAccount,
    GatewayPayment,
    PaymentIntent,
    ReturnHint,
)

name = "manual"
caps = Capabilities(methods=frozenset([MANUAL_TRANSFER]))
RETURN_NAMES = frozenset()


def create_checkout(account: GatewayAccount, intent: PaymentIntent) -> CheckoutInstruction:
    params = {"provider": name, "orderId": intent.order_ref, "amount": intent.amount.amount,
              "currency": intent.amount.currency, "bank": account.public.get("bank", ""),
              "accountNumber": account.public.get("account_number", ""), "holder": account.public.get("holder", "")}
    return CheckoutInstruction("none", params=params)


def awaiting(intent: PaymentIntent) -> GatewayPayment:
    """The snapshot of a transfer nobody has seen yet."""
    return _snapshot(intent, AWAITING_DEPOSIT, "WAITING", None)


def received(intent: PaymentIntent, at: datetime) -> GatewayPayment:
    """The snapshot of a transfer that staff have seen on the statement, whole."""
    return _snapshot(intent, PAID, "RECEIVED", at)


def parse_return(account: GatewayAccount, query: Mapping[str, str]) -> ReturnHint:
    raise BadReturn("no_gateway", "nobody comes back from a manual transfer")


def _snapshot(intent: PaymentIntent, status: str, raw: str, at: datetime | None) -> GatewayPayment:
    return GatewayPayment(
        order_ref=intent.order_ref, gateway_key=f"manual-{intent.order_ref}", status=status, raw_status=raw,
        method=MANUAL_TRANSFER, total=intent.amount.amount, balance=intent.amount.amount,
        currency=intent.amount.currency, test_mode=False, approved_at=at,
        last_tx=f"manual-{intent.order_ref}-received" if at else "")
