"""An organisation: what everybody may look up by key (the directory), and its own row behind the policy."""
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity
from sqlalchemy.orm import Mapped, mapped_column, relationship

from eventapp import clock
from eventapp.models.base import Base, Id, Localized

ROLES = ("ORG_OWNER", "ORG_ADMIN", "ORG_STAFF", "ORG_CHECKIN")


class Directory(Base):
    """Global: which organisation answers to which word in an address."""

    __tablename__ = "organization_directory"
    __table_args__ = (CheckConstraint("status IN ('active', 'suspended')", name="status"),)

    org_id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[Localized]
    status: Mapped[str] = mapped_column(default="active")
    locale: Mapped[str] = mapped_column(default="ko")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class CustomDomain(Base):
    """Global: a host of an organisation's own, active once proven."""

    __tablename__ = "custom_domains"

    host: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[Id] = mapped_column(ForeignKey("organization_directory.org_id", ondelete="CASCADE"), index=True)
    verified_at: Mapped[datetime | None]


class Membership(Base):
    """Global: who works for which organisation, as what. `event_ids` limits a member to some events."""

    __tablename__ = "memberships"
    __table_args__ = (CheckConstraint(f"role IN {ROLES}", name="role"),)

    org_id: Mapped[Id] = mapped_column(ForeignKey("organization_directory.org_id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)
    role: Mapped[str]
    event_ids: Mapped[list[int] | None]
    grants: Mapped[list[str]] = mapped_column(default=list)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    user = relationship("User", back_populates="memberships")
    organization = relationship(Directory)


class Organization(Base):
    __tablename__ = "organizations"

    org_id: Mapped[Id] = mapped_column(ForeignKey("organization_directory.org_id", ondelete="CASCADE"), primary_key=True)
    plan: Mapped[str] = mapped_column(ForeignKey("plans.code"), default="basic")
    timezone: Mapped[str] = mapped_column(default="Asia/Seoul")
    currency: Mapped[str] = mapped_column(default="KRW")
    about: Mapped[Localized] = mapped_column(default=dict)
    accent: Mapped[str] = mapped_column(default="#3b5bdb")
    logo: Mapped[str] = mapped_column(default="")
    email: Mapped[str] = mapped_column(default="")
    phone: Mapped[str] = mapped_column(default="")
    business: Mapped[dict] = mapped_column(default=dict)
    """상호 name, 대표자 representative, 사업자등록번호 number, 통신판매업 신고번호 mail_order_number, address, privacy_officer."""
    tax: Mapped[str] = mapped_column(default="taxable")
    """taxable (과세), or tax_free (면세): what holds for programs that say nothing else."""
    must_issue_receipts: Mapped[bool] = mapped_column(default=False)
    """현금영수증 의무발행업종: cash from 100,000 won gets a cash receipt even unasked."""
    bank_account: Mapped[dict] = mapped_column(default=dict)
    """Where manual transfers go: bank (code), number, holder."""
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    directory = relationship(Directory, lazy="joined")

    @property
    def id(self) -> int:
        """As the audit log names it."""
        return self.org_id

    @property
    def slug(self) -> str:
        return self.directory.slug

    @property
    def name(self) -> dict:
        return self.directory.name
