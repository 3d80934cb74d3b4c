"""Notices to the shop: both shapes, their headers, their repetitions, and what can go wrong with them."""
import json
import time
from datetime import UTC, datetime

import pytest

from eventapp.payments import toss
from eventapp.payments.provider import (
    CARD,
    DEPOSIT_CHANGED,
    PAID,
    PAYMENT_CHANGED,
    VIRTUAL_ACCOUNT,
    BadSignature,
    GatewayRefused,
)
from tests.gateway import BACK, BROWSER, attempt, running

SECURITY_KEY = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"


def read(gateway, inbox, **changes):
    """The notices as our client understands them."""
    account = gateway.account_of("demo0000000001", **changes)
    return [toss.parse_webhook(account, headers, raw, datetime.now(UTC)) for headers, raw in inbox.notices]


def test_a_card_payment_is_told_once(gateway, hooked):
    paid = gateway.pay()
    [body] = hooked.wait(1)
    assert (body["eventType"], body["data"]["status"], body["data"]["totalAmount"]) == ("PAYMENT_STATUS_CHANGED",
                                                                                        "DONE", 50000)
    assert body["data"]["paymentKey"] == paid.gateway_key and "+" not in body["createdAt"]
    headers = hooked.notices[0][0]
    assert headers["tosspayments-webhook-transmission-id"].startswith("whtrans_")
    assert headers["tosspayments-webhook-transmission-retried-count"] == "0"
    assert headers["tosspayments-webhook-transmission-time"] and "tosspayments-webhook-signature" not in headers
    [hint] = read(gateway, hooked)
    assert (hint.kind, hint.gateway_key, hint.contradicts(paid.secret)) == (PAYMENT_CHANGED, paid.gateway_key, False)


def test_a_deposit_is_told_in_both_shapes_and_its_reversal_too(gateway, hooked):
    waiting = gateway.issue()
    hooked.wait(1)
    gateway.control("deposit", order_id=waiting.order_ref)
    hooked.wait(3)
    gateway.control("reversal", order_id=waiting.order_ref)
    hooked.wait(5)
    told = sorted((hint.kind, hint.claimed_status) for hint in read(gateway, hooked))
    assert told == [(DEPOSIT_CHANGED, "DONE"), (DEPOSIT_CHANGED, "WAITING_FOR_DEPOSIT"), (PAYMENT_CHANGED, "DONE"),
                    (PAYMENT_CHANGED, "WAITING_FOR_DEPOSIT"), (PAYMENT_CHANGED, "WAITING_FOR_DEPOSIT")]
    flat = [json.loads(raw) for _, raw in hooked.notices if b"eventType" not in raw]
    assert all(set(body) == {"createdAt", "secret", "status", "transactionKey", "orderId"} for body in flat)
    assert all(not hint.contradicts(waiting.secret) for hint in read(gateway, hooked))


def test_only_the_events_that_were_ticked(gateway, inbox):
    gateway.control("webhooks", client_key=gateway.account.client_key, url=inbox.url, events=["DEPOSIT_CALLBACK"])
    waiting = gateway.issue()
    gateway.pay()
    gateway.control("deposit", order_id=waiting.order_ref)
    inbox.wait(1)
    gateway.cancel(gateway.fetch(waiting), refund_account=BACK)
    assert [body["status"] for body in inbox.wait(2)] == ["DONE", "CANCELED"]


def test_the_secret_key_names_the_account_as_well(gateway, inbox):
    answer = gateway.control("webhooks", secret_key="test_sk_demo0000000001", url=inbox.url)
    assert answer["client_key"] == gateway.account.client_key


def test_refusals_ends_and_refunds_are_told(gateway, hooked):
    gateway.fault("confirm", "code:REJECT_CARD_COMPANY")
    with pytest.raises(GatewayRefused):
        gateway.pay()
    gateway.approve(gateway.intent())
    gateway.control("clock", advance=601)
    paid = gateway.pay()
    gateway.cancel(gateway.cancel(paid, 10000))
    bodies = hooked.wait(5)
    assert sorted(body["data"]["status"] for body in bodies) == [
        "ABORTED", "DONE", "EXPIRED", "PARTIAL_CANCELED", "PARTIAL_CANCELED"]


