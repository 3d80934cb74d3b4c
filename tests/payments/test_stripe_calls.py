"""Stripe through the sandbox, over HTTP: sessions, pages, delayed money, refunds, disputes, books."""
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from eventapp import faults
from eventapp.money import Money
from eventapp.payments import stripe
from eventapp.payments.provider import (
    AWAITING_DEPOSIT,
    BANK_TRANSFER,
    EXPIRED,
    FAILED,
    PAID,
    PARTIALLY_REFUNDED,
    PENDING,
    REFUND_PENDING,
    REFUNDED,
    BadReturn,
    GatewayContractError,
    GatewayMisconfigured,
    GatewayRef,
    GatewayRefused,
    GatewayUnknown,
    PaymentIntent,
)
from tests.gateway import BROWSER, attempt
from tests.payments.stands.stripe import Stripe

GOES_PENDING, FAILS_LATER, CONTESTED = "4000000000007726", "4000000000005126", "4000000000000259"


@pytest.fixture
def stand(gateway):
    return Stripe(gateway)


@pytest.fixture
def control(stand):
    """`control("dispute", order_id=…)` under /control/stripe."""
    return lambda what, **body: stand.gateway.control(f"stripe/{what}", **body)


def shown(stand, order_ref: str) -> dict:
    books = BROWSER.get(f"{stand.gateway.address}/control/stripe/books", params={"order_id": order_ref}).json()
    return books["payments"][-1]


def pay(stand, control, amount: int = 50000, **body):
    intent = stand.intent(amount)
    stand.open(intent)
    control("pay", order_id=intent.order_ref, **body)
    return stand.provider.fetch(stand.account, stand.ref(intent))


# -- opening ----------------------------------------------------------------------------------------
def test_what_a_session_is_opened_with(stand):
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=40)
    intent = stand.intent(1250, currency="USD", due_at=due, customer_email="someone@example.com", locale="ko")
    opened = stand.open(intent)
    session = shown(stand, intent.order_ref)
    assert (session["id"], session["url"]) == (opened.gateway_key, opened.url)
    assert (session["amount_total"], session["currency"], session["locale"]) == (1250, "usd", "ko")
    assert session["success_url"] == "http://localhost:5000/payment/success?ref=abc&session_id={CHECKOUT_SESSION_ID}"
    assert session["cancel_url"] == intent.fail_url and session["expires_at"] == int(due.timestamp())
    assert session["client_reference_id"] == session["metadata"]["order_ref"] == intent.order_ref
    assert session["customer_email"] is None, "the page's address may be somebody else's to open"
    assert intent.order_name in BROWSER.get(opened.url).text


@pytest.mark.parametrize("currency, amount", [("KRW", 120000), ("JPY", 500), ("USD", 1250), ("KWD", 12340), ("ISK", 50000)])
def test_amounts_are_exact_in_every_kind_of_currency(stand, currency, amount):
    paid = stand.pay(amount, currency=currency)
    assert (paid.status, paid.total, paid.balance, paid.currency) == (PAID, amount, amount, currency)
    assert stand.cancel(paid).status == REFUNDED


@pytest.mark.parametrize("currency, amount", [("KWD", 12345), ("ISK", 12345), ("UGX", 50000)])
def test_an_amount_that_stripe_cannot_take_exactly_is_refused_and_not_rounded(stand, currency, amount):
    with pytest.raises(GatewayRefused) as refused:
        stand.open(stand.intent(amount, currency=currency))
    assert refused.value.code == "CURRENCY_NOT_SUPPORTED"
    assert stand.opened == {}


def test_an_amount_below_stripes_least_is_refused(stand):
    with pytest.raises(GatewayRefused) as refused:
        stand.open(stand.intent(99))
    assert refused.value.code == "amount_too_small"


def test_the_same_key_with_another_body_is_unknown_and_opens_nothing(stand):
    intent, key = stand.intent(), attempt("open")
    first = stand.open(intent, key)
    with pytest.raises(GatewayUnknown) as unknown:
        stand.provider.open(stand.account, replace(intent, amount=Money(60000, "KRW")), key)
    assert unknown.value.code == "idempotency_error"
    assert stand.open(intent, key) == first


