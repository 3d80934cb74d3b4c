"""Who came through which door, when; and the devices that stand at the doors."""
from datetime import datetime

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from eventapp.models.base import Base, Id, Localized, Tenant, belongs_to, one

KINDS = ("entry", "day", "session", "meal")
RESULTS = ("ok", "already", "invalid", "wrong_event", "unpaid", "cancelled", "revoked")
"""What a door says; and `revoked`: let in by a phone that had been taken off the doors."""


class Checkpoint(Tenant, Base):
    """A place where tickets are looked at: the entrance, a day, a session, a meal."""

    __tablename__ = "checkpoints"
    __table_args__ = (
        belongs_to("events", "event_id", ondelete="CASCADE"), belongs_to("programs", "program_id"),
        UniqueConstraint("org_id", "event_id", "code"),
        CheckConstraint(f"kind IN {KINDS}", name="kind"), CheckConstraint("times > 0", name="times"),
        CheckConstraint("per IN ('event', 'day')", name="per"),
    )

    event_id: Mapped[Id]
    code: Mapped[str]
    kind: Mapped[str] = mapped_column(default="entry")
    name: Mapped[Localized]
    position: Mapped[int] = mapped_column(default=0)
    times: Mapped[int] = mapped_column(default=1)
    """How often one ticket may pass …"""
    per: Mapped[str] = mapped_column(default="event")
    """… in the whole event, or on each of its days."""
    opens_at: Mapped[datetime | None]
    closes_at: Mapped[datetime | None]
    program_id: Mapped[Id | None]
    """Only for those who take part in this program."""
    closed: Mapped[bool] = mapped_column(default=False)
    """No longer offered to doors; its check-ins stay."""

    program = one("Checkpoint", "program_id", "Program", viewonly=True)


class CheckIn(Tenant, Base):
    """One ticket at one checkpoint. `result` ok is an entry, and the database takes each place in the count once; anything
    else is kept because a door without a network had let the person in, and waits for somebody to look at it."""

    __tablename__ = "check_ins"
    __table_args__ = (
        belongs_to("registrations", "registration_id", ondelete="CASCADE"), belongs_to("checkpoints", "checkpoint_id"),
        belongs_to("door_devices", "device_id"), UniqueConstraint("org_id", "nonce"),
        CheckConstraint(f"result IN {RESULTS}", name="result"),
        Index("check_ins_once_idx", "org_id", "registration_id", "checkpoint_id", "period", "ordinal", unique=True,
              postgresql_where=text("result = 'ok' AND undone_at IS NULL")),
        Index("check_ins_checkpoint_idx", "org_id", "checkpoint_id", "at"),
        Index("check_ins_conflicts_idx", "org_id", "checkpoint_id", postgresql_where=text("result <> 'ok' AND settled_at IS NULL")),
    )

    registration_id: Mapped[Id]
    checkpoint_id: Mapped[Id]
    period: Mapped[str] = mapped_column(default="")
    """The day in the event's time zone (2026-11-22) where the checkpoint counts by days, otherwise empty."""
    ordinal: Mapped[int] = mapped_column(default=1)
    """The how manieth of the times that are allowed; 0 when it is no entry."""
    at: Mapped[datetime]
    """When the ticket was scanned, by the door's clock; `created_at` is when we heard of it."""
    gate: Mapped[str] = mapped_column(default="")
    """The door's name, or the person's who was signed in there."""
    device_id: Mapped[Id | None]
    user_id: Mapped[Id | None]
    offline: Mapped[bool] = mapped_column(default=False)
    nonce: Mapped[str]
    """Of the door: uploaded twice it is one entry."""
    result: Mapped[str] = mapped_column(default="ok")
    undone_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    """When somebody had seen the conflict."""


class DoorDevice(Tenant, Base):
    """A phone that may check in for one event and nothing else; invited by a QR that works once."""

    __tablename__ = "door_devices"
    __table_args__ = (belongs_to("events", "event_id", ondelete="CASCADE"), belongs_to("checkpoints", "checkpoint_id"),
                      UniqueConstraint("org_id", "invitation_hash"), UniqueConstraint("org_id", "secret_hash"))

    event_id: Mapped[Id]
    name: Mapped[str]
    checkpoint_id: Mapped[Id | None]
    invitation_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Emptied when it is used."""
    invitation_expires_at: Mapped[datetime]
    secret_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Of the cookie that the device has got for its invitation."""
    invited_by: Mapped[Id]
    joined_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
