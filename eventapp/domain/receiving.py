"""Money that came by hand, order by order: staff have seen the transfer; and taking that back while nothing else has happened."""
import secrets

from sqlalchemy import select

from eventapp import audit
from eventapp.domain import attempts, ledger, paying
from eventapp.extensions import db
from eventapp.models import Order, Payment
from eventapp.payments.provider import AUTHORIZED, AWAITING_DEPOSIT, MANUAL_TRANSFER, PAID, PENDING


def is_elsewhere(order: Order) -> bool:
    """Whether the order is being paid at a gateway: what that knows comes first."""
    at_gateway = select(Payment.id).where(Payment.order_id == order.id, Payment.account_id.is_not(None),
                                          Payment.status.in_((PENDING, AUTHORIZED, AWAITING_DEPOSIT)))
    return attempts.open_of_order(order) is not None or db.session.scalar(at_gateway.limit(1)) is not None


def receive(order: Order, *, by) -> Payment:
    """All that is owed has come as a transfer, whichever way to pay had been chosen."""
    owed = ledger.owed(order)
    payment = db.session.scalar(select(Payment).where(
        Payment.order_id == order.id, Payment.method == MANUAL_TRANSFER, Payment.amount == owed, Payment.status == AWAITING_DEPOSIT,
        Payment.problem.is_(None)).order_by(Payment.id.desc()).limit(1))
    if payment is None:
        payment = Payment(order_id=order.id, provider="manual", method=MANUAL_TRANSFER, amount=owed, currency=order.currency,
                          gateway_order_id=f"ev_{secrets.token_hex(14)}", status=AWAITING_DEPOSIT)
        db.session.add(payment)
        db.session.flush()
    paying.mark_received(payment, payment.amount, by=by)
    return payment


def is_untouched(payment_id: int) -> bool:
    """Whether the money is all there, and is just what the order costs: nothing has been given back or changed since."""
    payment = db.session.get(Payment, payment_id, populate_existing=True)
    return (payment.status == PAID and payment.balance == payment.amount and payment.problem is None
            and ledger.owed(db.session.get(Order, payment.order_id)) == 0)


def take_back(payment_id: int, *, by) -> None:
    """It was marked by mistake: in the books it is reversed, and awaited as before."""
    payment = db.session.get(Payment, payment_id)
    attempts.lock(payment)
    ledger.reverse(payment, f"{payment.gateway_order_id} taken back {ledger.arrivals(payment)}")
    payment.status, payment.gateway_key, payment.balance, payment.approved_at, payment.last_tx = AWAITING_DEPOSIT, None, 0, None, ""
    audit.record("payment.taken_back", payment, by=by, after={"amount": payment.amount})
