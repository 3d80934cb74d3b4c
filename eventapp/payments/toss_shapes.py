"""Toss's JSON, API versions 2022-11-16 and 2024-06-01, to plain values; what breaks its contract raises.

Unknown fields are ignored and unknown values of an enumeration become `unknown`, because Toss adds both
without a new version.
"""
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from eventapp.money import exponent
from eventapp.payments import bodies
from eventapp.payments.banks import BY_TOSS_CODE
from eventapp.payments.bodies import matching, object_of, optional, text_of
from eventapp.payments.provider import (
    AUTHORIZED,
    AWAITING_DEPOSIT,
    BANK_TRANSFER,
    BILLING_DELETED,
    CANCEL_CHANGED,
    CARD,
    DEPOSIT_CHANGED,
    EXPIRED,
    FAILED,
    IRRELEVANT,
    MOBILE,
    OTHER,
    PAID,
    PARTIALLY_REFUNDED,
    PAYMENT_CHANGED,
    PAYOUT_CHANGED,
    PENDING,
    REFUND_PENDING,
    REFUNDED,
    UNKNOWN,
    VIRTUAL_ACCOUNT,
    VOIDED,
    BadWebhook,
    CashReceiptSnapshot,
    Failure,
    GatewayContractError,
    GatewayPayment,
    GatewayRefund,
    IssuedAccount,
    LedgerEntry,
    SettlementLine,
)

KST = timezone(timedelta(hours=9))
ORDER_REF = re.compile(r"[A-Za-z0-9_-]{6,64}\Z")
GATEWAY_KEY = re.compile(r"[A-Za-z0-9_=-]{1,200}\Z")
MOST = 10 ** 12  # an amount beyond it is nonsense, and a number like 1E+999999 would eat the memory

METHODS = {"카드": CARD, "간편결제": CARD, "계좌이체": BANK_TRANSFER, "가상계좌": VIRTUAL_ACCOUNT, "휴대폰": MOBILE,
           "CARD": CARD, "EASY_PAY": CARD, "TRANSFER": BANK_TRANSFER, "VIRTUAL_ACCOUNT": VIRTUAL_ACCOUNT,
           "MOBILE_PHONE": MOBILE, "Card": CARD, "Easy pay": CARD, "Transfer": BANK_TRANSFER,
           "Virtual account": VIRTUAL_ACCOUNT, "Mobile phone": MOBILE}
ISSUERS = {"3K": "기업BC", "46": "광주", "71": "롯데", "30": "산업", "31": "BC", "51": "삼성", "38": "새마을", "41": "신한",
           "62": "신협", "33": "우리", "37": "우체국", "39": "저축", "35": "전북", "42": "제주", "15": "카카오뱅크", "3A": "케이뱅크",
           "21": "하나", "61": "현대", "11": "국민", "91": "농협", "34": "수협"}
RECEIPT_KINDS = {"소득공제": "deduction", "지출증빙": "expense"}
RECEIPT_STATES = {"IN_PROGRESS": "in_progress", "FAILED": "failed"}
REFUND_STATES = {"DONE": "done", "IN_PROGRESS": "pending", "ABORTED": "failed"}


def minor_units(value: Any, currency: str, name: str) -> int:
    """A JSON amount in minor units; only whole ones count, 50000.0 among them."""
    if type(value) not in (int, Decimal) or not Decimal(value).is_finite() or abs(value) > MOST:
        raise GatewayContractError("wrong_amount", f"{name} is no amount")
    scaled = Decimal(value).scaleb(exponent(currency))
    if scaled != scaled.to_integral_value():
        raise GatewayContractError("wrong_amount", f"{name} is not whole")
    return int(scaled)


def moment(value: Any) -> datetime | None:
    """Toss writes +09:00, or nothing and means it."""
    return bodies.moment(value, KST)


