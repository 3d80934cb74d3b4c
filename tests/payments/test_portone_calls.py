"""The real client against the sandbox's PortOne, channels of both kinds: every operation, and what its outcome is."""
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from eventapp import faults
from eventapp.payments import portone, provider
from eventapp.payments.banks import BANKS
from eventapp.payments.provider import (
    AUTHORIZED,
    AWAITING_DEPOSIT,
    BANK_TRANSFER,
    CARD,
    EXPIRED,
    FAILED,
    MOBILE,
    OTHER,
    PAID,
    PARTIALLY_REFUNDED,
    PENDING,
    REFUND_PENDING,
    REFUNDED,
    UNKNOWN,
    VIRTUAL_ACCOUNT,
    VOIDED,
    BadReturn,
    CancelRequest,
    CashReceiptRequest,
    GatewayContractError,
    GatewayMisconfigured,
    GatewayRef,
    GatewayRefused,
    GatewayUnknown,
    RefundAccount,
    ReturnHint,
)
from tests.gateway import BROWSER
from tests.payments.stands import BACK, SHOP, attempt
from tests.payments.stands.portone import Portone

HOUR, DAY = 3600, 86400


class Automatic(Portone):
    approval = "automatic"


@pytest.fixture
def manual(gateway):
    return Portone(gateway)


@pytest.fixture
def automatic(gateway):
    return Automatic(gateway)


@pytest.fixture(params=[Portone, Automatic], ids=["manual", "automatic"])
def stand(request, gateway):
    return request.param(gateway)


def test_the_provider_is_found_by_name():
    assert provider("portone") is portone


def test_who_takes_the_money_is_the_channels_setting(manual, automatic):
    assert (portone.two_step(manual.account), portone.two_step(automatic.account)) == (True, False)


# -- the window -------------------------------------------------------------------------------------
def test_the_payment_page_gets_everything_the_window_needs(automatic):
    intent = automatic.intent(50000, VIRTUAL_ACCOUNT, customer_key="c1", customer_email="a@b.kr", customer_phone="+821012345678",
                              tax_free=3000, notice_url="https://shop.example/hook", locale="en",
                              due_at=datetime(2026, 12, 1, 3, tzinfo=UTC))
    checkout = portone.create_checkout(automatic.account, intent)
    assert (checkout.kind, checkout.script_url, checkout.public_key) == ("js_sdk", automatic.account.sdk_url, "store-demo0000000001")
    assert checkout.params == {
        "provider": "portone", "orderId": intent.order_ref, "amount": 50000, "currency": "KRW",
        "clientKey": "store-demo0000000001", "successUrl": f"{SHOP}/success?ref=abc", "failUrl": f"{SHOP}/fail?ref=abc",
        "request": {
            "storeId": "store-demo0000000001", "channelKey": "channel-key-demo0000000001", "paymentId": intent.order_ref,
            "orderName": "선교대회 등록", "totalAmount": 50000, "currency": "KRW", "payMethod": "VIRTUAL_ACCOUNT",
            "redirectUrl": f"{SHOP}/success?ref=abc", "forceRedirect": True,
            "customer": {"customerId": "c1", "fullName": "김하나", "email": "a@b.kr", "phoneNumber": "01012345678"},
            "noticeUrls": ["https://shop.example/hook"], "taxFreeAmount": 3000, "locale": "EN_US",
            "virtualAccount": {"accountExpiry": {"dueDate": "2026-12-01T03:00:00+00:00"}}}}


def test_the_window_is_told_nothing_that_nobody_said(automatic):
    request = portone.create_checkout(automatic.account, replace(automatic.intent(), customer_name="")).params["request"]
    assert not {"customer", "noticeUrls", "taxFreeAmount", "locale", "virtualAccount"} & request.keys()


@pytest.mark.parametrize("query, hint", [
    ({"ref": "abc", "paymentId": "ev_123456", "txId": "t-1", "transactionType": "PAYMENT"}, ReturnHint("ev_123456", "t-1")),
    ({"paymentId": "ev_123456", "paymentToken": "a.b-c/d+e="}, ReturnHint("ev_123456", token="a.b-c/d+e=")),
    ({"paymentId": "ev_123456", "code": "FAILURE_TYPE_PG", "pgCode": "REJECT_CARD_COMPANY", "message": "거절"},
     ReturnHint("ev_123456", failure_code="REJECT_CARD_COMPANY")),
    ({"code": "<script>"}, ReturnHint(failure_code="UNKNOWN")), ({"code": "PORTONE_ERROR"}, ReturnHint(failure_code="PORTONE_ERROR"))])
def test_the_return_of_a_window(automatic, query, hint):
    read = portone.parse_return(automatic.account, query)
    assert read == hint and read.claimed_amount is None and not portone.RETURN_NAMES.isdisjoint(query)


