"""A table of people: tried out row by row, brought in once each, watched, and taken back."""
import io
import re
from datetime import timedelta
from html import unescape

import openpyxl
import pytest
from sqlalchemy import func, select

from eventapp import audit, checks, clock, faults
from eventapp.domain import checking_in, importing, ledger, paying, reading, registering
from eventapp.domain.ordering import Participant
from eventapp.extensions import db, platform
from eventapp.models import AuditLog, BulkOperation, BulkRow, ImportFile, Order, Payment, Registration, Status
from tests import make
from tests.browse import Document
from tests.hostile import CELLS

NEW = "/seoul-ubf/admin/events/wmc-2026/import"
PEOPLE = """이름,이메일,휴대폰,프로그램,소속 교회,교통편,사용 언어,태그,비고
김하나,hana@example.com,010-1234-5678,본 대회,서울교회,기차,"한국어, 영어",봉사,
박둘,,010-2222-3333,"main-conference, 숙박 ×2",,,,"VIP, 강사",늦게 옴
Ann Lee,ann@example.com,+44 20 7946 0958,Free day visit,,train,ko,,
"""


def upload(browser, content, name="people.csv", where=NEW):
    content = content if isinstance(content, bytes) else content.encode()
    return browser.post(where, {"file": (io.BytesIO(content), name)}, content_type="multipart/form-data")


def settings(page, **changes) -> dict:
    """What the page's form would send, with changes; None takes a field away."""
    form = next(form for form in Document(page).forms if any(field.get("name") == "skip_existing" for field in form["fields"]))
    sent = {field["name"]: field.get("value", "1") for field in form["fields"] if field.get("name") and field.get("type") not in ("submit", "radio")
            and "value" in field and (field.get("type") != "checkbox" or "checked" in field)}
    for name, inside in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', page, re.S):
        chosen = re.search(r'<option value="([^"]*)" selected>', inside)
        sent[name] = unescape(chosen[1]) if chosen else ""
    sent |= {field["name"]: field["value"] for field in form["fields"] if field.get("type") == "radio" and "checked" in field}
    sent |= changes
    return {name: value for name, value in sent.items() if value is not None and name not in ("check", "run")} | {
        name: value for name, value in changes.items() if name == "run"}


def bring_in(browser, content, **changes) -> str:
    where = upload(browser, content).location
    browser.post(where, settings(browser.get(where).text, **changes))
    answer = browser.post(where, settings(browser.get(where).text, run="1"))
    assert answer.status_code == 303, answer.text
    return where


