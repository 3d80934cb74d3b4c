"""One buyer, one currency, one link; what was bought stands in its registrations' line items."""
from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from eventapp.models.base import Base, Id, Tenant, belongs_to, many, one


class Order(Tenant, Base):
    __tablename__ = "orders"
    __table_args__ = (
        belongs_to("events", "event_id"),
        UniqueConstraint("org_id", "submission"),
        CheckConstraint("total >= 0", name="total"),
        Index("orders_event_idx", "org_id", "event_id"),
        Index("orders_email_idx", "org_id", "email"),
        Index("orders_browser_idx", "org_id", "browser"),
        Index("orders_hold_idx", "org_id", "hold_until", postgresql_where="hold_until IS NOT NULL"),
    )

    event_id: Mapped[Id]
    submission: Mapped[str]
    """The form's hidden id: posted twice it makes one order."""
    token_version: Mapped[int] = mapped_column(default=1)
    name: Mapped[str]
    email: Mapped[str]
    phone: Mapped[str] = mapped_column(default="")
    locale: Mapped[str]
    currency: Mapped[str]
    total: Mapped[int]
    """Minor units, as sold; what is owed is the ledger's sum."""
    method: Mapped[str]
    answers: Mapped[dict] = mapped_column(default=dict)
    """To the questions asked once per order."""
    form_version: Mapped[int]
    refund_terms: Mapped[dict] = mapped_column(default=dict)
    """What the buyer agreed to: {"rules": as the event's then, "text": as it was shown, "locale", "at": ISO 8601}."""
    hold_until: Mapped[datetime | None]
    """When the places fall free unless the money comes."""
    user_id: Mapped[Id | None]
    browser: Mapped[str] = mapped_column(default="")
    """A hash of the browser's own random id: a browser has three open orders at most."""

    event = one("Order", "event_id", "Event", viewonly=True)
    registrations = many("Order", "Registration", "order_id", order_by="Registration.position", back_populates="order")
    payments = many("Order", "Payment", "order_id", order_by="Payment.id", back_populates="order")
