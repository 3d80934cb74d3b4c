"""The desk's columns: what each is called, how it sorts, whether it can be written in; and the rows they are drawn from."""
from dataclasses import dataclass, field
from functools import cached_property

from flask import g
from sqlalchemy import select
from sqlalchemy.orm import defer, selectinload

from eventapp.domain import editing, listing
from eventapp.extensions import db
from eventapp.languages import _, _l, localized
from eventapp.models import CheckIn, Checkpoint, Event, Registration

ALWAYS = "name"
"""It opens the row, so it can't be left out."""


@dataclass
class Column:
    key: str
    label: str
    sort: str = ""
    kind: str = "text"
    question: dict | None = None

    @cached_property
    def writable(self) -> bool:
        return editing.is_writable(self.key, self.question)

    @cached_property
    def edit_label(self) -> str:
        return _("Write in: %(column)s", column=self.label)


OWN = {"name": _l("Name"), "event": _l("Event"), "number": _l("Number"), "status": _l("Status"), "email": _l("Email"),
       "phone": _l("Phone"), "programs": _l("Programs"), "tags": _l("Tags"), "note": _l("Note"), "flag": _l("Flag"),
       "total": _l("Total"), "paid": _l("Paid on"), "method": _l("Payment method"), "created": _l("Registered"),
       "checkin": _l("Check-in")}
USUAL = ("name", "event", "status", "email", "phone", "programs", "tags", "total", "created")


def known(event, questions: dict[str, dict]) -> dict[str, Column]:
    """Every column there is; with one event also the answers to its questions."""
    own = {key: Column(key, str(label), key if key in listing.SORTS else "", "number" if key == "total" else "text")
           for key, label in OWN.items() if key != "event" or event is None}
    asked = {listing.ANSWER + key: Column(listing.ANSWER + key, localized(question["label"]), question=question,
                                          kind="number" if question["type"] == "number" else "text")
             for key, question in questions.items()}
    return own | asked


def chosen(columns: dict[str, Column], wanted: list[str]) -> list[Column]:
    """In the order of `columns`, whatever the order in the address."""
    wanted = {name for value in wanted for name in value.split(",")} & columns.keys()
    wanted = wanted | {ALWAYS} if wanted else USUAL
    return [column for key, column in columns.items() if key in wanted]


@dataclass
class Row:
    """One registration with what its cells need, fetched for the whole page at once."""

    registration: Registration
    event: Event
    entries: list = field(default_factory=list)

    @property
    def order(self):
        return self.registration.order

    def answer(self, question: dict):
        given = self.order.answers if question.get("per_order") else self.registration.answers
        return given.get(question["key"])

    def answer_text(self, question: dict) -> str:
        return in_words(question, self.answer(question))


def in_words(question: dict, value) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return value.get("name") or _("File")
    words = {option["value"]: localized(option["label"]) for option in question.get("options", ())}
    return ", ".join(words.get(one, str(one)) for one in (value if isinstance(value, list) else [value]))


def rows(ids: list[int], columns: list[Column], event: Event | None = None) -> list[Row]:
    """In the order of `ids`; as many statements for one as for a hundred."""
    if not ids:
        return []
    keys = {column.key for column in columns}
    options = [selectinload(Registration.order), defer(Registration.search)]
    if "programs" in keys:
        options.append(selectinload(Registration.line_items))
    found = {one.id: one for one in db.session.scalars(select(Registration).where(Registration.id.in_(ids)).options(*options))}
    events = {event.id: event} if event else {one.id: one for one in db.session.scalars(
        g.member.events().where(Event.id.in_({one.event_id for one in found.values()})))}
    entered = entries(ids) if "checkin" in keys else {}
    return [Row(found[id], events[found[id].event_id], entered.get(id, [])) for id in ids if id in found]


def entries(ids: list[int]) -> dict[int, list[tuple]]:
    """Where and when they came in: registration → [(name of the checkpoint, time)]."""
    seen: dict[int, list[tuple]] = {}
    for id, name, at in db.session.execute(
            select(CheckIn.registration_id, Checkpoint.name, CheckIn.at).join(Checkpoint, Checkpoint.id == CheckIn.checkpoint_id)
            .where(CheckIn.registration_id.in_(ids), CheckIn.result == "ok", CheckIn.undone_at.is_(None)).order_by(CheckIn.at)):
        seen.setdefault(id, []).append((name, at))
    return seen
