"""One participant of one event, and the moves a registration may make."""
from datetime import datetime

from sqlalchemy import CheckConstraint, Computed, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from eventapp.models.base import Base, Id, Tenant, belongs_to, many, one


class Status:
    DRAFT, PENDING_APPROVAL, PENDING_PAYMENT, CONFIRMED, REJECTED, EXPIRED, CANCELLED = ALL = (
        "draft", "pending_approval", "pending_payment", "confirmed", "rejected", "expired", "cancelled")


LEGAL_MOVES = {
    (Status.DRAFT, Status.PENDING_APPROVAL), (Status.DRAFT, Status.PENDING_PAYMENT), (Status.DRAFT, Status.CONFIRMED),
    (Status.DRAFT, Status.CANCELLED),
    (Status.PENDING_APPROVAL, Status.PENDING_PAYMENT), (Status.PENDING_APPROVAL, Status.CONFIRMED),
    (Status.PENDING_APPROVAL, Status.REJECTED), (Status.PENDING_APPROVAL, Status.CANCELLED),
    (Status.PENDING_PAYMENT, Status.PENDING_APPROVAL), (Status.PENDING_PAYMENT, Status.CONFIRMED),
    (Status.PENDING_PAYMENT, Status.EXPIRED), (Status.PENDING_PAYMENT, Status.CANCELLED),
    (Status.CONFIRMED, Status.CANCELLED),
    # The bank takes a deposit back: the money is awaited again.
    (Status.CONFIRMED, Status.PENDING_PAYMENT),
    # Money that arrives late takes the place again when there is one.
    (Status.EXPIRED, Status.PENDING_PAYMENT),
}
MOVES_BACK = {
    (Status.PENDING_PAYMENT, Status.PENDING_APPROVAL), (Status.CONFIRMED, Status.PENDING_APPROVAL),
    (Status.CONFIRMED, Status.PENDING_PAYMENT), (Status.REJECTED, Status.PENDING_APPROVAL),
    (Status.CANCELLED, Status.PENDING_APPROVAL), (Status.CANCELLED, Status.PENDING_PAYMENT), (Status.CANCELLED, Status.CONFIRMED),
    (Status.EXPIRED, Status.PENDING_APPROVAL),
}
"""Legal only when staff take back what they have just done (`domain/bulk.py`)."""

FACETS = ["status", "paid_at", "method"]


