"""Of the 54 cases of docs/payment-cases.md those that have their place nowhere else: through the pages, the worker and the sandbox.
A test's name begins with the number of its case; the list says where the others are."""
import json
import re
from base64 import b64encode
from datetime import timedelta

import pytest
from sqlalchemy import create_engine, select, text

from eventapp import audit, clock, faults, outbox
from eventapp.domain import calling, ledger, paying, refunding, registering
from eventapp.extensions import db
from eventapp.models import (
    BulkOperation,
    CheckIn,
    Checkpoint,
    Document,
    EmailMessage,
    Event,
    OutboxItem,
    PaymentAttempt,
    Refund,
    WebhookEvent,
)
from tests.api.test_webhooks import changed, fetches, post
from tests.domain.test_refunding import ACCOUNT, HALF, agree, by_account, by_hand, by_transfer, cancel
from tests.gateway import BROWSER, inbox  # noqa: F401
from tests.shop import KEYS, id_of

STAFF = audit.Actor("user", 1)
DESK = "/seoul-ubf/admin"
PAGE = "/seoul-ubf/wmc-2026/register/payment"


def confirmed_by_another_request(shop, order, address: str) -> None:
    """The money is taken under a key that this attempt does not have."""
    payment = shop.payment(order)
    key = re.search(r"paymentKey=([^&]+)", address)[1]
    calling.CALLS["confirm"](calling.PROVIDERS["toss"], calling.keys(shop.account), calling.request_of(payment, gateway_key=key),
                             "confirm-by-another-request-000001")


def confirms(shop) -> int:
    """How often money came, as the gateway's books have it."""
    return len([line for line in shop.gateway.books()["transactions"] if line["amount"] > 0])


def waiting(kind: str) -> OutboxItem:
    return db.session.scalar(select(OutboxItem).where(OutboxItem.kind == kind, OutboxItem.done_at.is_(None)))


# -- the way back --------------------------------------------------------------------------------------------

def test_6_however_often_the_return_page_is_opened_it_is_confirmed_once(shop):
    order = shop.place()
    address, browser = shop.approve(shop.payment(order)), shop.browser_of(order)
    waits = {browser.get(address).headers["Location"] for _ in range(3)}
    assert len(waits) == 1 and shop.attempts(shop.payment(order)) == [("confirm", "prepared")]
    assert browser.get(waits.pop()).status_code == 200
    shop.work()
    assert {browser.get(address).headers["Location"] for _ in range(3)} == {"/registration/success"}
    shop.work()
    assert shop.attempts(shop.payment(order)) == [("confirm", "succeeded")] and confirms(shop) == 1
    assert shop.entries(order) == [("charged", 100_000), ("paid", 100_000)]


@pytest.mark.parametrize("fault", ["drop_before", "500", "html"])
def test_11_a_confirm_without_answer_that_took_nothing_and_is_over_has_failed(shop, settings, fault):
    settings(backoff_scale=1.0)
    shop.gateway.fault("confirm", fault)
    shop.gateway.fault("fetch", "500")
    order = shop.place()
    browser = shop.browser_of(order)
    page = browser.get(shop.approve(shop.payment(order))).headers["Location"]
    shop.work()
    first = shop.payment(order)
    assert (paying.state(first), browser.get(page).status_code) == ("checking", 200)
    shop.later(minutes=11)
    shop.work()
    first = shop.payment(order)
    assert (first.status, shop.attempts(first), shop.statuses(order)) == ("expired", [("confirm", "refused")], ["pending_payment"])
    assert "/payment/fail" in browser.get(page).headers["Location"]
    assert browser.post(PAGE, {"method": "card"}).status_code == 303
    browser.get(shop.approve(shop.payment(order)))
    shop.work()
    assert (shop.statuses(order), confirms(shop)) == (["confirmed"], 1) and shop.balanced()


def test_12_processed_already_is_looked_up_and_no_error_to_the_buyer(shop):
    order = shop.place()
    address = shop.approve(shop.payment(order))
    confirmed_by_another_request(shop, order, address)
    browser = shop.browser_of(order)
    page = browser.get(address).headers["Location"]
    shop.work()
    assert browser.get(page).headers["Location"] == "/registration/success"
    assert (shop.statuses(order), shop.attempts(shop.payment(order)), confirms(shop)) == (["confirmed"], [("confirm", "succeeded")], 1)
    assert shop.balanced()


