"""What needs doing, and how the events stand."""
from datetime import timedelta

from flask import Blueprint, g

from eventapp import clock
from eventapp.blueprints.admin.events import standings
from eventapp.blueprints.admin.todo import todos
from eventapp.extensions import db
from eventapp.models import Event
from eventapp.permissions import can, requires
from eventapp.web.pages import page

bp = Blueprint("home", __name__)
SHOWN = 12
SOON = timedelta(days=7)


@bp.get("")
@requires("admin.enter")
def index():
    now = clock.now()
    coming = coming_events(now) if can("events.read") else []
    return page("admin/home.html", todos=todos(), standings=standings(coming), now=now,
                soon=[event for event in coming if event.status == "published" and event.starts_at <= now + SOON])


def coming_events(now) -> list[Event]:
    """The member's events that are not over, the next first."""
    return list(db.session.scalars(g.member.events().where(Event.ends_at >= now, Event.status != "archived")
                                   .order_by(Event.starts_at).limit(SHOWN)))
