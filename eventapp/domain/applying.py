"""What a gateway says of a payment, made into ours. The one way in, whoever asked: a confirm, a notice, the reconciliation.

The payment's row is locked, the snapshot compared with what we stored, and only the difference to what we know acts:
the same snapshot a second time does nothing.
"""
import logging
from datetime import timedelta

from sqlalchemy import or_, select

from eventapp import audit, clock, config, crypto, faults
from eventapp.domain import cash_receipting, checking_in, ledger, refunding, registering
from eventapp.domain.attempts import lock, open_of
from eventapp.domain.refunding import needs_a_person
from eventapp.extensions import db
from eventapp.models import Event, GatewayAccount, Order, Payment, Refund, Status
from eventapp.outbox import later
from eventapp.payments.provider import (
    AUTHORIZED,
    AWAITING_DEPOSIT,
    CREATED,
    EXPIRED,
    FAILED,
    PAID,
    PARTIALLY_REFUNDED,
    PENDING,
    REFUND_PENDING,
    REFUNDED,
    UNKNOWN,
    VIRTUAL_ACCOUNT,
    VOIDED,
    GatewayPayment,
    GatewayRefund,
)

log = logging.getLogger("eventapp.applying")
GRACE = timedelta(minutes=10)
"""Between the time a virtual account is due and the last question about it."""
MONEY = (PAID, PARTIALLY_REFUNDED, REFUND_PENDING, REFUNDED)
WAITING = (CREATED, PENDING, AUTHORIZED, AWAITING_DEPOSIT)
ENDED = (VOIDED, FAILED, EXPIRED)
UNTAKEN = (PENDING, AUTHORIZED, FAILED, EXPIRED, VOIDED)
"""No money has moved, and none will unless we confirm."""
DIFFERS, REVERSED = "differs", "reversed"
APPLIED, OLDER = "applied", "older"

faults.register_guard("payment.differences", "payment.untaken", "payment.older", "payment.second")


def apply_snapshot(payment: Payment, snapshot: GatewayPayment, *, again: bool = False, by=audit.GATEWAY) -> str:
    """`applied`; `older` for a snapshot that was overtaken; `differs` for one that contradicts what we stored, which then
    waits for a person and never becomes paid. `again`: the gateway has been asked once more because of an older one."""
    order = lock(payment)
    wrong = differences(payment, snapshot)
    if wrong and snapshot.status in UNTAKEN and payment.status in (CREATED, PENDING) and not faults.guard_off("payment.untaken"):
        return drop(payment, *wrong, by=by)
    if wrong and not faults.guard_off("payment.differences"):
        needs_a_person(payment, DIFFERS, *wrong, by=by)
        log.error("a payment differs from the gateway's", extra={"payment_id": payment.id, "expected": wrong[0], "found": wrong[1]})
        return DIFFERS
    if is_older(payment, snapshot, again=again) and not faults.guard_off("payment.older"):
        return OLDER
    before, received = payment.status, ledger.received(payment)
    copy(payment, snapshot)
    if snapshot.cash_receipt:
        cash_receipting.linked(order, payment, snapshot.cash_receipt)
    if snapshot.captured and not received:
        money_came(order, payment, snapshot, by=by)
    elif received and not snapshot.captured:
        money_went(order, payment, by=by)
    elif payment.status == AWAITING_DEPOSIT and before != AWAITING_DEPOSIT:
        account_issued(order, payment)
    if snapshot.captured:
        adopt_refunds(order, payment, snapshot, by=by)
    return APPLIED


def drop(payment: Payment, expected: dict, found: dict, *, by) -> str:
    """A window that somebody opened for another sum than the page printed. It must not keep the places, as a difference
    over money does: whoever alters a page would hold them for nothing, for ever."""
    payment.status, payment.failure_code = FAILED, "AMOUNT_DIFFERS"
    audit.record("payment.failed", payment, by=by, before=expected, after=found)
    log.warning("a window was opened for something else", extra={"payment_id": payment.id, "expected": expected, "found": found})
    return APPLIED


