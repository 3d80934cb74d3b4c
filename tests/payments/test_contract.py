"""The contract of `payments.provider`, the same tests for every gateway, each through its stand (`stands/`).

What a gateway does not have is skipped with that as the reason. With `CONTRACT_TOSS_…`, `CONTRACT_PORTONE_…` or
`CONTRACT_STRIPE_…` keys in the environment the parts that need nobody at a window run against its own test environment
too.
"""
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventapp.payments import PROVIDERS, provider
from eventapp.payments.provider import (
    AWAITING_DEPOSIT,
    CARD,
    PAID,
    PARTIALLY_REFUNDED,
    PAYMENT_CHANGED,
    PROOF_NONE,
    PROOF_SIGNATURE,
    REFUND_PENDING,
    REFUNDED,
    VIRTUAL_ACCOUNT,
    VOIDED,
    BadReturn,
    BadWebhook,
    CashReceiptRequest,
    GatewayError,
    GatewayMisconfigured,
    GatewayRef,
    GatewayRefused,
    GatewayUnknown,
    VirtualAccountRequest,
)
from tests.payments.stands import NAMES, all_stands, attempt, keys_of, stand_of

STANDS = all_stands()
REAL = {f"{name}, its own test environment": stand_of(name) for name in NAMES if keys_of(stand_of(name))}
NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
CALLS = {"opens_first": ["open"], "needs_script": ["two_step"], "refunds": ["cancel", "fetch", "check_credentials"],
         "issues_accounts": ["issue_virtual_account"],
         "cash_receipts": ["issue_cash_receipt", "cancel_cash_receipt", "fetch_cash_receipt"],
         "books": ["list_transactions"], "settlements": ["list_settlements"], "signed_webhooks": ["parse_webhook"]}


@pytest.fixture(params=[*STANDS, *REAL])
def stand(request):
    if request.param in REAL:
        return REAL[request.param](None)
    return STANDS[request.param](request.getfixturevalue("gateway"))


@pytest.fixture
def told(stand, inbox):
    """The notices of this stand's account, as our client reads them."""
    stand.needs_a_buyer()
    stand.told_at(inbox.url)

    def hints(count):
        inbox.wait(count)
        return [stand.provider.parse_webhook(stand.account, headers, raw, datetime.now(UTC))
                for headers, raw in inbox.notices]
    yield hints
    stand.told_at("")


# -- what a provider says of itself -----------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_it_is_found_by_its_name_and_has_the_calls_it_says_it_has(name):
    one = provider(name)
    assert one.name == name and one.caps.methods
    for capability, calls in CALLS.items():
        if getattr(one.caps, capability):
            assert [call for call in calls if not callable(getattr(one, call, None))] == []
    assert callable(one.create_checkout) and callable(one.parse_return)
    assert one.caps.refund_account_for <= one.caps.methods
    assert isinstance(one.RETURN_NAMES, frozenset)


def test_there_is_a_stand_for_every_provider():
    assert set(NAMES) == set(PROVIDERS)


def test_the_keys_that_work_and_those_that_do_not(stand):
    stand.needs("refunds")
    assert stand.provider.check_credentials(stand.account).ok
    if not stand.real:
        check = stand.provider.check_credentials(stand.account_of("nobody000001"))
        assert not check.ok and check.code
        with pytest.raises(GatewayMisconfigured):
            stand.provider.fetch(stand.account_of("nobody000001"), stand.never)


def test_no_key_is_shown(stand):
    shown = repr(stand.account)
    for secret in (*stand.account.secret_keys, *stand.account.webhook_secrets):
        assert secret not in shown


