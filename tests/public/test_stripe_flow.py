"""Paying through Stripe as a buyer does it: a page that is ordered first, no confirm, and notices that are signed."""
import re
import threading

import pytest
from sqlalchemy import select

from eventapp import audit, outbox
from eventapp.domain import attempts, connecting_gateways, ledger, paying, refunding, registering
from eventapp.extensions import db
from eventapp.models import EmailMessage, GatewayAccount, Order, Payment, WebhookEvent
from tests.domain.test_paying import fill_the_event
from tests.gateway import BROWSER
from tests.shop import Shop

PAGE = "/seoul-ubf/wmc-2026/register/payment"
KEYS = ("pk_test_demo0000000001", "sk_test_demo0000000001", "whsec_demo0000000001")


class StripeShop(Shop):
    """Seoul's conference, which takes cards through Stripe."""

    def __init__(self, app, world, gateway, work, inbox):
        self.app, self.world, self.gateway, self.work, self.inbox = app, world, gateway, work, inbox
        world.seoul.enter()
        self.account = connecting_gateways.connect_account("stripe", mode="test", client_key=KEYS[0], secret_key=KEYS[1], webhook_secret=KEYS[2])
        db.session.commit()
        self.handed_on = 0

    def control(self, what: str, order, **body) -> dict:
        return self.gateway.control(f"stripe/{what}", order_id=self.payment(order).gateway_order_id, **body)

    def opened(self, order) -> str:
        """Where the page sends the buyer, once Stripe knows of the payment."""
        browser = self.browser_of(order)
        page = browser.get(PAGE)
        if self.payment(order).checkout_url == "":
            browser.post(PAGE, {"method": "card"})
            self.work()
            page = browser.get(PAGE)
        url = self.payment(order).checkout_url
        assert url and url in page.text.replace("&amp;", "&")
        return url

    def come_back(self, order, location: str):
        """The browser arrives, we look, and it is sent on."""
        browser = self.browser_of(order)
        answer = browser.get(location.removeprefix("http://localhost"))
        self.work()
        return browser.get(answer.headers["Location"]) if answer.status_code == 303 else answer

    def pay(self, **body):
        order = self.place()
        self.opened(order)
        self.come_back(order, self.control("pay", order, **body)["location"])
        return self.fresh(order)

    def hand_on(self, count: int) -> None:
        """What Stripe has told until now reaches us, as it was signed."""
        self.inbox.wait(count)
        for headers, raw in self.inbox.notices[self.handed_on:]:
            answer = self.app.test_client().post(f"/api/webhooks/payment/stripe/{self.account_token}", data=raw, content_type="application/json",
                                                 headers={"Stripe-Signature": headers["stripe-signature"]})
            assert answer.status_code == 200
        self.handed_on = len(self.inbox.notices)
        self.work()

    @property
    def account_token(self) -> str:
        self.enter()
        return db.session.merge(self.account).webhook_token

    def balanced(self) -> bool:
        self.enter()
        ours = sum(ledger.paid(order) for order in db.session.scalars(select(Order)).all())
        books = BROWSER.get(f"{self.gateway.address}/control/stripe/books", params={"client_key": KEYS[0]}).json()
        assert ours == books["balances"].get(KEYS[0], 0)
        return True


@pytest.fixture
def shop(app, world, gateway, settings, work, inbox):
    settings(stripe_api_url=f"{gateway.address}/stripe", backoff_scale=0.0)
    gateway.control("stripe/webhooks", client_key=KEYS[0], url=inbox.url, secret=KEYS[2])
    yield StripeShop(app, world, gateway, work, inbox)
    gateway.control("stripe/webhooks", client_key=KEYS[0], url="")


def test_the_page_is_ordered_and_leads_to_stripe(shop):
    order = shop.place()
    url = shop.opened(order)
    assert url.startswith(shop.gateway.address.replace("127.0.0.1", "localhost") + "/stripe/pay/cs_test_")
    assert shop.attempts(shop.payment(order)) == [("open", "succeeded")]
    page = BROWSER.get(url).text
    assert "100,000" in page and order.email not in page and order.name not in page


