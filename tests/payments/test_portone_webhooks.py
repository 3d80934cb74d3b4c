"""Notices by Standard Webhooks: the vector of the specification, the library's own signatures, and whatever else is posted."""
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from eventapp import faults
from eventapp.payments import portone
from eventapp.payments.provider import (
    BILLING_DELETED,
    CANCEL_CHANGED,
    DISPUTE_CHANGED,
    IRRELEVANT,
    PAYMENT_CHANGED,
    PROOF_SIGNATURE,
    BadSignature,
    BadWebhook,
    GatewayAccount,
    WebhookHint,
)

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
OTHER = "whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldC0wMDAx"
RAW = (b'{"type":"Transaction.Paid","timestamp":"2026-11-22T03:00:00.000Z","data":{"storeId":"store-demo",'
       b'"paymentId":"ord_demo_0001","transactionId":"tx_demo_0001"}}')
STAMP = 1795316400
NOW = datetime.fromtimestamp(STAMP, UTC)
SIGNATURE = "v1,teyRiiDDF5ZXMjMo+6hJaAPnwzhOnb+7zq958EViok4="
VECTOR = {"webhook-id": "msg_demo_0001", "webhook-timestamp": str(STAMP), "webhook-signature": SIGNATURE}


def account(*secrets):
    return GatewayAccount("portone", webhook_secrets=secrets)


def read(raw=RAW, headers=VECTOR, secrets=(SECRET,), now=NOW) -> WebhookHint:
    return portone.parse_webhook(account(*secrets), headers, raw, now)


def signed(body, secret=SECRET, delivery="msg_1", at=NOW):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = Webhook(secret).sign(delivery, at, raw.decode())
    return raw, {"Webhook-Id": delivery, "Webhook-Timestamp": str(int(at.timestamp())), "Webhook-Signature": signature}


def test_the_vector():
    assert read() == WebhookHint("msg_demo_0001", PAYMENT_CHANGED, "ord_demo_0001", "tx_demo_0001", "Transaction.Paid",
                                 PROOF_SIGNATURE, datetime(2026, 11, 22, 3, tzinfo=UTC))


@pytest.mark.parametrize("names", [str.title, str.upper, str.lower])
def test_headers_in_any_case(names):
    assert read(headers={names(name): value for name, value in VECTOR.items()}).order_ref == "ord_demo_0001"


@given(st.text(max_size=60), st.binary(min_size=24, max_size=64), st.integers(1, 2 ** 31))
def test_what_the_library_signs_is_right(order, key, stamp):
    at = datetime.fromtimestamp(stamp, UTC)
    body = {"type": "Transaction.Paid", "data": {"paymentId": "ord_demo_0001", "note": order}}
    raw, headers = signed(body, "whsec_" + base64.b64encode(key).decode(), at=at)
    hint = read(raw, headers, ["whsec_" + base64.b64encode(key).decode()], at)
    assert (hint.delivery_id, hint.proof) == ("msg_1", PROOF_SIGNATURE)


@pytest.mark.parametrize("secrets", [(SECRET, OTHER), (OTHER, SECRET), (SECRET.removeprefix("whsec_"),), (SECRET.rstrip("="),)])
def test_while_a_secret_is_changed_both_are_right(secrets):
    assert read(secrets=secrets).order_ref


@pytest.mark.parametrize("signature", [f"v1,bm8= {SIGNATURE}", f"{SIGNATURE} v1,bm8=", f"v1a,bm8= {SIGNATURE}"])
def test_one_right_signature_among_several_is_enough(signature):
    assert read(headers=VECTOR | {"webhook-signature": signature}).order_ref


@pytest.mark.parametrize("headers, code", [
    ({}, "no_signature"), ({"webhook-signature": ""}, "no_signature"), ({"webhook-id": ""}, "no_signature"),
    ({"webhook-timestamp": ""}, "no_signature"), ({"webhook-signature": "v1,bm8="}, "bad_signature"),
    ({"webhook-signature": "v1,"}, "bad_signature"), ({"webhook-signature": SIGNATURE[3:]}, "bad_signature"),
    ({"webhook-signature": "v2" + SIGNATURE[2:]}, "bad_signature"), ({"webhook-signature": "v1,서명"}, "bad_signature"),
    ({"webhook-id": "msg_demo_0002"}, "bad_signature"), ({"webhook-id": "메시지"}, "bad_signature"),
    ({"webhook-timestamp": str(STAMP + 1)}, "bad_signature"), ({"webhook-timestamp": "١٧٩٥٣١٦٤٠٠"}, "bad_signature"),
    ({"webhook-timestamp": "nan"}, "bad_signature")])
def test_what_does_not_prove_itself_is_rejected(headers, code):
    with pytest.raises(BadSignature) as bad:
        read(headers=VECTOR | headers if headers else {})
    assert bad.value.code == code


