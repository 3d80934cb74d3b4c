"""The JSON that TossPayments writes, API version 2022-11-16, out of our books."""
from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from eventapp.money import vat_included
from eventapp.sandbox import state
from eventapp.sandbox.accounts import Account
from eventapp.sandbox.state import Payment
from eventapp.sandbox.times import KST

METHODS = {state.CARD: "카드", state.TRANSFER: "계좌이체", state.VIRTUAL_ACCOUNT: "가상계좌", state.MOBILE: "휴대폰"}
HEADER = "tosspayments-webhook-transmission-"
DEPOSIT_STATES = (state.DONE, state.CANCELED, state.PARTIAL)


def moment(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, KST).isoformat(timespec="seconds")


def created_at(at: float) -> str:
    """Notices carry no offset and mean Seoul."""
    return datetime.fromtimestamp(at, KST).replace(tzinfo=None).isoformat(timespec="microseconds")


def with_query(url: str, **query) -> str:
    """The shop's own parameters stay, the gateway's come behind them."""
    parts = urlsplit(url)
    pairs = [*parse_qsl(parts.query, keep_blank_values=True), *query.items()]
    return urlunsplit(parts._replace(query=urlencode(pairs)))


def payment(one: Payment, account: Account, base: str) -> dict:
    """The Payment object; what it says of the tax follows the balance that is left."""
    tax_free = min(one.tax_free, one.balance)
    vat = vat_included(one.balance, tax_free)
    return {
        "version": "2022-11-16", "mId": account.merchant_id, "paymentKey": one.key, "orderId": one.order_id,
        "orderName": one.order_name, "type": one.kind, "currency": "KRW", "method": METHODS[one.method],
        "status": one.status, "totalAmount": one.amount, "balanceAmount": one.balance,
        "suppliedAmount": one.balance - vat - tax_free, "vat": vat, "taxFreeAmount": tax_free, "taxExemptionAmount": 0,
        "requestedAt": moment(one.requested_at), "approvedAt": moment(one.approved_at),
        "lastTransactionKey": one.last_tx, "useEscrow": False, "cultureExpense": False,
        "isPartialCancelable": one.partial_cancelable, "cancels": [_cancel(each) for each in one.cancels] or None,
        "secret": one.secret, "virtualAccount": _virtual_account(one), "card": _card(one),
        "transfer": {"bankCode": one.bank, "settlementStatus": "INCOMPLETED"}
        if one.method == state.TRANSFER and one.approved_at else None,
        "mobilePhone": {"customerMobilePhone": "010****0000", "carrier": "SKT", "settlementStatus": "INCOMPLETED",
                        "receiptUrl": f"{base}/toss/receipt/{one.key}"}
        if one.method == state.MOBILE and one.approved_at else None,
        "giftCertificate": None, "easyPay": None, "cashReceipt": _receipt(one, base),
        "cashReceipts": [_receipt_line(one, each, base) for each in one.receipts] or None,
        "discount": None, "metadata": None, "country": "KR", "failure": one.failure,
        "receipt": {"url": f"{base}/toss/receipt/{one.key}"} if one.approved_at else None,
        "checkout": {"url": f"{base}/toss/window/{one.key}"},
    }


def _receipt(one: Payment, base: str) -> dict | None:
    """The cash receipt of the window, as big as what is left."""
    if not one.receipts:
        return None
    return {"type": one.receipt_type, "receiptKey": one.receipts[0]["key"], "issueNumber": one.receipts[0]["number"],
            "receiptUrl": f"{base}/toss/receipt/{one.key}", "amount": one.balance,
            "taxFreeAmount": min(one.tax_free, one.balance)}


def _receipt_line(one: Payment, line: dict, base: str) -> dict:
    return {"receiptKey": line["key"], "orderId": one.order_id, "orderName": one.order_name, "type": one.receipt_type,
            "issueNumber": line["number"], "receiptUrl": f"{base}/toss/receipt/{one.key}", "amount": line["amount"],
            "businessNumber": "1234567890", "transactionType": line["transaction"], "taxFreeAmount": 0,
            "issueStatus": "COMPLETED", "failure": None, "customerIdentityNumber": "010****0000",
            "requestedAt": moment(line["at"])}


def _cancel(one: dict) -> dict:
    return {"cancelAmount": one["amount"], "cancelReason": one["reason"], "refundableAmount": one["left"],
            "canceledAt": moment(one["at"]), "transactionKey": one["tx"], "receiptKey": None, "cancelStatus": "DONE",
            "cancelRequestId": None, "taxFreeAmount": one["tax_free"], "taxExemptionAmount": 0,
            "cardDiscountAmount": 0, "transferDiscountAmount": 0, "easyPayDiscountAmount": 0}


def _card(one: Payment) -> dict | None:
    if one.method != state.CARD or not one.approved_at:
        return None
    return {"amount": one.amount, "issuerCode": "41", "acquirerCode": "41", "number": one.card_number,
            "installmentPlanMonths": 0, "approveNo": "00000000", "useCardPoint": False, "cardType": "신용",
            "ownerType": "개인", "acquireStatus": "CANCELED" if one.balance == 0 else "READY",
            "isInterestFree": False, "interestPayer": None}


def _virtual_account(one: Payment) -> dict | None:
    if not one.account_number:
        return None
    return {"accountType": "일반", "accountNumber": one.account_number, "bankCode": one.bank,
            "customerName": one.customer_name, "depositorName": one.customer_name if one.approved_at else None,
            "dueDate": moment(one.due_at), "refundStatus": one.refund_status, "expired": one.expired,
            "settlementStatus": "INCOMPLETED", "refundReceiveAccount": None}


def transaction(one: dict, payment: Payment, account: Account) -> dict:
    return {"mId": account.merchant_id, "transactionKey": one["key"], "paymentKey": one["payment"],
            "orderId": one["order_id"], "method": METHODS[one["method"]], "customerKey": payment.customer_key,
            "useEscrow": False, "receiptUrl": None, "status": one["status"], "transactionAt": moment(one["at"]),
            "currency": "KRW", "amount": one["amount"]}


def notices(one: Payment, body: dict, at: float, events: list[str]) -> list[dict]:
    """The notices that one change makes: both shapes for a virtual account when both are ticked."""
    made = []
    if "PAYMENT_STATUS_CHANGED" in events:
        made.append({"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": created_at(at), "data": body})
    about_deposit = one.status in DEPOSIT_STATES or (one.status == state.WAITING and one.reversed)
    if "DEPOSIT_CALLBACK" in events and one.account_number and about_deposit:
        made.append({"createdAt": created_at(at), "secret": one.secret, "status": one.status,
                     "transactionKey": one.last_tx, "orderId": one.order_id})
    return made
