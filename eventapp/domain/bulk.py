"""What staff do to many registrations at once: first what would happen to whom, then doing it, and a minute to take it back.

The rows of an operation are written with its look-ahead, so what was seen is what is done. It is done in batches, each one
transaction: the rows that were done are marked in it, so a worker that is killed leaves each row done once or not at all.
Letters and refunds wait in the outbox until the minute is over (`outbox.held`).

Locks are taken in the order in which everybody takes them: the operation, then orders, registrations and quotas, each in the
order of their ids.
"""
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby

from sqlalchemy import BigInteger, Text, cast, delete, exists, func, insert, literal, select, true, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import OperationalError
from sqlalchemy.types import DateTime, Integer

from eventapp import audit, clock, config, faults, storage
from eventapp.domain import Refused, attempts, exporting, ledger, registering
from eventapp.domain.bulk_actions import ACTIONS, Action
from eventapp.domain.places import Room
from eventapp.domain.registering import IllegalMove
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import (
    BulkOperation,
    BulkRow,
    CheckIn,
    Event,
    LedgerEntry,
    LineItem,
    Order,
    OutboxItem,
    Payment,
    PaymentAttempt,
    Refund,
    Registration,
    Status,
)
from eventapp.models.base import among, rows_of
from eventapp.models.registration import LEGAL_MOVES, MOVES_BACK
from eventapp.outbox import HELD, NotYet, held, later, let_go
from eventapp.unit_of_work import RETRIED, checkpoint
from eventapp.unit_of_work import undo as forget

AT_ONCE = 200
"""More than these are done by the worker."""
SLICE = 5.0
"""Seconds a worker stays with one operation before others get their turn; well below the lease of its job."""
MINUTE = timedelta(seconds=60)
MARGIN = timedelta(seconds=5)
"""Between the end of the minute and the first letter: who presses Undo in the last second is heard."""
LISTED = 20
"""Of each kind in the look-ahead; the rest is a number."""
SHOWN = 100
"""Of each kind in the result."""
CHUNK = LARGEST_SHEET = 5000
TRACKED = {"status": Text, "status_reason": Text, "paid_at": DateTime(timezone=True), "confirmed_at": DateTime(timezone=True),
           "approved_at": DateTime(timezone=True), "ticket_version": Integer, "tags": ARRAY(Text)}
"""What operations change of a registration, and undoing puts back; beside it the time until which its order is held."""
GOING_ON = ("pending", "authorized", "awaiting_deposit")

faults.register("bulk.applied", "bulk.between", "bulk.undone")


# -- rows as they are -------------------------------------------------------------------------------------

PRICE = select(func.coalesce(func.sum(LineItem.quantity * LineItem.unit_price), 0)).where(
    LineItem.registration_id == Registration.id).correlate(Registration).scalar_subquery()

IN_HAND = select(func.coalesce(func.sum(ledger.into_hand()), 0)).where(LedgerEntry.order_id == Registration.order_id).correlate(
    Registration).scalar_subquery()
LINE = func.jsonb_array_elements(Refund.lines).table_valued("value", name="line")
RETURNED = select(func.coalesce(func.sum(cast(LINE.c.value.op("->>")("amount"), BigInteger) + cast(LINE.c.value.op("->>")("kept"), BigInteger)), 0)).select_from(
    Refund).join(Payment, Payment.id == Refund.payment_id).join(LINE, true()).where(
    Payment.order_id == Registration.order_id, Refund.state != "failed",
    cast(LINE.c.value.op("->>")("registration"), BigInteger) == Registration.id).correlate(Registration).scalar_subquery()
ABOUT_MONEY = {"refund": (IN_HAND.label("held"), RETURNED.label("returned")), "cancel": (RETURNED.label("returned"),)}
"""What more must be known to say what goes back: whether we hold anything of the order's money, and how much of this one's is settled."""
TAGS = func.to_jsonb(Registration.tags)
"""Read ten times as fast as an array."""