def test_after_a_day_the_key_is_forgotten(stand):
    intent, key = stand.intent(), attempt("open")
    first = stand.open(intent, key)
    stand.gateway.control("clock", advance=24 * 3600 + 1)
    assert stand.open(intent, key).gateway_key != first.gateway_key


@pytest.mark.parametrize("minutes", [29, 24 * 60 + 1])
def test_stripe_lets_a_page_live_between_half_an_hour_and_a_day(stand, minutes):
    with pytest.raises(GatewayRefused):
        stand.open(stand.intent(due_at=datetime.now(UTC) + timedelta(minutes=minutes)))


def test_a_session_for_something_else_is_no_answer(stand):
    stand.fault("open", "wrong_amount")
    with pytest.raises(GatewayContractError):
        stand.open(stand.intent())
    faults.configure(guards_off=["stripe.answer"])
    try:
        stand.fault("open", "wrong_amount")
        assert stand.open(stand.intent()).url
    finally:
        faults.configure()


@pytest.mark.parametrize("change", [
    {"client_key": "sk_test_demo0000000001"}, {"client_key": ""}, {"secret_keys": ()}, {"secret_keys": ("pk_test_demo0000000001",)},
    {"secret_keys": ("sk_live_demo0000000001",)}, {"mode": "live"}, {"secret_keys": ("sk_test_demo0000000001", "sk_live_old0000000001")}])
def test_keys_of_the_wrong_kind_never_leave_the_house(stand, change):
    account = replace(stand.account, api_url="http://127.0.0.1:9", **change)
    with pytest.raises(GatewayMisconfigured) as wrong:
        stripe.open(account, stand.intent(), attempt("open"))
    assert wrong.value.code == "WRONG_KEYS"


def test_a_restricted_key_is_as_good(stand):
    stand.account = stand.account_of("demo0000000001", secret_keys=("rk_test_demo0000000001",))
    assert stripe.check_credentials(stand.account).ok
    assert stand.pay().status == PAID


def test_the_previous_key_serves_while_the_new_one_is_not_valid_yet(stand):
    stand.account = stand.account_of("demo0000000001", secret_keys=("sk_test_new00000000001", "sk_test_demo0000000001"))
    assert stand.pay().status == PAID


def test_a_live_account_that_may_take_no_money_is_not_good(stand, monkeypatch):
    live = stand.account_of("demo0000000001", mode="live", secret_keys=("sk_live_demo0000000001",))
    live = replace(live, client_key="pk_live_demo0000000001")
    monkeypatch.setattr(stripe, "_ask", lambda *_: {"object": "account", "charges_enabled": False})
    assert stripe.check_credentials(live).code == "CHARGES_NOT_ENABLED"
    monkeypatch.setattr(stripe, "_ask", lambda *_: {"object": "account", "charges_enabled": True})
    assert stripe.check_credentials(live).ok


# -- the page and back ------------------------------------------------------------------------------
def test_the_page_sends_the_session_back(stand):
    intent = stand.intent()
    opened = stand.open(intent)
    query = stand.press(intent, "approve")
    assert query == {"ref": "abc", "session_id": opened.gateway_key}
    assert stripe.parse_return(stand.account, query).gateway_key == opened.gateway_key
    assert stripe.parse_return(stand.account, {"ref": "abc"}).failure_code == "PAY_PROCESS_CANCELED"


def test_a_session_that_comes_twice_is_refused(stand):
    from werkzeug.datastructures import MultiDict
    with pytest.raises(BadReturn):
        stripe.parse_return(stand.account, MultiDict([("session_id", "cs_test_a"), ("session_id", "cs_test_b")]))