def test_what_toss_keeps_to_itself(gateway, hooked):
    """Opening, declining and closing a window, and a virtual account's due time."""
    window = gateway.open_window(gateway.intent(method=CARD))
    gateway.press(window, "decline")
    gateway.press(window, "close")
    waiting = gateway.issue()
    gateway.control("expire", order_id=waiting.order_ref)
    time.sleep(0.3)
    assert [body["data"]["virtualAccount"]["expired"] for body in hooked.wait(1)] == [False]
    assert len(hooked.notices) == 1


def test_an_answer_other_than_200_brings_it_again(gateway, hooked):
    hooked.answers = [500, 204, 302]
    gateway.pay()
    hooked.wait(4)
    assert [headers["tosspayments-webhook-transmission-retried-count"] for headers, _ in hooked.notices] == list("0123")
    assert len({hint.delivery_id for hint in read(gateway, hooked)}) == 1
    time.sleep(0.2)
    assert len(hooked.notices) == 4


def test_after_seven_more_tries_it_is_over():
    with running(retry_scale=0.000001) as gateway:
        gateway.control("webhooks", client_key=gateway.account.client_key, url="http://127.0.0.1:9/")
        gateway.pay()
        until = time.monotonic() + 8
        while time.monotonic() < until:
            seen = BROWSER.get(f"{gateway.address}/control/deliveries").json()
            if seen["done"]:
                break
            time.sleep(0.05)
        assert [(one["tries"], one["status"]) for one in seen["done"]] == [(8, "ConnectError")]


def test_the_same_notice_several_times(gateway, hooked):
    gateway.control("switches", duplicate=4)
    gateway.pay()
    hooked.wait(5)
    assert len({hint.delivery_id for hint in read(gateway, hooked)}) == 1


def test_notices_in_the_wrong_order(gateway, hooked):
    gateway.control("switches", reorder=True)
    gateway.cancel(gateway.pay())
    assert [body["data"]["status"] for body in hooked.wait(2)] == ["CANCELED", "DONE"]


def test_notices_that_are_late_or_lost(gateway, hooked):
    gateway.control("switches", drop=1, delay=0.3)
    lost, late = gateway.pay(), gateway.pay()
    assert hooked.notices == []
    [body] = hooked.wait(1)
    assert body["data"]["paymentKey"] == late.gateway_key
    assert gateway.fetch(lost).status == PAID


@pytest.mark.parametrize("shape, kind", [("status", PAYMENT_CHANGED), ("deposit", DEPOSIT_CHANGED)])
def test_a_forged_notice(gateway, hooked, shape, kind):
    intent = gateway.intent(method=VIRTUAL_ACCOUNT)
    waiting = toss.confirm(gateway.account, intent, gateway.approve(intent), attempt())
    hooked.wait(1)
    gateway.control("forge", order_id=waiting.order_ref, shape=shape, secret="ps_forged")
    hooked.wait(2)
    hint = read(gateway, hooked)[1]
    assert (hint.kind, hint.claimed_status, hint.contradicts(waiting.secret)) == (kind, "DONE", True)
    assert gateway.fetch(waiting).captured == 0


def test_a_payout_notice_is_signed(gateway, hooked):
    gateway.control("forge", url=hooked.url, security_key=SECURITY_KEY,
                    body={"eventType": "payout.changed", "createdAt": "2026-11-22T12:00:00+09:00", "eventId": "evt_1"})
    hooked.wait(1)
    [hint] = read(gateway, hooked, security_key=SECURITY_KEY)
    assert hint.proof == "signature"
    with pytest.raises(BadSignature):
        read(gateway, hooked, security_key=SECURITY_KEY[::-1])


def test_each_account_has_its_own_address(gateway, hooked):
    other = gateway.account_of("demo0000000009")
    intent = gateway.intent()
    request = toss.create_checkout(other, intent).params["request"]
    query = gateway.control("pay", client_key=other.client_key, request=request)
    hint = toss.parse_return(other, {"paymentKey": query["paymentKey"], "orderId": intent.order_ref, "amount": "50000"})
    toss.confirm(other, intent, hint, attempt())
    gateway.pay()
    hooked.wait(1)
    time.sleep(0.2)
    assert [hint.order_ref == intent.order_ref for hint in read(gateway, hooked)] == [False]
