"""Approval, before or after the money: yes to many at once, with an offer to pay where something is owed; or no, with a reason.

Callers hold the orders and registrations and know that there is room (`bulk.py`).
"""
from datetime import datetime, timedelta

from sqlalchemy import func, select, update

from eventapp import clock
from eventapp.domain import ledger, refunding, registering
from eventapp.extensions import db
from eventapp.models import BulkOperation, BulkRow, Event, Order, Registration, Status
from eventapp.models.base import among
from eventapp.outbox import NotYet, later

RULES, ALL = "rules", "all"
"""How much of the money goes back: by the rules that were agreed to, or all of it."""
LEAST = timedelta(hours=1)
"""That somebody has in any case to pay what was offered."""
CONTESTED = 6 * 3600
"""Seconds until it is looked at again whether a dispute is over."""


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
    settle_later(rows, orders, give_back=ALL, by=by, operation=operation)


def cancel(rows, *, by, operation, reason: str, give_back: str, letter: str = "mail_order_cancelled", **told) -> None:
    """Taken back by staff; whether the money goes back, and how much of it, is theirs to say. Of those who are gone already
    only the money is settled."""
    registering.cancel([row for row in rows if row.status in registering.LIVE], by=by, reason=reason, letter=letter, **told)
    settle_later(rows, registering.orders_of(rows), give_back=give_back, by=by, operation=operation)


def settle_later(rows, orders, *, give_back: str, by, operation) -> None:
    """Once it can't be undone any more."""
    paid = {row.order_id for row in rows if row.paid_at and row.price} | ledger.holding_money(orders)
    later("settle_gone", [order for order in orders if order.id in paid], key=f"bulk {operation.id}", give_back=give_back, user_id=by.id,
          operation=operation.id)


def settle_gone(order: Order, *, give_back: str, by, operation: BulkOperation | None) -> None:
    """Somebody of this order has gone who was paid for: the money goes back, or waits for a person to decide."""
    db.session.get(Order, order.id, with_for_update={"key_share": True}, populate_existing=True)
    if not give_back:
        leave_to_a_person(order, by)
        return
    found = refunding.quote(order, _gone(order, operation), at=operation and operation.started_at, in_full=give_back != RULES)
    if found.why_not:
        raise NotYet(CONTESTED if any(refunding.disputed(payment) for payment, _amount in found.parts) else 60)
    ended = operation is not None and operation.action == "cancel_event"
    refunding.give(order, found, reason=refunding.EVENT_CANCELLED if ended else refunding.GONE, by=by)


def leave_to_a_person(order: Order, by) -> None:
    left = refunding.surplus(order)
    for payment, most in refunding.givers(order):
        if left > 0:
            refunding.needs_a_person(payment, "not_given_back", min(left, most), refunding.GONE, by=by)
        left -= most


def _gone(order: Order, operation: BulkOperation | None) -> list[Registration]:
    query = select(Registration).where(Registration.order_id == order.id, Registration.status.in_((Status.CANCELLED, Status.REJECTED)))
    if operation is not None:
        query = query.join(BulkRow, BulkRow.registration_id == Registration.id).where(
            BulkRow.operation_id == operation.id, BulkRow.state == "ok")
    return list(db.session.scalars(query))


def start_offer(order: Order) -> None:
    """When the letter goes out: the reminder two days before the end (or when two thirds of the time are over), and the end."""
    until = order.hold_until
    if until is None:
        return  # paid, or given up, meanwhile
    key, left = until.isoformat(), until - clock.now()
    later("expire_hold", order, run_at=until, key=key)
    later("mail_payment_reminder", order, run_at=until - min(timedelta(days=2), left / 3), key=f"offer {key}")