def facts(operation: BulkOperation, *conditions):
    """All that an action decides by, row by row; `id` is the registration's, and empty when there is none any more."""
    more = (Order.refund_terms, Order.created_at.label("ordered_at"), Event.starts_at, Event.timezone,
            *ABOUT_MONEY[operation.action]) if operation.action in ABOUT_MONEY else ()
    return db.session.execute(
        select(BulkRow.id.label("row_id"), BulkRow.position, BulkRow.before, Registration.id, Registration.number, Registration.name,
               Registration.email, Registration.status, Registration.status_reason, Registration.paid_at, Registration.confirmed_at,
               Registration.approved_at, Registration.ticket_version, TAGS.label("tags"), Registration.order_id, Registration.event_id,
               PRICE.label("price"), Order.email.label("order_email"), Order.method, Order.currency, Order.hold_until,
               Event.status.label("event_status"), Event.ends_at.label("event_ends_at"), *more)
        .outerjoin(Registration, Registration.id == BulkRow.registration_id).outerjoin(Order, Order.id == Registration.order_id)
        .outerjoin(Event, Event.id == Registration.event_id)
        .where(BulkRow.operation_id == operation.id, *conditions).order_by(BulkRow.position)).all()


def lock_next(operation: BulkOperation, state: str, size: int) -> list:
    """The next rows whose turn it is, always whole orders, and nobody else's until the commit."""
    query = (select(BulkRow.id, BulkRow.registration_id, Registration.order_id)
             .outerjoin(Registration, Registration.id == BulkRow.registration_id)
             .where(BulkRow.operation_id == operation.id, BulkRow.state == state).order_by(BulkRow.position))
    rows = db.session.execute(query.limit(size + 1)).all()
    if len(rows) > size:
        last = rows[-1].order_id
        rows = [row for row in rows if row.order_id != last] or db.session.execute(query.where(Registration.order_id == last)).all() or rows
    for model, ids in ((Order, {row.order_id for row in rows}), (Registration, {row.registration_id for row in rows})):
        db.session.execute(select(model.id).where(among(model.id, ids)).order_by(model.id).with_for_update(key_share=True))
    return facts(operation, among(BulkRow.id, [row.id for row in rows])) if rows else []


def write_rows(results: list[dict]) -> None:
    """[{"id", "state", "reason", "before"}], in one statement."""
    values = rows_of(results, id=BigInteger, state=Text, reason=Text, before=JSONB)
    db.session.execute(update(BulkRow).where(BulkRow.id == values.c.id).values(
        state=values.c.state, reason=values.c.reason, before=func.coalesce(values.c.before, BulkRow.before))
        .execution_options(synchronize_session=False))


# -- before --------------------------------------------------------------------------------------------------

@dataclass
class Results:
    count: int
    rows: list[tuple[str, str]] = field(default_factory=list)


def begin(action: Action, query, *, member, **asked) -> BulkOperation:
    """Write down whom it is about: `query` selects the registrations. `asked` is kept beside it: the filter that chose them."""
    operation = BulkOperation(user_id=member.user.id, action=action.name, parameters=asked | {"looked_at": clock.now().isoformat()})
    db.session.add(operation)
    db.session.flush()
    turn = func.row_number().over(order_by=(Registration.order_id, Registration.position, Registration.id))
    rows = action.widen(query).with_only_columns(literal(operation.id), Registration.id, turn, maintain_column_froms=True)
    db.session.execute(insert(BulkRow).from_select(["operation_id", "registration_id", "position"], rows))
    operation.total, first, last = db.session.execute(
        select(func.count(), func.min(Registration.event_id), func.max(Registration.event_id)).join(
            BulkRow, BulkRow.registration_id == Registration.id).where(BulkRow.operation_id == operation.id)).one()
    if not operation.total:
        raise Refused(_("Nobody was chosen. Tick at least one registration."))
    operation.event_id = first if first == last else None
    return operation


def all_within(operation: BulkOperation, member) -> bool:
    """Whether the member may still do it to everybody it is about; they may have been limited to other events since."""
    mine = member.registrations().with_only_columns(Registration.id, maintain_column_froms=True)
    others = select(BulkRow.id).where(BulkRow.operation_id == operation.id, BulkRow.registration_id.not_in(mine))
    return member.event_ids is None or db.session.scalar(others.limit(1)) is None


@dataclass
class Forecast:
    """How many rows would end how, and the first of each kind: (number, name)."""

    counts: Counter = field(default_factory=Counter)
    lists: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    paid: int = 0
    """Of those that would be done, how many have paid …"""
    amounts: Counter = field(default_factory=Counter)
    """… and what they cost, by currency."""
    going_back: Counter = field(default_factory=Counter)
    """By the rules they agreed to, by currency."""

    @property
    def ok(self) -> int:
        return self.counts["ok"]


