"""Phones at the doors: how they come, what they may, and that they are gone at once; and the checkpoints they stand at."""
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from eventapp import audit, clock
from eventapp.domain import devices
from eventapp.extensions import db
from eventapp.models import AuditLog, CheckIn, Checkpoint, DoorDevice
from tests.domain.test_checking_in import Door
from tests.world import fresh

DOOR = "/seoul-ubf/admin/events/wmc-2026/checkin"
OWNER = audit.Actor("user", 1)


@pytest.fixture
def door(world) -> Door:
    return Door(world)


def invitation(owner, name="Gate A", checkpoint="") -> str:
    """The link, as the page with the QR shows it."""
    page = owner.post(f"{DOOR}/devices", {"name": name, "checkpoint": checkpoint})
    assert page.status_code == 200, page.text
    link = re.search(r'data-copy="http://localhost([^"]+)"', page.text)[1]
    assert "<svg" in page.text and page.headers["Cache-Control"] == "no-store"
    return link


@pytest.fixture
def phone(app, door, seoul_owner):
    """A browser nobody is signed in on, with an invitation accepted."""
    browser = app.test_client()
    assert browser.post(invitation(seoul_owner)).status_code == 303
    return browser


def test_a_phone_is_invited_joins_and_checks_in(app, door, seoul_owner):
    link = invitation(seoul_owner)
    browser = app.test_client()
    opened = browser.get(link)
    assert opened.status_code == 200 and "Gate A" in opened.text
    assert [line.split("=")[0] for line in opened.headers.getlist("Set-Cookie")] == ["session"]
    assert browser.get(DOOR).status_code == 303  # opening it has changed nothing
    joined = browser.post(link)
    assert (joined.status_code, joined.location) == (303, DOOR)
    cookie = next(line for line in joined.headers.getlist("Set-Cookie") if line.startswith("door="))
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie
    assert browser.get(DOOR).status_code == 200
    answer = browser.post(DOOR, {"code": door.code(door.ticket())})
    assert 'data-result="ok"' in answer.text
    device, row = db.session.scalar(select(DoorDevice)), db.session.scalar(select(CheckIn))
    assert (row.device_id, row.user_id, row.gate) == (device.id, None, "Gate A")
    assert device.invitation_hash is None and len(device.secret_hash) == 32 and device.joined_at and device.seen_at
    lines = db.session.execute(select(AuditLog.action, AuditLog.actor_kind).where(AuditLog.object_kind == "doordevice").order_by(AuditLog.id)).all()
    assert lines == [("device.invited", "user"), ("device.joined", "device")]


def test_on_https_the_cookie_is_of_this_host_alone(app, door, seoul_owner):
    link, browser = invitation(seoul_owner), app.test_client()
    form = browser.get(link, base_url="https://localhost").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', form)[1]
    answer = browser.post(link, {"csrf_token": token}, base_url="https://localhost")
    cookie = next(line for line in answer.headers.getlist("Set-Cookie") if "door=" in line)
    assert cookie.startswith("__Host-door=") and "Secure" in cookie and "Domain" not in cookie


def test_an_invitation_works_once_for_a_day_and_for_its_own_event(app, door, seoul_owner, settings):
    used, late, revoked = invitation(seoul_owner), invitation(seoul_owner, "Late"), invitation(seoul_owner, "Revoked")
    assert app.test_client().post(used).status_code == 303
    clock.offset = timedelta(hours=25)
    answers = [app.test_client().get(late).status_code, app.test_client().post(late).status_code]
    clock.offset = timedelta()
    door.world.seoul.enter()
    row = db.session.scalar(select(DoorDevice).where(DoorDevice.name == "Revoked"))
    seoul_owner.post(f"{DOOR}/devices/{row.id}/revoke")
    other = invitation(seoul_owner, "Other").replace("wmc-2026", "meetup")
    for link in (used, revoked, other, f"{DOOR}/join/{'x' * 32}", used.replace("seoul-ubf", "busan-meetup")):
        answers += [app.test_client().get(link).status_code, app.test_client().post(link).status_code]
    assert answers == [404] * 12
    settings(rate_limit_scale=0.1)  # five wrong links from one address
    assert [app.test_client().get(f"{DOOR}/join/{'y' * 32}").status_code for _ in range(6)] == [404] * 5 + [429]


def test_two_phones_with_the_same_link_at_the_same_time(door):
    device, token = devices.invite(door.event, "Gate A", None, by=OWNER)
    db.session.commit()
    one, two = devices.invited("wmc-2026", token), devices.invited("wmc-2026", token)
    devices.join(one)
    with pytest.raises(devices.Refused):
        devices.join(two)