# -- to the window and back -------------------------------------------------------------------------
def test_what_the_payment_page_is_given(stand):
    amount = 0 if stand.name == "free" else 50000
    intent = stand.intent(amount)
    checkout = stand.provider.create_checkout(stand.account, intent)
    printed = json.dumps(dict(checkout.params), ensure_ascii=False)
    assert checkout.kind in ("js_sdk", "redirect", "none")
    assert bool(checkout.script_url) == (checkout.kind == "js_sdk") == stand.caps.needs_script
    assert (checkout.params["provider"], checkout.params["orderId"]) == (stand.name, intent.order_ref)
    assert (checkout.params["amount"], checkout.params["currency"]) == (amount, "KRW")
    for secret in stand.account.secret_keys:
        assert secret not in printed + checkout.url + checkout.script_url


def test_who_comes_back_is_only_a_hint(stand):
    stand.needs_a_buyer()
    intent = stand.intent()
    hint = stand.visit(intent, "approve")
    assert not hint.failed and hint.claimed_amount in (None, 50000)
    assert intent.order_ref in (hint.order_ref, "") or hint.gateway_key
    declined = stand.visit(stand.intent(), "decline")
    closed = stand.visit(stand.intent(), "close")
    assert declined.failed and closed.failed


@pytest.mark.parametrize("value", ["", "x", "../../x", "ev_123456\x00", "한글" * 50, "x" * 3000])
def test_a_return_that_no_gateway_sends_is_refused_or_claims_nothing(stand, value):
    for names in (stand.provider.RETURN_NAMES, list(stand.provider.RETURN_NAMES)[:1], []):
        try:
            hint = stand.provider.parse_return(stand.account, dict.fromkeys(names, value))
        except BadReturn:
            continue
        for text in (hint.order_ref, hint.gateway_key, hint.failure_code):
            assert text.isascii() and text.isprintable() and len(text) <= 300


def test_a_payment_from_the_window_to_the_books(stand):
    stand.needs_a_buyer()
    stand.needs(CARD)
    intent = stand.intent()
    paid = stand.finish(intent, stand.visit(intent, "approve"))
    assert (paid.status, paid.method, paid.order_ref, paid.currency) == (PAID, CARD, intent.order_ref, "KRW")
    assert (paid.total, paid.balance, paid.captured, paid.refunded) == (50000, 50000, 50000, 0)
    assert paid.test_mode and paid.consistent and paid.gateway_key and paid.last_tx and paid.paid_with
    assert abs(paid.approved_at - datetime.now(UTC)) < timedelta(seconds=5)
    assert stand.fetch(paid) == paid
    assert stand.provider.fetch(stand.account, stand.ref(intent)) == paid
    assert stand.in_books() == 50000


@pytest.mark.parametrize("method", ["bank_transfer", "mobile"])
def test_other_ways_to_pay(stand, method):
    stand.needs_a_buyer()
    stand.needs(method)
    paid = stand.pay(20000, method)
    assert (paid.status, paid.method, stand.in_books()) == (PAID, method, 20000)


def test_another_currency_has_minor_units(stand):
    stand.needs_a_buyer()
    if stand.caps.currencies is not None:
        pytest.skip(f"{stand.name} takes {', '.join(sorted(stand.caps.currencies))} only")
    paid = stand.pay(1250, currency="USD")
    assert (paid.status, paid.total, paid.currency) == (PAID, 1250, "USD")
    assert stand.cancel(paid, 250).balance == 1000


@pytest.mark.parametrize("button", ["decline", "close"])
def test_a_buyer_who_does_not_pay_has_not_paid(stand, button):
    stand.needs_a_buyer()
    intent = stand.intent()
    stand.visit(intent, button)
    found = stand.provider.fetch(stand.account, stand.ref(intent))
    assert found is None or found.captured == 0
    assert stand.in_books() == 0


def test_nothing_is_known_of_what_was_never_opened(stand):
    stand.needs("lookup_by_order")
    assert stand.provider.fetch(stand.account, stand.never) is None


def test_opening_twice_with_one_key_is_opening_once(stand):
    stand.needs("opens_first")
    intent, key = stand.intent(), attempt("open")
    first = stand.open(intent, key)
    assert stand.open(intent, key) == first
    assert first.gateway_key or stand.caps.lookup_by_order


