"""TossPayments: the classic `payment()` window with a confirm by us, virtual accounts, refunds, cash receipts, notices,
books and payouts.

REST v1 (API versions 2022-11-16 to 2024-06-01), browser SDK v2 "standard". A confirm takes the money, so it
is called with the amount we stored; a window alone takes nothing.
"""
import base64
import hashlib
import hmac
import json
import logging
import re
import secrets
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta

from eventapp import clock, faults
from eventapp.payments import toss_codes, toss_shapes
from eventapp.payments.banks import BANKS
from eventapp.payments.provider import (
    BANK_TRANSFER,
    CARD,
    MOBILE,
    PAYOUT_CHANGED,
    PROOF_NONE,
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
    LedgerEntry,
    PaymentIntent,
    ReturnHint,
    SettlementLine,
    VirtualAccountRequest,
    WebhookHint,
)
from eventapp.payments.toss_shapes import GATEWAY_KEY, KST, ORDER_REF
from eventapp.payments.transport import Answer, call, parse_json, told, with_each_key

log = logging.getLogger(__name__)

name = "toss"
caps = Capabilities(
    methods=frozenset([CARD, BANK_TRANSFER, VIRTUAL_ACCOUNT, MOBILE]), refund_can_fail_later=True, refunds=True,
    lookup_by_order=True, needs_script=True, refund_account_for=frozenset([VIRTUAL_ACCOUNT]), issues_accounts=True,
    cash_receipts=True, books=True, settlements=True)

ANONYMOUS = "@@ANONYMOUS"  # TossPayments.ANONYMOUS of the SDK
WINDOW_METHODS = {CARD: "CARD", BANK_TRANSFER: "TRANSFER", VIRTUAL_ACCOUNT: "VIRTUAL_ACCOUNT", MOBILE: "MOBILE_PHONE"}
WINDOW_RECEIPTS = {"deduction": "소득공제", "expense": "지출증빙", "": "미발행"}
RECEIPT_TYPES = {"deduction": "소득공제", "expense": "지출증빙", "unasked": "소득공제"}
UNASKED = "0100001234"  # the tax office's number for receipts of buyers nobody knows
RECEIPT_DAYS = 7  # how long a receipt is looked for: its state is final after one or two
KEY = re.compile(r"(test|live)_(g?)(ck|sk)_[A-Za-z0-9_]{8,}\Z")
RETURN_NAMES = frozenset(["paymentKey", "orderId", "amount", "code", "message", "paymentType"])
PAGE = 1000  # lines of the books in one call

for _operation in ("confirm", "fetch", "cancel", "issue", "list", "receipt"):
    faults.register(f"toss.{_operation}.before", f"toss.{_operation}.after")
faults.register_guard("toss.signature", "toss.keys", "toss.answer")


# -- the window -------------------------------------------------------------------------------------
def two_step(account: GatewayAccount) -> bool:
    """The window takes nothing; our confirm does."""
    return True


def create_checkout(account: GatewayAccount, intent: PaymentIntent) -> CheckoutInstruction:
    _check_keys(account)
    amount = _won(intent)
    request = {
        "method": WINDOW_METHODS[intent.method], "amount": {"currency": "KRW", "value": amount},
        "orderId": intent.order_ref, "orderName": intent.order_name[:100],
        "successUrl": intent.success_url, "failUrl": intent.fail_url,
    }
    if intent.customer_name:
        request["customerName"] = intent.customer_name[:100]
    if intent.customer_email and len(intent.customer_email) <= 100:
        request["customerEmail"] = intent.customer_email
    if phone := domestic_phone(intent.customer_phone):
        request["customerMobilePhone"] = phone
    if intent.tax_free:
        request["taxFreeAmount"] = intent.tax_free
    if intent.method in (BANK_TRANSFER, VIRTUAL_ACCOUNT):
        request["transfer" if intent.method == BANK_TRANSFER else "virtualAccount"] = {
            "cashReceipt": {"type": WINDOW_RECEIPTS[intent.cash_receipt]}}
    if intent.method == VIRTUAL_ACCOUNT and intent.due_at:
        request["virtualAccount"]["dueDate"] = _seoul(intent.due_at)
    if intent.method == CARD:
        request["card"] = {"useEscrow": False, "flowMode": "DEFAULT", "useCardPoint": False, "useAppCardOnly": False}
    params = {"provider": name, "orderId": intent.order_ref, "amount": amount, "currency": "KRW",
              "clientKey": account.client_key, "customerKey": intent.customer_key or ANONYMOUS,
              "successUrl": intent.success_url, "failUrl": intent.fail_url, "request": request}
    return CheckoutInstruction("js_sdk", account.sdk_url, account.client_key, params)


