"""Toss's rules on the wire, asked without our client."""
import base64

import pytest

from tests.gateway import BROWSER, attempt

SECRET = "test_sk_demo0000000001"


def basic(text: str) -> dict:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def confirm(gateway, body, secret=SECRET, **headers):
    return BROWSER.post(f"{gateway.address}/toss/v1/payments/confirm", json=body, headers=basic(f"{secret}:") | headers)


def authenticated(gateway, amount=50000):
    intent = gateway.intent(amount)
    hint = gateway.approve(intent)
    return {"paymentKey": hint.gateway_key, "orderId": intent.order_ref, "amount": amount}


@pytest.mark.parametrize("headers, status, code", [
    ({}, 403, "INCORRECT_BASIC_AUTH_FORMAT"), (basic(SECRET), 403, "INCORRECT_BASIC_AUTH_FORMAT"),
    ({"Authorization": f"Bearer {SECRET}"}, 403, "INCORRECT_BASIC_AUTH_FORMAT"),
    ({"Authorization": "Basic ***"}, 403, "INCORRECT_BASIC_AUTH_FORMAT"),
    (basic("test_ck_demo0000000001:"), 400, "INVALID_API_KEY"),
    (basic("live_sk_demo0000000001:"), 401, "UNAUTHORIZED_KEY"),
    (basic("test_sk_unknown0001:"), 401, "UNAUTHORIZED_KEY")])
