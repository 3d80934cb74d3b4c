"""The payment page: pay what is owed, in this way or another, and again after it went wrong."""
import logging

from flask import Blueprint, g, redirect, request, url_for
from sqlalchemy import select

from eventapp import audit
from eventapp.blueprints.public import cash_receipt
from eventapp.blueprints.public.order import order_values
from eventapp.crypto import CannotOpen
from eventapp.domain import Refused, cash_receipting, ordering, paying, ticketing
from eventapp.extensions import db
from eventapp.languages import _, current_locale
from eventapp.models import Event, Order
from eventapp.payments.banks import BANKS
from eventapp.payments.provider import GatewayMisconfigured
from eventapp.permissions import PUBLIC, requires
from eventapp.unit_of_work import undo
from eventapp.web import order_cookie
from eventapp.web.headers import allow_gateway_window
from eventapp.web.pages import go, is_htmx, page
from eventapp.web.urls import sign

bp = Blueprint("payment", __name__)
log = logging.getLogger("eventapp.payment")


@bp.route("/<org>/<event>/register/payment", methods=["GET", "POST"])
@requires(PUBLIC)
def show(event):
    order = own_order(event)
    if order is None:
        return redirect(url_for("public.register.show", event=event), 303)
    payment = paying.current(order)
    if payment and paying.state(payment) == "checking":
        return redirect(url_for("public.returning.success", ref=reference(payment)), 303)
    if not paying.payable(order):
        return redirect(url_for("public.returning.complete"), 303)
    if request.method == "GET":
        if is_htmx() and not (payment and paying.state(payment) == "opening"):
            return go(url_for(".show", event=event))  # the gateway has answered: its window is drawn with a page of its own
        return payment_page(order, payment)
    try:
        return redirect(begin(order), 303)
    except Refused as refused:
        undo()
        order = db.session.get(Order, order.id)
        errors = getattr(refused, "errors", None) or {refused.field or "method": refused.sentence}
        return payment_page(order, paying.current(order), errors, refused.status)


def begin(order: Order) -> str:
    """Pay in the way that was chosen; where that goes on."""
    event = db.session.get(Event, order.event_id)
    method = request.form.get("method", "")
    if method not in ordering.methods(event):
        raise Refused(_("Choose how to pay."), "method")
    payment = paying.begin(order, method)
    ask_for_receipt(order)
    if payment and paying.needs_opening(payment):
        paying.open_window(payment, *addresses(payment))
    if payment and request.form.get("bank"):
        paying.request_account(payment, request.form["bank"])
        return url_for("public.returning.success", ref=reference(payment))
    if payment is None or payment.status == "awaiting_deposit":
        return url_for("public.returning.complete")
    return url_for(".show", event=event.slug)


def ask_for_receipt(order: Order) -> None:
    """What the form says beside the way to pay; a form that does not ask takes back nothing."""
    asked = cash_receipt.typed()
    if asked.kind and cash_receipting.may_ask(order):
        cash_receipting.ask(order, asked.kind, asked.identity, by=audit.Actor("buyer", order.id))


def payment_page(order: Order, payment, errors=None, status: int = 200):
    papers = ticketing.Papers(order)
    values = order_values(papers)
    here, state = url_for(".show", event=papers.event.slug), standing(payment, values["owed"])
    to_open = state == "open" and paying.needs_opening(payment)
    checkout = window(payment) if state == "open" and payment.method in paying.WINDOW and not to_open else None
    return page(
        "public/payment.html", status, **values, **choices(order, papers.event), state=state, to_open=to_open, checkout=checkout,
        params=checkout and checkout.params, script_url=checkout and checkout.script_url, start=True, pay_url=here, check_url=here,
        errors=errors or {}, failure=failure_text(payment.failure_code) if payment and state == "failed" and payment.failure_code else "")


def standing(payment, owed: int) -> str:
    """The payment's state, as far as it is for what is owed now: no window opens for what the order was before it was changed."""
    state = paying.state(payment) if payment else "failed"
    return "failed" if state in ("open", "opening") and payment.amount != owed else state


