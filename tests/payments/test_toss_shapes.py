"""Payment objects as Toss may send them, today and tomorrow."""
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.payments import toss_shapes
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
    STATUSES,
    UNKNOWN,
    VOIDED,
    GatewayContractError,
)
from eventapp.payments.transport import parse_json

APPROVED = "2026-11-22T12:01:10+09:00"
DOCUMENTED = json.loads("""
{"version":"2022-11-16","mId":"demomid","paymentKey":"tviva20261122demo","orderId":"ev_01JD9Y3V7M4K8Q2T6W",
 "orderName":"PyCon 티켓 2매","type":"NORMAL","currency":"KRW","method":"카드","status":"DONE",
 "totalAmount":50000,"balanceAmount":50000,"suppliedAmount":45455,"vat":4545,"taxFreeAmount":0,"taxExemptionAmount":0,
 "requestedAt":"2026-11-22T12:00:00+09:00","approvedAt":"2026-11-22T12:01:10+09:00",
 "lastTransactionKey":"txrd_demo_1","useEscrow":false,"cultureExpense":false,"isPartialCancelable":true,
 "cancels":null,"secret":"ps_demo","virtualAccount":null,"transfer":null,"mobilePhone":null,"giftCertificate":null,
 "card":{"amount":50000,"issuerCode":"41","acquirerCode":"41","number":"12345678****000*","installmentPlanMonths":0,
  "approveNo":"00000000","useCardPoint":false,"cardType":"신용","ownerType":"개인","acquireStatus":"READY",
  "isInterestFree":false,"interestPayer":null},
 "easyPay":null,"cashReceipt":null,"cashReceipts":null,"discount":null,"metadata":null,
 "receipt":{"url":"https://receipt.example/r"},"checkout":{"url":"https://checkout.example/c"},"country":"KR",
 "failure":null}""")
ACCOUNT = {"accountType": "일반", "accountNumber": "X6505636518308", "bankCode": "20", "customerName": "김하나",
           "depositorName": None, "dueDate": "2026-11-23T23:59:59+09:00", "refundStatus": "NONE", "expired": False,
           "settlementStatus": "INCOMPLETED", "refundReceiveAccount": None}


def cancelled(amount, left, status="DONE", key="txrd_demo_2"):
    return {"cancelAmount": amount, "cancelReason": "1매 취소", "refundableAmount": left, "canceledAt": APPROVED,
            "transactionKey": key, "cancelStatus": status}


def payment(**changes):
    return toss_shapes.payment(DOCUMENTED | changes, test_mode=True)


def test_the_documented_sample():
    paid = payment()
    assert (paid.order_ref, paid.gateway_key, paid.merchant_id) == ("ev_01JD9Y3V7M4K8Q2T6W", "tviva20261122demo",
                                                                    "demomid")
    assert (paid.status, paid.method, paid.total, paid.balance, paid.currency, paid.vat) == (
        PAID, CARD, 50000, 50000, "KRW", 4545)
    assert paid.approved_at == datetime(2026, 11, 22, 3, 1, 10, tzinfo=UTC)
    assert (paid.secret, paid.last_tx, paid.receipt_url) == ("ps_demo", "txrd_demo_1", "https://receipt.example/r")
    assert paid.raw["card"]["issuerCode"] == "41"


