"""The dashboard: three gateways' payments on one screen, and the bank, the card holder, the console and the clock by hand."""
import html
import json
import re
import time

import pytest

from eventapp.payments.provider import VIRTUAL_ACCOUNT
from tests.gateway import BROWSER
from tests.payments.stands import stand_of

PAGES = ("/", "/notices", "/tools", "/stored")


@pytest.fixture(params=["toss", "portone", "stripe"])
def stand(request, gateway):
    return stand_of(request.param)(gateway)


def key_of(gateway, payment) -> str:
    """The payment's address on the dashboard."""
    page = BROWSER.get(gateway.address, params={"q": payment.order_ref}).text
    [path] = set(re.findall(r'href="(/payments/[^"]+)"', page))
    return path


def press(gateway, path, action, **form):
    return BROWSER.post(f"{gateway.address}{path}/{action}", data=form)


def test_all_gateways_stand_in_one_list(gateway):
    paid = {name: stand_of(name)(gateway).pay(30000) for name in ("toss", "portone", "stripe")}
    page = BROWSER.get(gateway.address).text
    assert "SANDBOX: 실제 결제 아님" in page and all(one.order_ref in page for one in paid.values())
    only = BROWSER.get(gateway.address, params={"gateway": "portone"}).text
    assert [one.order_ref in only for one in paid.values()] == [False, True, False]
    assert "찾은 결제가 없습니다" in BROWSER.get(gateway.address, params={"state": "waiting"}).text
    assert "찾은 결제가 없습니다" in BROWSER.get(gateway.address, params={"q": "<nobody>"}).text


def test_refunds_in_parts_and_whole(stand, gateway):
    paid = stand.pay(50000)
    path = key_of(gateway, paid)
    assert press(gateway, path, "cancel", amount="20,000").status_code == 303
    assert stand.fetch(paid).balance == 30000
    for wrong in ("0", "-5", "x", "30001"):
        answer = press(gateway, path, "cancel", amount=wrong)
        assert (answer.status_code, 'role="alert"' in answer.text) == (409, True)
    assert press(gateway, path, "cancel").status_code == 303
    assert stand.fetch(paid).balance == 0
    assert press(gateway, path, "cancel").status_code == 409
    assert "₩20,000" in BROWSER.get(gateway.address + path).text


def test_a_payment_shows_its_json(stand, gateway):
    paid = stand.pay(50000)
    page = BROWSER.get(gateway.address + key_of(gateway, paid)).text
    shown = json.loads(html.unescape(re.search(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)[1]))
    assert paid.gateway_key in str(shown)


@pytest.mark.parametrize("name", ["toss", "portone"])
def test_deposits_and_their_ends(gateway, name):
    stand = stand_of(name)(gateway)
    waiting = stand.pay(50000, VIRTUAL_ACCOUNT)
    path = key_of(gateway, waiting)
    assert waiting.virtual_account.number in BROWSER.get(gateway.address + path).text
    assert "DEPOSIT_REFUSED_BY_BANK" in press(gateway, path, "deposit", amount="49999").text
    assert press(gateway, path, "deposit", back="/?state=paid").headers["location"] == "/?state=paid"
    assert stand.fetch(waiting).captured == 50000
    assert press(gateway, path, "deposit").status_code == 409
    assert press(gateway, path, "cancel").status_code == 303
    assert press(gateway, path, "refund-failed").status_code == 303
    assert stand.fetch(waiting).virtual_account.refund_status == "FAILED"
    other = stand.pay(50000, VIRTUAL_ACCOUNT)
    assert press(gateway, key_of(gateway, other), "expire").status_code == 303
    assert stand.fetch(other).status == "expired"


@pytest.mark.parametrize("name", ["portone", "stripe"])
@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_disputes_by_hand(gateway, name, outcome):
    stand = stand_of(name)(gateway)
    paid = stand.pay(50000)
    path = key_of(gateway, paid)
    assert press(gateway, path, "dispute").status_code == 303
    assert stand.fetch(paid).dispute.status == "open"
    assert press(gateway, path, f"dispute-{outcome}").status_code == 303
    assert stand.fetch(paid).dispute.status == outcome


def test_nobody_is_sent_away_from_the_sandbox(gateway):
    stand = stand_of("toss")(gateway)
    paid = stand.pay()
    path = key_of(gateway, paid)
    for back in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"):
        assert press(gateway, path, "cancel", amount="1", back=back).headers["location"] == path


