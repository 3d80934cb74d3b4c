"""What needs doing, and how the events stand."""
from collections import Counter
from dataclasses import dataclass

from flask import Blueprint, g
from sqlalchemy import func, select

from eventapp import clock
from eventapp.extensions import db
from eventapp.models import Event, Payment, Registration, Status
from eventapp.permissions import can, requires
from eventapp.web.pages import page

bp = Blueprint("home", __name__)
SHOWN = 100


@dataclass
class Standing:
    """One event and how many of its registrations are in which state."""

    event: Event
    counts: Counter

@bp.get("")
@requires("admin.enter")
def index():
    standings = events()
    waiting = sum(standing.counts[Status.PENDING_APPROVAL] for standing in standings)
    return page("admin/home.html", standings=standings, waiting=waiting,
                deposits=deposits() if can("payments.read") else None)


def events() -> list[Standing]:
    """The member's events that are not over, the next first."""
    found = db.session.scalars(g.member.events().where(Event.ends_at >= clock.now(), Event.status != "archived")
                               .order_by(Event.starts_at).limit(SHOWN)).all()
    counts: dict[int, Counter] = {event.id: Counter() for event in found}
    mine = g.member.registrations().where(Registration.event_id.in_(counts)).subquery()
    query = select(mine.c.event_id, mine.c.status, func.count()).group_by(mine.c.event_id, mine.c.status)
    for event_id, status, count in db.session.execute(query):
        counts[event_id][status] = count
    return [Standing(event, counts[event.id]) for event in found]


def deposits() -> list[tuple[str, int, int]]:
    """Transfers that have been announced and are awaited: currency, how many, how much."""
    mine = g.member.orders().subquery()
    return db.session.execute(
        select(Payment.currency, func.count(), func.sum(Payment.amount)).where(
            Payment.order_id.in_(select(mine.c.id)), Payment.status == "awaiting_deposit")
        .group_by(Payment.currency).order_by(Payment.currency)).all()
