"""The sandbox's PortOne as a buyer, a shop's server and an operator meet it: window, SDK, notices, books that survive."""
import json
import signal
import time
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from eventapp.payments import portone
from eventapp.payments.provider import (
    AWAITING_DEPOSIT,
    BANK_TRANSFER,
    CARD,
    MOBILE,
    PAID,
    REFUND_PENDING,
    VIRTUAL_ACCOUNT,
    BadSignature,
    CashReceiptRequest,
    GatewayRef,
)
from eventapp.sandbox.portone_books import DEMO_SECRET
from tests.gateway import BROWSER, running
from tests.payments.stands import attempt
from tests.payments.stands.portone import Portone
from tests.sandbox.test_sandbox_survives import process
from tests.sandbox.test_sandbox_window import chromium, shop, tab  # noqa: F401


class Automatic(Portone):
    approval = "automatic"


@pytest.fixture
def stand(gateway):
    return Automatic(gateway)


@pytest.fixture
def told(stand, inbox):
    """The inbox, as the console's address."""
    stand.told_at(inbox.url)
    yield inbox
    stand.told_at("")


def types(inbox, count):
    return [body["type"].removeprefix("Transaction.") for body in inbox.wait(count)]


# -- the window -------------------------------------------------------------------------------------
@pytest.mark.parametrize("changes, code", [
    ({"storeId": "store-unknown0001"}, "STORE_NOT_FOUND"), ({"channelKey": "channel-key-demo0000000002"}, "CHANNEL_NOT_FOUND"),
    ({"paymentId": "short"}, "INVALID_PAYMENT_ID"), ({"orderName": ""}, "INVALID_ORDER_NAME"), ({"totalAmount": 0}, "INVALID_AMOUNT"),
    ({"totalAmount": "50000"}, "INVALID_AMOUNT"), ({"taxFreeAmount": 50001}, "INVALID_AMOUNT"), ({"currency": "USD"}, "INVALID_CURRENCY"),
    ({"payMethod": "GOLD"}, "INVALID_PAY_METHOD"), ({"redirectUrl": "javascript:alert(1)"}, "INVALID_REDIRECT_URL"),
    ({"payMethod": "VIRTUAL_ACCOUNT", "virtualAccount": {"accountExpiry": {"validHours": 0}}}, "INVALID_ACCOUNT_EXPIRY"),
    ({"payMethod": "VIRTUAL_ACCOUNT", "virtualAccount": {"accountExpiry": {"dueDate": "yesterday"}}}, "INVALID_ACCOUNT_EXPIRY")])
def test_a_window_with_wrong_parameters_does_not_open(stand, changes, code):
    assert f'data-code="{code}"' in stand.window(stand.intent(), **changes)
    assert stand.books()["payments"] == []


def test_the_older_currency_is_understood(stand):
    assert stand.window(stand.intent(), currency="CURRENCY_KRW").startswith("http")


def test_the_window_says_that_it_is_none_and_offers_its_buttons(stand):
    page = BROWSER.get(stand.window(stand.intent())).text
    assert "SANDBOX: 실제 결제 아님" in page and "₩50,000" in page
    assert all(f'data-testid="sandbox-{button}"' in page for button in ("approve", "decline", "close", "timeout"))
    assert 'data-testid="sandbox-deposit"' not in page
    window = stand.window(stand.intent(method=VIRTUAL_ACCOUNT))
    assert 'data-testid="sandbox-deposit"' in BROWSER.get(window).text
    stand.gateway.press(window, "approve")
    assert BROWSER.post(f"{window}/deposit").status_code == 303
    assert "더 할 일이 없습니다" in BROWSER.get(window).text


def test_what_people_typed_is_text(stand):
    page = BROWSER.get(stand.window(stand.intent(), orderName="<script>alert(1)</script>")).text
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page


