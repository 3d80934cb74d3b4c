"""Cash receipts asked of a gateway: one prepared attempt at a time, as `calling.py` asks for money.

An answer that never came is not guessed: the gateway is asked what it knows, and the same question repeated with the same
key. The number it is issued to stands encrypted in its own row and in no attempt; it cannot change while one is open.
"""
import logging
from datetime import timedelta

from sqlalchemy import select

from eventapp import audit, clock, config, crypto, faults
from eventapp.domain import attempts, cash_receipting
from eventapp.domain.attempts import OPEN
from eventapp.domain.calling import AT_MOST, HOURLY, SCHEDULE, keys
from eventapp.extensions import db
from eventapp.models import CashReceipt, GatewayAccount, Payment, PaymentAttempt
from eventapp.outbox import NotYet, later
from eventapp.payments import PROVIDERS
from eventapp.payments.provider import (
    CashReceiptRequest,
    CashReceiptSnapshot,
    GatewayError,
    GatewayMisconfigured,
    GatewayRefused,
    GatewayUnknown,
)
from eventapp.unit_of_work import checkpoint

log = logging.getLogger("eventapp.issuing_receipts")
ISSUE, CANCEL = "receipt_issue", "receipt_cancel"
DIFFERS, UNRESOLVED = "AMOUNT_DIFFERS", "UNRESOLVED"
TOO_LONG = timedelta(days=7)
"""The tax office takes two days; after so many a person asks there."""

for _operation in attempts.RECEIPTS:
    faults.register(f"receipts.{_operation}.sent", f"receipts.{_operation}.answered", f"receipts.{_operation}.applied")


def carry_out(attempt: PaymentAttempt) -> None:
    """Send what was prepared; of what was sent before, first ask how it ended. Raises NotYet while nobody knows."""
    receipt = _take(attempt)
    if attempt.state not in OPEN:
        return
    try:
        found = None if attempt.state == "prepared" else _known(attempt, receipt)
        if found:
            _settle(attempt, found)
        else:
            _send(attempt, receipt)
    except GatewayRefused as error:
        _refused(attempt, error.code)
    except (GatewayUnknown, GatewayMisconfigured) as error:
        _wait(attempt, error)


def _take(attempt: PaymentAttempt) -> CashReceipt:
    """The payment, the attempt and its receipt as they are now, and ours until the commit."""
    attempts.lock(db.session.get(Payment, attempt.payment_id))
    db.session.refresh(attempt)
    return db.session.get(CashReceipt, attempt.request["receipt_id"], with_for_update=True, populate_existing=True)


def _send(attempt: PaymentAttempt, receipt: CashReceipt) -> None:
    gateway, account = _gateway(attempt)
    request, key, identity = attempt.request, attempt.idempotency_key, crypto.get(receipt, "identity")
    attempt.state, attempt.sent_at = "sent", clock.now()
    checkpoint()  # the attempt is on record before anything is asked, and nothing is held while we wait
    faults.point(f"receipts.{attempt.operation}.sent")
    if attempt.operation == ISSUE:
        answer = gateway.issue_cash_receipt(account, CashReceiptRequest(
            request["order_ref"], request["order_name"], request["amount"], request["kind"], identity, request["method"],
            request["tax_free"]), key)
    else:
        answer = gateway.cancel_cash_receipt(account, request["receipt_key"], request["order_ref"],
                                             None if request["whole"] else request["amount"], key)
    faults.point(f"receipts.{attempt.operation}.answered")
    _settle(attempt, answer)


def _gateway(attempt: PaymentAttempt):
    row = db.session.get(GatewayAccount, attempt.request["account_id"])
    return PROVIDERS[row.provider], keys(row)


def _known(attempt: PaymentAttempt, receipt: CashReceipt) -> CashReceiptSnapshot | None:
    """What came of a question that nobody answered; None when it may be asked once more with the same key."""
    gateway, account = _gateway(attempt)
    request = attempt.request
    checkpoint()
    found = gateway.fetch_cash_receipt(account, request.get("receipt_key", ""), request["order_ref"])
    if attempt.operation == CANCEL:
        return found if found and found.status == "cancelled" and request["whole"] else None
    new = found and found.status != "cancelled" and _is_new(found.key)
    return found if new else None


def _is_new(key: str) -> bool:
    return db.session.scalar(select(CashReceipt.id).where(CashReceipt.receipt_key == key)) is None


def _settle(attempt: PaymentAttempt, answer: CashReceiptSnapshot) -> None:
    """The gateway has answered: the attempt ends, and what the money has done meanwhile is looked at."""
    receipt = _take(attempt)
    if attempt.state not in OPEN:
        return
    attempt.state, attempt.finished_at, attempt.code = "succeeded", clock.now(), ""
    if attempt.operation == ISSUE:
        receipt.receipt_key = answer.key
        _issued(receipt, answer)
        if answer.amount != attempt.request["amount"]:
            receipt.state, receipt.failure_code = "failed", DIFFERS
    elif answer.status == "in_progress":
        receipt.cancel_key = answer.key
        _look_tomorrow(receipt)
    elif answer.status == "failed":
        _not_cancelled(receipt, answer.failure_code)
    else:
        _cancelled(receipt, attempt.request["amount"])
    _follow(receipt)
    faults.point(f"receipts.{attempt.operation}.applied")


