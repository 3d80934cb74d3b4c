"""What operations on many promise whatever happens beside them: kills, races, payments, time."""
import signal
import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import func, select, text

from eventapp import audit, clock, faults, outbox, tenancy
from eventapp.domain import bulk, changing, checking_in, deciding, ledger, paying, receiving, registering
from eventapp.domain.bulk_actions import ACTIONS
from eventapp.extensions import db
from eventapp.models import (
    AuditLog,
    BulkOperation,
    BulkRow,
    LedgerEntry,
    Order,
    OutboxItem,
    Payment,
    Refund,
    Registration,
    Status,
)
from eventapp.permissions import member_of
from tests import crowds, make
from tests.admin.test_bulk import sound, states
from tests.shop import id_of, shop  # noqa: F401
from tests.working import ask, until, worker


@pytest.fixture
def camp(world):
    world.seoul.enter()
    return crowds.camp(100_000)


@pytest.fixture
def stay(camp, world):
    return world.seoul.program("stay")


@pytest.fixture
def owner(world):
    return member(world.user("owner@seoul-ubf.example"), world.seoul.id)


@pytest.fixture(autouse=True)
def no_faults():
    yield
    faults.configure()


def member(user, org_id: int):
    """Also when the session that has loaded the user is gone."""
    found = member_of(user, SimpleNamespace(id=org_id))
    found.user = SimpleNamespace(id=user.id)
    return found


def begin(action: str, member, *conditions) -> BulkOperation:
    operation = bulk.begin(ACTIONS[action], member.registrations().where(*conditions), member=member)
    db.session.commit()
    return operation


def do(action: str, member, *conditions, **given) -> BulkOperation:
    operation = begin(action, member, *conditions)
    bulk.start(operation, given, member=member)
    db.session.commit()
    return operation


def fresh(operation) -> BulkOperation:
    db.session.rollback()
    return db.session.get(BulkOperation, id_of(operation), populate_existing=True)


def count(*conditions) -> int:
    return db.session.scalar(select(func.count()).where(*conditions))


# -- kills ---------------------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_a_worker_killed_five_times_does_each_of_twenty_thousand_rows_once(app, database, camp, stay, owner, world):
    crowds.waiting(camp, stay, 20_000)
    operation = do("approve", owner)
    done = "SELECT count(*) FROM bulk_rows WHERE state = 'ok'"
    for kill in range(5):
        with worker(database) as process:
            before = ask(database, done)
            assert until(lambda: ask(database, done) > before + 1000 * (kill % 2), 60)  # noqa: B023
            process.send_signal(signal.SIGKILL)
            process.wait()
        # The lease of a dead worker's job runs out; nobody need wait for it here.
        ask(database, "UPDATE outbox SET locked_until = NULL WHERE kind = 'bulk_run' AND done_at IS NULL RETURNING id")
    with worker(database):
        assert until(lambda: ask(database, "SELECT state FROM bulk_operations") == "done", 120)
    operation = fresh(operation)
    assert (operation.total, operation.ok, operation.failed) == (20_000, 20_000, 0)
    world.seoul.enter()
    once = select(func.count()).group_by(AuditLog.object_id)
    assert db.session.scalars(once.where(AuditLog.action == "registration.approved").distinct()).all() == [1]
    assert count(AuditLog.action == "registration.approved") == 20_000
    assert count(OutboxItem.kind == "mail_order_approved") == 20_000
    assert db.session.execute(select(func.count(), func.sum(LedgerEntry.amount))).one() == (20_000, 2_000_000_000)
    assert world.seoul.quota_of("stay").used == 20_000 and sound(app)


@pytest.mark.parametrize("point", ["bulk.applied", "bulk.between", "bulk.undone"])
def test_a_fault_between_batches_leaves_nothing_half_done(app, camp, stay, owner, world, work, monkeypatch, point):
    monkeypatch.setattr(ACTIONS["approve"], "size", 60)
    monkeypatch.setattr(outbox, "retry_after", lambda attempts: 0)
    crowds.waiting(camp, stay, 300)
    before = states(world)
    operation = do("approve", owner)
    faults.configure(f"{point}=raise:0.5")
    work()
    assert fresh(operation).ok == 300 and count(AuditLog.action == "registration.approved") == 300
    bulk.undo(fresh(operation), by=owner.actor)
    db.session.commit()
    work()
    faults.configure()
    assert fresh(operation).state == "undone" and states(world) == before and sound(app)