class Several(dict):
    """A query in which a name may come twice."""

    def getlist(self, name):
        return self.get(name, [])


@pytest.mark.parametrize("query", [
    {}, {"txId": "t-1"}, {"paymentId": "short"}, {"paymentId": "../../x"}, {"paymentId": "ev_123456\n"},
    {"paymentId": "ev_123456", "txId": "t 1"}, {"paymentId": "ev_123456", "paymentToken": "토큰"},
    {"paymentId": "ev_123456", "paymentToken": "x" * 2001}, {"paymentId": "ev_123456", "transactionType": "ISSUE_BILLING_KEY"},
    Several(paymentId=["ev_123456", "ev_654321"])])
def test_a_return_that_no_gateway_makes_is_refused(automatic, query):
    with pytest.raises(BadReturn):
        portone.parse_return(automatic.account, query)


# -- opening and paying -----------------------------------------------------------------------------
@pytest.mark.parametrize("method, paid_with", [(CARD, "신한카드 12345678****000*"), (BANK_TRANSFER, "우리은행"), (MOBILE, "")])
def test_a_payment_from_the_window_on(stand, method, paid_with):
    intent = stand.intent(50000, method, tax_free=6000)
    assert stand.open(intent).url == "" and stand.fetch_ref(intent) is None
    window = stand.window(intent)
    assert stand.fetch_ref(intent).status == PENDING
    hint = portone.parse_return(stand.account, stand.gateway.press(window, "approve"))
    assert bool(hint.token) == stand.two_step
    paid = stand.finish(intent, hint)
    assert (paid.status, paid.raw_status, paid.method, paid.paid_with) == (PAID, "PAID", method, paid_with)
    assert (paid.total, paid.balance, paid.captured, paid.refunded, paid.vat, paid.tax_free) == (50000, 50000, 50000, 0, 4000, 6000)
    assert paid.test_mode and paid.consistent and paid.gateway_key == hint.gateway_key and paid.receipt_url
    assert paid.merchant_id == "store-demo0000000001"
    assert portone.fetch(stand.account, GatewayRef(paid.order_ref, "another try")) == paid


def test_a_window_for_another_sum_than_the_registered_one_does_not_open(stand):
    intent = stand.intent(50000)
    stand.open(intent)
    for changes in ({"totalAmount": 100}, {"taxFreeAmount": 50000}):
        assert "PRE_REGISTERED_INFORMATION_MISMATCH" in stand.window(intent, **changes)
    assert stand.fetch_ref(intent) is None and stand.in_books() == 0


def test_a_window_nobody_registered_can_be_opened_for_anything_and_shows_it(automatic):
    """Why it is registered, and compared afterwards all the same."""
    automatic.gateway.press(automatic.window(intent := automatic.intent(50000), totalAmount=100), "approve")
    assert automatic.fetch_ref(intent).total == 100


def test_what_is_paid_is_not_opened_again(stand):
    paid = stand.pay()
    again = replace(stand.intent(), order_ref=paid.order_ref)
    with pytest.raises(GatewayUnknown) as unknown:
        stand.open(again)
    assert unknown.value.code == "ALREADY_PAID" and "ALREADY_PAID" in stand.window(again)


def test_an_automatic_payment_is_there_though_the_buyer_never_came_back(automatic):
    intent = automatic.intent()
    automatic.open(intent)
    automatic.control("pay", request=portone.create_checkout(automatic.account, intent).params["request"])
    assert automatic.fetch_ref(intent).status == PAID


def test_an_approval_that_takes_its_time(automatic):
    intent = automatic.intent()
    hint = automatic.visit(intent, "timeout")
    assert not hint.failed and automatic.fetch_ref(intent).status == AUTHORIZED
    automatic.gateway.control("clock", advance=5)
    assert automatic.fetch_ref(intent).status == PAID


def test_the_slow_button_loses_the_answer_of_the_confirm(manual):
    intent, key = manual.intent(), attempt("confirm")
    hint = manual.visit(intent, "timeout")
    manual.gateway.control("no-faults")
    manual.fault("confirm", "timeout_after_commit")  # as the button does it, without its four seconds
    with pytest.raises(GatewayUnknown):
        manual.finish(intent, hint, key)
    assert manual.finish(intent, hint, key).status == PAID


@pytest.mark.parametrize("change, code", [
    ({"token": "another"}, "INVALID_PAYMENT_TOKEN"), ({"token": ""}, "INVALID_PAYMENT_TOKEN"),
    ({"gateway_key": "another-try"}, "INFORMATION_MISMATCH")])
