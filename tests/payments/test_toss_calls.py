"""The real client against the real sandbox: every operation, and what can be said of its outcome."""
import logging
from datetime import UTC, datetime, timedelta

import pytest

from eventapp.payments import provider, toss, transport
from eventapp.payments.provider import (
    AUTHORIZED,
    AWAITING_DEPOSIT,
    BANK_TRANSFER,
    CARD,
    EXPIRED,
    PAID,
    PARTIALLY_REFUNDED,
    PENDING,
    REFUND_PENDING,
    REFUNDED,
    VIRTUAL_ACCOUNT,
    VOIDED,
    BadReturn,
    CancelRequest,
    GatewayMisconfigured,
    GatewayRef,
    GatewayRefused,
    GatewayUnknown,
    ReturnHint,
    VirtualAccountRequest,
)
from tests.gateway import BACK, SHOP, attempt


def test_the_provider_is_found_by_name():
    assert provider("toss") is toss
    with pytest.raises(KeyError):
        provider("paypal")


# -- the window -------------------------------------------------------------------------------------
def test_the_payment_page_gets_everything_the_window_needs(gateway):
    intent = gateway.intent(50000, customer_name="김하나", customer_email="a@b.kr", customer_phone="+821012345678")
    checkout = toss.create_checkout(gateway.account, intent)
    assert (checkout.kind, checkout.script_url) == ("js_sdk", gateway.account.sdk_url)
    assert checkout.params == {
        "provider": "toss", "orderId": intent.order_ref, "amount": 50000, "currency": "KRW",
        "clientKey": "test_ck_demo0000000001", "customerKey": "@@ANONYMOUS",
        "successUrl": f"{SHOP}/success?ref=abc", "failUrl": f"{SHOP}/fail?ref=abc",
        "request": {
            "method": "CARD", "amount": {"currency": "KRW", "value": 50000}, "orderId": intent.order_ref,
            "orderName": "선교대회 등록", "successUrl": f"{SHOP}/success?ref=abc", "failUrl": f"{SHOP}/fail?ref=abc",
            "customerName": "김하나", "customerEmail": "a@b.kr", "customerMobilePhone": "01012345678",
            "card": {"useEscrow": False, "flowMode": "DEFAULT", "useCardPoint": False, "useAppCardOnly": False}}}


@pytest.mark.parametrize("phone, sent", [
    ("+821012345678", "01012345678"), ("010-1234-5678", "01012345678"), ("+1 415 555 0100", ""), ("", ""), ("0", "")])
def test_only_a_korean_phone_number_is_sent(phone, sent):
    assert toss.domestic_phone(phone) == sent


def test_the_return_of_an_approved_window(gateway):
    query = {"ref": "abc", "paymentKey": "tkey_1", "orderId": "ev_123456", "amount": "50000"}
    assert toss.parse_return(gateway.account, query) == ReturnHint("ev_123456", "tkey_1", 50000)


@pytest.mark.parametrize("query, code, order_ref", [
    ({"code": "PAY_PROCESS_CANCELED", "message": "닫음"}, "PAY_PROCESS_CANCELED", ""),
    ({"code": "REJECT_CARD_COMPANY", "orderId": "ev_123456"}, "REJECT_CARD_COMPANY", "ev_123456"),
    ({"code": "<script>"}, "UNKNOWN", "")])
def test_the_return_of_a_failed_window(gateway, query, code, order_ref):
    hint = toss.parse_return(gateway.account, query)
    assert (hint.failed, hint.failure_code, hint.order_ref) == (True, code, order_ref)


class Several(dict):
    """A query in which a name may come twice."""

    def getlist(self, name):
        return self.get(name, [])


@pytest.mark.parametrize("query", [
    {}, {"paymentKey": "k", "orderId": "ev_123456"}, {"paymentKey": "k", "amount": "1"},
    {"paymentKey": "k", "orderId": "ev_123456", "amount": "-1"},
    {"paymentKey": "k", "orderId": "ev_123456", "amount": "1.5"},
    {"paymentKey": "k", "orderId": "ev_123456", "amount": "١٢"},
    {"paymentKey": "k", "orderId": "ev_123456", "amount": "9" * 13},
    {"paymentKey": "../../x", "orderId": "ev_123456", "amount": "1"},
    {"paymentKey": "k\n", "orderId": "ev_123456", "amount": "1"},
    {"paymentKey": "k", "orderId": "ev 123456", "amount": "1"},
    Several(paymentKey=["k"], orderId=["ev_123456"], amount=["1", "2"])])
