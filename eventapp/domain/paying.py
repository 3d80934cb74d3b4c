"""Paying an order: how it begins, how the buyer comes back, how long places wait, and what is looked at again.

Nothing here calls a gateway; what is to be asked is written as an attempt and done by a job (`calling.py`).
"""
import logging
import secrets
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import exists, func, select

from eventapp import audit, clock, config, faults
from eventapp.domain import Refused, applying, attempts, calling, ledger, refunding, registering
from eventapp.domain.applying import DIFFERS, ENDED, GRACE, MONEY, WAITING
from eventapp.extensions import db
from eventapp.languages import _, current_locale
from eventapp.models import (
    Event,
    GatewayAccount,
    LineItem,
    Order,
    Organization,
    OutboxItem,
    Payment,
    PaymentAttempt,
    PaymentRoute,
    Registration,
    Status,
    WebhookEvent,
)
from eventapp.money import money_text
from eventapp.outbox import later
from eventapp.payments import PROVIDERS, manual
from eventapp.payments.banks import BANKS
from eventapp.payments.provider import (
    AUTHORIZED,
    AWAITING_DEPOSIT,
    BANK_TRANSFER,
    CARD,
    CREATED,
    EXPIRED,
    MANUAL_TRANSFER,
    MOBILE,
    PENDING,
    REFUND_PENDING,
    VIRTUAL_ACCOUNT,
    VOIDED,
    CheckoutInstruction,
    ReturnHint,
)
from eventapp.payments.provider import GatewayAccount as Keys

log = logging.getLogger("eventapp.paying")
WINDOW = (CARD, BANK_TRANSFER, VIRTUAL_ACCOUNT, MOBILE)
"""Paid in the gateway's window; of a virtual account the window is one way and a form of ours the other."""
OPENED_FOR = timedelta(minutes=40)
"""How long a gateway's own page stays open at least: Stripe takes half an hour and more, counted from when it hears of it."""
ASKING = ("open", "confirm", "look", "issue")
"""What is asked of a gateway so that money comes."""
WORTH_HEARING = timedelta(days=3)
"""How long a notice that could not be looked into is tried again."""
ASKED, SETTLED, OVER, CHANGED, AMOUNT_DIFFERS, GONE = "asked", "settled", "over", "changed", "amount_differs", "gone"

faults.register_guard("payment.returned_amount", "payment.hold", "payment.first_wins", "payment.changed")


# -- accounts ---------------------------------------------------------------------------------------------

def account_for(event: Event, method: str) -> GatewayAccount | None:
    """The gateway account that takes this method for this event: of the event's own choice, or of the organisation.

    Where there is a live account no test account is ever taken in its stead, or a key that was revoked would let people in for
    nothing.
    """
    if method not in WINDOW:
        return None
    accounts = all_accounts()
    mode = "live" if takes_real_money(accounts) else "test"
    return next((one for one in accounts if one.enabled and one.mode == mode and not one.unhealthy and takes(one, method, event.currency)
                 and (one.id == event.gateway_account_id if event.gateway_account_id else one.for_all_events)), None)


def all_accounts() -> list[GatewayAccount]:
    return list(db.session.scalars(select(GatewayAccount).where(
        GatewayAccount.purpose == "one_off", GatewayAccount.secret_key.is_not(None)).order_by(GatewayAccount.id)))


def takes_real_money(accounts: list[GatewayAccount]) -> bool:
    """Whether one of them does, or has done so until it was switched off."""
    live = [one for one in accounts if one.mode == "live"]
    return any(one.enabled for one in live) or (bool(live) and db.session.scalar(select(exists().where(
        Payment.account_id.in_([one.id for one in live])))))


def takes(account: GatewayAccount, method: str, currency: str) -> bool:
    caps = PROVIDERS[account.provider].caps
    return method in caps.methods and (caps.currencies is None or currency in caps.currencies)


# -- beginning ----------------------------------------------------------------------------------------------

