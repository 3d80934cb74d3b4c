"""The books: every movement of money, written once and never changed. What is owed and what was paid are sums of them.

Callers hold the order's row, or have just made it, so nobody else writes its entries meanwhile.
"""
from sqlalchemy import case, exists, false, func, insert, literal, select

from eventapp import clock
from eventapp.extensions import db
from eventapp.models import LedgerEntry, LineItem, Order, Payment, Refund, Registration
from eventapp.models.base import among
from eventapp.outbox import later

MONEY = ("gateway", "bank")
CASH = ("bank_transfer", "virtual_account", "manual_transfer")
"""Ways to pay that are cash to the tax office, and get a cash receipt."""
SIDES = {"charged": ("receivable", "sales"), "released": ("sales", "receivable")}
KEPT = {"kept": ("receivable", "sales"), "forgiven": ("sales", "receivable")}
GONE = "gone "
"""Before the number of an entry that follows who has gone: what was forgiven somebody is not owed to them as well."""


def charge(order: Order) -> None:
    """What was just sold is owed."""
    _write(order, "charged", "placed", order.total)


def charge_held(orders) -> None:
    """What each of these is charged follows what it now holds, after approvals, cancellations, or what takes them back: the
    difference is charged, or released. One statement for all."""
    ids = [order.id for order in orders]
    if not ids:
        return
    db.session.flush()
    entry = LedgerEntry
    held = select(Registration.order_id, func.sum(LineItem.quantity * LineItem.unit_price).label("amount")).join(
        LineItem, LineItem.registration_id == Registration.id).where(
        among(Registration.order_id, ids), Registration.holds).group_by(Registration.order_id).subquery()
    signed = case((entry.credit == "sales", entry.amount), (entry.debit == "sales", -entry.amount), else_=0)
    books = select(entry.order_id, func.sum(signed).label("amount"), func.count().label("lines")).where(
        among(entry.order_id, ids), entry.kind.in_(SIDES)).group_by(entry.order_id).subquery()
    difference = func.coalesce(held.c.amount, 0) - func.coalesce(books.c.amount, 0)

    def side(charged, released):
        return case((difference > 0, charged), else_=released)

    rows = select(Order.id, side("charged", "released"), func.concat("held ", func.coalesce(books.c.lines, 0)),
                  side(*(sides[0] for sides in SIDES.values())), side(*(sides[1] for sides in SIDES.values())),
                  func.abs(difference), Order.currency, literal(clock.now())).outerjoin(
        held, held.c.order_id == Order.id).outerjoin(books, books.c.order_id == Order.id).where(among(Order.id, ids), difference != 0)
    db.session.execute(insert(entry).from_select(
        ["order_id", "kind", "transaction_key", "debit", "credit", "amount", "currency", "created_at"], rows))
    for order_id in db.session.scalars(select(entry.order_id).where(among(entry.order_id, ids), entry.kind == "forgiven").distinct()).all():
        _follow_forgiven(db.session.get(Order, order_id))


def change(order: Order, difference: int) -> None:
    """What was sold has become more, or less."""
    kind = "charged" if difference > 0 else "released"
    _write(order, kind, f"changed {_count(order, kind)}", abs(difference))
    _follow_forgiven(order)


def release(order: Order, key: str) -> None:
    """What has not been paid is owed no more. `key` makes it once."""
    _write(order, "released", f"{key} {_count(order, 'released')}", owed(order))


def pay(payment: Payment, key: str) -> None:
    """The whole amount came."""
    _move(payment, "paid", key, payment.amount, debit=_till(payment), credit="receivable")


def reverse(payment: Payment, key: str) -> None:
    """The bank took a deposit back."""
    _move(payment, "reversed", key, payment.amount, debit="receivable", credit=_till(payment))


def refund(payment: Payment, key: str, amount: int, *, by_hand: bool = False) -> None:
    """It went back: through the gateway, or `by_hand` from the organisation's bank account."""
    _move(payment, "refunded", key, amount, debit="receivable", credit="bank" if by_hand else _till(payment))


def keep(order: Order, amount: int) -> None:
    """Of what was cancelled the organisation keeps a part, by its rules."""
    _write(order, "kept", f"kept {_count(order, 'kept')}", amount)


def forgive(order: Order, amount: int) -> None:
    """It asks for less than it had sold for: somebody is given something back, and stays."""
    _write(order, "forgiven", f"forgiven {_count(order, 'forgiven')}", amount)


def no_longer_forgiven(order: Order, gone=frozenset()) -> int:
    """What the ledger still forgives of people who have gone, or will have once these line items are: the price that is released
    with them is the full one. Negative when somebody has come back. What nobody was named for goes with the last of them."""
    of_gone = LedgerEntry.transaction_key.startswith(GONE)
    forgiven = _sum(LedgerEntry.order_id == order.id, (LedgerEntry.kind == "forgiven") & ~of_gone, false())
    if not forgiven:
        return 0
    taken_back = _sum((LedgerEntry.order_id == order.id) & of_gone, LedgerEntry.kind == "kept", LedgerEntry.kind == "forgiven")
    stays = set(db.session.scalars(select(LineItem.id).join(Registration, Registration.id == LineItem.registration_id).where(
        Registration.order_id == order.id, Registration.holds))) - gone
    named = sum(line.get("forgiven", 0) for lines in db.session.scalars(select(Refund.lines).join(Payment, Payment.id == Refund.payment_id).where(
        Payment.order_id == order.id)) for line in lines if line["line_item"] not in stays)
    return (named if stays else forgiven) - taken_back