def test_a_return_that_no_gateway_makes_is_refused(gateway, query):
    with pytest.raises(BadReturn):
        toss.parse_return(gateway.account, query)


# -- paying -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", [CARD, BANK_TRANSFER])
def test_a_payment_from_window_to_confirm(gateway, method):
    intent = gateway.intent(50000, method)
    window = gateway.open_window(intent)
    ref = GatewayRef(intent.order_ref)
    assert toss.fetch(gateway.account, ref).status == PENDING
    hint = toss.parse_return(gateway.account, gateway.press(window, "approve"))
    assert hint.claimed_amount == 50000
    assert toss.fetch(gateway.account, ref).status == AUTHORIZED

    paid = toss.confirm(gateway.account, intent, hint, attempt())
    assert (paid.status, paid.raw_status, paid.method) == (PAID, "DONE", method)
    assert (paid.total, paid.balance, paid.captured, paid.refunded, paid.vat) == (50000, 50000, 50000, 0, 4545)
    assert paid.test_mode and paid.consistent and paid.secret.startswith("ps_") and paid.last_tx
    assert abs(paid.approved_at - datetime.now(UTC)) < timedelta(seconds=5)
    assert toss.fetch(gateway.account, GatewayRef(gateway_key=paid.gateway_key)) == paid
    assert toss.fetch(gateway.account, ref) == paid


def test_nothing_is_known_of_an_order_whose_window_never_opened(gateway):
    assert toss.fetch(gateway.account, GatewayRef("ev_never_opened")) is None


def test_the_stored_amount_is_confirmed_and_a_tampered_window_takes_nothing(gateway):
    cheap = gateway.intent(1000)
    hint = gateway.approve(cheap)
    dear = type(cheap)(cheap.order_ref, gateway.intent(100000).amount, cheap.order_name)
    with pytest.raises(GatewayRefused) as refused:
        toss.confirm(gateway.account, dear, hint, attempt())
    assert refused.value.code == "FORBIDDEN_REQUEST"
    assert gateway.books()["transactions"] == []


def test_another_accounts_payment_is_not_there(gateway):
    paid = gateway.pay()
    stranger = gateway.account_of("demo0000000002")
    assert toss.fetch(stranger, GatewayRef(gateway_key=paid.gateway_key)) is None
    with pytest.raises(GatewayRefused) as refused:
        toss.cancel(stranger, GatewayRef(gateway_key=paid.gateway_key), CancelRequest("취소", paid.balance),
                    attempt("cancel"))
    assert refused.value.code == "NOT_FOUND_PAYMENT"


def test_a_second_confirm_with_a_new_key_means_ask(gateway):
    intent = gateway.intent()
    hint = gateway.approve(intent)
    toss.confirm(gateway.account, intent, hint, attempt())
    with pytest.raises(GatewayUnknown) as unknown:
        toss.confirm(gateway.account, intent, hint, attempt())
    assert unknown.value.code == "ALREADY_PROCESSED_PAYMENT"
    assert toss.fetch(gateway.account, GatewayRef(intent.order_ref)).status == PAID


def test_two_windows_for_one_order_are_paid_once(gateway):
    intent = gateway.intent()
    first, second = gateway.approve(intent), gateway.approve(intent)
    toss.confirm(gateway.account, intent, first, attempt())
    with pytest.raises(GatewayUnknown) as unknown:
        toss.confirm(gateway.account, intent, second, attempt())
    assert unknown.value.code == "DUPLICATED_ORDER_ID"
    assert gateway.books()["balances"] == {gateway.account.client_key: 50000}
    assert toss.fetch(gateway.account, GatewayRef(intent.order_ref)).gateway_key == first.gateway_key


@pytest.mark.parametrize("minutes, authenticated, raw", [(29, False, "READY"), (31, False, "EXPIRED"),
                                                         (9, True, "IN_PROGRESS"), (11, True, "EXPIRED")])
def test_a_window_and_an_authentication_end(gateway, minutes, authenticated, raw):
    intent = gateway.intent()
    window = gateway.open_window(intent)
    if authenticated:
        gateway.press(window, "approve")
    gateway.control("clock", advance=60 * minutes)
    assert toss.fetch(gateway.account, GatewayRef(intent.order_ref)).raw_status == raw