def payment(body: Any, *, test_mode: bool) -> GatewayPayment:
    """A Payment object as our snapshot."""
    body = object_of(body, "payment")
    currency = text_of(body, "currency")
    total = minor_units(body.get("totalAmount"), currency, "totalAmount")
    balance = minor_units(body.get("balanceAmount"), currency, "balanceAmount")
    if not 0 <= balance <= total:
        raise GatewayContractError("wrong_amount", "the balance is outside the total")
    cancels = body.get("cancels") or []
    if not isinstance(cancels, list):
        raise GatewayContractError("wrong_shape", "cancels is no list")
    refunds = tuple(_refund(each, currency) for each in cancels)
    account = _virtual_account(body["virtualAccount"]) if body.get("virtualAccount") else None
    if account and account.refund_status == "PENDING" and refunds:  # the bank has not sent it yet
        refunds = (*refunds[:-1], replace(refunds[-1], status="pending"))
    failure = body["failure"] if isinstance(body.get("failure"), dict) else None
    raw_status, approved_at = text_of(body, "status"), moment(body.get("approvedAt"))
    return GatewayPayment(
        order_ref=text_of(body, "orderId"), gateway_key=text_of(body, "paymentKey"),
        status=_status(raw_status, balance, approved_at, refunds, account), raw_status=raw_status,
        method=METHODS.get(optional(body, "method"), OTHER) if body.get("method") else "",
        total=total, balance=balance, currency=currency, test_mode=test_mode, refunds=refunds,
        requested_at=moment(body.get("requestedAt")), approved_at=approved_at, virtual_account=account,
        secret=optional(body, "secret"), merchant_id=optional(body, "mId"),
        receipt_url=optional(body["receipt"], "url") if isinstance(body.get("receipt"), dict) else "",
        failure=Failure(optional(failure, "code"), optional(failure, "message")) if failure else None,
        last_tx=optional(body, "lastTransactionKey"),
        vat=minor_units(body["vat"], currency, "vat") if body.get("vat") is not None else None,
        tax_free=minor_units(body.get("taxFreeAmount") or 0, currency, "taxFreeAmount"),
        partial_cancelable=body.get("isPartialCancelable") is not False, paid_with=_paid_with(body),
        cash_receipt=_window_receipt(body["cashReceipt"], balance) if body.get("cashReceipt") else None, raw=body)


def _status(raw: str, balance: int, approved_at, refunds, account) -> str:
    if raw in ("DONE", "PARTIAL_CANCELED", "CANCELED") and approved_at:
        if any(refund.status == "pending" for refund in refunds) or (account and account.refund_status == "PENDING"):
            return REFUND_PENDING
        if balance == 0:  # full refunds in parts stay PARTIAL_CANCELED at Toss
            return REFUNDED
        return PAID if raw == "DONE" else PARTIALLY_REFUNDED
    if raw == "WAITING_FOR_DEPOSIT":
        return EXPIRED if account and account.expired else AWAITING_DEPOSIT
    return {"READY": PENDING, "IN_PROGRESS": AUTHORIZED, "CANCELED": VOIDED, "ABORTED": FAILED,
            "EXPIRED": EXPIRED}.get(raw, UNKNOWN)


def _refund(body: Any, currency: str) -> GatewayRefund:
    body = object_of(body, "cancel")
    amount = minor_units(body.get("cancelAmount"), currency, "cancelAmount")
    return GatewayRefund(transaction_key=text_of(body, "transactionKey"), amount=amount,
                         reason=optional(body, "cancelReason"),
                         status=REFUND_STATES.get(optional(body, "cancelStatus") or "DONE", "pending"),
                         at=moment(body.get("canceledAt")))


def _virtual_account(body: Any) -> IssuedAccount:
    body = object_of(body, "virtualAccount")
    code = optional(body, "bankCode")
    bank = BY_TOSS_CODE.get(code)
    return IssuedAccount(bank=bank.name if bank else "", bank_code=code, number=text_of(body, "accountNumber"),
                         customer_name=optional(body, "customerName"), due_at=moment(body.get("dueDate")),
                         expired=body.get("expired") is True, refund_status=optional(body, "refundStatus"))


def _paid_with(body: Mapping[str, Any]) -> str:
    """The company and the masked number of a card, the easy pay or phone company, or the bank."""
    parts = {name: body[name] if isinstance(body.get(name), dict) else {}
             for name in ("card", "easyPay", "transfer", "virtualAccount", "mobilePhone")}
    if number := optional(parts["card"], "number"):
        issuer = ISSUERS.get(optional(parts["card"], "issuerCode"), "")
        return " ".join(filter(None, [optional(parts["easyPay"], "provider"), f"{issuer}카드", number]))
    if easy := optional(parts["easyPay"], "provider"):
        return easy
    if bank := BY_TOSS_CODE.get(optional(parts["transfer"] or parts["virtualAccount"], "bankCode")):
        return bank.korean
    return optional(parts["mobilePhone"], "carrier")


def _window_receipt(body: Any, balance: int) -> CashReceiptSnapshot:
    """The receipt that came with the payment: it is as big as what is left, and gone when nothing is."""
    body = object_of(body, "cashReceipt")
    return CashReceiptSnapshot(
        key=text_of(body, "receiptKey"), status="issued" if balance else "cancelled",
        amount=minor_units(body.get("amount"), "KRW", "amount"), issue_number=optional(body, "issueNumber"),
        url=optional(body, "receiptUrl"), kind=RECEIPT_KINDS.get(optional(body, "type"), ""))


