"""Choosing other programs on the page: the difference as one looks, saving, what is refused; and the buyer who pays it."""
import re

import pytest
from sqlalchemy import select, update

from eventapp import checks, clock
from eventapp.domain import ledger, ticketing
from eventapp.extensions import db, platform
from eventapp.models import Membership, Quota, Registration
from tests.shop import id_of


@pytest.fixture
def sound(app):
    """`flask check` finds nothing."""
    yield
    found = checks.run(platform.engine, app.config["SETTINGS"].role("app"), clock.now())
    assert [(one.name, one.breaches) for one in found if not one.ok] == []


def number_of(shop, order) -> str:
    shop.enter()
    return db.session.scalar(select(Registration.number).where(Registration.order_id == id_of(order)).limit(1))


def path(shop, order) -> str:
    return f"/seoul-ubf/admin/registrations/{number_of(shop, order)}/programs"


def was(browser, address: str) -> str:
    return re.search(r'name="was" value="([^"]+)"', browser.get(address).text)[1]


def send(browser, address: str, **form):
    return browser.post(address, {"was": was(browser, address)} | form)


def money(shop, order) -> tuple[int, int, int]:
    order = shop.fresh(order)
    return order.total, ledger.owed(order), ledger.paid(order)


def test_a_look_shows_the_difference_and_writes_nothing(shop, seoul_owner, sound):
    order = shop.pay()
    address = path(shop, order)
    form = {"program": ["main-conference", "workshop"], "qty-lodging": "2", "calculate": "1"}
    plain = send(seoul_owner, address, **form)
    assert plain.status_code == 200 and 'data-amount="80000"' in plain.text and "₩180,000" in plain.text
    piece = seoul_owner.post(address, {"was": was(seoul_owner, address)} | form,
                             headers={"HX-Request": "true", "HX-Target": "section#difference"})
    assert piece.text.lstrip().startswith('<section id="difference"') and 'data-amount="80000"' in piece.text
    assert money(shop, order) == (100_000, 0, 100_000)


def test_the_buyer_pays_what_was_added(shop, seoul_owner, sound, mailbox):
    order = shop.pay()
    address = path(shop, order)
    answer = send(seoul_owner, address, program=["main-conference", "workshop"], tell="1")
    assert answer.status_code == 303
    assert "₩30,000 owed" in seoul_owner.get(answer.location).text
    shop.work()
    shop.enter()
    buyers = f"/seoul-ubf/wmc-2026/orders/{ticketing.order_token(shop.fresh(order))}"
    assert buyers in mailbox()[-1].get_body(("plain",)).get_content()
    browser = shop.app.test_client()
    text = browser.get(buyers).text
    assert "Amount due: ₩30,000" in text and "Your place is kept" not in text
    assert browser.post(f"{buyers}/pay").location == "/seoul-ubf/wmc-2026/register/payment"
    pay = "/seoul-ubf/wmc-2026/register/payment"
    assert "Pay ₩30,000" in browser.get(pay).text
    assert browser.post(pay, {"method": "card"}).location == pay
    shown = browser.get(pay).text
    assert '"amount": 30000' in shown and "Your place is kept" not in shown
    browser.get(shop.approve(shop.payment(order)))
    shop.work()
    assert money(shop, order) == (130_000, 0, 130_000)
    assert shop.statuses(order) == ["confirmed"]
    assert "Amount due" not in browser.get(buyers).text
    assert shop.balanced()


def test_less_goes_back_to_the_card_when_it_is_wanted(shop, seoul_owner, sound):
    order = shop.pay()
    address = path(shop, order)
    form = {"program": ["free-day"], "calculate": "1"}
    assert "Give it back now" in send(seoul_owner, address, **form).text
    assert send(seoul_owner, address, program=["free-day"], give_back="1").status_code == 303
    shop.work()
    assert money(shop, order) == (0, 0, 0)
    assert shop.refunds(shop.payment(order)) == [(100_000, "done", False)]


def test_who_may_not_refund_leaves_it_to_others(shop, sign_in, sound):
    order = shop.pay()
    address = path(shop, order)
    admin = sign_in("admin@seoul-ubf.example")
    assert "Give it back now" not in send(admin, address, program=["free-day"], calculate="1").text
    assert send(admin, address, program=["free-day"], give_back="1").status_code == 303
    shop.work()
    assert shop.refunds(shop.payment(order)) == []
    page = address.removesuffix("/programs")
    text = admin.get(page).text
    assert "₩100,000 to be given back" in text and "More was paid than is owed now" in text and "Give back" not in text
    assert admin.post(f"{page}/give-back").status_code == 403
    owner = sign_in("owner@seoul-ubf.example")
    assert "Give back ₩100,000" in owner.get(page).text
    assert owner.post(f"{page}/give-back").status_code == 303
    assert owner.post(f"{page}/give-back").status_code == 409  # it is on its way
    shop.work()
    assert shop.refunds(shop.payment(order)) == [(100_000, "done", False)]
    assert shop.payment(order).problem is None
    assert money(shop, order) == (0, 0, 0)


def test_what_is_refused_is_said_and_nothing_typed_is_lost(shop, seoul_owner, sound):
    order = shop.pay()
    address = path(shop, order)
    shop.enter()
    db.session.execute(update(Quota).where(Quota.id == shop.world.seoul.quota_of("workshop").id).values(capacity=0))
    db.session.commit()
    answer = send(seoul_owner, address, program=["main-conference", "workshop"], **{"qty-lodging": "3"}, reason="because", price="free")
    assert answer.status_code == 422 and 'data-error-for="program"' in answer.text and "is sold out" in answer.text
    assert 'value="because"' in answer.text and re.search(r'name="qty-lodging" value="3"', answer.text)
    assert re.search(r'value="workshop" checked', answer.text)
    answer = send(seoul_owner, address, program=["main-conference"], **{"qty-lodging": "9"})
    assert 'data-error-for="qty-lodging"' in answer.text
    answer = send(seoul_owner, address, program=["main-conference"], **{"qty-lodging": "two"})
    assert 'data-error-for="qty-lodging"' in answer.text
    answer = send(seoul_owner, address, program=["main-conference", "free-day"], price="free")
    assert 'data-error-for="reason"' in answer.text
    assert money(shop, order) == (100_000, 0, 100_000)


def test_another_who_was_quicker_is_seen_first(shop, seoul_owner, sound):
    order = shop.pay()
    address = path(shop, order)
    old = was(seoul_owner, address)
    send(seoul_owner, address, program=["main-conference", "workshop"], price="free", reason="speaker")
    answer = seoul_owner.post(address, {"was": old, "program": ["main-conference"], "qty-lodging": "1"})
    assert answer.status_code == 409 and "Somebody has changed these programs" in answer.text
    assert "has it" in answer.text
    assert money(shop, order) == (100_000, 0, 100_000)


def test_it_is_for_those_who_edit(shop, sign_in):
    order = shop.pay()
    staff = sign_in("staff@seoul-ubf.example")
    assert staff.get(path(shop, order)).status_code == 403
    assert "Change programs" not in staff.get(path(shop, order).removesuffix("/programs")).text
    shop.enter()
    db.session.get(Membership, (shop.world.seoul.id, shop.world.user("staff@seoul-ubf.example").id)).grants = ["edit"]
    db.session.commit()
    assert staff.get(path(shop, order)).status_code == 200
