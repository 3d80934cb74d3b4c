"""The door's rules: one ticket at one checkpoint, entries taken back, conflicts looked at.

The database takes each place in the count once (`check_ins_once_idx`), so four gates that see the same ticket at the same
moment let one in. A scan costs one statement to look and one to write. What a door without a network has let in is kept
whatever it turns out to be: an entry when it may be one, otherwise a conflict that waits for somebody.
"""
import secrets
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert
from sqlalchemy.exc import IntegrityError

from eventapp import audit, clock
from eventapp.domain import Refused
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import CheckIn, Checkpoint, Event, LineItem, Program, Registration, Status
from eventapp.models.base import among
from eventapp.tickets import codes

OLDEST = timedelta(days=14)
"""An upload from a clock that is further behind than this is dated to when we hear of it."""
NOT_CONFIRMED = {Status.PENDING_PAYMENT: ("unpaid", ""), Status.PENDING_APPROVAL: ("invalid", "approval"), Status.DRAFT: ("invalid", "unknown"),
                 Status.REJECTED: ("cancelled", "rejected"), Status.EXPIRED: ("cancelled", "expired"), Status.CANCELLED: ("cancelled", "")}
"""Who waits for an approval is turned away with that reason: it is not money that would help."""
STANDING = (CheckIn.result == literal_column("'ok'"), CheckIn.undone_at.is_(None))
"""Written with a constant, as the partial index is."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a door has before it: the text of a code, or somebody who was found by name (then `version` as the door knew it)."""

    code: str = ""
    registration_id: int | None = None
    version: int | None = None
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    """Of this scan: sent again it gets the same answer."""
    at: datetime | None = None
    """By the door's clock; believed only of a door that was offline."""
    offline: bool = False
    let_in: bool = False
    """The door has let the person in already."""