def test_a_phone_may_nothing_but_check_in_at_its_event(door, phone):
    paths = ("/seoul-ubf/admin", "/seoul-ubf/admin/doors", "/seoul-ubf/admin/events/meetup/checkin", f"{DOOR}/devices", f"{DOOR}/conflicts",
             f"{DOOR}/overview", f"{DOOR}/checkpoints", "/busan-meetup/admin/events/wmc-2026/checkin", "/account", "/platform-admin")
    assert [phone.get(path).location.split("?")[0] for path in paths] == ["/auth/login"] * len(paths)
    assert [phone.get(f"{DOOR}{path}").status_code for path in ("", "/snapshot", "/live", "/worker.js", "/app.webmanifest")] == [200] * 5
    page = phone.get(DOOR).text
    assert "admin/registrations" not in page and "checkin/devices" not in page
    assert phone.get(f"{DOOR}/snapshot").json["gate"] == "Gate A"


def test_whom_a_revoked_phone_has_let_in_is_kept_as_conflicts_and_it_learns_nothing(door, phone, seoul_owner):
    ticket = door.ticket()
    device = db.session.scalar(select(DoorDevice))
    csrf = phone.get(f"{DOOR}/snapshot").json["csrf"]
    seoul_owner.post(f"{DOOR}/devices/{device.id}/revoke")
    scan = {"code": door.code(ticket), "checkpoint": door.entrance.id, "at": clock.now().isoformat(), "offline": True}
    sent = {"scans": [scan | {"nonce": "let-in", "let_in": True}, scan | {"nonce": "turned-away", "let_in": False}, "nonsense"]}
    for _ in range(2):
        answer = phone.post(f"{DOOR}/scans", json=sent, headers={"Origin": "http://localhost", "X-CSRFToken": csrf})
        assert (answer.status_code, answer.json["error"], answer.json["results"]) == (200, "revoked", [])
    row = db.session.scalar(select(CheckIn))
    assert (row.nonce, row.result, row.ordinal, row.registration_id, row.device_id) == ("let-in", "revoked", 0, ticket.id, device.id)
    assert "Let in by a phone that had been taken off" in seoul_owner.get(f"{DOOR}/conflicts").text
    assert door.scan(ticket).result == "ok"


def test_a_phone_takes_back_its_own_entries_only_and_conflicts_are_settled_not_taken_back(door, phone, seoul_owner):
    elsewhere = door.scan(door.ticket()).entry
    csrf = phone.get(f"{DOOR}/snapshot").json["csrf"]
    headers = {"Origin": "http://localhost", "X-CSRFToken": csrf}
    scan = {"code": door.code(door.ticket()), "checkpoint": door.entrance.id, "nonce": "mine"}
    mine = phone.post(f"{DOOR}/scans", json={"scans": [scan]}, headers=headers).json["results"][0]["entry"]
    again = phone.post(f"{DOOR}/scans", json={"scans": [scan | {"nonce": "twice", "offline": True, "let_in": True}]}, headers=headers)
    conflict = again.json["results"][0]["entry"]
    undone = {entry: phone.post(f"{DOOR}/undo", json={"entry": entry}, headers=headers).json["undone"] for entry in (elsewhere, conflict, mine)}
    assert undone == {elsewhere: False, conflict: False, mine: True}
    assert seoul_owner.post(f"{DOOR}/undo", {"entry": elsewhere}).status_code == 303


def test_a_revoked_phone_is_told_so_from_its_next_request_on(door, phone, seoul_owner):
    code = door.code(door.ticket())
    device = db.session.scalar(select(DoorDevice))
    csrf = phone.get(f"{DOOR}/snapshot").json["csrf"]
    assert seoul_owner.post(f"{DOOR}/devices/{device.id}/revoke").status_code == 303
    headers = {"Origin": "http://localhost", "X-CSRFToken": csrf}
    for answer in (phone.get(f"{DOOR}/snapshot"), phone.get(f"{DOOR}/live"),
                   phone.post(f"{DOOR}/undo", json={"nonce": "x"}, headers=headers)):
        assert (answer.status_code, answer.json) == (403, {"error": "revoked"})
    page = phone.post(DOOR, {"code": code})
    assert page.status_code == 403 and "taken off the doors" in page.text and "data-result" not in page.text
    door.world.seoul.enter()
    assert db.session.scalar(select(CheckIn)) is None
    assert 'data-state="revoked"' in seoul_owner.get(f"{DOOR}/devices").text
    # Whoever signs in on it comes with a right of their own.
    assert phone.post("/auth/login", {"email": "door@seoul-ubf.example", "password": "demo-password"}).status_code == 303
    assert phone.get(DOOR).status_code == 200


def test_how_a_phone_was_last_seen_is_written_once_a_minute(door, phone):
    device = db.session.scalar(select(DoorDevice))
    device.seen_at = before = clock.now() - timedelta(seconds=30)
    db.session.commit()
    phone.get(f"{DOOR}/live")
    assert fresh(device).seen_at == before
    device.seen_at = clock.now() - timedelta(minutes=2)
    db.session.commit()
    phone.get(f"{DOOR}/live")
    assert fresh(device).seen_at > clock.now() - timedelta(seconds=30)


