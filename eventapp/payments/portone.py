"""PortOne V2: one API in front of several gateways, a store with channels, notices by Standard Webhooks.

Every payment is registered before the buyer goes to the window, so that it cannot be opened for another sum. A channel
takes the money in the window (`automatic`) or gives the browser a token with which we take it (`manual`).
"""
import base64
import binascii
import hashlib
import hmac
import json
import logging
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from eventapp import clock, faults
from eventapp.payments import portone_codes, portone_shapes
from eventapp.payments.banks import BANKS
from eventapp.payments.portone_shapes import PAYMENT_ID, TRANSACTION_ID
from eventapp.payments.provider import (
    AUTHORIZED,
    BANK_TRANSFER,
    CARD,
    MOBILE,
    PENDING,
    PROOF_SIGNATURE,
    VIRTUAL_ACCOUNT,
    BadReturn,
    BadSignature,
    CancelRequest,
    Capabilities,
    CashReceiptRequest,
    CashReceiptSnapshot,
    CheckoutInstruction,
    CredentialCheck,
    GatewayAccount,
    GatewayContractError,
    GatewayMisconfigured,
    GatewayPayment,
    GatewayRef,
    GatewayRefused,
    GatewayUnknown,
    Opened,
    PaymentIntent,
    ReturnHint,
    WebhookHint,
)
from eventapp.payments.toss import domestic_phone
from eventapp.payments.transport import Answer, call, parse_json, told, with_each_key

log = logging.getLogger(__name__)

name = "portone"
caps = Capabilities(methods=frozenset([CARD, BANK_TRANSFER, VIRTUAL_ACCOUNT, MOBILE]), signed_webhooks=True,
                    refund_can_fail_later=True, refunds=True, lookup_by_order=True, needs_script=True, opens_first=True,
                    refund_account_for=frozenset([VIRTUAL_ACCOUNT]), cash_receipts=True, receipts_in_parts=False)

WINDOW_METHODS = {CARD: "CARD", BANK_TRANSFER: "TRANSFER", VIRTUAL_ACCOUNT: "VIRTUAL_ACCOUNT", MOBILE: "MOBILE"}
RECEIPT_TYPES = {"deduction": "PERSONAL", "expense": "CORPORATE", "unasked": "PERSONAL"}
UNASKED = "0100001234"  # of a receipt for a buyer who gave no number
RETURN_NAMES = frozenset(["paymentId", "txId", "transactionType", "paymentToken", "code", "message", "pgCode", "pgMessage"])
TOLERANCE = 300  # seconds that a notice may be older or newer than now
STORE_ID, CHANNEL_KEY, API_SECRET = (re.compile(pattern) for pattern in (
    r"store-[A-Za-z0-9_-]{4,100}\Z", r"channel-key-[A-Za-z0-9_-]{4,100}\Z", r"[!-~]{16,500}\Z"))

for _operation in ("open", "confirm", "fetch", "cancel", "receipt"):
    faults.register(f"portone.{_operation}.before", f"portone.{_operation}.after")
faults.register_guard("portone.signature", "portone.keys", "portone.answer", "portone.channel")


def two_step(account: GatewayAccount) -> bool:
    """A matter of the channel's setting."""
    return account.public.get("approval") == "manual"


# -- the window -------------------------------------------------------------------------------------
def open(account: GatewayAccount, intent: PaymentIntent, key: str) -> Opened:
    """Fix the sum, so that a window opened for another one is refused at PortOne."""
    body = {"storeId": _store_id(account), "totalAmount": _won(intent), "taxFreeAmount": intent.tax_free, "currency": "KRW"}
    _post(account, "open", f"/payments/{_payment_id(intent.order_ref)}/pre-register", body, key)
    return Opened()


def create_checkout(account: GatewayAccount, intent: PaymentIntent) -> CheckoutInstruction:
    _check_keys(account)
    amount, customer = _won(intent), {}
    if intent.customer_key:
        customer["customerId"] = intent.customer_key
    if intent.customer_name:
        customer["fullName"] = intent.customer_name[:100]
    if intent.customer_email and len(intent.customer_email) <= 100:
        customer["email"] = intent.customer_email
    if phone := domestic_phone(intent.customer_phone):
        customer["phoneNumber"] = phone
    request = {
        "storeId": _store_id(account), "channelKey": account.public["channel_key"], "paymentId": intent.order_ref,
        "orderName": intent.order_name[:100], "totalAmount": amount, "currency": "KRW",
        "payMethod": WINDOW_METHODS[intent.method], "redirectUrl": intent.success_url, "forceRedirect": True,
    }
    if customer:
        request["customer"] = customer
    if intent.notice_url:
        request["noticeUrls"] = [intent.notice_url]
    if intent.tax_free:
        request["taxFreeAmount"] = intent.tax_free
    if intent.locale == "en":
        request["locale"] = "EN_US"
    if intent.method == VIRTUAL_ACCOUNT and intent.due_at:
        request["virtualAccount"] = {"accountExpiry": {"dueDate": intent.due_at.isoformat(timespec="seconds")}}
    params = {"provider": name, "orderId": intent.order_ref, "amount": amount, "currency": "KRW",
              "clientKey": _store_id(account), "successUrl": intent.success_url, "failUrl": intent.fail_url,
              "request": request}
    return CheckoutInstruction("js_sdk", account.sdk_url, _store_id(account), params)