# -- confirming -------------------------------------------------------------------------------------
def test_one_key_takes_the_money_once(stand):
    stand.needs_a_buyer()
    intent, key = stand.intent(), attempt("confirm")
    hint = stand.visit(intent, "approve")
    first = stand.finish(intent, hint, key)
    assert stand.finish(intent, hint, key) == first
    assert stand.in_books() == 50000


def test_a_second_confirm_never_takes_it_twice(stand):
    stand.needs_a_buyer()
    if not stand.two_step:
        pytest.skip(f"{stand.name} takes the money in its window")
    intent = stand.intent()
    hint = stand.visit(intent, "approve")
    stand.finish(intent, hint)
    with pytest.raises((GatewayRefused, GatewayUnknown)):
        stand.finish(intent, hint)
    assert stand.provider.fetch(stand.account, stand.ref(intent)).status == PAID
    assert stand.in_books() == 50000


def test_another_amount_than_the_windows_is_never_confirmed(stand):
    stand.needs_a_buyer()
    if not stand.two_step:
        pytest.skip(f"{stand.name} takes the money in its window")
    cheap = stand.intent(1000)
    hint = stand.visit(cheap, "approve")
    dear = replace(cheap, amount=stand.intent(100000).amount)
    with pytest.raises((GatewayRefused, GatewayUnknown)):
        stand.finish(dear, hint)
    assert stand.in_books() == 0


@pytest.mark.parametrize("fault", ["timeout_after_commit", "500_after_commit", "html_after_commit", "truncated"])
def test_taken_and_not_answered_is_unknown_and_found(stand, fault):
    stand.needs_a_buyer()
    stand.needs_the_sandbox()
    operation = "confirm" if stand.two_step else "fetch"
    intent, key = stand.intent(), attempt("confirm")
    hint = stand.visit(intent, "approve")
    stand.fault(operation, fault)
    with pytest.raises(GatewayUnknown):
        stand.finish(intent, hint, key)
    assert stand.provider.fetch(stand.account, stand.ref(intent)).status == PAID
    assert stand.finish(intent, hint, key).status == PAID
    assert stand.in_books() == 50000


@pytest.mark.parametrize("fault", ["drop_before", "500", "429", "html"])
def test_a_gateway_that_is_away_has_decided_nothing(stand, fault):
    stand.needs_a_buyer()
    stand.needs_the_sandbox()
    intent, key = stand.intent(), attempt("confirm")
    hint = stand.visit(intent, "approve")
    stand.fault("confirm" if stand.two_step else "fetch", fault)
    with pytest.raises(GatewayUnknown):
        stand.finish(intent, hint, key)
    assert stand.finish(intent, hint, key).status == PAID
    assert stand.in_books() == 50000


# -- virtual accounts -------------------------------------------------------------------------------
def test_a_virtual_account_waits_and_is_paid_into(stand):
    stand.needs_a_buyer()
    stand.needs(VIRTUAL_ACCOUNT)
    due = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0)
    waiting = stand.pay(70000, VIRTUAL_ACCOUNT, due_at=due)
    account = waiting.virtual_account
    assert (waiting.status, waiting.captured, account.due_at, account.expired) == (AWAITING_DEPOSIT, 0, due, False)
    assert account.number and account.bank and account.number not in repr(waiting)
    stand.deposit(waiting)
    paid = stand.fetch(waiting)
    assert (paid.status, paid.captured, paid.gateway_key) == (PAID, 70000, waiting.gateway_key)
    assert stand.in_books() == 70000


