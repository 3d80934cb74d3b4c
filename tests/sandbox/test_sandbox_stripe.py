"""The sandbox's Stripe by its wire format: forms, errors, idempotency, the page, and what a kill leaves."""
import json
import signal

import httpx
import pytest

from eventapp.payments import stripe
from eventapp.payments.provider import PAID
from tests.gateway import BROWSER, attempt
from tests.payments.stands.stripe import Stripe
from tests.sandbox.test_sandbox_survives import process

SESSION = {"mode": "payment", "success_url": "http://localhost:5000/ok?session_id={CHECKOUT_SESSION_ID}", "cancel_url": "http://localhost:5000/no",
           "client_reference_id": "ev_123456", "metadata[order_ref]": "ev_123456", "payment_intent_data[metadata][order_ref]": "ev_123456",
           "line_items[0][price_data][currency]": "krw", "line_items[0][price_data][unit_amount]": "25000",
           "line_items[0][price_data][product_data][name]": "등록", "line_items[0][quantity]": "2"}


@pytest.fixture
def stand(gateway):
    return Stripe(gateway)


@pytest.fixture
def api(gateway):
    with httpx.Client(base_url=f"{gateway.address}/stripe/v1", headers={"Authorization": "Bearer sk_test_demo0000000001"}) as client:
        yield client


def error(answer: httpx.Response) -> tuple:
    said = answer.json()["error"]
    return answer.status_code, said["type"], said.get("code"), said.get("param")


def create(api, key: str = "", **changes) -> httpx.Response:
    return api.post("/checkout/sessions", data=SESSION | changes, headers={"Idempotency-Key": key} if key else {})


# -- keys -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("header, wanted", [
    ({}, (401, "invalid_request_error", None, None)), ({"Authorization": "Bearer sk_test_nobody00001"}, (401, "invalid_request_error", None, None)),
    ({"Authorization": "Bearer sk_live_demo0000000001"}, (401, "invalid_request_error", None, None)),
    ({"Authorization": "Basic !!!"}, (401, "invalid_request_error", None, None)),
    ({"Authorization": "Bearer pk_test_demo0000000001"}, (401, "invalid_request_error", "secret_key_required", None))])
def test_who_has_no_secret_key_is_turned_away(gateway, header, wanted):
    answer = httpx.get(f"{gateway.address}/stripe/v1/account", headers=header)
    assert error(answer) == wanted and "sk_live_demo" not in answer.text


@pytest.mark.parametrize("keys", [{"client_key": "pk_live_demo0000000001", "secret_keys": ["sk_test_demo0000000001"]},
                                  {"client_key": "pk_test_another0001", "secret_keys": ["sk_live_another0001"]}])
def test_live_keys_cannot_be_registered(gateway, keys):
    assert BROWSER.post(f"{gateway.address}/control/stripe/accounts", json=keys).status_code == 400


def test_keys_of_ones_own_and_their_change(gateway, stand):
    gateway.control("stripe/accounts", client_key="pk_test_another0001", secret_keys=["sk_test_another0001", "sk_test_another0002"])
    for secret in ("sk_test_another0001", "sk_test_another0002"):
        assert stripe.check_credentials(stand.account_of("another0001", secret_keys=(secret,))).ok
    gateway.control("stripe/accounts", client_key="pk_test_another0001", secret_keys=["sk_test_another0002"])
    assert not stripe.check_credentials(stand.account_of("another0001")).ok


# -- sessions ---------------------------------------------------------------------------------------
def test_a_session_as_stripe_writes_it(api):
    answer = create(api)
    session = answer.json()
    assert (session["object"], session["status"], session["payment_status"], session["amount_total"]) == ("checkout.session", "open", "unpaid", 50000)
    assert session["payment_intent"] is None and session["expires_at"] == session["created"] + 86400 and session["livemode"] is False
    assert answer.headers["request-id"].startswith("req_") and answer.headers["stripe-version"] == "2026-10-28.endive"


