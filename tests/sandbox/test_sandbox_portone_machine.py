"""Whatever buyers, shops, banks and time do to the sandbox's PortOne, its books and our reading of them stay sound."""
import json
import threading
import time
from datetime import UTC, datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from eventapp.payments import portone_shapes
from eventapp.payments.provider import PAID, UNKNOWN, GatewayRef
from eventapp.payments.transport import parse_json
from eventapp.sandbox import portone_shapes as wire
from eventapp.sandbox.app import Sandbox
from eventapp.sandbox.portone_books import CANCELLED, FAILED, LEGAL, PARTIAL, Payment
from eventapp.sandbox.portone_window import METHODS
from eventapp.sandbox.state import DAY, MINUTE, Refusal
from tests.gateway import running
from tests.payments.stands.portone import Portone

STORE, CHANNELS = "store-demo0000000001", ["channel-key-demo0000000001", "channel-key-demo0000000001-manual"]
payments = st.integers(0, 2)


class Books(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.sandbox = Sandbox()
        self.books = self.sandbox.portone
        self.store = self.books.store(STORE)
        self.seen: dict[str, list[str]] = {}

    def act(self, call, *arguments, **named):
        try:
            return call(*arguments, **named)
        except Refusal:
            return None

    def payment(self, number) -> Payment | None:
        return self.books.payments.get((STORE, f"ev_machine_{number}"))

    @rule(number=payments, method=st.sampled_from(METHODS), channel=st.sampled_from(CHANNELS))
    def open(self, number, method, channel):
        self.act(self.books.open_window, self.store, f"ev_machine_{number}", channel=channel, order_name="등록", method=method,
                 total=50000, tax_free=5000, currency="KRW",
                 due_at=self.books.now() + DAY if method == "VIRTUAL_ACCOUNT" else None)

    @rule(number=payments, which=st.integers(0, 3), slow=st.booleans(), deposit=st.booleans())
    def approve(self, number, which, slow, deposit):
        if (payment := self.payment(number)) and which < len(payment.tries):
            self.act(self.books.approve, payment.tries[which]["tx"], slow=slow, deposit=deposit)

    @rule(number=payments, which=st.integers(0, 3))
    def decline(self, number, which):
        if (payment := self.payment(number)) and which < len(payment.tries) and payment.status == "READY":
            self.act(self.books.decline, payment.tries[which]["tx"], "REJECT_CARD_COMPANY", "거절")

    @rule(number=payments, which=st.integers(0, 3), reject=st.sampled_from(["", "", "REJECT_CARD_COMPANY"]))
    def confirm(self, number, which, reject):
        if (payment := self.payment(number)) and which < len(payment.tries):
            self.act(self.books.confirm, self.store, payment.id, payment.tries[which]["token"], {}, reject)

    @rule(number=payments, amount=st.none() | st.integers(1, 60000), later=st.booleans(), stale=st.booleans())
    def cancel(self, number, amount, later, stale):
        if payment := self.payment(number):
            self.act(self.books.cancel, self.store, payment.id, reason="변심", amount=amount, tax_free=0, later=later,
                     current=payment.cancellable - 1 if stale else payment.cancellable, refund_account={"bank": "WOORI"})

    @rule(number=payments, succeeded=st.booleans())
    def finish_refund(self, number, succeeded):
        if payment := self.payment(number):
            self.act(self.books.finish_refund, payment, succeeded)

    @rule(number=payments, what=st.sampled_from(["deposit", "expire", "contest", "close", "won", "lost"]))
    def happen(self, number, what):
        if payment := self.payment(number):
            calls = {"close": (self.books.close, self.store, payment.id), "won": (self.books.resolve, payment, "won"),
                     "lost": (self.books.resolve, payment, "lost")}
            call, *arguments = calls.get(what, (getattr(self.books, what, None), payment))
            self.act(call, *arguments)

    @rule(seconds=st.sampled_from([3, 6, 11 * MINUTE, 31 * MINUTE, 2 * DAY]))
    def time_passes(self, seconds):
        self.sandbox.books.offset += seconds
        self.books.sweep()

    @rule()
    def restart(self):
        """What the journal would bring back is what there was."""
        before, other = [json.loads(json.dumps(line)) for line in self.books.dump()], Sandbox()
        for line in before:
            other.portone.restore(line)
        assert [json.loads(json.dumps(line)) for line in other.portone.dump()] == before

    @invariant()
    def sound(self):
        for payment in self.books.payments.values():
            assert 0 <= payment.cancelled <= payment.total and payment.cancellable >= 0
            assert payment.status != CANCELLED or payment.cancelled == payment.total or not payment.paid_at
            assert (payment.status == PARTIAL) == (0 < payment.cancelled < payment.total)
            assert payment.status in LEGAL and not (payment.status == FAILED and payment.paid_at)
            body = parse_json(json.dumps(wire.payment(payment, "http://localhost")).encode())
            seen = portone_shapes.payment(body, mode="test", channels=CHANNELS, now=datetime.fromtimestamp(self.books.now(), UTC))
            assert seen.status != UNKNOWN and seen.consistent and seen.test_mode
            assert seen.captured - seen.refunded == payment.balance


Books.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
TestBooks = Books.TestCase


def test_ten_payments_a_second_are_no_burden():
    """Register, window, approval, confirm and question, four buyers at once; the client shares the processor."""
    with running() as gateway:
        stand, each = Portone(gateway), 15

        def buyer():
            for _ in range(each):
                paid = stand.pay()
                assert stand.provider.fetch(stand.account, GatewayRef(paid.order_ref)).status == PAID

        buyers = [threading.Thread(target=buyer) for _ in range(4)]
        began = time.monotonic()
        for one in buyers:
            one.start()
        for one in buyers:
            one.join()
        speed = 4 * each / (time.monotonic() - began)
        print(f"{speed:.0f} payments a second")
        assert stand.in_books() == 50000 * 4 * each and speed > 5
