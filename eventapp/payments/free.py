"""An order of nothing: no gateway, paid at once."""
from collections.abc import Mapping
from datetime import datetime

from eventapp.payments import provider as p

name = "free"
caps = p.Capabilities(methods=frozenset([p.FREE]))


def create_checkout(account: p.GatewayAccount, intent: p.PaymentIntent) -> p.CheckoutInstruction:
    return p.CheckoutInstruction("none", params={"provider": name, "orderId": intent.order_ref, "amount": 0,
                                                 "currency": intent.amount.currency})


def received(intent: p.PaymentIntent, at: datetime) -> p.GatewayPayment:
    """The snapshot of having paid nothing; raises ValueError when there was something to pay."""
    if intent.amount.amount != 0:
        raise ValueError("that order is not free")
    return p.GatewayPayment(
        order_ref=intent.order_ref, gateway_key=f"free-{intent.order_ref}", status=p.PAID, raw_status="FREE",
        method=p.FREE, total=0, balance=0, currency=intent.amount.currency, test_mode=False, approved_at=at)


def parse_return(account: p.GatewayAccount, query: Mapping[str, str]) -> p.ReturnHint:
    raise p.BadReturn("no_gateway", "nobody comes back from nowhere")
