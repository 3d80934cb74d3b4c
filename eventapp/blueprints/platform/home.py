"""How the whole platform stands."""
from datetime import timedelta

from flask import Blueprint
from sqlalchemy import func, select

from eventapp import clock
from eventapp.extensions import platform
from eventapp.models import Directory, Event, OutboxItem, Registration, Status, User
from eventapp.permissions import requires
from eventapp.web.pages import page

bp = Blueprint("home", __name__)


@bp.get("")
@requires("platform.manage")
def index():
    month = clock.now() - timedelta(days=30)
    counts = {
        "organizations": select(func.count()).select_from(Directory),
        "users": select(func.count()).select_from(User).where(User.email_verified_at.is_not(None)),
        "events": select(func.count()).select_from(Event).where(
            Event.status == "published", Event.ends_at >= clock.now()),
        "registrations": select(func.count()).select_from(Registration).where(
            Registration.created_at >= month, Registration.status == Status.CONFIRMED),
        "waiting": select(func.count()).select_from(OutboxItem).where(
            OutboxItem.done_at.is_(None), OutboxItem.dead_at.is_(None), OutboxItem.run_at <= clock.now()),
        "dead": select(func.count()).select_from(OutboxItem).where(OutboxItem.dead_at.is_not(None)),
    }
    with platform.session() as session:
        row = session.execute(select(*(query.scalar_subquery().label(name) for name, query in counts.items()))).one()
    return page("platform/home.html", counts=row._mapping)