def test_a_confirm_that_comes_too_late_is_final(gateway):
    intent = gateway.intent()
    hint = gateway.approve(intent)
    gateway.control("clock", advance=601)
    with pytest.raises(GatewayRefused) as refused:
        toss.confirm(gateway.account, intent, hint, attempt())
    assert (refused.value.code, refused.value.http_status) == ("NOT_FOUND_PAYMENT_SESSION", 404)
    assert gateway.books()["transactions"] == []


# -- virtual accounts -------------------------------------------------------------------------------
def test_an_account_through_the_window(gateway):
    waiting = gateway.pay(method=VIRTUAL_ACCOUNT)
    assert (waiting.status, waiting.captured) == (AWAITING_DEPOSIT, 0)
    assert waiting.virtual_account.number.startswith("X")
    gateway.control("deposit", order_id=waiting.order_ref)
    assert gateway.fetch(waiting).status == PAID


def test_an_account_without_a_window(gateway):
    due = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0)
    waiting = gateway.issue(70000, due_at=due)
    account = waiting.virtual_account
    assert (waiting.status, waiting.method, waiting.total) == (AWAITING_DEPOSIT, VIRTUAL_ACCOUNT, 70000)
    assert (account.bank, account.bank_code, account.due_at, account.expired) == ("woori", "20", due, False)
    assert waiting.secret.startswith("ps_")
    gateway.control("deposit", order_id=waiting.order_ref)
    paid = gateway.fetch(waiting)
    assert (paid.status, paid.captured, paid.secret) == (PAID, 70000, waiting.secret)


def test_an_account_past_its_due_time_is_only_marked_and_takes_nothing(gateway):
    waiting = gateway.issue(valid_hours=1)
    gateway.control("clock", advance=3601)
    late = gateway.fetch(waiting)
    assert (late.status, late.raw_status, late.virtual_account.expired) == (EXPIRED, "WAITING_FOR_DEPOSIT", True)
    with pytest.raises(AssertionError, match="DEPOSIT_REFUSED_BY_BANK"):
        gateway.control("deposit", order_id=waiting.order_ref)


def test_a_deposit_that_the_bank_takes_back_and_that_comes_again(gateway):
    waiting = gateway.issue()
    for _ in range(2):
        gateway.control("deposit", order_id=waiting.order_ref)
        assert gateway.fetch(waiting).status == PAID
        gateway.control("reversal", order_id=waiting.order_ref)
        assert (gateway.fetch(waiting).status, gateway.fetch(waiting).captured) == (AWAITING_DEPOSIT, 0)
    assert sum(line["amount"] for line in gateway.books()["transactions"]) == 0


def test_an_unpaid_account_is_closed_whole_or_not_at_all(gateway):
    waiting = gateway.issue()
    with pytest.raises(GatewayRefused) as refused:
        gateway.cancel(waiting, 1000)
    assert refused.value.code == "NOT_ALLOWED_PARTIAL_REFUND_WAITING_DEPOSIT"
    closed = gateway.cancel(waiting)
    assert (closed.status, closed.captured, closed.refunded) == (VOIDED, 0, 0)
    assert gateway.books()["transactions"] == []


def test_the_money_of_a_paid_account_needs_somewhere_to_go(gateway):
    waiting = gateway.issue()
    gateway.control("deposit", order_id=waiting.order_ref)
    with pytest.raises(GatewayRefused) as refused:
        gateway.cancel(waiting)
    assert refused.value.code == "INVALID_REFUND_ACCOUNT_INFO"
    going = gateway.cancel(waiting, refund_account=BACK)
    assert (going.status, going.balance, going.refunded, going.consistent) == (REFUND_PENDING, 0, 0, True)
    gateway.control("clock", advance=2 * 86400 + 60)
    assert gateway.fetch(waiting).status == REFUNDED


def test_a_refund_to_an_account_can_fail_days_later(gateway):
    waiting = gateway.issue()
    gateway.control("deposit", order_id=waiting.order_ref)
    gateway.cancel(waiting, refund_account=BACK)
    gateway.control("refund", order_id=waiting.order_ref, result="FAILED")
    assert gateway.fetch(waiting).virtual_account.refund_status == "FAILED"


