"""A link by which somebody else pays: what it shows, what it does, and what it is not good for."""
import re

import pytest
from sqlalchemy import select

from eventapp import audit
from eventapp.blueprints.public import showing
from eventapp.domain import ledger, paying, ticketing, withdrawing
from eventapp.extensions import db
from eventapp.models import Payment
from tests.public.test_payment import heading, params_of, ref_of
from tests.public.test_stripe_flow import shop as stripe_shop  # noqa: F401


def link_of(shop, order) -> str:
    shop.enter()
    return f"/seoul-ubf/wmc-2026/pay/{ticketing.pay_token(shop.fresh(order))}"


def state(answer) -> str:
    return re.search(r'data-pay-state="(\w+)"', answer.text)[1]


def personal(order) -> list[str]:
    return [order.name, order.email, order.email.split("@")[0], "/orders/"]


@pytest.fixture
def stranger(shop):
    return shop.app.test_client()


def approve(shop, stranger, order) -> str:
    """Somebody with the link approves in the window that the link's page opens; where the gateway sends their browser."""
    params = params_of(stranger.get(link_of(shop, order)))
    answer = shop.gateway.control("pay", client_key=params["clientKey"], request=params["request"], customer_key=params["customerKey"])
    return answer["location"].removeprefix("http://localhost")


def test_the_buyer_finds_the_link_and_hands_it_on(shop):
    order = shop.place()
    page = shop.app.test_client().get(f"/seoul-ubf/wmc-2026/orders/{ticketing.order_token(shop.fresh(order))}")
    assert f"http://localhost{link_of(shop, order)}" in page.text
    assert f"http://localhost{link_of(shop, order)}" in shop.browser_of(order).get("/seoul-ubf/wmc-2026/register/payment").text
    paid = shop.pay()
    assert "/pay/" not in shop.app.test_client().get(f"/seoul-ubf/wmc-2026/orders/{ticketing.order_token(shop.fresh(paid))}").text


def test_it_shows_what_for_and_how_much_and_nobody(shop, stranger):
    order = shop.place()
    page = stranger.get(link_of(shop, order))
    assert (page.status_code, state(page), page.headers["Cache-Control"]) == (200, "open", "no-store")
    assert "₩100,000" in page.text and "김**0" in page.text and "World Mission Conference 2026" in page.text
    assert not any(text in page.text for text in personal(shop.fresh(order)))
    request = params_of(page)["request"]
    assert not {"customerName", "customerEmail", "customerMobilePhone"} & request.keys()
    assert "Set-Cookie" not in page.headers or "order" not in page.headers["Set-Cookie"]


def test_it_pays_and_ends_on_thanks(shop, stranger):
    order = shop.place()
    answer = stranger.get(approve(shop, stranger, order))
    assert answer.headers["Location"].startswith("/payment/success?ref=")
    assert "Checking your payment" in stranger.get(answer.headers["Location"]).text
    shop.work()
    assert stranger.get(answer.headers["Location"]).headers["Location"] == link_of(shop, order)
    thanks = stranger.get(link_of(shop, order))
    assert (heading(thanks), state(thanks)) == ("Thank you. This is paid.", "paid")
    assert not any(text in thanks.text for text in personal(shop.fresh(order)))
    assert (shop.statuses(order), shop.balanced()) == (["confirmed"], True)
    assert stranger.get("/registration/success").status_code == 404


def test_the_letter_goes_to_the_buyer(shop, stranger, mailbox):
    order = shop.place()
    stranger.get(approve(shop, stranger, order))
    shop.work()
    assert [letter["To"] for letter in mailbox()] == [shop.fresh(order).email]


def test_another_method_and_again_after_a_failure(shop, stranger):
    shop.gateway.fault("confirm", "code:REJECT_CARD_COMPANY")
    order = shop.place()
    address = stranger.get(approve(shop, stranger, order)).headers["Location"]
    shop.work()
    assert stranger.get(address).headers["Location"] == link_of(shop, order)
    failed = stranger.get(link_of(shop, order))
    assert (state(failed), "The card company declined the payment." in failed.text, "payment-params" in failed.text) == ("failed", True, False)
    again = stranger.post(link_of(shop, order), {"method": "bank_transfer"})
    assert again.headers["Location"] == link_of(shop, order) + "?start=1"
    stranger.get(approve(shop, stranger, order))
    shop.work()
    assert (shop.fresh(order).method, shop.statuses(order)) == ("bank_transfer", ["confirmed"])


def test_16_a_closed_window_leads_back_to_the_link(shop, stranger):
    order = shop.place()
    ref = ref_of(params_of(stranger.get(link_of(shop, order)))["failUrl"])
    page = stranger.get(f"/payment/fail?ref={ref}&code=PAY_PROCESS_CANCELED")
    assert "You closed the payment window." in page.text and link_of(shop, order) in page.text
    assert not any(text in page.text for text in personal(shop.fresh(order)))


