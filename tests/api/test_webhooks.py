"""Notices: stored as they came, answered at once, believed by nobody."""
import json
import threading

import pytest
from sqlalchemy import func, select

from eventapp import faults
from eventapp.domain import connecting_gateways, paying
from eventapp.extensions import db
from eventapp.models import GatewayAccount, OutboxItem, WebhookEvent
from tests.shop import KEYS

ID = "tosspayments-webhook-transmission-id"


def address(shop) -> str:
    return f"/api/webhooks/payment/toss/{shop.account.webhook_token}"


def post(shop, body, delivery: str = "whtrans_1", path: str = "", **headers):
    text = body if isinstance(body, (bytes, str)) else json.dumps(body)
    return shop.app.test_client().post(path or address(shop), data=text, headers={ID: delivery, **headers},
                                       content_type="application/json")


def changed(shop, order, **more) -> dict:
    """As the gateway would write it."""
    books = shop.get_books(order)
    return {"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": "2026-11-22T12:01:11.123456", "data": books | more}


def deposit(shop, order, status: str = "DONE", **more) -> dict:
    books = shop.get_books(order)
    return {"createdAt": "2026-11-22T12:30:00.000000", "secret": books["secret"], "status": status, "transactionKey": "txrd_1",
            "orderId": books["orderId"]} | more


def fetches(shop, monkeypatch) -> list:
    """The questions that are put to the gateway from here on."""
    toss, asked = paying.PROVIDERS["toss"], []
    real = toss.fetch
    monkeypatch.setattr(toss, "fetch", lambda account, ref: asked.append(ref) or real(account, ref))
    return asked


def confirmed_unheard(shop):
    """The gateway has the money; nobody has told us."""
    shop.gateway.fault("confirm", "timeout_after_commit")
    shop.gateway.fault("fetch", "500")
    order = shop.place()
    shop.browser_of(order).get(shop.approve(shop.payment(order)))
    from eventapp import outbox

    outbox.drain("gateway", most=1)
    return shop.fresh(order)


def test_4_a_notice_before_the_browser_returns_completes_the_order(shop):
    order = confirmed_unheard(shop)
    answer = post(shop, changed(shop, order))
    assert (answer.status_code, answer.text, "Set-Cookie" in answer.headers) == (200, "", False)
    shop.work()
    assert shop.statuses(order) == ["confirmed"]
    assert shop.browser_of(order).get("/registration/success").status_code == 200
    assert shop.notices() == ["applied"]
    assert shop.balanced()


def test_1_the_same_notice_fifty_times_is_kept_and_looked_into_once(shop, monkeypatch):
    order = shop.deposit_account()
    shop.gateway.control("deposit", order_id=shop.payment(order).gateway_order_id)
    body = deposit(shop, order)
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(post(shop, body).status_code)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses += [post(shop, body).status_code for _ in range(40)]
    assert statuses == [200] * 50
    asked = fetches(shop, monkeypatch)
    shop.work()
    assert (len(asked), shop.notices(), shop.statuses(order)) == (1, ["applied"], ["confirmed"])
    assert shop.entries(order) == [("charged", 100_000), ("paid", 100_000)]


def test_2_both_shapes_of_one_event_have_one_effect(shop):
    order = shop.deposit_account()
    shop.gateway.control("deposit", order_id=shop.payment(order).gateway_order_id)
    post(shop, deposit(shop, order), "whtrans_a")
    post(shop, changed(shop, order), "whtrans_b")
    shop.work()
    assert (shop.notices(), shop.entries(order)) == (["applied", "applied"], [("charged", 100_000), ("paid", 100_000)])


def test_37_a_flood_about_one_payment_is_one_question(shop, monkeypatch):
    order = shop.pay()
    for number in range(30):
        post(shop, changed(shop, order), f"whtrans_{number}")
    asked = fetches(shop, monkeypatch)
    shop.work()
    assert (len(asked), set(shop.notices())) == (1, {"applied"})


def test_3_notices_out_of_order_end_in_the_right_state(shop):
    order = confirmed_unheard(shop)
    payment = shop.payment(order)
    paid = changed(shop, order)
    shop.gateway.control("cancel", order_id=payment.gateway_order_id)
    post(shop, changed(shop, order), "whtrans_refund")
    shop.work()
    post(shop, paid, "whtrans_paid")
    shop.work()
    assert shop.payment(order).status == "refunded"
    assert shop.entries(order) == [("charged", 100_000), ("paid", 100_000), ("refunded", 100_000), ("released", 100_000)]
    assert shop.balanced()


@pytest.mark.parametrize("shape", ["changed", "deposit"])
def test_36_a_forged_notice_changes_nothing(shop, shape):
    order = shop.deposit_account()
    forged = deposit(shop, order, secret="ps_forged") if shape == "deposit" else changed(shop, order, status="DONE", secret="ps_x")
    assert post(shop, forged).status_code == 200
    shop.work()
    assert (shop.statuses(order), shop.notices()) == (["pending_payment"], ["rejected"])


def test_36_a_forgery_that_knows_the_secret_makes_us_look_and_nothing_more(shop):
    order = shop.deposit_account()
    post(shop, deposit(shop, order))
    shop.work()
    assert (shop.statuses(order), shop.notices()) == (["pending_payment"], ["applied"])


def test_36_without_the_guard_a_wrong_secret_is_looked_into(shop, guards_off):
    guards_off("webhook.secret")
    order = shop.deposit_account()
    post(shop, deposit(shop, order, secret="ps_forged"))
    shop.work()
    assert shop.notices() == ["applied"]


def test_a_card_notice_without_a_secret_is_fine(shop):
    order = confirmed_unheard(shop)
    post(shop, changed(shop, order, secret=None))
    shop.work()
    assert shop.statuses(order) == ["confirmed"]