def test_a_button_works_once_and_the_shops_own_parameters_stay(stand):
    intent = stand.intent()
    window = stand.window(intent)
    query = stand.gateway.press(window, "approve")
    assert list(query) == ["ref", "paymentId", "txId", "transactionType"] and query["paymentId"] == intent.order_ref
    assert BROWSER.post(f"{window}/approve").status_code == 409
    assert BROWSER.get(f"{stand.gateway.address}/portone/window/order/{intent.order_ref}", follow_redirects=True).url.path in window


@pytest.mark.parametrize("path", ["window/nothing", "window/order/nothing", "receipt/nothing", "cash-receipt/nothing"])
def test_a_window_of_nothing(stand, path):
    assert BROWSER.get(f"{stand.gateway.address}/portone/{path}").status_code == 404


@pytest.mark.parametrize("approval", ["automatic", "manual"])
def test_autopay_approves_at_once(gateway, approval):
    stand = type("Either", (Portone,), {"approval": approval})(gateway)
    gateway.control("autopay", on=True)
    try:
        location = stand.window(intent := stand.intent())
    finally:
        gateway.control("autopay", on=False)
    assert "/success?ref=abc&paymentId=" in location and ("paymentToken=" in location) == (approval == "manual")
    assert stand.fetch_ref(intent).status == (PAID if approval == "automatic" else "pending")


@pytest.mark.parametrize("button, status", [("approve", "paid"), ("decline", "failed"), ("close", "pending"), ("timeout", "authorized")])
def test_a_buyer_without_a_browser(stand, button, status):
    intent = stand.intent()
    location = stand.control("pay", request=portone.create_checkout(stand.account, intent).params["request"], button=button)["location"]
    assert (("code=" in location), stand.fetch_ref(intent).status) == (button in ("decline", "close"), status)


@pytest.mark.parametrize("what, body, status", [
    ("nothing", {}, 404), ("pay", {}, 400), ("deposit", {"order_id": "nothing"}, 409), ("refund", {"order_id": "x", "result": "MAYBE"}, 400),
    ("accounts", {"store_id": "store-live000001", "secrets": ["live_secret_0001"]}, 400),
    ("accounts", {"store_id": "store-other00001", "secrets": ["secret-0001"], "channels": {"channel-key-1": "LIVE"}}, 400),
    ("webhooks", {"store_id": "store-demo0000000001", "url": "https://shop.example/hook"}, 400)])
def test_what_the_switches_refuse(stand, what, body, status):
    assert BROWSER.post(f"{stand.gateway.address}/control/portone/{what}", json=body).status_code == status


# -- the SDK ----------------------------------------------------------------------------------------
def params_of(stand, **more):
    return json.loads(json.dumps(portone.create_checkout(stand.account, stand.intent(**more)).params))


def shop_for(gateway, params):
    """The page of the Toss tests with PortOne's call in it."""
    return shop(gateway, params, sdk="/portone/v2/browser-sdk.js", call="PortOne.requestPayment(p.request)")


@pytest.mark.parametrize("method", [CARD, BANK_TRANSFER, VIRTUAL_ACCOUNT, MOBILE])
def test_from_the_payment_page_through_the_window_and_back(stand, tab, method):  # noqa: F811
    params = params_of(stand, method=method)
    with shop_for(stand.gateway, params) as home:
        params["request"]["redirectUrl"] = f"{home}/success?ref=abc"
        tab.goto(f"{home}/pay")
        tab.click("#pay")
        tab.click('[data-testid="sandbox-approve"]')
        tab.wait_for_url(f"{home}/success**")
        query = dict(part.split("=") for part in tab.url.split("?")[1].split("&"))
    hint = portone.parse_return(stand.account, query)
    found = portone.fetch(stand.account, GatewayRef(hint.order_ref))
    assert (found.status, found.gateway_key) == (AWAITING_DEPOSIT if method == VIRTUAL_ACCOUNT else PAID, hint.gateway_key)
    assert tab.complaints == []


@pytest.mark.parametrize("changes", [{"storeId": "x"}, {"channelKey": "x"}, {"paymentId": "x"}, {"totalAmount": 1.5}, {"currency": "EUR"},
                                     {"payMethod": "GOLD"}, {"redirectUrl": "/x"}, {"noticeUrls": ["x"]}, {"forceRedirect": False}])