@pytest.mark.parametrize("sent", [{"method": "cash"}, {}, {"method": "virtual_account", "bank": "monopoly"}])
def test_a_wrong_method_is_an_error_beside_its_field(shop, stranger, sent):
    order = shop.place("virtual_account")
    answer = stranger.post(link_of(shop, order), sent)
    assert answer.status_code == 422 and re.search(r'data-error-for="(method|bank)"', answer.text)


def test_an_account_by_the_link_without_scripts(shop, stranger):
    order = shop.place()
    answer = stranger.post(link_of(shop, order), {"method": "virtual_account", "bank": "woori"})
    assert state(stranger.get(answer.headers["Location"])) == "checking"
    assert 'http-equiv="refresh"' in stranger.get(answer.headers["Location"]).text
    shop.work()
    page = stranger.get(answer.headers["Location"])
    assert state(page) == "deposit" and shop.payment(order).virtual_account["number"] in page.text
    assert not any(text in page.text for text in personal(shop.fresh(order)))


def test_the_organisers_account_without_the_buyers_name(shop, stranger):
    order = shop.place("manual_transfer")
    page = stranger.get(link_of(shop, order))
    assert state(page) == "deposit" and "123456-04-567890" in page.text
    assert not any(text in page.text for text in personal(shop.fresh(order)))


def test_17_two_who_pay_at_once_pay_once(shop, stranger):
    order = shop.place()
    buyer = shop.browser_of(order)
    by_buyer, by_link = shop.approve(shop.payment(order)), approve(shop, stranger, order)
    buyer.get(by_buyer)
    stranger.get(by_link)
    shop.work()
    assert (shop.statuses(order), ledger.paid(shop.fresh(order))) == (["confirmed"], 100_000)
    assert shop.balanced()
    assert state(stranger.get(link_of(shop, order))) == "paid"


def test_what_is_cancelled_or_gone_has_nothing_to_pay(shop, stranger):
    order = shop.place()
    withdrawing.cancel(order, by=audit.Actor("buyer", order.id))
    db.session.commit()
    page = stranger.get(link_of(shop, order))
    assert (heading(page), state(page)) == ("There is nothing to pay here", "nothing")
    assert stranger.post(link_of(shop, order), {"method": "card"}).headers["Location"] == link_of(shop, order)
    shop.enter()
    assert len(db.session.scalars(select(Payment)).all()) == 1


def test_the_link_opens_nothing_else(shop, stranger):
    order = shop.place()
    token = link_of(shop, order).rpartition("/")[2]
    for path in (f"orders/{token}", f"orders/{token}/cancel", f"orders/{token}/tickets.pdf", f"tickets/{token}.pdf", f"pay/{token[:-1]}x"):
        assert stranger.get(f"/seoul-ubf/wmc-2026/{path}").status_code == 404
    own = ticketing.order_token(shop.fresh(order))
    assert stranger.get(f"/seoul-ubf/wmc-2026/pay/{own}").status_code == 404
    assert stranger.get(link_of(shop, order).replace("seoul-ubf", "busan-meetup")).status_code == 404
    assert stranger.get(link_of(shop, order).replace("wmc-2026", "meetup")).status_code == 404


def test_looking_at_it_begins_nothing(shop, stranger):
    order = shop.place("manual_transfer")
    before = paying.current(shop.fresh(order)).id
    stranger.get(link_of(shop, order))
    assert shop.payment(order).id == before


@pytest.mark.parametrize(("name", "mask"), [("김하나", "김*나"), ("이둘", "이*"), ("Hana Kim", "H*** K**"), ("남궁민수", "남**수"), ("J", "J*")])
def test_a_name_in_a_few_letters(name, mask):
    assert showing.masked(name) == mask


def test_through_a_gateway_that_must_be_told_first(stripe_shop):  # noqa: F811
    """Nothing is ordered by looking; the page waits for the gateway, and sends the browser back to the link."""
    order, stranger = stripe_shop.place(), stripe_shop.app.test_client()
    link = link_of(stripe_shop, order)
    first = stranger.get(link)
    assert (state(first), "begin-payment" in first.text, stripe_shop.attempts(stripe_shop.payment(order))) == ("open", True, [])
    assert stranger.post(link, {"method": "card"}).headers["Location"] == f"{link}?start=1"
    waiting = stranger.get(link)
    assert (state(waiting), f'hx-get="{link}?looks=1"' in waiting.text) == ("opening", True)
    stripe_shop.work()
    again = stranger.get(link, headers={"HX-Request": "true", "HX-Target": "div#opening"})
    assert again.headers["HX-Redirect"] == f"{link}?start=1"
    page = stranger.get(f"{link}?start=1").text.replace("&amp;", "&")
    assert stripe_shop.payment(order).checkout_url in page and "data-start" in page
    back = stranger.get(stripe_shop.control("pay", order)["location"].removeprefix("http://localhost"))
    stripe_shop.work()
    assert stranger.get(back.headers["Location"]).headers["Location"] == link
    assert (state(stranger.get(link)), stripe_shop.statuses(order)) == ("paid", ["confirmed"])
