"""Three hundred payments whose notices are shuffled, doubled and dropped: after the reconciliation all is as at the gateway."""
import random

import pytest
from sqlalchemy import select, update

from eventapp.domain import comparing, paying
from eventapp.extensions import db
from eventapp.models import GatewayAccount, Payment, Quota
from eventapp.payments import toss_shapes
from tests.gateway import Inbox
from tests.shop import KEYS

PAYMENTS = 300
STORIES = {"paid": 60, "part_back": 50, "all_back": 40, "deposited": 60, "waiting": 40, "taken_back": 25, "left": 25}


@pytest.fixture
def told(shop):
    """What the gateway tells, kept back instead of delivered."""
    inbox = Inbox()
    shop.gateway.control("webhooks", client_key=KEYS[0], url=inbox.url)
    yield inbox
    inbox.close()


@pytest.mark.slow
def test_three_hundred_payments_end_as_the_gateway_says_however_their_notices_come(shop, told):
    chance = random.Random(300)
    shop.enter()
    db.session.execute(update(Quota).values(capacity=10 * PAYMENTS))
    db.session.commit()
    orders = [(story, begin(shop, story)) for story, count in STORIES.items() for _ in range(count)]
    assert len(orders) == PAYMENTS
    shop.work()
    for story, order in orders:
        happens_at_the_gateway(shop, story, shop.payment(order))
    notices = list(told.notices)
    kept = [notice for notice in notices if chance.random() < 0.6]
    sent = kept + [notice for notice in kept if chance.random() < 0.5]
    chance.shuffle(sent)
    assert len(kept) < len(notices) < PAYMENTS * 4
    browser = shop.app.test_client()
    for headers, raw in sent:
        answer = browser.post(f"/api/webhooks/payment/toss/{shop.account.webhook_token}", data=raw, headers=headers)
        assert answer.status_code == 200
    shop.work()

    shop.later(minutes=61)  # the longest of its intervals: of deposits that are waited for, and of the gateway's books
    shop.enter()
    paying.reconcile()
    comparing.compare(db.session.scalar(select(GatewayAccount)))
    db.session.commit()
    shop.work()

    books = {one["orderId"]: one for one in shop.gateway.books(client_key=KEYS[0])["payments"]}
    shop.enter()
    wrong = []
    for payment in db.session.scalars(select(Payment)):
        theirs = books.get(payment.gateway_order_id)
        if theirs is None:  # a window that nobody has opened
            assert payment.status in ("created", "expired"), payment.status
            continue
        snapshot = toss_shapes.payment(theirs, test_mode=True)
        if (payment.status, payment.balance) != (snapshot.status, snapshot.balance if snapshot.captured else 0):
            wrong.append((payment.gateway_order_id, payment.status, payment.balance, snapshot.status, snapshot.balance))
    assert wrong == []
    assert shop.balanced()


def begin(shop, story: str):
    """An order as it stands before the story happens, but for what the workers do."""
    if story in ("deposited", "waiting", "taken_back"):
        order = shop.place("virtual_account")
        paying.request_account(shop.payment(order), "woori")
        db.session.commit()
        return order
    order = shop.place()
    location = shop.approve(shop.payment(order))
    if story != "left":  # who closes the browser now has paid nothing
        shop.browser_of(order).get(location)
    return order


def happens_at_the_gateway(shop, story: str, payment) -> None:
    ref = payment.gateway_order_id
    if story in ("deposited", "taken_back"):
        shop.gateway.control("deposit", order_id=ref)
    if story == "taken_back":
        shop.gateway.control("reversal", order_id=ref)
    if story == "part_back":
        shop.gateway.control("cancel", order_id=ref, amount=10_000)
        shop.gateway.control("cancel", order_id=ref, amount=5_000)
    if story == "all_back":
        shop.gateway.control("cancel", order_id=ref)
