"""What every table stands on."""
from datetime import datetime
from typing import Annotated, Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Integer,
    MetaData,
    Text,
    bindparam,
    column,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
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


def rows_of(rows: list[dict], name: str = "given", **types):
    """Rows of ours as a table in one parameter, whose statement is compiled once however many there are: `types` by column."""
    return func.jsonb_to_recordset(bindparam(None, rows, JSONB)).table_valued(
        *[column(column_name, kind) for column_name, kind in types.items()], name=name).render_derived(with_types=True)


def insert_rows(table, rows: list[dict]):
    """The statement that writes many rows at once: all columns that the first one names, moments as ISO 8601."""
    types = {name: table.__table__.c[name].type for name in rows[0]}
    given = rows_of(rows, **types)
    return insert(table.__table__).from_select(list(types), select(*given.c), include_defaults=False)


def among(key, ids):
    """Like `key.in_(ids)` for many: they go as one value, and the statement stays the same however many there are."""
    return key == func.any(bindparam(None, list(ids), ARRAY(BigInteger)))


def belongs_to(table: str, column: str, **options) -> ForeignKeyConstraint:
    """A foreign key to another table of the same organisation."""
    return ForeignKeyConstraint(["org_id", column], [f"{table}.org_id", f"{table}.id"], **options)


def one(owner: str, column: str, target: str, **options):
    return relationship(target, primaryjoin=f"foreign({owner}.{column}) == {target}.id", **options)


def many(owner: str, target: str, column: str, **options):
    return relationship(target, primaryjoin=f"foreign({target}.{column}) == {owner}.id", **options)
