"""Money: whose gateway account, what was asked of the gateway, what it said, and the ledger of every movement."""
from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.orm import Mapped, mapped_column

from eventapp.models.base import Base, Id, Tenant, belongs_to, many, one

PAYMENT_STATUSES = ("created", "pending", "authorized", "awaiting_deposit", "paid", "partially_refunded", "refund_pending",
                    "refunded", "voided", "failed", "expired")


class GatewayAccount(Tenant, Base):
    """An organisation's own contract with a gateway; secrets are encrypted for this row alone."""

    __tablename__ = "gateway_accounts"
    __table_args__ = (UniqueConstraint("org_id", "provider", "mode", "purpose", "name"),
                      CheckConstraint("mode IN ('test', 'live')", name="mode"))

    provider: Mapped[str]
    name: Mapped[str] = mapped_column(default="")
    """Where an organisation has several at one gateway: what staff call it."""
    mode: Mapped[str] = mapped_column(default="test")
    purpose: Mapped[str] = mapped_column(default="one_off")
    client_key: Mapped[str] = mapped_column(default="")
    secret_key: Mapped[bytes | None] = mapped_column(BYTEA)
    previous_secret_key: Mapped[bytes | None] = mapped_column(BYTEA)
    secret_hint: Mapped[str] = mapped_column(default="")
    """What may be shown of the secret key: test_sk_••••1234."""
    webhook_secret: Mapped[bytes | None] = mapped_column(BYTEA)
    """Where the gateway signs its notices (PortOne, Stripe); of Toss the security key of its payouts' notices."""
    previous_webhook_secret: Mapped[bytes | None] = mapped_column(BYTEA)
    previous_until: Mapped[datetime | None]
    """Until when what was valid before a change of keys is kept and tried."""
    public: Mapped[dict] = mapped_column(default=dict)
    """Settings that may be shown. PortOne: store_id, channel_key, approval ("manual" or "automatic")."""
    for_all_events: Mapped[bool] = mapped_column(default=True)
    """Whether events that have chosen no account of their own take money through it."""
    enabled: Mapped[bool] = mapped_column(default=True)
    """Whether somebody has switched it on; a live one only after its check, a notice and the seller's particulars."""
    checked_at: Mapped[datetime | None]
    """When its keys were last tried."""
    books_read_until: Mapped[datetime | None]
    """Up to when the gateway's books were compared with ours."""
    webhook_token: Mapped[str]
    last_webhook_at: Mapped[datetime | None]
    unhealthy: Mapped[str] = mapped_column(default="")
    """Why it can't be used (a code of the gateway); empty when it can."""


class PaymentRoute(Base):
    """Global: to whom a gateway's order id or a webhook address belongs."""

    __tablename__ = "payment_routes"

    key: Mapped[str] = mapped_column(primary_key=True)
    """`order:<gateway order id>` or `webhook:<token>`."""
    org_id: Mapped[Id]
    id: Mapped[Id]
    """Of the payment, or of the gateway account."""


