"""Stripe's events: signed by the library's rules, on time in both directions, and never more than hints."""
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from eventapp import faults
from eventapp.payments import stripe
from eventapp.payments.provider import (
    CANCEL_CHANGED,
    DISPUTE_CHANGED,
    IRRELEVANT,
    PAYMENT_CHANGED,
    PAYOUT_CHANGED,
    PROOF_SIGNATURE,
    BadSignature,
    BadWebhook,
    GatewayAccount,
    GatewayRef,
)
from tests.payments.stands.stripe import Stripe

SECRET = "whsec_demo_stripe_secret"
ACCOUNT = GatewayAccount("stripe", client_key="pk_test_demo0000000001", secret_keys=("sk_test_demo0000000001",), webhook_secrets=(SECRET,))
AT = datetime.fromtimestamp(1795316400, UTC)
VECTOR = b'{"id":"evt_demo_1","object":"event","type":"checkout.session.completed"}'
SUM = "d78dccb9cee73b6ed22a63ef43f8e120949529424a3d5a7067191ec1623373b3"


def signed(raw: bytes, secret: str = SECRET, at: datetime = AT) -> dict[str, str]:
    stamp = int(at.timestamp())
    return {"Stripe-Signature": f"t={stamp},v1={hmac.new(secret.encode(), f'{stamp}.'.encode() + raw, hashlib.sha256).hexdigest()}"}


def event(kind: str, about: dict, **more) -> bytes:
    return json.dumps({"id": "evt_1", "object": "event", "type": kind, "created": 1795316399, "data": {"object": about}} | more).encode()


def read(raw: bytes, now: datetime = AT, **changes):
    return stripe.parse_webhook(replace(ACCOUNT, **changes), signed(raw), raw, now)


def refused(raw: bytes, headers: dict, now: datetime = AT, **changes) -> str:
    with pytest.raises(BadSignature) as bad:
        stripe.parse_webhook(replace(ACCOUNT, **changes), headers, raw, now)
    return bad.value.code


# -- signatures -------------------------------------------------------------------------------------
def test_the_published_vector():
    assert signed(VECTOR) == {"Stripe-Signature": f"t=1795316400,v1={SUM}"}
    with pytest.raises(BadWebhook) as bad:  # the signature is right; the event is about nothing
        stripe.parse_webhook(ACCOUNT, {"stripe-signature": f"t=1795316400,v1={SUM}"}, VECTOR, AT)
    assert bad.value.code == "wrong_shape"
    assert refused(VECTOR, {"stripe-signature": f"t=1795316400,v1={SUM[:-1]}4"}) == "bad_signature"


def test_what_is_not_signed_or_signed_by_another_is_refused():
    raw = event("payout.paid", {"id": "po_1"})
    assert refused(raw, {}) == "no_signature"
    assert refused(raw, signed(raw), webhook_secrets=()) == "no_secret"
    assert refused(raw, signed(raw, "whsec_other")) == "bad_signature"
    assert refused(raw + b" ", signed(raw)) == "bad_signature"
    assert refused(b"\xff", signed(b"\xff")) == "bad_signature"


@pytest.mark.parametrize("header", ["", "t=1795316400", "v1=" + SUM, "t=x,v1=" + SUM, "t=1795316400,v0=" + SUM, "t=1795316400,v1=한글",
                                    "t=" + "9" * 5000 + ",v1=" + SUM, ",,,", "t=1795316400;v1=" + SUM, "=" * 100])
def test_a_header_that_cannot_be_read_is_refused(header):
    assert refused(VECTOR, {"Stripe-Signature": header}) in ("no_signature", "bad_signature")


@pytest.mark.parametrize("seconds", [-300, -299, 0, 299, 300])
def test_a_time_near_ours_passes_in_both_directions(seconds):
    raw = event("payout.paid", {"id": "po_1"})
    assert read(raw, AT + timedelta(seconds=seconds)).proof == PROOF_SIGNATURE


@pytest.mark.parametrize("seconds", [-86400, -301, 301, 86400])
def test_a_time_off_ours_is_refused_in_both_directions(seconds):
    raw = event("payout.paid", {"id": "po_1"})
    assert refused(raw, signed(raw), AT + timedelta(seconds=seconds)) == "old_timestamp"


def test_both_secrets_count_while_one_is_being_changed():
    raw = event("payout.paid", {"id": "po_1"})
    for secret in ("whsec_new", SECRET):
        assert stripe.parse_webhook(replace(ACCOUNT, webhook_secrets=("whsec_new", SECRET)), signed(raw, secret), raw, AT).delivery_id == "evt_1"
    both = signed(raw)["Stripe-Signature"] + "," + signed(raw, "whsec_new")["Stripe-Signature"].partition(",")[2]
    assert stripe.parse_webhook(replace(ACCOUNT, webhook_secrets=("whsec_new",)), {"STRIPE-SIGNATURE": both}, raw, AT)


def test_without_its_guard_a_forged_event_would_pass():
    raw = event("payout.paid", {"id": "po_1"})
    faults.configure(guards_off=["stripe.signature"])
    try:
        assert stripe.parse_webhook(ACCOUNT, {}, raw, AT).kind == PAYOUT_CHANGED
    finally:
        faults.configure()


# -- what they claim --------------------------------------------------------------------------------
SESSION = {"id": "cs_test_a1", "object": "checkout.session", "client_reference_id": "ev_123456", "payment_intent": "pi_1",
           "status": "complete", "payment_status": "paid"}


