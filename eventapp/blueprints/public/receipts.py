"""Receipts, notes of refunds and the statement of an order as PDF, behind the buyer's link."""
from flask import Blueprint, abort

from eventapp.blueprints.public.order import papers_or_404
from eventapp.blueprints.public.ticket import drawn
from eventapp.domain import documenting
from eventapp.permissions import PUBLIC, requires
from eventapp.tickets import pdf

bp = Blueprint("receipts", __name__)


@bp.get("/<org>/<event>/orders/<token>/receipts/<int:document>.pdf")
@requires(PUBLIC)
def document(event, token, document):
    found = documenting.one_of(papers_or_404(event, token).order, document)
    if found is None:
        abort(404)
    return drawn(pdf.paper, documenting.paper(found), f"{found.name}.pdf")


@bp.get("/<org>/<event>/orders/<token>/statement.pdf")
@requires(PUBLIC)
def statement(event, token):
    papers = papers_or_404(event, token)
    return drawn(pdf.statement, documenting.statement(papers.order), f"statement-{papers.registrations[0].number}.pdf")