def test_13_after_a_window_that_is_over_one_pays_under_a_new_order_id(shop):
    order = shop.place()
    first, browser = shop.payment(order), shop.browser_of(order)
    address = shop.approve(first)
    shop.later(minutes=11)
    page = browser.get(address).headers["Location"]
    shop.work()
    assert "/payment/fail" in browser.get(page).headers["Location"]
    browser.post(PAGE, {"method": "card"})
    again = shop.payment(order)
    assert again.gateway_order_id != first.gateway_order_id
    browser.get(shop.approve(again))
    shop.work()
    assert shop.statuses(order) == ["confirmed"] and shop.balanced()


def test_14_while_the_first_question_runs_the_same_one_is_asked_later_with_the_same_key(shop, settings):
    settings(backoff_scale=1.0)
    shop.gateway.fault("confirm", "409", times=5)
    order = shop.place()
    shop.browser_of(order).get(shop.approve(shop.payment(order)))
    keys, times = set(), 0
    while shop.statuses(order) != ["confirmed"] and times < 12:
        shop.work()
        attempt = db.session.scalar(select(PaymentAttempt))
        keys.add(attempt.idempotency_key)
        assert attempt.state in ("unknown", "succeeded") and shop.payment(order).status in ("created", "paid")
        if item := waiting("gateway_confirm"):
            assert (item.run_at - clock.now()).total_seconds() > 0
            clock.offset += item.run_at - clock.now()
        times += 1
    assert (shop.statuses(order), len(keys), confirms(shop)) == (["confirmed"], 1, 1) and shop.balanced()


def test_15_an_order_id_that_was_paid_already_is_looked_up(shop):
    """Two windows of one payment are open; the other one was confirmed by a request whose answer nobody has."""
    order = shop.place()
    first, second = shop.approve(shop.payment(order)), shop.approve(shop.payment(order))
    confirmed_by_another_request(shop, order, first)
    browser = shop.browser_of(order)
    page = browser.get(second).headers["Location"]
    shop.work()
    assert browser.get(page).headers["Location"] == "/registration/success"
    assert (shop.statuses(order), confirms(shop)) == (["confirmed"], 1) and shop.balanced()


# -- virtual accounts ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("amount", [99_999, 100_001, 1])
def test_22_a_deposit_of_another_amount_is_refused_by_the_bank_and_nothing_happens(shop, amount):
    order = shop.deposit_account()
    refused = BROWSER.post(f"{shop.gateway.address}/control/deposit", json={"order_id": shop.payment(order).gateway_order_id, "amount": amount})
    assert (refused.status_code, refused.json()) == (409, {"error": "DEPOSIT_REFUSED_BY_BANK"})
    calling.refresh(shop.payment(order))
    db.session.commit()
    assert (shop.payment(order).status, shop.statuses(order), shop.entries(order)) == ("awaiting_deposit", ["pending_payment"], [("charged", 100_000)])
    assert "the account accepts no other" in shop.browser_of(order).get("/registration/success").text
    shop.gateway.control("deposit", order_id=shop.payment(order).gateway_order_id)
    calling.refresh(shop.payment(order))
    db.session.commit()
    assert shop.statuses(order) == ["confirmed"] and shop.balanced()


def test_26_the_bank_does_not_know_the_account_and_the_buyer_says_another_on_the_page_of_the_letter(shop):
    order = by_account(shop)
    shop.gateway.fault("cancel", "code:INVALID_REFUND_ACCOUNT_INFO")
    refund, = cancel(order, account=ACCOUNT)
    shop.work()
    letter = db.session.scalar(select(EmailMessage).where(EmailMessage.kind == "refund_needs_account"))
    address = re.search(r"http://localhost(?::\d+)?(/\S+/refund-account)", letter.body)[1]
    browser = shop.app.test_client()
    assert browser.get(address).status_code == 200
    assert browser.post(address, {"refund-bank": "woori", "refund-number": "1", "refund-holder": "김하나"}).status_code == 422
    assert browser.post(address, {f"refund-{name}": value for name, value in ACCOUNT.items()}).status_code in (200, 303)
    shop.work()
    asked = db.session.scalars(select(PaymentAttempt).where(PaymentAttempt.operation == "cancel").order_by(PaymentAttempt.id)).all()
    assert [one.state for one in asked] == ["refused", "succeeded"] and asked[0].idempotency_key != asked[1].idempotency_key
    shop.gateway.control("refund", order_id=shop.payment(order).gateway_order_id, result="COMPLETED")
    calling.refresh(shop.payment(order))
    db.session.commit()
    refund = db.session.get(Refund, id_of(refund), populate_existing=True)
    assert (refund.state, refund.account) == ("done", None) and shop.balanced()


