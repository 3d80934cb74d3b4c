"""Money comes, is doubted, is given back: against the real sandbox, with its faults. Numbers are those of the cases in the
gateway notes; each guard is taken away once, to see that its test would notice."""
import threading
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from eventapp import audit, clock, crypto, faults, outbox, tenancy
from eventapp.domain import (
    Refused,
    applying,
    calling,
    connecting_gateways,
    ledger,
    paying,
    refunding,
    registering,
    withdrawing,
)
from eventapp.extensions import db
from eventapp.models import AuditLog, GatewayAccount, Order, OutboxItem, Payment, PaymentAttempt, Quota
from eventapp.payments import PROVIDERS, manual
from eventapp.payments.provider import GatewayMisconfigured, GatewayRef
from tests.shop import KEYS

STAFF = audit.Actor("user", 1)


def kinds(shop, payment) -> list[str]:
    shop.enter()
    return list(db.session.scalars(select(AuditLog.action).where(
        AuditLog.object_kind == "payment", AuditLog.object_id == payment.id).order_by(AuditLog.id)))


def fill_the_event(shop) -> None:
    """Somebody else takes every place that is left."""
    shop.enter()
    quota = shop.world.seoul.quota_of("main-conference")
    db.session.execute(update(Quota).where(Quota.id == quota.id).values(capacity=quota.used))
    db.session.commit()


def snapshot_of(shop, payment):
    account = calling.keys(db.session.get(GatewayAccount, payment.account_id))
    return PROVIDERS["toss"].fetch(account, GatewayRef(payment.gateway_order_id))


def reconcile(shop):
    shop.enter()
    paying.reconcile()
    db.session.commit()
    shop.work()
    shop.enter()


# -- the ordinary way ------------------------------------------------------------------------------------

def test_a_card_payment_confirms_the_order(shop, mailbox):
    order = shop.pay(people=2)
    assert shop.payment(order).status == "paid"
    assert shop.statuses(order) == ["confirmed", "confirmed"]
    assert shop.entries(order) == [("charged", 200_000), ("paid", 200_000)]
    assert (ledger.owed(order), ledger.paid(order), order.hold_until) == (0, 200_000, None)
    assert [letter["To"] for letter in mailbox()][0] == order.email
    assert shop.balanced()


def test_begun_twice_is_one_payment(shop):
    order = shop.place()
    first = shop.payment(order)
    assert paying.begin(order, "card") == first
    assert paying.begin(order, "bank_transfer") != first


def test_choosing_again_does_not_keep_the_places_longer(shop):
    order = shop.fresh(shop.place())
    until = order.hold_until
    shop.later(minutes=10)
    for method in ("bank_transfer", "card"):
        paying.begin(shop.fresh(order), method)
        db.session.commit()
    assert shop.fresh(order).hold_until == until


def test_a_method_nobody_takes_is_refused(shop):
    shop.account.unhealthy = "UNAUTHORIZED_KEY"
    db.session.commit()
    with pytest.raises(Refused):
        shop.place()


def test_the_secret_of_a_payment_opens_in_its_own_row_only(shop):
    payment = shop.payment(shop.pay())
    assert crypto.get(payment, "secret").startswith("ps_")
    with pytest.raises(crypto.CannotOpen):
        crypto.unseal(payment.secret, crypto.context(payment, "secret").replace("payments:", "payments:9"))


def test_the_same_snapshot_twice_does_nothing_the_second_time(shop):
    order = shop.pay()
    payment = shop.payment(order)
    before = kinds(shop, payment)
    assert applying.apply_snapshot(payment, snapshot_of(shop, payment)) == "applied"
    db.session.commit()
    assert (kinds(shop, payment), shop.entries(order)) == (before, [("charged", 100_000), ("paid", 100_000)])


# -- nobody knows ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("fault", ["timeout_after_commit", "500_after_commit", "html_after_commit", "truncated"])
def test_10_a_confirm_without_answer_that_has_taken_the_money(shop, fault):
    shop.gateway.fault("confirm", fault)
    order = shop.pay()
    assert shop.statuses(order) == ["confirmed"]
    assert shop.attempts(shop.payment(order)) == [("confirm", "succeeded")]
    assert shop.balanced()


@pytest.mark.parametrize("fault", ["drop_before", "409", "429", "500", "html", "code:PROVIDER_ERROR", "code:DUPLICATED_ORDER_ID",
                                   "code:ALREADY_PROCESSED_PAYMENT", "code:A_CODE_OF_TOMORROW"])
