"""The letters about money that goes back."""
from eventapp.domain import bank_accounts, refunding
from eventapp.domain.ticketing import Papers, to_buyer
from eventapp.extensions import db
from eventapp.languages import force_locale
from eventapp.models import Order, Payment, Refund, Status


def mail_refunded(refund: Refund, kind: str = "payment_refunded") -> None:
    """`kind`: payment_refunded, or late_payment_refunded for money that came when the places were gone."""
    papers = _papers(refund)
    more = {"account": _account(papers, refund)} if kind == "payment_refunded" else {}
    to_buyer(papers, kind, about=str(refund.id), amount=refund.amount, **more)


def mail_requested(refund: Refund) -> None:
    if refund.state in ("requested", "to_pay"):
        papers = _papers(refund)
        to_buyer(papers, "refund_requested", about=f"{refund.id} {refund.account_hint}", amount=refund.amount, account=_account(papers, refund))


def mail_needs_account(refund: Refund, about: str) -> None:
    """`about`: which time it is asked for; the same link every time, to the order's own page."""
    if refund.state == "needs_account":
        papers = _papers(refund)
        to_buyer(papers, "refund_needs_account", about=f"{refund.id} {about}", amount=refund.amount, wrong=bool(refund.failure_code),
                 link=f"{papers.order_url}/refund-account")


def mail_event_cancelled(order: Order, written: str) -> None:
    """To everybody who had registered; `amount`: what comes back of what was paid."""
    papers = Papers(order)
    gone = [one for one in papers.registrations if one.status == Status.CANCELLED]
    if gone:
        to_buyer(papers, "event_cancelled", registrations=gone, reason=written, amount=refunding.coming_back(order, refunding.EVENT_CANCELLED))


def _papers(refund: Refund) -> Papers:
    payment = db.session.get(Payment, refund.payment_id)
    return Papers(db.session.get(Order, payment.order_id))


def _account(papers: Papers, refund: Refund) -> str:
    with force_locale(papers.order.locale):
        return bank_accounts.shown(refund.account_hint)
