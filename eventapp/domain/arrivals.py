"""What doors and staff read: how many are in, who is expected, what is to be looked at, and what a door takes along."""
import base64
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import and_, func, literal_column, or_, select

from eventapp import clock
from eventapp.domain.checking_in import ITEMS, NOT_CONFIRMED, STANDING, checkpoints, period_of
from eventapp.extensions import db
from eventapp.languages import localized
from eventapp.models import AuditLog, CheckIn, Checkpoint, Event, LineItem, Program, Registration, Status

MOST_FOUND, MOST_CONFLICTS = 20, 200
OVERLAP = timedelta(seconds=60)
"""A transaction commits later than the time it writes, so what is new is asked from a little before."""
KEPT = timedelta(hours=12)
"""After so long a door takes everything along anew."""
AT_DOORS = (Status.CONFIRMED, Status.PENDING_PAYMENT, Status.PENDING_APPROVAL, Status.CANCELLED)
"""Who may turn up with something in their hands; who never had a place is nobody's business at a door."""
MOST_TAKEN = 20_000
"""People a door takes along; the tickets of further ones still prove themselves by their signature."""
QUARTER = timedelta(minutes=15)


def in_words(items) -> str:
    """Programs as a door shows them."""
    return ", ".join(localized(item["name"]) + (f" ×{item['quantity']}" if item["quantity"] > 1 else "") for item in items)


# -- how many ------------------------------------------------------------------------------------------------

@dataclass
class Count:
    """One checkpoint: how many are in (today, where it counts by days), of how many, and how many entries by which gate."""

    id: int
    code: str
    name: dict
    expected: int
    inside: int = 0
    gates: list[tuple[str, int]] = field(default_factory=list)


def counts(event: Event, found: list[Checkpoint]) -> list[Count]:
    """Three statements at most, however many checkpoints there are."""
    now = clock.now()
    confirmed = db.session.scalar(select(func.count()).where(Registration.event_id == event.id, Registration.status == Status.CONFIRMED))
    of_program = {}
    if programs := {each.program_id for each in found if each.program_id}:
        of_program = dict(db.session.execute(
            select(LineItem.program_id, func.count(LineItem.registration_id.distinct()))
            .join(Registration, Registration.id == LineItem.registration_id)
            .where(LineItem.program_id.in_(programs), Registration.status == Status.CONFIRMED).group_by(LineItem.program_id)).all())
    made = {each.id: Count(each.id, each.code, each.name, of_program.get(each.program_id, 0) if each.program_id else confirmed) for each in found}
    for checkpoint_id, gate, entries, people in db.session.execute(
            select(CheckIn.checkpoint_id, CheckIn.gate, func.count(), func.count().filter(CheckIn.ordinal == 1))
            .where(or_(*(and_(CheckIn.checkpoint_id == each.id, CheckIn.period == period_of(each, event, now)) for each in found)), *STANDING)
            .group_by(CheckIn.checkpoint_id, CheckIn.gate).order_by(CheckIn.gate)) if found else ():
        made[checkpoint_id].inside += people
        made[checkpoint_id].gates.append((gate, entries))
    return list(made.values())


def by_quarter(event: Event, checkpoint: Checkpoint, hours: int = 6) -> list[tuple[datetime, int]]:
    """Entries in each quarter of an hour, up to now or to the last one there was; those without any are in it."""
    quarter = func.date_bin(QUARTER, CheckIn.at, datetime(2000, 1, 1, tzinfo=clock.now().tzinfo))
    last = db.session.scalar(select(func.max(CheckIn.at)).where(CheckIn.checkpoint_id == checkpoint.id, *STANDING))
    if last is None:
        return []
    found = dict(db.session.execute(
        select(quarter, func.count()).where(CheckIn.checkpoint_id == checkpoint.id, CheckIn.at > last - timedelta(hours=hours), *STANDING)
        .group_by(literal_column("1"))).all())
    first, end, bars = min(found), max(found), []
    while first <= end:
        bars.append((first, found.get(first, 0)))
        first += QUARTER
    return bars


def last_entry(event: Event, by) -> object | None:
    """What this door or person has let in last, while it is fresh enough to have been a mistake."""
    mine = CheckIn.device_id == by.id if by.kind == "device" else CheckIn.user_id == by.id
    return db.session.execute(
        select(CheckIn.id, CheckIn.at, Registration.name).join(Registration, Registration.id == CheckIn.registration_id)
        .where(CheckIn.checkpoint_id.in_(select(Checkpoint.id).where(Checkpoint.event_id == event.id)), mine,
               CheckIn.at > clock.now() - QUARTER, *STANDING).order_by(CheckIn.at.desc(), CheckIn.id.desc()).limit(1)).one_or_none()


# -- what is to be looked at -------------------------------------------------------------------------------------

@dataclass
class Conflict:
    """Somebody was let in by a door without a network who should not have been; `entry` is what stands for the same ticket."""

    check_in: CheckIn
    name: str
    number: str
    checkpoint: Checkpoint
    entry: dict | None


def _open_conflicts(event: Event):
    return (CheckIn.result != literal_column("'ok'"), CheckIn.settled_at.is_(None), CheckIn.undone_at.is_(None),
            CheckIn.checkpoint_id.in_(select(Checkpoint.id).where(Checkpoint.event_id == event.id)))


def conflict_count(event: Event) -> int:
    return db.session.scalar(select(func.count()).where(*_open_conflicts(event)))