def test_an_account_without_a_window(stand):
    stand.needs("issues_accounts")
    intent, key = stand.intent(70000, VIRTUAL_ACCOUNT), attempt("issue")
    request = VirtualAccountRequest("woori", "김하나", valid_hours=24)
    waiting = stand.provider.issue_virtual_account(stand.account, intent, request, key)
    assert (waiting.status, waiting.total, waiting.virtual_account.bank) == (AWAITING_DEPOSIT, 70000, "woori")
    assert stand.provider.issue_virtual_account(stand.account, intent, request, key).gateway_key == waiting.gateway_key
    closed = stand.cancel(waiting)
    assert (closed.status, closed.captured) == (VOIDED, 0)


def test_an_unpaid_account_is_closed_and_nothing_moves(stand):
    stand.needs_a_buyer()
    stand.needs(VIRTUAL_ACCOUNT)
    waiting = stand.pay(70000, VIRTUAL_ACCOUNT)
    closed = stand.cancel(waiting)
    assert (closed.status, closed.captured, closed.refunded) == (VOIDED, 0, 0)
    assert stand.in_books() == 0


def test_money_of_a_virtual_account_goes_back_to_an_account_the_buyer_names(stand):
    stand.needs_a_buyer()
    if VIRTUAL_ACCOUNT not in stand.caps.refund_account_for:
        pytest.skip(f"{stand.name} needs no account to refund to")
    waiting = stand.pay(70000, VIRTUAL_ACCOUNT)
    stand.deposit(waiting)
    paid = stand.fetch(waiting)
    with pytest.raises((GatewayRefused, GatewayUnknown, ValueError)):
        stand.cancel(paid, refund_account=None)
    assert stand.fetch(paid).balance == 70000
    back = stand.cancel(paid)
    assert back.status in (REFUND_PENDING, REFUNDED) and stand.fetch(paid).status in (REFUND_PENDING, REFUNDED)


# -- refunds ----------------------------------------------------------------------------------------
def test_a_refund_of_all(stand):
    stand.needs_a_buyer()
    stand.needs("refunds")
    back = stand.cancel(stand.pay())
    assert (back.status, back.balance, back.captured, back.refunded) == (REFUNDED, 0, 50000, 50000)
    assert [(refund.amount, refund.status) for refund in back.refunds] == [(50000, "done")]
    assert back.refunds[0].transaction_key and stand.in_books() == 0


def test_refunds_in_parts_until_nothing_is_left(stand):
    stand.needs_a_buyer()
    stand.needs("refunds")
    paid = stand.pay()
    part = stand.cancel(paid, 20000)
    assert (part.status, part.balance, part.refunded) == (PARTIALLY_REFUNDED, 30000, 20000)
    whole = stand.cancel(part, 30000)
    assert (whole.status, whole.balance, whole.consistent) == (REFUNDED, 0, True)
    assert len({refund.transaction_key for refund in whole.refunds}) == 2
    with pytest.raises((GatewayRefused, GatewayUnknown)):
        stand.cancel(whole, 1, expected_remaining=0)
    assert stand.in_books() == 0


def test_more_than_what_is_left_is_refused(stand):
    stand.needs_a_buyer()
    stand.needs("refunds")
    paid = stand.pay()
    with pytest.raises(GatewayRefused):
        stand.cancel(paid, 50001)
    assert stand.in_books() == 50000


def test_a_refund_that_believes_in_another_balance_is_refused(stand):
    stand.needs_a_buyer()
    stand.needs("refunds")
    if not stand.locks_refunds:
        pytest.skip(f"{stand.name} compares no balance")
    paid = stand.pay()
    stand.cancel(paid, 10000)
    with pytest.raises(GatewayRefused):
        stand.cancel(paid, 10000)
    assert stand.in_books() == 40000


@pytest.mark.parametrize("fault", ["timeout_after_commit", "500_after_commit", "truncated", "drop_before", "500", "html"])
def test_a_refund_without_an_answer_is_made_once(stand, fault):
    stand.needs_a_buyer()
    stand.needs("refunds")
    stand.needs_the_sandbox()
    paid, key = stand.pay(), attempt("cancel")
    stand.fault("cancel", fault)
    with pytest.raises(GatewayUnknown):
        stand.cancel(paid, 20000, key)
    assert stand.cancel(paid, 20000, key).balance == 30000
    assert stand.in_books() == 30000


