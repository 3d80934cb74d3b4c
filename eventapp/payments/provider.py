"""What every gateway looks like from inside: plain values in, normalised snapshots out, one set of errors.

Nothing here knows a model or a request. What a browser or a webhook says is a *hint*; only a
`GatewayPayment`, which a provider made from the gateway's own answer to us, says what is true.
"""
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

from eventapp.money import Money

# -- normalised states of a payment at the gateway -------------------------------------------------
CREATED = "created"
PENDING = "pending"
AUTHORIZED = "authorized"
AWAITING_DEPOSIT = "awaiting_deposit"
PAID = "paid"
PARTIALLY_REFUNDED = "partially_refunded"
REFUND_PENDING = "refund_pending"
REFUNDED = "refunded"
VOIDED = "voided"
FAILED = "failed"
EXPIRED = "expired"
UNKNOWN = "unknown"
STATUSES = frozenset([CREATED, PENDING, AUTHORIZED, AWAITING_DEPOSIT, PAID, PARTIALLY_REFUNDED, REFUND_PENDING,
                      REFUNDED, VOIDED, FAILED, EXPIRED, UNKNOWN])

# -- how a buyer pays (the values of the form's `method`) -------------------------------------------
CARD = "card"
BANK_TRANSFER = "bank_transfer"
VIRTUAL_ACCOUNT = "virtual_account"
MOBILE = "mobile"
MANUAL_TRANSFER = "manual_transfer"
FREE = "free"
OTHER = "other"

# -- kinds of webhook -------------------------------------------------------------------------------
PAYMENT_CHANGED = "payment_changed"
DEPOSIT_CHANGED = "deposit_changed"
CANCEL_CHANGED = "cancel_changed"
BILLING_DELETED = "billing_deleted"
DISPUTE_CHANGED = "dispute_changed"
PAYOUT_CHANGED = "payout_changed"
IRRELEVANT = "irrelevant"

# -- how a webhook was proven -----------------------------------------------------------------------
PROOF_NONE = "none"
PROOF_SIGNATURE = "signature"


# -- errors -----------------------------------------------------------------------------------------
class GatewayError(Exception):
    """`code` is the gateway's (or ours), `trace_id` what the gateway's support asks for."""

    def __init__(self, code: str, message: str = "", *, http_status: int | None = None, trace_id: str = ""):
        super().__init__(f"{code}: {message}" if message else code)
        self.code, self.message, self.http_status, self.trace_id = code, message, http_status, trace_id


class GatewayRefused(GatewayError):
    """A definite no: nothing has happened, and repeating with the same key brings the same answer."""


class GatewayUnknown(GatewayError):
    """Nobody knows whether it happened: fetch before deciding, never tell the buyer that it failed.

    `sent` is False when nothing can have reached the gateway in this call.
    """

    def __init__(self, reason: str, message: str = "", *, sent: bool = True, **details):
        super().__init__(reason, message, **details)
        self.reason, self.sent = reason, sent


class GatewayContractError(GatewayUnknown):
    """The gateway answered something its contract excludes; what has happened is unknown, and a person must look."""


class GatewayMisconfigured(GatewayError):
    """The account's keys are wrong, revoked or of the wrong kind: the account is unhealthy, the payment is not."""


class BadReturn(GatewayError):
    """The browser came back with parameters that no gateway sends."""


class BadWebhook(GatewayError):
    """A notice that cannot be read: answer 400."""


class BadSignature(BadWebhook):
    """A notice that should prove itself and does not: answer 400 and keep it as rejected."""


# -- what goes in -----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class GatewayAccount:
    """One set of keys at one gateway; `secret_keys` is (current, previous) while a key is being changed, and so are
    `webhook_secrets`, which sign the gateway's notices (PortOne and Stripe).

    `public` are settings that may be shown: the bank account of a manual transfer; PortOne's `store_id`, `channel_key`
    and `approval` ("manual" or "automatic").
    """

    provider: str
    mode: str = "test"
    client_key: str = ""
    secret_keys: tuple[str, ...] = field(default=(), repr=False)
    api_url: str = ""
    sdk_url: str = ""
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    security_key: str = field(default="", repr=False)
    public: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PaymentIntent:
    """What we want paid, as it is stored: `order_ref` is the gateway's order id, unique for each attempt."""

    order_ref: str
    amount: Money
    order_name: str = ""
    method: str = CARD
    success_url: str = ""
    fail_url: str = ""
    customer_key: str = ""
    customer_name: str = ""
    customer_email: str = ""
    customer_phone: str = ""
    tax_free: int = 0
    due_at: datetime | None = None
    """Until when the money may come, where the window makes an account for it."""
    notice_url: str = ""
    """Where notices about this payment go, at a gateway that lets each payment say so (PortOne)."""
    locale: str = "ko"
    cash_receipt: str = ""
    """deduction or expense: what the window asks for, where it can (Toss: transfers and virtual accounts); empty: nothing
    is issued there."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A payment that the gateway knows of before the buyer goes there. `url`: its own page, where it has one."""

    gateway_key: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class GatewayRef:
    """A payment as the gateway knows it; asked by `gateway_key` when there is one, else by `order_ref`."""

    order_ref: str = ""
    gateway_key: str = ""