class Payment(Tenant, Base):
    """One gateway order id. `status` is what the gateway last said; what counts as paid stands in the ledger."""

    __tablename__ = "payments"
    __table_args__ = (
        belongs_to("orders", "order_id"), belongs_to("gateway_accounts", "account_id"),
        UniqueConstraint("org_id", "gateway_order_id"), UniqueConstraint("org_id", "account_id", "gateway_key"),
        CheckConstraint(f"status IN {PAYMENT_STATUSES}", name="status"),
        CheckConstraint("amount > 0", name="amount"),
        Index("payments_order_idx", "org_id", "order_id"), Index("payments_newest_idx", "org_id", "created_at", "id"),
        Index("payments_problem_idx", "org_id", "id", postgresql_where=text("problem IS NOT NULL")),
        Index("payments_open_idx", "org_id", "status", "created_at",
              postgresql_where=text("status IN ('created', 'pending', 'authorized', 'awaiting_deposit', 'refund_pending')")),
    )

    order_id: Mapped[Id]
    account_id: Mapped[Id | None]
    provider: Mapped[str]
    method: Mapped[str]
    gateway_order_id: Mapped[str]
    gateway_key: Mapped[str | None]
    customer_key: Mapped[str] = mapped_column(default="")
    amount: Mapped[int]
    currency: Mapped[str]
    status: Mapped[str] = mapped_column(default="created")
    balance: Mapped[int] = mapped_column(default=0)
    """What could still be given back, as the gateway says."""
    secret: Mapped[bytes | None] = mapped_column(BYTEA)
    virtual_account: Mapped[dict | None]
    """{"bank", "number", "holder"}: where the buyer sends the money."""
    due_at: Mapped[datetime | None]
    last_tx: Mapped[str] = mapped_column(default="")
    receipt_url: Mapped[str] = mapped_column(default="")
    failure_code: Mapped[str] = mapped_column(default="")
    tax_free: Mapped[int] = mapped_column(default=0)
    """Of the amount: what bears no VAT."""
    vat: Mapped[int | None]
    """As the gateway booked it, once known; its rounding may differ from ours by one."""
    checkout_url: Mapped[str] = mapped_column(default="")
    """Where the buyer is sent, at a gateway whose page we must order first (Stripe)."""
    paid_with: Mapped[str] = mapped_column(default="")
    """For receipts: the card's company and masked number, or the bank."""
    dispute: Mapped[dict | None]
    """While a card holder contests it at the gateway: {"id", "status", "reason", "amount"}; refunds rest meanwhile."""
    problem: Mapped[dict | None]
    """A difference that waits for a person: {"kind", "expected", "found"}."""
    approved_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]

    order = one("Payment", "order_id", "Order", back_populates="payments")
    account = one("Payment", "account_id", "GatewayAccount", viewonly=True)
    attempts = many("Payment", "PaymentAttempt", "payment_id", order_by="PaymentAttempt.id", back_populates="payment")


OPERATIONS = ("open", "confirm", "look", "issue", "cancel", "receipt_issue", "receipt_cancel")


class PaymentAttempt(Tenant, Base):
    """One question to the gateway with its idempotency key, written down and committed before it is asked."""

    __tablename__ = "payment_attempts"
    __table_args__ = (
        belongs_to("payments", "payment_id"),
        UniqueConstraint("org_id", "idempotency_key"),
        CheckConstraint(f"operation IN {OPERATIONS}", name="operation"),
        CheckConstraint("state IN ('prepared', 'sent', 'succeeded', 'refused', 'unknown')", name="state"),
        Index("payment_attempts_one_open_idx", "org_id", "payment_id", "operation", unique=True,
              postgresql_where=text("state IN ('prepared', 'sent', 'unknown')")),
    )

    payment_id: Mapped[Id]
    operation: Mapped[str]
    idempotency_key: Mapped[str]
    request: Mapped[dict]
    """The exact body: a repeat with the same key sends the same."""
    state: Mapped[str] = mapped_column(default="prepared")
    tries: Mapped[int] = mapped_column(default=0)
    code: Mapped[str] = mapped_column(default="")
    sent_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    payment = one("PaymentAttempt", "payment_id", "Payment", back_populates="attempts")


