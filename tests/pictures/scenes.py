"""What is photographed, and what the browser test reads."""
from eventapp import mail
from tests.pictures.money_scenes import money_scenes
from tests.pictures.scene import OPERATOR, PARTICIPANT, STAFF, Scene
from tests.pictures.staff_scenes import staff_scenes
from tests.pictures.stage import SLUG, Stage

WMC = "/seoul-ubf/wmc-2026"


def scenes(stage: Stage, locale: str) -> list[Scene]:
    orders, at = stage.orders, f"/{SLUG}"
    return [
        Scene("landing", "/"), Scene("organization", "/seoul-ubf"), Scene("organization-plain", at),
        Scene("event", WMC), Scene("event-fold", WMC, fold=True), Scene("event-free", "/hanbit-university/open-lecture"),
        Scene("event-approval", "/busan-meetup/build-night"), Scene("event-past", "/seoul-ubf/summer-retreat"),
        *(Scene(f"event-{state}", f"{at}/{state}") for state in ("scarce", "sold-out", "closed", "cancelled", "not-yet", "long")),
        Scene("register", f"{WMC}/register"), Scene("register-filled", f"{WMC}/register", act=fill_in),
        Scene("register-errors", f"{WMC}/register", act=make_mistakes, status=422),
        Scene("register-forty", f"{WMC}/register?participants=40", repeats=True), Scene("register-free", "/hanbit-university/open-lecture/register"),
        Scene("register-approval", "/busan-meetup/build-night/register"), Scene("register-long", f"{at}/long/register"),
        Scene("register-sold-out", f"{at}/sold-out/register"), Scene("register-signed-in", f"{WMC}/register", who=PARTICIPANT),
        Scene("payment", f"{WMC}/register/payment", order="card"),
        Scene("payment-plain", f"{WMC}/register/payment", order="card", scripts=False),
        Scene("payment-failed", f"/payment/fail?ref={stage.references['failed']}&code=REJECT_CARD_PAYMENT", order="failed"),
        Scene("payment-checking", f"/payment/success?ref={stage.references['checking']}", order="checking"),
        Scene("success", "/registration/success", order="confirmed"), Scene("success-eight", "/registration/success", order="eight"),
        Scene("success-deposit", "/registration/success", order="deposit"),
        Scene("success-transfer", "/registration/success", order="owing"),
        Scene("success-approval", "/registration/success", order="approval"),
        *(Scene(f"order-{state}", orders[state]) for state in
          ("confirmed", "eight", "owing", "deposit", "approval", "cancelled", "expired", "card", "approved", "rejected")),
        Scene("order-cancel", orders["confirmed"] + "/cancel"), Scene("order-cancel-eight", orders["eight"] + "/cancel"),
        Scene("login", "/auth/login"), Scene("login-wrong", "/auth/login", act=sign_in_wrongly, status=422), Scene("signup", "/auth/signup"),
        Scene("signup-wrong", "/auth/signup", act=sign_up_wrongly, status=422), Scene("reset", "/auth/reset"),
        Scene("reset-sent", "/auth/reset", act=ask_for_reset),
        Scene("account", "/account", who=PARTICIPANT), Scene("account-security", "/account/security", who=PARTICIPANT),
        Scene("account-password", "/account/password", who=PARTICIPANT), Scene("account-cancel", stage.cancel, who=PARTICIPANT),
        Scene("platform", "/platform-admin", who=OPERATOR),
        Scene("platform-organizations", "/platform-admin/organizations", who=OPERATOR),
        Scene("error-404", "/seoul-ubf/nothing-here", status=404), Scene("error-403", "/seoul-ubf/admin", who=STAFF, status=403),
        *(Scene(f"error-{status}", f"/dev/ui?status={status}", status=status) for status in (400, 413, 429, 500, 503)),
        Scene("ui", "/dev/ui"), Scene("mailbox", "/dev/mailbox"),
        Scene("mailbox-letter", f"/dev/mailbox/{stage.letters['order_confirmed', locale]}"),
        *(Scene(f"mail-{kind}", f"/dev/mailbox/{stage.letters[kind, locale]}/html") for kind in mail.KINDS),
        *money_scenes(stage, locale),
        *staff_scenes(stage, locale),
    ]


# -- what people do ------------------------------------------------------------------------------------------

def fill_in(page) -> None:
    page.fill('[name="name"]', "김하나")
    page.fill('[name="email"]', "hana.kim@example.com")
    page.fill('[name="phone"]', "010-2345-6789")
    for program in ("main-conference", "lodging", "campus-workshop"):
        page.click(f'[data-program="{program}"]')
    page.check('[name="field-arrival"][value="flight"]', force=True)
    page.fill('[name="field-flight"]', "KE018")
    page.wait_for_selector('[data-testid="total"][data-amount="230000"]')


def make_mistakes(page) -> None:
    page.fill('[name="name"]', "김하나")
    page.fill('[name="email"]', "hana.kim@")
    page.fill('[name="phone"]', "12")
    page.click('[data-program="campus-workshop"]')
    page.get_by_test_id("pay-button").click()
    page.wait_for_selector('[data-error-for="email"]')


def sign_in_wrongly(page) -> None:
    page.fill('[name="email"]', "owner@seoul-ubf.example")
    page.fill('[name="password"]', "not the password")
    page.keyboard.press("Enter")
    page.wait_for_selector('[role="alert"], [data-error-for]')


def sign_up_wrongly(page) -> None:
    page.fill('[name="name"]', "김하나")
    page.fill('[name="email"]', "hana@example")
    page.fill('[name="password"]', "12345678")
    page.keyboard.press("Enter")
    page.wait_for_selector('[data-error-for]')


def ask_for_reset(page) -> None:
    page.fill('[name="email"]', "hana.kim@example.com")
    page.keyboard.press("Enter")
    page.wait_for_url("**/reset/sent")
