"""Work written with the change, done after it: once, twice, late, by nobody, and with the worker killed in its middle."""
import email
import os
import signal
import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from eventapp import clock, outbox
from eventapp.extensions import db, platform
from eventapp.models import OutboxItem, RateLimit
from eventapp.outbox import NotYet, later
from tests import make
from tests.conftest import dispose
from tests.working import ask, until, waiting, worker


@pytest.fixture
def job(monkeypatch):
    """Add a job for one test."""
    def add(function):
        monkeypatch.setitem(outbox.JOBS, function.__name__, function)
        return function
    return add


@pytest.fixture
def marks(job):
    """A job that leaves a row, and how many rows there are."""
    @job
    def leave_mark(event_id, number=0):
        db.session.add(RateLimit(key=f"mark {number} {time.perf_counter_ns()}", count=1, ends_at=clock.now()))

    return lambda: db.session.scalar(select(func.count()).select_from(RateLimit).where(RateLimit.key.startswith("mark")))


def write(world, kind: str, count: int = 1, **options) -> None:
    world.seoul.enter()
    event = world.seoul.event()
    for number in range(count):
        later(kind, event, number=number, **options)
    db.session.commit()


def items() -> list[OutboxItem]:
    with platform.session() as session:
        return list(session.scalars(select(OutboxItem).order_by(OutboxItem.id)))


def test_a_long_job_that_says_it_is_still_here_is_left_to_its_worker(world, job):
    taken = []

    @job
    def take_long(event_id, number):
        clock.offset += timedelta(minutes=5)
        outbox.still_here()
        taken.append(outbox.claim("default"))

    write(world, "take_long")
    assert outbox.drain("default") == 1
    assert taken == [None]


def test_what_is_written_with_a_change_is_done_after_it(world, marks):
    write(world, "leave_mark")
    assert marks() == 0
    assert outbox.drain("default") == 1
    assert marks() == 1
    assert items()[0].done_at and not items()[0].locked_until


def test_a_change_that_is_undone_leaves_no_work(world, marks):
    world.seoul.enter()
    later("leave_mark", world.seoul.event())
    db.session.rollback()
    assert outbox.drain("default") == 0


def test_work_with_a_key_is_written_once(world, marks):
    write(world, "leave_mark", key="first")
    write(world, "leave_mark", key="first")
    write(world, "leave_mark", key="second")
    assert outbox.drain("default") == 2


def test_work_for_later_waits_for_its_time(world, marks):
    write(world, "leave_mark", run_at=clock.now() + timedelta(hours=1))
    assert outbox.drain("default") == 0 and not outbox.due("default")
    clock.offset += timedelta(hours=2)
    assert outbox.due("default") and outbox.drain("default") == 1


