"""An organisation that takes money through PortOne, in channels of both kinds: the cases in which PortOne is not like Toss."""
import json
import secrets
from datetime import timedelta

import pytest
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook

from eventapp import audit, clock, tenancy
from eventapp.domain import calling, connecting_gateways, ledger, paying, refunding, registering
from eventapp.extensions import db
from eventapp.models import EmailMessage, GatewayAccount, Order, Payment, Refund, WebhookEvent
from eventapp.sandbox.portone_books import DEMO_SECRET
from tests.domain.test_paying import fill_the_event, reconcile
from tests.gateway import BROWSER
from tests.payments.stands.portone import Portone
from tests.shop import Shop

STAFF = audit.Actor("user", 1)
STORE = "store-demo0000000001"
BACK = {"bank": "woori", "number": "110-123-456789", "holder": "김하나"}


class PortoneShop(Shop):
    """Seoul's conference, with an account at the sandbox's PortOne."""

    approval = "automatic"

    def __init__(self, app, world, gateway, work):
        self.app, self.world, self.gateway, self.work = app, world, gateway, work
        self.console = type("Console", (Portone,), {"approval": self.approval})(gateway)
        world.seoul.enter()
        self.account = connecting_gateways.connect_account(
            "portone", mode="test", client_key=STORE, secret_key=self.console.account.secret_keys[0], webhook_secret=DEMO_SECRET,
            public=dict(self.console.account.public))
        db.session.commit()

    def open(self, payment: Payment) -> dict:
        """The payment page, once PortOne knows of the payment; answers the argument of the SDK's call."""
        from eventapp.blueprints.public.payment import addresses, window

        with self.app.test_request_context("/"):
            tenancy.enter(self.world.seoul.id)
            if paying.needs_opening(payment):
                paying.open_window(payment, *addresses(payment))
                db.session.commit()
        self.work()
        self.enter()
        with self.app.test_request_context("/"):
            tenancy.enter(self.world.seoul.id)
            return json.loads(json.dumps(window(db.session.get(Payment, payment.id)).params["request"]))

    def approve(self, payment: Payment, button: str = "approve", **changes) -> str:
        answer = self.console.control("pay", request=self.open(payment) | changes, button=button)
        self.enter()
        return answer["location"].split("localhost", 1)[1]

    def order_ref(self, order) -> str:
        return self.payment(order).gateway_order_id

    def tell(self, order, event: str = "Transaction.Paid", *, secret: str = DEMO_SECRET, at=None) -> int:
        """A notice as PortOne signs it, at the account's own address; answers what we say to it."""
        at, delivery = at or clock.now(), f"msg_{secrets.token_hex(8)}"
        body = json.dumps({"type": event, "timestamp": at.isoformat(), "data": {
            "storeId": STORE, "paymentId": self.order_ref(order), "transactionId": "t"}})
        headers = {"webhook-id": delivery, "webhook-timestamp": str(int(at.timestamp())), "content-type": "application/json",
                   "webhook-signature": Webhook(secret).sign(delivery, at, body)}
        status = self.app.test_client().post(f"/api/webhooks/payment/portone/{self.account.webhook_token}", data=body,
                                             headers=headers).status_code
        self.work()
        self.enter()
        return status

    def balanced(self) -> bool:
        self.enter()
        ours = sum(ledger.paid(order) for order in db.session.scalars(select(Order)))
        assert ours == self.console.in_books(), (ours, self.console.in_books())
        return True


class ManualShop(PortoneShop):
    approval = "manual"


@pytest.fixture
def portone_settings(settings, gateway):
    settings(portone_api_url=f"{gateway.address}/portone", portone_sdk_url=f"{gateway.address}/portone/v2/browser-sdk.js", backoff_scale=0.0)


@pytest.fixture(params=[PortoneShop, ManualShop], ids=["automatic", "manual"])
def shop(request, app, world, gateway, work, portone_settings):
    return request.param(app, world, gateway, work)


@pytest.fixture
def automatic(app, world, gateway, work, portone_settings):
    return PortoneShop(app, world, gateway, work)


