"""Deposits on the organisation's own account, and the payments that they are.

What is proposed is certain as far as a name and an amount can be: one awaited payment of just this amount, one deposit that bears
the name of somebody in its order. It is booked when a person has said so, once, and not otherwise. A line that is brought in again is known.
"""
import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert

from eventapp import audit, clock, tenancy
from eventapp.domain import Refused, attempts, ledger, paying, receiving, registering
from eventapp.domain.statements import Deposit
from eventapp.extensions import db
from eventapp.languages import _, current_locale
from eventapp.models import BankLine, CheckIn, Event, Order, Organization, Payment, Registration, Status
from eventapp.models.base import among
from eventapp.money import money_text
from eventapp.payments.provider import AWAITING_DEPOSIT, EXPIRED

MOST_AWAITED = 20_000
LATE = timedelta(days=60)
"""How long after its end an unpaid transfer is still looked at."""
MOST_CHOICES = 6
PLACES_KEPT = timedelta(days=1)
"""At least, when money that was matched by mistake is awaited again."""


# -- bringing lines in -------------------------------------------------------------------------------------

@dataclass
class Brought:
    new: int = 0
    known: int = 0


def bring(deposits: list[Deposit], currency: str, *, by) -> Brought:
    """Keep what is not there yet. Lines that say the same in one statement are as many deposits; the same of another statement are
    those, also when it leaves out the time."""
    if not deposits:
        return Brought()
    already, rough = _known(deposits, currency)
    seen, spent, rows = Counter(), Counter(), []
    for deposit in deposits:
        exact, loose = _said(deposit), _said(deposit, time=False)
        seen[exact] += 1
        key = _key(currency, exact, seen[exact])
        twin = (loose, bool(deposit.time))
        if key in already:
            continue
        if spent[twin] < rough[loose, not deposit.time]:
            spent[twin] += 1
            continue
        rows.append({"key": key, "day": deposit.day, "time": deposit.time, "amount": deposit.amount, "currency": currency, "depositor": deposit.depositor,
                     "memo": deposit.memo, "state": "open", "brought_by": by.id, "created_at": clock.now()})
    made = 0
    if rows:
        made = len(db.session.scalars(insert(BankLine).values(rows).on_conflict_do_nothing(index_elements=["org_id", "key"]).returning(BankLine.id)).all())
        audit.record("bank_line.brought", db.session.get(Organization, tenancy.current_org_id()), by=by, after={"rows": made})
    return Brought(made, len(deposits) - made)


def _known(deposits, currency: str) -> tuple[set[str], Counter]:
    """The keys that are there; and of each day, amount and name how many lines with a time, and how many without."""
    found = db.session.execute(select(BankLine.key, BankLine.day, BankLine.time, BankLine.amount, BankLine.depositor).where(
        BankLine.currency == currency, tuple_(BankLine.day, BankLine.amount).in_({(one.day, one.amount) for one in deposits}))).all()
    return {row.key for row in found}, Counter((_said(row, time=False), bool(row.time)) for row in found)


def _said(line, time: bool = True) -> str:
    return f"{line.day}|{line.time[:5] if time else ''}|{line.amount}|{normal(line.depositor)}"


def _key(currency: str, said: str, number: int) -> str:
    return hashlib.blake2b(f"{currency}|{said}|{number}".encode(), digest_size=20).hexdigest()


# -- proposing ---------------------------------------------------------------------------------------------

@dataclass
class Candidate:
    """A transfer that is awaited, or was awaited until lately."""

    payment_id: int
    order_id: int
    amount: int
    currency: str
    status: str
    begun: datetime
    due_at: datetime | None
    buyer: str
    title: dict
    zone: str
    names: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)

    @property
    def late(self) -> bool:
        return self.status == EXPIRED


@dataclass
class Proposal:
    """`sure`: what is proposed. `choices`: what it may be besides, the likeliest first; `more` of the same amount are left out.
    `why_not`: why nothing is proposed although a name fits."""

    line: BankLine
    sure: Candidate | None = None
    choices: list[Candidate] = field(default_factory=list)
    more: int = 0
    why_not: str = ""


SURE, LIKELY = 2, 1


def proposals(lines: list[BankLine], payments) -> list[Proposal]:
    """For every open line, those that are proposed first. `payments`: a select of those that the member may see."""
    if not lines:
        return []
    awaited = candidates(payments)
    book = _Book(awaited)
    found = [_propose(line, book) for line in lines]
    claims = Counter(one.sure.payment_id for one in found if one.sure)
    for one in found:
        if one.sure and claims[one.sure.payment_id] > 1:
            one.why_not = _("Several deposits fit this payment. Choose which of them it is.")
            one.choices, one.sure = [one.sure, *one.choices][:MOST_CHOICES], None
    return sorted(found, key=lambda one: (one.sure is None, not one.choices, -one.line.day.toordinal(), one.line.id))


