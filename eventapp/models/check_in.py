"""Who came through which door, when."""
from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from eventapp.models.base import Base, Id, Tenant, belongs_to


class CheckIn(Tenant, Base):
    __tablename__ = "check_ins"
    __table_args__ = (belongs_to("registrations", "registration_id", ondelete="CASCADE"),
                      UniqueConstraint("org_id", "registration_id", "checkpoint"))

    registration_id: Mapped[Id]
    checkpoint: Mapped[str] = mapped_column(default="entry")
