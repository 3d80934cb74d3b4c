"""An event that will not take place: registration ends, everybody who is left is cancelled and gets all of their money back.

The rest is an operation on many (`bulk.py`): in batches that a killed worker takes up again, with its refunds one after another
in the outbox, one attempt for each payment.
"""
from dataclasses import dataclass

from sqlalchemy import func, select

from eventapp import audit, clock
from eventapp.domain import Refused, RefusedFields, bulk, ledger, payouts, refunding
from eventapp.domain.bulk_actions import ACTIONS, LONGEST_REASON, paragraphs, too_long
from eventapp.domain.registering import LIVE
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import BulkOperation, Event, LedgerEntry, Order, OutboxItem, Payment, Refund, Registration


@dataclass(frozen=True, slots=True)
class Way:
    """A way to pay: how many payments came by it, and how much of them is still here to go back."""

    method: str
    currency: str
    payments: int
    amount: int
    by_account: bool
    """Whether the buyers are asked where to send it."""


def left(event: Event) -> int:
    """Registrations that would be cancelled."""
    return db.session.scalar(select(func.count()).where(Registration.event_id == event.id, Registration.status.in_(LIVE)))


def ways(event: Event) -> list[Way]:
    """What came in for those who are left, by the way it came; what was kept of others before is not in it."""
    still = select(Registration.order_id).where(Registration.event_id == event.id, Registration.status.in_(LIVE))
    found: dict[tuple[str, str, bool], list[int]] = {}
    payments = select(Payment).where(Payment.order_id.in_(still), Payment.status.in_(refunding.GIVING)).order_by(Payment.id)
    held = dict(db.session.execute(select(LedgerEntry.payment_id, func.sum(ledger.into_hand())).where(
        LedgerEntry.order_id.in_(still), LedgerEntry.payment_id.is_not(None)).group_by(LedgerEntry.payment_id)).all())
    for payment in db.session.scalars(payments):
        if amount := min(payment.balance, held.get(payment.id, 0)):
            known = found.setdefault((payment.method, payment.currency, refunding.needs_account(payment)), [0, 0])
            known[0], known[1] = known[0] + 1, known[1] + amount
    return [Way(method, currency, count, amount, by_account) for (method, currency, by_account), (count, amount) in found.items()]


def cancel(event: Event, given, *, member) -> BulkOperation | None:
    """Close it now and begin; None when nobody is left. Raises Refused, or RefusedFields with what is wrong."""
    event = db.session.get(Event, event.id, with_for_update=True, populate_existing=True)
    reason = paragraphs(given, "reason")
    wrong = too_long(reason, LONGEST_REASON) if reason else _("Write a reason. It is sent to the participants.")
    if wrong:
        raise RefusedFields({"reason": wrong})
    if given.get("title", "").strip() != event.code:
        raise RefusedFields({"title": _("Enter %(code)s to show that you mean this event.", code=event.code)})
    if event.status == "draft" or event.ends_at <= clock.now():
        raise Refused(_("This event is over, or was never published: there is nothing to cancel."), status=409)
    if event.status != "cancelled":
        before, event.status = event.status, "cancelled"
        audit.record("event.cancelled", event, by=member.actor, before={"status": before}, after={"status": "cancelled"})
    if not left(event):
        return None
    operation = bulk.begin(ACTIONS["cancel_event"], select(Registration).where(
        Registration.event_id == event.id, Registration.status.in_(LIVE)), member=member, reason=reason)
    bulk.start(operation, given, member=member)
    return operation


def latest(event: Event) -> BulkOperation | None:
    """Its operation, to see how far it is."""
    return db.session.scalar(select(BulkOperation).where(BulkOperation.event_id == event.id, BulkOperation.action == "cancel_event",
                                                         BulkOperation.state != "draft").order_by(BulkOperation.id.desc()).limit(1))


def waiting(operation: BulkOperation | None) -> int:
    """Orders whose money has not had its turn yet."""
    return db.session.scalar(select(func.count()).where(
        OutboxItem.operation_id == operation.id, OutboxItem.org_id == operation.org_id, OutboxItem.kind == "settle_gone",
        OutboxItem.done_at.is_(None), OutboxItem.dead_at.is_(None))) if operation else 0


def progress(event: Event) -> dict[tuple[str, str], tuple[int, int]]:
    """{(state of the refunds, currency): (how many, how much)} of what goes back because the event was cancelled."""
    rows = db.session.execute(select(Refund.state, Payment.currency, func.count(), func.sum(Refund.amount))
                              .join(Payment, Payment.id == Refund.payment_id).join(Order, Order.id == Payment.order_id)
                              .where(Order.event_id == event.id, Refund.reason == refunding.EVENT_CANCELLED, ~payouts.given_up())
                              .group_by(Refund.state, Payment.currency))
    return {(state, currency): (count, amount) for state, currency, count, amount in rows}
