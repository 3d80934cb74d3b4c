"""What stands around the staff's pages: only ways that one may go, in every organisation one works for."""
import re

import pytest

from eventapp.extensions import db
from eventapp.models import Event
from tests import make


def ways(page: str) -> list[str]:
    """The links of the sidebar, by their words."""
    found = re.findall(r'<a class="sidebar-link"[^>]*>.*?</svg>([^<]*)</a>', page.split("<main")[0], re.S)
    return [text.strip() for text in found]


@pytest.mark.parametrize(("who", "expected"), [
    ("owner", ["Home", "Events", "Registrations", "Payments", "Check-in", "Operations history", "Audit log", "Settings", "Public page"]),
    ("staff", ["Home", "Events", "Registrations", "Check-in", "Operations history", "Public page"]),
])
def test_the_sidebar_offers_what_one_may_open(sign_in, who, expected):
    assert ways(sign_in(f"{who}@seoul-ubf.example").get("/seoul-ubf/admin").text) == expected


def test_it_says_where_one_is(seoul_owner):
    def current(path):
        return re.findall(r'<a class="sidebar-link" href="([^"]*)" aria-current="(\w+)"', seoul_owner.get(path).text)

    assert current("/seoul-ubf/admin") == [("/seoul-ubf/admin", "page")]
    assert current("/seoul-ubf/admin/events/wmc-2026") == [("/seoul-ubf/admin/events", "true")]


def test_who_works_for_one_organisation_is_offered_no_other(seoul_owner):
    assert "/busan-meetup/" not in seoul_owner.get("/seoul-ubf/admin").text


def test_who_works_for_two_goes_from_one_to_the_other(sign_in, world):
    make.member(world.busan.organization, world.user("owner@seoul-ubf.example"), "ORG_CHECKIN")
    db.session.commit()
    page = sign_in("owner@seoul-ubf.example").get("/seoul-ubf/admin").text
    assert 'href="/seoul-ubf/admin" aria-current="true"' in page
    assert 'href="/busan-meetup/admin/doors"' in page


def test_who_only_works_at_the_door_finds_the_doors(sign_in):
    door = sign_in("door@seoul-ubf.example")
    page = door.get("/seoul-ubf/admin/doors").text
    assert ways(page) == ["Check-in", "Public page"]
    assert 'href="/seoul-ubf/admin/events/wmc-2026/checkin"' in page
    assert "data-palette-open" not in page


def test_the_closed_desk_shows_the_door_to_who_works_there(sign_in):
    door = sign_in("door@seoul-ubf.example")
    answer = door.get("/seoul-ubf/admin")
    links = [link for link in re.findall(r'<a [^>]*href="(/[^"]*)"', answer.text) if link != "/"]
    assert (answer.status_code, links) == (403, ["/seoul-ubf/admin/doors"])
    assert door.get(links[0]).status_code == 200


def test_doors_are_those_of_events_that_are_on_or_coming(sign_in, world):
    world.seoul.enter()
    with db.session.no_autoflush:
        world.seoul.event("meetup").status = "draft"
    db.session.commit()
    page = sign_in("door@seoul-ubf.example").get("/seoul-ubf/admin/doors").text
    assert "/wmc-2026/checkin" in page and "/meetup/checkin" not in page
    db.session.execute(db.update(Event).values(status="archived"))
    db.session.commit()
    assert "No event is on or coming" in sign_in("door@seoul-ubf.example").get("/seoul-ubf/admin/doors").text


def test_the_language_of_the_menu_is_the_accounts(seoul_owner):
    page = seoul_owner.get("/seoul-ubf/admin/events?q=a&when=all").text
    action = re.search(r'<form class="segmented" method="post" action="([^"]*)"', page)[1].replace("&amp;", "&")
    answer = seoul_owner.post(action, {"language": "ko"})
    assert (answer.status_code, answer.location) == (303, "/seoul-ubf/admin/events?q=a&when=all")
    assert '<html lang="ko"' in seoul_owner.get(answer.location).text


def test_what_repeats_in_an_address_is_kept_when_the_look_changes(seoul_owner):
    page = seoul_owner.get("/seoul-ubf/admin/registrations?status=confirmed&status=expired").text
    assert "?status=confirmed&amp;status=expired&amp;theme=dark" in page


def test_visitors_do_not_load_what_staff_need(client, seoul_owner):
    assert "staff." not in client.get("/seoul-ubf/wmc-2026").text
    page = seoul_owner.get("/seoul-ubf/admin").text
    assert "css/staff.css" in page and "js/staff.js" in page