def test_two_workers_with_the_same_operation_take_turns(app, camp, stay, owner, monkeypatch):
    monkeypatch.setattr(ACTIONS["approve"], "size", 20)
    crowds.waiting(camp, stay, 400)
    operation = do("approve", owner)
    org_id, number = tenancy.current_org_id(), operation.id

    def help_out():
        with app.app_context():
            tenancy.enter(org_id)
            while True:
                try:
                    bulk.run(number)
                    db.session.commit()
                    return
                except outbox.NotYet:
                    db.session.rollback()

    run_together(help_out, help_out, help_out)
    assert fresh(operation).ok == 400 and count(AuditLog.action == "registration.approved") == 400


# -- races ---------------------------------------------------------------------------------------------------------

def run_together(*what) -> None:
    barrier, errors = threading.Barrier(len(what)), []

    def begin_together(do_it):
        barrier.wait()
        try:
            do_it()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=begin_together, args=(one,)) for one in what]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.parametrize("turn", range(3))
def test_two_staff_approving_into_the_last_ten_places_fill_exactly_ten(app, sign_in, camp, stay, owner, world, turn):
    world.seoul.quota_of("stay").capacity = 10
    db.session.commit()
    crowds.waiting(camp, stay, 40)
    numbers = list(db.session.scalars(select(Registration.number).where(Registration.code == "CAMP").order_by(Registration.id)))
    chosen = {"owner": numbers[:25], "admin": numbers[15:]}  # some of them by both
    desk = "/seoul-ubf/admin/registrations"
    confirms = []
    for who, mine in chosen.items():
        browser = sign_in(f"{who}@seoul-ubf.example")
        first = browser.post(desk, {"ids": mine, "action": "approve"})
        operation = db.session.scalar(select(func.max(BulkOperation.id)))
        assert first.status_code == 200
        token = browser.token()
        confirms.append((browser, {"operation": operation, "csrf_token": token}))

    def press(browser, given):
        answer = browser.open(desk, method="POST", data=given, headers={"Origin": "http://localhost"})
        assert answer.status_code == 303, answer.text

    run_together(*(lambda one=one: press(*one) for one in confirms))
    world.seoul.enter()
    assert count(Registration.code == "CAMP", Registration.status == Status.PENDING_PAYMENT) == 10
    assert world.seoul.quota_of("stay").used == 10 and sound(app)
    assert db.session.scalar(select(func.sum(BulkOperation.ok))) == 10


def test_approving_beside_buyers_who_come_and_go_neither_hangs_nor_oversells(app, camp, stay, owner, world, monkeypatch):
    """Orders are placed, cancelled and expire while a batch takes the same places, in the other order of events."""
    monkeypatch.setattr(ACTIONS["approve"], "size", 25)
    world.seoul.quota_of("stay").capacity = 150
    db.session.commit()
    crowds.waiting(camp, stay, 200)
    first = do("approve", owner, Registration.id % 2 == 0)
    second = begin("approve", owner, Registration.id % 2 == 1)
    cancel = begin("cancel", owner, Registration.id % 2 == 0)
    org_id, event_id = tenancy.current_org_id(), camp.id
    assert fresh(first).ok == 100

    def inside(what):
        def run():
            with app.app_context():
                tenancy.enter(org_id)
                what()
                db.session.remove()
        return run

    def start(number, **given):
        for _ in range(3):
            try:
                bulk.start(db.session.get(BulkOperation, number), given, member=owner)
                db.session.commit()
                return
            except Exception:
                db.session.rollback()
                raise

    def expire():
        for order_id in list(db.session.scalars(select(Order.id).where(Order.event_id == event_id).order_by(Order.id.desc()).limit(60))):
            order = db.session.get(Order, order_id, with_for_update={"key_share": True}, populate_existing=True)
            registering.expire(order)
            db.session.commit()

    run_together(inside(lambda: start(second.id)), inside(lambda: start(cancel.id, reason="")), inside(expire))
    world.seoul.enter()
    assert world.seoul.quota_of("stay").used <= 150 and sound(app)