# -- money that goes back ------------------------------------------------------------------------------------

def test_32_what_the_gateway_is_too_late_for_goes_by_transfer(shop, seoul_owner):
    """The gateway's own word for it: our table may know less than its contract."""
    order = agree(shop.pay())
    shop.gateway.fault("cancel", "code:EXCEED_MAX_REFUND_DUE")
    refund, = cancel(order, in_full=True)
    shop.work()
    payment = shop.payment(order)
    assert (payment.problem["kind"], shop.refunds(payment)) == ("refund_refused", [(100_000, "failed", False)])
    assert "It is too late for the payment company" in seoul_owner.get(f"{DESK}/payments/refunds/{id_of(refund)}").text
    assert 'value="refund_transfer"' in seoul_owner.get(f"{DESK}/payments/{payment.id}").text
    assert seoul_owner.post(f"{DESK}/payments/{payment.id}/settle", {"way": "refund_transfer"}).status_code == 303
    shop.enter()
    again = db.session.scalar(select(Refund).order_by(Refund.id.desc()).limit(1))
    assert (again.state, again.route) == ("needs_account", "transfer")
    refunding.take_account(again, **ACCOUNT, by=STAFF)
    db.session.commit()
    assert seoul_owner.post(f"{DESK}/payments/payouts", {"ids": [str(again.id)], "do": "sent"}).status_code == 303
    order = shop.fresh(order)
    assert (ledger.owed(order), ledger.paid(order), db.session.get(Refund, id_of(again)).state) == (0, 0, "done")
    assert shop.get_books(order)["balanceAmount"] == 100_000, "the gateway gave nothing back"
    calling.refresh(shop.payment(order))
    db.session.commit()
    assert shop.payment(order).problem is None


@pytest.mark.parametrize(("method", "days", "late"), [
    ("bank_transfer", 179, False), ("bank_transfer", 181, True), ("virtual_account", 364, False), ("virtual_account", 366, True),
    ("mobile", 31, True), ("card", 400, False)])
def test_32_how_long_each_way_goes_back_by_itself(shop, method, days, late):
    order = by_account(shop) if method == "virtual_account" else by_transfer(shop) if method == "bank_transfer" else agree(shop.pay())
    payment = shop.payment(order)
    payment.method, payment.approved_at = method, clock.now() - timedelta(days=days)
    db.session.commit()
    assert refunding.by_hand(payment) is late
    assert refunding.quote(shop.fresh(order), in_full=True).needs_account is (late or method == "virtual_account")


def test_43_an_event_with_many_orders_is_given_back_once_each_and_who_failed_is_listed(shop, seoul_owner):
    """Cards, transfers, accounts and transfers by hand; the worker dies twice, one bank says no, one answer is lost."""
    cards = [agree(shop.pay(), HALF) for _ in range(8)]
    accounts, transfers, by_hands = [by_account(shop) for _ in range(2)], [by_transfer(shop) for _ in range(2)], [by_hand(shop)]
    refused, lost = (shop.payment(one).gateway_order_id for one in cards[:2])
    shop.gateway.fault("cancel", "code:REFUND_REJECTED", order_id=refused)
    shop.gateway.fault("cancel", "timeout_after_commit", order_id=lost)
    shop.enter()
    code = db.session.scalar(select(Event.code).where(Event.slug == "wmc-2026"))
    assert seoul_owner.post(f"{DESK}/events/wmc-2026/cancel", {"reason": "태풍", "title": code}).status_code == 303
    for point in ("bulk.applied", "paying.cancel.answered"):
        faults.configure(f"{point}=raise")
        for queue in ("operations", "default", "gateway"):
            outbox.drain(queue, most=3)
    faults.configure("")
    shop.work()
    shop.later(minutes=1)  # the refunds of an operation are let go one after another
    shop.work()
    shop.enter()
    assert db.session.scalar(select(BulkOperation.state)) == "done"
    for order in (*cards, *accounts, *transfers, *by_hands):
        assert shop.statuses(order) == ["cancelled"]
    for order in cards[1:] + transfers:
        assert shop.refunds(shop.payment(order)) == [(100_000, "done", False)]
        assert len(shop.get_books(order)["cancels"]) == 1
    for order in accounts + by_hands:
        assert shop.refunds(shop.payment(order)) == [(100_000, "needs_account", False)]
    shop.enter()
    asked = db.session.scalars(select(PaymentAttempt.payment_id).where(PaymentAttempt.operation == "cancel")).all()
    assert len(asked) == len(set(asked)) == len(cards + transfers), "one question for each payment that goes back by itself"
    assert shop.refunds(shop.payment(cards[0])) == [(100_000, "failed", False)]
    page = seoul_owner.get(f"{DESK}/events/wmc-2026/cancel").text
    assert 'data-state="failed"' in page and 'data-state="needs_account"' in page
    assert shop.balanced()


