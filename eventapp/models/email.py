"""Every letter that was written: to whom, what it said, whether it went."""
from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from eventapp.models.base import Base, Id, Tenant, belongs_to


class EmailMessage(Tenant, Base):
    __tablename__ = "email_messages"
    __table_args__ = (
        belongs_to("orders", "order_id"), belongs_to("registrations", "registration_id"),
        UniqueConstraint("org_id", "key"),
        CheckConstraint("state IN ('written', 'sent', 'failed')", name="state"),
        Index("email_messages_order_idx", "org_id", "order_id"),
        Index("email_messages_failed_idx", "org_id", "created_at", postgresql_where=text("state = 'failed'")),
    )

    key: Mapped[str]
    """What it is about, once: the outbox's dedupe key, and the Message-ID."""
    kind: Mapped[str]
    locale: Mapped[str]
    recipient: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]
    """The plain text part, for staff to read."""
    order_id: Mapped[Id | None]
    registration_id: Mapped[Id | None]
    state: Mapped[str] = mapped_column(default="written")
    error: Mapped[str] = mapped_column(default="")
    sent_at: Mapped[datetime | None]
