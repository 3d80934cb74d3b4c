"""Tickets as PDF, behind links of their own."""
import threading

from flask import Blueprint, Response, abort, g
from werkzeug.exceptions import ServiceUnavailable

from eventapp.domain import ticketing
from eventapp.permissions import PUBLIC, requires
from eventapp.unit_of_work import checkpoint

bp = Blueprint("ticket", __name__)
drawing = threading.BoundedSemaphore(2)
"""So many threads of this process may draw or wait to draw; the others are for pages."""
PATIENCE = 5


@bp.get("/<org>/<event>/tickets/<token>.pdf")
@requires(PUBLIC)
def show(event, token):
    registration = ticketing.registration_of(token, g.org.id)
    if registration is None:
        abort(404)
    papers = ticketing.Papers(registration.order)
    if papers.event.slug != event:
        abort(404)
    return document([registration], papers, f"ticket-{registration.number}.pdf")


def document(registrations, papers: ticketing.Papers, name: str) -> Response:
    return drawn(ticketing.pdf.tickets, [papers.ticket(registration) for registration in registrations], name)


def drawn(draw, value, name: str) -> Response:
    """Drawn without a transaction open; when too many ask at once, some are asked to come back."""
    checkpoint()
    if not drawing.acquire(timeout=PATIENCE):
        raise ServiceUnavailable(retry_after=PATIENCE)
    try:
        content = draw(value)
    finally:
        drawing.release()
    return Response(content, mimetype="application/pdf", headers={"Content-Disposition": f'inline; filename="{name}"'})