@pytest.fixture
def manual(app, world, gateway, work, portone_settings):
    return ManualShop(app, world, gateway, work)


# -- the ordinary way ------------------------------------------------------------------------------------

def test_a_payment_from_the_page_to_the_ledger(shop):
    order = shop.place()
    browser = shop.browser_of(order)
    answer = browser.get(shop.approve(shop.payment(order)))
    assert answer.status_code == 303 and "paymentToken" not in answer.headers["Location"]
    shop.work()
    order = shop.fresh(order)
    assert (shop.statuses(order), shop.entries(order)) == (["confirmed"], [("charged", 100_000), ("paid", 100_000)])
    assert shop.attempts(shop.payment(order)) == [("open", "succeeded"), ("confirm" if shop.approval == "manual" else "look", "succeeded")]
    assert shop.payment(order).paid_with == "신한카드 12345678****000*" and shop.balanced()


def test_the_window_is_opened_for_nothing_but_the_registered_sum(shop):
    order = shop.place()
    request = shop.open(shop.payment(order))
    assert request["noticeUrls"][0].endswith(f"/api/webhooks/payment/portone/{shop.account.webhook_token}")
    answer = BROWSER.get(f"{shop.gateway.address}/portone/window", params={"request": json.dumps(request | {"totalAmount": 100})})
    assert "PRE_REGISTERED_INFORMATION_MISMATCH" in answer.text


@pytest.mark.parametrize("button, code", [("decline", "REJECT_CARD_COMPANY"), ("close", "PAY_PROCESS_CANCELED")])
def test_a_failed_window_comes_back_to_the_same_address_and_ends_at_the_fail_page(shop, button, code):
    order = shop.place()
    answer = shop.browser_of(order).get(shop.approve(shop.payment(order), button))
    assert f"code={code}" in answer.headers["Location"]
    assert shop.attempts(shop.payment(order)) == [("open", "succeeded")] and shop.balanced()
    assert shop.statuses(shop.pay()) == ["confirmed"]


def test_a_card_refused_at_the_confirm_is_a_refusal_at_once(manual):
    order = manual.place()
    address = manual.approve(manual.payment(order))
    manual.console.fault("confirm", "pg:REJECT_CARD_COMPANY")
    manual.browser_of(order).get(address)
    manual.work()
    assert (manual.payment(order).status, manual.payment(order).failure_code) == ("failed", "REJECT_CARD_COMPANY")
    assert manual.attempts(manual.payment(order))[-1] == ("confirm", "refused")


@pytest.mark.parametrize("said", ["manual", "automatic"])
def test_a_channel_is_what_it_is_whatever_its_account_says(shop, said):
    """What an organisation says of its channel may be wrong; the window shows it, by giving a token or none."""
    account = db.session.get(GatewayAccount, shop.account.id)
    account.public = account.public | {"approval": said}
    db.session.commit()
    order = shop.pay()
    assert shop.statuses(order) == ["confirmed"] and shop.balanced()


# -- the numbered cases --------------------------------------------------------------------------------------

def test_5_who_never_comes_back_is_found_by_the_notice(automatic):
    order = automatic.place()
    automatic.approve(automatic.payment(order))
    assert automatic.tell(order) == 200
    assert (automatic.statuses(order), automatic.entries(order)) == (["confirmed"], [("charged", 100_000), ("paid", 100_000)])


def test_5_and_without_a_notice_by_looking(automatic):
    order = automatic.place()
    automatic.approve(automatic.payment(order))
    automatic.later(minutes=16)
    automatic.work()
    reconcile(automatic)
    assert automatic.statuses(order) == ["confirmed"] and automatic.balanced()


def test_5_in_a_manual_channel_nothing_was_taken(manual):
    order = manual.place()
    manual.approve(manual.payment(order))
    manual.later(minutes=16)
    manual.work()
    reconcile(manual)
    assert manual.statuses(order) == ["expired"] and manual.balanced()


