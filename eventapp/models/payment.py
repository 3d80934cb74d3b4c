"""Money: whose gateway account, what was asked of the gateway, what it said, and the ledger of every movement."""
from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.orm import Mapped, mapped_column

from eventapp.models.base import Base, Id, Tenant, belongs_to, many, one

PAYMENT_STATUSES = ("created", "pending", "authorized", "awaiting_deposit", "paid", "partially_refunded", "refund_pending",
                    "refunded", "voided", "failed", "expired")


class GatewayAccount(Tenant, Base):
    """An organisation's own contract with a gateway; secrets are encrypted for this row alone."""

    __tablename__ = "gateway_accounts"
    __table_args__ = (UniqueConstraint("org_id", "provider", "mode", "purpose"),
                      CheckConstraint("mode IN ('test', 'live')", name="mode"))

    provider: Mapped[str]
    mode: Mapped[str] = mapped_column(default="test")
    purpose: Mapped[str] = mapped_column(default="one_off")
    client_key: Mapped[str] = mapped_column(default="")
    secret_key: Mapped[bytes | None] = mapped_column(BYTEA)
    previous_secret_key: Mapped[bytes | None] = mapped_column(BYTEA)
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
        Index("payments_order_idx", "org_id", "order_id"),
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
    problem: Mapped[dict | None]
    """A difference that waits for a person: {"kind", "expected", "found"}."""
    approved_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]

    order = one("Payment", "order_id", "Order", back_populates="payments")
    account = one("Payment", "account_id", "GatewayAccount", viewonly=True)
    attempts = many("Payment", "PaymentAttempt", "payment_id", order_by="PaymentAttempt.id", back_populates="payment")


class PaymentAttempt(Tenant, Base):
    """One question to the gateway with its idempotency key, written down and committed before it is asked."""

    __tablename__ = "payment_attempts"
    __table_args__ = (
        belongs_to("payments", "payment_id"),
        UniqueConstraint("org_id", "idempotency_key"),
        CheckConstraint("operation IN ('confirm', 'cancel', 'issue')", name="operation"),
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
        CheckConstraint("state IN ('requested', 'done', 'failed')", name="state"), CheckConstraint("amount > 0", name="amount"),
    )

    payment_id: Mapped[Id]
    amount: Mapped[int]
    reason: Mapped[str]
    state: Mapped[str] = mapped_column(default="requested")
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
    reversed  receivable ← gateway      the bank took a deposit back
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        belongs_to("orders", "order_id"), belongs_to("payments", "payment_id"),
        UniqueConstraint("org_id", "order_id", "kind", "transaction_key"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("kind IN ('charged', 'released', 'paid', 'refunded', 'reversed')", name="kind"),
        CheckConstraint(f"debit IN {ACCOUNTS} AND credit IN {ACCOUNTS} AND debit <> credit", name="accounts"),
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
        CheckConstraint("state IN ('received', 'applied', 'ignored', 'orphan', 'rejected')", name="state"),
        Index("webhook_events_order_idx", "org_id", "account_id", "order_ref"),
        Index("webhook_events_received_idx", "org_id", "created_at", postgresql_where=text("state = 'received'")),
    )

    account_id: Mapped[Id]
    delivery_id: Mapped[str]
    headers: Mapped[dict]
    body: Mapped[bytes] = mapped_column(BYTEA)
    order_ref: Mapped[str] = mapped_column(default="")
    """The gateway order id it claims to be about: one question to the gateway answers all of the same."""
    proof: Mapped[str] = mapped_column(default="none")
    """signature, secret, refetch or none; nothing below refetch changes anything."""
    state: Mapped[str] = mapped_column(default="received")
    note: Mapped[str] = mapped_column(default="")
    handled_at: Mapped[datetime | None]
