"""What has to be swept up: holds whose end was missed, and rows that nobody will read again."""
from datetime import timedelta

from sqlalchemy import delete, or_, select, text, tuple_

from eventapp import clock, config, storage
from eventapp.domain.bulk_actions import ACTIONS
from eventapp.extensions import db
from eventapp.models import (
    AccountToken,
    BulkOperation,
    Order,
    OutboxItem,
    PeriodicRun,
    RateLimit,
    Registration,
    SignIn,
    Status,
)
from eventapp.outbox import later

AT_ONCE = 20_000
MISSED = timedelta(minutes=1)
FETCHED = timedelta(days=7)
"""How long a large export lies ready."""


def expire_overdue() -> None:
    """Ring again for each hold of this organisation that should have ended a while ago."""
    waiting = select(Registration.id).where(Registration.order_id == Order.id, Registration.status == Status.PENDING_PAYMENT)
    overdue = select(Order).where(Order.hold_until < clock.now() - MISSED, waiting.exists()).order_by(Order.hold_until).limit(500)
    for order in db.session.scalars(overdue).all():
        later("expire_hold", order, key=f"overdue {clock.now():%Y-%m-%d %H}")


def forget_operations() -> None:
    """Of this organisation: look-aheads that nobody went on with, and files that were made to be fetched."""
    now = clock.now()
    db.session.execute(delete(BulkOperation).where(
        BulkOperation.state == "draft", BulkOperation.action.in_(ACTIONS), BulkOperation.created_at < now - timedelta(days=1))
        .execution_options(synchronize_session=False))
    store = storage.connect(config.active())
    for operation in db.session.scalars(select(BulkOperation).where(
            BulkOperation.file_key != "", BulkOperation.finished_at < now - FETCHED).limit(100)).all():
        store.delete(operation.file_key)
        operation.file_key = ""


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
