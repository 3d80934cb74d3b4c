"""From the event page to a ticket: the journeys that must never break."""
import io
import re

import pytest
import zxingcpp
from PIL import Image
from pypdf import PdfReader

from eventapp.tickets import codes
from tests.gateway import BROWSER

EVENT = "/seoul-ubf/wmc-2026"


def start(page, name="김하나", email="hana@example.com"):
    page.goto(EVENT)
    page.get_by_test_id("register-button").click()
    page.fill('[name="name"]', name)
    page.fill('[name="email"]', email)


def statuses(page):
    return [element.get_attribute("data-status") for element in page.query_selector_all("[data-registration]")]


def choose_method(page, method):
    page.check(f'[name="method"][value="{method}"]', force=True)


def test_card(live, visit, mailbox, world, eventually):
    page = visit(live, locale="ko-KR")
    start(page)
    page.click('[data-program="main-conference"]')
    page.wait_for_selector('[data-testid="total"][data-amount="100000"]')
    page.get_by_test_id("pay-button").click()
    page.get_by_test_id("sandbox-approve").click()
    page.wait_for_url("**/registration/success")
    assert page.inner_text("h1") == "등록이 완료되었습니다"
    assert statuses(page) == ["confirmed"]
    number = page.get_attribute("[data-registration]", "data-registration")

    [letter] = eventually(mailbox)
    assert letter["To"] == "hana@example.com"
    parts = {part.get_content_type(): part for part in letter.walk()}
    picture = Image.open(io.BytesIO(parts["image/png"].get_content()))
    code = zxingcpp.read_barcode(picture).text
    event = world.seoul.event()
    [registration] = world.seoul.registrations()
    assert codes.verify(event.ticket_public_key, code).registration_id == registration.id
    text = "".join(page_.extract_text() for page_ in PdfReader(io.BytesIO(parts["application/pdf"].get_content())).pages)
    assert "김하나" in text and "세계선교대회 2026" in text and number in text
    assert b"BEGIN:VCALENDAR" in parts["text/calendar"].get_content().encode()
    assert live.gateway.books()["payments"][-1]["status"] == "DONE"


def test_one_click_when_the_window_approves_by_itself(autopay, visit):
    page = visit(autopay)
    start(page)
    page.click('[data-program="main-conference"]')
    page.get_by_test_id("pay-button").click()
    page.wait_for_url("**/registration/success")
    assert page.inner_text("h1") == "Registration Complete"


def test_declined_then_paid(live, visit):
    page = visit(live)
    start(page)
    page.click('[data-program="main-conference"]')
    page.get_by_test_id("pay-button").click()
    page.get_by_test_id("sandbox-decline").click()
    page.wait_for_url("**/payment/fail**")
    assert "Nothing was charged" in page.inner_text("main")
    page.get_by_role("link", name=re.compile("again|Pay", re.I)).first.click()
    page.get_by_test_id("open-payment").click()
    page.get_by_test_id("sandbox-approve").click()
    page.wait_for_url("**/registration/success")
    assert statuses(page) == ["confirmed"]


def test_virtual_account(live, visit, mailbox, eventually):
    page = visit(live)
    start(page)
    page.click('[data-program="main-conference"]')
    choose_method(page, "virtual_account")
    page.get_by_test_id("pay-button").click()
    page.get_by_test_id("sandbox-approve").click()
    page.wait_for_url("**/registration/success")
    assert statuses(page) == ["pending_payment"]
    assert page.inner_text("h1").startswith("Registration received")
    account = live.gateway.books()["payments"][-1]["virtualAccount"]["accountNumber"]
    assert account in page.inner_text("main").replace("-", "")
    [instructions] = eventually(mailbox)
    assert account in instructions.get_body(("plain",)).get_content().replace("-", "")

    live.gateway.control("deposit", order_id=live.gateway.books()["payments"][-1]["orderId"])
    eventually(lambda: len(mailbox()) == 2)
    page.reload()
    assert statuses(page) == ["confirmed"] and page.inner_text("h1") == "Registration Complete"


def test_manual_transfer_ends_awaiting_the_money(live, visit, mailbox, eventually):
    page = visit(live)
    start(page)
    page.click('[data-program="main-conference"]')
    choose_method(page, "manual_transfer")
    page.get_by_test_id("pay-button").click()
    page.wait_for_url("**/registration/success")
    assert statuses(page) == ["pending_payment"]
    assert "123456-04-567890" in page.inner_text("main")
    [letter] = eventually(mailbox)
    assert "123456-04-567890" in letter.get_body(("plain",)).get_content()


def test_a_free_program(live, visit):
    page = visit(live)
    start(page)
    page.click('[data-program="free-day"]')
    page.get_by_test_id("pay-button").click()
    page.wait_for_url("**/registration/success")
    assert (page.inner_text("h1"), statuses(page)) == ("Registration Complete", ["confirmed"])


