"""The payments' pages: sums that are the ledger's, filters, files, one payment and what is decided about it."""
import csv
import io
import re
from datetime import timedelta

import openpyxl
import pytest
from sqlalchemy import func, select

from eventapp import audit, clock
from eventapp.domain import attempts, calling, ledger, paying, refunding, registering, resolving
from eventapp.domain.applying import DIFFERS
from eventapp.extensions import db
from eventapp.models import AuditLog, LedgerEntry, Membership, Order, Payment, Registration, Status
from tests import make
from tests.admin.test_home import limit
from tests.make import Participant

PATH = "/seoul-ubf/admin/payments"


def place(world, name="김하나", method="manual_transfer", event="wmc-2026", chosen=None, tenant=None) -> Order:
    tenant = tenant or world.seoul
    with tenant.inside():
        order = make.order(tenant.event(event), Participant(name, f"{abs(hash(name)) % 10**6}@example.com", "010-1234-5678", chosen or {"main-conference": 1}), method=method)
        db.session.commit()
        return order


def payment_of(world, order) -> Payment:
    world.seoul.enter()
    return db.session.scalar(select(Payment).where(Payment.order_id == order.id).order_by(Payment.id.desc()).execution_options(populate_existing=True))


def receive(world, order) -> Payment:
    payment = payment_of(world, order)
    paying.mark_received(payment, payment.amount, by=owner(world))
    db.session.commit()
    return payment


def owner(world):
    return audit.Actor("user", world.user("owner@seoul-ubf.example").id)


def shown(page: str) -> list[int]:
    return [int(id_) for id_ in re.findall(r'<tr data-payment="(\d+)"', page)]


def figures(page: str) -> dict[str, str]:
    return dict(re.findall(r'<dd data-testid="([\w-]+)">([^<]*)</dd>', page))


def in_ledger(world, *kinds) -> int:
    world.seoul.enter()
    return db.session.scalar(select(func.coalesce(func.sum(LedgerEntry.amount), 0)).where(LedgerEntry.kind.in_(kinds)))


# -- the list --------------------------------------------------------------------------------------------

def test_sums_are_the_ledgers(seoul_owner, world):
    first, second, third = place(world, "김하나"), place(world, "이두리"), place(world, "박세나")
    receive(world, first)
    paid = receive(world, second)
    world.seoul.enter()
    registering.cancel(registering.of_order(db.session.get(Order, second.id)), by=owner(world))
    refunding.give_back(db.session.get(Payment, paid.id), "asked for", by=owner(world))
    db.session.commit()
    [refund] = refunding.of_order(db.session.get(Order, second.id))
    refunding.sent(refund, by=owner(world))
    db.session.commit()
    page = seoul_owner.get(PATH).text
    assert figures(page) == {"received": "₩200,000", "back": "₩100,000", "held": "₩100,000", "awaited": "₩100,000"}
    assert in_ledger(world, "paid") == 200_000 and in_ledger(world, "refunded") == 100_000
    assert len(shown(page)) == 3
    assert figures(seoul_owner.get(f"{PATH}?status=awaited").text) == {"received": "₩0", "back": "₩0", "held": "₩0", "awaited": "₩100,000"}
    assert shown(seoul_owner.get(f"{PATH}?status=awaited").text) == [payment_of(world, third).id]


def test_the_file_says_what_the_page_says(seoul_owner, world):
    for name in ("김하나", "이두리", "박세나"):
        receive(world, place(world, name))
    place(world, "=cmd|' /C calc'!A0")
    for address in ("", "?status=received", "?q=김하나", "?method=manual_transfer", "?method=card"):
        page = seoul_owner.get(PATH + address).text
        rows = list(csv.DictReader(io.StringIO(seoul_owner.post(f"{PATH}/export{address}", {"format": "csv"}).text)))
        total = sum(int(row["Came in"]) for row in rows)
        assert figures(page).get("received", "₩0") == f"₩{total:,}"
        assert len(rows) == len(shown(page))
    assert any(row["Buyer"].startswith("'=") for row in csv.DictReader(io.StringIO(seoul_owner.post(f"{PATH}/export", {"format": "csv"}).text)))
    book = openpyxl.load_workbook(io.BytesIO(seoul_owner.post(f"{PATH}/export", {"format": "xlsx"}).data), read_only=True)
    head, *lines = book.active.iter_rows(values_only=True)
    assert sum(line[head.index("Came in")] for line in lines) == in_ledger(world, "paid") == 300_000


