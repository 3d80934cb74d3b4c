"""A file that a participant sent with the form."""
from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.orm import Mapped, mapped_column

from eventapp.models.base import Base, Id, Tenant, belongs_to


class Upload(Tenant, Base):
    """Its content waits in the row until a job has brought it to the store; without an order it is swept up after a day."""

    __tablename__ = "uploads"
    __table_args__ = (belongs_to("orders", "order_id"),
                      Index("uploads_unused_idx", "org_id", "created_at", postgresql_where="order_id IS NULL"))

    order_id: Mapped[Id | None]
    name: Mapped[str]
    type: Mapped[str]
    size: Mapped[int]
    key: Mapped[str]
    """In the store (`storage.py`)."""
    content: Mapped[bytes | None] = mapped_column(BYTEA)
    stored_at: Mapped[datetime | None]