def domestic_phone(phone: str) -> str:
    """+821012345678 as Toss wants it, 01012345678; empty when it is no Korean number."""
    digits = re.sub(r"[^0-9+]", "", phone)
    digits = "0" + digits.removeprefix("+82") if digits.startswith("+82") else digits
    return digits if re.fullmatch(r"0[0-9]{7,14}", digits) else ""


def parse_return(account: GatewayAccount, query: Mapping[str, str]) -> ReturnHint:
    """The query of successUrl or failUrl; a name that comes twice is refused, for nobody knows which one counts."""
    values = {}
    for key in RETURN_NAMES:
        several = query.getlist(key) if hasattr(query, "getlist") else [query[key]] if key in query else []
        if len(several) > 1:
            raise BadReturn("repeated_parameter", key)
        values[key] = several[0] if several else ""
    order_ref, gateway_key, amount = values["orderId"], values["paymentKey"], values["amount"]
    if (order_ref and not ORDER_REF.match(order_ref)) or (gateway_key and not GATEWAY_KEY.match(gateway_key)):
        raise BadReturn("malformed_parameter", "orderId" if gateway_key == "" else "paymentKey")
    if values["code"]:
        return ReturnHint(order_ref, failure_code=re.sub(r"[^A-Z0-9_]", "", values["code"])[:60] or "UNKNOWN")
    if not order_ref or not gateway_key or not re.fullmatch(r"[0-9]{1,12}", amount, re.ASCII):
        raise BadReturn("missing_parameter")
    return ReturnHint(order_ref, gateway_key, int(amount))


# -- calls ------------------------------------------------------------------------------------------
def confirm(account: GatewayAccount, intent: PaymentIntent, hint: ReturnHint, key: str) -> GatewayPayment:
    """Take the money (or issue the account). The amount is the stored one, whatever the address bar said."""
    body = {"paymentKey": _gateway_key(hint.gateway_key), "orderId": _order_ref(intent.order_ref),
            "amount": _won(intent)}
    answer = _post(account, "confirm", "/v1/payments/confirm", body, key)
    return _snapshot(account, answer, GatewayRef(intent.order_ref, hint.gateway_key))


def fetch(account: GatewayAccount, ref: GatewayRef) -> GatewayPayment | None:
    """What Toss knows; None when it knows nothing of it (a window that was never finished, for example)."""
    path = f"/v1/payments/{_gateway_key(ref.gateway_key)}" if ref.gateway_key \
        else f"/v1/payments/orders/{_order_ref(ref.order_ref)}"
    try:
        answer = _send(account, "fetch", "GET", path)
    except GatewayRefused as refused:
        if refused.code == "NOT_FOUND_PAYMENT":
            return None
        raise GatewayUnknown(refused.code, refused.message, http_status=refused.http_status,
                             trace_id=refused.trace_id) from refused
    return _snapshot(account, answer, ref)


