"""Work written with the change, done after it. Global: ids only, of one organisation or of none."""
from datetime import datetime

from sqlalchemy import BigInteger, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from eventapp import clock
from eventapp.models.base import Base, Id

QUEUES = ("default", "gateway", "operations")
"""Gateways have workers of their own, so that one that hangs keeps no letter waiting; and so has what staff do to many, so that
nobody who looks at a bar waits behind ten thousand letters."""


class OutboxItem(Base):
    __tablename__ = "outbox"
    __table_args__ = (
        Index("outbox_due_idx", "queue", "run_at", postgresql_where=text("done_at IS NULL AND dead_at IS NULL")),
        Index("outbox_done_idx", "done_at"),
        Index("outbox_operation_idx", "operation_id", postgresql_where=text("operation_id IS NOT NULL AND done_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    org_id: Mapped[Id | None]
    queue: Mapped[str] = mapped_column(default="default")
    kind: Mapped[str]
    payload: Mapped[dict] = mapped_column(default=dict)
    dedupe_key: Mapped[str | None] = mapped_column(unique=True)
    operation_id: Mapped[Id | None]
    """The bulk operation it waits for: let go a minute after that has ended, taken away when it is undone."""
    run_at: Mapped[datetime] = mapped_column(default=clock.now)
    attempts: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    dead_at: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class PeriodicRun(Base):
    """A period of the timetable that somebody has taken."""

    __tablename__ = "periodic_runs"

    name: Mapped[str] = mapped_column(primary_key=True)
    period: Mapped[str] = mapped_column(primary_key=True)
    taken_at: Mapped[datetime] = mapped_column(default=clock.now)


class Probe(Base):
    """What the worker last saw of the services outside, for the health page."""

    __tablename__ = "probes"

    name: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    detail: Mapped[dict] = mapped_column(default=dict)
    checked_at: Mapped[datetime] = mapped_column(default=clock.now)
