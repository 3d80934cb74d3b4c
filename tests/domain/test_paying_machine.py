"""Anything may happen in any order: buyers, faults, the bank, the gateway's own pages, time. When the dust has settled the
sandbox's books are equal to ours, and nobody is in without having paid."""
import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select

from eventapp import audit, outbox
from eventapp.domain import Refused, ledger, paying, withdrawing
from eventapp.extensions import db
from eventapp.models import LedgerEntry, Order, Payment, Quota, Refund, Registration
from tests.gateway import BROWSER
from tests.shop import KEYS, id_of

FAULTS = ["timeout_after_commit", "500_after_commit", "html_after_commit", "truncated", "drop_before", "409", "429", "500", "html",
          "code:REJECT_CARD_PAYMENT", "code:PROVIDER_ERROR"]
LIVE = ("confirmed", "pending_approval")


class Machine(RuleBasedStateMachine):
    """`shop` is set on the class: one database for all runs, other orders in each."""

    shop = None
    orders = Bundle("orders")
    returns = Bundle("returns")

    @initialize()
    def calm(self):
        self.shop.gateway.control("no-faults")
        self.placed = []

    def payments(self, order) -> list[Payment]:
        self.shop.enter()
        return list(db.session.scalars(select(Payment).where(Payment.order_id == id_of(order)).order_by(Payment.id)))

    @rule(target=orders, method=st.sampled_from(["card", "bank_transfer", "virtual_account", "manual_transfer"]), people=st.integers(1, 3))
    def place(self, method, people):
        order = self.shop.place(method, people)
        self.placed.append(id_of(order))
        return order

    @rule(order=orders, method=st.sampled_from(["card", "bank_transfer", "virtual_account", "manual_transfer"]))
    def choose_another_method(self, order, method):
        order = self.shop.fresh(order)
        if paying.payable(order):
            paying.begin(order, method)
            db.session.commit()

    @rule(target=returns, order=orders, number=st.integers(0, 3))
    def approve_in_the_window(self, order, number):
        open_ones = [one for one in self.payments(order) if one.method in paying.WINDOW and one.status == "created"]
        if not open_ones:
            return None
        try:
            return order, self.shop.approve(open_ones[number % len(open_ones)])
        except AssertionError:
            return None  # the gateway opens no window for this order id any more

    @rule(back=returns)
    def come_back(self, back):
        if back:
            self.shop.browser_of(back[0]).get(back[1])

    @rule(back=consumes(returns))
    def come_back_with_another_amount(self, back):
        if back:
            self.shop.browser_of(back[0]).get(back[1].rpartition("amount=")[0] + "amount=1")

    @rule(order=orders)
    def get_an_account(self, order):
        for payment in self.payments(order):
            if payment.method == "virtual_account" and payment.status == "created" and paying.payable(self.shop.fresh(order)):
                paying.request_account(payment, "woori")
                db.session.commit()

    @rule(order=orders, call=st.sampled_from(["deposit", "reversal", "cancel", "expire"]))
    def something_happens_at_the_gateway(self, order, call):
        for payment in self.payments(order):
            BROWSER.post(f"{self.shop.gateway.address}/control/{call}", json={"order_id": payment.gateway_order_id})

    @rule(order=orders, amount=st.integers(1, 60_000))
    def a_part_goes_back_in_the_dashboard(self, order, amount):
        for payment in self.payments(order):
            BROWSER.post(f"{self.shop.gateway.address}/control/cancel", json={"order_id": payment.gateway_order_id, "amount": amount})

    @rule(order=orders)
    def staff_see_the_transfer(self, order):
        for payment in self.payments(order):
            if payment.provider == "manual":
                try:
                    paying.mark_received(payment, payment.amount, by=audit.Actor("user", 1))
                    db.session.commit()
                except Refused:
                    db.session.rollback()

    @rule(order=orders)
    def the_buyer_cancels(self, order):
        order = self.shop.fresh(order)
        try:
            withdrawing.cancel(order, by=audit.Actor("buyer", order.id))
            db.session.commit()
        except Refused:
            db.session.rollback()

    @rule(op=st.sampled_from(["confirm", "fetch", "cancel", "issue"]), fault=st.sampled_from(FAULTS))
    def a_fault_is_coming(self, op, fault):
        if not (op != "confirm" and fault == "code:REJECT_CARD_PAYMENT"):
            self.shop.gateway.fault(op, fault)

    @rule(minutes=st.sampled_from([1, 6, 11, 20, 24 * 60, 4 * 24 * 60]))
    def time_passes(self, minutes):
        self.shop.later(minutes=minutes)

    @rule(jobs=st.integers(1, 5), queue=st.sampled_from(["gateway", "default"]))
    def a_worker_does_some_work(self, jobs, queue):
        outbox.drain(queue, most=jobs)

    @rule()
    def the_reconciliation_runs(self):
        self.shop.enter()
        paying.reconcile()
        db.session.commit()

    @invariant()
    def nothing_is_oversold_and_nobody_gets_back_more_than_they_paid(self):
        self.shop.enter()
        assert db.session.scalar(select(func.count()).where(Quota.used > Quota.capacity)) == 0
        paid = select(Payment.id, func.sum(LedgerEntry.amount).filter(LedgerEntry.kind == "paid"),
                      func.sum(LedgerEntry.amount).filter(LedgerEntry.kind.in_(("refunded", "reversed")))).join(
            LedgerEntry, LedgerEntry.payment_id == Payment.id).group_by(Payment.id)
        assert [row for row in db.session.execute(paid) if (row[2] or 0) > (row[1] or 0)] == []

    def teardown(self):
        """The faults end, the queues are worked off, everything is asked once more."""
        self.shop.gateway.control("no-faults")
        for _ in range(3):
            self.shop.later(hours=7)
            self.shop.enter()
            for payment in db.session.scalars(select(Payment).where(Payment.account_id.is_not(None))).all():
                outbox.later("gateway_refresh", payment)
            paying.reconcile()
            db.session.commit()
            self.shop.work()
        self.settled()

    def settled(self):
        self.shop.enter()
        books = {line["orderId"]: 0 for line in self.shop.gateway.books(client_key=KEYS[0])["payments"]}
        for line in self.shop.gateway.books(client_key=KEYS[0])["transactions"]:
            books[line["order_id"]] += line["amount"]
        for payment in db.session.scalars(select(Payment).where(Payment.account_id.is_not(None))):
            entries = db.session.execute(select(LedgerEntry.kind, LedgerEntry.amount).where(LedgerEntry.payment_id == payment.id)).all()
            ours = sum(amount if kind in ("paid", "returned") else -amount for kind, amount in entries)
            assert ours == books.get(payment.gateway_order_id, 0), (payment.gateway_order_id, payment.status, entries)
        for order in db.session.scalars(select(Order).where(Order.id.in_(self.placed or [0]))).all():
            self.check(order)

    def check(self, order):
        statuses = set(db.session.scalars(select(Registration.status).where(Registration.order_id == order.id)))
        known = any(payment.problem for payment in self.payments(order)) or db.session.scalar(select(func.count()).select_from(Refund).join(
            Payment, Payment.id == Refund.payment_id).where(Payment.order_id == order.id, Refund.state.in_(("requested", "needs_account", "to_pay"))))
        paid, owed = ledger.paid(order), ledger.owed(order)
        if not known:
            assert owed >= 0, (order.id, statuses, owed, "we owe the buyer and nobody is told")
            assert (paid > 0) == bool(statuses & set(LIVE)), (order.id, statuses, paid)
        if statuses & set(LIVE):
            assert paid > 0 or known, (order.id, statuses)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_whatever_happens_the_books_agree(shop, seed):
    Machine.shop = shop
    run_state_machine_as_test(Machine, settings=settings(
        max_examples=12, stateful_step_count=20, deadline=None, derandomize=False, print_blob=True,
        suppress_health_check=list(HealthCheck)))