class Refund(Tenant, Base):
    """Money given back, ours or made in the gateway's own pages (`external`)."""

    __tablename__ = "refunds"
    __table_args__ = (
        belongs_to("payments", "payment_id"),
        UniqueConstraint("org_id", "payment_id", "transaction_key"),
        CheckConstraint("state IN ('requested', 'needs_account', 'to_pay', 'done', 'failed')", name="state"),
        CheckConstraint("route IN ('gateway', 'transfer')", name="route"), CheckConstraint("amount > 0", name="amount"),
        Index("refunds_payment_idx", "org_id", "payment_id"),
        Index("refunds_open_idx", "org_id", "state", "id", postgresql_where=text("state IN ('requested', 'needs_account', 'to_pay', 'failed')")),
    )

    payment_id: Mapped[Id]
    amount: Mapped[int]
    reason: Mapped[str]
    state: Mapped[str] = mapped_column(default="requested")
    """requested (the gateway is being asked), needs_account (the buyer must say where to), to_pay (staff transfer it by hand),
    done, failed."""
    route: Mapped[str] = mapped_column(default="gateway")
    """gateway, or transfer: staff send it from the organisation's bank account."""
    lines: Mapped[list] = mapped_column(default=list)
    """What it is for: [{"line_item", "registration", "name", "tax_free", "amount", "kept"}], the line item's as it was; empty where nobody can say."""
    kept: Mapped[int] = mapped_column(default=0)
    """What the organisation keeps by its rules, beside the amount that goes back."""
    by: Mapped[str] = mapped_column(default="")
    """Who asked for it: "user:5", "buyer:7", "system:"."""
    account: Mapped[bytes | None] = mapped_column(BYTEA)
    """Where it goes: encrypted JSON {"bank", "number", "holder"}; erased once it is done."""
    account_hint: Mapped[str] = mapped_column(default="")
    """What may be shown of it: the bank's name of ours and the last four digits."""
    failure_code: Mapped[str] = mapped_column(default="")
    repeated: Mapped[bool] = mapped_column(default=False)
    """It failed, and another one was begun in its stead."""
    external: Mapped[bool] = mapped_column(default=False)
    transaction_key: Mapped[str | None]
    done_at: Mapped[datetime | None]


ACCOUNTS = ("receivable", "sales", "gateway", "bank")


class LedgerEntry(Tenant, Base):
    """One movement of money: `amount` from the credit to the debit side. Written once, never changed.

    charged   receivable ← sales        the buyer owes what was sold
    released  sales ← receivable        it was not paid, or is no longer owed
    paid      gateway|bank ← receivable the money came
    refunded  receivable ← gateway|bank it went back
    returned  gateway|bank ← receivable a refund did not arrive and came back
    reversed  receivable ← gateway      the bank took a deposit back
    kept      receivable ← sales        the organisation keeps a part of what was cancelled, by its rules
    forgiven  sales ← receivable        it does not keep it after all
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        belongs_to("orders", "order_id"), belongs_to("payments", "payment_id"),
        UniqueConstraint("org_id", "order_id", "kind", "transaction_key"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("kind IN ('charged', 'released', 'paid', 'refunded', 'returned', 'reversed', 'kept', 'forgiven')", name="kind"),
        CheckConstraint(f"debit IN {ACCOUNTS} AND credit IN {ACCOUNTS} AND debit <> credit", name="accounts"),
        Index("ledger_entries_payment_idx", "org_id", "payment_id", postgresql_where=text("payment_id IS NOT NULL")),
        Index("ledger_entries_money_idx", "org_id", "created_at", "id", postgresql_where=text("payment_id IS NOT NULL")),
    )

    order_id: Mapped[Id]
    payment_id: Mapped[Id | None]
    kind: Mapped[str]
    transaction_key: Mapped[str]
    """What makes it unique: the gateway's transaction, or our own reason."""
    debit: Mapped[str]
    credit: Mapped[str]
    amount: Mapped[int]
    currency: Mapped[str]


class WebhookEvent(Tenant, Base):
    """A gateway's call as it came in, how it was proven, and what became of it."""

    __tablename__ = "webhook_events"
    __table_args__ = (
        belongs_to("gateway_accounts", "account_id"),
        UniqueConstraint("org_id", "account_id", "delivery_id"),
        CheckConstraint("state IN ('received', 'applied', 'ignored', 'orphan', 'wrong_account', 'rejected')", name="state"),
        Index("webhook_events_newest_idx", "org_id", "created_at", "id"),
        Index("webhook_events_order_idx", "org_id", "account_id", "order_ref"),
        Index("webhook_events_received_idx", "org_id", "created_at", postgresql_where=text("state = 'received'")),
    )

    account_id: Mapped[Id]
    delivery_id: Mapped[str]
    headers: Mapped[dict]
    body: Mapped[bytes] = mapped_column(BYTEA)
    order_ref: Mapped[str] = mapped_column(default="")
    """The gateway order id it claims to be about: one question to the gateway answers all of the same."""
    gateway_key: Mapped[str] = mapped_column(default="")
    """The gateway's own name of the payment, where it says that instead."""
    proof: Mapped[str] = mapped_column(default="none")
    """signature, secret, refetch or none; nothing below refetch changes anything."""
    state: Mapped[str] = mapped_column(default="received")
    note: Mapped[str] = mapped_column(default="")
    kind: Mapped[str] = mapped_column(default="")
    """What it says has happened, in our words (`payments/provider.py`)."""
    payment_id: Mapped[Id | None]
    """Of ours, once it was found."""
    handled_at: Mapped[datetime | None]


