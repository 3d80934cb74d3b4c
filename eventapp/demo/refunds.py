"""Refunds of the conference in all states: an account awaited, transfers to make, one that was made, one that the gateway refused."""
from sqlalchemy import func, select

from eventapp import audit
from eventapp.domain import ledger, refund_rules, refunding, registering
from eventapp.extensions import db
from eventapp.languages import LOCALES
from eventapp.models import Event, Membership, Order, Payment, Refund, Registration

ILL, ROOM = "갑작스러운 사정으로 참석이 어려움", "숙소 냉방 고장에 대한 사과"
ACCOUNTS = ({"bank": "woori", "number": "1002123456789", "holder": "김하나"}, {"bank": "kakao", "number": "3333012345678", "holder": "이준서"},
            {"bank": "kb", "number": "12345678901234", "holder": "박서연"})


def add(event: Event) -> None:
    """Of people who came alone: four paid by transfer, one by card."""
    staff = audit.Actor("user", db.session.scalar(select(Membership.user_id).where(Membership.role == "ORG_OWNER").limit(1)))
    texts = {locale: "\n".join(refund_rules.in_words(event.refund_rules, event, locale)) for locale in LOCALES}
    for order in db.session.scalars(select(Order).where(Order.event_id == event.id)):
        order.refund_terms = {"rules": refund_rules.terms(event), "text": texts[order.locale], "locale": order.locale,
                              "at": order.created_at.isoformat()}
    asked, first, second, made = alone(event, "manual_transfer", 4)
    card, = alone(event, "card", 1)
    cancel(asked, audit.Actor("buyer", asked.id), refunding.quote(asked))
    cancel(first, audit.Actor("buyer", first.id), refunding.quote(first), ACCOUNTS[0])
    found = refunding.quote(second, in_full=True)
    refunding.give(second, refunding.of_amount(second, found, 30_000), reason=ROOM, by=staff, account=ACCOUNTS[1], goodwill=True)
    refund, = cancel(made, staff, refunding.quote(made, in_full=True), ACCOUNTS[2])
    refunding.sent(refund, by=staff)
    refuse(card, staff)


def alone(event: Event, method: str, count: int) -> list[Order]:
    """Confirmed, with nobody beside them, the latest first."""
    people = select(Registration.order_id).where(Registration.event_id == event.id, Registration.status == "confirmed").group_by(
        Registration.order_id).having(func.count() == 1)
    return list(db.session.scalars(select(Order).join(Payment, Payment.order_id == Order.id).where(
        Order.id.in_(people), Payment.method == method, Payment.status == "paid", Payment.problem.is_(None), Payment.amount >= 90_000)
        .order_by(Order.id.desc()).limit(count)))


def cancel(order: Order, by, found, account=None) -> list[Refund]:
    registering.cancel(registering.of_order(order), by=by, reason=ILL)
    return refunding.give(order, found, reason=ILL, by=by, account=account)


def refuse(order: Order, staff) -> None:
    """The gateway had not enough of the organisation's money that day."""
    found = refunding.quote(order)
    (payment, amount), = found.parts
    registering.cancel(registering.of_order(order), by=staff, reason=ILL)
    ledger.keep(order, found.kept)
    refund = Refund(payment_id=payment.id, amount=amount, kept=found.kept, reason=ILL, by=f"user:{staff.id}", lines=[
        {"line_item": line.line_item.id, "registration": line.registration.id, "name": line.line_item.name,
         "tax_free": line.line_item.tax_free, "amount": line.amount, "kept": line.kept} for line in found.lines])
    db.session.add(refund)
    db.session.flush()
    refunding.refused(refund, "REFUND_REJECTED")
