"""Work written with the change, done after it.

`later()` writes a row in the same transaction; after the commit a bell is rung for the workers of its queue. The row is
the truth and the bell only a wake-up: a sweep finds what no bell announced. A job may run twice, so it looks before it
acts. A worker leases one row at a time; when it dies the lease runs out and the row is offered again.
"""
import logging
import random
import re
import threading
from collections import Counter
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta

from flask import current_app
from sqlalchemy import func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from eventapp import clock, faults, tenancy
from eventapp.extensions import db, make_queue, platform
from eventapp.models.base import insert_rows
from eventapp.models.outbox import QUEUES, OutboxItem

log = logging.getLogger("eventapp.outbox")
leased: ContextVar[OutboxItem | None] = ContextVar("leased", default=None)
"""The job that this thread is doing."""
LEASE = {"default": timedelta(seconds=45), "gateway": timedelta(seconds=150), "operations": timedelta(seconds=45)}
LAST_ATTEMPT = 14
"""With the back-off of `retry_after`, about nine hours after the first."""
OWN_QUEUES = {"gateway_": "gateway", "bulk_": "operations", "import_": "operations"}
"""By what the names of jobs begin with."""
PACE = timedelta(milliseconds=50)
"""Between the letters of one operation: somebody who registers meanwhile gets the ticket before the last of ten thousand."""
HELD = timedelta(days=1)
"""How far off a held job lies until it is let go: a net below an operation that nobody ends."""
JOBS = {}
stopping = threading.Event()
"""Set when the worker is asked to stop: no further job is begun."""


class NotYet(Exception):
    """A job asks to be run again after some seconds; this is no failure."""

    def __init__(self, seconds: float):
        self.seconds = seconds


def job(function):
    """Registers a job under its function's name, which also says who does it (`OWN_QUEUES`)."""
    JOBS[function.__name__] = function
    faults.register(f"outbox.{function.__name__}.before", f"outbox.{function.__name__}.after")
    return function


def queue_of(kind: str) -> str:
    return next((queue for prefix, queue in OWN_QUEUES.items() if kind.startswith(prefix)), "default")


def later(kind: str, things, *, run_at=None, key: str | None = None, **more) -> None:
    """Write the job `kind` for each of the things, to be done after the commit (or at `run_at`).

    `key` makes it unique: a second one with the same key and thing is not written. `more` are further numbers or words.
    """
    things = list(things) if isinstance(things, (list, tuple, set)) else [things]
    if not things:
        return
    db.session.flush()
    held_for = db.session.info.get("held_for") if run_at is None else None
    at = run_at or (clock.now() + HELD if held_for else clock.now())
    rows = [{"org_id": tenancy.current_org_id(), "queue": queue_of(kind), "kind": kind, "run_at": at, "operation_id": held_for,
             "payload": {argument_name(thing): thing.id, **more},
             "dedupe_key": key and f"{kind}:{thing.id}:{key}"} for thing in things]
    gathered = db.session.info.get("jobs")
    if gathered is None:
        _write(rows)
    else:
        gathered += rows
    if at <= clock.now():
        bells = db.session.info.setdefault("bells", Counter())
        bells[queue_of(kind)] += len(rows)


def _write(rows: list[dict]) -> None:
    # One row alone as a dict: then the statement is compiled once and for all; so it is for many, which go as one value.
    if len(rows) == 1:
        statement = insert(OutboxItem).values(rows[0])
    else:
        now = clock.now().isoformat()
        statement = insert_rows(OutboxItem, [row | {"run_at": row["run_at"].isoformat(), "attempts": 0, "last_error": "",
                                                    "created_at": now} for row in rows])
    db.session.execute(statement.on_conflict_do_nothing(index_elements=["dedupe_key"]))


@contextmanager
def together():
    """The jobs written inside go into the table in one statement, at the end."""
    rows = db.session.info["jobs"] = []
    try:
        yield
    finally:
        del db.session.info["jobs"]
    if rows:
        _write(rows)


@contextmanager
def held(operation):
    """What is to be done at once waits instead until the bulk operation's letters are let go (`let_go`), or is taken away with it.

    Jobs with a time of their own are not held: they look before they act.
    """
    db.session.info["held_for"] = operation.id
    try:
        yield
    finally:
        del db.session.info["held_for"]


def let_go(operation, at) -> None:
    """The jobs that an operation has held are due from `at` on, one after another."""
    turn = (func.row_number().over(order_by=OutboxItem.id) - 1).label("turn")
    waiting = select(OutboxItem.id, turn).where(OutboxItem.operation_id == operation.id, OutboxItem.done_at.is_(None)).subquery()
    db.session.execute(update(OutboxItem).where(OutboxItem.id == waiting.c.id).values(run_at=literal(at) + waiting.c.turn * PACE)
                       .execution_options(synchronize_session=False))