def test_a_confirm_needs_the_token_of_its_window(manual, change, code):
    intent = manual.intent()
    hint = manual.visit(intent, "approve")
    with pytest.raises(GatewayRefused) as refused:
        manual.finish(intent, replace(hint, **change))
    assert refused.value.code == code and manual.in_books() == 0
    assert manual.finish(intent, hint).status == PAID


@pytest.mark.parametrize("change", [{"amount": 100}, {"tax_free": 1}])
def test_a_confirm_says_what_we_stored(manual, change):
    intent = manual.intent()
    hint = manual.visit(intent, "approve")
    other = replace(intent, **{"amount": manual.intent(100).amount} if "amount" in change else change)
    with pytest.raises(GatewayRefused) as refused:
        manual.finish(other, hint)
    assert (refused.value.code, refused.value.http_status) == ("INFORMATION_MISMATCH", 409)


def test_a_confirm_without_a_token_finds_what_the_window_has_taken(automatic):
    """The account says that its channel is confirmed by us, and it is not."""
    intent = automatic.intent()
    hint = automatic.visit(intent, "approve")
    assert portone.confirm(automatic.account, intent, hint, attempt()).status == PAID
    slow = automatic.intent()
    hint = automatic.visit(slow, "timeout")
    with pytest.raises(GatewayUnknown):
        portone.confirm(automatic.account, slow, hint, attempt())


def test_a_live_account_confirms_no_test_payment(manual):
    intent = manual.intent()
    hint = manual.visit(intent, "approve")
    with pytest.raises(GatewayRefused) as refused:
        portone.confirm(replace(manual.account, mode="live"), intent, hint, attempt())
    assert refused.value.code == "INFORMATION_MISMATCH" and manual.in_books() == 0


def test_a_confirm_that_comes_too_late_is_final(manual):
    intent = manual.intent()
    hint = manual.visit(intent, "approve")
    manual.gateway.control("clock", advance=601)
    with pytest.raises(GatewayRefused) as refused:
        manual.finish(intent, hint)
    assert refused.value.code == "INVALID_PAYMENT_TOKEN"
    assert manual.fetch_ref(intent).status == FAILED


def test_a_second_confirm_with_a_new_key_means_ask(manual):
    intent = manual.intent()
    hint = manual.visit(intent, "approve")
    manual.finish(intent, hint)
    with pytest.raises(GatewayUnknown) as unknown:
        manual.finish(intent, hint)
    assert (unknown.value.code, unknown.value.http_status) == ("ALREADY_PAID", 409)


def test_two_windows_for_one_payment_are_paid_once(stand):
    intent = stand.intent()
    stand.open(intent)
    windows = [stand.window(intent), stand.window(intent)]
    first = portone.parse_return(stand.account, stand.gateway.press(windows[0], "approve"))
    second = BROWSER.post(f"{windows[1]}/approve")
    paid = stand.finish(intent, first)
    assert paid.gateway_key == first.gateway_key and stand.in_books() == 50000
    if stand.two_step:
        with pytest.raises(GatewayUnknown):
            stand.finish(intent, portone.parse_return(stand.account, dict(second.next_request.url.params)))
    else:
        assert second.status_code == 409
    assert stand.in_books() == 50000


def test_a_declined_payment_shows_why_and_may_be_tried_again(stand):
    intent = stand.intent()
    declined = stand.visit(intent, "decline")
    assert declined.failure_code == "REJECT_CARD_COMPANY"
    found = stand.fetch_ref(intent)
    assert (found.status, found.failure.code, found.captured) == (FAILED, "REJECT_CARD_COMPANY", 0)
    assert stand.visit(intent, "close").failure_code == "PAY_PROCESS_CANCELED"
    assert stand.fetch_ref(intent).status == PENDING
    assert stand.finish(intent, stand.visit(intent, "approve")).status == PAID


def test_a_card_refused_at_the_confirm_is_a_502_and_definite(manual):
    intent = manual.intent()
    hint = manual.visit(intent, "approve")
    manual.fault("confirm", "pg:REJECT_CARD_COMPANY")
    with pytest.raises(GatewayRefused) as refused:
        manual.finish(intent, hint)
    assert (refused.value.code, refused.value.http_status) == ("REJECT_CARD_COMPANY", 502)
    assert manual.fetch_ref(intent).status == FAILED
    assert manual.finish(intent, manual.visit(intent, "approve")).status == PAID


@pytest.mark.parametrize("minutes, status", [(29, PENDING), (31, FAILED)])
def test_a_window_ends(stand, minutes, status):
    intent = stand.intent()
    stand.open(intent)
    stand.window(intent)
    stand.gateway.control("clock", advance=60 * minutes)
    assert stand.fetch_ref(intent).status == status


