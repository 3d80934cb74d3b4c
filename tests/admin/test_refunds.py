"""The pages from which staff give money back."""
import csv
import io
from datetime import timedelta

import pytest
from sqlalchemy import select

from eventapp import clock, faults, outbox
from eventapp.domain import bulk, ledger, refunding
from eventapp.extensions import db
from eventapp.models import AuditLog, BulkOperation, EmailMessage, Event, Order, OutboxItem, Refund, Registration
from tests.domain.test_refunding import ACCOUNT, HALF, agree, by_hand, cancel
from tests.gateway import gateway, shared_gateway  # noqa: F401
from tests.shop import id_of, shop  # noqa: F401

DESK = "/seoul-ubf/admin"
NOW_HALF = {"tiers": [{"days": 0, "percent": 50, "fee": 0}], "note": {}}
RULES = {"tier-1-days": "30", "tier-1-percent": "100", "tier-2-days": "7", "tier-2-percent": "50", "tier-2-fee": "1,000"}


def number_of(shop, order) -> str:  # noqa: F811
    shop.enter()
    return db.session.scalar(select(Registration.number).where(Registration.order_id == id_of(order)))


def lines_of(shop, order) -> list[str]:  # noqa: F811
    shop.enter()
    return [str(item.id) for one in shop.fresh(order).registrations for item in one.line_items]


# -- one registration ---------------------------------------------------------------------------------

def test_staff_see_what_follows_and_then_do_it(shop, seoul_owner, work):  # noqa: F811
    order = agree(shop.pay(), HALF)
    address = f"{DESK}/registrations/{number_of(shop, order)}/refund"
    page = seoul_owner.get(address)
    assert page.status_code == 200 and "What it comes to" in page.text
    lines = lines_of(shop, order)
    look = seoul_owner.post(address, {"lines": lines, "how": "other", "amount": "70000", "tickets": "cancel", "calculate": "1"})
    assert 'data-amount="70000"' in look.text and "₩30,000" in look.text
    shop.enter()
    assert shop.refunds(shop.payment(order)) == []
    stale = seoul_owner.post(address, {"lines": lines, "how": "all", "tickets": "cancel", "reason": "병가", "shown": "1"})
    assert stale.status_code == 409
    wrong = seoul_owner.post(address, {"lines": [], "how": "all", "tickets": "cancel", "shown": "0"})
    assert wrong.status_code == 422 and "Tick what the money is for." in wrong.text and "Write a reason." in wrong.text
    done = seoul_owner.post(address, {"lines": lines, "how": "other", "amount": "70,000", "tickets": "cancel", "reason": "병가", "shown": "70000"})
    assert done.status_code == 303
    work()
    assert shop.refunds(shop.payment(order)) == [(70_000, "done", False)] and shop.balanced()


def test_htmx_is_answered_with_the_outcome_alone(shop, seoul_owner):  # noqa: F811
    order = shop.pay()
    address = f"{DESK}/registrations/{number_of(shop, order)}/refund"
    answer = seoul_owner.post(address, {"lines": lines_of(shop, order), "how": "all", "tickets": "keep", "calculate": "1"},
                              headers={"HX-Request": "true", "HX-Target": "outcome"})
    assert answer.status_code == 200 and "<html" not in answer.text and 'data-amount="100000"' in answer.text


def test_who_may_not_refund_does_not(shop, sign_in):  # noqa: F811
    order = shop.pay()
    admin = sign_in("admin@seoul-ubf.example")
    for address in (f"{DESK}/registrations/{number_of(shop, order)}/refund", f"{DESK}/payments/payouts", f"{DESK}/events/wmc-2026/cancel"):
        assert admin.get(address).status_code == 403, address


# -- transfers ----------------------------------------------------------------------------------------

