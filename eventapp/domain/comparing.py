"""The gateway's books beside ours, each night: what it has booked must stand in our ledger, and the reverse.

Two days are read again each time, because both sides book late. What differs waits for a person, and is settled by itself when a
later look finds that both agree.
"""
import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from eventapp import audit, clock
from eventapp.domain import Refused, calling
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import BookDifference, GatewayAccount, LedgerEntry, Payment, Refund
from eventapp.models.base import among
from eventapp.outbox import later
from eventapp.payments import PROVIDERS
from eventapp.payments.provider import EXPIRED, FAILED, VOIDED, GatewayMisconfigured
from eventapp.payments.provider import LedgerEntry as Line
from eventapp.unit_of_work import checkpoint

log = logging.getLogger("eventapp.comparing")
DAY, OVERLAP, LONGEST = timedelta(days=1), timedelta(days=2), timedelta(days=31)
MARGIN = timedelta(minutes=10)
"""What is as young as this may not have come through on both sides; and clocks differ."""
WITHOUT_MONEY = ("WAITING_FOR_DEPOSIT", "READY", "IN_PROGRESS", "ABORTED", "EXPIRED")
"""Nothing came yet; a deposit that the bank has taken back is a line below zero."""
NEVER_PAID = (VOIDED, EXPIRED, FAILED)
MISSING_HERE, MISSING_THERE, AMOUNT = "missing_here", "missing_there", "amount"
CHUNK = 500
MADE_UP = ("ev_demo_", "ev_crowd_")
"""Payments that the demo has written without asking a gateway."""


def begin() -> None:
    """Of this organisation: the accounts whose books are due. By day and account, so that it is asked for once."""
    now = clock.now()
    for account in db.session.scalars(select(GatewayAccount).where(GatewayAccount.secret_key.is_not(None), GatewayAccount.unhealthy == "")).all():
        caps = PROVIDERS[account.provider].caps
        if caps.books and (account.books_read_until is None or account.books_read_until < now - timedelta(hours=20)):
            later("gateway_books", account, key=f"{now:%Y%m%d}")
        if caps.settlements:
            later("gateway_settlements", account, key=f"{now:%Y%m%d}")


def again(account: GatewayAccount) -> None:
    """Because a person asks: from the oldest difference that is open."""
    later("gateway_books", account, key=f"asked by hand {clock.now().isoformat()}")


# -- comparing ---------------------------------------------------------------------------------------------

@dataclass(slots=True)
class Booked:
    """A movement in our ledger; `amount` is negative when money went back, `at` the gateway's own time where we know it."""

    key: str
    amount: int
    at: datetime
    payment: Payment


@dataclass(slots=True)
class Found:
    kind: str
    key: str
    order_ref: str
    currency: str
    payment_id: int | None
    ours: int | None
    theirs: int | None
    at: datetime | None


def compare(account: GatewayAccount) -> int:
    """Read the gateway's books since the last look, compare, and keep what differs; how many lines there were."""
    end = clock.now() - MARGIN
    start = _since(account, end)
    keys, provider = calling.keys(account), PROVIDERS[account.provider]
    checkpoint()  # nothing is held while we wait
    try:
        theirs = [line for line in provider.list_transactions(keys, start, end) if line.amount < 0 or line.raw_status not in WITHOUT_MONEY]
    except GatewayMisconfigured as error:
        calling.account_is_wrong(account, error.code)
        checkpoint()  # known, even though this job has failed
        raise
    db.session.get(GatewayAccount, account.id, with_for_update={"key_share": True}, populate_existing=True)
    found = list(differences(account, theirs, start, end))
    _keep(account, found, start, end)
    account.books_read_until = end
    log.info("the gateway's books were compared", extra={"account_id": account.id, "lines": len(theirs), "differences": len(found)})
    return len(theirs)


def _since(account: GatewayAccount, end: datetime) -> datetime:
    start = (account.books_read_until or end - DAY) - OVERLAP
    oldest = db.session.scalar(select(BookDifference.happened_at).where(
        BookDifference.account_id == account.id, BookDifference.settled_at.is_(None)).order_by(BookDifference.happened_at).limit(1))
    return max(end - LONGEST, min(start, (oldest or start) - MARGIN - MARGIN))


def differences(account: GatewayAccount, theirs: list[Line], start: datetime, end: datetime) -> Iterator[Found]:
    by_order: dict[str, list[Line]] = defaultdict(list)
    on_their_way = _on_their_way(account)
    for line in theirs:
        if line.transaction_key not in on_their_way:
            by_order[line.order_ref].append(line)
    inside = start + MARGIN, end - MARGIN
    for ref in _booked_since(account, start):
        by_order.setdefault(ref, [])
    refs = list(by_order)
    for place in range(0, len(refs), CHUNK):
        chunk = refs[place:place + CHUNK]
        payments, ours = _ours(account, chunk)
        for ref in chunk:
            yield from _of_order(ref, payments.get(ref), by_order[ref], ours.get(ref, []), inside)


def _on_their_way(account: GatewayAccount) -> set[str]:
    """Refunds that the gateway has booked already and we book when the bank has sent them."""
    return set(db.session.scalars(select(Refund.transaction_key).join(Payment, Payment.id == Refund.payment_id).where(
        Payment.account_id == account.id, Refund.state == "requested", Refund.transaction_key.is_not(None))))