# -- notices ---------------------------------------------------------------------------------------------------

def test_35_an_old_notice_that_nobody_signed_makes_us_look_and_nothing_more(shop, monkeypatch):
    order = shop.pay()
    notice = changed(shop, order) | {"createdAt": "2020-01-01T00:00:00.000000"}
    before = shop.entries(order)
    shop.gateway.control("cancel", order_id=shop.payment(order).gateway_order_id)
    asked = fetches(shop, monkeypatch)
    assert post(shop, notice).status_code == 200
    shop.work()
    assert (len(asked), shop.notices(), shop.payment(order).status) == (1, ["applied"], "refunded"), "it said DONE; the gateway says more"
    assert shop.entries(order)[:2] == before and shop.balanced()


def test_48_a_deleted_billing_key_is_told_kept_and_changes_nothing(shop, inbox):  # noqa: F811
    shop.gateway.control("webhooks", client_key=KEYS[0], url=inbox.url)
    order = shop.pay()
    registered = shop.gateway.control("register", client_key=KEYS[0], customer_key="customer-of-somebody-01", request={
        "method": "CARD", "successUrl": "http://localhost/billing/success", "failUrl": "http://localhost/billing/fail"})
    issued = BROWSER.post(f"{shop.gateway.address}/toss/v1/billing/authorizations/issue", json={
        "authKey": registered["authKey"], "customerKey": "customer-of-somebody-01"},
        headers={"Authorization": f"Basic {b64encode(f'{KEYS[1]}:'.encode()).decode()}"})
    assert issued.status_code == 200, issued.text
    heard = len(inbox.notices)
    shop.gateway.control("unregister", billing_key=issued.json()["billingKey"])
    inbox.wait(heard + 1)
    headers, raw = next(one for one in inbox.notices if json.loads(one[1])["eventType"] == "BILLING_DELETED")
    answer = post(shop, raw, headers["tosspayments-webhook-transmission-id"])
    assert (answer.status_code, answer.text) == (200, "")
    shop.work()
    kept = db.session.scalar(select(WebhookEvent))
    assert (kept.state, kept.note, kept.body) == ("ignored", "not about a payment", raw)
    assert shop.statuses(order) == ["confirmed"] and shop.entries(order) == [("charged", 100_000), ("paid", 100_000)]


# -- answers that are none ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("fault", ["html", "html_after_commit", "truncated"])
@pytest.mark.parametrize("operation", ["confirm", "fetch", "cancel", "issue"])
def test_52_a_page_instead_of_an_answer_means_that_nobody_knows(shop, settings, operation, fault):
    settings(backoff_scale=1.0)
    order = shop.place("virtual_account" if operation == "issue" else "card")
    payment = shop.payment(order)
    if operation == "issue":
        paying.request_account(payment, "woori")
        db.session.commit()
    else:
        address = shop.approve(payment)
        if operation == "fetch":
            shop.gateway.fault("confirm", "drop_before")
        if operation != "cancel":
            shop.gateway.fault(operation, fault)
        shop.browser_of(order).get(address)
        if operation == "cancel":
            shop.work()
            shop.gateway.fault("cancel", fault)
            refunding.give_back(shop.payment(order), "test", by=STAFF)
            db.session.commit()
    if operation == "issue":
        shop.gateway.fault("issue", fault)
    shop.gateway.fault("fetch", fault)
    shop.work()
    payment = shop.payment(order)
    asked = {"cancel": "cancel", "issue": "issue"}.get(operation, "confirm")
    assert shop.attempts(payment)[-1] == (asked, "unknown") and not payment.failure_code
    assert payment.status == ("paid" if operation == "cancel" else "created")
    shop.gateway.control("no-faults")
    shop.later(seconds=30)
    shop.work()
    assert shop.attempts(shop.payment(order))[-1] == (asked, "succeeded")
    assert shop.payment(order).status == {"cancel": "refunded", "issue": "awaiting_deposit"}.get(operation, "paid") and shop.balanced()


