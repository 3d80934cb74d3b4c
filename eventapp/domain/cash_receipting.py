"""현금영수증: what the buyer asks for, and what must be issued, reduced or cancelled as money comes and goes.

`follow` looks at one payment's money and prepares what is missing; `issuing_receipts.py` asks the gateway. Nothing here
keeps a payment or a refund waiting: a receipt that fails waits for a person.
"""
from datetime import timedelta

from sqlalchemy import func, select

from eventapp import audit, clock, crypto
from eventapp.domain import Refused, RefusedFields, attempts, documenting, ledger, registering
from eventapp.domain.contacts import business_number, phone_number
from eventapp.extensions import db
from eventapp.languages import _, localized
from eventapp.models import (
    CashReceipt,
    Event,
    GatewayAccount,
    LedgerEntry,
    Order,
    Organization,
    Payment,
    PaymentAttempt,
)
from eventapp.outbox import later
from eventapp.payments import PROVIDERS
from eventapp.payments.provider import CashReceiptSnapshot

METHODS = ledger.CASH
KINDS = ("deduction", "expense")
CURRENCY = "KRW"
MUST_FROM = 100_000
"""From how much the trades that must issue one do so unasked."""
UNASKED_AFTER = timedelta(days=2)
"""So long the buyer may still say a number; the law gives five days."""
OPEN = ("wanted", "issuing", "failed", "cancelling")
STANDING = (*OPEN, "issued")
BY_HAND = "by_hand"
DIGITS_OF_A_CARD = range(13, 20)
DAY = timedelta(days=1)
FORGET_AFTER = timedelta(days=30)
"""So long after it failed, or after the event, the number is kept for another try."""


# -- asking ------------------------------------------------------------------------------------------------

def may_ask(order: Order) -> bool:
    """Whether the buyer may say, or say anew, for what number it is issued."""
    receipt = standing(order)
    return order.currency == CURRENCY and order.total > 0 and _is_cash(order) \
        and (receipt is None or (receipt.state in ("wanted", "failed") and not receipt.linked))


def _is_cash(order: Order) -> bool:
    return order.method in METHODS or db.session.scalar(select(Payment.id).where(
        Payment.order_id == order.id, Payment.method.in_(METHODS), Payment.balance > 0).limit(1)) is not None


def check(kind: str, identity: str, order_phone: str = "") -> dict[str, str]:
    """What is wrong, by the form's field; to be looked at before an order is placed."""
    if kind in ("", "none"):
        return {}
    if kind not in KINDS:
        return {"receipt": _("Choose whether you want a cash receipt.")}
    if kind == "expense" and business_number(identity) is None:
        return {"receipt-business": _("This is not a business number. It has ten digits, such as 124-81-00998.")}
    if kind == "deduction" and _deduction(identity or order_phone) is None:
        return {"receipt-phone": _("Enter a Korean mobile number, such as 010-1234-5678, or the number of a cash receipt card.")}
    return {}


def _deduction(text: str) -> str | None:
    """A Korean phone number or a cash receipt card, as digits."""
    digits = "".join(each for each in text if each.isdigit())
    if len(digits) in DIGITS_OF_A_CARD and not text.strip().startswith("+"):
        return digits
    number = phone_number(text)
    return "0" + number.removeprefix("+82") if number and number.startswith("+821") else None


def ask(order: Order, kind: str, identity: str, *, by) -> CashReceipt | None:
    """The buyer wants one, or wants none (`kind` "" or "none"). Raises RefusedFields, and Refused when it is too late."""
    db.session.flush()
    db.session.get(Order, order.id, with_for_update={"key_share": True}, populate_existing=True)
    receipt = standing(order)
    if receipt and receipt.state not in ("wanted", "failed"):
        raise Refused(_("A cash receipt has been issued already."), "receipt")
    if kind in ("", "none"):
        if receipt:
            drop(receipt, by=by)
        return None
    wrong = check(kind, identity, order.phone)
    if wrong:
        raise RefusedFields(wrong)
    if order.currency != CURRENCY or not _is_cash(order):
        raise Refused(_("There is a cash receipt only for transfers, not for cards."), "receipt")
    if receipt is None:
        receipt = CashReceipt(order_id=order.id, kind=kind)
        db.session.add(receipt)
        db.session.flush()
    number = business_number(identity) if kind == "expense" else _deduction(identity or order.phone)
    receipt.kind, receipt.state, receipt.failure_code, receipt.identity_hint = kind, "wanted", "", masked(number)
    crypto.put(receipt, "identity", number)
    audit.record("cash_receipt.asked", receipt, by=by, after={"kind": kind})
    for payment in db.session.scalars(select(Payment).where(Payment.order_id == order.id, Payment.method.in_(METHODS),
                                                            Payment.balance > 0)).all():
        later("follow_cash_receipt", payment)
    return receipt


