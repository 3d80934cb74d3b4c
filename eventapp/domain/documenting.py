"""Receipts, and notes of money that went back: one for each movement in the ledger, numbered without gaps, never changed.

The number is taken under the lock of its series in the transaction that writes the document, so that one which is undone
leaves no gap. What a document says is kept with it in all languages: printed years later, it says the same.
"""
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, literal, select
from sqlalchemy.dialects.postgresql import insert

from eventapp import clock, faults, languages
from eventapp.domain import attempts, ledger, registering
from eventapp.domain.listing import METHOD_WORDS
from eventapp.extensions import db
from eventapp.languages import localized
from eventapp.models import (
    Document,
    DocumentSeries,
    Event,
    GatewayAccount,
    LedgerEntry,
    LineItem,
    Order,
    Organization,
    Payment,
    PaymentAttempt,
    Refund,
    Registration,
)
from eventapp.money import vat_included
from eventapp.outbox import later
from eventapp.tickets import values

RECEIPT, NOTE = "receipt", "refund"
KINDS = {"paid": RECEIPT, "returned": RECEIPT, "refunded": NOTE, "reversed": NOTE}
SERIES = {RECEIPT: "R", NOTE: "C"}
CAME_BACK = " came back"
"""Behind the gateway's key of a refund, in the ledger's entry that takes it in again."""
AT_ONCE = 1000

faults.register("documenting.numbered")


# -- VAT ---------------------------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class Split:
    """A gross amount: what of it bears no VAT, and the VAT in the rest."""

    amount: int
    tax_free: int
    vat: int

    def __add__(self, other: "Split") -> "Split":
        return Split(self.amount + other.amount, self.tax_free + other.tax_free, self.vat + other.vat)

    def __sub__(self, other: "Split") -> "Split":
        return Split(self.amount - other.amount, self.tax_free - other.tax_free, self.vat - other.vat)


NOTHING = Split(0, 0, 0)


def charged(amount: int, tax_free: int, vat: int | None = None) -> Split:
    """Of money that came. `vat`: as the gateway booked it, which may round otherwise by one, but no more."""
    tax_free = max(0, min(amount, tax_free))
    ours = vat_included(amount, tax_free)
    return Split(amount, tax_free, vat if vat is not None and 0 <= vat <= amount - tax_free and abs(vat - ours) <= 1 else ours)


def given_back(left: Split, amount: int, tax_free: int) -> Split:
    """Of money that went back, out of what is left: the VAT is what the rest no longer has, so that all notes together take
    back exactly the VAT of the receipt."""
    tax_free = max(0, amount - (left.amount - left.tax_free), min(amount, tax_free, left.tax_free))
    rest = left.amount - amount
    vat = left.vat - vat_included(rest, left.tax_free - tax_free) if rest else left.vat
    return Split(amount, tax_free, max(0, min(vat, left.vat, amount - tax_free)))


