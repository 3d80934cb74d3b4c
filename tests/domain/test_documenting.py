"""Receipts and notes: numbers without gaps, the VAT to the won, one for each movement of money, and never another text."""
import dataclasses
import io
import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import ProgrammingError

from eventapp import audit, checks, clock, faults, tenancy
from eventapp.domain import (
    attempts,
    calling,
    changing,
    documenting,
    ledger,
    listing,
    paying,
    receiving,
    refunding,
    ticketing,
)
from eventapp.domain.changing import Wanted
from eventapp.domain.documenting import Split, charged, given_back, share
from eventapp.domain.ordering import Participant
from eventapp.extensions import db, platform
from eventapp.languages import _, force_locale
from eventapp.models import (
    Document,
    DocumentSeries,
    LedgerEntry,
    LineItem,
    Order,
    Organization,
    Payment,
    Program,
    Registration,
)
from eventapp.money import vat_included
from eventapp.tickets import pdf
from tests import make
from tests.conftest import settings_for
from tests.shop import id_of
from tests.working import ask, until, waiting, worker

STAFF = audit.Actor("user", 1)
KINDS = {"R": "receipt", "C": "refund"}


@pytest.fixture(autouse=True, scope="module")
def nothing_left_running():
    yield
    pdf.stop()


def documents(shop, order) -> list[tuple]:
    """(series' letter, number, amount, without VAT, VAT)."""
    shop.enter()
    found = documenting.of(db.session.get(Order, id_of(order)))
    assert all(one.kind == KINDS[one.series[0]] and one.series[1:] == f"{clock.now():%Y}" for one in found)
    return [(one.series[0], one.number, one.amount, one.tax_free, one.vat) for one in found]


def sound(app, *about) -> None:
    """What `flask check` says of money, documents and cash receipts."""
    answers = checks.run(platform.engine, app.config["SETTINGS"].role("app"), clock.now())
    about = about or ("money", "documents", "receipts")
    assert [(one.name, one.breaches) for one in answers if not one.ok and one.name.startswith(about)] == []


def printed(document) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(document)).pages).split())


def give_back(shop, order, *amounts) -> None:
    for amount in amounts:
        refunding.give_back(shop.payment(order), "a part of it", by=STAFF, amount=amount)
        db.session.commit()
        shop.work()


# -- VAT ------------------------------------------------------------------------------------------------

amounts = st.integers(min_value=1, max_value=2_000_000_000)


@given(st.data(), amounts)
def test_notes_take_back_the_vat_of_the_receipt_to_the_won(data, amount):
    tax_free = data.draw(st.integers(0, amount))
    ours = vat_included(amount, tax_free)
    receipt = charged(amount, tax_free, data.draw(st.none() | st.integers(ours - 1, ours + 1)))
    assert receipt.amount == receipt.tax_free + receipt.vat + (supply := receipt.amount - receipt.tax_free - receipt.vat) and supply >= 0
    left, notes = receipt, []
    while left.amount and len(notes) < 12:
        part = left.amount if len(notes) == 11 else data.draw(st.integers(1, left.amount))
        note = given_back(left, part, data.draw(st.integers(0, part)))
        assert note.amount == part
        assert min(note.tax_free, note.vat, note.amount - note.tax_free - note.vat) >= 0
        left -= note
        assert min(left.amount, left.tax_free, left.vat, left.amount - left.tax_free - left.vat) >= 0
        assert abs(left.vat - vat_included(left.amount, left.tax_free)) <= 1
        notes.append(note)
    assert left == Split(0, 0, 0)
    assert sum(notes, Split(0, 0, 0)) == receipt


@given(amounts, st.data())
def test_the_vat_of_a_price_is_an_eleventh_rounded_half_up(amount, data):
    tax_free = data.draw(st.integers(0, amount))
    vat = charged(amount, tax_free).vat
    assert abs(11 * vat - (amount - tax_free)) * 2 <= 11
    assert charged(amount, tax_free, vat + 2).vat == vat, "a gateway that is off by more than rounding is not believed"


@given(amounts, st.data())
def test_a_share_is_of_what_is_left(amount, data):
    tax_free = data.draw(st.integers(0, amount))
    left = charged(amount, tax_free)
    part = data.draw(st.integers(0, amount))
    assert 0 <= share(left, part) <= min(part, tax_free) or share(left, part) - min(part, tax_free) <= 1
    assert share(left, amount) == tax_free


# -- one for each movement --------------------------------------------------------------------------------