def test_an_answer_that_comes_while_the_page_is_drawn_is_on_it(shop, monkeypatch):
    """The worker finishes between reading the payment and looking for open questions."""
    order = shop.place()
    browser = shop.browser_of(order)
    browser.get(PAGE)
    browser.post(PAGE, {"method": "card"})
    looked = attempts.open_of

    def work():
        with shop.app.app_context():
            outbox.drain("gateway")
            db.session.remove()

    def open_of(payment, *operations):
        monkeypatch.setattr(attempts, "open_of", looked)
        assert payment.status == "created"
        worker = threading.Thread(target=work)
        worker.start()
        worker.join()
        return looked(payment, *operations)
    monkeypatch.setattr(attempts, "open_of", open_of)
    page = browser.get(PAGE)
    assert shop.payment(order).checkout_url in page.text.replace("&amp;", "&")


def test_from_the_page_to_the_ticket(shop):
    order = shop.pay()
    assert shop.statuses(order) == ["confirmed"]
    payment = shop.payment(order)
    assert (payment.status, payment.paid_with, payment.balance) == ("paid", "Visa •••• 4242", 100_000)
    assert shop.attempts(payment) == [("open", "succeeded"), ("look", "succeeded")]
    assert shop.browser_of(order).get(PAGE).headers["Location"] == "/registration/success"
    assert shop.balanced()


def test_5_a_notice_alone_completes_the_order(shop):
    """The browser never comes back."""
    order = shop.place()
    shop.opened(order)
    shop.control("pay", order)
    shop.hand_on(3)
    assert shop.statuses(order) == ["confirmed"] and shop.balanced()
    assert set(shop.notices()) == {"applied"}


def test_16_who_goes_back_has_not_paid_and_may_pay_yet(shop):
    order = shop.place()
    url = shop.opened(order)
    back = BROWSER.post(f"{url}/close".replace("localhost", "127.0.0.1")).headers["location"]
    page = shop.browser_of(order).get(back.removeprefix("http://localhost"))
    assert page.status_code == 200 and "/payment/fail" in back
    assert shop.payment(order).status == "pending"
    shop.come_back(order, shop.control("pay", order)["location"])
    assert shop.statuses(order) == ["confirmed"]


def test_an_address_with_another_session_is_not_believed(shop):
    order, other = shop.place(), shop.pay()
    shop.opened(order)
    location = shop.control("close", order)["location"].replace("/fail", "/success") + f"&session_id={shop.payment(other).gateway_key}"
    assert shop.browser_of(order).get(location.removeprefix("http://localhost")).status_code == 404
    assert shop.statuses(order) == ["pending_payment"]


def test_who_comes_back_without_having_paid_may_pay_yet(shop):
    order = shop.place()
    shop.opened(order)
    location = shop.control("close", order)["location"].replace("/fail", "/success") + f"&session_id={shop.payment(order).gateway_key}"
    shop.come_back(order, location)
    assert shop.statuses(order) == ["pending_payment"] and shop.payment(order).status == "pending"


def test_money_that_comes_later_is_waited_for(shop):
    order = shop.place()
    shop.opened(order)
    shop.come_back(order, shop.control("pay", order, delayed=True)["location"])
    assert (shop.payment(order).status, shop.statuses(order)) == ("awaiting_deposit", ["pending_payment"])
    assert shop.browser_of(order).get("/registration/success").status_code == 200
    shop.hand_on(3)
    shop.later(hours=30)
    shop.work()
    assert shop.statuses(order) == ["pending_payment"], "the place is kept while the bank takes its time"
    shop.gateway.control("switches", old=-30 * 3600)  # its notices bear the time that the shop has
    shop.control("deposit", order)
    shop.hand_on(6)
    assert shop.statuses(order) == ["confirmed"] and shop.balanced()


def test_money_that_comes_later_may_fail(shop):
    order = shop.place()
    shop.opened(order)
    shop.come_back(order, shop.control("pay", order, delayed=True)["location"])
    shop.control("deposit", order, failed=True)
    shop.hand_on(6)
    assert shop.payment(order).status == "failed" and shop.statuses(order) != ["confirmed"]