@dataclass(frozen=True, slots=True)
class VirtualAccountRequest:
    """`bank` is our name (`banks.BANKS`). `due_at` (aware) or `valid_hours`, never both."""

    bank: str
    customer_name: str
    due_at: datetime | None = None
    valid_hours: int | None = None


@dataclass(frozen=True, slots=True)
class RefundAccount:
    """Where the money of a paid virtual account goes back to."""

    bank: str
    number: str = field(repr=False)
    holder: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """`expected_remaining` is what we believe can still be refunded: the gateway refuses if it isn't so.

    `amount` None gives back everything that is left.
    """

    reason: str
    expected_remaining: int
    amount: int | None = None
    refund_account: RefundAccount | None = None
    tax_free: int = 0


# -- what comes out ---------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class CheckoutInstruction:
    """How to send the buyer to pay. `kind`: `js_sdk` (load `script_url`, call it with `params`), `redirect` (to `url`, which
    needs no script), `none`.

    `params` is what the payment page prints as JSON; for Toss `params["request"]` is the one argument of
    `TossPayments(clientKey).payment({customerKey}).requestPayment(…)`.
    """

    kind: str
    script_url: str = ""
    public_key: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    url: str = ""


@dataclass(frozen=True, slots=True)
class ReturnHint:
    """What the browser says on its way back. Never a source of truth."""

    order_ref: str = ""
    gateway_key: str = ""
    claimed_amount: int | None = None
    """None where the gateway says no amount; then there is none to compare."""
    failure_code: str = ""
    token: str = ""
    """What a confirm needs beside the order (PortOne's paymentToken)."""

    @property
    def failed(self) -> bool:
        return bool(self.failure_code)


@dataclass(frozen=True, slots=True)
class GatewayRefund:
    """`status`: `done`, `pending`, `failed`. `transaction_key` is unique at the gateway."""

    transaction_key: str
    amount: int
    reason: str
    status: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class IssuedAccount:
    """A virtual account to pay into. `bank` is our name, or empty when we don't know the gateway's code."""

    bank: str
    bank_code: str
    number: str = field(repr=False)
    customer_name: str = field(repr=False)
    due_at: datetime | None
    expired: bool
    refund_status: str


@dataclass(frozen=True, slots=True)
class Dispute:
    """A card holder contests the payment. `status`: open, won, lost. When lost, `amount` is gone beside what `refunds` show:
    0 where the gateway shows it among them."""

    id: str
    status: str
    amount: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CashReceiptRequest:
    """`kind`: deduction (`identity` is a phone or cash-receipt card number), expense (a business number), unasked.

    `order_ref` is the payment's; `method` the payment's method.
    """

    order_ref: str
    order_name: str
    amount: int
    kind: str
    identity: str = field(repr=False)
    method: str = VIRTUAL_ACCOUNT
    tax_free: int = 0


@dataclass(frozen=True, slots=True)
class CashReceiptSnapshot:
    """`status`: in_progress, issued, failed, cancelled. A cancellation of a part is a receipt of its own (`key` c_… at Toss)."""

    key: str
    status: str
    amount: int
    issue_number: str = ""
    url: str = ""
    kind: str = ""
    failure_code: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class GatewayPayment:
    """A snapshot of one payment as the gateway shows it. Amounts are minor units of `currency`."""

    order_ref: str
    gateway_key: str
    status: str
    raw_status: str
    method: str
    total: int
    balance: int
    currency: str
    test_mode: bool
    refunds: tuple[GatewayRefund, ...] = ()
    requested_at: datetime | None = None
    approved_at: datetime | None = None
    virtual_account: IssuedAccount | None = None
    secret: str = field(default="", repr=False)
    merchant_id: str = ""
    receipt_url: str = ""
    failure: Failure | None = None
    last_tx: str = ""
    vat: int | None = None
    tax_free: int = 0
    partial_cancelable: bool = True
    paid_with: str = ""
    """For receipts: the card's company and masked number, or the bank."""
    dispute: Dispute | None = None
    cash_receipt: CashReceiptSnapshot | None = None
    """Issued in the gateway's own window, and cancelled there together with the payment."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def captured(self) -> int:
        """What the buyer has paid, before refunds."""
        return self.total if self.status in (PAID, PARTIALLY_REFUNDED, REFUND_PENDING, REFUNDED) else 0

    @property
    def refunded(self) -> int:
        return sum(refund.amount for refund in self.refunds if refund.status == "done") if self.captured else 0

    @property
    def consistent(self) -> bool:
        """Whether the refunds explain the balance; if not, a person must look."""
        gone = sum(refund.amount for refund in self.refunds if refund.status != "failed")
        return not self.captured or self.refunded <= self.total - self.balance <= gone


@dataclass(frozen=True, slots=True)
class WebhookHint:
    """Something may have happened. `secret`, when there is one, must equal the payment's stored secret."""

    delivery_id: str
    kind: str
    order_ref: str = ""
    gateway_key: str = ""
    claimed_status: str = ""
    proof: str = PROOF_NONE
    occurred_at: datetime | None = None
    secret: str = field(default="", repr=False)

    def contradicts(self, stored_secret: str) -> bool:
        """Whether the notice carries a secret that is not this payment's."""
        return bool(self.secret) and bool(stored_secret) \
            and not hmac.compare_digest(self.secret.encode(), stored_secret.encode())


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One line of the gateway's daily books; `amount` is negative when money went back."""

    transaction_key: str
    gateway_key: str
    order_ref: str
    raw_status: str
    amount: int
    currency: str
    at: datetime | None
    merchant_id: str = ""