# -- idempotency ------------------------------------------------------------------------------------
def test_a_key_is_remembered_for_three_hours(automatic):
    paid, key = automatic.pay(), attempt("cancel")
    part = automatic.cancel(paid, 10000, key)
    automatic.gateway.control("clock", advance=3 * HOUR - 60)
    assert automatic.cancel(paid, 10000, key) == part and automatic.in_books() == 40000
    automatic.gateway.control("clock", advance=120)
    with pytest.raises(GatewayRefused) as refused:  # the lock is what is left to protect the money
        automatic.cancel(paid, 10000, key)
    assert refused.value.code == "CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN" and automatic.in_books() == 40000


@pytest.mark.parametrize("header, status", [('"cancel-0123456789"', 200), ("cancel-0123456789", 400), ('"short"', 400)])
def test_a_key_is_a_quoted_string(automatic, header, status):
    paid = automatic.pay()
    answer = BROWSER.post(f"{automatic.account.api_url}/payments/{paid.order_ref}/cancel", json={"reason": "x"}, headers={
        "Authorization": f"PortOne {automatic.account.secret_keys[0]}", "Idempotency-Key": header})
    assert answer.status_code == status


@pytest.mark.parametrize("key", ["short", 'with "quotes" in the middle', "x" * 257, "이십자가넘는한글로된열쇠입니다다"])
def test_a_key_that_cannot_be_quoted_is_never_sent(automatic, key):
    with pytest.raises(ValueError, match="idempotency"):
        automatic.cancel(automatic.pay(), key=key)


# -- virtual accounts -------------------------------------------------------------------------------
def waiting_of(stand, **more):
    return stand.pay(70000, VIRTUAL_ACCOUNT, **more)


def test_an_account_is_over_with_its_time(stand):
    due = (datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=0)
    waiting = waiting_of(stand, due_at=due)
    assert (waiting.status, waiting.virtual_account.bank, waiting.virtual_account.bank_code) == (AWAITING_DEPOSIT, "woori", "WOORI")
    assert waiting.virtual_account.due_at == due
    stand.gateway.control("clock", advance=2 * HOUR + 1)
    assert BROWSER.post(f"{stand.gateway.address}/control/portone/deposit", json={"order_id": waiting.order_ref}).status_code == 409
    over = stand.fetch(waiting)
    assert (over.raw_status, over.status, over.captured) == ("FAILED", EXPIRED, 0)


def test_an_account_whose_time_has_come_is_expired_whatever_portone_calls_it(automatic, monkeypatch):
    waiting = waiting_of(automatic, due_at=datetime.now(UTC) + timedelta(hours=2))
    monkeypatch.setattr(portone.clock, "offset", timedelta(hours=3))
    assert (automatic.fetch(waiting).status, automatic.fetch(waiting).raw_status) == (EXPIRED, "VIRTUAL_ACCOUNT_ISSUED")
    automatic.control("expire", order_id=waiting.order_ref)
    assert (automatic.fetch(waiting).status, automatic.fetch(waiting).raw_status) == (EXPIRED, "FAILED")


def test_a_wrong_amount_is_refused_by_the_bank(automatic):
    waiting = waiting_of(automatic)
    answer = BROWSER.post(f"{automatic.gateway.address}/control/portone/deposit", json={"order_id": waiting.order_ref, "amount": 1})
    assert (answer.status_code, automatic.fetch(waiting).status) == (409, AWAITING_DEPOSIT)


def test_an_unpaid_account_is_closed(automatic):
    waiting = waiting_of(automatic)
    key = attempt("cancel")
    closed = automatic.cancel(waiting, key=key)
    assert (closed.status, closed.raw_status, closed.captured) == (VOIDED, "CANCELLED", 0)
    assert automatic.cancel(waiting, key=key).status == VOIDED


def test_closing_an_account_that_was_paid_into_meanwhile_is_refused(automatic):
    """Asked for before the money came, answered after it: it stays where it is."""
    waiting, key = waiting_of(automatic), attempt("cancel")
    automatic.fault("close", "drop_before")
    with pytest.raises(GatewayUnknown):
        automatic.cancel(waiting, key=key)
    automatic.deposit(waiting)
    with pytest.raises(GatewayRefused) as refused:
        automatic.cancel(waiting, key=key)
    assert refused.value.code == "ALREADY_PAID" and automatic.in_books() == 70000


def test_nothing_is_closed_when_money_was_to_go_back(automatic):
    waiting = waiting_of(automatic)
    for more in ({"amount": 1000}, {"refund_account": BACK}):
        with pytest.raises(GatewayRefused) as refused:
            automatic.cancel(waiting, **more)
        assert refused.value.code == "PAYMENT_NOT_PAID"
    assert automatic.fetch(waiting).status == AWAITING_DEPOSIT