class Registration(Tenant, Base):
    __tablename__ = "registrations"
    __table_args__ = (
        belongs_to("orders", "order_id"), belongs_to("events", "event_id"),
        UniqueConstraint("org_id", "number"),
        CheckConstraint(f"status IN {Status.ALL}", name="status"),
        Index("registrations_order_idx", "org_id", "order_id"),
        Index("registrations_event_idx", "org_id", "event_id", "status", "id"),
        Index("registrations_newest_idx", "org_id", "event_id", "id"),
        # The desk's headings: a page in the middle is read off an index, whatever its number, with what is most often filtered by.
        Index("registrations_name_idx", "org_id", "event_id", "name", "id", postgresql_include=FACETS),
        Index("registrations_email_idx", "org_id", "event_id", "email", "id", postgresql_include=FACETS),
        Index("registrations_phone_idx", "org_id", "event_id", "phone", "id"),
        Index("registrations_numbers_idx", "org_id", "event_id", "number", "id"),
        Index("registrations_created_idx", "org_id", "event_id", "created_at", "id", postgresql_include=[*FACETS, "search"]),
        Index("registrations_paid_idx", "org_id", "event_id", "paid_at", "id"),
        Index("registrations_sold_idx", "org_id", "event_id", "sold", "id"),
        Index("registrations_method_idx", "org_id", "event_id", "method", "id"),
    )

    order_id: Mapped[Id]
    event_id: Mapped[Id]
    position: Mapped[int] = mapped_column(default=1)
    code: Mapped[str]
    number: Mapped[str] = mapped_column(Computed("code || '-' || readable(id)", persisted=True))
    status: Mapped[str]
    paid_at: Mapped[datetime | None]
    """When the money was first whole; emptied when the bank takes it back. How much came stands in the ledger."""
    holds: Mapped[bool] = mapped_column(Computed(
        "status IN ('pending_payment', 'confirmed') OR (status = 'pending_approval' AND paid_at IS NOT NULL)", persisted=True))
    """Whether it holds its places."""
    name: Mapped[str]
    email: Mapped[str] = mapped_column(default="")
    phone: Mapped[str] = mapped_column(default="")
    locale: Mapped[str]
    answers: Mapped[dict] = mapped_column(default=dict)
    tags: Mapped[list[str]] = mapped_column(default=list)
    ticket_version: Mapped[int] = mapped_column(default=1)
    confirmed_at: Mapped[datetime | None]
    approved_at: Mapped[datetime | None]
    """When staff said yes, where somebody has to be asked: money that comes afterwards needs no second yes."""
    status_reason: Mapped[str] = mapped_column(default="")
    """Why it was rejected, cancelled or flagged for a person."""
    note: Mapped[str] = mapped_column(default="")
    """Of the staff, for the staff."""
    flag: Mapped[str] = mapped_column(default="")
    """A few words that the door shows in large letters."""
    search: Mapped[str] = mapped_column(Computed(
        "lower(name || chr(10) || email || chr(10) || phone || chr(10) || code || '-' || readable(id))", persisted=True))
    """What the desk's search looks through, in small letters."""
    # Kept by triggers, so that the desk filters and sorts a hundred thousand rows without a join; nobody else writes them.
    method: Mapped[str] = mapped_column(server_default="")
    """Of its order."""
    programs: Mapped[list[str]] = mapped_column(server_default="{}")
    """Codes of what was sold to it."""
    sold: Mapped[int] = mapped_column(server_default="0")
    """Minor units: the sum of its line items."""

    order = one("Registration", "order_id", "Order", back_populates="registrations")
    event = one("Registration", "event_id", "Event", viewonly=True)
    line_items = many("Registration", "LineItem", "registration_id", order_by="LineItem.id", back_populates="registration")

    @property
    def total(self) -> int:
        return sum(item.amount for item in self.line_items)


class LineItem(Tenant, Base):
    """A program as sold: name and unit price of that day stay with it."""

    __tablename__ = "line_items"
    __table_args__ = (
        belongs_to("registrations", "registration_id", ondelete="CASCADE"), belongs_to("programs", "program_id"),
        CheckConstraint("quantity > 0", name="quantity"), CheckConstraint("unit_price >= 0", name="price"),
        Index("line_items_registration_idx", "org_id", "registration_id"),
        Index("line_items_program_idx", "org_id", "program_id"),
    )

    registration_id: Mapped[Id]
    program_id: Mapped[Id]
    name: Mapped[dict]
    tier: Mapped[dict] = mapped_column(default=dict)
    quantity: Mapped[int] = mapped_column(default=1)
    unit_price: Mapped[int]
    tax_free: Mapped[bool] = mapped_column(default=False)

    registration = one("LineItem", "registration_id", "Registration", back_populates="line_items")
    program = one("LineItem", "program_id", "Program", viewonly=True)

    @property
    def amount(self) -> int:
        return self.quantity * self.unit_price


class Consent(Tenant, Base):
    """What a person agreed to or refused: which text, in which version, when. A withdrawal is a new row."""

    __tablename__ = "consents"
    __table_args__ = (belongs_to("registrations", "registration_id", ondelete="CASCADE"),
                      Index("consents_registration_idx", "org_id", "registration_id"))

    registration_id: Mapped[Id]
    key: Mapped[str]
    purpose: Mapped[str]
    version: Mapped[str]
    text_hash: Mapped[str]
    given: Mapped[bool]
