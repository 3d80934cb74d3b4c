"""The staff's frame as the browser has it: the search by keyboard alone, the menu of a phone without scripts."""
import pytest

from eventapp.extensions import db
from tests import make


@pytest.fixture
def people(world):
    for name in ("김하나", "김하늘"):
        with world.seoul.inside():
            make.order(world.seoul.event(), make.Participant(name, "hana@example.com", chosen={"free-day": 1}), method="free")
            db.session.commit()
    return {one.name: one.number for one in world.seoul.registrations()}


def signed_in(page):
    page.goto("/auth/login")
    page.fill('[name="email"]', "owner@seoul-ubf.example")
    page.fill('[name="password"]', "demo-password")
    page.keyboard.press("Enter")
    page.wait_for_url("**/seoul-ubf/admin")
    return page


def test_the_search_is_used_by_keyboard_alone(live, visit, people):
    page = signed_in(visit(live, width=1280))
    page.keyboard.press("Control+k")
    page.wait_for_selector("dialog#palette[open] .palette-hit")
    page.keyboard.type("김하")
    page.wait_for_selector('#palette_results[data-q="김하"]')
    assert page.locator(".palette-text").all_text_contents() == ["김하늘", "김하나"]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert "김하나" in page.evaluate("document.activeElement.textContent")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.name") == "q"
    page.keyboard.press("ArrowDown")
    page.keyboard.type("늘")  # a letter goes back to the field
    page.wait_for_selector('#palette_results[data-q="김하늘"]')
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/registrations/{people['김하늘']}")


def test_escape_and_the_same_keys_close_the_search(live, visit):
    page = signed_in(visit(live, width=1280))
    for closing in ("Escape", "Control+k"):
        page.click("[data-palette-open]")
        page.wait_for_selector("dialog#palette[open]")
        page.keyboard.type("x")
        page.keyboard.press(closing)
        page.wait_for_selector("dialog#palette", state="hidden")
    assert page.url.endswith("/seoul-ubf/admin")


def test_enter_before_anything_was_found_goes_to_the_page_of_results(live, visit, people):
    page = signed_in(visit(live, width=1280))
    page.keyboard.press("Control+k")
    page.wait_for_selector("dialog#palette[open] .palette-hit")
    page.route("**/palette?q=*", lambda route: route.continue_() if route.request.is_navigation_request() else route.abort())
    page.locator("#palette_q").fill("김하나")
    page.keyboard.press("Enter")
    page.wait_for_url("**/palette?q=*")
    assert page.locator(".palette-text").all_text_contents() == ["김하나"]


def test_on_a_phone_the_menu_needs_no_script(live, visit):
    page = signed_in(visit(live, scripts=False))
    link = page.get_by_role("link", name="Events", exact=True)
    assert not link.is_visible()
    page.get_by_role("button", name="Menu").click()
    link.click()
    page.wait_for_url("**/admin/events")
    page.get_by_role("link", name="Search", exact=True).click()
    page.fill('[name="q"]', "mission")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="World Mission Conference 2026").click()
    page.wait_for_url("**/events/wmc-2026")


def test_on_a_phone_the_menu_has_everything_and_closes(live, visit):
    page = signed_in(visit(live))
    page.get_by_role("button", name="Menu").click()
    page.locator(".sidebar-end summary").click()
    page.get_by_role("button", name="한국어").click()
    page.wait_for_selector('html[lang="ko"]')
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator(".topbar-menu").click()
    page.keyboard.press("Escape")
    assert not page.locator(".sidebar").is_visible()