@pytest.mark.parametrize("result, status, refund", [("SUCCEEDED", REFUNDED, "done"), ("FAILED", PAID, "failed")])
def test_money_of_an_account_is_on_its_way_and_then_there_or_not(automatic, result, status, refund):
    waiting = waiting_of(automatic)
    automatic.deposit(waiting)
    going = automatic.cancel(automatic.fetch(waiting))
    assert (going.status, going.balance, going.refunded, going.consistent) == (REFUND_PENDING, 70000, 0, True)
    assert going.virtual_account.refund_status == "PENDING" and going.refunds[0].status == "pending"
    automatic.control("refund", order_id=waiting.order_ref, result=result)
    ended = automatic.fetch(waiting)
    assert (ended.status, ended.refunds[0].status, ended.consistent) == (status, refund, True)
    assert ended.refunds[0].transaction_key == going.refunds[0].transaction_key
    assert ended.virtual_account.refund_status == {"SUCCEEDED": "COMPLETED", "FAILED": "FAILED"}[result]
    if refund == "failed":
        assert automatic.cancel(ended, refund_account=RefundAccount("kb", "123-45-6789", "김하나")).status == REFUND_PENDING


def test_the_bank_sends_it_within_two_days(automatic):
    waiting = waiting_of(automatic)
    automatic.deposit(waiting)
    automatic.cancel(automatic.fetch(waiting), 20000)
    automatic.gateway.control("clock", advance=2 * DAY + 1)
    part = automatic.fetch(waiting)
    assert (part.status, part.balance, part.refunded) == (PARTIALLY_REFUNDED, 50000, 20000)


@pytest.mark.parametrize("bank", sorted(BANKS))
def test_portone_knows_each_bank_by_its_name(automatic, bank):
    waiting = waiting_of(automatic)
    automatic.deposit(waiting)
    assert automatic.cancel(waiting, refund_account=RefundAccount(bank, "110-123-456789", "김하나")).status == REFUND_PENDING


@pytest.mark.parametrize("account, code", [(None, "INVALID_REFUND_ACCOUNT_INFO"),
                                           (RefundAccount("kb", "no digits", "김하나"), "INVALID_REFUND_ACCOUNT_NUMBER"),
                                           (RefundAccount("kb", "1234567890", ""), "INVALID_REFUND_ACCOUNT_INFO")])
def test_an_account_that_takes_no_money(automatic, account, code):
    waiting = waiting_of(automatic)
    automatic.deposit(waiting)
    with pytest.raises(GatewayRefused) as refused:
        automatic.cancel(waiting, refund_account=account)
    assert refused.value.code == code and automatic.fetch(waiting).balance == 70000


# -- refunds ----------------------------------------------------------------------------------------
def test_refunds_of_a_card_in_parts(stand):
    part = stand.cancel(stand.pay(), 20000, tax_free=5000)
    assert (part.status, part.balance, part.last_tx) == (PARTIALLY_REFUNDED, 30000, part.refunds[0].transaction_key)
    assert (part.refunds[0].amount, part.refunds[0].reason, part.refunds[0].status) == (20000, "참가 취소", "done")
    whole = stand.cancel(part)
    assert (whole.status, whole.raw_status, whole.balance, whole.refunded) == (REFUNDED, "CANCELLED", 0, 50000)
    with pytest.raises(GatewayUnknown) as unknown:
        stand.cancel(whole)
    assert unknown.value.code == "PAYMENT_ALREADY_CANCELLED"


def test_a_refund_that_the_card_company_decides_later_holds_its_amount(automatic):
    paid = automatic.pay()
    automatic.fault("cancel", "requested")
    going = automatic.cancel(paid, 20000)
    assert (going.status, going.raw_status, going.balance) == (REFUND_PENDING, "PAID", 50000)
    with pytest.raises(GatewayRefused) as refused:  # what is on its way cannot be asked for twice
        automatic.cancel(going, 40000)
    assert refused.value.code == "CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN"
    automatic.control("refund", order_id=paid.order_ref, result="SUCCEEDED")
    assert (automatic.fetch(paid).status, automatic.fetch(paid).balance) == (PARTIALLY_REFUNDED, 30000)


@pytest.mark.parametrize("amount, more, code", [
    (50001, {}, "CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT"), (10000, {"expected_remaining": 40000}, "CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN"),
    (1000, {"tax_free": 1001}, "SUM_OF_PARTS_EXCEEDS_CANCEL_AMOUNT"), (None, {"reason": " "}, "INVALID_REQUEST")])
def test_a_refund_that_cannot_be(automatic, amount, more, code):
    paid = automatic.pay()
    with pytest.raises(GatewayRefused) as refused:
        automatic.cancel(paid, amount, **more)
    assert refused.value.code == code and automatic.in_books() == 50000