@pytest.mark.parametrize("changes, status", [
    ({"status": "READY", "approvedAt": None, "method": None}, PENDING),
    ({"status": "IN_PROGRESS", "approvedAt": None}, AUTHORIZED),
    ({"status": "WAITING_FOR_DEPOSIT", "approvedAt": None, "virtualAccount": ACCOUNT}, AWAITING_DEPOSIT),
    ({"status": "WAITING_FOR_DEPOSIT", "approvedAt": None, "virtualAccount": ACCOUNT | {"expired": True}}, EXPIRED),
    ({"status": "DONE"}, PAID), ({"status": "ABORTED", "approvedAt": None}, FAILED),
    ({"status": "EXPIRED", "approvedAt": None}, EXPIRED),
    ({"status": "CANCELED", "approvedAt": None}, VOIDED),
    ({"status": "CANCELED", "balanceAmount": 0, "cancels": [cancelled(50000, 0)]}, REFUNDED),
    ({"status": "PARTIAL_CANCELED", "balanceAmount": 40000, "cancels": [cancelled(10000, 40000)]}, PARTIALLY_REFUNDED),
    ({"status": "PARTIAL_CANCELED", "balanceAmount": 0, "cancels": [cancelled(50000, 0)]}, REFUNDED),
    ({"status": "PARTIAL_CANCELED", "balanceAmount": 40000, "cancels": [cancelled(10000, 40000, "IN_PROGRESS")]},
     REFUND_PENDING),
    ({"status": "CANCELED", "balanceAmount": 0, "virtualAccount": ACCOUNT | {"refundStatus": "PENDING"}},
     REFUND_PENDING),
    ({"status": "DONE", "approvedAt": None}, UNKNOWN), ({"status": "SOMETHING_NEW"}, UNKNOWN)])
def test_each_status_has_its_meaning(changes, status):
    assert payment(**changes).status == status
    assert status in STATUSES


@pytest.mark.parametrize("method, ours", [
    ("카드", CARD), ("간편결제", CARD), ("계좌이체", BANK_TRANSFER), ("휴대폰", MOBILE), ("문화상품권", OTHER), ("마음", OTHER), (7, OTHER)])
def test_methods(method, ours):
    assert payment(method=method).method == ours


def test_refunds_explain_the_balance_or_a_person_must_look():
    part = payment(status="PARTIAL_CANCELED", balanceAmount=40000, cancels=[cancelled(10000, 40000)])
    assert (part.refunded, part.consistent) == (10000, True)
    assert not payment(status="PARTIAL_CANCELED", balanceAmount=30000, cancels=[cancelled(10000, 40000)]).consistent
    assert payment(status="PARTIAL_CANCELED", balanceAmount=50000,
                   cancels=[cancelled(10000, 50000, "ABORTED")]).consistent


def test_a_bank_and_a_field_we_do_not_know():
    waiting = payment(status="WAITING_FOR_DEPOSIT", approvedAt=None, tomorrow={"x": 1},
                      virtualAccount=ACCOUNT | {"bankCode": "99"})
    assert (waiting.virtual_account.bank, waiting.virtual_account.bank_code) == ("", "99")


@pytest.mark.parametrize("text, amount", [("50000", 50000), ("50000.0", 50000), ("5e4", 50000), ("0", 0)])
def test_whole_amounts(text, amount):
    assert toss_shapes.minor_units(parse_json(text.encode()), "KRW", "x") == amount


def test_other_currencies_have_minor_units():
    assert toss_shapes.minor_units(Decimal("12.50"), "USD", "x") == 1250
    assert toss_shapes.minor_units(12, "USD", "x") == 1200
    with pytest.raises(GatewayContractError):
        toss_shapes.minor_units(Decimal("12.505"), "USD", "x")


@pytest.mark.parametrize("value", [None, True, "50000", 50000.0, Decimal("0.5"), Decimal("1e999999"), 10 ** 13, [], {}])
def test_amounts_that_are_none(value):
    with pytest.raises(GatewayContractError):
        toss_shapes.minor_units(value, "KRW", "x")


@pytest.mark.parametrize("changes", [
    {"balanceAmount": 50001}, {"balanceAmount": -1}, {"orderId": None}, {"paymentKey": ""}, {"status": 3},
    {"currency": None}, {"cancels": {"x": 1}}, {"cancels": [1]}, {"virtualAccount": "X1"},
    {"cancels": [{"cancelAmount": 1}]}])
def test_what_breaks_the_contract_is_said(changes):
    with pytest.raises(GatewayContractError):
        payment(**changes)


@given(st.dictionaries(st.sampled_from(list(DOCUMENTED)), st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=10), inner, max_size=2),
    max_leaves=4)))
def test_no_answer_crashes_the_parser(changes):
    try:
        snapshot = payment(**changes)
    except GatewayContractError:
        return
    assert snapshot.status in STATUSES and 0 <= snapshot.balance <= snapshot.total