def candidates(payments) -> list[Candidate]:
    """The newest first."""
    query = payments.join(Order, Order.id == Payment.order_id).join(Event, Event.id == Order.event_id).where(
        Payment.provider == "manual", Payment.problem.is_(None), (Payment.status == AWAITING_DEPOSIT) | (
            (Payment.status == EXPIRED) & (Payment.created_at > clock.now() - LATE)))
    found = [Candidate(*row) for row in db.session.execute(query.with_only_columns(
        Payment.id, Payment.order_id, Payment.amount, Payment.currency, Payment.status, Payment.created_at, Payment.due_at, Order.name, Event.title,
        Event.timezone).order_by(Payment.id.desc()).limit(MOST_AWAITED))]
    by_order = defaultdict(list)
    for one in found:
        by_order[one.order_id].append(one)
    for order_id, name, number in db.session.execute(select(Registration.order_id, Registration.name, Registration.number).where(
            among(Registration.order_id, list(by_order))).order_by(Registration.position)):
        for one in by_order[order_id]:
            one.names.append(name)
            one.numbers.append(number)
    return found


def normal(text: str) -> str:
    """Letters and digits alone, in one form."""
    return re.sub(r"[^0-9a-z가-힣぀-ヿ一-鿿à-ɏ]", "", unicodedata.normalize("NFKC", text).casefold())


def _words(text: str) -> list[str]:
    return [word for word in map(normal, re.split(r"[\s,/()\[\]._*·:+-]+", text)) if word]


def _sorted(text: str) -> str:
    """KIM HANA is Hana Kim."""
    return " ".join(sorted(_words(text)))


class _Book:
    """The awaited payments by everything that a depositor may write."""

    def __init__(self, awaited: list[Candidate]):
        self.by_name: dict[str, list[Candidate]] = defaultdict(list)
        self.by_words: dict[str, list[Candidate]] = defaultdict(list)
        self.by_start: dict[str, list[Candidate]] = defaultdict(list)
        self.by_number: dict[str, list[Candidate]] = defaultdict(list)
        self.by_amount: dict[tuple, list[Candidate]] = defaultdict(list)
        for one in awaited:
            self.by_amount[one.amount, one.currency].append(one)
            for number in one.numbers:
                self.by_number[normal(number)].append(one)
                self.by_number[normal(number.rpartition("-")[2])].append(one)
            for name in {one.buyer, *one.names}:
                whole = normal(name)
                if len(whole) < 2:
                    continue
                self.by_name[whole].append(one)
                self.by_words[_sorted(name)].append(one)
                for end in range(2, len(whole)):
                    self.by_start[whole[:end]].append(one)

    def named(self, line: BankLine) -> dict[int, tuple[int, Candidate]]:
        """payment → (how sure, candidate), whatever its amount."""
        hits: dict[int, tuple[int, Candidate]] = {}

        def note(found, strength: int) -> None:
            for one in found:
                hits[one.payment_id] = max(hits.get(one.payment_id, (0, one)), (strength, one), key=lambda hit: hit[0])

        whole = normal(line.depositor)
        said = [*_words(line.depositor), *_words(line.memo), whole]
        for word in {*said, re.sub(r"[0-9a-z]+$|^[0-9a-z]+", "", whole)}:
            note(self.by_name.get(word, ()), SURE)
            if len(word) >= 5:
                note(self.by_number.get(word, ()), SURE)
        note(self.by_words.get(_sorted(line.depositor), ()), SURE)
        for word in (whole, normal(line.memo)):
            for start in range(len(word)):
                for end in range(start + 2, len(word) + 1):
                    note(self.by_name.get(word[start:end], ()), LIKELY)
        note(self.by_start.get(whole, ()), LIKELY)
        return hits


def _propose(line: BankLine, book: _Book) -> Proposal:
    hits = book.named(line)
    fitting = [one for one in book.by_amount.get((line.amount, line.currency), ()) if _could_be(line, one)]
    named = sorted(((hits[one.payment_id][0], one) for one in fitting if one.payment_id in hits), key=lambda hit: (-hit[0], hit[1].late, hit[1].begun))
    sure = [one for strength, one in named if strength == SURE and not one.late]
    proposal = Proposal(line)
    if len(sure) == 1:
        proposal.sure = sure[0]
    elif len(sure) > 1:
        proposal.why_not = _("Several people of this name owe this amount. Choose the right one.")
    elif not named and hits:
        nearest = max(hits.values(), key=lambda hit: (hit[0], not hit[1].late))[1]
        if hits[nearest.payment_id][0] == SURE and not nearest.late:
            proposal.why_not = _differs(nearest.buyer, nearest.amount, line)
    first = [one for _strength, one in named if one is not proposal.sure]
    rest = [one for one in fitting if one.payment_id not in hits]
    proposal.choices = [*first, *sorted(rest, key=lambda one: (one.late, one.begun))][:MOST_CHOICES]
    proposal.more = max(0, len(first) + len(rest) - MOST_CHOICES)
    return proposal


def _could_be(line: BankLine, one: Candidate) -> bool:
    """Nobody pays before the day on which they register."""
    return one.begun.astimezone(ZoneInfo(one.zone)).date() <= line.day + timedelta(days=1)


