"""Calling a gateway, in jobs only. What is asked stands in a committed attempt; no transaction is open while we wait.

An answer that never came is not guessed: the gateway is asked what it knows, on a schedule, and the same question is
repeated with the same key when it knows of nothing.
"""
import logging
from datetime import datetime, timedelta

from sqlalchemy import select

from eventapp import audit, clock, config, crypto, faults
from eventapp.domain import attempts, refunding
from eventapp.domain.applying import ENDED, MONEY, OLDER, WAITING, apply_snapshot
from eventapp.domain.attempts import OPEN, lock
from eventapp.domain.refunding import needs_a_person
from eventapp.extensions import db
from eventapp.languages import localized
from eventapp.models import Event, GatewayAccount, Membership, Order, Payment, PaymentAttempt, Refund
from eventapp.money import Money
from eventapp.outbox import NotYet, later
from eventapp.payments import PROVIDERS
from eventapp.payments.provider import (
    AUTHORIZED,
    AWAITING_DEPOSIT,
    CREATED,
    EXPIRED,
    FAILED,
    PENDING,
    REFUND_PENDING,
    UNKNOWN,
    CancelRequest,
    GatewayError,
    GatewayMisconfigured,
    GatewayPayment,
    GatewayRef,
    GatewayRefused,
    GatewayUnknown,
    Opened,
    PaymentIntent,
    RefundAccount,
    ReturnHint,
    VirtualAccountRequest,
)
from eventapp.payments.provider import GatewayAccount as Keys
from eventapp.unit_of_work import checkpoint

log = logging.getLogger("eventapp.calling")
SCHEDULE = (5, 15, 60, 300, 900)
HOURLY, AT_MOST = 3600, timedelta(hours=48)
"""When an unknown outcome is asked for again, in seconds; after two days a person looks."""
SESSION_IS_OVER = "NOT_FOUND_PAYMENT_SESSION"
PAID_ALREADY = "DUPLICATED_ORDER_ID"
"""The order was paid in another of its windows: then our own id finds that payment, and the window's key does not."""
LOOKS = (1, 2, 4, 8)
"""Seconds between looks at a payment of which the buyer says that it is done and the gateway says nothing yet."""
AFTER_THE_PAGE = timedelta(minutes=1)
"""How long after a gateway's own page has ended it is asked what became of it."""
MOST_OPENS = 5
"""How often a gateway that does not answer is told of a payment; the buyer has long chosen another way then."""

for _operation in attempts.JOBS:
    faults.register(f"paying.{_operation}.sent", f"paying.{_operation}.answered", f"paying.{_operation}.applied")


# -- rows as the plain values that a provider takes ----------------------------------------------------

def keys(account: GatewayAccount) -> Keys:
    """Decrypted, with the addresses of the deployment's configuration."""
    settings = config.active()

    def both(*fields):
        return tuple(filter(None, (crypto.get(account, field) for field in fields)))

    signing = both("webhook_secret", "previous_webhook_secret")
    return Keys(provider=account.provider, mode=account.mode, client_key=account.client_key,
                secret_keys=both("secret_key", "previous_secret_key"), webhook_secrets=signing,
                security_key=signing[0] if account.provider == "toss" and signing else "",
                api_url=getattr(settings, f"{account.provider}_api_url", ""), sdk_url=getattr(settings, f"{account.provider}_sdk_url", ""),
                public=account.public)


def intent(payment: Payment, **addresses) -> PaymentIntent:
    order = db.session.get(Order, payment.order_id)
    event = db.session.get(Event, order.event_id)
    return PaymentIntent(
        order_ref=payment.gateway_order_id, amount=Money(payment.amount, payment.currency),
        order_name=localized(event.title, order.locale)[:100], method=payment.method, customer_key=payment.customer_key,
        customer_name=order.name, customer_email=order.email, customer_phone=order.phone, locale=order.locale,
        tax_free=payment.tax_free, notice_url=notice_url(payment), **addresses)


def notice_url(payment: Payment) -> str:
    account = db.session.get(GatewayAccount, payment.account_id) if payment.account_id else None
    return f"{config.active().platform_url}/api/webhooks/payment/{account.provider}/{account.webhook_token}" if account else ""


def request_of(payment: Payment, **more) -> dict:
    """What an attempt keeps of a payment, so that a repeat sends the same bytes whatever has been edited since."""
    asked = intent(payment)
    return {"order_ref": asked.order_ref, "amount": asked.amount.amount, "currency": asked.amount.currency,
            "order_name": asked.order_name, "method": asked.method, "customer_name": asked.customer_name,
            "customer_email": asked.customer_email, "customer_phone": asked.customer_phone, "locale": asked.locale,
            "tax_free": asked.tax_free, **more}


