"""The door's rules, against a model of them; and four gates that see the same ticket at the same moment."""
import secrets
import threading
from datetime import timedelta

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select, update

from eventapp import audit, checks, clock, tenancy
from eventapp.domain import checking_in, ticketing
from eventapp.domain.checking_in import Seen
from eventapp.domain.ordering import Participant
from eventapp.extensions import db, platform
from eventapp.models import AuditLog, CheckIn, Checkpoint, Registration, Status
from tests import make
from tests.make import both

GATE = audit.Actor("user", 1)


class Door:
    """One event's doors, and tickets for them."""

    def __init__(self, world):
        self.world = world
        world.seoul.enter()
        self.event = world.seoul.event()
        self.entrance = db.session.scalar(select(Checkpoint).where(Checkpoint.event_id == self.event.id))

    def ticket(self, name="김하나", chosen=None, event=None) -> Registration:
        event = event or self.event
        tenancy.enter(event.org_id)
        order = make.order(event, Participant(name, f"{secrets.token_hex(4)}@example.com", chosen=chosen or {"free-day": 1}),
                           method="free")
        db.session.commit()
        return db.session.scalar(select(Registration).where(Registration.order_id == order.id))

    def unpaid(self) -> Registration:
        self.world.seoul.enter()
        order = make.order(self.event, Participant("이두리", "duri@example.com", chosen={"main-conference": 1}), method="manual_transfer")
        db.session.commit()
        return db.session.scalar(select(Registration).where(Registration.order_id == order.id))

    def code(self, registration, event=None) -> str:
        return ticketing.code(event or self.event, registration)

    def checkpoint(self, code, **values) -> Checkpoint:
        self.world.seoul.enter()
        made = Checkpoint(event_id=self.event.id, code=code, name=both(code, code), **values)
        db.session.add(made)
        db.session.commit()
        return made

    def scan(self, what, at=None, gate="Gate A", **values):
        checkpoint = at or self.entrance
        seen = Seen(code=what, **values) if isinstance(what, str) else Seen(registration_id=what.id, **values)
        verdict = checking_in.scan(self.event, checkpoint, seen, by=GATE, gate=gate)
        db.session.commit()
        return verdict


@pytest.fixture
def door(world) -> Door:
    return Door(world)


def test_a_ticket_lets_in_once_and_then_says_when_and_where(door):
    code = door.code(door.ticket())
    first = door.scan(code, gate="Gate A")
    second = door.scan(code, gate="Gate B")
    assert (first.result, first.first, first.person.name) == ("ok", None, "김하나")
    assert [item["code"] for item in first.person.items] == ["free-day"]
    assert (second.result, second.entry, second.first.gate, second.first.id) == ("already", None, "Gate A", first.entry)
    row = db.session.get(CheckIn, first.entry)
    assert (row.result, row.gate, row.user_id, row.device_id, row.period, row.ordinal) == ("ok", "Gate A", 1, None, "", 1)
    assert second.first.at == row.at


def test_the_text_may_come_in_small_letters_with_spaces(door):
    assert door.scan(f"  {door.code(door.ticket()).lower()}\n").result == "ok"


def test_what_is_no_ticket_of_this_event(door):
    registration = door.ticket()
    code = door.code(registration)
    meetup = door.world.seoul.event("meetup")
    meetup.approval = "none"
    other = door.code(door.ticket(chosen={"seat": 1}, event=meetup), meetup)
    with door.world.busan.inside():
        event = door.world.busan.event()
        foreign = door.code(door.ticket(event=event), event)
    door.world.seoul.enter()
    answers = [door.scan(text) for text in (other, foreign, code[:-7], code[:20], "", "WMC26-7K3Q9", code[:50] + ("A" if code[50] != "A" else "B") + code[51:], "한글" * 20, "A" * 5000)]
    assert [(one.result, one.reason) for one in answers] == [("wrong_event", "")] * 2 + [("invalid", "signature")] * 7
    # Somebody of another event can't be let in by choosing their row either.
    assert door.scan(door.world.seoul.registrations()[-1]).reason == "unknown"
    assert db.session.scalar(select(func.count(CheckIn.id))) == 0