@pytest.mark.parametrize("changes, wanted", [
    ({"mode": "subscription"}, (400, "parameter_missing", "mode")), ({"color": "red"}, (400, "parameter_unknown", "color")),
    ({"success_url": "/ok"}, (400, "url_invalid", "success_url")), ({"cancel_url": ""}, (400, "url_invalid", "cancel_url")),
    ({"line_items[0][price_data][unit_amount]": "250.5"}, (400, "parameter_invalid_integer", "line_items[0][price_data][unit_amount]")),
    ({"line_items[0][price_data][unit_amount]": "49"}, (400, "amount_too_small", None)),
    ({"line_items[0][price_data][unit_amount]": "99999999"}, (400, "amount_too_large", None)),
    ({"line_items[0][price_data][currency]": "KRW"}, (400, None, "line_items[0][price_data][currency]")),
    ({"line_items[0][price_data][product_data][name]": ""}, (400, "parameter_missing", "line_items[0][price_data][product_data][name]")),
    ({"locale": "tlh"}, (400, None, "locale")), ({"expires_at": "1"}, (400, None, "expires_at")), ({"expires_at": "soon"}, (400, "parameter_invalid_integer", "expires_at")),
    ({"metadata[x]": "y" * 501}, (400, None, "metadata")), ({"expand[0]": "a.b.c.d.e"}, (400, None, "expand")),
    ({"line_items[0][price_data][currency]": "kwd", "line_items[0][price_data][unit_amount]": "1234"}, (400, "invalid_charge_amount_no_decimal_compatible", "amount"))])
def test_what_stripe_refuses(api, changes, wanted):
    status, kind, code, param = error(create(api, **changes))
    assert (status, kind, (status, code, param)) == (400, "invalid_request_error", wanted)


def test_only_what_is_asked_for_is_expanded(api, gateway):
    session = create(api).json()
    gateway.control("stripe/pay", session=session["id"])
    plain = api.get(f"/checkout/sessions/{session['id']}").json()
    assert plain["payment_intent"].startswith("pi_")
    one = api.get(f"/checkout/sessions/{session['id']}", params={"expand[0]": "payment_intent"}).json()["payment_intent"]
    assert one["status"] == "succeeded" and one["latest_charge"].startswith("ch_")
    two = api.get(f"/checkout/sessions/{session['id']}", params={"expand[]": "payment_intent.latest_charge.refunds"}).json()
    assert two["payment_intent"]["latest_charge"]["refunds"] == {
        "object": "list", "data": [], "has_more": False, "url": f"/v1/charges/{one['latest_charge']}/refunds"}
    assert "refunds" not in api.get(f"/charges/{one['latest_charge']}").json()
    assert api.get(f"/payment_intents/{one['id']}").json()["metadata"] == {"order_ref": "ev_123456"}


@pytest.mark.parametrize("path", ["/checkout/sessions/cs_test_nobody", "/charges/ch_nobody", "/payment_intents/pi_nobody", "/refunds/re_nobody"])
def test_what_is_not_there(api, path):
    assert error(api.get(path))[:3] == (404, "invalid_request_error", "resource_missing")


def test_another_accounts_things_are_not_there(api, gateway):
    session = create(api).json()
    gateway.control("stripe/pay", session=session["id"])
    gateway.control("stripe/cancel", session=session["id"], amount=1000)
    refund = api.get("/refunds").json()["data"][0]
    api.headers["Authorization"] = "Bearer sk_test_demo0000000002"
    for path in (f"/checkout/sessions/{session['id']}", f"/refunds/{refund['id']}", f"/charges/{refund['charge']}"):
        assert api.get(path).status_code == 404
    assert api.post("/refunds", data={"charge": refund["charge"]}).status_code == 404
    assert api.get("/balance_transactions").json()["data"] == [] == api.get("/refunds").json()["data"]


def test_lists_are_paged_newest_first(api):
    made = [create(api, client_reference_id=f"ev_{number:06}").json()["id"] for number in range(5)]
    first = api.get("/checkout/sessions", params={"limit": 3}).json()
    rest = api.get("/checkout/sessions", params={"limit": 3, "starting_after": first["data"][-1]["id"]}).json()
    assert [one["id"] for one in first["data"] + rest["data"]] == made[::-1]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert error(api.get("/checkout/sessions", params={"limit": 101}))[0] == 400


# -- idempotency ------------------------------------------------------------------------------------
def test_a_repeat_is_the_first_answer_again(api):
    key = attempt("open")
    first, second = create(api, key), create(api, key)
    assert first.json() == second.json()
    assert "idempotent-replayed" not in first.headers and second.headers["idempotent-replayed"] == "true"


def test_another_body_or_address_with_the_same_key_is_an_error(api):
    key = attempt("open")
    create(api, key)
    assert error(create(api, key, **{"line_items[0][quantity]": "3"}))[:2] == (400, "idempotency_error")
    assert error(api.post("/refunds", data={"charge": "ch_1"}, headers={"Idempotency-Key": key}))[:2] == (400, "idempotency_error")


def test_a_refusal_is_not_kept_so_the_key_may_be_used_again(api):
    key = attempt("open")
    assert create(api, key, locale="tlh").status_code == 400
    assert create(api, key).status_code == 200


