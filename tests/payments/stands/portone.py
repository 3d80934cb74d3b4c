"""PortOne with a channel that we confirm ourselves, and with one that takes the money in its window."""
import json

from eventapp import config
from eventapp.payments import portone
from eventapp.payments.provider import GatewayAccount
from eventapp.sandbox.portone_books import DEMO_SECRET
from tests.gateway import BROWSER
from tests.payments.stands import Stand

OPERATIONS = {"open": "register"}


class Portone(Stand):
    name = "portone"
    variables = ("CONTRACT_PORTONE_STORE_ID", "CONTRACT_PORTONE_CHANNEL_KEY", "CONTRACT_PORTONE_API_SECRET")
    contests = True
    approval = "manual"

    def account_of(self, ending: str, **changes) -> GatewayAccount:
        channel = f"channel-key-{ending}" + ("-manual" if self.approval == "manual" else "")
        return GatewayAccount("portone", **{
            "client_key": f"store-{ending}", "secret_keys": (f"portone_test_{ending}",),
            "api_url": f"{self.gateway.address}/portone", "sdk_url": f"{self.gateway.address}/portone/v2/browser-sdk.js",
            "webhook_secrets": (DEMO_SECRET,),
            "public": {"store_id": f"store-{ending}", "channel_key": channel, "approval": self.approval}} | changes)

    def real_account(self, keys):
        store_id, channel_key, secret = keys.values()
        return GatewayAccount("portone", client_key=store_id, secret_keys=(secret,), api_url=config.Settings.portone_api_url,
                              sdk_url=config.Settings.portone_sdk_url,
                              public={"store_id": store_id, "channel_key": channel_key, "approval": "automatic"})

    def window(self, intent, **changes) -> str:
        """As the SDK opens it; answers its address, or the page that refuses."""
        request = portone.create_checkout(self.account, intent).params["request"] | changes
        answer = BROWSER.get(f"{self.gateway.address}/portone/window", params={"request": json.dumps(request)})
        return self.gateway.address + answer.headers["location"] if answer.status_code == 303 else answer.text

    def press(self, intent, button):
        return self.gateway.press(self.window(intent), button)

    def fetch_ref(self, intent):
        return portone.fetch(self.account, self.ref(intent))

    def control(self, what, **body):
        return self.gateway.control(f"portone/{what}", **body)

    def books(self, **query):
        return BROWSER.get(f"{self.gateway.address}/control/portone/books", params=query).json()

    def deposit(self, payment):
        self.control("deposit", order_id=payment.order_ref)

    def told_at(self, url):
        self.control("webhooks", store_id=self.account.client_key, url=url)

    def in_books(self):
        return self.books(store_id=self.account.client_key)["balances"].get(self.account.client_key, 0)

    def fault(self, operation, fault, **more):
        self.gateway.fault(f"portone.{OPERATIONS.get(operation, operation)}", fault, **more)

    def cancel_elsewhere(self, payment, amount=None):
        self.control("cancel", order_id=payment.order_ref, **({"amount": amount} if amount else {}))

    def contest(self, payment, outcome=""):
        self.control("dispute", order_id=payment.order_ref, **({"outcome": outcome} if outcome else {}))


class Automatic(Portone):
    approval = "automatic"


STAND = Portone
ALSO = {"portone taking the money in its window": Automatic}
