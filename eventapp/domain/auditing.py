"""Reading the audit log: what each line says in words, and the lines somebody looks for.

The log is only ever read from its newest end, a page at a time: a page begins where the one before has ended (`older`), so
that the thousandth costs what the first does.
"""
import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, false, or_, select, tuple_

from eventapp import money
from eventapp.domain.bulk_actions import ACTIONS
from eventapp.domain.connecting_gateways import GATEWAYS
from eventapp.domain.listing import METHOD_WORDS, STATUSES
from eventapp.extensions import db
from eventapp.languages import _, _l, current_locale, localized
from eventapp.models import (
    AuditLog,
    AuditValues,
    BulkOperation,
    CheckIn,
    Checkpoint,
    DoorDevice,
    Event,
    GatewayAccount,
    ImportFile,
    Order,
    Payment,
    Registration,
    User,
    WebhookEvent,
)

SENTENCES = {
    "order.placed": _l("Registration made"),
    "order.added_by_hand": _l("Registration made by hand"),
    "registration.approved": _l("Approved"),
    "registration.confirmed": _l("Confirmed"),
    "registration.rejected": _l("Not accepted"),
    "registration.cancelled": _l("Cancelled"),
    "registration.expired": _l("Expired without payment"),
    "registration.held_again": _l("Taken in again, because the money came late"),
    "registration.paid": _l("Paid, waits for approval"),
    "registration.payment_reversed": _l("Waits for its money again"),
    "registration.restored": _l("Put back as it was"),
    "registration.edited": _l("Details changed"),
    "registration.programs_changed": _l("Programs changed"),
    "registration.tagged": _l("Tag added"),
    "registration.untagged": _l("Tag taken away"),
    "registration.written_to": _l("Written to"),
    "registration.import_undone": _l("Import taken back"),
    "import.uploaded": _l("Table uploaded for import"),
    "registrations.exported": _l("Registrations exported"),
    "payment.paid": _l("Payment received"),
    "payment.failed": _l("Payment failed"),
    "payment.reversed": _l("Deposit taken back by the bank"),
    "payment.taken_back": _l("Receipt of the payment taken back"),
    "payment.refund_requested": _l("Refund requested"),
    "payment.refund_account_shown": _l("Account for the refund looked at"),
    "payouts.exported": _l("List of transfers with account numbers exported"),
    "event.cancelled": _l("Event cancelled"),
    "event.refund_rules_changed": _l("Refund rules changed"),
    "payment.refund_account_given": _l("Account for the refund given"),
    "payment.refund_account_asked": _l("Account for the refund asked for again"),
    "payment.refunded": _l("Refunded"),
    "payment.refund_came_back": _l("A refund came back"),
    "payment.disputed": _l("Contested at the card company"),
    "cash_receipt.asked": _l("Cash receipt asked for"),
    "cash_receipt.unasked": _l("Cash receipt to be issued unasked"),
    "cash_receipt.dropped": _l("Cash receipt no longer wanted"),
    "cash_receipt.issued": _l("Cash receipt issued"),
    "cash_receipt.failed": _l("Cash receipt refused"),
    "cash_receipt.cancelled": _l("Cash receipt reduced or cancelled"),
    "cash_receipt.tried_again": _l("Cash receipt tried again"),
    "cash_receipt.issued_by_hand": _l("Cash receipt issued by hand"),
    "cash_receipt.cancelled_by_hand": _l("Cash receipt cancelled by hand"),
    "receipts.exported": _l("Receipts exported"),
    "organization.tax_changed": _l("Tax and business particulars changed"),
    "payment.amount_differs": _l("The amount in the address was altered"),
    "payment.settled": _l("Decided about the payment"),
    "payment.matched": _l("Deposit matched"),
    "payments.exported": _l("Payments exported"),
    "bank_line.brought": _l("Bank statement brought in"),
    "bank_line.ignored": _l("Deposit set aside"),
    "bank_line.reopened": _l("Deposit to be matched again"),
    "book_difference.settled": _l("Difference of the books settled"),
    "payment.needs_a_person": _l("The payment needs a decision"),
    "gateway_account.unhealthy": _l("The gateway refused the account"),
    "gateway_account.added": _l("Gateway account added"),
    "gateway_account.keys_changed": _l("Keys of a gateway account changed"),
    "gateway_account.changed": _l("Gateway account renamed, or used otherwise"),
    "gateway_account.switched_on": _l("Gateway account switched on"),
    "gateway_account.switched_off": _l("Gateway account switched off"),
    "gateway_account.went_live": _l("Went live with a gateway account"),
    "event.payment_account_chosen": _l("Gateway account of the event chosen"),
    "webhook.replayed": _l("Gateway’s notice looked at again"),
    "email.sent_again": _l("Email sent again"),
    "check_in.undone": _l("Check-in taken back"),
    "check_in.settled": _l("Doubtful entry looked at"),
    "checkpoint.added": _l("Checkpoint added"),
    "checkpoint.changed": _l("Checkpoint changed"),
    "checkpoint.closed": _l("Checkpoint closed"),
    "checkpoint.reopened": _l("Checkpoint opened again"),
    "device.invited": _l("Door device invited"),
    "device.joined": _l("Door device joined"),
    "device.revoked": _l("Door device shut out"),
    "operation.started": _l("Operation started"),
    "operation.finished": _l("Operation finished"),
    "operation.stopped": _l("Operation stopped"),
    "operation.undo": _l("Operation undone"),
    "audit_log.exported": _l("Audit log exported"),
}
"""What each action says. `tests/admin/test_audit.py` finds an action that has no sentence."""
GROUPS = {
    "registration": _l("Registrations"), "order": _l("Orders"), "payment": _l("Payments"), "email": _l("Emails"), "check_in": _l("Check-in"),
    "checkpoint": _l("Checkpoints"), "device": _l("Door devices"), "operation": _l("Operations"), "import": _l("Imports"), "registrations": _l("Exports"),
    "payments": _l("Exports of payments"), "payouts": _l("Lists of transfers"), "cash_receipt": _l("Cash receipts"), "receipts": _l("Exports of receipts"),
    "organization": _l("Organisation"), "bank_line": _l("Bank statement"), "book_difference": _l("Differences of the books"),
    "audit_log": _l("Audit log"), "gateway_account": _l("Gateway accounts"), "webhook": _l("Gateways’ notices"), "event": _l("Events"),
}
"""The first words of the actions, in the order in which they are offered."""
KINDS = {
    "registration": _l("Registration"), "order": _l("Order"), "payment": _l("Payment"), "checkin": _l("Check-in"), "event": _l("Event"),
    "checkpoint": _l("Checkpoint"), "doordevice": _l("Door device"), "bulkoperation": _l("Operation"), "importfile": _l("Table for import"),
    "bankline": _l("Deposit"), "bookdifference": _l("Difference of the books"), "gatewayaccount": _l("Gateway account"), "webhookevent": _l("Gateway’s notice"), "organization": _l("Organisation"),
}
"""What a line can be about: `object_kind`."""
ACTORS = {"user": _l("Staff"), "buyer": _l("Participant"), "device": _l("Door device"), "gateway": _l("Payment gateway"), "system": _l("System")}
MOST_NUMBERS = 50