def choices(order: Order, event: Event) -> dict:
    """The ways to pay, what was chosen, and what the forms ask beside."""
    return {"methods": ordering.methods(event), "method": request.form.get("method") or order.method, "banks": banks(),
            "bank": request.form.get("bank", ""), "receipt": cash_receipt.typed(), "asks_receipt": cash_receipt.still_to_ask(order, event), "issues_accounts": paying.issues_accounts(event)}


def window(payment, *, by_link: bool = False):
    """What opens the gateway's window; it comes back to the host that the visitor is on."""
    try:
        checkout = paying.checkout(payment, *addresses(payment, by_link=by_link), anonymous=by_link)
    except (CannotOpen, GatewayMisconfigured):
        log.exception("the account at the gateway can't be used")
        return None  # the page offers the other ways
    if checkout.kind == "js_sdk":
        allow_gateway_window(payment.provider, checkout.script_url)
    return checkout


def addresses(payment, *, by_link: bool = False) -> tuple[str, str]:
    """Where the gateway sends the browser afterwards."""
    back = {"ref": reference(payment, by_link=by_link), "_external": True}
    return url_for("public.returning.success", **back), url_for("public.returning.fail", **back)


def own_order(event_slug: str) -> Order | None:
    """The order this browser has made, when it is of this event."""
    remembered = order_cookie.remembered()
    if remembered is None or remembered[0] != g.org.id:
        return None
    order = db.session.get(Order, remembered[1])
    event = db.session.scalar(select(Event).where(Event.slug == event_slug))
    return order if order and event and order.event_id == event.id else None


def reference(payment, *, by_link: bool = False) -> str:
    """What brings the browser back to this payment from anywhere: it names organisation and payment and can't be altered. With
    `by_link` it was somebody else who went to pay."""
    return sign("payment", [payment.org_id, payment.id, *(["link"] if by_link else [])])


def banks() -> list[tuple[str, str]]:
    korean = current_locale() == "ko"
    return [(bank.name, bank.korean if korean else bank.english) for bank in BANKS.values()]


def failure_text(code: str) -> str:
    """A sentence of ours for a gateway's code: nobody else's words come into our pages."""
    texts = {
        "PAY_PROCESS_CANCELED": _("You closed the payment window. Nothing was charged."),
        "USER_CANCEL": _("You closed the payment window. Nothing was charged."),
        "PAY_PROCESS_ABORTED": _("The payment was interrupted. Nothing was charged."),
        "NOT_FOUND_PAYMENT_SESSION": _("Your approval expired before the payment was finished. Nothing was charged."),
        "INVALID_PAYMENT_TOKEN": _("Your approval expired before the payment was finished. Nothing was charged."),
        "REJECT_CARD_PAYMENT": _("The card was declined: its limit or balance is too low. Nothing was charged."),
        "REJECT_CARD_COMPANY": _("The card company declined the payment. Nothing was charged."),
        "REJECT_ACCOUNT_PAYMENT": _("The bank declined the payment: the balance is too low. Nothing was charged."),
        "INVALID_CARD_EXPIRATION": _("The card's expiry date is not right. Nothing was charged."),
        "INVALID_STOPPED_CARD": _("This card has been suspended. Nothing was charged."),
        "INVALID_CARD_LOST_OR_STOLEN": _("This card has been reported lost. Nothing was charged."),
        "INVALID_CARD_NUMBER": _("The card's number is not right. Nothing was charged."),
        "NOT_AVAILABLE_BANK": _("The bank is down for maintenance right now. Nothing was charged."),
        "BELOW_MINIMUM_AMOUNT": _("This amount is too small for this payment method. Nothing was charged."),
        "AMOUNT_DIFFERS": _("The amount does not match what is due, so we stopped the payment. Nothing was charged."),
        "PLACES_GONE": _("Your places were released and have been taken by others. Nothing was charged."),
        "OVER": _("This payment had already ended. Nothing was charged."),
        "ORDER_CHANGED": _("The registration was changed while the window was open. Nothing was charged. Check the new amount and pay again."),
    }
    if code.startswith("EXCEED_MAX"):
        return _("Your card or account has reached its limit. Nothing was charged.")
    return texts.get(code) or _("The payment did not go through. Nothing was charged.")
