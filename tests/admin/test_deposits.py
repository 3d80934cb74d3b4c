"""The pages of the bank's statement, the payouts and the differences."""
import csv
import io
import re
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from eventapp import clock
from eventapp.extensions import db
from eventapp.models import AuditLog, BankLine, BookDifference, GatewayAccount, Payment, Settlement, Status
from tests.admin.test_home import limit, waits
from tests.admin.test_payments import place
from tests.shop import id_of

PATH = "/seoul-ubf/admin/payments"


def today() -> str:
    return clock.now().strftime("%Y-%m-%d")


def rows(page: str) -> dict[int, str]:
    return {int(id_): sure for id_, sure in re.findall(r'<tr data-line="(\d+)" data-sure="(\w+)"', page)}


def ticked(page: str) -> list[str]:
    return re.findall(r'name="lines" value="(\d+)" checked', page)


def chosen(page: str) -> dict[str, str]:
    """What the form would send as it stands."""
    return {f"payment-{id_}": (re.findall(r'<option value="([^"]*)"', body) or [""])[0]
            for id_, body in re.findall(r'<select class="input" name="payment-(\d+)".*?>(.*?)</select>', page, re.S)}


def test_from_the_pasted_statement_to_the_tickets(seoul_owner, world, letters):
    place(world, "김하나")
    place(world, "이두리")
    text = f"{today()} 14:03 김하나 100,000\n{today()} 15:00 박모름 100,000\nsomething else"
    answer = seoul_owner.post(f"{PATH}/deposits", {"text": text})
    assert "2 new deposits. 1 line could not be read." in answer.text
    page = seoul_owner.get(f"{PATH}/deposits").text
    assert sorted(rows(page).values()) == ["no", "yes"] and len(ticked(page)) == 1
    assert waits(seoul_owner.get("/seoul-ubf/admin").text)["statement"] == f"{PATH}/deposits"
    answer = seoul_owner.post(f"{PATH}/deposits/match", {"lines": ticked(page), "action": "match"} | chosen(page))
    assert answer.status_code == 303
    assert [one.status for one in world.seoul.registrations()] == [Status.CONFIRMED, Status.PENDING_PAYMENT]
    assert "mail_order_confirmed" in [kind for kind, _ in letters]
    page = seoul_owner.get(f"{PATH}/deposits?state=matched").text
    assert "김하나" in page and "1 deposit is matched" in page


@pytest.mark.parametrize("between", ["\t", ","])
def test_a_table_may_be_pasted_with_its_headings(seoul_owner, world, between):
    place(world, "김하나")
    lines = ["거래일시", "적요", "의뢰인", "입금액", "잔액"], [f"{today()} 14:03", "타행이체", "김하나", '"100,000"' if between == "," else "100,000", "5000000"]
    seoul_owner.post(f"{PATH}/deposits", {"text": "\n".join(between.join(line) for line in lines)})
    page = seoul_owner.get(f"{PATH}/deposits").text
    assert "1 new deposit." in page and "could not be read" not in page and list(rows(page).values()) == ["yes"]


def test_nothing_is_booked_without_a_tick(seoul_owner, world):
    place(world, "김하나")
    seoul_owner.post(f"{PATH}/deposits", {"text": f"{today()} 김하나 100,000"})
    assert seoul_owner.post(f"{PATH}/deposits/match", {"action": "match"}).status_code == 422
    page = seoul_owner.get(f"{PATH}/deposits").text
    seoul_owner.post(f"{PATH}/deposits/match", {"action": "match", "lines": list(rows(page))})  # ticked, nothing chosen
    assert [one.status for one in world.seoul.registrations()] == [Status.PENDING_PAYMENT]
    assert "For 1 deposit no payment was chosen" in seoul_owner.get(f"{PATH}/deposits").text


def test_a_file_brought_in_twice_counts_once(seoul_owner, world):
    place(world, "김하나")
    table = f"거래일시,입금액,출금액,보낸분\n{today()} 14:03:00,100000,0,김하나\n".encode("cp949")
    for said in ("1 new deposit.", "1 was known already."):
        seoul_owner.post(f"{PATH}/deposits", {"file": (io.BytesIO(table), "statement.csv")}, content_type="multipart/form-data")
        assert said in seoul_owner.get(f"{PATH}/deposits").text
    world.seoul.enter()
    assert len(db.session.scalars(select(BankLine)).all()) == 1


def test_a_file_that_is_no_statement_says_so(seoul_owner):
    answer = seoul_owner.post(f"{PATH}/deposits", {"file": (io.BytesIO(b"a,b\n1,2\n"), "x.csv")}, content_type="multipart/form-data")
    assert answer.status_code == 422 and "No headings were found" in answer.text
    assert seoul_owner.post(f"{PATH}/deposits", {"text": " "}).status_code == 422


def test_by_number_set_aside_and_back(seoul_owner, world):
    place(world, "김하나")
    seoul_owner.post(f"{PATH}/deposits", {"text": f"{today()} 할머니 100,000\n{today()} 이자 1,284원"})
    page = seoul_owner.get(f"{PATH}/deposits").text
    first, other = sorted(rows(page))
    seoul_owner.post(f"{PATH}/deposits/match", {"action": "match", "lines": [first], f"number-{first}": world.seoul.registrations()[0].number.lower()})
    assert [one.status for one in world.seoul.registrations()] == [Status.CONFIRMED]
    seoul_owner.post(f"{PATH}/deposits/match", {"action": "ignore", "lines": [other]})
    assert rows(seoul_owner.get(f"{PATH}/deposits").text) == {}
    for id_ in (first, other):
        assert seoul_owner.post(f"{PATH}/deposits/{id_}/reopen").status_code == 303
    assert len(rows(seoul_owner.get(f"{PATH}/deposits").text)) == 2
    assert [one.status for one in world.seoul.registrations()] == [Status.PENDING_PAYMENT]
    world.seoul.enter()
    assert db.session.scalars(select(AuditLog.action).where(AuditLog.action.like("bank_line.%")).order_by(AuditLog.id)).all() == [
        "bank_line.brought", "bank_line.ignored", "bank_line.reopened", "bank_line.reopened"]


