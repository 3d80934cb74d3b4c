"""Deposits of a bank's statement: read as banks write them, each once, proposed when there is no doubt, booked by a person."""
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from eventapp import audit, clock
from eventapp.domain import Refused, ledger, matching, statements
from eventapp.domain.statements import Deposit
from eventapp.extensions import db
from eventapp.models import BankLine, CheckIn, Checkpoint, LedgerEntry, Order, Payment, Registration, Status
from tests import make
from tests.make import Participant

BY = audit.Actor("user", 1)
TODAY = datetime.now(ZoneInfo("Asia/Seoul")).date()

KB = """국민은행 거래내역,,,,,,
계좌번호,123456-04-567890,,,,,
거래일시,적요,보낸분/받는분,송금메모,출금액(원),입금액(원),잔액(원)
2026.11.20 14:03:22,타행이체,김하나,,0,"100,000","1,100,000"
2026.11.20 15:10:00,체크카드,스타벅스,,"5,000",0,"1,095,000"
2026.11.21 09:00:01,타행이체,이두리WMC26,조장,0,"150,000","1,245,000"
합계,,,,"5,000","250,000",
"""
SHINHAN = "거래일자\t거래시간\t적요\t출금(원)\t입금(원)\t내용\t잔액(원)\n20261120\t140322\t타행IB\t0\t100,000\t김하나\t1,100,000"
KAKAO = "거래일시,구분,거래금액,거래 후 잔액,거래구분,내용,메모\n2026.11.20 14:03:22,입금,100000,1100000,일반입금,김하나,\n2026.11.20 15:10:00,출금,-5000,1095000,체크카드결제,스타벅스,"
ENGLISH = "Date,Description,Money in,Money out,Balance\n20/11/2026,HANA KIM,100000,,1\n2026-11-20,HANA KIM,100000,,1"


@pytest.mark.parametrize(("text", "name", "found"), [
    (KB, "kb.csv", [Deposit(date(2026, 11, 20), "14:03:22", 100_000, "김하나", "타행이체"), Deposit(date(2026, 11, 21), "09:00:01", 150_000, "이두리WMC26", "타행이체 조장")]),
    (KAKAO, "kakao.csv", [Deposit(date(2026, 11, 20), "14:03:22", 100_000, "김하나")]),
    (SHINHAN, "shinhan.tsv", [Deposit(date(2026, 11, 20), "14:03:22", 100_000, "김하나", "타행IB")]),
])
def test_banks_are_read(text, name, found):
    assert statements.read_file(name, text.encode("cp949"), "KRW").deposits == found


def test_what_is_no_deposit_is_left_out_and_what_is_unclear_is_named():
    assert statements.read_file("kb.csv", KB.encode(), "KRW").others == 1
    found = statements.read_file("x.csv", ENGLISH.encode(), "KRW")
    assert [deposit.depositor for deposit in found.deposits] == ["HANA KIM"] and [number for number, _ in found.wrong] == [2]
    with pytest.raises(Refused):
        statements.read_file("x.csv", "이름,나이\n김하나,3".encode(), "KRW")


def test_dollars_have_cents():
    text = "Date,Name,Credit\n2026-11-20,Hana,12.50\n2026-11-20,Duri,1.005"
    found = statements.read_file("x.csv", text.encode(), "USD")
    assert [deposit.amount for deposit in found.deposits] == [1250] and len(found.wrong) == 1


@pytest.mark.parametrize(("line", "deposit"), [
    ("2026-11-20 14:03 김하나 100,000", Deposit(date(2026, 11, 20), "14:03", 100_000, "김하나")),
    ("26.11.20  입금  100,000원  김하나", Deposit(date(2026, 11, 20), "", 100_000, "김하나")),
    ("2026년 11월 20일 오후 2:03 김 하나 ₩100,000", Deposit(date(2026, 11, 20), "14:03", 100_000, "김 하나")),
    ("20261120 김하나 100000", Deposit(date(2026, 11, 20), "", 100_000, "김하나")),
])
def test_pasted_lines(line, deposit):
    assert statements.read_text(line, "KRW").deposits == [deposit]


@pytest.mark.parametrize("line", ["김하나 100,000", "2026-11-20 김하나", "2026-11-20 김하나 100,000 1,200,000", "2026-13-45 김하나 100,000", "2026-11-20 김하나 -100,000"])
def test_a_line_that_is_not_clear_is_named(line):
    found = statements.read_text(line, "KRW")
    assert found.deposits == [] and len(found.wrong) == 1


# -- each once -------------------------------------------------------------------------------------------

def deposit(name="김하나", amount=100_000, day=None, time="14:03", memo=""):
    return Deposit(day or TODAY, time, amount, name, memo)