@dataclass(frozen=True, slots=True)
class Passage:
    """An entry, as the door tells of it."""

    id: int
    at: datetime
    gate: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`result` is one of `models.check_in.RESULTS`; `reason` says more where there is more to say: signature, unknown, approval,
    rejected, expired, replaced, program, not_yet, closed, nonce, undone."""

    nonce: str
    result: str
    reason: str = ""
    person: object = None
    """Of the registration: id, number, name, flag and items [{code, name, quantity}]."""
    entry: int | None = None
    """The row that was written: an entry, or a conflict."""
    first: Passage | None = None
    """When and where the ticket came through before."""


@dataclass
class Tally:
    """What checking in many came to, by the registration's id: the entry's id, or why not."""

    entries: dict[int, int] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)


# -- one ticket ------------------------------------------------------------------------------------------

def scan(event: Event, checkpoint: Checkpoint, seen: Seen, *, by: audit.Actor, gate: str = "") -> Verdict:
    """Let in or turn away, and write down who was let in."""
    now = clock.now()
    at = believed(seen.at, now) if seen.offline and seen.at else now
    registration_id, version, why_not = claimed(event, seen)
    if why_not:
        return Verdict(seen.nonce, *why_not)
    period = period_of(checkpoint, event, at)
    for _turn in range(checkpoint.times + 2):  # each further turn because somebody else was quicker
        person = look(event.id, registration_id, checkpoint.id, period, seen.nonce)
        if person is None:
            return Verdict(seen.nonce, "invalid", "unknown")
        entries = [Passage(each["id"], datetime.fromisoformat(each["at"]), each["gate"]) for each in person.entries]
        if person.answered:
            return again(seen, checkpoint, person, entries)
        result, reason, ordinal = judge(checkpoint, person, version, at)
        entry = None
        if result == "ok" or seen.let_in:
            entry = write(checkpoint, registration_id, by, gate, seen, at=at, period=period, ordinal=ordinal, result=result, now=now)
            if entry is None:
                continue
        return Verdict(seen.nonce, result, reason, person, entry, entries[0] if entries else None)
    raise RuntimeError("a ticket that everybody scans at once")


def keep_of_revoked(event: Event, checkpoint: Checkpoint, seen: Seen, *, by: audit.Actor, gate: str) -> None:
    """Somebody was let in by a phone that had been taken off the doors meanwhile: no entry, but not forgotten either."""
    now = clock.now()
    registration_id, _version, why_not = claimed(event, seen)
    here = None if why_not else db.session.scalar(
        select(Registration.id).where(Registration.id == registration_id, Registration.event_id == event.id))
    if here:
        at = believed(seen.at, now) if seen.at else now
        write(checkpoint, here, by, gate, seen, at=at, period=period_of(checkpoint, event, at), ordinal=0, result="revoked", now=now)


def believed(at: datetime, now: datetime) -> datetime:
    return at if now - OLDEST <= at <= now else now


def claimed(event: Event, seen: Seen) -> tuple[int | None, int | None, tuple[str, str] | None]:
    """(registration, version, why not): whom the code is of, proven by the event's key.

    A code of another event proves nothing here, so what it says of itself is believed as far as the answer "not this event".
    """
    if seen.registration_id is not None:
        return seen.registration_id, seen.version, None
    text = seen.code.strip().upper()  # a scanner with caps lock says it in small letters
    ticket = codes.verify(event.ticket_public_key, text) if event.ticket_public_key else None
    if ticket is None:
        other = codes.unverified(text)
        foreign = other and (other.org_id, other.event_id) != (event.org_id, event.id)
        return None, None, ("wrong_event", "") if foreign else ("invalid", "signature")
    return ticket.registration_id, ticket.version, None


def local_day(at: datetime, event: Event) -> str:
    return at.astimezone(ZoneInfo(event.timezone)).date().isoformat()


def period_of(checkpoint: Checkpoint, event: Event, at: datetime) -> str:
    return local_day(at, event) if checkpoint.per == "day" else ""


def judge(checkpoint: Checkpoint, person, version: int | None, at: datetime) -> tuple[str, str, int]:
    """(result, reason, the how manieth entry it would be)."""
    if person.status != Status.CONFIRMED:
        return *NOT_CONFIRMED[person.status], 0
    if version is not None and version != person.ticket_version:
        return "cancelled", "replaced", 0
    if checkpoint.program_id and checkpoint.program_id not in [item["program_id"] for item in person.items]:
        return "invalid", "program", 0
    if checkpoint.opens_at and at < checkpoint.opens_at:
        return "invalid", "not_yet", 0
    if checkpoint.closed or (checkpoint.closes_at and at >= checkpoint.closes_at):
        return "invalid", "closed", 0
    taken = {each["ordinal"] for each in person.entries}
    free = next((ordinal for ordinal in range(1, checkpoint.times + 1) if ordinal not in taken), 0)
    return ("ok", "", free) if free else ("already", "", 0)


def again(seen: Seen, checkpoint: Checkpoint, person, entries) -> Verdict:
    """The same scan was sent before: the same answer, unless it was taken back since."""
    row = person.answered
    if (row["registration_id"], row["checkpoint_id"]) != (person.id, checkpoint.id):
        return Verdict(seen.nonce, "invalid", "nonce", person)
    if row["undone"]:
        return Verdict(seen.nonce, "invalid", "undone", person, row["id"])
    others = [each for each in entries if each.id != row["id"]]
    return Verdict(seen.nonce, row["result"], "", person, row["id"], others[0] if others else None)


ITEMS = (select(func.coalesce(func.jsonb_agg(aggregate_order_by(func.jsonb_build_object(
            "program_id", LineItem.program_id, "code", Program.code, "name", LineItem.name, "quantity", LineItem.quantity), LineItem.id)),
            literal_column("'[]'::jsonb")))
         .join(Program, Program.id == LineItem.program_id).where(LineItem.registration_id == Registration.id).scalar_subquery())


def _listed(query, *columns, order=None):
    """Rows as a JSON list, of a subquery that belongs to one registration."""
    rows = func.jsonb_build_object(*(part for column in columns for part in (column.key, column)))
    rows = func.jsonb_agg(aggregate_order_by(rows, order))
    return select(func.coalesce(rows, literal_column("'[]'::jsonb"))).where(*query).scalar_subquery()


THERE = (CheckIn.registration_id == Registration.id, CheckIn.checkpoint_id == bindparam("checkpoint_id"), CheckIn.period == bindparam("period"),
         *STANDING)
LOOK = (  # composed once: it is asked at every scan
    select(Registration.id, Registration.number, Registration.name, Registration.status, Registration.flag, Registration.ticket_version,
           ITEMS.label("items"), _listed(THERE, CheckIn.id, CheckIn.ordinal, CheckIn.at, CheckIn.gate, order=CheckIn.at).label("entries"),
           select(func.jsonb_build_object("id", CheckIn.id, "registration_id", CheckIn.registration_id, "checkpoint_id", CheckIn.checkpoint_id,
                                          "result", CheckIn.result, "undone", CheckIn.undone_at.is_not(None))).where(CheckIn.nonce == bindparam("nonce")).scalar_subquery().label("answered"))
    .where(Registration.id == bindparam("registration_id"), Registration.event_id == bindparam("event_id")))


def look(event_id: int, registration_id: int, checkpoint_id: int, period: str, nonce: str):
    """Everything a verdict needs of one registration of the event, in one statement."""
    return db.session.execute(LOOK, {"event_id": event_id, "registration_id": registration_id, "checkpoint_id": checkpoint_id,
                                     "period": period, "nonce": nonce}).one_or_none()


WRITE = insert(CheckIn.__table__).on_conflict_do_nothing().returning(CheckIn.__table__.c.id)


def write(checkpoint, registration_id, by, gate, seen: Seen, *, at, period, ordinal, result, now) -> int | None:
    """The row's id; None when the place in the count, or the nonce, has just been taken."""
    return db.session.scalar(WRITE, {
        "registration_id": registration_id, "checkpoint_id": checkpoint.id, "period": period, "ordinal": ordinal, "at": at, "gate": gate,
        **whose(by), "offline": seen.offline, "nonce": seen.nonce, "result": result, "created_at": now})