def test_two_accounts_may_use_the_same_key(api):
    key = attempt("open")
    first = create(api, key).json()
    api.headers["Authorization"] = "Bearer sk_test_demo0000000002"
    assert create(api, key).json()["id"] != first["id"]


def test_a_key_that_is_too_long(api):
    assert error(create(api, "k" * 256))[:2] == (400, "idempotency_error")


# -- the page ---------------------------------------------------------------------------------------
def test_every_card_does_what_it_says(api, gateway):
    for number, wanted in (("4242424242424242", 303), ("4000000000000002", 402), ("4000000000000069", 402), ("1234", 402), ("4000000000000259", 303)):
        page = create(api).json()["url"]
        assert BROWSER.post(f"{page}/approve", data={"card": number}).status_code == wanted, number


def test_pages_that_are_not_there_and_forms_from_elsewhere(gateway, api):
    assert BROWSER.get(f"{gateway.address}/stripe/pay/cs_test_nobody").status_code == 404
    assert BROWSER.post(f"{gateway.address}/stripe/pay/cs_test_nobody/approve").status_code == 409
    page = create(api).json()["url"]
    assert BROWSER.post(f"{page}/approve", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert BROWSER.post(f"{page}/steal").status_code == 404


def test_a_page_escapes_what_it_shows(api):
    page = create(api, **{"line_items[0][price_data][product_data][name]": "<script>alert(1)</script>"}).json()["url"]
    assert "<script>" not in BROWSER.get(page).text


# -- the books --------------------------------------------------------------------------------------
def test_what_the_switches_answer_when_they_cannot(gateway):
    for what, body, status in (("nothing", {}, 404), ("pay", {"order_id": "ev_nobody"}, 409), ("webhooks", {}, 400),
                               ("webhooks", {"client_key": "pk_test_demo0000000001", "url": "https://example.com/hook"}, 400), ("accounts", [], 400)):
        assert BROWSER.post(f"{gateway.address}/control/stripe/{what}", json=body).status_code == status, what


def test_a_dispute_withdraws_at_once_and_a_fee_with_it(stand):
    paid = stand.pay()
    stand.contest(paid)
    books = BROWSER.get(f"{stand.gateway.address}/control/stripe/books").json()
    assert [(line["type"], line["amount"], line["fee"]) for line in books["transactions"]] == [("charge", 50000, 1700), ("adjustment", -50000, 20000)]
    answer = BROWSER.post(f"{stand.gateway.address}/control/stripe/dispute", json={"order_id": paid.order_ref})
    assert answer.status_code == 409


def test_the_books_survive_a_kill(tmp_path, inbox):
    with process(tmp_path) as (gateway, child):
        stand, key = Stripe(gateway), attempt("open")
        stand.told_at(inbox.url)
        gateway.control("stripe/accounts", client_key="pk_test_another0001", secret_keys=["sk_test_another0001"])
        intent, waiting = stand.intent(), stand.intent()
        opened = stand.open(intent, key)
        gateway.control("stripe/pay", order_id=intent.order_ref)
        paid = stripe.fetch(stand.account, stand.ref(intent))
        paid = stand.cancel(paid, 10000)
        stand.contest(paid)
        paid = stand.fetch(paid)
        stand.open(waiting)
        gateway.control("stripe/pay", order_id=waiting.order_ref, delayed=True)
        before = BROWSER.get(f"{gateway.address}/control/stripe/books").json()
        child.send_signal(signal.SIGKILL)
        child.wait()
    with process(tmp_path) as (again, _):
        after = BROWSER.get(f"{again.address}/control/stripe/books").json()
        assert json.dumps(after["transactions"]) == json.dumps(before["transactions"]) and after["balances"] == before["balances"]
        stand = Stripe(again)
        stand.opened = {waiting.order_ref: stripe.Opened(after["payments"][1]["id"])}
        assert stand.fetch(paid) == paid
        assert stripe.open(stand.account, intent, key).gateway_key == opened.gateway_key, "the key is remembered"
        assert stripe.check_credentials(stand.account_of("another0001")).ok
        again.control("clock", advance=3 * 24 * 3600)
        assert stripe.fetch(stand.account, stand.ref(waiting)).status == PAID
        inbox.wait(12)


def test_reset_forgets_payments_and_keeps_accounts(gateway, stand, inbox):
    stand.told_at(inbox.url)
    stand.pay()
    gateway.control("reset")
    books = BROWSER.get(f"{gateway.address}/control/stripe/books").json()
    assert books == {"payments": [], "transactions": [], "balances": {}}
    assert BROWSER.get(f"{gateway.address}/control/stripe/webhooks").json()["webhooks"][stand.account.client_key]
    stand.told_at("")
