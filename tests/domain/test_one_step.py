"""Where the money is taken in the gateway's own page, without a confirm of ours: what may happen behind our back."""
import re
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select, update

from eventapp import audit, clock, outbox
from eventapp.domain import applying, attempts, calling, ledger, paying, refunding, registering
from eventapp.extensions import db
from eventapp.models import GatewayAccount, OutboxItem, WebhookEvent
from eventapp.payments import PROVIDERS
from eventapp.payments.provider import Dispute, GatewayRef
from tests.domain.test_paying import fill_the_event, reconcile
from tests.domain.test_portone_cases import automatic, portone_settings  # noqa: F401 - fixtures
from tests.gateway import inbox  # noqa: F401
from tests.public.test_stripe_flow import PAGE, shop  # noqa: F401 - a fixture


def paid_behind_our_back(at, order, **how) -> str:
    """The buyer pays and never comes back, and the notices are lost; answers where the browser was to go."""
    return at.control("pay", order, **how)["location"]


def test_coming_back_again_and_again_without_paying_keeps_no_place(shop):  # noqa: F811
    order = shop.place()
    shop.opened(order)
    back = shop.control("close", order)["location"].replace("/fail", "/success") + f"&session_id={shop.payment(order).gateway_key}"
    for _round in range(3):
        shop.later(minutes=10)
        shop.work()
        shop.browser_of(order).get(back.removeprefix("http://localhost"))
        shop.work()
    assert shop.statuses(order) == ["expired"]


def test_money_that_is_taken_after_the_hold_is_found_without_a_notice(shop):  # noqa: F811
    """The page is open longer than the places are kept."""
    order = shop.place()
    shop.opened(order)
    shop.later(minutes=20)
    shop.work()
    assert shop.statuses(order) == ["expired"]
    paid_behind_our_back(shop, order)
    shop.later(hours=1)
    reconcile(shop)
    assert shop.balanced() and shop.statuses(order) == ["confirmed"]


def test_money_that_is_taken_in_the_last_minute_of_a_long_hold_is_asked_for(automatic):  # noqa: F811
    """Looked at once when it was young, and never again until the hold ends."""
    order = automatic.place()
    payment = automatic.payment(order)
    automatic.open(payment)
    automatic.fresh(order).hold_until = clock.now() + timedelta(days=2)
    db.session.commit()
    automatic.later(minutes=5)
    reconcile(automatic)
    automatic.later(hours=47)
    automatic.work()
    automatic.approve(automatic.payment(order))
    automatic.later(hours=3)
    paying.end_hold(automatic.fresh(order))
    db.session.commit()
    automatic.work()
    assert automatic.statuses(order) == ["confirmed"] and automatic.balanced()


def test_a_page_that_has_ended_leads_to_a_new_one_though_nobody_told_us(shop):  # noqa: F811
    order = shop.place()
    shop.later(minutes=10)
    shop.opened(order)
    shop.fresh(order).hold_until = clock.now() + timedelta(days=2)
    db.session.commit()
    dead = shop.payment(order).checkout_url
    shop.later(minutes=50)
    reconcile(shop)
    browser = shop.browser_of(order)
    assert dead not in browser.get(PAGE).text
    browser.post(PAGE, {"method": "card"})
    shop.work()
    new = shop.payment(order).checkout_url
    assert new and new != dead and new in browser.get(PAGE).text.replace("&amp;", "&")


def test_a_bank_that_takes_days_is_believed_after_the_hold(shop):  # noqa: F811
    """Nobody is told that nothing was charged."""
    order = shop.place()
    shop.opened(order)
    shop.later(minutes=20)
    shop.work()
    assert shop.payment(order).status == "expired"
    shop.come_back(order, paid_behind_our_back(shop, order, delayed=True))
    assert (shop.payment(order).status, paying.state(shop.payment(order))) == ("awaiting_deposit", "awaiting")
    shop.control("deposit", order)
    shop.later(hours=2)
    reconcile(shop)
    assert shop.balanced() and shop.statuses(order) == ["confirmed"]