def test_a_phone_stands_where_it_was_sent(app, door, seoul_owner):
    door.checkpoint("lunch", times=2)
    browser = app.test_client()
    browser.post(invitation(seoul_owner, checkpoint="lunch"))
    assert '<option value="lunch" selected' in browser.get(DOOR).text


def test_a_phone_of_a_suspended_organisation_is_a_stranger(door, phone, world):
    from eventapp import tenancy
    from eventapp.models import Directory

    db.session.get(Directory, world.seoul.id).status = "suspended"
    db.session.commit()
    tenancy.lookup.seen.clear()
    assert phone.get(DOOR).status_code == 303


def test_foreign_devices_and_checkpoints_are_not_there(door, seoul_owner):
    other, token = devices.invite(door.world.seoul.event("meetup"), "x", None, by=OWNER)
    elsewhere = db.session.scalar(select(Checkpoint).where(Checkpoint.event_id == other.event_id))
    db.session.commit()
    paths = (f"devices/{other.id}/revoke", "devices/999999/revoke", f"checkpoints/{elsewhere.id}/close", f"checkpoints/{elsewhere.id}",
             "checkpoints/999999/open")
    assert [seoul_owner.post(f"{DOOR}/{path}").status_code for path in paths] == [404] * 5


# -- checkpoints -------------------------------------------------------------------------------------------------------

LUNCH = {"name_ko": "점심", "name_en": "Lunch", "code": "lunch", "kind": "meal", "times": "3", "per": "day", "program": "lodging",
         "opens_at": "2026-12-01T11:00", "closes_at": "2026-12-01T14:00"}


def test_a_checkpoint_is_added_changed_closed_and_opened(door, seoul_owner):
    assert seoul_owner.post(f"{DOOR}/checkpoints/new", LUNCH).status_code == 303
    door.world.seoul.enter()
    row = db.session.scalar(select(Checkpoint).where(Checkpoint.code == "lunch"))
    assert (row.name, row.kind, row.times, row.per, row.program_id) == ({"ko": "점심", "en": "Lunch"}, "meal", 3, "day",
                                                                       door.world.seoul.program("lodging").id)
    assert row.opens_at.isoformat() == "2026-12-01T02:00:00+00:00"  # typed by the event's clock, in Seoul
    form = seoul_owner.get(f"{DOOR}/checkpoints/{row.id}").text
    assert 'value="2026-12-01T11:00"' in form and "Lunch" in seoul_owner.get(f"{DOOR}/checkpoints").text
    seoul_owner.post(f"{DOOR}/checkpoints/{row.id}", LUNCH | {"times": "2", "program": "", "opens_at": "", "closes_at": ""})
    assert (fresh(row).times, row.program_id, row.opens_at) == (2, None, None)
    seoul_owner.post(f"{DOOR}/checkpoints/{row.id}/close")
    assert fresh(row).closed is True
    seoul_owner.post(f"{DOOR}/checkpoints/{row.id}/open")
    assert fresh(row).closed is False
    actions = db.session.scalars(select(AuditLog.action).where(AuditLog.object_kind == "checkpoint").order_by(AuditLog.id)).all()
    assert actions == ["checkpoint.added", "checkpoint.changed", "checkpoint.closed", "checkpoint.reopened"]


@pytest.mark.parametrize(("wrong", "field"), [
    ({"name_ko": "", "name_en": ""}, "name_ko"), ({"code": "entry"}, "code"), ({"code": "a b"}, "code"), ({"code": ""}, "code"), ({"times": "0"}, "times"),
    ({"times": "x"}, "times"), ({"closes_at": "2026-12-01T10:00"}, "closes_at"), ({"kind": "x"}, "kind"), ({"program": "nothing"}, "program")])
def test_a_checkpoint_that_cannot_be(door, seoul_owner, wrong, field):
    answer = seoul_owner.post(f"{DOOR}/checkpoints/new", LUNCH | wrong)
    assert answer.status_code == 422 and f'data-error-for="{field}"' in answer.text
    assert 'value="점심"' in answer.text or field == "name_ko"
    door.world.seoul.enter()
    assert db.session.scalars(select(Checkpoint.code).where(Checkpoint.event_id == door.event.id)).all() == ["entry"]


def test_how_entries_are_counted_stays_once_there_are_some(door, seoul_owner):
    twice = door.checkpoint("lunch", times=3, per="day")
    registration = door.ticket()
    [door.scan(registration, at=twice) for _ in range(2)]
    for wrong, field in (({"times": "1"}, "times"), ({"per": "event"}, "per")):
        answer = seoul_owner.post(f"{DOOR}/checkpoints/{twice.id}", LUNCH | wrong)
        assert answer.status_code == 422 and f'data-error-for="{field}"' in answer.text
    assert seoul_owner.post(f"{DOOR}/checkpoints/{twice.id}", LUNCH | {"times": "2"}).status_code == 303
