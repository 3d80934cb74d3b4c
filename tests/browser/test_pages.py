"""Every page as the browser sees it: axe, its console, what it loads, its width, and the keyboard."""
from pathlib import Path

import pytest

from eventapp import release, tenancy
from tests.conftest import dispose, server
from tests.pictures import camera
from tests.pictures.scenes import scenes
from tests.pictures.stage import stage

AXE = (Path(__file__).parents[1] / "vendor" / "axe.min.js").read_text()
RUN = """async (rules) => {
  const found = await axe.run(document, rules.length ? { runOnly: rules } : {});
  return found.violations.map((one) => `${one.id} on ${one.nodes.map((node) => node.target.join(" ")).slice(0, 3).join(", ")}: `
    + one.nodes[0].failureSummary.replace(/\\s+/g, " "));
}"""
RULES = {(390, "light"): [], (390, "dark"): ["color-contrast", "link-in-text-block"], (1280, "dark"): []}
"""Of axe at each look; none named is all of them. What a theme decides is asked in both, the rest at each width."""
TURNS = [("ko", 390, "light"), ("en", 1280, "dark"), ("ko", 1280, "light"), ("en", 390, "dark"), ("ko", 820, "dark"), ("en", 820, "light")]
"""Of the staff's pages, which are made of the same pieces: each is read once, the next one in the next language and look."""
REGISTER = "/seoul-ubf/wmc-2026/register"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shown(whole_app, worker_database):
    """The stage of `make pictures`, in a database of this process."""
    dispose(whole_app)
    with server() as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{worker_database}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{worker_database}"')
    tenancy.lookup.seen.clear()
    whole_app.wsgi_app.entries.clear()
    with whole_app.app_context():
        release.release(whole_app.config["SETTINGS"])
    whole_app.testing = False
    with stage(whole_app) as made:
        yield made
    whole_app.testing = True
    tenancy.lookup.seen.clear()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with camera.browser(tmp_path_factory.mktemp("chromium")) as chromium:
        yield chromium


@pytest.mark.parametrize("locale", ["ko", "en"])
def test_every_page(shown, chromium, locale):
    visits, problems = camera.Visits(chromium, shown, locale), []
    for scene, looks in turns(scenes(shown, locale), locale):
        page = visits.open(scene)
        problems += [f"{scene.name}-{locale}: {problem}" for problem in read(page, scene, looks)]
        page.close()
    visits.close()
    found = problems + visits.complaints
    assert not found, "\n".join(["", *found])


def turns(every, locale):
    """(scene, {look: axe's rules, or None where only the width is asked}). axe does not ask for the language, so one is enough."""
    for scene in every:
        if not scene.staff:
            themes = ("light", "dark") if locale == "ko" else ("light",)
            yield scene, {(width, theme): rules_of(scene, (width, theme)) if locale == "ko" else None for width in (390, 1280) for theme in themes}
    for number, scene in enumerate(scene for scene in every if scene.staff and not scene.repeats):
        language, wide, theme = TURNS[number % len(TURNS)]
        if language == locale:
            yield scene, {(width, theme): [] if width == wide else None for width in camera.WIDTHS}


def rules_of(scene, look):
    """Colours do not depend on the width."""
    rules = RULES.get(look)
    return None if scene.repeats and (look[0], rules) != (390, []) else rules


def read(page, scene, looks):
    """What is wrong with a page."""
    if (headings := page.locator("h1").count()) != 1:
        yield f"{headings} first headings"
    if scene.scripts:
        page.evaluate(AXE)
    for width, theme in camera.looks(page, looks):
        if (needed := page.evaluate("document.documentElement.scrollWidth")) > width:
            yield f"{needed} pixels wide at {width}"
        rules = looks[width, theme]
        if scene.scripts and rules is not None:
            yield from (f"{width} {theme} {line}" for line in page.evaluate(RUN, rules))


# -- the keyboard --------------------------------------------------------------------------------------------

CONTROLS = """() => [...document.querySelectorAll("main a[href], main button, main input, main select, main textarea, main summary")]
  .filter((one) => one.type !== "hidden" && !one.disabled && one.checkVisibility({ visibilityProperty: true }))"""
NAME = "one.name ? `${one.name} ${one.type === 'radio' || one.type === 'checkbox' ? one.value : ''}` : one.textContent.trim()"
FOCUSED = f"""() => {{
  const one = document.activeElement, ringed = (element) => {{
    const style = element && getComputedStyle(element);
    return !!style && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  }};
  // A card or a switch is drawn around its hidden input.
  return one.closest("main") && [{NAME}, ringed(one) || ringed(one.closest("label")) || ringed(one.parentElement) || ringed(one.nextElementSibling)
    || ringed(one.closest("[data-program]"))];
}}"""


def test_the_keyboard_reaches_every_control_of_the_form_and_shows_where_it_is(shown, chromium):
    visits = camera.Visits(chromium, shown, "en")
    page = visits.context("", True).new_page()
    page.goto(REGISTER)
    names = page.evaluate(f"() => ({CONTROLS})().map((one) => {NAME})")
    groups = set(page.evaluate(f"() => ({CONTROLS})().filter((one) => one.type === 'radio').map((one) => one.name)"))
    reached, dark = set(), []
    page.locator("main").focus()
    for _ in range(len(names) + 20):
        page.keyboard.press("Tab")
        if focused := page.evaluate(FOCUSED):
            reached.add(focused[0])
            dark += [focused[0]] * (not focused[1])
    # Of a group of radio buttons the keyboard reaches one, and the arrows the others.
    missed = [name for name in names if name not in reached and name.split(" ")[0] not in groups]
    assert (missed, dark) == ([], [])
    assert all(any(name.split(" ")[0] == group for name in reached) for group in groups)
    visits.close()


def test_enter_sends_the_form(shown, chromium):
    visits = camera.Visits(chromium, shown, "en")
    page = visits.context("", True).new_page()
    page.goto(REGISTER)
    page.fill('[name="name"]', "김하나")
    page.check('[name="program"][value="main-conference"]', force=True)
    page.wait_for_selector('[data-testid="total"][data-amount="120000"]')
    page.fill('[name="email"]', "enter@example.com")
    page.keyboard.press("Enter")
    page.wait_for_url("**/register/payment")
    visits.close()