def _booked_since(account: GatewayAccount, start: datetime) -> list[str]:
    return list(db.session.scalars(select(Payment.gateway_order_id).distinct().join(LedgerEntry, LedgerEntry.payment_id == Payment.id).where(
        Payment.account_id == account.id, LedgerEntry.created_at >= start, *(Payment.gateway_order_id.not_like(f"{word}%") for word in MADE_UP))))


def _ours(account: GatewayAccount, refs: list[str]) -> tuple[dict[str, Payment], dict[str, list[Booked]]]:
    payments = {one.gateway_order_id: one for one in db.session.scalars(select(Payment).where(
        Payment.account_id == account.id, Payment.gateway_order_id.in_(refs)))}
    by_id = {one.id: one for one in payments.values()}
    if not by_id:
        return payments, {}
    ids = list(by_id)
    done = dict(db.session.execute(select(Refund.transaction_key, Refund.done_at).where(
        among(Refund.payment_id, ids), Refund.transaction_key.is_not(None))).all())
    booked: dict[str, list[Booked]] = defaultdict(list)
    for entry in db.session.scalars(select(LedgerEntry).where(among(LedgerEntry.payment_id, ids), or_(
            LedgerEntry.debit == "gateway", LedgerEntry.credit == "gateway")).order_by(LedgerEntry.id)):
        payment = by_id[entry.payment_id]
        at = {"paid": payment.approved_at, "refunded": done.get(entry.transaction_key)}.get(entry.kind) or entry.created_at
        booked[payment.gateway_order_id].append(Booked(entry.transaction_key, entry.amount if entry.debit == "gateway" else -entry.amount, at, payment))
    return payments, booked


def _of_order(ref: str, payment: Payment | None, theirs: list[Line], ours: list[Booked], inside) -> Iterator[Found]:
    """First what bears the same key, then what is the same amount, then what is at least in the same direction."""
    if payment and not ours and payment.status in NEVER_PAID and all(line.amount < 0 for line in theirs):
        return  # an account that was closed before anybody had paid into it

    def young(one: Booked) -> bool:
        return inside[0] <= one.at <= inside[1]

    left = sorted(ours, key=lambda one: not young(one))
    open_lines = list(theirs)
    for fits in (lambda line, one: one.key == line.transaction_key or one.key.startswith(f"{line.transaction_key} "),
                 lambda line, one: one.amount == line.amount and line.currency == one.payment.currency,
                 lambda line, one: line.currency != one.payment.currency and (one.amount > 0) == (line.amount > 0)):
        for line in list(open_lines):
            one = next((one for one in left if fits(line, one)), None)
            if one is not None:
                open_lines.remove(line)
                left.remove(one)
                if one.amount != line.amount and line.currency == one.payment.currency:
                    yield Found(AMOUNT, line.transaction_key, ref, line.currency, one.payment.id, one.amount, line.amount, line.at)
    left = [one for one in left if young(one)]
    for line in open_lines:
        one = next((one for one in left if (one.amount > 0) == (line.amount > 0)), None)
        if one is None:
            yield Found(MISSING_HERE, line.transaction_key, ref, line.currency, payment and payment.id, None, line.amount, line.at)
        else:
            left.remove(one)
            yield Found(AMOUNT, line.transaction_key, ref, line.currency, one.payment.id, one.amount, line.amount, line.at)
    for one in left:
        yield Found(MISSING_THERE, one.key, ref, one.payment.currency, one.payment.id, one.amount, None, one.at)


# -- keeping -------------------------------------------------------------------------------------------------

def _keep(account: GatewayAccount, found: list[Found], start: datetime, end: datetime) -> None:
    known = {(row.kind, row.transaction_key): row for row in db.session.scalars(select(BookDifference).where(
        BookDifference.account_id == account.id, or_(BookDifference.settled_at.is_(None), BookDifference.happened_at >= start - DAY)))}
    for one in found:
        row = known.pop((one.kind, one.key), None)
        if row is None:
            db.session.add(BookDifference(account_id=account.id, payment_id=one.payment_id, kind=one.kind, transaction_key=one.key, gateway_order_id=one.order_ref,
                                          currency=one.currency, ours=one.ours, theirs=one.theirs, happened_at=one.at))
        elif row.settled_at is None or row.settled_by is None or (row.ours, row.theirs) != (one.ours, one.theirs):
            row.payment_id, row.ours, row.theirs, row.settled_at, row.settled_by, row.note = one.payment_id, one.ours, one.theirs, None, None, ""
    for row in known.values():
        if row.settled_at is None and row.happened_at and start <= row.happened_at <= end and not row.gateway_order_id.startswith(MADE_UP):
            row.settled_at = clock.now()
    payments = {one.payment_id for one in found if one.payment_id}
    later("gateway_refresh", db.session.scalars(select(Payment).where(among(Payment.id, list(payments)))).all(), key=f"books {end:%Y%m%d%H}")


def settle(differences: list[BookDifference], note: str, *, by) -> int:
    """A person has looked at them and says what they are."""
    if not note:
        raise Refused(_("Say in a few words what it was."), "note")
    opened = [one for one in differences if one.settled_at is None]
    db.session.execute(update(BookDifference).where(among(BookDifference.id, [one.id for one in opened])).values(
        settled_at=clock.now(), settled_by=by.id, note=note))
    audit.record("book_difference.settled", opened, by=by, after={"note": note})
    return len(opened)
