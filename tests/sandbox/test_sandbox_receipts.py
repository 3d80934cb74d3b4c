"""Cash receipts, what is paid out, phone bills and the amounts that are refused, through the real client."""
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest

from eventapp.payments import toss, toss_codes, toss_shapes
from eventapp.payments.provider import (
    BANK_TRANSFER,
    MOBILE,
    PAID,
    VIRTUAL_ACCOUNT,
    CashReceiptRequest,
    GatewayError,
    GatewayRef,
    GatewayRefused,
    GatewayUnknown,
)
from eventapp.sandbox import magic
from tests.gateway import BROWSER, attempt


def wish(kind="deduction", identity="010-1234-5678", amount=50000, **more):
    return CashReceiptRequest(attempt("ev")[:30], "선교대회 등록", amount, kind, identity, **more)


def issue(gateway, request, key=""):
    return toss.issue_cash_receipt(gateway.account, request, key or attempt("receipt"))


def test_a_receipt_is_final_a_day_later(gateway):
    request = wish(tax_free=20000)
    issued = issue(gateway, request)
    assert (issued.status, issued.amount, issued.kind, len(issued.issue_number)) == ("in_progress", 50000, "deduction", 9)
    gateway.control("clock", advance=86401)
    found = toss.fetch_cash_receipt(gateway.account, issued.key, request.order_ref)
    assert (found.status, found.key, found.url != "") == ("issued", issued.key, True)
    assert toss.fetch_cash_receipt(gateway.account, "", request.order_ref) == found
    assert toss.fetch_cash_receipt(gateway.account, "rcpt_unknown", "ev_unknown") is None


def test_the_tax_office_may_say_no(gateway):
    failing, other = wish(identity="01012349999"), wish()
    failed, ended = issue(gateway, failing), issue(gateway, other)
    gateway.control("receipt", order_id=other.order_ref, result="FAILED")
    assert toss.fetch_cash_receipt(gateway.account, ended.key, "").failure_code == "NTS_ERROR"
    gateway.control("clock", advance=86401)
    assert toss.fetch_cash_receipt(gateway.account, failed.key, "").status == "failed"
    assert issue(gateway, failing).key != failed.key


def test_parts_are_taken_back_until_nothing_is_left(gateway):
    request = wish()
    issued = issue(gateway, request)
    part = toss.cancel_cash_receipt(gateway.account, issued.key, request.order_ref, 20000, attempt("receipt"))
    assert (part.status, part.amount, part.key.startswith("c_")) == ("in_progress", 20000, True)
    gateway.control("receipt", receipt_key=part.key, result="COMPLETED")
    assert toss.fetch_cash_receipt(gateway.account, part.key, request.order_ref).status == "cancelled"
    assert toss.fetch_cash_receipt(gateway.account, "", request.order_ref).key == issued.key
    with pytest.raises(GatewayError):
        toss.cancel_cash_receipt(gateway.account, issued.key, request.order_ref, 30001, attempt("receipt"))
    rest = toss.cancel_cash_receipt(gateway.account, issued.key, request.order_ref, None, attempt("receipt"))
    assert rest.amount == 30000
    assert issue(gateway, request).key != issued.key


@pytest.mark.parametrize("kind, identity, code", [
    ("deduction", "0212345678", "INVALID_CASH_RECEIPT_INFO"), ("expense", "123456789", "INVALID_BUSINESS_NUMBER")])
def test_numbers_that_are_none(gateway, kind, identity, code):
    with pytest.raises(GatewayRefused) as refused:
        issue(gateway, wish(kind, identity))
    assert refused.value.code == code


def test_one_receipt_for_an_order(gateway):
    request, key = wish("unasked", ""), attempt("receipt")
    first = issue(gateway, request, key)
    assert issue(gateway, request, key).key == first.key
    with pytest.raises(GatewayRefused) as refused:
        issue(gateway, request)
    assert refused.value.code == "DUPLICATED_CASH_RECEIPT"


def test_another_account_has_no_part_in_it(gateway):
    issued = issue(gateway, wish())
    stranger = gateway.account_of("demo0000000002")
    assert toss.fetch_cash_receipt(stranger, issued.key, "") is None
    with pytest.raises(GatewayError):
        toss.cancel_cash_receipt(stranger, issued.key, "ev_123456", None, attempt("receipt"))


def test_a_receipt_of_the_window_lives_with_its_payment(gateway):
    intent = gateway.intent(method=BANK_TRANSFER, cash_receipt="deduction")
    paid = toss.confirm(gateway.account, intent, gateway.approve(intent), attempt())
    assert (paid.cash_receipt.status, paid.cash_receipt.amount, paid.cash_receipt.kind) == ("issued", 50000, "deduction")
    part = gateway.cancel(paid, 20000)
    assert (part.cash_receipt.amount, part.cash_receipt.key) == (30000, paid.cash_receipt.key)
    assert [line["transactionType"] for line in part.raw["cashReceipts"]] == ["CONFIRM", "CANCEL"]
    with pytest.raises(GatewayRefused) as refused:
        issue(gateway, CashReceiptRequest(paid.order_ref, "등록", 30000, "deduction", "01012345678"))
    assert refused.value.code == "DUPLICATED_CASH_RECEIPT"
    assert gateway.cancel(part).cash_receipt.status == "cancelled"
    assert gateway.pay(method=BANK_TRANSFER).cash_receipt is None


def test_a_virtual_account_has_its_receipt_with_the_deposit(gateway):
    intent = gateway.intent(method=VIRTUAL_ACCOUNT, cash_receipt="expense")
    waiting = toss.confirm(gateway.account, intent, gateway.approve(intent), attempt())
    assert waiting.cash_receipt is None
    gateway.control("deposit", order_id=waiting.order_ref)
    assert gateway.fetch(waiting).cash_receipt.kind == "expense"
    gateway.control("reversal", order_id=waiting.order_ref)
    assert gateway.fetch(waiting).cash_receipt is None


