"""Whatever goes wrong at Stripe: the right exception, and afterwards the truth can be asked for."""
import json
import threading
import time

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventapp import faults
from eventapp.payments import stripe
from eventapp.payments.provider import (
    PAID,
    PENDING,
    GatewayAccount,
    GatewayContractError,
    GatewayError,
    GatewayMisconfigured,
    GatewayRef,
    GatewayRefused,
    GatewayUnknown,
)
from tests.gateway import BROWSER, attempt
from tests.payments.stands.stripe import Stripe

NOT_DONE = ["drop_before", "409", "429", "500", "html", "hang:0.05"]
DONE = ["timeout_after_commit", "timeout_after_commit:0.05", "500_after_commit", "html_after_commit", "truncated"]
ACCOUNT = GatewayAccount("stripe", client_key="pk_test_demo0000000001", secret_keys=("sk_test_demo0000000001",), api_url="http://127.0.0.1:9")
REF = GatewayRef("ev_123456", "cs_test_a1")


@pytest.fixture
def stand(gateway):
    return Stripe(gateway)


def sessions(stand) -> int:
    return len(BROWSER.get(f"{stand.gateway.address}/control/stripe/books").json()["payments"])


@pytest.mark.parametrize("fault", NOT_DONE + DONE)
def test_opening_with_an_unknown_outcome_opens_one_page(stand, fault):
    intent, key = stand.intent(), attempt("open")
    stand.fault("open", fault)
    with pytest.raises(GatewayUnknown):
        stand.open(intent, key)
    assert sessions(stand) == (fault in DONE)
    assert stripe.fetch(stand.account, GatewayRef(intent.order_ref, stand.open(intent, key).gateway_key)).status == PENDING
    assert sessions(stand) == 1


@pytest.mark.parametrize("fault", NOT_DONE + DONE)
def test_a_refund_with_an_unknown_outcome_is_made_once(stand, fault):
    paid, key = stand.pay(), attempt("cancel")
    stand.fault("cancel", fault)
    with pytest.raises(GatewayUnknown):
        stand.cancel(paid, 20000, key)
    assert stand.fetch(paid).balance == (30000 if fault in DONE else 50000)
    assert stand.cancel(paid, 20000, key).balance == 30000
    assert stand.in_books() == 30000


def test_a_refund_whose_result_cannot_be_read_is_unknown_and_made_once(stand):
    """The question before it is answered, the one after it is not."""
    paid, key = stand.pay(), attempt("cancel")
    asked = stripe.fetch
    answers = iter([asked, None])

    def fetch(account, ref):
        if next(answers) is None:
            raise GatewayUnknown("timeout")
        return asked(account, ref)
    try:
        stripe.fetch = fetch
        with pytest.raises(GatewayUnknown):
            stand.cancel(paid, 20000, key)
    finally:
        stripe.fetch = asked
    assert stand.cancel(paid, 20000, key).balance == 30000 == stand.in_books()


@pytest.mark.parametrize("fault", [*NOT_DONE, "truncated", "html_after_commit", "code:parameter_unknown", "code:card_declined"])
def test_a_question_without_an_answer_is_no_answer(stand, fault):
    paid = stand.pay()
    stand.fault("fetch", fault)
    with pytest.raises(GatewayUnknown):
        stand.fetch(paid)
    assert stand.fetch(paid) == paid


def test_a_session_of_another_sum_than_its_payments_is_no_answer(stand):
    paid = stand.pay()
    stand.fault("fetch", "wrong_amount")
    with pytest.raises(GatewayContractError):
        stand.fetch(paid)


def test_a_slow_stripe_is_waited_for(stand):
    stand.fault("open", "delay:0.3")
    began = time.monotonic()
    assert stand.pay().status == PAID
    assert time.monotonic() - began >= 0.3


def test_a_repeat_while_the_first_is_still_running_is_told_to_wait(stand):
    intent, key, first = stand.intent(), attempt("open"), []
    stand.fault("open", "delay:1.2")
    slow = threading.Thread(target=lambda: first.append(stand.provider.open(stand.account, intent, key)))
    slow.start()
    time.sleep(0.6)
    with pytest.raises(GatewayUnknown) as unknown:
        stand.provider.open(stand.account, intent, key)
    slow.join()
    assert unknown.value.code == "idempotency_key_in_use"
    assert stand.provider.open(stand.account, intent, key) == first[0]


