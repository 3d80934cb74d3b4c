"""현금영수증 as buyers ask for it: with the registration, with another way to pay, and afterwards."""
import re

import pytest
from sqlalchemy import select

from eventapp import crypto
from eventapp.domain import ticketing
from eventapp.extensions import db
from eventapp.models import CashReceipt
from tests.public.test_register import PAGE, errors, form

PAYMENT = "/seoul-ubf/wmc-2026/register/payment"


def receipts(world) -> list[tuple]:
    world.seoul.enter()
    return [(one.kind, one.state, crypto.get(one, "identity")) for one in db.session.scalars(
        select(CashReceipt).order_by(CashReceipt.id).execution_options(populate_existing=True))]


def order_page(world, tail="") -> str:
    [order] = world.seoul.orders()
    return f"/seoul-ubf/wmc-2026/orders/{ticketing.order_token(order)}{tail}"


def test_the_form_asks_where_somebody_may_pay_in_cash(client):
    page = client.get(PAGE).text
    assert all(f'name="{name}"' in page for name in ("receipt", "receipt-phone", "receipt-business"))
    assert re.search(r'name="receipt" value="none" checked', page)
    assert 'name="receipt"' not in client.get("/seoul-ubf/meetup/register").text


@pytest.mark.parametrize("sent, kept", [
    ({"receipt": "deduction", "receipt-phone": "010-9876-5432"}, [("deduction", "wanted", "01098765432")]),
    ({"receipt": "deduction"}, [("deduction", "wanted", "01012345678")]),
    ({"receipt": "expense", "receipt-business": "124-81-00998", "receipt-phone": "x"}, [("expense", "wanted", "1248100998")]),
    ({"receipt": "none", "receipt-phone": "010-9876-5432"}, []), ({}, [])])
def test_what_is_asked_for_is_kept_with_the_order(client, world, sent, kept):
    answer = client.post(PAGE, form(method="manual_transfer", phone="010-1234-5678", **sent))
    assert answer.status_code == 303
    assert receipts(world) == kept


@pytest.mark.parametrize("sent, field", [
    ({"receipt": "deduction", "receipt-phone": "123"}, "receipt-phone"), ({"receipt": "deduction"}, "receipt-phone"),
    ({"receipt": "expense", "receipt-business": "124-81-00999"}, "receipt-business"), ({"receipt": "expense"}, "receipt-business"),
    ({"receipt": "gold"}, "receipt")])
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_written(client, world, sent, field):
    answer = client.post(PAGE, form(method="virtual_account", phone="", **sent))
    assert (answer.status_code, errors(answer)) == (422, [field])
    assert (receipts(world), world.seoul.orders()) == ([], [])


def test_beside_a_card_it_is_not_looked_at(shop, world):
    answer = shop.app.test_client().post(PAGE, form(method="card", receipt="deduction"))
    assert (answer.status_code, receipts(world)) == (303, [])


def test_with_another_way_to_pay_it_is_asked_again(shop, world):
    order = shop.place("card")
    browser = shop.browser_of(order)
    assert 'name="receipt"' in browser.get(PAYMENT).text
    wrong = browser.post(PAYMENT, {"method": "manual_transfer", "receipt": "expense", "receipt-business": "1"})
    assert (wrong.status_code, errors(wrong), shop.fresh(order).method) == (422, ["receipt-business"], "card")
    browser.post(PAYMENT, {"method": "manual_transfer", "receipt": "expense", "receipt-business": "124-81-00998"})
    assert (receipts(world), shop.fresh(order).method) == ([("expense", "wanted", "1248100998")], "manual_transfer")
    assert 'name="receipt"' not in browser.get(PAYMENT).text
    browser.post(PAYMENT, {"method": "virtual_account"})
    assert receipts(world) == [("expense", "wanted", "1248100998")]


def test_afterwards_on_a_page_of_its_own(client, world):
    client.post(PAGE, form(method="manual_transfer", phone=""))
    assert "/cash-receipt" in client.get(order_page(world)).text
    assert errors(client.post(order_page(world, "/cash-receipt"), {"receipt": "deduction"})) == ["receipt-phone"]
    assert client.post(order_page(world, "/cash-receipt"), {"receipt": "deduction", "receipt-phone": "010-1111-2222"}).status_code == 303
    page = client.get(order_page(world)).text
    assert 'data-cash-receipt="wanted"' in page and "010-••••-2222" in page and "010-1111-2222" not in page
    client.post(order_page(world, "/cash-receipt"), {"receipt": "none"})
    assert [state for _kind, state, _number in receipts(world)] == ["dropped"]


def test_for_a_card_there_is_none(shop, world):
    shop.pay()
    browser = shop.app.test_client()
    assert "/cash-receipt" not in browser.get(order_page(world)).text
    assert browser.get(order_page(world, "/cash-receipt")).headers["Location"] == order_page(world)