def begin(order: Order, method: str, amount: int | None = None, *, tax_free: int = 0, tell: bool = True) -> Payment | None:
    """Begin to pay what is owed in this way; None when nothing is. Asked again for the same, the payment that is open.

    `amount` (and how much of it bears no VAT) spares the looking when the order has just been made and nothing can be there. Without `tell` no letter goes out
    with our account; the caller writes.
    """
    fresh = amount is not None
    amount = ledger.owed(order) if amount is None else amount
    if amount <= 0:
        return None
    payment = None if fresh else _open(order, method, amount)
    if payment is None:
        payment = _new(order, method, amount, tax_free if fresh else _tax_free(order, amount))
    order.method = method
    if method != MANUAL_TRANSFER and (fresh or order.hold_until is None):
        # Choosing once more does not prolong it, or places could be kept for ever by a press every quarter of an hour.
        registering.hold(order, first_hold(order.event_id, method))
    elif method == MANUAL_TRANSFER and payment.status == CREATED:
        _show_own_account(order, payment, clock.now() if fresh else began(order), tell)
    return payment


def first_hold(event_id: int, method: str) -> datetime:
    """Until when the places of an order that begins to pay now are kept; whole seconds, so that asking twice says the same."""
    return due(event_id, clock.now()) if method == MANUAL_TRANSFER else (clock.now() + config.active().hold).replace(microsecond=0)


def _open(order: Order, method: str, amount: int) -> Payment | None:
    """A payment of this kind that can still be paid. Not one at an account that refuses its keys, or that was for tests."""
    payment = db.session.scalar(select(Payment).where(
        Payment.order_id == order.id, Payment.method == method, Payment.amount == amount, Payment.status.in_(WAITING),
        Payment.problem.is_(None)).order_by(Payment.id.desc()).limit(1))
    if payment and payment.status == AWAITING_DEPOSIT and payment.due_at <= clock.now():
        return None
    account = db.session.get(GatewayAccount, payment.account_id) if payment and payment.account_id else None
    return None if account and payment.status != AWAITING_DEPOSIT and (account.unhealthy or was_for_tests(account)) else payment


def was_for_tests(account: GatewayAccount) -> bool:
    """Whether the organisation takes real money by now, so that what is paid there lets nobody in any more."""
    return account.mode == "test" and takes_real_money(all_accounts())


def _tax_free(order: Order, amount: int) -> int:
    """How much of what is owed bears no VAT: of what is held, less what earlier payments brought of it."""
    held = db.session.scalar(select(func.coalesce(func.sum(LineItem.quantity * LineItem.unit_price), 0)).join(
        Registration, Registration.id == LineItem.registration_id).where(
        Registration.order_id == order.id, Registration.holds, LineItem.tax_free))
    paid = db.session.scalar(select(func.coalesce(func.sum(Payment.tax_free), 0)).where(
        Payment.order_id == order.id, Payment.status.in_(MONEY))) if held else 0
    return max(0, min(amount, held - paid))


def _new(order: Order, method: str, amount: int, tax_free: int) -> Payment:
    account = account_for(db.session.get(Event, order.event_id), method)
    if account is None and method != MANUAL_TRANSFER:
        raise Refused(_("This payment method is not available at the moment. Choose another one."), "method")
    payment = Payment(order_id=order.id, account_id=account and account.id, provider=account.provider if account else "manual",
                      method=method, gateway_order_id=f"ev_{secrets.token_hex(14)}", customer_key=secrets.token_urlsafe(24),
                      amount=amount, tax_free=tax_free, currency=order.currency, status=CREATED)
    db.session.add(payment)
    if account:
        db.session.flush()
        db.session.add(PaymentRoute(key=f"order:{payment.gateway_order_id}", org_id=payment.org_id, id=payment.id))
    return payment


def _show_own_account(order: Order, payment: Payment, since: datetime, tell: bool) -> None:
    """By hand: the organisation's account, and the time until which the places wait."""
    account = db.session.get(Organization, order.org_id).bank_account
    if not account:
        raise Refused(_("This payment method is not available at the moment. Choose another one."), "method")
    payment.virtual_account = {name: account.get(name, "") for name in ("bank", "number", "holder")}
    payment.status, payment.due_at = AWAITING_DEPOSIT, due(order.event_id, since)
    registering.hold(order, payment.due_at)
    if tell:
        applying.tell_account(order, payment)


def due(event_id: int, since: datetime) -> datetime:
    """Until when a transfer may take: the event's days from when paying began, and no longer than until the event begins."""
    event, now = db.session.get(Event, event_id), clock.now()
    return max(now + timedelta(hours=1), min(since + timedelta(days=event.transfer_days), event.starts_at)).replace(microsecond=0)


