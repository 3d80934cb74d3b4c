"""People and how they sign in. Global: reached by key only, belonging to no organisation."""
from datetime import datetime

from flask_login import UserMixin
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column, relationship

from eventapp import clock
from eventapp.models.base import Base, Id


class User(UserMixin, Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    """Normalised by `normal_email`, so that it compares case-insensitively with `=`."""
    email_verified_at: Mapped[datetime | None]
    name: Mapped[str] = mapped_column(default="")
    phone: Mapped[str] = mapped_column(default="")
    password_hash: Mapped[str | None]
    locale: Mapped[str | None]
    is_operator: Mapped[bool] = mapped_column(default=False)
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    memberships = relationship("Membership", back_populates="user", order_by="Membership.org_id")

    sign_in = None
    """The sign-in this request came with."""
    membership = None
    """What they are in the organisation it asks of."""

    def get_id(self):
        return self.sign_in.secret

    @property
    def is_active(self):
        return self.disabled_at is None


class SignIn(Base):
    """One browser signed in on one host; deleting the row signs it out at once."""

    __tablename__ = "sign_ins"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    host: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    seen_at: Mapped[datetime] = mapped_column(default=clock.now)
    expires_at: Mapped[datetime]
    address: Mapped[str] = mapped_column(default="")
    user_agent: Mapped[str] = mapped_column(default="")

    user = relationship(User)
    secret = None
    """The cookie's value; only its hash is stored."""


class AccountToken(Base):
    """A mailed link: single use, stored hashed."""

    __tablename__ = "account_tokens"
    __table_args__ = (CheckConstraint("purpose IN ('verify', 'reset', 'claim')", name="purpose"),)

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    purpose: Mapped[str]
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    email: Mapped[str]
    next_url: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    user = relationship(User)


class Participation(Base):
    """Which orders of which organisations an account sees as its own."""

    __tablename__ = "participations"

    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    org_id: Mapped[Id] = mapped_column(primary_key=True)
    order_id: Mapped[Id] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class RateLimit(Base):
    """Attempts counted in windows of time, shared by all web processes."""

    __tablename__ = "rate_limits"
    __table_args__ = (Index("rate_limits_ends_at_idx", "ends_at"),)

    key: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    ends_at: Mapped[datetime]


def normal_email(text: str) -> str:
    """As it is stored and compared: trimmed, lower case."""
    return text.strip().lower()