def test_an_export_is_on_record_and_needs_its_right(seoul_owner, sign_in, world):
    receive(world, place(world))
    assert sign_in("admin@seoul-ubf.example").post(f"{PATH}/export", {"format": "csv"}).status_code == 403
    assert seoul_owner.post(f"{PATH}/export?status=received", {"format": "csv"}).status_code == 200
    assert seoul_owner.post(f"{PATH}/export", {"format": "exe"}).status_code == 422
    world.seoul.enter()
    assert db.session.scalars(select(AuditLog.after).where(AuditLog.action == "payments.exported")).all() == [
        {"format": "csv", "filter": {"status": ["received"]}}]


def test_found_by_name_number_amount_key_and_day(seoul_owner, world):
    hana, duri = place(world, "김하나"), place(world, "이두리", chosen={"main-conference": 1, "lodging": 2})
    one, other = payment_of(world, hana), payment_of(world, duri)
    number = world.seoul.registrations()[0].number
    for text, found in (("하나", one), (number, one), ("150,000원", other), ("₩100,000", one), (other.gateway_order_id, other), ("nobody", None)):
        assert shown(seoul_owner.get(PATH, query_string={"q": text}).text) == ([found.id] if found else []), text
    today = clock.now().astimezone().date()
    assert len(shown(seoul_owner.get(f"{PATH}?from={today - timedelta(days=1)}&to={today + timedelta(days=1)}").text)) == 2
    assert shown(seoul_owner.get(f"{PATH}?to={today - timedelta(days=3)}").text) == []
    assert shown(seoul_owner.get(f"{PATH}?status=nothing").text) == []
    assert shown(seoul_owner.get(f"{PATH}?provider=toss").text) == []


def test_each_event_has_its_own(seoul_owner, sign_in, world):
    order = place(world)
    id_ = payment_of(world, order).id
    assert shown(seoul_owner.get("/seoul-ubf/admin/events/wmc-2026/payments").text) == [id_]
    assert shown(seoul_owner.get("/seoul-ubf/admin/events/meetup/payments").text) == []
    limit(world, "admin@seoul-ubf.example", "meetup")
    admin = sign_in("admin@seoul-ubf.example")
    assert shown(admin.get(PATH).text) == [] and figures(admin.get(PATH).text) == {}
    assert admin.get("/seoul-ubf/admin/events/wmc-2026/payments").status_code == 404
    assert admin.get(f"{PATH}/{id_}").status_code == 404
    assert admin.post(f"{PATH}/{id_}/settle", {"way": "note"}).status_code == 404


def test_older_pages_follow_without_a_gap(seoul_owner, world, monkeypatch):
    from eventapp.blueprints.admin import payments

    monkeypatch.setattr(payments, "PER_PAGE", 2)
    ids = [payment_of(world, place(world, f"사람{number}")).id for number in range(5)]
    seen, address = [], PATH
    while address:
        page = seoul_owner.get(address).text
        seen += shown(page)
        address = next(iter(re.findall(r'rel="next" href="([^"]*)"', page)), "").replace("&amp;", "&")
    assert seen == ids[::-1]


def test_as_many_statements_for_three_as_for_one(seoul_owner, world, statements):
    seoul_owner.get(PATH)
    place(world)
    one = statements(seoul_owner.get, PATH)
    for name in ("이두리", "박세나"):
        receive(world, place(world, name))
    assert statements(seoul_owner.get, PATH) == one
    assert one <= 14


