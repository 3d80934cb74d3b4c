"""The payment page, the way back from the window, and what is seen where."""
import json
import re
import threading
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from eventapp import outbox
from eventapp.blueprints.public import returning
from eventapp.domain import calling, paying, registering
from eventapp.extensions import db
from tests.gateway import BROWSER

PAGE = "/seoul-ubf/wmc-2026/register/payment"


def params_of(answer) -> dict:
    return json.loads(re.search(r'id="payment-params">(.*?)</script>', answer.text, re.S)[1])


def heading(answer) -> str:
    return re.sub(r"\s+", " ", re.search(r"<h1[^>]*>(.*?)</h1>", answer.text, re.S)[1]).strip()


def ref_of(address: str) -> str:
    return parse_qs(urlsplit(address).query)["ref"][0]


def test_the_page_prints_what_opens_the_window(shop):
    order = shop.place()
    answer = shop.browser_of(order).get(PAGE)
    params = params_of(answer)
    assert {name: params[name] for name in ("provider", "amount", "currency", "clientKey")} == {
        "provider": "toss", "amount": 100_000, "currency": "KRW", "clientKey": "test_ck_demo0000000001"}
    assert params["orderId"] == shop.payment(order).gateway_order_id
    assert params["successUrl"].startswith("http://localhost/payment/success?ref=")
    assert params["failUrl"].startswith("http://localhost/payment/fail?ref=")
    policy = answer.headers["Content-Security-Policy"]
    assert shop.gateway.address in policy and "unsafe" not in policy
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin-allow-popups"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "sk_demo" not in answer.text


def test_the_window_takes_what_the_page_prints(shop):
    order = shop.place()
    browser = shop.browser_of(order)
    params = params_of(browser.get(PAGE))
    shown = BROWSER.get(f"{shop.gateway.address}/toss/window", params={
        "clientKey": params["clientKey"], "customerKey": params["customerKey"], "request": json.dumps(params["request"])})
    approved = BROWSER.post(f"{shop.gateway.address}{shown.headers['location']}/approve").headers["location"]
    answer = browser.get(approved.removeprefix("http://localhost"))
    assert urlsplit(answer.headers["Location"]).path == "/payment/success"
    assert "paymentKey" not in answer.headers["Location"]
    shop.work()
    assert browser.get(answer.headers["Location"]).headers["Location"] == "/registration/success"
    done = browser.get("/registration/success")
    assert heading(done) == "Registration Complete"
    number = registering.of_order(shop.fresh(order))[0].number
    assert re.search(rf'data-registration="{number}"[^>]*data-status="confirmed"', done.text)


def test_in_korean_the_heading_says_that_it_is_complete(shop):
    browser = shop.browser_of(shop.pay())
    assert heading(browser.get("/registration/success?lang=ko")) in ("등록이 완료되었습니다", "Registration Complete")


def test_without_the_cookie_there_is_no_page(shop):
    order = shop.place()
    assert shop.app.test_client().get("/registration/success").status_code == 404
    assert shop.app.test_client().get(PAGE).headers["Location"] == "/seoul-ubf/wmc-2026/register"
    assert shop.browser_of(order).get("/seoul-ubf/meetup/register/payment").headers["Location"] == "/seoul-ubf/meetup/register"
    assert shop.browser_of(order).get("/busan-meetup/wmc-2026/register/payment").headers["Location"] == \
        "/busan-meetup/wmc-2026/register"


def test_a_paid_order_is_not_paid_again(shop):
    order = shop.pay()
    browser = shop.browser_of(order)
    assert browser.get(PAGE).headers["Location"] == "/registration/success"
    assert browser.post(PAGE, {"method": "card"}).headers["Location"] == "/registration/success"
    assert len(shop.gateway.books()["payments"]) == 1


@pytest.mark.parametrize(("method", "goes_to"), [("manual_transfer", "/registration/success"), ("bank_transfer", PAGE),
                                                 ("virtual_account", PAGE)])
def test_the_method_can_be_changed(shop, method, goes_to):
    order = shop.place()
    browser = shop.browser_of(order)
    assert browser.post(PAGE, {"method": method}).headers["Location"] == goes_to
    assert (shop.fresh(order).method, shop.payment(order).method) == (method, method)


def test_a_phone_bill_is_another_way(shop):
    event = shop.world.seoul.event()
    event.methods = [*event.methods, "mobile"]
    db.session.commit()
    order = shop.place("mobile")
    browser = shop.browser_of(order)
    page = browser.get(PAGE)
    assert ("Charged to your Korean phone bill" in page.text, params_of(page)["request"]["method"]) == (True, "MOBILE_PHONE")
    browser.get(shop.approve(shop.payment(order)))
    shop.work()
    assert (shop.statuses(order), shop.payment(order).method) == (["confirmed"], "mobile")