def test_forty_from_a_spreadsheet(autopay, visit, eventually, mailbox):
    page = visit(autopay, width=1280)
    start(page)
    page.click('[data-program="main-conference"]')
    page.locator("summary", has_text="more people").click()
    page.fill('[name="paste"]', "\n".join(f"참가자 {number}\tp{number}@example.com\t\tmain-conference" for number in range(2, 41)))
    page.click('[name="paste_rows"]')
    page.wait_for_selector('[data-testid="total"][data-amount="4000000"]')
    page.get_by_test_id("pay-button").click()
    page.wait_for_url("**/registration/success")
    assert statuses(page) == ["confirmed"] * 40
    eventually(lambda: len(mailbox()) == 40, seconds=60)


def test_an_event_with_approval_waits(live, visit):
    page = visit(live)
    page.goto("/busan-meetup/meetup")
    page.get_by_test_id("register-button").click()
    page.fill('[name="name"]', "이둘")
    page.fill('[name="email"]', "dul@example.com")
    if not page.is_checked('[name="program"][value="seat"]'):
        page.click('[data-program="seat"]')
    page.get_by_test_id("pay-button").click()
    page.wait_for_url("**/registration/success")
    assert statuses(page) == ["pending_approval"]
    assert "approval" in page.inner_text("h1")


def test_nothing_typed_is_lost_on_an_error(live, visit):
    page = visit(live)
    start(page, name="김하나", email="not an address")
    page.click('[data-program="main-conference"]')
    page.fill('[name="field-church"]', "종로교회")
    page.get_by_test_id("pay-button").click()
    page.wait_for_selector('[data-error-for="email"]')
    assert page.input_value('[name="name"]') == "김하나"
    assert page.input_value('[name="field-church"]') == "종로교회"
    assert page.is_checked('[name="program"][value="main-conference"]')
    visit.complaints[:] = [line for line in visit.complaints if "422" not in line]  # Chromium's own note of the status


def test_on_the_organisations_own_host(autopay, visit):
    page = visit(autopay)
    page.goto(autopay.url.replace("localhost", "seoul-ubf.localhost") + "/wmc-2026")
    page.get_by_test_id("register-button").click()
    page.fill('[name="name"]', "김하나")
    page.fill('[name="email"]', "hana@example.com")
    page.click('[data-program="main-conference"]')
    page.get_by_test_id("pay-button").click()
    page.wait_for_url("http://seoul-ubf.localhost:*/registration/success")
    assert page.inner_text("h1") == "Registration Complete"


# -- without JavaScript --------------------------------------------------------------------------------

def plain(live, visit, program="main-conference", method=None):
    page = visit(live, scripts=False)
    start(page)
    page.check(f'[name="program"][value="{program}"]', force=True)
    if method:
        choose_method(page, method)
    page.get_by_test_id("pay-button").click()
    return page


def test_without_scripts_free_and_manual(live, visit):
    assert statuses(plain(live, visit, "free-day")) == ["confirmed"]
    page = plain(live, visit, method="manual_transfer")
    assert page.url.endswith("/registration/success") and statuses(page) == ["pending_payment"]


def test_without_scripts_the_payment_page_says_why_and_issues_an_account(live, visit):
    page = plain(live, visit)
    page.wait_for_url("**/register/payment")
    assert "JavaScript" in page.inner_text("main")
    page.select_option('[name="bank"]', "woori")
    page.get_by_role("button", name="Get an account number").click()
    page.wait_for_url("**/registration/success", timeout=20_000)
    assert statuses(page) == ["pending_payment"]


def test_without_scripts_several_people(live, visit):
    page = visit(live, scripts=False)
    page.goto(f"{EVENT}/register?participants=3")
    for prefix, name in (("", "하나"), ("p2-", "둘"), ("p3-", "셋")):
        page.fill(f'[name="{prefix}name"]', name)
        page.check(f'[name="{prefix}program"][value="free-day"]', force=True)
    page.fill('[name="email"]', "group@example.com")
    page.get_by_test_id("pay-button").click()
    assert statuses(page) == ["confirmed"] * 3


@pytest.mark.parametrize("locale, words", [("ko-KR", "등록"), ("en-US", "Register")])
def test_the_browsers_language_decides(live, visit, locale, words):
    page = visit(live, locale=locale)
    page.goto(EVENT)
    assert words in page.get_by_test_id("register-button").inner_text()


def test_a_webhook_of_a_stranger_changes_nothing(live, visit):
    page = visit(live)
    start(page)
    page.click('[data-program="main-conference"]')
    page.get_by_test_id("pay-button").click()
    page.get_by_test_id("sandbox-approve").wait_for()
    assert BROWSER.post(f"{live.url}/api/webhooks/payment/toss/made-up", json={"eventType": "PAYMENT_STATUS_CHANGED"}).status_code == 404
