"""What goes back, the ways it takes, and the books before and after: each kind for each method."""
import json
import threading
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from eventapp import audit, checks, clock, crypto, faults, outbox, tenancy
from eventapp.domain import (
    Refused,
    RefusedFields,
    calling,
    giving_back,
    ledger,
    paying,
    refund_rules,
    refunding,
    registering,
)
from eventapp.domain.giving_back import Wanted
from eventapp.extensions import db, platform
from eventapp.models import AuditLog, EmailMessage, Event, Order, PaymentAttempt, Refund, Registration
from eventapp.money import read_amount
from tests.shop import id_of

STAFF = audit.Actor("user", 1)
HALF = {"tiers": [{"days": 30, "percent": 100, "fee": 0}, {"days": 7, "percent": 50, "fee": 0}], "note": {}}
ACCOUNT = {"bank": "woori", "number": "1002-123-456789", "holder": "김하나"}
PRICE = 100_000


def agree(order: Order, rules: dict = HALF) -> Order:
    order.refund_terms = {"rules": rules, "text": "", "locale": "ko", "at": clock.now().isoformat()}
    db.session.commit()
    return order


def before(order: Order, days: int) -> datetime:
    """At noon of a day so many days before the event begins, where it takes place."""
    event = db.session.get(Event, order.event_id)
    return event.starts_at.replace(hour=3, minute=0) - timedelta(days=days)


def cancel(order: Order, registrations=None, *, days: int = 10, account=None, in_full=False) -> list[Refund]:
    """As anybody does it: look, cancel, give back, in one transaction."""
    found = refunding.quote(order, registrations, at=before(order, days), in_full=in_full)
    registering.cancel(registrations or registering.of_order(order), by=STAFF, reason="test")
    refunds = refunding.give(order, found, reason="test", by=STAFF, account=account)
    db.session.commit()
    return refunds


@pytest.fixture(autouse=True)
def sound(request):
    """After each test with a database `flask check` finds nothing about money and places."""
    app = request.getfixturevalue("app") if "shop" in request.fixturenames else None
    yield
    if app:
        db.session.rollback()
        found = checks.run(platform.engine, app.config["SETTINGS"].role("app"), clock.now())
        assert [(one.name, one.breaches) for one in found if one.name.startswith(("money", "places")) and not one.ok] == []


def by_card(shop, people=1) -> Order:
    return agree(shop.pay(people=people))


def by_transfer(shop, people=1) -> Order:
    return agree(shop.pay("bank_transfer", people=people))


def by_account(shop) -> Order:
    order = shop.deposit_account()
    shop.gateway.control("deposit", order_id=shop.payment(order).gateway_order_id)
    shop.enter()
    calling.refresh(shop.payment(order))
    db.session.commit()
    shop.work()
    assert shop.statuses(order) == ["confirmed"]
    return agree(shop.fresh(order))


def by_hand(shop, people=1) -> Order:
    order = shop.place("manual_transfer", people)
    paying.mark_received(shop.payment(order), PRICE * people, by=STAFF)
    db.session.commit()
    shop.work()
    return agree(shop.fresh(order))


# -- each kind for each method: the ledger before and after ------------------------------------------------

