"""Receipts, notes of refunds and cash receipts as staff look through them: filtered, summed, and as files."""
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import case, exists, func, or_, select

from eventapp import crypto, tenancy
from eventapp.domain import exporting, listing
from eventapp.domain.cash_receipting import BY_HAND
from eventapp.domain.exporting import Column
from eventapp.domain.finding_payments import amount, chunks, local, read_day
from eventapp.domain.listing import METHOD_WORDS
from eventapp.extensions import db
from eventapp.languages import _, _l, current_locale, localized
from eventapp.models import CashReceipt, Document, Event, Order, Organization, Payment, Registration

KIND_WORDS = {"receipt": _l("Receipt"), "refund": _l("Refund note")}
CASH_WORDS = {"deduction": _l("Income deduction"), "expense": _l("Proof of expense"), "unasked": _l("Issued unasked")}
STATE_WORDS = {
    "wanted": (_l("Wanted"), "neutral"), "issuing": (_l("Being issued"), "info"), "issued": (_l("Issued"), "success"),
    "failed": (_l("Not issued"), "danger"), "cancelling": (_l("Being cancelled"), "info"), "cancelled": (_l("Cancelled"), "neutral")}
WHY_WORDS = {
    "INVALID_CASH_RECEIPT_INFO": _l("The number was not accepted"), "INVALID_BUSINESS_NUMBER": _l("The business number was not accepted"),
    "DUPLICATED_CASH_RECEIPT": _l("There is one already"), "UNRESOLVED": _l("The gateway does not answer"),
    "AMOUNT_DIFFERS": _l("It was issued for another amount")}
BY_HAND_NOW = (CashReceipt.state == "wanted") & (CashReceipt.amount > 0) | (CashReceipt.failure_code == BY_HAND)
"""No gateway of ours issues or cancels them."""
TROUBLED = (CashReceipt.state == "failed") | ((CashReceipt.failure_code != "") & (CashReceipt.failure_code != BY_HAND))
GROUPS = {"hand": BY_HAND_NOW, "trouble": TROUBLED, "waiting": CashReceipt.state.in_(("wanted", "issuing", "cancelling")),
          "issued": CashReceipt.state == "issued", "cancelled": CashReceipt.state == "cancelled"}
GROUP_WORDS = {"hand": _l("To do by hand"), "trouble": _l("In trouble"), "waiting": _l("Under way"), "issued": _l("Issued"), "cancelled": _l("Cancelled")}
NAMES = ("show", "kind", "q", "from", "to")
NUMBER = re.compile(r"^([RC]\d{4})-?0*(\d{1,9})$", re.IGNORECASE)


@dataclass(frozen=True)
class Wanted:
    """What is asked for; empty means everything."""

    q: str = ""
    kind: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Sums:
    """Of what is filtered: what came and what went back, each as supply price, VAT and what bears none."""

    currency: str
    kind: str
    count: int
    amount: int
    tax_free: int
    vat: int

    @property
    def supply(self) -> int:
        return self.amount - self.tax_free - self.vat


def wanted(args, zone: ZoneInfo) -> Wanted:
    start, end = read_day(args.get("from"), zone), read_day(args.get("to"), zone)
    return Wanted(listing.clean(args.get("q") or "")[:200], listing.clean(args.get("kind") or "")[:20], start, end and end + timedelta(days=1))


# -- documents -----------------------------------------------------------------------------------------------

def documents(orders, wanted: Wanted):
    """`orders`: a select of the orders that the member may see, or None for all."""
    query = _narrowed(select(Document), Document, orders, wanted)
    if wanted.kind in KIND_WORDS:
        query = query.where(Document.kind == wanted.kind)
    if number := NUMBER.match(wanted.q):
        return query.where(Document.series == number[1].upper(), Document.number == int(number[2]))
    return query.where(_about(Document, wanted.q)) if wanted.q else query


def sums(query) -> list[Sums]:
    found = query.order_by(None).subquery()
    rows = db.session.execute(select(found.c.currency, found.c.kind, func.count(), func.sum(found.c.amount), func.sum(found.c.tax_free), func.sum(found.c.vat))
                              .group_by(found.c.currency, found.c.kind).order_by(found.c.currency, found.c.kind))
    return [Sums(*map(_plain, row)) for row in rows]


def _plain(value):
    return value if isinstance(value, str) else int(value)


def _narrowed(query, table, orders, wanted: Wanted):
    if orders is not None:
        query = query.where(table.order_id.in_(orders))
    if wanted.since:
        query = query.where(table.created_at >= wanted.since)
    return query.where(table.created_at < wanted.until) if wanted.until else query


def _about(table, q: str):
    """Whose name or number it is."""
    pattern = "%" + re.sub(r"([\\%_])", r"\\\1", q.lower()) + "%"
    return or_(exists().where(Order.id == table.order_id, func.lower(Order.name).like(pattern)),
               exists().where(Registration.order_id == table.order_id, Registration.search.like(pattern)))


# -- cash receipts -----------------------------------------------------------------------------------------------

def cash_receipts(orders, wanted: Wanted):
    """What is to be done first, then the newest."""
    query = _narrowed(select(CashReceipt), CashReceipt, orders, wanted).where(CashReceipt.state != "dropped")
    if wanted.kind in GROUPS:
        query = query.where(GROUPS[wanted.kind])
    if wanted.q:
        query = query.where(or_(CashReceipt.issue_number == wanted.q, _about(CashReceipt, wanted.q)))
    return query


