"""Stripe's buyers, shop, banks, clock and faults in any order: money is neither made nor lost, and each key acts once."""
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from eventapp.payments import stripe
from eventapp.payments.provider import STATUSES, UNKNOWN, GatewayError, GatewayRef, GatewayRefused, GatewayUnknown
from tests.gateway import BROWSER, attempt, running
from tests.payments.stands.stripe import Stripe

FAULTS = ["drop_before", "500", "429", "409", "html", "timeout_after_commit", "500_after_commit", "truncated"]
CARDS = ["4242424242424242", "4242424242424242", "4000000000000002", "4000000000007726", "4000000000005126", "4000000000000259"]


class Checkouts(RuleBasedStateMachine):
    gateway = None
    opened = Bundle("opened")

    def __init__(self):
        super().__init__()
        self.gateway.control("reset")
        self.stand = Stripe(self.gateway)

    def asked(self, order_ref):
        snapshot = stripe.fetch(self.stand.account, GatewayRef(order_ref, self.stand.opened[order_ref].gateway_key))
        assert snapshot.status in STATUSES - {UNKNOWN} and snapshot.consistent
        return snapshot

    def told(self, what, order_ref, **body):
        """Whatever comes of it."""
        BROWSER.post(f"{self.gateway.address}/control/stripe/{what}", json={"order_id": order_ref} | body)

    @initialize(target=opened, amount=st.integers(100, 10 ** 6))
    def open_first(self, amount):
        return self.open(amount, None, 1)

    @rule(target=opened, amount=st.integers(100, 10 ** 6), fault=st.none() | st.sampled_from(FAULTS), times=st.integers(1, 3))
    def open(self, amount, fault, times):
        """The same attempt as often as one likes: it is one session."""
        intent, key = self.stand.intent(amount), attempt("open")
        if fault:
            self.gateway.fault("stripe.open", fault)
        for _ in range(times):
            try:
                self.stand.open(intent, key)
            except GatewayUnknown:
                pass
        self.gateway.control("no-faults")
        self.stand.open(intent, key)
        return intent.order_ref

    @rule(order_ref=opened, card=st.sampled_from(CARDS), delayed=st.booleans())
    def pay(self, order_ref, card, delayed):
        self.told("pay", order_ref, card=card, delayed=delayed)

    @rule(order_ref=opened, failed=st.booleans())
    def money_comes_later(self, order_ref, failed):
        self.told("deposit", order_ref, failed=failed)

    @rule(order_ref=opened, share=st.floats(0.01, 1.2), fault=st.none() | st.sampled_from(FAULTS), repeat=st.booleans())
    def refund(self, order_ref, share, fault, repeat):
        before = self.asked(order_ref)
        amount, key = max(1, int(before.balance * share)), attempt("cancel")
        if not before.captured:
            return
        if fault:
            self.gateway.fault("stripe.cancel", fault)
        for _ in range(1 + repeat):
            try:
                self.stand.cancel(before, amount, key)
            except (GatewayRefused, GatewayUnknown):
                pass
        self.gateway.control("no-faults")
        after = self.asked(order_ref)
        assert after.balance in (before.balance, before.balance - amount)
        assert len(after.refunds) - len(before.refunds) == (after.balance != before.balance)

    @rule(order_ref=opened)
    def close(self, order_ref):
        before = self.asked(order_ref)
        if before.captured:
            return
        try:
            assert not self.stand.cancel(before).captured
        except GatewayError as error:
            assert error.code == "payment_intent_unexpected_state"

    @rule(order_ref=opened, amount=st.none() | st.integers(1, 5000))
    def refund_by_hand(self, order_ref, amount):
        self.told("cancel", order_ref, **({"amount": amount} if amount else {}))

    @rule(order_ref=opened, result=st.sampled_from(["succeeded", "failed", "canceled"]))
    def refund_ends(self, order_ref, result):
        if self.asked(order_ref).refunds:
            self.told("refund", order_ref, result=result)

    @rule(order_ref=opened, status=st.sampled_from(["needs_response", "won", "lost"]))
    def contest(self, order_ref, status):
        self.told("dispute", order_ref, status=status)

    @rule(seconds=st.sampled_from([60, 1800, 86401, 3 * 86400]))
    def time_passes(self, seconds):
        self.gateway.control("clock", advance=seconds)

    @invariant()
    def what_snapshots_say_is_in_the_books(self):
        by_order: dict[str, int] = {}
        for line in BROWSER.get(f"{self.gateway.address}/control/stripe/books").json()["transactions"]:
            by_order[line["order_ref"]] = by_order.get(line["order_ref"], 0) + line["amount"]
        for order_ref in self.stand.opened:
            snapshot = self.asked(order_ref)
            contested = snapshot.dispute.amount if snapshot.dispute and snapshot.dispute.status in ("open", "lost") else 0
            assert by_order.get(order_ref, 0) == (snapshot.balance - contested if snapshot.captured else 0)


def test_money_is_conserved():
    with running() as gateway:
        class Here(Checkouts):
            pass
        Here.gateway = gateway
        run_state_machine_as_test(Here, settings=settings(
            max_examples=20, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)))