@pytest.mark.parametrize("changes", [{}, {"valid_hours": 1, "due_at": datetime.now(UTC)}])
def test_an_account_has_either_a_due_time_or_hours(gateway, changes):
    with pytest.raises(ValueError, match="either"):
        toss.issue_virtual_account(gateway.account, gateway.intent(),
                                   VirtualAccountRequest("woori", "김하나", **changes), attempt())


def test_an_account_cannot_wait_for_more_than_ninety_days(gateway):
    with pytest.raises(GatewayRefused) as refused:
        gateway.issue(valid_hours=2161)
    assert refused.value.code == "EXCEED_MAX_VALID_HOURS"
    with pytest.raises(GatewayRefused) as refused:
        gateway.issue(due_at=datetime.now(UTC) + timedelta(days=91))
    assert refused.value.code == "EXCEED_MAX_DUE_DATE"


# -- refunds ----------------------------------------------------------------------------------------
def test_a_full_refund(gateway):
    back = gateway.cancel(gateway.pay())
    assert (back.status, back.raw_status, back.captured, back.refunded) == (REFUNDED, "CANCELED", 50000, 50000)
    assert [(refund.amount, refund.reason, refund.status) for refund in back.refunds] == [(50000, "참가 취소", "done")]


def test_refunds_in_parts_stay_partial_at_the_gateway_and_are_refunded_for_us(gateway):
    paid = gateway.pay()
    part = gateway.cancel(paid, 10000)
    assert (part.status, part.balance, part.vat) == (PARTIALLY_REFUNDED, 40000, 3636)
    whole = gateway.cancel(part, 40000)
    assert (whole.status, whole.raw_status, whole.balance, whole.vat) == (REFUNDED, "PARTIAL_CANCELED", 0, 0)
    assert whole.consistent and len({refund.transaction_key for refund in whole.refunds}) == 2
    with pytest.raises(GatewayRefused) as refused:
        gateway.cancel(whole)
    assert refused.value.code == "NOT_CANCELABLE_AMOUNT"


def test_a_refund_that_expects_another_balance_is_refused(gateway):
    paid = gateway.pay()
    gateway.cancel(paid, 10000)
    with pytest.raises(GatewayRefused) as refused:
        gateway.cancel(paid, 10000)
    assert refused.value.code == "NOT_MATCHES_REFUNDABLE_AMOUNT"
    assert gateway.fetch(paid).balance == 40000


def test_more_than_what_is_left_is_refused(gateway):
    paid = gateway.pay()
    with pytest.raises(GatewayRefused) as refused:
        gateway.cancel(paid, 50001)
    assert refused.value.code == "NOT_CANCELABLE_AMOUNT"


def test_refunding_what_has_been_refunded_means_ask(gateway):
    paid = gateway.pay()
    gateway.cancel(paid)
    with pytest.raises(GatewayUnknown) as unknown:
        gateway.cancel(paid)
    assert unknown.value.code == "ALREADY_CANCELED_PAYMENT"


def test_a_transfer_can_be_refunded_for_half_a_year(gateway):
    paid = gateway.pay(method=BANK_TRANSFER)
    gateway.control("clock", advance=181 * 86400)
    with pytest.raises(GatewayRefused) as refused:
        gateway.cancel(paid)
    assert refused.value.code == "EXCEED_MAX_REFUND_DUE"


# -- repeating --------------------------------------------------------------------------------------
def test_a_repeated_attempt_gets_its_first_answer(gateway):
    intent = gateway.intent()
    hint, key = gateway.approve(intent), attempt()
    first = toss.confirm(gateway.account, intent, hint, key)
    gateway.cancel(first, 10000)
    assert toss.confirm(gateway.account, intent, hint, key) == first
    assert len(gateway.books()["transactions"]) == 2


def test_a_refusal_is_repeated_too(gateway):
    gateway.fault("confirm", "code:REJECT_CARD_PAYMENT")
    intent = gateway.intent()
    hint, key = gateway.approve(intent), attempt()
    for _ in range(2):
        with pytest.raises(GatewayRefused) as refused:
            toss.confirm(gateway.account, intent, hint, key)
        assert refused.value.code == "REJECT_CARD_PAYMENT"
    assert gateway.of_order(intent.order_ref)["status"] == "ABORTED"