def test_a_payment_has_a_receipt_and_its_refund_a_note(shop, app):
    order = shop.pay("card", people=2)
    assert documents(shop, order) == [("R", 1, 200_000, 0, 18_182)]
    give_back(shop, order, None)
    assert documents(shop, order) == [("R", 1, 200_000, 0, 18_182), ("C", 1, 200_000, 0, 18_182)]
    note = documenting.of(shop.fresh(order))[1]
    assert note.content["refers_to"] == f"R{clock.now():%Y}-000001"
    assert note.refund_id is not None


def test_refunds_in_parts_add_up_to_the_receipt(shop, app):
    order = shop.pay("card", people=2)
    give_back(shop, order, 33_333, 66_666, 7, None)
    found = documents(shop, order)
    assert [each[:3] for each in found] == [("R", 1, 200_000), ("C", 1, 33_333), ("C", 2, 66_666), ("C", 3, 7), ("C", 4, 99_994)]
    assert sum(vat for *_rest, vat in found[1:]) == found[0][-1]
    sound(app, "documents")


def test_written_again_there_is_no_second_one(shop):
    order = shop.pay("card")
    assert documenting.document(shop.payment(order)) == []
    documenting.sweep()
    db.session.commit()
    shop.work()
    assert len(documents(shop, order)) == 1


def test_a_deposit_that_the_bank_took_back_and_brought_again_has_three_documents(shop, app):
    order = shop.deposit_account()
    for call in ("deposit", "reversal", "deposit"):
        shop.gateway.control(call, order_id=shop.payment(order).gateway_order_id)
        calling.refresh(shop.payment(order))
        db.session.commit()
        shop.work()
    assert documents(shop, order) == [("R", 1, 100_000, 0, 9_091), ("C", 1, 100_000, 0, 9_091), ("R", 2, 100_000, 0, 9_091)]
    sound(app)


def test_a_transfer_by_hand_has_its_receipt_and_what_was_marked_by_mistake_a_note(shop, app):
    order = shop.place("manual_transfer")
    paying.mark_received(shop.payment(order), 100_000, by=STAFF)
    db.session.commit()
    shop.work()
    receiving.take_back(shop.payment(order).id, by=STAFF)
    db.session.commit()
    shop.work()
    assert [each[:3] for each in documents(shop, order)] == [("R", 1, 100_000), ("C", 1, 100_000)]
    assert [one.content["test"] for one in documenting.of(shop.fresh(order))] == [False, False]


def test_a_refund_that_comes_back_takes_the_note_back(shop, app):
    order = shop.pay("card")
    give_back(shop, order, 30_000)
    payment = shop.payment(order)
    attempts.lock(payment)
    key = db.session.scalar(select(LedgerEntry.transaction_key).where(LedgerEntry.kind == "refunded"))
    ledger.take_in_again(payment, f"{key} came back", 30_000)
    documenting.document(payment)
    db.session.commit()
    found = documents(shop, order)
    assert found[1][2:] == found[2][2:] == (30_000, 0, 2_727)
    assert [each[0] for each in found] == ["R", "C", "R"]
    assert documenting.of(shop.fresh(order))[2].content["refers_to"].startswith("C")


def test_what_was_added_later_has_a_receipt_of_its_own(shop):
    order = shop.place("manual_transfer")
    paying.mark_received(shop.payment(order), 100_000, by=STAFF)
    db.session.commit()
    shop.work()
    registration = db.session.scalars(select(Registration).where(Registration.order_id == id_of(order))).one()
    changing.change(registration, Wanted({"main-conference": 1, "lodging": 2}, was=changing.mark(registration)), by=STAFF)
    db.session.commit()
    paying.mark_received(shop.payment(order), 50_000, by=STAFF)
    db.session.commit()
    shop.work()
    assert documents(shop, order) == [("R", 1, 100_000, 0, 9_091), ("R", 2, 50_000, 0, 4_545)]
    lines = documenting.of(shop.fresh(order))[1].content["lines"]
    assert [(line["kind"], line["amount"]) for line in lines] == [("sold", 100_000), ("sold", 50_000), ("before", -100_000)]


# -- what bears no VAT --------------------------------------------------------------------------------------

def without_vat(shop, code: str) -> None:
    shop.enter()
    db.session.execute(update(Program).where(Program.code == code).values(tax="tax_free"))
    db.session.commit()


def mixed(shop, method: str = "card") -> Order:
    """A taxed conference of 100,000 and two nights without VAT, 50,000."""
    shop.enter()
    person = Participant(name="김하나", email="hana@example.com", phone="010-2345-6789", chosen={"main-conference": 1, "lodging": 2})
    order = make.order(shop.world.seoul.event(), person, method=method)
    db.session.commit()
    return order