def problems(page: str) -> dict[int, tuple[str, str]]:
    """Row → (code, everything that is said about it)."""
    rows = re.findall(r'<tr data-row="(\d+)" data-code="([^"]*)">(.*?)</tr>', page, re.S)
    return {int(number): (code, " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())) for number, code, text in rows}


def sound(app):
    answers = checks.run(platform.engine, app.config["SETTINGS"].role("app"), clock.now())
    assert [(one.name, one.breaches) for one in answers if not one.ok] == []


def operation(world) -> BulkOperation:
    world.seoul.enter()
    db.session.rollback()
    return db.session.scalar(select(BulkOperation).execution_options(populate_existing=True))


def test_columns_are_guessed_from_their_headings_in_both_languages(seoul_owner, world):
    first = seoul_owner.get(upload(seoul_owner, PEOPLE).location).text
    english = "Full name;E-Mail;Mobile;Programs;Church;How you come;Languages;Tags;Memo;Lodging;Shoe size\n" + ";" * 10 + "\nKim;;;;;;;;;;\n"
    second = seoul_owner.get(upload(seoul_owner, english).location).text
    keys = ["name", "email", "phone", "programs", "field-church", "field-transport", "field-languages", "tags", "note"]
    for page, wanted in ((first, keys), (second, [*keys, "qty-lodging", ""])):
        sent = settings(page)
        assert [sent[f"column-{number}"] for number in range(len(wanted))] == wanted


def test_nothing_is_registered_by_looking(seoul_owner, world, letters):
    where = upload(seoul_owner, PEOPLE).location
    page = seoul_owner.get(where).text
    assert ('data-testid="import-good">3<', 'data-testid="import-wrong">0<') == tuple(
        text for text in ('data-testid="import-good">3<', 'data-testid="import-wrong">0<') if text in page)
    seoul_owner.post(where, settings(page, payment="cash"))
    assert world.seoul.orders() == []
    assert letters == []


def test_people_are_brought_in_as_they_were_written(app, seoul_owner, world, letters):
    where = bring_in(seoul_owner, PEOPLE, payment="cash", tag="단체")
    one, two, three = world.seoul.registrations()
    assert (one.name, one.email, one.phone, one.locale) == ("김하나", "hana@example.com", "+821012345678", "ko")
    assert one.answers == {"church": "서울교회", "transport": "train", "languages": ["ko", "en"]}
    assert (one.tags, two.tags, three.tags) == (["봉사", "단체"], ["VIP", "강사", "단체"], ["단체"])
    assert ({item.program.code: item.quantity for item in two.line_items}, two.note) == ({"main-conference": 1, "lodging": 2}, "늦게 옴")
    assert {registration.status for registration in (one, two, three)} == {Status.CONFIRMED}
    assert [ledger.owed_and_paid(order) for order in world.seoul.orders()] == [(0, 100_000), (0, 150_000), (0, 0)]
    assert letters == []
    page = seoul_owner.get(where).text
    assert 'data-ok="3" data-failed="0" data-state="done"' in page
    assert 'data-testid="undo"' in page
    assert "/seoul-ubf/admin/events/wmc-2026/registrations?tag=" in page
    assert seoul_owner.get(f"/seoul-ubf/admin/operations/{operation(world).id}").location == where
    sound(app)


def test_a_sheet_does_as_well(app, seoul_owner, world):
    book = openpyxl.Workbook()
    for line in (["Name", "Phone", "Main conference"], ["Kim", 1012345678.0, 1], ["Lee", "010-2222-3333", "예"], ["Park", None, "-"]):
        book.active.append(line)
    content = io.BytesIO()
    book.save(content)
    where = upload(seoul_owner, content.getvalue(), "people.xlsx").location
    page = seoul_owner.get(where).text
    assert problems(page) == {4: ("invalid", "4 – Choose at least one program. Park · -")}
    seoul_owner.post(where, settings(page, payment="guest", reason="Choir"))
    seoul_owner.post(where, settings(seoul_owner.get(where).text, run="1"))
    assert [(one.name, one.phone, one.sold) for one in world.seoul.registrations()] == [("Kim", "+821012345678", 0), ("Lee", "+821022223333", 0)]
    sound(app)


BROKEN = ('이름,이메일,휴대폰,프로그램,How you come,Age\n'
          ',nobody@example.com,,본 대회,,\n'                      # 2 no name
          '김둘,not an address,,본 대회,,\n'                       # 3
          '김셋,,12345,본 대회,,\n'                                # 4
          '김넷,,,수영,,\n'                                        # 5 no such program
          '김다섯,,,,,\n'                                          # 6 none at all
          '김여섯,,,본 대회,rocket,\n'                             # 7
          '김일곱,,,본 대회,,old\n'                                # 8
          '"김여덟,,,본 대회,,\n'                                  # 9 torn
          '김아홉,,,본 대회\n'                                     # 10 too few
          '=1+1,,,본 대회,,\n'                                     # 11 formula
          '김열,same@example.com,,본 대회,,\n'                     # 12
          ',,,,,\n'                                                # 13 empty
          '김열,SAME@example.com,,본 대회,,\n'                     # 14 twice
          '김열둘,,,workshop,,\n'                                  # 15 needs another
          f'{"긴" * 101},,,본 대회,,\n').encode() + b'Jos\xe9,,,main-conference,,\n'  # 16, 17


def test_a_broken_file_names_every_row(seoul_owner, world):
    page = seoul_owner.get(upload(seoul_owner, BROKEN).location).text
    found = problems(page)
    assert sorted(found) == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 16, 17]
    for row, words in {
            2: "이름 Enter the name", 3: "이메일 This is not an email address.", 4: "휴대폰 This is not a phone number.",
            5: "프로그램 There is no program called “수영”. 김넷", 6: "프로그램 Choose at least one program.",
            7: "How you come Choose one of the answers shown.", 8: "Age Enter a whole number", 9: "A quotation mark", 10: "more or fewer columns",
            11: "이름 There is a formula", 14: "the same person as in row 12", 15: "can only be chosen together", 16: "at most 100 characters",
            17: "can't be read"}.items():
        assert words in found[row][1], (row, found[row])
    assert 'data-testid="import-good">1<' in page
    assert "Empty rows, skipped" in page
    assert world.seoul.orders() == []


def test_the_right_rows_of_a_broken_file_can_be_brought_in(app, seoul_owner, world):
    where = bring_in(seoul_owner, BROKEN)
    assert [one.name for one in world.seoul.registrations()] == ["김열"]
    page = seoul_owner.get(where).text
    assert 'data-ok="1" data-failed="14"' in page
    assert "There is no program called “수영”" in problems(page)[5][1]
    sound(app)


def test_who_is_registered_already_is_left_out_or_warned_of(app, seoul_owner, world):
    event = world.seoul.event()
    make.order(event, Participant(name="김하나", email="hana@example.com", chosen={"main-conference": 1}), method="manual_transfer")
    db.session.commit()
    where = upload(seoul_owner, PEOPLE).location
    page = seoul_owner.get(where).text
    assert problems(page)[2][0] == "exists"
    seoul_owner.post(where, settings(page, skip_existing=None))
    page = seoul_owner.get(where).text
    assert problems(page) == {2: ("known", "2 – This person is registered already. A second registration would be made. "
                                  "김하나 · hana@example.com · 010-1234-5678 · 본 대회 · 서울교회 · 기차 · 한국어, 영어 · 봉사")}
    assert 'data-testid="import-good">3<' in page


def test_the_same_file_again_changes_nothing(app, seoul_owner, world):
    bring_in(seoul_owner, PEOPLE)
    again = upload(seoul_owner, PEOPLE).location
    page = seoul_owner.get(again).text
    assert {code for code, _words in problems(page).values()} == {"exists"}
    assert seoul_owner.post(again, settings(page, run="1")).status_code == 422
    assert len(world.seoul.orders()) == 3


def test_places_are_given_in_the_order_of_the_rows(app, seoul_owner, world):
    world.seoul.quota_of("main-conference").capacity = 2
    db.session.commit()
    people = "name,programs\n" + "".join(f"Person {n},main-conference\n" for n in range(4))
    where = upload(seoul_owner, people).location
    page = seoul_owner.get(where).text
    assert {row: code for row, (code, _words) in problems(page).items()} == {4: "full", 5: "full"}
    # Meanwhile somebody takes one of the two.
    make.order(world.seoul.event(), Participant(name="Quick", email="q@example.com", chosen={"main-conference": 1}), method="manual_transfer")
    db.session.commit()
    seoul_owner.post(where, settings(page, run="1"))
    assert [one.name for one in world.seoul.registrations()] == ["Quick", "Person 0"]
    sound(app)


def test_pressed_twice_it_is_done_once(seoul_owner, world):
    where = upload(seoul_owner, PEOPLE).location
    sent = settings(seoul_owner.get(where).text, run="1")
    assert [seoul_owner.post(where, sent).status_code for _time in range(2)] == [303, 303]
    assert len(world.seoul.orders()) == 3
    assert db.session.scalar(select(func.count()).select_from(BulkOperation)) == 1


def test_what_is_done_is_what_was_seen(seoul_owner, world):
    """Changed and pressed at once: first it is shown what that would come to."""
    where = upload(seoul_owner, PEOPLE).location
    seoul_owner.post(where, settings(seoul_owner.get(where).text, run="1", payment="cash"))
    assert world.seoul.orders() == []
    page = seoul_owner.get(where).text
    assert "You have changed something since you looked." in page
    seoul_owner.post(where, settings(page, run="1"))
    assert {order.method for order in world.seoul.orders()} == {"cash", "free"}


def test_two_columns_can_not_be_the_same_and_names_are_needed(seoul_owner, world):
    where = upload(seoul_owner, "a,b\n1,2\n").location
    answer = seoul_owner.post(where, settings(seoul_owner.get(where).text, **{"column-0": "email", "column-1": "email", "run": "1"}))
    assert answer.status_code == 422
    for name in ("column-0", "column-1", "columns"):
        assert f'data-error-for="{name}"' in answer.text
    guests = seoul_owner.post(where, settings(seoul_owner.get(where).text, **{"column-0": "name", "payment": "guest"}))
    assert 'data-error-for="reason"' in guests.text
    assert world.seoul.orders() == []


# -- letters, and taking it back -----------------------------------------------------------------------

def test_letters_wait_a_minute(seoul_owner, world, work, mailbox):
    bring_in(seoul_owner, PEOPLE, payment="cash", letters="1")
    work()
    assert mailbox() == []
    clock.offset += timedelta(seconds=70)
    work()
    assert sorted(letter["To"] for letter in mailbox()) == ["ann@example.com", "hana@example.com"]


@pytest.mark.parametrize("payment", ["cash", "unpaid", "guest"])
def test_taken_back_at_once_nobody_hears_of_it(app, seoul_owner, world, work, mailbox, payment):
    where = bring_in(seoul_owner, PEOPLE, payment=payment, reason="Choir", letters="1")
    assert seoul_owner.post(where, {"undo": "1"}).status_code == 303
    clock.offset += timedelta(days=1)
    work()
    assert mailbox() == []
    assert {one.status for one in world.seoul.registrations()} == {Status.CANCELLED}
    assert [ledger.owed_and_paid(order) for order in world.seoul.orders()] == [(0, 0)] * 3
    assert world.seoul.quota_of("main-conference").used == 0
    assert operation(world).state == "undone"
    assert 'data-testid="undo"' not in seoul_owner.get(where).text
    sound(app)


def test_taken_back_later_those_who_had_a_letter_get_another(app, seoul_owner, world, work, mailbox):
    where = bring_in(seoul_owner, PEOPLE, payment="cash", letters="1")
    clock.offset += timedelta(minutes=5)
    work()
    before = len(mailbox())
    seoul_owner.post(where, {"undo": "1"})
    work()
    assert sorted(letter["To"] for letter in mailbox()[before:]) == ["ann@example.com", "hana@example.com"]
    sound(app)


def test_what_something_has_happened_to_is_left_alone(app, seoul_owner, world, work):
    names = ("paid", "edited", "entered", "gone", "quiet")
    people = "name,programs\n" + "".join(f"{name},main-conference\n" for name in (*names, "free")).replace("free,main-conference", "free,free-day")
    where = bring_in(seoul_owner, people, payment="unpaid")
    found = {one.name: one for one in world.seoul.registrations()}
    order = db.session.get(Order, found["paid"].order_id)
    paying.mark_received(paying.current(order), order.total, by=audit.SYSTEM)
    audit.record("registration.edited", found["edited"], by=audit.SYSTEM)
    registering.cancel([found["gone"]], by=audit.SYSTEM)
    point = next(iter(checking_in.checkpoints(world.seoul.event())), None) or checking_in.make_entrance(world.seoul.event())
    checking_in.enter([found["free"]], point, by=audit.Actor("user", 1))
    db.session.commit()
    seoul_owner.post(where, {"undo": "1"})
    rows = {row.registration_id: (row.state, row.reason) for row in db.session.scalars(select(BulkRow)).all()}
    assert {one.name: rows[one.id] for one in found.values()} == {
        "paid": ("kept", "paid_since"), "edited": ("kept", "changed"), "entered": ("undone", ""), "gone": ("kept", "changed"),
        "quiet": ("undone", ""), "free": ("kept", "entered")}
    assert "paid meanwhile" in seoul_owner.get(where).text
    assert {one.name: one.status for one in world.seoul.registrations()}["paid"] == Status.CONFIRMED
    sound(app)


# -- many ------------------------------------------------------------------------------------------

def many(count: int) -> str:
    return "name,email,programs\n" + "".join(f"Person {n},p{n}@example.com,lodging ×1\n" for n in range(count))


def test_many_are_brought_in_by_the_worker_each_once_though_it_is_killed(app, seoul_owner, world, work, settings):
    world.seoul.quota_of("lodging").capacity = 1000
    db.session.commit()
    settings(backoff_scale=0.0)
    where = upload(seoul_owner, many(240)).location
    typed = globals()["settings"]
    seoul_owner.post(where, typed(seoul_owner.get(where).text, payment="guest", reason="Choir"))
    seoul_owner.post(where, typed(seoul_owner.get(where).text, run="1"))
    page = seoul_owner.get(where).text
    assert 'data-state="waiting"' in page and "<progress" in page and 'hx-trigger="every 2s"' in page
    assert world.seoul.orders() == []
    faults.configure("import.applied=raise:0.4")
    try:
        for _kill in range(60):
            work()
            if operation(world).state == "done":
                break
    finally:
        faults.configure("")
    work()
    assert (operation(world).state, operation(world).ok) == ("done", 240)
    assert sorted(one.email for one in world.seoul.registrations()) == sorted(f"p{n}@example.com" for n in range(240))
    page = seoul_owner.get(where).text
    assert 'data-ok="240" data-failed="0" data-state="done"' in page and "every 2s" not in page
    seoul_owner.post(where, {"undo": "1"})
    assert operation(world).state == "undoing"
    work()
    assert operation(world).state == "undone"
    assert {one.status for one in world.seoul.registrations()} == {Status.CANCELLED}
    sound(app)


def test_a_request_that_dies_in_the_middle_is_ended_by_the_worker(app, seoul_owner, world, work):
    where = upload(seoul_owner, many(60)).location
    event = world.seoul.event()
    file = db.session.scalar(select(ImportFile))
    importing.settle(file, importing.ordering.offer(event), file.mapping, file.options | {"payment": "cash"})
    faults.configure("import.applied=raise:0.7")
    try:
        importing.start(file, by=audit.Actor("user", world.user("owner@seoul-ubf.example").id))
    except faults.Injected:
        db.session.rollback()
    finally:
        faults.configure("")
    clock.offset += timedelta(minutes=2)
    if operation(world) is None:  # it died before anything had been written
        seoul_owner.post(where, settings(seoul_owner.get(where).text, payment="cash"))
        seoul_owner.post(where, settings(seoul_owner.get(where).text, run="1"))
    work()
    assert (operation(world).state, len(world.seoul.orders())) == ("done", 60)
    sound(app)


def test_it_can_be_stopped(app, seoul_owner, world, work):
    world.seoul.quota_of("lodging").capacity = 1000
    db.session.commit()
    where = upload(seoul_owner, many(210)).location
    seoul_owner.post(where, settings(seoul_owner.get(where).text, run="1"))
    seoul_owner.post(where, {"stop": "1"})
    work()
    assert (operation(world).state, world.seoul.orders()) == ("stopped", [])
    assert "Not begun" in seoul_owner.get(where).text


def test_the_page_costs_the_same_for_one_row_and_for_many(seoul_owner, world, statements):
    one, many_ = (upload(seoul_owner, many(count)).location for count in (1, 150))
    assert statements(seoul_owner.get, one) == statements(seoul_owner.get, many_)


# -- around it -----------------------------------------------------------------------------------------

def test_hostile_cells_are_names_like_any_other(app, seoul_owner, world):
    """Whatever is accepted is stored as it is, shown escaped, and leaves harmless (`test_exporting.py`)."""
    from eventapp.domain import exporting

    cells = [cell for cell in CELLS if "\0" not in cell and len(cell) <= 90]
    where = bring_in(seoul_owner, exporting.table_text([["name", "note", "programs"], *([f"P{n}", cell, "main-conference"] for n, cell in enumerate(cells))]),
                     payment="cash")
    found = problems(seoul_owner.get(where).text)
    refused = {int(row) for row in found}
    assert {code for code, _words in found.values()} <= {"invalid"}
    assert len(world.seoul.registrations()) + len(refused) == len(cells)
    assert all("formula" in words for _code, words in found.values())
    sound(app)


def test_the_template_is_understood_in_both_languages(seoul_owner, world):
    for language in ("en", "ko"):
        content = seoul_owner.get(f"{NEW}/template", headers={"Accept-Language": language}).data
        assert content.startswith("\ufeff".encode())
        headings = reading.read("t.csv", content + b"x" + b"," * content.count(b",") + b"\n").headings
        event = world.seoul.event()
        assert len(importing.guess(headings, importing.ordering.offer(event))) == len(headings)


def test_what_is_no_table_is_said(seoul_owner, world):
    for content, name in ((b"", "a.csv"), (b"%PDF-1.7", "a.pdf"), (b"name\n", "a.csv")):
        answer = upload(seoul_owner, content, name)
        assert (answer.status_code, 'data-error-for="file"' in answer.text) == (422, True)
    assert seoul_owner.post(NEW, {}).status_code == 422


def test_only_those_who_may_register_people_import_them(sign_in, seoul_owner, world):
    where = upload(seoul_owner, PEOPLE).location
    for who, status in (("staff@seoul-ubf.example", 403), ("owner@busan-meetup.example", 404)):
        browser = sign_in(who)
        assert [browser.get(path).status_code for path in (NEW, where, f"{NEW}/template")] == [status] * 3
    # Another event's address does not lead to it.
    assert seoul_owner.get(where.replace("wmc-2026", "meetup")).status_code == 404


def test_the_files_content_is_forgotten_after_a_week(app, seoul_owner, world):
    where = upload(seoul_owner, PEOPLE).location
    done = bring_in(seoul_owner, PEOPLE)
    clock.offset += timedelta(days=8)
    world.seoul.enter()
    importing.forget()
    db.session.commit()
    assert set(db.session.scalars(select(ImportFile.content))) == {None}
    assert "Upload it again" in seoul_owner.get(where).text
    assert 'data-ok="3"' in seoul_owner.get(done).text


def test_each_step_stands_in_the_audit_log(seoul_owner, world):
    where = bring_in(seoul_owner, PEOPLE)
    seoul_owner.post(where, {"undo": "1"})
    world.seoul.enter()
    actions = list(db.session.scalars(select(AuditLog.action).order_by(AuditLog.id)))
    assert actions == ["import.uploaded", "operation.started", *["order.added_by_hand"] * 3, "operation.finished", "operation.undo",
                       *["registration.import_undone"] * 3]
    assert db.session.scalar(select(func.count()).select_from(Payment).where(Payment.status == "voided")) == 2
    assert db.session.scalar(select(func.count()).select_from(Registration)) == 3