def issue_virtual_account(account: GatewayAccount, intent: PaymentIntent, request: VirtualAccountRequest,
                          key: str) -> GatewayPayment:
    """An account to pay into, without a window and without a confirm."""
    body = {"amount": _won(intent), "orderId": _order_ref(intent.order_ref), "orderName": intent.order_name[:100],
            "customerName": request.customer_name[:100], "bank": BANKS[request.bank].toss}
    if (request.due_at is None) == (request.valid_hours is None):
        raise ValueError("a virtual account has either a due time or hours")
    if request.due_at is not None:
        body["dueDate"] = _seoul(request.due_at)
    else:
        body["validHours"] = request.valid_hours
    if intent.customer_email and len(intent.customer_email) <= 100:
        body["customerEmail"] = intent.customer_email
    if phone := domestic_phone(intent.customer_phone):
        body["customerMobilePhone"] = phone
    if intent.tax_free:
        body["taxFreeAmount"] = intent.tax_free
    answer = _post(account, "issue", "/v1/virtual-accounts", body, key)
    return _snapshot(account, answer, GatewayRef(intent.order_ref))


def cancel(account: GatewayAccount, ref: GatewayRef, request: CancelRequest, key: str) -> GatewayPayment:
    """Give money back, or close an account nobody has paid into."""
    body = {"cancelReason": request.reason[:200], "refundableAmount": request.expected_remaining}
    if request.amount is not None:
        body["cancelAmount"] = request.amount
    if request.tax_free:
        body["taxFreeAmount"] = request.tax_free
    if request.refund_account:
        back = request.refund_account
        body["refundReceiveAccount"] = {"bank": BANKS[back.bank].toss, "holderName": back.holder[:60],
                                        "accountNumber": re.sub(r"[^0-9]", "", back.number)}
    answer = _post(account, "cancel", f"/v1/payments/{_gateway_key(ref.gateway_key)}/cancel", body, key)
    return _snapshot(account, answer, ref)


def issue_cash_receipt(account: GatewayAccount, request: CashReceiptRequest, key: str) -> CashReceiptSnapshot:
    """A receipt that Toss does not tie to the payment: whoever refunds cancels it too. It is final days later."""
    body = {"amount": request.amount, "orderId": _order_ref(request.order_ref), "orderName": request.order_name[:100],
            "type": RECEIPT_TYPES[request.kind],
            "customerIdentityNumber": UNASKED if request.kind == "unasked" else re.sub(r"[^0-9]", "", request.identity)}
    if request.tax_free:
        body["taxFreeAmount"] = request.tax_free
    return toss_shapes.cash_receipt(_post(account, "receipt", "/v1/cash-receipts", body, key).body)


def cancel_cash_receipt(account: GatewayAccount, receipt_key: str, order_ref: str, amount: int | None,
                        key: str) -> CashReceiptSnapshot:
    """Take a receipt back, or a part of it; the answer is a receipt of its own."""
    body = {} if amount is None else {"amount": amount}
    path = f"/v1/cash-receipts/{_gateway_key(receipt_key)}/cancel"
    return toss_shapes.cash_receipt(_post(account, "receipt", path, body, key).body)


def fetch_cash_receipt(account: GatewayAccount, receipt_key: str, order_ref: str) -> CashReceiptSnapshot | None:
    """Toss lists receipts by the day they were asked for; without a key, the newest one of the order."""
    today = clock.now().astimezone(KST).date()
    for day in (today - timedelta(days) for days in range(RECEIPT_DAYS)):
        for body in reversed(list(_receipts_of(account, day))):
            found = toss_shapes.cash_receipt(body)
            if found.key == receipt_key or (not receipt_key and body.get("orderId") == order_ref
                                            and body.get("transactionType") == "CONFIRM"):
                return found
    return None


def _receipts_of(account: GatewayAccount, day: date) -> Iterator[dict]:
    params = {"requestDate": day.isoformat(), "limit": str(PAGE)}
    while True:
        body = _send(account, "receipt", "GET", "/v1/cash-receipts", params=params).body
        if not isinstance(body, dict) or not isinstance(body.get("data"), list):
            raise GatewayContractError("wrong_shape", "the receipts are no list")
        yield from body["data"]
        cursor = body.get("lastCursor")
        if not body.get("hasNext") or cursor is None:
            return
        if params.get("cursor") == str(cursor):
            raise GatewayContractError("wrong_shape", "the receipts do not end")
        params["cursor"] = str(cursor)


