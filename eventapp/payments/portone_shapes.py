"""PortOne V2's JSON to plain values; what breaks its contract raises.

Amounts are whole minor units already, times are RFC 3339. Unknown fields are ignored, and unknown values of an enumeration
become `unknown`, because PortOne adds both without a new version.
"""
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from eventapp.payments.banks import BY_PORTONE_NAME
from eventapp.payments.bodies import list_of, matching, moment, object_of, optional, text_of
from eventapp.payments.provider import (
    AUTHORIZED,
    AWAITING_DEPOSIT,
    BANK_TRANSFER,
    BILLING_DELETED,
    CANCEL_CHANGED,
    CARD,
    DISPUTE_CHANGED,
    EXPIRED,
    FAILED,
    IRRELEVANT,
    MOBILE,
    OTHER,
    PAID,
    PARTIALLY_REFUNDED,
    PAYMENT_CHANGED,
    PENDING,
    REFUND_PENDING,
    REFUNDED,
    UNKNOWN,
    VIRTUAL_ACCOUNT,
    VOIDED,
    BadWebhook,
    CashReceiptSnapshot,
    Dispute,
    Failure,
    GatewayContractError,
    GatewayPayment,
    GatewayRefund,
    IssuedAccount,
)

PAYMENT_ID = re.compile(r"[A-Za-z0-9_-]{6,64}\Z")
TRANSACTION_ID = re.compile(r"[A-Za-z0-9_-]{1,100}\Z")
MOST = 10 ** 12  # an amount beyond it is nonsense

METHODS = {"PaymentMethodCard": CARD, "PaymentMethodEasyPay": CARD, "PaymentMethodTransfer": BANK_TRANSFER,
           "PaymentMethodVirtualAccount": VIRTUAL_ACCOUNT, "PaymentMethodMobile": MOBILE}
REFUND_STATES = {"SUCCEEDED": "done", "REQUESTED": "pending", "FAILED": "failed"}
ACCOUNT_REFUNDS = {"PARTIAL_REFUND_FAILED": "PARTIAL_FAILED"}  # Toss's word, which the rest of the program has
MONEY = ("PAID", "PARTIAL_CANCELLED", "CANCELLED")
RECEIPT_KINDS = {"PERSONAL": "deduction", "CORPORATE": "expense"}
EVENTS = {
    "Transaction.Paid": PAYMENT_CHANGED, "Transaction.VirtualAccountIssued": PAYMENT_CHANGED,
    "Transaction.Failed": PAYMENT_CHANGED, "Transaction.PayPending": PAYMENT_CHANGED,
    "Transaction.CancelPending": CANCEL_CHANGED, "Transaction.PartialCancelled": CANCEL_CHANGED,
    "Transaction.Cancelled": CANCEL_CHANGED, "Transaction.DisputeCreated": DISPUTE_CHANGED,
    "Transaction.DisputeResolved": DISPUTE_CHANGED, "BillingKey.Deleted": BILLING_DELETED,
}  # a window that was opened (Ready) and a question (Confirm) change nothing


def amount(value: Any, name: str) -> int:
    if type(value) not in (int, Decimal) or not Decimal(value).is_finite() or not 0 <= value <= MOST or value != int(value):
        raise GatewayContractError("wrong_amount", f"{name} is no amount")
    return int(value)


def payment(body: Any, *, mode: str, channels: Collection[str], now: datetime) -> GatewayPayment:
    """A Payment as our snapshot. `channels` are the account's: money that came through another one is not what we asked for,
    and whether a channel is LIVE says itself. An account to pay into is over when its time is, whatever the status says."""
    body = object_of(body, "payment")
    sums = object_of(body.get("amount"), "amount")
    raw_status, paid_at = text_of(body, "status"), moment(body.get("paidAt"))
    total, cancelled = amount(sums.get("total"), "total"), amount(sums.get("cancelled"), "cancelled")
    if cancelled > total:
        raise GatewayContractError("wrong_amount", "more was cancelled than paid")
    channel = body["channel"] if isinstance(body.get("channel"), dict) else {}
    taken = raw_status in MONEY and paid_at is not None
    if taken and channel.get("type") not in ("LIVE", "TEST"):
        raise GatewayContractError("wrong_shape", "the channel is neither live nor test")
    method = body["method"] if isinstance(body.get("method"), dict) else {}
    kind = METHODS.get(optional(method, "type"), OTHER) if method else ""
    account = _virtual_account(method, now) if kind == VIRTUAL_ACCOUNT and method.get("accountNumber") else None
    cancellations = [object_of(each, "cancellation") for each in list_of(body, "cancellations")]
    refunds = tuple(_refund(each) for each in cancellations)
    status = _status(raw_status, paid_at, total - cancelled, refunds, account)
    if (taken or status == AWAITING_DEPOSIT) and channel.get("key") not in channels:
        status, raw_status = UNKNOWN, f"{raw_status} in {str(channel.get('key'))[:60]}"
    failure = body["failure"] if isinstance(body.get("failure"), dict) else None
    return GatewayPayment(
        order_ref=text_of(body, "id"), gateway_key=text_of(body, "transactionId"), status=status, raw_status=raw_status,
        method=kind, total=total, balance=total - cancelled, currency=text_of(body, "currency").removeprefix("CURRENCY_"),
        test_mode=channel["type"] != "LIVE" if channel.get("type") else mode == "test", refunds=refunds,
        requested_at=moment(body.get("requestedAt")), approved_at=paid_at, virtual_account=account,
        merchant_id=text_of(body, "storeId"), receipt_url=optional(body, "receiptUrl"),
        failure=Failure(optional(failure, "pgCode") or "FAILED", optional(failure, "pgMessage") or optional(failure, "reason"))
        if failure else None,
        last_tx=optional(cancellations[-1], "id") if cancellations else text_of(body, "transactionId"),
        vat=amount(sums["vat"], "vat") if sums.get("vat") is not None else None,
        tax_free=amount(sums.get("taxFree") or 0, "taxFree"), paid_with=_paid_with(method),
        dispute=_dispute(body, cancellations), cash_receipt=_cash_receipt_of(body), raw=body)