@pytest.mark.parametrize("method, days", [(BANK_TRANSFER, 180), (MOBILE, 31)])
def test_a_refund_after_its_time(automatic, method, days):
    paid = automatic.pay(20000, method)
    automatic.gateway.control("clock", advance=days * DAY + 60)
    with pytest.raises(GatewayRefused) as refused:
        automatic.cancel(paid)
    assert refused.value.code == "EXCEED_MAX_REFUND_DUE"


def test_a_refund_in_the_console_is_one_of_the_payments(automatic):
    paid = automatic.pay()
    automatic.cancel_elsewhere(paid)
    assert (automatic.fetch(paid).status, automatic.fetch(paid).refunds[0].reason) == (REFUNDED, "콘솔에서 취소")


# -- disputes ---------------------------------------------------------------------------------------
def test_a_dispute_that_is_won(automatic):
    paid = automatic.pay()
    automatic.contest(paid)
    dispute = automatic.fetch(paid).dispute
    assert (dispute.status, dispute.amount, dispute.reason) == ("open", 50000, "본인이 사용하지 않음")
    automatic.contest(paid, "won")
    after = automatic.fetch(paid)
    assert (after.dispute.status, after.dispute.id, after.status, after.balance) == ("won", dispute.id, PAID, 50000)


def test_a_dispute_that_is_lost_shows_its_money_once(automatic):
    paid = automatic.pay()
    automatic.contest(paid, "lost")
    after = automatic.fetch(paid)
    assert (after.dispute.status, after.dispute.amount) == ("lost", 0)  # it stands among the refunds
    assert (after.status, after.balance, after.refunded, after.consistent) == (REFUNDED, 0, 50000, True)
    assert automatic.in_books() == 0


# -- cash receipts ----------------------------------------------------------------------------------
def deposited(stand, **more):
    waiting = waiting_of(stand, **more)
    stand.deposit(waiting)
    return waiting


def receipt_for(payment, kind="deduction", identity="010-1234-5678", amount=70000, **more):
    return CashReceiptRequest(payment.order_ref, "등록", amount, kind, identity, **more)


@pytest.mark.parametrize("kind, identity, shown", [
    ("deduction", "010-1234-5678", "deduction"), ("deduction", "1234-5678-9012-3456", "deduction"),
    ("expense", "123-45-67890", "expense"), ("unasked", "", "deduction")])
def test_a_cash_receipt(automatic, kind, identity, shown):
    paid, key = deposited(automatic), attempt("receipt")
    issued = portone.issue_cash_receipt(automatic.account, receipt_for(paid, kind, identity), key)
    assert (issued.status, issued.amount, len(issued.issue_number)) == ("issued", 70000, 9) and issued.url and issued.key
    assert portone.issue_cash_receipt(automatic.account, receipt_for(paid, kind, identity), key) == issued
    found = portone.fetch_cash_receipt(automatic.account, issued.key, paid.order_ref)
    assert (found.status, found.kind, found.amount, found.key) == ("issued", shown, 70000, issued.key)
    assert automatic.fetch(paid).cash_receipt is None  # it is ours, not the window's


def test_a_cash_receipt_is_taken_back_as_a_whole_and_issued_anew_for_what_is_left(automatic):
    paid = deposited(automatic)
    issued = portone.issue_cash_receipt(automatic.account, receipt_for(paid), attempt("receipt"))
    with pytest.raises(GatewayRefused) as refused:
        portone.cancel_cash_receipt(automatic.account, issued.key, paid.order_ref, 20000, attempt("receipt"))
    assert refused.value.code == "PARTIAL_CANCEL_NOT_SUPPORTED"
    with pytest.raises(GatewayRefused) as refused:
        portone.issue_cash_receipt(automatic.account, receipt_for(paid), attempt("receipt"))
    assert refused.value.code == "CASH_RECEIPT_ALREADY_ISSUED"
    gone = portone.cancel_cash_receipt(automatic.account, issued.key, paid.order_ref, None, attempt("receipt"))
    assert (gone.status, gone.key) == ("cancelled", issued.key)
    assert portone.fetch_cash_receipt(automatic.account, "", paid.order_ref) is None
    anew = portone.issue_cash_receipt(automatic.account, receipt_for(paid, amount=50000), attempt("receipt"))
    assert (anew.amount, anew.key != issued.key) == (50000, True)
    assert portone.fetch_cash_receipt(automatic.account, "", paid.order_ref).key == anew.key
    assert portone.fetch_cash_receipt(automatic.account, issued.key, paid.order_ref).status == "cancelled"
    for key in (issued.key, anew.key, anew.key):  # asked late, the first one's cancel leaves the second alone
        assert portone.cancel_cash_receipt(automatic.account, key, paid.order_ref, None, attempt("receipt")).status == "cancelled"
        assert (portone.fetch_cash_receipt(automatic.account, "", paid.order_ref) is None) == (key == anew.key)