# -- those who leave -------------------------------------------------------------------------------------------

def test_54_what_was_paid_stays_when_the_buyers_account_is_gone(shop, seoul_owner, app):
    """Accounts can't be deleted yet. When they can, nothing about money hangs on them: not by a key, and not in the pages."""
    order = shop.pay()
    user = shop.world.user("door@seoul-ubf.example")
    order.user_id = user.id
    db.session.commit()
    before = [shop.entries(order), shop.payment(order).status, len(db.session.scalars(select(Document)).all())]
    engine = create_engine(app.config["SETTINGS"].owner_url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM users WHERE id = :id"), {"id": id_of(user)})
    engine.dispose()
    shop.enter()
    assert [shop.entries(order), shop.payment(order).status, len(db.session.scalars(select(Document)).all())] == before
    assert seoul_owner.get(f"{DESK}/payments/{shop.payment(order).id}").status_code == 200
    assert shop.statuses(order) == ["confirmed"] and shop.balanced()


# -- who is told -----------------------------------------------------------------------------------------------

def told_owners(mailbox) -> list[str]:
    return [letter["Subject"] for letter in mailbox() if letter["To"] == "owner@seoul-ubf.example"]


def test_23_a_deposit_taken_back_is_told_and_who_is_inside_waits_for_a_person(shop, mailbox, seoul_owner):
    order = by_account(shop)
    row = registering.of_order(order)[0]
    checkpoint = db.session.scalar(select(Checkpoint).where(Checkpoint.event_id == order.event_id))
    db.session.add(CheckIn(registration_id=row.id, checkpoint_id=checkpoint.id, at=clock.now(), nonce="n"))
    db.session.commit()

    def bank(call):
        shop.gateway.control(call, order_id=shop.payment(order).gateway_order_id)
        calling.refresh(shop.payment(order))
        db.session.commit()
        shop.work()
    bank("reversal")
    payment = shop.payment(order)
    assert (payment.problem["kind"], shop.statuses(order)) == ("reversed", ["pending_payment"])
    letters = [letter for letter in mailbox() if letter["To"] == order.email]
    assert payment.virtual_account["number"] in letters[-1].get_body(("plain",)).get_content()
    assert db.session.scalars(select(EmailMessage.kind).order_by(EmailMessage.id)).all()[-1] == "payment_reversed"
    assert "has been let in with these tickets" in seoul_owner.get(f"{DESK}/payments/{payment.id}").text
    shop.later(minutes=61)
    shop.work()
    assert len(told_owners(mailbox)) == 1
    bank("deposit")
    assert (shop.payment(order).problem, shop.statuses(order)) == (None, ["confirmed"]) and shop.balanced()


def test_8_27_34_owners_get_one_letter_about_all_that_needs_them(shop, mailbox):
    shop.later(minutes=65 - clock.now().minute)  # they are to fall into one hour
    orders = [shop.pay(people=2) for _ in range(2)]
    for order in orders:
        shop.gateway.control("cancel", order_id=shop.payment(order).gateway_order_id, amount=30_000)
        calling.refresh(shop.payment(order))
        db.session.commit()
    shop.gateway.fault("confirm", "wrong_amount")
    shop.pay()
    assert told_owners(mailbox) == []
    shop.later(minutes=61)
    shop.work()
    subject, = told_owners(mailbox)
    assert "3" in subject


def test_27_no_letter_goes_when_somebody_was_faster(shop, mailbox):
    order = shop.pay(people=2)
    shop.gateway.control("cancel", order_id=shop.payment(order).gateway_order_id, amount=30_000)
    calling.refresh(shop.payment(order))
    shop.payment(order).problem = None
    db.session.commit()
    shop.later(minutes=61)
    shop.work()
    assert told_owners(mailbox) == []
