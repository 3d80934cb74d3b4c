"""Bank transfer by hand (무통장입금): we show the organiser's account, staff say when the money is there.

`account.public` holds `bank` (our name), `account_number` and `holder`.
"""
from collections.abc import Mapping
from datetime import datetime

from eventapp.payments import provider as p

name = "manual"
caps = p.Capabilities(methods=frozenset([p.MANUAL_TRANSFER]))


def create_checkout(account: p.GatewayAccount, intent: p.PaymentIntent) -> p.CheckoutInstruction:
    params = {"provider": name, "orderId": intent.order_ref, "amount": intent.amount.amount,
              "currency": intent.amount.currency, "bank": account.public.get("bank", ""),
              "accountNumber": account.public.get("account_number", ""), "holder": account.public.get("holder", "")}
    return p.CheckoutInstruction("none", params=params)


def awaiting(intent: p.PaymentIntent) -> p.GatewayPayment:
    """The snapshot of a transfer nobody has seen yet."""
    return _snapshot(intent, p.AWAITING_DEPOSIT, "WAITING", None)


def received(intent: p.PaymentIntent, at: datetime) -> p.GatewayPayment:
    """The snapshot of a transfer that staff have seen on the statement, whole."""
    return _snapshot(intent, p.PAID, "RECEIVED", at)


def parse_return(account: p.GatewayAccount, query: Mapping[str, str]) -> p.ReturnHint:
    raise p.BadReturn("no_gateway", "nobody comes back from a manual transfer")


def _snapshot(intent: p.PaymentIntent, status: str, raw: str, at: datetime | None) -> p.GatewayPayment:
    return p.GatewayPayment(
        order_ref=intent.order_ref, gateway_key=f"manual-{intent.order_ref}", status=status, raw_status=raw,
        method=p.MANUAL_TRANSFER, total=intent.amount.amount, balance=intent.amount.amount,
        currency=intent.amount.currency, test_mode=False, approved_at=at,
        last_tx=f"manual-{intent.order_ref}-received" if at else "")