def masked(number: str) -> str:
    """010-••••-5678, 124-81-•••••, and of a card the last four digits."""
    if number.startswith("01") and len(number) in (10, 11):
        return f"{number[:3]}-••••-{number[-4:]}"
    return f"{number[:3]}-{number[3:5]}-•••••" if len(number) == 10 else f"••••{number[-4:]}"


def of(order: Order) -> list[CashReceipt]:
    return list(db.session.scalars(select(CashReceipt).where(CashReceipt.order_id == order.id, CashReceipt.state != "dropped")
                                   .order_by(CashReceipt.id)))


def standing(order: Order) -> CashReceipt | None:
    """The one that counts: the latest that is neither dropped nor cancelled."""
    return db.session.scalar(select(CashReceipt).where(CashReceipt.order_id == order.id, CashReceipt.state.in_(STANDING))
                             .order_by(CashReceipt.id.desc()).limit(1))


def drop(receipt: CashReceipt, *, by=audit.SYSTEM) -> None:
    receipt.state, receipt.identity = "dropped", None
    audit.record("cash_receipt.dropped", receipt, by=by)


# -- following the money -----------------------------------------------------------------------------------

def follow(payment: Payment) -> None:
    """Bring the payment's receipt to what is held of its money. Done again and again, it does no more."""
    order = attempts.lock(payment)
    if payment.method not in METHODS or payment.currency != CURRENCY:
        return
    held = ledger.held(payment)
    receipt = _of_payment(order, payment, held)
    if receipt is None and held > 0:
        receipt = _again(order, payment) or _unasked(order, payment)
    if receipt is None:
        return
    if receipt.linked:
        _as_the_gateway_does(receipt, held)
    elif receipt.state in ("wanted", "failed") and held <= 0:
        drop(receipt)
    elif receipt.state == "wanted":
        _begin(order, payment, receipt, held)
    elif receipt.state == "issued" and not receipt.failure_code and receipt.amount - receipt.cancelled > held:
        _reduce(payment, receipt, receipt.amount - receipt.cancelled - held)


def _of_payment(order: Order, payment: Payment, held: int) -> CashReceipt | None:
    """Its own; else what the buyer asked for and no payment has taken yet."""
    own = db.session.scalar(select(CashReceipt).where(CashReceipt.payment_id == payment.id, CashReceipt.state.in_(STANDING))
                            .order_by(CashReceipt.id.desc()).limit(1).with_for_update())
    if own or held <= 0:
        return own
    asked = db.session.scalar(select(CashReceipt).where(
        CashReceipt.order_id == order.id, CashReceipt.payment_id.is_(None), CashReceipt.state == "wanted")
        .order_by(CashReceipt.id.desc()).limit(1).with_for_update())
    if asked:
        asked.payment_id = payment.id
    return asked


def _again(order: Order, payment: Payment) -> CashReceipt | None:
    """Of one that could only be cancelled as a whole: what is left of the money gets another for the same number."""
    before = db.session.scalar(select(CashReceipt).where(CashReceipt.payment_id == payment.id).order_by(CashReceipt.id.desc()).limit(1))
    if before is None or before.state != "cancelled" or before.identity is None:
        return None
    receipt = CashReceipt(order_id=order.id, payment_id=payment.id, kind=before.kind, identity_hint=before.identity_hint)
    db.session.add(receipt)
    db.session.flush()
    crypto.put(receipt, "identity", crypto.get(before, "identity"))
    before.identity = None
    return receipt


def _unasked(order: Order, payment: Payment) -> CashReceipt | None:
    """What must be issued though nobody asked, once there was time to ask."""
    organization = db.session.get(Organization, order.org_id)
    if not organization.must_issue_receipts or payment.amount < MUST_FROM or _had_one(payment):
        return None
    came = db.session.scalar(select(func.max(LedgerEntry.created_at)).where(LedgerEntry.payment_id == payment.id, LedgerEntry.kind == "paid"))
    if clock.now() < came + UNASKED_AFTER:
        later("follow_cash_receipt", payment, run_at=came + UNASKED_AFTER, key=f"unasked {came.isoformat()}")
        return None
    receipt = CashReceipt(order_id=order.id, payment_id=payment.id, kind="unasked")
    db.session.add(receipt)
    db.session.flush()
    audit.record("cash_receipt.unasked", receipt, by=audit.SYSTEM)
    return receipt


def _had_one(payment: Payment) -> bool:
    """A receipt that was taken back together with the money: what comes again is another payment's, or waits to be asked for."""
    return db.session.scalar(select(CashReceipt.id).where(CashReceipt.payment_id == payment.id, CashReceipt.linked).limit(1)) is not None


