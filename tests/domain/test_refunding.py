"""What goes back, the ways it takes, and the books before and after."""
from datetime import datetime, timedelta

from eventapp import audit, clock
from eventapp.domain import ledger, refunding, registering
from eventapp.extensions import db
from eventapp.models import Event, Order, Refund

STAFF = audit.Actor("user", 1)
HALF = {"tiers": [{"days": 30, "percent": 100, "fee": 0}, {"days": 7, "percent": 50, "fee": 0}], "note": {}}


def agree(order: Order, rules: dict) -> Order:
    order.refund_terms = {"rules": rules, "text": "", "locale": "ko", "at": clock.now().isoformat()}
    db.session.commit()
    return order


def before(order: Order, days: int) -> datetime:
    """At noon of a day so many days before the event begins, in its zone."""
    event = db.session.get(Event, order.event_id)
    return event.starts_at.replace(hour=3) - timedelta(days=days)  # 12:00 in Seoul


def cancel(order: Order, registrations=None, *, at=None, account=None, in_full=False) -> list[Refund]:
    found = refunding.quote(order, registrations, at=at, in_full=in_full)
    registering.cancel(registrations or registering.of_order(order), by=STAFF, reason="test")
    refunds = refunding.give(order, found, reason="test", by=STAFF, account=account)
    db.session.commit()
    return refunds


def test_a_card_goes_back_by_itself_and_the_rest_is_kept(shop, work):
    order = agree(shop.pay(), HALF)
    paid = ledger.paid(order)
    found = refunding.quote(order, at=before(order, 10))
    assert (found.amount, found.kept, found.methods, found.needs_account, found.why_not) == (paid // 2, paid - paid // 2, ("card",), False, "")
    cancel(order, at=before(order, 10))
    work()
    order = shop.fresh(order)
    assert shop.statuses(order) == ["cancelled"]
    assert shop.entries(order) == [("charged", paid), ("paid", paid), ("released", paid), ("kept", paid - paid // 2), ("refunded", paid // 2)]
    assert (ledger.owed(order), ledger.kept(order)) == (0, paid - paid // 2)
    assert shop.refunds(shop.payment(order)) == [(paid // 2, "done", False)]
    assert shop.balanced()
