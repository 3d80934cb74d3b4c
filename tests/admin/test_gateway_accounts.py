"""An organisation's gateway accounts: keys that can be written and not read, checked by a job, and the way to real money."""
import pytest
from sqlalchemy import select

from eventapp.domain import connecting_gateways
from eventapp.extensions import db
from eventapp.models import GatewayAccount

LIST = "/seoul-ubf/admin/settings/payments"


def test_the_pages_open(seoul_owner, shop):
    for path in (LIST, f"{LIST}/new", f"{LIST}/new/toss", f"{LIST}/new/portone", f"{LIST}/new/stripe", f"{LIST}/{shop.account.id}",
                 f"{LIST}/{shop.account.id}/keys", f"{LIST}/{shop.account.id}/edit", "/seoul-ubf/admin/events/wmc-2026/payment-account",
                 "/seoul-ubf/admin/payments/webhooks"):
        assert seoul_owner.get(path).status_code == 200, path