def _status(raw: str, paid_at, balance: int, refunds, account) -> str:
    if raw in MONEY and paid_at:
        if any(refund.status == "pending" for refund in refunds) or (account and account.refund_status == "PENDING"):
            return REFUND_PENDING
        return REFUNDED if balance == 0 else PAID if raw == "PAID" else PARTIALLY_REFUNDED
    if account and (raw == "FAILED" or (raw == "VIRTUAL_ACCOUNT_ISSUED" and account.expired)):
        return EXPIRED  # an account that was issued fails in no other way
    return {"READY": PENDING, "PAY_PENDING": AUTHORIZED, "VIRTUAL_ACCOUNT_ISSUED": AWAITING_DEPOSIT, "CANCELLED": VOIDED,
            "FAILED": FAILED}.get(raw, UNKNOWN)


def _refund(body: Mapping[str, Any]) -> GatewayRefund:
    return GatewayRefund(
        transaction_key=text_of(body, "id"), amount=amount(body.get("totalAmount"), "totalAmount"),
        reason=optional(body, "reason"), status=REFUND_STATES.get(optional(body, "status"), "pending"),
        at=moment(body.get("cancelledAt")) or moment(body.get("requestedAt")))


def _virtual_account(method: Mapping[str, Any], now: datetime) -> IssuedAccount:
    name, due_at = optional(method, "bank"), moment(method.get("expiredAt"))
    bank, refund = BY_PORTONE_NAME.get(name), optional(method, "refundStatus")
    return IssuedAccount(bank=bank.name if bank else "", bank_code=name, number=text_of(method, "accountNumber"),
                         customer_name=optional(method, "remitteeName"), due_at=due_at,
                         expired=due_at is not None and due_at <= now, refund_status=ACCOUNT_REFUNDS.get(refund, refund))


def _paid_with(method: Mapping[str, Any]) -> str:
    card = method.get("card") if isinstance(method.get("card"), dict) else {}
    within = method.get("easyPayMethod") if isinstance(method.get("easyPayMethod"), dict) else {}
    if not card and isinstance(within.get("card"), dict):
        card = within["card"]
    bank = BY_PORTONE_NAME.get(optional(method, "bank"))
    words = [optional(method, "provider"), optional(card, "name"), optional(card, "number"), bank.korean if bank else ""]
    return " ".join(filter(None, words))[:100]


def _dispute(body: Mapping[str, Any], cancellations) -> Dispute | None:
    """The newest. One that was lost shows among the cancellations what it has taken; so its own amount is none."""
    disputes = [object_of(each, "dispute") for each in list_of(body, "disputes")]
    if not disputes:
        return None
    one = disputes[-1]
    lost = any(optional(each, "trigger") == "CHARGEBACK" and optional(each, "status") == "SUCCEEDED" for each in cancellations)
    status = "open" if one.get("status") != "RESOLVED" else "lost" if lost else "won"
    return Dispute(id=optional(one, "pgDisputeId") or text_of(body, "transactionId"), status=status,
                   amount=0 if lost else amount(body["amount"]["total"], "total"), reason=optional(one, "reason")[:200])


def _cash_receipt_of(body: Mapping[str, Any]) -> CashReceiptSnapshot | None:
    """Chosen in the window; those that we asked for afterwards are ours to look after."""
    shown = body.get("cashReceipt")
    return cash_receipt(shown) if isinstance(shown, dict) and shown.get("isManual") is not True else None


def cash_receipt(body: Any, asked: int | None = None) -> CashReceiptSnapshot:
    """Of a payment, of a call of its own, or (with what was `asked` for) of the answer to issuing it."""
    body = object_of(body, "cashReceipt")
    total = body.get("totalAmount", body.get("amount", asked))
    number = optional(body, "issueNumber")
    return CashReceiptSnapshot(
        key=optional(body, "pgReceiptId") or number, status="cancelled" if body.get("status") == "CANCELLED" else "issued",
        amount=amount(total, "amount"), issue_number=number, url=optional(body, "url"),
        kind=RECEIPT_KINDS.get(optional(body, "type"), ""))


def webhook(body: Any) -> dict:
    """What a notice claims, as fields of WebhookHint. Thin on purpose: it names a payment and says nothing of it."""
    if not isinstance(body, dict) or not isinstance(body.get("type"), str):
        raise BadWebhook("not_json", "a JSON object with a type was expected")
    kind, data = EVENTS.get(body["type"], IRRELEVANT), body.get("data")
    hint = {"kind": kind, "occurred_at": moment(body.get("timestamp"))}
    if kind in (IRRELEVANT, BILLING_DELETED):
        return hint
    order_ref = matching(data.get("paymentId"), PAYMENT_ID) if isinstance(data, dict) else ""
    if not order_ref:
        raise BadWebhook("wrong_shape", "the event names no payment")
    return hint | {"order_ref": order_ref, "gateway_key": matching(data.get("transactionId"), TRANSACTION_ID),
                   "claimed_status": re.sub(r"[^A-Za-z.]", "", body["type"])[:40]}