def test_only_the_secret_key_with_its_colon_opens(gateway, headers, status, code):
    answer = BROWSER.get(f"{gateway.address}/toss/v1/payments/orders/ev_123456", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_answers_carry_a_trace_and_the_key_again(gateway):
    answer = confirm(gateway, authenticated(gateway), **{"Idempotency-Key": "a-key-of-ours-0001"})
    assert answer.headers["idempotency-key"] == "a-key-of-ours-0001"
    assert answer.headers["x-tosspayments-trace-id"]


def test_the_body_is_not_part_of_the_key(gateway):
    first, second, key = authenticated(gateway), authenticated(gateway), {"Idempotency-Key": attempt()}
    answer = confirm(gateway, first, **key)
    assert confirm(gateway, second, **key).json() == answer.json()
    assert len(gateway.books()["transactions"]) == 1


def test_the_api_key_and_the_address_are_part_of_it(gateway):
    body, key = authenticated(gateway), {"Idempotency-Key": attempt()}
    confirm(gateway, body, **key)
    assert confirm(gateway, body, "test_sk_demo0000000002", **key).json()["code"] == "NOT_FOUND_PAYMENT"
    cancel = BROWSER.post(f"{gateway.address}/toss/v1/payments/{body['paymentKey']}/cancel", json={"cancelReason": "x"},
                          headers=basic(f"{SECRET}:") | key)
    assert cancel.json()["status"] == "CANCELED"


def test_refusals_are_remembered_for_fifteen_days(gateway):
    body, key = authenticated(gateway), {"Idempotency-Key": attempt()}
    wrong = confirm(gateway, body | {"amount": 1}, **key)
    assert wrong.json()["code"] == "FORBIDDEN_REQUEST"
    assert confirm(gateway, body, **key).json() == wrong.json()
    gateway.control("clock", advance=14 * 86400)
    assert confirm(gateway, body, **key).json() == wrong.json()
    gateway.control("clock", advance=2 * 86400)
    assert confirm(gateway, body, **key).json()["code"] == "NOT_FOUND_PAYMENT_SESSION"


def test_a_key_of_more_than_300_characters(gateway):
    answer = confirm(gateway, authenticated(gateway), **{"Idempotency-Key": "x" * 301})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_IDEMPOTENCY_KEY")


@pytest.mark.parametrize("code, status", [("REJECT_CARD_PAYMENT", 403), ("PROVIDER_ERROR", 400), ("NO_SUCH_CODE", 400)])
def test_the_header_for_test_codes(gateway, code, status):
    answer = confirm(gateway, authenticated(gateway), **{"TossPayments-Test-Code": code})
    assert (answer.status_code, answer.json()["code"]) == (status,
                                                           code if code != "NO_SUCH_CODE" else "INVALID_TEST_CODE")


@pytest.mark.parametrize("body", [
    b"", b"[]", b"{", {"paymentKey": "k", "orderId": "o"}, {"paymentKey": 1, "orderId": "o", "amount": 1},
    {"paymentKey": "k", "orderId": "o", "amount": "50000"}, {"paymentKey": "k", "orderId": "o", "amount": -1}])
def test_a_request_without_its_parts(gateway, body):
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    answer = BROWSER.post(f"{gateway.address}/toss/v1/payments/confirm", headers=basic(f"{SECRET}:"), **content)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")


def test_what_is_left_is_taxed(gateway):
    body = authenticated(gateway, 11000)
    paid = confirm(gateway, body).json()
    assert (paid["suppliedAmount"], paid["vat"]) == (10000, 1000)
    address = f"{gateway.address}/toss/v1/payments/{body['paymentKey']}/cancel"
    for amount, left, status in ((5500, 5500, "PARTIAL_CANCELED"), (5500, 0, "PARTIAL_CANCELED")):
        part = BROWSER.post(address, json={"cancelReason": "x", "cancelAmount": amount},
                            headers=basic(f"{SECRET}:")).json()
        assert (part["status"], part["balanceAmount"], part["suppliedAmount"] + part["vat"]) == (status, left, left)
    again = BROWSER.post(address, json={"cancelReason": "x"}, headers=basic(f"{SECRET}:"))
    assert (again.status_code, again.json()["code"]) == (403, "NOT_CANCELABLE_AMOUNT")


@pytest.mark.parametrize("changes, code", [
    ({"cancelReason": ""}, "INVALID_REQUEST"), ({"cancelReason": "x" * 201}, "INVALID_REQUEST"),
    ({"cancelAmount": 0}, "INVALID_REQUEST"), ({"cancelAmount": 1.5}, "INVALID_REQUEST"),
    ({"currency": "USD"}, "INVALID_REQUEST"),
    ({"refundReceiveAccount": {"bank": "00"}}, "INVALID_BANK"),
    ({"refundReceiveAccount": {"bank": "20", "accountNumber": "1-2", "holderName": "x"}},
     "INVALID_REFUND_ACCOUNT_NUMBER"),
    ({"refundReceiveAccount": {"bank": "20", "accountNumber": "12"}}, "INVALID_REFUND_ACCOUNT_INFO")])
def test_a_cancel_without_its_parts(gateway, changes, code):
    body = authenticated(gateway)
    confirm(gateway, body)
    answer = BROWSER.post(f"{gateway.address}/toss/v1/payments/{body['paymentKey']}/cancel",
                          json={"cancelReason": "x"} | changes, headers=basic(f"{SECRET}:"))
    assert answer.json()["code"] == code


def test_the_books_want_their_dates(gateway):
    for params in ({}, {"startDate": "x", "endDate": "y"},
                   {"startDate": "2026-01-01", "endDate": "2026-01-02", "limit": "5001"}):
        answer = BROWSER.get(f"{gateway.address}/toss/v1/transactions", params=params, headers=basic(f"{SECRET}:"))
        assert answer.json()["code"] == "INVALID_REQUEST"
    answer = BROWSER.get(f"{gateway.address}/toss/v1/transactions", headers=basic(f"{SECRET}:"),
                         params={"startDate": "2026-01-01", "endDate": "2026-01-02"})
    assert answer.json() == []


def test_switches_that_do_not_exist(gateway):
    for what, body in (("faults", {"op": "confirm", "fault": "earthquake"}), ("faults", {"op": "x", "fault": "500"}),
                       ("accounts", {"client_key": "live_ck_123456789", "secret_keys": ["live_sk_123456789"]}),
                       ("webhooks", {"client_key": "test_ck_demo0000000001", "url": "http://example.com/"}),
                       ("switches", {"explode": 1}), ("refund", {"order_id": "x", "result": "MAYBE"}),
                       ("clock", {"x": 1})):
        assert BROWSER.post(f"{gateway.address}/control/{what}", json=body).status_code == 400
    assert BROWSER.post(f"{gateway.address}/control/explode", json={}).status_code == 404
    assert BROWSER.post(f"{gateway.address}/control/deposit", json={"order_id": "x"}).status_code == 409


def test_it_answers_to_this_machines_names_and_not_to_other_sites(gateway):
    assert BROWSER.get(gateway.address, headers={"Host": "evil.example"}).status_code == 421
    assert BROWSER.get(gateway.address, headers={"Host": "localhost:1"}).status_code == 200
    answer = BROWSER.post(f"{gateway.address}/control/reset", json={}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
