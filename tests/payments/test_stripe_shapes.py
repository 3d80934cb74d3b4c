"""Stripe's JSON to snapshots: every state it may be in, and what breaks its contract."""
from copy import deepcopy
from datetime import UTC, date, datetime

import pytest

from eventapp.payments import stripe_shapes as shapes
from eventapp.payments.provider import (
    AUTHORIZED,
    AWAITING_DEPOSIT,
    BANK_TRANSFER,
    CARD,
    EXPIRED,
    FAILED,
    OTHER,
    PAID,
    PARTIALLY_REFUNDED,
    PENDING,
    REFUND_PENDING,
    REFUNDED,
    UNKNOWN,
    VOIDED,
    GatewayContractError,
)

CHARGE = {"id": "ch_1", "amount": 50000, "currency": "krw", "created": 1795316410, "disputed": False, "receipt_url": "https://r.example",
          "payment_method_details": {"type": "card", "card": {"brand": "visa", "last4": "4242"}}}
INTENT = {"id": "pi_1", "status": "succeeded", "amount_received": 50000, "currency": "krw", "latest_charge": CHARGE}
SESSION = {"id": "cs_test_a1", "client_reference_id": "ev_123456", "amount_total": 50000, "currency": "krw", "created": 1795316400,
           "livemode": False, "status": "complete", "payment_status": "paid", "payment_intent": INTENT}


def session(intent: dict | None = None, charge: dict | None = None, **changes) -> dict:
    made = deepcopy(SESSION) | changes
    if made["payment_intent"]:
        made["payment_intent"] |= intent or {}
        if made["payment_intent"]["latest_charge"]:
            made["payment_intent"]["latest_charge"] |= charge or {}
    return made


def refund(number: int, amount: int, status: str = "succeeded", **more) -> dict:
    return {"id": f"re_{number}", "amount": amount, "status": status, "created": 1795316500 + number, "metadata": {}, "reason": None} | more


def test_a_paid_session():
    paid = shapes.payment(session(), [], [])
    assert (paid.status, paid.order_ref, paid.gateway_key, paid.total, paid.balance, paid.currency) == (
        PAID, "ev_123456", "cs_test_a1", 50000, 50000, "KRW")
    assert (paid.method, paid.paid_with, paid.last_tx, paid.receipt_url) == (CARD, "Visa •••• 4242", "ch_1", "https://r.example")
    assert (paid.requested_at, paid.approved_at) == (datetime.fromtimestamp(1795316400, UTC), datetime.fromtimestamp(1795316410, UTC))
    assert paid.test_mode and paid.consistent and paid.dispute is None and paid.virtual_account is None


@pytest.mark.parametrize("changes, intent, wanted", [
    ({"status": "open", "payment_status": "unpaid", "payment_intent": None}, None, PENDING),
    ({"status": "open", "payment_status": "unpaid"}, {"status": "requires_payment_method"}, PENDING),
    ({"status": "expired", "payment_status": "unpaid", "payment_intent": None}, None, EXPIRED),
    ({"payment_status": "unpaid"}, {"status": "processing"}, AWAITING_DEPOSIT),
    ({"payment_status": "unpaid"}, {"status": "requires_action"}, AWAITING_DEPOSIT),
    ({"payment_status": "unpaid"}, {"status": "requires_capture"}, AUTHORIZED),
    ({"payment_status": "unpaid"}, {"status": "requires_payment_method"}, FAILED),
    ({"payment_status": "unpaid"}, {"status": "canceled"}, VOIDED),
    ({"payment_status": "unpaid"}, {"status": "something_new"}, UNKNOWN),
    ({"payment_status": "unpaid", "payment_intent": None}, None, UNKNOWN),
    ({"payment_status": "no_payment_required"}, None, UNKNOWN),
    ({"payment_status": "something_new"}, None, UNKNOWN),
    ({"status": "something_new"}, None, UNKNOWN),
    ({"status": None}, None, UNKNOWN),
    ({}, {"status": "processing"}, UNKNOWN),
])
def test_each_state(changes, intent, wanted):
    found = shapes.payment(session(intent, **changes), [], [])
    assert found.status == wanted and (found.captured > 0) == (wanted == PAID)


