"""Payments by what an address asks for, what they come to, and both as tables that people take away.

Names in the address (repeated ones mean "or", different ones "and"):
    q              a name, an email, a registration's number, an order id or payment key of the gateway, or an amount
    status         one of GROUPS, or `problem`
    method         of the payment
    provider       toss, portone, stripe, manual
    event          slug; where the payments of all events are shown
    from, to       whole days of the organisation: when the payment was begun; of movements, when they were booked
What can't be understood matches nothing. Every sum comes from the ledger: the page, the file and the books say the same.
"""
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import case, false, func, or_, select, tuple_
from sqlalchemy.orm import Session

from eventapp import money, tenancy
from eventapp.domain import exporting, listing
from eventapp.domain.exporting import Column
from eventapp.domain.listing import METHOD_WORDS
from eventapp.extensions import db
from eventapp.languages import _, _l, current_locale, localized
from eventapp.models import Event, GatewayAccount, LedgerEntry, Order, Payment, Registration, Settlement
from eventapp.models.base import among
from eventapp.models.event import METHODS

NAMES = ("q", "status", "method", "provider", "event", "from", "to")
GROUPS = {
    "received": ("paid",), "awaited": ("awaiting_deposit",), "begun": ("created", "pending", "authorized"),
    "given_back": ("partially_refunded", "refund_pending", "refunded"), "ended": ("voided", "failed", "expired")}
GROUP_WORDS = {
    "received": _l("Payment complete"), "awaited": _l("Awaited"), "begun": _l("Begun"), "given_back": _l("Given back"),
    "ended": _l("Not paid"), "problem": _l("Needs a decision")}
PROVIDER_WORDS = {"toss": "Toss Payments", "portone": "PortOne", "stripe": "Stripe", "manual": _l("Own account")}
STATUS_WORDS = {
    "created": _l("Begun"), "pending": _l("Begun"), "authorized": _l("Being confirmed"), "awaiting_deposit": _l("Deposit awaited"),
    "paid": _l("Payment complete"), "partially_refunded": _l("Partly given back"), "refund_pending": _l("Being given back"),
    "refunded": _l("Given back"), "voided": _l("No longer needed"), "failed": _l("Failed"), "expired": _l("Expired")}
MOVEMENT_WORDS = {
    "charged": _l("Charged"), "released": _l("No longer owed"), "paid": _l("Money received"), "refunded": _l("Given back"),
    "returned": _l("Refund came back"), "reversed": _l("Taken back by the bank"), "kept": _l("Kept by the refund rules"),
    "forgiven": _l("Price reduced")}
ACCOUNT_WORDS = {"receivable": _l("Receivable"), "sales": _l("Sales"), "gateway": _l("Payment company"), "bank": _l("Own account")}
CAME, WENT = ("paid", "reversed"), ("refunded", "returned")
MOVEMENTS = (*CAME, *WENT)
"""What moves money; the other entries say what is owed."""
AMOUNT = re.compile(r"[₩￦$]?\s?(\d[\d,]{0,12})\s?원?$")
KEY = re.compile(r"[A-Za-z0-9_-]{12,200}$")
CHUNK, MOST_XLSX = 1000, 20_000
MOST_FOUND = 20_000
"""How many payments a text may mean until it is looked for again by each statement."""


@dataclass(frozen=True)
class Wanted:
    """What is asked for; empty means everything."""

    q: str = ""
    status: str = ""
    methods: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    events: tuple[int, ...] | None = None
    """Ids; None for all that there are."""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_filter(self) -> bool:
        return self != Wanted()


def wanted(args, zone: ZoneInfo, events) -> Wanted:
    """Of an address. Days are whole, in the organisation's own time. `events`: ids of those that the member may see and that are
    asked about, None for all."""
    def several(name):
        return tuple(dict.fromkeys(value for value in map(listing.clean, args.getlist(name)) if value))[:listing.MOST]

    start, end = read_day(args.get("from"), zone), read_day(args.get("to"), zone)
    return Wanted(listing.clean(args.get("q") or ""), listing.clean(args.get("status") or ""), several("method"), several("provider"),
                  events if events is None else tuple(events), start, end and end + timedelta(days=1))