# -- movements ---------------------------------------------------------------------------------------------

def test_movements_are_the_ledger_day_by_day(seoul_owner, world):
    receive(world, place(world))
    page = seoul_owner.get(f"{PATH}/movements").text
    assert figures(page) == {"paid": "₩100,000", "refunded": "₩0", "remains": "₩100,000"}
    rows = list(csv.DictReader(io.StringIO(seoul_owner.post(f"{PATH}/movements/export", {"format": "csv"}).text)))
    assert [(row["In"], row["Out"], row["Debit"], row["Credit"]) for row in rows] == [("100000", "", "Own account", "Receivable")]
    tomorrow = clock.now().date() + timedelta(days=2)
    assert figures(seoul_owner.get(f"{PATH}/movements?from={tomorrow}").text) == {}


def test_the_ledger_of_an_order_balances(seoul_owner, world):
    order = place(world)
    receive(world, order)
    number = world.seoul.registrations()[0].number
    page = seoul_owner.get(f"/seoul-ubf/admin/registrations/{number}/ledger").text
    assert re.findall(r'data-entry="\d+" data-kind="(\w+)"', page) == ["charged", "paid"]
    total = page.split('class="table-sum"')[1]
    assert re.findall(r">(₩[\d,]+|-?₩[\d,]+)<", total) == ["₩200,000", "₩200,000", "₩0"]


# -- one payment --------------------------------------------------------------------------------------------

def test_a_payment_shows_what_happened(seoul_owner, shop):
    order = shop.pay()
    payment = shop.payment(order)
    page = seoul_owner.get(f"{PATH}/{payment.id}").text
    assert 'data-state="succeeded"' in page and payment.gateway_order_id in page and "Money received" in page
    answer = seoul_owner.post(f"{PATH}/{payment.id}/ask")
    assert answer.status_code == 303 and 'data-testid="asking"' in seoul_owner.get(answer.location).text
    shop.work()
    assert 'data-testid="asking"' not in seoul_owner.get(answer.location).text


def test_nobody_asks_a_gateway_about_a_transfer(seoul_owner, world):
    payment = payment_of(world, place(world))
    assert seoul_owner.post(f"{PATH}/{payment.id}/ask").status_code == 422


def doubt(world, payment, kind, expected=None, found=None):
    world.seoul.enter()
    refunding.needs_a_person(db.session.get(Payment, payment.id), kind, expected, found)
    db.session.commit()


def ways(page: str) -> list[str]:
    return re.findall(r'data-way="(\w+)"', page)


def problem(world, payment):
    world.seoul.enter()
    return db.session.get(Payment, payment.id, populate_existing=True).problem


def test_an_amount_that_differs_is_counted_by_a_person(seoul_owner, shop, world):
    """Case 8: the gateway took less than was asked; it is not fulfilled, both amounts are shown, a person decides."""
    order = shop.place()
    payment = shop.payment(order)
    location = shop.approve(payment)
    shop.enter()
    payment = shop.payment(order)
    payment.amount, before = payment.amount + 20_000, payment.amount
    db.session.commit()
    shop.browser_of(order).get(location)
    shop.work()
    payment = shop.payment(order)
    if payment.problem is None:  # refused before the confirm; make the same of it by hand
        doubt(world, payment, DIFFERS, {"amount": before + 20_000}, {"amount": before})
    page = seoul_owner.get(f"{PATH}/{payment.id}").text
    assert ways(page) == ["compare", "accept", "close"]
    seoul_owner.post(f"{PATH}/{payment.id}/settle", {"way": "accept"})
    assert shop.payment(order).amount == before and problem(world, payment) is None
    world.seoul.enter()
    [line] = db.session.scalars(select(AuditLog).where(AuditLog.action == "payment.settled"))
    assert (line.before, line.after) == ({"problem": "differs"}, {"way": "accept"})