def differences(payment: Payment, snapshot: GatewayPayment) -> tuple[dict, dict] | None:
    """(what we stored, what the gateway says) where they are not the same."""
    if payment.problem and payment.problem["kind"] == DIFFERS:
        return payment.problem["expected"], payment.problem["found"]
    expected = {"order": payment.gateway_order_id, "amount": payment.amount, "currency": payment.currency, "status": "known"}
    found = {"order": snapshot.order_ref, "amount": snapshot.total, "currency": snapshot.currency,
             "status": snapshot.raw_status if snapshot.status == UNKNOWN else "known"}
    if payment.account_id:
        expected["test"] = db.session.get(GatewayAccount, payment.account_id).mode == "test"
        found["test"] = snapshot.test_mode
    if payment.gateway_key and payment.status in (*MONEY, AWAITING_DEPOSIT):
        expected["key"], found["key"] = payment.gateway_key, snapshot.gateway_key
    if not snapshot.consistent and snapshot.total == payment.amount:
        expected["balance"], found["balance"] = snapshot.total - snapshot.refunded, snapshot.balance
    wrong = [name for name in expected if expected[name] != found[name]]
    return ({name: expected[name] for name in wrong}, {name: found[name] for name in wrong}) if wrong else None


def is_older(payment: Payment, snapshot: GatewayPayment, *, again: bool = False) -> bool:
    """Whether it shows less than has happened. A bank that takes a deposit back is the one way from paid to unpaid; what our own
    clock has ended may still be awaited at the gateway."""
    if payment.status in MONEY:
        if not snapshot.captured:
            return not (payment.status == PAID and payment.method == VIRTUAL_ACCOUNT
                        and snapshot.status in (AWAITING_DEPOSIT, EXPIRED))
        booked = ledger.refunds(payment)
        shown = {refund.transaction_key: refund for refund in snapshot.refunds} | ({lost_key(snapshot.dispute): None} if snapshot.dispute else {})
        came_back = sum(refund.amount for key, refund in shown.items() if refund and refund.status == "failed" and key in booked)
        return balance_of(snapshot) > payment.balance + came_back or not booked <= shown.keys()
    if payment.status in ENDED:
        return not snapshot.captured and snapshot.status not in ENDED and not (again and snapshot.status == AWAITING_DEPOSIT)
    return payment.status == AWAITING_DEPOSIT and snapshot.status in (PENDING, AUTHORIZED)


def copy(payment: Payment, snapshot: GatewayPayment) -> None:
    payment.status = snapshot.status
    payment.gateway_key = snapshot.gateway_key
    payment.balance = balance_of(snapshot)
    payment.last_tx, payment.receipt_url, payment.approved_at = snapshot.last_tx, snapshot.receipt_url, snapshot.approved_at
    payment.paid_with, payment.vat = snapshot.paid_with or payment.paid_with, snapshot.vat if snapshot.vat is not None else payment.vat
    if snapshot.failure:
        payment.failure_code = snapshot.failure.code
    if snapshot.secret and (payment.secret is None or crypto.get(payment, "secret") != snapshot.secret):
        crypto.put(payment, "secret", snapshot.secret)
    if snapshot.virtual_account:
        account = snapshot.virtual_account
        payment.virtual_account = {"bank": account.bank or account.bank_code, "number": account.number,
                                   "holder": account.customer_name}
        payment.due_at = account.due_at or payment.due_at


def balance_of(snapshot: GatewayPayment) -> int:
    """What could still be given back. A dispute that was lost has taken its part, which a gateway may show beside the refunds."""
    lost = snapshot.dispute.amount if snapshot.dispute and snapshot.dispute.status == "lost" else 0
    return max(0, snapshot.balance - lost) if snapshot.captured else 0


def lost_key(dispute) -> str:
    return f"dispute {dispute.id}"


# -- what follows from the difference ----------------------------------------------------------------

def money_came(order: Order, payment: Payment, snapshot: GatewayPayment, *, by) -> None:
    """The first payment of an order confirms it; a second one, or one that is too late, goes back."""
    if payment.problem and payment.problem["kind"] == REVERSED:
        payment.problem = None
    second = ledger.paid(order) > 0 and ledger.owed(order) <= 0 and not faults.guard_off("payment.second")
    ledger.pay(payment, f"{payment.gateway_order_id} {ledger.arrivals(payment) + 1}")
    audit.record("payment.paid", payment, by=by, after={"amount": payment.amount})
    if snapshot.status == REFUNDED:
        return  # paid and given back before we heard of either
    if second:
        refunding.give_back(payment, refunding.TWICE, by=audit.SYSTEM)
    elif ledger.owed(order) > 0:  # more of the order was approved, or added to it, since this payment was begun
        needs_a_person(payment, "underpaid", payment.amount + ledger.owed(order), payment.amount, by=by)
    elif registering.money_arrived(order, by=by):
        close_others(order, payment)
        if ledger.owed(order) < 0:  # some of it was cancelled after the account had been issued
            needs_a_person(payment, "overpaid", payment.amount + ledger.owed(order), payment.amount, by=by)
    else:
        refunding.give_back(payment, refunding.LATE, by=audit.SYSTEM)