def sentence(entry: AuditLog) -> str:
    """What happened, in words; of an action nobody has given a sentence, its name."""
    known = SENTENCES.get(entry.action)
    return str(known) if known else entry.action.replace(".", ": ").replace("_", " ").capitalize()


# -- looking for lines ---------------------------------------------------------------------------------

@dataclass(frozen=True)
class Wanted:
    """What is looked for; empty means everything. `events`: the ids of those the reader may see, None for all."""

    events: list[int] | None = None
    actor: str = ""
    """A kind of ACTORS, or `user:12`."""
    group: str = ""
    kind: str = ""
    number: str = ""
    """Of a registration, or a part of it."""
    since: datetime | None = None
    until: datetime | None = None


def query(wanted: Wanted):
    """(AuditLog, AuditValues) of the lines, the newest first."""
    found = select(AuditLog, AuditValues).outerjoin(AuditValues, AuditValues.audit_id == AuditLog.id)
    if wanted.events is not None:
        found = found.where(_about(wanted.events))
    kind, _colon, id_ = wanted.actor.partition(":")
    if kind:
        found = found.where(AuditLog.actor_kind == kind)
    if id_:
        found = found.where(AuditLog.actor_id == int(id_) if id_.isdecimal() and len(id_) < 18 else false())
    if wanted.group:
        found = found.where(AuditLog.action.in_([action for action in SENTENCES if action.startswith(wanted.group + ".")]))
    if wanted.kind:
        found = found.where(AuditLog.object_kind == wanted.kind)
    if wanted.number:
        found = found.where(_numbered(wanted))
    if wanted.since:
        found = found.where(AuditLog.created_at >= wanted.since)
    if wanted.until:
        found = found.where(AuditLog.created_at < wanted.until)
    return found.order_by(AuditLog.created_at.desc(), AuditLog.id.desc())