def test_a_refund_in_the_gateways_console_is_seen(stand):
    stand.needs_a_buyer()
    stand.needs("refunds")
    paid = stand.pay()
    stand.cancel_elsewhere(paid, 20000)
    seen = stand.fetch(paid)
    assert (seen.balance, seen.refunded, seen.consistent) == (30000, 20000, True)


def test_disputes(stand):
    stand.needs_a_buyer()
    if not stand.contests:
        pytest.skip(f"{stand.name} tells of no disputes")
    paid = stand.pay()
    assert paid.dispute is None
    stand.contest(paid)
    assert stand.fetch(paid).dispute.status == "open"
    stand.contest(paid, "lost")
    assert stand.fetch(paid).dispute.status == "lost"


# -- other people's payments ------------------------------------------------------------------------
def test_another_accounts_payment_is_not_there(stand):
    stand.needs_a_buyer()
    paid = stand.pay()
    stranger = stand.account_of("demo0000000002")
    ref = GatewayRef(paid.order_ref, paid.gateway_key)
    try:
        assert stand.provider.fetch(stranger, ref) is None
    except GatewayError as error:
        assert not isinstance(error, GatewayMisconfigured)
    stand.account, ours = stranger, stand.account
    with pytest.raises(GatewayError):
        stand.cancel(paid)
    stand.account = ours
    assert stand.fetch(paid).balance == 50000


# -- notices ----------------------------------------------------------------------------------------
def test_a_payment_is_told_and_the_notice_names_it(stand, told):
    paid = stand.pay()
    until, ours = time.monotonic() + 5, []
    while not ours and time.monotonic() < until:
        ours = [hint for hint in told(1) if hint.kind == PAYMENT_CHANGED
                and (hint.order_ref == paid.order_ref or hint.gateway_key == paid.gateway_key)]
        time.sleep(0.05)
    assert ours
    assert {hint.proof for hint in ours} == {PROOF_SIGNATURE if stand.caps.signed_webhooks else PROOF_NONE}
    assert all(hint.delivery_id and not hint.contradicts(paid.secret) for hint in ours)


def test_a_changed_or_an_old_notice_is_rejected_where_they_are_signed(stand, told, inbox):
    stand.needs("signed_webhooks")
    stand.pay()
    told(1)
    headers, raw = inbox.notices[0]
    now = datetime.now(UTC)
    for body, at in ((raw + b" ", now), (raw, now + timedelta(minutes=10))):
        with pytest.raises(BadWebhook):
            stand.provider.parse_webhook(stand.account, headers, body, at)
    with pytest.raises(BadWebhook):
        stand.provider.parse_webhook(replace(stand.account, webhook_secrets=()), headers, raw, now)
    with pytest.raises(BadWebhook):
        stand.provider.parse_webhook(stand.account, {}, raw, now)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=100) | st.dictionaries(st.text(max_size=8), st.text(max_size=8)).map(
    lambda body: json.dumps(body).encode()))
def test_what_is_no_notice_is_refused_or_means_nothing(stand, raw):
    if not hasattr(stand.provider, "parse_webhook"):
        pytest.skip(f"{stand.name} sends no notices")
    try:
        hint = stand.provider.parse_webhook(stand.account, {}, raw, NOW)
    except BadWebhook:
        return
    assert (hint.order_ref, hint.gateway_key, hint.proof) == ("", "", PROOF_NONE)


