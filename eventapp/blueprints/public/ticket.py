"""One ticket as PDF, behind its own link."""
from flask import Blueprint, Response, abort, g

from eventapp.domain import ticketing
from eventapp.permissions import PUBLIC, requires

bp = Blueprint("ticket", __name__)


@bp.get("/<org>/<event>/tickets/<token>.pdf")
@requires(PUBLIC)
def show(event, token):
    registration = ticketing.registration_of(token, g.org.id)
    if registration is None:
        abort(404)
    papers = ticketing.Papers(registration.order)
    if papers.event.slug != event:
        abort(404)
    return Response(ticketing.ticket_pdf([registration], papers), mimetype="application/pdf",
                    headers={"Content-Disposition": f'inline; filename="ticket-{registration.number}.pdf"'})
