"""An organisation that takes money through the sandbox, its buyers, and the two sets of books."""
import secrets
from urllib.parse import urlsplit

import pytest
from sqlalchemy import inspect, select

from eventapp import clock, faults, tenancy
from eventapp.domain import connecting_gateways, ledger, paying
from eventapp.domain.ordering import Participant
from eventapp.extensions import db
from eventapp.models import LedgerEntry, Order, Payment, PaymentAttempt, Refund, Registration, WebhookEvent
from tests import make
from tests.gateway import BROWSER, Gateway

KEYS = ("test_ck_demo0000000001", "test_sk_demo0000000001")


def id_of(row) -> int:
    """Also of a row whose session has gone."""
    return inspect(row).identity[0]


class Shop:
    """Seoul's conference, with an account at the sandbox."""

    def __init__(self, app, world, gateway: Gateway, work):
        self.app, self.world, self.gateway, self.work = app, world, gateway, work
        world.seoul.enter()
        self.account = connecting_gateways.connect_account("toss", mode="test", client_key=KEYS[0], secret_key=KEYS[1])
        db.session.commit()

    def enter(self):
        tenancy.enter(self.world.seoul.id)
        db.session.rollback()
        db.session.expire_all()

    # -- buyers ------------------------------------------------------------------------------------
    def place(self, method: str = "card", people: int = 1, chosen: str = "main-conference") -> Order:
        self.enter()
        hana = secrets.token_hex(3)
        participants = [Participant(name=f"김하나{number}", email=f"hana{number}-{hana}@example.com", chosen={chosen: 1})
                        for number in range(people)]
        order = make.order(self.world.seoul.event(), *participants, method=method)
        db.session.commit()
        return order

    def payment(self, order: Order) -> Payment:
        self.enter()
        return paying.current(db.session.get(Order, id_of(order)))

    def approve(self, payment: Payment) -> str:
        """The buyer approves in the window; answers the address, from its path on, to which the browser is sent."""
        with self.app.test_request_context("/"):
            tenancy.enter(self.world.seoul.id)
            from eventapp.blueprints.public.payment import window

            params = window(payment).params
        answer = self.gateway.control("pay", client_key=params["clientKey"], request=params["request"],
                                      customer_key=params["customerKey"])
        self.enter()
        parts = urlsplit(answer["location"])
        return f"{parts.path}?{parts.query}"

    def browser_of(self, order: Order):
        """A browser with the cookie of this order."""
        from eventapp.web.urls import sign

        browser = self.app.test_client()
        with self.app.test_request_context("/"):
            browser.set_cookie("order", sign("order", [self.world.seoul.id, id_of(order)]))
        return browser

    def pay(self, method: str = "card", people: int = 1, browser=None) -> Order:
        """The whole way: place, approve, come back, be confirmed."""
        order = self.place(method, people)
        (browser or self.browser_of(order)).get(self.approve(self.payment(order)))
        self.work()
        return self.fresh(order)

    def fresh(self, order: Order) -> Order:
        self.enter()
        return db.session.get(Order, id_of(order))

    def deposit_account(self, bank: str = "woori") -> Order:
        """An order by virtual account, with the account there."""
        order = self.place("virtual_account")
        paying.request_account(self.payment(order), bank)
        db.session.commit()
        self.work()
        return self.fresh(order)

    # -- books -------------------------------------------------------------------------------------
    def statuses(self, order: Order) -> list[str]:
        self.enter()
        return list(db.session.scalars(select(Registration.status).where(Registration.order_id == id_of(order))
                                       .order_by(Registration.position)))

    def entries(self, order: Order) -> list[tuple[str, int]]:
        self.enter()
        return list(map(tuple, db.session.execute(select(LedgerEntry.kind, LedgerEntry.amount).where(
            LedgerEntry.order_id == id_of(order)).order_by(LedgerEntry.id))))

    def attempts(self, payment: Payment) -> list[tuple[str, str]]:
        self.enter()
        return list(map(tuple, db.session.execute(select(PaymentAttempt.operation, PaymentAttempt.state).where(
            PaymentAttempt.payment_id == id_of(payment)).order_by(PaymentAttempt.id))))

    def refunds(self, payment: Payment) -> list[tuple[int, str, bool]]:
        self.enter()
        return list(map(tuple, db.session.execute(select(Refund.amount, Refund.state, Refund.external).where(
            Refund.payment_id == id_of(payment)).order_by(Refund.id))))

    def notices(self) -> list[str]:
        self.enter()
        return list(db.session.scalars(select(WebhookEvent.state).order_by(WebhookEvent.id)))

    def balanced(self) -> bool:
        """Whether the sandbox holds exactly what our ledger says."""
        self.enter()
        ours = sum(ledger.paid(order) for order in db.session.scalars(select(Order)).all() if order.method != "manual_transfer")
        theirs = sum(self.gateway.books(client_key=KEYS[0])["balances"].values())
        assert ours == theirs, (ours, theirs)
        return True

    def later(self, **time) -> None:
        """Let time pass, here and at the gateway."""
        from datetime import timedelta

        passed = timedelta(**time)
        clock.offset += passed
        self.gateway.control("clock", advance=passed.total_seconds())

    def get_books(self, order: Order) -> dict:
        return self.gateway.of_order(self.payment(order).gateway_order_id)


@pytest.fixture
def shop(app, world, gateway, settings, work):
    settings(toss_api_url=f"{gateway.address}/toss", toss_sdk_url=f"{gateway.address}/toss/v2/standard", backoff_scale=0.0,
             toss_client_key=KEYS[0], toss_secret_key=KEYS[1])
    yield Shop(app, world, gateway, work)
    gateway.control("accounts", client_key=KEYS[0], secret_keys=[KEYS[1]])


@pytest.fixture
def guards_off():
    """`guards_off("payment.second")`: to see that a guard's test would notice."""
    yield lambda *names: faults.configure("", names)
    faults.configure("", ())


__all__ = ["BROWSER", "KEYS", "Shop", "guards_off", "shop"]
