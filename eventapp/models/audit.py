"""Who did what to which object. The application may add and read; nobody may change."""
from typing import Any

from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from eventapp.models.base import Base, Id, Tenant, belongs_to


class AuditLog(Tenant, Base):
    __tablename__ = "audit_log"
    __table_args__ = (Index("audit_log_object_idx", "org_id", "object_kind", "object_id"),
                      Index("audit_log_created_idx", "org_id", "created_at", "id"),
                      Index("audit_log_actor_idx", "org_id", "actor_kind", "actor_id", "created_at", "id"))

    action: Mapped[str]
    object_kind: Mapped[str]
    object_id: Mapped[Id]
    actor_kind: Mapped[str]
    """user, device, buyer, system or gateway."""
    actor_id: Mapped[Id | None]
    before: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    """Nothing personal: states, amounts, codes. Personal values stand in `audit_values`."""
    address: Mapped[str] = mapped_column(default="")
    request_id: Mapped[str] = mapped_column(default="")


class AuditValues(Tenant, Base):
    """Personal values before and after, which the retention role may blank, leaving the record."""

    __tablename__ = "audit_values"
    __table_args__ = (belongs_to("audit_log", "audit_id"), Index("audit_values_audit_idx", "org_id", "audit_id"))

    audit_id: Mapped[Id]
    before: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
