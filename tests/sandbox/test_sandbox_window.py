"""The buyer's side: the SDK's stub in a real browser under a strict policy, the window's buttons, the dashboard."""
import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from eventapp.payments import toss
from eventapp.payments.provider import (
    AUTHORIZED,
    BANK_TRANSFER,
    PAID,
    PENDING,
    VIRTUAL_ACCOUNT,
    GatewayRef,
    GatewayUnknown,
)
from eventapp.sandbox import window as windows
from tests.gateway import BROWSER, attempt

CHROMIUM = "/usr/bin/chromium"
REQUEST = {"method": "CARD", "amount": {"currency": "KRW", "value": 50000}, "orderId": "ev_123456", "orderName": "등록",
           "successUrl": "http://localhost:5000/success?ref=abc", "failUrl": "http://localhost:5000/fail?ref=abc"}


def opened(gateway, **changes):
    return BROWSER.get(f"{gateway.address}/toss/window", params={
        "clientKey": changes.pop("clientKey", "test_ck_demo0000000001"), "customerKey": "@@ANONYMOUS",
        "request": json.dumps(REQUEST | changes)})


@pytest.mark.parametrize("changes, code", [
    ({"clientKey": "test_ck_unknown0001"}, "INVALID_CLIENT_KEY"),
    ({"clientKey": "test_sk_demo0000000001"}, "INVALID_CLIENT_KEY"),
    ({"method": "GOLD"}, "NOT_SUPPORTED_METHOD"),
    ({"amount": {"currency": "USD", "value": 1}}, "INVALID_AMOUNT_CURRENCY"),
    ({"amount": {"currency": "KRW", "value": 0}}, "INVALID_AMOUNT_VALUE"),
    ({"amount": {"currency": "KRW", "value": "50000"}}, "INVALID_AMOUNT_VALUE"),
    ({"amount": {"currency": "KRW", "value": 99}}, "BELOW_MINIMUM_AMOUNT"), ({"orderId": "short"}, "INVALID_ORDER_ID"),
    ({"method": "TRANSFER", "amount": {"currency": "KRW", "value": 10_000_001}}, "EXCEEDS_TRANSFER_AMOUNT_MAXIMUM"),
    ({"orderName": ""}, "INVALID_ORDER_NAME"), ({"successUrl": "/success"}, "INCORRECT_SUCCESS_URL_FORMAT"),
    ({"failUrl": "javascript:alert(1)"}, "INCORRECT_FAIL_URL_FORMAT"),
    ({"method": "VIRTUAL_ACCOUNT", "virtualAccount": {"validHours": 2161}}, "EXCEED_MAX_VALID_HOURS")])
def test_a_window_with_wrong_parameters_does_not_open(gateway, changes, code):
    answer = opened(gateway, **changes)
    assert (answer.status_code, f'data-code="{code}"' in answer.text) == (400, True)
    assert gateway.books()["payments"] == []


def test_the_window_says_that_it_is_none_and_offers_its_buttons(gateway):
    page = BROWSER.get(gateway.open_window(gateway.intent())).text
    assert "SANDBOX: 실제 결제 아님" in page and "₩50,000" in page
    for button in ("approve", "decline", "close", "timeout"):
        assert f'data-testid="sandbox-{button}"' in page
    assert 'data-testid="sandbox-deposit"' not in page
    waiting = gateway.open_window(gateway.intent(method=VIRTUAL_ACCOUNT))
    assert 'data-testid="sandbox-deposit"' in BROWSER.get(waiting).text


def test_what_people_typed_is_text(gateway):
    window = opened(gateway, orderName="<script>alert(1)</script>").headers["location"]
    for page in (f"{gateway.address}{window}", gateway.address):
        text = BROWSER.get(page).text
        assert "<script>alert" not in text and "&lt;script&gt;alert" in text


def test_the_shops_own_parameters_stay(gateway):
    query = gateway.press(gateway.open_window(gateway.intent()), "approve")
    assert list(query) == ["ref", "paymentKey", "orderId", "amount"] and query["ref"] == "abc"


def test_declining_and_closing_change_nothing(gateway):
    intent = gateway.intent()
    window = gateway.open_window(intent)
    declined = toss.parse_return(gateway.account, gateway.press(window, "decline"))
    assert (declined.failure_code, declined.order_ref) == ("REJECT_CARD_COMPANY", intent.order_ref)
    closed = toss.parse_return(gateway.account, gateway.press(window, "close"))
    assert (closed.failure_code, closed.order_ref) == ("PAY_PROCESS_CANCELED", "")
    found = toss.fetch(gateway.account, GatewayRef(intent.order_ref))
    assert (found.status, found.failure.code) == (PENDING, "REJECT_CARD_COMPANY")