def list_settlements(account: GatewayAccount, start: date, end: date) -> Iterator[SettlementLine]:
    """What is paid out for what was sold from `start` to `end`, both included. Toss knows it the day after."""
    params = {"startDate": start.isoformat(), "endDate": end.isoformat(), "dateType": "soldDate", "page": "1",
              "size": str(PAGE)}
    while True:
        body = _send(account, "list", "GET", "/v1/settlements", params=params).body
        if not isinstance(body, list):
            raise GatewayContractError("wrong_shape", "the settlements are no list")
        yield from (toss_shapes.settlement(each) for each in body)
        if len(body) < PAGE:
            return
        params["page"] = str(int(params["page"]) + 1)


def list_transactions(account: GatewayAccount, start: datetime, end: datetime) -> Iterator[LedgerEntry]:
    """The books from `start` (included) to `end` (not), page by page."""
    params = {"startDate": _seoul(start), "endDate": _seoul(end), "limit": str(PAGE)}
    while True:
        body = _send(account, "list", "GET", "/v1/transactions", params=params).body
        if not isinstance(body, list):
            raise GatewayContractError("wrong_shape", "the books are no list")
        entries = [toss_shapes.entry(each) for each in body]
        yield from entries
        if len(entries) < PAGE:
            return
        if params.get("startingAfter") == entries[-1].transaction_key:
            raise GatewayContractError("wrong_shape", "the books do not end")
        params["startingAfter"] = entries[-1].transaction_key


def check_credentials(account: GatewayAccount) -> CredentialCheck:
    """Ask for an order that cannot exist: only good keys are told that it doesn't. Moves nothing."""
    try:
        _send(account, "fetch", "GET", f"/v1/payments/orders/check_{secrets.token_hex(16)}")
    except GatewayMisconfigured as error:
        return CredentialCheck(False, error.code, error.message, error.trace_id)
    except GatewayRefused as error:
        return CredentialCheck(error.code in toss_codes.NOT_THERE, error.code, error.message, error.trace_id)
    return CredentialCheck(False, "UNEXPECTED_ANSWER")


# -- notices ----------------------------------------------------------------------------------------
def parse_webhook(account: GatewayAccount, headers: Mapping[str, str], raw: bytes, now: datetime) -> WebhookHint:
    """Read a notice of any of Toss's three envelopes. Payments' notices are not signed: fetch before believing.

    A signature, where there is one, must be right, and on payouts there must be one.
    """
    low = {str(key).lower(): value for key, value in headers.items()}
    signature = low.get("tosspayments-webhook-signature", "")
    proven = bool(signature)
    sent_at = low.get("tosspayments-webhook-transmission-time", "")
    if signature and not _signed(account.security_key, raw, sent_at, signature) \
            and not faults.guard_off("toss.signature"):
        raise BadSignature("bad_signature")
    claims = toss_shapes.webhook(parse_json(raw))
    if claims["kind"] == PAYOUT_CHANGED and not proven:
        raise BadSignature("no_signature")
    delivery = low.get("tosspayments-webhook-transmission-id", "")
    if not re.fullmatch(r"[!-~]{1,200}", delivery):
        delivery = "sha256:" + hashlib.sha256(raw).hexdigest()
    return WebhookHint(delivery_id=delivery, proof=PROOF_SIGNATURE if proven else PROOF_NONE, **claims)


def _signed(security_key: str, raw: bytes, sent_at: str, header: str) -> bool:
    """HMAC-SHA256 over body:time, `v1:<base64>` several times. An unset key refuses.

    Toss does not say whether its 64 hex digits are the key or spell it; either passes until the first live
    event tells.
    """
    if not re.fullmatch(r"[0-9a-fA-F]{64}", security_key):
        return False
    signed = raw + b":" + sent_at.encode("utf-8", "replace")
    given = [part.strip().partition(":")[2].encode("utf-8", "replace") for part in header.split(",")
             if part.strip().startswith("v1:")]
    wanted = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
              for key in (security_key.encode(), bytes.fromhex(security_key))]
    return any(hmac.compare_digest(one, other) for one in given for other in wanted)