def older(found, at: datetime, id_: int):
    """What comes after this line on the way down."""
    return found.where(tuple_(AuditLog.created_at, AuditLog.id) < (at, id_))


def _about(events: list[int]):
    """Lines about these events and what belongs to them. What belongs to no event is not for who is limited to some."""
    def of(column, table):
        return select(column).where(table.event_id.in_(events))

    orders, points = of(Order.id, Order), of(Checkpoint.id, Checkpoint)
    belonging = {"registration": of(Registration.id, Registration), "order": orders, "event": events, "checkpoint": points,
                 "payment": select(Payment.id).where(Payment.order_id.in_(orders)),
                 "checkin": select(CheckIn.id).where(CheckIn.checkpoint_id.in_(points)),
                 "doordevice": of(DoorDevice.id, DoorDevice), "bulkoperation": of(BulkOperation.id, BulkOperation),
                 "importfile": of(ImportFile.id, ImportFile)}
    return _objects(belonging)


def _numbered(wanted: Wanted):
    """Lines about the registrations of this number, their orders, payments and check-ins."""
    numbered = select(Registration.id, Registration.order_id).limit(MOST_NUMBERS)
    if wanted.events is not None:
        numbered = numbered.where(Registration.event_id.in_(wanted.events))
    text = wanted.number.strip().upper()
    rows = db.session.execute(numbered.where(Registration.number == text)).all() \
        or db.session.execute(numbered.where(Registration.number.contains(text, autoescape=True))).all()
    if not rows:
        return false()
    registrations, orders = [row.id for row in rows], list({row.order_id for row in rows})
    return _objects({"registration": registrations, "order": orders, "payment": select(Payment.id).where(Payment.order_id.in_(orders)),
                     "checkin": select(CheckIn.id).where(CheckIn.registration_id.in_(registrations))})


def _objects(belonging: dict):
    return or_(*(and_(AuditLog.object_kind == kind, AuditLog.object_id.in_(ids)) for kind, ids in belonging.items()))


# -- lines as people read them ----------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class Subject:
    """What a line is about. `number`, `event`, `operation`: by which it can be opened, one of them or none."""

    text: str
    number: str = ""
    event: str = ""
    operation: int | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Line:
    entry: AuditLog
    what: str
    who: str
    subject: Subject
    changes: list[Change]
    erased: bool
    """Its personal values have been blanked since."""


def lines(rows, session=None) -> list[Line]:
    """Rows of `query` with everything they name: one statement for each kind of thing among them."""
    session = session or db.session
    rows = list(rows)
    subjects = _subjects([entry for entry, _values in rows], session)
    actors = _actors([entry for entry, _values in rows], session)
    made = []
    for entry, values in rows:
        subject = subjects.get((entry.object_kind, entry.object_id)) or Subject(str(KINDS.get(entry.object_kind, entry.object_kind)))
        erased = values is not None and values.before is None and values.after is None
        made.append(Line(entry, sentence(entry), actors(entry), subject, changes(entry, values, subject.currency), erased))
    return made


