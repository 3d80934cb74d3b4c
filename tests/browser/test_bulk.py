"""Doing something to many, as staff see it: ticked, looked at, done, and undone while the seconds run."""
import pytest
from sqlalchemy import func, select

from eventapp.extensions import db
from eventapp.models import Registration
from tests import crowds, make

DESK = "/seoul-ubf/admin/events/camp/registrations"


@pytest.fixture
def camp(world):
    world.seoul.enter()
    event = make.event("camp", make.both("여름 수련회", "Summer camp"), "CAMP", approval="before_payment")
    program = make.program(event, "stay", 100_000, capacity=300)
    make.form(event)
    db.session.commit()
    crowds.waiting(event, program, 12)
    return event


@pytest.fixture
def staff(visit, live):
    """A browser of the owner's."""
    def signed_in(**options):
        page = visit(live, **options)
        page.goto("/auth/login")
        page.fill("input[name=email]", "owner@seoul-ubf.example")
        page.fill("input[name=password]", "demo-password")
        page.click("main button[type=submit]")
        page.wait_for_url("**/seoul-ubf/admin**")
        return page
    return signed_in


def waiting() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).where(Registration.code == "CAMP", Registration.status == "pending_approval"))


def test_closed_too_soon_the_button_to_undo_stays_in_sight(camp, staff, world):
    page = staff(width=390)
    page.goto(DESK)
    page.locator("input[name=ids]").first.check()
    page.click("button[data-action=approve]")
    dialog = page.locator("dialog[open]")
    dialog.get_by_role("button", name="Approve 1").click()
    dialog.locator("[data-testid=bulk-result][data-ok='1']").wait_for()
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    page.locator(".undo-floating button").click()
    page.locator("[data-testid=bulk-result][data-state=undone]").wait_for()
    world.seoul.enter()
    assert waiting() == 12


def test_ticked_approved_and_undone_beside_the_table(camp, staff, world):
    page = staff(width=1280)
    page.goto(DESK)
    for box in page.locator("input[name=ids]").all()[:3]:
        box.check()
    page.click("button[data-action=approve]")
    dialog = page.locator("dialog[open]")
    dialog.locator("[data-testid=bulk-confirm]").wait_for()
    dialog.get_by_role("button", name="Approve 3").click()
    dialog.locator("[data-testid=bulk-result][data-ok='3']").wait_for()
    page.locator("tr[data-status=pending_payment]").nth(2).wait_for()  # the table has drawn itself anew
    world.seoul.enter()
    assert waiting() == 9
    page.wait_for_function("() => document.querySelector('[data-undo-left]').textContent.includes('seconds left')")
    dialog.locator("[data-testid=undo] button").click()
    dialog.locator("[data-testid=bulk-result][data-state=undone]").wait_for()
    world.seoul.enter()
    assert waiting() == 12
    page.keyboard.press("Escape")
    page.wait_for_function("() => !document.querySelector('dialog[open]')")
    page.locator("tr[data-status=pending_approval]").nth(11).wait_for()


def test_many_are_counted_while_they_are_done_also_after_a_reload(camp, staff, world, stay_many):
    page = staff(width=1280)
    page.goto(f"{DESK}?status=pending_approval")
    page.locator("input[name=ids]").first.check()
    page.check("input[name=all]")
    page.click("button[data-action=approve]")
    page.locator("[data-testid=bulk-confirm] button[type=submit]").click()
    page.locator("#operation progress, [data-testid=bulk-result]").first.wait_for()
    page.goto("/seoul-ubf/admin/operations")
    page.click("[data-testid=operations] tbody a")
    page.locator("[data-testid=bulk-result][data-ok='300'][data-failed='212']").wait_for(timeout=30_000)
    assert page.locator("details summary", has_text="212 over capacity").count() == 1


@pytest.fixture
def stay_many(camp, world):
    crowds.waiting(camp, world.seoul.program("stay"), 500, mark="more")


def test_without_scripts_it_is_two_pages_and_a_button(camp, staff, world, visit):
    page = staff(width=390, scripts=False)
    page.goto(DESK)
    page.locator("input[name=ids]").first.check()
    page.locator("button[data-action=reject]").click()
    page.locator("[data-testid=bulk-confirm] button[type=submit]").click()
    assert page.locator("[data-error-for=reason]").count() == 1
    visit.complaints.clear()  # the browser tells of the 422
    page.fill("textarea[name=reason]", "No room this year")
    page.locator("[data-testid=bulk-confirm] button[type=submit]").click()
    assert page.locator("[data-testid=bulk-result]").get_attribute("data-ok") == "1"
    page.locator("[data-testid=undo] button").click()
    assert page.locator("[data-state=undone]").count() == 1
    world.seoul.enter()
    assert waiting() == 12