# -- the wire ---------------------------------------------------------------------------------------
def _post(account: GatewayAccount, operation: str, path: str, body: dict, key: str) -> Answer:
    """The same values make the same bytes: a repeated attempt must not differ from its first try."""
    if not re.fullmatch(r"[!-~]{16,300}", key):
        raise ValueError("an idempotency key has 16 to 300 visible ASCII characters")
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return _send(account, operation, "POST", path, content=content, key=key)


def _send(account: GatewayAccount, operation: str, method: str, path: str, *, content: bytes | None = None,
          key: str = "", params: Mapping[str, str] | None = None) -> Answer:
    """Send with the current key and, when that one is not valid (any more), once with the previous one."""
    _check_keys(account)
    faults.point(f"toss.{operation}.before")
    answer = with_each_key(account, lambda secret: _send_with(account.api_url, secret, operation, method, path, content, key, params))
    faults.point(f"toss.{operation}.after")
    return answer


def _send_with(api_url, secret_key, operation, method, path, content, key, params) -> Answer:
    headers = {"Authorization": "Basic " + base64.b64encode(f"{secret_key}:".encode()).decode(),
               "Accept": "application/json"}
    if content is not None:
        headers |= {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": key}
    with told(log, name, operation, key) as said:
        answer = call(api_url, method, path, headers=headers, content=content, params=params)
        trace_id = answer.headers.get("x-tosspayments-trace-id", "")[:100]
        said.update(http_status=answer.status, trace_id=trace_id)
        if answer.status != 200:
            raise toss_codes.error_of(answer, trace_id)
        if answer.body is None:
            raise GatewayUnknown("not_json", http_status=200, trace_id=trace_id)
        return answer


def _snapshot(account: GatewayAccount, answer: Answer, ref: GatewayRef) -> GatewayPayment:
    """Amounts are compared by the one who knows what was stored; that it is the payment asked for, here."""
    snapshot = toss_shapes.payment(answer.body, test_mode=account.client_key.startswith("test_"))
    another = (ref.gateway_key and snapshot.gateway_key != ref.gateway_key) \
        or (ref.order_ref and snapshot.order_ref != ref.order_ref)
    if another and not faults.guard_off("toss.answer"):
        raise GatewayContractError("another_payment", "the answer is about another payment")
    return snapshot


def _check_keys(account: GatewayAccount) -> None:
    """Client and secret key of one family and of the account's mode; wrong ones never leave the house."""
    client = KEY.match(account.client_key)
    secret = [KEY.match(key) for key in account.secret_keys]
    wrong = not client or client[3] != "ck" or not secret or not all(secret) \
        or any(key[3] != "sk" or key[2] != client[2] or key[1] != client[1] for key in secret if key) \
        or client[1] != account.mode
    if wrong and not faults.guard_off("toss.keys"):
        raise GatewayMisconfigured("WRONG_KEYS", "the keys are missing, of the wrong kind or of the wrong mode")


def clean_key(text: str) -> str:
    """A key as pasted: spaces and a byte-order mark would make Toss refuse it."""
    return text.replace("\ufeff", "").strip()


def _won(intent: PaymentIntent) -> int:
    if intent.amount.currency != "KRW" or intent.amount.amount <= 0:
        raise ValueError("Toss takes Korean won, and more than none")
    return intent.amount.amount


def _order_ref(value: str) -> str:
    if not ORDER_REF.match(value):
        raise ValueError("that is no order id")
    return value


def _gateway_key(value: str) -> str:
    if not GATEWAY_KEY.match(value):
        raise ValueError("that is no payment key")
    return value


def _seoul(at: datetime) -> str:
    return at.astimezone(KST).strftime("%Y-%m-%dT%H:%M:%S")