def test_a_cash_receipt_for_what_was_paid_elsewhere(automatic):
    """A transfer by hand: PortOne knows no payment of that id, and issues all the same."""
    request = CashReceiptRequest("ev_by_hand_0001", "등록", 30000, "expense", "123-45-67890", method="manual_transfer")
    issued = portone.issue_cash_receipt(automatic.account, request, attempt("receipt"))
    assert portone.fetch_cash_receipt(automatic.account, issued.key, "ev_by_hand_0001").status == "issued"
    assert portone.cancel_cash_receipt(automatic.account, issued.key, "ev_by_hand_0001", None, attempt("receipt")).status == "cancelled"
    assert portone.fetch(automatic.account, GatewayRef("ev_by_hand_0001")) is None


def test_no_receipt_is_taken_back_where_there_is_none(automatic):
    paid = deposited(automatic)
    with pytest.raises(GatewayRefused) as refused:
        portone.cancel_cash_receipt(automatic.account, "", paid.order_ref, None, attempt("receipt"))
    assert refused.value.code == "CASH_RECEIPT_NOT_FOUND"


@pytest.mark.parametrize("kind, identity, code", [
    ("expense", "12", "INVALID_BUSINESS_NUMBER"), ("deduction", "0101", "INVALID_CASH_RECEIPT_INFO")])
def test_a_cash_receipt_for_no_number(automatic, kind, identity, code):
    paid = deposited(automatic)
    with pytest.raises(GatewayRefused) as refused:
        portone.issue_cash_receipt(automatic.account, receipt_for(paid, kind, identity), attempt("receipt"))
    assert refused.value.code == code
    assert portone.fetch_cash_receipt(automatic.account, "", paid.order_ref) is None


def test_a_receipt_chosen_in_the_window_goes_with_the_payment(automatic):
    intent = automatic.intent(70000, VIRTUAL_ACCOUNT)
    automatic.open(intent)
    window = automatic.window(intent, virtualAccount={"cashReceiptType": "PERSONAL"})
    automatic.gateway.press(window, "deposit")
    paid = automatic.fetch_ref(intent)
    assert (paid.status, paid.cash_receipt.status, paid.cash_receipt.kind, paid.cash_receipt.amount) == (PAID, "issued", "deduction", 70000)
    automatic.cancel(paid, refund_account=BACK)
    automatic.control("refund", order_id=paid.order_ref, result="SUCCEEDED")
    assert automatic.fetch_ref(intent).cash_receipt.status == "cancelled"


# -- whose payment it is ----------------------------------------------------------------------------
def test_a_payment_that_is_live_is_no_test(automatic):
    """Case 41: the channel says it, not the keys."""
    paid = automatic.pay()
    assert paid.test_mode
    automatic.fault("fetch", "live")
    assert not automatic.fetch(paid).test_mode
    assert portone.fetch(replace(automatic.account, mode="live"), GatewayRef(paid.order_ref)).test_mode


def test_money_that_came_through_another_channel_is_not_fulfilled(automatic, manual):
    paid = automatic.pay()
    seen = portone.fetch(manual.account, GatewayRef(paid.order_ref))
    assert (seen.status, seen.raw_status, seen.captured) == (UNKNOWN, "PAID in channel-key-demo0000000001", 0)
    former = replace(manual.account, public=dict(manual.account.public) | {"former_channels": ["channel-key-demo0000000001"]})
    assert portone.fetch(former, GatewayRef(paid.order_ref)) == paid
    automatic.fault("fetch", "wrong_channel")
    assert automatic.fetch(paid).status == UNKNOWN


def test_a_window_in_another_channel_that_took_nothing_is_only_open(automatic, manual):
    intent = automatic.intent()
    automatic.open(intent)
    automatic.window(intent)
    assert portone.fetch(manual.account, GatewayRef(intent.order_ref)).status == PENDING


def test_another_stores_answer_is_none(automatic):
    paid = automatic.pay()
    automatic.fault("fetch", "wrong_store")
    with pytest.raises(GatewayContractError) as broken:
        automatic.fetch(paid)
    assert broken.value.code == "another_payment"
    stranger = replace(automatic.account, public=dict(automatic.account.public) | {"store_id": "store-demo0000000002"})
    with pytest.raises(GatewayMisconfigured) as wrong:
        portone.fetch(stranger, GatewayRef(paid.order_ref))
    assert wrong.value.code == "FORBIDDEN"


@pytest.mark.parametrize("fault, differs", [
    ("wrong_amount", {"total": 51000}), ("wrong_currency", {"currency": "USD"}), ("unknown_method", {"method": OTHER}),
    ("unknown_status", {"status": UNKNOWN, "raw_status": "SOMETHING_NEW"})])
