"""The search of everything: by what people are called, only where one may look."""
import re

import pytest

from eventapp.extensions import db
from tests import make
from tests.admin.test_home import limit

PATH = "/seoul-ubf/admin/palette"


@pytest.fixture
def people(world):
    """One at each event, and a namesake in Busan."""
    for tenant, slug, name, email in ((world.seoul, "wmc-2026", "김하나", "hana@example.com"), (world.seoul, "meetup", "김하늘", "sky@example.org"),
                                      (world.busan, "meetup", "김하나", "hana@busan.example")):
        with tenant.inside():
            make.order(tenant.event(slug), make.Participant(name, email, phone="010-2345-6789", chosen={"free-day" if slug != "meetup" else "seat": 1}),
                       method="free")
            db.session.commit()
    return world.seoul.registrations()


def hits(page: str) -> list[tuple[str, str]]:
    """(text, address) of what was found."""
    found = re.findall(r'<a class="palette-hit" href="([^"]*)">.*?<span class="palette-text">([^<]*)</span>', page, re.S)
    return [(text, address) for address, text in found]


def persons(page: str) -> list[str]:
    return [text for text, address in hits(page) if "/registrations/" in address]


@pytest.mark.parametrize(("q", "expected"), [
    ("김하", ["김하늘", "김하나"]), ("김하나", ["김하나"]), ("HANA@", ["김하나"]), ("sky@example", ["김하늘"]), ("010-2345", ["김하늘", "김하나"]),
    ("2345-6789", ["김하늘", "김하나"]), ("하나 example.com", ["김하나"]), ("100%", []), ("김", []), ("", []), ("nobody", [])])
def test_people_are_found_by_name_email_and_phone(seoul_owner, people, q, expected):
    assert persons(seoul_owner.get(PATH, query_string={"q": q}).text) == expected


def test_a_number_leads_to_its_registration(seoul_owner, people):
    number = people[0].number
    for text in (number, number.lower(), number[:-1]):
        assert (people[0].name, f"/seoul-ubf/admin/registrations/{number}") in hits(seoul_owner.get(PATH, query_string={"q": text}).text)


def test_events_and_pages_are_found_and_offered_before_anything_is_typed(seoul_owner):
    assert ("World Mission Conference 2026", "/seoul-ubf/admin/events/wmc-2026") in hits(seoul_owner.get(f"{PATH}?q=대회").text)
    assert hits(seoul_owner.get(f"{PATH}?q=audit").text) == [("Audit log", "/seoul-ubf/admin/audit")]
    offered = [address for _text, address in hits(seoul_owner.get(PATH).text)]
    assert "/seoul-ubf/admin/events/meetup" in offered and "/seoul-ubf/admin/registrations" in offered


def test_without_scripts_it_is_a_page_and_says_what_it_did_not_find(seoul_owner):
    page = seoul_owner.get(f"{PATH}?q=<b>zzz").text
    assert "Nothing is called “&lt;b&gt;zzz”." in page and 'value="&lt;b&gt;zzz"' in page


def test_htmx_gets_the_results_alone(seoul_owner, people):
    answer = seoul_owner.get(f"{PATH}?q=김하나", headers={"HX-Request": "true", "HX-Target": "div#palette_results"}).text
    assert answer.strip().startswith('<div id="palette_results"') and persons(answer) == ["김하나"]


def test_who_is_limited_to_an_event_finds_its_people_alone(sign_in, world, people):
    limit(world, "staff@seoul-ubf.example", "meetup")
    limited = sign_in("staff@seoul-ubf.example")
    assert persons(limited.get(f"{PATH}?q=김하").text) == ["김하늘"]
    assert persons(limited.get(PATH, query_string={"q": people[0].number}).text) == []
    assert "/seoul-ubf/admin/events/wmc-2026" not in [address for _text, address in hits(limited.get(f"{PATH}?q=wmc").text)]
    assert "/seoul-ubf/admin/audit" not in [address for _text, address in hits(limited.get(PATH).text)]


def test_it_asks_as_often_for_many_as_for_one(seoul_owner, world, people, statements):
    seoul_owner.get(PATH)
    one = statements(lambda: seoul_owner.get(f"{PATH}?q=하늘"))
    assert statements(lambda: seoul_owner.get(f"{PATH}?q=example")) == one