class CashReceipt(Tenant, Base):
    """현금영수증: asked for by the buyer, issued through the gateway once the money is there, reduced and cancelled with refunds."""

    __tablename__ = "cash_receipts"
    __table_args__ = (
        belongs_to("orders", "order_id"), belongs_to("payments", "payment_id"),
        UniqueConstraint("org_id", "receipt_key"),
        CheckConstraint("kind IN ('deduction', 'expense', 'unasked')", name="kind"),
        CheckConstraint("state IN ('wanted', 'issuing', 'issued', 'failed', 'cancelling', 'cancelled', 'dropped')", name="state"),
        CheckConstraint("amount >= 0 AND 0 <= cancelled AND cancelled <= amount", name="amount"),
        Index("cash_receipts_order_idx", "org_id", "order_id"),
        Index("cash_receipts_open_idx", "org_id", "state", "id", postgresql_where=text("state IN ('wanted', 'issuing', 'failed', 'cancelling')")),
    )

    order_id: Mapped[Id]
    payment_id: Mapped[Id | None]
    kind: Mapped[str]
    """deduction (소득공제: a phone number), expense (지출증빙: a business number), unasked (자진발급)."""
    identity: Mapped[bytes | None] = mapped_column(BYTEA)
    """The number it is issued to, encrypted; erased when nothing more is to be done with it."""
    identity_hint: Mapped[str] = mapped_column(default="")
    amount: Mapped[int] = mapped_column(default=0)
    cancelled: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(default="wanted")
    linked: Mapped[bool] = mapped_column(default=False)
    """Issued in the gateway's own window: it is cancelled there together with the payment."""
    receipt_key: Mapped[str | None]
    cancel_key: Mapped[str] = mapped_column(default="")
    """Of a cancellation that the tax office has not taken yet."""
    issue_number: Mapped[str] = mapped_column(default="")
    url: Mapped[str] = mapped_column(default="")
    failure_code: Mapped[str] = mapped_column(default="")
    issued_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]


class DocumentSeries(Tenant, Base):
    """The last number given in a series of documents: its lock keeps the numbers without gaps."""

    __tablename__ = "document_series"
    __table_args__ = (UniqueConstraint("org_id", "name"), CheckConstraint("last >= 0", name="last"))

    name: Mapped[str]
    """R2026: receipts of that year; C2026: credit notes."""
    last: Mapped[int] = mapped_column(default=0)


class Document(Tenant, Base):
    """A receipt, or the note of money that went back: one for each movement in the ledger. Written once, never changed."""

    __tablename__ = "documents"
    __table_args__ = (
        belongs_to("orders", "order_id"), belongs_to("payments", "payment_id"), belongs_to("refunds", "refund_id"),
        belongs_to("ledger_entries", "entry_id"),
        UniqueConstraint("org_id", "series", "number"), UniqueConstraint("org_id", "entry_id"),
        CheckConstraint("kind IN ('receipt', 'refund')", name="kind"), CheckConstraint("number > 0", name="number"),
        CheckConstraint("0 <= tax_free AND 0 <= vat AND tax_free + vat <= amount", name="amount"),
        Index("documents_order_idx", "org_id", "order_id"), Index("documents_newest_idx", "org_id", "created_at", "id"),
    )

    kind: Mapped[str]
    series: Mapped[str]
    number: Mapped[int]
    order_id: Mapped[Id]
    payment_id: Mapped[Id]
    refund_id: Mapped[Id | None]
    """None for a receipt, and for a deposit that the bank took back."""
    entry_id: Mapped[Id]
    """The movement of money that it proves."""
    amount: Mapped[int]
    tax_free: Mapped[int]
    vat: Mapped[int]
    currency: Mapped[str]
    content: Mapped[dict] = mapped_column(default=dict)
    """Everything it says, in every language there was: nothing is looked up when it is printed once more."""

    @property
    def name(self) -> str:
        """R2026-000123"""
        return f"{self.series}-{self.number:06}"

    @property
    def supply(self) -> int:
        """What the VAT was reckoned on."""
        return self.amount - self.tax_free - self.vat