def test_compared_again_and_equal_the_payment_goes_on(seoul_owner, shop, world):
    order = shop.pay()
    payment = shop.payment(order)
    doubt(world, payment, DIFFERS, {"status": "known"}, {"status": "SOMETHING"})
    answer = seoul_owner.post(f"{PATH}/{payment.id}/settle", {"way": "compare"})
    assert "asked=" in answer.location
    shop.work()
    assert problem(world, payment) is None and shop.payment(order).status == "paid"


@pytest.fixture
def underpaid(world):
    """Staff have added to the order while its transfer was on the way: 100,000 came, 125,000 are owed."""
    order = place(world)
    world.seoul.enter()
    db.session.add(LedgerEntry(order_id=order.id, kind="charged", transaction_key="changed 0", debit="receivable", credit="sales", amount=25_000, currency="KRW"))
    db.session.commit()
    return receive(world, order)


def owed(world, payment) -> int:
    world.seoul.enter()
    return ledger.owed(db.session.get(Order, payment.order_id))


def status(world) -> list[str]:
    world.seoul.enter()
    return list(db.session.scalars(select(Registration.status).order_by(Registration.id)))


def test_what_is_missing_comes_by_transfer(seoul_owner, world, underpaid):
    assert underpaid.problem["kind"] == "underpaid"
    assert ways(seoul_owner.get(f"{PATH}/{underpaid.id}").text) == ["ask_rest", "receive_rest", "forgive", "give_back"]
    assert seoul_owner.post(f"{PATH}/{underpaid.id}/settle", {"way": "receive_rest"}).status_code == 303
    assert (owed(world, underpaid), status(world), problem(world, underpaid)) == (0, [Status.CONFIRMED], None)


def test_what_is_missing_is_let_go(seoul_owner, world, underpaid):
    seoul_owner.post(f"{PATH}/{underpaid.id}/settle", {"way": "forgive"})
    assert (owed(world, underpaid), status(world), problem(world, underpaid)) == (0, [Status.CONFIRMED], None)


def test_the_buyer_is_asked_for_what_is_missing(seoul_owner, world, underpaid, letters):
    seoul_owner.post(f"{PATH}/{underpaid.id}/settle", {"way": "ask_rest"})
    world.seoul.enter()
    latest = db.session.scalar(select(Payment).order_by(Payment.id.desc()))
    assert (latest.amount, latest.status, problem(world, underpaid)) == (25_000, "awaiting_deposit", None)
    assert ("mail_payment_due", {"order_id": underpaid.order_id}) in list(letters)


def test_everything_goes_back(seoul_owner, world, underpaid):
    seoul_owner.post(f"{PATH}/{underpaid.id}/settle", {"way": "give_back"})
    world.seoul.enter()
    [refund] = refunding.of_order(db.session.get(Order, underpaid.order_id))
    assert (refund.amount, refund.state) == (100_000, "needs_account")


def test_money_of_somebody_who_has_gone_is_kept_with_a_reason_or_given_back(seoul_owner, world):
    order = place(world)
    payment = receive(world, order)
    world.seoul.enter()
    registering.cancel(registering.of_order(db.session.get(Order, order.id)), by=owner(world))
    db.session.commit()
    doubt(world, payment, "not_given_back", 100_000, "gone")
    assert ways(seoul_owner.get(f"{PATH}/{payment.id}").text) == ["give_back", "keep"]
    answer = seoul_owner.post(f"{PATH}/{payment.id}/settle", {"way": "keep"})
    assert answer.status_code == 422 and "Say in a few words" in answer.text and problem(world, payment)
    seoul_owner.post(f"{PATH}/{payment.id}/settle", {"way": "keep", "note-keep": "취소 규정 3조"})
    assert (owed(world, payment), problem(world, payment)) == (0, None)
    world.seoul.enter()
    assert db.session.scalars(select(LedgerEntry.kind).order_by(LedgerEntry.id)).all() == ["charged", "paid", "released", "kept"]