def test_11_12_14_15_a_confirm_without_answer_is_asked_for_and_repeated_with_the_same_key(shop, fault):
    # Refusals are replayed for the same key by the gateway, so those are seen once by a payment that has been looked at.
    shop.gateway.fault("confirm", fault)
    order = shop.place()
    shop.browser_of(order).get(shop.approve(shop.payment(order)))
    for _ in range(3):
        outbox.drain("gateway", most=1)
    shop.enter()
    payment = shop.payment(order)
    assert payment.status in ("paid", "created"), payment.failure_code
    assert len(shop.attempts(payment)) == 1
    if not fault.startswith("code:"):
        assert shop.statuses(order) == ["confirmed"]
        assert shop.balanced()


def test_while_nobody_knows_the_buyer_is_not_told_that_it_failed(shop, settings):
    settings(backoff_scale=1.0)
    shop.gateway.fault("confirm", "timeout_after_commit")
    shop.gateway.fault("fetch", "500")
    order = shop.pay()
    payment = shop.payment(order)
    assert (paying.state(payment), shop.attempts(payment)) == ("checking", [("confirm", "unknown")])
    with db.session.no_autoflush:
        item = db.session.scalar(select(OutboxItem).where(OutboxItem.kind == "gateway_confirm"))
    assert 3 < (item.run_at - clock.now()).total_seconds() <= 5
    clock.offset += (item.run_at - clock.now())
    shop.work()
    assert shop.statuses(order) == ["confirmed"]


def test_a_second_return_while_asking_writes_no_second_question(shop):
    order = shop.place()
    address = shop.approve(shop.payment(order))
    browser = shop.browser_of(order)
    for _ in range(3):
        browser.get(address)
    assert shop.attempts(shop.payment(order)) == [("confirm", "prepared")]
    shop.work()
    assert browser.get(address).headers["Location"] == "/registration/success"
    assert shop.attempts(shop.payment(order)) == [("confirm", "succeeded")]