@pytest.mark.parametrize("seconds, good", [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_five_minutes_both_ways(seconds, good):
    if good:
        assert read(now=NOW + timedelta(seconds=seconds)).order_ref
        return
    with pytest.raises(BadSignature) as bad:
        read(now=NOW + timedelta(seconds=seconds))
    assert bad.value.code == "old_timestamp"  # rightly signed: when there are many, our clock is wrong


@pytest.mark.parametrize("stamp", ["soon", "1e9", "-5", "1795316400.0"])
def test_a_time_that_is_none_is_too_old_even_when_it_is_signed(stamp):
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.new(key, f"msg_1.{stamp}.".encode() + RAW, hashlib.sha256).digest()).decode()
    with pytest.raises(BadSignature) as bad:
        read(headers={"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": f"v1,{signature}"})
    assert bad.value.code == "old_timestamp"


@pytest.mark.parametrize("secrets, code", [((), "no_secret"), ((OTHER,), "bad_signature"), (("",), "bad_signature"),
                                           (("whsec_",), "bad_signature"), (("비밀",), "bad_signature")])
def test_without_the_right_secret_nothing_is_right(secrets, code):
    with pytest.raises(BadSignature) as bad:
        read(secrets=secrets)
    assert bad.value.code == code


def test_an_empty_secret_signs_nothing():
    empty = base64.b64encode(hmac.new(b"", f"msg_1.{STAMP}.".encode() + RAW, hashlib.sha256).digest()).decode()
    with pytest.raises(BadSignature):
        read(headers={"webhook-id": "msg_1", "webhook-timestamp": str(STAMP), "webhook-signature": f"v1,{empty}"}, secrets=("whsec_",))


def test_a_changed_body_is_rejected():
    with pytest.raises(BadSignature):
        read(RAW.replace(b"0001", b"0002"))


@pytest.mark.parametrize("event, kind", [
    ("Transaction.Paid", PAYMENT_CHANGED), ("Transaction.VirtualAccountIssued", PAYMENT_CHANGED), ("Transaction.Failed", PAYMENT_CHANGED),
    ("Transaction.PayPending", PAYMENT_CHANGED), ("Transaction.CancelPending", CANCEL_CHANGED), ("Transaction.Cancelled", CANCEL_CHANGED),
    ("Transaction.PartialCancelled", CANCEL_CHANGED), ("Transaction.DisputeCreated", DISPUTE_CHANGED),
    ("Transaction.DisputeResolved", DISPUTE_CHANGED)])
def test_each_event_about_a_payment(event, kind):
    hint = read(*signed({"type": event, "timestamp": "x", "data": {"paymentId": "ord_demo_0001", "transactionId": "t 1"}}))
    assert (hint.kind, hint.order_ref, hint.gateway_key, hint.claimed_status, hint.occurred_at) == (kind, "ord_demo_0001", "", event, None)


@pytest.mark.parametrize("event, kind", [
    ("Transaction.Ready", IRRELEVANT), ("Transaction.Confirm", IRRELEVANT), ("BillingKey.Issued", IRRELEVANT), ("Tomorrow.Event", IRRELEVANT),
    ("BillingKey.Deleted", BILLING_DELETED)])
def test_other_events_name_no_payment_of_ours(event, kind):
    hint = read(*signed({"type": event, "data": {"paymentId": "ord_demo_0001"}}))
    assert (hint.kind, hint.order_ref, hint.proof) == (kind, "", PROOF_SIGNATURE)


@pytest.mark.parametrize("body", [
    b"", b"null", b"[]", b"{", b'{"a":NaN}', {}, {"type": None}, {"type": 1}, {"type": "Transaction.Paid"},
    {"type": "Transaction.Paid", "data": []}, {"type": "Transaction.Paid", "data": {}},
    {"type": "Transaction.Paid", "data": {"paymentId": "../../etc"}}, {"type": "Transaction.Paid", "data": {"paymentId": 5}}])
def test_what_is_signed_and_still_no_notice(body):
    with pytest.raises(BadWebhook) as bad:
        read(*signed(body))
    assert not isinstance(bad.value, BadSignature)


def test_a_delivery_id_nobody_could_store_is_replaced():
    raw, headers = signed(RAW, delivery="x" * 201)
    assert read(raw, headers).delivery_id.startswith("sha256:")


@given(st.binary(max_size=200), st.dictionaries(st.sampled_from([*VECTOR, "x"]), st.text(max_size=40)))
def test_nothing_that_is_posted_breaks_it(raw, headers):
    with pytest.raises(BadWebhook):
        read(raw, headers)


def test_without_its_guard_a_forged_notice_would_pass():
    faults.configure(guards_off=["portone.signature"])
    try:
        assert read(headers=VECTOR | {"webhook-signature": "v1,bm8="}).order_ref == "ord_demo_0001"
    finally:
        faults.configure()
