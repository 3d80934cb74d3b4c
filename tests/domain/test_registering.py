"""Holds, their ends, and what changes them."""
from datetime import timedelta

import pytest

from eventapp import audit, clock
from eventapp.domain import ledger, paying, registering
from eventapp.extensions import db
from eventapp.models import Directory, Order, Status
from tests import make
from tests.shop import id_of, shop  # noqa: F401


def statuses(order):
    return [one.status for one in registering.of_order(order)]


@pytest.fixture
def waiting(world):
    """An order by manual transfer."""
    order = make.order(world.seoul.event(), method="manual_transfer")
    db.session.commit()
    return order


def test_changing_the_method_back_and_forth_keeps_no_place_longer(waiting):
    until = waiting.hold_until
    clock.offset += timedelta(days=2)
    [payment] = waiting.payments
    payment.status = "voided"  # as when another method was chosen meanwhile
    db.session.flush()
    again = paying.begin(waiting, "manual_transfer")
    assert again.id != payment.id
    assert waiting.hold_until <= until + timedelta(seconds=1)


def test_an_order_that_is_not_paid_is_released_once_and_told_once(waiting, letters, work, mailbox):
    clock.offset += timedelta(days=4)
    work()
    db.session.expire_all()
    order = db.session.get(Order, id_of(waiting))
    assert statuses(order) == [Status.EXPIRED] and ledger.owed(order) == 0 and order.hold_until is None
    subjects = [letter["Subject"] for letter in mailbox()]
    work()
    assert [letter["Subject"] for letter in mailbox()] == subjects


def test_a_move_that_is_not_legal_is_refused_and_changes_nothing(waiting):
    registering.must_move(registering.of_order(waiting), Status.CANCELLED, by=audit.SYSTEM, action="registration.cancelled")
    tally = registering.move(registering.of_order(waiting), Status.CONFIRMED, by=audit.SYSTEM, action="registration.confirmed")
    assert tally.moved == [] and [one.status for one in tally.refused] == [Status.CANCELLED]
    with pytest.raises(registering.IllegalMove):
        registering.must_move(registering.of_order(waiting), Status.CONFIRMED, by=audit.SYSTEM, action="registration.confirmed")


def test_a_share_that_was_cancelled_after_the_account_was_issued_is_shown_to_staff(shop):  # noqa: F811
    order = shop.place("manual_transfer", people=2)
    shop.enter()
    order = db.session.get(Order, id_of(order))
    registering.cancel(registering.of_order(order)[1:], by=audit.SYSTEM)
    db.session.commit()
    paying.mark_received(paying.current(order), order.total, by=audit.SYSTEM)
    db.session.commit()
    payment = shop.payment(order)
    assert ledger.owed(order) == -100_000
    assert (payment.problem["kind"], statuses(order)) == ("overpaid", [Status.CONFIRMED, Status.CANCELLED])


def test_a_suspended_organisation_neither_shows_nor_sells_but_lets_its_people_in(client, seoul_owner, world):
    db.session.get(Directory, world.seoul.id).status = "suspended"
    db.session.commit()
    from eventapp import tenancy
    tenancy.lookup.seen.clear()
    assert client.get("/seoul-ubf/wmc-2026").status_code == 404
    assert client.get("/seoul-ubf/wmc-2026/register").status_code == 404
    assert seoul_owner.get("/seoul-ubf/admin").status_code == 200
    assert client.get("/busan-meetup/wmc-2026").status_code == 200