def test_38_an_order_that_nobody_knows_is_ignored_and_one_of_another_shop_is_an_orphan(shop):
    post(shop, {"eventType": "PAYMENT_STATUS_CHANGED", "data": {"orderId": "ev_never_was_there", "paymentKey": "tnever"}}, "a")
    elsewhere = shop.gateway.issue()
    post(shop, {"eventType": "PAYMENT_STATUS_CHANGED", "data": {"orderId": elsewhere.order_ref}}, "b")
    shop.work()
    assert shop.notices() == ["ignored", "orphan"]


def test_39_a_notice_at_another_organisations_address_finds_nothing_there(shop):
    order = confirmed_unheard(shop)
    body = changed(shop, order)
    shop.world.busan.enter()
    other = connecting_gateways.connect_account("toss", mode="test", client_key="test_ck_demo0000busan", secret_key="test_sk_demo0000busan")
    db.session.commit()
    assert post(shop, body, path=f"/api/webhooks/payment/toss/{other.webhook_token}").status_code == 200
    from eventapp.outbox import claim, run

    item = claim("gateway")
    while item and item.kind != "gateway_webhook":
        item = claim("gateway")
    run(item)
    assert shop.statuses(order) == ["pending_payment"]
    shop.world.busan.enter()
    assert list(db.session.scalars(select(WebhookEvent.state))) == ["wrong_account"]


def test_what_is_not_about_a_payment_is_kept_and_ignored(shop):
    for number, name in enumerate(("BILLING_DELETED", "METHOD_UPDATED", "SOMETHING_NEW")):
        assert post(shop, {"eventType": name, "data": {"billingKey": "b"}}, str(number)).status_code == 200
    shop.work()
    assert shop.notices() == ["ignored"] * 3


@pytest.mark.parametrize("path", ["/api/webhooks/payment/toss/nobody", "/api/webhooks/payment/portone/{token}",
                                  "/api/webhooks/payment/toss/{token}x"])
def test_an_unknown_address_is_404_without_a_word(shop, path):
    answer = post(shop, {"eventType": "X"}, path=path.format(token=shop.account.webhook_token))
    assert (answer.status_code, answer.text) == (404, "")
    assert shop.notices() == []


def test_the_bare_address_serves_an_installation_with_one_account(shop):
    order = confirmed_unheard(shop)
    assert post(shop, changed(shop, order), path="/api/webhooks/payment").status_code == 200
    shop.work()
    assert shop.statuses(order) == ["confirmed"]
    shop.world.busan.enter()
    connecting_gateways.connect_account("toss", mode="test", client_key="test_ck_demo0000busan", secret_key="test_sk_demo0000busan")
    db.session.commit()
    assert post(shop, {"eventType": "X"}, path="/api/webhooks/payment").status_code == 404


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"{}", b'{"eventType": 7}',
                                  b'{"eventType": "PAYMENT_STATUS_CHANGED"}', b"[" * 50_000, b'{"a": NaN}', b'{"a": 1E999999}',
                                  b'{"eventType": "PAYMENT_STATUS_CHANGED", "data": {"orderId": {"$ne": 1}}}'])
def test_what_cannot_be_read_is_refused(shop, body):
    assert post(shop, body).status_code == 400
    assert shop.notices() == []


def test_too_much_is_413_and_not_kept(shop):
    assert post(shop, json.dumps({"eventType": "x" * 300_000})).status_code == 413
    assert shop.notices() == []


def test_a_bad_signature_is_refused_and_kept_as_rejected(shop):
    answer = post(shop, {"eventType": "payout.changed", "createdAt": "2026-11-22T12:00:00+09:00"},
                  **{"tosspayments-webhook-signature": "v1:AAAA"})
    assert answer.status_code == 400
    assert shop.notices() == ["rejected"]


def test_a_get_is_405(shop):
    assert shop.app.test_client().get(address(shop)).status_code == 405


def test_the_account_shows_when_the_last_one_came(shop):
    post(shop, {"eventType": "METHOD_UPDATED"})
    shop.enter()
    assert db.session.get(GatewayAccount, shop.account.id).last_webhook_at is not None


def test_a_process_that_dies_after_storing_has_lost_nothing(shop):
    order = confirmed_unheard(shop)
    body = changed(shop, order)
    faults.configure("webhook.answered=raise")
    assert post(shop, body).status_code == 500
    faults.configure("")
    assert post(shop, body).status_code == 200  # the gateway tries again
    shop.work()
    assert (shop.statuses(order), shop.notices()) == (["confirmed"], ["applied"])


def test_40_while_the_key_is_wrong_the_notice_waits(shop, settings):
    settings(backoff_scale=1.0)
    order = confirmed_unheard(shop)
    shop.gateway.control("accounts", client_key=KEYS[0], secret_keys=["test_sk_another00001"])
    post(shop, changed(shop, order))
    shop.work()
    assert (shop.notices(), shop.statuses(order)) == (["received"], ["pending_payment"])
    shop.gateway.control("accounts", client_key=KEYS[0], secret_keys=[KEYS[1]])
    shop.later(seconds=30)
    shop.work()
    assert (shop.notices(), shop.statuses(order)) == (["applied"], ["confirmed"])


def test_no_cookie_and_no_origin_is_asked_for_and_none_is_set(shop):
    answer = post(shop, {"eventType": "METHOD_UPDATED"}, Origin="https://evil.example")
    assert (answer.status_code, answer.headers.getlist("Set-Cookie")) == (200, [])
    assert db.session.scalar(select(func.count()).select_from(OutboxItem).where(OutboxItem.kind == "gateway_webhook")) == 1