def test_17_of_two_windows_that_both_took_the_money_the_later_one_goes_back(automatic):
    order = automatic.place()
    card, transfer = automatic.payment(order), paying.begin(order, "bank_transfer")
    db.session.commit()
    first, second = automatic.approve(card), automatic.approve(transfer)
    browser = automatic.browser_of(order)
    browser.get(first)
    browser.get(second)
    automatic.work()
    assert automatic.statuses(order) == ["confirmed"]
    assert sorted(automatic.refunds(card) + automatic.refunds(transfer)) == [(100_000, "done", False)]
    assert ledger.paid(automatic.fresh(order)) == 100_000 and automatic.balanced()


def test_17_of_two_windows_to_confirm_only_one_is(manual):
    order = manual.place()
    card, transfer = manual.payment(order), paying.begin(order, "bank_transfer")
    db.session.commit()
    first, second = manual.approve(card), manual.approve(transfer)
    browser = manual.browser_of(order)
    browser.get(first)
    browser.get(second)
    manual.work()
    assert ("confirm", "prepared") not in manual.attempts(transfer) and len(manual.attempts(transfer)) == 1
    assert manual.statuses(order) == ["confirmed"] and manual.balanced()


def test_18_places_that_went_while_the_money_was_taken(automatic, mailbox):
    order = automatic.place()
    address = automatic.approve(automatic.payment(order))
    registering.expire(order)
    db.session.commit()
    fill_the_event(automatic)
    automatic.browser_of(order).get(address)
    automatic.work()
    assert automatic.statuses(order) == ["expired"]
    assert automatic.refunds(automatic.payment(order)) == [(100_000, "done", False)]
    assert mailbox()[-1]["To"] == order.email and "late_payment_refunded" in db.session.scalars(select(EmailMessage.kind)).all()
    assert ledger.paid(automatic.fresh(order)) == 0 and automatic.balanced()


def test_18_places_that_went_before_the_confirm_are_not_paid_for(manual):
    order = manual.place()
    address = manual.approve(manual.payment(order))
    registering.expire(order)
    db.session.commit()
    fill_the_event(manual)
    assert "code=PLACES_GONE" in manual.browser_of(order).get(address).headers["Location"]
    assert manual.console.in_books() == 0


def test_34_a_dispute_freezes_refunds_until_it_is_won(automatic):
    order = automatic.pay()
    payment = automatic.payment(order)
    automatic.console.control("dispute", order_id=payment.gateway_order_id)
    assert automatic.tell(order, "Transaction.DisputeCreated") == 200
    payment = automatic.payment(order)
    assert (payment.dispute["status"], payment.problem["kind"]) == ("open", "disputed")
    assert refunding.give_back(payment, "test", by=STAFF) is None
    automatic.console.control("dispute", order_id=payment.gateway_order_id, outcome="won")
    automatic.tell(order, "Transaction.DisputeResolved")
    assert (automatic.payment(order).dispute["status"], automatic.payment(order).problem) == ("won", None)
    assert automatic.statuses(order) == ["confirmed"]


def test_34_a_dispute_that_is_lost_is_booked_once(automatic):
    order = automatic.pay()
    automatic.console.control("dispute", order_id=automatic.order_ref(order), outcome="lost")
    for event in ("Transaction.DisputeResolved", "Transaction.Cancelled"):
        automatic.tell(order, event)
    assert automatic.payment(order).dispute["status"] == "lost"
    assert [(amount, state) for amount, state, _ in automatic.refunds(automatic.payment(order))] == [(100_000, "done")]
    assert ledger.paid(automatic.fresh(order)) == 0 and automatic.balanced()


@pytest.mark.parametrize("seconds, status, note", [(-400, 400, "old_timestamp"), (400, 400, "old_timestamp"), (-200, 200, "")])
def test_35_an_old_notice_is_refused_and_kept(automatic, seconds, status, note):
    order = automatic.place()
    automatic.approve(automatic.payment(order))
    assert automatic.tell(order, at=clock.now() + timedelta(seconds=seconds)) == status
    kept = db.session.scalar(select(WebhookEvent).order_by(WebhookEvent.id.desc()).limit(1))
    assert kept.note == note and automatic.statuses(order) == ["confirmed" if status == 200 else "pending_payment"]