def began(order: Order) -> datetime:
    """When the order first began to be paid: changing the method again and again keeps no place longer. Now, where a difference
    is owed for places that are not in question."""
    db.session.flush()
    if not registering.with_status(registering.of_order(order), Status.PENDING_PAYMENT):
        return clock.now()
    return db.session.scalar(select(func.min(Payment.created_at)).where(Payment.order_id == order.id)) or clock.now()


def request_account(payment: Payment, bank: str) -> None:
    """A virtual account made by us, without the gateway's window."""
    order = attempts.lock(payment)
    if not PROVIDERS[payment.provider].caps.issues_accounts:
        raise Refused(_("This payment method is not available at the moment. Choose another one."), "method")
    if bank not in BANKS:
        raise Refused(_("Choose a bank."), "bank")
    if payment.method != VIRTUAL_ACCOUNT or payment.status not in (CREATED, PENDING) or attempts.open_of(payment):
        return
    attempts.prepare(payment, "issue", calling.request_of(payment, bank=bank, due_at=due(order.event_id, began(order)).isoformat()))


def needs_opening(payment: Payment) -> bool:
    """Whether the gateway must be told of it before the buyer can go there."""
    return payment.account_id is not None and payment.status == CREATED and PROVIDERS[payment.provider].caps.opens_first


def open_window(payment: Payment, success_url: str, fail_url: str) -> None:
    """Tell the gateway where it must know of a payment first; the page waits for its answer."""
    attempts.lock(payment)
    if needs_opening(payment) and not attempts.open_of(payment, "open"):
        attempts.prepare(payment, "open", calling.request_of(payment, success_url=success_url, fail_url=fail_url,
                                                             notice_url=calling.notice_url(payment),
                                                             due_at=(clock.now() + max(config.active().hold, OPENED_FOR)).isoformat()))


def issues_accounts(event: Event) -> bool:
    """Whether a virtual account is to be had without a window."""
    account = account_for(event, VIRTUAL_ACCOUNT) if VIRTUAL_ACCOUNT in event.methods else None
    return account is not None and PROVIDERS[account.provider].caps.issues_accounts


def checkout(payment: Payment, success_url: str, fail_url: str, *, anonymous: bool = False) -> CheckoutInstruction:
    """What the page needs to send somebody to the gateway; `anonymous`: somebody who is not to see who the buyer is."""
    account = calling.keys(db.session.get(GatewayAccount, payment.account_id))
    order = db.session.get(Order, payment.order_id)
    until = due(order.event_id, began(order)) if payment.method == VIRTUAL_ACCOUNT else None
    intent = calling.intent(payment, success_url=success_url, fail_url=fail_url, due_at=until)
    if anonymous:
        intent = replace(intent, customer_name="", customer_email="", customer_phone="")
    made = PROVIDERS[payment.provider].create_checkout(account, intent)
    return replace(made, url=payment.checkout_url) if made.kind == "redirect" else made


# -- looking ------------------------------------------------------------------------------------------------

def current(order: Order) -> Payment | None:
    """The payment that counts: the one that was paid, else the latest; the latest also while a difference is owed."""
    payments = db.session.scalars(select(Payment).where(Payment.order_id == order.id).order_by(Payment.id.desc())).all()
    paid = next((one for one in payments if one.status in MONEY), None)
    latest = payments[0] if payments else None
    return paid if paid and (paid is latest or ledger.owed(order) <= 0) else latest


def payable(order: Order) -> bool:
    """Whether the order waits for money: to be confirmed, or for what was added to it since. Where money went back without us
    a person decides first, and nobody is asked twice for money that is on its way."""
    registrations = registering.of_order(order)
    if not registering.holding(registrations) or ledger.owed(order) <= 0 or on_its_way(order):
        return False
    return bool(registering.with_status(registrations, Status.PENDING_PAYMENT)) or not _doubted(order)


def on_its_way(order: Order) -> bool:
    """Whether the buyer has paid in a way that takes the bank some days."""
    return db.session.scalar(select(exists().where(Payment.order_id == order.id, Payment.account_id.is_not(None),
                                                   Payment.status == AWAITING_DEPOSIT, Payment.virtual_account.is_(None))))