def parse_return(account: GatewayAccount, query: Mapping[str, str]) -> ReturnHint:
    """The query of the one redirectUrl; with a `code` the window has failed. It never says an amount."""
    values = {}
    for key in RETURN_NAMES:
        several = query.getlist(key) if hasattr(query, "getlist") else [query[key]] if key in query else []
        if len(several) > 1:
            raise BadReturn("repeated_parameter", key)
        values[key] = several[0] if several else ""
    order_ref, gateway_key, token = values["paymentId"], values["txId"], values["paymentToken"]
    malformed = (order_ref and not PAYMENT_ID.match(order_ref)) or (gateway_key and not TRANSACTION_ID.match(gateway_key)) \
        or not re.fullmatch(r"[!-~]{0,2000}", token) or values["transactionType"] not in ("", "PAYMENT")
    if malformed:
        raise BadReturn("malformed_parameter")
    if values["code"]:
        code = re.sub(r"[^A-Z0-9_]", "", values["pgCode"] or values["code"])[:60]
        return ReturnHint(order_ref, gateway_key, failure_code=code or "UNKNOWN")
    if not order_ref:
        raise BadReturn("missing_parameter")
    return ReturnHint(order_ref, gateway_key, token=token)


# -- calls ------------------------------------------------------------------------------------------
def confirm(account: GatewayAccount, intent: PaymentIntent, hint: ReturnHint, key: str) -> GatewayPayment:
    """Take the money (or issue the account) with the token of the window, for the stored sum and in the account's mode.

    Without a token there is nothing to take: the channel has done so in its window, whatever we were told of its setting.
    """
    if not hint.token:
        return _taken_in_window(account, intent.order_ref)
    body = {"storeId": _store_id(account), "paymentToken": hint.token, "currency": "KRW", "totalAmount": _won(intent),
            "taxFreeAmount": intent.tax_free, "isTest": account.mode == "test"}
    if hint.gateway_key:
        body["txId"] = hint.gateway_key
    _post(account, "confirm", f"/payments/{_payment_id(intent.order_ref)}/confirm", body, key)
    return _now(account, intent.order_ref)


def _taken_in_window(account: GatewayAccount, order_ref: str) -> GatewayPayment:
    found = _now(account, order_ref)
    if found.status == PENDING:
        raise GatewayRefused("INVALID_PAYMENT_TOKEN", "the window gave none and has taken nothing")
    if found.status == AUTHORIZED:
        raise GatewayUnknown("PAY_PENDING")
    return found


def fetch(account: GatewayAccount, ref: GatewayRef) -> GatewayPayment | None:
    """What PortOne knows; None when no window was ever opened. Its transaction id is no way to ask."""
    try:
        answer = _send(account, "fetch", "GET", f"/payments/{_payment_id(ref.order_ref)}",
                       params={"storeId": _store_id(account)})
    except GatewayRefused as refused:
        if refused.code in portone_codes.NOT_THERE:
            return None
        raise GatewayUnknown(refused.code, refused.message, http_status=refused.http_status) from refused
    return _snapshot(account, answer, ref.order_ref)


def cancel(account: GatewayAccount, ref: GatewayRef, request: CancelRequest, key: str) -> GatewayPayment:
    """Give money back, or close an account nobody has paid into. How it stands then is asked: the answer does not say."""
    path = f"/payments/{_payment_id(ref.order_ref)}"
    body = {"storeId": _store_id(account), "reason": request.reason[:200], "requester": "ADMIN",
            "currentCancellableAmount": request.expected_remaining}
    if request.amount is not None:
        body["amount"] = request.amount
    if request.tax_free:
        body["taxFreeAmount"] = request.tax_free
    if request.refund_account:
        back = request.refund_account
        body["refundAccount"] = {"bank": BANKS[back.bank].portone, "holderName": back.holder[:60],
                                 "number": re.sub(r"[^0-9]", "", back.number)}
    try:
        _post(account, "cancel", f"{path}/cancel", body, key)
    except GatewayRefused as refused:
        if refused.code != "PAYMENT_NOT_PAID" or request.amount is not None or request.refund_account:
            raise
        _close(account, path, key)
    return _now(account, ref.order_ref)