def test_many_workers_do_each_piece_once(app, world, marks):
    write(world, "leave_mark", 60)

    threads = [threading.Thread(target=drain_in, args=(app, "default")) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert marks() == 60
    assert {item.attempts for item in items()} == {1}


def test_a_job_that_fails_leaves_nothing_and_comes_again(world, job):
    tries = []

    @job
    def fail_first(event_id, number):
        db.session.add(RateLimit(key=f"half {len(tries)}", count=1, ends_at=clock.now()))
        db.session.flush()
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError("the other side is away")

    write(world, "fail_first")
    assert outbox.drain("default") == 1
    item = items()[0]
    assert item.last_error == "ConnectionError: the other side is away"
    assert item.done_at is None and item.run_at > clock.now() and item.dead_at is None
    clock.offset += timedelta(seconds=10)
    assert outbox.drain("default") == 1
    assert db.session.scalars(select(RateLimit.key).where(RateLimit.key.startswith("half"))).all() == ["half 1"]


def test_a_job_that_never_works_is_given_up_and_stays_to_be_seen(world, job):
    @job
    def never(event_id, number):
        raise ValueError("no")

    write(world, "never")
    for _ in range(outbox.LAST_ATTEMPT):
        outbox.drain("default")
        clock.offset += timedelta(hours=2)
    item = items()[0]
    assert item.dead_at and item.attempts == outbox.LAST_ATTEMPT and item.done_at is None
    assert not outbox.due("default")


def test_a_job_may_say_not_yet_which_is_no_failure(world, job):
    @job
    def patient(event_id, number):
        raise NotYet(30)

    write(world, "patient")
    outbox.drain("default")
    item = items()[0]
    assert item.last_error == "" and timedelta(seconds=25) < item.run_at - clock.now() <= timedelta(seconds=30)


def test_what_is_leased_is_offered_again_when_the_lease_ends(world, marks):
    write(world, "leave_mark")
    assert outbox.claim("default") is not None
    assert outbox.claim("default") is None, "somebody has it"
    clock.offset += outbox.LEASE["default"] + timedelta(seconds=1)
    assert outbox.claim("default").attempts == 2


def test_a_gateway_that_hangs_keeps_no_letter_waiting(app, world, database, job, marks):
    hanging = threading.Event()

    @job
    def gateway_hang(event_id, number):
        hanging.wait(10)

    write(world, "gateway_hang")
    write(world, "leave_mark")
    thread = threading.Thread(target=drain_in, args=(app, "gateway"))
    thread.start()
    assert outbox.drain("default") == 1 and marks() == 1
    assert waiting(database, "gateway_hang") == 1
    hanging.set()
    thread.join()
    assert waiting(database, "gateway_hang") == 0


def drain_in(app, queue):
    with app.app_context():
        outbox.drain(queue)


def test_letters_asked_for_twice_arrive_once(world, app):
    place_orders(world, 1)
    outbox.drain("default")
    db.session.execute(update(OutboxItem).values(done_at=None))
    db.session.commit()
    outbox.drain("default")
    assert Counter(arrived(app)).most_common(1)[0][1] == 1


# -- a worker of its own, killed -------------------------------------------------------------------

def place_orders(world, count: int) -> None:
    world.seoul.enter()
    for number in range(count):
        person = make.Participant(name=f"참가자 {number}", email=f"guest{number}@example.com", chosen={"free-day": 1})
        make.order(world.seoul.event(), person)
    db.session.commit()


def arrived(app) -> list[str]:
    folder = app.config["SETTINGS"].var / "mailbox"
    return [email.message_from_bytes(path.read_bytes())["Message-ID"] for path in folder.glob("*.eml")]


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_worker_that_dies_around_a_job_loses_nothing(world, app, database, point):
    place_orders(world, 3)
    with worker(database, faults=f"outbox.mail_order_confirmed.{point}=exit") as dying:
        assert until(lambda: dying.poll() is not None), "it should have died at the fault point"
        assert dying.returncode == 137
    # A minute later, as the leases see it.
    with worker(database, clock_offset=60):
        assert until(lambda: not waiting(database, "mail_%"))
    letters = Counter(arrived(app))
    assert len(letters) == 3
    assert sum(letters.values()) <= 5, "twice only what the other threads had sent and not yet marked when the process went"


def test_a_worker_killed_in_the_middle_of_many_letters_loses_none(world, app, database):
    place_orders(world, 30)
    for kill in range(2):
        # Slow enough to be caught in the middle.
        with worker(database, clock_offset=kill * 60, faults="outbox.mail_order_confirmed.before=sleep:0.3") as killed:
            assert until(lambda so_far=len(arrived(app)): len(arrived(app)) > so_far + 3)
            os.killpg(killed.pid, signal.SIGKILL)
    with worker(database, clock_offset=180):
        assert until(lambda: not waiting(database, "mail_%"))
    letters = Counter(arrived(app))
    assert len(letters) == 30
    assert sum(letters.values()) - 30 <= 2 * 4, "twice at most what four threads had in hand at each of two kills"
    assert ask(database, "SELECT count(*) FROM email_messages WHERE state = 'sent'") == 30


def test_a_worker_stops_in_time_with_a_job_in_hand(world, app, database):
    place_orders(world, 2)
    with worker(database, faults="outbox.mail_order_confirmed.before=sleep:2") as process:
        assert until(lambda: ask(database, "SELECT count(*) FROM outbox WHERE locked_until IS NOT NULL"))
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - began < 9
    assert ask(database, "SELECT count(*) FROM outbox WHERE kind = 'mail_order_confirmed' AND locked_until IS NOT NULL") == 0


def test_a_worker_whose_database_was_restarted_goes_on_by_itself(world, app, database):
    db.session.remove()
    dispose(app)
    with worker(database) as process:
        assert until(lambda: ask(database, "SELECT count(*) FROM probes WHERE name = 'worker'"))
        ask(database, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() "
                      "AND pid <> pg_backend_pid()")
        place_orders(world, 1)
        assert until(lambda: ask(database, "SELECT count(*) FROM email_messages WHERE state = 'sent'") == 1)
        assert process.poll() is None