def test_transfers_are_exported_with_their_accounts_and_marked_as_sent(shop, seoul_owner, work):  # noqa: F811
    order = by_hand(shop)
    refund, = cancel(order, account=ACCOUNT | {"holder": "=cmd|calc"})
    page = seoul_owner.get(f"{DESK}/payments/payouts")
    assert "••••6789" in page.text and "1002123456789" not in page.text
    file = seoul_owner.post(f"{DESK}/payments/payouts", {"ids": [str(id_of(refund))], "do": "csv"})
    row = next(csv.DictReader(io.StringIO(file.text)))
    assert (row["Account number"], row["Amount"], row["Account holder"]) == ("1002123456789", "50000", "'=cmd|calc")
    assert seoul_owner.post(f"{DESK}/payments/payouts", {"ids": [str(id_of(refund))], "do": "xlsx"}).data[:2] == b"PK"
    assert seoul_owner.post(f"{DESK}/payments/payouts", {"do": "sent"}).status_code == 422
    assert seoul_owner.post(f"{DESK}/payments/payouts", {"ids": [str(id_of(refund))], "do": "sent"}).status_code == 303
    work()
    shop.enter()
    actions = db.session.scalars(select(AuditLog.action)).all()
    assert actions.count("payouts.exported") == 2 and actions.count("payment.refunded") == 1
    assert shop.refunds(shop.payment(order)) == [(50_000, "done", False)] and ledger.owed(shop.fresh(order)) == 0
    assert seoul_owner.post(f"{DESK}/payments/payouts", {"ids": [str(id_of(refund))], "do": "sent"}).status_code == 422


def test_one_refund_is_asked_for_given_an_account_looked_at_and_sent(shop, seoul_owner, busan_owner, work):  # noqa: F811
    order = by_hand(shop)
    refund, = cancel(order)
    work()
    page = f"{DESK}/payments/refunds/{id_of(refund)}"
    assert seoul_owner.get(page).status_code == 200 and busan_owner.get(page.replace("seoul-ubf", "busan-meetup")).status_code == 404
    assert seoul_owner.post(f"{page}/ask").status_code == 303
    work()
    wrong = seoul_owner.post(f"{page}/account", {"bank": "kakao", "number": "123", "holder": ""})
    assert wrong.status_code == 422 and "13 digits" in wrong.text
    assert seoul_owner.post(f"{page}/account", dict(ACCOUNT)).status_code == 303
    assert "1002123456789" not in seoul_owner.get(page).text
    assert "1002123456789" in seoul_owner.post(f"{page}/reveal").text
    assert seoul_owner.post(f"{page}/sent").status_code == 303
    assert seoul_owner.post(f"{page}/reveal").status_code == 404
    work()
    shop.enter()
    assert len(db.session.scalars(select(EmailMessage).where(EmailMessage.kind == "refund_needs_account")).all()) == 2
    assert {"payment.refund_account_asked", "payment.refund_account_given", "payment.refund_account_shown"} <= set(
        db.session.scalars(select(AuditLog.action)))


def test_those_that_failed_are_tried_again_together(shop, gateway, seoul_owner, work):  # noqa: F811
    orders = [agree(shop.pay(), HALF) for _ in range(2)]
    gateway.fault("cancel", "code:REFUND_REJECTED", times=2)
    for order in orders:
        cancel(shop.fresh(order))
    work()
    shop.enter()
    failed = [str(one) for one in db.session.scalars(select(Refund.id).where(Refund.state == "failed"))]
    page = seoul_owner.get(f"{DESK}/payments/payouts").text
    assert len(failed) == 2 and all(f'data-refund="{one}"' in page for one in failed)
    assert seoul_owner.post(f"{DESK}/payments/payouts", {"ids": failed, "do": "again"}).status_code == 303
    work()
    page = seoul_owner.get(f"{DESK}/payments/payouts").text
    assert not any(f'data-refund="{one}"' in page for one in failed)
    assert [shop.refunds(shop.payment(one))[-1] for one in orders] == [(50_000, "done", False)] * 2
    assert seoul_owner.post(f"{DESK}/payments/payouts", {"ids": failed, "do": "again"}).status_code == 303
    work()
    assert shop.balanced()