def test_35_36_a_notice_signed_with_another_secret_changes_nothing(automatic):
    order = automatic.place()
    automatic.approve(automatic.payment(order))
    assert automatic.tell(order, secret="whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldC0wMDAx") == 400
    assert automatic.statuses(order) == ["pending_payment"]


def test_41_a_test_payment_never_fulfils_a_live_order(automatic):
    order = automatic.place()
    automatic.approve(automatic.payment(order))
    db.session.get(GatewayAccount, automatic.account.id).mode = "live"
    db.session.commit()
    automatic.tell(order)
    assert (automatic.statuses(order), automatic.payment(order).problem["kind"]) == (["pending_payment"], "differs")
    assert automatic.payment(order).problem["found"] == {"test": True}


def test_41_money_in_another_channel_waits_for_a_person(automatic):
    """A buyer who alters the page can choose another of the store's channels."""
    order = automatic.place()
    automatic.approve(automatic.payment(order), channelKey="channel-key-demo0000000001-manual")
    automatic.console.control("accounts", store_id=STORE, secrets=list(automatic.console.account.secret_keys),
                              channels={"channel-key-demo0000000001-other": "automatic"})
    automatic.approve(automatic.payment(order), channelKey="channel-key-demo0000000001-other")
    automatic.tell(order)
    assert automatic.statuses(order) == ["pending_payment"]
    assert "channel-key-demo0000000001-other" in automatic.payment(order).problem["found"]["status"]


def test_money_of_a_channel_that_was_changed_since_is_still_ours(automatic):
    order = automatic.pay()
    for channel in ("channel-key-demo0000000001-manual", "channel-key-demo0000000001-other"):
        connecting_gateways.connect_account("portone", mode="test", client_key=STORE, secret_key="", public={
            "store_id": STORE, "channel_key": channel, "approval": "manual"})
    db.session.commit()
    assert db.session.get(GatewayAccount, automatic.account.id).public["former_channels"] == [
        "channel-key-demo0000000001", "channel-key-demo0000000001-manual"]
    refunding.give_back(automatic.payment(order), "test", by=STAFF)
    db.session.commit()
    automatic.work()
    assert automatic.refunds(automatic.payment(order)) == [(100_000, "done", False)] and automatic.balanced()


def test_42_an_order_that_was_changed_while_the_window_took_the_old_sum(automatic):
    order = automatic.place(people=2)
    address = automatic.approve(automatic.payment(order))
    registering.cancel(registering.of_order(order)[1:], by=STAFF)
    db.session.commit()
    automatic.browser_of(order).get(address)
    automatic.work()
    assert sorted(automatic.statuses(order)) == ["cancelled", "confirmed"]
    assert automatic.payment(order).problem["kind"] == "overpaid" and automatic.balanced()


@pytest.mark.parametrize("fault", ["unknown_status", "wrong_amount", "wrong_currency"])
def test_8_9_51_what_nobody_understands_or_expects_waits_for_a_person(automatic, fault):
    order = automatic.place()
    address = automatic.approve(automatic.payment(order))
    automatic.console.fault("fetch", fault)
    automatic.browser_of(order).get(address)
    automatic.work()
    assert (automatic.statuses(order), automatic.payment(order).problem["kind"]) == (["pending_payment"], "differs")


@pytest.mark.parametrize("fault", ["html", "html_after_commit", "truncated", "500", "drop_before", "wrong_store"])
def test_52_an_answer_that_is_none_is_asked_for_again(shop, fault):
    order = shop.place()
    address = shop.approve(shop.payment(order))
    shop.console.fault("fetch", fault, times=2)
    shop.browser_of(order).get(address)
    shop.work()
    shop.work()
    assert shop.statuses(order) == ["confirmed"] and shop.balanced()


@pytest.mark.parametrize("fault", ["html", "timeout_after_commit", "500", "409"])
def test_52_so_is_a_confirm(manual, fault):
    order = manual.place()
    address = manual.approve(manual.payment(order))
    manual.console.fault("confirm", fault)
    manual.browser_of(order).get(address)
    manual.work()
    assert manual.statuses(order) == ["confirmed"] and manual.balanced()


# -- money that goes back --------------------------------------------------------------------------------------

