"""One registration as staff see it: its answers in words, its history, its money, what can be done about it now."""
from dataclasses import dataclass
from datetime import datetime

from flask import current_app, url_for
from sqlalchemy import and_, or_, select

from eventapp.domain import uploading
from eventapp.extensions import db
from eventapp.languages import _, localized
from eventapp.models import (
    AuditLog,
    AuditValues,
    CheckIn,
    FormVersion,
    Order,
    Payment,
    Registration,
    Status,
    User,
)
from eventapp.permissions import can

try:  # until it is there
    from eventapp.domain import auditing
except ImportError:
    auditing = type("auditing", (), {"sentence": staticmethod(lambda entry: entry.action)})

LIVE = (Status.PENDING_APPROVAL, Status.PENDING_PAYMENT, Status.CONFIRMED)


# -- answers -----------------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class Answer:
    """`upload`: id of the file that was sent, with its name as `text`."""

    key: str
    label: str
    text: str
    upload: int | None = None


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


def upload_ids(registration: Registration, order: Order) -> list[int]:
    return [*uploading.ids_in(registration.answers), *uploading.ids_in(order.answers)]


# -- history -----------------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class Happened:
    """One line of the history. `before` and `after`: what was changed, for those who may see it."""

    at: datetime
    who: str
    sentence: str
    before: dict
    after: dict


def history(registration: Registration, most: int, skip: int = 0, personal: bool = False) -> list[Happened]:
    """Newest first, of the registration, its order, the order's payments and its check-ins."""
    objects = [("registration", [registration.id]), ("order", [registration.order_id]),
               ("payment", select(Payment.id).where(Payment.order_id == registration.order_id)),
               ("checkin", select(CheckIn.id).where(CheckIn.registration_id == registration.id))]
    of_it = or_(*(and_(AuditLog.object_kind == kind, AuditLog.object_id.in_(ids)) for kind, ids in objects))
    query = (select(AuditLog, AuditValues.before, AuditValues.after).where(of_it).order_by(AuditLog.id.desc())
             .outerjoin(AuditValues, AuditValues.audit_id == AuditLog.id).limit(most).offset(skip))
    rows = db.session.execute(query).all()
    names = people(entry for entry, _before, _after in rows)
    return [Happened(entry.created_at, who(entry, names), auditing.sentence(entry), (personal and before) or {}, (personal and after) or {})
            for entry, before, after in rows]


def people(entries) -> dict[int, str]:
    """Names of the users among the actors."""
    ids = {entry.actor_id for entry in entries if entry.actor_kind == "user" and entry.actor_id}
    return dict(db.session.execute(select(User.id, User.name).where(User.id.in_(ids))).all()) if ids else {}


def who(entry: AuditLog, names: dict[int, str]) -> str:
    kinds = {"buyer": _("Buyer"), "system": _("System"), "gateway": _("Payment company"), "device": _("Door")}
    return kinds.get(entry.actor_kind) or names.get(entry.actor_id) or _("Somebody who has left")


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