def argument_name(thing) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(thing).__name__).lower() + "_id"


# -- the bell ------------------------------------------------------------------------------------

def init_app(app):
    queues = {name: make_queue(app.config["SETTINGS"], name) for name in QUEUES}
    app.extensions["queues"] = queues

    def bell(name):
        @queues[name].task(name="drain")
        def ring():
            with app.app_context():
                drain(name)
        return ring

    app.extensions["bells"] = {name: bell(name) for name in QUEUES}


def ring() -> None:
    """After a commit: wake the workers. Losing this loses nothing but the moment until the next sweep."""
    bells = db.session.info.pop("bells", None)
    if not bells or current_app.testing:
        return
    for queue, count in bells.items():
        wake(queue, min(count, 4))


def wake(queue: str, times: int = 1) -> None:
    for _ in range(times):
        try:
            current_app.extensions["bells"][queue]()
        except Exception as error:
            log.warning("the bell of %s is out of reach, the sweep will find the work: %s", queue, type(error).__name__)
            return


# -- the relay -----------------------------------------------------------------------------------

def claim(queue: str) -> OutboxItem | None:
    """Lease the next due row of a queue."""
    now = clock.now()
    due = (select(OutboxItem.id).where(OutboxItem.queue == queue, OutboxItem.run_at <= now, OutboxItem.done_at.is_(None),
                                       OutboxItem.dead_at.is_(None),
                                       OutboxItem.locked_until.is_(None) | (OutboxItem.locked_until < now))
           .order_by(OutboxItem.run_at).limit(1).with_for_update(skip_locked=True).scalar_subquery())
    with platform.session() as session:
        item = session.scalar(update(OutboxItem).where(OutboxItem.id == due)
                              .values(locked_until=now + LEASE[queue], attempts=OutboxItem.attempts + 1)
                              .returning(OutboxItem).execution_options(synchronize_session=False))
        session.commit()
        return item


def drain(queue: str, most: int = 1000) -> int:
    """Do what is due, one row after another; how many were done."""
    for done in range(most):
        item = None if stopping.is_set() else claim(queue)
        if item is None:
            return done
        run(item)
    return most


def run(item: OutboxItem) -> None:
    """Do one leased job inside its organisation; the mark that it is done commits with its last change."""
    leased.set(item)
    try:
        with tenancy.inside(item.org_id):
            faults.point(f"outbox.{item.kind}.before")
            JOBS[item.kind](**item.payload)
            finish(item, done_at=clock.now(), locked_until=None, last_error="")
            db.session.commit()
            faults.point(f"outbox.{item.kind}.after")
        ring()
    except NotYet as notice:
        item.attempts -= 1  # it was no failure
        give_back(item, notice.seconds, "")
    except Exception as error:
        log.exception("job %s failed", item.kind, extra={"org_id": item.org_id, "outbox_id": item.id})
        give_back(item, retry_after(item.attempts), f"{type(error).__name__}: {error}"[:500], failed=True)
    finally:
        leased.set(None)
        db.session.remove()


def still_here() -> None:
    """A long job says so now and then, or its lease runs out and another worker begins it anew."""
    item = leased.get()
    if item:
        with platform.session() as session:
            session.execute(update(OutboxItem).where(OutboxItem.id == item.id).values(locked_until=clock.now() + LEASE[item.queue]))
            session.commit()


def give_back(item: OutboxItem, seconds: float, error: str, failed: bool = False) -> None:
    db.session.rollback()
    dead = clock.now() if failed and item.attempts >= LAST_ATTEMPT else None
    finish(item, run_at=clock.now() + timedelta(seconds=seconds), locked_until=None, last_error=error, dead_at=dead,
           attempts=item.attempts)
    db.session.commit()


def finish(item: OutboxItem, **values) -> None:
    db.session.flush()
    db.session.execute(update(OutboxItem).where(OutboxItem.id == item.id).values(**values)
                       .execution_options(synchronize_session=False))


def retry_after(attempts: int) -> float:
    """Seconds: 2, 4, 8 … up to an hour, spread a little so that a crowd does not come back at once."""
    scale = current_app.config["SETTINGS"].backoff_scale
    return min(3600, 2 ** min(attempts, 12)) * random.uniform(0.8, 1.2) * scale


def due(queue: str) -> bool:
    """Whether something is due that nobody has leased."""
    now = clock.now()
    with platform.session() as session:
        return session.scalar(select(select(OutboxItem.id).where(
            OutboxItem.queue == queue, OutboxItem.run_at <= now, OutboxItem.done_at.is_(None), OutboxItem.dead_at.is_(None),
            OutboxItem.locked_until.is_(None) | (OutboxItem.locked_until < now)).exists()))
