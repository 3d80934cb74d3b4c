"""Reading notices: three envelopes, and whatever else somebody may post."""
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp import faults
from eventapp.payments import toss
from eventapp.payments.provider import (
    BILLING_DELETED,
    CANCEL_CHANGED,
    DEPOSIT_CHANGED,
    IRRELEVANT,
    PAYMENT_CHANGED,
    PAYOUT_CHANGED,
    PROOF_NONE,
    PROOF_SIGNATURE,
    BadSignature,
    BadWebhook,
    GatewayAccount,
    WebhookHint,
)

NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
SECURITY_KEY = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
ACCOUNT = GatewayAccount("toss", client_key="test_ck_demo0000000001", secret_keys=("test_sk_demo0000000001",),
                         security_key=SECURITY_KEY)
STATUS_CHANGED = {"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": "2026-11-22T12:01:11.123456",
                  "data": {"paymentKey": "tviva20261122demo", "orderId": "ev_01JD9Y3V7M4K8Q2T6W", "status": "DONE",
                           "totalAmount": 50000, "balanceAmount": 50000, "secret": "ps_demo"}}
DEPOSIT = {"createdAt": "2026-11-22T12:30:00.000000", "secret": "ps_demo", "status": "DONE",
           "transactionKey": "txrd_demo_3", "orderId": "ev_01JD9Y3V7M4K8Q2T6W"}
PAYOUT = (b'{"eventType":"payout.changed","createdAt":"2026-11-22T12:00:00+09:00","version":"2022-11-16",'
          b'"eventId":"evt_demo"}')
PAYOUT_TIME = "2026-11-22T12:00:00+09:00"
AS_TEXT = "v1:9/8rKtmkM6PGcdGhGh/8juyursZ5HH8YYKxusu5f5gM="
AS_BYTES = "v1:Xu4X8AsX08dKoBOqKk4C8avXa6q4PnRqlLt0xeNpVqw="


def read(body, account=ACCOUNT, **headers) -> WebhookHint:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    names = {f"TossPayments-Webhook-{name.replace('_', '-')}": value for name, value in headers.items()}
    return toss.parse_webhook(account, names, raw, NOW)


def test_a_status_that_changed():
    hint = read(STATUS_CHANGED, transmission_id="whtrans_1", transmission_time="2026-11-22T12:01:12")
    assert hint == WebhookHint("whtrans_1", PAYMENT_CHANGED, "ev_01JD9Y3V7M4K8Q2T6W", "tviva20261122demo", "DONE",
                               PROOF_NONE, datetime(2026, 11, 22, 3, 1, 11, 123456, tzinfo=UTC), "ps_demo")


def test_a_deposit_comes_flat_and_without_a_name():
    hint = read(DEPOSIT, transmission_id="whtrans_2")
    assert hint == WebhookHint("whtrans_2", DEPOSIT_CHANGED, "ev_01JD9Y3V7M4K8Q2T6W", "", "DONE", PROOF_NONE,
                               datetime(2026, 11, 22, 3, 30, tzinfo=UTC), "ps_demo")


def test_the_secret_of_another_payment_contradicts():
    hint = read(DEPOSIT)
    assert not hint.contradicts("ps_demo")
    assert hint.contradicts("ps_other")
    assert not read(STATUS_CHANGED | {"data": {"orderId": "ev_123456"}}).contradicts("ps_demo")
    assert "ps_demo" not in repr(hint)


@pytest.mark.parametrize("event, data, kind", [
    ("CANCEL_STATUS_CHANGED", {"transactionKey": "txrd_1"}, CANCEL_CHANGED),
    ("BILLING_DELETED", {"billingKey": "b"}, BILLING_DELETED), ("METHOD_UPDATED", None, IRRELEVANT),
    ("ars-reservation.changed", None, IRRELEVANT), ("TOMORROWS_EVENT", {"orderId": "ev_123456"}, IRRELEVANT)])
def test_other_events(event, data, kind):
    hint = read({"eventType": event, "createdAt": "2026-11-22T12:00:00", "data": data})
    assert (hint.kind, hint.order_ref) == (kind, "")


def test_without_a_delivery_id_the_body_is_one():
    first, second = read(DEPOSIT), read(DEPOSIT)
    assert first.delivery_id == second.delivery_id and first.delivery_id.startswith("sha256:")
    assert read(DEPOSIT, transmission_id="two\nlines").delivery_id == first.delivery_id
    assert read(DEPOSIT | {"status": "CANCELED"}).delivery_id != first.delivery_id


