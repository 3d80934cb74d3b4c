"""Registering somebody by hand: a walk-in, a guest, somebody who pays in cash or later. Also what an import does line by line.

Staff are not held to the sales window, the approval, the questions that must be answered or an email address. Capacity holds
for everybody: the database itself refuses.
"""
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError

from eventapp import audit, clock
from eventapp.domain import Refused, RefusedFields, applying, asking, changing, ledger, ordering, pricing, registering
from eventapp.domain.ordering import Offer, Participant
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import LineItem, Order, Organization, Payment, Registration, Status
from eventapp.models.account import normal_email
from eventapp.models.form import FILE
from eventapp.outbox import later, together
from eventapp.payments.provider import AWAITING_DEPOSIT, MANUAL_TRANSFER, PAID

CASH, UNPAID, GUEST = PAYMENTS = ("cash", "unpaid", "guest")
"""Received now; owed, until a time; nothing is charged, for a reason."""


@dataclass
class Entry:
    """One person as staff have written them down. `id` makes it one order however often it is posted."""

    id: str
    person: Participant
    payment: str = CASH
    reason: str = ""
    """Why a guest pays nothing."""
    until: datetime | None = None
    """When somebody who owes has to have paid; without it, until the event is over."""
    letter: bool = False
    locale: str = "ko"
    note: str = ""
    flag: str = ""
    tags: tuple[str, ...] = ()
    order_answers: dict | None = None


def lines(offer: Offer, entry: Entry) -> list[pricing.Line]:
    """What is taken and what it costs today, also what is no longer (or not yet) sold."""
    found = []
    for code, program in offer.programs.items():
        if entry.person.chosen.get(code):
            price, tier = changing.today(program, offer.at)
            free = entry.payment == GUEST
            found.append(pricing.Line(program, entry.person.chosen[code], 0 if free else price, {} if free else tier))
    return found


def check(offer: Offer, entry: Entry) -> dict[str, str]:
    """What is wrong, by the name of the form's field."""
    errors = {"form": _("This event has been cancelled")} if offer.event.status == "cancelled" else {}
    errors |= ordering.check_person(entry.person, needs_email=False)
    if entry.letter and not entry.person.email.strip():
        errors["email"] = _("Without an email address no letter can be sent. Enter one, or send none.")
    errors |= ordering.check_programs(offer, entry.person, on_sale=False)
    for prefix, fields, given in (("field-", offer.fields, entry.person.answers), ("order-field-", offer.order_fields, entry.order_answers or {})):
        _answers, wrong = asking.read(optional(fields), given, entry.person.chosen)
        errors |= ordering.beside(prefix, fields, wrong)
    if entry.payment not in PAYMENTS:
        errors["payment"] = _("Choose how it is paid.")
    if entry.payment == GUEST and not entry.reason.strip():
        errors["reason"] = _("Say why nothing is charged.")
    if entry.payment == UNPAID and entry.until and entry.until <= clock.now():
        errors["until"] = _("Choose a day that is not over.")
    return errors


def optional(fields: list[dict]) -> list[dict]:
    """The questions, none of which must be answered; files come by the participants' own form only."""
    return [field | {"required": False} for field in fields if field["type"] != FILE]


def add(offer: Offer, entry: Entry, *, by) -> Order:
    """Register somebody; raises RefusedFields with everything that is wrong, and then nothing is written. Posted again it is the
    order of the first time."""
    made = ordering.existing(entry.id)
    if made:
        return _the_same(made, offer)
    errors = check(offer, entry)
    if errors:
        raise RefusedFields(errors)
    try:
        with db.session.begin_nested():
            return _write(offer, entry, by)
    except IntegrityError as error:
        twin = ordering.existing(entry.id)
        if twin:
            return _the_same(twin, offer)
        if "quotas_capacity" in str(error.orig):
            raise RefusedFields({"program": _("The last place has just been taken.")}) from None
        raise


