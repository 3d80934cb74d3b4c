"""One payment: what was asked of the gateway and what it said, where the money is, and what a person has to decide about it."""
from datetime import datetime, timedelta

from flask import Blueprint, flash, g, redirect, request, url_for
from sqlalchemy import or_, select
from sqlalchemy.orm import defer

from eventapp import clock
from eventapp.blueprints.admin import showing
from eventapp.domain import Refused, attempts, auditing, inbox, refunding, registering, resolving
from eventapp.domain.finding_payments import PROVIDER_WORDS
from eventapp.extensions import db
from eventapp.languages import _, _l, current_locale
from eventapp.models import (
    AuditLog,
    BookDifference,
    Event,
    GatewayAccount,
    Order,
    Payment,
    Refund,
    Settlement,
    WebhookEvent,
)
from eventapp.money import money_text
from eventapp.permissions import can, requires
from eventapp.unit_of_work import undo as forget
from eventapp.web.forms import clean
from eventapp.web.pages import done, page

bp = Blueprint("payment", __name__)
LONGEST = timedelta(minutes=1)
"""How long the page looks for the gateway's answer by itself."""
NOTICES, LINES = 20, 30
OPERATIONS = {
    "open": _l("Announce the payment"), "confirm": _l("Confirm the payment"), "look": _l("Look how it ended"), "issue": _l("Make a virtual account"),
    "cancel": _l("Give back or cancel"), "receipt_issue": _l("Issue a cash receipt"), "receipt_cancel": _l("Cancel a cash receipt")}
ATTEMPTS = {
    "prepared": (_l("Not asked yet"), "neutral"), "sent": (_l("Asked"), "info"), "succeeded": (_l("Done"), "success"),
    "refused": (_l("Refused"), "danger"), "unknown": (_l("No answer yet"), "warning")}
NOTICE_STATES = {
    "received": (_l("Received"), "info"), "applied": (_l("Looked into"), "success"), "ignored": (_l("Not about us"), "neutral"),
    "orphan": (_l("Unknown order"), "warning"), "wrong_account": (_l("Wrong account"), "danger"), "rejected": (_l("Not genuine"), "danger")}
REFUNDS = {
    "requested": (_l("On its way"), "info"), "needs_account": (_l("Account awaited"), "warning"), "to_pay": (_l("To be transferred"), "warning"),
    "done": (_l("Given back"), "success"), "failed": (_l("Refused"), "danger")}


@bp.get("/payments/<int:id>")
@requires("payments.read")
def show(id):
    return shown(g.member.payment(id))


@bp.post("/payments/<int:id>/ask")
@requires("payments.mark_received")
def ask(id):
    """Look at the gateway now; the page waits for what it says."""
    payment = g.member.payment(id)
    if payment.account_id is None:
        raise Refused(_("No payment company knows of this payment."))
    resolving.ask_gateway(payment)
    return redirect(url_for(".show", id=id, asked=clock.now().isoformat()), 303)


@bp.post("/payments/<int:id>/settle")
@requires("payments.mark_received")
def settle(id):
    payment, name = g.member.payment(id), request.form.get("way", "")
    way = next((one for one in resolving.ways(payment) if one.name == name), None)
    if way and not can(way.permission):
        raise Refused(_("You may not decide this. Ask an owner of the organisation."), status=403)
    people = {int(one) for one in request.form.getlist("people") if one.isascii() and one.isdigit()}
    try:
        resolving.settle(payment, name, note=clean(request.form.get(f"note-{name}"))[:500], people=people, by=g.member.actor)
    except Refused as refused:
        forget()
        if not refused.field:
            raise
        return shown(g.member.payment(id), {refused.field: refused.sentence}, refused.status)
    if name in ("compare", "accept"):
        return redirect(url_for(".show", id=id, asked=clock.now().isoformat()), 303)
    return done(_("Settled."), url_for(".show", id=id))