def pay(shop, order) -> None:
    shop.browser_of(order).get(shop.approve(shop.payment(order)))
    shop.work()


def test_what_bears_no_vat_is_told_to_the_gateway_and_stands_on_the_receipt(shop, app):
    without_vat(shop, "lodging")
    order = mixed(shop)
    pay(shop, order)
    assert documents(shop, order) == [("R", 1, 150_000, 50_000, 9_091)]
    body = shop.get_books(order)
    assert (body["taxFreeAmount"], body["vat"]) == (50_000, 9_091)
    shop.enter()
    assert sorted(db.session.execute(select(LineItem.unit_price, LineItem.tax_free)).all()) == [(25_000, True), (100_000, False)]
    sound(app)


def test_a_refund_by_line_takes_back_what_that_line_bore(shop, app):
    without_vat(shop, "lodging")
    order = mixed(shop)
    pay(shop, order)
    order = shop.fresh(order)
    nights = db.session.scalars(select(LineItem.id).where(LineItem.tax_free)).all()
    refunding.give(order, refunding.quote(order, in_full=True, line_items=nights), reason="the nights are not needed", by=STAFF, goodwill=True)
    db.session.commit()
    shop.work()
    assert documents(shop, order) == [("R", 1, 150_000, 50_000, 9_091), ("C", 1, 50_000, 50_000, 0)]
    assert (shop.get_books(order)["taxFreeAmount"], shop.get_books(order)["vat"]) == (0, 9_091)
    give_back(shop, order, None)
    assert documents(shop, order)[2] == ("C", 2, 100_000, 0, 9_091)
    sound(app, "documents")


def test_an_organisation_without_vat_gives_receipts_without_vat(shop):
    shop.enter()
    db.session.execute(update(Organization).values(tax="tax_free"))
    db.session.commit()
    order = shop.pay("card")
    assert documents(shop, order) == [("R", 1, 100_000, 100_000, 0)]
    order = shop.place("card")
    shop.enter()
    db.session.execute(update(Organization).values(tax="taxable"))  # between the sale and the money
    db.session.commit()
    pay(shop, order)
    assert documents(shop, order) == [("R", 2, 100_000, 100_000, 0)], "as it was sold"


# -- numbers ------------------------------------------------------------------------------------------------

def paid_orders(shop, count: int) -> list[int]:
    """Payments with a movement that has no document yet."""
    ids = []
    for _number in range(count):
        order = shop.place("manual_transfer")
        payment = shop.payment(order)
        paying.mark_received(payment, 100_000, by=STAFF)
        ids.append(id_of(payment))
        db.session.commit()
    return ids


def series(shop) -> dict:
    shop.enter()
    numbers = {}
    for name, number in db.session.execute(select(Document.series, Document.number).order_by(Document.series, Document.number)):
        numbers.setdefault(name, []).append(number)
    assert dict(db.session.execute(select(DocumentSeries.name, DocumentSeries.last)).all()) == {name: max(all_) for name, all_ in numbers.items()}
    return numbers


