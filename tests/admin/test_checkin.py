"""The door's page and what it answers; without scripts, by htmx, and in JSON."""
import re

import pytest
from sqlalchemy import func, select

from eventapp.extensions import db
from eventapp.models import CheckIn, Membership
from tests.domain.test_checking_in import Door

DOOR = "/seoul-ubf/admin/events/wmc-2026/checkin"


@pytest.fixture
def door(world) -> Door:
    return Door(world)


@pytest.fixture
def at_the_door(sign_in):
    return sign_in("door@seoul-ubf.example")


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
