"""The gateway's books beside ours, and what it pays out."""
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from eventapp import audit, clock
from eventapp.domain import Refused, calling, comparing, refunding, registering, settlements
from eventapp.extensions import db
from eventapp.models import BookDifference, GatewayAccount, OutboxItem, Settlement
from eventapp.payments import toss
from eventapp.payments.provider import LedgerEntry as Line
from eventapp.payments.provider import SettlementLine
from tests.shop import id_of


def compare(shop) -> list[tuple]:
    """What is open after a look, half an hour later."""
    shop.later(minutes=30)
    shop.enter()
    comparing.compare(db.session.get(GatewayAccount, id_of(shop.account)))
    db.session.commit()
    return opened(shop)


def look(shop, order) -> None:
    calling.refresh(shop.payment(order))
    db.session.commit()


def opened(shop) -> list[tuple]:
    shop.enter()
    return list(map(tuple, db.session.execute(select(BookDifference.kind, BookDifference.ours, BookDifference.theirs, BookDifference.payment_id)
                                              .where(BookDifference.settled_at.is_(None)).order_by(BookDifference.id))))


def test_books_that_agree_leave_nothing(shop):
    shop.pay()
    refunded = shop.pay(people=2)
    shop.enter()
    registering.cancel(registering.of_order(refunded), by=audit.SYSTEM)
    refunding.refund_order(refunded, reason="asked for", by=audit.SYSTEM)
    db.session.commit()
    shop.work()
    order = shop.deposit_account()
    shop.gateway.control("deposit", order_id=shop.payment(order).gateway_order_id)
    look(shop, order)
    shop.deposit_account()  # nobody pays into it
    assert compare(shop) == []
    shop.enter()
    account = db.session.get(GatewayAccount, id_of(shop.account))
    assert account.books_read_until > clock.now() - timedelta(minutes=11)


def test_what_the_gateway_has_and_we_have_not(shop):
    """A payment nobody told us of; the look at it brings it in, and the next comparison settles the difference."""
    order = shop.pay()
    payment = shop.payment(order)
    shop.gateway.control("cancel", order_id=payment.gateway_order_id, amount=40_000)
    assert compare(shop) == [("missing_here", None, -40_000, payment.id)]
    shop.work()  # the difference has made us look
    assert compare(shop) == []
    shop.enter()
    row = db.session.scalar(select(BookDifference))
    assert row.settled_at and row.settled_by is None


def test_what_is_nobodys(shop):
    shop.gateway.pay(77_000)  # somebody uses the same account elsewhere
    assert compare(shop) == [("missing_here", None, 77_000, None)]


def test_what_we_have_and_the_gateway_has_not(shop, monkeypatch):
    payment = shop.payment(shop.pay())
    monkeypatch.setattr(toss, "list_transactions", lambda *_: iter(()))
    assert compare(shop) == [("missing_there", 100_000, None, payment.id)]


def test_another_amount(shop, monkeypatch):
    payment = shop.payment(shop.pay())
    line = Line("tx1", payment.gateway_key, payment.gateway_order_id, "DONE", 99_999, "KRW", payment.approved_at)
    monkeypatch.setattr(toss, "list_transactions", lambda *_: iter((line,)))
    assert compare(shop) == [("amount", 100_000, 99_999, payment.id)]


def test_in_another_currency_only_the_movement_is_compared(shop, monkeypatch):
    payment = shop.payment(shop.pay())
    line = Line("tx1", "", payment.gateway_order_id, "charge", 7_300, "USD", payment.approved_at)
    monkeypatch.setattr(toss, "list_transactions", lambda *_: iter((line,)))
    assert compare(shop) == []


def test_what_is_too_young_is_looked_at_tomorrow(shop, monkeypatch):
    shop.pay()
    monkeypatch.setattr(toss, "list_transactions", lambda *_: iter(()))
    shop.enter()
    comparing.compare(db.session.get(GatewayAccount, id_of(shop.account)))
    db.session.commit()
    assert opened(shop) == []


def test_a_person_settles_with_a_note_and_it_stays_so(shop, monkeypatch):
    shop.pay()
    monkeypatch.setattr(toss, "list_transactions", lambda *_: iter(()))
    compare(shop)
    row = db.session.scalar(select(BookDifference))
    with pytest.raises(Refused):
        comparing.settle([row], "", by=audit.Actor("user", 1))
    assert comparing.settle([row], "토스 고객센터 확인", by=audit.Actor("user", 1)) == 1
    db.session.commit()
    assert compare(shop) == []


def test_each_account_once_a_day(shop):
    shop.enter()
    comparing.begin()
    comparing.begin()
    db.session.commit()
    kinds = [item.kind for item in db.session.scalars(select(OutboxItem).where(OutboxItem.done_at.is_(None), OutboxItem.kind.like("gateway_%")))]
    assert sorted(kinds) == ["gateway_books", "gateway_settlements"]
    shop.work()
    shop.enter()
    comparing.begin()
    db.session.commit()
    assert shop.work() == 0


# -- payouts -------------------------------------------------------------------------------------------------

def test_settlements_are_read_and_read_again(shop, monkeypatch):
    payment = shop.payment(shop.pay())
    shop.enter()
    account = db.session.get(GatewayAccount, id_of(shop.account))
    assert settlements.read(account) == 1
    db.session.commit()
    shop.enter()
    [row] = db.session.scalars(select(Settlement))
    assert (row.payment_id, row.amount, row.payout) == (payment.id, 100_000, 100_000 - row.fee - row.vat) and row.fee > 0
    line = SettlementLine(row.transaction_key, "", row.gateway_order_id, "KRW", "card", 100_000, 3_000, 300, 96_700, row.sold_on, date(2030, 1, 2))
    monkeypatch.setattr(toss, "list_settlements", lambda *_: iter((line,)))
    settlements.read(db.session.get(GatewayAccount, id_of(shop.account)))
    db.session.commit()
    shop.enter()
    [row] = db.session.scalars(select(Settlement))
    assert (row.fee, row.payout, row.paid_out_on) == (3_000, 96_700, date(2030, 1, 2))


def test_a_deposit_that_was_taken_back_and_came_again_agrees(shop):
    """Case 23, in the books: paid, reversed, paid."""
    order = shop.deposit_account()
    reference = shop.payment(order).gateway_order_id
    for what in ("deposit", "reversal", "deposit"):
        shop.gateway.control(what, order_id=reference)
        look(shop, order)
    assert [kind for kind, _amount in shop.entries(order)] == ["charged", "paid", "reversed", "paid"]
    assert compare(shop) == []


def test_a_refund_that_the_bank_is_still_sending_is_no_difference(shop):
    """The gateway books it at once, we when it has arrived; then both agree."""
    order = shop.deposit_account()
    reference = shop.payment(order).gateway_order_id
    shop.gateway.control("deposit", order_id=reference)
    look(shop, order)
    order = shop.fresh(order)
    found = refunding.quote(order, in_full=True)
    registering.cancel(registering.of_order(order), by=audit.SYSTEM)
    refunding.give(order, found, reason="참가 취소", by=audit.SYSTEM, account={"bank": "woori", "number": "1002-123-456789", "holder": "김하나"})
    db.session.commit()
    shop.work()
    assert [state for _amount, state, _external in shop.refunds(shop.payment(order))] == ["requested"]
    assert compare(shop) == []
    shop.later(days=3)
    look(shop, order)
    assert [state for _amount, state, _external in shop.refunds(shop.payment(order))] == ["done"]
    assert compare(shop) == []