def test_a_refund_goes_back_and_is_told(shop):
    order = shop.pay()
    refunding.give_back(shop.payment(order), "a favour", by=audit.SYSTEM, amount=30_000)
    db.session.commit()
    shop.work()
    payment = shop.payment(order)
    assert (payment.status, payment.balance) == ("partially_refunded", 70_000) and shop.balanced()
    assert shop.refunds(payment) == [(30_000, "done", False)], "it is known again as ours"
    shop.hand_on(5)
    assert shop.refunds(payment) == [(30_000, "done", False)] and set(shop.notices()) == {"applied"}


def test_34_a_dispute_is_told_freezes_refunds_and_is_lost(shop):
    order = shop.pay()
    shop.control("dispute", order)
    shop.hand_on(5)
    payment = shop.payment(order)
    assert payment.dispute["status"] == "open" and payment.problem["kind"] == "disputed"
    assert refunding.give_back(payment, "test", by=audit.SYSTEM) is None and refunding.quote(shop.fresh(order)).why_not
    shop.control("dispute", order, status="lost")
    shop.hand_on(6)
    payment = shop.payment(order)
    assert (payment.dispute["status"], payment.balance) == ("lost", 0)
    assert ("refunded", 100_000) in [(kind, abs(amount)) for kind, amount in shop.entries(order)] and shop.balanced()
    assert shop.statuses(order) == ["cancelled"], "who got the money back has no place any more"
    assert set(shop.notices()) == {"applied"}


def test_34_a_dispute_that_is_won_changes_nothing(shop):
    order = shop.pay()
    shop.control("dispute", order)
    shop.control("dispute", order, status="won")
    shop.hand_on(7)
    payment = shop.payment(order)
    assert (payment.dispute["status"], payment.balance, payment.problem) == ("won", 100_000, None) and shop.balanced()


def test_27_a_refund_by_hand_at_stripe_is_found_out_and_waits_for_a_person(shop):
    order = shop.pay()
    shop.control("cancel", order, amount=20_000)
    shop.hand_on(5)
    payment = shop.payment(order)
    assert (payment.balance, payment.problem["kind"]) == (80_000, "external_refund") and shop.balanced()


def test_a_refund_that_fails_days_later_comes_back_into_the_books(shop):
    order = shop.pay(card="4000000000005126")
    shop.control("cancel", order)
    shop.hand_on(5)
    assert shop.payment(order).balance == 0
    shop.control("refund", order, result="failed")
    shop.hand_on(8)
    payment = shop.payment(order)
    assert (payment.status, payment.balance) == ("paid", 100_000) and shop.balanced()


def test_36_a_forged_notice_changes_nothing(shop):
    order = shop.place()
    shop.opened(order)
    shop.control("forge", order, type="checkout.session.completed", object={"status": "complete", "payment_status": "paid"})
    shop.hand_on(1)
    assert shop.statuses(order) == ["pending_payment"]
    headers, raw = shop.inbox.notices[0]
    client = shop.app.test_client()
    for changed in ({"Stripe-Signature": re.sub("v1=.", "v1=x", headers["stripe-signature"])}, {}):
        assert client.post(f"/api/webhooks/payment/stripe/{shop.account_token}", data=raw, headers=changed).status_code == 400
    shop.enter()
    assert db.session.scalars(select(WebhookEvent.state)).all().count("rejected") >= 1


def test_a_page_that_cannot_be_ordered_leaves_the_buyer_other_ways(shop):
    order = shop.place()
    browser = shop.browser_of(order)
    shop.gateway.fault("stripe.open", "code:api_key_expired", times=0)
    browser.get(PAGE)
    browser.post(PAGE, {"method": "card"})
    shop.work()
    page = browser.get(PAGE)
    assert page.status_code == 200 and "manual_transfer" in page.text
    shop.enter()
    assert db.session.scalars(select(Payment.status)).all() == ["failed"]


def test_a_page_whose_answer_was_lost_is_ordered_once(shop):
    order = shop.place()
    shop.gateway.fault("stripe.open", "timeout_after_commit")
    shop.opened(order)
    books = BROWSER.get(f"{shop.gateway.address}/control/stripe/books").json()
    assert len(books["payments"]) == 1