def test_a_declined_card_leaves_the_page_open_and_says_why(stand):
    intent = stand.intent()
    page = stand.open(intent).url
    answer = BROWSER.post(f"{page}/approve", data={"card": "4000000000009995"})
    assert answer.status_code == 402 and "insufficient_funds" in answer.text and "sandbox-approve" in answer.text
    seen = stripe.fetch(stand.account, stand.ref(intent))
    assert (seen.status, seen.failure.code, seen.captured) == (PENDING, "insufficient_funds", 0)
    assert BROWSER.post(f"{page}/approve").status_code == 303
    paid = stripe.fetch(stand.account, stand.ref(intent))
    assert (paid.status, paid.failure, paid.paid_with) == (PAID, None, "Visa •••• 4242")


def test_the_page_needs_no_script_and_loads_none(stand):
    answer = BROWSER.get(stand.open(stand.intent()).url)
    assert "<script" not in answer.text and "SANDBOX: 실제 결제 아님" in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_page_is_paid_once(stand):
    intent = stand.intent()
    page = stand.open(intent).url
    assert BROWSER.post(f"{page}/approve").status_code == 303
    assert BROWSER.post(f"{page}/approve").status_code == 409
    assert stand.in_books() == 50000


def test_autopay_approves_by_itself(stand):
    stand.gateway.control("autopay", on=True)
    try:
        answer = BROWSER.get(stand.open(stand.intent()).url)
        assert answer.status_code == 303 and "session_id=cs_test_" in answer.headers["location"]
    finally:
        stand.gateway.control("autopay", on=False)


def test_an_open_page_expires(stand):
    intent = stand.intent()
    page = stand.open(intent).url
    stand.gateway.control("clock", advance=24 * 3600)
    assert stripe.fetch(stand.account, stand.ref(intent)).status == EXPIRED
    assert BROWSER.post(f"{page}/approve").status_code == 409


def test_closing_an_open_page_ends_it(stand):
    intent, key = stand.intent(), attempt("cancel")
    page = stand.open(intent).url
    opened = stripe.fetch(stand.account, stand.ref(intent))
    assert (opened.status, opened.balance, opened.captured) == (PENDING, 50000, 0)
    assert stand.cancel(opened, key=key).status == EXPIRED
    assert stand.cancel(opened, key=key).status == EXPIRED, "there is nothing left to close"
    assert BROWSER.post(f"{page}/approve").status_code == 409


def test_it_is_found_by_its_payment_intent_as_notices_name_it(stand):
    paid = stand.pay()
    intent = shown(stand, paid.order_ref)["payment_intent"]["id"]
    assert stripe.fetch(stand.account, GatewayRef("", intent)) == paid
    assert stripe.fetch(stand.account, GatewayRef(paid.order_ref, intent)) == paid
    assert stripe.fetch(stand.account, GatewayRef("", "pi_ofnobody")) is None
    with pytest.raises(GatewayContractError):
        stripe.fetch(stand.account, GatewayRef("ev_another1", intent))


def test_an_answer_about_another_payment_is_no_answer(stand):
    paid = stand.pay()
    with pytest.raises(GatewayContractError):
        stripe.fetch(stand.account, GatewayRef("ev_another1", paid.gateway_key))


def test_without_a_session_nothing_is_known(stand):
    assert stripe.fetch(stand.account, GatewayRef("ev_whatever1")) is None
    assert stripe.fetch(stand.account, GatewayRef("", "../../account")) is None


# -- money that comes later -------------------------------------------------------------------------
def test_a_delayed_method_is_awaited_and_comes(stand, control):
    intent = stand.intent()
    stand.visit(intent, "timeout")
    waiting = stripe.fetch(stand.account, stand.ref(intent))
    assert (waiting.status, waiting.captured, waiting.method, stand.in_books()) == (AWAITING_DEPOSIT, 0, BANK_TRANSFER, 0)
    with pytest.raises(GatewayRefused):
        stand.cancel(waiting)
    control("deposit", order_id=intent.order_ref)
    paid = stripe.fetch(stand.account, stand.ref(intent))
    assert (paid.status, paid.captured, paid.paid_with, stand.in_books()) == (PAID, 50000, "Stripe Test Bank •••• 6789", 50000)