def share(left: Split, amount: int) -> int:
    """How much of an amount bears no VAT where nobody says which part went back: the same share as of what is left."""
    return left.tax_free if amount >= left.amount else (amount * left.tax_free + left.amount // 2) // left.amount


def left_of(payment: Payment) -> Split:
    """What the documents so far say is left of a payment."""
    total = NOTHING
    for document in db.session.scalars(select(Document).where(Document.payment_id == payment.id)):
        split = Split(document.amount, document.tax_free, document.vat)
        total = total + split if document.kind == RECEIPT else total - split
    return total


def tax_free_left(payment: Payment) -> int:
    """What bears no VAT of what is held of a payment."""
    left = left_of(payment)
    return left.tax_free if left.amount else payment.tax_free


def tax_free_part(payment: Payment, amount: int, lines) -> int:
    """How much of a refund bears no VAT: by its lines (as in `Refund.lines`), or where it has none by the share of what is left."""
    left = left_of(payment)
    left = left if left.amount else charged(payment.amount, payment.tax_free)
    named = sum(line["amount"] for line in lines)
    of_lines = share(left, amount)
    if lines and named == amount:
        of_lines = sum(line["amount"] for line in lines if line["tax_free"])
    return given_back(left, min(amount, left.amount), of_lines).tax_free


# -- writing -----------------------------------------------------------------------------------------------

def document(payment: Payment) -> list[Document]:
    """Write down every movement of this payment that has no document yet, in the order in which they happened."""
    order = attempts.lock(payment)
    entries = db.session.scalars(_undocumented().where(LedgerEntry.payment_id == payment.id).order_by(LedgerEntry.id)).all()
    return [write(order, payment, entry) for entry in entries]


def sweep() -> None:
    """Of this organisation: movements whose document was missed, or that are older than documents are."""
    missed = _undocumented().with_only_columns(LedgerEntry.payment_id).group_by(LedgerEntry.payment_id).order_by(func.min(LedgerEntry.id))
    payments = select(Payment).where(Payment.id.in_(missed.limit(AT_ONCE).scalar_subquery()))
    for payment in db.session.scalars(payments.order_by(Payment.id)).all():
        later("document_money", payment, key=f"sweep {clock.now():%Y%m%d%H%M}")


def _undocumented():
    written = select(Document.id).where(Document.entry_id == LedgerEntry.id)
    return select(LedgerEntry).where(LedgerEntry.kind.in_(KINDS), ~written.exists())


def write(order: Order, payment: Payment, entry: LedgerEntry) -> Document:
    """The document of one movement; whoever calls it holds the order."""
    kind, event, organization = KINDS[entry.kind], db.session.get(Event, order.event_id), db.session.get(Organization, order.org_id)
    refund = _refund_of(payment, entry)
    split = _split(payment, entry, refund)
    content = _about(order, payment, entry, event, organization) | _says(order, payment, entry, refund)
    series = f"{SERIES[kind]}{clock.now().astimezone(ZoneInfo(organization.timezone)):%Y}"
    number = _next(series)
    faults.point("documenting.numbered")
    document = Document(kind=kind, series=series, number=number, order_id=order.id, payment_id=payment.id,
                        refund_id=refund and refund.id, entry_id=entry.id, amount=split.amount,
                        tax_free=split.tax_free, vat=split.vat, currency=entry.currency, content=content)
    db.session.add(document)
    db.session.flush()
    return document


def _next(series: str) -> int:
    """The number after the last one. Whoever comes next waits for our commit, or takes it once we have gone without."""
    first = insert(DocumentSeries).values(name=series, last=1, created_at=clock.now())
    return db.session.scalar(first.on_conflict_do_update(
        index_elements=["org_id", "name"], set_={"last": DocumentSeries.last + literal(1)}).returning(DocumentSeries.last))


def _refund_of(payment: Payment, entry: LedgerEntry) -> Refund | None:
    if entry.kind != "refunded":
        return None
    by_hand = func.concat("transfer ", Refund.id) == entry.transaction_key
    return db.session.scalar(select(Refund).where(Refund.payment_id == payment.id,
                                                  (Refund.transaction_key == entry.transaction_key) | by_hand).limit(1))


def _note_before(payment: Payment, entry: LedgerEntry) -> Document | None:
    """The note of the refund that has come back."""
    return db.session.scalar(select(Document).join(LedgerEntry, LedgerEntry.id == Document.entry_id).where(
        LedgerEntry.payment_id == payment.id, LedgerEntry.kind == "refunded",
        LedgerEntry.transaction_key == entry.transaction_key.removesuffix(CAME_BACK)))


def _split(payment: Payment, entry: LedgerEntry, refund: Refund | None) -> Split:
    left = left_of(payment)
    if entry.kind == "paid":
        booked = payment.vat if payment.balance == payment.amount else None  # of a gateway that says what is left now, it says too little
        return charged(entry.amount, payment.tax_free, booked)
    if entry.kind == "returned":
        note = _note_before(payment, entry)
        return Split(note.amount, note.tax_free, note.vat) if note else charged(entry.amount, 0)
    if entry.kind == "reversed" or entry.amount >= left.amount:
        return left
    return given_back(left, entry.amount, _tax_free_told(payment, entry, refund))


def _tax_free_told(payment: Payment, entry: LedgerEntry, refund: Refund | None) -> int:
    """As the gateway was told when it was asked for, so that its books and the note say the same."""
    told = refund and db.session.scalar(select(PaymentAttempt.request["tax_free"].as_integer()).where(
        PaymentAttempt.payment_id == payment.id, PaymentAttempt.operation == "cancel", PaymentAttempt.state == "succeeded",
        PaymentAttempt.request["refund_id"].as_integer() == refund.id).order_by(PaymentAttempt.id.desc()).limit(1))
    return tax_free_part(payment, entry.amount, refund.lines if refund else []) if told is None else told


# -- what it says --------------------------------------------------------------------------------------------

def _about(order: Order, payment: Payment, entry: LedgerEntry | None, event: Event, organization: Organization) -> dict:
    """Who sold what to whom, and how it was paid."""
    account = db.session.get(GatewayAccount, payment.account_id) if payment.account_id else None
    return {
        "seller": {"name": organization.name, "business": organization.business, "email": organization.email,
                   "phone": organization.phone, "tax": organization.tax},
        "buyer": {"name": order.name, "numbers": [one.number for one in registering.of_order(order)]},
        "event": {"title": event.title, "starts_at": event.starts_at.isoformat(), "ends_at": event.ends_at.isoformat(),
                  "timezone": event.timezone},
        "method": payment.method, "paid_with": payment.paid_with,
        **({"moved_at": entry.created_at.isoformat(), "movement": entry.kind} if entry else {}),
        "reference": payment.gateway_order_id, "timezone": organization.timezone,
        "test": account is not None and account.mode == "test",
    }


def _says(order: Order, payment: Payment, entry: LedgerEntry, refund: Refund | None) -> dict:
    if entry.kind == "paid":
        return {"lines": _sold(order, payment, entry)}
    if entry.kind == "returned":
        note = _note_before(payment, entry)
        return {"lines": [{"kind": "came_back", "amount": entry.amount}], "refers_to": note.name if note else ""}
    receipt = db.session.scalar(select(Document).where(Document.payment_id == payment.id, Document.kind == RECEIPT)
                                .order_by(Document.id).limit(1))
    refers_to = receipt.name if receipt else ""
    if entry.kind == "reversed":
        return {"lines": [{"kind": "reversed", "amount": entry.amount}], "refers_to": refers_to, "kept": 0}
    return {"lines": _returned(entry, refund), "refers_to": refers_to, "kept": refund.kept if refund else 0}


def _sold(order: Order, payment: Payment, entry: LedgerEntry) -> list[dict]:
    """What the money was for: what is held, less what was paid before. Where that is not it, one line says what is different."""
    rows = _line_items(order, Registration.holds) or _line_items(order)
    lines = [_line(item, registration) for item, registration in rows]
    before = db.session.scalar(select(func.coalesce(func.sum(LedgerEntry.amount), 0)).where(
        LedgerEntry.order_id == order.id, LedgerEntry.kind == "paid", LedgerEntry.id < entry.id)) - db.session.scalar(
        select(func.coalesce(func.sum(LedgerEntry.amount), 0)).where(
            LedgerEntry.order_id == order.id, LedgerEntry.kind.in_(("refunded", "reversed")), LedgerEntry.id < entry.id))
    rest = entry.amount - sum(line["amount"] for line in lines)
    if before and rest == -before:
        lines.append({"kind": "before", "amount": rest})
    elif rest:
        lines.append({"kind": "other", "amount": rest})
    return lines


def _line_items(order: Order, *which):
    return db.session.execute(select(LineItem, Registration).join(Registration, Registration.id == LineItem.registration_id).where(
        Registration.order_id == order.id, *which).order_by(Registration.position, LineItem.id)).all()


def _line(item: LineItem, registration: Registration) -> dict:
    return {"kind": "sold", "name": item.name, "tier": item.tier.get("name") or {}, "who": registration.name, "number": registration.number,
            "quantity": item.quantity, "unit_price": item.unit_price, "amount": item.amount, "tax_free": item.tax_free}


def _returned(entry: LedgerEntry, refund: Refund | None) -> list[dict]:
    """What it went back for; a line of its own for what nobody has said."""
    given = [line for line in refund.lines if line["amount"]] if refund else []
    items = {item.id: (item, registration) for item, registration in db.session.execute(
        select(LineItem, Registration).join(Registration, Registration.id == LineItem.registration_id)
        .where(LineItem.id.in_([line["line_item"] for line in given])))}
    lines = [_line(*items[line["line_item"]]) | {"amount": line["amount"], "kept": line.get("kept", 0)}
             for line in given if line["line_item"] in items]
    rest = entry.amount - sum(line["amount"] for line in lines)
    return [*lines, {"kind": "part", "amount": rest}] if rest else lines


# -- looking -------------------------------------------------------------------------------------------------

def of(order: Order) -> list[Document]:
    return list(db.session.scalars(select(Document).where(Document.order_id == order.id).order_by(Document.id)))


def one_of(order: Order, document_id: int) -> Document | None:
    document = db.session.get(Document, document_id)
    return document if document and document.order_id == order.id else None


# -- as plain values, in the language that is being spoken -----------------------------------------------------

def paper(document: Document) -> values.Paper:
    """What is printed: from what the document keeps, and from nowhere else."""
    content = document.content
    event = content["event"]
    return values.Paper(
        kind=document.kind, movement=content["movement"], number=document.name, issued_at=document.created_at,
        timezone=content["timezone"], seller=_seller(content["seller"]), buyer=content["buyer"]["name"],
        numbers=tuple(content["buyer"]["numbers"]), event=localized(event["title"]), event_when=_when(event),
        lines=tuple(map(_paper_line, content["lines"])), amount=document.amount, tax_free=document.tax_free, supply=document.supply,
        vat=document.vat, currency=document.currency, method=str(METHOD_WORDS.get(content["method"], content["method"])),
        moved_at=datetime.fromisoformat(content["moved_at"]), reference=content["reference"], paid_with=content["paid_with"],
        refers_to=content.get("refers_to", ""), kept=content.get("kept", 0), test=content["test"])


def _seller(kept: dict) -> values.Seller:
    business = kept["business"]
    return values.Seller(
        name=localized(kept["name"]), business_name=business.get("name", ""), representative=business.get("representative", ""),
        business_number=business.get("number", ""), mail_order_number=business.get("mail_order_number", ""),
        address=business.get("address", ""), email=kept["email"], phone=kept["phone"])


def _when(event: dict) -> str:
    starts, ends = (languages.day(datetime.fromisoformat(event[name]), event["timezone"], year=True) for name in ("starts_at", "ends_at"))
    return starts if starts == ends else f"{starts} – {ends}"


def _paper_line(line: dict) -> values.PaperLine:
    if line["kind"] != "sold":
        return values.PaperLine(line["kind"], line["amount"])
    return values.PaperLine("sold", line["amount"], localized(line["name"]), " · ".join(filter(None, (
        localized(line["tier"]), line["who"], line["number"]))), line["quantity"], line["unit_price"], line["tax_free"], line.get("kept", 0))


def statement(order: Order) -> values.Statement:
    """How an order stands now, every movement with its document."""
    event, organization = db.session.get(Event, order.event_id), db.session.get(Organization, order.org_id)
    moved = db.session.execute(select(LedgerEntry, Document).outerjoin(Document, Document.entry_id == LedgerEntry.id).where(
        LedgerEntry.order_id == order.id, LedgerEntry.kind.in_(KINDS)).order_by(LedgerEntry.id)).all()
    payments = db.session.scalars(select(Payment).where(Payment.order_id == order.id)).all()
    left = sum((left_of(payment) for payment in payments), NOTHING)
    now, (owed, paid) = clock.now(), ledger.owed_and_paid(order)
    given = ledger.refunded(order)
    about = _about(order, payments[-1] if payments else Payment(method=order.method), None, event, organization)
    return values.Statement(
        as_of=f"{languages.day(now, organization.timezone, year=True)} {languages.time_of_day(now, organization.timezone)}",
        timezone=organization.timezone, seller=_seller(about["seller"]), buyer=order.name,
        event=localized(event.title), event_when=_when(about["event"]),
        lines=tuple(_paper_line(_line(item, registration)) for item, registration in _line_items(order, Registration.holds)),
        movements=tuple(values.Movement(
            entry.created_at, entry.kind, document.name if document else "", **{"came" if KINDS[entry.kind] == RECEIPT else "went": entry.amount})
            for entry, document in moved),
        sold=ledger.charged(order) - ledger.kept(order), kept=ledger.kept(order), received=paid + given, given_back=given, owed=owed, vat=left.vat,
        tax_free=left.tax_free, currency=order.currency, test=about["test"])
