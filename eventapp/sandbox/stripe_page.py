"""Stripe's Checkout page: a buyer approves, is declined, goes back, or pays in a way whose money comes later. No scripts."""
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from eventapp.money import money_text
from eventapp.sandbox.pages import page
from eventapp.sandbox.stripe_books import CARDS, Checkout, Refusal

DECLINED = "4000000000000002"


def show(sandbox, request: Request, id: str) -> Response:
    state = sandbox.stripe
    state.sweep()
    checkout = state.checkouts.get(id)
    if checkout is None:
        return page("refused.html", 404, code="resource_missing")
    if sandbox.autopay and checkout.status == "open":
        return _approve(sandbox, checkout, "4242424242424242")
    return _page(checkout)


def _page(checkout: Checkout, declined: str = "", status: int = 200) -> Response:
    return page("stripe/checkout.html", status, checkout=checkout, declined=declined, cards=CARDS,
                amount=money_text(checkout.amount, checkout.currency.upper(), "ko" if checkout.locale == "ko" else "en"))


def press(sandbox, request: Request, id: str, action: str) -> Response:
    """One of the page's buttons. As at Stripe, a declined card leaves the buyer on the page."""
    state = sandbox.stripe
    try:
        checkout = state.find_any(id)
        if action in ("deposit", "deposit-failed"):
            state.settle(checkout, action == "deposit")
            return redirect(f"/stripe/pay/{id}", 303)
        if action == "close":
            return redirect(checkout.cancel_url, 303)
        if action == "timeout":
            state.pay_later(checkout)
            return redirect(success_url(checkout), 303)
        return _approve(sandbox, checkout, DECLINED if action == "decline" else request.form.get("card", "4242424242424242"))
    except Refusal as refusal:
        return page("refused.html", 409, code=refusal.code or refusal.message)


def _approve(sandbox, checkout: Checkout, card: str) -> Response:
    try:
        sandbox.stripe.pay(checkout, card)
    except Refusal as refusal:
        if refusal.status != 402:
            raise
        return _page(checkout, declined=refusal.more.get("decline_code") or refusal.code, status=402)
    return redirect(success_url(checkout), 303)


def success_url(checkout: Checkout) -> str:
    return checkout.success_url.replace("{CHECKOUT_SESSION_ID}", checkout.id)