@pytest.mark.parametrize("sent", [{"method": "cash"}, {}, {"method": "virtual_account", "bank": "monopoly"}])
def test_a_wrong_method_or_bank_is_an_error_beside_its_field(shop, sent):
    order = shop.place("virtual_account")
    answer = shop.browser_of(order).post(PAGE, sent)
    assert answer.status_code == 422
    assert re.search(r'data-error-for="(method|bank)"', answer.text)
    assert shop.attempts(shop.payment(order)) == []


def test_a_virtual_account_is_to_be_had_without_scripts(shop):
    order = shop.place("virtual_account")
    browser = shop.browser_of(order)
    assert 'name="bank"' in browser.get(PAGE).text
    answer = browser.post(PAGE, {"method": "virtual_account", "bank": "woori"})
    checking = browser.get(answer.headers["Location"])
    assert (checking.status_code, "http-equiv=\"refresh\"" in checking.text) == (200, True)
    shop.work()
    assert browser.get(answer.headers["Location"]).headers["Location"] == "/registration/success"
    page = browser.get("/registration/success")
    assert heading(page) != "Registration Complete"
    assert shop.payment(order).virtual_account["number"] in page.text
    assert 'data-status="pending_payment"' in page.text


def test_by_virtual_account_through_the_window(shop):
    order = shop.place("virtual_account")
    browser = shop.browser_of(order)
    browser.get(shop.approve(shop.payment(order)))
    shop.work()
    assert shop.payment(order).status == "awaiting_deposit"
    assert shop.payment(order).virtual_account["number"] in browser.get("/registration/success").text


# -- the way back ------------------------------------------------------------------------------------------

def test_the_checking_page_polls_itself_and_goes_on_by_itself(shop):
    order = shop.place()
    browser = shop.browser_of(order)
    address = browser.get(shop.approve(shop.payment(order))).headers["Location"]
    asked = {"HX-Request": "true", "HX-Target": "div#checking"}
    waiting = browser.get(address, headers=asked)
    soon = f'hx-get="{address}&amp;looks=1" hx-trigger="load delay:500ms"'
    assert (waiting.status_code, "<html" in waiting.text, soon in waiting.text) == (200, False, True)
    assert 'delay:4s"' in browser.get(f"{address}&looks=9", headers=asked).text
    shop.work()
    gone = browser.get(address, headers=asked)
    assert (gone.status_code, gone.headers["HX-Redirect"]) == (204, "/registration/success")


def test_another_browser_sees_number_and_state_and_nothing_else(shop):
    order = shop.place()
    stranger = shop.app.test_client()
    address = stranger.get(shop.approve(shop.payment(order))).headers["Location"]
    shop.work()
    page = stranger.get(address)
    number = registering.of_order(shop.fresh(order))[0].number
    assert (heading(page), number in page.text) == ("Registration Complete", True)
    assert not any(text in page.text for text in (order.email, order.name, "/orders/"))


def test_16_closing_the_window_changes_nothing(shop):
    order = shop.place()
    browser = shop.browser_of(order)
    ref = ref_of(shop.approve(shop.payment(order)))
    before = (shop.payment(order).status, shop.fresh(order).hold_until)
    page = browser.get(f"/payment/fail?ref={ref}&code=PAY_PROCESS_CANCELED&message=<b>Trust-me</b>")
    assert "You closed the payment window." in page.text
    assert "<b>Trust" not in page.text and ">Trust" not in page.text
    assert (shop.payment(order).status, shop.fresh(order).hold_until) == before
    assert PAGE in page.text
    assert PAGE not in shop.app.test_client().get(f"/payment/fail?ref={ref}&code=X").text


def test_after_a_refusal_the_buyer_pays_again(shop):
    shop.gateway.fault("confirm", "code:REJECT_CARD_COMPANY")
    order = shop.place()
    browser = shop.browser_of(order)
    address = browser.get(shop.approve(shop.payment(order))).headers["Location"]
    shop.work()
    failed = browser.get(browser.get(address).headers["Location"])
    assert "The card company declined the payment." in failed.text
    page = browser.get(PAGE)
    assert "payment-params" not in page.text and "The card company declined the payment." in page.text
    assert browser.post(PAGE, {"method": "card"}).headers["Location"] == PAGE
    browser.get(shop.approve(shop.payment(order)))
    shop.work()
    assert heading(browser.get("/registration/success")) == "Registration Complete"


