"""Notices at each gateway's address, none of them as a gateway writes it: nothing changes, and nothing breaks."""
from collections import Counter

import pytest
from sqlalchemy import func, select, text

from eventapp.domain import connecting_gateways
from eventapp.extensions import db
from eventapp.models import OutboxItem, WebhookEvent
from eventapp.sandbox.portone_books import DEMO_SECRET
from tests import malformed
from tests.shop import KEYS

STATE = """
    SELECT (SELECT json_agg((id, status, balance, amount, problem) ORDER BY id) FROM payments)::text,
           (SELECT json_agg((id, status, ticket_version, paid_at) ORDER BY id) FROM registrations)::text,
           (SELECT json_agg((id, hold_until, total) ORDER BY id) FROM orders)::text,
           (SELECT json_agg((id, kind, amount) ORDER BY id) FROM ledger_entries)::text,
           (SELECT count(*) FROM refunds), (SELECT count(*) FROM payment_attempts), (SELECT count(*) FROM documents),
           (SELECT count(*) FROM outbox WHERE kind LIKE 'mail_%')"""
ACCOUNTS = {
    "toss": {"client_key": KEYS[0], "secret_key": KEYS[1]},
    "portone": {"client_key": "store-demo0000000001", "secret_key": "portone_test_demo0000000001", "webhook_secret": DEMO_SECRET,
                "public": {"store_id": "store-demo0000000001", "channel_key": "channel-key-demo0000000001", "approval": "automatic"}},
    "stripe": {"client_key": "pk_test_demo0000000001", "secret_key": "sk_test_demo0000000001", "webhook_secret": "whsec_demo0000000001"}}


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("provider", ACCOUNTS)
def test_malformed_notices_change_nothing_and_break_nothing(shop, settings, provider, count):
    """How quickly they are answered is told by `python -m tests.bench webhooks`."""
    settings(portone_api_url=f"{shop.gateway.address}/portone", stripe_api_url=f"{shop.gateway.address}/stripe")
    waiting, paid = shop.deposit_account(), shop.pay()
    payments = [shop.payment(waiting), shop.payment(paid)]
    account = connecting_gateways.connect_account(provider, mode="test", **ACCOUNTS[provider])
    path = connecting_gateways.webhook_path(account)
    # The gateway that is written to is the one that the payments were made through, as far as anybody outside can tell.
    db.session.execute(text("UPDATE payments SET account_id = :id, provider = :provider"), {"id": account.id, "provider": provider})
    if provider == "stripe":
        db.session.execute(text("UPDATE payments SET gateway_key = 'cs_test_' || repeat('a', 20) || id"))
    db.session.commit()
    before, browser, statuses = db.session.execute(text(STATE)).one(), shop.app.test_client(), Counter()
    db.session.rollback()
    for payment in payments:
        for headers, raw in malformed.notices(provider, count // 2, order_ref=payment.gateway_order_id, key=payment.gateway_key,
                                              secret=ACCOUNTS[provider].get("webhook_secret", ""), seed=payment.id):
            statuses[browser.post(path, data=raw, headers=headers).status_code] += 1
    assert set(statuses) <= {200, 400, 413} and sum(statuses.values()) == count, statuses
    assert statuses[200] > count / 50 and statuses[400] > count / 5, statuses  # they were not all alike
    shop.enter()
    assert db.session.execute(text(STATE)).one() == before
    db.session.rollback()
    for _ in range(3):
        shop.work()
        shop.later(seconds=61)
    shop.enter()
    assert db.session.execute(text(STATE)).one() == before
    assert db.session.scalar(select(func.count()).where(OutboxItem.kind == "gateway_webhook", OutboxItem.last_error != "")) == 0
    kept = Counter(db.session.scalars(select(WebhookEvent.state)))
    assert kept["applied"] + kept["received"] + kept["ignored"] + kept["orphan"] + kept["rejected"] == sum(kept.values()), kept