def first() -> tuple:
    return case((or_(BY_HAND_NOW, TROUBLED), 0), else_=1), CashReceipt.id.desc()


def counts(orders) -> dict[str, int]:
    """Of each group, and of all of them."""
    query = _narrowed(select(func.count(), *(func.count().filter(which) for which in GROUPS.values())), CashReceipt, orders, Wanted())
    row = db.session.execute(query.select_from(CashReceipt).where(CashReceipt.state != "dropped")).one()
    return dict(zip(("", *GROUPS), row, strict=True))


# -- as files ----------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Row:
    """A document or a cash receipt beside its order. `identity` only where a person has to type it elsewhere."""

    it: object
    order: Order
    number: str
    title: dict
    method: str
    zone: str
    identity: str = ""


def documents_table(query, format: str) -> Iterator[bytes]:
    """In the order of their numbers."""
    ids = query.with_only_columns(Document.id).order_by(Document.series, Document.number)
    return exporting.table(chunks(db.engine, tenancy.current_org_id(), ids, lambda session, ids: rows(session, Document, ids)), format, _document_columns())


def cash_table(query, format: str) -> Iterator[bytes]:
    ids = query.with_only_columns(CashReceipt.id).order_by(CashReceipt.id)
    return exporting.table(chunks(db.engine, tenancy.current_org_id(), ids, lambda session, ids: rows(session, CashReceipt, ids)), format, _cash_columns())


def rows(session, table, ids) -> list[Row]:
    """In the order of the ids."""
    zone = session.scalar(select(Organization.timezone).where(Organization.org_id == func.current_org()))
    number = select(Registration.number).where(Registration.order_id == Order.id).order_by(Registration.position).limit(1).scalar_subquery()
    found = {one.id: (one, *rest) for one, *rest in session.execute(
        select(table, Order, number, Event.title, func.coalesce(Payment.method, Order.method)).join(Order, Order.id == table.order_id)
        .join(Event, Event.id == Order.event_id).outerjoin(Payment, Payment.id == table.payment_id).where(table.id.in_(ids)))}
    return [Row(*found[id_], zone, _identity(found[id_][0])) for id_ in ids if id_ in found]


def _identity(one) -> str:
    by_hand = isinstance(one, CashReceipt) and one.state == "wanted" and one.amount > 0
    return crypto.get(one, "identity") if by_hand else ""


def _document_columns() -> list[Column]:
    kinds, methods = ({name: str(word) for name, word in words.items()} for words in (KIND_WORDS, METHOD_WORDS))
    locale = current_locale()  # said now: the file is written when nobody's language is known any more

    def money_of(name):
        return lambda row: amount(getattr(row.it, name), row.it.currency) * (1 if row.it.kind == "receipt" else -1)

    return [
        Column("document", _("Number"), lambda row: row.it.name), Column("kind", _("Kind"), lambda row: kinds[row.it.kind]),
        Column("issued", _("Issued on"), lambda row: local(row.it.created_at, row.zone)), Column("refers_to", _("To receipt"), lambda row: row.it.content.get("refers_to", "")),
        Column("buyer", _("Buyer"), lambda row: row.it.content["buyer"]["name"]), Column("number", _("Registration"), lambda row: row.number),
        Column("event", _("Event"), lambda row: localized(row.it.content["event"]["title"], locale)),
        Column("method", _("Payment method"), lambda row: methods.get(row.it.content["method"], row.it.content["method"])),
        Column("currency", _("Currency"), lambda row: row.it.currency), Column("amount", _("Amount"), money_of("amount")),
        Column("supply", _("Supply price"), money_of("supply")), Column("vat", _("VAT"), money_of("vat")),
        Column("tax_free", _("Without VAT"), money_of("tax_free")), Column("reference", _("Order id"), lambda row: row.it.content["reference"])]


def _cash_columns() -> list[Column]:
    kinds, methods = ({name: str(word) for name, word in words.items()} for words in (CASH_WORDS, METHOD_WORDS))
    states, locale = {name: str(word) for name, (word, _tone) in STATE_WORDS.items()}, current_locale()
    return [
        Column("wanted", _("Asked for on"), lambda row: local(row.it.created_at, row.zone)), Column("buyer", _("Buyer"), lambda row: row.order.name),
        Column("number", _("Registration"), lambda row: row.number), Column("event", _("Event"), lambda row: localized(row.title, locale)),
        Column("method", _("Payment method"), lambda row: methods.get(row.method, row.method)), Column("kind", _("Kind"), lambda row: kinds[row.it.kind]),
        Column("identity", _("Issued to"), lambda row: row.identity or row.it.identity_hint), Column("state", _("State"), lambda row: states[row.it.state]),
        Column("amount", _("Amount"), lambda row: row.it.amount), Column("cancelled", _("Cancelled"), lambda row: row.it.cancelled),
        Column("issue_number", _("Issue number"), lambda row: row.it.issue_number), Column("issued", _("Issued on"), lambda row: local(row.it.issued_at, row.zone)),
        Column("failure", _("Refused because"), lambda row: row.it.failure_code)]