def _doubted(order: Order) -> bool:
    return db.session.scalar(select(exists().where(Payment.order_id == order.id, Payment.problem.is_not(None))))


def state(payment: Payment) -> str:
    """For pages: paid (by this payment or another of the order), awaiting (an account is there), checking (nobody knows yet),
    failed, opening (the gateway is being told of it), or open (nothing was tried)."""
    if payment.status in MONEY:
        return "paid"
    asked = attempts.open_of(payment, *ASKING)
    if asked is None and needs_opening(payment):
        db.session.refresh(payment)  # the worker may have finished between reading the payment and looking for open questions
    if payment.problem and payment.problem["kind"] in (DIFFERS, "unresolved") or (asked and asked.operation != "open"):
        return "checking"
    if asked:
        return "opening"
    if payment.status == AWAITING_DEPOSIT:
        return "awaiting"
    if payment.status in ENDED:
        return "paid" if is_paid(db.session.get(Order, payment.order_id)) else "failed"
    return "open"


def is_paid(order: Order) -> bool:
    return ledger.paid(order) > 0 and ledger.owed(order) <= 0


# -- coming back --------------------------------------------------------------------------------------------

def read_return(payment: Payment, query) -> ReturnHint:
    """What the browser says; raises BadReturn."""
    return PROVIDERS[payment.provider].parse_return(Keys(payment.provider), query)


def speaks_of(payment: Payment, hint: ReturnHint) -> bool:
    """Whether what the browser says is about this payment."""
    return hint.order_ref == payment.gateway_order_id if hint.order_ref else bool(hint.gateway_key) and hint.gateway_key == payment.gateway_key


def is_return(payment: Payment, names) -> bool:
    """Whether an address with these names in its query is one that the gateway sends a browser to."""
    return not PROVIDERS[payment.provider].RETURN_NAMES.isdisjoint(names)


def returned(payment: Payment, hint: ReturnHint) -> str:
    """The buyer has approved in the window: ask for the money, unless there is a reason not to. Nothing has been taken yet."""
    order = attempts.lock(payment)
    if payment.status in (*MONEY, AWAITING_DEPOSIT):
        return SETTLED
    if attempts.open_of(payment, "confirm", "look"):
        return ASKED
    if not hint.token and (not two_step(payment) or PROVIDERS[payment.provider].caps.opens_first):
        return _look(order, payment)  # where windows give tokens one without has taken the money, whatever the account says of its channel
    if another_was_first(order) and not faults.guard_off("payment.first_wins"):
        return SETTLED
    if payment.problem or (payment.status in ENDED and not given_up(payment)):
        return CHANGED if payment.status == VOIDED and payable(order) else OVER
    if was_for_tests(db.session.get(GatewayAccount, payment.account_id)):
        return CHANGED
    if hint.claimed_amount not in (None, payment.amount) and not faults.guard_off("payment.returned_amount"):
        audit.record("payment.amount_differs", payment, by=audit.Actor("buyer", order.id),
                     before={"amount": payment.amount}, after={"amount": hint.claimed_amount})
        log.warning("the amount in the address differs", extra={"payment_id": payment.id})
        return AMOUNT_DIFFERS
    if not _still_held(order) and not faults.guard_off("payment.hold"):
        return GONE
    registering.hold(order, max(order.hold_until or clock.now(), clock.now() + config.active().hold))
    if payment.amount != ledger.owed(order) and not faults.guard_off("payment.changed"):
        return CHANGED
    if payment.status == EXPIRED:
        payment.status = PENDING
    attempts.prepare(payment, "confirm", calling.request_of(payment, gateway_key=hint.gateway_key, token=hint.token,
                                                            notice_url=calling.notice_url(payment)))
    return ASKED


def two_step(payment: Payment) -> bool:
    """Whether the money is taken by our confirm, or already was in the gateway's window."""
    account = db.session.get(GatewayAccount, payment.account_id)
    return PROVIDERS[payment.provider].two_step(Keys(account.provider, account.mode, public=account.public))


