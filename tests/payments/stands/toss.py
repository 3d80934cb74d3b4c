"""TossPayments: the payment window, confirmed by us."""
import json

from eventapp import config
from eventapp.payments import toss
from eventapp.payments.provider import GatewayAccount
from tests.gateway import BROWSER
from tests.payments.stands import Stand


class Toss(Stand):
    name = "toss"
    variables = ("CONTRACT_TOSS_CLIENT_KEY", "CONTRACT_TOSS_SECRET_KEY")

    def account_of(self, ending: str, **changes) -> GatewayAccount:
        return self.gateway.account_of(ending, **changes)

    def real_account(self, keys):
        client_key, secret_key = keys.values()
        return GatewayAccount("toss", client_key=client_key, secret_keys=(secret_key,),
                              api_url=config.Settings.toss_api_url, sdk_url=config.Settings.toss_sdk_url)

    def press(self, intent, button):
        checkout = toss.create_checkout(self.account, intent)
        answer = BROWSER.get(f"{self.gateway.address}/toss/window", params={
            "clientKey": checkout.public_key, "customerKey": checkout.params["customerKey"],
            "request": json.dumps(checkout.params["request"])})
        return self.gateway.press(self.gateway.address + answer.headers["location"], button)

    def deposit(self, payment):
        self.gateway.control("deposit", order_id=payment.order_ref)

    def told_at(self, url):
        self.gateway.control("webhooks", client_key=self.account.client_key, url=url)

    def in_books(self):
        return self.gateway.books(client_key=self.account.client_key)["balances"].get(self.account.client_key, 0)

    def fault(self, operation, fault):
        self.gateway.fault(operation, fault)

    def cancel_elsewhere(self, payment, amount=None):
        self.gateway.control("cancel", order_id=payment.order_ref, **({"amount": amount} if amount else {}))


STAND = Toss
