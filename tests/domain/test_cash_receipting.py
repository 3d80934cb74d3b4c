"""현금영수증: asked for, issued when the money is there, reduced and cancelled with refunds; and no refund ever waits for one."""
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from eventapp import audit, clock, crypto, faults
from eventapp.domain import (
    Refused,
    RefusedFields,
    calling,
    cash_receipting,
    issuing_receipts,
    ledger,
    paying,
    receiving,
    refunding,
)
from eventapp.domain.contacts import WEIGHTS, business_number
from eventapp.extensions import db
from eventapp.models import (
    AuditLog,
    CashReceipt,
    GatewayAccount,
    Order,
    Organization,
    PaymentAttempt,
)
from eventapp.outbox import NotYet
from tests.domain.test_documenting import sound
from tests.shop import id_of
from tests.working import ask as ask_database
from tests.working import until, waiting, worker

STAFF = audit.Actor("user", 1)
BUYER = audit.Actor("buyer", 1)
BACK = {"bank": "woori", "number": "1002-123-456789", "holder": "김하나"}


def ask(shop, order, kind: str = "deduction", identity: str = "010-2345-6789") -> CashReceipt:
    shop.enter()
    receipt = cash_receipting.ask(db.session.get(Order, id_of(order)), kind, identity, by=BUYER)
    db.session.commit()
    return receipt


def deposited(shop, order) -> None:
    shop.gateway.control("deposit", order_id=shop.payment(order).gateway_order_id)
    refreshed(shop, order)


def refreshed(shop, order) -> None:
    calling.refresh(shop.payment(order))
    db.session.commit()
    shop.work()


def ordered(shop, kind: str = "deduction", identity: str = "010-2345-6789") -> Order:
    """By virtual account, with a receipt wanted, and paid."""
    order = shop.deposit_account()
    ask(shop, order, kind, identity)
    deposited(shop, order)
    return shop.fresh(order)


def state(shop, order) -> list[tuple[str, int, int]]:
    """(state, amount, cancelled) of each."""
    shop.enter()
    return [(one.state, one.amount, one.cancelled) for one in db.session.scalars(
        select(CashReceipt).where(CashReceipt.order_id == id_of(order)).order_by(CashReceipt.id))]


def receipt_of(shop, order) -> CashReceipt:
    shop.enter()
    return db.session.scalars(select(CashReceipt).where(CashReceipt.order_id == id_of(order)).order_by(CashReceipt.id.desc())).first()


def a_day_later(shop) -> None:
    """The tax office has answered, and our job asks."""
    shop.later(days=1, minutes=5)
    shop.work()


def give_back(shop, order, amount: int | None = None, account=BACK) -> None:
    """Of a paid order, as staff do it."""
    order = shop.fresh(order)
    quote = refunding.quote(order, in_full=True)
    if amount is not None:
        from dataclasses import replace
        line = quote.lines[0]
        quote = replace(quote, amount=amount, lines=(replace(line, amount=amount),), parts=((quote.parts[0][0], amount),))
    refunding.give(order, quote, reason="not needed", by=STAFF, account=account, goodwill=True)
    db.session.commit()
    shop.work()
    payment = shop.payment(order)
    if payment.status == "refund_pending":
        shop.gateway.control("refund", order_id=payment.gateway_order_id, result="COMPLETED")
        refreshed(shop, order)


def theirs(shop, order) -> list[tuple[str, int, int]]:
    """What the gateway has: (kind, amount, cancelled)."""
    key = shop.payment(order).gateway_order_id
    return [(one["transactionType"], one["amount"]) for one in shop.gateway.control("receipt", order_id=key, result="COMPLETED")["receipts"]]


def actions(shop, order) -> list[str]:
    shop.enter()
    return list(db.session.scalars(select(AuditLog.action).where(AuditLog.object_kind == "cashreceipt").order_by(AuditLog.id)))