@pytest.mark.parametrize("code", ["api_key_expired", "more_permissions_required", "secret_key_required", "livemode_mismatch"])
def test_an_account_that_cannot_be_used_is_no_payment_that_failed(stand, code):
    stand.fault("open", f"code:{code}")
    with pytest.raises(GatewayMisconfigured) as wrong:
        stand.open(stand.intent())
    assert wrong.value.code == code and wrong.value.trace_id.startswith("req_")


@pytest.mark.parametrize("code", ["charge_disputed", "amount_too_large", "balance_insufficient", "card_declined", "resource_missing"])
def test_a_refusal_is_definite(stand, code):
    paid = stand.pay()
    stand.fault("cancel", f"code:{code}")
    with pytest.raises(GatewayRefused) as refused:
        stand.cancel(paid)
    assert refused.value.code == code and stand.in_books() == 50000


@pytest.mark.parametrize("code", ["charge_already_refunded", "lock_timeout"])
def test_what_may_have_happened_before_is_asked_for_first(stand, code):
    paid = stand.pay()
    stand.fault("cancel", f"code:{code}")
    with pytest.raises(GatewayUnknown):
        stand.cancel(paid)


def test_nobody_at_the_address_is_unknown_and_nothing_was_sent():
    with pytest.raises(GatewayUnknown) as unknown:
        stripe.fetch(ACCOUNT, REF)
    assert (unknown.value.reason, unknown.value.sent) == ("unreachable", False)


@pytest.mark.parametrize("point", ["stripe.fetch.before", "stripe.fetch.after"])
def test_the_points_are_there(stand, point):
    paid = stand.pay()
    faults.configure(f"{point}=raise")
    try:
        with pytest.raises(faults.Injected):
            stand.fetch(paid)
    finally:
        faults.configure()


# -- answers that Stripe never gives ----------------------------------------------------------------
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from("id object error type code message status payment_status payment_intent latest_charge refunds data "
                                        "has_more amount_total currency client_reference_id disputed amount url".split()), inner, max_size=6),
                    max_leaves=12)


@settings(max_examples=300, deadline=None)
@given(status=st.sampled_from([200, 200, 200, 201, 302, 400, 401, 402, 403, 404, 409, 429, 500, 503]),
       raw=JSON.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=30))
def test_no_answer_makes_anything_but_our_errors(status, raw):
    before = stripe.exchange
    stripe.exchange = lambda *_, **__: (status, httpx.Headers({"request-id": "req_1"}), raw)
    try:
        for ask in (lambda: stripe.fetch(ACCOUNT, REF), lambda: stripe.open(ACCOUNT, Stripe(object.__new__(Fake)).intent(), attempt("open"))):
            try:
                found = ask()
            except GatewayError:
                continue
            assert found is None
    finally:
        stripe.exchange = before


class Fake:
    address = "http://127.0.0.1:9"


@pytest.mark.parametrize("raw", [b"[" * 100000, b'{"id": ' * 50000, b"\xff\xfe", b"", b"null", b'"x"', b"[]"])
def test_json_that_breaks_parsers_is_unknown(raw, monkeypatch):
    monkeypatch.setattr(stripe, "exchange", lambda *_, **__: (200, httpx.Headers({}), raw))
    with pytest.raises(GatewayUnknown):
        stripe.fetch(ACCOUNT, REF)


def test_no_log_line_has_a_key_a_name_or_an_address(stand, caplog):
    caplog.set_level("DEBUG", "eventapp")
    caplog.set_level("INFO")
    intent = stand.intent(customer_email="kim@example.com")
    stand.visit(intent, "approve")
    paid = stripe.fetch(stand.account, stand.ref(intent))
    stand.fault("cancel", "code:charge_disputed")
    with pytest.raises(GatewayRefused):
        stand.cancel(paid)
    lines = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "stripe cancel: GatewayRefused charge_disputed" in lines and "req_" in lines
    for secret in ("sk_test_", "pk_test_", paid.gateway_key, "kim@example.com", "김하나"):
        assert secret not in lines
