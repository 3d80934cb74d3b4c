"""What every table stands on."""
from datetime import datetime
from typing import Annotated, Any

from sqlalchemy import BigInteger, DateTime, ForeignKeyConstraint, Identity, Integer, MetaData, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column, relationship

from eventapp import clock

Id = Annotated[int, mapped_column(BigInteger)]
Localized = Annotated[dict[str, str], mapped_column(JSONB)]
"""An organisation's own text per language: {"ko": …, "en": …}."""


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx", "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s", "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey"})
    type_annotation_map = {datetime: DateTime(timezone=True), str: Text, int: Integer, dict: JSONB, list: JSONB,
                           dict[str, Any]: JSONB, list[str]: ARRAY(Text), list[int]: ARRAY(BigInteger)}


class Tenant:
    """A row of one organisation. The database fills `org_id` in and shows a row to nobody else.

    The key is (org_id, id), because policies do not guard foreign keys; `id` alone is unique as well, which is
    what the mapper goes by.
    """

    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, server_default=text("current_org()"))
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    @declared_attr.directive
    def __mapper_args__(cls):
        return {"primary_key": ["id"]}


def belongs_to(table: str, column: str, **options) -> ForeignKeyConstraint:
    """A foreign key to another table of the same organisation."""
    return ForeignKeyConstraint(["org_id", column], [f"{table}.org_id", f"{table}.id"], **options)


def one(owner: str, column: str, target: str, **options):
    return relationship(target, primaryjoin=f"foreign({owner}.{column}) == {target}.id", **options)


def many(owner: str, target: str, column: str, **options):
    return relationship(target, primaryjoin=f"foreign({target}.{column}) == {owner}.id", **options)
