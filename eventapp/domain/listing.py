"""The desk's filters: which registrations an address means, and the same in words.

Names in the address (repeated ones mean "or", different ones "and"):
    q              text in name, email, phone or number; every word of it; phones as Koreans type them
    status         one of `Status.ALL`
    program        code of a program
    tag            a tag, exactly
    paid           yes | no
    method         of the order
    event          slug; where the desk shows all events
    checkin        code of a checkpoint, or `any`, or `none`
    answer-<key>   an answer of the form: text contains, a choice is equal, a number is equal or from-to (18-25)
An empty value asks for nothing. One that can't be understood matches nothing, so that "all that match" never means more
than was meant. `sort` is one of SORTS, with "-" before it the other way round; anything else is the newest first.
"""
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import and_, false, func, or_, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import Text

from eventapp.extensions import db
from eventapp.languages import _, _l, localized
from eventapp.models import CheckIn, Checkpoint, Event, FormVersion, Order, Program, Registration, Status
from eventapp.models.event import METHODS
from eventapp.models.form import FILE, MULTIPLE_CHOICE, NUMBER, SINGLE_CHOICE

ANSWER = "answer-"
NAMES = ("q", "status", "program", "tag", "paid", "method", "event", "checkin")
LONGEST, MOST = 200, 50
STATUSES = {
    Status.DRAFT: _l("Draft"), Status.PENDING_APPROVAL: _l("Awaiting approval"), Status.PENDING_PAYMENT: _l("Awaiting payment"),
    Status.CONFIRMED: _l("Confirmed"), Status.REJECTED: _l("Not accepted"), Status.EXPIRED: _l("Expired"),
    Status.CANCELLED: _l("Cancelled")}
METHOD_WORDS = {
    "card": _l("Card"), "bank_transfer": _l("Instant bank transfer"), "virtual_account": _l("Virtual account"), "mobile": _l("Mobile phone"),
    "manual_transfer": _l("Bank transfer"), "cash": _l("Cash"), "free": _l("Free")}
PAID_WORDS = {"yes": _l("Received"), "no": _l("Not received")}
LOOKS_LIKE_PHONE = re.compile(r"^\+?[\d\s().-]{4,}$")
RANGE = re.compile(r"^(-?\d{1,12})\s*(?:-|~|\.\.)\s*(-?\d{1,12})$")


def matching(query, args, event=None):
    """`query` (a select of registrations that the member may see), filtered; without order or limit."""
    for name, values in given(args, event):
        query = query.where(or_(*[condition(name, value, event) for value in values]))
    return query


def given(args, event=None) -> Iterator[tuple[str, list[str]]]:
    """The filters in the address that ask for something: (name, values)."""
    for name in args:
        if name in NAMES and not (name == "event" and event) or name.startswith(ANSWER):
            values = [clean(value) for value in args.getlist(name)]
            values = list(dict.fromkeys(value for value in values if value))[:MOST]
            if values:
                yield name, values


def clean(text: str) -> str:
    text = unicodedata.normalize("NFC", text)
    return "".join(letter for letter in text if unicodedata.category(letter) not in ("Cc", "Cs")).strip()[:LONGEST]


def condition(name: str, value: str, event=None):
    if name.startswith(ANSWER):
        return by_answer(name.removeprefix(ANSWER), value, event)
    return CONDITIONS[name](value)


def by_text(value: str):
    text = value.lower()
    if LOOKS_LIKE_PHONE.match(text):
        digits = re.sub(r"\D", "", text).removeprefix("0")
        return or_(Registration.search.contains(text, autoescape=True), Registration.search.contains(digits)) if digits else false()
    return and_(*[Registration.search.contains(word, autoescape=True) for word in text.split()])


def by_status(value: str):
    return Registration.status == value if value in Status.ALL else false()


def by_program(value: str):
    return Registration.programs.contains(sql_cast([value], ARRAY(Text)))


