"""What waits for somebody: read from the rows themselves each time, so that nothing has to be ticked off."""
from dataclasses import dataclass, field
from datetime import timedelta

from flask import g, url_for
from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import aliased

from eventapp import clock, money
from eventapp.blueprints.admin.operations import name_of
from eventapp.domain import bulk, connecting_gateways, matching
from eventapp.domain.listing import METHOD_WORDS
from eventapp.extensions import db
from eventapp.languages import _, current_locale, localized, ngettext, number
from eventapp.models import (
    BankLine,
    BookDifference,
    BulkOperation,
    CheckIn,
    Checkpoint,
    EmailMessage,
    Event,
    GatewayAccount,
    Order,
    Payment,
    Refund,
    Registration,
    Status,
)
from eventapp.permissions import can

SHOWN = 5
"""Of each kind that is listed one by one."""
LETTERS_KEPT = timedelta(days=30)
"""A letter that failed longer ago than this is no longer today's work."""


@dataclass(frozen=True)
class Todo:
    """`kind` is also its place in a test; `tone` says how much it presses."""

    kind: str
    icon: str
    text: str
    url: str
    tone: str = "neutral"
    more: dict = field(default_factory=dict)
    """Of a running operation: how far it has come."""


def todos(event: Event | None = None) -> list[Todo]:
    """What presses most first. As many statements with a thousand of each as with one."""
    found = []
    if can("registrations.read"):
        found += operations(event) + conflicts(event)
    if can("payments.read"):
        found += accounts(event) + problems(event) + differences(event)
    if can("registrations.refund"):
        found += transfers(event)
    if can("registrations.read"):
        found += letters(event) + approvals(event)
    if can("payments.read"):
        found += deposits(event)
    if can("payments.mark_received") and event is None:
        found += statement()
    return found


def ids(event: Event | None):
    """The events meant: one, or all that the member works for."""
    return [event.id] if event else g.member.events().with_only_columns(Event.id)


def desk(event: Event | None, **filters) -> str:
    return url_for("admin.registrations.index", **({"event": event.slug} if event else {}), **filters)


def approvals(event: Event | None) -> list[Todo]:
    count = db.session.scalar(select(func.count()).where(Registration.status == Status.PENDING_APPROVAL, Registration.event_id.in_(ids(event))))
    text = ngettext("%(count)s registration is waiting for approval.", "%(count)s registrations are waiting for approval.", count,
                    count=number(count))
    return [Todo("waiting", "circle-dashed", text, desk(event, status=Status.PENDING_APPROVAL))] if count else []


def deposits(event: Event | None) -> list[Todo]:
    """Transfers that have been announced and are awaited, by method and currency; not for who has gone meanwhile."""
    still = exists().where(Registration.order_id == Order.id, Registration.holds)
    rows = db.session.execute(
        select(Payment.method, Payment.currency, func.count(), func.sum(Payment.amount)).join(Order, Order.id == Payment.order_id)
        .where(Payment.status == "awaiting_deposit", Order.event_id.in_(ids(event)), still)
        .group_by(Payment.method, Payment.currency).order_by(Payment.method, Payment.currency))
    return [Todo("deposits", "landmark",
                 ngettext("%(method)s: %(num)d deposit is awaited, %(amount)s.", "%(method)s: %(num)d deposits are awaited, %(amount)s in total.",
                          count, method=METHOD_WORDS.get(method, method), amount=money.money_text(amount, currency, current_locale())),
                 desk(event, status=Status.PENDING_PAYMENT, method=method)) for method, currency, count, amount in rows]


def failed_letters(event: Event | None):
    """Letters that could not be delivered, of which no later one of the same kind has gone."""
    again = aliased(EmailMessage)
    went = exists().where(again.order_id == EmailMessage.order_id, again.kind == EmailMessage.kind, again.state == "sent",
                          again.id > EmailMessage.id, again.registration_id.is_not_distinct_from(EmailMessage.registration_id))
    return (select(EmailMessage).join(Order, Order.id == EmailMessage.order_id)
            .where(EmailMessage.state == "failed", EmailMessage.created_at > clock.now() - LETTERS_KEPT, ~went, Order.event_id.in_(ids(event))))


def letters(event: Event | None) -> list[Todo]:
    count = db.session.scalar(failed_letters(event).with_only_columns(func.count()))
    text = ngettext("%(num)d email could not be delivered.", "%(num)d emails could not be delivered.", count)
    return [Todo("letters", "mail", text, url_for("admin.emails.failed", event=event and event.slug), "warning")] if count else []


def conflicts(event: Event | None) -> list[Todo]:
    """What doors without a network have let in twice, or should not have."""
    rows = db.session.execute(
        select(Event, func.count(CheckIn.id)).join(Checkpoint, Checkpoint.event_id == Event.id).join(CheckIn, CheckIn.checkpoint_id == Checkpoint.id)
        .where(CheckIn.result != "ok", CheckIn.settled_at.is_(None), CheckIn.undone_at.is_(None), Event.id.in_(ids(event)))
        .group_by(Event.id, Event.org_id).order_by(Event.starts_at).limit(SHOWN))
    return [Todo("conflicts", "door-open",
                 ngettext("%(event)s: %(num)d entry made without a network is in doubt.", "%(event)s: %(num)d entries made without a network are in doubt.",
                          count, event=localized(each.title)),
                 url_for("admin.checkin.conflicts", event=each.slug), "warning") for each, count in rows]