def _intent_of(request: dict) -> PaymentIntent:
    names = ("order_ref", "order_name", "method", "customer_name", "customer_email", "customer_phone", "locale", "tax_free",
             "success_url", "fail_url", "notice_url")
    due = {"due_at": datetime.fromisoformat(request["due_at"])} if "due_at" in request else {}
    return PaymentIntent(amount=Money(request["amount"], request["currency"]), **due, **{name: request[name] for name in names if name in request})


def _open(gateway, account, request, key) -> Opened:
    return gateway.open(account, _intent_of(request), key)


def _look(gateway, account, request, key) -> GatewayPayment | None:
    return gateway.fetch(account, GatewayRef(request["order_ref"], request["gateway_key"]))


def _confirm(gateway, account, request, key) -> GatewayPayment:
    hint = ReturnHint(request["order_ref"], request["gateway_key"], token=request.get("token", ""))
    return gateway.confirm(account, _intent_of(request), hint, key)


def _issue(gateway, account, request, key) -> GatewayPayment:
    wanted = VirtualAccountRequest(request["bank"], request["customer_name"], due_at=datetime.fromisoformat(request["due_at"]))
    return gateway.issue_virtual_account(account, _intent_of(request), wanted, key)


def _cancel(gateway, account, request, key) -> GatewayPayment:
    wanted = CancelRequest(request["reason"], request["expected_remaining"], request.get("amount"), request.get("refund_account"),
                           request.get("tax_free", 0))
    return gateway.cancel(account, GatewayRef(request["order_ref"], request["gateway_key"]), wanted, key)


def _secret(attempt: PaymentAttempt) -> dict:
    """What belongs to the request and is not written down with it: an account number stands encrypted with its refund, where it
    can't change while the attempt is open."""
    refund = _refund_of(attempt)
    account = refund and refunding.account_of(refund)
    return {"refund_account": RefundAccount(account["bank"], account["number"], account["holder"])} if account else {}


def _refund_of(attempt: PaymentAttempt) -> Refund | None:
    refund_id = attempt.request.get("refund_id")
    return db.session.get(Refund, refund_id) if refund_id else None


CALLS = {"open": _open, "confirm": _confirm, "look": _look, "issue": _issue, "cancel": _cancel}


# -- one attempt -----------------------------------------------------------------------------------------

def carry_out(attempt: PaymentAttempt) -> None:
    """Send what was prepared; of what was sent before, first ask how it ended. Raises NotYet while nobody knows."""
    payment = db.session.get(Payment, attempt.payment_id)
    _take(payment, attempt)
    if attempt.state not in OPEN:
        return
    try:
        if attempt.state == "prepared" or not _settled_already(payment, attempt):
            _send(payment, attempt)
    except (GatewayUnknown, GatewayMisconfigured) as error:
        if attempt.operation == "open" and (isinstance(error, GatewayMisconfigured) or attempt.tries + 1 >= MOST_OPENS):
            _give_up(payment, attempt, error)
        else:
            _wait(payment, attempt, error)


def _take(payment: Payment, attempt: PaymentAttempt) -> Order:
    order = lock(payment)
    db.session.refresh(attempt)
    return order


def _send(payment: Payment, attempt: PaymentAttempt) -> None:
    gateway, account = PROVIDERS[payment.provider], keys(db.session.get(GatewayAccount, payment.account_id))
    request = attempt.request | _secret(attempt)
    attempt.state, attempt.sent_at = "sent", clock.now()
    checkpoint()  # the attempt is on record before anything is asked
    faults.point(f"paying.{attempt.operation}.sent")
    try:
        answer = CALLS[attempt.operation](gateway, account, request, attempt.idempotency_key)
    except GatewayRefused as error:
        _refused(payment, attempt, error.code)
    except GatewayUnknown as error:
        attempt.code = error.code
        # When there was an answer of some kind, asking at once tells more than waiting.
        if not error.sent or error.reason == "timeout" or not _settled_already(payment, attempt):
            raise
    else:
        faults.point(f"paying.{attempt.operation}.answered")
        if attempt.operation == "open":
            _opened(payment, attempt, answer)
        elif attempt.operation == "look" and (answer is None or answer.status in (CREATED, PENDING, AUTHORIZED)):
            _look_again(payment, attempt, answer)
        else:
            _settle(payment, attempt, answer)