def test_payments_and_actions_that_do_not_exist(gateway):
    stand = stand_of("toss")(gateway)
    path = key_of(gateway, stand.pay())
    assert press(gateway, path, "explode").status_code == 409
    assert BROWSER.get(f"{gateway.address}/payments/toss/unknown").status_code == 404
    assert press(gateway, "/payments/stripe/unknown", "cancel").status_code == 404


@pytest.mark.parametrize("how", ["untrue", "old", "unsigned"])
def test_false_notices(stand, gateway, inbox, how):
    stand.told_at(inbox.url)
    paid = stand.pay()
    path = key_of(gateway, paid)
    time.sleep(0.3)
    before = len(inbox.notices)
    assert press(gateway, path, "forge", how=how).status_code == 303
    inbox.wait(before + 1)
    assert stand.fetch(paid).balance == 50000
    stand.told_at("")


def test_a_notice_for_somebody_else(gateway, inbox):
    stand = stand_of("toss")(gateway)
    paid = stand.pay()
    assert "NO_OTHER_ADDRESS" in press(gateway, key_of(gateway, paid), "forge", how="stranger").text
    gateway.control("webhooks", client_key="test_ck_demo0000000002", url=inbox.url)
    assert press(gateway, key_of(gateway, paid), "forge", how="stranger").status_code == 303
    assert paid.order_ref in [notice["data"]["orderId"] for notice in inbox.wait(2) if "data" in notice]
    gateway.control("webhooks", client_key="test_ck_demo0000000002", url="")


def test_notices_are_seen_and_sent_again(gateway, hooked):
    stand_of("toss")(gateway).pay()
    hooked.wait(1)
    time.sleep(0.2)
    page = BROWSER.get(f"{gateway.address}/notices").text
    [path] = re.findall(r'action="(/notices/[^"]+/again)"', page)
    assert "PAYMENT_STATUS_CHANGED" in page and hooked.url in page
    assert BROWSER.post(gateway.address + path).status_code == 303
    first, second = hooked.wait(2)
    assert first == second
    assert len({headers["tosspayments-webhook-transmission-id"] for headers, _ in hooked.notices}) == 1
    assert BROWSER.post(f"{gateway.address}/notices/whtrans_unknown/again").status_code == 404


def test_the_tools(gateway):
    def turn(what, **form):
        return BROWSER.post(f"{gateway.address}/tools/{what}", data=form).status_code

    assert turn("clock", advance="3600") == 303
    assert BROWSER.get(f"{gateway.address}/control/clock").json()["offset"] == 3600
    assert turn("clock") == 303 and BROWSER.get(f"{gateway.address}/control/clock").json()["offset"] == 0
    assert turn("faults", op="stripe.open", fault="500", times="2") == 303
    assert turn("faults", op="confirm", fault="500", other="code:REJECT_CARD_PAYMENT", times="0") == 303
    assert [fault["fault"] for fault in BROWSER.get(f"{gateway.address}/control/faults").json()["faults"]] == [
        "500", "code:REJECT_CARD_PAYMENT"]
    assert turn("faults", op="confirm", fault="earthquake") == turn("faults") == 400
    assert "stripe.open" in BROWSER.get(f"{gateway.address}/tools").text
    assert turn("no-faults") == 303
    assert turn("switches", duplicate="2", reorder="on", delay="0.5", drop="", old="600") == 303
    assert 'name="duplicate" type="number" min="0" value="2"' in BROWSER.get(f"{gateway.address}/tools").text
    assert turn("autopay", on="1") == turn("autopay", on="0") == 303
    stand_of("toss")(gateway).pay()
    assert turn("reset") == 303
    assert "아직 결제가 없습니다" in BROWSER.get(gateway.address).text


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_script_and_takes_no_foreign_form(gateway, path):
    answer = BROWSER.get(gateway.address + path)
    assert answer.status_code == 200 and "<script" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    for form in ("/tools/reset", "/tools/clock"):
        assert BROWSER.post(gateway.address + form, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_its_letters_are_the_apps(gateway):
    style = BROWSER.get(f"{gateway.address}/font/slices.css")
    name = re.search(r"woff2/[^\"]+", style.text)[0]
    assert BROWSER.get(f"{gateway.address}/font/{name}").headers["content-type"] == "font/woff2"
    assert BROWSER.get(f"{gateway.address}/font/../../../app.py").status_code == 404
    assert BROWSER.get(f"{gateway.address}/font/%2e%2e/%2e%2e/%2e%2e/config.py").status_code == 404