@pytest.mark.parametrize("signature", [AS_TEXT, AS_BYTES, f"v1:bm8=,{AS_TEXT}", f" {AS_BYTES} , v1:bm8="])
def test_a_payout_is_signed(signature):
    hint = read(PAYOUT, transmission_time=PAYOUT_TIME, signature=signature)
    assert (hint.kind, hint.proof) == (PAYOUT_CHANGED, PROOF_SIGNATURE)


@pytest.mark.parametrize("signature", ["", "v1:", "v1:bm8=", AS_TEXT[3:], "v2:" + AS_TEXT[3:], "서명", "v1:서명"])
def test_a_payout_that_is_not_signed_is_rejected(signature):
    with pytest.raises(BadSignature):
        read(PAYOUT, transmission_time=PAYOUT_TIME, signature=signature)


def test_a_signature_covers_the_body_and_the_time():
    with pytest.raises(BadSignature):
        read(PAYOUT.replace(b"evt_demo", b"evt_fake"), transmission_time=PAYOUT_TIME, signature=AS_TEXT)
    with pytest.raises(BadSignature):
        read(PAYOUT, transmission_time="2026-11-22T12:00:01+09:00", signature=AS_TEXT)


def test_without_a_security_key_no_signature_is_right():
    empty = hmac.new(b"", PAYOUT + b":" + PAYOUT_TIME.encode(), hashlib.sha256).digest()
    with pytest.raises(BadSignature):
        read(PAYOUT, GatewayAccount("toss"), transmission_time=PAYOUT_TIME,
             signature="v1:" + base64.b64encode(empty).decode())


def test_a_wrong_signature_on_a_payment_is_rejected_too():
    with pytest.raises(BadSignature):
        read(STATUS_CHANGED, signature=AS_TEXT, transmission_time=PAYOUT_TIME)


@pytest.mark.parametrize("body", [
    b"", b"null", b"[]", b"1", b'"x"', b"{", b"\xff\xfe", b'{"a":NaN}', b"[" * 100000, b'{"a":' + b"9" * 5000 + b"}",
    b'{"a":1e999999999999999999999}', {}, {"eventType": None}, {"eventType": 1},
    {"eventType": "PAYMENT_STATUS_CHANGED"},
    {"eventType": "PAYMENT_STATUS_CHANGED", "data": []}, {"eventType": "PAYMENT_STATUS_CHANGED", "data": {}},
    {"eventType": "PAYMENT_STATUS_CHANGED", "data": {"orderId": "../../etc"}},
    {"eventType": "PAYMENT_STATUS_CHANGED", "data": {"orderId": "ev_123456", "secret": 7}},
    {"orderId": "ev_123456", "status": "DONE"}, DEPOSIT | {"orderId": "short"}, DEPOSIT | {"orderId": "ev_123456\x00"},
    DEPOSIT | {"secret": ""}, DEPOSIT | {"secret": None}, DEPOSIT | {"secret": "비밀"},
    DEPOSIT | {"secret": ["ps_demo"]},
    DEPOSIT | {"secret": "x" * 51}])
def test_what_is_no_notice_is_refused(body):
    with pytest.raises(BadWebhook):
        read(body)


@pytest.mark.parametrize("created_at",
                         [None, 5, "", "yesterday", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00", []])
def test_a_time_nobody_can_read_is_no_time(created_at):
    assert read(DEPOSIT | {"createdAt": created_at}).occurred_at is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3), max_leaves=8)
values = st.one_of(anything,
                   st.sampled_from(["DONE", "ev_123456", "ps_demo", "PAYMENT_STATUS_CHANGED", "payout.changed"]))
names = st.sampled_from(["eventType", "createdAt", "secret", "status", "orderId", "paymentKey", "data"])


@given(st.dictionaries(names, values | st.dictionaries(names, values)), st.text(max_size=30), st.text(max_size=30))
def test_nothing_that_is_posted_breaks_it(body, delivery, signature):
    headers = {"tosspayments-webhook-transmission-id": delivery, "tosspayments-webhook-signature": signature}
    try:
        hint = toss.parse_webhook(ACCOUNT, headers, json.dumps(body).encode(), NOW)
    except BadWebhook:
        return
    for text in (hint.order_ref, hint.gateway_key, hint.claimed_status, hint.secret, hint.delivery_id):
        assert text.isascii() and text.isprintable() and len(text) <= 200


@given(st.binary(max_size=200))
def test_no_bytes_break_it(raw):
    try:
        toss.parse_webhook(ACCOUNT, {}, raw, NOW)
    except BadWebhook:
        pass


def test_without_its_guard_a_forged_payout_would_pass():
    faults.configure(guards_off=["toss.signature"])
    try:
        assert read(PAYOUT, signature="v1:bm8=").proof == PROOF_SIGNATURE
    finally:
        faults.configure()
