"""The audit log: each line in words, found by who and what and when, taken away as a table, changed by nobody."""
import ast
import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import ProgrammingError

from eventapp import audit, clock
from eventapp.config import ROOT
from eventapp.domain import auditing
from eventapp.extensions import db
from eventapp.models import AuditLog, AuditValues
from eventapp.permissions import NAMES
from tests.admin.test_home import limit, register

PATH = "/seoul-ubf/admin/audit"


# -- the words ------------------------------------------------------------------------------------------

def actions() -> set[str]:
    """Every word.word in what is given to `record` or as an `action`, also where one of two is chosen."""
    groups, found = set(auditing.GROUPS), set()
    for path in [*(ROOT / "eventapp/domain").glob("*.py"), *(ROOT / "eventapp/blueprints").rglob("*.py")]:
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            named = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            given = call.args if named == "record" else []
            for part in [*given, *(word.value for word in call.keywords if word.arg == "action")]:
                found |= {node.value for node in ast.walk(part) if isinstance(node, ast.Constant) and isinstance(node.value, str)
                          and re.fullmatch(r"[a-z_]+\.[a-z_]+", node.value) and node.value not in NAMES}
    assert {action.split(".")[0] for action in found} <= groups, "a group of actions has no word"
    return found


def test_every_action_says_what_it_is_in_words():
    known = actions()
    assert len(known) > 30
    assert known - set(auditing.SENTENCES) == set()


def test_no_sentence_is_left_of_an_action_that_is_gone():
    assert set(auditing.SENTENCES) - actions() == set()


def test_an_action_without_a_sentence_says_its_name():
    assert auditing.sentence(AuditLog(action="something_new.was_done")) == "Something new: was done"


# -- the page -------------------------------------------------------------------------------------------

def write(world, action="registration.confirmed", thing=None, by=None, **values):
    """A line about a registration of Seoul's (or about `thing`)."""
    world.seoul.enter()
    thing = thing or (world.seoul.registrations() or [register(world.seoul).registrations[0]])[0]
    world.seoul.enter()
    audit.record(action, thing, by=by or audit.SYSTEM, **values)
    db.session.commit()
    return thing


def lines(page: str) -> list[str]:
    """The actions of the lines, from the top."""
    return re.findall(r'<tr data-entry="\d+" data-action="([^"]*)"', page)


def plain(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.split("<main")[1]))


def test_a_line_says_who_what_before_and_after_and_from_where(seoul_owner, world):
    owner = world.user("owner@seoul-ubf.example")
    token = audit.origin.set(("203.0.113.9", "abc"))
    person = write(world, "registration.edited", by=audit.Actor("user", owner.id), before={"status": "pending_payment"}, after={"status": "confirmed"},
                   personal=({"name": "김하나"}, {"name": "김하나둘"}))
    audit.origin.reset(token)
    text = plain(seoul_owner.get(PATH).text)
    assert f"{owner.name} 203.0.113.9 Details changed {person.number} {person.name}" in text
    assert "Status Awaiting payment → Confirmed" in text and "Name 김하나 → 김하나둘" in text


def test_values_that_were_erased_leave_the_line(seoul_owner, world):
    write(world, "registration.edited")
    world.seoul.enter()
    entry = db.session.scalars(db.select(AuditLog).where(AuditLog.action == "registration.edited")).one()
    db.session.execute(insert(AuditValues).values(audit_id=entry.id, created_at=clock.now()))
    db.session.commit()
    assert "The personal values have been erased." in seoul_owner.get(PATH).text


def test_every_kind_of_thing_and_of_person_is_named(seoul_owner, world):
    order = register(world.seoul, slug="wmc-2026", program="main-conference", method="manual_transfer")
    world.seoul.enter()
    payment = order.payments[0]
    audit.record("payment.paid", payment, by=audit.GATEWAY, after={"amount": 100_000})
    audit.record("checkpoint.changed", world.seoul.event(), by=audit.Actor("device", 999), after={"times": 2})
    audit.record("operation.started", world.seoul.organization, by=audit.Actor("user", 999_999))
    db.session.commit()
    text = plain(seoul_owner.get(PATH).text)
    number = world.seoul.registrations()[0].number
    for words in ("김하나 (Participant)", "Payment gateway", f"Payment received {number} 김하나 Amount ₩100,000",
                  "Door device", "Checkpoint changed World Mission Conference 2026 times 2", "Somebody who has left", "Operation started Organisation"):
        assert words in text


