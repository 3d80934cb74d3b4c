"""What has to be swept up: holds whose end was missed, and rows that nobody will read again."""
from datetime import timedelta

from sqlalchemy import delete, or_, select, text, tuple_

from eventapp import clock
from eventapp.extensions import db
from eventapp.models import AccountToken, Order, OutboxItem, PeriodicRun, RateLimit, Registration, SignIn, Status
from eventapp.outbox import later

AT_ONCE = 20_000
MISSED = timedelta(minutes=1)


def expire_overdue() -> None:
    """Ring again for each hold of this organisation that should have ended a while ago."""
    waiting = select(Registration.id).where(Registration.order_id == Order.id, Registration.status == Status.PENDING_PAYMENT)
    overdue = select(Order).where(Order.hold_until < clock.now() - MISSED, waiting.exists()).order_by(Order.hold_until).limit(500)
    for order in db.session.scalars(overdue).all():
        later("expire_hold", order, key=f"overdue {clock.now():%Y-%m-%d %H}")


def purge() -> None:
    """A bite of each table, several times an hour."""
    now = clock.now()
    for table, old in (
        (OutboxItem, OutboxItem.done_at < now - timedelta(days=7)),
        (RateLimit, RateLimit.ends_at < now),
        (SignIn, SignIn.expires_at < now),
        (AccountToken, or_(AccountToken.expires_at < now - timedelta(days=1), AccountToken.used_at < now - timedelta(days=1))),
        (PeriodicRun, PeriodicRun.taken_at < now - timedelta(days=2)),
    ):
        remove(table, old)
    # Bells that nobody hears any more; the sweep does not need them.
    db.session.execute(text("DELETE FROM huey_task WHERE (SELECT count(*) FROM huey_task) > 10000"))


def remove(table, old) -> None:
    """At most AT_ONCE; the rest next time."""
    key = list(table.__table__.primary_key)
    some = select(*key).where(old).limit(AT_ONCE).with_for_update(skip_locked=True)
    db.session.execute(delete(table).where(tuple_(*key).in_(some)).execution_options(synchronize_session=False))
