"""Where money goes back to that can't find its way by itself: the page behind the letter that asks for an account."""
from flask import Blueprint, redirect, request, url_for

from eventapp import audit
from eventapp.blueprints.public import cancelling
from eventapp.blueprints.public.order import papers_or_404
from eventapp.blueprints.public.organization import branding
from eventapp.domain import Refused, RefusedFields, bank_accounts, refunding, ticketing
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import Order, Refund
from eventapp.permissions import PUBLIC, requires
from eventapp.unit_of_work import undo
from eventapp.web.pages import done, page

bp = Blueprint("refund", __name__)


@bp.route("/<org>/<event>/orders/<token>/refund-account", methods=["GET", "POST"])
@requires(PUBLIC)
def account(event, token):
    papers = papers_or_404(event, token)
    asked, back = waiting(papers.order), url_for("public.order.show", event=event, token=token)
    if not asked:
        return redirect(back, 303)
    if request.method == "GET":
        return account_page(papers, asked, back)
    typed, by = cancelling.typed_account(), audit.Actor("buyer", papers.order.id)
    try:
        for refund in asked:
            refunding.take_account(refund, **typed, by=by)
    except Refused as refused:
        undo()
        order = db.session.get(Order, papers.order.id)
        errors = cancelling.by_field(refused).errors if isinstance(refused, RefusedFields) else {"form": refused.sentence}
        return account_page(ticketing.Papers(order), waiting(order), back, errors, refused.status)
    return done(_("Thank you. The money goes to this account."), back)


def waiting(order: Order) -> list[Refund]:
    """Those that can't go on without an account; when there is none, those whose account can still be corrected."""
    refunds = refunding.of_order(order)
    return [one for one in refunds if one.state == "needs_account"] or [one for one in refunds if one.state == "to_pay" and one.account_hint]


def account_page(papers: ticketing.Papers, asked: list[Refund], back: str, errors=None, status: int = 200):
    hint = next((one.account_hint for one in asked if one.account_hint and one.state == "to_pay"), "")
    return page("public/refund_account.html", status, **branding(), order=papers.order, event=papers.event, refunds=asked,
                token=ticketing.order_token(papers.order), amount=sum(one.amount for one in asked), typed=cancelling.typed_account(), banks=cancelling.banks(), errors=errors or {},
                wrong=any(one.failure_code for one in asked), known=bank_accounts.shown(hint), back=back)