# -- many -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("how", "back"), [("rules", 50_000), ("all", 100_000)])
def test_many_are_refunded_after_the_minute(shop, seoul_owner, work, how, back):  # noqa: F811
    orders = [agree(shop.pay(), NOW_HALF) for _ in range(2)]
    free = shop.place()
    answer = seoul_owner.post(f"{DESK}/registrations", {"action": "refund", "ids": [number_of(shop, one) for one in [*orders, free]]})
    assert 'data-ok="2" data-total="3"' in answer.text and "₩200,000" in answer.text and "₩100,000" in answer.text
    shop.enter()
    operation = db.session.scalar(select(BulkOperation))
    seoul_owner.post(f"{DESK}/registrations", {"operation": str(operation.id), "give_back": how, "reason": "태풍"})
    work()
    assert [shop.refunds(shop.payment(one)) for one in orders] == [[], []]
    clock.offset += timedelta(minutes=2)
    work()
    assert [shop.refunds(shop.payment(one)) for one in orders] == [[(back, "done", False)]] * 2
    assert [shop.statuses(one) for one in orders] == [["cancelled"]] * 2
    again = seoul_owner.post(f"{DESK}/registrations", {"action": "refund", "ids": [number_of(shop, orders[0])]})
    assert "given back already" in again.text


def test_undone_within_the_minute_nothing_goes_back_and_nothing_is_kept(shop, seoul_owner, work):  # noqa: F811
    order = agree(shop.pay(), NOW_HALF)
    seoul_owner.post(f"{DESK}/registrations", {"action": "refund", "ids": [number_of(shop, order)]})
    shop.enter()
    operation = db.session.scalar(select(BulkOperation))
    seoul_owner.post(f"{DESK}/registrations", {"operation": str(operation.id), "give_back": "rules", "reason": "태풍"})
    seoul_owner.post(f"{DESK}/operations/{operation.id}/undo")
    clock.offset += timedelta(minutes=2)
    work()
    assert shop.statuses(order) == ["confirmed"] and shop.refunds(shop.payment(order)) == []
    assert (ledger.kept(shop.fresh(order)), ledger.owed(shop.fresh(order)), ledger.paid(shop.fresh(order))) == (0, 0, 100_000)


# -- the whole event --------------------------------------------------------------------------------------

def finish(work) -> None:
    """All of it, with those jobs that wait for their turn."""
    for _ in range(3):
        work()
        clock.offset += timedelta(seconds=10)
    work()


def test_case_43_an_event_is_cancelled_for_everybody(shop, seoul_owner, work):  # noqa: F811
    cards = [agree(shop.pay(), HALF) for _ in range(3)]
    transfer, unpaid = by_hand(shop), shop.place()
    page = seoul_owner.get(f"{DESK}/events/wmc-2026/cancel")
    assert "₩300,000" in page.text and "The buyers are asked for an account" in page.text
    wrong = seoul_owner.post(f"{DESK}/events/wmc-2026/cancel", {"reason": "", "title": "WMC26"})
    assert wrong.status_code == 422
    wrong = seoul_owner.post(f"{DESK}/events/wmc-2026/cancel", {"reason": "태풍", "title": "?"})
    assert wrong.status_code == 422
    shop.enter()
    assert db.session.scalar(select(Event.status).where(Event.slug == "wmc-2026")) == "published"
    code = db.session.scalar(select(Event.code).where(Event.slug == "wmc-2026"))
    assert seoul_owner.post(f"{DESK}/events/wmc-2026/cancel", {"reason": "태풍", "title": code}).status_code == 303
    faults.configure("paying.cancel.answered=raise")
    outbox.drain("default")
    outbox.drain("gateway", most=2)
    faults.configure("")
    finish(work)
    shop.enter()
    for order in cards:
        assert shop.statuses(order) == ["cancelled"] and shop.refunds(shop.payment(order)) == [(100_000, "done", False)]
    assert shop.statuses(unpaid) == ["cancelled"]
    assert shop.refunds(shop.payment(transfer)) == [(100_000, "needs_account", False)]
    kinds = list(db.session.scalars(select(EmailMessage.kind)))
    assert kinds.count("event_cancelled") == 5 and kinds.count("payment_refunded") == 3 and kinds.count("refund_needs_account") == 1
    page = seoul_owner.get(f"{DESK}/events/wmc-2026/cancel").text
    assert 'data-state="done"' in page and 'data-state="needs_account"' in page
    assert shop.balanced()
    assert seoul_owner.get("/seoul-ubf/wmc-2026/register").status_code in (200, 303, 409, 422)