def _the_same(order: Order, offer: Offer) -> Order:
    if order.event_id != offer.event.id:
        raise Refused(_("This page was not complete. Please send it again."))
    return order


def _write(offer: Offer, entry: Entry, by) -> Order:
    event, person, now = offer.event, entry.person, clock.now()
    sold = lines(offer, entry)
    total = sum(line.amount for line in sold)
    owes = entry.payment == UNPAID and total > 0
    answers, _wrong = asking.read(optional(offer.fields), person.answers, person.chosen)
    order_answers, _wrong = asking.read(optional(offer.order_fields), entry.order_answers or {}, person.chosen)
    phone = ordering.phone_number(person.phone) or "" if person.phone.strip() else ""
    order = Order(event_id=event.id, submission=entry.id, name=person.name.strip(), email=normal_email(person.email), phone=phone,
                  locale=entry.locale, currency=event.currency, total=total, method=_method(entry, total), answers=order_answers,
                  form_version=offer.form.version)
    db.session.add(order)
    db.session.flush()
    ordering.lock_places(offer, [sold])
    registration = Registration(
        order_id=order.id, event_id=event.id, code=event.code, status=Status.PENDING_PAYMENT if owes else Status.CONFIRMED,
        name=order.name, email=order.email, phone=phone, locale=entry.locale, answers=answers, tags=list(entry.tags),
        note=entry.note.strip(), flag=entry.flag.strip(), approved_at=now, paid_at=None if owes else now,
        confirmed_at=None if owes else now)
    db.session.add(registration)
    db.session.flush()
    db.session.add_all(LineItem(registration_id=registration.id, program_id=line.program.id, name=line.program.name,
                                tier={"name": line.tier.get("name") or {}}, quantity=line.quantity, unit_price=line.unit_price,
                                tax_free=offer.is_tax_free(line.program)) for line in sold)
    db.session.flush()
    audit.record("order.added_by_hand", order, by=by, personal=(None, {"reason": entry.reason}) if entry.reason else None,
                 after={"payment": entry.payment, "total": total, "status": registration.status, "consents": "not asked"})
    with together():
        _settle(order, entry, total)
    return order


def _method(entry: Entry, total: int) -> str:
    return "free" if not total else MANUAL_TRANSFER if entry.payment == UNPAID else "cash"


def _settle(order: Order, entry: Entry, total: int) -> None:
    """The books, and the letter: a ticket, or how to pay."""
    if total:
        ledger.charge(order)
    if total and entry.payment == UNPAID:
        payment = _awaited(order, entry)
        if entry.letter and payment.virtual_account:
            applying.tell_account(order, payment)
        elif entry.letter:
            later("mail_order_received", order)
        return
    if total:
        payment = _payment(order, "cash", status=PAID, balance=total, approved_at=clock.now())
        ledger.pay(payment, f"{payment.gateway_order_id} 1")
    if entry.letter:
        later("mail_order_confirmed", order)


def _awaited(order: Order, entry: Entry) -> Payment:
    """To the organiser's account when there is one; the link to the order leads to the other ways in any case."""
    account = db.session.get(Organization, order.org_id).bank_account
    until = (entry.until or last_moment(order)).replace(microsecond=0)
    payment = _payment(order, MANUAL_TRANSFER, status=AWAITING_DEPOSIT, due_at=until,
                       virtual_account={name: account.get(name, "") for name in ("bank", "number", "holder")} if account else None)
    registering.hold(order, until)
    return payment


def last_moment(order: Order) -> datetime:
    """Until when a place is kept for somebody who was given no time: as long as the event lasts."""
    return max(order.event.ends_at, clock.now() + timedelta(days=1))


def _payment(order: Order, method: str, **values) -> Payment:
    reference = f"ev_{secrets.token_hex(14)}"
    payment = Payment(order_id=order.id, provider="manual", method=method, gateway_order_id=reference, gateway_key=f"manual-{reference}",
                      amount=order.total, currency=order.currency, **values)
    db.session.add(payment)
    db.session.flush()
    return payment