def whose(by: audit.Actor) -> dict:
    return {"device_id": by.id if by.kind == "device" else None, "user_id": by.id if by.kind == "user" else None}


# -- many at once -------------------------------------------------------------------------------------------

def enter(registrations, checkpoint: Checkpoint, *, by: audit.Actor, at: datetime | None = None, gate: str = "") -> Tally:
    """Check many in, in two statements; each once more where the checkpoint allows it. No letters."""
    now = clock.now()
    event, at = db.session.get(Event, checkpoint.event_id), at or now
    period, tally, nonce = period_of(checkpoint, event, at), Tally(), secrets.token_urlsafe(12)
    people = db.session.execute(
        select(Registration.id, Registration.status, Registration.ticket_version, ITEMS.label("items"),
               _listed(THERE, CheckIn.ordinal, order=CheckIn.ordinal).label("entries"))
        .where(Registration.id.in_([one.id for one in registrations]), Registration.event_id == event.id).order_by(Registration.id),
        {"checkpoint_id": checkpoint.id, "period": period}).all()
    tally.refused = dict.fromkeys((one.id for one in registrations), "wrong_event")
    rows = []
    for person in people:
        result, _reason, ordinal = judge(checkpoint, person, None, at)
        tally.refused[person.id] = result
        if result == "ok":
            rows.append({"registration_id": person.id, "checkpoint_id": checkpoint.id, "period": period, "ordinal": ordinal, "at": at,
                         "gate": gate, **whose(by), "nonce": f"{nonce}-{person.id}", "created_at": now})
    if rows:
        written = db.session.execute(insert(CheckIn).values(rows).on_conflict_do_nothing().returning(CheckIn.registration_id, CheckIn.id))
        tally.entries = {registration_id: id_ for registration_id, id_ in written}
    # Whoever was not written has just come through a door.
    tally.refused = {id_: "already" if result == "ok" else result for id_, result in tally.refused.items() if id_ not in tally.entries}
    return tally


# -- afterwards -----------------------------------------------------------------------------------------------

def inside(registrations) -> list[int]:
    """Which of them have been let in somewhere."""
    return list(db.session.scalars(select(CheckIn.registration_id).where(among(CheckIn.registration_id, [one.id for one in registrations]), *STANDING)))


def undo(check_ins, *, by: audit.Actor) -> list[CheckIn]:
    """Take entries back: whoever had them may enter again. Those that were still standing."""
    undone = _mark(check_ins, CheckIn.undone_at)
    audit.record("check_in.undone", undone, by=by)
    return undone


