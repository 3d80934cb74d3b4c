"""Toss's recurring payments in the sandbox, on the wire: a key, its charges that nobody is told of, its end."""
import json
import time

import pytest

from eventapp.sandbox import magic
from tests.gateway import BROWSER, SHOP, attempt
from tests.sandbox.test_sandbox_rules import SECRET, basic

REQUEST = {"method": "CARD", "successUrl": f"{SHOP}/success?org=1", "failUrl": f"{SHOP}/fail"}
CARD = {"customerKey": "customer-1", "cardNumber": magic.GOOD_CARD, "cardExpirationYear": "30", "cardExpirationMonth": "12",
        "customerIdentityNumber": "900101", "cardPassword": "12"}


def call(gateway, method, path, body=None, secret=SECRET, **headers):
    return BROWSER.request(method, f"{gateway.address}/toss/v1/billing/{path}", json=body, headers=basic(f"{secret}:") | headers)


def registered(gateway, **more):
    return gateway.control("register", client_key=gateway.account.client_key, customer_key="customer-1", request=REQUEST,
                           **more)


@pytest.fixture
def key(gateway):
    body = {"authKey": registered(gateway)["authKey"], "customerKey": "customer-1"}
    return call(gateway, "POST", "authorizations/issue", body).json()["billingKey"]


def order(amount=10000, **changes):
    return {"customerKey": "customer-1", "amount": amount, "orderId": attempt("sub")[:40], "orderName": "정기 후원"} | changes


def test_the_window_ends_in_a_key_that_works_once(gateway):
    opened = BROWSER.get(f"{gateway.address}/toss/billing-auth", params={
        "clientKey": gateway.account.client_key, "customerKey": "customer-1", "request": json.dumps(REQUEST)})
    window = gateway.address + opened.headers["location"]
    assert "자동결제 등록" in BROWSER.get(window).text
    query = gateway.press(window, "approve")
    assert query["org"] == "1" and query["customerKey"] == "customer-1"
    body = {"authKey": query["authKey"], "customerKey": "customer-1"}
    other = call(gateway, "POST", "authorizations/issue", body | {"customerKey": "customer-2"})
    assert (other.status_code, other.json()["code"]) == (400, "NOT_MATCHES_CUSTOMER_KEY")
    stranger = call(gateway, "POST", "authorizations/issue", body, secret="test_sk_demo0000000002")
    assert stranger.json()["code"] == "INVALID_BILLING_AUTH"
    issued = call(gateway, "POST", "authorizations/issue", body, **{"Idempotency-Key": "issue-once-00000001"}).json()
    assert (issued["method"], issued["customerKey"], issued["card"]["number"]) == ("카드", "customer-1", "94100012****789*")
    again = call(gateway, "POST", "authorizations/issue", body, **{"Idempotency-Key": "issue-once-00000001"}).json()
    assert again == issued
    assert call(gateway, "POST", "authorizations/issue", body).json()["code"] == "INVALID_BILLING_AUTH"
    assert BROWSER.post(f"{window}/approve").status_code == 409


@pytest.mark.parametrize("button, code", [("decline", "REJECT_CARD_COMPANY"), ("close", "PAY_PROCESS_CANCELED")])
def test_who_does_not_register_comes_back_with_a_code(gateway, button, code):
    opened = BROWSER.get(f"{gateway.address}/toss/billing-auth", params={
        "clientKey": gateway.account.client_key, "customerKey": "customer-1", "request": json.dumps(REQUEST)})
    assert gateway.press(gateway.address + opened.headers["location"], button)["code"] == code


def test_a_charge_is_a_payment_and_nobody_is_told(gateway, hooked, key):
    body = order(11000)
    paid = call(gateway, "POST", key, body, **{"Idempotency-Key": "charge-once-0000001"}).json()
    assert (paid["status"], paid["type"], paid["totalAmount"], paid["vat"]) == ("DONE", "BILLING", 11000, 1000)
    assert call(gateway, "POST", key, body, **{"Idempotency-Key": "charge-once-0000001"}).json() == paid
    assert call(gateway, "POST", key, body).json()["code"] == "DUPLICATED_ORDER_ID"
    time.sleep(0.3)
    assert hooked.notices == []
    assert gateway.books()["balances"] == {gateway.account.client_key: 11000}
    back = BROWSER.post(f"{gateway.address}/toss/v1/payments/{paid['paymentKey']}/cancel", json={"cancelReason": "x"},
                        headers=basic(f"{SECRET}:"))
    assert back.json()["status"] == "CANCELED"


@pytest.mark.parametrize("changes, code", [
    ({"customerKey": "customer-2"}, "NOT_MATCHES_CUSTOMER_KEY"), ({"amount": 99}, "BELOW_MINIMUM_AMOUNT"),
    ({"amount": "10000"}, "INVALID_REQUEST"), ({"orderId": "x"}, "INVALID_ORDER_ID"), ({"orderName": ""}, "INVALID_REQUEST"),
    ({"cardInstallmentPlan": 3}, "INVALID_CARD_INSTALLMENT_PLAN"),
    *(({"amount": amount}, code) for amount, code in magic.CHARGE.items())])
def test_charges_that_are_refused(gateway, key, changes, code):
    assert call(gateway, "POST", key, order(**changes)).json()["code"] == code
    assert gateway.books()["transactions"] == []


@pytest.mark.parametrize("number, code", [(number, code) for number, code in magic.CARDS.items()])
def test_cards_that_are_refused(gateway, number, code):
    assert call(gateway, "POST", "authorizations/card", CARD | {"cardNumber": number}).json()["code"] == code
    body = {"authKey": registered(gateway, number=number)["authKey"], "customerKey": "customer-1"}
    assert call(gateway, "POST", "authorizations/issue", body).json()["code"] == code


def test_a_card_by_its_data(gateway):
    assert call(gateway, "POST", "authorizations/card", CARD).json()["billingKey"]
    for name, code in (("cardNumber", "INVALID_CARD_NUMBER"), ("cardExpirationMonth", "INVALID_CARD_EXPIRATION"),
                       ("customerIdentityNumber", "INVALID_REQUEST")):
        assert call(gateway, "POST", "authorizations/card", CARD | {name: "x"}).json()["code"] == code


def test_deleting_a_key_is_told_and_ends_it(gateway, hooked, key):
    assert call(gateway, "DELETE", key, secret="test_sk_demo0000000002").json()["code"] == "NOT_FOUND_BILLING"
    gone = call(gateway, "DELETE", key)
    assert (gone.status_code, gone.content) == (200, b"")
    [body] = hooked.wait(1)
    assert (body["eventType"], body["data"]) == ("BILLING_DELETED", {"billingKey": key})
    assert call(gateway, "DELETE", key).json()["code"] == "ALREADY_REMOVED_BILLING_KEY"
    assert call(gateway, "POST", key, order()).json()["code"] == "ALREADY_REMOVED_BILLING_KEY"
    assert call(gateway, "POST", "bk_unknown", order()).json()["code"] == "NOT_FOUND_BILLING"


def test_a_key_can_be_deleted_at_the_console(gateway, hooked, key):
    assert BROWSER.get(f"{gateway.address}/stored").text.count("delete-billing-key") == 1
    assert BROWSER.post(f"{gateway.address}/stored/keys/{key}/delete").status_code == 303
    hooked.wait(1)
    assert BROWSER.post(f"{gateway.address}/stored/keys/{key}/delete").status_code == 409