def forecast(operation: BulkOperation, parameters: dict) -> Forecast:
    """What would happen now; nothing is locked, so what happens later may differ, and is said then."""
    action, room, found, last = ACTIONS[operation.action], Room(lock=False), Forecast(), 0
    while chunk := facts(operation, BulkRow.position > last, BulkRow.position <= last + CHUNK):
        for fact, code in zip(chunk, codes_of(action, chunk, room, parameters), strict=True):
            found.counts[code] += 1
            if len(found.lists[code]) < LISTED and fact.id:
                found.lists[code].append((fact.number, fact.name))
            if code == "ok" and fact.price:
                found.paid += fact.paid_at is not None
                found.amounts[fact.currency] += fact.price
                found.going_back[fact.currency] += action.goes_back(fact)
        last += CHUNK
    return found


def codes_of(action: Action, rows, room: Room, parameters: dict) -> list[str]:
    room.look([row for row in rows if row.id and action.takes_places(row)])
    return [action.decide(row, room, parameters) if row.id else "gone" for row in rows]


# -- doing it ------------------------------------------------------------------------------------------------

def start(operation: BulkOperation, given, *, member) -> None:
    """Do what was looked at: at once when it is not much, otherwise by the worker. Pressed twice it is done once.

    `given`: the action's own fields as they were typed; raises RefusedFields.
    """
    operation = locked(operation.id)
    if operation.state != "draft":
        return
    action = ACTIONS[operation.action]
    operation.parameters = operation.parameters | action.read(given, operation, member)
    operation.state, operation.started_at = "waiting", clock.now()
    audit.record("operation.started", operation, by=member.actor, after={"action": operation.action, "total": operation.total})
    if operation.total > AT_ONCE:
        later("bulk_run", operation, key="0")
        return
    while one_batch(operation.id):
        pass


def locked(operation_id: int, skip: bool = False) -> BulkOperation | None:
    db.session.flush()
    return db.session.scalar(select(BulkOperation).where(BulkOperation.id == operation_id)
                             .with_for_update(skip_locked=skip).execution_options(populate_existing=True))


def run(operation_id: int) -> None:
    """The job: batch after batch for a while, then it writes itself again, so that its lease never runs out under it."""
    work_off(operation_id, "bulk_run", one_batch)


def run_undo(operation_id: int) -> None:
    work_off(operation_id, "bulk_undo", one_batch_back)


def work_off(operation_id: int, kind: str, batch) -> None:
    until = time.monotonic() + SLICE
    while repeated(batch, operation_id):
        if time.monotonic() > until:
            operation = db.session.get(BulkOperation, operation_id)
            later(kind, operation, key=str(turn_of(operation)))
            return
        checkpoint()
        faults.point("bulk.between")


def turn_of(operation: BulkOperation) -> int:
    """How far it has come: two workers that are with it at once write the next job once."""
    return db.session.scalar(select(func.count()).where(BulkRow.operation_id == operation.id, BulkRow.state != "waiting",
                                                        BulkRow.state != "ok")) + operation.ok


def repeated(batch, operation_id: int) -> bool:
    """One transaction, again when it got in the way of another one."""
    for last in (False, False, True):
        try:
            return batch(operation_id)
        except OperationalError as error:
            if last or error.orig.sqlstate not in RETRIED:
                raise
            forget()


def one_batch(operation_id: int) -> bool:
    """Do the rows whose turn it is; False when there are none left, or somebody has stopped it."""
    operation = locked(operation_id, skip=True)
    if operation is None:
        raise NotYet(3)  # another worker has it in hand
    if operation.state not in ("waiting", "running"):
        return False
    action, by = ACTIONS[operation.action], audit.Actor("user", operation.user_id)
    rows = [] if operation.stop else lock_next(operation, "waiting", action.size)
    if not rows:
        finish(operation)
        return False
    operation.state = "running"
    with held(operation):
        results = apply(operation, action, rows, by)
    write_rows(results)
    done = Counter(result["state"] for result in results)
    operation.ok, operation.failed = operation.ok + done["ok"], operation.failed + done["refused"]
    db.session.flush()
    faults.point("bulk.applied")
    return True