# -- books, payouts, receipts -----------------------------------------------------------------------
def test_the_books_have_every_movement(stand):
    stand.needs("books")
    now = datetime.now(UTC)
    if stand.real:
        list(stand.provider.list_transactions(stand.account, now - timedelta(days=1), now))
        return
    stand.needs_a_buyer()
    first, second = stand.pay(10000), stand.pay(20000)
    stand.cancel(first, 4000)
    entries = list(stand.provider.list_transactions(stand.account, now - timedelta(days=1),
                                                    datetime.now(UTC) + timedelta(minutes=1)))
    assert sorted(entry.amount for entry in entries) == [-4000, 10000, 20000]
    assert len({entry.transaction_key for entry in entries}) == 3
    assert {entry.order_ref for entry in entries if entry.order_ref} <= {first.order_ref, second.order_ref}
    assert {(entry.order_ref or entry.gateway_key) for entry in entries} <= {
        first.order_ref, second.order_ref, first.gateway_key, second.gateway_key}
    assert list(stand.provider.list_transactions(stand.account, now - timedelta(days=3), now - timedelta(days=2))) == []


def test_what_is_paid_out_adds_up(stand):
    stand.needs("settlements")
    stand.needs_the_sandbox()
    stand.needs_a_buyer()
    stand.cancel(stand.pay(50000), 20000)
    today = datetime.now(UTC).astimezone().date()
    lines = list(stand.provider.list_settlements(stand.account, today - timedelta(days=1), today + timedelta(days=2)))
    assert sorted(line.amount for line in lines) == [-20000, 50000]
    assert all(line.payout == line.amount - line.fee - line.vat for line in lines)
    assert sum(line.payout for line in lines) < 30000


def test_a_cash_receipt_is_issued_and_cancelled(stand):
    stand.needs("cash_receipts")
    stand.needs_the_sandbox()
    waiting = stand.pay(50000, VIRTUAL_ACCOUNT)
    stand.deposit(waiting)
    request = CashReceiptRequest(waiting.order_ref, "선교대회 등록", 50000, "deduction", "01012345678")
    key = attempt("receipt")
    issued = stand.provider.issue_cash_receipt(stand.account, request, key)
    assert issued.status in ("in_progress", "issued") and issued.key and issued.amount == 50000
    assert "01012345678" not in repr(request)
    assert stand.provider.issue_cash_receipt(stand.account, request, key).key == issued.key
    found = stand.provider.fetch_cash_receipt(stand.account, issued.key, waiting.order_ref)
    assert (found.key, found.amount) == (issued.key, 50000)
    gone = stand.provider.cancel_cash_receipt(stand.account, issued.key, waiting.order_ref, None, attempt("receipt"))
    assert gone.status in ("in_progress", "cancelled")


def test_a_cash_receipt_that_cannot_be_is_refused(stand):
    stand.needs("cash_receipts")
    stand.needs_the_sandbox()
    waiting = stand.pay(50000, VIRTUAL_ACCOUNT)
    stand.deposit(waiting)
    with pytest.raises((GatewayRefused, ValueError)):
        stand.provider.issue_cash_receipt(
            stand.account, CashReceiptRequest(waiting.order_ref, "등록", 50000, "expense", "12"), attempt("receipt"))


# -- without a gateway ------------------------------------------------------------------------------
@pytest.mark.parametrize("name, amount", [("manual", 50000), ("free", 0)])
def test_without_a_gateway_the_money_is_there_when_we_say_so(name, amount):
    stand = stand_of(name)(object())
    intent = stand.intent(amount)
    paid = stand.provider.received(intent, NOW)
    assert (paid.status, paid.order_ref, paid.total, paid.balance, paid.captured) == (
        PAID, intent.order_ref, amount, amount, amount)
    assert paid.consistent and paid.method in stand.caps.methods and paid.approved_at == NOW
    if name == "manual":
        waiting = stand.provider.awaiting(intent)
        assert (waiting.status, waiting.captured, waiting.gateway_key) == (AWAITING_DEPOSIT, 0, paid.gateway_key)
    with pytest.raises(BadReturn):
        stand.provider.parse_return(stand.account, {"orderId": intent.order_ref})