def test_receipts_page_by_page(gateway, monkeypatch):
    monkeypatch.setattr(toss, "PAGE", 2)
    keys = [issue(gateway, wish()).key for _ in range(5)]
    assert all(toss.fetch_cash_receipt(gateway.account, key, "").key == key for key in keys)


# -- what is paid out -------------------------------------------------------------------------------
def test_what_is_paid_out_for_each_way_to_pay(gateway, monkeypatch):
    monkeypatch.setattr(toss, "PAGE", 2)
    card = gateway.pay(100000)
    gateway.cancel(card, 50000)
    gateway.pay(100000, MOBILE)
    waiting = gateway.issue(100000)
    gateway.control("deposit", order_id=waiting.order_ref)
    today = datetime.now(UTC).astimezone(toss_shapes.KST).date()
    lines = list(toss.list_settlements(gateway.account, today, today))
    assert [(line.method, line.amount, line.fee, line.vat, line.payout) for line in lines] == [
        ("card", 100000, 2600, 260, 97140), ("card", -50000, -1300, -130, -48570), (MOBILE, 100000, 3500, 350, 96150),
        (VIRTUAL_ACCOUNT, 100000, 300, 30, 99670)]
    assert all(line.sold_on == today < line.paid_out_on and line.paid_out_on.weekday() < 5 for line in lines)
    assert list(toss.list_settlements(gateway.account, today - timedelta(days=9), today - timedelta(days=1))) == []


@pytest.mark.parametrize("changes, amounts", [
    ({}, (5000, 100, 10, 4890)), ({"cancel": {"x": 1}}, (-5000, -100, -10, -4890)),
    ({"amount": -5000, "vat": -10, "payOutAmount": -4890}, (-5000, -100, -10, -4890)),
    ({"interestFee": 50, "payOutAmount": 4840}, (5000, 150, 10, 4840))])
def test_a_line_of_the_settlements(changes, amounts):
    line = toss_shapes.settlement({
        "transactionKey": "t", "paymentKey": "p", "orderId": "ev_123456", "currency": "KRW", "method": "휴대폰", "amount": 5000,
        "fees": [{"type": "BASE", "fee": 110}], "supplyAmount": 100, "vat": 10, "payOutAmount": 4890, "cancel": None,
        "soldDate": "2026-11-22", "paidOutDate": "no day"} | changes)
    assert (line.amount, line.fee, line.vat, line.payout) == amounts
    assert (line.method, line.sold_on, line.paid_out_on) == (MOBILE, date(2026, 11, 22), None)


# -- phone bills, and what is refused ---------------------------------------------------------------
def test_a_phone_bill_is_refunded_in_its_own_month_only(gateway):
    paid = gateway.pay(method=MOBILE)
    assert (paid.status, paid.method, paid.paid_with) == (PAID, MOBILE, "SKT")
    part = gateway.cancel(paid, 10000)
    gateway.control("clock", advance=31 * 86400)
    with pytest.raises(GatewayRefused) as refused:
        gateway.cancel(part)
    assert refused.value.code == "EXCEED_MAX_REFUND_DUE"


def test_tax_free_parts_are_told_apart(gateway):
    intent = gateway.intent(50000, tax_free=28000)
    paid = toss.confirm(gateway.account, intent, gateway.approve(intent), attempt())
    assert (paid.tax_free, paid.vat) == (28000, 2000)
    part = gateway.cancel(paid, 28000, tax_free=28000)
    assert (part.tax_free, part.vat, part.balance) == (0, 2000, 22000)


@pytest.mark.parametrize("amount, code", magic.CONFIRM.items())
def test_amounts_that_are_refused(gateway, amount, code):
    with pytest.raises(GatewayRefused if code in toss_codes.REFUSALS else GatewayUnknown) as refused:
        gateway.pay(amount)
    assert refused.value.code == code
    assert gateway.books()["transactions"] == []


@pytest.mark.parametrize("code", magic.CANCEL)
def test_reasons_that_are_refused(gateway, code):
    paid = gateway.pay()
    with pytest.raises((GatewayRefused, GatewayUnknown)) as refused:
        gateway.cancel(paid, 1000, reason=f"1매 취소 SANDBOX:{code}")
    assert refused.value.code == code
    assert gateway.fetch(paid).balance == 50000


def test_every_code_of_the_tables_has_its_class():
    """What the sandbox can be made to answer is what the client has an opinion of."""
    known = toss_codes.REFUSALS | toss_codes.ASK_FIRST
    assert [code for code in [*magic.CONFIRM.values(), *magic.CANCEL] if code not in known] == []


def test_a_card_chosen_in_the_window_is_refused_at_the_confirm(gateway):
    intent = gateway.intent()
    window = gateway.open_window(intent)
    assert "INVALID_STOPPED_CARD" in BROWSER.get(window).text
    answer = BROWSER.post(f"{window}/approve", data={"code": "INVALID_STOPPED_CARD"})
    assert "paymentKey" in answer.headers["location"]
    hint = toss.parse_return(gateway.account, dict(httpx.URL(answer.headers["location"]).params))
    with pytest.raises(GatewayRefused) as refused:
        toss.confirm(gateway.account, intent, hint, attempt())
    assert refused.value.code == "INVALID_STOPPED_CARD"
    assert toss.fetch(gateway.account, GatewayRef(intent.order_ref)).failure.code == "INVALID_STOPPED_CARD"
