"""The desk in a browser: by keyboard, in its cells, with its panel; and the same without scripts."""
import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from eventapp.domain.ordering import Participant
from eventapp.extensions import db
from eventapp.models import Registration
from tests import make

DESK = "/seoul-ubf/admin/events/wmc-2026/registrations"
PEOPLE = ["가나다", "나다라", "다라마", "라마바"]


@pytest.fixture
def four(world):
    for name in PEOPLE:
        make.order(world.seoul.event(), Participant(name=name, email=f"{len(name)}@example.com", chosen={"free-day": 1}), method="free")
    db.session.commit()
    world.seoul.enter()
    return {one.name: one.number for one in db.session.scalars(select(Registration))}


def enter(page):
    page.goto("/auth/login")
    page.fill("[name=email]", "owner@seoul-ubf.example")
    page.fill("[name=password]", "demo-password")
    page.click("main button[type=submit]")
    page.wait_for_url("**/seoul-ubf/admin")


def stands(world, number, key):
    world.seoul.enter()
    db.session.rollback()
    return db.session.scalar(select(getattr(Registration, key)).where(Registration.number == number))


def test_a_day_at_the_desk_by_keyboard(live, visit, world, four):
    page = visit(live, width=1280)
    enter(page)
    page.goto(DESK + "?sort=name")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("Shift+X")
    assert page.locator("[name=ids]:checked").evaluate_all("all => all.map((one) => one.value)") == [four["나다라"], four["다라마"]]
    assert page.inner_text("[data-ticked-count]") == "2"

    page.keyboard.press("o")
    page.wait_for_selector(f'#panel[data-registration="{four["다라마"]}"]')
    assert f"open={four['다라마']}" in page.url
    page.keyboard.press("j")
    page.wait_for_selector(f'#panel[data-registration="{four["라마바"]}"]')
    page.keyboard.press("Escape")
    page.wait_for_selector("#panel", state="hidden")
    assert "open" not in page.url and page.locator("[name=ids]:checked").count() == 2

    page.keyboard.press("/")
    page.keyboard.type("나다")
    expect(page.locator("#desk tbody tr")).to_have_count(2)
    page.wait_for_url("**q=*")
    expect(page.locator("#q")).to_have_value("나다")
    page.click(".chip-clear")
    expect(page.locator("#desk tbody tr")).to_have_count(4)
    expect(page.locator("#q")).to_have_value("")
    page.go_back()
    expect(page.locator("#desk tbody tr")).to_have_count(2)
    page.keyboard.press("?")
    assert page.locator("#desk-help").is_visible()


def test_a_cell_is_written_where_it_stands(live, visit, world, four):
    page = visit(live, width=1280)
    enter(page)
    page.goto(DESK + "?sort=name&columns=name,phone,tags,note")
    page.keyboard.press("j")
    page.keyboard.press("e")
    page.wait_for_selector(".cell-form")
    page.keyboard.type("가가가")
    page.keyboard.press("Tab")
    page.wait_for_selector('[data-key="phone"] .cell-form')
    page.keyboard.type("010-2222-3333")
    page.keyboard.press("Tab")
    page.wait_for_selector('[data-key="tags"] .cell-form')
    page.keyboard.type("choir")
    page.keyboard.press("Escape")
    page.wait_for_selector(".cell-form", state="detached")
    number = four["가나다"]
    assert [stands(world, number, key) for key in ("name", "phone", "tags")] == ["가가가", "+821022223333", []]
    assert page.locator(f"#row_{number} .cell-text").all_inner_texts()[0] == "010-2222-3333"


def test_what_another_has_written_meanwhile_is_shown_beside_ones_own(live, visit, world, four):
    page = visit(live, width=1280)
    enter(page)
    page.goto(DESK + "?sort=name&columns=name,note")
    number = four["가나다"]
    note = page.locator(f'#row_{number} [data-key="note"]')
    note.hover()
    note.locator(".cell-edit").click()
    page.wait_for_selector(".cell-form textarea")
    one = db.session.scalar(select(Registration).where(Registration.number == number))
    one.note = "came late"
    db.session.commit()
    page.fill(".cell-form textarea", "needs a chair")
    page.keyboard.press("Enter")
    page.wait_for_selector(".is-overtaken")
    assert "came late" in page.inner_text(".cell-both") and page.input_value(".cell-form textarea") == "needs a chair"
    visit.complaints[:] = [line for line in visit.complaints if "409" not in line]  # the browser says each refusal aloud
    page.click(".cell-form button")
    page.wait_for_selector(".cell-form", state="detached")
    assert stands(world, number, "note") == "needs a chair"


def test_without_scripts_the_desk_is_links_and_forms(live, visit, world, four):
    page = visit(live, width=1280, scripts=False)
    enter(page)
    page.goto(DESK)
    page.fill("#q", "가나")
    page.click("#filters .no-scripts >> text=Search")
    assert page.locator("#desk tbody tr").count() == 1
    page.click("[data-open]")
    assert four["가나다"] in page.inner_text("#panel")
    page.click('#panel [data-panel="close"]')
    assert page.locator("#panel").is_hidden()
    page.locator('[data-key="phone"]').hover()
    page.locator('[data-key="phone"] .cell-edit').click()
    page.fill("[name=value]", "010-2222-3333")
    page.click("main form >> text=Save")
    assert page.locator("#desk tbody tr").count() == 1 and "010-2222-3333" in page.inner_text("#desk")
    assert page.locator(".bulk-bar").is_visible()