def _follow_forgiven(order: Order) -> None:
    difference = no_longer_forgiven(order)
    kind = "kept" if difference > 0 else "forgiven"
    number = db.session.scalar(select(func.count()).where(LedgerEntry.order_id == order.id, LedgerEntry.transaction_key.startswith(GONE)))
    _write(order, kind, f"{GONE}{number}", abs(difference))


def take_in_again(payment: Payment, key: str, amount: int) -> None:
    """A refund came back: we hold it once more."""
    _move(payment, "returned", key, amount, debit=_till(payment), credit="receivable")


# -- sums ------------------------------------------------------------------------------------------

def owed(order: Order) -> int:
    """What the buyer still has to pay; negative when we owe it them."""
    return _sum(LedgerEntry.order_id == order.id, LedgerEntry.debit == "receivable", LedgerEntry.credit == "receivable")


def paid(order: Order) -> int:
    """What we hold of the buyer's money."""
    return _sum(LedgerEntry.order_id == order.id, LedgerEntry.debit.in_(MONEY), LedgerEntry.credit.in_(MONEY))


def owed_and_paid(order: Order) -> tuple[int, int]:
    """Both at once, for pages."""
    entry = LedgerEntry
    owes = case((entry.debit == "receivable", entry.amount), (entry.credit == "receivable", -entry.amount), else_=0)
    came = case((entry.debit.in_(MONEY), entry.amount), (entry.credit.in_(MONEY), -entry.amount), else_=0)
    db.session.flush()
    return tuple(db.session.execute(select(func.coalesce(func.sum(owes), 0), func.coalesce(func.sum(came), 0))
                                    .where(entry.order_id == order.id)).one())


def refunded(order: Order) -> int:
    """What went back to the buyer, and stayed there."""
    return _sum(LedgerEntry.order_id == order.id, LedgerEntry.kind == "refunded", LedgerEntry.kind == "returned")


def charged(order: Order) -> int:
    return _sum(LedgerEntry.order_id == order.id, LedgerEntry.credit == "sales", LedgerEntry.debit == "sales")


def received(payment: Payment) -> int:
    """What came by this payment and was not taken back by the bank; refunds are not looked at."""
    return _sum(LedgerEntry.payment_id == payment.id, LedgerEntry.kind == "paid", LedgerEntry.kind == "reversed")


def is_booked(payment: Payment, kind: str, key: str) -> bool:
    return db.session.scalar(select(exists().where(LedgerEntry.payment_id == payment.id, LedgerEntry.kind == kind,
                                                   LedgerEntry.transaction_key == key)))


def held(payment: Payment) -> int:
    """What we still hold of it, whichever way the rest went."""
    return _sum(LedgerEntry.payment_id == payment.id, LedgerEntry.debit.in_(MONEY), LedgerEntry.credit.in_(MONEY))


def kept(order: Order) -> int:
    """What the organisation keeps of what was cancelled; negative where it has given more back than that."""
    return _sum(LedgerEntry.order_id == order.id, LedgerEntry.kind == "kept", LedgerEntry.kind == "forgiven")


def refunds(payment: Payment) -> set[str]:
    """The gateway's keys of the refunds that are in the books."""
    return set(db.session.scalars(select(LedgerEntry.transaction_key).where(
        LedgerEntry.payment_id == payment.id, LedgerEntry.kind == "refunded", LedgerEntry.credit == _till(payment))))


def arrivals(payment: Payment) -> int:
    """How often the money came: more than once when the bank has taken it back between."""
    return db.session.scalar(select(func.count()).where(LedgerEntry.payment_id == payment.id, LedgerEntry.kind == "paid"))


def holding_money(orders) -> set[int]:
    """The ids of those of which we hold anything, whether or not it was enough."""
    return set(db.session.scalars(select(LedgerEntry.order_id).where(among(LedgerEntry.order_id, [order.id for order in orders]))
                                  .group_by(LedgerEntry.order_id).having(func.sum(into_hand()) > 0))) if orders else set()


def into_hand():
    """An entry's amount as it moved what we hold of the buyers' money."""
    return case((LedgerEntry.debit.in_(MONEY), LedgerEntry.amount), (LedgerEntry.credit.in_(MONEY), -LedgerEntry.amount), else_=0)


def owing():
    """An entry's amount as it moved what the buyer owes."""
    return case((LedgerEntry.debit == "receivable", LedgerEntry.amount), (LedgerEntry.credit == "receivable", -LedgerEntry.amount), else_=0)


def _sum(of, plus, minus) -> int:
    signed = case((plus, LedgerEntry.amount), (minus, -LedgerEntry.amount), else_=0)
    db.session.flush()
    return db.session.scalar(select(func.coalesce(func.sum(signed), 0)).where(of))


def _count(order: Order, kind: str) -> int:
    return db.session.scalar(select(func.count()).where(LedgerEntry.order_id == order.id, LedgerEntry.kind == kind))


# -- writing ---------------------------------------------------------------------------------------

def _till(payment: Payment) -> str:
    return "bank" if payment.provider == "manual" else "gateway"


def _write(order: Order, kind: str, key: str, amount: int) -> None:
    if amount > 0:
        debit, credit = (SIDES | KEPT)[kind]
        _add(LedgerEntry(order_id=order.id, kind=kind, transaction_key=key, debit=debit, credit=credit, amount=amount,
                         currency=order.currency))


def _move(payment: Payment, kind: str, key: str, amount: int, *, debit: str, credit: str) -> None:
    _add(LedgerEntry(order_id=payment.order_id, payment_id=payment.id, kind=kind, transaction_key=key, debit=debit,
                     credit=credit, amount=amount, currency=payment.currency))
    later("document_money", payment)
    if payment.method in CASH:
        later("follow_cash_receipt", payment)


def _add(entry: LedgerEntry) -> None:
    db.session.add(entry)
    db.session.flush()