def brought(world, *deposits) -> tuple[int, int]:
    world.seoul.enter()
    found = matching.bring(list(deposits), "KRW", by=BY)
    db.session.commit()
    return found.new, found.known


def test_a_statement_brought_in_twice_counts_once(world):
    lines = deposit(), deposit(), deposit("이두리")
    assert brought(world, *lines) == (3, 0)  # two that say the same in one statement are two
    assert brought(world, *lines) == (0, 3)
    assert brought(world, *lines, deposit()) == (1, 3)
    assert brought(world, deposit("김 하나")) == (0, 1)


def test_a_statement_without_times_knows_the_one_with_them(world):
    assert brought(world, deposit(time="14:03")) == (1, 0)
    assert brought(world, deposit(time="")) == (0, 1)
    assert brought(world, deposit(time=""), deposit(time="")) == (1, 1)
    assert brought(world, deposit(time="14:03"), deposit(time="16:00")) == (0, 2)


def test_seconds_make_no_second_deposit(world):
    assert brought(world, deposit(time="14:03:22")) == (1, 0)
    assert brought(world, deposit(time="14:03")) == (0, 1)


# -- proposals -------------------------------------------------------------------------------------------

def place(world, *names, chosen=None, method="manual_transfer"):
    world.seoul.enter()
    people = [Participant(name, f"{number}@example.com", chosen=chosen or {"main-conference": 1}) for number, name in enumerate(names)]
    order = make.order(world.seoul.event(), *people, method=method)
    db.session.commit()
    return order


def proposed(world, *deposits) -> list[matching.Proposal]:
    brought(world, *deposits)
    world.seoul.enter()
    return matching.proposals(list(db.session.scalars(select(BankLine).where(BankLine.state == "open"))), select(Payment))


def sure(world, *deposits) -> list:
    """Whose payment each of them is, as far as there is no doubt."""
    found = {one.line.depositor: one.sure and one.sure.buyer for one in proposed(world, *deposits)}
    return [found[each.depositor] for each in deposits]


@pytest.mark.parametrize("depositor", ["김하나", "김 하나", "김하나WMC", "010김하나", "(김하나)", "김하나/선교대회"])
def test_name_and_amount_that_fit_one_payment_are_proposed(world, depositor):
    place(world, "김하나")
    place(world, "이두리")
    assert sure(world, deposit(depositor)) == ["김하나"]


def test_so_is_a_participants_name_and_a_registrations_number(world):
    place(world, "김하나", "정다섯")
    place(world, "이두리", "윤여섯")
    number = world.seoul.registrations()[2].number
    assert sure(world, deposit("정다섯", 200_000), deposit(f"입금 {number}", 200_000)) == ["김하나", "이두리"]


def test_a_name_in_latin_letters_in_either_order(world):
    place(world, "Hana Kim")
    assert sure(world, deposit("KIM HANA")) == ["Hana Kim"]


@pytest.mark.parametrize(("depositor", "amount"), [
    ("김하나", 90_000),  # case 22: another sum
    ("박세나", 100_000),  # a name that nobody bears
    ("김하", 100_000),  # cut off: it could be anybody's
    ("김하나나", 100_000),  # another name that begins the same
    ("", 100_000),
])
def test_what_is_in_doubt_is_not_proposed(world, depositor, amount):
    place(world, "김하나")
    assert sure(world, deposit(depositor, amount)) == [None]


def test_a_wrong_sum_says_who_owes_what(world):
    place(world, "김하나")
    [found] = proposed(world, deposit("김하나", 90_000))
    assert found.why_not == "김하나 owes ₩100,000, but ₩90,000 came."


def test_two_of_one_name_and_two_deposits_for_one_are_left_to_a_person(world):
    place(world, "김하나")
    place(world, "김하나")
    [found] = proposed(world, deposit())
    assert found.sure is None and len(found.choices) == 2 and "Several people" in found.why_not
    place(world, "이두리")
    found = [one for one in proposed(world, deposit("이두리"), deposit("이두리", time="15:00")) if one.line.depositor == "이두리"]
    assert [one.sure for one in found] == [None, None] and "Several deposits" in found[0].why_not


def test_nobody_pays_before_registering(world):
    place(world, "김하나")
    assert sure(world, deposit(day=TODAY - timedelta(days=5))) == [None]


def test_an_expired_one_is_offered_but_never_proposed(world):
    order = place(world, "김하나")
    world.seoul.enter()
    db.session.scalar(select(Payment).where(Payment.order_id == order.id)).status = "expired"
    db.session.commit()
    [found] = proposed(world, deposit())
    assert found.sure is None and [one.late for one in found.choices] == [True]


# -- deciding --------------------------------------------------------------------------------------------