@pytest.mark.parametrize("pay", [by_card, by_transfer])
@pytest.mark.parametrize(("days", "back"), [(40, PRICE), (10, PRICE // 2), (3, 0)])
def test_what_a_gateway_sends_by_itself(shop, work, pay, days, back):
    order = pay(shop)
    assert shop.entries(order) == [("charged", PRICE), ("paid", PRICE)]
    cancel(order, days=days)
    work()
    order, kept = shop.fresh(order), PRICE - back
    assert shop.statuses(order) == ["cancelled"]
    assert shop.entries(order) == [("charged", PRICE), ("paid", PRICE), ("released", PRICE), *([("kept", kept)] if kept else []),
                                   *([("refunded", back)] if back else [])]
    assert (ledger.owed(order), ledger.paid(order), ledger.kept(order)) == (0, kept, kept)
    assert shop.refunds(shop.payment(order)) == ([(back, "done", False)] if back else [])
    assert shop.balanced()


def test_a_virtual_account_asks_for_the_buyers_account_and_erases_it(shop, work):
    order = by_account(shop)
    found = refunding.quote(order, at=before(order, 10))
    assert (found.amount, found.needs_account, found.methods) == (PRICE // 2, True, ("virtual_account",))
    refund, = cancel(order)
    work()
    shop.enter()
    refund = db.session.get(Refund, id_of(refund))
    assert refund.state == "needs_account" and letters("refund_needs_account") == 1
    assert shop.entries(order) == [("charged", PRICE), ("paid", PRICE), ("released", PRICE), ("kept", PRICE // 2)]
    with pytest.raises(RefusedFields) as wrong:
        refunding.take_account(refund, "woori", "12", "", by=STAFF)
    assert set(wrong.value.errors) == {"number", "holder"}
    refunding.take_account(refund, **ACCOUNT, by=STAFF)
    db.session.commit()
    assert refund.account_hint == "woori 6789" and "1002123456789" not in json.dumps(
        [attempt.request for attempt in db.session.scalars(select(PaymentAttempt))])
    assert b"1002123456789" not in bytes(refund.account) and refunding.account_of(refund)["number"] == "1002123456789"
    work()
    refund = db.session.get(Refund, id_of(refund), populate_existing=True)
    assert (refund.state, shop.payment(order).status) == ("requested", "refund_pending")  # the bank takes its time
    shop.gateway.control("refund", order_id=shop.payment(order).gateway_order_id, result="COMPLETED")
    refresh(shop, order)
    refund = db.session.get(Refund, id_of(refund), populate_existing=True)
    assert (refund.state, refund.account, refund.account_hint) == ("done", None, "woori 6789")
    assert shop.entries(order)[-1] == ("refunded", PRICE // 2) and ledger.owed(shop.fresh(order)) == 0
    assert "1002123456789" not in json.dumps([[entry.before, entry.after] for entry in db.session.scalars(select(AuditLog))])


def test_a_transfer_by_hand_is_listed_made_and_erased(shop, work):
    order = by_hand(shop)
    refund, = cancel(order, account=ACCOUNT)
    assert (refund.state, refund.route) == ("to_pay", "transfer")
    refunding.sent(refund, by=STAFF)
    db.session.commit()
    work()
    order = shop.fresh(order)
    assert shop.entries(order) == [("charged", PRICE), ("paid", PRICE), ("released", PRICE), ("kept", PRICE // 2), ("refunded", PRICE // 2)]
    refund = db.session.get(Refund, id_of(refund), populate_existing=True)
    assert (refund.state, refund.account) == ("done", None)
    assert (shop.payment(order).status, shop.payment(order).balance) == ("partially_refunded", PRICE // 2)
    with pytest.raises(Refused):
        refunding.sent(refund, by=STAFF)


def test_the_account_may_come_with_the_cancellation(shop, work):
    order = by_account(shop)
    cancel(order, account=ACCOUNT)
    work()
    assert shop.refunds(shop.payment(order)) == [(PRICE // 2, "requested", False)]
    with pytest.raises(RefusedFields):
        cancel(by_account(shop), account=ACCOUNT | {"bank": "nobank"})
    shop.enter()


def test_who_has_not_paid_is_cancelled_without_a_word_about_money(shop, work):
    order = agree(shop.place())
    assert cancel(order) == []
    assert shop.entries(order) == [("charged", PRICE), ("released", PRICE)]


def test_nothing_agreed_means_that_everything_goes_back(shop, work):
    order = shop.pay()
    assert refunding.quote(order, at=before(order, 1)).amount == PRICE


# -- some of an order -----------------------------------------------------------------------------------

def test_one_of_three_and_then_the_others(shop, work):
    order = by_card(shop, people=3)
    first, second, third = registering.of_order(order)
    cancel(order, [first])
    work()
    order = shop.fresh(order)
    assert shop.statuses(order) == ["cancelled", "confirmed", "confirmed"] and ledger.owed(order) == 0
    cancel(order, [second, third])
    work()
    assert shop.statuses(order) == ["cancelled"] * 3
    assert [amount for amount, state, _external in shop.refunds(shop.payment(order)) if state == "done"] == [50_000, 100_000]
    assert shop.balanced() and ledger.paid(shop.fresh(order)) == 150_000 == ledger.kept(shop.fresh(order))


def test_staff_take_out_one_line_with_another_sum(shop, work):
    order = agree(shop.pay(people=2))
    row = registering.of_order(order)[0]
    mine = {item.id for item in row.line_items}
    with pytest.raises(RefusedFields) as wrong:
        giving_back.do(order, Wanted(mine, "other", "100,001", shown="0"), by=STAFF)
    assert "amount" in wrong.value.errors
    db.session.rollback()
    giving_back.do(order, Wanted(mine, "other", "70,000", reason="아파서 못 옴", shown="70000"), by=STAFF)
    db.session.commit()
    work()
    assert shop.statuses(order) == ["cancelled", "confirmed"]
    order = shop.fresh(order)
    assert (ledger.kept(order), ledger.owed(order), shop.refunds(shop.payment(order))) == (30_000, 0, [(70_000, "done", False)])


def test_out_of_kindness_everybody_stays(shop, work):
    order = by_card(shop)
    mine = {item.id for item in registering.of_order(order)[0].line_items}
    giving_back.do(order, Wanted(mine, "other", "20000", keep=True, reason="냉방 고장", shown="20000"), by=STAFF)
    db.session.commit()
    work()
    order = shop.fresh(order)
    assert shop.statuses(order) == ["confirmed"]
    assert shop.entries(order) == [("charged", PRICE), ("paid", PRICE), ("forgiven", 20_000), ("refunded", 20_000)]
    assert ledger.owed(order) == 0 and refunding.quote(order, in_full=True).amount == 80_000


def test_case_29_two_staff_at_once(shop, app, work):
    order = by_card(shop)
    mine, number = {item.id for item in registering.of_order(order)[0].line_items}, id_of(order)
    answers, ready = [], threading.Barrier(2)

    def staff():
        with app.app_context(), tenancy.inside(shop.world.seoul.id):
            one = db.session.get(Order, number)
            ready.wait()
            try:
                giving_back.do(one, Wanted(mine, "all", reason="twice", shown=str(PRICE)), by=STAFF)
                db.session.commit()
                answers.append("done")
            except Refused as refused:
                db.session.rollback()
                answers.append(refused.status)
            db.session.remove()

    people = [threading.Thread(target=staff) for _ in range(2)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert sorted(map(str, answers)) == ["409", "done"]
    work()
    assert shop.refunds(shop.payment(order)) == [(PRICE, "done", False)] and shop.balanced()


# -- what goes wrong ------------------------------------------------------------------------------------

def test_case_30_an_unknown_refund_blocks_the_next_one(shop, gateway, work):
    order = by_card(shop, people=2)
    first, second = registering.of_order(order)
    gateway.fault("cancel", "timeout_after_commit")
    gateway.fault("fetch", "500")
    cancel(order, [first])
    outbox.drain("gateway", most=1)
    order = shop.fresh(order)
    assert shop.attempts(shop.payment(order))[-1] == ("cancel", "unknown")
    second = db.session.get(Registration, id_of(second))
    found = refunding.quote(order, [second], at=before(order, 10))
    assert found.why_not
    with pytest.raises(Refused) as refused:
        refunding.give(order, found, reason="test", by=STAFF)
    assert refused.value.status == 409
    db.session.rollback()
    work()
    assert shop.refunds(shop.payment(order)) == [(50_000, "done", False)] and shop.balanced()


@pytest.mark.parametrize("point", ["paying.cancel.sent", "paying.cancel.answered", "paying.cancel.applied", "toss.cancel.before",
                                   "toss.cancel.after", "outbox.gateway_cancel.before", "outbox.gateway_cancel.after"])
def test_a_worker_that_dies_while_it_refunds_gives_back_once(shop, work, point):
    order = by_card(shop)
    cancel(order)
    faults.configure(f"{point}=raise")
    outbox.drain("gateway", most=1)
    faults.configure("")
    work()
    assert shop.refunds(shop.payment(order)) == [(50_000, "done", False)] and shop.balanced()


def test_case_25_a_refund_that_fails_at_the_bank_later(shop, work):
    order = by_account(shop)
    refund, = cancel(order, account=ACCOUNT)
    work()
    shop.gateway.control("refund", order_id=shop.payment(order).gateway_order_id, result="FAILED")
    refresh(shop, order)
    refresh(shop, order)
    refund = db.session.get(Refund, id_of(refund), populate_existing=True)
    assert (refund.state, refund.route, refund.failure_code, refund.account) == ("needs_account", "transfer", "FAILED", None)
    assert shop.statuses(order) == ["cancelled"] and letters("refund_needs_account") == 1
    assert [kind for kind, _amount in shop.entries(order)][-2:] == ["refunded", "returned"]
    refunding.take_account(refund, **ACCOUNT, by=STAFF)
    refunding.sent(refund, by=STAFF)
    db.session.commit()
    refresh(shop, order)
    order = shop.fresh(order)
    assert ledger.owed(order) == 0 and shop.payment(order).problem is None
    assert db.session.get(Refund, id_of(refund), populate_existing=True).state == "done"


def test_case_26_an_account_that_the_bank_does_not_know(shop, gateway, work):
    order = by_account(shop)
    gateway.fault("cancel", "code:INVALID_REFUND_ACCOUNT_NUMBER")
    refund, = cancel(order, account=ACCOUNT)
    work()
    refund = db.session.get(Refund, id_of(refund), populate_existing=True)
    assert (refund.state, refund.failure_code, refund.account) == ("needs_account", "INVALID_REFUND_ACCOUNT_NUMBER", None)
    refunding.take_account(refund, **ACCOUNT, by=STAFF)
    db.session.commit()
    work()
    keys = db.session.scalars(select(PaymentAttempt.idempotency_key).where(PaymentAttempt.operation == "cancel")).all()
    assert len(set(keys)) == 2 and shop.payment(order).status == "refund_pending"


def test_case_27_a_part_given_back_in_the_dashboard_waits_for_a_person(shop, gateway, work):
    order = by_card(shop, people=2)
    gateway.control("cancel", order_id=shop.payment(order).gateway_order_id, amount=30_000, reason="dashboard")
    refresh(shop, order)
    payment = shop.payment(order)
    assert payment.problem["kind"] == "external_refund" and shop.statuses(order) == ["confirmed"] * 2
    assert shop.refunds(payment) == [(30_000, "done", True)]


def test_case_28_all_given_back_in_the_dashboard_takes_the_tickets(shop, gateway, work):
    order = by_card(shop)
    gateway.control("cancel", order_id=shop.payment(order).gateway_order_id, reason="dashboard")
    refresh(shop, order)
    assert shop.statuses(order) == ["cancelled"] and ledger.owed(shop.fresh(order)) == 0


def test_case_31_nothing_left_is_refunded_whatever_it_is_called(shop, work):
    order = by_card(shop, people=2)
    first, second = registering.of_order(order)
    for one in (first, second):
        cancel(shop.fresh(order), [db.session.get(Registration, id_of(one))], in_full=True)
        work()
    assert shop.payment(order).status == "refunded" and shop.get_books(order)["status"] == "PARTIAL_CANCELED"


def test_case_32_too_late_for_the_gateway_goes_by_transfer(shop, work):
    order = by_transfer(shop)
    payment = shop.payment(order)
    payment.approved_at = clock.now() - timedelta(days=181)
    db.session.commit()
    found = refunding.quote(shop.fresh(order), in_full=True)
    assert found.needs_account
    refund, = cancel(shop.fresh(order), account=ACCOUNT, in_full=True)
    assert (refund.state, refund.route) == ("to_pay", "transfer")
    refunding.sent(refund, by=STAFF)
    db.session.commit()
    work()
    order = shop.fresh(order)
    assert ledger.owed(order) == 0 and ledger.paid(order) == 0
    refresh(shop, order)
    assert shop.payment(order).problem is None
    assert refunding.available(shop.payment(order)) == 0


def test_case_33_the_gateway_has_not_enough_now_and_later_it_has(shop, gateway, work):
    order = by_card(shop)
    gateway.fault("cancel", "code:REFUND_REJECTED")
    refund, = cancel(order)
    work()
    payment = shop.payment(order)
    assert payment.problem["kind"] == "refund_refused" and shop.refunds(payment) == [(50_000, "failed", False)]
    refunding.again(db.session.get(Refund, id_of(refund)), by=STAFF)
    db.session.commit()
    work()
    payment = shop.payment(order)
    assert payment.problem is None and shop.refunds(payment)[-1] == (50_000, "done", False) and shop.balanced()
    with pytest.raises(Refused):
        refunding.again(db.session.get(Refund, id_of(refund)), by=STAFF)


def test_an_account_opens_in_its_own_row_alone(shop, work):
    order = by_hand(shop)
    refund, = cancel(order, account=ACCOUNT)
    other = Refund(payment_id=refund.payment_id, amount=1, reason="x")
    db.session.add(other)
    db.session.flush()
    other.account = refund.account
    with pytest.raises(crypto.CannotOpen):
        refunding.account_of(other)
    db.session.rollback()


def test_what_was_promised_can_t_be_promised_again(shop, work):
    order = by_hand(shop, people=2)
    first, _second = registering.of_order(order)
    cancel(order, [first], in_full=True)
    order = shop.fresh(order)
    assert refunding.available(shop.payment(order)) == PRICE and refunding.surplus(order) == 0
    found = refunding.quote(order, [db.session.get(Registration, id_of(first))], in_full=True)
    assert (found.amount, found.kept) == (0, 0)


# -- the rules ----------------------------------------------------------------------------------------

class Concert:
    timezone = "Asia/Seoul"
    starts_at = datetime.fromisoformat("2026-12-24T19:00+09:00")
    currency = "KRW"


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}+09:00")


@pytest.mark.parametrize(("moment", "percent"), [
    ("12-14T23:59", 100), ("12-15T00:00", 90), ("12-17T23:59", 90), ("12-18T00:00", 80), ("12-21T23:59", 80), ("12-22T00:00", 70),
    ("12-23T23:59", 70), ("12-24T00:00", 10), ("12-24T18:59", 10), ("12-24T19:00", 0)])
def test_days_are_counted_by_the_calendar_of_the_events_zone(moment, percent):
    assert refund_rules.share(refund_rules.PERFORMANCES, Concert, at(moment)).percent == percent


def test_who_changes_their_mind_within_a_day_gets_everything():
    booked = at("12-18T12:00")
    assert refund_rules.share(refund_rules.PERFORMANCES, Concert, at("12-19T11:59"), booked).percent == 100
    assert refund_rules.share(refund_rules.PERFORMANCES, Concert, at("12-19T12:00"), booked).percent == 80
    assert refund_rules.share(refund_rules.PERFORMANCES, Concert, at("12-22T00:00"), at("12-21T23:00")).percent == 70


def test_a_fee_is_for_each_participant_and_never_more_than_all():
    assert [refund_rules.Tier(0, 50, 3_000).amount(paid) for paid in (100_000, 6_001, 6_000, 5_999)] == [47_000, 1, 0, 0]
    assert refund_rules.Tier(0, 70).amount(12_345) == 8_642  # half up


def test_rules_in_words():
    assert refund_rules.in_words({}, Concert, "en") == ["Everything you paid goes back."]
    assert refund_rules.in_words(HALF | {"note": {"en": "Write to us."}}, Concert, "en") == [
        "Until 30 days before the event: everything", "Until 7 days before the event: 50%", "After that: no refund", "Write to us."]


def test_what_is_worse_than_the_standard_is_said():
    assert refund_rules.worse_than_the_standard(refund_rules.PERFORMANCES) == []
    assert refund_rules.worse_than_the_standard(HALF)
    assert refund_rules.worse_than_the_standard({"tiers": [{"days": 0, "percent": 100, "fee": 1000}]})


@given(amount=st.integers(0, 10**7), worths=st.lists(st.integers(0, 10**6), min_size=1, max_size=12))
@settings(max_examples=300, deadline=None)
def test_a_sum_is_spread_whole_and_no_share_is_above_its_own(amount, worths):
    amount = min(amount, sum(worths))
    shares = refunding.spread(amount, worths)
    assert sum(shares) == amount and all(0 <= share <= worth for share, worth in zip(shares, worths, strict=True))


@given(paid=st.integers(0, 10**7), percent=st.integers(0, 100), fee=st.integers(0, 10**5))
@settings(max_examples=300, deadline=None)
def test_what_goes_back_is_never_more_than_was_paid(paid, percent, fee):
    back = refund_rules.Tier(0, percent, fee).amount(paid)
    assert 0 <= back <= paid and abs(back + fee - paid * percent / 100) <= 0.5 or back == 0


@pytest.mark.parametrize(("text", "currency", "amount"), [
    ("30,000", "KRW", 30_000), ("₩30000원", "KRW", 30_000), ("12.5", "USD", 1_250), ("12.505", "USD", None), ("1.5", "KRW", None),
    ("-5", "KRW", None), ("", "KRW", None), ("１０", "KRW", 10), ("1e5", "KRW", None)])
def test_an_amount_as_people_type_it(text, currency, amount):
    assert read_amount(text, currency) == amount


# -- pieces ---------------------------------------------------------------------------------------------

def refresh(shop, order) -> None:
    shop.enter()
    calling.refresh(shop.payment(order))
    db.session.commit()
    shop.work()
    shop.enter()


def letters(kind: str) -> int:
    return len(db.session.scalars(select(EmailMessage.id).where(EmailMessage.kind == kind)).all())


__all__ = ["HALF", "agree", "cancel"]