def read_day(text: str | None, zone: ZoneInfo) -> datetime | None:
    try:
        day = datetime.combine(date.fromisoformat(text or ""), datetime.min.time(), zone)
    except ValueError:
        return None
    return day if 1900 < day.year < 9999 else None


class Search:
    """The payments that are meant. A text is looked for once, whatever is asked about those that it means."""

    def __init__(self, wanted: Wanted):
        self.wanted = wanted
        self.ids = self._ids() if wanted.q else None

    def _ids(self) -> list[int] | None:
        """None when there are too many to carry around."""
        found = list(db.session.scalars(self._narrowed(select(Payment.id).where(by_text(self.wanted.q))).limit(MOST_FOUND + 1)))
        return found if len(found) <= MOST_FOUND else None

    def payments(self, *, status: bool = True):
        """A select of them, without order or limit."""
        query = select(Payment)
        if self.ids is not None:
            query = query.where(among(Payment.id, self.ids))
        elif self.wanted.q:
            query = query.where(by_text(self.wanted.q))
        if self.wanted.status and status:
            query = query.where(by_status(self.wanted.status))
        if self.wanted.since:
            query = query.where(Payment.created_at >= self.wanted.since)
        if self.wanted.until:
            query = query.where(Payment.created_at < self.wanted.until)
        return self._narrowed(query) if self.ids is None else query

    def _narrowed(self, query):
        if self.wanted.events is not None:
            query = query.where(of_events(Payment.order_id, self.wanted.events))
        return self._through(query)

    def _through(self, query):
        if self.wanted.methods:
            query = query.where(Payment.method.in_([one for one in self.wanted.methods if one in METHODS]))
        if self.wanted.providers:
            query = query.where(Payment.provider.in_([one for one in self.wanted.providers if one in PROVIDER_WORDS]))
        return query

    def movements(self):
        """A select of the ledger's entries: of such payments, booked in these days."""
        wanted, query = self.wanted, select(LedgerEntry).where(LedgerEntry.payment_id.is_not(None), LedgerEntry.kind.in_(MOVEMENTS))
        if wanted.since:
            query = query.where(LedgerEntry.created_at >= wanted.since)
        if wanted.until:
            query = query.where(LedgerEntry.created_at < wanted.until)
        if wanted.events is not None:
            query = query.where(of_events(LedgerEntry.order_id, wanted.events))
        if wanted.methods or wanted.providers:
            query = query.where(LedgerEntry.payment_id.in_(self._through(select(Payment.id))))
        return query

    def totals(self) -> "Totals":
        """Where nothing is asked for, nothing has to be looked up by payment; where only events are, by order."""
        sums: dict[str, Sums] = {}
        counts = dict.fromkeys([*GROUPS, "problem"], 0)
        group_of = {status: group for group, statuses in GROUPS.items() for status in statuses}
        doubtful = Payment.problem.is_not(None)
        for currency, status, problem, count, amount in db.session.execute(
                self.payments(status=False).with_only_columns(Payment.currency, Payment.status, doubtful, func.count(), func.sum(Payment.amount))
                .group_by(Payment.currency, Payment.status, doubtful)):
            counts[group_of[status]] += count
            counts["problem"] += count if problem else 0
            if self.wanted.status in ("", group_of[status]) or self.wanted.status == "problem" and problem:
                one = sums.setdefault(currency, Sums(currency))
                one.count += count
                one.awaited += amount if status == "awaiting_deposit" else 0
        only_events = self.wanted == Wanted(events=self.wanted.events)
        ledger = select(LedgerEntry.currency, signed(CAME), signed(WENT)).where(LedgerEntry.payment_id.is_not(None))
        paid_out = select(Settlement.currency, func.sum(Settlement.fee + Settlement.vat), func.sum(Settlement.payout)).where(Settlement.payment_id.is_not(None))
        if self.wanted.is_filter:
            ids = self.payments().with_only_columns(Payment.id)
            paid_out = paid_out.where(Settlement.payment_id.in_(ids))
            ledger = ledger.where(of_events(LedgerEntry.order_id, self.wanted.events) if only_events else LedgerEntry.payment_id.in_(ids))
        for currency, came, went in db.session.execute(ledger.group_by(LedgerEntry.currency)):
            one = sums.setdefault(currency, Sums(currency))
            one.received, one.back = came, went
        for currency, fee, payout in db.session.execute(paid_out.group_by(Settlement.currency)):
            one = sums.setdefault(currency, Sums(currency))
            one.fee, one.payout = fee, payout
        return Totals(sorted(sums.values(), key=lambda one: -one.count), counts)


