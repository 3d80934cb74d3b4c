"""The demo's receipts and notes, each dated as its money, and cash receipts in every state."""
from datetime import timedelta

from sqlalchemy import select

from eventapp import clock, crypto
from eventapp.domain import cash_receipting, documenting, ledger
from eventapp.extensions import db
from eventapp.models import CashReceipt, LedgerEntry, Order, Payment

PHONE, BUSINESS = "01023456789", "1248100998"
STATES = ("issued", "issued", "issued", "cancelled", "wanted", "failed")


def write() -> None:
    """Of the organisation one is inside of; in the order in which the money moved, so that the numbers follow the days."""
    before, now = clock.offset, clock.now()
    moved = db.session.execute(select(LedgerEntry, Payment, Order).join(Payment, Payment.id == LedgerEntry.payment_id)
                               .join(Order, Order.id == LedgerEntry.order_id).where(LedgerEntry.kind.in_(documenting.KINDS))
                               .order_by(LedgerEntry.created_at, LedgerEntry.id)).all()
    try:
        for entry, payment, order in moved:
            clock.offset = before + (entry.created_at - now)
            documenting.write(order, payment, entry)
    finally:
        clock.offset = before
    write_cash_receipts([(entry, payment, order) for entry, payment, order in moved if entry.kind == "paid" and payment.method in ledger.CASH])


def write_cash_receipts(moved) -> None:
    """Every third buyer by transfer wants one."""
    for number, (entry, payment, order) in enumerate(moved[::3]):
        state, kind = STATES[number % len(STATES)], ("deduction", "expense")[number % 2]
        identity = BUSINESS if kind == "expense" else PHONE
        receipt = CashReceipt(
            order_id=order.id, payment_id=payment.id, kind=kind, state=state, identity_hint=cash_receipting.masked(identity), amount=payment.amount,
            cancelled=payment.amount if state == "cancelled" else 0, created_at=entry.created_at)
        db.session.add(receipt)
        db.session.flush()
        if state in ("issued", "cancelled"):
            receipt.receipt_key, receipt.issue_number = f"rcpt_demo_{receipt.id}", f"{100_200_300 + receipt.id}"
            receipt.issued_at = entry.created_at + timedelta(days=1)
        else:
            crypto.put(receipt, "identity", identity)
            receipt.failure_code = "INVALID_CASH_RECEIPT_INFO" if state == "failed" else ""
    db.session.flush()