def _opened(payment: Payment, attempt: PaymentAttempt, opened: Opened) -> None:
    """The gateway knows of the payment: the buyer may go there."""
    _take(payment, attempt)
    if attempt.state not in OPEN:
        return
    attempt.state, attempt.finished_at, attempt.code = "succeeded", clock.now(), ""
    account_is_right(account_of(payment))
    if payment.status == CREATED:
        payment.status, payment.checkout_url = PENDING, opened.url
        payment.gateway_key = opened.gateway_key or payment.gateway_key
    if "due_at" in attempt.request:  # the page may take money after the places are free again, and every notice may be lost
        later("gateway_refresh", payment, run_at=datetime.fromisoformat(attempt.request["due_at"]) + AFTER_THE_PAGE, key=attempt.idempotency_key)
    faults.point("paying.open.applied")


def _look_again(payment: Payment, attempt: PaymentAttempt, found: GatewayPayment | None) -> None:
    """The buyer was quicker than the gateway, or has not paid at all: then the payment stays as it is, to be paid."""
    order = _take(payment, attempt)
    if attempt.state not in OPEN:
        return
    attempt.tries += 1
    processing = found is not None and found.status == AUTHORIZED
    if attempt.tries > len(LOOKS) and not (processing and clock.now() - attempt.created_at < AT_MOST):
        attempt.state, attempt.finished_at = "refused", clock.now()
        look_at_hold(order)
        return
    attempt.state = "unknown"
    checkpoint()  # the question stays open on record
    raise NotYet((LOOKS[attempt.tries - 1] if attempt.tries <= len(LOOKS) else 60) * config.active().backoff_scale)


def _give_up(payment: Payment, attempt: PaymentAttempt, error: GatewayError) -> None:
    """Nothing has been taken before the buyer goes there, so the buyer may choose another way at once."""
    if isinstance(error, GatewayMisconfigured):
        account_is_wrong(account_of(payment), error.code)
    _refused(payment, attempt, error.code)


def _settled_already(payment: Payment, attempt: PaymentAttempt) -> bool:
    """Ask what became of it; False when it did not happen and may be asked once more with the same key."""
    request = attempt.request
    if attempt.operation in ("open", "look"):
        return False  # either may be asked as often as one likes
    key = "" if attempt.code == PAID_ALREADY else request.get("gateway_key") or ""
    found = _fetch(payment, GatewayRef(request["order_ref"], key))
    if attempt.operation == "issue" and found is None:
        return False
    if attempt.operation == "confirm":
        if found is None:
            _refused(payment, attempt, "NOT_FOUND_PAYMENT")
            return True
        if found.status in (PENDING, AUTHORIZED):
            return False
    if attempt.operation == "cancel" and found and found.balance == request["expected_remaining"] \
            and (found.captured or found.status in (AWAITING_DEPOSIT, EXPIRED)) and not _on_its_way(request, found):
        return False
    if found is None or found.status == UNKNOWN:
        raise GatewayUnknown("no_answer")
    _settle(payment, attempt, found)
    return True


def _on_its_way(request: dict, found: GatewayPayment) -> bool:
    """Whether the gateway shows the refund that was asked for without having sent it yet: then its balance is as before."""
    amount = request.get("amount") or request["expected_remaining"]
    others = set(db.session.scalars(select(Refund.transaction_key).where(
        Refund.transaction_key.in_([refund.transaction_key for refund in found.refunds]), Refund.id != request.get("refund_id", 0))))
    return any(refund.status == "pending" and refund.transaction_key not in others and (refund.amount, refund.reason) == (amount, request["reason"])
               for refund in found.refunds)


def _fetch(payment: Payment, ref: GatewayRef) -> GatewayPayment | None:
    gateway, account = PROVIDERS[payment.provider], keys(db.session.get(GatewayAccount, payment.account_id))
    checkpoint()  # nothing is held while we wait
    return gateway.fetch(account, ref)


def _settle(payment: Payment, attempt: PaymentAttempt, snapshot: GatewayPayment) -> None:
    """The gateway has answered: the attempt ends and the snapshot acts."""
    order = _take(payment, attempt)
    if attempt.state not in OPEN:
        return
    well = snapshot.captured or snapshot.status == AWAITING_DEPOSIT or attempt.operation == "cancel"
    attempt.state, attempt.finished_at, attempt.code = "succeeded" if well else "refused", clock.now(), ""
    account_is_right(account_of(payment))
    db.session.flush()
    apply_snapshot(payment, snapshot)
    _look_at_refund(payment, attempt)
    look_at_hold(order)
    faults.point(f"paying.{attempt.operation}.applied")


def _look_at_refund(payment: Payment, attempt: PaymentAttempt) -> None:
    """A refund that we asked for and that the gateway shows no trace of, or that somebody else made before us."""
    refund = _refund_of(attempt)
    if refund and refund.state == "requested" and payment.status != REFUND_PENDING:
        refunding.fail(refund, refunding.OVERTAKEN)
        needs_a_person(payment, "refund_overtaken", refund.amount, payment.balance)