@pytest.mark.parametrize("refunds, status, balance, refunded", [
    ([refund(1, 20000)], PARTIALLY_REFUNDED, 30000, 20000),
    ([refund(2, 30000), refund(1, 20000)], REFUNDED, 0, 50000),
    ([refund(1, 20000, "pending")], REFUND_PENDING, 30000, 0),
    ([refund(1, 50000, "requires_action")], REFUND_PENDING, 0, 0),
    ([refund(1, 50000, "something_new")], REFUND_PENDING, 0, 0),
    ([refund(1, 50000, "failed")], PAID, 50000, 0),
    ([refund(2, 20000), refund(1, 50000, "canceled")], PARTIALLY_REFUNDED, 30000, 20000),
])
def test_refunds(refunds, status, balance, refunded):
    found = shapes.payment(session(), refunds, [])
    assert (found.status, found.balance, found.refunded, found.consistent) == (status, balance, refunded, True)
    assert [one.transaction_key for one in found.refunds] == sorted(one["id"] for one in refunds)


@pytest.mark.parametrize("statuses, wanted", [
    (["needs_response"], "open"), (["under_review"], "open"), (["warning_needs_response"], "open"), (["something_new"], "open"),
    (["appeal_under_review"], "open"), (["won"], "won"), (["warning_closed"], "won"), (["prevented"], "won"), (["lost"], "lost"),
    (["won", "lost"], "lost"), (["needs_response", "lost"], "open"), (["won", "needs_response"], "open")])
def test_disputes(statuses, wanted):
    disputes = [{"id": f"du_{number}", "amount": 50000, "status": status, "reason": "fraudulent", "created": number}
                for number, status in enumerate(statuses)]
    found = shapes.payment(session(), [], disputes)
    assert (found.dispute.status, found.balance, found.status) == (wanted, 50000, PAID)


@pytest.mark.parametrize("kind, method, shown", [
    ("link", CARD, "Link"), ("kakao_pay", CARD, "Kakao Pay"), ("kr_card", CARD, "Kr Card"), ("sepa_debit", BANK_TRANSFER, "Sepa Debit"),
    ("something_new", OTHER, "Something New")])
def test_how_it_was_paid(kind, method, shown):
    found = shapes.payment(session(charge={"payment_method_details": {"type": kind}}), [], [])
    assert (found.method, found.paid_with) == (method, shown)


@pytest.mark.parametrize("broken", [
    session(amount_total=50000.0), session(amount_total=True), session(amount_total="50000"), session(amount_total=-1), session(amount_total=None),
    session(amount_total=10 ** 13), session(currency=None), session(id=None), session() | {"payment_intent": "pi_1"},
    session({"amount_received": 49999}), session({"currency": "usd"}), session({"latest_charge": None}), session(charge={"amount": 1}),
    session(charge={"currency": "usd"}), session() | {"payment_intent": [1]},
])
def test_what_breaks_the_contract_is_no_payment(broken):
    with pytest.raises(GatewayContractError):
        shapes.payment(broken, [], [])


@pytest.mark.parametrize("refunds", [[refund(1, 50001)], [refund(1, 30000), refund(2, 30000, "pending")], [refund(1, -5)], ["re_1"], [{}]])
def test_refunds_that_cannot_be(refunds):
    with pytest.raises(GatewayContractError):
        shapes.payment(session(), refunds, [])


def test_a_live_payment_is_no_test():
    assert not shapes.payment(session(livemode=True), [], []).test_mode


# -- books ------------------------------------------------------------------------------------------
LINE = {"id": "txn_1", "type": "charge", "amount": 1250, "fee": 110, "net": 1140, "currency": "usd", "created": 1795316410,
        "available_on": 1795478400, "fee_details": [{"type": "stripe_fee", "amount": 100}, {"type": "tax", "amount": 10}],
        "source": CHARGE | {"object": "charge"}}


def test_a_sale_in_another_currency_than_the_balances():
    entry = shapes.entry(LINE, "ev_123456")
    assert (entry.transaction_key, entry.amount, entry.currency, entry.order_ref) == ("ch_1", 50000, "KRW", "ev_123456")
    line = shapes.settlement(LINE, "ev_123456")
    assert (line.amount, line.fee, line.vat, line.payout, line.currency, line.method) == (1250, 100, 10, 1140, "USD", CARD)
    assert (line.sold_on, line.paid_out_on) == (date(2026, 11, 22), date(2026, 11, 24))


def test_money_that_went_has_a_minus():
    back = LINE | {"type": "refund", "amount": -625, "source": {"id": "re_1", "amount": 25000, "currency": "krw", "charge": "ch_1"}}
    assert (shapes.entry(back, "").amount, shapes.entry(back, "").transaction_key) == (-25000, "re_1")
    assert shapes.order_of(back) == ("", "ch_1")
    again = back | {"type": "refund_failure", "amount": 625}
    assert (shapes.entry(again, "").amount, shapes.entry(again, "").transaction_key) == (25000, "txn_1")


def test_sums_that_do_not_agree_are_no_settlement():
    with pytest.raises(GatewayContractError):
        shapes.settlement(LINE | {"net": 1250}, "")
