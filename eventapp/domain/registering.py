"""Where a registration stands, and every way it moves. The legal moves are in `models/registration.py`."""
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from eventapp import audit, clock
from eventapp.domain import ledger
from eventapp.extensions import db
from eventapp.models import Event, Order, Registration, Status
from eventapp.models.base import among
from eventapp.models.registration import LEGAL_MOVES
from eventapp.outbox import later

LIVE = (Status.PENDING_APPROVAL, Status.PENDING_PAYMENT, Status.CONFIRMED)


class IllegalMove(Exception):
    """A fault of ours: somebody tried to skip a step."""


@dataclass
class Tally:
    """What an operation on many came to."""

    moved: list = field(default_factory=list)
    refused: list = field(default_factory=list)


def move(registrations, target, *, by, action: str, reason: str = "", **values) -> Tally:
    """Move registrations to `target` (a status, or a function of one) in one statement for each status.

    Locks them first, in order; those whose status forbids the move are refused, in the tally. The database takes or frees
    the places and raises IntegrityError when there are none left.
    """
    tally = Tally()
    ids = sorted(registration.id for registration in registrations)
    locked = db.session.scalars(select(Registration).where(among(Registration.id, ids)).order_by(Registration.id)
                                .with_for_update().execution_options(populate_existing=True)).all()
    groups: dict[tuple[str, str], list] = {}
    for registration in locked:
        wanted = target(registration) if callable(target) else target
        legal = (registration.status, wanted) in LEGAL_MOVES
        (groups.setdefault((registration.status, wanted), []) if legal else tally.refused).append(registration)
    for (before, after), group in sorted(groups.items()):
        db.session.execute(update(Registration).where(among(Registration.id, [one.id for one in group]))
                           .values(status=after, status_reason=reason, **values))
        audit.record(action, group, by=by, before={"status": before}, after={"status": after})
        tally.moved += group
    return tally


def must_move(registrations, target, **options) -> list[Registration]:
    """Like `move`, for callers who have looked: anything refused is a fault of ours."""
    tally = move(registrations, target, **options)
    if tally.refused:
        raise IllegalMove([(one.number, one.status) for one in tally.refused])
    return tally.moved


def of_order(order: Order) -> list[Registration]:
    return list(db.session.scalars(select(Registration).where(Registration.order_id == order.id).order_by(Registration.position)))


def with_status(registrations, *statuses) -> list[Registration]:
    return [registration for registration in registrations if registration.status in statuses]


def holding(registrations) -> list[Registration]:
    """Those that hold their places, as `Registration.holds` says in the database."""
    return [one for one in registrations if one.status in (Status.PENDING_PAYMENT, Status.CONFIRMED)
            or (one.status == Status.PENDING_APPROVAL and one.paid_at)]


def orders_of(registrations) -> list[Order]:
    ids = {registration.order_id for registration in registrations}
    return list(db.session.scalars(select(Order).where(among(Order.id, ids)).order_by(Order.id)
                                   .execution_options(populate_existing=True))) if ids else []


def hold(order: Order, until: datetime) -> None:
    """Keep the order's places until then, or as long as was said before: an offer is not cut short by how somebody wants to pay.
    The end is a row of the outbox that looks again before it acts."""
    order.hold_until = max(until, order.hold_until or until)
    later("expire_hold", order, run_at=order.hold_until, key=order.hold_until.isoformat())


def money_arrived(order: Order, *, by) -> bool:
    """The order is paid: its registrations are confirmed, or wait for approval where the event approves afterwards.

    False when there is no place any more, because the hold had ended: the caller gives the money back.
    """
    registrations = of_order(order)
    event = db.session.get(Event, order.event_id)
    late = with_status(registrations, Status.EXPIRED)
    if late and ledger.owed(order) < 0 and not take_again(event, late, by):
        return False
    waiting = with_status(registrations, Status.PENDING_PAYMENT)
    order.hold_until = None
    if not waiting:
        return bool(with_status(registrations, Status.CONFIRMED, Status.PENDING_APPROVAL))
    now = clock.now()
    asked = [one for one in waiting if event.approval == "after_payment" and not one.approved_at]
    if asked:
        must_move(asked, Status.PENDING_APPROVAL, by=by, action="registration.paid", paid_at=now)
        later("mail_order_received", order, key="paid")
    if len(asked) < len(waiting):
        confirm(order, [one for one in waiting if one not in asked], by=by, paid_at=now)
    return True


def confirm(order: Order, registrations, *, by, **values) -> None:
    """They are in: tickets, and the letter with them. No key: a move is made once, and after a bank has taken a deposit back
    the same people are confirmed anew, with other tickets."""
    must_move(registrations, Status.CONFIRMED, by=by, action="registration.confirmed", confirmed_at=clock.now(), **values)
    later("mail_order_confirmed", order)


def take_again(event: Event, late, by) -> bool:
    """Money that comes after the hold has ended takes the places once more, when there are any."""
    if event.registration_state(clock.now()) not in ("open", "closed") or clock.now() >= event.ends_at:
        return False
    try:
        with db.session.begin_nested():
            must_move(late, Status.PENDING_PAYMENT, by=by, action="registration.held_again")
            ledger.charge_held(orders_of(late))
    except IntegrityError:
        return False
    return True


def money_taken_back(order: Order, *, by) -> bool:
    """The bank reversed a deposit: tickets no longer hold, the money is awaited again. Where it was only the difference for what
    was added later, the rest stays paid and the tickets stay. Whether tickets rest now."""
    confirmed = with_status(of_order(order), Status.CONFIRMED)
    if not confirmed or ledger.paid(order) > 0:
        return False
    must_move(confirmed, Status.PENDING_PAYMENT, by=by, action="registration.payment_reversed", paid_at=None, confirmed_at=None)
    db.session.execute(update(Registration).where(Registration.id.in_([one.id for one in confirmed]))
                       .values(ticket_version=Registration.ticket_version + 1))
    return True


def expire(order: Order, *, by=audit.SYSTEM) -> bool:
    """The money did not come in time: the places are free again. False when nothing was waiting."""
    waiting, until = with_status(of_order(order), Status.PENDING_PAYMENT), order.hold_until
    order.hold_until = None
    if not waiting:
        return False
    must_move(waiting, Status.EXPIRED, by=by, action="registration.expired")
    ledger.release(order, "expired")
    later("mail_order_expired", order, key=str(until), until=str(until))
    return True


def cancel(registrations, *, by, reason: str = "", letter: str = "mail_order_cancelled", **told) -> Tally:
    """Take registrations back. What was owed for them is released; money that came is `refunding`'s matter. `letter` tells the
    buyers, with `told` in it."""
    tally = move(registrations, Status.CANCELLED, by=by, action="registration.cancelled", reason=reason,
                 ticket_version=Registration.ticket_version + 1)
    if tally.moved:
        orders = orders_of(tally.moved)
        end_holds(orders)
        ledger.charge_held(orders)
        later(letter, orders, key=str(max(one.id for one in tally.moved)), **told)
    return tally


def end_holds(orders) -> None:
    """Orders that wait for no money any more keep no time for it."""
    waiting = select(Registration.id).where(Registration.order_id == Order.id, Registration.status == Status.PENDING_PAYMENT)
    db.session.execute(update(Order).where(Order.id.in_([order.id for order in orders]), Order.hold_until.is_not(None),
                                           ~waiting.exists()).values(hold_until=None).execution_options(synchronize_session="fetch"))
