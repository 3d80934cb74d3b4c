"""Payments and refunds: the pages of staff and buyers, and each kind of refund in each way to pay, before and after."""
from tests.pictures.money_stage import KINDS, SLUG, WAYS, kinds
from tests.pictures.scene import OPERATOR, OWNERS, Scene
from tests.pictures.staff_stage import EMPTY

DEMO, HERE, NOTHING = "/seoul-ubf/admin", f"/{SLUG}/admin", f"/{EMPTY}/admin"
CONFERENCE = f"{DEMO}/events/wmc-2026"


def money_scenes(stage, locale: str) -> list[Scene]:
    at = stage.money
    return [
        Scene("event-rules", f"/{SLUG}/concert"), Scene("register-abroad", f"/{SLUG}/abroad/register"),
        *(Scene(f"payment-{state}-{name}", f"/{SLUG}/{event}/register/payment", order=f"money-{state}-{name}")
          for name, event in (("portone", "recital"), ("stripe", "abroad")) for state in ("open", "opening")),
        Scene("payment-opened-portone", f"/{SLUG}/recital/register/payment", order="money-opened-portone"),
        # With scripts the browser is on Stripe's page already.
        Scene("payment-opened-stripe", f"/{SLUG}/abroad/register/payment", order="money-opened-stripe", scripts=False),
        Scene("pay-link", at["pay-link"]), Scene("order-unpaid", at["unpaid-order"]),
        Scene("cancel-quote", f"{at['card-before-order']}/cancel", act=tick_everybody), Scene("cancel-account", f"{at['account-before-order']}/cancel", act=tick_everybody),
        Scene("refund-account", f"{at['needs-account-order']}/refund-account"), Scene("order-needs-account", at["needs-account-order"]),
        Scene("order-refunds", at["card-rule-order"]), Scene("order-cash-receipt", at["cash-receipt-order"]),
        Scene("cash-receipt", f"{at['manual-before-order']}/cash-receipt"),
        Scene("platform-webhooks", "/platform-admin/webhooks", who=OPERATOR),
        Scene("platform-webhook", at["platform-webhook"], who=OPERATOR),
        *(Scene(name, path, who=OWNERS[locale], staff=True, **more) for name, path, more in staff_pages(at)),
    ]


def staff_pages(at):
    pages = ("", "/movements", "/deposits", "/settlements", "/differences", "/payouts", "/receipts", "/webhooks")
    return [
        *((f"payments{page.replace('/', '-')}", f"{HERE if page == '/webhooks' else DEMO}/payments{page}", {}) for page in pages),
        *((f"payments{page.replace('/', '-')}-none", f"{NOTHING}/payments{page}", {"repeats": True}) for page in pages),
        ("payments-event", f"{CONFERENCE}/payments", {"repeats": True}), ("payments-cash-receipts", f"{DEMO}/payments/receipts?show=cash", {}),
        ("payments-filtered", f"{DEMO}/payments?status=paid&method=card", {"repeats": True}),
        ("payment-one", at["refused-payment"], {}), ("payment-external", at["external-payment"], {}),
        ("payment-refund", at["refused-refund"], {}), ("payment-refund-account", at["needs-account-refund"], {}),
        ("payments-webhook", at["webhook"], {}), ("ledger", at["card-line-ledger"], {}),
        ("accounts", f"{HERE}/settings/payments", {}), ("accounts-none", f"{NOTHING}/settings/payments", {"repeats": True}),
        ("accounts-choose", f"{HERE}/settings/payments/new", {}),
        *((f"accounts-new-{name}", f"{HERE}/settings/payments/new/{name}", {}) for name in ("toss", "portone", "stripe")),
        *((f"accounts-{name.removesuffix('-account')}", at[name], {}) for name in ("toss-test-account", "toss-live-account", "portone-wrong-account")),
        ("accounts-keys", f"{at['toss-test-account']}/keys", {}), ("accounts-event", f"{HERE}/events/recital/payment-account", {}),
        ("tax", f"{DEMO}/settings/tax", {}), ("refund-staff", at["staff-one-refund"], {}),
        ("refund-staff-line", at["staff-other-refund"], {"act": tick_dinner}),
        ("refund-rules", f"{HERE}/events/concert/refund-rules", {}),
        ("event-cancel", f"{HERE}/events/concert/cancel", {}), ("operations-refund", f"{HERE}/operations", {"repeats": True}),
    ]


def refund_scenes(stage, locale: str) -> list[Scene]:
    """A ledger for staff and a page for the buyer, in each way to pay: before, and after each kind of refund."""
    return [scene for way in WAYS for kind in KINDS if kind in kinds(way) for scene in (
        Scene(f"refunds-{way}-{kind}-ledger", stage.money[f"{way}-{kind}-ledger"], who=OWNERS[locale], few=True),
        Scene(f"refunds-{way}-{kind}-order", stage.money[f"{way}-{kind}-order"], few=True))]


# -- what people do ------------------------------------------------------------------------------------------

def tick_dinner(page) -> None:
    boxes = page.locator("main form input[type=checkbox][name=lines]")
    for place in range(boxes.count()):
        boxes.nth(place).set_checked(place == 1, force=True)
    page.wait_for_selector('[data-testid="amount"][data-amount="10000"]')
    page.wait_for_load_state("networkidle")


def tick_everybody(page) -> None:
    for box in page.locator("main form input[type=checkbox]").all():
        box.check(force=True)
    page.wait_for_load_state("networkidle")
