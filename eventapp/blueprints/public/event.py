"""An event's page and its calendar file."""
from flask import Blueprint, Response, abort, g
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from eventapp.blueprints.public import showing
from eventapp.blueprints.public.organization import SHOWN, branding
from eventapp.domain import ordering, ticketing
from eventapp.extensions import db
from eventapp.models import Event
from eventapp.permissions import PUBLIC, can, requires
from eventapp.web.page_cache import cacheable
from eventapp.web.pages import page

bp = Blueprint("event", __name__)


def event_or_404(slug: str, *options) -> Event:
    """A published event; a draft is there for those of its organisation's people who may see it."""
    event = db.session.scalar(select(Event).where(Event.slug == slug).options(*options))
    if event is None or (event.status not in SHOWN and not (can("events.read") and g.member.sees(event))):
        abort(404)
    return event


@bp.get("/<org>/<event>")
@requires(PUBLIC)
def show(event):
    event = event_or_404(event, selectinload(Event.sessions))
    values = branding()
    offer = ordering.offer(event, with_places=True)
    sales = showing.sales(offer)
    response = page("public/event.html", **values, event=event, offer=offer, sales=sales, state=showing.state(offer, sales),
                    lowest=showing.lowest(sales), refund_words=showing.refund_words(event, sales), cover_url=event.cover,
                    canonical=f"{ticketing.organization_url(values['organization'])}/{event.slug}")
    return cacheable(response) if event.status != "draft" else response


@bp.get("/<org>/<event>/calendar.ics")
@requires(PUBLIC)
def calendar(event):
    papers = ticketing.Papers(None, event_or_404(event))
    return Response(ticketing.calendar_file(papers), mimetype="text/calendar",
                    headers={"Content-Disposition": f'attachment; filename="{papers.event.slug}.ics"'})