def of_events(order_id, events):
    return order_id.in_(select(Order.id).where(among(Order.event_id, events)))


def by_status(value: str):
    if value == "problem":
        return Payment.problem.is_not(None)
    return Payment.status.in_(GROUPS[value]) if value in GROUPS else false()


def by_text(text: str):
    """By whom it is, under whichever of its names, or how much."""
    people = select(Registration.order_id).where(listing.by_text(text))
    buyers = select(Order.id).where(or_(Order.email == text.lower(), func.lower(Order.name).contains(text.lower(), autoescape=True)))
    found = [Payment.order_id.in_(people), Payment.order_id.in_(buyers)]
    if KEY.match(text):
        found += [Payment.gateway_order_id == text, Payment.gateway_key == text]
    amount = AMOUNT.match(text)
    if amount:
        value = int(amount[1].replace(",", ""))
        found.append(Payment.amount.in_([value, value * 100]) if value < 20_000_000 else Payment.amount == value)
    return or_(*found)


# -- rows ------------------------------------------------------------------------------------------------

@dataclass
class Row:
    """A payment with what a line of the table says of it. Amounts are the ledger's, fees the gateway's."""

    payment: Payment
    name: str
    email: str
    event: str
    slug: str
    title: dict
    zone: str
    number: str | None
    mode: str | None = None
    received: int = 0
    back: int = 0
    fee: int | None = None
    payout: int | None = None

    @property
    def held(self) -> int:
        return self.received - self.back


FIRST = (select(Registration.number).where(Registration.order_id == Payment.order_id).order_by(Registration.position).limit(1)
         .correlate(Payment).scalar_subquery())
BESIDE = (Payment, Order.name, Order.email, Event.code, Event.slug, Event.title, Event.timezone, FIRST, GatewayAccount.mode)


def some(query, most: int, older: tuple[datetime, int] | None = None) -> list[Row]:
    """The newest first, from where the page before has ended."""
    if older:
        query = query.where(tuple_(Payment.created_at, Payment.id) < tuple_(*older))
    ids = list(db.session.scalars(query.with_only_columns(Payment.id).order_by(Payment.created_at.desc(), Payment.id.desc()).limit(most)))
    found = {row.payment.id: row for row in rows(db.session(), ids)}
    return [found[id_] for id_ in ids]


def rows(session: Session, ids: list[int]) -> list[Row]:
    """As many statements for one as for a thousand."""
    if not ids:
        return []
    found = {one[0].id: Row(*one) for one in session.execute(
        select(*BESIDE).join(Order, Order.id == Payment.order_id).join(Event, Event.id == Order.event_id)
        .outerjoin(GatewayAccount, GatewayAccount.id == Payment.account_id).where(among(Payment.id, ids)).order_by(Payment.id))}
    for id_, came, went in session.execute(
            select(LedgerEntry.payment_id, signed(CAME), signed(WENT)).where(among(LedgerEntry.payment_id, ids)).group_by(LedgerEntry.payment_id)):
        found[id_].received, found[id_].back = came, went
    for id_, fee, payout in session.execute(
            select(Settlement.payment_id, func.sum(Settlement.fee + Settlement.vat), func.sum(Settlement.payout))
            .where(among(Settlement.payment_id, ids)).group_by(Settlement.payment_id)):
        found[id_].fee, found[id_].payout = fee, payout
    return list(found.values())


