"""Staff approve, reject, cancel, mark as paid and take it back, buyers pay and cancel, time passes: in any order. What the books,
the places and the tickets say agrees after each step, and undoing at once leaves no trace."""
import secrets
from datetime import timedelta
from types import SimpleNamespace

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select

from eventapp import audit, clock
from eventapp.domain import Refused, bulk, housekeeping, paying, withdrawing
from eventapp.domain.bulk_actions import ACTIONS
from eventapp.extensions import db
from eventapp.models import BulkOperation, Order, Payment, Quota, Registration
from eventapp.permissions import member_of
from tests import crowds, make
from tests.admin.test_bulk import sound, states

GIVEN = {"approve": {}, "reject": {"reason": "full"}, "cancel": {"reason": "", "give_back": "1"}, "mark_paid": {}}


class Machine(RuleBasedStateMachine):
    """`house` is set on the class: one database for all runs, other orders in each."""

    house = None

    def __init__(self):
        super().__init__()
        self.world, self.work, self.owner, self.app = (getattr(self.house, name) for name in ("world", "work", "owner", "app"))
        self.orders, self.marks, self.last = [], 0, None
        self.world.seoul.enter()
        self.mark = secrets.token_hex(4)
        event = make.event(f"camp-{self.mark}", make.both("수련회", "Camp"), "CAMP", approval="before_payment",
                           starts_at=clock.now() + timedelta(days=60), ends_at=clock.now() + timedelta(days=61))
        self.programs = {price: SimpleNamespace(id=make.program(event, f"p{price}", price, capacity=4).id) for price in (0, 100_000)}
        make.quota(event, 6, whole_event=True)
        self.event = SimpleNamespace(id=event.id, org_id=event.org_id, code=event.code)
        db.session.commit()

    def enter(self):
        self.world.seoul.enter()
        db.session.rollback()
        db.session.expire_all()

    @rule(price=st.sampled_from([0, 100_000]), people=st.integers(1, 3))
    def somebody_registers(self, price, people):
        self.enter()
        self.marks += 1
        mark = f"{self.mark}-{self.marks}-"
        crowds.waiting(self.event, self.programs[price], 1, price=price, people=people, mark=mark, method="manual_transfer")
        self.orders.append(db.session.scalar(select(Order.id).where(Order.submission == mark + "1")))

    @precondition(lambda self: self.orders)
    @rule(action=st.sampled_from(list(GIVEN)), every=st.integers(1, 3), offset=st.integers(0, 2), back=st.booleans())
    def staff_do_something_to_some(self, action, every, offset, back):
        self.enter()
        before = states(self.world)
        ids = db.session.scalars(select(Registration.id).where(Registration.order_id.in_(self.orders)).order_by(Registration.id)).all()
        chosen = self.owner.registrations().where(Registration.id.in_(ids[offset % every::every]))
        try:
            operation = bulk.begin(ACTIONS[action], chosen, member=self.owner)
        except Refused:
            db.session.rollback()
            return
        bulk.start(operation, GIVEN[action], member=self.owner)
        db.session.commit()
        self.last = operation.id
        if back and operation.ok:
            self.undo()
            assert states(self.world) == before
        self.world.seoul.enter()

    @rule()
    def they_take_it_back(self):
        self.enter()
        try:
            self.undo()
        except Refused:
            db.session.rollback()

    def undo(self):
        if self.last is None:
            return
        bulk.undo(db.session.get(BulkOperation, self.last), by=self.owner.actor)
        db.session.commit()

    @precondition(lambda self: self.orders)
    @rule(which=st.integers(0, 5))
    def a_buyer_chooses_to_transfer(self, which):
        self.enter()
        order = db.session.get(Order, self.orders[which % len(self.orders)])
        if paying.payable(order):
            paying.begin(order, "manual_transfer")
            db.session.commit()

    @precondition(lambda self: self.orders)
    @rule(which=st.integers(0, 5))
    def a_transfer_is_seen(self, which):
        self.enter()
        order_id = self.orders[which % len(self.orders)]
        payment = db.session.scalar(select(Payment).where(Payment.order_id == order_id, Payment.status == "awaiting_deposit").limit(1))
        if payment:
            paying.mark_received(payment, payment.amount, by=self.owner.actor)
            db.session.commit()

    @precondition(lambda self: self.orders)
    @rule(which=st.integers(0, 5))
    def a_buyer_cancels(self, which):
        self.enter()
        try:
            withdrawing.cancel(db.session.get(Order, self.orders[which % len(self.orders)]), by=audit.Actor("buyer", 1))
            db.session.commit()
        except Refused:
            db.session.rollback()

    @rule(passed=st.sampled_from([timedelta(seconds=30), timedelta(minutes=2), timedelta(days=4), timedelta(days=8)]))
    def time_passes(self, passed):
        self.enter()
        clock.offset += passed
        self.work()
        self.world.seoul.enter()
        housekeeping.expire_overdue()
        db.session.commit()
        self.work()

    @invariant()
    def everything_agrees(self):
        self.enter()
        assert sound(self.app)
        assert db.session.scalars(select(Quota.id).where(Quota.used > Quota.capacity)).all() == []


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_whatever_staff_do_and_take_back_books_places_and_tickets_agree(app, world, work, seed):
    user = world.user("owner@seoul-ubf.example")
    world.seoul.enter()
    owner = member_of(user, SimpleNamespace(id=world.seoul.id))
    owner.user = SimpleNamespace(id=user.id)
    Machine.house = SimpleNamespace(app=app, world=world, work=work, owner=owner)
    run_state_machine_as_test(Machine, settings=settings(
        max_examples=10, stateful_step_count=15, deadline=None, derandomize=False, print_blob=True,
        suppress_health_check=list(HealthCheck)))