def test_numbers_have_no_gap_when_many_are_written_at_once_and_some_fail(shop, app):
    ids = paid_orders(shop, 16)
    org_id, barrier, failed = shop.world.seoul.id, threading.Barrier(8), []
    faults.configure("documenting.numbered=raise:0.5")

    def write(mine):
        with app.app_context():
            barrier.wait()
            for payment_id in mine:
                with tenancy.inside(org_id):
                    try:
                        documenting.document(db.session.get(Payment, payment_id))
                        db.session.commit()
                    except faults.Injected:
                        db.session.rollback()
                        failed.append(payment_id)
            db.session.remove()

    # Every payment by two threads, so that they also meet over the same one.
    threads = [threading.Thread(target=write, args=(ids[start % 4::4],)) for start in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    faults.configure()
    assert failed, "some were to fail"
    shop.work()
    assert series(shop) == {f"R{clock.now():%Y}": list(range(1, 17))}
    sound(app)


def test_a_worker_killed_between_the_number_and_the_document_leaves_no_gap(shop, app, database):
    paid_orders(shop, 5)
    with worker(database, faults="documenting.numbered=exit") as dying:
        assert until(lambda: dying.poll() is not None)
        assert dying.returncode == faults.EXIT_CODE
    assert ask(database, "SELECT count(*) FROM documents") == 0
    with worker(database, clock_offset=60):
        assert until(lambda: not waiting(database, "document_%"))
    assert series(shop) == {f"R{clock.now():%Y}": [1, 2, 3, 4, 5]}


def test_a_year_begins_with_number_one_at_the_organisations_midnight(shop, app):
    year = clock.now().year
    paid_orders(shop, 1)
    shop.work()
    ids = paid_orders(shop, 1)
    clock.offset += datetime(year, 12, 31, 15, 30, tzinfo=UTC) - clock.now()  # half past midnight in Seoul
    shop.enter()
    documenting.document(db.session.get(Payment, ids[0]))
    db.session.commit()
    assert series(shop) == {f"R{year}": [1], f"R{year + 1}": [1]}


def test_each_organisation_has_numbers_of_its_own(shop, world):
    shop.pay("card")
    world.busan.enter()
    assert db.session.scalar(select(func.count(Document.id))) == 0
    assert db.session.scalar(select(func.count(DocumentSeries.id))) == 0


def test_the_sweep_finds_what_no_job_announced(shop, app):
    paid_orders(shop, 3)
    with platform.session() as session:
        session.execute(text("DELETE FROM outbox WHERE kind = 'document_money'"))
        session.commit()
    shop.work()
    assert series_or_none(shop) == {}
    shop.enter()
    documenting.sweep()
    db.session.commit()
    shop.work()
    assert series(shop) == {f"R{clock.now():%Y}": [1, 2, 3]}


def series_or_none(shop) -> dict:
    shop.enter()
    return dict(db.session.execute(select(DocumentSeries.name, DocumentSeries.last)).all())


def falsify(database: str, statement: str) -> None:
    """As the owner of the tables, whom nothing hinders."""
    url = settings_for(database).owner_url.set(drivername="postgresql").render_as_string(False)
    with psycopg.connect(url) as connection:
        connection.execute(statement)


@pytest.mark.parametrize(("name", "statement"), [
    ("documents.numbers", "DELETE FROM documents WHERE number = 2"),
    ("documents.numbers", "UPDATE document_series SET last = 4"),
    ("documents.ledger", "UPDATE documents SET amount = amount + 1 WHERE number = 1"),
    ("documents.ledger", "UPDATE documents SET kind = 'refund' WHERE number = 1"),
    ("documents.vat", "UPDATE documents SET kind = 'refund', vat = vat + 1 WHERE number = 1"),
    ("documents.missing", "UPDATE ledger_entries SET created_at = created_at - interval '2 hours'; DELETE FROM documents WHERE number = 3"),
])
def test_the_check_sees(shop, app, database, name, statement):
    paid_orders(shop, 3)
    shop.work()
    sound(app)
    db.session.commit()
    falsify(database, statement)
    answers = checks.run(platform.engine, app.config["SETTINGS"].role("app"), clock.now())
    assert name in [one.name for one in answers if one.breaches]


def test_a_document_cannot_be_changed_or_taken_away(shop):
    shop.pay("card")
    shop.enter()
    for statement in ("UPDATE documents SET amount = 1", "DELETE FROM documents"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            db.session.execute(text(statement))
        db.session.rollback()


# -- what is printed ------------------------------------------------------------------------------------------

def test_a_document_says_years_later_what_it_said(shop):
    order = shop.pay("card")
    before = documenting.paper(documenting.of(shop.fresh(order))[0])
    organization = db.session.get(Organization, shop.world.seoul.id)
    organization.business, organization.phone = {"name": "다른 이름", "number": "1248100998"}, "02-000-0000"
    db.session.execute(update(LineItem).values(name={"ko": "다른 것", "en": "Something else"}))
    db.session.execute(update(Order).values(name="박둘"))
    db.session.commit()
    assert documenting.paper(documenting.of(shop.fresh(order))[0]) == before


@pytest.mark.parametrize("locale", ["ko", "en"])
def test_a_receipt_can_be_read_in_both_languages(shop, locale):
    shop.enter()
    organization = db.session.get(Organization, shop.world.seoul.id)
    organization.business = {"name": "서울 UBF 선교회", "representative": "김요한", "number": "101-82-04417",
                             "mail_order_number": "제2021-서울종로-0387호", "address": "서울특별시 종로구 대학로12길 38"}
    db.session.commit()
    without_vat(shop, "lodging")
    order = mixed(shop)
    pay(shop, order)
    with force_locale(locale):
        found = documenting.of(shop.fresh(order))[0]
        document = pdf.paper(documenting.paper(found))
        words = (_("Receipt"), _("Business registration number"), _("Supply price"), _("Without VAT"), _("Sold to"), str(listing.METHOD_WORDS["card"]))
    text = printed(document)
    for word in (*words, found.name, "서울 UBF 선교회", "김요한", "101-82-04417", "제2021-서울종로-0387호", "서울특별시 종로구 대학로12길 38",
                 "김하나", "₩150,000", "₩50,000", "₩9,091", "₩90,909", "신한카드", {"ko": "본 대회", "en": "Main conference"}[locale]):
        assert word in text, word
    page = PdfReader(io.BytesIO(document)).pages[0]
    assert [round(float(side) / 72 * 25.4) for side in page.mediabox[2:]] == [210, 297]
    fonts = {font["/BaseFont"].partition("+")[2] for font in (each.get_object() for each in page["/Resources"]["/Font"].values())}
    assert fonts and all(font.startswith("Pretendard") for font in fonts), "no glyph came from anywhere else"


@pytest.mark.parametrize("locale", ["ko", "en"])
def test_a_note_and_a_statement_can_be_read_in_both_languages(shop, locale):
    order = shop.pay("card", people=2)
    give_back(shop, order, 50_000)
    with force_locale(locale):
        order = shop.fresh(order)
        note, statement = documenting.of(order)[1], documenting.statement(order)
        words = (_("Refund note"), _("A part of what was paid"), _("To receipt"))
        text, whole = printed(pdf.paper(documenting.paper(note))), printed(pdf.statement(statement))
        titles = (_("Statement"), _("Sum of what was sold"), _("VAT in what is held"))
    for word in (*words, note.name, note.content["refers_to"], "₩50,000", "₩4,546", "₩45,454"):
        assert word in text, word
    for word in (*titles, *(each.name for each in documenting.of(order)), "₩200,000", "₩50,000", "₩13,636"):
        assert word in whole, word
    assert (statement.sold, statement.received, statement.given_back) == (200_000, 200_000, 50_000)


def test_a_long_order_goes_on_over_pages(shop):
    order = shop.pay("card", people=5)
    document = documenting.of(shop.fresh(order))[0]
    paper = documenting.paper(document)
    many = dataclasses.replace(paper, lines=paper.lines * 20)
    reader = PdfReader(io.BytesIO(pdf.paper(many)))
    assert len(reader.pages) > 2
    assert all(document.name in page.extract_text() for page in reader.pages)
    assert f"{len(reader.pages)} / {len(reader.pages)}" in reader.pages[-1].extract_text()


def test_words_from_people_stay_words(shop):
    order = shop.pay("card")
    paper = dataclasses.replace(documenting.paper(documenting.of(shop.fresh(order))[0]), buyer="<b>Kim</b> &amp; Lee")
    assert "<b>Kim</b> &amp; Lee" in printed(pdf.paper(paper))


# -- the buyer's links ----------------------------------------------------------------------------------------

def links(shop, order) -> str:
    order = shop.fresh(order)
    return f"/seoul-ubf/wmc-2026/orders/{ticketing.order_token(order)}"


def test_the_buyer_fetches_them_from_the_orders_page(shop, client):
    order = shop.pay("card")
    give_back(shop, order, 30_000)
    base = links(shop, order)
    receipt, note = documenting.of(shop.fresh(order))
    page = client.get(base)
    for document in (receipt, note):
        assert f"{base}/receipts/{document.id}.pdf" in page.text
        answer = client.get(f"{base}/receipts/{document.id}.pdf")
        assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
        assert document.name in answer.headers["Content-Disposition"]
        assert document.name in printed(answer.data)
        assert "no-store" in answer.headers["Cache-Control"]
    answer = client.get(f"{base}/statement.pdf")
    assert answer.status_code == 200
    assert receipt.name in printed(answer.data)


def test_nobody_else_fetches_them(shop, client):
    mine, theirs = shop.pay("card"), shop.pay("card")
    document = documenting.of(shop.fresh(theirs))[0]
    base = links(shop, mine)
    assert client.get(f"{base}/receipts/{document.id}.pdf").status_code == 404
    assert client.get(f"{base}/receipts/999999.pdf").status_code == 404
    assert client.get("/seoul-ubf/wmc-2026/orders/forged/statement.pdf").status_code == 404
    assert client.get(f"{base}x/receipts/{document.id}.pdf").status_code == 404


def test_an_unpaid_order_has_a_statement_and_no_receipt(shop, client):
    order = shop.place("manual_transfer")
    answer = client.get(f"{links(shop, order)}/statement.pdf")
    assert answer.status_code == 200
    with force_locale("en"):
        assert "₩100,000" in printed(answer.data)
    assert documents(shop, order) == []


def test_time_does_not_make_it_old(shop, client, app):
    """Documents of a movement an hour old are there, so the check has nothing to say."""
    shop.pay("card")
    clock.offset += timedelta(hours=2)
    sound(app)