def cash_receipt(body: Any) -> CashReceiptSnapshot:
    """A CashReceipt object; one that takes another back is `cancelled` when it is complete."""
    body = object_of(body, "cash receipt")
    state = text_of(body, "issueStatus")
    done = "cancelled" if text_of(body, "transactionType") == "CANCEL" else "issued"
    failure = body["failure"] if isinstance(body.get("failure"), dict) else {}
    return CashReceiptSnapshot(
        key=text_of(body, "receiptKey"), amount=minor_units(body.get("amount"), "KRW", "amount"),
        status=done if state == "COMPLETED" else RECEIPT_STATES.get(state, "in_progress"),
        issue_number=optional(body, "issueNumber"), url=optional(body, "receiptUrl"),
        kind=RECEIPT_KINDS.get(optional(body, "type"), ""), failure_code=optional(failure, "code"))


def settlement(body: Any) -> SettlementLine:
    """A line of /v1/settlements; what went back is negative, whichever sign Toss gives it, and the fee is what is missing."""
    body = object_of(body, "settlement")
    currency = text_of(body, "currency")
    sign = -1 if body.get("cancel") or minor_units(body.get("amount"), currency, "amount") < 0 else 1
    amount, vat, payout = (abs(minor_units(body.get(each), currency, each)) for each in ("amount", "vat", "payOutAmount"))
    return SettlementLine(
        transaction_key=text_of(body, "transactionKey"), gateway_key=text_of(body, "paymentKey"),
        order_ref=text_of(body, "orderId"), currency=currency, method=METHODS.get(optional(body, "method"), OTHER),
        amount=sign * amount, fee=sign * (amount - vat - payout), vat=sign * vat, payout=sign * payout,
        sold_on=_day(body.get("soldDate")), paid_out_on=_day(body.get("paidOutDate")))


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def entry(body: Any) -> LedgerEntry:
    """A line of /v1/transactions; money that went back is negative, whichever sign Toss gives it."""
    body = object_of(body, "transaction")
    currency, status = text_of(body, "currency"), text_of(body, "status")
    amount = minor_units(body.get("amount"), currency, "amount")
    if status in ("CANCELED", "PARTIAL_CANCELED"):
        amount = -abs(amount)
    return LedgerEntry(transaction_key=text_of(body, "transactionKey"), gateway_key=text_of(body, "paymentKey"),
                       order_ref=text_of(body, "orderId"), raw_status=status, amount=amount, currency=currency,
                       at=moment(body.get("transactionAt")), merchant_id=optional(body, "mId"))


def webhook(body: Any) -> dict:
    """What a notice claims, as fields of WebhookHint; the shapes are told apart by what they contain."""
    if not isinstance(body, dict):
        raise BadWebhook("not_json", "a JSON object was expected")
    occurred_at, event = moment(body.get("createdAt")), body.get("eventType")
    if event is None and {"secret", "orderId", "status"} <= body.keys():  # DEPOSIT_CALLBACK: flat, without its name
        hint = _claims(body, DEPOSIT_CHANGED)
        if not hint["order_ref"] or not hint["secret"]:
            raise BadWebhook("wrong_shape", "a deposit names its order and its secret")
        return hint | {"occurred_at": occurred_at}
    if not isinstance(event, str):
        raise BadWebhook("wrong_shape", "neither an event nor a deposit")
    if event in ("payout.changed", "seller.changed"):
        return {"kind": PAYOUT_CHANGED, "occurred_at": occurred_at}
    kind = {"PAYMENT_STATUS_CHANGED": PAYMENT_CHANGED, "CANCEL_STATUS_CHANGED": CANCEL_CHANGED,
            "BILLING_DELETED": BILLING_DELETED}.get(event, IRRELEVANT)
    data = body.get("data")
    if kind != IRRELEVANT and not isinstance(data, dict):
        raise BadWebhook("wrong_shape", "the event has no data")
    hint = _claims(data, kind) if kind != IRRELEVANT else {"kind": kind}
    if kind == PAYMENT_CHANGED and not (hint["gateway_key"] or hint["order_ref"]):
        raise BadWebhook("wrong_shape", "the event names no payment")
    return hint | {"occurred_at": occurred_at}


def _claims(data: Mapping[str, Any], kind: str) -> dict:
    secret = data.get("secret")
    if secret is not None and not (isinstance(secret, str) and re.fullmatch(r"[!-~]{0,50}", secret)):
        raise BadWebhook("wrong_shape", "that is no secret")
    status = data.get("status")
    return {"kind": kind, "order_ref": matching(data.get("orderId"), ORDER_REF),
            "gateway_key": matching(data.get("paymentKey"), GATEWAY_KEY), "secret": secret or "",
            "claimed_status": status if isinstance(status, str) and re.fullmatch(r"[A-Z_]{1,40}", status) else ""}
