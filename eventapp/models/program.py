"""What a participant can sign up and pay for, and how many of it there are."""
from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from eventapp.models.base import Base, Id, Localized, Tenant, belongs_to

KINDS = ("admission", "workshop", "lodging", "meal", "other")


class QuotaProgram(Base):
    """Which programs draw on which quota."""

    __tablename__ = "quota_programs"
    __table_args__ = (belongs_to("quotas", "quota_id", ondelete="CASCADE"),
                      belongs_to("programs", "program_id", ondelete="CASCADE"),
                      Index("quota_programs_program_idx", "org_id", "program_id"))

    org_id: Mapped[Id] = mapped_column(primary_key=True, server_default=text("current_org()"))
    quota_id: Mapped[Id] = mapped_column(primary_key=True)
    program_id: Mapped[Id] = mapped_column(primary_key=True)


class Program(Tenant, Base):
    __tablename__ = "programs"
    __table_args__ = (
        belongs_to("events", "event_id", ondelete="CASCADE"),
        belongs_to("programs", "requires_id"),
        UniqueConstraint("org_id", "event_id", "code"),
        CheckConstraint(f"kind IN {KINDS}", name="kind"),
        CheckConstraint("0 <= minimum AND minimum <= maximum", name="quantity"),
        CheckConstraint("tax IN ('', 'taxable', 'tax_free')", name="tax"),
    )

    event_id: Mapped[Id]
    code: Mapped[str]
    kind: Mapped[str] = mapped_column(default="admission")
    name: Mapped[Localized]
    description: Mapped[Localized] = mapped_column(default=dict)
    position: Mapped[int] = mapped_column(default=0)
    tiers: Mapped[list] = mapped_column(default=list)
    """Prices by date: [{"name": Localized, "price": minor units, "until": ISO 8601 UTC or null}], in order of date."""
    minimum: Mapped[int] = mapped_column(default=1)
    maximum: Mapped[int] = mapped_column(default=1)
    """Of one participant; above 1 the program is counted (`qty-<code>`)."""
    sales_open_at: Mapped[datetime | None]
    sales_close_at: Mapped[datetime | None]
    requires_approval: Mapped[bool] = mapped_column(default=False)
    tax: Mapped[str] = mapped_column(default="")
    """taxable (VAT is in the price) or tax_free; empty: as the organisation does."""
    requires_id: Mapped[Id | None]

    quotas = relationship("Quota", secondary="quota_programs", viewonly=True, order_by="Quota.id",
                          primaryjoin="Program.id == foreign(QuotaProgram.program_id)",
                          secondaryjoin="foreign(QuotaProgram.quota_id) == Quota.id")


class Quota(Tenant, Base):
    """A number of places: of one program, shared by several, or of the whole event (counting participants).

    `used` is moved by triggers on registrations and line items only; the CHECK makes overselling impossible.
    """

    __tablename__ = "quotas"
    __table_args__ = (
        belongs_to("events", "event_id", ondelete="CASCADE"),
        CheckConstraint("0 <= used AND used <= capacity", name="capacity"),
        Index("quotas_event_idx", "org_id", "event_id"),
    )

    event_id: Mapped[Id]
    name: Mapped[str] = mapped_column(default="")
    whole_event: Mapped[bool] = mapped_column(default=False)
    capacity: Mapped[int]
    used: Mapped[int] = mapped_column(default=0)

    programs = relationship("Program", secondary="quota_programs", viewonly=True,
                            primaryjoin="Quota.id == foreign(QuotaProgram.quota_id)",
                            secondaryjoin="foreign(QuotaProgram.program_id) == Program.id")

    @property
    def left(self) -> int:
        return self.capacity - self.used

    @property
    def is_scarce(self) -> bool:
        """Worth saying how many are left."""
        return self.left <= max(10, self.capacity // 20)