def lines(world) -> list[BankLine]:
    world.seoul.enter()
    return list(db.session.scalars(select(BankLine).order_by(BankLine.id).execution_options(populate_existing=True)))


def payments(world) -> list[Payment]:
    world.seoul.enter()
    return list(db.session.scalars(select(Payment).order_by(Payment.id).execution_options(populate_existing=True)))


def confirm(world, chosen) -> matching.Outcome:
    world.seoul.enter()
    outcome = matching.confirm(chosen, select(Payment), select(Registration), by=BY)
    db.session.commit()
    return outcome


def test_confirmed_it_is_booked_once(world, letters):
    place(world, "김하나")
    brought(world, deposit())
    line, payment = lines(world)[0].id, payments(world)[0].id
    assert confirm(world, {line: payment}).matched == 1
    again = confirm(world, {line: payment})
    assert again.matched == 0 and again.refused[0][1] == "Somebody has settled this deposit already."
    assert (lines(world)[0].state, lines(world)[0].payment_id, payments(world)[0].status) == ("matched", payment, "paid")
    assert [one.kind for one in db.session.scalars(select(LedgerEntry).order_by(LedgerEntry.id))] == ["charged", "paid"]
    assert "mail_order_confirmed" in [kind for kind, _ in letters]


def test_one_that_is_refused_keeps_no_other_back(world):
    place(world, "김하나")
    place(world, "이두리")
    brought(world, deposit("김하나", 90_000), deposit("이두리"))
    one, other = lines(world)
    outcome = confirm(world, {one.id: payments(world)[0].id, other.id: payments(world)[1].id})
    assert outcome.matched == 1 and "₩90,000 was received" in outcome.refused[0][1]
    assert [line.state for line in lines(world)] == ["open", "matched"] and payments(world)[0].status == "awaiting_deposit"


def test_two_deposits_are_not_one_payment(world):
    place(world, "김하나")
    brought(world, deposit(), deposit(time="15:00"))
    one, other = (line.id for line in lines(world))
    id_ = payments(world)[0].id
    assert confirm(world, {one: id_, other: id_}).matched == 1
    assert [line.state for line in lines(world)] == ["matched", "open"]


def test_by_a_number_also_when_another_way_was_chosen(shop, world):
    order = shop.place()
    number = shop.fresh(order).registrations[0].number
    brought(world, deposit("누군가"))
    assert confirm(world, {lines(world)[0].id: number.lower()}).matched == 1
    assert shop.statuses(order) == [Status.CONFIRMED] and lines(world)[0].payment_id
    refused = confirm(world, {lines(world)[0].id: "WMC26-XXXXX"}).refused
    assert refused[0][1] == "Somebody has settled this deposit already."


def test_a_number_that_owes_another_sum_is_refused(world):
    place(world, "김하나")
    brought(world, deposit(amount=90_000))
    number = world.seoul.registrations()[0].number
    assert confirm(world, {lines(world)[0].id: number}).refused[0][1] == "김하나 owes ₩100,000, but ₩90,000 came."
    assert "no registration" in confirm(world, {lines(world)[0].id: "X-1"}).refused[0][1]


def test_matched_by_mistake_it_is_awaited_again(world):
    order = place(world, "김하나")
    brought(world, deposit())
    line = lines(world)[0]
    confirm(world, {line.id: payments(world)[0].id})
    matching.reopen(lines(world)[0], by=BY)
    db.session.commit()
    assert (lines(world)[0].state, payments(world)[0].status) == ("open", "awaiting_deposit")
    world.seoul.enter()
    assert ledger.owed(db.session.get(Order, order.id)) == 100_000
    assert world.seoul.registrations()[0].status == Status.PENDING_PAYMENT
    assert confirm(world, {line.id: payments(world)[0].id}).matched == 1


def test_not_after_somebody_has_come_in(world):
    place(world, "김하나")
    brought(world, deposit())
    confirm(world, {lines(world)[0].id: payments(world)[0].id})
    point = db.session.scalar(select(Checkpoint).limit(1))
    db.session.add(CheckIn(registration_id=world.seoul.registrations()[0].id, checkpoint_id=point.id, at=clock.now(), result="ok", nonce="n"))
    db.session.commit()
    with pytest.raises(Refused):
        matching.reopen(lines(world)[0], by=BY)


def test_set_aside_and_taken_up_again(world):
    brought(world, deposit())
    world.seoul.enter()
    assert matching.ignore([lines(world)[0].id], by=BY) == 1
    db.session.commit()
    matching.reopen(lines(world)[0], by=BY)
    db.session.commit()
    assert lines(world)[0].state == "open" and brought(world, deposit()) == (0, 1)