def money_went(order: Order, payment: Payment, *, by) -> None:
    """The bank took a deposit back: the tickets rest until it comes again."""
    ledger.reverse(payment, f"{payment.gateway_order_id} {ledger.arrivals(payment)}")
    audit.record("payment.reversed", payment, by=by, after={"amount": payment.amount})
    log.error("a deposit was taken back", extra={"payment_id": payment.id})
    inside = checking_in.inside(registering.of_order(order))
    rest = registering.money_taken_back(order, by=by)
    if rest and inside:  # nobody is turned out of the hall by a bank
        needs_a_person(payment, REVERSED, payment.amount, 0, by=by)
    if payment.status == AWAITING_DEPOSIT:
        wait_for_deposit(order, payment)
        if rest:
            later("mail_payment_reversed", order, key=f"{payment.id} {ledger.arrivals(payment)}", about=f"{payment.id} {ledger.arrivals(payment)}")
    else:
        registering.hold(order, clock.now() + config.active().hold)


def account_issued(order: Order, payment: Payment) -> None:
    """A virtual account is there: the buyer is told, and the places wait as long as it does. A way of paying that merely takes
    days has none, and can't be called off: should it come too late, it goes back."""
    if payment.due_at is None:
        payment.due_at = clock.now() + timedelta(days=db.session.get(Event, order.event_id).transfer_days)
    if payment.virtual_account is None:
        registering.hold(order, payment.due_at)
        return
    if not registering.holding(registering.of_order(order)) or ledger.owed(order) != payment.amount:
        refunding.void(payment)
        return
    wait_for_deposit(order, payment)
    tell_account(order, payment)


def wait_for_deposit(order: Order, payment: Payment) -> None:
    until = payment.due_at + GRACE
    registering.hold(order, max(until, clock.now() + config.active().hold))
    later("gateway_refresh", payment, run_at=until, key=f"due {until:%Y%m%d%H%M%S}")
    later("gateway_refresh", payment, run_at=until + timedelta(days=1), key=f"after {until:%Y%m%d%H%M%S}")


def tell_account(order: Order, payment: Payment) -> None:
    """The letter with the account, and one more a day before the money is due (or when two thirds of the time are over)."""
    later("mail_payment_due", order, key=str(payment.id))
    left = payment.due_at - clock.now()
    later("mail_payment_reminder", order, key=str(payment.id), run_at=payment.due_at - min(timedelta(days=1), left / 3))


def close_others(order: Order, paid_by: Payment) -> None:
    """The first payment counts; whatever else was begun for the order ends."""
    others = db.session.scalars(select(Payment).where(Payment.order_id == order.id, Payment.id != paid_by.id,
                                                      Payment.status.in_(WAITING)).order_by(Payment.id)).all()
    for other in others:
        close(other, VOIDED)


def close(payment: Payment, status: str) -> None:
    """End a payment that nobody waits for. An account at the gateway is closed there; an open question is left to its answer."""
    if open_of(payment):
        return
    if payment.status == AWAITING_DEPOSIT and payment.provider != "manual":
        if payment.virtual_account:
            refunding.void(payment)
    else:
        payment.status = status


def adopt_refunds(order: Order, payment: Payment, snapshot: GatewayPayment, *, by) -> None:
    """Refunds that are not in the books yet: ours, or made in the gateway's own pages; and those that came back."""
    known, bounced = ledger.refunds(payment), not_taken_by_the_bank(snapshot)
    contested(order, payment, snapshot, by=by)
    for each in [*snapshot.refunds, *taken_by_dispute(snapshot)]:
        if each.status == "pending" and (refund := _asked_for(payment, each)):
            refund.transaction_key = each.transaction_key  # its end is told by this name only
        if each.status == "done" and each.transaction_key not in known:
            adopt(order, payment, each, tell=each not in bounced, by=by)
        if each in bounced and each.transaction_key in ledger.refunds(payment):
            refund_came_back(payment, each, by=by)
        elif each in bounced:
            refund_did_not_go(payment, each, by=by)