def _look(order: Order, payment: Payment) -> str:
    """The money may be there already, whatever has become of the order meanwhile: what is true is asked, and too much of it
    goes back by itself. The places wait for the answer and no longer: this address can be opened without paying."""
    if given_up(payment):
        payment.status = PENDING
    attempts.prepare(payment, "look", {"order_ref": payment.gateway_order_id, "gateway_key": payment.gateway_key or ""})
    return ASKED


def given_up(payment: Payment) -> bool:
    """Whether only our own clock has ended it: a buyer who comes after that is welcome while there are places."""
    return payment.status == EXPIRED and not payment.failure_code


def another_was_first(order: Order) -> bool:
    """Whether the order is paid, or being paid, by another payment."""
    return is_paid(order) or attempts.open_of_order(order, "confirm", "look") is not None


def _still_held(order: Order) -> bool:
    """Whether the places still wait, or can be taken once more."""
    registrations = registering.of_order(order)
    late = registering.with_status(registrations, Status.EXPIRED)
    if late:
        return registering.take_again(db.session.get(Event, order.event_id), late, audit.Actor("buyer", order.id))
    return bool(registering.holding(registrations))


# -- by hand --------------------------------------------------------------------------------------------------

def mark_received(payment: Payment, amount: int, *, by) -> None:
    """Staff have seen a transfer on the statement. Only the whole amount counts; anything else is for people to settle."""
    attempts.lock(payment)
    if payment.provider != "manual":
        raise Refused(_("This payment is confirmed by the gateway, not by hand."))
    if payment.status in MONEY:
        raise Refused(_("This payment has already been received."))
    if amount != payment.amount:
        found, expected = (money_text(each, payment.currency, current_locale()) for each in (amount, payment.amount))
        raise Refused(_("%(found)s was received, but %(expected)s is due. Settle the difference with the buyer first.", found=found,
                        expected=expected), "amount")
    applying.apply_snapshot(payment, manual.received(calling.intent(payment), clock.now()), by=by)


# -- the end of a hold ------------------------------------------------------------------------------------------

def end_hold(order: Order, *, by=audit.SYSTEM) -> None:
    """Give the places free if nobody has paid. Where a gateway may know more than we do it is asked first, and what it says
    brings us back here."""
    db.session.flush()
    db.session.get(Order, order.id, with_for_update={"key_share": True}, populate_existing=True)
    if order.hold_until is None or order.hold_until > clock.now():
        return
    waiting = db.session.scalars(select(Payment).where(Payment.order_id == order.id, Payment.status.in_(WAITING))
                                 .order_by(Payment.id)).all()
    if attempts.open_of_order(order, "confirm", "look", "issue") or any(one.problem for one in waiting):
        return  # the answer looks at the hold again; a difference waits for a person, and keeps the places meanwhile
    unasked = [one for one in waiting if must_ask(one, order.hold_until)]
    if unasked:
        later("gateway_refresh", unasked, key=f"before release {order.hold_until.isoformat()}")
        return
    registering.expire(order, by=by)
    for payment in waiting:
        applying.close(payment, EXPIRED)


def must_ask(payment: Payment, until: datetime) -> bool:
    """A deposit may have come in the last minute, and a gateway that needs no confirm may have taken the money: until it has been
    asked after that, nothing is released."""
    if payment.account_id is None or payment.status not in (AWAITING_DEPOSIT, PENDING, AUTHORIZED):
        return False
    after = payment.due_at + GRACE if payment.due_at else payment.created_at if two_step(payment) else until
    return payment.checked_at is None or payment.checked_at < after


# -- looking again, each minute ------------------------------------------------------------------------------------

def reconcile() -> None:
    """Of this organisation: what the gateway may know better than we do is asked again. Jobs are unique for their period."""
    now = clock.now()
    for payment in db.session.scalars(_doubtful(now)).all():
        later("gateway_refresh", payment, key=f"reconcile {now:%Y%m%d%H%M}")
    for payment in db.session.scalars(_unwanted()).all():
        refunding.void(payment)
    for payment in db.session.scalars(_awaited_from_nobody()).all():
        payment.status = VOIDED
    stuck = select(PaymentAttempt).where(
        PaymentAttempt.state.in_(attempts.OPEN), func.coalesce(PaymentAttempt.sent_at, PaymentAttempt.created_at) < now - timedelta(hours=2),
        ~_has_job([*attempts.JOBS.values(), *attempts.RECEIPTS.values()], "payment_attempt_id", PaymentAttempt)).order_by(PaymentAttempt.id)
    for attempt in db.session.scalars(stuck.limit(200)).all():
        later(attempts.job_of(attempt.operation), attempt, key=f"stuck {now:%Y%m%d%H}")
    unheard = select(WebhookEvent).where(
        WebhookEvent.state == "received", WebhookEvent.created_at.between(now - WORTH_HEARING, now - timedelta(minutes=5)),
        ~_has_job(["gateway_webhook"], "webhook_event_id", WebhookEvent)).order_by(WebhookEvent.id)
    for event in db.session.scalars(unheard.limit(200)).all():
        later("gateway_webhook", event, key=f"unheard {now:%Y%m%d%H}")


