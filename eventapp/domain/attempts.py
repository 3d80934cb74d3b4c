"""What a gateway is asked, written down with the key under which it is asked: one attempt, one key, one body."""
from uuid import uuid4

from sqlalchemy import select

from eventapp.extensions import db
from eventapp.models import Order, Payment, PaymentAttempt
from eventapp.outbox import later

OPEN = ("prepared", "sent", "unknown")
JOBS = {"open": "gateway_open", "confirm": "gateway_confirm", "look": "gateway_look", "issue": "gateway_issue",
        "cancel": "gateway_cancel"}
RECEIPTS = {"receipt_issue": "gateway_cash_receipt", "receipt_cancel": "gateway_cash_receipt"}
"""Apart from what is asked about money: a cash receipt that nobody answers keeps nothing waiting."""


def lock(payment: Payment) -> Order:
    """The order and its payment as they are now, and ours until the commit. Always the order first."""
    db.session.flush()
    hold = {"with_for_update": {"key_share": True}, "populate_existing": True}
    order = db.session.get(Order, payment.order_id, **hold)
    db.session.get(Payment, payment.id, **hold)
    return order


def prepare(payment: Payment, operation: str, request: dict) -> PaymentAttempt:
    """To be sent after the commit. The database allows one open attempt of a kind for each payment."""
    attempt = PaymentAttempt(payment_id=payment.id, operation=operation, request=request,
                             idempotency_key=f"{operation}-{uuid4().hex}")
    db.session.add(attempt)
    later(job_of(operation), attempt)
    return attempt


def job_of(operation: str) -> str:
    return JOBS.get(operation) or RECEIPTS[operation]


def open_of(payment: Payment, *operations: str) -> PaymentAttempt | None:
    return db.session.scalar(select(PaymentAttempt).where(
        PaymentAttempt.payment_id == payment.id, PaymentAttempt.operation.in_(operations or JOBS), PaymentAttempt.state.in_(OPEN)))


def open_of_order(order: Order, *operations: str) -> PaymentAttempt | None:
    """Of any payment of the order."""
    return db.session.scalar(select(PaymentAttempt).join(Payment, Payment.id == PaymentAttempt.payment_id).where(
        Payment.order_id == order.id, PaymentAttempt.operation.in_(operations or JOBS), PaymentAttempt.state.in_(OPEN)).limit(1))