def test_operations_of_two_organisations_side_by_side_do_not_wait_for_one_another(app, camp, stay, owner, world):
    crowds.waiting(camp, stay, 50)
    first = begin("approve", owner)
    world.busan.enter()
    other = make.event("camp", make.both("수련회", "Camp"), "CAMP", approval="before_payment")
    program = make.program(other, "stay", 100_000, capacity=100)
    db.session.commit()
    crowds.waiting(other, program, 50)
    theirs = member(world.user("owner@busan-meetup.example"), world.busan.id)
    second = begin("approve", theirs)
    world.seoul.enter()
    bulk.start(db.session.get(BulkOperation, first.id), {}, member=owner)  # done, and not committed: all its locks are held

    def beside():
        with app.app_context():
            tenancy.enter(world_busan)
            db.session.execute(text("SET LOCAL lock_timeout = '500ms'"))
            bulk.start(db.session.get(BulkOperation, second.id), {}, member=theirs)
            db.session.commit()

    world_busan = world.busan.id
    run_together(beside)
    db.session.commit()
    world.seoul.enter()
    assert fresh(first).ok == 50


# -- money ---------------------------------------------------------------------------------------------------------

def later(world, minutes=2):
    clock.offset += timedelta(minutes=minutes)
    world.seoul.enter()


def test_a_delegation_owes_for_whom_has_been_approved_and_pays_the_rest_when_more_are(app, camp, stay, owner, world, work):
    crowds.waiting(camp, stay, 1, people=3, method="manual_transfer")
    [order] = world.seoul.orders()
    do("approve", owner, Registration.position == 1)
    assert ledger.owed(order) == 100_000
    later(world)
    work()
    payment = paying.begin(world.seoul.orders()[0], "manual_transfer")
    db.session.commit()
    do("approve", owner, Registration.position == 2)
    later(world)
    work()
    world.seoul.enter()
    order = world.seoul.orders()[0]
    assert ledger.owed(order) == 200_000
    # What had been begun for one comes in: too little for two, and a person is told rather than a ticket given away.
    paying.mark_received(db.session.get(Payment, payment.id), 100_000, by=owner.actor)
    db.session.commit()
    assert db.session.get(Payment, payment.id, populate_existing=True).problem["kind"] == "underpaid"
    assert [one.status for one in registering.of_order(order)] == ["pending_payment", "pending_payment", "pending_approval"]
    rest = paying.begin(order, "manual_transfer")
    assert rest.amount == 100_000
    paying.mark_received(rest, 100_000, by=owner.actor)
    db.session.commit()
    do("approve", owner, Registration.position == 3)
    assert [one.status for one in registering.of_order(order)] == ["confirmed", "confirmed", "pending_payment"]
    assert ledger.owed(order) == 100_000 and sound(app)


def test_choosing_a_transfer_does_not_cut_an_offer_short(camp, stay, owner, world, work):
    crowds.waiting(camp, stay, 1)
    do("approve", owner)
    later(world)
    work()
    order = world.seoul.orders()[0]
    until = order.hold_until
    assert timedelta(days=6, hours=23) < until - clock.now() <= timedelta(days=7)
    paying.begin(order, "manual_transfer")
    assert order.hold_until == until


def test_an_offer_does_not_reach_into_the_event(camp, stay, owner, world):
    crowds.waiting(camp, stay, 1)
    world.seoul.event("camp").starts_at = (clock.now() + timedelta(days=2)).replace(microsecond=0)
    db.session.commit()
    do("approve", owner)
    assert world.seoul.orders()[0].hold_until == world.seoul.event("camp").starts_at