def shown(payment: Payment, errors=None, status: int = 200):
    order = db.session.get(Order, payment.order_id)
    asked = read_moment(request.args.get("asked", ""))
    waiting = waits(payment, asked)
    if asked and not waiting and clock.now() - asked < 2 * LONGEST and not errors:
        answered = payment.checked_at and payment.checked_at >= asked
        flash(_("The payment company was asked.") if answered else _("The payment company has not answered so far."), "success" if answered else "warning")
    return page(
        "admin/payments/show.html", status, payment=payment, order=order, event=db.session.get(Event, order.event_id), errors=errors or {},
        people=registering.of_order(order), account=payment.account_id and db.session.get(GatewayAccount, payment.account_id), paid=showing.Paid(payment),
        provider=PROVIDER_WORDS.get(payment.provider, payment.provider), waiting=waiting, ways=[way for way in resolving.ways(payment) if can(way.permission)],
        live=resolving.live(order) if payment.problem else [], facts=differing(payment), attempts=list(payment.attempts), open_attempt=attempts.open_of(payment),
        operations=OPERATIONS, attempt_states=ATTEMPTS, refund_states=REFUNDS, refunds=refunds(payment), refund_url=refund_url(order),
        giving=refunding.available(payment) if payment.balance else 0, notices=notices(payment), notice_states=NOTICE_STATES, notice_kinds=inbox.KINDS,
        settlements=of(Settlement, payment), differences=of(BookDifference, payment), books=showing.books(order), lines=history(payment), asked=asked and asked.isoformat())


def waits(payment: Payment, asked: datetime | None) -> bool:
    """Whether the gateway has been asked a moment ago and nobody has looked since."""
    return payment.account_id is not None and asked is not None and clock.now() - asked < LONGEST and (
        payment.checked_at is None or payment.checked_at < asked)


def read_moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def differing(payment: Payment) -> list[tuple[str, object, object]]:
    """What we know and what the gateway says, side by side."""
    problem = payment.problem or {}
    expected, found = problem.get("expected"), problem.get("found")
    if not isinstance(expected, dict) or not isinstance(found, dict):
        return []
    words = {"order": _("Order id"), "amount": _("Amount"), "currency": _("Currency"), "status": _("Status"), "test": _("Test payment"),
             "key": _("Payment key"), "balance": _("Could be given back")}
    return [(words.get(name, name), _in_words(payment, name, expected[name]), _in_words(payment, name, found.get(name))) for name in expected]


def _in_words(payment: Payment, name: str, value) -> str:
    if name in ("amount", "balance") and isinstance(value, int):
        return money_text(value, payment.currency, current_locale())
    if name == "status" and value == "known":
        return _("One that we know")
    return (_("Yes") if value else _("No")) if isinstance(value, bool) else str(value)


def refunds(payment: Payment) -> list[Refund]:
    return list(db.session.scalars(select(Refund).where(Refund.payment_id == payment.id).order_by(Refund.id)))


def refund_url(order: Order) -> str:
    """Where money of this order is given back."""
    first = registering.of_order(order)
    return showing.address("admin.refunds.edit", number=first[0].number) if first and can("registrations.refund") else ""


def notices(payment: Payment) -> list[WebhookEvent]:
    """The gateway's calls about it, the newest first."""
    if payment.account_id is None:
        return []
    about = [WebhookEvent.payment_id == payment.id, WebhookEvent.order_ref == payment.gateway_order_id]
    return list(db.session.scalars(select(WebhookEvent).where(WebhookEvent.account_id == payment.account_id, or_(*about))
                                   .options(defer(WebhookEvent.body)).order_by(WebhookEvent.id.desc()).limit(NOTICES)))


def of(model, payment: Payment) -> list:
    return list(db.session.scalars(select(model).where(model.payment_id == payment.id).order_by(model.id)))


def history(payment: Payment) -> list[auditing.Line]:
    found = select(AuditLog).where(AuditLog.object_kind == "payment", AuditLog.object_id == payment.id).order_by(AuditLog.id.desc()).limit(LINES)
    return auditing.lines((entry, None) for entry in db.session.scalars(found))