class Settlement(Tenant, Base):
    """What the gateway says that it pays out for one transaction, and what it keeps of it."""

    __tablename__ = "settlements"
    __table_args__ = (
        belongs_to("gateway_accounts", "account_id"), belongs_to("payments", "payment_id"),
        UniqueConstraint("org_id", "account_id", "transaction_key"),
        Index("settlements_payment_idx", "org_id", "payment_id"), Index("settlements_paid_out_idx", "org_id", "paid_out_on"),
    )

    account_id: Mapped[Id]
    payment_id: Mapped[Id | None]
    transaction_key: Mapped[str]
    gateway_order_id: Mapped[str] = mapped_column(default="")
    method: Mapped[str] = mapped_column(default="")
    currency: Mapped[str]
    amount: Mapped[int]
    """Negative where money went back; so are the others then."""
    fee: Mapped[int]
    vat: Mapped[int]
    """On the fee."""
    payout: Mapped[int]
    sold_on: Mapped[date | None]
    paid_out_on: Mapped[date | None]


class BookDifference(Tenant, Base):
    """Something that stands otherwise in the gateway's books than in ours: found at night, settled by a person."""

    __tablename__ = "book_differences"
    __table_args__ = (
        belongs_to("gateway_accounts", "account_id"), belongs_to("payments", "payment_id"),
        UniqueConstraint("org_id", "account_id", "kind", "transaction_key"),
        CheckConstraint("kind IN ('missing_here', 'missing_there', 'amount')", name="kind"),
        Index("book_differences_open_idx", "org_id", "id", postgresql_where=text("settled_at IS NULL")),
    )

    account_id: Mapped[Id]
    payment_id: Mapped[Id | None]
    kind: Mapped[str]
    transaction_key: Mapped[str]
    gateway_order_id: Mapped[str] = mapped_column(default="")
    currency: Mapped[str]
    ours: Mapped[int | None]
    theirs: Mapped[int | None]
    happened_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    settled_by: Mapped[Id | None]
    note: Mapped[str] = mapped_column(default="")


class BankLine(Tenant, Base):
    """A deposit on the organisation's own account, as the bank's statement shows it: matched with a payment by a person."""

    __tablename__ = "bank_lines"
    __table_args__ = (
        belongs_to("payments", "payment_id"), UniqueConstraint("org_id", "key"),
        CheckConstraint("state IN ('open', 'matched', 'ignored')", name="state"), CheckConstraint("amount > 0", name="amount"),
        Index("bank_lines_state_idx", "org_id", "state", "day", "id"), Index("bank_lines_payment_idx", "org_id", "payment_id"),
    )

    key: Mapped[str]
    """What the line says, and which of those that say the same it is: brought in twice, it is there once."""
    day: Mapped[date]
    time: Mapped[str] = mapped_column(default="")
    """HH:MM or HH:MM:SS, where the statement says it."""
    amount: Mapped[int]
    currency: Mapped[str]
    depositor: Mapped[str] = mapped_column(default="")
    """As the bank prints it: often cut off, or somebody else's than the buyer's."""
    memo: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default="open")
    payment_id: Mapped[Id | None]
    brought_by: Mapped[Id]
    settled_by: Mapped[Id | None]
    settled_at: Mapped[datetime | None]
