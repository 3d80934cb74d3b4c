"""`flask worker`: does the outbox's work, and keeps the timetable.

Each queue has threads that wait for its bell, and one that looks every two seconds for what no bell has announced: work
that has become due, or a queue whose broker is away. When the database goes away, all of them try again until it is back.
"""
import logging
import signal
import threading
import time

from huey.consumer import Consumer, Scheduler
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

import tasks
from eventapp import clock, outbox, probing
from eventapp.demo import gateway
from eventapp.extensions import db
from eventapp.models import OutboxItem, PeriodicRun

log = logging.getLogger("eventapp.worker")
THREADS = {"default": 3, "gateway": 6, "operations": 2}
SWEEP = 2.0
PROBE = 20
GRACE = 8.0
"""Seconds for the jobs in hand when asked to stop; whoever asked waits for ten."""


class Idle(Scheduler):
    """Huey's own timetable is not used: what is to be done later stands in the outbox."""

    def loop(self, now=None):
        self.stop_flag.wait(60)


class Threads(Consumer):
    """One queue's threads. Signals belong to the whole worker."""

    scheduler_class = Idle

    def _set_signal_handlers(self):
        pass


class Stop(BaseException):
    """SIGINT or SIGTERM. Raised in the main thread, because a handler may not touch the locks that this thread holds."""


def run(app) -> None:
    """Until SIGINT or SIGTERM."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, asked_to_stop)
    tell_huey_to_be_brief()
    threads, consumers = [], []
    try:
        wait_for_database(app)
        for name in outbox.QUEUES:
            consumers.append(start_queue(app, name))
            threads.append(start_loop(app, SWEEP, sweep, name))
        threads += [start_loop(app, 1.0, keep_timetable), start_loop(app, PROBE, probe), start_loop(app, 3.0, meet_sandbox)]
        log.info("the worker is up")
        while True:
            time.sleep(5)
            for consumer in consumers:
                consumer.check_worker_health()
    except Stop:
        stop(consumers, threads)


def asked_to_stop(number, frame):
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise Stop


def start_loop(app, *what) -> threading.Thread:
    thread = threading.Thread(target=repeat, args=(app, *what), name=what[1].__name__, daemon=True)
    thread.start()
    return thread


def stop(consumers, loops) -> None:
    """What a thread still does after the grace is offered again when its lease runs out."""
    outbox.stopping.set()
    until = time.monotonic() + GRACE
    for consumer in consumers:
        consumer.stop_flag.set()
    for thread in [*loops, *(thread for consumer in consumers for _, thread in consumer.worker_threads)]:
        thread.join(max(0, until - time.monotonic()))
    log.info("the worker has stopped")


def wait_for_database(app) -> None:
    """Until it answers; a wrong role ends the worker (`roles.WrongDatabase`)."""
    while True:
        try:
            with app.app_context(), db.engine.connect() as connection:
                connection.execute(text("SELECT FROM outbox LIMIT 1"))
            return
        except DBAPIError as error:
            log.warning("waiting for the database: %s", str(error.orig).strip().splitlines()[0])
            time.sleep(2)


def start_queue(app, name: str) -> Threads:
    queue = app.extensions["queues"][name]
    try:
        # Bells of the time before: the first sweep finds what they rang for.
        queue.storage.flush_queue()
    except Exception:
        log.warning("the bell of %s is out of reach; work is found by looking", name)
    consumer = Threads(queue, workers=THREADS[name], periodic=False, max_delay=2.0)
    consumer.start()
    return consumer


def repeat(app, seconds: float, what, *more) -> None:
    """Until it says that it is done: an error is logged once for each kind in a row, and the next try comes as usual."""
    last = None
    while not outbox.stopping.is_set():
        try:
            with app.app_context():
                if what(app, *more):
                    return
            last = None
        except Exception as error:
            if last is not type(error):
                log.warning("%s: %s", what.__name__, str(error).splitlines()[0] if str(error) else type(error).__name__,
                            exc_info=not probing.is_outage(error))
            last = type(error)
        outbox.stopping.wait(seconds)


def sweep(app, queue: str) -> None:
    """Help arrives by bell, if it can be rung; the work is begun here in any case."""
    if outbox.due(queue):
        outbox.wake(queue, THREADS[queue])
        outbox.drain(queue)


# -- the timetable -------------------------------------------------------------------------------

def keep_timetable(app) -> None:
    """Write down what is due in this period, unless another worker has, or the last one is not done yet."""
    for kind, seconds in tasks.timetable(app.config["SETTINGS"]).items():
        if due_now(kind, seconds) and take(kind, seconds):
            waiting = select(OutboxItem.id).where(OutboxItem.kind == kind, OutboxItem.done_at.is_(None), OutboxItem.dead_at.is_(None))
            if db.session.scalar(waiting.limit(1)) is None:
                db.session.add(OutboxItem(kind=kind, queue=outbox.queue_of(kind)))
        db.session.commit()


def probe(app) -> None:
    if take("probe", PROBE):
        db.session.commit()
        probing.look(app.config["SETTINGS"])


def meet_sandbox(app) -> bool:
    """Once: the sandbox, which starts beside us and may have lost its memory, learns where its notices go."""
    return gateway.register_webhooks(app.config["SETTINGS"])


_taken: dict[str, int] = {}


def period(seconds: int) -> int:
    return int(clock.now().timestamp() // seconds)


def due_now(kind: str, seconds: int) -> bool:
    """Whether this process has not yet asked for the present period: saves a statement a second."""
    if _taken.get(kind) == period(seconds):
        return False
    _taken[kind] = period(seconds)
    return True


def take(name: str, seconds: int) -> bool:
    """Claim the present period; True for one worker only."""
    claim = insert(PeriodicRun).values(name=name, period=str(period(seconds)), taken_at=clock.now())
    return bool(db.session.execute(claim.on_conflict_do_nothing()).rowcount)


# -- words ---------------------------------------------------------------------------------------

def tell_huey_to_be_brief() -> None:
    """Huey tells of an outage with a trace for each thread and try; a line of ours is enough."""
    logging.getLogger("huey").addHandler(logging.NullHandler())
    logging.getLogger("huey").propagate = False
