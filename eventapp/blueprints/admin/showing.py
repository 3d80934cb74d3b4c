"""One registration as staff see it: its answers in words, its history, its money, what can be done about it now."""
import re
from dataclasses import dataclass, field, replace
from datetime import datetime

from flask import current_app, url_for
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import defer

from eventapp.domain import asking, auditing, editing, ledger, listing, uploading
from eventapp.domain.finding_payments import ACCOUNT_WORDS, MOVEMENT_WORDS
from eventapp.extensions import db
from eventapp.languages import _, _l, current_locale, localized
from eventapp.models import (
    AuditLog,
    AuditValues,
    CheckIn,
    Checkpoint,
    Consent,
    DoorDevice,
    EmailMessage,
    FormVersion,
    LedgerEntry,
    Order,
    Payment,
    Refund,
    Registration,
    Status,
    Upload,
    User,
)
from eventapp.payments.banks import BANKS
from eventapp.permissions import can

LIVE = (Status.PENDING_APPROVAL, Status.PENDING_PAYMENT, Status.CONFIRMED)


# -- answers -----------------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class Answer:
    """`upload`: id of the file that was sent, with its name as `text`. `edit`: where it can be changed, if it can."""

    key: str
    label: str
    text: str
    upload: int | None = None
    edit: str = ""


def form_of(order: Order) -> FormVersion:
    """The questions as they were asked: of the version that the order was placed with."""
    found = db.session.scalar(select(FormVersion).filter_by(event_id=order.event_id, version=order.form_version))
    return found or FormVersion(version=0, fields=[], consents=[], notice={})


def answers(fields, given: dict) -> list[Answer]:
    """In the order of the form; what was answered to a question that is no longer known comes last, under its key."""
    known = {field["key"]: field for field in fields}
    keys = [key for key in known if key in given] + [key for key in given if key not in known]
    return [_answer(known.get(key, {"key": key, "label": key}), given[key]) for key in keys]


def _answer(field: dict, value) -> Answer:
    label = localized(field["label"])
    if isinstance(value, dict) and "upload" in value:
        return Answer(field["key"], label, value.get("name") or _("File"), value["upload"])
    words = {option["value"]: localized(option["label"]) for option in field.get("options", ())}
    values = value if isinstance(value, list) else [value]
    return Answer(field["key"], label, ", ".join(words.get(one, str(one)) for one in values))


def asked(form: FormVersion, registration: Registration) -> list[Answer]:
    """One participant's answers, with what was asked and left empty, and where each can be changed."""
    fields = [field for field in form.fields if not field.get("per_order")]
    empty = {field["key"]: "" for field in fields if asking.is_asked(field, registration.answers, registration.programs)}
    known = listing.questions(registration.event) if can("registrations.edit") else {}
    writable = {key for key, field in known.items() if editing.is_writable(f"answer-{key}", field)}
    return [replace(answer, edit=address("admin.cells.edit", number=registration.number, key=f"answer-{answer.key}"))
            if answer.key in writable else answer for answer in answers(fields, empty | registration.answers)]


def upload_ids(registration: Registration, order: Order) -> list[int]:
    return [*uploading.ids_in(registration.answers), *uploading.ids_in(order.answers)]


def sizes(ids: list[int]) -> dict[int, int]:
    """Bytes of each file."""
    return dict(db.session.execute(select(Upload.id, Upload.size).where(Upload.id.in_(ids))).all()) if ids else {}


@dataclass(frozen=True, slots=True)
class Said:
    """A consent that was given or refused, with the text's version. A withdrawal stands below as a line of its own."""

    label: str
    version: str
    given: bool
    at: datetime


def consents(registration: Registration, form: FormVersion) -> list[Said]:
    labels = {one["key"]: localized(one.get("label") or one["key"]) for one in form.consents}
    rows = db.session.scalars(select(Consent).where(Consent.registration_id == registration.id).order_by(Consent.id)).all()
    return [Said(labels.get(row.key, row.key), row.version, row.given, row.created_at) for row in rows]


def mates(registration: Registration) -> list[Registration]:
    """The others of the order."""
    return list(db.session.scalars(select(Registration).where(
        Registration.order_id == registration.order_id, Registration.id != registration.id).order_by(Registration.position)))


# -- money -------------------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class Booked:
    """One entry of the ledger and how the order stood after it."""

    entry: LedgerEntry
    sentence: str
    owed: int
    paid: int

    @property
    def accounts(self) -> tuple[str, str]:
        """(debit, credit) in words"""
        return str(ACCOUNT_WORDS[self.entry.debit]), str(ACCOUNT_WORDS[self.entry.credit])