def by_tag(value: str):
    return Registration.tags.contains(sql_cast([value], ARRAY(Text)))


def by_paid(value: str):
    return {"yes": Registration.paid_at.is_not(None), "no": Registration.paid_at.is_(None)}.get(value, false())


def by_method(value: str):
    return Registration.method == value if value in METHODS else false()


def by_event(value: str):
    return Registration.event_id.in_(select(Event.id).where(Event.slug == value))


def by_check_in(value: str):
    entries = select(CheckIn.id).where(CheckIn.registration_id == Registration.id, CheckIn.result == "ok", CheckIn.undone_at.is_(None))
    if value == "none":
        return ~entries.exists()
    if value != "any":
        entries = entries.where(CheckIn.checkpoint_id.in_(
            select(Checkpoint.id).where(Checkpoint.code == value, Checkpoint.event_id == Registration.event_id)))
    return entries.exists()


CONDITIONS = {"q": by_text, "status": by_status, "program": by_program, "tag": by_tag, "paid": by_paid, "method": by_method,
              "event": by_event, "checkin": by_check_in}


# -- in which order, and how many ----------------------------------------------------------------------

SORTS = {"name": Registration.name, "status": Registration.status, "email": Registration.email, "phone": Registration.phone,
         "number": Registration.number, "created": Registration.created_at, "paid": Registration.paid_at, "total": Registration.sold,
         "method": Registration.method}
NEWEST = "-created"
COUNTED, COUNTED_FILTERED = 500_000, 1_000
"""How many are counted exactly: off an index alone; and through a filter, where each costs more."""


def sort_of(args) -> str:
    wanted = args.get("sort", "")
    return wanted if wanted.removeprefix("-") in SORTS else NEWEST


def ordered(query, sort: str):
    column, backwards = SORTS[sort.removeprefix("-")], sort.startswith("-")
    both = (column, Registration.id)
    return query.order_by(*[one.desc() if backwards else one for one in both])


def some_ids(query, args, event, limit: int, offset: int) -> list[int]:
    """One page: the ids first, which come off an index; the rows are fetched afterwards, by them."""
    query = ordered(matching(query, args, event), sort_of(args)).with_only_columns(Registration.id)
    return list(db.session.scalars(query.limit(limit).offset(offset)))


@dataclass(frozen=True)
class Counts:
    """How many match, in all and by status. What is not known, because there are too many to count, is None."""

    total: int
    more: bool
    """There are more than `total`."""
    everything: int | None
    by_status: dict[str, int | None]


def count(query, args, event=None) -> Counts:
    chosen = next((values for name, values in given(args, event) if name == "status"), None)
    wide = args.copy()
    wide.poplist("status")
    filtered = any(given(wide, event))
    found = _by_status(matching(query, wide, event), COUNTED_FILTERED if filtered else COUNTED)
    if found is not None:
        mine = sum(found.values()) if chosen is None else sum(found.get(status, 0) for status in chosen)
        return Counts(mine, False, sum(found.values()), {status: found.get(status, 0) for status in Status.ALL})
    few = matching(query, args, event).with_only_columns(Registration.id).limit(COUNTED_FILTERED + 1).subquery()
    total = db.session.scalar(select(func.count()).select_from(few))
    return Counts(min(total, COUNTED_FILTERED), total > COUNTED_FILTERED, None, dict.fromkeys(Status.ALL))


def _by_status(query, most: int) -> dict[str, int] | None:
    """None when there are more than `most`."""
    some = query.with_only_columns(Registration.status).limit(most + 1).subquery()
    found = dict(db.session.execute(select(some.c.status, func.count()).group_by(some.c.status)).all())
    return found if sum(found.values()) <= most else None


# -- answers -------------------------------------------------------------------------------------------