@pytest.mark.parametrize("change", [
    lambda address: re.sub(r"ref=[^&]*", "ref=forged", address), lambda address: re.sub(r"ref=[^&]*&", "", address),
    lambda address: re.sub(r"orderId=[^&]*", "orderId=ev_somebody_elses", address),
    lambda address: address + "&orderId=ev_twice_is_refused", lambda address: re.sub(r"amount=\d+", "amount=%D9%A1", address),
    lambda address: re.sub(r"paymentKey=[^&]*", "paymentKey=../../etc", address), lambda address: address + "&ref=another"])
def test_an_address_that_was_altered_asks_for_nothing(shop, change):
    order = shop.place()
    answer = shop.browser_of(order).get(change(shop.approve(shop.payment(order))))
    assert answer.status_code in (400, 404)
    assert shop.attempts(shop.payment(order)) == []


def test_a_reference_of_one_organisation_is_nothing_on_the_host_of_another(shop):
    order = shop.place()
    address = shop.approve(shop.payment(order))
    assert shop.app.test_client().get(address, base_url="http://busan-meetup.localhost").status_code == 404
    assert shop.attempts(shop.payment(order)) == []
    assert shop.app.test_client().get(address, base_url="http://seoul-ubf.localhost").status_code == 303


def test_on_the_organisations_own_host_the_window_comes_back_to_it(shop):
    order = shop.place()
    browser = shop.browser_of(order)
    browser.set_cookie("order", browser.get_cookie("order").value, domain="seoul-ubf.localhost")
    params = params_of(browser.get("/wmc-2026/register/payment", base_url="http://seoul-ubf.localhost"))
    assert params["successUrl"].startswith("http://seoul-ubf.localhost/payment/success?ref=")


# -- a gateway that hangs -------------------------------------------------------------------------------------

def test_one_request_of_a_process_waits_and_the_others_are_sent_on_at_once(shop, monkeypatch):
    """The worker does not answer at all. Of those who come back at once one waits; the rest are shown the checking page, and
    the event page is served all the while."""
    monkeypatch.setattr(shop.app, "testing", False)
    monkeypatch.setattr(outbox, "wake", lambda queue, times=1: None)
    addresses = []
    for _ in range(6):
        order = shop.place()
        addresses.append((shop.browser_of(order), shop.approve(shop.payment(order))))
    others_are_back, waited, where = threading.Event(), [], []

    def look_again(seconds):
        waited.append(threading.current_thread().name)
        others_are_back.wait(30)

    def come_back(browser, address):
        where.append(urlsplit(browser.get(address).headers["Location"]).path)

    monkeypatch.setattr(returning.time, "sleep", look_again)
    monkeypatch.setattr(returning, "PATIENCE", 0.1)
    threads = [threading.Thread(target=come_back, args=each) for each in addresses]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 25
    while len(where) < 5 and time.monotonic() < until:
        threads[0].join(0.05)
    assert shop.app.test_client().get("/seoul-ubf/wmc-2026").status_code == 200
    assert (where, len(waited)) == (["/payment/success"] * 5, 1)
    others_are_back.set()
    for thread in threads:
        thread.join()
    assert where == ["/payment/success"] * 6


def test_the_answer_that_comes_while_we_look_is_shown_at_once(shop, monkeypatch):
    order = shop.place()
    address = shop.approve(shop.payment(order))
    monkeypatch.setattr(outbox, "wake", lambda queue, times=1: None)
    monkeypatch.setattr(shop.app, "testing", False)
    monkeypatch.setattr(returning, "PATIENCE", 30.0)

    def worker():
        with shop.app.app_context():
            while not outbox.drain("gateway"):
                time.sleep(0.05)

    thread = threading.Thread(target=worker)
    thread.start()
    answer = shop.browser_of(order).get(address)
    thread.join()
    assert answer.headers["Location"] == "/registration/success"


def test_no_web_request_calls_a_gateway(shop, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a gateway was called")

    order = shop.place()
    browser = shop.browser_of(order)
    address = shop.approve(shop.payment(order))
    for name in ("confirm", "fetch", "cancel", "issue_virtual_account"):
        monkeypatch.setattr(calling.PROVIDERS["toss"], name, refuse)
    for path in (PAGE, address, f"/payment/fail?ref={ref_of(address)}", "/registration/success"):
        assert browser.get(path).status_code < 400
    paying.end_hold(shop.fresh(order))
    db.session.rollback()