def apply(operation: BulkOperation, action: Action, rows, by) -> list[dict]:
    codes = codes_of(action, rows, Room(lock=True), operation.parameters)
    chosen = [row for row, code in zip(rows, codes, strict=True) if code == "ok"]
    outcome = action.apply(chosen, operation=operation, by=by) if chosen else {}
    after = {row.row_id: row for row in facts(operation, among(BulkRow.id, [row.row_id for row in chosen]))} if action.changes else {}
    results = []
    for row, code in zip(rows, codes, strict=True):
        found = outcome.get(row.id, code) if code == "ok" else code
        change = (differences(row, after[row.row_id]) if row.row_id in after else {}) | (found if isinstance(found, dict) else {})
        ok = code == "ok" and not isinstance(found, str) or found == "ok"
        results.append({"id": row.row_id, "state": "ok" if ok else "refused", "reason": "" if ok else found, "before": change or None})
    return results


def differences(before, after) -> dict:
    """{field: [as it was, as it is]} of what has changed."""
    return {name: [plain(getattr(before, name)), plain(getattr(after, name))] for name in (*TRACKED, "hold_until")
            if getattr(before, name) != getattr(after, name)}


def plain(value):
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def finish(operation: BulkOperation) -> None:
    """The last batch is done, or it was stopped: from here on runs the minute."""
    now = clock.now()
    left = operation.total - operation.ok - operation.failed
    operation.state, operation.finished_at = "stopped" if left else "done", now
    if ACTIONS[operation.action].undoable and operation.ok:
        operation.undo_until = now + MINUTE
    let_go(operation, operation.undo_until + MARGIN if operation.undo_until else now)
    audit.record("operation.finished", operation, by=audit.Actor("user", operation.user_id),
                 after={"action": operation.action, "ok": operation.ok, "failed": operation.failed, "left": left})


def stop(operation: BulkOperation, *, by) -> None:
    """No further batch is begun; what was done stays, and can be taken back."""
    operation = locked(operation.id)
    if operation.state not in ("waiting", "running"):
        raise Refused(_("This is not running any more."), status=409)
    operation.stop = True
    audit.record("operation.stopped", operation, by=by)


def export(operation: BulkOperation, given, *, member, locale: str) -> exporting.Download | None:
    """The file, or None when the worker writes it: a large workbook can't be sent before it is whole."""
    operation = locked(operation.id)
    if operation.state == "draft":
        operation.parameters = operation.parameters | ACTIONS["export"].read(given, operation, member) | {"locale": locale}
        operation.state, operation.started_at = "waiting", clock.now()
        if operation.parameters["format"] == "xlsx" and operation.total > LARGEST_SHEET:
            later("bulk_export", operation, key="1")
    if operation.parameters["format"] == "xlsx" and operation.total > LARGEST_SHEET:
        return None
    exported(operation)
    columns, event = table_of(operation)
    return exporting.download(rows_to_export(operation), operation.parameters["format"], columns, event=event, about=operation,
                              by=member.actor)


def run_export(operation_id: int) -> None:
    """The job. Nothing is held while the workbook is written; done twice it is the same file."""
    operation = locked(operation_id)
    if operation.state not in ("waiting", "running"):
        return
    operation.state = "running"
    checkpoint()
    columns, event = table_of(operation)
    exporting.store_xlsx(operation, rows_to_export(operation), columns, event)
    exported(operation)
    audit.record("registrations.exported", operation, by=audit.Actor("user", operation.user_id),
                 after={"format": "xlsx", "columns": len(columns)})


def table_of(operation: BulkOperation):
    event = db.session.get(Event, operation.event_id) if operation.event_id else None
    return exporting.columns(event, operation.parameters["locale"]), event


def rows_to_export(operation: BulkOperation):
    return select(Registration).join(BulkRow, BulkRow.registration_id == Registration.id).where(BulkRow.operation_id == operation.id)


def exported(operation: BulkOperation) -> None:
    operation.state, operation.ok, operation.finished_at = "done", operation.total, clock.now()


def file_of(operation: BulkOperation) -> bytes:
    return storage.connect(config.active()).get(operation.file_key)


# -- who sees it -------------------------------------------------------------------------------------------------

def visible(member):
    """The operations of others only to those who may see all that they are about."""
    query = select(BulkOperation).where(BulkOperation.state != "draft")
    if member.can("audit.read") or (member.event_ids is None and member.can("registrations.approve")):
        return query
    return query.where(BulkOperation.user_id == member.user.id)


def of_member(operation_id: int, member) -> BulkOperation | None:
    """The operation, when this member may see it; a draft is its author's alone."""
    operation = db.session.scalar(visible(member).where(BulkOperation.id == operation_id)) or db.session.scalar(
        select(BulkOperation).where(BulkOperation.id == operation_id, BulkOperation.state == "draft",
                                    BulkOperation.user_id == member.user.id))
    return operation if operation and all_within(operation, member) else None


