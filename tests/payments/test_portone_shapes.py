"""PortOne's payments as it writes them, and whatever else could come in their place."""
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.payments import portone_shapes
from eventapp.payments.provider import (
    AUTHORIZED,
    AWAITING_DEPOSIT,
    CARD,
    EXPIRED,
    FAILED,
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

NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
CHANNEL = "channel-key-live0001"
BODY = {
    "status": "PAID", "id": "ev_01JD9Y3V7M4K8Q2T6W", "transactionId": "018f-tx-0001", "merchantId": "merchant-1",
    "storeId": "store-1234", "version": "V2", "channel": {"type": "LIVE", "id": "c", "key": CHANNEL, "name": "토스", "pgProvider": "TOSSPAYMENTS"},
    "method": {"type": "PaymentMethodCard", "card": {"name": "신한카드", "number": "43301234****123*"}}, "webhooks": [],
    "requestedAt": "2026-11-22T03:00:00.000Z", "updatedAt": "2026-11-22T03:01:11Z", "statusChangedAt": "2026-11-22T03:01:11Z",
    "paidAt": "2026-11-22T12:01:11.5+09:00", "orderName": "PyCon 티켓 2매", "currency": "KRW", "customer": {},
    "amount": {"total": 50000, "taxFree": 0, "vat": 4545, "supply": 45455, "discount": 0, "paid": 50000, "cancelled": 0, "cancelledTaxFree": 0},
    "pgTxId": "pg1", "receiptUrl": "https://receipts.example/1"}
ACCOUNT = {"type": "PaymentMethodVirtualAccount", "bank": "KOOKMIN", "accountNumber": "X123", "expiredAt": "2026-11-25T14:59:59Z"}


def read(mode="live", channels=(CHANNEL,), now=NOW, **changes):
    body = {name: value for name, value in (BODY | changes).items() if value is not None}
    return portone_shapes.payment(body, mode=mode, channels=channels, now=now)


def sums(total=50000, cancelled=0):
    return BODY["amount"] | {"total": total, "cancelled": cancelled}


def cancellation(amount=50000, status="SUCCEEDED", **more):
    return {"status": status, "id": f"c{amount}", "totalAmount": amount, "reason": "변심", "requestedAt": "2026-11-22T04:00:00Z"} | more


def test_a_payment_by_card():
    one = read()
    assert (one.order_ref, one.gateway_key, one.status, one.method, one.paid_with) == (
        "ev_01JD9Y3V7M4K8Q2T6W", "018f-tx-0001", PAID, CARD, "신한카드 43301234****123*")
    assert (one.total, one.balance, one.currency, one.vat, one.test_mode, one.merchant_id) == (50000, 50000, "KRW", 4545, False, "store-1234")
    assert one.approved_at == datetime(2026, 11, 22, 3, 1, 11, 500000, tzinfo=UTC)
    assert one.receipt_url == "https://receipts.example/1" and one.raw["orderName"] == "PyCon 티켓 2매" and "PyCon" not in repr(one)


@pytest.mark.parametrize("changes, status", [
    ({"status": "READY", "paidAt": None}, PENDING), ({"status": "PAY_PENDING", "paidAt": None}, AUTHORIZED),
    ({"status": "VIRTUAL_ACCOUNT_ISSUED", "paidAt": None, "method": ACCOUNT}, AWAITING_DEPOSIT),
    ({"status": "VIRTUAL_ACCOUNT_ISSUED", "paidAt": None, "method": ACCOUNT | {"expiredAt": "2026-11-22T03:30:00Z"}}, EXPIRED),
    ({"status": "FAILED", "paidAt": None, "method": ACCOUNT}, EXPIRED), ({"status": "FAILED", "paidAt": None, "method": None}, FAILED),
    ({"status": "CANCELLED", "paidAt": None}, VOIDED), ({"status": "PAID", "paidAt": None}, UNKNOWN),
    ({"status": "PARTIAL_CANCELLED", "amount": sums(cancelled=20000), "cancellations": [cancellation(20000)]}, PARTIALLY_REFUNDED),
    ({"status": "CANCELLED", "amount": sums(cancelled=50000), "cancellations": [cancellation()]}, REFUNDED),
    ({"status": "PARTIAL_CANCELLED", "amount": sums(cancelled=50000), "cancellations": [cancellation()]}, REFUNDED),
    ({"cancellations": [cancellation(20000, "REQUESTED")]}, REFUND_PENDING), ({"cancellations": [cancellation(20000, "FAILED")]}, PAID),
    ({"cancellations": [cancellation(20000, "SOMETHING_NEW")]}, REFUND_PENDING),
    ({"method": ACCOUNT | {"refundStatus": "PENDING"}}, REFUND_PENDING), ({"status": "SOMETHING_NEW"}, UNKNOWN)])
def test_each_status(changes, status):
    one = read(**changes)
    assert one.status == status and one.consistent


def test_only_what_succeeded_lowers_the_balance():
    one = read(status="PARTIAL_CANCELLED", amount=sums(cancelled=10000),
               cancellations=[cancellation(10000), cancellation(20000, "REQUESTED"), cancellation(5000, "FAILED")])
    assert (one.balance, one.refunded, one.consistent) == (40000, 10000, True)
    assert [(refund.amount, refund.status) for refund in one.refunds] == [(10000, "done"), (20000, "pending"), (5000, "failed")]


def test_refunds_that_do_not_explain_the_balance_are_seen():
    assert not read(status="PARTIAL_CANCELLED", amount=sums(cancelled=10000), cancellations=[]).consistent
    assert not read(cancellations=[cancellation(10000)]).consistent


@pytest.mark.parametrize("channel, mode, test_mode", [
    ({"type": "TEST", "key": CHANNEL}, "live", True), ({"type": "LIVE", "key": CHANNEL}, "test", False)])
def test_live_or_test_is_what_the_channel_says(channel, mode, test_mode):
    assert read(mode=mode, channel=channel).test_mode is test_mode


def test_a_payment_that_took_nothing_needs_no_channel_yet():
    one = read(mode="test", status="READY", paidAt=None, channel=None)
    assert (one.status, one.test_mode) == (PENDING, True)


@pytest.mark.parametrize("changes", [{}, {"status": "VIRTUAL_ACCOUNT_ISSUED", "paidAt": None, "method": ACCOUNT},
                                     {"status": "CANCELLED", "amount": sums(cancelled=50000), "cancellations": [cancellation()]}])
def test_what_came_through_another_channel_is_unknown(changes):
    one = read(channels=["channel-key-ours"], **changes)
    assert one.status == UNKNOWN and one.raw_status.endswith(f" in {CHANNEL}") and one.captured == 0


def test_the_older_way_to_write_a_currency():
    assert read(currency="CURRENCY_KRW").currency == "KRW"


def test_an_easy_payment_is_one_by_card():
    one = read(method={"type": "PaymentMethodEasyPay", "provider": "KAKAOPAY", "easyPayMethod": {"type": "x", "card": {"name": "국민"}}})
    assert (one.method, one.paid_with) == (CARD, "KAKAOPAY 국민")


def test_an_unknown_bank_keeps_its_word():
    account = read(status="VIRTUAL_ACCOUNT_ISSUED", paidAt=None, method=ACCOUNT | {"bank": "NEW_BANK"}).virtual_account
    assert (account.bank, account.bank_code) == ("", "NEW_BANK")
    assert read(method=ACCOUNT | {"refundStatus": "PARTIAL_REFUND_FAILED"}).virtual_account.refund_status == "PARTIAL_FAILED"


@pytest.mark.parametrize("disputes, cancellations, expected", [
    ([], [], None), ([{"status": "UNRESOLVED", "pgDisputeId": "d1"}], [], ("open", 50000)),
    ([{"status": "SOMETHING_NEW", "pgDisputeId": "d1"}], [], ("open", 50000)), ([{"status": "RESOLVED"}], [], ("won", 50000)),
    ([{"status": "RESOLVED"}], [cancellation(trigger="CHARGEBACK")], ("lost", 0)),
    ([{"status": "RESOLVED"}, {"status": "UNRESOLVED"}], [], ("open", 50000))])
def test_disputes(disputes, cancellations, expected):
    dispute = read(disputes=disputes, cancellations=cancellations, amount=sums(cancelled=50000 if cancellations else 0)).dispute
    assert (dispute and (dispute.status, dispute.amount)) == expected


def test_a_receipt_of_the_window_and_one_of_ours():
    shown = {"status": "ISSUED", "type": "PERSONAL", "pgReceiptId": "r1", "issueNumber": "123456789", "totalAmount": 50000, "url": "https://x"}
    assert read(cashReceipt=shown).cash_receipt.key == "r1"
    assert read(cashReceipt=shown | {"isManual": True}).cash_receipt is None


@pytest.mark.parametrize("changes", [
    {"amount": None}, {"amount": []}, {"amount": sums(total=-1)}, {"amount": sums(total=1.5)}, {"amount": sums(total="50000")},
    {"amount": sums(total=True)}, {"amount": sums(total=10 ** 13)}, {"amount": sums(cancelled=50001)}, {"amount": {"total": 50000}},
    {"id": None}, {"transactionId": 5}, {"storeId": ""}, {"currency": None}, {"status": None}, {"channel": None}, {"channel": {"key": CHANNEL}},
    {"channel": {"type": "STAGING", "key": CHANNEL}}, {"cancellations": {"a": 1}}, {"cancellations": [1]},
    {"cancellations": [cancellation() | {"id": ""}]}, {"cancellations": [cancellation("50")]}, {"disputes": [1]}, {"disputes": "x"}])
def test_what_breaks_the_contract(changes):
    with pytest.raises(GatewayContractError):
        read(**changes)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3), max_leaves=8)
fields = st.sampled_from([*BODY, "cancellations", "disputes", "failure", "cashReceipt"])


@given(st.dictionaries(fields, anything, max_size=4))
def test_no_answer_breaks_it(changes):
    try:
        one = portone_shapes.payment(BODY | changes, mode="live", channels=[CHANNEL], now=NOW)
    except GatewayContractError:
        return
    assert one.status in STATUSES and 0 <= one.balance <= one.total