def _begin(order: Order, payment: Payment, receipt: CashReceipt, held: int) -> None:
    """Ask the gateway for it; where none can issue it, it waits for the organisation to do so by hand."""
    receipt.amount = held
    account = account_for(order, payment)
    if account is None or attempts.open_of(payment, "receipt_issue"):
        return
    event = db.session.get(Event, order.event_id)
    receipt.state = "issuing"
    attempts.prepare(payment, "receipt_issue", {
        "receipt_id": receipt.id, "account_id": account.id, "order_ref": payment.gateway_order_id, "amount": held,
        "tax_free": min(held, documenting.tax_free_left(payment)), "kind": receipt.kind, "method": payment.method,
        "order_name": localized(event.title, order.locale)[:100]})


def _reduce(payment: Payment, receipt: CashReceipt, amount: int) -> None:
    account = receipt.receipt_key and issued_by(receipt)
    if not account:
        receipt.state, receipt.failure_code = "cancelling", BY_HAND
        return
    if attempts.open_of(payment, "receipt_cancel"):
        return
    if not PROVIDERS[account.provider].caps.receipts_in_parts:
        amount = receipt.amount
    receipt.state = "cancelling"
    attempts.prepare(payment, "receipt_cancel", {
        "receipt_id": receipt.id, "account_id": account.id, "order_ref": payment.gateway_order_id,
        "receipt_key": receipt.receipt_key, "amount": amount, "whole": receipt.cancelled == 0 and amount == receipt.amount})


def issued_by(receipt: CashReceipt) -> GatewayAccount | None:
    """The account that issued it, whatever the event has chosen since; None for one that a person has issued."""
    id_ = db.session.scalar(select(PaymentAttempt.request["account_id"].as_integer()).where(
        PaymentAttempt.payment_id == receipt.payment_id, PaymentAttempt.operation == "receipt_issue",
        PaymentAttempt.request["receipt_id"].as_integer() == receipt.id).order_by(PaymentAttempt.id.desc()).limit(1))
    return id_ and db.session.get(GatewayAccount, id_)


def is_final(receipt: CashReceipt) -> bool:
    """Whether nobody will need its number again: at a gateway that takes back only the whole, the rest is issued anew."""
    return PROVIDERS[issued_by(receipt).provider].caps.receipts_in_parts


def account_for(order: Order, payment: Payment) -> GatewayAccount | None:
    """Which account can issue it: the one that took the money; for transfers by hand any of the event's that is able to."""
    if payment.account_id:
        account = db.session.get(GatewayAccount, payment.account_id)
        return account if PROVIDERS[account.provider].caps.cash_receipts else None
    event = db.session.get(Event, order.event_id)
    accounts = db.session.scalars(select(GatewayAccount).where(
        GatewayAccount.purpose == "one_off", GatewayAccount.secret_key.is_not(None), GatewayAccount.enabled, GatewayAccount.unhealthy == "",
        GatewayAccount.id == event.gateway_account_id if event.gateway_account_id else GatewayAccount.for_all_events)
        .order_by(GatewayAccount.mode, GatewayAccount.id)).all()
    return next((one for one in accounts if PROVIDERS[one.provider].caps.cash_receipts), None)


# -- what the gateway issued by itself ---------------------------------------------------------------------

STATES = {"in_progress": "issuing", "issued": "issued", "failed": "failed", "cancelled": "cancelled"}


def linked(order: Order, payment: Payment, found: CashReceiptSnapshot) -> None:
    """The buyer chose one in the gateway's window: it is written down, and goes with the payment at the gateway."""
    receipt = db.session.scalar(select(CashReceipt).where(CashReceipt.receipt_key == found.key))
    if receipt is None:
        receipt = CashReceipt(order_id=order.id, payment_id=payment.id, kind=found.kind or "deduction", linked=True, receipt_key=found.key,
                              amount=found.amount)
        db.session.add(receipt)
        for asked in db.session.scalars(select(CashReceipt).where(CashReceipt.order_id == order.id, CashReceipt.state == "wanted")).all():
            drop(asked)
    if not receipt.linked or receipt.state == "cancelled":
        return
    receipt.state, receipt.failure_code = STATES[found.status], found.failure_code
    receipt.issue_number, receipt.url = found.issue_number or receipt.issue_number, found.url or receipt.url
    if receipt.state == "issued":
        receipt.issued_at = receipt.issued_at or clock.now()
    elif receipt.state == "cancelled":
        receipt.cancelled = receipt.amount


def _as_the_gateway_does(receipt: CashReceipt, held: int) -> None:
    """It reduces its own receipts together with the payment."""
    receipt.cancelled = min(receipt.amount, max(receipt.cancelled, receipt.amount - max(held, 0)))
    if receipt.cancelled == receipt.amount:
        receipt.state = "cancelled"