def test_what_differs_is_handed_on_for_comparing(automatic, fault, differs):
    paid = automatic.pay()
    automatic.fault("fetch", fault)
    seen = automatic.fetch(paid)
    assert {name: getattr(seen, name) for name in differs} == differs


# -- keys -------------------------------------------------------------------------------------------
def test_good_keys_and_bad_ones(automatic):
    assert portone.check_credentials(automatic.account).ok
    for secret in ("portone_test_demo0000000099", "an-api-secret-of-nobody"):
        check = portone.check_credentials(replace(automatic.account, secret_keys=(secret,)))
        assert (check.ok, check.code in ("FORBIDDEN", "UNAUTHORIZED")) == (False, True)


def test_during_a_change_of_keys_both_are_tried(automatic):
    both = automatic.account_of("rotating0000001", secret_keys=("portone-newer-secret-1", "portone-older-secret-1"))
    for accepted in (["portone-newer-secret-1"], ["portone-older-secret-1"]):
        automatic.control("accounts", store_id="store-rotating0000001", secrets=accepted,
                          channels={"channel-key-rotating0000001": "automatic"})
        assert portone.check_credentials(both).ok
    automatic.control("accounts", store_id="store-rotating0000001", secrets=["portone-third-secret-1"])
    with pytest.raises(GatewayMisconfigured) as wrong:
        portone.fetch(both, GatewayRef("ev_123456"))
    assert (wrong.value.code, wrong.value.http_status) == ("UNAUTHORIZED", 401)


@pytest.mark.parametrize("changes", [
    {"secret_keys": ()}, {"secret_keys": ("short",)}, {"secret_keys": ("\ufeffportone_test_demo0000000001",)},
    {"client_key": "", "public": {"channel_key": "channel-key-demo0000000001"}},
    {"public": {"store_id": "store-demo0000000001"}}, {"public": {"store_id": "shop", "channel_key": "channel-key-demo0000000001"}}])
def test_keys_of_the_wrong_kind_never_leave(automatic, changes, monkeypatch):
    monkeypatch.setattr(portone, "call", lambda *_, **__: pytest.fail("something was sent"))
    with pytest.raises(GatewayMisconfigured):
        portone.fetch(automatic.account_of("demo0000000001", **changes), GatewayRef("ev_123456"))


@pytest.mark.parametrize("order_ref", ["", "../../x", "ev 123456", "x" * 65])
def test_what_is_no_payment_id_is_never_asked(automatic, order_ref):
    with pytest.raises(ValueError, match="payment id"):
        portone.fetch(automatic.account, GatewayRef(order_ref))


def test_only_won(automatic):
    with pytest.raises(ValueError, match="won"):
        automatic.open(automatic.intent(1000, currency="USD"))


# -- what is written down ---------------------------------------------------------------------------
def test_the_log_names_no_secret(automatic, caplog):
    caplog.set_level(logging.DEBUG)
    paid = deposited(automatic)
    automatic.cancel(paid, refund_account=BACK)
    portone.issue_cash_receipt(automatic.account, receipt_for(paid), attempt("receipt"))
    lines = [record for record in caplog.records if record.name == "eventapp.payments.portone"]
    assert [(line.operation, line.outcome, line.http_status) for line in lines[-3:]] == [
        ("cancel", "ok", 200), ("fetch", "ok", 200), ("receipt", "ok", 200)]
    written = "\n".join(str(record.__dict__) for record in caplog.records if record.name.startswith("eventapp.payments"))
    for secret in ("portone_test_", "PortOne p", paid.virtual_account.number, paid.gateway_key, "110123456789", "김하나", "01012345678"):
        assert secret not in written
    assert not any(secret in f"{paid!r} {automatic.account!r}" for secret in ("portone_test_", "whsec_", paid.virtual_account.number))


def test_the_guards_and_points_are_known():
    assert {"portone.signature", "portone.keys", "portone.answer", "portone.channel"} <= set(faults.guards())
    assert {f"portone.{operation}.{when}" for operation in ("open", "confirm", "fetch", "cancel", "receipt")
            for when in ("before", "after")} <= set(faults.points())


def test_without_its_guards_foreign_money_would_pass(automatic, manual):
    paid = automatic.pay()
    faults.configure(guards_off=["portone.channel", "portone.answer"])
    try:
        assert portone.fetch(manual.account, GatewayRef(paid.order_ref)).status == PAID
        automatic.fault("fetch", "wrong_store")
        assert automatic.fetch(paid).status == PAID
    finally:
        faults.configure()


def test_a_cancel_by_its_plain_values(automatic):
    paid = automatic.pay()
    portone.cancel(automatic.account, GatewayRef(paid.order_ref), CancelRequest("x" * 300, 50000, 1000), attempt("cancel"))
    assert len(automatic.fetch(paid).refunds[0].reason) == 200
