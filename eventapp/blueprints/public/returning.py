"""Where a gateway sends the browser back, and what it finds there.

A return starts the idempotent confirmation and nothing else. It never calls a gateway: it writes what is to be asked, rings
for a worker and looks for the answer for a moment; after that the checking page looks.
"""
import threading
import time

from flask import Blueprint, abort, current_app, g, redirect, request, url_for

from eventapp import tenancy
from eventapp.blueprints.public.order import order_values
from eventapp.blueprints.public.organization import branding
from eventapp.blueprints.public.payment import failure_text
from eventapp.domain import paying, registering, ticketing
from eventapp.extensions import db
from eventapp.models import Event, Order, Payment, Status
from eventapp.payments.provider import BadReturn
from eventapp.permissions import PUBLIC, requires
from eventapp.unit_of_work import checkpoint, undo
from eventapp.web import order_cookie
from eventapp.web.pages import go, page
from eventapp.web.urls import read_signed

bp = Blueprint("returning", __name__)
PATIENCE, PAUSE = 3.0, 0.1
"""How long one request looks for the answer, and how often, in seconds."""
LOOKS = ("500ms", "1s", "2s", "4s")
"""Pauses of the checking page: most answers come at once, and a gateway that hangs has many waiting."""
waiting = threading.BoundedSemaphore(1)
"""One request of this process may wait; when a gateway hangs, the others' threads are for the event pages."""
REFUSALS = {paying.AMOUNT_DIFFERS: "AMOUNT_DIFFERS", paying.GONE: "PLACES_GONE", paying.OVER: "OVER",
            paying.CHANGED: "ORDER_CHANGED"}


@bp.get("/payment/success")
@requires(PUBLIC)
def success():
    payment = payment_or_404()
    if paying.is_return(payment, request.args):
        return come_back(payment)
    state = paying.state(payment)
    if state == "checking":
        looks = min(max(request.args.get("looks", 0, type=int), 0), len(LOOKS) - 1)
        return page("public/checking.html", **values(payment), link=pay_link(payment), delay=LOOKS[looks],
                    check_url=url_for(".success", ref=request.args["ref"], looks=looks + 1))
    return arrived(payment, state)


def come_back(payment: Payment):
    """From the gateway's window: ask for the money, then leave the gateway's keys behind in the address bar."""
    try:
        hint = paying.read_return(payment, request.args)
    except BadReturn:
        abort(400)
    if not paying.speaks_of(payment, hint):
        abort(404)
    if hint.failed:  # a gateway with one address for both
        return redirect(url_for(".fail", ref=request.args["ref"], code=hint.failure_code), 303)
    outcome = paying.returned(payment, hint)
    checkpoint()  # what is to be asked is on record before we wait for the answer
    if outcome in REFUSALS:
        return redirect(url_for(".fail", ref=request.args["ref"], code=REFUSALS[outcome]), 303)
    payment = look_for_answer(payment)
    if paying.state(payment) == "checking" or not (is_own(payment) or pay_link(payment)):
        return redirect(url_for(".success", ref=request.args["ref"]), 303)
    return arrived(payment, paying.state(payment))


def look_for_answer(payment: Payment) -> Payment:
    """A short look, without a transaction open between looks."""
    if current_app.testing or not waiting.acquire(blocking=False):
        return payment
    try:
        until = time.monotonic() + PATIENCE
        while paying.state(payment) == "checking" and time.monotonic() < until:
            undo()
            time.sleep(PAUSE)
            payment = db.session.get(Payment, payment.id)
        return payment
    finally:
        waiting.release()


def arrived(payment: Payment, state: str):
    """Where it goes on, once something is known. Only the browser that made the order sees more than its number."""
    if state == "open":  # the worker may have finished between reading the payment and looking for open questions
        db.session.refresh(payment)
        state = paying.state(payment)
    own = is_own(payment)
    link = "" if own else pay_link(payment)
    if link:
        return go(link)
    if state == "failed":
        return go(url_for(".fail", ref=request.args["ref"]))
    if own and state in ("paid", "awaiting"):
        return go(url_for(".complete"))
    if own and state == "open" and paying.payable(db.session.get(Order, payment.order_id)):
        return go(url_for("public.payment.show", event=values(payment)["event"].slug))
    return go(url_for(".complete")) if own else page("public/arrived.html", **values(payment), state=state)


@bp.get("/payment/fail")
@requires(PUBLIC)
def fail():
    """Anybody can make this address, so it changes nothing; what it says is ours, chosen by the code."""
    payment = payment_or_404()
    own = is_own(payment)
    shown = values(payment)
    code = request.args.get("code", "")[:60] or payment.failure_code
    link = "" if own else pay_link(payment)
    return page("public/fail.html", **shown, own=own, reason=failure_text(code), link=link,
                payable=(own or link) and paying.payable(shown["order"]),
                held=bool(registering.with_status(registering.of_order(shown["order"]), Status.PENDING_PAYMENT)))


@bp.get("/registration/success")
@requires(PUBLIC)
def complete():
    """What this browser has just registered. The cookie names it, so the address has nothing to give away."""
    remembered = order_cookie.remembered()
    if remembered is None or not enter(remembered[0]):
        abort(404)
    order = db.session.get(Order, remembered[1])
    if order is None:
        abort(404)
    return page("public/success.html", **order_values(ticketing.Papers(order)))


def payment_or_404() -> Payment:
    """By the reference that we signed; it decides the organisation, which must be that of the host."""
    signed = read_signed("payment", request.args.get("ref", ""))
    if signed is None or len(request.args.getlist("ref")) != 1 or not enter(signed[0]):
        abort(404)
    payment = db.session.get(Payment, signed[1])
    return payment if payment else abort(404)


def is_own(payment: Payment) -> bool:
    """Whether this browser has made the order."""
    return order_cookie.remembered() == (payment.org_id, payment.order_id)


def pay_link(payment: Payment) -> str:
    """Where somebody goes on who came by the link for others, as the reference says."""
    if "link" not in read_signed("payment", request.args["ref"])[2:]:
        return ""
    order = db.session.get(Order, payment.order_id)
    return url_for("public.pay.show", event=db.session.get(Event, order.event_id).slug, token=ticketing.pay_token(order))


def enter(org_id: int) -> bool:
    """Go inside the organisation, unless this host is another one's."""
    org = tenancy.lookup.by_id(org_id)
    if org is None or g.org_slug not in (None, org.slug):
        return False
    g.org_slug, g.org = org.slug, org
    tenancy.enter(org_id)
    return True


def values(payment: Payment) -> dict:
    order = db.session.get(Order, payment.order_id)
    return {**branding(), "payment": payment, "order": order, "event": db.session.get(Event, order.event_id),
            "registrations": registering.of_order(order)}
