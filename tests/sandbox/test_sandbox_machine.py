"""Buyers, shop, bank, clock and faults in any order: money is neither made nor lost, and each key acts once."""
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from eventapp.money import vat_included
from eventapp.payments import toss
from eventapp.payments.provider import (
    BANK_TRANSFER,
    CARD,
    MOBILE,
    PAID,
    PARTIALLY_REFUNDED,
    REFUND_PENDING,
    REFUNDED,
    STATUSES,
    UNKNOWN,
    VIRTUAL_ACCOUNT,
    GatewayRef,
    GatewayRefused,
    GatewayUnknown,
)
from eventapp.sandbox import state
from tests.gateway import BACK, attempt, running

AMOUNTS, METHODS = st.integers(200, 10 ** 6), st.sampled_from([CARD, BANK_TRANSFER, VIRTUAL_ACCOUNT, MOBILE])
FAULTS = ["drop_before", "500", "429", "html", "timeout_after_commit", "500_after_commit", "truncated"]


class Gateways(RuleBasedStateMachine):
    """Our own reckoning of every payment beside the sandbox's, through the real client."""

    gateway = None
    approved = Bundle("approved")
    paid = Bundle("paid")

    def __init__(self):
        super().__init__()
        self.gateway.control("reset")
        self.ours: dict[str, int] = {}  # what each order has paid and not got back, as the answers told us
        self.keys: dict[str, str] = {}
        self.keep: dict[str, tuple] = {}

    def asked(self, order_ref):
        return toss.fetch(self.gateway.account, GatewayRef(order_ref))

    def learn(self, order_ref):
        """As reconciling does: whatever happened, ask and believe the answer."""
        snapshot = self.asked(order_ref)
        if snapshot is not None:
            assert snapshot.status in STATUSES - {UNKNOWN} and snapshot.consistent
            self.ours[order_ref] = snapshot.balance if snapshot.captured else 0
        return snapshot

    def approve(self, amount, method):
        intent = self.gateway.intent(amount, method)
        self.keep[intent.order_ref] = (intent, self.gateway.approve(intent), attempt())
        return intent.order_ref

    @rule(target=approved, amount=AMOUNTS, method=METHODS)
    def authenticate(self, amount, method):
        return self.approve(amount, method)

    @initialize(target=paid, amount=AMOUNTS, method=METHODS)
    def pay_first(self, amount, method):
        return self.pay(amount, method)

    @rule(target=paid, amount=AMOUNTS, method=METHODS)
    def pay(self, amount, method):
        order_ref = self.approve(amount, method)
        toss.confirm(self.gateway.account, *self.keep[order_ref])
        if method == VIRTUAL_ACCOUNT:
            self.gateway.control("deposit", order_id=order_ref)
        assert self.learn(order_ref).captured == amount
        return order_ref

    @rule(order_ref=approved | paid, fault=st.none() | st.sampled_from(FAULTS), times=st.integers(1, 3))
    def confirm(self, order_ref, fault, times):
        """The same attempt as often as one likes: it is one payment."""
        if fault:
            self.gateway.fault("confirm", fault, order_id=order_ref)
        intent, hint, key = self.keep[order_ref]
        for _ in range(times):
            try:
                toss.confirm(self.gateway.account, intent, hint, key)
            except (GatewayRefused, GatewayUnknown):
                pass
        self.gateway.control("no-faults")
        self.learn(order_ref)

    @rule(order_ref=approved)
    def decline_by_the_card(self, order_ref):
        intent, hint, _ = self.keep[order_ref]
        self.gateway.fault("confirm", "code:REJECT_CARD_PAYMENT")
        with pytest.raises((GatewayRefused, GatewayUnknown)):
            toss.confirm(self.gateway.account, intent, hint, attempt())
        self.learn(order_ref)

    @rule(order_ref=paid | paid | approved, share=st.floats(0.01, 1.2), fault=st.none() | st.sampled_from(FAULTS),
          repeat=st.booleans())
    def refund(self, order_ref, share, fault, repeat):
        before = self.learn(order_ref)
        if not before.captured:
            return
        amount, key = max(1, int(before.balance * share)), attempt("cancel")
        if fault:
            self.gateway.fault("cancel", fault, order_id=order_ref)
        for _ in range(1 + repeat):
            try:
                self.gateway.cancel(before, amount, key, refund_account=BACK)
            except (GatewayRefused, GatewayUnknown):
                pass
        self.gateway.control("no-faults")
        after = self.learn(order_ref)
        assert after.balance in (before.balance, before.balance - amount)
        assert len(after.refunds) - len(before.refunds) == (after.balance != before.balance)

    @rule(order_ref=paid | approved)
    def deposit(self, order_ref):
        self.at_the_bank("deposit", order_ref)

    @rule(order_ref=paid | approved)
    def reverse(self, order_ref):
        self.at_the_bank("reversal", order_ref)

    def at_the_bank(self, what, order_ref):
        try:
            self.gateway.control(what, order_id=order_ref)
        except AssertionError as refused:
            assert "REFUSED_BY_BANK" in str(refused) or "NOT_CANCELABLE" in str(refused)
        self.learn(order_ref)

    @rule(seconds=st.sampled_from([60, 300, 601, 8 * 86400]))
    def time_passes(self, seconds):
        self.gateway.control("clock", advance=seconds)
        for order_ref in self.keep:
            self.learn(order_ref)

    @invariant()
    def the_books_agree_with_ours(self):
        books = self.gateway.books()
        by_order: dict[str, int] = {}
        for line in books["transactions"]:
            by_order[line["order_id"]] = by_order.get(line["order_id"], 0) + line["amount"]
        assert {order: amount for order, amount in by_order.items() if amount} \
            == {order: amount for order, amount in self.ours.items() if amount}
        for payment in books["payments"]:
            assert 0 <= payment["balanceAmount"] <= payment["totalAmount"]
            given_back = sum(cancel["cancelAmount"] for cancel in payment["cancels"] or [])
            assert payment["totalAmount"] - payment["balanceAmount"] == given_back
            assert payment["suppliedAmount"] + payment["vat"] + payment["taxFreeAmount"] == payment["balanceAmount"]
            assert payment["vat"] == vat_included(payment["balanceAmount"])

    @invariant()
    def paid_means_that_the_money_is_there(self):
        for order_ref in self.keep:
            snapshot = self.asked(order_ref)
            if snapshot.status in (PAID, PARTIALLY_REFUNDED):
                assert self.ours[order_ref] == snapshot.balance > 0
            if snapshot.status == REFUNDED:
                assert self.ours[order_ref] == snapshot.balance == 0
            assert (snapshot.status == REFUND_PENDING) <= (snapshot.method == VIRTUAL_ACCOUNT)


def test_money_is_conserved():
    with running() as gateway:
        class Here(Gateways):
            pass
        Here.gateway = gateway
        run_state_machine_as_test(Here, settings=settings(
            max_examples=20, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)))


def test_the_machine_refuses_moves_that_toss_does_not_make():
    every = {state.READY, state.IN_PROGRESS, state.WAITING, state.DONE, state.CANCELED, state.PARTIAL, state.ABORTED,
             state.EXPIRED}
    assert set(state.LEGAL) == every | {None}
    assert [status for status in every if not state.LEGAL[status]] and state.LEGAL[state.PARTIAL] == {state.PARTIAL}
    assert state.LEGAL[state.DONE] == {state.CANCELED, state.PARTIAL, state.WAITING}
    assert all(not state.LEGAL[end] for end in (state.ABORTED, state.EXPIRED, state.CANCELED))