def test_a_code_signed_for_another_registration_of_the_event_is_no_way_in(door):
    """The signature says which registration: its digits can't be changed."""
    code = door.code(door.ticket())
    altered = [code[:place] + ("B" if code[place] == "A" else "A") + code[place + 1:] for place in range(2, 12)]
    assert {door.scan(text).result for text in altered} <= {"invalid", "wrong_event"}


@pytest.mark.parametrize(("status", "answer"), [
    (Status.PENDING_PAYMENT, ("unpaid", "")), (Status.PENDING_APPROVAL, ("invalid", "approval")), (Status.CANCELLED, ("cancelled", "")),
    (Status.REJECTED, ("cancelled", "rejected")), (Status.EXPIRED, ("cancelled", "expired")), (Status.DRAFT, ("invalid", "unknown"))])
def test_who_is_not_confirmed_stays_outside(door, status, answer):
    registration = door.ticket()
    code = door.code(registration)
    db.session.execute(update(Registration).where(Registration.id == registration.id).values(status=status))
    verdict = door.scan(code)
    assert (verdict.result, verdict.reason, verdict.entry) == (*answer, None)


def test_a_ticket_that_was_replaced_is_cancelled(door):
    registration = door.ticket()
    old = door.code(registration)
    registration.ticket_version += 1
    db.session.commit()
    assert (door.scan(old).result, door.scan(old).reason) == ("cancelled", "replaced")
    assert door.scan(registration, version=1).reason == "replaced"
    assert door.scan(door.code(registration)).result == "ok"


def test_a_checkpoint_of_a_program_takes_only_those_who_have_it(door):
    workshop = door.checkpoint("workshop", kind="session", program_id=door.world.seoul.program("free-day").id)
    only = door.checkpoint("meals", kind="meal", program_id=door.world.seoul.program("lodging").id)
    registration = door.ticket()
    assert door.scan(registration, at=workshop).result == "ok"
    assert (door.scan(registration, at=only).result, door.scan(registration, at=only).reason) == ("invalid", "program")


def test_a_checkpoint_has_its_hours(door):
    now = clock.now()
    registration = door.ticket()
    later = door.checkpoint("later", opens_at=now + timedelta(hours=1))
    over = door.checkpoint("over", closes_at=now - timedelta(hours=1))
    shut = door.checkpoint("shut", closed=True)
    assert [door.scan(registration, at=at).reason for at in (later, over, shut)] == ["not_yet", "closed", "closed"]
    # By the clock of a door that had no network it was in time.
    verdict = checking_in.scan(door.event, over, Seen(registration_id=registration.id, offline=True, at=now - timedelta(hours=2)), by=GATE)
    assert verdict.result == "ok"


def test_three_meals_a_day_by_the_events_own_day(door):
    meals = door.checkpoint("meals", kind="meal", times=3, per="day")
    registration = door.ticket()
    assert [door.scan(registration, at=meals).result for _ in range(4)] == ["ok", "ok", "ok", "already"]
    yesterday = clock.now() - timedelta(days=1)
    verdict = checking_in.scan(door.event, meals, Seen(registration_id=registration.id, offline=True, at=yesterday), by=GATE)
    assert verdict.result == "ok"
    rows = db.session.scalars(select(CheckIn).order_by(CheckIn.period, CheckIn.ordinal)).all()
    assert [row.ordinal for row in rows] == [1, 1, 2, 3]
    # 23:30 in Seoul is 14:30 in UTC; an hour later it is the next day there.
    late = yesterday.replace(hour=14, minute=30)
    assert checking_in.period_of(meals, door.event, late) != checking_in.period_of(meals, door.event, late + timedelta(hours=1))


def test_the_same_scan_sent_again_gets_the_same_answer(door):
    registration = door.ticket()
    first, again = door.scan(registration, nonce="n1"), door.scan(registration, nonce="n1")
    assert (first.result, again.result, first.entry == again.entry, again.first) == ("ok", "ok", True, None)
    kept, kept_again = (door.scan(registration, nonce="n2", offline=True, let_in=True) for _ in range(2))
    assert (kept.result, kept_again.result, kept.entry == kept_again.entry, kept_again.first.id) == ("already", "already", True, first.entry)
    assert door.scan(door.ticket(), nonce="n1").reason == "nonce"
    assert db.session.scalar(select(func.count(CheckIn.id))) == 2


