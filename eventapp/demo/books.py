"""What the demo's gateway has paid out, where its books differ from ours, and deposits of a statement that wait to be matched."""
from datetime import date, datetime, timedelta

from sqlalchemy import insert, select

from eventapp.domain.comparing import MISSING_HERE
from eventapp.extensions import db
from eventapp.models import (
    BankLine,
    BookDifference,
    GatewayAccount,
    LedgerEntry,
    Membership,
    Order,
    Payment,
    Settlement,
)

RATES = {"card": 26, "bank_transfer": 18}
"""Thousandths of the sum; a virtual account costs 300 won."""
TO_WAIT = 2
"""Working days between a sale and its payout."""


def add(now: datetime) -> None:
    """For the organisation we are in, if it takes money through Toss."""
    account = db.session.scalar(select(GatewayAccount).where(GatewayAccount.provider == "toss"))
    if account is None:
        return
    today = now.date()
    pay_out(account, today)
    differ(account, now)
    bring_statement(today, now)


def pay_out(account: GatewayAccount, today: date) -> None:
    movements = db.session.execute(
        select(Payment, LedgerEntry).join(LedgerEntry, LedgerEntry.payment_id == Payment.id)
        .where(Payment.account_id == account.id, LedgerEntry.kind.in_(("paid", "refunded"))).order_by(LedgerEntry.created_at)).all()
    rows = []
    for payment, entry in movements:
        sold = entry.created_at.date()
        if sold < today:
            sign = 1 if entry.kind == "paid" else -1
            fee = entry.amount * RATES[payment.method] // 1000 if payment.method in RATES else 300
            vat = fee // 10
            rows.append({"account_id": account.id, "payment_id": payment.id, "transaction_key": f"txdemo_{entry.id}", "gateway_order_id": payment.gateway_order_id,
                         "method": payment.method, "currency": payment.currency, "amount": sign * entry.amount, "fee": sign * fee, "vat": sign * vat,
                         "payout": sign * (entry.amount - fee - vat), "sold_on": sold, "paid_out_on": working_day(sold), "created_at": entry.created_at})
    if rows:
        db.session.execute(insert(Settlement).values(rows))


def working_day(sold: date) -> date:
    day, left = sold, TO_WAIT
    while left:
        day += timedelta(days=1)
        left -= day.weekday() < 5
    return day


def differ(account: GatewayAccount, now: datetime) -> None:
    """Somebody has given a part back on the gateway's own pages, and nobody has told us."""
    paid = db.session.scalars(select(Payment).where(Payment.account_id == account.id, Payment.method == "card", Payment.status == "paid", Payment.amount >= 50_000)
                              .order_by(Payment.approved_at.desc()).limit(2)).all()
    if len(paid) < 2:
        return
    fresh, old = paid
    rows = [(fresh, -30_000, now - timedelta(hours=9), None, ""), (old, old.amount, now - timedelta(days=6), now - timedelta(days=5), "")]
    db.session.execute(insert(BookDifference).values([
        {"account_id": account.id, "payment_id": payment.id, "kind": MISSING_HERE, "transaction_key": f"txdemo_{payment.id}_{number}", "gateway_order_id": payment.gateway_order_id,
         "currency": payment.currency, "theirs": theirs, "happened_at": at, "settled_at": settled, "note": note, "created_at": at + timedelta(hours=3)}
        for number, (payment, theirs, at, settled, note) in enumerate(rows)]))
    account.books_read_until = now - timedelta(hours=6)


def bring_statement(today: date, now: datetime) -> None:
    """Deposits of the last days: of those who are awaited some that are certain and some that are not, and one that is nobody's."""
    person = db.session.scalar(select(Membership.user_id).where(Membership.role == "ORG_OWNER").limit(1))
    transfers = select(Payment, Order.name).join(Order, Order.id == Payment.order_id).where(Payment.provider == "manual", Payment.currency == "KRW")
    awaited = db.session.execute(transfers.where(Payment.status == "awaiting_deposit").order_by(Payment.id).limit(5)).all()
    matched = db.session.execute(transfers.where(Payment.status == "paid").order_by(Payment.id.desc()).limit(6)).all()
    if not awaited:
        return
    said = [lambda name, amount: (name, amount), lambda name, amount: (f"{name}등록", amount), lambda name, amount: (name[:2], amount),
            lambda name, amount: (name, amount - 10_000), lambda name, amount: ("주식회사한빛", amount)]
    rows = [line(*say(name, payment.amount), today, "16:20", person) for say, (payment, name) in zip(said, awaited, strict=False)]
    rows.append(line("예금이자", 1_284, today - timedelta(days=1), "00:00", person))
    rows += [line(name, payment.amount, payment.approved_at.date(), "11:05", person) | {
        "state": "matched", "payment_id": payment.id, "settled_by": person, "settled_at": payment.approved_at} for payment, name in matched]
    db.session.execute(insert(BankLine).values([row | {"key": f"demo-{number}", "created_at": now} for number, row in enumerate(rows)]))


def line(depositor: str, amount: int, day: date, time: str, person: int) -> dict:
    return {"day": day, "time": time, "amount": amount, "currency": "KRW", "depositor": depositor, "memo": "타행이체", "state": "open", "payment_id": None,
            "brought_by": person, "settled_by": None, "settled_at": None}
