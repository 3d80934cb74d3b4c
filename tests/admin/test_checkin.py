"""The door's page and what it answers; without scripts, by htmx, and in JSON."""
import base64
import re
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import create_engine, func, select, text

from eventapp import clock
from eventapp.domain import checking_in, registering
from eventapp.extensions import db
from eventapp.models import CheckIn, Membership
from tests.domain.test_checking_in import GATE, Door

DOOR = "/seoul-ubf/admin/events/wmc-2026/checkin"


@pytest.fixture
def door(world) -> Door:
    return Door(world)


@pytest.fixture
def at_the_door(sign_in):
    return sign_in("door@seoul-ubf.example")


@contextmanager
def as_owner(app):
    """The database as its owner, who may change what the application may not."""
    engine = create_engine(app.config["SETTINGS"].owner_url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def result(response) -> str:
    found = re.findall(r'data-result="(\w+)"', response.text)
    assert len(found) == 1, response.text
    return found[0]


def test_a_code_posted_plainly_is_answered_on_the_page(door, at_the_door):
    registration = door.ticket()
    registration.flag = "Wheelchair"
    db.session.commit()
    page = at_the_door.get(DOOR)
    assert page.status_code == 200 and "data-result" not in page.text
    first = at_the_door.post(DOOR, {"code": door.code(registration)})
    assert (first.status_code, result(first)) == (200, "ok")
    assert "김하나" in first.text and "Wheelchair" in first.text and "Free day visit" in first.text
    assert "hana@" not in first.text and registration.email not in first.text
    second = at_the_door.post(DOOR, {"code": door.code(registration)})
    assert result(second) == "already" and "Door" in second.text and "At " in second.text
    assert result(at_the_door.post(DOOR, {"code": "torn"})) == "invalid"
    assert result(at_the_door.post(DOOR, {})) == "invalid"


def test_htmx_gets_the_verdict_alone(door, at_the_door):
    answer = at_the_door.post(DOOR, {"code": door.code(door.ticket())}, headers={"HX-Request": "true", "HX-Target": "verdict"})
    assert result(answer) == "ok" and "<html" not in answer.text and 'id="counts"' not in answer.text


def test_a_reload_of_the_answer_is_the_same_scan(door, at_the_door):
    code = door.code(door.ticket())
    nonce = re.search(r'name="nonce" value="([^"]+)"', at_the_door.get(DOOR).text)[1]
    answers = [at_the_door.post(DOOR, {"code": code, "nonce": nonce}) for _ in range(2)]
    assert [result(one) for one in answers] == ["ok", "ok"]
    assert db.session.scalar(select(func.count(CheckIn.id))) == 1


def test_somebody_without_a_code_is_found_and_let_in(door, at_the_door):
    registration, unpaid = door.ticket("박하늘"), door.unpaid()
    registration.phone = "+821012345678"
    db.session.commit()
    for query in ("하늘", registration.number, registration.number.split("-")[1].lower(), "5678", "010-1234-5678"):
        page = at_the_door.get(DOOR, query_string={"q": query})
        assert re.findall(r'data-registration="([^"]+)"', page.text) == [registration.number], query
        assert registration.email not in page.text and "12345678" not in page.text.replace(query, "")
    for query in ("example.com", registration.email, "%", "678", "없음"):
        assert "data-registration" not in at_the_door.get(DOOR, query_string={"q": query}).text, query
    answer = at_the_door.post(DOOR, {"registration": registration.number})
    assert result(answer) == "ok" and "박하늘" in answer.text
    assert result(at_the_door.post(DOOR, {"registration": unpaid.number})) == "unpaid"
    assert at_the_door.post(DOOR, {"registration": "WMC26-NONE"}).status_code == 404


def test_the_checkpoint_is_chosen_by_its_name_in_the_address(door, at_the_door):
    door.checkpoint("lunch", kind="meal", times=2, per="day")
    code = door.code(door.ticket())
    assert [result(at_the_door.post(f"{DOOR}?at=lunch", {"code": code})) for _ in range(3)] == ["ok", "ok", "already"]
    assert result(at_the_door.post(DOOR, {"code": code, "at": "lunch"})) == "already"
    assert result(at_the_door.post(DOOR, {"code": code})) == "ok"
    page = at_the_door.get(f"{DOOR}?at=lunch")
    assert '<option value="lunch" selected' in page.text
    assert re.findall(r'data-checkpoint="(\w+)" data-inside="(\d+)" data-expected="(\d+)"', page.text) == [("entry", "1", "1"), ("lunch", "1", "1")]


def test_the_last_entry_is_taken_back(door, at_the_door):
    code = door.code(door.ticket())
    at_the_door.post(DOOR, {"code": code})
    entry = re.search(r'name="entry" value="(\d+)"', at_the_door.get(DOOR).text)[1]
    assert at_the_door.post(f"{DOOR}/undo", {"entry": entry, "at": "entry"}).location == f"{DOOR}?at=entry"
    assert 'name="entry"' not in at_the_door.get(DOOR).text
    assert result(at_the_door.post(DOOR, {"code": code})) == "ok"
    for wrong in ({"entry": "99999999"}, {"entry": "9" * 30}, {"entry": "x"}, {}, {"nonce": "\0"}):
        assert at_the_door.post(f"{DOOR}/undo", wrong).status_code == 404, wrong


def test_the_answer_to_a_scan_sent_again_after_undo_does_not_say_come_in(door, at_the_door):
    sent = {"code": door.code(door.ticket()), "nonce": "n1"}
    entry = re.search(r'name="entry" value="(\d+)"', at_the_door.post(DOOR, sent).text)[1]
    at_the_door.post(f"{DOOR}/undo", {"entry": entry})
    again = at_the_door.post(DOOR, sent)
    assert result(again) == "invalid" and "taken back" in again.text


def test_with_every_checkpoint_closed_the_door_says_so(door, at_the_door):
    door.entrance.closed = True
    db.session.commit()
    assert "No checkpoint is open" in at_the_door.get(DOOR).text
    assert at_the_door.post(DOOR, {"code": "x"}).status_code == 422


def test_the_doors_page_alone_may_use_the_camera(door, at_the_door, seoul_owner):
    here, elsewhere = at_the_door.get(DOOR).headers, seoul_owner.get("/seoul-ubf/admin").headers
    assert "camera=(self)" in here["Permissions-Policy"] and "'wasm-unsafe-eval'" in here["Content-Security-Policy"]
    assert "camera=()" in elsewhere["Permissions-Policy"] and "wasm" not in elsewhere["Content-Security-Policy"]
    assert here["Cache-Control"] == "no-store"


def test_a_member_of_another_event_is_a_stranger_here(door, world, at_the_door):
    world.seoul.enter()
    row = db.session.get(Membership, (world.seoul.id, world.user("door@seoul-ubf.example").id))
    row.event_ids = [world.seoul.event("meetup").id]
    db.session.commit()
    for path in ("", "/snapshot", "/live", "/worker.js", "/app.webmanifest"):
        assert at_the_door.get(DOOR + path).status_code == 404, path
    assert at_the_door.post(DOOR, {"code": door.code(door.ticket())}).status_code == 404
    assert at_the_door.get("/seoul-ubf/admin/events/meetup/checkin").status_code == 200


# -- in JSON ---------------------------------------------------------------------------------------------------------

class Json:
    """As the door's script asks."""

    def __init__(self, browser):
        self.browser, self.csrf = browser, browser.get(f"{DOOR}/snapshot").json.get("csrf")

    def post(self, path, json):
        return self.browser.post(DOOR + path, json=json, headers={"Origin": "http://localhost", "X-CSRFToken": self.csrf})

    def scans(self, *scans):
        answer = self.post("/scans", {"scans": list(scans)})
        assert answer.status_code == 200, answer.text
        return answer.json["results"]


@pytest.fixture
def by_itself(door, at_the_door) -> Json:
    return Json(at_the_door)


def scan(door, nonce, **values) -> dict:
    return {"nonce": nonce, "checkpoint": door.entrance.id, "at": clock.now().isoformat(), "offline": False, "let_in": False} | values


def test_a_door_takes_along_names_programs_and_flags_and_nothing_else(door, at_the_door):
    registration, unpaid = door.ticket(), door.unpaid()
    registration.flag, registration.phone, registration.note = "VIP", "+821012345678", "secret note"
    db.session.commit()
    at_the_door.post(DOOR, {"code": door.code(registration)})
    answer = at_the_door.get(f"{DOOR}/snapshot")
    taken = answer.json
    assert answer.headers["Cache-Control"] == "no-store"
    assert [(one["id"], one["name"], one["flag"], one["status"], one["unpaid"], one["programs"], one["text"], one["version"], one["number"])
            for one in taken["people"]] == [
        (registration.id, "김하나", "VIP", "confirmed", False, ["free-day"], "Free day visit", 1, registration.number),
        (unpaid.id, "이두리", "", "pending_payment", True, ["main-conference"], "Main conference", 1, unpaid.number)]
    assert {frozenset(one) for one in taken["people"]} == {frozenset(("id", "version", "number", "name", "status", "programs", "text", "flag", "unpaid"))}
    assert "example.com" not in answer.text and "12345678" not in answer.text and "secret note" not in answer.text
    assert [(row[0], row[1], row[2], row[4]) for row in taken["entries"]] == [(registration.id, door.entrance.id, "", "Door")]
    assert taken["whole"] is True and base64.b64decode(taken["key"]) == door.event.ticket_public_key
    assert [(each["code"], each["times"], each["per"]) for each in taken["checkpoints"]] == [("entry", 1, "event")]
    assert (taken["event"]["id"], taken["event"]["org_id"], taken["gate"]) == (door.event.id, door.event.org_id, "Door")


def test_later_it_takes_only_what_is_new(app, door, at_the_door):
    first, second, third = door.ticket("하나"), door.ticket("두리"), door.ticket("세나")
    at_the_door.post(DOOR, {"code": door.code(first)})
    past = clock.now() - timedelta(hours=1)
    for table in ("registrations", "check_ins", "audit_log"):  # as if all this had been long ago
        with as_owner(app) as connection:
            connection.execute(text(f"UPDATE {table} SET created_at = :past"), {"past": past})
    cursor = at_the_door.get(f"{DOOR}/snapshot").json["cursor"]
    nothing = at_the_door.get(f"{DOOR}/snapshot", query_string={"since": cursor}).json
    assert (nothing["whole"], nothing["people"], nothing["entries"], nothing["undone"]) == (False, [], [], [])
    door.world.seoul.enter()
    registering.cancel([second], by=GATE)
    db.session.commit()
    at_the_door.post(DOOR, {"code": door.code(third)})
    row = db.session.scalar(select(CheckIn).where(CheckIn.registration_id == first.id))
    checking_in.undo([row], by=GATE)
    db.session.commit()
    changed = at_the_door.get(f"{DOOR}/snapshot", query_string={"since": cursor}).json
    assert [(one["name"], one["status"], one["version"]) for one in changed["people"]] == [("두리", "cancelled", 2)]
    assert [row[0] for row in changed["entries"]] == [third.id]
    assert changed["undone"] == [row.id]
    for unusable in ("x", "2020-01-01T00:00:00+00:00", "2090-01-01T00:00:00+00:00", "2026-01-01"):
        assert at_the_door.get(f"{DOOR}/snapshot", query_string={"since": unusable}).json["whole"] is True


def test_uploads_of_a_door_that_was_offline(door, by_itself):
    one, two, cancelled = door.ticket("하나"), door.ticket("두리"), door.ticket("세나")
    code = door.code(cancelled)
    door.world.seoul.enter()
    registering.cancel([cancelled], by=GATE)
    db.session.commit()
    early = (clock.now() - timedelta(minutes=5)).isoformat()
    sent = [scan(door, "a", code=door.code(one), offline=True, let_in=True, at=early, gate=" East\0 gate "), scan(door, "b", registration=two.id, version=1),
            scan(door, "c", code=door.code(one), offline=True, let_in=True), scan(door, "d", code=code, offline=True, let_in=True),
            scan(door, "e", code="torn", offline=True, let_in=True)]
    first, again = by_itself.scans(*sent), by_itself.scans(*sent)
    assert [(each["nonce"], each["result"], each["name"]) for each in first] == [
        ("a", "ok", "하나"), ("b", "ok", "두리"), ("c", "already", "하나"), ("d", "cancelled", "세나"), ("e", "invalid", "")]
    assert first[2]["first"]["gate"] == "East  gate" and first[2]["first"]["at"].startswith(early[:19])
    assert [(each["result"], each["entry"]) for each in again] == [(each["result"], each["entry"]) for each in first]
    assert db.session.scalar(select(func.count(CheckIn.id))) == 4
    live = by_itself.browser.get(f"{DOOR}/live").json
    assert (live["conflicts"], [(each["code"], each["inside"], each["expected"], each["gates"]) for each in live["checkpoints"]]) == (
        2, [("entry", 2, 2, [["Door", 1], ["East  gate", 1]])])
    assert by_itself.post("/undo", {"nonce": "a"}).json == {"undone": True, "entry": first[0]["entry"]}
    assert by_itself.post("/undo", {"nonce": "never sent"}).json == {"undone": False, "entry": None}


def test_what_cannot_be_read_does_not_stop_the_others(door, by_itself):
    code = door.code(door.ticket())
    rubbish = [None, 7, "x", [], {}, {"nonce": "n"}, {"nonce": "a b", "checkpoint": door.entrance.id}, scan(door, "\0"), scan(door, "f1", checkpoint=10**30),
               scan(door, "f2", registration=-1), scan(door, "f3", registration="1"), scan(door, "f4", at=5, code=7), scan(door, "f5", version=True, code=None),
               scan(door, "f6", registration=2**63 - 1), scan(door, "f7", code="\0"), scan(door, "f8", code="A" * 9999, at="yesterday")]
    answers = by_itself.scans(*rubbish, scan(door, "good", code=code))
    assert [each["result"] for each in answers] == ["invalid"] * len(rubbish) + ["ok"]
    assert [by_itself.post("/scans", body).status_code for body in ({}, [], {"scans": 1}, {"scans": [{}] * 201})] == [422] * 4


def test_numbers_that_are_none_of_ours_take_back_and_settle_nothing(at_the_door, seoul_owner):
    assert at_the_door.post(f"{DOOR}/undo", {"entry": "9" * 5000}).status_code == 404
    assert seoul_owner.post(f"{DOOR}/conflicts", {"ids": "9" * 5000}).status_code == 303


def test_the_scripts_addresses_answer_in_json_what_went_wrong(door, at_the_door, client):
    headers = {"Origin": "http://localhost"}
    assert at_the_door.post(f"{DOOR}/scans", json={"scans": []}, headers=headers).json.keys() == {"error"}
    assert at_the_door.post(f"{DOOR}/scans", data="{", headers=headers | {"Content-Type": "application/json"}).status_code == 400
    assert at_the_door.get("/seoul-ubf/admin/events/nothing/checkin/snapshot").json.keys() == {"error"}
    assert client.get(f"{DOOR}/snapshot").location.startswith("/auth/login")


# -- for who is not at a door -------------------------------------------------------------------------------------------

def test_conflicts_are_listed_with_both_times_and_gates_and_settled_with_one_click(door, by_itself, seoul_owner):
    one, two = door.ticket("하나"), door.ticket("두리")
    for registration in (one, two):
        by_itself.scans(scan(door, f"first{registration.id}", registration=registration.id),
                        scan(door, f"second{registration.id}", registration=registration.id, offline=True, let_in=True))
    page = seoul_owner.get(f"{DOOR}/conflicts")
    assert re.findall(r'data-count="(\d)"', page.text) == ["2"]
    assert page.text.count("Came in twice") == 2 and page.text.count("offline") >= 2 and page.text.count("Door") >= 4
    assert "2 conflicts are waiting" in seoul_owner.get(f"{DOOR}/overview").text
    ids = re.findall(r'data-conflict="(\d+)"', page.text)
    assert seoul_owner.post(f"{DOOR}/conflicts", {"ids": ids[:1]}).status_code == 303
    assert re.findall(r'data-conflict="(\d+)"', seoul_owner.get(f"{DOOR}/conflicts").text) == ids[1:]
    answer = seoul_owner.post(f"{DOOR}/conflicts", {"ids": [ids[1], "x", "9" * 40]}, headers={"HX-Request": "true", "HX-Target": "conflicts"})
    assert 'data-count="0"' in answer.text and "<html" not in answer.text
    assert [row.settled_at is not None for row in db.session.scalars(select(CheckIn).where(CheckIn.result == "already"))] == [True, True]


def test_the_overview_counts_by_gate_and_asks_for_itself(door, at_the_door, seoul_owner):
    assert seoul_owner.get(f"{DOOR}/overview").status_code == 200
    door.checkpoint("workshop", program_id=door.world.seoul.program("workshop").id)
    at_the_door.post(DOOR, {"code": door.code(door.ticket())})
    door.ticket()
    page = seoul_owner.get(f"{DOOR}/overview", query_string={"at": "entry"})
    assert "1 of 2 are in" in page.text and "0 of 0 are in" in page.text and "<rect" in page.text
    part = seoul_owner.get(f"{DOOR}/overview", headers={"HX-Request": "true", "HX-Target": "section#arrivals"})
    assert part.text.strip().startswith("<section") and 'hx-trigger="every 5s"' in part.text


def test_pages_ask_as_many_statements_with_many_as_with_one(app, door, at_the_door, seoul_owner, statements):
    def asked():
        counted = []
        for browser, path in ((at_the_door, "?q=김하나"), (at_the_door, "/snapshot"), (seoul_owner, "/overview"), (seoul_owner, "/conflicts")):
            counted.append(statements(browser.get, DOOR + path))
        return counted

    def conflict():
        registration = door.ticket()
        for _ in range(2):
            door.scan(registration, offline=True, let_in=True)

    conflict()
    door.checkpoint("a1", program_id=door.world.seoul.program("workshop").id)
    before = asked()
    for number in range(3):
        conflict()
        door.checkpoint(f"b{number}", program_id=door.world.seoul.program("workshop").id)
    assert asked() == before
