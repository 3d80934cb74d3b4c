"""The desk's first page: what waits, and how the events stand."""

from eventapp.extensions import db
from eventapp.models import Membership
from tests import make


def register(tenant, *, slug="meetup", program="seat", method="free"):
    with tenant.inside():
        made = make.order(
            tenant.event(slug), make.Participant("김하나", "hana@example.com", chosen={program: 1}), method=method
        )
        db.session.commit()
        return made


def row(page: str, slug: str) -> list[str]:
    """The figures of an event's line."""
    line = page.split(f'data-event="{slug}"')[1].split("</tr>")[0]
    return [cell.split("<")[0] for cell in line.split('class="number">')[1:]]


def test_what_waits_comes_first(seoul_owner, world):
    register(world.seoul)
    register(world.seoul, slug="wmc-2026", program="main-conference", method="manual_transfer")
    page = seoul_owner.get("/seoul-ubf/admin").text
    assert 'data-testid="waiting"' in page and 'data-testid="deposits"' in page
    assert "₩100,000" in page
    assert row(page, "meetup") == ["0", "0", "1", "0"]
    assert row(page, "wmc-2026") == ["0", "1", "0", "0"]


def test_with_nothing_to_do_it_says_so(seoul_owner):
    page = seoul_owner.get("/seoul-ubf/admin").text
    assert 'data-testid="waiting"' not in page and 'data-testid="deposits"' not in page
    assert row(page, "wmc-2026") == ["0", "0", "0", "0"]


def test_only_ones_own_organisation_is_counted(seoul_owner, busan_owner, world):
    register(world.busan)
    assert 'data-testid="waiting"' not in seoul_owner.get("/seoul-ubf/admin").text
    assert 'data-testid="waiting"' in busan_owner.get("/busan-meetup/admin").text


def test_who_is_limited_to_an_event_sees_that_event(sign_in, world):
    register(world.seoul)
    event, user = world.seoul.event("wmc-2026"), world.user("admin@seoul-ubf.example")
    db.session.get(Membership, (world.seoul.id, user.id)).event_ids = [event.id]
    db.session.commit()
    page = sign_in("admin@seoul-ubf.example").get("/seoul-ubf/admin").text
    assert 'data-event="wmc-2026"' in page and 'data-event="meetup"' not in page and 'data-testid="waiting"' not in page


def test_who_may_not_see_money_sees_none(sign_in, world):
    register(world.seoul, slug="wmc-2026", program="main-conference", method="manual_transfer")
    assert 'data-testid="deposits"' not in sign_in("staff@seoul-ubf.example").get("/seoul-ubf/admin").text


def test_on_its_own_host_the_desk_has_its_own_address(app):
    base, browser = "http://seoul-ubf.localhost", app.test_client()
    token = browser.get("/auth/login", base_url=base).text.split('name="csrf_token" value="')[1].split('"')[0]
    answer = browser.post(
        "/auth/login",
        {"email": "owner@seoul-ubf.example", "password": "demo-password", "csrf_token": token},
        base_url=base,
    )
    assert answer.location == "/admin"
    page = browser.get("/admin", base_url=base)
    assert page.status_code == 200 and 'href="/wmc-2026"' in page.text and "/seoul-ubf/" not in page.text


def test_every_link_leads_somewhere(seoul_owner, operator):
    import re

    for browser, start in (
        (seoul_owner, "/seoul-ubf/admin"),
        (operator, "/platform-admin"),
        (operator, "/platform-admin/organizations"),
        (seoul_owner, "/account"),
        (seoul_owner, "/account/security"),
    ):
        links = {
            link for link in re.findall(r'href="(/[^"#]*)"', browser.get(start).text) if not link.startswith("/static")
        }
        assert {link: browser.get(link).status_code for link in links if browser.get(link).status_code >= 400} == {}