def test_a_delayed_method_is_awaited_and_fails(stand, control):
    waiting = pay(stand, control, delayed=True)
    control("deposit", order_id=waiting.order_ref, failed=True)
    failed = stand.fetch(waiting)
    assert (failed.status, failed.failure.code, failed.captured) == (FAILED, "payment_method_provider_decline", 0)


def test_a_delayed_method_comes_with_time(stand, control):
    waiting = pay(stand, control, delayed=True)
    stand.gateway.control("clock", advance=3 * 24 * 3600)
    assert stand.fetch(waiting).status == PAID


# -- refunds ----------------------------------------------------------------------------------------
def test_a_refund_says_whose_it_is(stand):
    paid, key = stand.pay(), attempt("cancel")
    back = stand.cancel(paid, 20000, key, reason="참가 취소")
    assert [(one.amount, one.reason, one.status) for one in back.refunds] == [(20000, "참가 취소", "done")]
    refund = shown(stand, paid.order_ref)["payment_intent"]["latest_charge"]["refunds"]["data"][0]
    assert refund["metadata"] == {"order_ref": paid.order_ref, "attempt": key, "reason": "참가 취소"}
    assert back.last_tx == back.refunds[0].transaction_key == refund["id"]


def test_a_refund_is_made_once_even_when_stripe_has_forgotten_the_key(stand):
    paid, key = stand.pay(), attempt("cancel")
    first = stand.cancel(paid, 20000, key)
    stand.gateway.control("clock", advance=30 * 24 * 3600)
    assert stand.cancel(paid, 20000, key) == first
    assert stand.in_books() == 30000


def test_everything_that_is_left_goes_back(stand):
    paid = stand.pay()
    part = stand.cancel(paid, 1)
    assert part.status == PARTIALLY_REFUNDED
    assert stand.cancel(part).refunds[-1].amount == 49999


def test_a_pending_refund_ends_well(stand, control):
    paid = pay(stand, control, card=GOES_PENDING)
    pending = stand.cancel(paid, 20000)
    assert (pending.status, pending.balance, pending.refunded, pending.consistent) == (REFUND_PENDING, 30000, 0, True)
    stand.gateway.control("clock", advance=2 * 24 * 3600)
    done = stand.fetch(paid)
    assert (done.status, done.refunded, done.balance) == (PARTIALLY_REFUNDED, 20000, 30000)


def test_a_pending_refund_fails(stand, control):
    paid = pay(stand, control, card=GOES_PENDING)
    stand.cancel(paid)
    control("refund", order_id=paid.order_ref, result="failed")
    failed = stand.fetch(paid)
    assert (failed.status, failed.refunded, failed.balance, failed.refunds[0].status) == (PAID, 0, 50000, "failed")
    assert failed.consistent and stand.in_books() == 50000


def test_a_refund_that_was_done_fails_days_later(stand, control):
    paid = pay(stand, control, card=FAILS_LATER)
    done = stand.cancel(paid)
    assert done.status == REFUNDED
    stand.gateway.control("clock", advance=2 * 24 * 3600)
    failed = stand.fetch(paid)
    assert (failed.status, failed.balance, failed.refunds[0].status) == (PAID, 50000, "failed")
    assert failed.refunds[0].transaction_key == done.refunds[0].transaction_key


def test_more_refunds_than_come_along_with_a_charge(stand):
    paid = stand.pay()
    for _ in range(12):
        paid = stand.cancel(paid, 1000)
    assert (len(paid.refunds), paid.balance, paid.consistent) == (12, 38000, True)
    assert len({one.transaction_key for one in paid.refunds}) == 12


def test_a_refund_by_hand_has_stripes_reason(stand, control):
    paid = stand.pay()
    control("cancel", order_id=paid.order_ref, amount=1000, reason="duplicate")
    assert [(one.amount, one.reason) for one in stand.fetch(paid).refunds] == [(1000, "duplicate")]