def signed(kinds: tuple[str, str]):
    """The sum of one kind of entries less that of the other, which takes it back."""
    plus, minus = kinds
    return func.coalesce(func.sum(case((LedgerEntry.kind == plus, LedgerEntry.amount), (LedgerEntry.kind == minus, -LedgerEntry.amount), else_=0)), 0)


# -- sums ------------------------------------------------------------------------------------------------

@dataclass
class Sums:
    """Of one currency."""

    currency: str
    received: int = 0
    back: int = 0
    awaited: int = 0
    fee: int = 0
    payout: int = 0
    count: int = 0

    @property
    def held(self) -> int:
        return self.received - self.back


@dataclass
class Totals:
    sums: list[Sums] = field(default_factory=list)
    """The currency with most payments first."""
    counts: dict[str, int] = field(default_factory=dict)
    """Of each group and of `problem`, whichever of them is shown."""

    @property
    def everything(self) -> int:
        return sum(self.counts.get(group, 0) for group in GROUPS)


# -- movements ---------------------------------------------------------------------------------------------

@dataclass
class Movement:
    """One entry of the ledger that moved money."""

    entry: LedgerEntry
    provider: str
    method: str
    reference: str
    name: str
    email: str
    title: dict
    zone: str
    number: str | None

    @property
    def came(self) -> int:
        return self.entry.amount if self.entry.kind in ("paid", "returned") else 0

    @property
    def went(self) -> int:
        return self.entry.amount - self.came


def some_movements(query, most: int, older: tuple[datetime, int] | None = None) -> list[Movement]:
    if older:
        query = query.where(tuple_(LedgerEntry.created_at, LedgerEntry.id) < tuple_(*older))
    ids = list(db.session.scalars(query.with_only_columns(LedgerEntry.id).order_by(LedgerEntry.created_at.desc(), LedgerEntry.id.desc()).limit(most)))
    found = {one.entry.id: one for one in movement_rows(db.session(), ids)}
    return [found[id_] for id_ in ids]


def movement_rows(session: Session, ids: list[int]) -> list[Movement]:
    return [Movement(*one) for one in session.execute(
        select(LedgerEntry, Payment.provider, Payment.method, Payment.gateway_order_id, Order.name, Order.email, Event.title, Event.timezone, FIRST)
        .join(Payment, Payment.id == LedgerEntry.payment_id).join(Order, Order.id == LedgerEntry.order_id)
        .join(Event, Event.id == Order.event_id).where(among(LedgerEntry.id, ids)).order_by(LedgerEntry.id))]


def movement_sums(query) -> list[tuple[str, dict[str, int]]]:
    """(currency, kind → sum) of a select of entries."""
    found: dict[str, dict[str, int]] = {}
    for currency, kind, amount in db.session.execute(query.with_only_columns(LedgerEntry.currency, LedgerEntry.kind, func.sum(LedgerEntry.amount))
                                                     .group_by(LedgerEntry.currency, LedgerEntry.kind)):
        found.setdefault(currency, dict.fromkeys(MOVEMENTS, 0))[kind] = amount
    return sorted(found.items())


# -- as files ----------------------------------------------------------------------------------------------

def payments_table(query, format: str) -> Iterator[bytes]:
    """Read after the request: the ids first, then each chunk in a short transaction of its own."""
    return exporting.table(chunks(db.engine, tenancy.current_org_id(), query.with_only_columns(Payment.id).order_by(Payment.id), rows),
                           format, columns())


def movements_table(query, format: str) -> Iterator[bytes]:
    ids = query.with_only_columns(LedgerEntry.id).order_by(LedgerEntry.created_at, LedgerEntry.id)
    return exporting.table(chunks(db.engine, tenancy.current_org_id(), ids, movement_rows), format, movement_columns())