def _money(amount: int, currency: str) -> str:
    return money_text(amount, currency, current_locale())


# -- deciding ------------------------------------------------------------------------------------------------

@dataclass
class Outcome:
    matched: int = 0
    refused: list[tuple[BankLine, str]] = field(default_factory=list)


def confirm(chosen: dict[int, int | str], payments, registrations, *, by) -> Outcome:
    """line → payment, or the number of a registration: a person says that this deposit is that payment. Each by itself, so that one
    that is refused keeps no other back."""
    outcome = Outcome()
    for line in _locked(chosen):
        try:
            with db.session.begin_nested():
                payment = _receive(line, chosen[line.id], payments, registrations, by=by)
                line.state, line.payment_id, line.settled_by, line.settled_at = "matched", payment.id, by.id, clock.now()
                audit.record("payment.matched", payment, by=by, after={"amount": line.amount, "day": line.day.isoformat()})
            outcome.matched += 1
        except Refused as refused:
            outcome.refused.append((line, refused.sentence))
    return outcome


def _locked(ids) -> list[BankLine]:
    return list(db.session.scalars(select(BankLine).where(among(BankLine.id, list(ids))).order_by(BankLine.id).with_for_update()
                                   .execution_options(populate_existing=True)))


def _receive(line: BankLine, choice, payments, registrations, *, by) -> Payment:
    if line.state != "open":
        raise Refused(_("Somebody has settled this deposit already."))
    if isinstance(choice, str):
        return _by_number(line, choice, payments, registrations, by=by)
    return _mark(line, db.session.scalar(payments.where(Payment.id == choice)), by=by)


def _by_number(line: BankLine, number: str, payments, registrations, *, by) -> Payment:
    """By the number of a registration: the transfer that its order awaits, or what the order owes in whichever way."""
    found = db.session.scalar(registrations.where(Registration.number == number.strip().upper()))
    if found is None:
        raise Refused(_("There is no registration %(number)s.", number=number))
    order = db.session.get(Order, found.order_id, with_for_update={"key_share": True}, populate_existing=True)
    owed = ledger.owed(order)
    if owed == line.amount and order.currency == line.currency:
        if receiving.is_elsewhere(order):
            raise Refused(_("The buyer is paying at this moment. Try again in a minute."))
        return receiving.receive(order, by=by)
    late = db.session.scalar(payments.where(Payment.order_id == order.id, Payment.provider == "manual", Payment.status == EXPIRED,
                                            Payment.amount == line.amount).order_by(Payment.id.desc()).limit(1))
    if late is None:
        raise Refused(_differs(order.name, max(owed, 0), line))
    return _mark(line, late, by=by)


def _mark(line: BankLine, payment: Payment | None, *, by) -> Payment:
    if payment is None:
        raise Refused(_("This payment can't be found any more."))
    if payment.currency != line.currency:
        raise Refused(_("This payment is in another currency."))
    paying.mark_received(payment, line.amount, by=by)
    return payment


def _differs(name: str, expected: int, line: BankLine) -> str:
    return _("%(name)s owes %(expected)s, but %(found)s came.", name=name, expected=_money(expected, line.currency), found=_money(line.amount, line.currency))


def ignore(ids, *, by) -> int:
    """Deposits that have nothing to do with registrations."""
    lines = [line for line in _locked(ids) if line.state == "open"]
    for line in lines:
        line.state, line.settled_by, line.settled_at = "ignored", by.id, clock.now()
    audit.record("bank_line.ignored", lines, by=by)
    return len(lines)


def reopen(line: BankLine, *, by) -> None:
    """It was settled by mistake. A payment is awaited again, as long as nothing else has happened with the money."""
    [line] = _locked([line.id])
    if line.state == "open":
        return
    if line.state == "matched":
        _take_back(db.session.get(Payment, line.payment_id), by=by)
    line.state, line.payment_id, line.settled_by, line.settled_at = "open", None, None, None
    audit.record("bank_line.reopened", line, by=by)


def _take_back(payment: Payment, *, by) -> None:
    order = attempts.lock(payment)
    people = registering.of_order(order)
    came_in = select(CheckIn.id).where(CheckIn.registration_id.in_([one.id for one in people]), CheckIn.result == "ok", CheckIn.undone_at.is_(None))
    if not receiving.is_untouched(payment.id) or any(one.status != Status.CONFIRMED for one in people) or db.session.scalar(came_in.limit(1)):
        raise Refused(_("Something has happened with this registration since. Settle it on the payment’s page."), status=409)
    receiving.take_back(payment.id, by=by)
    registering.money_taken_back(order, by=by)
    payment.due_at = max(filter(None, (payment.due_at, clock.now() + PLACES_KEPT))).replace(microsecond=0)
    registering.hold(order, payment.due_at)


# -- looking -------------------------------------------------------------------------------------------------

def visible(member_events, user_id: int):
    """A statement is the whole organisation's: who works for some events sees the lines that they have brought in themselves."""
    query = select(BankLine)
    return query if member_events is None else query.where(BankLine.brought_by == user_id)

