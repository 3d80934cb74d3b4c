"""The staff's pages: what is photographed of them, and what the browser test reads."""
from functools import partial

from eventapp.domain.bulk_actions import ACTIONS
from tests.pictures.scene import OWNERS, Scene
from tests.pictures.staff_stage import EMPTY, SLUG

ADMIN, HERE, CONFERENCE = "/seoul-ubf/admin", f"/{SLUG}/admin", "/seoul-ubf/admin/events/wmc-2026"
DESK, RETREAT = f"{CONFERENCE}/registrations", f"{HERE}/events/retreat"
FILTERED = f"{DESK}?status=pending_payment&status=confirmed&method=manual_transfer&paid=no"
COLUMNS = "number,name,status,email,phone,programs,tags,note,total,paid,method,created"
NOTE = f"{RETREAT}/registrations?columns=name,phone,note"


def staff_scenes(stage, locale: str) -> list[Scene]:
    at = stage.staff
    return [Scene(name, path, who=OWNERS[locale], staff=True, **more) for name, path, more in (
        ("home", ADMIN, {}), ("home-empty", f"/{EMPTY}/admin", {}),
        ("events", f"{ADMIN}/events", {}), ("events-empty", f"/{EMPTY}/admin/events", {}),
        ("events-one", CONFERENCE, {}), ("events-one-today", RETREAT, {"repeats": True}),
        *desks(at),
        *operations(at, locale),
        *registrations(at),
        ("audit", f"{ADMIN}/audit", {}), ("audit-nothing", f"{ADMIN}/audit?number=WMC26-NOBODY", {"repeats": True}),
        ("palette", f"{ADMIN}/palette?q=kim", {}), ("palette-open", ADMIN, {"act": open_palette, "fold": True}),
        ("emails-failed", f"{HERE}/emails/failed", {}), ("emails-none", f"/{EMPTY}/admin/emails/failed", {"repeats": True}),
        ("adding", f"{RETREAT}/registrations/new", {}), ("adding-errors", f"{RETREAT}/registrations/new", {"act": add_wrongly, "status": 422}),
        ("import", f"{RETREAT}/import", {}), ("import-look", at["import"], {}), ("import-result", at["imported"], {}),
        *doors(at, locale),
    )]


def desks(at):
    return [
        ("desk", DESK, {}), ("desk-empty", f"{HERE}/events/autumn/registrations", {}), ("desk-25", f"{HERE}/events/camp/registrations?size=25", {"repeats": True}),
        ("desk-all", f"{ADMIN}/registrations", {"repeats": True}), ("desk-filtered", FILTERED, {}), ("desk-nobody", f"{DESK}?q=nobody+of+that+name", {"repeats": True}),
        ("desk-columns", f"{DESK}?columns={COLUMNS}&density=compact", {}), ("desk-panel", f"{DESK}?open={at['open']}", {}),
        ("desk-ticked", DESK, {"act": tick, "fold": True}), ("desk-filters", DESK, {"act": partial(unfold, "#filters summary"), "fold": True}),
        ("desk-views", DESK, {"act": partial(unfold, ".desk-menu:has(.desk-views) summary"), "fold": True}),
        ("desk-help", DESK, {"act": ask_for_help, "fold": True}), ("desk-bulk", f"{HERE}/events/camp/registrations", {"act": look_ahead, "fold": True}),
        ("desk-cell", NOTE, {"act": write, "fold": True}), ("desk-cell-wrong", NOTE, {"act": write_wrongly, "status": 422, "fold": True}),
        ("desk-cell-conflict", NOTE, {"act": write_late, "status": 409, "fold": True}),
        ("view", f"{CONFERENCE}/views?status=pending_payment", {}),
    ]


def operations(at, locale: str):
    alike = {"tag", "mark_paid", "cancel", "check_in"}
    return [
        ("operations", f"{HERE}/operations", {}), ("operations-none", f"/{EMPTY}/admin/operations", {"repeats": True}),
        *((f"ahead-{action}", at[f"ahead-{action}-{locale}"], {"repeats": action in alike}) for action in (*ACTIONS, "nothing")),
        *((f"ahead-{action}-errors", at[f"ahead-{action}-{locale}"], {"act": confirm, "status": 422, "repeats": action != "send_email"})
          for action in ("reject", "tag", "send_email")),
        ("operation-result", at["result"], {}), ("operation-mixed", at["mixed"], {"repeats": True}), ("operation-undone", at["undone"], {"repeats": True}),
        ("operation-running", at["running"], {}),
    ]


def registrations(at):
    return [
        ("registration", at["plain"], {}), ("registration-owing", at["owing"], {"repeats": True}), ("registration-cancelled", at["gone"], {"repeats": True}),
        ("registration-sixty", at["sixty"], {"act": partial(unfold, "details:has(.mates) > summary")}), ("registration-letter", at["letter"], {}), ("registration-programs", at["programs"], {"act": choose_more}),
        ("registration-details", f"{at['plain']}/details", {}),
        ("registration-details-errors", f"{at['plain']}/details", {"act": mistake_details, "status": 422, "repeats": True}),
    ]