def test_the_slow_button_loses_the_answer_of_the_confirm(gateway, monkeypatch):
    monkeypatch.setattr(windows, "SLOW", "timeout_after_commit:0.05")
    intent = gateway.intent()
    hint = toss.parse_return(gateway.account, gateway.press(gateway.open_window(intent), "timeout"))
    key = attempt()
    with pytest.raises(GatewayUnknown):
        toss.confirm(gateway.account, intent, hint, key)
    assert toss.confirm(gateway.account, intent, hint, key).status == PAID


def test_a_button_works_once(gateway):
    window = gateway.open_window(gateway.intent())
    gateway.press(window, "approve")
    assert BROWSER.post(f"{window}/approve").status_code == 409


def test_an_account_can_be_paid_into_with_the_approval_or_later(gateway):
    intent = gateway.intent(method=VIRTUAL_ACCOUNT)
    hint = toss.parse_return(gateway.account, gateway.press(gateway.open_window(intent), "deposit"))
    assert toss.confirm(gateway.account, intent, hint, attempt()).status == PAID

    waiting = gateway.issue()
    page = BROWSER.get(f"{gateway.address}/toss/window/order/{waiting.order_ref}", follow_redirects=True)
    assert waiting.virtual_account.number in page.text
    assert BROWSER.post(f"{page.url}/deposit").status_code == 303
    assert gateway.fetch(waiting).status == PAID


def test_an_order_that_is_paid_opens_no_second_window(gateway):
    paid = gateway.pay()
    assert 'data-code="DUPLICATED_ORDER_ID"' in opened(gateway, orderId=paid.order_ref).text


def test_autopay_approves_at_once(gateway):
    gateway.control("autopay", on=True)
    try:
        answer = opened(gateway)
    finally:
        gateway.control("autopay", on=False)
    assert answer.headers["location"].startswith("http://localhost:5000/success?ref=abc&paymentKey=tsandbox")


def test_a_buyer_without_a_browser(gateway):
    location = gateway.control("pay", client_key=gateway.account.client_key, request=REQUEST)["location"]
    assert location.startswith("http://localhost:5000/success?ref=abc&paymentKey=")
    assert toss.fetch(gateway.account, GatewayRef("ev_123456")).status == AUTHORIZED


# -- the dashboard ----------------------------------------------------------------------------------
def test_the_dashboard_lists_finds_and_cancels(gateway):
    paid, other = gateway.pay(50000), gateway.pay(70000)
    page = BROWSER.get(gateway.address).text
    assert paid.order_ref in page and other.order_ref in page
    found = BROWSER.get(gateway.address, params={"q": paid.order_ref.upper()}).text
    assert paid.order_ref in found and other.order_ref not in found
    for payment, form in ((paid, {"amount": "20000"}), (other, {})):
        answer = BROWSER.post(f"{gateway.address}/payments/toss/{payment.gateway_key}/cancel", data=form)
        assert answer.status_code == 303
    assert (gateway.fetch(paid).balance, gateway.fetch(other).balance) == (30000, 0)
    again = BROWSER.post(f"{gateway.address}/payments/toss/{other.gateway_key}/cancel")
    assert (again.status_code, "ALREADY_CANCELED_PAYMENT" in again.text) == (409, True)


def test_the_dashboard_is_the_bank_too(gateway):
    waiting = gateway.issue()
    for action, raw in (("deposit", "DONE"), ("reverse", "WAITING_FOR_DEPOSIT"), ("expire", "WAITING_FOR_DEPOSIT")):
        assert BROWSER.post(f"{gateway.address}/payments/toss/{waiting.gateway_key}/{action}").status_code == 303
        assert gateway.fetch(waiting).raw_status == raw
    assert gateway.fetch(waiting).virtual_account.expired


# -- in a browser -----------------------------------------------------------------------------------
OPEN_TOSS = "TossPayments(p.clientKey).payment({customerKey: p.customerKey}).requestPayment(p.request)"