def test_two_workers_on_one_attempt_take_the_money_once(shop):
    order = shop.place()
    shop.browser_of(order).get(shop.approve(shop.payment(order)))
    attempt_id = db.session.scalar(select(PaymentAttempt.id))
    shop.gateway.fault("confirm", "delay:0.3", times=2)

    def worker():
        with shop.app.app_context(), tenancy.inside(shop.world.seoul.id):
            try:
                calling.carry_out(db.session.get(PaymentAttempt, attempt_id))
            except outbox.NotYet:
                pass
            db.session.commit()

    threads = [threading.Thread(target=worker) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shop.entries(order) == [("charged", 100_000), ("paid", 100_000)]
    assert shop.balanced()


@pytest.mark.parametrize("point", ["paying.confirm.sent", "paying.confirm.answered", "paying.confirm.applied", "toss.confirm.before",
                                   "toss.confirm.after", "outbox.gateway_confirm.before", "outbox.gateway_confirm.after"])
def test_a_worker_that_dies_at_any_point_loses_nothing(shop, point):
    order = shop.place()
    shop.browser_of(order).get(shop.approve(shop.payment(order)))
    faults.configure(f"{point}=raise")
    outbox.drain("gateway", most=1)
    faults.configure("")
    shop.work()
    assert shop.statuses(order) == ["confirmed"]
    assert shop.entries(order) == [("charged", 100_000), ("paid", 100_000)]
    assert shop.balanced()


def test_40_a_revoked_key_leaves_the_payment_open_and_the_account_unhealthy(shop, settings):
    settings(backoff_scale=1.0)
    order = shop.place()
    address = shop.approve(shop.payment(order))
    shop.gateway.control("accounts", client_key=KEYS[0], secret_keys=["test_sk_another00001"])
    shop.browser_of(order).get(address)
    shop.work()
    payment = shop.payment(order)
    account = db.session.get(GatewayAccount, payment.account_id)
    assert (payment.status, paying.state(payment), account.unhealthy) == ("created", "checking", "UNAUTHORIZED_KEY")
    connecting_gateways.connect_account("toss", mode="test", client_key=KEYS[0], secret_key="test_sk_another00001")
    db.session.commit()
    shop.later(seconds=10)
    shop.work()
    assert shop.statuses(order) == ["confirmed"]


def test_40_an_account_that_answers_again_is_used_again(shop):
    order = shop.place()
    shop.gateway.control("accounts", client_key=KEYS[0], secret_keys=["test_sk_another00001"])
    with pytest.raises(GatewayMisconfigured):
        calling.refresh(shop.payment(order))
    assert paying.account_for(shop.world.seoul.event(), "card") is None
    shop.gateway.control("accounts", client_key=KEYS[0], secret_keys=[KEYS[1]])
    calling.refresh(shop.payment(order))
    db.session.commit()
    assert paying.account_for(shop.world.seoul.event(), "card").unhealthy == ""


def test_40_the_previous_key_still_serves_while_it_is_changed(shop):
    connecting_gateways.connect_account("toss", mode="test", client_key=KEYS[0], secret_key="test_sk_notyetvalid1")
    db.session.commit()
    assert shop.statuses(shop.pay()) == ["confirmed"]


# -- refused ------------------------------------------------------------------------------------------------

def test_a_declined_card_can_be_paid_again_with_a_new_order_id(shop):
    shop.gateway.fault("confirm", "code:REJECT_CARD_PAYMENT")
    order = shop.pay()
    failed = shop.payment(order)
    assert (failed.status, failed.failure_code, shop.statuses(order)) == ("failed", "REJECT_CARD_PAYMENT", ["pending_payment"])
    again = paying.begin(order, "card")
    db.session.commit()
    assert again.gateway_order_id != failed.gateway_order_id
    shop.browser_of(order).get(shop.approve(again))
    shop.work()
    assert shop.statuses(order) == ["confirmed"]
    assert shop.balanced()


def test_13_a_confirm_after_ten_minutes_is_over_and_nothing_was_charged(shop):
    order = shop.place()
    address = shop.approve(shop.payment(order))
    shop.later(minutes=11)
    shop.browser_of(order).get(address)
    shop.work()
    assert (shop.payment(order).status, shop.payment(order).failure_code) == ("expired", "NOT_FOUND_PAYMENT_SESSION")
    assert shop.entries(order) == [("charged", 100_000)]


def test_5_a_browser_that_never_returns_charges_nothing_and_frees_the_places(shop):
    order = shop.place()
    shop.approve(shop.payment(order))
    used = shop.world.seoul.quota_of("main-conference").used
    shop.later(minutes=16)
    shop.work()
    reconcile(shop)
    assert shop.statuses(order) == ["expired"]
    assert shop.world.seoul.quota_of("main-conference").used == used - 1
    assert (shop.payment(order).status, ledger.owed(order)) == ("expired", 0)
    assert shop.balanced()


def test_18_places_that_are_gone_are_never_paid_for(shop, guards_off):
    order = shop.place()
    address = shop.approve(shop.payment(order))
    shop.enter()
    registering.expire(order)
    db.session.commit()
    fill_the_event(shop)
    answer = shop.browser_of(order).get(address)
    assert "code=PLACES_GONE" in answer.headers["Location"]
    assert shop.attempts(shop.payment(order)) == []
    assert shop.get_books(order)["status"] == "IN_PROGRESS"


def test_18_without_the_guard_the_money_would_be_asked_for(shop, guards_off):
    order = shop.place()
    address = shop.approve(shop.payment(order))
    registering.cancel(registering.of_order(order), by=STAFF)
    db.session.commit()
    guards_off("payment.hold", "payment.changed")
    shop.browser_of(order).get(address)
    assert shop.attempts(shop.payment(order)) == [("confirm", "prepared")]


def test_a_hold_that_has_ended_is_taken_again_when_there_are_places(shop):
    order = shop.place()
    address = shop.approve(shop.payment(order))
    shop.enter()
    registering.expire(order)
    db.session.commit()
    shop.browser_of(order).get(address)
    shop.work()
    assert shop.statuses(order) == ["confirmed"]
    assert shop.entries(order) == [("charged", 100_000), ("released", 100_000), ("charged", 100_000), ("paid", 100_000)]


def test_a_buyer_who_approves_after_the_hold_has_ended_is_in_while_there_are_places(shop):
    order = shop.place()
    shop.later(minutes=16)
    shop.work()
    assert (shop.statuses(order), shop.payment(order).status) == (["expired"], "expired")
    shop.browser_of(order).get(shop.approve(shop.payment(order)))
    shop.work()
    assert shop.statuses(order) == ["confirmed"]
    assert shop.balanced()


def test_42_an_order_that_was_changed_after_the_window_opened_is_not_charged_the_old_sum(shop):
    order = shop.place(people=2)
    address = shop.approve(shop.payment(order))
    shop.enter()
    registering.cancel(registering.of_order(order)[1:], by=STAFF)
    db.session.commit()
    answer = shop.browser_of(order).get(address)
    assert "code=ORDER_CHANGED" in answer.headers["Location"]
    assert shop.attempts(shop.payment(order)) == []


# -- differences ------------------------------------------------------------------------------------------------

def test_7_an_amount_changed_in_the_address_stops_before_anything_is_taken(shop):
    order = shop.place()
    address = shop.approve(shop.payment(order)).replace("amount=100000", "amount=1000")
    answer = shop.browser_of(order).get(address)
    payment = shop.payment(order)
    assert "code=AMOUNT_DIFFERS" in answer.headers["Location"]
    assert (shop.attempts(payment), kinds(shop, payment)) == ([], ["payment.amount_differs"])
    assert shop.get_books(order)["status"] == "IN_PROGRESS"


def test_7_without_the_guard_it_would_be_confirmed(shop, guards_off):
    guards_off("payment.returned_amount")
    order = shop.place()
    shop.browser_of(order).get(shop.approve(shop.payment(order)).replace("amount=100000", "amount=1000"))
    assert shop.attempts(shop.payment(order)) == [("confirm", "prepared")]


def test_7_a_window_opened_for_less_is_refused_by_the_gateway_because_we_ask_for_what_is_due(shop):
    order = shop.place()
    payment = shop.payment(order)
    cheap = replace(calling.intent(payment), amount=replace(calling.intent(payment).amount, amount=1000),
                    success_url="http://localhost/payment/success?ref=x", fail_url="http://localhost/x")
    params = PROVIDERS["toss"].create_checkout(calling.keys(shop.account), cheap).params
    key = shop.gateway.control("pay", client_key=KEYS[0], request=params["request"])["paymentKey"]
    address = shop.approve(payment)  # another window, for its signed reference
    ref = address.partition("ref=")[2].partition("&")[0]
    shop.browser_of(order).get(f"/payment/success?ref={ref}&paymentKey={key}&orderId={payment.gateway_order_id}&amount=100000")
    shop.work()
    assert (shop.payment(order).status, shop.payment(order).failure_code) == ("failed", "FORBIDDEN_REQUEST")
    assert shop.balanced()


def open_for_less(shop, payment):
    """The buyer has altered the page: the window approves another sum than is due."""
    cheap = replace(calling.intent(payment), amount=replace(calling.intent(payment).amount, amount=1000),
                    success_url="http://localhost/payment/success?ref=x", fail_url="http://localhost/x")
    params = PROVIDERS["toss"].create_checkout(calling.keys(shop.account), cheap).params
    shop.gateway.control("pay", client_key=KEYS[0], request=params["request"])


def test_a_window_opened_for_less_and_left_does_not_keep_the_places(shop):
    order = shop.place()
    open_for_less(shop, shop.payment(order))
    for _ in range(4):
        shop.later(minutes=5)
        reconcile(shop)
    assert shop.statuses(order) == ["expired"]
    payment = shop.payment(order)
    assert (payment.status, payment.failure_code, payment.problem) == ("failed", "AMOUNT_DIFFERS", None)
    assert (shop.entries(order), shop.balanced()) == ([("charged", 100_000), ("released", 100_000)], True)


def test_without_the_guard_it_would_keep_them_for_ever(shop, guards_off):
    guards_off("payment.untaken")
    order = shop.place()
    open_for_less(shop, shop.payment(order))
    shop.later(minutes=5)
    reconcile(shop)
    shop.later(days=2)
    reconcile(shop)
    assert shop.statuses(order) == ["pending_payment"]


def test_8_an_amount_that_differs_in_the_gateways_answer_waits_for_a_person(shop):
    shop.gateway.fault("confirm", "wrong_amount")
    order = shop.pay()
    payment = shop.payment(order)
    assert shop.statuses(order) == ["pending_payment"]
    assert payment.problem == {"kind": "differs", "expected": {"amount": 100_000}, "found": {"amount": 101_000}}
    assert shop.entries(order) == [("charged", 100_000)]
    shop.later(minutes=30)
    reconcile(shop)
    assert (shop.statuses(order), paying.state(shop.payment(order))) == (["pending_payment"], "checking")


def test_8_without_the_guard_it_would_become_paid(shop, guards_off):
    guards_off("payment.differences")
    shop.gateway.fault("confirm", "wrong_amount")
    assert shop.statuses(shop.pay()) == ["confirmed"]


@pytest.mark.parametrize("change", [{"currency": "USD"}, {"test_mode": False}, {"order_ref": "ev_another_order_00"}, {"total": 1},
                                    {"status": "unknown", "raw_status": "NEW_WORD"}, {"balance": 1}])
def test_8_9_41_51_what_contradicts_our_books_never_becomes_paid(shop, change):
    order = shop.place()
    payment = shop.payment(order)
    shop.browser_of(order).get(shop.approve(payment))
    real = calling.CALLS["confirm"](PROVIDERS["toss"], calling.keys(shop.account), calling.request_of(
        payment, gateway_key=db.session.scalar(select(PaymentAttempt.request))["gateway_key"]), "confirm-by-the-test-0000")
    assert applying.apply_snapshot(payment, replace(real, **change)) == "differs"
    db.session.commit()
    assert (shop.statuses(order), shop.payment(order).problem["kind"]) == (["pending_payment"], "differs")


def test_3_a_snapshot_that_was_overtaken_is_not_applied(shop, guards_off):
    order = shop.pay()
    payment = shop.payment(order)
    old = snapshot_of(shop, payment)
    shop.gateway.control("cancel", order_id=payment.gateway_order_id, amount=10_000)
    calling.refresh(payment)
    db.session.commit()
    assert applying.apply_snapshot(payment, old) == "older"
    assert applying.apply_snapshot(payment, replace(old, status="authorized", raw_status="IN_PROGRESS")) == "older"
    db.session.commit()
    assert (shop.payment(order).status, shop.payment(order).balance) == ("partially_refunded", 90_000)
    guards_off("payment.older")
    assert applying.apply_snapshot(payment, old) == "applied"


# -- two payments for one order -----------------------------------------------------------------------------------

def test_17_of_two_tabs_the_first_to_pay_wins_and_the_other_is_not_confirmed(shop):
    order = shop.place()
    card = shop.payment(order)
    transfer = paying.begin(order, "bank_transfer")
    db.session.commit()
    first, second = shop.approve(card), shop.approve(transfer)
    browser = shop.browser_of(order)
    browser.get(first)
    browser.get(second)
    shop.work()
    assert shop.attempts(transfer) == []
    assert browser.get(second).headers["Location"] == "/registration/success"
    assert shop.entries(order) == [("charged", 100_000), ("paid", 100_000)]
    assert shop.balanced()


def both_captured(shop) -> tuple[Order, Payment]:
    order = shop.place()
    card = shop.payment(order)
    transfer = paying.begin(order, "bank_transfer")
    db.session.commit()
    first, second = shop.approve(card), shop.approve(transfer)
    faults.configure("", faults._off | {"payment.first_wins"})
    browser = shop.browser_of(order)
    browser.get(first)
    browser.get(second)
    faults.configure("", faults._off - {"payment.first_wins"})
    shop.work()
    shop.enter()
    return order, transfer


def test_17_when_both_were_taken_the_later_one_goes_back_by_itself(shop):
    order, second = both_captured(shop)
    assert shop.statuses(order) == ["confirmed"]
    assert shop.refunds(second) == [(100_000, "done", False)]
    assert ledger.paid(order) == 100_000
    assert shop.balanced()


def test_17_without_the_guard_both_would_be_kept(shop, guards_off):
    guards_off("payment.second")
    order, _second = both_captured(shop)
    assert ledger.paid(order) == 200_000


# -- virtual accounts --------------------------------------------------------------------------------------------

def test_a_virtual_account_holds_the_places_until_ten_minutes_after_it_is_due(shop, letters):
    order = shop.place("virtual_account")
    paying.request_account(shop.payment(order), "kakao")
    db.session.commit()
    outbox.drain("gateway")
    payment = shop.payment(order)
    assert (payment.status, payment.virtual_account["bank"], payment.virtual_account["number"][0]) == ("awaiting_deposit", "kakao", "X")
    assert order.hold_until == payment.due_at + applying.GRACE
    assert [kind for kind, _ in letters] == ["mail_payment_due", "mail_payment_reminder"]


def test_a_deposit_confirms_the_order(shop):
    order = shop.deposit_account()
    shop.gateway.control("deposit", order_id=shop.payment(order).gateway_order_id)
    shop.later(hours=2)
    reconcile(shop)
    assert shop.statuses(order) == ["confirmed"]
    assert shop.balanced()


@pytest.mark.parametrize("fault", ["timeout_after_commit", "drop_before"])
def test_an_account_whose_issue_was_not_answered_is_issued_once(shop, fault):
    shop.gateway.fault("issue", fault)
    order = shop.deposit_account()
    assert shop.payment(order).status == "awaiting_deposit"
    assert len(shop.gateway.books()["payments"]) == 1


def test_20_a_virtual_account_that_is_not_paid_in_time_expires_and_frees_the_places(shop, mailbox):
    order = shop.deposit_account()
    shop.later(days=3, minutes=11)
    shop.work()
    assert (shop.statuses(order), shop.payment(order).status) == (["expired"], "expired")
    assert "order_expired" in [row.partition(":")[0] for row in db.session.scalars(select(_email().key))]
    assert shop.balanced()


def _email():
    from eventapp.models import EmailMessage

    return EmailMessage


def test_21_a_deposit_in_the_last_minute_is_found_before_the_places_are_released(shop):
    order = shop.deposit_account()
    shop.later(days=2, hours=23, minutes=59)
    shop.gateway.control("deposit", order_id=shop.payment(order).gateway_order_id)
    shop.later(minutes=20)
    shop.work()
    assert (shop.statuses(order), shop.payment(order).status) == (["confirmed"], "paid")
    assert shop.balanced()


def test_21_while_the_gateway_does_not_answer_nothing_is_released(shop, settings):
    order = shop.deposit_account()
    shop.gateway.control("deposit", order_id=shop.payment(order).gateway_order_id)
    settings(backoff_scale=1.0)
    shop.gateway.fault("fetch", "500", times=0)
    shop.later(days=3, minutes=11)
    shop.work()
    assert shop.statuses(order) == ["pending_payment"]
    shop.gateway.control("no-faults")
    shop.later(minutes=5)
    shop.work()
    assert shop.statuses(order) == ["confirmed"]


def test_19_a_deposit_when_the_places_are_gone_goes_back_as_soon_as_the_buyer_has_said_where_to(shop):
    order = shop.deposit_account()
    payment = shop.payment(order)
    registering.expire(order)
    db.session.commit()
    fill_the_event(shop)
    shop.gateway.control("deposit", order_id=payment.gateway_order_id)
    calling.refresh(payment)
    db.session.commit()
    assert (shop.statuses(order), shop.refunds(payment)) == (["expired"], [(100_000, "needs_account", False)])
    assert (ledger.paid(order), ledger.owed(order)) == (100_000, -100_000)
    assert shop.balanced()


def test_19_a_deposit_after_the_hold_takes_the_places_again_when_there_are_any(shop):
    order = shop.deposit_account()
    registering.expire(order)
    db.session.commit()
    shop.gateway.control("deposit", order_id=shop.payment(order).gateway_order_id)
    calling.refresh(shop.payment(order))
    db.session.commit()
    assert (shop.statuses(order), ledger.owed(order)) == (["confirmed"], 0)


def test_23_a_deposit_that_the_bank_takes_back_suspends_the_tickets_until_it_comes_again(shop):
    order = shop.deposit_account()
    payment = shop.payment(order)
    version = registering.of_order(order)[0].ticket_version
    for call, status in (("deposit", "confirmed"), ("reversal", "pending_payment"), ("deposit", "confirmed")):
        shop.gateway.control(call, order_id=payment.gateway_order_id)
        calling.refresh(shop.payment(order))
        db.session.commit()
        assert shop.statuses(order) == [status]
        assert shop.balanced()
    assert shop.entries(order) == [("charged", 100_000), ("paid", 100_000), ("reversed", 100_000), ("paid", 100_000)]
    assert registering.of_order(order)[0].ticket_version > version


def test_23_who_is_confirmed_anew_gets_the_new_tickets(shop, mailbox):
    order = shop.deposit_account()
    for call in ("deposit", "reversal", "deposit"):
        shop.gateway.control(call, order_id=shop.payment(order).gateway_order_id)
        calling.refresh(shop.payment(order))
        db.session.commit()
        shop.work()
    attached = [letter for letter in mailbox() if any(part.get_content_type() == "application/pdf" for part in letter.iter_attachments())]
    assert len(attached) == 2


@pytest.mark.parametrize("method", ["card", "virtual_account"])
def test_whether_an_account_is_asked_for_goes_by_how_it_was_paid_not_by_what_was_chosen_last(shop, method):
    order = shop.pay() if method == "card" else shop.deposit_account()
    if method == "virtual_account":
        shop.gateway.control("deposit", order_id=shop.payment(order).gateway_order_id)
        calling.refresh(shop.payment(order))
        db.session.commit()
    order = shop.fresh(order)
    order.method = "virtual_account" if method == "card" else "card"
    event = shop.world.seoul.event()
    event.cancellable_until = event.starts_at
    db.session.commit()
    order = shop.fresh(order)
    assert refunding.quote(order).needs_account == (method == "virtual_account")


def test_what_is_asked_about_already_is_not_asked_again_each_minute(shop, settings):
    order = shop.deposit_account()
    settings(backoff_scale=1.0)
    shop.gateway.fault("fetch", "500", times=0)
    for _ in range(5):
        shop.later(hours=2)
        reconcile(shop)
    waiting = select(OutboxItem).where(OutboxItem.kind == "gateway_refresh", OutboxItem.done_at.is_(None), OutboxItem.attempts > 0)
    assert len(db.session.scalars(waiting).all()) == 1
    assert shop.statuses(order) == ["pending_payment"]


def test_an_account_for_an_order_that_was_cancelled_is_closed_at_the_gateway(shop):
    order = shop.deposit_account()
    registering.cancel(registering.of_order(order), by=STAFF)
    db.session.commit()
    reconcile(shop)
    assert (shop.payment(order).status, shop.get_books(order)["status"]) == ("voided", "CANCELED")
    assert shop.entries(order) == [("charged", 100_000), ("released", 100_000)]


def test_the_window_too_makes_an_account_that_is_due_when_we_say(shop):
    order = shop.place("virtual_account")
    shop.browser_of(order).get(shop.approve(shop.payment(order)))
    shop.work()
    days = (shop.payment(order).due_at - clock.now()).total_seconds() / 86400
    assert 2.99 < days <= 3


def test_paying_by_card_closes_the_account_that_was_open(shop):
    order = shop.deposit_account()
    account = shop.payment(order)
    card = paying.begin(order, "card")
    db.session.commit()
    shop.browser_of(order).get(shop.approve(card))
    shop.work()
    assert shop.statuses(order) == ["confirmed"]
    assert shop.gateway.of_order(account.gateway_order_id)["status"] == "CANCELED"
    assert shop.balanced()


# -- by hand -------------------------------------------------------------------------------------------------------

def test_a_manual_transfer_waits_until_its_due_time_and_is_marked_received(shop, letters):
    order = shop.place("manual_transfer")
    payment = shop.payment(order)
    assert (payment.status, payment.virtual_account["number"], order.hold_until) == ("awaiting_deposit", "123456-04-567890", payment.due_at)
    assert [kind for kind, _ in letters] == ["mail_payment_due", "mail_payment_reminder"]
    with pytest.raises(Refused):
        paying.mark_received(payment, 99_000, by=STAFF)
    paying.mark_received(payment, 100_000, by=STAFF)
    db.session.commit()
    assert shop.statuses(order) == ["confirmed"]
    assert shop.entries(order) == [("charged", 100_000), ("paid", 100_000)]
    with pytest.raises(Refused):
        paying.mark_received(payment, 100_000, by=STAFF)


def test_a_manual_transfer_that_does_not_come_frees_the_places(shop):
    order = shop.place("manual_transfer")
    shop.later(days=3, minutes=1)
    shop.work()
    assert (shop.statuses(order), shop.payment(order).status) == (["expired"], "expired")


@pytest.mark.parametrize("full", [False, True])
def test_a_manual_transfer_that_comes_late(shop, full):
    order = shop.place("manual_transfer")
    shop.later(days=3, minutes=1)
    shop.work()
    if full:
        fill_the_event(shop)
    shop.enter()
    paying.mark_received(shop.payment(order), 100_000, by=STAFF)
    db.session.commit()
    assert shop.statuses(order) == (["expired"] if full else ["confirmed"])
    assert shop.refunds(shop.payment(order)) == ([(100_000, "needs_account", False)] if full else [])


def test_a_gateways_payment_is_not_marked_by_hand(shop):
    order = shop.place()
    with pytest.raises(Refused):
        paying.mark_received(shop.payment(order), 100_000, by=STAFF)


# -- money that goes back ---------------------------------------------------------------------------------------------

def late_card_payment(shop) -> Order:
    """The gateway takes the money and does not say so; meanwhile the places go to others."""
    shop.gateway.fault("confirm", "timeout_after_commit")
    shop.gateway.fault("fetch", "500")
    order = shop.place()
    shop.browser_of(order).get(shop.approve(shop.payment(order)))
    outbox.drain("gateway", most=1)
    shop.enter()
    registering.expire(order)
    db.session.commit()
    fill_the_event(shop)
    shop.work()
    shop.enter()
    return order


def test_late_money_goes_back_by_itself_and_the_buyer_is_told(shop, mailbox):
    order = late_card_payment(shop)
    payment = shop.payment(order)
    assert (shop.statuses(order), payment.status, shop.refunds(payment)) == (["expired"], "refunded", [(100_000, "done", False)])
    assert (ledger.owed(order), ledger.paid(order)) == (0, 0)
    keys = [key.partition(":")[0] for key in db.session.scalars(select(_email().key).order_by(_email().id))]
    assert keys[-1] == "late_payment_refunded"
    assert shop.balanced()


def test_a_buyer_who_cancels_gets_the_card_money_back(shop):
    order = shop.pay()
    withdrawing.cancel(order, by=audit.Actor("buyer", order.id))
    db.session.commit()
    shop.work()
    assert (shop.statuses(order), shop.payment(order).status) == (["cancelled"], "refunded")
    assert shop.entries(order) == [("charged", 100_000), ("paid", 100_000), ("released", 100_000), ("refunded", 100_000)]
    assert (ledger.owed(order), ledger.paid(order)) == (0, 0)
    assert shop.balanced()


@pytest.mark.parametrize("fault", ["timeout_after_commit", "500_after_commit", "drop_before", "409", "500"])
def test_30_a_refund_without_answer_is_made_once(shop, fault):
    order = shop.pay()
    shop.gateway.fault("cancel", fault)
    withdrawing.cancel(order, by=audit.Actor("buyer", order.id))
    db.session.commit()
    shop.work()
    payment = shop.payment(order)
    assert (payment.status, shop.refunds(payment)) == ("refunded", [(100_000, "done", False)])
    assert len(shop.get_books(order)["cancels"]) == 1
    assert shop.balanced()


def test_33_a_refund_that_the_gateway_refuses_waits_for_a_person(shop):
    order = shop.pay()
    shop.gateway.fault("cancel", "code:REFUND_REJECTED")
    withdrawing.cancel(order, by=audit.Actor("buyer", order.id))
    db.session.commit()
    shop.work()
    payment = shop.payment(order)
    assert (payment.status, payment.problem["kind"], shop.refunds(payment)) == ("paid", "refund_refused", [(100_000, "failed", False)])
    assert shop.balanced()


def test_29_a_refund_overtaken_by_one_in_the_dashboard_is_adopted_and_not_made_twice(shop):
    order = shop.pay()
    withdrawing.cancel(order, by=audit.Actor("buyer", order.id))
    db.session.commit()
    shop.gateway.control("cancel", order_id=shop.payment(order).gateway_order_id)
    shop.work()
    payment = shop.payment(order)
    assert (payment.status, ledger.paid(order)) == ("refunded", 0)
    assert shop.refunds(payment) == [(100_000, "failed", False), (100_000, "done", True)]
    assert shop.balanced()


def test_27_a_part_given_back_in_the_dashboard_is_adopted_and_waits_for_a_person(shop):
    order = shop.pay(people=2)
    payment = shop.payment(order)
    shop.gateway.control("cancel", order_id=payment.gateway_order_id, amount=100_000)
    calling.refresh(payment)
    db.session.commit()
    assert shop.statuses(order) == ["confirmed", "confirmed"]
    assert (shop.payment(order).problem["kind"], shop.refunds(payment)) == ("external_refund", [(100_000, "done", True)])
    assert shop.balanced()


def test_28_31_all_given_back_in_the_dashboard_takes_the_tickets(shop):
    order = shop.pay()
    payment = shop.payment(order)
    for amount in (30_000, 70_000):  # in parts: the gateway's word stays PARTIAL_CANCELED
        shop.gateway.control("cancel", order_id=payment.gateway_order_id, amount=amount)
    calling.refresh(payment)
    db.session.commit()
    assert (shop.payment(order).status, shop.statuses(order)) == ("refunded", ["cancelled"])
    assert (ledger.owed(order), ledger.paid(order)) == (0, 0)
    assert shop.balanced()


def test_3_paid_and_given_back_before_we_heard_of_either(shop):
    shop.gateway.fault("confirm", "timeout_after_commit")
    shop.gateway.fault("fetch", "500")
    order = shop.place()
    shop.browser_of(order).get(shop.approve(shop.payment(order)))
    outbox.drain("gateway", most=1)
    shop.gateway.control("cancel", order_id=shop.payment(order).gateway_order_id)
    shop.work()
    assert (shop.payment(order).status, ledger.paid(order)) == ("refunded", 0)
    assert shop.balanced()


def test_the_snapshot_of_a_manual_transfer_names_no_gateway(shop):
    order = shop.place("manual_transfer")
    snapshot = manual.received(calling.intent(shop.payment(order)), clock.now())
    assert (snapshot.captured, snapshot.balance) == (100_000, 100_000)
