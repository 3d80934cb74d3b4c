"""Money that goes back by itself: all of a payment, or what is too much of it. Refunds to an account stand on this."""
from sqlalchemy import select

from eventapp import audit
from eventapp.domain.attempts import lock, open_of, prepare
from eventapp.extensions import db
from eventapp.models import Order, Payment, Refund

LATE = "the payment came after the deadline"
TWICE = "the order had been paid already"
GONE = "the registration was cancelled"
CHARGEBACK = "the card holder's dispute was lost"
PAID = ("paid", "partially_refunded")
BY_ITSELF = ("card", "bank_transfer", "mobile")
"""What the gateway sends back without being told an account."""


def refund_order(order: Order, *, reason: str, by) -> None:
    """All that was paid for an order."""
    for payment in db.session.scalars(select(Payment).where(Payment.order_id == order.id, Payment.status.in_(PAID))
                                      .order_by(Payment.id)).all():
        give_back(payment, reason, by=by)


def give_back(payment: Payment, reason: str, *, by, amount: int | None = None) -> Refund | None:
    """All that is left of a payment, or `amount` of it. None when it needs a person: cash, an account to send it to, or one is
    on its way."""
    lock(payment)
    if payment.balance <= 0 or open_of(payment, "cancel") or (payment.dispute and payment.dispute["status"] == "open"):
        return None
    amount = payment.balance if amount is None else min(amount, payment.balance)
    if payment.method not in BY_ITSELF:
        needs_a_person(payment, "refund_by_hand", amount, reason, by=by)
        return None
    refund = Refund(payment_id=payment.id, amount=amount, reason=reason)
    db.session.add(refund)
    db.session.flush()
    prepare(payment, "cancel", {"gateway_key": payment.gateway_key, "order_ref": payment.gateway_order_id, "reason": reason,
                                "expected_remaining": payment.balance, "refund_id": refund.id,
                                "amount": None if amount == payment.balance else amount})
    audit.record("payment.refund_requested", payment, by=by, after={"amount": refund.amount, "reason": reason})
    return refund


def void(payment: Payment) -> None:
    """Close an account that nobody has paid into."""
    if not open_of(payment, "cancel"):
        prepare(payment, "cancel", {"gateway_key": payment.gateway_key, "order_ref": payment.gateway_order_id,
                                    "reason": "no longer needed", "expected_remaining": payment.amount})


def needs_a_person(payment: Payment, kind: str, expected, found, *, by=audit.SYSTEM) -> None:
    """Leave a difference on the payment for staff to see, once."""
    problem = {"kind": kind, "expected": expected, "found": found}
    if payment.problem != problem:
        payment.problem = problem
        audit.record("payment.needs_a_person", payment, by=by, after=problem)
