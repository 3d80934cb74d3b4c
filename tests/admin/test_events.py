"""The list of events, and how one of them stands."""
import re
from datetime import timedelta

import pytest

from eventapp import clock
from eventapp.extensions import db
from tests import make
from tests.admin.test_home import limit, register, row, waits
from tests.make import both


def shown(page: str) -> list[str]:
    return re.findall(r'<tr data-event="([^"]*)"', page)


@pytest.fixture
def past(world):
    """An event that is over."""
    world.seoul.enter()
    over = make.event("summer-camp", both("여름 수련회", "Summer 100% camp"), "CAMP", status="closed",
                      starts_at=clock.now() - timedelta(days=30), ends_at=clock.now() - timedelta(days=28))
    make.program(over, "seat", 0)
    make.form(over)
    db.session.commit()
    return over


def test_what_comes_is_listed_and_what_is_over_is_one_link_away(seoul_owner, past):
    assert sorted(shown(seoul_owner.get("/seoul-ubf/admin/events").text)) == ["meetup", "wmc-2026"]
    assert shown(seoul_owner.get("/seoul-ubf/admin/events?when=past").text) == ["summer-camp"]
    assert len(shown(seoul_owner.get("/seoul-ubf/admin/events?when=all").text)) == 3


@pytest.mark.parametrize(("asked", "expected"), [
    ("q=수련", ["summer-camp"]), ("q=SUMMER", ["summer-camp"]), ("q=100%25", ["summer-camp"]), ("q=camp", ["summer-camp"]),
    ("q=%25", ["summer-camp"]), ("q=_", []), ("q=nothing", []), ("status=closed", ["summer-camp"]), ("status=draft", []),
    ("status=nonsense", ["meetup", "summer-camp", "wmc-2026"]), ("q=wmc-&status=published", ["wmc-2026"])])
def test_the_list_is_narrowed_by_text_and_status(seoul_owner, past, asked, expected):
    assert sorted(shown(seoul_owner.get(f"/seoul-ubf/admin/events?when=all&{asked}").text)) == expected


def test_each_has_its_figures(seoul_owner, world):
    register(world.seoul)
    assert row(seoul_owner.get("/seoul-ubf/admin/events").text, "meetup") == ["0", "0", "1", "0"]


def test_the_list_has_pages(seoul_owner, world):
    world.seoul.enter()
    for number in range(30):
        make.event(f"event-{number}", both("행사", "Event"), "EVT")
    db.session.commit()
    first = seoul_owner.get("/seoul-ubf/admin/events").text
    following = re.search(r'rel="next" href="([^"]*)"', first)[1].replace("&amp;", "&")
    second = seoul_owner.get(following).text
    assert (len(shown(first)), len(shown(second))) == (25, 7)
    assert not set(shown(first)) & set(shown(second))
    assert shown(seoul_owner.get("/seoul-ubf/admin/events?page=99").text) == shown(second)
    assert seoul_owner.get("/seoul-ubf/admin/events?page=x").status_code == 200


def test_htmx_gets_the_list_alone(seoul_owner):
    answer = seoul_owner.get("/seoul-ubf/admin/events?q=wmc", headers={"HX-Request": "true", "HX-Target": "div#event_list"}).text
    assert answer.strip().startswith('<div id="event_list"') and shown(answer) == ["wmc-2026"]


def test_both_ask_as_often_with_many_as_with_few(seoul_owner, world, statements):
    def asked(path):
        seoul_owner.get(path)
        return statements(lambda: seoul_owner.get(path))

    few = asked("/seoul-ubf/admin/events"), asked("/seoul-ubf/admin/events/meetup")
    register(world.seoul)
    register(world.seoul, name="박둘")
    world.seoul.enter()
    event = world.seoul.event("meetup")
    for number in range(3):
        make.event(f"event-{number}", both("행사", "Event"), "EVT")
        make.program(event, f"room-{number}", 0, capacity=5)
    db.session.commit()
    assert (asked("/seoul-ubf/admin/events"), asked("/seoul-ubf/admin/events/meetup")) == few


def test_one_event_shows_where_it_stands_and_leads_on(seoul_owner, world):
    register(world.seoul)
    page = seoul_owner.get("/seoul-ubf/admin/events/meetup").text
    assert waits(page) == {"waiting": "/seoul-ubf/admin/events/meetup/registrations?status=pending_approval"}
    assert re.search(r'<progress value="0" max="3"', page)
    for link in ("/seoul-ubf/admin/events/meetup/registrations", "/seoul-ubf/admin/events/meetup/checkin",
                 "/seoul-ubf/admin/events/meetup/registrations/new", "/seoul-ubf/admin/events/meetup/import", "/seoul-ubf/meetup"):
        assert f'href="{link}"' in page, link


def test_what_waits_elsewhere_is_not_this_events(seoul_owner, world):
    register(world.seoul)
    assert waits(seoul_owner.get("/seoul-ubf/admin/events/wmc-2026").text) == {}


def test_places_in_use_are_shown_as_bars(seoul_owner, world):
    register(world.seoul, slug="wmc-2026", program="main-conference", method="manual_transfer")
    page = seoul_owner.get("/seoul-ubf/admin/events/wmc-2026").text
    assert re.search(r'<progress value="1" max="100" aria-label="Main conference"', page)


def test_staff_are_offered_nothing_they_may_not_do(sign_in, world):
    page = sign_in("staff@seoul-ubf.example").get("/seoul-ubf/admin/events/wmc-2026").text
    assert "/registrations/new" not in page and "/import" not in page and 'data-testid="deposits"' not in page


def test_an_event_that_is_not_ones_own_is_not_there(seoul_owner, sign_in, world):
    world.busan.enter()
    make.event("only-busan", both("부산만", "Busan alone"), "EVT")
    db.session.commit()
    assert seoul_owner.get("/seoul-ubf/admin/events/only-busan").status_code == 404
    limit(world, "admin@seoul-ubf.example", "wmc-2026")
    limited = sign_in("admin@seoul-ubf.example")
    assert shown(limited.get("/seoul-ubf/admin/events?when=all").text) == ["wmc-2026"]
    assert limited.get("/seoul-ubf/admin/events/meetup").status_code == 404


def test_no_draft_leads_to_a_public_page(seoul_owner, world):
    world.seoul.event("meetup").status = "draft"
    db.session.commit()
    assert 'href="/seoul-ubf/meetup"' not in seoul_owner.get("/seoul-ubf/admin/events/meetup").text