# -- asking ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("typed", "kept", "hint"), [
    ("010-2345-6789", "01023456789", "010-••••-6789"), ("+82 10 2345 6789", "01023456789", "010-••••-6789"),
    ("01023456789", "01023456789", "010-••••-6789"), ("1234 5678 9012 34567", "12345678901234567", "••••4567")])
def test_a_number_is_kept_encrypted_and_shown_masked(shop, typed, kept, hint):
    receipt = ask(shop, shop.place("virtual_account"), "deduction", typed)
    shop.enter()
    receipt = db.session.get(CashReceipt, id_of(receipt))
    assert (crypto.get(receipt, "identity"), receipt.identity_hint) == (kept, hint)
    assert kept.encode() not in receipt.identity


def test_for_a_business_its_number_is_wanted(shop):
    order = shop.place("virtual_account")
    receipt = ask(shop, order, "expense", "124-81-00998")
    assert (receipt.kind, receipt.identity_hint) == ("expense", "124-81-•••••")
    with pytest.raises(RefusedFields) as refused:
        ask(shop, order, "expense", "124-81-00999")
    assert list(refused.value.errors) == ["receipt-business"]
    with pytest.raises(RefusedFields) as refused:
        ask(shop, order, "deduction", "02-123-4567")
    assert list(refused.value.errors) == ["receipt-phone"]
    with pytest.raises(RefusedFields):
        ask(shop, order, "gift", "010-2345-6789")


@given(st.integers(0, 10**9 - 1))
def test_a_business_number_has_one_last_digit(first):
    digits = f"{first:09}"
    fitting = [last for last in range(10) if business_number(f"{digits}{last}")]
    total = sum(int(digit) * weight for digit, weight in zip(digits, WEIGHTS, strict=True)) + int(digits[8]) * 5 // 10
    assert fitting == ([(10 - total % 10) % 10] if first else [])
    assert business_number("124-81-00998") == "1248100998"


def test_one_may_change_ones_mind_until_it_is_issued(shop):
    order = shop.place("virtual_account")
    first = ask(shop, order)
    second = ask(shop, order, "expense", "124-81-00998")
    assert id_of(first) == id_of(second)
    assert ask(shop, order, "none") is None
    assert state(shop, order) == [("dropped", 0, 0)]
    assert receipt_of(shop, order).identity is None
    ask(shop, order)
    assert [each[0] for each in state(shop, order)] == ["dropped", "wanted"]


def test_there_is_none_for_a_card_nor_after_it_is_issued(shop):
    with pytest.raises(Refused):
        ask(shop, shop.place("card"))
    order = ordered(shop)
    with pytest.raises(Refused):
        ask(shop, order)
    assert not cash_receipting.may_ask(shop.fresh(order))


# -- issuing ----------------------------------------------------------------------------------------------

def test_it_is_issued_when_the_money_is_there_and_final_a_day_later(shop, app):
    order = shop.deposit_account()
    ask(shop, order)
    shop.work()
    assert state(shop, order) == [("wanted", 0, 0)], "nothing before the money"
    deposited(shop, order)
    assert state(shop, order) == [("issuing", 100_000, 0)]
    receipt = receipt_of(shop, order)
    assert receipt.receipt_key
    assert crypto.get(receipt, "identity")
    a_day_later(shop)
    receipt = receipt_of(shop, order)
    assert (receipt.state, bool(receipt.issue_number), bool(receipt.url), receipt.identity) == ("issued", True, True, None)
    assert receipt.identity_hint == "010-••••-6789"
    assert theirs(shop, order) == [("CONFIRM", 100_000)]
    assert actions(shop, order) == ["cash_receipt.asked", "cash_receipt.issued"]
    sound(app)