def _subjects(entries, session) -> dict[tuple[str, int], Subject]:
    ids = defaultdict(set)
    for entry in entries:
        ids[entry.object_kind].add(entry.object_id)
    found = {}
    for kind, ask in SUBJECTS.items():
        if ids[kind]:
            found.update(((kind, id_), subject) for id_, subject in ask(ids[kind], session))
    return found


def _registrations(ids, session):
    rows = session.execute(select(Registration.id, Registration.number, Registration.name, Event.currency)
                           .join(Event, Event.id == Registration.event_id).where(Registration.id.in_(ids)))
    return [(id_, Subject(f"{number} {name}", number=number, currency=currency)) for id_, number, name, currency in rows]


def _orders(ids, session):
    return _bought(select(Order.id, Order.name, Order.currency, FIRST).where(Order.id.in_(ids)), session)


def _payments(ids, session):
    return _bought(select(Payment.id, Order.name, Payment.currency, FIRST).join(Order, Order.id == Payment.order_id)
                   .where(Payment.id.in_(ids)), session)


FIRST = (select(Registration.number).where(Registration.order_id == Order.id).order_by(Registration.position).limit(1)
         .correlate(Order).scalar_subquery())


def _bought(query, session):
    """By the number of the order's first participant."""
    return [(id_, Subject(f"{number or ''} {name}".strip(), number=number or "", currency=currency))
            for id_, name, currency, number in session.execute(query)]


def _check_ins(ids, session):
    rows = session.execute(select(CheckIn.id, Registration.number, Registration.name, Checkpoint.name)
                           .join(Registration, Registration.id == CheckIn.registration_id)
                           .join(Checkpoint, Checkpoint.id == CheckIn.checkpoint_id).where(CheckIn.id.in_(ids)))
    return [(id_, Subject(f"{number} {name} · {localized(point)}", number=number)) for id_, number, name, point in rows]


def _events(ids, session):
    rows = session.execute(select(Event.id, Event.title, Event.slug).where(Event.id.in_(ids)))
    return [(id_, Subject(localized(title), event=slug)) for id_, title, slug in rows]


def _points(ids, session):
    rows = session.execute(select(Checkpoint.id, Checkpoint.name, Event.title, Event.slug).join(Event, Event.id == Checkpoint.event_id)
                           .where(Checkpoint.id.in_(ids)))
    return [(id_, Subject(f"{localized(name)} · {localized(title)}", event=slug)) for id_, name, title, slug in rows]


def _devices(ids, session):
    rows = session.execute(select(DoorDevice.id, DoorDevice.name, Event.title, Event.slug).join(Event, Event.id == DoorDevice.event_id)
                           .where(DoorDevice.id.in_(ids)))
    return [(id_, Subject(f"{name} · {localized(title)}", event=slug)) for id_, name, title, slug in rows]


def _imports(ids, session):
    rows = session.execute(select(ImportFile.id, ImportFile.name, Event.title, Event.slug).join(Event, Event.id == ImportFile.event_id)
                           .where(ImportFile.id.in_(ids)))
    return [(id_, Subject(f"{name} · {localized(title)}", event=slug)) for id_, name, title, slug in rows]


def _accounts(ids, session):
    rows = session.execute(select(GatewayAccount.id, GatewayAccount.provider, GatewayAccount.name).where(GatewayAccount.id.in_(ids)))
    return [(id_, Subject(" · ".join(filter(None, (str(GATEWAYS.get(provider, provider)), name))))) for id_, provider, name in rows]


def _notices(ids, session):
    rows = session.execute(select(WebhookEvent.id, WebhookEvent.delivery_id).where(WebhookEvent.id.in_(ids)))
    return [(id_, Subject(delivery)) for id_, delivery in rows]


def _operations(ids, session):
    return [(id_, Subject(_("Operation %(number)s", number=id_), operation=id_))
            for id_ in session.scalars(select(BulkOperation.id).where(BulkOperation.id.in_(ids)))]