def test_only_owners_read_it(sign_in):
    for role, status in (("admin", 403), ("staff", 403), ("door", 403), ("owner", 200)):
        browser = sign_in(f"{role}@seoul-ubf.example")
        assert browser.get(PATH).status_code == status
        assert browser.post(f"{PATH}/export").status_code == status
    assert sign_in("owner@busan-meetup.example").get(PATH).status_code == 404


def test_no_line_of_another_organisation_is_read(seoul_owner, world):
    register(world.busan)
    assert lines(seoul_owner.get(PATH).text) == []
    assert lines(seoul_owner.get(f"{PATH}?number=MEET").text) == []


def test_who_is_limited_to_an_event_reads_its_lines_alone(sign_in, world):
    register(world.seoul)
    order = register(world.seoul, slug="wmc-2026", program="main-conference", method="manual_transfer", name="이둘")
    world.seoul.enter()
    audit.record("payment.paid", order.payments[0], by=audit.SYSTEM)
    audit.record("audit_log.exported", world.seoul.organization, by=audit.SYSTEM)
    db.session.commit()
    limit(world, "owner@seoul-ubf.example", "wmc-2026")
    owner = sign_in("owner@seoul-ubf.example")
    assert lines(owner.get(PATH).text) == ["payment.paid", "order.placed"]
    assert "이둘" in owner.get(PATH).text and "김하나" not in owner.get(PATH).text
    assert lines(owner.get(f"{PATH}?number=MEET").text) == []
    assert "김하나" not in owner.post(f"{PATH}/export").text


@pytest.mark.parametrize(("asked", "expected"), [
    ("actor=system", ["registration.confirmed"]), ("actor=buyer", ["order.placed"]), ("actor=gateway", []), ("actor=user:x", []),
    ("actor=user:99999999999999999999", []), ("group=order", ["order.placed"]), ("group=regis", []), ("kind=registration", ["registration.confirmed"]),
    ("number=ZZZ", []), ("number=%25", []), ("from=2100-01-01", []), ("to=2000-01-01", []), ("from=nonsense", ["registration.confirmed", "order.placed"]),
    ("older=nonsense", ["registration.confirmed", "order.placed"])])
def test_the_log_is_narrowed(seoul_owner, world, asked, expected):
    write(world)
    assert lines(seoul_owner.get(f"{PATH}?{asked}").text) == expected


def test_it_is_narrowed_to_a_person_of_the_staff(seoul_owner, world):
    ids = [world.user(f"{role}@seoul-ubf.example").id for role in ("owner", "admin")]
    write(world, "registration.approved", by=audit.Actor("user", ids[0]))
    assert lines(seoul_owner.get(f"{PATH}?actor=user:{ids[0]}").text) == ["registration.approved"]
    assert lines(seoul_owner.get(f"{PATH}?actor=user:{ids[1]}").text) == []


def test_a_number_finds_all_that_belongs_to_the_registration(seoul_owner, world):
    register(world.seoul)
    order = register(world.seoul, slug="wmc-2026", program="main-conference", method="manual_transfer")
    world.seoul.enter()
    audit.record("payment.paid", order.payments[0], by=audit.SYSTEM)
    db.session.commit()
    number = world.seoul.registrations()[-1].number
    for text in (number, number.lower(), number[:5]):
        assert lines(seoul_owner.get(PATH, query_string={"number": text}).text) == ["payment.paid", "order.placed"]


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "soon"])
def test_a_day_beyond_all_calendars_asks_for_nothing(seoul_owner, day):
    assert seoul_owner.get(f"/seoul-ubf/admin/audit?from={day}&to={day}").status_code == 200


def test_days_are_the_organisations_own(seoul_owner, world):
    person = write(world)
    world.seoul.enter()
    # Half past midnight on the 2nd in Seoul is still the 1st in London.
    db.session.execute(insert(AuditLog).values(action="registration.expired", object_kind="registration", object_id=person.id, actor_kind="system",
                                               created_at=datetime(2026, 3, 1, 15, 30, tzinfo=UTC)))
    db.session.commit()
    assert lines(seoul_owner.get(f"{PATH}?from=2026-03-02&to=2026-03-02").text) == ["registration.expired"]
    assert lines(seoul_owner.get(f"{PATH}?from=2026-03-01&to=2026-03-01").text) == []