def test_the_number_is_nowhere_in_clear(shop, database):
    ordered(shop)
    for table in ("payment_attempts", "audit_log", "outbox"):
        assert ask_database(database, f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%%01023456789%%'") == 0


def test_asked_for_after_paying_it_is_issued_at_once(shop):
    order = shop.deposit_account()
    deposited(shop, order)
    assert state(shop, order) == []
    assert cash_receipting.may_ask(shop.fresh(order))
    ask(shop, order)
    shop.work()
    assert state(shop, order) == [("issuing", 100_000, 0)]


def test_one_that_the_tax_office_refuses_is_seen_mended_and_tried_again(shop):
    order = ordered(shop, identity="010-2345-9999")
    a_day_later(shop)
    receipt = receipt_of(shop, order)
    assert (receipt.state, bool(receipt.failure_code), cash_receipting.is_problem(receipt)) == ("failed", True, True)
    assert shop.statuses(order) == ["confirmed"]
    ask(shop, order, identity="010-2345-6789")
    shop.work()
    a_day_later(shop)
    assert state(shop, order) == [("issued", 100_000, 0)]


def test_53_a_receipt_that_the_gateway_refuses_waits_for_a_person_and_may_be_tried_again(shop):
    shop.gateway.fault("receipt", "code:INVALID_CASH_RECEIPT_INFO")
    order = ordered(shop)
    receipt = receipt_of(shop, order)
    assert (receipt.state, receipt.failure_code) == ("failed", "INVALID_CASH_RECEIPT_INFO")
    assert crypto.get(receipt, "identity"), "kept for another try"
    cash_receipting.try_again(receipt, by=STAFF)
    db.session.commit()
    shop.work()
    assert state(shop, order) == [("issuing", 100_000, 0)]


@pytest.mark.parametrize("fault", ["timeout_after_commit:0.3", "500_after_commit", "truncated", "html_after_commit", "500", "429", "drop_before"])
def test_an_answer_that_is_lost_makes_no_second_receipt(shop, settings, fault, monkeypatch):
    shop.gateway.fault("receipt", fault)
    order = ordered(shop)
    for _again in range(3):
        shop.work()
    assert state(shop, order) == [("issuing", 100_000, 0)]
    assert theirs(shop, order) == [("CONFIRM", 100_000)]
    shop.enter()
    assert db.session.scalars(select(PaymentAttempt.state).where(PaymentAttempt.operation == "receipt_issue")).all() == ["succeeded"]


@pytest.mark.parametrize("point", ["sent", "answered", "applied"])
def test_killed_in_the_middle_it_is_issued_once(shop, app, database, point):
    order = shop.deposit_account()
    ask(shop, order)
    shop.gateway.control("deposit", order_id=shop.payment(order).gateway_order_id)
    calling.refresh(shop.payment(order))
    db.session.commit()
    settings = {"toss_api_url": f"{shop.gateway.address}/toss", "backoff_scale": 0.0}
    with worker(database, faults=f"receipts.receipt_issue.{point}=exit", **settings) as dying:
        assert until(lambda: dying.poll() is not None)
        assert dying.returncode == faults.EXIT_CODE
    with worker(database, clock_offset=200, **settings):
        assert until(lambda: not waiting(database, "gateway_cash_receipt") + waiting(database, "follow%"))
    assert state(shop, order) == [("issuing", 100_000, 0)]
    assert theirs(shop, order) == [("CONFIRM", 100_000)]


# -- refunds ------------------------------------------------------------------------------------------------

def issued(shop) -> Order:
    order = ordered(shop)
    a_day_later(shop)
    assert state(shop, order) == [("issued", 100_000, 0)]
    return order


def test_a_refund_of_a_part_reduces_it_and_of_the_rest_cancels_it(shop, app):
    order = issued(shop)
    give_back(shop, order, 30_000)
    assert shop.entries(order)[-1][0] in ("refunded", "forgiven"), "the refund did not wait"
    assert ledger.held(shop.payment(order)) == 70_000
    assert state(shop, order) == [("cancelling", 100_000, 0)]
    a_day_later(shop)
    assert state(shop, order) == [("issued", 100_000, 30_000)]
    sound(app, "receipts", "documents")
    give_back(shop, order)
    a_day_later(shop)
    assert state(shop, order) == [("cancelled", 100_000, 100_000)]
    assert theirs(shop, order) == [("CONFIRM", 100_000), ("CANCEL", 30_000), ("CANCEL", 70_000)]
    sound(app, "receipts", "documents")


def test_a_refund_before_it_is_final_is_taken_off_afterwards(shop):
    order = ordered(shop)
    give_back(shop, order)
    assert state(shop, order) == [("issuing", 100_000, 0)]
    a_day_later(shop)
    assert state(shop, order) == [("cancelling", 100_000, 0)]
    a_day_later(shop)
    assert state(shop, order) == [("cancelled", 100_000, 100_000)]


def test_what_was_given_back_before_it_was_asked_for_is_not_on_it(shop):
    order = shop.deposit_account()
    deposited(shop, order)
    give_back(shop, order, 40_000)
    ask(shop, order)
    shop.work()
    assert state(shop, order) == [("issuing", 60_000, 0)]


@pytest.mark.parametrize("code", ["INVALID_CASH_RECEIPT_INFO", "NTS_ERROR"])  # known by name, and by its beginning
def test_53_no_refund_waits_for_a_receipt_that_cannot_be_cancelled(shop, app, code):
    order = issued(shop)
    shop.gateway.fault("receipt", f"code:{code}", times=2)
    give_back(shop, order)
    assert ledger.held(shop.payment(order)) == 0
    receipt = receipt_of(shop, order)
    assert receipt.cancelled == 0
    if receipt.failure_code:  # a definite no: a person looks, and tries again
        assert cash_receipting.is_problem(receipt)
        shop.gateway.control("no-faults")
        cash_receipting.try_again(receipt, by=STAFF)
        db.session.commit()
        shop.work()
    a_day_later(shop)
    assert state(shop, order) == [("cancelled", 100_000, 100_000)]
    sound(app, "receipts")


@pytest.mark.parametrize("fault", ["timeout_after_commit:0.3", "500_after_commit", "truncated"])
def test_a_cancellation_whose_answer_is_lost_is_made_once(shop, fault):
    order = issued(shop)
    shop.gateway.fault("receipt", fault)
    give_back(shop, order, 30_000)
    shop.work()
    a_day_later(shop)
    assert state(shop, order) == [("issued", 100_000, 30_000)]
    assert theirs(shop, order) == [("CONFIRM", 100_000), ("CANCEL", 30_000)]


def test_a_deposit_that_the_bank_takes_back_takes_the_receipt_too(shop):
    order = issued(shop)
    shop.gateway.control("reversal", order_id=shop.payment(order).gateway_order_id)
    refreshed(shop, order)
    a_day_later(shop)
    assert state(shop, order) == [("cancelled", 100_000, 100_000)]


def test_a_gateway_that_is_silent_for_two_days_is_a_persons_matter(shop, app):
    shop.gateway.fault("receipt", "500", times=0)
    order = shop.deposit_account()
    ask(shop, order)
    shop.gateway.control("deposit", order_id=shop.payment(order).gateway_order_id)
    calling.refresh(shop.payment(order))
    db.session.commit()
    cash_receipting.follow(shop.payment(order))
    db.session.commit()
    attempt = db.session.scalars(select(PaymentAttempt).where(PaymentAttempt.operation == "receipt_issue")).one()
    with pytest.raises(NotYet):
        issuing_receipts.carry_out(attempt)
    assert state(shop, order) == [("issuing", 100_000, 0)]
    assert attempt.state == "unknown"
    clock.offset += timedelta(hours=49)
    issuing_receipts.carry_out(attempt)
    db.session.commit()
    receipt = receipt_of(shop, order)
    assert (receipt.state, receipt.failure_code) == ("failed", issuing_receipts.UNRESOLVED)
    assert shop.statuses(order) == ["confirmed"]
    shop.gateway.control("no-faults")
    cash_receipting.try_again(receipt, by=STAFF)
    db.session.commit()
    shop.work()
    assert state(shop, order) == [("issuing", 100_000, 0)]


# -- unasked ------------------------------------------------------------------------------------------------

def must_issue(shop) -> None:
    shop.enter()
    db.session.get(Organization, shop.world.seoul.id).must_issue_receipts = True
    db.session.commit()


def test_unasked_it_is_issued_where_the_law_says_so_once_there_was_time_to_ask(shop):
    must_issue(shop)
    order = shop.deposit_account()
    deposited(shop, order)
    assert state(shop, order) == []
    shop.later(days=2, minutes=1)
    shop.work()
    assert state(shop, order) == [("issuing", 100_000, 0)]
    assert receipt_of(shop, order).kind == "unasked"
    a_day_later(shop)
    assert state(shop, order) == [("issued", 100_000, 0)]


def test_who_asks_in_time_gets_his_own_and_only_that(shop):
    must_issue(shop)
    order = shop.deposit_account()
    deposited(shop, order)
    ask(shop, order)
    shop.work()
    shop.later(days=3)
    shop.work()
    assert [(one.kind, one.state) for one in cash_receipting.of(shop.fresh(order))] == [("deduction", "issued")]


def test_below_the_sum_nothing_is_issued_unasked(shop, monkeypatch):
    must_issue(shop)
    monkeypatch.setattr(cash_receipting, "MUST_FROM", 100_001)
    order = shop.deposit_account()
    deposited(shop, order)
    shop.later(days=3)
    shop.work()
    assert state(shop, order) == []


def test_a_card_gets_none(shop):
    must_issue(shop)
    order = shop.pay("card")
    shop.later(days=3)
    shop.work()
    assert state(shop, order) == []


# -- by hand ------------------------------------------------------------------------------------------------

def by_hand(shop) -> Order:
    order = shop.place("manual_transfer")
    ask(shop, order)
    paying.mark_received(shop.payment(order), 100_000, by=STAFF)
    db.session.commit()
    shop.work()
    return shop.fresh(order)


def test_for_a_transfer_by_hand_a_gateway_issues_it_where_there_is_one(shop):
    order = by_hand(shop)
    assert state(shop, order) == [("issuing", 100_000, 0)]
    a_day_later(shop)
    assert state(shop, order) == [("issued", 100_000, 0)]


def test_without_a_gateway_the_organisation_issues_it_by_hand_and_takes_it_back_by_hand(shop, app):
    shop.enter()
    db.session.get(GatewayAccount, id_of(shop.account)).enabled = False
    db.session.commit()
    order = by_hand(shop)
    receipt = receipt_of(shop, order)
    assert (receipt.state, receipt.amount, cash_receipting.waits_for_hand(receipt)) == ("wanted", 100_000, True)
    with pytest.raises(Refused):
        cash_receipting.issued_by_hand(receipt, "  ", by=STAFF)
    cash_receipting.issued_by_hand(receipt, "G 1234 5678", by=STAFF)
    db.session.commit()
    assert (receipt_of(shop, order).issue_number, receipt_of(shop, order).identity) == ("G12345678", None)
    give_back(shop, order, 30_000)
    refund = refunding.of_order(shop.fresh(order))[0]
    refunding.sent(refund, by=STAFF)
    db.session.commit()
    shop.work()
    receipt = receipt_of(shop, order)
    assert (receipt.state, receipt.failure_code) == ("cancelling", cash_receipting.BY_HAND)
    cash_receipting.cancelled_by_hand(receipt, by=STAFF)
    db.session.commit()
    assert state(shop, order) == [("issued", 100_000, 30_000)]
    sound(app, "receipts")


def test_an_account_that_comes_later_issues_what_had_waited(shop):
    shop.enter()
    account = db.session.get(GatewayAccount, id_of(shop.account))
    account.enabled = False
    db.session.commit()
    order = by_hand(shop)
    db.session.get(GatewayAccount, id_of(shop.account)).enabled = True
    cash_receipting.sweep()
    db.session.commit()
    shop.work()
    assert state(shop, order) == [("issuing", 100_000, 0)]


# -- at a gateway that takes back only the whole ---------------------------------------------------------------

def test_where_only_the_whole_can_be_taken_back_the_rest_is_issued_anew(shop, monkeypatch):
    from dataclasses import replace

    from eventapp.payments import toss
    monkeypatch.setattr(toss, "caps", replace(toss.caps, receipts_in_parts=False))
    order = issued(shop)
    assert crypto.get(receipt_of(shop, order), "identity"), "needed for the rest"
    give_back(shop, order, 30_000)
    a_day_later(shop)
    assert state(shop, order) == [("cancelled", 100_000, 100_000), ("issuing", 70_000, 0)]
    a_day_later(shop)
    assert state(shop, order)[1] == ("issued", 70_000, 0)
    give_back(shop, order)
    a_day_later(shop)
    assert state(shop, order) == [("cancelled", 100_000, 100_000), ("cancelled", 70_000, 70_000)]


# -- chosen in the gateway's window -----------------------------------------------------------------------------

def snapshot(status: str, key: str = "rcpt_window"):
    from eventapp.payments.provider import CashReceiptSnapshot
    return CashReceiptSnapshot(key, status, 100_000, "123456789", "https://receipt.example/1", "deduction")


def test_one_that_was_chosen_in_the_window_is_the_gateways_to_cancel(shop):
    order = shop.deposit_account()
    ask(shop, order)
    order = shop.fresh(order)
    cash_receipting.linked(order, shop.payment(order), snapshot("issued"))
    db.session.commit()
    assert state(shop, order) == [("dropped", 0, 0), ("issued", 100_000, 0)]
    deposited(shop, order)
    give_back(shop, order, 30_000)
    assert state(shop, order)[1] == ("issued", 100_000, 30_000)
    give_back(shop, order)
    assert state(shop, order)[1] == ("cancelled", 100_000, 100_000)
    shop.enter()
    assert db.session.scalars(select(PaymentAttempt).where(PaymentAttempt.operation.like("receipt%"))).all() == []


# -- forgetting -----------------------------------------------------------------------------------------------

def test_a_number_that_nobody_needs_is_forgotten(shop):
    order = shop.place("virtual_account")
    ask(shop, order)
    shop.later(hours=2)
    shop.work()
    assert shop.statuses(order) == ["expired"]
    cash_receipting.sweep()
    db.session.commit()
    assert state(shop, order) == [("dropped", 0, 0)]
    assert receipt_of(shop, order).identity is None


def test_one_that_failed_is_forgotten_after_a_month(shop):
    shop.gateway.fault("receipt", "code:INVALID_CASH_RECEIPT_INFO")
    order = ordered(shop)
    clock.offset += timedelta(days=31)
    shop.enter()
    cash_receipting.sweep()
    db.session.commit()
    assert receipt_of(shop, order).identity is None
    with pytest.raises(Refused):
        cash_receipting.try_again(receipt_of(shop, order), by=STAFF)


def test_undone_by_staff_there_is_nothing_left_to_issue(shop):
    order = shop.place("manual_transfer")
    ask(shop, order)
    paying.mark_received(shop.payment(order), 100_000, by=STAFF)
    db.session.commit()
    receiving.take_back(shop.payment(order).id, by=STAFF)
    db.session.commit()
    shop.work()
    assert ledger.held(shop.payment(order)) == 0
    assert [each[0] for each in state(shop, order)] in (["wanted"], ["dropped"])