def results(operation: BulkOperation) -> dict[tuple[str, str], Results]:
    """What became of the rows, by state and reason: how many, and the first of those that were left alone."""
    counts = select(BulkRow.state, BulkRow.reason, func.count()).where(BulkRow.operation_id == operation.id).group_by(
        BulkRow.state, BulkRow.reason).order_by(func.count().desc(), BulkRow.reason)
    found = {(state, reason): Results(count) for state, reason, count in db.session.execute(counts)}
    turn = func.row_number().over(partition_by=(BulkRow.state, BulkRow.reason), order_by=BulkRow.position).label("turn")
    ranked = select(BulkRow.state, BulkRow.reason, BulkRow.registration_id, BulkRow.position, turn).where(
        BulkRow.operation_id == operation.id, BulkRow.state.in_(("refused", "kept"))).subquery()
    named = select(ranked.c.state, ranked.c.reason, Registration.number, Registration.name).join(
        Registration, Registration.id == ranked.c.registration_id).where(ranked.c.turn <= SHOWN).order_by(ranked.c.position)
    for state, reason, number, name in db.session.execute(named):
        found[state, reason].rows.append((number, name))
    return found


def undone_so_far(operation: BulkOperation) -> int:
    return db.session.scalar(select(func.count()).where(BulkRow.operation_id == operation.id, BulkRow.state.in_(("undone", "kept"))))


# -- taking it back --------------------------------------------------------------------------------------------

def undo(operation: BulkOperation, *, by) -> None:
    """Within the minute: everything as it was, but for rows with which something else has happened since."""
    operation = locked(operation.id)
    if operation.state not in ("done", "stopped") or not operation.undo_until or operation.undo_until < clock.now():
        raise Refused(_("The minute is over: this can no longer be undone."), status=409)
    operation.state, operation.stop, operation.undo_until = "undoing", False, None
    operation.parameters = operation.parameters | {"undone_by": by.id}
    let_go(operation, clock.now() + HELD)
    audit.record("operation.undo", operation, by=by)
    if operation.ok > AT_ONCE:
        later("bulk_undo", operation, key="0")
        return
    while one_batch_back(operation.id):
        pass


def one_batch_back(operation_id: int) -> bool:
    operation = locked(operation_id, skip=True)
    if operation is None:
        raise NotYet(3)
    if operation.state != "undoing":
        return False
    action, by = ACTIONS[operation.action], audit.Actor("user", operation.parameters["undone_by"])
    rows = lock_next(operation, "ok", action.size)
    if not rows:
        forget_jobs(operation)
        operation.state, operation.finished_at = "undone", clock.now()
        return False
    kept = reasons_to_keep(operation, rows)
    kept |= action.reasons_to_keep([row for row in rows if row.row_id not in kept])
    kept |= without_room([row for row in rows if row.row_id not in kept])
    if action.whole_orders:
        staying = {row.order_id for row in rows if row.row_id in kept}
        kept |= {row.row_id: "same_order" for row in rows if row.order_id in staying and row.row_id not in kept}
    chosen = [row for row in rows if row.row_id not in kept]
    if chosen:
        action.take_back(chosen, operation=operation, by=by)
        restore(chosen, by)
    write_rows([{"id": row.row_id, "state": "kept" if row.row_id in kept else "undone", "reason": kept.get(row.row_id, ""),
                 "before": None} for row in rows])
    faults.point("bulk.undone")
    return True


def reasons_to_keep(operation: BulkOperation, rows) -> dict[int, str]:
    """Rows with which something has happened since, by another hand."""
    kept = {}
    moved = [row for row in rows if "status" in (row.before or {})]
    paying = being_paid(operation, {row.order_id for row in moved})
    entered = came_in({row.id for row in moved if row.before["status"][1] == Status.CONFIRMED})
    for row in rows:
        was_left = {name: pair[1] for name, pair in (row.before or {}).items() if name in TRACKED}
        if row.id is None:
            kept[row.row_id] = "gone"
        elif any(plain(getattr(row, name)) != value for name, value in was_left.items()):
            kept[row.row_id] = "paid_since" if row.paid_at and not was_left.get("paid_at") and "status" in was_left else "changed"
        elif row.id in entered:
            kept[row.row_id] = "entered"
        elif row.order_id in paying and "status" in was_left:
            kept[row.row_id] = "paying"
    return kept