def conflicts(event: Event) -> list[Conflict]:
    """Those that nobody has settled, the oldest first."""
    other = CheckIn.__table__.alias("other")
    entry = (select(func.jsonb_build_object("at", other.c.at, "gate", other.c.gate, "offline", other.c.offline))
             .where(other.c.registration_id == CheckIn.registration_id, other.c.checkpoint_id == CheckIn.checkpoint_id,
                    other.c.period == CheckIn.period, other.c.result == literal_column("'ok'"), other.c.undone_at.is_(None))
             .order_by(other.c.at).limit(1).scalar_subquery())
    rows = db.session.execute(
        select(CheckIn, Registration.name, Registration.number, Checkpoint, entry)
        .join(Registration, Registration.id == CheckIn.registration_id).join(Checkpoint, Checkpoint.id == CheckIn.checkpoint_id)
        .where(*_open_conflicts(event)).order_by(CheckIn.at, CheckIn.id).limit(MOST_CONFLICTS)).all()
    return [Conflict(check_in, name, number, checkpoint, standing and standing | {"at": datetime.fromisoformat(standing["at"])})
            for check_in, name, number, checkpoint, standing in rows]


# -- finding somebody without a code -------------------------------------------------------------------------------

def search(event: Event, text: str) -> list:
    """By a part of the name, the number, or the end of the phone number: name, programs and flag, nothing else."""
    text = text.strip()
    if not text:
        return []
    digits = "".join(filter(str.isdigit, text))
    ways = [func.lower(Registration.name).contains(text.lower(), autoescape=True), Registration.number == text.upper(),
            Registration.number == f"{event.code}-{text.upper()}"]
    if len(digits) >= 4 and not set(text) - set("0123456789-+ "):
        ways.append(Registration.phone.endswith(digits.removeprefix("0")))
    return db.session.execute(
        select(Registration.id, Registration.number, Registration.name, Registration.status, Registration.flag, ITEMS.label("items"))
        .where(Registration.event_id == event.id, Registration.status.in_(AT_DOORS), or_(*ways))
        .order_by(Registration.name, Registration.id).limit(MOST_FOUND)).all()


# -- what a door takes along -----------------------------------------------------------------------------------------

def snapshot(event: Event, cursor: str | None) -> dict:
    """Names, programs, flags and entries, for deciding without a network; with a cursor only what has changed since."""
    now = clock.now()
    since = _read_cursor(cursor, now)
    entries = _entries(event, CheckIn.created_at > since if since else True, *STANDING)
    undone = _entries(event, CheckIn.undone_at > since, CheckIn.result == literal_column("'ok'")) if since else []
    return {
        "event": {"slug": event.slug, "title": localized(event.title), "timezone": event.timezone, "id": event.id, "org_id": event.org_id,
                  "ends_at": event.ends_at.isoformat()},
        "key": base64.b64encode(event.ticket_public_key or b"").decode(), "now": now.isoformat(), "cursor": now.isoformat(),
        "checkpoints": [_checkpoint(each) for each in checkpoints(event)], "people": _people(event, since),
        "entries": [[row.registration_id, row.checkpoint_id, row.period, row.at.isoformat(), row.gate, row.id] for row in entries],
        "undone": [row.id for row in undone], "whole": since is None}


def _read_cursor(cursor: str | None, now: datetime) -> datetime | None:
    try:
        since = datetime.fromisoformat(cursor or "")
    except ValueError:
        return None
    if since.tzinfo is None or not now - KEPT < since <= now:
        return None
    return since - OVERLAP


def _checkpoint(each: Checkpoint) -> dict:
    return {"id": each.id, "code": each.code, "kind": each.kind, "name": localized(each.name), "times": each.times, "per": each.per,
            "opens_at": each.opens_at and each.opens_at.isoformat(), "closes_at": each.closes_at and each.closes_at.isoformat(),
            "program": each.program.code if each.program_id else None}


def _people(event: Event, since: datetime | None) -> list[dict]:
    wanted = [Registration.event_id == event.id]
    if since is None:
        wanted.append(Registration.status.in_(AT_DOORS))
    else:
        # Every change of a registration is in the audit log, under its own number or its order's.
        changed = select(AuditLog.object_id).where(AuditLog.created_at > since)
        wanted.append(or_(Registration.created_at > since, Registration.id.in_(changed.where(AuditLog.object_kind == "registration")),
                          Registration.order_id.in_(changed.where(AuditLog.object_kind == "order"))))
    those = Registration.id.in_(select(Registration.id).where(*wanted).order_by(Registration.id).limit(MOST_TAKEN))
    people = db.session.execute(select(Registration.id, Registration.ticket_version, Registration.number, Registration.name,
                                       Registration.status, Registration.flag).where(those).order_by(Registration.id)).all()
    items = defaultdict(list)
    for registration_id, code, name, quantity in db.session.execute(
            select(LineItem.registration_id, Program.code, LineItem.name, LineItem.quantity).join(Program, Program.id == LineItem.program_id)
            .join(Registration, Registration.id == LineItem.registration_id).where(those).order_by(LineItem.id)):
        items[registration_id].append({"code": code, "name": name, "quantity": quantity})
    return [{"id": one.id, "version": one.ticket_version, "number": one.number, "name": one.name, "status": one.status,
             "programs": [item["code"] for item in items[one.id]], "text": in_words(items[one.id]), "flag": one.flag,
             "unpaid": NOT_CONFIRMED.get(one.status, ("",))[0] == "unpaid"} for one in people]


def _entries(event: Event, *conditions) -> list:
    return db.session.execute(
        select(CheckIn.registration_id, CheckIn.checkpoint_id, CheckIn.period, CheckIn.at, CheckIn.gate, CheckIn.id)
        .where(CheckIn.checkpoint_id.in_(select(Checkpoint.id).where(Checkpoint.event_id == event.id)), *conditions)
        .order_by(CheckIn.at.desc()).limit(5 * MOST_TAKEN)).all()
