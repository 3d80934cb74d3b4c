"""What somebody takes part in, changed by staff after the registration was made, and what follows for the money.

What stays keeps the price it was sold at; what is added costs what it costs today, or nothing when staff say why.
"""
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, null, select
from sqlalchemy.exc import IntegrityError

from eventapp import audit, clock
from eventapp.domain import (
    Refused,
    RefusedFields,
    applying,
    attempts,
    ledger,
    ordering,
    paying,
    pricing,
    refunding,
    registering,
)
from eventapp.extensions import db
from eventapp.languages import _, localized, ngettext
from eventapp.models import LineItem, Order, Payment, Program, Quota, QuotaProgram, Registration, Status
from eventapp.outbox import later

CHANGEABLE = (Status.PENDING_APPROVAL, Status.PENDING_PAYMENT, Status.CONFIRMED)
REASON = "programs were changed"


@dataclass
class Wanted:
    """As staff have chosen it. `was` is the `mark` of what they saw, so that nobody undoes another's change unseen."""

    chosen: dict[str, int]
    was: str = ""
    free: bool = False
    """Nothing is charged for what is added."""
    reason: str = ""
    tell: bool = False
    """Write to the buyer."""
    give_back: bool = False
    """Send back what is too much."""
    wrong_quantities: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """`item`: as it was sold before, None for what is added."""

    program: Program
    quantity: int
    unit_price: int
    tier: dict
    item: LineItem | None = None

    @property
    def amount(self) -> int:
        return self.quantity * self.unit_price


@dataclass(frozen=True, slots=True)
class Preview:
    """What a choice would come to; `owed` and `back` are the whole order's, as it would stand."""

    lines: list[Line]
    removed: list[tuple[LineItem, int]]
    before: int
    after: int
    owed: int

    @property
    def difference(self) -> int:
        return self.after - self.before

    @property
    def back(self) -> int:
        return max(0, -self.owed)


# -- looking -----------------------------------------------------------------------------------------

def mark(registration: Registration) -> str:
    """What it takes part in now, for the form to bring back."""
    return ",".join(f"{item.id}x{item.quantity}" for item in registration.line_items)


def chosen(registration: Registration) -> dict[str, int]:
    """Code of a program → how many."""
    found: dict[str, int] = {}
    for item in registration.line_items:
        found[item.program.code] = found.get(item.program.code, 0) + item.quantity
    return found


def today(program: Program, at: datetime) -> tuple[int, dict]:
    """What staff charge for it now, and the tier: the last one when it is no longer sold."""
    tier = pricing.current_tier(program, at) or (program.tiers[-1] if program.tiers else {})
    return tier.get("price", 0), tier


def plan(registration: Registration, programs: dict[str, Program], wanted: Wanted, at: datetime) -> list[Line]:
    """The lines as they would be: of what was sold first as much as stays, then what is added."""
    lines = []
    for code, program in programs.items():
        left = wanted.chosen.get(code, 0)
        for item in [one for one in registration.line_items if one.program_id == program.id]:
            if left:
                lines.append(Line(program, min(left, item.quantity), item.unit_price, item.tier, item))
                left -= lines[-1].quantity
        if left:
            price, tier = today(program, at)
            lines.append(Line(program, left, 0 if wanted.free else price, {} if wanted.free else {"name": tier.get("name") or {}}))
    return lines


def preview(registration: Registration, wanted: Wanted) -> Preview:
    offer = ordering.offer(registration.event)
    return _preview(registration, plan(registration, offer.programs, wanted, offer.at), ledger.owed(registration.order))


def _preview(registration: Registration, lines: list[Line], owed: int) -> Preview:
    kept = {line.item.id: line.quantity for line in lines if line.item}
    removed = [(item, item.quantity - kept.get(item.id, 0)) for item in registration.line_items if kept.get(item.id, 0) < item.quantity]
    before, after = registration.total, sum(line.amount for line in lines)
    holds = bool(registering.holding([registration]))
    return Preview(lines, removed, before, after, owed + (after - before if holds else 0))


# -- changing ----------------------------------------------------------------------------------------