def _close(account: GatewayAccount, path: str, key: str) -> None:
    try:
        _post(account, "cancel", f"{path}/virtual-account/close", {"storeId": _store_id(account)}, f"{key}-close")
    except GatewayUnknown as error:
        if error.code == "ALREADY_PAID":  # somebody was quicker, and their money is there
            raise GatewayRefused(error.code, error.message, http_status=error.http_status) from error
        raise


def issue_cash_receipt(account: GatewayAccount, request: CashReceiptRequest, key: str) -> CashReceiptSnapshot:
    _check_keys(account)
    number = re.sub(r"[^0-9]", "", request.identity) or UNASKED
    kind = "BUSINESS" if request.kind == "expense" else "PHONE" if number.startswith("01") else "CARD"
    body = {"storeId": _store_id(account), "paymentId": _payment_id(request.order_ref),
            "channelKey": account.public["channel_key"], "type": RECEIPT_TYPES[request.kind],
            "orderName": request.order_name[:100], "currency": "KRW",
            "amount": {"total": request.amount, "taxFree": request.tax_free},
            "customer": {"identityNumber": number, "identityNumberType": kind},
            "paymentMethod": "VIRTUAL_ACCOUNT" if request.method == VIRTUAL_ACCOUNT else "TRANSFER"}
    answer = _post(account, "receipt", "/cash-receipts", body, key)
    shown = answer.body.get("cashReceipt") if isinstance(answer.body, dict) else None
    return portone_shapes.cash_receipt(shown, request.amount)


def cancel_cash_receipt(account: GatewayAccount, receipt_key: str, order_ref: str, amount: int | None,
                        key: str) -> CashReceiptSnapshot:
    """All of it: PortOne cancels no part, so what is left after a refund of a part is issued anew. It is looked at first,
    because PortOne names receipts by the payment and would cancel the newer one too."""
    if amount is not None:
        raise GatewayRefused("PARTIAL_CANCEL_NOT_SUPPORTED")
    found = _receipt_of(account, order_ref)
    if found is None:
        raise GatewayRefused("CASH_RECEIPT_NOT_FOUND")
    if receipt_key not in ("", found.key):
        return CashReceiptSnapshot(receipt_key, "cancelled", 0)
    if found.status != "cancelled":
        _post(account, "receipt", f"/payments/{_payment_id(order_ref)}/cash-receipt/cancel", {"storeId": _store_id(account)}, key)
    return replace(found, status="cancelled")


def fetch_cash_receipt(account: GatewayAccount, receipt_key: str, order_ref: str) -> CashReceiptSnapshot | None:
    """PortOne shows the newest one of a payment. Without a key the one that stands is meant."""
    found = _receipt_of(account, order_ref)
    if found and receipt_key not in ("", found.key):
        return CashReceiptSnapshot(receipt_key, "cancelled", 0)
    return None if found and not receipt_key and found.status == "cancelled" else found


def _receipt_of(account: GatewayAccount, order_ref: str) -> CashReceiptSnapshot | None:
    try:
        answer = _send(account, "receipt", "GET", f"/payments/{_payment_id(order_ref)}/cash-receipt",
                       params={"storeId": _store_id(account)})
    except GatewayRefused as refused:
        if refused.code in portone_codes.NOT_THERE:
            return None
        raise GatewayUnknown(refused.code, refused.message, http_status=refused.http_status) from refused
    return portone_shapes.cash_receipt(answer.body)


def check_credentials(account: GatewayAccount) -> CredentialCheck:
    """Ask for a payment that cannot exist: only good keys are told that it doesn't. Moves nothing."""
    try:
        found = fetch(account, GatewayRef(f"check_{secrets.token_hex(16)}"))
    except GatewayMisconfigured as error:
        return CredentialCheck(False, error.code, error.message)
    return CredentialCheck(found is None, "PAYMENT_NOT_FOUND" if found is None else "UNEXPECTED_ANSWER")


