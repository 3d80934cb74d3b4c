"""What staff do to many at once: the operation, each of its rows, and what is needed to take it back."""
from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.orm import Mapped, mapped_column

from eventapp.models.base import Base, Id, Tenant, belongs_to

STATES = ("draft", "waiting", "running", "stopped", "done", "undoing", "undone")
ROW_STATES = ("waiting", "ok", "refused", "undone", "kept")


class BulkOperation(Tenant, Base):
    """`draft` is the look-ahead; what was seen there is what will be done, because its rows are written with it."""

    __tablename__ = "bulk_operations"
    __table_args__ = (
        belongs_to("events", "event_id"),
        CheckConstraint(f"state IN {STATES}", name="state"),
        Index("bulk_operations_created_idx", "org_id", "created_at"),
        Index("bulk_operations_open_idx", "org_id", postgresql_where=text("state IN ('waiting', 'running', 'undoing')")),
    )

    event_id: Mapped[Id | None]
    """When all of it concerns one event."""
    user_id: Mapped[Id]
    action: Mapped[str]
    parameters: Mapped[dict] = mapped_column(default=dict)
    """What was asked for with it: a reason, a tag, the text of a letter, the columns of a file, the filter."""
    state: Mapped[str] = mapped_column(default="draft")
    stop: Mapped[bool] = mapped_column(default=False)
    """Somebody wants it to stop: no further batch is begun."""
    total: Mapped[int] = mapped_column(default=0)
    ok: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    undo_until: Mapped[datetime | None]
    """Until then its letters and charges wait in the outbox, and it can be taken back; empty when it can't."""
    file_key: Mapped[str] = mapped_column(default="")
    """In the store, of an export that is ready."""
    file_name: Mapped[str] = mapped_column(default="")


class BulkRow(Tenant, Base):
    __tablename__ = "bulk_rows"
    __table_args__ = (
        belongs_to("bulk_operations", "operation_id", ondelete="CASCADE"),
        UniqueConstraint("org_id", "operation_id", "registration_id"),
        CheckConstraint(f"state IN {ROW_STATES}", name="state"),
        Index("bulk_rows_state_idx", "org_id", "operation_id", "state", "position"),
    )

    operation_id: Mapped[Id]
    registration_id: Mapped[Id | None]
    """Not a foreign key: a hundred thousand of them are written while somebody waits. Empty for a line of a file that made none."""
    position: Mapped[int]
    """Its turn: orders one after another, or the line of the file."""
    state: Mapped[str] = mapped_column(default="waiting")
    reason: Mapped[str] = mapped_column(default="")
    """A code: why it was refused, or why it was left alone when the operation was taken back."""
    before: Mapped[dict | None]
    """What the operation changed, as it was; nothing personal."""


class SavedView(Tenant, Base):
    """A filter of the desk with a name: somebody's own, or everybody's."""

    __tablename__ = "saved_views"
    __table_args__ = (belongs_to("events", "event_id", ondelete="CASCADE"),
                      Index("saved_views_event_idx", "org_id", "event_id"))

    user_id: Mapped[Id]
    event_id: Mapped[Id | None]
    name: Mapped[str]
    query: Mapped[str]
    """As it stands in the desk's address."""
    shared: Mapped[bool] = mapped_column(default=False)


class ImportFile(Tenant, Base):
    """A table that is being brought in: the file as it came, how its columns are read, and the operation that did it."""

    __tablename__ = "import_files"
    __table_args__ = (belongs_to("events", "event_id", ondelete="CASCADE"), belongs_to("bulk_operations", "operation_id"))

    event_id: Mapped[Id]
    user_id: Mapped[Id]
    name: Mapped[str]
    content: Mapped[bytes | None] = mapped_column(BYTEA)
    """Emptied some days after it has been brought in."""
    mapping: Mapped[dict] = mapped_column(default=dict)
    """Column of the file (its number, as text) → what it is."""
    options: Mapped[dict] = mapped_column(default=dict)
    operation_id: Mapped[Id | None]
