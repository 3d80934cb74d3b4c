"""Stripe Checkout: a session that we order and fetch, a page of Stripe's, and no confirm."""
import json

from eventapp import config
from eventapp.payments.provider import GatewayAccount, GatewayRef
from tests.gateway import BROWSER
from tests.payments.stands import Stand

OPERATIONS = {"open": "stripe.open", "fetch": "stripe.fetch", "cancel": "stripe.cancel", "list": "stripe.list"}


class Stripe(Stand):
    name = "stripe"
    contests = True
    never = GatewayRef("ev_never_opened", "cs_test_neverOpened")
    variables = ("CONTRACT_STRIPE_PUBLISHABLE_KEY", "CONTRACT_STRIPE_SECRET_KEY")

    def account_of(self, ending: str, **changes) -> GatewayAccount:
        values = {"secret_keys": (f"sk_test_{ending}",), "webhook_secrets": (f"whsec_{ending}",)} | changes
        return GatewayAccount("stripe", client_key=f"pk_test_{ending}", api_url=f"{self.gateway.address}/stripe", **values)

    def real_account(self, keys):
        publishable, secret = keys.values()
        return GatewayAccount("stripe", client_key=publishable, secret_keys=(secret,), api_url=config.Settings.stripe_api_url)

    def press(self, intent, button):
        """A declined buyer stays on Stripe's page, and goes back from there."""
        page = f"{self.gateway.address}/stripe/pay/{self.opened[intent.order_ref].gateway_key}"
        if button == "decline":
            assert BROWSER.post(f"{page}/decline").status_code == 402
            button = "close"
        return self.gateway.press(page, button)

    def told_at(self, url):
        self.gateway.control("stripe/webhooks", client_key=self.account.client_key, url=url, secret=self.account.webhook_secrets[0])

    def in_books(self):
        books = json.loads(BROWSER.get(f"{self.gateway.address}/control/stripe/books", params={"client_key": self.account.client_key}).content)
        return books["balances"].get(self.account.client_key, 0)

    def fault(self, operation, fault):
        self.gateway.fault(OPERATIONS[operation], fault)

    def cancel_elsewhere(self, payment, amount=None):
        self.gateway.control("stripe/cancel", order_id=payment.order_ref, **({"amount": amount} if amount else {}))

    def contest(self, payment, outcome=""):
        self.gateway.control("stripe/dispute", order_id=payment.order_ref, **({"status": outcome} if outcome else {}))


STAND = Stripe