def being_paid(operation: BulkOperation, orders) -> set[int]:
    """Orders that a buyer has begun to pay since: the money may be on its way."""
    asked = exists().where(PaymentAttempt.payment_id == Payment.id, PaymentAttempt.operation.in_(("confirm", "issue")),
                           PaymentAttempt.state.in_(attempts.OPEN))
    return set(db.session.scalars(select(Payment.order_id).where(
        among(Payment.order_id, orders), Payment.created_at >= operation.started_at, Payment.status.in_(GOING_ON) | asked)))


def came_in(registrations) -> set[int]:
    return set(db.session.scalars(select(CheckIn.registration_id).where(
        among(CheckIn.registration_id, registrations), CheckIn.result == "ok", CheckIn.undone_at.is_(None)))) if registrations else set()


def without_room(rows) -> dict[int, str]:
    """Of those that want their places again, whose are gone."""
    room = Room(lock=True)
    wanting = [row for row in rows if held_before(row) and not holds(row.status, row.paid_at)]
    room.look(wanting)
    return {row.row_id: "full" for row in wanting if not room.take(row.id)}


def held_before(row) -> bool:
    change = row.before or {}
    return holds(change.get("status", [row.status])[0], change.get("paid_at", [row.paid_at])[0])


def holds(status: str, paid_at) -> bool:
    """As `Registration.holds` says in the database."""
    return status in (Status.PENDING_PAYMENT, Status.CONFIRMED) or (status == Status.PENDING_APPROVAL and bool(paid_at))


def restore(rows, by) -> None:
    """Put back what the operation has changed, in one statement; the books and the holds follow."""
    changed = [row for row in rows if row.before]
    for (after, before), group in groupby(sorted(changed, key=status_change), key=status_change):
        group = list(group)
        if after != before:
            if (after, before) not in LEGAL_MOVES | MOVES_BACK:
                raise IllegalMove((after, before))
            things = [Registration(id=row.id) for row in group]
            audit.record("registration.restored", things, by=by, before={"status": after}, after={"status": before})
    values = rows_of([{"id": row.id} | {name: row.before.get(name, [plain(getattr(row, name))])[0] for name in TRACKED}
                      for row in changed], id=BigInteger, **TRACKED)
    db.session.execute(update(Registration).where(Registration.id == values.c.id)
                       .values({name: values.c[name] for name in TRACKED}).execution_options(synchronize_session=False))
    orders = registering.orders_of([row for row in changed if "status" in row.before])
    restore_holds(orders, changed)
    ledger.charge_held(orders)


def status_change(row) -> tuple[str, str]:
    before, after = row.before.get("status", [row.status, row.status])
    return after, before


def restore_holds(orders, rows) -> None:
    """Unless somebody else has given the order another time since, or a row that was kept still needs it."""
    before = {row.order_id: row.before["hold_until"] for row in rows if "hold_until" in row.before}
    waiting = set(db.session.scalars(select(Registration.order_id).where(
        among(Registration.order_id, before), Registration.status == Status.PENDING_PAYMENT)))
    until = [{"id": order.id, "hold_until": before[order.id][0]} for order in orders if order.id in before
             and plain(order.hold_until) == before[order.id][1] and (before[order.id][0] or order.id not in waiting)]
    values = rows_of(until, id=BigInteger, hold_until=DateTime(timezone=True))
    db.session.execute(update(Order).where(Order.id == values.c.id).values(hold_until=values.c.hold_until)
                       .execution_options(synchronize_session=False))


def forget_jobs(operation: BulkOperation) -> None:
    """Letters and refunds of what was undone are taken away; those of what stays go out."""
    staying = select(BulkRow.registration_id, Registration.order_id).join(
        Registration, Registration.id == BulkRow.registration_id).where(
        BulkRow.operation_id == operation.id, BulkRow.state.in_(("ok", "kept"))).cte()
    payload = OutboxItem.payload
    db.session.execute(delete(OutboxItem).where(
        OutboxItem.operation_id == operation.id, OutboxItem.done_at.is_(None),
        func.coalesce(payload["order_id"].as_integer(), 0).not_in(select(staying.c.order_id)),
        func.coalesce(payload["registration_id"].as_integer(), 0).not_in(select(staying.c.registration_id)))
        .execution_options(synchronize_session=False))
    let_go(operation, clock.now())