def test_the_sdk_refuses_bad_parameters(stand, tab, changes):  # noqa: F811
    params = params_of(stand)
    params["request"] |= changes
    with shop_for(stand.gateway, params) as home:
        tab.goto(f"{home}/pay")
        tab.click("#pay")
        tab.wait_for_function("document.title === 'INVALID_REQUEST'", timeout=3000)


# -- notices ----------------------------------------------------------------------------------------
def test_every_notice_is_signed_as_the_standard_says(stand, told):
    paid = stand.pay()
    [ready, told_paid] = told.wait(2)
    assert told_paid["data"] == {"storeId": "store-demo0000000001", "paymentId": paid.order_ref, "transactionId": paid.gateway_key}
    for headers, raw in told.notices:
        Webhook(DEMO_SECRET).verify(raw, headers)
        assert portone.parse_webhook(stand.account, headers, raw, datetime.now(UTC)).delivery_id == headers["webhook-id"]
        with pytest.raises(WebhookVerificationError):
            Webhook("whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldC0wMDAx").verify(raw, headers)


def test_each_change_is_told(stand, told):
    stand.visit(intent := stand.intent(), "decline")
    waiting = stand.pay(70000, VIRTUAL_ACCOUNT)
    stand.deposit(waiting)
    stand.cancel(stand.fetch(waiting), 20000)
    stand.control("refund", order_id=waiting.order_ref, result="SUCCEEDED")
    closed = stand.pay(70000, VIRTUAL_ACCOUNT)
    stand.cancel(closed)
    contested = stand.pay()
    stand.contest(contested, "lost")
    told.wait(14)
    said = {}
    for body in told.wait(14):
        said.setdefault(body["data"]["paymentId"], []).append(body["type"].removeprefix("Transaction."))
    assert {order: sorted(kinds) for order, kinds in said.items()} == {
        intent.order_ref: ["Failed", "Ready"],
        waiting.order_ref: ["CancelPending", "Paid", "PartialCancelled", "Ready", "VirtualAccountIssued"],
        closed.order_ref: ["Cancelled", "Ready", "VirtualAccountIssued"],
        contested.order_ref: ["Cancelled", "DisputeCreated", "DisputeResolved", "Paid", "Ready"]}
    assert {body["type"] for body in told.wait(14) if "cancellationId" in body["data"]} == {
        "Transaction.CancelPending", "Transaction.PartialCancelled", "Transaction.Cancelled"}


def test_a_refund_that_fails_is_told_by_nobody(stand, told):
    waiting = stand.pay(70000, VIRTUAL_ACCOUNT)
    stand.deposit(waiting)
    assert stand.cancel(stand.fetch(waiting)).status == REFUND_PENDING
    told.wait(4)
    stand.control("refund", order_id=waiting.order_ref, result="FAILED")
    time.sleep(0.3)
    assert len(told.notices) == 4


def test_a_payments_own_address_takes_the_place_of_the_consoles(stand, told):
    stand.pay(notice_url="http://127.0.0.1:9/elsewhere")
    time.sleep(0.3)
    assert told.notices == []
    stand.pay(notice_url=told.url + "/own")
    assert types(told, 2) == ["Ready", "Paid"]


def test_no_notice_leaves_this_machine(stand, told):
    stand.pay(notice_url="https://shop.example/hook")  # not taken, so the console's address counts
    assert types(told, 2)[-1] == "Paid"


def test_an_answer_other_than_2xx_brings_it_again_signed_anew(stand, told):
    told.answers = [500, 500]
    stand.pay()
    told.wait(4)
    ids = [headers["webhook-id"] for headers, _ in told.notices]
    assert len(set(ids)) == 2
    for headers, raw in told.notices:
        Webhook(DEMO_SECRET).verify(raw, headers)
    time.sleep(0.2)
    assert len(told.notices) == 4


