"""An event and its schedule."""
from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.orm import Mapped, mapped_column

from eventapp.models.base import Base, Id, Localized, Tenant, belongs_to, many

STATUSES = ("draft", "published", "closed", "cancelled", "archived")
METHODS = ("card", "bank_transfer", "virtual_account", "mobile", "manual_transfer", "cash", "free")


class Event(Tenant, Base):
    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("org_id", "slug"),
        CheckConstraint(f"status IN {STATUSES}", name="status"),
        CheckConstraint("visibility IN ('public', 'unlisted')", name="visibility"),
        CheckConstraint("approval IN ('none', 'before_payment', 'after_payment')", name="approval"),
        CheckConstraint("ends_at >= starts_at", name="dates"),
        belongs_to("gateway_accounts", "gateway_account_id"),
    )

    slug: Mapped[str]
    code: Mapped[str]
    """Before the dash of the numbers people read: WMC26-7K3Q9."""
    title: Mapped[Localized]
    summary: Mapped[Localized] = mapped_column(default=dict)
    description: Mapped[Localized] = mapped_column(default=dict)
    """Markdown."""
    faq: Mapped[list] = mapped_column(default=list)
    """[{"question": Localized, "answer": Localized}]"""
    venue: Mapped[dict] = mapped_column(default=dict)
    """{"name": Localized, "address": Localized, "map_url": str}; empty for an event online."""
    online_url: Mapped[str] = mapped_column(default="")
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    timezone: Mapped[str]
    registration_opens_at: Mapped[datetime | None]
    registration_closes_at: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(default="draft")
    visibility: Mapped[str] = mapped_column(default="public")
    approval: Mapped[str] = mapped_column(default="none")
    languages: Mapped[list[str]] = mapped_column(default=lambda: ["ko", "en"])
    currency: Mapped[str] = mapped_column(default="KRW")
    methods: Mapped[list[str]] = mapped_column(default=list)
    """Of METHODS, the first is chosen already; `free` needs no listing, and `cash` is taken by staff alone."""
    transfer_days: Mapped[int] = mapped_column(default=3)
    """How long a manual transfer or a virtual account may take."""
    offer_days: Mapped[int] = mapped_column(default=7)
    """How long somebody who was approved has got to pay."""
    cancellable_until: Mapped[datetime | None]
    """Until when a participant may cancel by themselves; never when empty."""
    refund_rules: Mapped[dict] = mapped_column(default=dict)
    """What goes back when somebody cancels: {"tiers": [{"days": whole days before it begins, "percent": 0-100, "fee": minor
    units a participant}], most days first, "note": Localized}. Empty: all of it, while one may cancel."""
    gateway_account_id: Mapped[Id | None]
    """The account its money goes through; the organisation's where empty."""
    max_participants: Mapped[int] = mapped_column(default=60)
    """In one order."""
    cover: Mapped[str] = mapped_column(default="")
    contact_email: Mapped[str] = mapped_column(default="")
    ticket_key: Mapped[bytes | None] = mapped_column(BYTEA)
    """Ed25519 private key of the codes on its tickets, encrypted."""
    ticket_public_key: Mapped[bytes | None] = mapped_column(BYTEA)

    sessions = many("Event", "EventSession", "event_id", order_by="EventSession.starts_at", viewonly=True)
    programs = many("Event", "Program", "event_id", order_by="Program.position", viewonly=True)
    quotas = many("Event", "Quota", "event_id", order_by="Quota.id", viewonly=True)

    def registration_state(self, now: datetime) -> str:
        """open | not_yet | closed | cancelled | draft: whether people may register, apart from places left."""
        if self.status in ("draft", "cancelled"):
            return self.status
        if self.status != "published" or now >= (self.registration_closes_at or self.ends_at):
            return "closed"
        if self.registration_opens_at and now < self.registration_opens_at:
            return "not_yet"
        return "open"


class EventSession(Tenant, Base):
    """One line of the schedule."""

    __tablename__ = "event_sessions"
    __table_args__ = (belongs_to("events", "event_id", ondelete="CASCADE"),
                      Index("event_sessions_event_idx", "org_id", "event_id", "starts_at"))

    event_id: Mapped[Id]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    title: Mapped[Localized]
    room: Mapped[Localized] = mapped_column(default=dict)
    speaker: Mapped[Localized] = mapped_column(default=dict)


class EventDirectory(Base):
    """Global: the published, public events that the landing page lists. A trigger on `events` keeps it."""

    __tablename__ = "event_directory"

    org_id: Mapped[Id] = mapped_column(primary_key=True)
    event_id: Mapped[Id] = mapped_column(primary_key=True)
    slug: Mapped[str]
    title: Mapped[Localized]
    summary: Mapped[Localized]
    venue: Mapped[dict]
    cover: Mapped[str]
    starts_at: Mapped[datetime] = mapped_column(index=True)
    ends_at: Mapped[datetime]
    timezone: Mapped[str]
