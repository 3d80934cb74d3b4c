"""The doors one may stand at: of the events that are on or coming."""
from datetime import timedelta

from flask import Blueprint, g

from eventapp import clock
from eventapp.extensions import db
from eventapp.models import Event
from eventapp.permissions import requires
from eventapp.web.pages import page

bp = Blueprint("doors", __name__)
SHOWN = 50


@bp.get("/doors")
@requires("registrations.check_in")
def index():
    now = clock.now()
    # A day of grace: an evening ends later than it says, and entries of doors without a network still come in.
    events = db.session.scalars(g.member.events().where(
        Event.ends_at >= now - timedelta(days=1), Event.status.in_(("published", "closed")))
        .order_by(Event.starts_at).limit(SHOWN)).all()
    return page("admin/doors.html", events=events, now=now)