# -- people ------------------------------------------------------------------------------------------------

def is_problem(receipt: CashReceipt) -> bool:
    """Whether somebody has to do something."""
    return receipt.state == "failed" or bool(receipt.failure_code) or waits_for_hand(receipt)


def waits_for_hand(receipt: CashReceipt) -> bool:
    """No gateway of ours can issue it: the organisation does."""
    return receipt.state == "wanted" and receipt.amount > 0


def try_again(receipt: CashReceipt, *, by) -> None:
    """After whatever stood in the way has been mended."""
    _lock(receipt)
    if not is_problem(receipt) or receipt.payment_id is None or receipt.linked:
        raise Refused(_("There is nothing to be tried again."))
    if receipt.state == "failed" and receipt.kind in KINDS and receipt.identity is None:
        raise Refused(_("The number it was to be issued to has been erased. The buyer can ask for it once more."))
    if receipt.state == "cancelling" and receipt.failure_code == BY_HAND:
        raise Refused(_("This one is cancelled by hand."))
    receipt.state, receipt.failure_code = "wanted" if receipt.state in ("failed", "wanted") else "issued", ""
    audit.record("cash_receipt.tried_again", receipt, by=by)
    later("follow_cash_receipt", db.session.get(Payment, receipt.payment_id))


def issued_by_hand(receipt: CashReceipt, number: str, *, by) -> None:
    """Somebody has issued it elsewhere, under this number."""
    _lock(receipt)
    number = "".join(number.split())
    if not (waits_for_hand(receipt) or receipt.state == "failed"):
        raise Refused(_("This cash receipt does not wait to be issued by hand."))
    if not number or len(number) > 40:
        raise Refused(_("Enter the number under which it was issued."), "issue_number")
    receipt.state, receipt.issue_number, receipt.issued_at, receipt.identity, receipt.failure_code = "issued", number, clock.now(), None, ""
    audit.record("cash_receipt.issued_by_hand", receipt, by=by, after={"number": number, "amount": receipt.amount})
    later("follow_cash_receipt", db.session.get(Payment, receipt.payment_id))


def cancelled_by_hand(receipt: CashReceipt, *, by) -> None:
    """Somebody has cancelled elsewhere what was too much of it."""
    _lock(receipt)
    if receipt.state != "cancelling" or receipt.failure_code != BY_HAND:
        raise Refused(_("This cash receipt does not wait to be cancelled by hand."))
    held = max(0, ledger.held(db.session.get(Payment, receipt.payment_id)))
    receipt.cancelled, receipt.failure_code = receipt.amount - min(held, receipt.amount - receipt.cancelled), ""
    receipt.state = "cancelled" if receipt.cancelled == receipt.amount else "issued"
    audit.record("cash_receipt.cancelled_by_hand", receipt, by=by, after={"cancelled": receipt.cancelled})


def _lock(receipt: CashReceipt) -> None:
    if receipt.payment_id:
        attempts.lock(db.session.get(Payment, receipt.payment_id))
    db.session.refresh(receipt, with_for_update=True)


# -- looking again -----------------------------------------------------------------------------------------

def sweep() -> None:
    """Of this organisation: what was missed, and numbers that nobody needs any more."""
    now = clock.now()
    over = select(Event.id).join(Order, Order.event_id == Event.id).where(Order.id == CashReceipt.order_id, Event.ends_at < now - FORGET_AFTER)
    for receipt in db.session.scalars(select(CashReceipt).where(
            CashReceipt.state.in_(("issued", "cancelled")), CashReceipt.identity.is_not(None), over.exists()).limit(500)).all():
        receipt.identity = None
    waiting = select(CashReceipt).where(CashReceipt.state.in_(OPEN)).order_by(CashReceipt.id).limit(500)
    for receipt in db.session.scalars(waiting).all():
        if receipt.state == "wanted" and receipt.payment_id is None:
            _forget_unpaid(receipt)
        elif receipt.state == "failed" and receipt.identity and receipt.created_at < now - FORGET_AFTER:
            receipt.identity = None
        elif receipt.state == "wanted":
            later("follow_cash_receipt", db.session.get(Payment, receipt.payment_id), key=f"sweep {now:%Y%m%d}")
        elif receipt.state != "failed" and (receipt.checked_at or receipt.created_at) < now - DAY:
            later("gateway_check_cash_receipt", receipt, key=f"sweep {now:%Y%m%d}")


def _forget_unpaid(receipt: CashReceipt) -> None:
    """Nobody pays any more."""
    order = db.session.get(Order, receipt.order_id)
    if not registering.with_status(registering.of_order(order), "pending_approval", "pending_payment", "confirmed"):
        drop(receipt)