SUBJECTS = {"registration": _registrations, "order": _orders, "payment": _payments, "checkin": _check_ins, "event": _events,
            "checkpoint": _points, "doordevice": _devices, "bulkoperation": _operations, "importfile": _imports,
            "gatewayaccount": _accounts, "webhookevent": _notices}


def _actors(entries, session):
    """A function from a line to who it was."""
    ids = defaultdict(set)
    for entry in entries:
        ids[entry.actor_kind].add(entry.actor_id)
    names = {}
    for kind, table in (("user", User), ("buyer", Order), ("device", DoorDevice)):
        if ids[kind]:
            rows = session.execute(select(table.id, table.name).where(table.id.in_(ids[kind])))
            names.update(((kind, id_), name) for id_, name in rows)

    def name(entry) -> str:
        kind, known = str(ACTORS.get(entry.actor_kind, entry.actor_kind)), names.get((entry.actor_kind, entry.actor_id))
        if entry.actor_kind == "user":
            return known or _("Somebody who has left")
        return f"{known} ({kind})" if known else kind
    return name


# -- before and after ------------------------------------------------------------------------------------

LABELS = {
    "status": _l("Status"), "amount": _l("Amount"), "total": _l("Total"), "method": _l("Payment method"), "participants": _l("Participants"),
    "code": _l("Code"), "external": _l("Made outside"), "reason": _l("Reason"), "name": _l("Name"), "email": _l("Email"), "phone": _l("Phone"),
    "tags": _l("Tags"), "tag": _l("Tag"), "note": _l("Note"), "flag": _l("Flag for the door"), "programs": _l("Programs"), "to": _l("Recipient"),
    "kind": _l("Kind"), "expected": _l("Expected"), "found": _l("Found"), "payment": _l("Payment"), "consents": _l("Consents"),
    "kept": _l("Kept"), "refund_account": _l("Bank account"), "until": _l("May cancel until"), "refund_rules": _l("Refund rules"),
    "action": _l("Action"), "ok": _l("Done"), "failed": _l("Refused"), "left": _l("Not begun"), "free": _l("Free of charge"),
    "format": _l("Format"), "filter": _l("Filter"), "rows": _l("Rows"), "columns": _l("Columns"), "subject": _l("Subject"),
    "key": _l("Secret key"), "client_key": _l("Public key"), "webhook_secret": _l("Signing secret"), "mode": _l("Mode"), "provider": _l("Gateway"),
    "account": _l("Gateway account"), "for_all_events": _l("For all events"),
}
WORDS = {"status": STATUSES, "method": METHOD_WORDS, "action": {name: action.label for name, action in ACTIONS.items()}}
MONEY = ("amount", "total", "balance", "difference", "kept")


def changes(entry: AuditLog, values: AuditValues | None, currency: str = "") -> list[Change]:
    """What was one thing before and another after, the personal values last."""
    pairs = [(entry.before, entry.after)] + ([(values.before, values.after)] if values else [])
    made = []
    for before, after in pairs:
        before, after = _flat(before), _flat(after)
        for key in [key for key in dict.fromkeys([*before, *after]) if key != "field"]:  # it is named by the values beside it
            old, new = before.get(key), after.get(key)
            if old != new or (key in before) != (key in after):
                made.append(Change(_label(key), _word(key, old, currency), _word(key, new, currency)))
    return made


def _flat(value, prefix: str = "") -> dict:
    """{"answers": {"age": 3}} → {"answers.age": 3}; anything but an object stands under "value"."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        return {prefix or "value": value}
    flat = {}
    for key, each in value.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        flat |= _flat(each, name) if isinstance(each, dict) else {name: each}
    return flat


def _label(key: str) -> str:
    last = key.rpartition(".")[2].removeprefix("answer-")
    return str(LABELS.get(last, last.replace("_", " ")))


def _word(key: str, value, currency: str) -> str:
    name = key.rpartition(".")[2]
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if name in MONEY and isinstance(value, int) and currency:
        return money.money_text(value, currency, current_locale())
    if name in WORDS and isinstance(value, str):
        return str(WORDS[name].get(value, value))
    if isinstance(value, list):
        return ", ".join(each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in value)
    return str(value)