@contextmanager
def shop(gateway, params, *, sdk="/toss/v2/standard", call=OPEN_TOSS):
    """A payment page with our content-security policy, and the pages one comes back to."""
    origin = gateway.address.replace("127.0.0.1", "localhost")
    script = f"""
        const p = JSON.parse(document.getElementById("payment-params").textContent);
        document.getElementById("pay").onclick = async () => {{
          try {{ await {call}; }} catch (error) {{ document.title = error.code; }}
        }};"""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/pay.js":
                body, kind = script, "text/javascript"
            elif self.path == "/pay":
                body, kind = (f'<!doctype html><title>pay</title><link rel="icon" href="data:,">'
                              f'<script type="application/json" id="payment-params">{json.dumps(params)}</script>'
                              f'<button id="pay">pay</button><script src="{origin}{sdk}"></script>'
                              f'<script src="/pay.js"></script>'), "text/html"
            else:
                body, kind = '<!doctype html><title>back</title><link rel="icon" href="data:,">', "text/html"
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-security-policy", f"default-src 'self'; script-src 'self' {origin}; "
                             f"img-src data:; object-src 'none'; base-uri 'none'; form-action 'self'")
            self.send_header("cross-origin-opener-policy", "same-origin-allow-popups")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    home = f"http://127.0.0.1:{server.server_port}"
    params["request"] |= {"successUrl": f"{home}/success?ref=abc", "failUrl": f"{home}/fail?ref=abc"}
    try:
        yield home
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def chromium():
    if not Path(CHROMIUM).exists():
        pytest.skip("no chromium here")
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[
            "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium):
    page = chromium.new_page()
    page.complaints = []
    page.on("console", lambda message: message.type == "error" and page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    page.close()


@pytest.mark.parametrize("method", ["card", BANK_TRANSFER, VIRTUAL_ACCOUNT])
def test_from_the_payment_page_through_the_window_and_back(gateway, tab, method):
    intent = gateway.intent(method=method)
    params = json.loads(json.dumps(toss.create_checkout(gateway.account, intent).params))
    with shop(gateway, params) as home:
        tab.goto(f"{home}/pay")
        tab.click("#pay")
        tab.wait_for_selector('[data-testid="sandbox-approve"]')
        tab.click('[data-testid="sandbox-approve"]')
        tab.wait_for_url(f"{home}/success**")
        query = dict(part.split("=") for part in tab.url.split("?")[1].split("&"))
    hint = toss.parse_return(gateway.account, query)
    assert (hint.order_ref, hint.claimed_amount) == (intent.order_ref, 50000)
    assert tab.complaints == []


@pytest.mark.parametrize("changes, code", [
    ({"orderId": "x"}, "INVALID_ORDER_ID"), ({"amount": {"currency": "KRW", "value": 0}}, "BELOW_ZERO_AMOUNT"),
    ({"amount": {"currency": "EUR", "value": 1}}, "INVALID_AMOUNT_CURRENCY"),
    ({"method": "GOLD"}, "INVALID_PARAMETERS"),
    ({"customerMobilePhone": "010-1234"}, "INVALID_PARAMETERS"), ({"orderName": "x" * 101}, "INVALID_ORDER_NAME"),
    ({"metadata": {str(n): "x" for n in range(6)}}, "INVALID_METADATA")])
def test_the_sdk_refuses_bad_parameters(gateway, tab, changes, code):
    params = json.loads(json.dumps(toss.create_checkout(gateway.account, gateway.intent()).params))
    params["request"] |= changes
    with shop(gateway, params) as home:
        tab.goto(f"{home}/pay")
        tab.click("#pay")
        tab.wait_for_function(f"document.title === '{code}'", timeout=3000)


@pytest.mark.parametrize("changes, code", [({"clientKey": "test_sk_demo0000000001"}, "INSECURE_KEY_USAGE"),
                                           ({"clientKey": "nonsense"}, "INVALID_CLIENT_KEY"),
                                           ({"customerKey": "a b"}, "INVALID_CUSTOMER_KEY"),
                                           ({"clientKey": "test_gck_demo00000001"}, "NOT_SUPPORTED_WIDGET_KEY")])
def test_the_sdk_refuses_bad_keys(gateway, tab, changes, code):
    params = json.loads(json.dumps(toss.create_checkout(gateway.account, gateway.intent()).params))
    values = {"clientKey": "test_ck_demo0000000001", "customerKey": "@@ANONYMOUS"} | changes
    with shop(gateway, params) as home:
        tab.goto(f"{home}/pay")
        assert tab.evaluate("""(p) => { try { TossPayments(p.clientKey).payment({customerKey: p.customerKey}); }
                                        catch (error) { return error.code; } }""", values) == code


WIDGET = """async (p) => {
  document.body.insertAdjacentHTML("beforeend", '<div id="methods"></div><div id="agreement"></div><button id="go">go</button>');
  const w = TossPayments(p.clientKey).widgets({customerKey: TossPayments.ANONYMOUS});
  await w.setAmount(p.request.amount);
  await w.renderPaymentMethods({selector: "#methods", variantKey: "DEFAULT"});
  await w.renderAgreement({selector: "#agreement", variantKey: "AGREEMENT"});
  const {method, amount, card, ...rest} = p.request;
  window.failed = "";
  document.getElementById("go").onclick = () => w.requestPayment(rest).catch((error) => { window.failed = error.code; });
}"""


def test_the_widget_lets_the_buyer_choose_on_the_shops_own_page(gateway, tab):
    """With keys of the widget's family."""
    account = replace(gateway.account, client_key="test_gck_demo0000000001", secret_keys=("test_gsk_demo0000000001",))
    intent = gateway.intent()
    params = json.loads(json.dumps(toss.create_checkout(account, intent).params))
    with shop(gateway, params) as home:
        tab.goto(f"{home}/pay")
        tab.evaluate(WIDGET, params)
        tab.uncheck("#agreement input")
        tab.click("#go")
        tab.wait_for_function("window.failed === 'NEED_AGREEMENT_WITH_REQUIRED_TERMS'")
        tab.check("#agreement input")
        tab.check('[data-testid="sandbox-method-TRANSFER"]')
        tab.click("#go")
        tab.wait_for_selector('[data-testid="sandbox-approve"]')
        assert "계좌이체" in tab.content()
        tab.click('[data-testid="sandbox-approve"]')
        tab.wait_for_url(f"{home}/success**")
        query = dict(part.split("=") for part in tab.url.split("?")[1].split("&"))
    assert query["paymentType"] == "NORMAL"
    paid = toss.confirm(account, intent, toss.parse_return(account, query), attempt())
    assert (paid.status, paid.method) == (PAID, BANK_TRANSFER)
    assert tab.complaints == []


def test_the_widget_refuses_what_the_real_one_refuses(gateway, tab):
    with shop(gateway, json.loads(json.dumps(toss.create_checkout(gateway.account, gateway.intent()).params))) as home:
        tab.goto(f"{home}/pay")
        code = """async ([key, call]) => { try {
          const w = TossPayments(key).widgets({customerKey: TossPayments.ANONYMOUS}); await w[call]({selector: "body"});
        } catch (error) { return error.code; } }"""
        assert tab.evaluate(code, ["test_ck_demo0000000001", "setAmount"]) == "NOT_SUPPORTED_API_INDIVIDUAL_KEY"
        assert tab.evaluate(code, ["test_gck_demo0000000001", "renderPaymentMethods"]) == "AMOUNT_NOT_SET"
        assert tab.evaluate(code, ["test_gck_demo0000000001", "setAmount"]) == "INVALID_AMOUNT_CURRENCY"
        assert tab.evaluate(code, ["test_gck_demo0000000001", "requestPayment"]) == "NOT_SELECTED_PAYMENT_METHOD"


def test_the_whole_window_of_the_widget_says_what_the_buyer_does(gateway, tab):
    params = json.loads(json.dumps(toss.create_checkout(gateway.account, gateway.intent()).params))
    with shop(gateway, params) as home:
        tab.goto(f"{home}/pay")
        tab.evaluate("""async (p) => {
          const w = TossPayments("test_gck_demo0000000001").widgets({customerKey: TossPayments.ANONYMOUS});
          await w.setAmount(p.request.amount);
          const shown = await w.renderPaymentWindow({selector: "body", variantKey: {paymentMethod: "DEFAULT", agreement: "AGREEMENT"}});
          window.heard = [];
          shown.on("paymentRequest", ({method}) => heard.push(method));
          shown.on("cancel", () => heard.push("cancel"));
        }""", params)
        tab.check('[data-testid="sandbox-method-CARD"]')
        tab.click("text=결제하기")
        tab.click("text=닫기")
        assert tab.evaluate("window.heard") == ["CARD", "cancel"]


def test_a_card_is_registered_for_recurring_payments(gateway, tab):
    params = json.loads(json.dumps(toss.create_checkout(gateway.account, gateway.intent()).params))
    with shop(gateway, params) as home:
        tab.goto(f"{home}/pay")
        code = """([key, request]) => TossPayments("test_ck_demo0000000001").payment({customerKey: key})
                    .requestBillingAuth(request).catch((error) => error.code)"""
        assert tab.evaluate(code, ["@@ANONYMOUS", {"method": "CARD"}]) == "INVALID_CUSTOMER_KEY"
        assert tab.evaluate(code, ["customer-1", {"method": "VIRTUAL_ACCOUNT"}]) == "INVALID_PARAMETERS"
        tab.evaluate(f"(p) => void ({code})(p)", ["customer-1", {"method": "CARD", "successUrl": f"{home}/success",
                                                                "failUrl": f"{home}/fail"}])
        tab.wait_for_selector('[data-testid="sandbox-approve"]')
        tab.click('[data-testid="sandbox-approve"]')
        tab.wait_for_url(f"{home}/success?customerKey=customer-1&authKey=bln_**")
    assert tab.complaints == []
