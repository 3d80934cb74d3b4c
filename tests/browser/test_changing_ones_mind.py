"""What people do with money after they have begun: another way, again, by somebody else, some of it back."""
import json
import re

import pytest

from eventapp import audit
from eventapp.domain import withdrawing
from eventapp.extensions import db
from tests.browser.test_registering import EVENT, start, statuses

HALF = {"tiers": [{"days": 90, "percent": 100, "fee": 0}, {"days": 7, "percent": 50, "fee": 0}], "note": {}}


@pytest.fixture
def rules(app, world):
    """The conference gives half back."""
    with app.app_context():
        world.seoul.event().refund_rules = HALF
        db.session.commit()


def choose_method(page, method):
    page.check(f'[type="radio"][name="method"][value="{method}"]', force=True)


def begin(page, method="card", people=1):
    """As far as the gateway's window."""
    page.goto(f"{EVENT}/register?participants={people}")
    page.fill('[name="name"]', "김하나")
    page.fill('[name="email"]', "hana@example.com")
    for number in range(1, people + 1):
        prefix = "" if number == 1 else f"p{number}-"
        if prefix:
            page.fill(f'[name="{prefix}name"]', f"사람 {number}")
        page.press(f'[name="{prefix}program"][value="main-conference"]', "Space")  # whatever lies over it
    choose_method(page, method)
    page.get_by_test_id("pay-button").click()


def pay(page, **options):
    begin(page, **options)
    page.get_by_test_id("sandbox-approve").click()
    page.wait_for_url("**/registration/success")


def own_page(page) -> str:
    """Where the buyer's own page is, opened."""
    page.goto("/registration/success")
    page.get_by_role("link", name="Open my page").click()
    page.wait_for_url("**/orders/**")
    return page.url


def last_payment(live) -> dict:
    return live.gateway.books()["payments"][-1]


def test_another_method_before_paying(live, visit):
    page = visit(live)
    begin(page)
    page.get_by_test_id("sandbox-close").click()
    page.wait_for_url("**/payment/fail**")
    assert "You closed the payment window" in page.inner_text("main")
    page.get_by_role("link", name=re.compile("pay another way")).click()
    assert not page.locator(".cash-receipt").is_visible()  # beside a card there is none
    choose_method(page, "virtual_account")
    assert page.locator(".cash-receipt").is_visible()
    page.get_by_role("button", name="Pay this way").click()
    page.get_by_test_id("sandbox-approve").click()
    page.wait_for_url("**/registration/success")
    assert last_payment(live)["virtualAccount"]["accountNumber"] in page.inner_text("main").replace("-", "")
    # And once more: the organiser's own account.
    page.goto(f"{EVENT}/register/payment")
    choose_method(page, "manual_transfer")
    page.get_by_role("button", name="Pay this way").click()
    page.wait_for_url("**/registration/success")
    assert "123456-04-567890" in page.inner_text("main") and statuses(page) == ["pending_payment"]


def test_a_link_opened_by_somebody_else(live, visit, mailbox, eventually):
    page = visit(live)
    begin(page)
    page.get_by_test_id("sandbox-close").click()
    page.get_by_role("link", name=re.compile("pay another way")).click()
    page.locator("summary", has_text="somebody else").click()
    link = page.locator(".pay-link [data-copy]").get_attribute("data-copy")

    mother = visit(live, locale="ko-KR")
    mother.goto(link)
    assert "김*나" in mother.inner_text("h1") and "hana@example.com" not in mother.content()
    mother.get_by_test_id("open-payment").click()
    mother.get_by_test_id("sandbox-decline").click()
    mother.wait_for_url("**/payment/fail**")
    mother.locator('main a[href*="/pay/"]').click()
    choose_method(mother, "bank_transfer")
    mother.locator("form", has=mother.locator('[name="method"][type="radio"]')).locator("button").click()
    mother.get_by_test_id("sandbox-approve").click()
    mother.wait_for_url("**/pay/**")
    assert mother.locator('[data-pay-state="paid"]').count() == 1
    assert "hana@example.com" not in mother.content()

    page.goto("/registration/success")
    assert statuses(page) == ["confirmed"]
    [letter] = eventually(mailbox)
    assert letter["To"] == "hana@example.com"


def test_an_order_that_is_changed_while_the_window_is_open(live, visit):
    page = visit(live)
    begin(page, people=2)
    page.get_by_test_id("sandbox-approve").wait_for()
    tab = page.context.new_page()
    tab.set_default_timeout(10_000)
    tab.goto(own_page(tab) + "/cancel")
    tab.locator('[name="who"]').nth(1).check(force=True)
    tab.get_by_test_id("cancel").click()
    tab.wait_for_url("**/orders/*")
    assert statuses(tab) == ["pending_payment", "cancelled"]

    page.get_by_test_id("sandbox-approve").click()
    page.wait_for_url("**/payment/fail**")
    assert "was changed while the window was open" in page.inner_text("main")
    page.get_by_role("link", name=re.compile("pay another way")).click()
    assert page.get_attribute('[data-testid="total"]', "data-amount") == "100000"
    page.get_by_role("button", name="Pay this way").click()
    page.get_by_test_id("sandbox-approve").click()
    page.wait_for_url("**/registration/success")
    assert (page.inner_text("h1"), statuses(page)) == ("Registration Complete", ["confirmed", "cancelled"])
    assert [one["totalAmount"] for one in live.gateway.books()["payments"] if one["status"] == "DONE"] == [100_000]