def books(order: Order) -> list[Booked]:
    """Every entry of the ledger, oldest first."""
    owed = paid = 0
    lines = []
    for entry in db.session.scalars(select(LedgerEntry).where(LedgerEntry.order_id == order.id).order_by(LedgerEntry.id)):
        owed += entry.amount * ((entry.debit == "receivable") - (entry.credit == "receivable"))
        paid += entry.amount * ((entry.debit in ("gateway", "bank")) - (entry.credit in ("gateway", "bank")))
        sentence = str(MOVEMENT_WORDS[entry.kind])
        if entry.kind == "kept" and entry.transaction_key.startswith(ledger.GONE):
            sentence = _("No reduction for who has gone")
        if entry.transaction_key.startswith("changed "):
            sentence = _("%(what)s: programs were changed", what=sentence)
        lines.append(Booked(entry, sentence, owed, paid))
    return lines


@dataclass(frozen=True, slots=True)
class Paid:
    payment: Payment
    refunds: list[Refund] = field(default_factory=list)

    @property
    def state(self) -> tuple[str, str]:
        """(in words, tone)"""
        return PAYMENT_WORDS[self.payment.status]

    @property
    def bank(self) -> str:
        code = self.payment.virtual_account["bank"]
        bank = BANKS.get(code)
        return (bank.korean if current_locale() == "ko" else bank.english) if bank else code

    @property
    def method(self) -> str:
        return str(listing.METHOD_WORDS.get(self.payment.method, self.payment.method))

    @property
    def problem(self) -> str:
        problem = self.payment.problem
        return str(PROBLEMS.get(problem["kind"], PROBLEMS["differs"])) if problem else ""


PAYMENT_WORDS = {
    "created": (_l("Begun"), "neutral"), "pending": (_l("Begun"), "neutral"), "authorized": (_l("Being confirmed"), "info"),
    "awaiting_deposit": (_l("Deposit awaited"), "warning"), "paid": (_l("Payment complete"), "success"),
    "partially_refunded": (_l("Partly given back"), "info"), "refund_pending": (_l("Being given back"), "warning"),
    "refunded": (_l("Given back"), "neutral"), "voided": (_l("No longer needed"), "neutral"), "failed": (_l("Failed"), "danger"),
    "expired": (_l("Expired"), "neutral")}
PROBLEMS = {
    "differs": _l("What the payment company says differs from what we know. Compare both before you do anything."),
    "overpaid": _l("More was paid than is owed now. Give the difference back."),
    "underpaid": _l("Less was paid than is owed now. Settle the difference with the buyer."),
    "not_given_back": _l("This was cancelled without giving the money back. Decide what becomes of it."),
    "refund_by_hand": _l("This has to be given back by hand: the payment company can't send it by itself."),
    "refund_failed": _l("The bank did not take the refund. Give it back another way."),
    "refund_refused": _l("The payment company refused the refund. Look at it there."),
    "refund_overtaken": _l("The refund we asked for does not show at the payment company. Look at it there."),
    "external_refund": _l("A part was given back at the payment company itself. Say for what it was."),
    "disputed": _l("The card holder contests this payment at the card company. Nothing can be refunded until that is decided."),
    "unresolved": _l("The payment company has not answered for two days. Look at it there."),
    "reversed": _l("The bank took the deposit back, and somebody has been let in with these tickets. Ask them for the money."),
    "went_back": _l("The payment company now shows less than it did before. Compare both before you do anything."),
}


def payments(order: Order) -> list[Paid]:
    """Newest first, each with what went back of it."""
    rows = db.session.scalars(select(Payment).where(Payment.order_id == order.id).order_by(Payment.id.desc())).all()
    found = [Paid(row) for row in rows]
    by_id = {one.payment.id: one for one in found}
    for refund in db.session.scalars(select(Refund).where(Refund.payment_id.in_(by_id)).order_by(Refund.id)) if by_id else ():
        by_id[refund.payment_id].refunds.append(refund)
    return found


# -- letters and doors -------------------------------------------------------------------------------