def settle(check_ins, *, by: audit.Actor) -> list[CheckIn]:
    """Somebody has seen these conflicts."""
    settled = _mark(check_ins, CheckIn.settled_at)
    audit.record("check_in.settled", settled, by=by)
    return settled


def _mark(check_ins, column) -> list[CheckIn]:
    return list(db.session.scalars(
        update(CheckIn).where(CheckIn.id.in_([one.id for one in check_ins]), column.is_(None)).values({column: clock.now()})
        .returning(CheckIn).execution_options(synchronize_session=False, populate_existing=True)))


# -- checkpoints ------------------------------------------------------------------------------------------------

ENTRANCE = {"ko": "입장", "en": "Entrance"}


def make_entrance(event: Event) -> Checkpoint:
    """Every event has one from the beginning, so that a door can be opened without preparing anything."""
    entrance = Checkpoint(event_id=event.id, code="entry", kind="entry", name=dict(ENTRANCE))
    db.session.add(entrance)
    db.session.flush()
    return entrance


def checkpoints(event: Event) -> list[Checkpoint]:
    """Those that doors may offer."""
    return list(db.session.scalars(select(Checkpoint).where(Checkpoint.event_id == event.id, ~Checkpoint.closed)
                                   .order_by(Checkpoint.position, Checkpoint.id)))


def open_now(found: list[Checkpoint], now: datetime) -> Checkpoint | None:
    """The one that a door begins with: of those whose time it is the most particular, otherwise the first."""
    is_open = [each for each in found if (not each.opens_at or each.opens_at <= now) and (not each.closes_at or now < each.closes_at)]
    timed = [each for each in is_open if each.opens_at or each.closes_at]
    return next(iter(timed or is_open or found), None)


def add_checkpoint(event: Event, *, by: audit.Actor, **values) -> Checkpoint:
    _check(values)
    made = Checkpoint(event_id=event.id, **values)
    with _own_code():
        db.session.add(made)
    audit.record("checkpoint.added", made, by=by, after=_said(values))
    return made


def change_checkpoint(checkpoint: Checkpoint, *, by: audit.Actor, **values) -> None:
    """What counts entries can't be changed so that those there are would break it."""
    _check(values)
    most = db.session.scalar(select(func.max(CheckIn.ordinal)).where(CheckIn.checkpoint_id == checkpoint.id, *STANDING))
    if most and values["per"] != checkpoint.per:
        raise Refused(_("People have come through already, so how they are counted can't be changed. Add another checkpoint instead."), "per")
    if most and values["times"] < most:
        raise Refused(_("Somebody has passed %(num)d times already.", num=most), "times")
    before = {name: getattr(checkpoint, name) for name in values}
    with _own_code():
        for name, value in values.items():
            setattr(checkpoint, name, value)
    changed = {name for name in values if values[name] != before[name]}
    if changed:
        audit.record("checkpoint.changed", checkpoint, by=by, before=_said({name: before[name] for name in changed}),
                     after=_said({name: values[name] for name in changed}))


def close_checkpoint(checkpoint: Checkpoint, closed: bool, *, by: audit.Actor) -> None:
    if checkpoint.closed != closed:
        checkpoint.closed = closed
        audit.record("checkpoint.closed" if closed else "checkpoint.reopened", checkpoint, by=by)


def _check(values: dict) -> None:
    if not values["name"]:
        raise Refused(_("Give it a name in one of the languages."), "name_ko")
    if values["opens_at"] and values["closes_at"] and values["closes_at"] <= values["opens_at"]:
        raise Refused(_("It has to close after it opens."), "closes_at")


@contextmanager
def _own_code():
    """The database says whether another one has it."""
    try:
        with db.session.begin_nested():
            yield
            db.session.flush()
    except IntegrityError:
        raise Refused(_("Another checkpoint of this event has this short name."), "code") from None


def _said(values: dict) -> dict:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def in_zone(typed: datetime | None, event: Event) -> datetime | None:
    """A time as it was typed, by the event's clock."""
    return typed and typed.replace(tzinfo=ZoneInfo(event.timezone)).astimezone(timezone.utc)


def local(at: datetime | None, event: Event) -> datetime | None:
    return at and at.astimezone(ZoneInfo(event.timezone))