def test_who_has_paid_before_the_decision_is_in_at_once(app, shop, owner, world):  # noqa: F811
    world.seoul.event().approval = "after_payment"
    db.session.commit()
    order = shop.pay()
    assert shop.statuses(order) == ["pending_approval"]
    before = states(world)
    operation = do("approve", owner)
    assert shop.statuses(order) == ["confirmed"]
    bulk.undo(fresh(operation), by=owner.actor)
    db.session.commit()
    assert states(world) == before and sound(app)


def test_money_of_a_rejected_registration_goes_back_after_the_minute_and_not_before(app, shop, owner, world):  # noqa: F811
    world.seoul.event().approval = "after_payment"
    db.session.commit()
    order = shop.pay(people=2)
    before = states(world)
    operation = do("reject", owner, Registration.position == 2, reason="full house")
    shop.work()
    assert shop.refunds(shop.payment(order)) == [] and sound(app)
    bulk.undo(fresh(operation), by=owner.actor)
    db.session.commit()
    shop.later(minutes=2)
    shop.work()
    assert states(world) == before and shop.refunds(shop.payment(order)) == []

    do("reject", owner, Registration.position == 2, reason="full house")
    shop.later(minutes=2)
    shop.work()
    assert shop.refunds(shop.payment(order)) == [(100_000, "done", False)]
    assert shop.statuses(order) == ["pending_approval", "rejected"] and shop.balanced() and sound(app)
    do("reject", owner, Registration.position == 1, reason="full house")
    shop.later(minutes=2)
    shop.work()
    assert ledger.paid(shop.fresh(order)) == 0 and shop.balanced() and sound(app)


@pytest.mark.parametrize(("give_back", "problem"), [("", "not_given_back"), ("1", None)])
def test_whether_money_goes_back_with_a_cancellation_is_said_with_it(app, shop, owner, world, give_back, problem):  # noqa: F811
    order = shop.pay()
    do("cancel", owner, Registration.order_id == id_of(order), reason="", give_back=give_back)
    shop.later(minutes=2)
    shop.work()
    payment = shop.payment(order)
    assert (payment.problem and payment.problem["kind"]) == problem
    assert ledger.paid(shop.fresh(order)) == (0 if give_back else 100_000) and shop.balanced() and sound(app)


def test_a_transfer_waits_for_the_buyers_account(app, camp, stay, owner, world, work):
    crowds.waiting(camp, stay, 1, people=2, method="manual_transfer")
    do("approve", owner)
    do("mark_paid", owner)
    do("cancel", owner, Registration.position == 2, reason="", give_back="1")
    later(world)
    work()
    world.seoul.enter()
    refund = db.session.scalar(select(Refund))
    assert (refund.state, refund.route, refund.amount) == ("needs_account", "transfer", 100_000)
    assert db.session.scalar(select(Payment.problem)) is None and sound(app)


def test_an_offer_that_lapsed_is_not_paid_for_by_the_others_of_its_order(app, camp, stay, owner, world, work):
    crowds.waiting(camp, stay, 1, people=2, method="manual_transfer")
    do("approve", owner, Registration.position == 1)
    clock.offset += timedelta(days=8)
    work()
    world.seoul.enter()
    do("approve", owner, Registration.position == 2)
    do("mark_paid", owner, Registration.position == 2)
    order = world.seoul.orders()[0]
    assert [one.status for one in registering.of_order(order)] == ["expired", "confirmed"]
    assert ledger.paid(order) == 100_000 and ledger.owed(order) == 0 and sound(app)


def test_who_was_asked_for_one_program_and_has_paid_need_not_be_asked_again(app, camp, stay, owner, world, work):
    crowds.waiting(camp, stay, 1, method="manual_transfer")
    world.seoul.event("camp").approval = "after_payment"  # and its program wanted a yes before that
    db.session.commit()
    do("approve", owner)
    do("mark_paid", owner)
    assert db.session.scalar(select(Registration.status).where(Registration.code == "CAMP")) == "confirmed"