def adopt(order: Order, payment: Payment, found: GatewayRefund, *, tell: bool, by) -> None:
    refund = _asked_for(payment, found)
    if refund is None:
        refund = Refund(payment_id=payment.id, amount=found.amount, reason=found.reason, external=True)
        db.session.add(refund)
    refund.transaction_key = found.transaction_key
    ledger.refund(payment, found.transaction_key, found.amount)
    audit.record("payment.refunded", payment, by=by, after={"amount": found.amount, "external": refund.external})
    if tell:
        refunding.finish(refund, found.at)
    if refund.external:
        given_back_outside(order, payment, found, by=by)
        refunding.drop_overtaken(payment)


def not_taken_by_the_bank(snapshot: GatewayPayment) -> list[GatewayRefund]:
    """Refunds that came back. Of a virtual account the gateway says it of the last one, which otherwise looks as if it were done."""
    account = snapshot.virtual_account
    last = snapshot.refunds[-1:] if account and account.refund_status in ("FAILED", "PARTIAL_FAILED") else ()
    return [refund for refund in snapshot.refunds if refund.status == "failed" or refund in last]


def contested(order: Order, payment: Payment, snapshot: GatewayPayment, *, by) -> None:
    """A card holder contests the payment, or it was decided: while it is open nothing is refunded, and staff are told."""
    dispute = snapshot.dispute
    said = dispute and {"id": dispute.id, "status": dispute.status, "reason": dispute.reason, "amount": dispute.amount or payment.amount}
    if said == payment.dispute:
        return
    payment.dispute = said
    audit.record("payment.disputed", payment, by=by, after=said)
    if dispute and dispute.status == "open":
        needs_a_person(payment, "disputed", payment.amount, said["amount"], by=by)
    elif payment.problem and payment.problem["kind"] == "disputed":
        payment.problem = None


def taken_by_dispute(snapshot: GatewayPayment) -> list[GatewayRefund]:
    """What a lost dispute has taken, where the gateway does not show it among the refunds. What had gone back before is not the
    buyer's a second time, though a card holder may contest the whole."""
    dispute = snapshot.dispute
    amount = min(dispute.amount, snapshot.balance) if dispute and dispute.status == "lost" else 0
    return [GatewayRefund(lost_key(dispute), amount, refunding.CHARGEBACK, "done", None)] if amount else []


def refund_came_back(payment: Payment, found: GatewayRefund, *, by) -> None:
    """The bank did not take it, days after the gateway had said that it was done."""
    refund = db.session.scalar(select(Refund).where(Refund.payment_id == payment.id, Refund.transaction_key == found.transaction_key))
    key = f"{found.transaction_key} came back"
    if refund is None or ledger.is_booked(payment, "returned", key):
        return
    ledger.take_in_again(payment, key, found.amount)
    audit.record("payment.refund_came_back", payment, by=by, after={"amount": found.amount})
    refunding.came_back(refund, "FAILED", by=by)


def refund_did_not_go(payment: Payment, found: GatewayRefund, *, by) -> None:
    """It was on its way and has never been in the books."""
    refund = db.session.scalar(select(Refund).where(
        Refund.payment_id == payment.id, Refund.transaction_key == found.transaction_key, Refund.state == "requested"))
    if refund:
        audit.record("payment.refund_came_back", payment, by=by, after={"amount": found.amount})
        refunding.came_back(refund, "FAILED", by=by)


def _asked_for(payment: Payment, found: GatewayRefund) -> Refund | None:
    """By the gateway's name for it where we know that already, else by what we asked for."""
    key = Refund.transaction_key
    return db.session.scalar(select(Refund).where(
        Refund.payment_id == payment.id, Refund.state == "requested", Refund.amount == found.amount,
        Refund.reason == found.reason, or_(key.is_(None), key == found.transaction_key))
        .order_by(key.is_(None), Refund.id).limit(1))


def given_back_outside(order: Order, payment: Payment, found: GatewayRefund, *, by) -> None:
    """All of it: the tickets go too. A part: nobody can guess for whom it was."""
    if payment.balance == 0 and ledger.paid(order) == 0:
        live = registering.with_status(registering.of_order(order), Status.CONFIRMED, Status.PENDING_APPROVAL, Status.PENDING_PAYMENT)
        registering.cancel(live, by=by, reason="refunded at the gateway")
    elif payment.balance:
        needs_a_person(payment, "external_refund", payment.amount, payment.balance, by=by)
