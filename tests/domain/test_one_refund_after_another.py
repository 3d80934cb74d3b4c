"""What one refund leaves behind for the next: reductions of people who go later, accounts told once for two, failures side by side."""
import pytest
from sqlalchemy import select

from eventapp.domain import (
    bulk,
    calling,
    cancelling_events,
    deciding,
    giving_back,
    ledger,
    paying,
    payouts,
    refunding,
    registering,
    resolving,
)
from eventapp.domain.bulk_actions import ACTIONS
from eventapp.domain.giving_back import Wanted
from eventapp.extensions import db
from eventapp.models import Order, Payment, PaymentAttempt, Refund, Registration
from tests.domain.test_operations import member
from tests.domain.test_refunding import ACCOUNT, PRICE, STAFF, agree, by_card, cancel, sound

__all__ = ["sound"]


def people(order: Order) -> list[int]:
    return [one.id for one in registering.of_order(order)]


def be_kind(shop, order: Order, registration: int, amount: int) -> None:
    """Something goes back, and the ticket stays."""
    items = {item.id for item in db.session.get(Registration, registration).line_items}
    giving_back.do(order, Wanted(items, how="other", amount=str(amount), keep=True, reason="kind", shown=str(amount)), by=STAFF)
    db.session.commit()
    shop.work()


def test_a_reduction_is_not_owed_again_to_somebody_who_goes(shop, work):
    order = by_card(shop)
    be_kind(shop, order, people(order)[0], 30_000)
    order = shop.fresh(order)
    assert (ledger.owed(order), ledger.paid(order), ledger.kept(order)) == (0, 70_000, -30_000)
    cancel(order, days=10)
    work()
    order = shop.fresh(order)
    assert (ledger.owed(order), ledger.paid(order), ledger.kept(order), ledger.refunded(order)) == (0, 35_000, 35_000, 65_000)


def test_only_what_is_left_is_too_much_when_the_money_waits_for_a_person(shop, work):
    order = by_card(shop, 2)
    first, second = people(order)
    be_kind(shop, order, first, 30_000)
    registering.cancel([db.session.get(Registration, first)], by=STAFF, reason="x")
    db.session.commit()
    assert refunding.surplus(shop.fresh(order)) == 70_000
    order = shop.fresh(order)
    cancel(order, [db.session.get(Registration, second)], in_full=True)
    work()
    order = shop.fresh(order)
    cancel(order, [db.session.get(Registration, first)], in_full=True)
    work()
    order = shop.fresh(order)
    assert (ledger.owed(order), ledger.paid(order), ledger.kept(order)) == (0, 0, 0)


def test_a_reduction_that_nobody_was_named_for_goes_with_the_last(shop, work):
    order = by_card(shop, 2)
    ledger.forgive(order, 30_000)
    refunding.give_back(shop.payment(order), "outside", by=STAFF, amount=30_000)
    db.session.commit()
    work()
    for one in people(shop.fresh(order)):
        cancel(shop.fresh(order), [db.session.get(Registration, one)], days=10)
        work()
    order = shop.fresh(order)
    assert (ledger.owed(order), ledger.paid(order), ledger.kept(order)) == (0, 85_000, 85_000)


def test_whoever_comes_back_has_their_reduction_again(shop, world, work):
    order = by_card(shop)
    be_kind(shop, order, people(order)[0], 30_000)
    order = shop.fresh(order)
    [one] = registering.of_order(order)
    registering.cancel([one], by=STAFF, reason="x")
    assert ledger.owed(order) == -70_000
    db.session.execute(Registration.__table__.update().where(Registration.id == one.id).values(status="confirmed"))
    ledger.charge_held([order])
    assert ledger.owed(order) == 0 and ledger.kept(order) == -30_000
    db.session.rollback()


def test_an_account_that_is_told_once_serves_two_refunds(shop, work):
    order = shop.place("virtual_account", 2)
    paying.request_account(shop.payment(order), "woori")
    db.session.commit()
    work()
    shop.gateway.control("deposit", order_id=shop.payment(order).gateway_order_id)
    shop.enter()
    calling.refresh(shop.payment(order))
    db.session.commit()
    work()
    agree(shop.fresh(order))
    for one in people(shop.fresh(order)):
        cancel(shop.fresh(order), [db.session.get(Registration, one)], in_full=True)
    work()
    for refund in refunding.of_order(shop.fresh(order)):
        refunding.take_account(refund, **ACCOUNT, by=STAFF)
    db.session.commit()
    for _turn in range(3):
        shop.later(minutes=1)
        work()
        payment = shop.payment(order)
        if payment.status == "refund_pending" or payment.balance < payment.amount:
            shop.gateway.control("refund", order_id=payment.gateway_order_id, result="COMPLETED")
            shop.enter()
            calling.refresh(shop.payment(order))
            db.session.commit()
    order = shop.fresh(order)
    assert [(one.state, one.account) for one in refunding.of_order(order)] == [("done", None)] * 2
    assert len(db.session.scalars(select(PaymentAttempt).where(PaymentAttempt.operation == "cancel")).all()) == 2
    assert (ledger.owed(order), ledger.paid(order)) == (0, 0)