def _issued(receipt: CashReceipt, answer: CashReceiptSnapshot) -> None:
    receipt.state, receipt.failure_code = cash_receipting.STATES[answer.status], answer.failure_code
    receipt.issue_number, receipt.url = answer.issue_number or receipt.issue_number, answer.url or receipt.url
    receipt.checked_at = clock.now()
    if receipt.state == "issued":
        receipt.issued_at = clock.now()
        if cash_receipting.is_final(receipt):
            receipt.identity = None
        audit.record("cash_receipt.issued", receipt, by=audit.GATEWAY, after={"amount": receipt.amount, "number": receipt.issue_number})
    elif receipt.state == "issuing":
        _look_tomorrow(receipt)
    else:
        audit.record("cash_receipt.failed", receipt, by=audit.GATEWAY, after={"code": receipt.failure_code})


def _cancelled(receipt: CashReceipt, amount: int) -> None:
    receipt.cancelled, receipt.cancel_key, receipt.failure_code = min(receipt.amount, receipt.cancelled + amount), "", ""
    receipt.state = "cancelled" if receipt.cancelled == receipt.amount else "issued"
    audit.record("cash_receipt.cancelled", receipt, by=audit.GATEWAY, after={"amount": amount, "left": receipt.amount - receipt.cancelled})


def _not_cancelled(receipt: CashReceipt, code: str) -> None:
    """It stands with too much on it until somebody has looked; the refund has long been made."""
    receipt.state, receipt.failure_code, receipt.cancel_key = "issued", code or "FAILED", ""
    audit.record("cash_receipt.failed", receipt, by=audit.GATEWAY, after={"code": receipt.failure_code})


def _look_tomorrow(receipt: CashReceipt) -> None:
    """The tax office takes a day or two."""
    receipt.checked_at = clock.now()
    later("gateway_check_cash_receipt", receipt, run_at=clock.now() + cash_receipting.DAY, key=f"{clock.now():%Y%m%d}")


def _follow(receipt: CashReceipt) -> None:
    later("follow_cash_receipt", db.session.get(Payment, receipt.payment_id))


def _refused(attempt: PaymentAttempt, code: str) -> None:
    """A definite no. The payment and its refund know nothing of it; staff see it, and may try again."""
    receipt = _take(attempt)
    if attempt.state not in OPEN:
        return
    attempt.state, attempt.code, attempt.finished_at = "refused", code, clock.now()
    if attempt.operation == ISSUE:
        receipt.state, receipt.failure_code = "failed", code
        audit.record("cash_receipt.failed", receipt, by=audit.GATEWAY, after={"code": code})
        _follow(receipt)
    else:
        _not_cancelled(receipt, code)
    faults.point(f"receipts.{attempt.operation}.applied")


def _wait(attempt: PaymentAttempt, error: GatewayError) -> None:
    """Nobody knows yet: asked again on the schedule of payments, and after two days a person looks."""
    receipt = _take(attempt)
    if attempt.state not in OPEN:
        return
    attempt.state, attempt.code, attempt.tries = "unknown", error.code, attempt.tries + 1
    if clock.now() - attempt.created_at > AT_MOST:
        # Asked for two days whether it is there, the gateway knows of nothing: a person may try anew.
        log.error("a cash receipt is unresolved", extra={"cash_receipt_id": receipt.id, "code": error.code})
        _refused(attempt, UNRESOLVED)
        return
    checkpoint()  # the question stays open on record, whatever becomes of this job
    seconds = SCHEDULE[attempt.tries - 1] if attempt.tries <= len(SCHEDULE) else HOURLY
    raise NotYet(seconds * config.active().backoff_scale)


# -- looking ---------------------------------------------------------------------------------------------

def check(receipt: CashReceipt) -> None:
    """What the tax office has said meanwhile, of the receipt or of its cancellation."""
    payment = db.session.get(Payment, receipt.payment_id)
    attempt = next((one for one in reversed(payment.attempts) if one.operation in (ISSUE, CANCEL) and one.request["receipt_id"] == receipt.id), None)
    key = receipt.cancel_key or receipt.receipt_key
    if receipt.linked:
        later("gateway_refresh", payment, key=f"receipt {clock.now():%Y%m%d}")
    if receipt.linked or receipt.state not in ("issuing", "cancelling") or not key or attempt is None or attempt.state in OPEN:
        return
    gateway, account = _gateway(attempt)
    checkpoint()
    found = gateway.fetch_cash_receipt(account, key, attempt.request["order_ref"])
    _take(attempt)
    if key != (receipt.cancel_key or receipt.receipt_key) or receipt.state not in ("issuing", "cancelling"):
        return
    if found is None or found.status == "in_progress":
        if clock.now() - attempt.created_at > TOO_LONG:
            receipt.failure_code = UNRESOLVED
        _look_tomorrow(receipt)
    elif receipt.state == "issuing":
        _issued(receipt, found)
        _follow(receipt)
    elif found.status == "failed":
        _not_cancelled(receipt, found.failure_code)
    else:
        _cancelled(receipt, attempt.request["amount"])
        _follow(receipt)
