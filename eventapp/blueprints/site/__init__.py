"""The platform's own front page: what it is, plans, published events."""
from flask import Blueprint
from sqlalchemy import select

from eventapp import clock
from eventapp.extensions import db
from eventapp.models import Directory, EventDirectory, Plan
from eventapp.permissions import PUBLIC, requires
from eventapp.web.page_cache import cacheable
from eventapp.web.pages import page

bp = Blueprint("site", __name__)


@bp.get("/")
@requires(PUBLIC)
def landing():
    rows = db.session.execute(
        select(EventDirectory, Directory).join(Directory, Directory.org_id == EventDirectory.org_id)
        .where(EventDirectory.ends_at >= clock.now(), Directory.status == "active")
        .order_by(EventDirectory.starts_at).limit(12)).all()
    plans = db.session.scalars(select(Plan).order_by(Plan.position)).all()
    return cacheable(page("site/landing.html", events=[event for event, _owner in rows],
                          organizations={owner.org_id: owner for _event, owner in rows}, plans=plans))