def doors(at, locale: str):
    door = f"{RETREAT}/checkin"
    scans = [("ok", f"ok-{locale}"), ("already", "already"), ("cancelled", "cancelled"), ("invalid", "invalid")]
    return [
        ("doors", f"{HERE}/doors", {}), ("doors-none", f"/{EMPTY}/admin/doors", {"repeats": True}), ("doors-arrivals", f"{door}/overview", {}),
        ("doors-conflicts", f"{door}/conflicts", {}), ("doors-conflicts-none", f"{CONFERENCE}/checkin/conflicts", {"repeats": True}),
        ("doors-checkpoints", f"{door}/checkpoints", {}), ("doors-checkpoint-errors", f"{door}/checkpoints/new", {"act": save_nothing, "status": 422}),
        ("doors-devices", f"{door}/devices", {}), ("doors-invitation", f"{door}/devices", {"act": invite}),
        ("door", door, {"act": ready}), ("door-plain", f"{door}?q=김", {"scripts": False}), ("door-search", door, {"act": partial(search, "김")}),
        ("door-unpaid", door, {"act": partial(choose, "배준호"), "repeats": True}),
        *((f"door-{result}", door, {"act": partial(scan, at[f"ticket-{ticket}"]), "repeats": result in ("cancelled", "invalid")})
          for result, ticket in scans),
    ]


def crowd_scenes(locale: str) -> list[Scene]:
    """The same desk with a hundred thousand rows."""
    desk = f"{ADMIN}/events/online-rally/registrations"
    return [Scene(f"crowd-{name}", path, who=OWNERS[locale], staff=True, **more) for name, path, more in (
        ("first", desk, {}), ("middle", f"{desk}?page=1000", {}), ("search", f"{desk}?q=Okafor", {}),
        ("filtered", f"{desk}?status=confirmed&method=manual_transfer&tag=volunteer", {}), ("bulk", desk, {"act": look_at_everybody, "fold": True}))]


# -- what people do ------------------------------------------------------------------------------------------

TYPE = """(code) => {
  for (const letter of code) press(letter, /\\d/.test(letter) ? `Digit${letter}` : `Key${letter}`);
  press("Enter", "Enter");
  function press(key, code) {
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, code, bubbles: true, cancelable: true }));
  }
}"""
WIDE = {"width": 1280, "height": 900}


def open_palette(page) -> None:
    page.click("[data-palette-open]")
    page.fill("#palette input", "kim")
    page.wait_for_selector(".palette-hit")


def add_wrongly(page) -> None:
    page.fill('[name="email"]', "hana@")
    page.locator('[name="again"]').click()
    page.wait_for_selector("[data-error-for]")


def tick(page, selector: str = "input[name=ids]") -> None:
    for box in page.locator(selector).all()[:3]:
        box.check(force=True)
    page.wait_for_function("document.querySelector('[data-ticked-count]').textContent !== '0'")


def look_ahead(page) -> None:
    tick(page)
    page.click("button[data-action=reject]")
    page.wait_for_selector("dialog[open] [data-testid=bulk-confirm]")


def look_at_everybody(page) -> None:
    page.locator("input[name=ids]").first.check(force=True)
    page.check("input[name=all]", force=True)
    page.click("button[data-action=send_email]")
    page.wait_for_selector("dialog[open] [data-testid=bulk-confirm]")


def unfold(selector: str, page) -> None:
    page.locator(selector).first.click()


def ask_for_help(page) -> None:
    page.keyboard.press("?")
    page.wait_for_selector("#desk-help[open]")


def write(page, key: str = "note") -> None:
    page.set_viewport_size(WIDE)
    cell = page.locator(f'#desk tbody tr [data-key="{key}"]').first
    cell.hover()
    cell.locator(".cell-edit").click()
    page.wait_for_selector(".cell-form [name=value]")


def write_wrongly(page) -> None:
    write(page, "phone")
    page.fill(".cell-form [name=value]", "12")
    page.keyboard.press("Enter")
    page.wait_for_selector(".cell-form [data-error-for], .cell-form .error")


def write_late(page) -> None:
    write(page)
    page.locator(".cell-form [name=was]").evaluate("(one) => { one.value = 'something else' }")
    page.fill(".cell-form [name=value]", "의자를 하나 더")
    page.keyboard.press("Enter")
    page.wait_for_selector(".is-overtaken")


def confirm(page) -> None:
    page.locator("[data-testid=bulk-confirm] button[type=submit]").click()
    page.wait_for_selector("[data-error-for]")


def choose_more(page) -> None:
    before = page.get_by_test_id("difference").get_attribute("data-amount")
    page.locator("#change input[type=checkbox][name=program]:not(:checked)").first.check()
    page.wait_for_function("(before) => document.querySelector('[data-testid=difference]').dataset.amount !== before", arg=before)


def mistake_details(page) -> None:
    page.fill('[name="email"]', "hana@")
    page.fill('[name="phone"]', "12")
    page.locator("main form button[type=submit]").last.click()
    page.wait_for_selector("[data-error-for]")


def save_nothing(page) -> None:
    page.locator("main form button[type=submit]").last.click()
    page.wait_for_selector("[data-error-for]")


def invite(page) -> None:
    page.fill('[name="name"]', "C문")
    page.locator("main form button[type=submit]").first.click()
    page.wait_for_selector('[data-testid="invitation"]')


def ready(page) -> None:
    page.wait_for_function("document.querySelector('#status')?.dataset.state === 'online' && document.querySelector('#came').textContent !== '–'")


def search(text: str, page) -> None:
    ready(page)
    page.fill("#code", text)
    page.wait_for_selector("#people .door-person")


def choose(name: str, page) -> None:
    search(name, page)
    page.locator("#people .door-person").first.click()
    page.locator("#confirm button").first.click()
    page.wait_for_selector("#verdict[data-result]:not([hidden])")


def scan(code: str, page) -> None:
    """As a USB scanner types it. A yes would go by itself after some seconds."""
    ready(page)
    page.evaluate("() => { const real = setTimeout; window.setTimeout = (then, wait, ...more) => wait === 4000 ? 0 : real(then, wait, ...more); }")
    page.evaluate(TYPE, code)
    page.wait_for_selector("#verdict[data-result]:not([hidden])")