def test_what_a_door_without_a_network_has_let_in_is_kept(door):
    registration, now = door.ticket(), clock.now()
    door.scan(registration, gate="Gate B")
    late = checking_in.scan(door.event, door.entrance, Seen(registration_id=registration.id, offline=True, let_in=True,
                                                            at=now - timedelta(minutes=2)), by=audit.Actor("device", None), gate="Gate A")
    assert (late.result, late.first.gate) == ("already", "Gate B")
    row = db.session.get(CheckIn, late.entry)
    assert (row.result, row.gate, row.at, row.offline, row.ordinal) == ("already", "Gate A", now - timedelta(minutes=2), True, 0)
    cancelled = door.ticket()
    db.session.execute(update(Registration).where(Registration.id == cancelled.id).values(status=Status.CANCELLED))
    assert db.session.get(CheckIn, door.scan(cancelled, offline=True, let_in=True).entry).result == "cancelled"
    assert door.scan(cancelled, offline=True).entry is None


@pytest.mark.parametrize("away", [timedelta(hours=3), timedelta(days=400), -timedelta(days=400)])
def test_a_clock_that_is_wrong_is_not_believed(door, away):
    verdict = checking_in.scan(door.event, door.entrance, Seen(registration_id=door.ticket().id, offline=True, at=clock.now() + away), by=GATE)
    assert abs(db.session.get(CheckIn, verdict.entry).at - clock.now()) < timedelta(minutes=1)
    # Nor is any clock of a door that has a network.
    verdict = checking_in.scan(door.event, door.entrance, Seen(registration_id=door.ticket().id, at=clock.now() - timedelta(hours=5)), by=GATE)
    assert abs(db.session.get(CheckIn, verdict.entry).at - clock.now()) < timedelta(minutes=1)


def test_what_was_undone_may_enter_again(door):
    registration = door.ticket()
    first = door.scan(registration)
    row = db.session.get(CheckIn, first.entry)
    assert checking_in.undo([row], by=GATE) == [row] and checking_in.undo([row], by=GATE) == []
    db.session.commit()
    assert row.undone_at is not None
    assert (door.scan(registration).result, door.scan(registration).result) == ("ok", "already")
    lines = db.session.execute(select(AuditLog.action, AuditLog.object_id).where(AuditLog.object_kind == "checkin")).all()
    assert lines == [("check_in.undone", first.entry)]


def test_many_are_checked_in_at_once(door):
    people = [door.ticket() for _ in range(4)]
    waiting = door.unpaid()
    door.scan(people[0])
    tally = checking_in.enter([*people, waiting], door.entrance, by=GATE, gate="desk")
    db.session.commit()
    assert sorted(tally.entries) == [one.id for one in people[1:]]
    assert tally.refused == {people[0].id: "already", waiting.id: "unpaid"}
    assert checking_in.enter(people, door.entrance, by=GATE).entries == {}
    assert db.session.scalar(select(func.count(CheckIn.id))) == 4


def at_once(app, org_id, calls) -> list:
    """Each in a thread and a transaction of its own, all at the same moment."""
    barrier, answers = threading.Barrier(len(calls)), []

    def run(call):
        with app.app_context():
            tenancy.enter(org_id)
            barrier.wait()
            answers.append(call())
            db.session.commit()
            db.session.remove()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return answers


def test_one_ticket_at_four_gates_at_the_same_moment_lets_one_in(app, door):
    tickets = [door.ticket() for _ in range(10)]
    for registration in tickets:
        code = door.code(registration)
        answers = at_once(app, door.world.seoul.id, [
            lambda gate=gate: checking_in.scan(door.event, door.entrance, Seen(code=code), by=GATE, gate=f"Gate {gate}") for gate in "ABCD"])  # noqa: B023
        assert sorted(one.result for one in answers) == ["already"] * 3 + ["ok"]
        winner = next(one for one in answers if one.result == "ok")
        assert {one.first.id for one in answers if one.result == "already"} == {winner.entry}
    assert db.session.scalar(select(func.count(CheckIn.id))) == 10