def test_a_cancelled_event_is_worked_off_by_the_worker_batch_by_batch(shop, seoul_owner, work, monkeypatch):  # noqa: F811
    monkeypatch.setattr(bulk, "AT_ONCE", 1)
    monkeypatch.setattr(bulk, "SLICE", -1.0)
    monkeypatch.setattr(type(bulk.ACTIONS["cancel_event"]), "size", 1)
    orders = [agree(shop.pay(), HALF) for _ in range(3)]
    code = db.session.scalar(select(Event.code).where(Event.slug == "wmc-2026"))
    seoul_owner.post(f"{DESK}/events/wmc-2026/cancel", {"reason": "태풍", "title": code})
    faults.configure("bulk.applied=raise")
    outbox.drain("operations", most=1)
    faults.configure("")
    shop.enter()
    assert db.session.scalar(select(BulkOperation.ok)) == 0
    finish(work)
    for order in orders:
        assert shop.refunds(shop.payment(order)) == [(100_000, "done", False)]
    shop.enter()
    refunds = db.session.scalars(select(Refund)).all()
    assert {one.reason for one in refunds} == {refunding.EVENT_CANCELLED} and len(refunds) == 3
    assert not db.session.scalar(select(OutboxItem).where(OutboxItem.dead_at.is_not(None)))


def test_the_desk_can_t_cancel_an_event(shop, seoul_owner):  # noqa: F811
    order = shop.pay()
    answer = seoul_owner.post(f"{DESK}/registrations", {"action": "cancel_event", "ids": [number_of(shop, order)]})
    assert answer.status_code == 422


# -- the rules ---------------------------------------------------------------------------------------------

def test_rules_are_previewed_filled_in_and_saved(app, world, seoul_owner):
    page = f"{DESK}/events/wmc-2026/refund-rules"
    preset = seoul_owner.post(page, {"preset": "1"})
    assert 'value="10"' in preset.text and "Until 10 days before the event: everything" in preset.text
    look = seoul_owner.post(page, RULES | {"calculate": "1"})
    assert "50% less ₩1,000 for each participant" in look.text and "void" in look.text
    world.seoul.enter()
    assert db.session.scalar(select(Event.refund_rules).where(Event.slug == "wmc-2026")) == {}
    assert seoul_owner.post(page, RULES | {"until": "2027-01-02T10:00", "note-ko": "메일 주세요", "regret": "1", "regret-hours": "24", "regret-days": "3"}
                            ).status_code == 303
    world.seoul.enter()
    event = db.session.scalar(select(Event).where(Event.slug == "wmc-2026"))
    assert event.refund_rules == {"tiers": [{"days": 30, "percent": 100, "fee": 0}, {"days": 7, "percent": 50, "fee": 1000}],
                                  "note": {"ko": "메일 주세요"}, "regret": {"hours": 24, "days": 3}}
    assert event.cancellable_until.isoformat() == "2027-01-02T01:00:00+00:00"
    assert "event.refund_rules_changed" in db.session.scalars(select(AuditLog.action)).all()


@pytest.mark.parametrize(("given", "sentence"), [
    ({"tier-1-percent": "101"}, "from 0 to 100"), ({"tier-1-days": "x"}, "from 0 to 730"), ({"tier-2-days": "30"}, "same number of days"),
    ({"tier-2-percent": "100", "tier-1-percent": "50"}, "higher percentage"), ({"tier-2-fee": "a"}, "Enter an amount"), ({"until": "soon"}, "date and a time"),
    ({"regret": "1", "regret-hours": "0"}, "from 1 to 720"), ({"note-en": "x" * 501}, "at most 500")])
def test_what_can_t_be_is_said_beside_its_field(app, world, seoul_owner, given, sentence):
    answer = seoul_owner.post(f"{DESK}/events/wmc-2026/refund-rules", RULES | given)
    assert answer.status_code == 422 and sentence in answer.text


def test_who_has_registered_keeps_the_rules_of_that_day(shop, seoul_owner):  # noqa: F811
    order = agree(shop.pay(), NOW_HALF)
    seoul_owner.post(f"{DESK}/events/wmc-2026/refund-rules", {"tier-1-days": "0", "tier-1-percent": "10"})
    shop.enter()
    assert refunding.quote(db.session.get(Order, id_of(order))).amount == 50_000