def test_two_tabs_pay_once(live, visit):
    page = visit(live)
    begin(page)
    page.get_by_test_id("sandbox-approve").wait_for()
    tab = page.context.new_page()
    tab.set_default_timeout(10_000)
    tab.goto(f"{EVENT}/register/payment")
    if "/register/payment" in tab.url and tab.get_by_test_id("open-payment").is_visible():
        tab.get_by_test_id("open-payment").click()
    tab.get_by_test_id("sandbox-approve").click()
    tab.wait_for_url("**/registration/success")
    page.get_by_test_id("sandbox-approve").click()
    page.wait_for_url("**/registration/success")
    assert sum(one["status"] == "DONE" for one in live.gateway.books()["payments"]) == 1


def test_one_of_three_cancels_and_gets_half_back(live, visit, rules, eventually):
    page = visit(live)
    pay(page, people=3)
    order = own_page(page)
    page.get_by_role("link", name="Cancel this registration").click()
    assert page.get_by_test_id("cancel").count() == 0  # nobody is chosen
    page.locator('[name="who"]').nth(1).check(force=True)
    page.wait_for_selector('[data-testid="refund"][data-amount="50000"]')
    page.locator('[name="who"]').nth(2).check(force=True)
    page.wait_for_selector('[data-testid="refund"][data-amount="100000"]')
    page.locator('[name="who"]').nth(2).uncheck(force=True)
    page.wait_for_selector('[data-testid="refund"][data-amount="50000"]')
    assert "Until 7 days before the event: 50%" in page.inner_text("#quote")
    page.get_by_test_id("cancel").click()
    page.wait_for_url(order)
    assert statuses(page) == ["confirmed", "cancelled", "confirmed"]
    eventually(lambda: last_payment(live)["balanceAmount"] == 250_000)

    def refunded():
        page.reload()
        return page.locator('[data-refund="done"]').count() == 1
    eventually(refunded)


def test_money_without_a_way_back_asks_for_an_account(live, app, world, visit, eventually):
    page = visit(live)
    pay(page, method="virtual_account")
    live.gateway.control("deposit", order_id=last_payment(live)["orderId"])

    def confirmed():
        page.goto("/registration/success")
        return statuses(page) == ["confirmed"]
    eventually(confirmed)
    with app.app_context():
        [order] = world.seoul.orders()
        withdrawing.cancel(order, by=audit.Actor("user", 1))
        db.session.commit()
    address = own_page(page)
    page.get_by_role("link", name="Give a bank account").first.click()
    page.get_by_role("button", name="Send the money there").click()
    page.wait_for_selector('[data-error-for="refund-number"]')
    page.select_option('[name="refund-bank"]', "woori")
    page.fill('[name="refund-number"]', "1002-123-456789")
    page.fill('[name="refund-holder"]', "김하나")
    page.get_by_role("button", name="Send the money there").click()
    page.wait_for_url(address)
    eventually(lambda: last_payment(live)["balanceAmount"] == 0)
    visit.complaints[:] = [line for line in visit.complaints if "422" not in line]


def test_a_gateway_that_takes_its_time(live, visit):
    live.gateway.fault("confirm", "delay:5")
    page = visit(live)
    begin(page)
    page.get_by_test_id("sandbox-approve").click()
    page.wait_for_selector("#checking")
    page.wait_for_url("**/registration/success", timeout=20_000)
    assert statuses(page) == ["confirmed"]


# -- without JavaScript ------------------------------------------------------------------------------------

def test_without_scripts_some_cancel_and_say_where_to(live, app, world, visit, rules, eventually):
    page = visit(live, scripts=False)
    begin(page, method="virtual_account", people=2)
    page.select_option('[name="bank"]', "woori")
    page.get_by_role("button", name="Get an account number").click()
    page.wait_for_url("**/registration/success", timeout=20_000)
    live.gateway.control("deposit", order_id=last_payment(live)["orderId"])

    def confirmed():
        page.goto("/registration/success")
        return statuses(page) == ["confirmed"] * 2
    eventually(confirmed)
    order = own_page(page)
    page.get_by_role("link", name="Cancel this registration").click()
    page.locator('[name="who"]').nth(1).check(force=True)
    page.get_by_role("button", name="Show what comes back").click()
    assert page.get_attribute('[data-testid="refund"]', "data-amount") == "50000"
    page.select_option('[name="refund-bank"]', "woori")
    page.fill('[name="refund-number"]', "1002-123-456789")
    page.fill('[name="refund-holder"]', "김하나")
    page.get_by_test_id("cancel").click()
    page.wait_for_url(order)
    assert statuses(page) == ["confirmed", "cancelled"]


def test_without_scripts_the_link_takes_a_transfer_and_a_receipt_is_asked_for(live, visit):
    page = visit(live, scripts=False)
    start(page)
    page.check('[name="program"][value="main-conference"]', force=True)
    choose_method(page, "manual_transfer")
    page.check('[name="receipt"][value="deduction"]', force=True)
    page.fill('[name="receipt-phone"]', "010-9876-5432")
    page.get_by_test_id("pay-button").click()
    page.wait_for_url("**/registration/success")
    own_page(page)
    assert "010-••••-5432" in page.inner_text("main")
    page.locator(".pay-link summary").click()
    link = page.locator(".pay-link [data-copy-text]").inner_text()

    other = visit(live, scripts=False)
    other.goto(link)
    assert "123456-04-567890" in other.inner_text("main")
    other.select_option('[name="bank"]', "woori")
    other.get_by_role("button", name="Get an account number").click()
    other.wait_for_selector('[data-pay-state="deposit"]', timeout=20_000)
    assert json.dumps(last_payment(live)["virtualAccount"]["accountNumber"]).strip('"') in other.inner_text("main").replace("-", "")