def accounts(event: Event | None) -> list[Todo]:
    """Gateway accounts that refuse our keys: nobody can pay through them."""
    if event:
        return []
    rows = db.session.scalars(select(GatewayAccount).where(GatewayAccount.unhealthy != "", GatewayAccount.enabled).order_by(GatewayAccount.id)).all()
    manages = can("gateway_accounts.manage")
    return [Todo("accounts", "credit-card",
                 _("%(gateway)s refuses your keys (%(code)s): nobody can pay through it.", gateway=connecting_gateways.title(each), code=each.unhealthy),
                 url_for("admin.gateway_accounts.show", number=each.id) if manages else url_for("admin.webhooks.index", account=each.id), "danger")
            for each in rows]


def problems(event: Event | None) -> list[Todo]:
    """Payments that wait for a person: each of them, because each is looked at alone; of many the first, and how many more."""
    query = (select(Payment).join(Order, Order.id == Payment.order_id).where(Payment.problem.is_not(None), Order.event_id.in_(ids(event))))
    rows = db.session.execute(query.with_only_columns(Order.name, Payment.amount, Payment.currency, Payment.id, func.count().over())
                              .order_by(Payment.id.desc()).limit(SHOWN)).all()
    found = [Todo("problems", "credit-card", _("The payment of %(name)s over %(amount)s needs a decision.", name=name,
                                               amount=money.money_text(amount, currency, current_locale())),
                  url_for("admin.payment.show", id=id_), "danger") for name, amount, currency, id_, _count in rows]
    if rows and rows[0][-1] > SHOWN:
        more = rows[0][-1] - SHOWN
        address = url_for("admin.payments.index", status="problem", **({"event": event.slug} if event else {}))
        found.append(Todo("problems", "credit-card", ngettext("%(num)d more payment needs a decision.", "%(num)d more payments need a decision.", more), address, "danger"))
    return found


def differences(event: Event | None) -> list[Todo]:
    """Where the gateways' books differ from ours. What is nobody's order is the business of who works for all events."""
    query = select(func.count()).select_from(BookDifference).where(BookDifference.settled_at.is_(None))
    if event or g.member.event_ids is not None:
        query = query.where(BookDifference.payment_id.in_(g.member.payments(event).with_only_columns(Payment.id)))
    count = db.session.scalar(query)
    text = ngettext("The books of the payment company differ from ours in %(num)d place.",
                    "The books of the payment company differ from ours in %(num)d places.", count)
    return [Todo("differences", "scroll-text", text, url_for("admin.books.differences"), "danger")] if count else []


def statement() -> list[Todo]:
    """Deposits of a bank's statement that nobody has matched."""
    lines = matching.visible(g.member.event_ids, g.member.user.id).where(BankLine.state == "open")
    count = db.session.scalar(lines.with_only_columns(func.count()))
    text = ngettext("%(num)d deposit of the statement is to be matched.", "%(num)d deposits of the statement are to be matched.", count)
    return [Todo("statement", "landmark", text, url_for("admin.deposits.index"))] if count else []


def transfers(event: Event | None) -> list[Todo]:
    """Refunds that somebody has to send from the bank account."""
    count = db.session.scalar(select(func.count()).select_from(Refund).join(Payment, Payment.id == Refund.payment_id)
                              .join(Order, Order.id == Payment.order_id).where(Refund.state == "to_pay", Order.event_id.in_(ids(event))))
    text = ngettext("%(num)d refund is to be transferred.", "%(num)d refunds are to be transferred.", count)
    return [Todo("transfers", "landmark", text, url_for("admin.refunds.payouts"), "warning")] if count else []


def operations(event: Event | None) -> list[Todo]:
    """Bulk actions that are under way or were stopped half-way."""
    limited = [] if g.member.event_ids is None and event is None else [BulkOperation.event_id.in_(ids(event))]
    rows = db.session.scalars(
        bulk.visible(g.member).where(or_(
            BulkOperation.state.in_(("waiting", "running", "undoing")),
            and_(BulkOperation.state == "stopped", BulkOperation.created_at > clock.now() - timedelta(days=7))), *limited)
        .order_by(BulkOperation.id.desc()).limit(SHOWN))
    return [Todo("operations", "history", operation_text(each), url_for("admin.operations.show", id=each.id),
                 more={} if each.state == "stopped" else {"value": each.ok + each.failed, "max": each.total}) for each in rows]


def operation_text(operation: BulkOperation) -> str:
    figures = {"action": name_of(operation), "done": number(operation.ok + operation.failed), "total": number(operation.total)}
    if operation.state == "stopped":
        return _("%(action)s: stopped after %(done)s of %(total)s.", **figures)
    if operation.state == "undoing":
        return _("%(action)s: being undone.", **figures)
    return _("%(action)s: %(done)s of %(total)s done.", **figures)