def test_a_part_given_back_outside_is_a_reduction_or_for_somebody(seoul_owner, shop, world):
    """Case 27."""
    order = shop.pay(people=2)
    payment = shop.payment(order)
    shop.gateway.control("cancel", order_id=payment.gateway_order_id, amount=100_000)
    seoul_owner.post(f"{PATH}/{payment.id}/ask")
    shop.work()
    page = seoul_owner.get(f"{PATH}/{payment.id}").text
    assert ways(page) == ["forgive", "cancel"]
    assert "Choose for whom" in seoul_owner.post(f"{PATH}/{payment.id}/settle", {"way": "cancel"}).text
    first = shop.fresh(order).registrations[0].id
    seoul_owner.post(f"{PATH}/{payment.id}/settle", {"way": "cancel", "people": [first]})
    assert shop.statuses(order) == [Status.CANCELLED, Status.CONFIRMED]
    assert (owed(world, payment), problem(world, payment)) == (0, None)


def test_who_may_not_give_money_back_may_not_decide_so(sign_in, world, underpaid):
    admin = sign_in("admin@seoul-ubf.example")
    assert ways(admin.get(f"{PATH}/{underpaid.id}").text) == ["ask_rest", "receive_rest"]
    assert admin.post(f"{PATH}/{underpaid.id}/settle", {"way": "forgive"}).status_code == 403
    assert sign_in("staff@seoul-ubf.example").get(PATH).status_code == 403
    assert problem(world, underpaid)["kind"] == "underpaid"


def test_what_was_settled_meanwhile_is_not_settled_twice(seoul_owner, world, underpaid):
    seoul_owner.post(f"{PATH}/{underpaid.id}/settle", {"way": "forgive"})
    assert seoul_owner.post(f"{PATH}/{underpaid.id}/settle", {"way": "forgive"}).status_code == 409


def test_a_question_without_an_answer_is_closed_by_who_has_looked(seoul_owner, shop, world):
    order = shop.place()
    payment = shop.payment(order)
    attempt = attempts.prepare(payment, "confirm", calling.request_of(payment, gateway_key="tviva1"))
    attempt.state = "unknown"
    db.session.commit()
    doubt(world, payment, "unresolved", "confirm", "timeout")
    assert ways(seoul_owner.get(f"{PATH}/{payment.id}").text) == ["retry", "not_done"]
    seoul_owner.post(f"{PATH}/{payment.id}/settle", {"way": "not_done", "note-not_done": "토스 개발자센터 확인"})
    payment = shop.payment(order)
    assert (payment.status, payment.failure_code, problem(world, payment)) == ("failed", resolving.BY_HAND, None)
    assert shop.attempts(payment) == [("confirm", "refused")]


def test_the_first_page_leads_to_what_needs_a_decision(seoul_owner, world, underpaid):
    from tests.admin.test_home import waits

    assert waits(seoul_owner.get("/seoul-ubf/admin").text)["problems"] == f"{PATH}/{underpaid.id}"
    assert shown(seoul_owner.get(f"{PATH}?status=problem").text) == [underpaid.id]


def test_the_member_sees_no_payment_of_another_organisation(seoul_owner, world):
    theirs = place(world, tenant=world.busan)
    world.busan.enter()
    id_ = db.session.scalar(select(Payment.id).where(Payment.order_id == theirs.id))
    assert seoul_owner.get(f"{PATH}/{id_}").status_code == 404 and shown(seoul_owner.get(PATH).text) == []


@pytest.mark.parametrize("path", ["payments/export", "payments/movements/export", "payments/settlements/export", "payments/receipts/export?show=cash"])
def test_who_may_take_away_registrations_takes_no_money_lists(world, sign_in, path):
    world.seoul.enter()
    db.session.get(Membership, (world.seoul.id, world.user("staff@seoul-ubf.example").id)).grants = ["export"]
    db.session.commit()
    assert sign_in("staff@seoul-ubf.example").post(f"/seoul-ubf/admin/{path}", {"format": "csv"}).status_code == 403