def test_drafts_go_after_a_day_and_what_was_done_stays(camp, stay, owner, world):
    from eventapp.domain import housekeeping

    crowds.waiting(camp, stay, 2)
    begin("approve", owner)
    do("tag", owner, tag="x")
    clock.offset += timedelta(days=2)
    housekeeping.forget_operations()
    assert db.session.scalars(select(BulkOperation.state)).all() == ["done"]
    assert count(BulkRow.id > 0) == 2
    assert deciding.LEAST and audit.SYSTEM


# -- orders of several ------------------------------------------------------------------------------------------------

def owing(camp, stay, owner, people: int, count: int = 1) -> None:
    """Approved, and to be paid for by a transfer."""
    crowds.waiting(camp, stay, count, people=people, method="manual_transfer")
    do("approve", owner)


def statuses(world) -> dict[str, int]:
    world.seoul.enter()
    return dict(db.session.execute(select(Registration.status, func.count()).group_by(Registration.status)).all())


def test_a_delegation_larger_than_a_batch_is_paid_for_and_taken_back_as_one(app, camp, stay, owner, world):
    owing(camp, stay, owner, people=60)
    operation = fresh(do("mark_paid", owner))
    assert (operation.ok, operation.failed, statuses(world)) == (60, 0, {Status.CONFIRMED: 60})
    bulk.undo(fresh(operation), by=owner.actor)
    db.session.commit()
    assert statuses(world) == {Status.PENDING_PAYMENT: 60} and sound(app)


def test_a_payment_stays_for_all_of_an_order_of_which_somebody_has_come_in(app, camp, stay, owner, world):
    owing(camp, stay, owner, people=2, count=2)
    operation = do("mark_paid", owner)
    world.seoul.enter()
    first = db.session.scalars(select(Registration).order_by(Registration.id)).first()
    checking_in.enter([first], checking_in.checkpoints(camp)[0], by=owner.actor)
    db.session.commit()
    bulk.undo(fresh(operation), by=owner.actor)
    db.session.commit()
    assert statuses(world) == {Status.CONFIRMED: 2, Status.PENDING_PAYMENT: 2} and sound(app)
    assert {reason: found.count for (_state, reason), found in bulk.results(fresh(operation)).items()} == {"": 2, "entered": 1, "same_order": 1}


def test_who_has_paid_since_staff_looked_is_not_cancelled_with_those_who_have_not(app, camp, stay, owner, world):
    owing(camp, stay, owner, people=1, count=2)
    operation = begin("cancel", owner, Registration.status == Status.PENDING_PAYMENT)
    world.seoul.enter()
    receiving.receive(world.seoul.orders()[0], by=owner.actor)
    db.session.commit()
    bulk.start(fresh(operation), {"reason": "Not paid"}, member=owner)
    db.session.commit()
    assert statuses(world) == {Status.CONFIRMED: 1, Status.CANCELLED: 1} and sound(app)
    assert [reason for _state, reason in bulk.results(fresh(operation))] == ["", "paid_since"]


def test_a_member_who_was_limited_since_can_neither_see_nor_undo_what_they_did_elsewhere(camp, stay, owner, world):
    crowds.waiting(camp, stay, 1)
    operation = do("approve", owner)
    assert bulk.of_member(operation.id, owner).id == operation.id
    owner.event_ids = [world.seoul.event("wmc-2026").id]
    assert bulk.of_member(operation.id, owner) is None


def test_what_was_added_before_the_money_came_must_have_come_with_it(app, database, camp, stay, owner, world):
    make.program(camp, "extra", 50_000, capacity=10)
    owing(camp, stay, owner, people=1)
    world.seoul.enter()
    one = db.session.scalar(select(Registration))
    changing.change(one, changing.Wanted({"stay": 1, "extra": 1}, was=changing.mark(one)), by=owner.actor)
    db.session.commit()
    do("mark_paid", owner)
    assert sound(app)
    ask(database, "UPDATE ledger_entries SET amount = 100000 WHERE kind = 'paid' RETURNING id")
    with pytest.raises(AssertionError, match="money.ticket_without_payment"):
        sound(app)
