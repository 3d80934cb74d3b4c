"""The sandbox as a running server, a buyer in front of it and a shop's webhook address behind it."""
import json
import secrets
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from eventapp.money import Money
from eventapp.payments import toss
from eventapp.payments.provider import (
    CARD,
    VIRTUAL_ACCOUNT,
    CancelRequest,
    GatewayAccount,
    GatewayPayment,
    GatewayRef,
    PaymentIntent,
    RefundAccount,
    ReturnHint,
    VirtualAccountRequest,
)
from eventapp.sandbox.app import Sandbox, Server

BROWSER = httpx.Client(verify=False, trust_env=False, timeout=30)  # one: making a client reads certificates
SHOP = "http://localhost:5000/payment"
BACK = RefundAccount("woori", "110-123-456789", "김하나")


def attempt(operation: str = "confirm") -> str:
    return f"{operation}-{secrets.token_hex(16)}"


class Gateway:
    """A sandbox, an account at it, and what one does there."""

    def __init__(self, address: str):
        self.address = address
        self.account = self.account_of("demo0000000001")

    def account_of(self, ending: str, **changes) -> GatewayAccount:
        values = {"secret_keys": (f"test_sk_{ending}",)} | changes
        return GatewayAccount("toss", client_key=f"test_ck_{ending}", api_url=f"{self.address}/toss",
                              sdk_url=f"{self.address}/toss/v2/standard", **values)

    def control(self, what: str, **body) -> dict:
        response = BROWSER.post(f"{self.address}/control/{what}", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def fault(self, op: str, fault: str, **more) -> None:
        self.control("faults", op=op, fault=fault, **more)

    def books(self, **query) -> dict:
        return BROWSER.get(f"{self.address}/control/books", params=query).json()

    def of_order(self, order_ref: str) -> dict:
        """What the gateway's books say of one order."""
        return self.books(order_id=order_ref)["payments"][-1]

    def intent(self, amount: int = 50000, method: str = CARD, **more) -> PaymentIntent:
        return PaymentIntent(f"ev_{secrets.token_hex(8)}", Money(amount, "KRW"), "선교대회 등록", method,
                             f"{SHOP}/success?ref=abc", f"{SHOP}/fail?ref=abc", **more)

    def open_window(self, intent: PaymentIntent) -> str:
        """As the SDK does it; answers the window's address."""
        checkout = toss.create_checkout(self.account, intent)
        answer = BROWSER.get(f"{self.address}/toss/window", params={
            "clientKey": checkout.public_key, "customerKey": checkout.params["customerKey"],
            "request": json.dumps(checkout.params["request"])})
        assert answer.status_code == 303, answer.text
        return self.address + answer.headers["location"]

    def press(self, window: str, button: str) -> dict:
        """Press a button of the window; answers the query the browser comes back with."""
        answer = BROWSER.post(f"{window}/{button}")
        assert answer.status_code == 303, answer.text
        return dict(httpx.URL(answer.headers["location"]).params)

    def approve(self, intent: PaymentIntent) -> ReturnHint:
        return toss.parse_return(self.account, self.press(self.open_window(intent), "approve"))

    def pay(self, amount: int = 50000, method: str = CARD) -> GatewayPayment:
        intent = self.intent(amount, method)
        return toss.confirm(self.account, intent, self.approve(intent), attempt())

    def issue(self, amount: int = 50000, **request) -> GatewayPayment:
        values = {"bank": "woori", "customer_name": "김하나"} | (request or {"valid_hours": 24})
        return toss.issue_virtual_account(self.account, self.intent(amount, VIRTUAL_ACCOUNT),
                                          VirtualAccountRequest(**values), attempt("issue"))

    def fetch(self, payment: GatewayPayment) -> GatewayPayment:
        return toss.fetch(self.account, GatewayRef(payment.order_ref, payment.gateway_key))

    def cancel(self, payment: GatewayPayment, amount: int | None = None, key: str = "", **more) -> GatewayPayment:
        values = {"reason": "참가 취소", "expected_remaining": payment.balance, "amount": amount} | more
        return toss.cancel(self.account, GatewayRef(payment.order_ref, payment.gateway_key),
                           CancelRequest(**values), key or attempt("cancel"))


class Inbox:
    """An address that takes notices. `answers` are the statuses of the next ones; 200 when there are no more."""

    def __init__(self):
        self.notices: list[tuple[dict, bytes]] = []
        self.answers: list[int] = []
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                raw = self.rfile.read(int(self.headers["content-length"]))
                inbox.notices.append(({key.lower(): value for key, value in self.headers.items()}, raw))
                self.send_response(inbox.answers.pop(0) if inbox.answers else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def wait(self, count: int, seconds: float = 5) -> list[dict]:
        """The bodies of the notices, once there are so many."""
        until = time.monotonic() + seconds
        while len(self.notices) < count and time.monotonic() < until:
            time.sleep(0.01)
        assert len(self.notices) >= count, [raw for _, raw in self.notices]
        return [json.loads(raw) for _, raw in self.notices]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def running(**options):
    with Server(Sandbox(**options)) as server:
        yield Gateway(server.address)


@pytest.fixture(scope="session")
def shared_gateway():
    with running(retry_scale=0.001) as gateway:
        yield gateway


@pytest.fixture
def gateway(shared_gateway):
    yield shared_gateway
    shared_gateway.control("reset")
    shared_gateway.control("webhooks", client_key=shared_gateway.account.client_key, url="")


@pytest.fixture
def inbox():
    inbox = Inbox()
    yield inbox
    inbox.close()


@pytest.fixture
def hooked(gateway, inbox):
    """The inbox, with the gateway's notices of both shapes going there."""
    gateway.control("webhooks", client_key=gateway.account.client_key, url=inbox.url)
    return inbox
