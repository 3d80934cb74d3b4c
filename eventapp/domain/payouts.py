"""Refunds on their way, as a list: what staff transfer by hand, what waits for the buyer's account, what has failed."""
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from eventapp import audit, clock
from eventapp.domain import Refused, bank_accounts, exporting, ledger, refunding
from eventapp.domain.exporting import Column, Download
from eventapp.extensions import db
from eventapp.languages import _, localized
from eventapp.models import Event, LedgerEntry, Order, Payment, Refund, Registration
from eventapp.money import exponent

MOST = 1000
STATES = ("to_pay", "needs_account", "failed", "requested")


@dataclass(frozen=True, slots=True)
class Row:
    refund: Refund
    payment: Payment
    order: Order
    event: Event
    number: str
    """Of the order's first participant."""

    @property
    def to(self) -> str:
        return bank_accounts.shown(self.refund.account_hint)

    @property
    def by_hand(self) -> bool:
        return self.refund.route == refunding.TRANSFER


FIRST = (select(Registration.number).where(Registration.order_id == Order.id).order_by(Registration.position).limit(1)
         .correlate(Order).scalar_subquery())


def given_up():
    """Condition: a failed refund in whose stead another one was begun; that one tells how it went on."""
    return (Refund.state == "failed") & Refund.repeated


def nothing_left():
    """Condition: a failed refund of an order that is owed nothing any more."""
    other, payment = aliased(Refund), aliased(Payment)
    promised = select(func.coalesce(func.sum(other.amount), 0)).join(payment, payment.id == other.payment_id).where(
        payment.order_id == Order.id, other.state.in_(refunding.ON_ITS_WAY)).correlate(Order).scalar_subquery()
    owed = select(func.coalesce(func.sum(ledger.owing()), 0)).where(LedgerEntry.order_id == Order.id).correlate(Order).scalar_subquery()
    return (Refund.state == "failed") & (-owed <= promised)


def rows(member, *conditions) -> list[Row]:
    """Of the events this member works for, the oldest first."""
    query = (select(Refund, Payment, Order, Event, FIRST).join(Payment, Payment.id == Refund.payment_id)
             .join(Order, Order.id == Payment.order_id).join(Event, Event.id == Order.event_id)
             .where(Event.id.in_(member.events().with_only_columns(Event.id)), *conditions).order_by(Refund.id).limit(MOST))
    return [Row(*found) for found in db.session.execute(query)]


def row(member, id: int) -> Row | None:
    found = rows(member, Refund.id == id) if id < 2**63 else []
    return found[0] if found else None


def sent(chosen: list[Row], *, by) -> int:
    """These transfers have been made. One that somebody else has ticked off meanwhile is left out."""
    count = 0
    for one in sorted(chosen, key=lambda row: (row.order.id, row.refund.id)):
        refunding.locked(one.refund)
        if one.refund.state == "to_pay":
            refunding.sent(one.refund, by=by)
            count += 1
    return count


def again(chosen: list[Row], *, by) -> int:
    """Those that failed, once more at the payment company; where nothing is left to give back nothing is begun."""
    count = 0
    for one in sorted(chosen, key=lambda row: (row.order.id, row.refund.id)):
        try:
            refunding.again(one.refund, by=by)
        except Refused:
            continue
        count += 1
    return count


def export(chosen: list[Row], format: str, *, about, by) -> Download:
    """With the account numbers, for the bank: who took it and for which refunds stands in the audit log."""
    audit.record("payouts.exported", about, by=by, after={"format": format, "rows": len(chosen)})
    plain = [_values(one) for one in chosen]
    chunks = exporting.table(iter([plain]) if plain else iter(()), format, _columns())
    name = f"payouts-{clock.now():%Y%m%d}.{format.removesuffix('_bom')}"
    return Download(name, exporting.TYPES[format], _bytes(chunks))


def _bytes(chunks) -> Iterator[bytes]:
    yield from chunks


def _values(one: Row) -> dict:
    account = refunding.account_of(one.refund) or {"bank": "", "number": "", "holder": ""}
    decimals = exponent(one.payment.currency)
    amount = one.refund.amount
    return {"refund": one.refund.id, "bank": bank_accounts.name(account["bank"]), "number": account["number"], "holder": account["holder"],
            "amount": Decimal(amount).scaleb(-decimals) if decimals else amount, "currency": one.payment.currency,
            "buyer": one.order.name, "registration": one.number, "event": localized(one.event.title), "reason": one.refund.reason,
            "since": _local(one.refund.created_at, one.event)}


def _local(at: datetime, event: Event) -> datetime:
    return at.astimezone(exporting.zone(event.timezone))


def _columns() -> list[Column]:
    titles = {"refund": _("Refund no."), "bank": _("Bank"), "number": _("Account number"), "holder": _("Account holder"), "amount": _("Amount"),
              "currency": _("Currency"), "buyer": _("Buyer"), "registration": _("Number"), "event": _("Event"), "reason": _("Reason"),
              "since": _("Requested on")}
    return [Column(key, title, _of(key)) for key, title in titles.items()]


def _of(key: str):
    return lambda line: line[key]