def change(registration: Registration, wanted: Wanted, *, by) -> Preview:
    """Raises Refused, or RefusedFields with everything that is wrong; then nothing is written."""
    order = _lock(registration)
    _may_change(registration, order, wanted)
    offer = ordering.offer(registration.event)
    lines = plan(registration, offer.programs, wanted, offer.at)
    _check(offer, registration, wanted, lines)
    done = _preview(registration, lines, ledger.owed(order))
    before = chosen(registration)
    try:
        if registering.holding([registration]):
            _lock_places(registration, lines)
        _write(offer, registration, lines)
        db.session.flush()
    except IntegrityError as error:
        db.session.rollback()
        raise RefusedFields({"program": _("The last place has just been taken.")}) from error
    order.total += done.difference
    if registering.holding([registration]):
        ledger.change(order, done.difference)
    audit.record("registration.programs_changed", registration, by=by,
                 before={"programs": before, "amount": done.before},
                 after={"programs": chosen(registration), "amount": done.after, "free": wanted.free},
                 personal=(None, {"reason": wanted.reason}) if wanted.reason else None)
    _settle(order, registration, wanted, by=by)
    if wanted.tell:
        stamp = clock.now().isoformat()
        later("mail_order_changed", registration, key=stamp, about=stamp)
    return done


def take_out(registration: Registration, items: list[LineItem], *, by, reason: str) -> None:
    """Some of what it had is gone, and its places are free; what becomes of the money is the caller's matter (`giving_back.py`)."""
    order, gone = _lock(registration), {item.id for item in items}
    _may_change(registration, order, Wanted({}, was=mark(registration)))
    rest, before = {}, chosen(registration)
    for item in registration.line_items:
        if item.id not in gone:
            rest[item.program.code] = rest.get(item.program.code, 0) + item.quantity
    errors = ordering.check_programs(ordering.offer(registration.event), ordering.Participant(chosen=rest), on_sale=False)
    if errors:
        raise Refused(next(iter(errors.values())))
    amount = sum(item.amount for item in registration.line_items if item.id in gone)
    for item in [one for one in registration.line_items if one.id in gone]:
        db.session.delete(item)
    db.session.flush()
    db.session.expire(registration, ["line_items"])
    order.total -= amount
    if registering.holding([registration]):
        ledger.change(order, -amount)
    audit.record("registration.programs_changed", registration, by=by, before={"programs": before},
                 after={"programs": chosen(registration)}, personal=(None, {"reason": reason}))


def _lock(registration: Registration) -> Order:
    """The order first, as everybody does, then the registration; both as they are now."""
    db.session.flush()
    order = db.session.get(Order, registration.order_id, with_for_update={"key_share": True}, populate_existing=True)
    db.session.get(Registration, registration.id, with_for_update=True, populate_existing=True)
    db.session.expire(registration, ["line_items"])
    return order


def _may_change(registration: Registration, order: Order, wanted: Wanted) -> None:
    if registration.status not in CHANGEABLE:
        raise Refused(_("The programs of a registration that is no longer valid can't be changed."))
    if wanted.was != mark(registration):
        raise Refused(_("Somebody has changed these programs since you opened the page. Look at them again."), status=409)
    if attempts.open_of_order(order, "confirm"):
        raise Refused(_("The buyer is paying at this moment. Try again in a minute."), status=409)


def _check(offer, registration: Registration, wanted: Wanted, lines: list[Line]) -> None:
    errors = ordering.check_programs(offer, ordering.Participant(chosen=wanted.chosen, wrong_quantities=wanted.wrong_quantities),
                                     on_sale=False)
    added = any(line.item is None for line in lines)
    if wanted.free and added and not wanted.reason:
        errors["reason"] = _("Say why nothing is charged for what is added.")
    if errors:
        raise RefusedFields(errors)
    if wanted.chosen == chosen(registration):
        raise Refused(_("Nothing is different: these are the programs it has."))


def _lock_places(registration: Registration, lines: list[Line]) -> None:
    """Lock what is used up and what is given free, in order; say whose places are gone. The database checks again by itself."""
    more: dict[int, int] = {}
    for line in lines:
        more[line.program.id] = more.get(line.program.id, 0) + line.quantity
    for item in registration.line_items:
        more[item.program_id] = more.get(item.program_id, 0) - item.quantity
    touched = [identity for identity, count in more.items() if count]
    rows = db.session.execute(
        select(Quota.id, Quota.capacity - Quota.used,
               select(func.array_agg(QuotaProgram.program_id)).where(QuotaProgram.quota_id == Quota.id).scalar_subquery())
        .where(Quota.id.in_(select(QuotaProgram.quota_id).where(QuotaProgram.program_id.in_(touched))))
        .order_by(Quota.id).with_for_update(of=Quota)).all()
    errors = {}
    for _id, left, programs in rows:
        if sum(more.get(identity, 0) for identity in programs) > max(left, 0):
            for line in lines:
                if line.program.id in programs and more[line.program.id] > 0:
                    errors.setdefault(f"qty-{line.program.code}" if line.program.maximum > 1 else "program", _full(line.program, left))
    if errors:
        raise RefusedFields(errors)