def test_who_works_for_one_event_sees_neither_others_lines_nor_their_payments(seoul_owner, sign_in, world):
    place(world, "김하나")
    seoul_owner.post(f"{PATH}/deposits", {"text": f"{today()} 김하나 100,000"})
    limit(world, "admin@seoul-ubf.example", "meetup")
    admin = sign_in("admin@seoul-ubf.example")
    assert rows(admin.get(f"{PATH}/deposits").text) == {}
    [line] = rows(seoul_owner.get(f"{PATH}/deposits").text)
    assert admin.post(f"{PATH}/deposits/match", {"action": "match", "lines": [line]}).status_code == 422
    admin.post(f"{PATH}/deposits", {"text": f"{today()} 11:11 김하나 100,000\n{today()} 김하나 100,000"})
    page = admin.get(f"{PATH}/deposits").text
    assert set(rows(page).values()) <= {"no"} and chosen(page) == {}
    assert sign_in("staff@seoul-ubf.example").get(f"{PATH}/deposits").status_code == 403


def test_a_hundred_deposits_cost_as_many_statements_as_one(seoul_owner, world, statements):
    place(world, "김하나")
    seoul_owner.post(f"{PATH}/deposits", {"text": f"{today()} 김하나 100,000"})
    seoul_owner.get(f"{PATH}/deposits")
    one = statements(seoul_owner.get, f"{PATH}/deposits")
    for name in ("이두리", "박세나"):
        place(world, name)
    seoul_owner.post(f"{PATH}/deposits", {"text": "\n".join(f"{today()} 사람{number} 100,000" for number in range(100))})
    seoul_owner.get(f"{PATH}/deposits")
    assert statements(seoul_owner.get, f"{PATH}/deposits") == one


# -- payouts and differences --------------------------------------------------------------------------------

def settled(shop, **values) -> Settlement:
    shop.enter()
    given = dict(account_id=id_of(shop.account), transaction_key=f"tx{values.get('amount', 1)}", currency="KRW", amount=100_000, fee=2_600, vat=260, payout=97_140,
                 sold_on=date(2026, 1, 5), paid_out_on=date(2026, 1, 7)) | values
    row = Settlement(**given)
    db.session.add(row)
    db.session.commit()
    return row


def test_payouts_by_day_with_their_lines(seoul_owner, shop):
    payment = shop.payment(shop.pay())
    settled(shop, payment_id=payment.id)
    settled(shop, amount=50_000, payout=48_570, paid_out_on=clock.now().date() + timedelta(days=3))
    page = seoul_owner.get(f"{PATH}/settlements").text
    assert re.findall(r'data-testid="(?:paid-out|to-come)">([^<]*)<', page) == ["₩97,140", "₩48,570"]
    lines = seoul_owner.get(f"{PATH}/settlements?day=2026-01-07&account={id_of(shop.account)}").text
    assert len(re.findall(r"<tr data-settlement", lines)) == 1 and f"{PATH}/{payment.id}" in lines
    table = list(csv.DictReader(io.StringIO(seoul_owner.post(f"{PATH}/settlements/export", {"format": "csv"}).text)))
    assert sum(int(row["Paid out"]) for row in table) == 97_140 + 48_570
    assert "₩2,860" in seoul_owner.get(PATH).text  # the fees of the payment, with VAT


def test_differences_are_settled_with_a_note(seoul_owner, shop, sign_in):
    payment = shop.payment(shop.pay())
    account = id_of(shop.account)
    for number, about in enumerate((payment.id, None)):
        db.session.add(BookDifference(account_id=account, payment_id=about, kind="missing_here", transaction_key=f"tx{number}", gateway_order_id=f"ev_{number}",
                                      currency="KRW", theirs=-10_000, happened_at=clock.now()))
    db.session.commit()
    assert waits(seoul_owner.get("/seoul-ubf/admin").text)["differences"] == f"{PATH}/differences"
    page = seoul_owner.get(f"{PATH}/differences").text
    ids = re.findall(r'<tr data-difference="(\d+)"', page)
    assert len(ids) == 2 and "-₩10,000" in page.replace("−", "-")
    assert seoul_owner.post(f"{PATH}/differences", {"action": "settle", "ids": ids}).status_code == 422
    seoul_owner.post(f"{PATH}/differences", {"action": "strangers", "note": "쇼핑몰 결제"})
    assert len(re.findall(r"<tr data-difference", seoul_owner.get(f"{PATH}/differences").text)) == 1
    assert "쇼핑몰 결제" in seoul_owner.get(f"{PATH}/differences?state=all").text
    assert sign_in("staff@seoul-ubf.example").get(f"{PATH}/differences").status_code == 403


def test_the_books_are_compared_when_somebody_asks(seoul_owner, shop):
    shop.pay()
    seoul_owner.post(f"{PATH}/differences", {"action": "again"})
    shop.work()
    shop.enter()
    assert db.session.get(GatewayAccount, id_of(shop.account)).books_read_until
    assert db.session.scalars(select(BookDifference)).all() == []
    assert db.session.scalar(select(Payment.status)) == "paid"