def test_after_five_more_tries_it_is_over():
    with running(retry_scale=0.000001) as gateway:
        stand = Automatic(gateway)
        stand.told_at("http://127.0.0.1:9/")
        stand.window(stand.intent())
        until = time.monotonic() + 8
        while time.monotonic() < until and not (seen := BROWSER.get(f"{gateway.address}/control/deliveries").json())["done"]:
            time.sleep(0.05)
        assert [(one["tries"], one["status"]) for one in seen["done"]] == [(6, "ConnectError")]


def test_twice_and_in_the_wrong_order(stand, told):
    stand.gateway.control("switches", duplicate=1, reorder=True)
    stand.pay()
    assert types(told, 4) == ["Paid", "Paid", "Ready", "Ready"]
    assert len({headers["webhook-id"] for headers, _ in told.notices}) == 2


def test_late_or_lost(stand, told):
    stand.gateway.control("switches", drop=1, delay=0.3)
    paid = stand.pay()
    assert told.notices == []
    assert types(told, 1) == ["Paid"] and stand.fetch(paid).status == PAID


def test_while_a_secret_is_changed_there_are_two_signatures(stand, told):
    other = "whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldC0wMDAx"
    stand.control("accounts", store_id="store-demo0000000001", secrets=["portone_test_demo0000000001"], webhook_secrets=[other, DEMO_SECRET])
    try:
        stand.pay()
        told.wait(2)
        for headers, raw in told.notices:
            assert headers["webhook-signature"].count("v1,") == 2
            for secret in (other, DEMO_SECRET):
                Webhook(secret).verify(raw, headers)
    finally:
        stand.control("accounts", store_id="store-demo0000000001", secrets=["portone_test_demo0000000001"], webhook_secrets=[DEMO_SECRET])


@pytest.mark.parametrize("forged, code", [
    ({"secret": "whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldC0wMDAx"}, "bad_signature"), ({"secret": ""}, "no_signature"),
    ({"old": 301}, "old_timestamp"), ({"old": -310}, "old_timestamp")])
def test_a_forged_or_an_old_notice(stand, told, forged, code):
    waiting = stand.pay(70000, VIRTUAL_ACCOUNT)
    told.wait(2)
    stand.control("forge", order_id=waiting.order_ref, **forged)
    told.wait(3)
    headers, raw = told.notices[2]
    assert json.loads(raw)["type"] == "Transaction.Paid"
    with pytest.raises(BadSignature) as bad:
        portone.parse_webhook(stand.account, headers, raw, datetime.now(UTC))
    assert bad.value.code == code and stand.fetch(waiting).captured == 0


def test_a_notice_that_is_right_and_lies_all_the_same(stand, told):
    waiting = stand.pay(70000, VIRTUAL_ACCOUNT)
    told.wait(2)
    stand.control("forge", order_id=waiting.order_ref)
    stand.control("forge", store_id="store-demo0000000001", body={"type": "Transaction.Paid", "data": {"paymentId": "ev_nobodys_order"}})
    told.wait(4)
    hints = [portone.parse_webhook(stand.account, headers, raw, datetime.now(UTC)) for headers, raw in told.notices]
    assert {hint.order_ref for hint in hints[2:]} == {waiting.order_ref, "ev_nobodys_order"}
    assert stand.fetch(waiting).status == AWAITING_DEPOSIT


def test_a_cash_receipts_address_shows_it(stand):
    request = CashReceiptRequest("ev_by_hand_0001", "등록", 30000, "expense", "123-45-67890")
    issued = portone.issue_cash_receipt(stand.account, request, attempt("receipt"))
    page = BROWSER.get(issued.url).text
    assert issued.issue_number in page and "지출증빙" in page and "₩30,000" in page and "취소" not in page
    portone.cancel_cash_receipt(stand.account, issued.key, "ev_by_hand_0001", None, attempt("receipt"))
    assert "취소" in BROWSER.get(issued.url).text