@pytest.mark.parametrize("kind, about, wanted", [
    ("checkout.session.completed", SESSION, (PAYMENT_CHANGED, "ev_123456", "cs_test_a1", "complete/paid")),
    ("checkout.session.async_payment_failed", SESSION, (PAYMENT_CHANGED, "ev_123456", "cs_test_a1", "complete/paid")),
    ("checkout.session.expired", SESSION | {"status": "expired", "payment_status": "unpaid"},
     (PAYMENT_CHANGED, "ev_123456", "cs_test_a1", "expired/unpaid")),
    ("payment_intent.succeeded", {"id": "pi_1", "object": "payment_intent", "metadata": {"order_ref": "ev_123456"}, "status": "succeeded"},
     (PAYMENT_CHANGED, "ev_123456", "pi_1", "succeeded")),
    ("charge.refunded", {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "metadata": {"order_ref": "ev_123456"}},
     (CANCEL_CHANGED, "ev_123456", "pi_1", "")),
    ("refund.failed", {"id": "re_1", "object": "refund", "payment_intent": "pi_1", "metadata": {}, "status": "failed"},
     (CANCEL_CHANGED, "", "pi_1", "failed")),
    ("charge.dispute.created", {"id": "du_1", "object": "dispute", "payment_intent": "pi_1", "metadata": {}, "status": "needs_response"},
     (DISPUTE_CHANGED, "", "pi_1", "needs_response")),
    ("payout.paid", {"id": "po_1"}, (PAYOUT_CHANGED, "", "", "")),
    ("invoice.paid", {"id": "in_1"}, (IRRELEVANT, "", "", "")),
    ("something.new", {"id": "x"}, (IRRELEVANT, "", "", "")),
    ("charge.succeeded", {"id": "ch_1", "object": "charge", "payment_intent": None, "metadata": {}}, (IRRELEVANT, "", "", "")),
    ("checkout.session.completed", {"id": "../../x", "client_reference_id": ["x"], "payment_intent": {"id": 1}}, (IRRELEVANT, "", "", "")),
])
def test_what_each_event_names(kind, about, wanted):
    hint = read(event(kind, about))
    assert (hint.kind, hint.order_ref, hint.gateway_key, hint.claimed_status) == wanted
    assert (hint.delivery_id, hint.occurred_at, hint.proof) == ("evt_1", datetime.fromtimestamp(1795316399, UTC), PROOF_SIGNATURE)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"null", b"NaN", b"[" * 100000, b'{"object": "event"}', b'{"object": "event", "id": "x", "type": "y"}',
                                 b'{"object": "v2.core.event", "id": "evt_1", "type": "y"}', event("charge.refunded", {})[:-3],
                                 event("charge.refunded", {}, data=[]), event("charge.refunded", {}, id=5), event("", {}, type=None)])
def test_what_is_no_event_is_refused(raw):
    with pytest.raises(BadWebhook):
        read(raw)


# -- from the sandbox -------------------------------------------------------------------------------
@pytest.fixture
def stand(gateway, inbox):
    stand = Stripe(gateway)
    stand.told_at(inbox.url)
    yield stand
    stand.told_at("")


def hints(stand, inbox, count):
    inbox.wait(count)
    return [stripe.parse_webhook(stand.account, headers, raw, datetime.now(UTC)) for headers, raw in inbox.notices]


def test_everything_that_happens_is_told_and_can_be_fetched_by_what_it_names(stand, inbox):
    paid = stand.pay()
    stand.cancel(paid, 1000)
    stand.contest(paid)
    stand.contest(paid, "won")
    found = hints(stand, inbox, 9)
    assert {hint.kind for hint in found} == {PAYMENT_CHANGED, CANCEL_CHANGED, DISPUTE_CHANGED}
    assert len({hint.delivery_id for hint in found}) == 9
    for hint in found:
        assert stripe.fetch(stand.account, GatewayRef(hint.order_ref, hint.gateway_key)).order_ref == paid.order_ref


def test_a_repeat_is_signed_anew_and_is_the_same_event(stand, inbox):
    inbox.answers = [500]
    stand.gateway.control("stripe/webhooks", client_key=stand.account.client_key, url=inbox.url, events=["checkout.session.completed"])
    stand.pay()
    first, second = hints(stand, inbox, 2)
    assert first.delivery_id == second.delivery_id and inbox.notices[0][1] == inbox.notices[1][1]


def test_forged_and_old_events_are_refused(stand, inbox):
    stand.gateway.control("stripe/webhooks", client_key=stand.account.client_key, url=inbox.url, events=["nothing"])
    paid = stand.pay()
    stand.gateway.control("stripe/forge", order_id=paid.order_ref, type="charge.refunded", secret="whsec_of_somebody_else")
    stand.gateway.control("stripe/forge", order_id=paid.order_ref, old=600)
    stand.gateway.control("stripe/forge", order_id=paid.order_ref)
    inbox.wait(3)
    outcomes = []
    for headers, raw in inbox.notices:
        try:
            outcomes.append(stripe.parse_webhook(stand.account, headers, raw, datetime.now(UTC)).kind)
        except BadSignature as bad:
            outcomes.append(bad.code)
    assert sorted(outcomes) == ["bad_signature", "old_timestamp", PAYMENT_CHANGED]


def test_two_secrets_sign_while_one_is_being_changed(stand, inbox):
    stand.gateway.control("stripe/webhooks", client_key=stand.account.client_key, url=inbox.url, secret="whsec_old whsec_new",
                          events=["checkout.session.completed"])
    stand.pay()
    inbox.wait(1)
    headers, raw = inbox.notices[0]
    for secret in ("whsec_old", "whsec_new"):
        assert stripe.parse_webhook(replace(stand.account, webhook_secrets=(secret,)), headers, raw, datetime.now(UTC))