def _has_job(kinds: list[str], argument: str, model):
    """Whether a job about it is still to come: another each hour would come to dozens."""
    return exists().where(OutboxItem.org_id == model.org_id, OutboxItem.kind.in_(kinds), OutboxItem.done_at.is_(None),
                          OutboxItem.dead_at.is_(None), OutboxItem.payload[argument].as_integer() == model.id)


def _doubtful(now: datetime):
    """Begun and not heard of; keeping places beyond their time, because nobody has answered; waiting for a deposit; given back and
    not yet arrived. Each at its own pace, and none of those that a job asks about already."""
    asked = func.coalesce(Payment.checked_at, Payment.created_at)
    young = Payment.created_at > now - timedelta(minutes=45)
    silent = func.coalesce(Payment.checked_at + timedelta(minutes=3), Payment.created_at) < now - timedelta(minutes=2)
    begun = Payment.status.in_((CREATED, PENDING, AUTHORIZED)) & young & silent
    over = exists().where(Order.org_id == Payment.org_id, Order.id == Payment.order_id, Order.hold_until < now - timedelta(minutes=10))
    overdue = Payment.status.in_((PENDING, AUTHORIZED)) & over & (asked < now - timedelta(minutes=10))
    waiting = (Payment.status == AWAITING_DEPOSIT) & (asked < now - timedelta(hours=1))
    due = (Payment.status == AWAITING_DEPOSIT) & (Payment.due_at + GRACE <= now) & (asked < Payment.due_at + GRACE)
    going_back = (Payment.status == REFUND_PENDING) & (asked < now - timedelta(hours=6))
    being_asked = exists().where(
        OutboxItem.org_id == Payment.org_id, OutboxItem.kind == "gateway_refresh", OutboxItem.done_at.is_(None),
        OutboxItem.dead_at.is_(None), (OutboxItem.run_at <= now) | (OutboxItem.attempts > 0),
        OutboxItem.payload["payment_id"].as_integer() == Payment.id)
    return select(Payment).where(Payment.account_id.is_not(None), begun | overdue | waiting | due | going_back,
                                 ~being_asked).order_by(Payment.id).limit(500)


def _awaited_from_nobody():
    """Transfers by hand to orders of which nobody is left, once that can't be undone any more."""
    left = exists().where(Registration.order_id == Payment.order_id,
                          Registration.status.in_((Status.PENDING_APPROVAL, Status.PENDING_PAYMENT, Status.CONFIRMED)))
    in_the_minute = exists().where(OutboxItem.org_id == Payment.org_id, OutboxItem.operation_id.is_not(None), OutboxItem.done_at.is_(None),
                                   OutboxItem.payload["order_id"].as_integer() == Payment.order_id)
    return select(Payment).where(Payment.provider == "manual", Payment.status == AWAITING_DEPOSIT, Payment.problem.is_(None),
                                 ~left, ~in_the_minute).limit(200).with_for_update(skip_locked=True)


def _unwanted():
    """Accounts that are open at the gateway for orders that wait for nothing any more."""
    open_attempt = exists().where(PaymentAttempt.payment_id == Payment.id, PaymentAttempt.state.in_(attempts.OPEN))
    return select(Payment).join(Order, Order.id == Payment.order_id).where(
        Payment.account_id.is_not(None), Payment.status == AWAITING_DEPOSIT, Payment.virtual_account.is_not(None), Order.hold_until.is_(None),
        Payment.problem.is_(None), ~open_attempt).limit(200)
