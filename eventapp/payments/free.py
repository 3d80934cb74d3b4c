"""An order of nothing: no gateway, paid at once."""
from collections.abc import Mapping
from datetime import datetime

from eventapp.payments.provider import (
    FREE,
    PAID,
    BadReturn,
    Capabilities,
    CheckoutInstruction,
    GatewayAccount,
    GatewayPayment,
    PaymentIntent,
    ReturnHint,
)

name = "free"
caps = Capabilities(methods=frozenset([FREE]))
RETURN_NAMES = frozenset()


def create_checkout(account: GatewayAccount, intent: PaymentIntent) -> CheckoutInstruction:
    return CheckoutInstruction("none", params={"provider": name, "orderId": intent.order_ref, "amount": 0,
                                               "currency": intent.amount.currency})


def received(intent: PaymentIntent, at: datetime) -> GatewayPayment:
    """The snapshot of having paid nothing; raises ValueError when there was something to pay."""
    if intent.amount.amount != 0:
        raise ValueError("that order is not free")
    return GatewayPayment(
        order_ref=intent.order_ref, gateway_key=f"free-{intent.order_ref}", status=PAID, raw_status="FREE",
        method=FREE, total=0, balance=0, currency=intent.amount.currency, test_mode=False, approved_at=at)


def parse_return(account: GatewayAccount, query: Mapping[str, str]) -> ReturnHint:
    raise BadReturn("no_gateway", "nobody comes back from nowhere")