def questions(event) -> dict[str, dict]:
    """Every question the event has ever asked, as it stands in the newest version that has it, in the form's order."""
    if event is None:
        return {}
    versions = db.session.scalars(select(FormVersion.fields).where(FormVersion.event_id == event.id).order_by(FormVersion.version.desc()))
    found: dict[str, dict] = {}
    for fields in versions:
        for field in fields:
            found.setdefault(field["key"], field)
    return found


def by_answer(key: str, value: str, event):
    field = questions(event).get(key)
    if field is None:
        return false()
    if field.get("per_order"):
        return Registration.order_id.in_(select(Order.id).where(
            Order.event_id == event.id, answer_is(Order.answers[key], field, value)))
    return answer_is(Registration.answers[key], field, value)


def answer_is(answer, field: dict, value: str):
    """`answer` is a part of a JSON column. Numbers are compared as JSON, which has no cast that could fail."""
    kind = field["type"]
    if kind == NUMBER:
        return number_is(answer, value)
    if kind == SINGLE_CHOICE:
        return answer.astext == value
    if kind == MULTIPLE_CHOICE:
        return answer.has_key(value)
    text = answer["name"].astext if kind == FILE else answer.astext
    return func.lower(text).contains(value.lower(), autoescape=True)


def number_is(answer, value: str):
    value = value.replace(",", "")
    if re.fullmatch(r"-?\d{1,12}", value):
        return answer == sql_cast(int(value), JSONB)
    limits = RANGE.match(value)
    if limits is None:
        return false()
    lowest, highest = sorted(int(limit) for limit in limits.groups())
    return and_(func.jsonb_typeof(answer) == "number", answer >= sql_cast(lowest, JSONB), answer <= sql_cast(highest, JSONB))


# -- in words ------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Asked:
    """One filter of the address: what it is called, its value, and both in words."""

    name: str
    value: str
    label: str
    text: str


def asked(args, event=None) -> list[Asked]:
    words = Words(event)
    return [Asked(name, value, words.label(name), words.value(name, value)) for name, values in given(args, event) for value in values]


def described(args, event=None) -> list[str]:
    """The filter in words: ["Status: Confirmed or Expired", "Tag: choir"]."""
    groups: dict[str, list[str]] = {}
    for one in asked(args, event):
        groups.setdefault(one.label, []).append(one.text)
    return [_("%(name)s: %(value)s", name=label, value=_(" or ").join(texts)) for label, texts in groups.items()]


class Words:
    """What the filters of one event are called. Programs, checkpoints and questions are fetched when they are needed."""

    LABELS = {"q": _l("Search"), "status": _l("Status"), "program": _l("Program"), "tag": _l("Tag"), "paid": _l("Payment"),
              "method": _l("Payment method"), "event": _l("Event"), "checkin": _l("Check-in")}

    def __init__(self, event):
        self.event, self._questions = event, None

    def questions(self) -> dict[str, dict]:
        if self._questions is None:
            self._questions = questions(self.event)
        return self._questions

    def label(self, name: str) -> str:
        if name.startswith(ANSWER):
            key = name.removeprefix(ANSWER)
            field = self.questions().get(key)
            return localized(field["label"]) if field else key
        return str(self.LABELS[name])

    def value(self, name: str, value: str) -> str:
        if name.startswith(ANSWER):
            field = self.questions().get(name.removeprefix(ANSWER), {})
            return next((localized(option["label"]) for option in field.get("options", ()) if option["value"] == value), value)
        if name in ("program", "checkin"):
            return self.named(name, value)
        known = {"status": STATUSES, "method": METHOD_WORDS, "paid": PAID_WORDS}.get(name, {})
        return str(known.get(value, value))

    def named(self, name: str, value: str) -> str:
        words = {"any": _("Checked in"), "none": _("Not checked in")} if name == "checkin" else {}
        if value in words:
            return words[value]
        model = Checkpoint if name == "checkin" else Program
        query = select(model.name).where(model.code == value)
        found = db.session.scalar((query.where(model.event_id == self.event.id) if self.event else query).limit(1))
        return localized(found) or value