def test_a_bank_that_takes_days_is_learnt_of_by_looking(shop):  # noqa: F811
    order = shop.place()
    shop.opened(order)
    shop.later(minutes=20)
    shop.work()
    paid_behind_our_back(shop, order, delayed=True)
    calling.refresh(shop.payment(order))
    db.session.commit()
    payment = shop.payment(order)
    assert (payment.status, payment.problem) == ("awaiting_deposit", None)


def test_places_are_free_at_last_though_the_question_before_was_never_answered(automatic):  # noqa: F811
    """The gateway was away for so long that the job has given up."""
    order = automatic.place()
    automatic.open(automatic.payment(order))
    automatic.later(minutes=20)
    paying.end_hold(automatic.fresh(order))
    db.session.execute(update(OutboxItem).where(OutboxItem.kind == "gateway_refresh").values(dead_at=clock.now()))
    db.session.commit()
    automatic.work()
    assert automatic.statuses(order) == ["pending_payment"]
    automatic.later(hours=3)
    reconcile(automatic)
    assert automatic.statuses(order) == ["expired"]


def test_what_nobody_answers_is_asked_by_one_job_at_a_time(automatic):  # noqa: F811
    order = automatic.place()
    automatic.open(automatic.payment(order))
    automatic.enter()
    attempts.prepare(automatic.payment(order), "look", {"order_ref": automatic.order_ref(order), "gateway_key": ""})
    notice = WebhookEvent(account_id=automatic.account.id, delivery_id="d1", headers={}, body=b"{}")
    db.session.add(notice)
    db.session.flush()
    outbox.later("gateway_webhook", notice, key="taken")
    db.session.commit()
    for _hour in range(5):
        clock.offset += timedelta(hours=3)
        paying.reconcile()
        db.session.commit()
    kinds = db.session.scalars(select(OutboxItem.kind).where(OutboxItem.kind.in_(("gateway_look", "gateway_webhook")))).all()
    assert sorted(kinds) == ["gateway_look", "gateway_webhook"]


def test_nobody_is_asked_twice_for_money_that_a_bank_takes_days_to_send(shop):  # noqa: F811
    order = shop.place()
    shop.opened(order)
    browser = shop.browser_of(order)
    pay_link = re.search(r"/seoul-ubf/wmc-2026/pay/[\w.-]+", browser.get(PAGE).text)[0]
    shop.come_back(order, paid_behind_our_back(shop, order, delayed=True))
    assert browser.get(PAGE).status_code == 303
    page = browser.get("/registration/success").text
    assert "on its way" in page and "/register/payment" not in page
    page = shop.app.test_client().get(pay_link).text
    assert "on its way" in page and "<form" not in page.partition("<main")[2].partition("</main>")[0]
    assert browser.post(PAGE, {"method": "card"}).status_code == 303 and len(shop.fresh(order).payments) == 1


def test_34_a_dispute_about_the_whole_takes_what_a_refund_had_left(shop):  # noqa: F811
    order = shop.pay()
    refunding.give_back(shop.payment(order), "a favour", by=audit.SYSTEM, amount=30_000)
    db.session.commit()
    shop.work()
    payment = shop.payment(order)
    account = calling.keys(db.session.get(GatewayAccount, payment.account_id))
    found = PROVIDERS["stripe"].fetch(account, GatewayRef(gateway_key=payment.gateway_key))
    lost = replace(found, dispute=Dispute("du_1", "lost", 100_000))
    assert [applying.apply_snapshot(payment, lost) for _twice in range(2)] == ["applied", "applied"]
    db.session.commit()
    payment = shop.payment(order)
    assert (payment.balance, ledger.held(payment), ledger.paid(shop.fresh(order))) == (0, 0, 0)


def test_money_that_a_window_took_though_its_account_says_that_we_do(automatic):  # noqa: F811
    """Nobody is told that nothing was charged before it was looked at."""
    account = db.session.get(GatewayAccount, automatic.account.id)
    account.public = account.public | {"approval": "manual"}
    db.session.commit()
    order = automatic.place()
    address = automatic.approve(automatic.payment(order))
    registering.expire(order)
    db.session.commit()
    fill_the_event(automatic)
    assert "PLACES_GONE" not in automatic.browser_of(order).get(address).headers["Location"]
    automatic.work()
    assert automatic.refunds(automatic.payment(order)) == [(100_000, "done", False)] and automatic.balanced()
