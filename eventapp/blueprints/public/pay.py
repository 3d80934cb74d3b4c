"""The link by which somebody else pays. It leads to nothing but paying: no cookie, no personal data, no way into the order."""
from flask import Blueprint, redirect, request, url_for

from eventapp.blueprints.public import showing
from eventapp.blueprints.public.order import papers_or_404
from eventapp.blueprints.public.organization import branding
from eventapp.blueprints.public.payment import addresses, choices, failure_text, window
from eventapp.domain import Refused, ledger, ordering, paying, registering, ticketing
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import Order
from eventapp.permissions import PUBLIC, requires
from eventapp.unit_of_work import undo
from eventapp.web.pages import go, is_htmx, page

bp = Blueprint("pay", __name__)
LOOKS = ("500ms", "1s", "2s", "4s")
PAYING = ("open", "deposit", "failed")
"""States in which a way to pay can be chosen."""


@bp.route("/<org>/<event>/pay/<token>", methods=["GET", "POST"])
@requires(PUBLIC)
def show(event, token):
    papers = papers_or_404(event, token, "pay")
    if request.method == "GET":
        return pay_page(papers, token)
    if standing(papers.order, papers) not in PAYING:
        return redirect(url_for(".show", event=event, token=token), 303)
    try:
        begin(papers.order, papers.event)
    except Refused as refused:
        undo()
        papers = ticketing.Papers(db.session.get(Order, papers.order.id))
        return pay_page(papers, token, {refused.field or "method": refused.sentence}, refused.status)
    return redirect(url_for(".show", event=event, token=token, start=1), 303)


def begin(order: Order, event) -> None:
    method = request.form.get("method", "")
    if method not in ordering.methods(event):
        raise Refused(_("Choose how to pay."), "method")
    payment = paying.begin(order, method)
    if payment and paying.needs_opening(payment):
        paying.open_window(payment, *addresses(payment, by_link=True))
    if payment and request.form.get("bank"):
        paying.request_account(payment, request.form["bank"])


def standing(order: Order, papers: ticketing.Papers) -> str:
    """checking, opening, open, deposit, failed, coming, paid, or nothing: what the page is about."""
    payment = paying.current(order)
    state = paying.state(payment) if payment else "failed"
    if state == "checking":
        return state
    if not paying.payable(order):
        held = registering.holding(registering.of_order(order))
        return "coming" if held and paying.on_its_way(order) else "paid" if held and ledger.paid(order) > 0 else "nothing"
    if state == "opening":
        return state
    return "deposit" if papers.deposit() else "open" if state == "open" else "failed"


def pay_page(papers: ticketing.Papers, token: str, errors=None, status: int = 200):
    order, event = papers.order, papers.event
    state, payment = standing(order, papers), paying.current(order)
    if is_htmx() and state not in ("checking", "opening"):
        return go(url_for(".show", event=event.slug, token=token, start=1))  # what was waited for is there
    owed, paid = ledger.owed_and_paid(order)
    to_open = state == "open" and paying.needs_opening(payment)
    checkout = window(payment, by_link=True) if state == "open" and payment.method in paying.WINDOW and not to_open else None
    looks = min(max(request.args.get("looks", 0, type=int), 0), len(LOOKS) - 1)
    deposit = papers.deposit() if state == "deposit" else None
    failed = payment and payment.failure_code if state == "failed" else request.args.get("code", "")[:60]
    return page(
        "public/pay.html", status, **branding(), **(choices(order, event) | {"asks_receipt": False}), order=order, event=event, state=state, owed=owed, paid=paid,
        whose=showing.masked(order.name), lines=showing.order_lines(registering.holding(papers.registrations)), pay_by=papers.pay_by,
        deposit=deposit and showing.without_names(deposit), to_open=to_open, checkout=checkout, params=checkout and checkout.params,
        script_url=checkout and checkout.script_url, start="start" in request.args, errors=errors or {},
        failure=failure_text(failed) if failed else "", delay=LOOKS[looks], pay_url=url_for(".show", event=event.slug, token=token),
        check_url=url_for(".show", event=event.slug, token=token, looks=looks + 1))