@dataclass(frozen=True, slots=True)
class SettlementLine:
    """What a gateway pays out for one transaction: `payout` = `amount` − `fee` − `vat`, all negative where money went back."""

    transaction_key: str
    gateway_key: str
    order_ref: str
    currency: str
    method: str
    amount: int
    fee: int
    vat: int
    payout: int
    sold_on: date | None
    paid_out_on: date | None


@dataclass(frozen=True, slots=True)
class CredentialCheck:
    ok: bool
    code: str = ""
    message: str = ""
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    methods: frozenset[str]
    signed_webhooks: bool = False
    refund_can_fail_later: bool = False
    refunds: bool = False
    lookup_by_order: bool = False
    needs_script: bool = False
    opens_first: bool = False
    """The gateway must be told of the payment before the buyer goes there (`open`)."""
    refund_account_for: frozenset[str] = frozenset()
    """Methods whose money goes back only to an account that the buyer names."""
    issues_accounts: bool = False
    """Makes a virtual account without its window (`issue_virtual_account`)."""
    cash_receipts: bool = False
    receipts_in_parts: bool = True
    """Whether it takes back a part of a cash receipt; where it doesn't, the rest is issued anew."""
    books: bool = False
    settlements: bool = False
    currencies: frozenset[str] | None = frozenset(["KRW"])
    """None: any."""


class PaymentProvider(Protocol):
    """`key` is the idempotency key of a stored attempt: one key, one body, for ever.

    Calls raise GatewayRefused, GatewayUnknown (GatewayContractError among them) or GatewayMisconfigured;
    one that a provider does not have (`caps`) is absent.
    """

    name: str
    caps: Capabilities

    def open(self, account: GatewayAccount, intent: PaymentIntent, key: str) -> Opened: ...
    def two_step(self, account: GatewayAccount) -> bool: ...
    def create_checkout(self, account: GatewayAccount, intent: PaymentIntent) -> CheckoutInstruction: ...
    def parse_return(self, account: GatewayAccount, query: Mapping[str, str]) -> ReturnHint: ...
    def confirm(self, account: GatewayAccount, intent: PaymentIntent, hint: ReturnHint, key: str) -> GatewayPayment: ...
    def fetch(self, account: GatewayAccount, ref: GatewayRef) -> GatewayPayment | None: ...
    def issue_virtual_account(self, account: GatewayAccount, intent: PaymentIntent, request: VirtualAccountRequest,
                              key: str) -> GatewayPayment: ...
    def cancel(self, account: GatewayAccount, ref: GatewayRef, request: CancelRequest, key: str) -> GatewayPayment: ...
    def parse_webhook(self, account: GatewayAccount, headers: Mapping[str, str], raw: bytes,
                      now: datetime) -> WebhookHint: ...
    def issue_cash_receipt(self, account: GatewayAccount, request: CashReceiptRequest, key: str) -> CashReceiptSnapshot: ...
    def cancel_cash_receipt(self, account: GatewayAccount, receipt_key: str, order_ref: str, amount: int | None,
                            key: str) -> CashReceiptSnapshot: ...
    def fetch_cash_receipt(self, account: GatewayAccount, receipt_key: str, order_ref: str) -> CashReceiptSnapshot | None: ...
    def list_settlements(self, account: GatewayAccount, start: date, end: date) -> Iterator[SettlementLine]: ...
    def list_transactions(self, account: GatewayAccount, start: datetime, end: datetime) -> Iterator[LedgerEntry]: ...
    def check_credentials(self, account: GatewayAccount) -> CredentialCheck: ...