# -- disputes ---------------------------------------------------------------------------------------
def test_a_dispute_that_is_won_leaves_everything_as_it_was(stand, control):
    paid = pay(stand, control, card=CONTESTED)
    assert (paid.status, paid.dispute.status, paid.dispute.amount, paid.dispute.reason) == (PAID, "open", 50000, "fraudulent")
    assert stand.in_books() == 0, "the money is withdrawn at once"
    with pytest.raises(GatewayRefused) as refused:
        stand.cancel(paid)
    assert refused.value.code == "charge_disputed"
    stand.contest(paid, "won")
    assert stand.fetch(paid).dispute.status == "won" and stand.in_books() == 50000


def test_a_dispute_that_is_lost_has_taken_the_money(stand):
    paid = stand.pay()
    stand.contest(paid)
    stand.contest(paid, "lost")
    lost = stand.fetch(paid)
    assert (lost.status, lost.dispute.status, lost.dispute.amount, lost.refunds, lost.consistent) == (PAID, "lost", 50000, (), True)
    assert stand.in_books() == 0


# -- books ------------------------------------------------------------------------------------------
def test_the_books_name_what_snapshots_name(stand, control):
    paid = stand.pay()
    back = stand.cancel(paid, 20000)
    control("cancel", order_id=paid.order_ref, amount=5000)
    stand.contest(paid)
    stand.contest(paid, "won")
    now = datetime.now(UTC)
    entries = list(stripe.list_transactions(stand.account, now - timedelta(hours=1), now + timedelta(minutes=1)))
    assert {entry.order_ref for entry in entries} == {paid.order_ref}
    assert [(entry.raw_status, entry.amount) for entry in reversed(entries)] == [
        ("charge", 50000), ("refund", -20000), ("refund", -5000), ("adjustment", -25000), ("adjustment", 25000)]
    assert {paid.last_tx, back.last_tx} <= {entry.transaction_key for entry in entries}
    assert len({entry.transaction_key for entry in entries}) == 5
    lines = list(stripe.list_settlements(stand.account, now.date(), now.date()))
    assert [(line.amount, line.fee, line.payout) for line in reversed(lines)] == [
        (50000, 1700, 48300), (-20000, 0, -20000), (-5000, 0, -5000), (-25000, 20000, -45000), (25000, 0, 25000)]
    assert all(line.sold_on == now.date() and line.paid_out_on == now.date() + timedelta(days=2) for line in lines)


def test_other_business_of_the_same_account_is_left_out(stand):
    client = httpx.Client(base_url=stand.account.api_url, auth=(stand.account.secret_keys[0], ""))
    answer = client.post("/v1/checkout/sessions", data={
        "mode": "payment", "success_url": "https://shop.example/", "cancel_url": "https://shop.example/",
        "line_items[0][price_data][currency]": "krw", "line_items[0][price_data][unit_amount]": "3000",
        "line_items[0][price_data][product_data][name]": "mug", "line_items[0][quantity]": "1"})
    assert answer.status_code == 200, answer.text
    stand.gateway.control("stripe/pay", session=answer.json()["id"])
    stand.gateway.control("stripe/cancel", session=answer.json()["id"], amount=1000)
    ours, now = stand.pay(), datetime.now(UTC)
    entries = list(stripe.list_transactions(stand.account, now - timedelta(hours=1), now + timedelta(minutes=1)))
    assert [entry.order_ref for entry in entries] == [ours.order_ref]


def test_books_of_several_pages(stand, monkeypatch):
    monkeypatch.setattr(stripe, "PAGE", 2)
    for _ in range(5):
        stand.pay()
    now = datetime.now(UTC)
    entries = list(stripe.list_transactions(stand.account, now - timedelta(hours=1), now + timedelta(minutes=1)))
    assert len({entry.transaction_key for entry in entries}) == 5


def test_an_order_id_is_checked_before_it_goes_out(stand):
    with pytest.raises(ValueError):
        stripe.open(stand.account, PaymentIntent("x", Money(1000, "KRW")), attempt("open"))
    with pytest.raises(ValueError):
        stripe.open(stand.account, stand.intent(), "short")
    with pytest.raises(ValueError):
        stripe.open(stand.account, PaymentIntent(f"ev_{secrets.token_hex(8)}", Money(0, "KRW")), attempt("open"))
