"""The buyer takes it back: all of an order or some of its people, and with them the money that the rules give back."""
from sqlalchemy import select

from eventapp import clock
from eventapp.domain import Refused, applying, attempts, ledger, paying, refunding, registering
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import Event, Order, Payment, Refund, Registration, Status

REASON = "cancelled by the buyer"
STANDING = (Status.PENDING_APPROVAL, Status.PENDING_PAYMENT, Status.CONFIRMED)


def standing(registrations) -> list[Registration]:
    """Those of which something is left to take back."""
    return registering.with_status(registrations, *STANDING)


def why_not(event: Event, registrations) -> str:
    """Whether the buyer may cancel without asking: "" or the sentence why not."""
    if not standing(registrations):
        return _("There is nothing left to cancel.")
    if event.cancellable_until is None or clock.now() >= event.cancellable_until:
        return _("This can no longer be cancelled here. Please contact the organiser.")
    return ""


def cancel(order: Order, registrations=None, *, by, agreed: int | None = None, account: dict | None = None) -> list[Refund]:
    """Cancel these (all, unless some are named) and send back what the rules give. Raises Refused, and then nothing is written.

    `agreed`: the sum that the buyer was shown and said yes to. `account`: where it goes, when it can't go back by itself; without
    one the buyer is asked by letter.
    """
    db.session.flush()
    db.session.get(Order, order.id, with_for_update={"key_share": True}, populate_existing=True)  # the money may be coming in
    everybody = standing(registering.of_order(order))
    chosen = everybody if registrations is None else registrations
    sentence = why_not(db.session.get(Event, order.event_id), everybody)
    if sentence:
        raise Refused(sentence)
    if not chosen or not set(chosen) <= set(everybody):
        raise Refused(_("This registration has changed since you opened the page. Look at it again."), status=409)
    if len(chosen) < len(everybody) and attempts.open_of_order(order, *paying.ASKING):
        raise Refused(_("A payment is going on at this moment. Try again in a minute."), status=409)
    found = refunding.quote(order, chosen)
    if found.why_not:
        raise Refused(found.why_not, status=409)
    if agreed not in (None, found.amount):
        raise Refused(_("The sum that comes back has changed since you opened the page. Look at it again."), status=409)
    registering.cancel(chosen, by=by, reason=REASON)
    refunds = refunding.give(order, found, reason=REASON, by=by, account=account) if found.paid else []
    follow(order, by=by)
    return refunds


def follow(order: Order, *, by) -> None:
    """What still asks for the sum of before ends. Those who stay and owe nothing are in; who pays by transfer is told the new sum."""
    owed = ledger.owed(order)
    for payment in db.session.scalars(select(Payment).where(
            Payment.order_id == order.id, Payment.status.in_(applying.WAITING), Payment.amount != owed, Payment.problem.is_(None))).all():
        applying.close(payment, "voided")
    if not registering.with_status(registering.of_order(order), Status.PENDING_PAYMENT):
        return
    if owed <= 0:
        registering.money_arrived(order, by=by)
    elif order.method == paying.MANUAL_TRANSFER:
        paying.begin(order, order.method)
