"""The pages from which staff give money back."""
import re

import pytest
from sqlalchemy import select

from eventapp.domain import ledger
from eventapp.extensions import db
from eventapp.models import AuditLog, Refund, Registration
from tests.domain.test_refunding import HALF, agree  # noqa: F401
from tests.gateway import gateway, shared_gateway  # noqa: F401
from tests.shop import id_of, shop  # noqa: F401

DESK = "/seoul-ubf/admin"


def csrf(answer) -> str:
    return re.search(r'name="csrf_token" value="([^"]+)"', answer.text)[1]


def number_of(shop, order) -> str:  # noqa: F811
    shop.enter()
    return db.session.scalar(select(Registration.number).where(Registration.order_id == id_of(order)))


def test_pages_open(shop, seoul_owner):  # noqa: F811
    order = shop.pay()
    for address in (f"{DESK}/registrations/{number_of(shop, order)}/refund", f"{DESK}/payments/payouts",
                    f"{DESK}/events/wmc-2026/refund-rules", f"{DESK}/events/wmc-2026/cancel"):
        answer = seoul_owner.get(address)
        assert answer.status_code == 200, (address, answer.text[-500:])
