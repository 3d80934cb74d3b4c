"""Buyers at an organisation that takes money through PortOne: the page that opens it, its window, and back."""
import pytest

from eventapp.domain import connecting_gateways
from eventapp.extensions import db
from eventapp.models import GatewayAccount
from eventapp.sandbox.portone_books import DEMO_SECRET
from tests.browser.test_registering import choose_method, start, statuses
from tests.gateway import BROWSER

STORE = "store-demo0000000001"


@pytest.fixture(params=["automatic", "manual"])
def shop(request, live, app, world):
    """Seoul takes money through a channel of this kind."""
    channel = "channel-key-demo0000000001" + ("-manual" if request.param == "manual" else "")
    with app.app_context():
        world.seoul.enter()
        for account in db.session.query(GatewayAccount):
            account.enabled = False
        connecting_gateways.connect_account(
            "portone", mode="test", client_key=STORE, secret_key="portone_test_demo0000000001", webhook_secret=DEMO_SECRET,
            public={"store_id": STORE, "channel_key": channel, "approval": request.param})
        db.session.commit()
    return live


def to_the_window(page, method="card"):
    start(page)
    page.click('[data-program="main-conference"]')
    choose_method(page, method)
    page.get_by_test_id("pay-button").click()
    page.get_by_test_id("sandbox-approve").wait_for()


def payments(shop):
    return BROWSER.get(f"{shop.gateway.address}/control/portone/books").json()["payments"]


@pytest.mark.parametrize("width, locale", [(390, "ko-KR"), (1280, "en-US")])
def test_by_card(shop, visit, width, locale):
    page = visit(shop, locale=locale, width=width)
    to_the_window(page)
    page.get_by_test_id("sandbox-approve").click()
    page.wait_for_url("**/registration/success")
    assert statuses(page) == ["confirmed"] and [one["status"] for one in payments(shop)] == ["PAID"]


def test_declined_then_paid(shop, visit):
    page = visit(shop)
    to_the_window(page)
    page.get_by_test_id("sandbox-decline").click()
    page.wait_for_url("**/payment/fail**")
    assert "Nothing was charged" in page.inner_text("main")
    page.get_by_role("link", name="Try again").click()
    page.get_by_role("button", name="Pay this way").click()  # another payment, or the same while nobody has heard of the refusal
    page.get_by_test_id("sandbox-approve").click()
    page.wait_for_url("**/registration/success")
    assert statuses(page) == ["confirmed"]


def test_into_a_virtual_account(shop, visit):
    page = visit(shop)
    to_the_window(page, "virtual_account")
    page.get_by_test_id("sandbox-deposit").click()
    page.wait_for_url("**/registration/success")
    page.wait_for_selector('[data-status="confirmed"]')
    assert [one["status"] for one in payments(shop)] == ["PAID"]


def test_an_approval_that_is_late_is_waited_for(shop, visit):
    page = visit(shop)
    to_the_window(page)
    page.get_by_test_id("sandbox-timeout").click()
    page.wait_for_url("**/registration/success", timeout=20_000)
    assert statuses(page) == ["confirmed"]
