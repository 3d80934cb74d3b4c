"""현금영수증 as forms ask for it: beside the ways to pay, and afterwards on a page of its own."""
from dataclasses import dataclass

from flask import Blueprint, redirect, request, url_for

from eventapp import audit
from eventapp.blueprints.public.order import papers_or_404
from eventapp.blueprints.public.organization import branding
from eventapp.domain import Refused, cash_receipting, ticketing
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import Event, Order
from eventapp.permissions import PUBLIC, requires
from eventapp.unit_of_work import undo
from eventapp.web.pages import done, page

bp = Blueprint("cash_receipt", __name__)


@dataclass(frozen=True)
class Asked:
    """As typed: each kind has a field of its own, so that changing one's mind loses nothing."""

    kind: str = ""
    phone: str = ""
    business: str = ""
    hint: str = ""
    """Of the number that was given before: nobody types it again to keep it."""

    @property
    def identity(self) -> str:
        return self.business if self.kind == "expense" else self.phone


def typed() -> Asked:
    form = request.form
    return Asked(form.get("receipt", ""), form.get("receipt-phone", ""), form.get("receipt-business", ""))


def offered(event: Event) -> bool:
    """Whether any of the event's ways to pay is one for which the law knows a cash receipt."""
    return event.currency == cash_receipting.CURRENCY and not set(event.methods).isdisjoint(cash_receipting.METHODS)


def still_to_ask(order: Order, event: Event) -> bool:
    """What was asked for already is changed on its own page, where the number stands beside it."""
    return offered(event) and cash_receipting.standing(order) is None


@bp.route("/<org>/<event>/orders/<token>/cash-receipt", methods=["GET", "POST"])
@requires(PUBLIC)
def show(event, token):
    papers = papers_or_404(event, token)
    back = url_for("public.order.show", event=event, token=token)
    if not cash_receipting.may_ask(papers.order):
        return redirect(back, 303)
    if request.method == "GET":
        standing = cash_receipting.standing(papers.order)
        return ask_page(papers, back, Asked(standing.kind, hint=standing.identity_hint) if standing else Asked())
    asked = typed()
    if is_as_before(papers.order, asked):
        return redirect(back, 303)
    try:
        wanted = cash_receipting.ask(papers.order, asked.kind, asked.identity, by=audit.Actor("buyer", papers.order.id))
    except Refused as refused:
        undo()
        errors = getattr(refused, "errors", None) or {refused.field or "form": refused.sentence}
        return ask_page(ticketing.Papers(db.session.get(Order, papers.order.id)), back, asked, errors, refused.status)
    return done(_("The cash receipt will be issued.") if wanted else _("No cash receipt will be issued."), back)


def is_as_before(order: Order, asked: Asked) -> bool:
    standing = cash_receipting.standing(order)
    return standing is not None and standing.kind == asked.kind and not asked.identity.strip()


def ask_page(papers: ticketing.Papers, back: str, asked: Asked, errors=None, status: int = 200):
    return page("public/cash_receipt.html", status, **branding(), order=papers.order, event=papers.event, receipt=asked, back=back,
                token=ticketing.order_token(papers.order), errors=errors or {})
