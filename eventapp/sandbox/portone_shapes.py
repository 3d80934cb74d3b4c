"""The JSON that PortOne V2 writes, out of our books."""
from eventapp.money import vat_included
from eventapp.sandbox.portone_books import (
    CARD,
    FAILED,
    ISSUED,
    MOBILE,
    PAID,
    PARTIAL,
    READY,
    REQUESTED,
    SUCCEEDED,
    TRANSFER,
    VIRTUAL_ACCOUNT,
    Payment,
    moment,
)

METHODS = {CARD: "PaymentMethodCard", TRANSFER: "PaymentMethodTransfer", VIRTUAL_ACCOUNT: "PaymentMethodVirtualAccount",
           MOBILE: "PaymentMethodMobile"}


def payment(one: Payment, base: str) -> dict:
    """Which fields there are depends on the status, as PortOne's types do; nothing is null."""
    vat = vat_included(one.total, one.tax_free)
    body = {
        "status": one.status, "id": one.id, "transactionId": one.tx, "merchantId": "merchant-sandbox",
        "storeId": one.store, "version": "V2", "method": _method(one), "channel": channel(one), "webhooks": [],
        "requestedAt": moment(one.requested_at), "updatedAt": moment(one.status_at),
        "statusChangedAt": moment(one.status_at), "orderName": one.order_name, "currency": one.currency,
        "amount": {"total": one.total, "taxFree": one.tax_free, "vat": vat, "supply": one.total - one.tax_free - vat,
                   "discount": 0, "paid": one.total if one.paid_at else 0, "cancelled": one.cancelled,
                   "cancelledTaxFree": sum(each["tax_free"] for each in one.cancellations if each["status"] == SUCCEEDED)},
        "customer": one.customer, "customData": one.custom_data, "isCulturalExpense": False,
    }
    if one.paid_at:
        body |= {"paidAt": moment(one.paid_at), "pgTxId": one.pg_tx, "pgResponse": "{}",
                 "receiptUrl": f"{base}/portone/receipt/{one.tx}"}
    if one.cancellations:
        body["cancellations"] = [cancellation(each) for each in one.cancellations]
    if one.disputes:
        body["disputes"] = [_present(status=each["status"], pgDisputeId=each["id"], reason=each["reason"],
                                     createdAt=moment(each["at"]), resolvedAt=moment(each["resolved_at"]))
                            for each in one.disputes]
    if one.receipt:
        body["cashReceipt"] = receipt(one.receipt, base)
    if one.status == FAILED:
        body |= {"failedAt": moment(one.failed_at), "failure": one.failure}
    return {name: value for name, value in body.items() if value is not None}


def channel(one: Payment) -> dict:
    return {"type": "TEST", "id": f"channel-id-{one.channel.removeprefix('channel-key-')}", "key": one.channel,
            "name": "SANDBOX", "pgProvider": "TOSSPAYMENTS", "pgMerchantId": "sandbox"}


def _method(one: Payment) -> dict | None:
    kind = {"type": METHODS[one.method]}
    done = one.paid_at is not None
    if one.method == VIRTUAL_ACCOUNT and one.account_number:
        return kind | _present(bank=one.bank, accountNumber=one.account_number, accountType="NORMAL",
                               remitteeName="SANDBOX", remitterName=one.customer.get("fullName") if done else None,
                               expiredAt=moment(one.due_at), issuedAt=moment(one.issued_at), refundStatus=one.refund_status)
    if one.method == CARD and done:
        return kind | {"card": {"publisher": "SHINHAN_CARD", "issuer": "SHINHAN_CARD", "brand": "LOCAL", "type": "CREDIT",
                                "ownerType": "PERSONAL", "bin": "12345678", "name": "신한카드", "number": "12345678****000*"},
                       "approvalNumber": "00000000", "installment": {"month": 0, "isInterestFree": False},
                       "pointUsed": False}
    if one.method == TRANSFER and done:
        return kind | {"bank": one.bank}
    return kind if one.status in (READY, ISSUED, PAID, PARTIAL) or done else None


def cancellation(one: dict) -> dict:
    vat = vat_included(one["amount"], one["tax_free"])
    done = one["status"] == SUCCEEDED
    return _present(
        status=one["status"], id=one["id"], pgCancellationId=f"pgc{one['id'][:8]}" if done else None,
        totalAmount=one["amount"], taxFreeAmount=one["tax_free"], vatAmount=vat, reason=one["reason"],
        requestedAt=moment(one["requested_at"]), cancelledAt=moment(one["done_at"]) if one["status"] != REQUESTED else None,
        trigger=one["trigger"])


def receipt(each: dict, base: str) -> dict:
    """A cash receipt, as the payment and the calls of its own show it."""
    return _present(
        status="CANCELLED" if each["cancelled_at"] else "ISSUED", type=each["type"], pgReceiptId=each["pg"],
        issueNumber=each["number"], totalAmount=each["amount"], taxFreeAmount=each["tax_free"], currency="KRW",
        url=f"{base}/portone/cash-receipt/{each['pg']}", issuedAt=moment(each["at"]), cancelledAt=moment(each["cancelled_at"]))


def _present(**values) -> dict:
    return {name: value for name, value in values.items() if value is not None}