def test_a_refund_that_is_decided_later_is_asked_for_once(shop, settings):
    """A refund under way does not lower PortOne's balance; an answer that is lost must not make a second one."""
    order = shop.pay()
    payment = shop.payment(order)
    settings(backoff_scale=1.0)
    shop.console.fault("cancel", "requested")
    shop.console.fault("fetch", "drop_before", times=2)
    refunding.give_back(payment, "test", by=STAFF, amount=40_000)
    db.session.commit()
    shop.work()
    assert shop.attempts(payment)[-1] == ("cancel", "unknown")
    shop.later(hours=4)  # PortOne has forgotten the key by now
    shop.work()
    assert shop.attempts(payment)[-1] == ("cancel", "succeeded") and shop.refunds(payment) == [(40_000, "requested", False)]
    books = shop.console.books(order_id=payment.gateway_order_id)["payments"][0]
    assert [one["status"] for one in books["cancellations"]] == ["REQUESTED"]
    assert shop.payment(order).status == "refund_pending"
    shop.console.control("refund", order_id=payment.gateway_order_id, result="SUCCEEDED")
    shop.tell(order, "Transaction.PartialCancelled")
    assert shop.refunds(payment) == [(40_000, "done", False)] and shop.payment(order).status == "partially_refunded"
    assert shop.balanced()


def by_account(shop):
    order = shop.place("virtual_account")
    shop.browser_of(order).get(shop.approve(shop.payment(order)))
    shop.work()
    return shop.fresh(order)


def test_a_virtual_account_of_the_window(shop):
    order = by_account(shop)
    payment = shop.payment(order)
    assert (payment.status, payment.virtual_account["bank"]) == ("awaiting_deposit", "woori")
    assert payment.due_at == paying.due(order.event_id, paying.began(order))
    shop.console.control("deposit", order_id=payment.gateway_order_id)
    shop.tell(order)
    assert shop.statuses(order) == ["confirmed"] and shop.balanced()


def test_an_account_nobody_waits_for_is_closed_at_portone(automatic):
    order = by_account(automatic)
    refunding.void(automatic.payment(order))
    db.session.commit()
    automatic.work()
    assert automatic.payment(order).status == "voided"
    assert automatic.console.books(order_id=automatic.order_ref(order))["payments"][0]["status"] == "CANCELLED"


def test_20_an_account_that_is_not_paid_into_in_time_frees_the_places(automatic):
    order = by_account(automatic)
    automatic.later(days=8)
    automatic.work()
    reconcile(automatic)
    assert (automatic.statuses(order), automatic.payment(order).status) == (["expired"], "expired")


def test_a_card_refund_that_fails_afterwards_waits_for_a_person(automatic):
    order = automatic.pay()
    automatic.console.fault("cancel", "requested")
    refunding.give_back(automatic.payment(order), "test", by=STAFF)
    db.session.commit()
    automatic.work()
    automatic.console.control("refund", order_id=automatic.order_ref(order), result="FAILED")
    calling.refresh(automatic.payment(order))
    db.session.commit()
    payment = automatic.payment(order)
    assert (automatic.refunds(payment), payment.status, payment.problem["kind"]) == ([(100_000, "failed", False)], "paid", "refund_failed")
    assert automatic.balanced()


@pytest.mark.parametrize("result, state", [("SUCCEEDED", "done"), ("FAILED", "needs_account")])
def test_24_25_its_money_goes_to_the_account_the_buyer_names(automatic, result, state):
    order = by_account(automatic)
    automatic.console.control("deposit", order_id=automatic.order_ref(order))
    automatic.tell(order)
    order = automatic.fresh(order)
    found = refunding.quote(order)
    registering.cancel(registering.of_order(order), by=STAFF, reason="test")
    refunding.give(order, found, reason="test", by=STAFF, account=BACK)
    db.session.commit()
    automatic.work()
    assert automatic.payment(order).status == "refund_pending"
    automatic.console.control("refund", order_id=automatic.order_ref(order), result=result)
    calling.refresh(automatic.payment(order))
    db.session.commit()
    assert [one.state for one in db.session.scalars(select(Refund))] == [state]
    assert automatic.balanced()
