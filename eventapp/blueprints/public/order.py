"""The buyer's page, behind a link nobody can guess: state, pay, tickets, calendar, cancel."""
from flask import Blueprint, abort, g, redirect, request, url_for

from eventapp import audit
from eventapp.blueprints.public import cancelling, showing
from eventapp.blueprints.public.organization import branding
from eventapp.blueprints.public.ticket import document
from eventapp.domain import (
    Refused,
    bank_accounts,
    cash_receipting,
    documenting,
    ledger,
    paying,
    refunding,
    ticketing,
    withdrawing,
)
from eventapp.languages import _
from eventapp.permissions import PUBLIC, requires
from eventapp.tickets import qr
from eventapp.unit_of_work import undo
from eventapp.web import order_cookie
from eventapp.web.pages import done, page

bp = Blueprint("order", __name__)


def papers_or_404(event_slug: str, token: str, purpose: str = "order") -> ticketing.Papers:
    order = ticketing.order_of(token, g.org.id, purpose)
    if order is None:
        abort(404)
    papers = ticketing.Papers(order)
    return papers if papers.event.slug == event_slug else abort(404)


@bp.get("/<org>/<event>/orders/<token>")
@requires(PUBLIC)
def show(event, token):
    papers = papers_or_404(event, token)
    order, values = papers.order, order_values(papers)
    in_money = values["owed"] > 0 or values["paid"] > 0
    return page("public/order.html", **values, token=token, refunded=ledger.refunded(order), kept=ledger.kept(order),
                refunds=[(one, bank_accounts.shown(one.account_hint)) for one in refunding.of_order(order) if not one.repeated],
                methods_of={one.id: one.method for one in order.payments}, documents=documenting.of(order),
                receipts=cash_receipting.of(order), asks_receipt=in_money and cash_receipting.may_ask(order),
                terms=cancelling.terms(order, papers.event))


def order_values(papers: ticketing.Papers) -> dict:
    """What the buyer's page and the confirmation show."""
    order = papers.order
    owed, paid = ledger.owed_and_paid(order)
    payable = owed > 0 and paying.payable(order)
    return {
        **branding(), "order": order, "event": papers.event,
        "registrations": papers.registrations,
        "qr_codes": {one.id: qr.svg(ticketing.code(papers.event, one), one.number) for one in papers.confirmed},
        "tickets": {one.id: url_for("public.ticket.show", event=papers.event.slug, token=ticketing.ticket_token(one))
                    for one in papers.confirmed},
        "lines": showing.order_lines(papers.registrations), "owed": owed, "paid": paid,
        "payable": payable, "on_its_way": owed > 0 and paying.on_its_way(order),
        "pay_link": url_for("public.pay.show", event=papers.event.slug, token=ticketing.pay_token(order), _external=True) if payable else "",
        "deposit": papers.deposit(), "pay_by": papers.pay_by,
        "why_not_cancel": withdrawing.why_not(papers.event, papers.registrations),
        "order_url": url_for("public.order.show", event=papers.event.slug, token=ticketing.order_token(order)),
    }


@bp.post("/<org>/<event>/orders/<token>/pay")
@requires(PUBLIC)
def pay(event, token):
    """From a mailed link to the payment page, in whichever browser it was opened."""
    papers = papers_or_404(event, token)
    response = redirect(url_for("public.payment.show", event=event), 303)
    return order_cookie.remember(response, papers.order.org_id, papers.order.id)


@bp.route("/<org>/<event>/orders/<token>/cancel", methods=["GET", "POST"])
@requires(PUBLIC)
def cancel(event, token):
    papers = papers_or_404(event, token)
    if request.method == "GET" or "requote" in request.form:
        return cancel_page(papers, token)
    try:
        cancelling.carry_out(papers.order, papers.registrations, by=audit.Actor("buyer", papers.order.id))
    except Refused as refused:
        undo()
        return cancel_page(papers_or_404(event, token), token, refused)
    return done(_("Cancelled. We have emailed you a confirmation."), url_for("public.order.show", event=event, token=token))


def cancel_page(papers: ticketing.Papers, token: str, refused: Refused | None = None):
    address = {"event": papers.event.slug, "token": token}
    return page("public/cancel.html", refused.status if refused else 200, **branding(), order=papers.order, event=papers.event,
                action=url_for(".cancel", **address), keep_url=url_for(".show", **address),
                **cancelling.values(papers.order, papers.event, papers.registrations, refused))


@bp.get("/<org>/<event>/orders/<token>/tickets.pdf")
@requires(PUBLIC)
def tickets(event, token):
    papers = papers_or_404(event, token)
    if not papers.confirmed:
        abort(404)
    return document(papers.confirmed, papers, f"tickets-{papers.confirmed[0].number}.pdf")
