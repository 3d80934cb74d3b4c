"""Approval, before or after the money: yes to many at once, with an offer to pay where something is owed; or no, with a reason.

Callers hold the orders and registrations and know that there is room (`bulk.py`).
"""
from datetime import datetime, timedelta

from sqlalchemy import func, select, update

from eventapp import clock
from eventapp.domain import ledger, refunding, registering
from eventapp.domain.attempts import open_of
from eventapp.extensions import db
from eventapp.models import Event, Order, Payment, Registration, Status
from eventapp.models.base import among
from eventapp.outbox import NotYet, later

LEAST = timedelta(hours=1)
"""That somebody has in any case to pay what was offered."""


def approve(rows, *, by, operation) -> None:
    """Who has paid, or owes nothing, is in; the others have got their places and until the offer's end to pay for them."""
    offered = [row for row in rows if row.price and not row.paid_at]
    accepted = [row for row in rows if row.paid_at or not row.price]
    now, key = clock.now(), f"bulk {operation.id}"
    if accepted:
        registering.must_move(accepted, Status.CONFIRMED, by=by, action="registration.approved", confirmed_at=now, approved_at=now,
                              paid_at=func.coalesce(Registration.paid_at, now))
        later("mail_order_confirmed", registering.orders_of(accepted), key=key)
    if offered:
        registering.must_move(offered, Status.PENDING_PAYMENT, by=by, action="registration.approved", approved_at=now)
        offer_places({row.event_id for row in offered}, {row.order_id for row in offered})
        orders = registering.orders_of(offered)
        ledger.charge_held(orders)
        later("mail_order_approved", orders, key=key, operation=operation.id)


def offer_places(events, orders) -> None:
    """Keep the places of these orders until the offer of their event ends, or longer where that was said before."""
    for event in db.session.scalars(select(Event).where(Event.id.in_(events))).all():
        until = offer_until(event)
        db.session.execute(update(Order).where(among(Order.id, orders), Order.event_id == event.id)
                           .values(hold_until=func.greatest(Order.hold_until, until)).execution_options(synchronize_session=False))


def offer_until(event: Event) -> datetime:
    """When an offer that is made now falls; whole seconds, so that the letter and the page say the same."""
    now = clock.now()
    return max(now + LEAST, min(now + timedelta(days=event.offer_days), event.starts_at)).replace(microsecond=0)


def reject(rows, *, by, operation, reason: str) -> None:
    """No. Money that came before the decision goes back, once that can't be undone any more."""
    orders = registering.orders_of(registering.must_move(rows, Status.REJECTED, by=by, action="registration.rejected", reason=reason))
    registering.end_holds(orders)
    ledger.charge_held(orders)
    later("mail_order_rejected", orders, key=f"bulk {operation.id}", operation=operation.id)
    settle_later(rows, orders, give_back=True, by=by, operation=operation)


def cancel(rows, *, by, operation, reason: str, give_back: bool) -> None:
    """Taken back by staff; whether the money goes back is theirs to say."""
    settle_later(rows, registering.orders_of(registering.cancel(rows, by=by, reason=reason).moved), give_back=give_back, by=by,
                 operation=operation)


def settle_later(rows, orders, *, give_back: bool, by, operation) -> None:
    paid = {row.order_id for row in rows if row.paid_at and row.price}
    later("settle_gone", [order for order in orders if order.id in paid], key=f"bulk {operation.id}", give_back=give_back, user_id=by.id)


def settle_gone(order: Order, *, give_back: bool, by) -> None:
    """Somebody of this order has gone who was paid for: what is too much now goes back, or waits for a person to decide."""
    db.session.get(Order, order.id, with_for_update={"key_share": True}, populate_existing=True)
    too_much = -ledger.owed(order)
    paid = select(Payment).where(Payment.order_id == order.id, Payment.status.in_(refunding.PAID)).order_by(Payment.id.desc())
    for payment in db.session.scalars(paid).all():
        amount = min(too_much, payment.balance)
        if amount <= 0:
            continue
        if not give_back:
            refunding.needs_a_person(payment, "not_given_back", amount, refunding.GONE, by=by)
        elif open_of(payment, "cancel"):
            raise NotYet(60)  # a part of it is on its way; then the books say what is left to do
        else:
            refunding.give_back(payment, refunding.GONE, by=by, amount=amount)
        too_much -= amount


def start_offer(order: Order) -> None:
    """When the letter goes out: the reminder two days before the end (or when two thirds of the time are over), and the end."""
    until = order.hold_until
    if until is None:
        return  # paid, or given up, meanwhile
    key, left = until.isoformat(), until - clock.now()
    later("expire_hold", order, run_at=until, key=key)
    later("mail_payment_reminder", order, run_at=until - min(timedelta(days=2), left / 3), key=f"offer {key}")