# -- notices ----------------------------------------------------------------------------------------
def parse_webhook(account: GatewayAccount, headers: Mapping[str, str], raw: bytes, now: datetime) -> WebhookHint:
    """Read a notice that has proven itself; what it says is a reason to ask, and nothing more."""
    low = {str(key).lower(): value for key, value in headers.items()}
    delivery, stamp, given = (low.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature"))
    if not faults.guard_off("portone.signature"):
        _prove(account.webhook_secrets, delivery, stamp, given, raw, now)
    if not re.fullmatch(r"[!-~]{1,200}", delivery):
        delivery = "sha256:" + hashlib.sha256(raw).hexdigest()
    return WebhookHint(delivery_id=delivery, proof=PROOF_SIGNATURE, **portone_shapes.webhook(parse_json(raw)))


def _prove(webhook_secrets, delivery: str, stamp: str, given: str, raw: bytes, now: datetime) -> None:
    """Standard Webhooks: HMAC-SHA256 over id.time.body, several signatures with spaces between them; the time within five
    minutes. Not the library's: it takes the machine's clock, and bytes only if they are UTF-8."""
    if not webhook_secrets:
        raise BadSignature("no_secret")
    if not (delivery and stamp and given):
        raise BadSignature("no_signature")
    signed = f"{delivery}.{stamp}.".encode("utf-8", "replace") + raw
    signatures = [part.partition(",")[2].encode("utf-8", "replace") for part in given.split(" ") if part.startswith("v1,")]
    wanted = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
              for key in map(_signing_key, webhook_secrets) if key]
    if not any(hmac.compare_digest(one, other) for one in signatures for other in wanted):
        raise BadSignature("bad_signature")
    if not re.fullmatch(r"[0-9]{1,15}", stamp, re.ASCII) or abs(now.timestamp() - int(stamp)) > TOLERANCE:
        raise BadSignature("old_timestamp")


def _signing_key(secret: str) -> bytes:
    """Empty, and so never right, for what is no secret."""
    text = secret.removeprefix("whsec_")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


# -- the wire ---------------------------------------------------------------------------------------
def _post(account: GatewayAccount, operation: str, path: str, body: dict, key: str) -> Answer:
    """The same values make the same bytes: a repeated attempt must not differ from its first try."""
    if not re.fullmatch(r'[!#-~]{16,256}', key):
        raise ValueError("an idempotency key has 16 to 256 visible ASCII characters and no quotes")
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return _send(account, operation, "POST", path, content=content, key=key)


def _send(account: GatewayAccount, operation: str, method: str, path: str, *, content: bytes | None = None,
          key: str = "", params: Mapping[str, str] | None = None) -> Answer:
    """Send with the current secret and, when that one is not valid (any more), once with the previous one."""
    _check_keys(account)
    faults.point(f"portone.{operation}.before")
    answer = with_each_key(account, lambda secret: _send_with(account.api_url, secret, operation, method, path, content, key, params))
    faults.point(f"portone.{operation}.after")
    return answer


def _send_with(api_url, secret, operation, method, path, content, key, params) -> Answer:
    headers = {"Authorization": f"PortOne {secret}", "Accept": "application/json"}
    if content is not None:
        headers |= {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": f'"{key}"'}
    with told(log, name, operation, key) as said:
        answer = call(api_url, method, path, headers=headers, content=content, params=params)
        said["http_status"] = answer.status
        if answer.status != 200:
            raise portone_codes.error_of(answer)
        if answer.body is None:
            raise GatewayUnknown("not_json", http_status=200)
        return answer


def _now(account: GatewayAccount, order_ref: str) -> GatewayPayment:
    """How it stands after a call of ours that went well: the answers to those have neither amount nor status."""
    found = fetch(account, GatewayRef(order_ref))
    if found is None:
        raise GatewayContractError("not_there", "what was just done is not there")
    return found


def _snapshot(account: GatewayAccount, answer: Answer, order_ref: str) -> GatewayPayment:
    """Amounts are compared by the one who knows what was stored; that it is our store's payment that was asked for, here."""
    body = answer.body if isinstance(answer.body, dict) else {}
    channels = {account.public["channel_key"], *account.public.get("former_channels", ())}
    if faults.guard_off("portone.channel"):
        channels = {(body.get("channel") or {}).get("key")}
    snapshot = portone_shapes.payment(answer.body, mode=account.mode, channels=channels, now=clock.now())
    another = snapshot.order_ref != order_ref or snapshot.merchant_id != _store_id(account)
    if another and not faults.guard_off("portone.answer"):
        raise GatewayContractError("another_payment", "the answer is about another payment")
    return snapshot


def _check_keys(account: GatewayAccount) -> None:
    """What cannot be right never leaves the house. Of an API secret nobody can see whether it is one."""
    wrong = not STORE_ID.match(_store_id(account)) or not CHANNEL_KEY.match(account.public.get("channel_key", "")) \
        or not account.secret_keys or not all(API_SECRET.match(secret) for secret in account.secret_keys)
    if wrong and not faults.guard_off("portone.keys"):
        raise GatewayMisconfigured("WRONG_KEYS", "the store, the channel or the API secret is missing or no such thing")


def _store_id(account: GatewayAccount) -> str:
    return account.public.get("store_id") or account.client_key


def _won(intent: PaymentIntent) -> int:
    if intent.amount.currency != "KRW" or intent.amount.amount <= 0:
        raise ValueError("we take Korean won through PortOne, and more than none")
    return intent.amount.amount


def _payment_id(value: str) -> str:
    if not PAYMENT_ID.match(value):
        raise ValueError("that is no payment id")
    return value