def fail_both(shop, work) -> Order:
    order = by_card(shop, 2)
    for one in people(order):
        order, one = shop.fresh(order), db.session.get(Registration, one)
        found = refunding.quote(order, [one], in_full=True)
        registering.cancel([one], by=STAFF, reason="x")
        refunding.give(order, found, reason="SANDBOX:REFUND_REJECTED", by=STAFF)
        db.session.commit()
        work()
    for refund in refunding.of_order(shop.fresh(order)):
        refund.reason = "x"
    db.session.commit()
    return shop.fresh(order)


def to_do(order: Order) -> list[int]:
    return list(db.session.scalars(select(Refund.id).join(Payment, Payment.id == Refund.payment_id).join(Order, Order.id == Payment.order_id).where(
        Order.id == order.id, Refund.state.in_(payouts.STATES), ~payouts.given_up(), ~payouts.nothing_left()).order_by(Refund.id)))


def test_two_failures_of_the_same_sum_are_two(shop, work):
    order = fail_both(shop, work)
    first, second = refunding.of_order(order)
    assert to_do(order) == [first.id, second.id]
    refunding.again(second, by=STAFF)
    db.session.commit()
    work()
    order = shop.fresh(order)
    first, second, again = refunding.of_order(order)
    assert (again.state, to_do(order)) == ("done", [first.id])
    with pytest.raises(Exception, match="nothing left"):
        refunding.again(second, by=STAFF)
    shop.enter()
    refunding.again(refunding.of_order(shop.fresh(order))[0], by=STAFF)
    db.session.commit()
    work()
    order = shop.fresh(order)
    assert (ledger.owed(order), ledger.paid(order), to_do(order)) == (0, 0, [])


def underpaid(shop) -> Payment:
    """Both were asked for when the transfer was begun for one of them."""
    order = agree(shop.place("manual_transfer", 2))
    payment = shop.payment(order)
    payment.amount = PRICE
    db.session.commit()
    paying.mark_received(payment, PRICE, by=STAFF)
    db.session.commit()
    assert payment.problem["kind"] == "underpaid"
    return payment


def test_who_paid_too_little_and_is_cancelled_is_not_forgotten(shop, work):
    payment = underpaid(shop)
    order = db.session.get(Order, payment.order_id)
    assert ledger.holding_money([order]) == {order.id}
    registering.cancel(registering.of_order(order), by=STAFF, reason="x")
    assert [way.name for way in resolving.ways(payment)] == ["give_back", "keep"]
    deciding.settle_gone(order, give_back=deciding.ALL, by=STAFF, operation=None)
    db.session.commit()
    work()
    [refund] = refunding.of_order(shop.fresh(order))
    assert (refund.amount, refund.state, shop.payment(order).problem) == (PRICE, "needs_account", None)
    refunding.take_account(refund, **ACCOUNT, by=STAFF)
    refunding.sent(refund, by=STAFF)
    db.session.commit()
    work()


@pytest.mark.parametrize(("given", "ok", "back"), [(30_000, 1, 70_000), (PRICE, 0, 0)])
def test_who_has_got_a_part_can_still_get_the_rest_with_many(shop, world, given, ok, back):
    order = by_card(shop)
    be_kind(shop, order, people(order)[0], given)
    shop.enter()
    owner = member(world.user("owner@seoul-ubf.example"), world.seoul.id)
    operation = bulk.begin(ACTIONS["refund"], owner.registrations().where(Registration.order_id == order.id), member=owner)
    found = bulk.forecast(operation, {})
    assert (found.ok, found.going_back["KRW"]) == (ok, back)
    db.session.rollback()


def test_an_event_that_is_cancelled_gives_back_what_was_too_little(shop, world, work):
    payment = underpaid(shop)
    order = db.session.get(Order, payment.order_id)
    owner = member(world.user("owner@seoul-ubf.example"), world.seoul.id)
    cancelling_events.cancel(world.seoul.event(), {"reason": "no hall", "title": world.seoul.event().code}, member=owner)
    db.session.commit()
    work()
    order = shop.fresh(order)
    assert [(one.amount, one.reason) for one in refunding.of_order(order)] == [(PRICE, refunding.EVENT_CANCELLED)]
    assert refunding.surplus(order) == 0