def test_the_page_ends_when_nobody_pays(shop):
    order = shop.place()
    shop.opened(order)
    shop.later(hours=2)
    shop.work()
    books = BROWSER.get(f"{shop.gateway.address}/control/stripe/books").json()
    assert [one["status"] for one in books["payments"]] == ["expired"]
    assert shop.statuses(order) != ["confirmed"]


def test_4_a_notice_before_the_browser_returns(shop):
    order = shop.place()
    shop.opened(order)
    location = shop.control("pay", order)["location"]
    shop.hand_on(3)
    assert shop.statuses(order) == ["confirmed"]
    assert shop.browser_of(order).get(location.removeprefix("http://localhost")).headers["Location"] == "/registration/success"
    assert shop.attempts(shop.payment(order)) == [("open", "succeeded")], "there was nothing left to ask"


def test_17_of_two_pages_that_both_took_the_money_the_later_one_goes_back(shop):
    """One of two people is taken out while the page for both is open; a new page asks for the rest, and both are paid."""
    order = shop.place(people=2)
    shop.opened(order)
    both = shop.payment(order)
    registering.cancel(registering.of_order(order)[1:], by=audit.Actor("user", 1))
    db.session.commit()
    one = paying.begin(shop.fresh(order), "card")
    db.session.commit()
    shop.opened(order)
    assert shop.payment(order).id == one.id != both.id
    for payment in (one, both):
        shop.gateway.control("stripe/pay", order_id=payment.gateway_order_id)
    shop.hand_on(6)
    assert shop.statuses(order) == ["confirmed", "cancelled"]
    refunds = shop.refunds(one) + shop.refunds(both)
    assert len(refunds) == 1 and refunds[0][1:] == ("done", False)
    assert sum(ledger.held(db.session.get(Payment, number)) for number in (one.id, both.id)) + refunds[0][0] == 300_000 and shop.balanced()


def test_18_money_for_places_that_are_gone_goes_back_with_a_letter(shop):
    order = shop.place()
    shop.opened(order)
    location = shop.control("pay", order)["location"]
    shop.enter()
    registering.expire(shop.fresh(order))
    db.session.commit()
    fill_the_event(shop)
    shop.come_back(order, location)
    assert (shop.statuses(order), shop.refunds(shop.payment(order))) == (["expired"], [(100_000, "done", False)])
    assert "late_payment_refunded" in db.session.scalars(select(EmailMessage.kind)).all()
    assert ledger.paid(shop.fresh(order)) == 0 and shop.balanced()


def test_41_a_test_payment_never_fulfils_a_live_order(shop, settings):
    """Keys for tests in an account for real money: nobody is asked with them, and the owners are told."""
    settings(backoff_scale=1.0)
    order = shop.place()
    shop.opened(order)
    location = shop.control("pay", order)["location"]
    db.session.get(GatewayAccount, shop.payment(order).account_id).mode = "live"
    db.session.commit()
    shop.come_back(order, location)
    payment = shop.payment(order)
    assert (shop.statuses(order), paying.state(payment), shop.entries(order)) == (["pending_payment"], "checking", [("charged", 100_000)])
    assert db.session.get(GatewayAccount, payment.account_id).unhealthy


@pytest.mark.parametrize("fault", ["html", "html_after_commit", "truncated"])
@pytest.mark.parametrize("operation", ["open", "fetch", "cancel"])
def test_52_a_page_instead_of_an_answer_means_that_nobody_knows(shop, operation, fault):
    if operation == "open":
        shop.gateway.fault("stripe.open", fault)
    order = shop.place()
    shop.opened(order)
    location = shop.control("pay", order)["location"]
    if operation == "fetch":
        shop.gateway.fault("stripe.fetch", fault, times=2)
    shop.come_back(order, location)
    shop.work()
    assert shop.statuses(order) == ["confirmed"] and shop.payment(order).problem is None and shop.balanced()
    if operation == "cancel":
        shop.gateway.fault("stripe.cancel", fault)
        refunding.give_back(shop.payment(order), "test", by=audit.SYSTEM)
        db.session.commit()
        shop.work()
        assert shop.refunds(shop.payment(order)) == [(100_000, "done", False)] and shop.balanced()
    assert len(BROWSER.get(f"{shop.gateway.address}/control/stripe/books").json()["payments"]) == 1
