"""What organisations pay the platform for."""
from sqlalchemy.orm import Mapped, mapped_column

from eventapp.models.base import Base, Localized


class Plan(Base):
    """Global. Prices in won, VAT included; a limit of 0 means none."""

    __tablename__ = "plans"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[Localized]
    summary: Mapped[Localized]
    monthly: Mapped[int]
    yearly: Mapped[int]
    live_events: Mapped[int]
    registrations_a_month: Mapped[int]
    members: Mapped[int]
    features: Mapped[list[str]] = mapped_column(default=list)
    position: Mapped[int]