def _refused(payment: Payment, attempt: PaymentAttempt, code: str) -> None:
    """A definite no: nothing has happened, and a further try is a new attempt."""
    order = _take(payment, attempt)
    if attempt.state not in OPEN:
        return
    attempt.state, attempt.code, attempt.finished_at = "refused", code, clock.now()
    if attempt.operation == "cancel":
        refund = _refund_of(attempt)
        if refund is None:
            needs_a_person(payment, "refund_refused", attempt.request["expected_remaining"], code)
        elif refund.state == "requested":
            refunding.refused(refund, code)
        later("gateway_refresh", payment, key=attempt.idempotency_key)
    elif payment.status in WAITING:
        payment.status, payment.failure_code = EXPIRED if code == SESSION_IS_OVER else FAILED, code
        audit.record("payment.failed", payment, by=audit.GATEWAY, after={"code": code})
    look_at_hold(order)
    faults.point(f"paying.{attempt.operation}.applied")


def _wait(payment: Payment, attempt: PaymentAttempt, error: GatewayError) -> None:
    """Nobody knows yet. The buyer is told that we are looking; nothing is decided."""
    _take(payment, attempt)
    if attempt.state not in OPEN:
        return
    attempt.state, attempt.code, attempt.tries = "unknown", error.code, attempt.tries + 1
    if isinstance(error, GatewayMisconfigured):
        account_is_wrong(account_of(payment), error.code)
    if clock.now() - attempt.created_at > AT_MOST:
        needs_a_person(payment, "unresolved", attempt.operation, error.code)
        return
    checkpoint()  # the question stays open on record, whatever becomes of this job
    seconds = SCHEDULE[attempt.tries - 1] if attempt.tries <= len(SCHEDULE) else HOURLY
    raise NotYet(seconds * config.active().backoff_scale)


def account_of(payment: Payment) -> GatewayAccount:
    return db.session.get(GatewayAccount, payment.account_id)


def account_is_wrong(account: GatewayAccount, code: str, *, tell: bool = True) -> None:
    """The gateway does not take its keys: nobody is sent there any more, and the owners hear of it, once a day at most."""
    if account.unhealthy == code:
        return
    account.unhealthy = code
    audit.record("gateway_account.unhealthy", account, by=audit.GATEWAY, after={"code": code})
    log.error("a gateway account can't be used", extra={"account_id": account.id, "code": code})
    if tell and account.enabled:
        for owner in db.session.scalars(select(Membership.user_id).where(Membership.org_id == account.org_id, Membership.role == "ORG_OWNER")):
            later("mail_gateway_account_unhealthy", account, key=f"{owner} {clock.now():%Y%m%d}", user_id=owner)


def account_is_right(account: GatewayAccount) -> None:
    """It answered: buyers may pay through it again, without anybody typing the same keys once more."""
    account.unhealthy = ""


# -- looking, without a question of ours ---------------------------------------------------------------------

def refresh(payment: Payment) -> Payment:
    """Ask what the gateway knows, and apply it. A snapshot that was overtaken is asked for once more; of a payment that has ended
    without money it may then say that nobody has paid, which is nobody's problem."""
    if payment.account_id is None:
        return payment
    for again in (False, True):
        asked_at = clock.now()
        try:
            found = _fetch(payment, _ref(payment))
        except GatewayMisconfigured as error:
            account_is_wrong(account_of(payment), error.code)
            checkpoint()  # known, even though this job has failed
            raise
        order = lock(payment)
        account_is_right(account_of(payment))
        if found is None or apply_snapshot(payment, found, again=again) != OLDER:
            break
    else:
        if payment.status not in ENDED:
            needs_a_person(payment, "went_back", payment.status, found.raw_status)
    payment.checked_at = asked_at
    look_at_hold(order)
    return payment


def _ref(payment: Payment) -> GatewayRef:
    """By our own id while the buyer may still begin anew under it, where the gateway knows that one."""
    settled = payment.status in (*MONEY, AWAITING_DEPOSIT) or not PROVIDERS[payment.provider].caps.lookup_by_order
    return GatewayRef(payment.gateway_order_id, (settled and payment.gateway_key) or "")


def look_at_hold(order: Order) -> None:
    """A hold whose end has passed while we were asking can end now."""
    if order.hold_until and order.hold_until <= clock.now():
        later("expire_hold", order, key=f"asked {clock.now().isoformat()}")


def known_elsewhere(account: GatewayAccount, ref: GatewayRef) -> bool | None:
    """Whether the gateway knows a payment of this account that we have no row of; None when it does not take the account's keys."""
    account_keys = keys(account)
    checkpoint()  # nothing is held while we wait
    try:
        return PROVIDERS[account.provider].fetch(account_keys, ref) is not None
    except GatewayMisconfigured:
        return None