def test_a_key_that_would_not_do_never_leaves(gateway):
    for key in ("short", "with a space in it", "x" * 301, "한글로된열쇠는안됩니다만길어야합니다"):
        with pytest.raises(ValueError, match="idempotency"):
            toss.confirm(gateway.account, gateway.intent(), ReturnHint("ev_123456", "tkey_1"), key)


# -- books ------------------------------------------------------------------------------------------
def test_the_books_page_by_page(gateway, monkeypatch):
    monkeypatch.setattr(toss, "PAGE", 2)
    payments = [gateway.pay(10000 + number) for number in range(4)]
    gateway.cancel(payments[0], 4000)
    now = datetime.now(UTC)
    entries = list(toss.list_transactions(gateway.account, now - timedelta(days=1), now + timedelta(minutes=1)))
    assert [entry.amount for entry in entries] == [10000, 10001, 10002, 10003, -4000]
    assert entries[-1].gateway_key == payments[0].gateway_key
    assert list(toss.list_transactions(gateway.account, now - timedelta(days=2), now - timedelta(days=1))) == []


# -- keys -------------------------------------------------------------------------------------------
def test_good_keys_and_bad_ones(gateway):
    assert toss.check_credentials(gateway.account).ok
    bad = toss.check_credentials(gateway.account_of("unknown000001"))
    assert (bad.ok, bad.code) == (False, "UNAUTHORIZED_KEY")
    assert gateway.books()["payments"] == []


def test_the_previous_key_serves_while_a_key_is_being_changed(gateway):
    both = gateway.account_of("rotated0001", secret_keys=("test_sk_newer0000001", "test_sk_older0000001"))
    for accepted in (["test_sk_newer0000001"], ["test_sk_older0000001"]):
        gateway.control("accounts", client_key=both.client_key, secret_keys=accepted)
        assert toss.check_credentials(both).ok
    gateway.control("accounts", client_key=both.client_key, secret_keys=["test_sk_third0000001"])
    with pytest.raises(GatewayMisconfigured) as wrong:
        toss.fetch(both, GatewayRef("ev_123456"))
    assert (wrong.value.code, wrong.value.http_status) == ("UNAUTHORIZED_KEY", 401)


@pytest.mark.parametrize("changes", [
    {"secret_keys": ()}, {"secret_keys": ("test_ck_demo0000000001",)}, {"secret_keys": ("live_sk_demo0000000001",)},
    {"secret_keys": ("test_gsk_demo0000000001",)}, {"secret_keys": ("\ufefftest_sk_demo0000000001",)},
    {"mode": "live"}])
def test_keys_of_the_wrong_kind_never_leave(gateway, changes, monkeypatch):
    monkeypatch.setattr(toss, "call", lambda *_, **__: pytest.fail("something was sent"))
    with pytest.raises(GatewayMisconfigured):
        toss.fetch(gateway.account_of("demo0000000001", **changes), GatewayRef("ev_123456"))


def test_a_pasted_key_is_cleaned():
    assert toss.clean_key("\ufeff test_sk_demo0000000001\n") == "test_sk_demo0000000001"


# -- what is written down ---------------------------------------------------------------------------
def test_the_log_names_the_trace_and_no_secret(gateway, caplog):
    caplog.set_level(logging.DEBUG)
    waiting = gateway.issue()
    gateway.control("deposit", order_id=waiting.order_ref)
    gateway.cancel(waiting, refund_account=BACK)
    lines = [record for record in caplog.records if record.name == "eventapp.payments.toss"]
    assert [(line.operation, line.outcome, line.http_status) for line in lines] == [
        ("issue", "ok", 200), ("cancel", "ok", 200)]
    assert all(line.trace_id and line.milliseconds < 5000 for line in lines)
    ours = [record for record in caplog.records if record.name.startswith("eventapp.payments")]
    written = "\n".join(str(record.__dict__) for record in ours)
    for secret in ("test_sk", "Basic ", waiting.secret, waiting.virtual_account.number, waiting.gateway_key,
                   "110123456789", "김하나"):
        assert secret not in written
    shown = f"{waiting!r} {gateway.account!r} {BACK!r}"
    for secret in ("test_sk_", waiting.secret, waiting.virtual_account.number, "110-123"):
        assert secret not in shown


def test_one_pool_for_each_address(gateway):
    assert transport.client_for(gateway.account.api_url) is transport.client_for(gateway.account.api_url)
    assert transport.client_for(gateway.account.api_url) is not transport.client_for("http://127.0.0.1:9/toss")