def test_one_scan_sent_four_times_at_once_is_one_entry(app, door):
    code = door.code(door.ticket())
    answers = at_once(app, door.world.seoul.id, [
        lambda: checking_in.scan(door.event, door.entrance, Seen(code=code, nonce="same"), by=GATE)] * 4)
    assert [one.result for one in answers] == ["ok"] * 4 and len({one.entry for one in answers}) == 1


def test_a_checkpoint_of_three_takes_three_of_eight_at_once(app, door):
    meals = door.checkpoint("meals", times=3, per="day")
    code = door.code(door.ticket())
    answers = at_once(app, door.world.seoul.id, [lambda: checking_in.scan(door.event, meals, Seen(code=code), by=GATE)] * 8)
    assert sorted(one.result for one in answers) == ["already"] * 5 + ["ok"] * 3


# -- against a model -----------------------------------------------------------------------------------------------

class Doors(RuleBasedStateMachine):
    """Scans at two checkpoints, offline and on, sent twice, undone, cancelled: the rows are what the model says."""

    world = None

    @initialize()
    def begin(self):
        self.door = Door(type(self).world)
        self.twice = self.door.checkpoint(f"twice-{secrets.token_hex(3)}", times=2, per="day")
        self.people = [self.door.ticket() for _ in range(3)]
        self.codes = [self.door.code(one) for one in self.people]
        self.cancelled, self.sent, self.undone, self.conflicts = set(), [], set(), 0
        self.inside = {(who, at.id): [] for who in range(3) for at in (self.door.entrance, self.twice)}

    @rule(who=st.integers(0, 2), twice=st.booleans(), offline=st.booleans(), let_in=st.booleans())
    def come(self, who, twice, offline, let_in):
        at = self.twice if twice else self.door.entrance
        seen = Seen(code=self.codes[who], offline=offline, let_in=let_in and offline, at=clock.now() - timedelta(seconds=1))
        verdict = checking_in.scan(self.door.event, at, seen, by=GATE, gate="Gate")
        db.session.commit()
        inside = self.inside[who, at.id]
        wanted = "cancelled" if who in self.cancelled else "ok" if len(inside) < at.times else "already"
        assert verdict.result == wanted
        assert (verdict.first is not None) == bool(inside)
        if wanted == "ok":
            inside.append(verdict.entry)
        elif seen.let_in:
            self.conflicts += 1
        if verdict.entry:
            self.sent.append((at, seen, verdict))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def send_again(self, data):
        at, seen, before = data.draw(st.sampled_from(self.sent))
        verdict = checking_in.scan(self.door.event, at, seen, by=GATE, gate="Gate")
        db.session.commit()
        assert verdict.entry == before.entry
        assert (verdict.result, verdict.reason) == (("invalid", "undone") if before.entry in self.undone else (before.result, ""))

    @precondition(lambda self: any(self.inside.values()))
    @rule(data=st.data())
    def take_back(self, data):
        key = data.draw(st.sampled_from([key for key, entries in self.inside.items() if entries]))
        id_ = self.inside[key].pop(data.draw(st.integers(0, len(self.inside[key]) - 1)))
        assert len(checking_in.undo([db.session.get(CheckIn, id_)], by=GATE)) == 1
        self.undone.add(id_)
        db.session.commit()

    @rule(who=st.integers(0, 2))
    def cancel(self, who):
        self.cancelled.add(who)
        db.session.execute(update(Registration).where(Registration.id == self.people[who].id).values(status=Status.CANCELLED))
        db.session.commit()

    @invariant()
    def the_rows_are_the_models(self):
        if not hasattr(self, "inside"):
            return
        ids = [one.id for one in self.people]
        rows = db.session.scalars(select(CheckIn).where(CheckIn.registration_id.in_(ids))).all()
        assert {row.id for row in rows if row.result == "ok" and not row.undone_at} == {id_ for each in self.inside.values() for id_ in each}
        assert sum(row.result != "ok" for row in rows) == self.conflicts


def test_the_doors_do_what_their_model_does(app, world):
    Doors.world = world
    run_state_machine_as_test(Doors, settings=hypothesis_settings(max_examples=25, stateful_step_count=20, deadline=None))
    answers = checks.run(platform.engine, app.config["SETTINGS"].role("app"), clock.now())
    assert [one.name for one in answers if not one.ok and one.name.startswith("tickets.enter")] == []
