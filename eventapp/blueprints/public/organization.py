"""An organisation's public page, and its colour."""
from flask import Blueprint, Response, g, url_for
from sqlalchemy import select

from eventapp import clock
from eventapp.extensions import db
from eventapp.models import Event, Organization
from eventapp.permissions import PUBLIC, requires
from eventapp.web import accent as colours
from eventapp.web.page_cache import cacheable
from eventapp.web.pages import page

bp = Blueprint("organization", __name__)
SHOWN = ("published", "closed", "cancelled", "archived")


def branding() -> dict:
    """What every page of an organisation is dressed in."""
    row = db.session.get(Organization, g.org.id)
    return {"organization": row,
            "accent_url": url_for("public.organization.accent", version=colours.version(row.accent))}


@bp.get("/<org>")
@requires(PUBLIC)
def show():
    events = db.session.scalars(select(Event).where(Event.status.in_(SHOWN), Event.visibility == "public")
                                .order_by(Event.starts_at)).all()
    now = clock.now()
    return cacheable(page("public/organization.html", **branding(),
                          upcoming=[event for event in events if event.ends_at >= now],
                          past=[event for event in reversed(events) if event.ends_at < now]))


@bp.get("/<org>/accent-<version>.css")
@requires(PUBLIC)
def accent(version):
    colour = db.session.get(Organization, g.org.id).accent
    fresh = version == colours.version(colour)
    return Response(colours.stylesheet(colour), mimetype="text/css",
                    headers={"Cache-Control": "public, max-age=31536000, immutable" if fresh else "no-cache"})