def test_each_page_begins_where_the_one_before_has_ended(seoul_owner, world):
    person = write(world)
    world.seoul.enter()
    same = clock.now() - timedelta(days=1)
    rows = [{"action": "registration.expired", "object_kind": "registration", "object_id": person.id, "actor_kind": "system",
             "created_at": same - timedelta(minutes=number // 60)} for number in range(120)]
    db.session.execute(insert(AuditLog), rows)
    db.session.commit()
    seen, path = [], PATH
    while path:
        page = seoul_owner.get(path).text
        seen += re.findall(r'data-entry="(\d+)"', page)
        following = re.search(r'rel="next" href="([^"]*)"', page)
        path = following and following[1].replace("&amp;", "&")
    assert len(seen) == len(set(seen)) == 122


def test_it_asks_as_often_for_many_lines_as_for_one(seoul_owner, world, statements):
    write(world)
    seoul_owner.get(PATH)
    few = statements(lambda: seoul_owner.get(PATH))
    for _each in range(5):
        write(world)
        register(world.seoul, slug="wmc-2026", program="free-day")
    assert statements(lambda: seoul_owner.get(PATH)) == few


# -- the table --------------------------------------------------------------------------------------------

def table(answer) -> list[dict]:
    assert answer.status_code == 200 and answer.mimetype == "text/csv"
    assert answer.data.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))


def test_the_table_has_the_lines_of_the_filter(seoul_owner, world):
    write(world, before={"status": "pending_payment"}, after={"status": "confirmed"})
    rows = table(seoul_owner.post(f"{PATH}/export?group=registration"))
    assert [(row["Who"], row["What was done"], row["Change"], row["Before"], row["After"], row["Action"]) for row in rows] == [
        ("System", "Confirmed", "Status", "Awaiting payment", "Confirmed", "registration.confirmed")]


def test_that_it_was_taken_is_on_record_and_not_in_it(seoul_owner, world):
    write(world)
    assert "audit_log.exported" not in [row["Action"] for row in table(seoul_owner.post(f"{PATH}/export"))]
    page = seoul_owner.get(PATH).text
    assert lines(page)[0] == "audit_log.exported" and "Seoul" not in lines(page)


def test_reading_it_writes_nothing(seoul_owner, world):
    write(world)
    seoul_owner.get(PATH)
    assert "audit_log.exported" not in lines(seoul_owner.get(PATH).text)
    assert seoul_owner.get(f"{PATH}/export").status_code == 405


def test_what_people_have_typed_never_becomes_a_formula(seoul_owner, world):
    write(world, "registration.edited", personal=({"name": "\t=cmd|' /C calc'!A1"}, {"name": "＝1+1"}))
    row = next(row for row in table(seoul_owner.post(f"{PATH}/export")) if row["Change"] == "Name")
    assert row["Before"].startswith("'=") and row["After"].startswith("'＝")


def test_a_long_log_comes_in_pieces_and_whole(seoul_owner, world, monkeypatch):
    from eventapp.blueprints.admin import audit as module

    person = write(world)
    world.seoul.enter()
    rows = [{"action": "registration.expired", "object_kind": "registration", "object_id": person.id, "actor_kind": "system",
             "created_at": clock.now() - timedelta(days=1)} for _number in range(25)]
    db.session.execute(insert(AuditLog), rows)
    db.session.commit()
    monkeypatch.setattr(module, "CHUNK", 10)
    assert len(table(seoul_owner.post(f"{PATH}/export?actor=system"))) == 26


# -- nobody changes it --------------------------------------------------------------------------------------

@pytest.mark.parametrize("statement", [update(AuditLog).values(action="other"), delete(AuditLog), update(AuditValues).values(before=None),
                                       delete(AuditValues)], ids=str)
def test_the_database_lets_the_application_change_nothing(world, statement):
    write(world, personal=({"name": "a"}, {"name": "b"}))
    world.seoul.enter()
    with pytest.raises(ProgrammingError, match="permission denied"):
        db.session.execute(statement)
    db.session.rollback()