def _full(program: Program, left: int) -> str:
    name = localized(program.name)
    if left <= 0:
        return _("“%(program)s” is sold out.", program=name)
    return ngettext("“%(program)s” has %(num)d place left.", "“%(program)s” has %(num)d places left.", left, program=name)


def _write(offer: ordering.Offer, registration: Registration, lines: list[Line]) -> None:
    """First what is given free, then what is taken: places that are swapped are never counted twice."""
    kept = {line.item.id: line for line in lines if line.item}
    for item in list(registration.line_items):
        if item.id not in kept:
            db.session.delete(item)
        else:
            item.quantity = kept[item.id].quantity
    db.session.flush()
    db.session.add_all(LineItem(registration_id=registration.id, program_id=line.program.id, name=line.program.name, tier=line.tier,
                                quantity=line.quantity, unit_price=line.unit_price, tax_free=offer.is_tax_free(line.program))
                       for line in lines if line.item is None)
    db.session.flush()
    db.session.expire(registration, ["line_items"])


# -- what follows for the money -------------------------------------------------------------------------

def _settle(order: Order, registration: Registration, wanted: Wanted, *, by) -> None:
    if not registering.holding([registration]):
        return  # nothing has been charged yet
    if registration.paid_at is None and registration.status == Status.CONFIRMED:
        registration.paid_at = registration.confirmed_at or clock.now()  # it was free, and whole, from the beginning
    owed = ledger.owed(order)
    _close_what_is_open(order, owed)
    _forget_surplus(order)
    if owed > 0:
        if order.method == paying.MANUAL_TRANSFER:
            paying.begin(order, order.method, tell=False)
    elif registering.with_status(registering.of_order(order), Status.PENDING_PAYMENT):
        registering.money_arrived(order, by=by)
    if owed < 0:
        _give_back(order, refunding.surplus(order), REASON, wanted.give_back, by=by)


def give_back(order: Order, *, by) -> None:
    """What is too much goes back now: an earlier change, or a cancellation, had left it. Raises Refused."""
    db.session.get(Order, order.id, with_for_update={"key_share": True}, populate_existing=True)
    surplus = returnable(order)
    if surplus <= 0:
        raise Refused(_("There is nothing to give back."), status=409)
    _forget_surplus(order)
    _give_back(order, surplus, "too much was paid", True, by=by)


def returnable(order: Order) -> int:
    """How much of what is too much can be sent back, and is not on its way yet."""
    return min(refunding.surplus(order), sum(amount for _payment, amount in refunding.givers(order)))


def _close_what_is_open(order: Order, owed: int) -> None:
    """What asks for another sum than is owed now."""
    for payment in db.session.scalars(select(Payment).where(
            Payment.order_id == order.id, Payment.status.in_(applying.WAITING), Payment.amount != owed, Payment.problem.is_(None))).all():
        applying.close(payment, "voided")


def _forget_surplus(order: Order) -> None:
    """What an earlier change had left for a person is reckoned anew."""
    for payment in db.session.scalars(select(Payment).where(Payment.order_id == order.id, Payment.problem.is_not(None))).all():
        if payment.problem["kind"] == "overpaid":
            payment.problem = null()
    db.session.flush()


def _give_back(order: Order, surplus: int, reason: str, at_once: bool, *, by) -> None:
    """From the latest payment on. What must not go back yet, or can't because something is on its way, is left for a person."""
    for payment, most in refunding.givers(order):
        if surplus <= 0:
            return
        amount = min(surplus, most)
        surplus -= amount
        refund = refunding.give_back(payment, reason, by=by, amount=amount) if at_once else None
        if refund is None and payment.problem is None:
            refunding.needs_a_person(payment, "overpaid", payment.balance - amount, payment.balance, by=by)