def chunks(engine, org_id: int, ids_query, read) -> Iterator[list]:
    with exporting.inside(engine, org_id) as session:
        ids = list(session.scalars(ids_query))
    for start in range(0, len(ids), CHUNK):
        with exporting.inside(engine, org_id) as session:
            some_of = read(session, ids[start:start + CHUNK])
        yield some_of


def amount(minor: int | None, currency: str) -> int | Decimal | None:
    exponent = money.exponent(currency)
    return Decimal(minor).scaleb(-exponent) if exponent and minor is not None else minor


def local(moment: datetime | None, zone: str) -> datetime | None:
    return moment and moment.astimezone(exporting.zone(zone))


def columns() -> list[Column]:
    """Words are said now: the file is written when nobody's language is known any more."""
    methods, providers, statuses = (_said(words) for words in (METHOD_WORDS, PROVIDER_WORDS, STATUS_WORDS))
    modes, yes, title = {"test": _("Test"), "live": _("Live"), None: ""}, _("Yes"), _titles()

    def money_of(name):
        return lambda row: amount(getattr(row, name), row.payment.currency)

    return [
        Column("event", _("Event"), lambda row: title(row.title)), Column("number", _("Number"), lambda row: row.number),
        Column("buyer", _("Buyer"), lambda row: row.name), Column("email", _("Email"), lambda row: row.email),
        Column("method", _("Payment method"), lambda row: methods.get(row.payment.method, row.payment.method)),
        Column("provider", _("Through"), lambda row: providers.get(row.payment.provider, row.payment.provider)),
        Column("mode", _("Mode"), lambda row: modes[row.mode]),
        Column("status", _("Status"), lambda row: statuses[row.payment.status]),
        Column("problem", _("Needs a decision"), lambda row: yes if row.payment.problem else ""),
        Column("currency", _("Currency"), lambda row: row.payment.currency),
        Column("amount", _("Asked for"), lambda row: amount(row.payment.amount, row.payment.currency)),
        Column("received", _("Came in"), money_of("received")), Column("back", _("Went back"), money_of("back")),
        Column("held", _("Held"), money_of("held")), Column("fee", _("Fees"), money_of("fee")), Column("payout", _("Paid out"), money_of("payout")),
        Column("begun", _("Begun on"), lambda row: local(row.payment.created_at, row.zone)),
        Column("paid", _("Paid on"), lambda row: local(row.payment.approved_at, row.zone)),
        Column("due", _("Due"), lambda row: local(row.payment.due_at, row.zone)),
        Column("order", _("Order id"), lambda row: row.payment.gateway_order_id),
        Column("key", _("Payment key"), lambda row: row.payment.gateway_key)]


def movement_columns() -> list[Column]:
    methods, providers, kinds, accounts = (_said(words) for words in (METHOD_WORDS, PROVIDER_WORDS, MOVEMENT_WORDS, ACCOUNT_WORDS))
    title = _titles()
    return [
        Column("when", _("When"), lambda row: local(row.entry.created_at, row.zone)), Column("what", _("Movement"), lambda row: kinds[row.entry.kind]),
        Column("event", _("Event"), lambda row: title(row.title)), Column("number", _("Number"), lambda row: row.number),
        Column("buyer", _("Buyer"), lambda row: row.name),
        Column("method", _("Payment method"), lambda row: methods.get(row.method, row.method)),
        Column("provider", _("Through"), lambda row: providers.get(row.provider, row.provider)),
        Column("debit", _("Debit"), lambda row: accounts[row.entry.debit]), Column("credit", _("Credit"), lambda row: accounts[row.entry.credit]),
        Column("currency", _("Currency"), lambda row: row.entry.currency),
        Column("came", _("In"), lambda row: amount(row.came, row.entry.currency) or None),
        Column("went", _("Out"), lambda row: amount(row.went, row.entry.currency) or None),
        Column("order", _("Order id"), lambda row: row.reference), Column("key", _("Transaction"), lambda row: row.entry.transaction_key)]


def _said(words) -> dict[str, str]:
    return {name: str(word) for name, word in words.items()}


def _titles():
    locale = current_locale()
    return lambda title: localized(title, locale)