# -- books that survive -----------------------------------------------------------------------------
def test_the_books_survive_a_kill(tmp_path, inbox):
    with process(tmp_path) as (gateway, child):
        manual, automatic = Portone(gateway), Automatic(gateway)
        manual.told_at(inbox.url)
        manual.control("accounts", store_id="store-another0001", secrets=["another-secret-0001"], channels={"channel-key-another0001": "manual"})
        intent, key, refund = manual.intent(), attempt("confirm"), attempt("cancel")
        hint = manual.visit(intent, "approve")
        paid = manual.finish(intent, hint, key)
        manual.cancel(paid, 10000, refund)
        waiting, opened, undone = automatic.pay(70000, VIRTUAL_ACCOUNT), automatic.intent(), manual.intent()
        automatic.open(opened)
        given = portone.issue_cash_receipt(automatic.account, CashReceiptRequest("ev_by_hand_0001", "등록", 1000, "deduction", "01012345678"),
                                           attempt("receipt"))
        still = manual.visit(undone, "approve")
        before = automatic.books()
        inbox.wait(6)
        child.send_signal(signal.SIGKILL)
        child.wait()
    with process(tmp_path) as (gateway, _):
        manual, automatic = Portone(gateway), Automatic(gateway)
        assert [{**one, "receiptUrl": ""} for one in automatic.books()["payments"]] == [{**one, "receiptUrl": ""} for one in before["payments"]]
        assert manual.finish(intent, hint, key).balance == 40000 == manual.cancel(paid, 10000, refund).balance
        assert "PRE_REGISTERED" in automatic.window(opened, totalAmount=1)
        assert manual.finish(undone, still).status == PAID
        automatic.deposit(waiting)
        assert automatic.fetch(waiting).status == PAID
        assert portone.fetch_cash_receipt(automatic.account, given.key, "ev_by_hand_0001").status == "issued"
        other = manual.account_of("another0001", secret_keys=("another-secret-0001",))
        assert portone.check_credentials(other).ok
        inbox.wait(8)


def test_a_reset_forgets_payments_and_keeps_stores(stand, told):
    paid = stand.pay()
    stand.gateway.control("reset")
    assert stand.fetch(paid) is None and stand.books() == {"payments": [], "balances": {}}
    stand.pay()
    assert "Paid" in types(told, 2)


def test_the_platforms_own_store_comes_from_the_environment(tmp_path):
    own = "whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldC0wMDAx"
    with process(tmp_path, PORTONE_STORE_ID="store-platform0001", PORTONE_CHANNEL_KEY="channel-key-platform0001",
                 PORTONE_API_SECRET="platform-secret-0001", PORTONE_WEBHOOK_SECRET=own) as (gateway, _):
        stand = Automatic(gateway)
        stand.account = stand.account_of("platform0001", secret_keys=("platform-secret-0001",))
        assert portone.check_credentials(stand.account).ok and stand.pay().status == PAID


@pytest.mark.parametrize("authorization, status", [
    ("PortOne portone_test_demo0000000001", 404), ("PortOne portone_test_demo0000000001x", 404), ("Bearer portone_test_demo0000000001", 401),
    ("PortOne live_secret", 401), ("", 401), ("PortOne channel-key-demo0000000001", 401)])
def test_who_may_ask(stand, authorization, status):
    answer = BROWSER.get(f"{stand.gateway.address}/portone/payments/ev_never_opened", headers={"Authorization": authorization})
    assert (answer.status_code, "type" in answer.json()) == (status, True)


def test_parameters_of_a_question_may_be_json(stand):
    paid = stand.pay()
    for store, status in (("store-demo0000000001", 200), ("store-demo0000000002", 403)):
        answer = BROWSER.get(f"{stand.account.api_url}/payments/{paid.order_ref}", params={"requestBody": json.dumps({"storeId": store})},
                             headers={"Authorization": "PortOne portone_test_demo0000000001"})
        assert answer.status_code == status


def test_all_tries_of_one_payment(stand):
    intent = stand.intent()
    stand.visit(intent, "decline")
    paid = stand.finish(intent, stand.visit(intent, "approve"))
    answer = BROWSER.get(f"{stand.account.api_url}/payments/{paid.order_ref}/transactions",
                         headers={"Authorization": "PortOne portone_test_demo0000000001"})
    assert [one["status"] for one in answer.json()["items"]] == ["FAILED", "PAID"]