SECRET = re.compile(r"(/(?:orders|tickets)/)[A-Za-z0-9_-]{12,}")
LETTERS = {
    "order_received": _l("Registration received"), "order_approved": _l("Approved"), "order_rejected": _l("Not accepted"),
    "payment_due": _l("Where to transfer the money"), "payment_reversed": _l("Deposit taken back by the bank"), "payment_reminder": _l("Payment reminder"),
    "order_confirmed": _l("Confirmation with tickets"), "ticket": _l("Ticket"), "order_expired": _l("Expired without payment"),
    "order_cancelled": _l("Cancellation"), "order_changed": _l("Change of programs"), "payment_refunded": _l("Refund"),
    "late_payment_refunded": _l("Refund of a late payment"), "refund_needs_account": _l("Asking for an account for the refund"),
    "refund_requested": _l("Refund being prepared"), "event_cancelled": _l("Event cancelled"), "message": _l("Message")}


def letters(registration: Registration, most: int) -> list[EmailMessage]:
    """Newest first: what was written to this participant, and to the buyer about the whole order. Without the texts."""
    about = or_(EmailMessage.registration_id.is_(None), EmailMessage.registration_id == registration.id)
    return list(db.session.scalars(select(EmailMessage).where(EmailMessage.order_id == registration.order_id, about)
                                   .options(defer(EmailMessage.body)).order_by(EmailMessage.id.desc()).limit(most)))


def letter_name(letter: EmailMessage) -> str:
    return str(LETTERS.get(letter.kind, letter.kind))


def letter_text(letter: EmailMessage) -> str:
    """To be read by staff: the buyer's own links are nobody else's."""
    return SECRET.sub(r"\1…", letter.body)


@dataclass(frozen=True, slots=True)
class Passed:
    entry: CheckIn
    checkpoint: Checkpoint
    by: str


def check_ins(registration: Registration) -> list[Passed]:
    query = (select(CheckIn, Checkpoint, User.name, DoorDevice.name).where(CheckIn.registration_id == registration.id)
             .join(Checkpoint, Checkpoint.id == CheckIn.checkpoint_id).outerjoin(User, User.id == CheckIn.user_id)
             .outerjoin(DoorDevice, DoorDevice.id == CheckIn.device_id).order_by(CheckIn.at.desc(), CheckIn.id.desc()))
    return [Passed(entry, checkpoint, person or device or entry.gate) for entry, checkpoint, person, device in db.session.execute(query)]


# -- history -----------------------------------------------------------------------------------------

def history(registration: Registration, most: int, skip: int = 0, personal: bool = False) -> list[auditing.Line]:
    """Newest first, of the registration, its order, the order's payments and its check-ins."""
    objects = [("registration", [registration.id]), ("order", [registration.order_id]),
               ("payment", select(Payment.id).where(Payment.order_id == registration.order_id)),
               ("checkin", select(CheckIn.id).where(CheckIn.registration_id == registration.id))]
    of_it = or_(*(and_(AuditLog.object_kind == kind, AuditLog.object_id.in_(ids)) for kind, ids in objects))
    query = (select(AuditLog, AuditValues).outerjoin(AuditValues, AuditValues.audit_id == AuditLog.id).where(of_it)
             .order_by(AuditLog.id.desc()).limit(most).offset(skip))
    return auditing.lines((entry, values if personal else None) for entry, values in db.session.execute(query))


# -- what can be done --------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class Action:
    """A button of the form that posts to the desk; `reason`: whether it asks for one first."""

    name: str
    text: str
    icon: str
    kind: str = "secondary"


def actions(registration: Registration, owed: int) -> list[Action]:
    """What this member may do to it as it stands, the likeliest first."""
    status, found = registration.status, []
    if status == Status.PENDING_APPROVAL and can("registrations.approve"):
        found += [Action("approve", _("Approve"), "check", "primary"), Action("reject", _("Reject"), "circle-x")]
    if status == Status.PENDING_PAYMENT and owed > 0 and can("payments.mark_received"):
        found.append(Action("mark_paid", _("Mark as received"), "banknote", "primary"))
    if status == Status.CONFIRMED and can("registrations.check_in"):
        found.append(Action("check_in", _("Check in"), "door-open", "primary"))
    if registration.email and can("registrations.message"):
        found.append(Action("send_email", _("Send an email"), "mail"))
    if status in LIVE and can("registrations.cancel"):
        found.append(Action("cancel", _("Cancel registration"), "ban", "danger"))
    return found


def address(endpoint: str, **values) -> str:
    """Of a page that may not be there (yet): empty then."""
    return url_for(endpoint, **values) if endpoint in current_app.view_functions else ""
