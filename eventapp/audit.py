"""Who did what to which object, written in the same transaction as the change."""
from contextvars import ContextVar
from dataclasses import dataclass

from sqlalchemy import insert

from eventapp import clock
from eventapp.extensions import db
from eventapp.models import AuditLog, AuditValues
from eventapp.models.base import insert_rows

origin: ContextVar[tuple[str, str]] = ContextVar("origin", default=("", ""))
"""Address and request id of what is being answered; set by the web, empty in jobs."""


@dataclass(frozen=True, slots=True)
class Actor:
    """kind: user, device, buyer, system or gateway; id: of the user, of the door's device, or of the order."""

    kind: str
    id: int | None = None


SYSTEM = Actor("system")
GATEWAY = Actor("gateway")


def record(action: str, things, *, by: Actor, before=None, after=None, personal: tuple | None = None) -> None:
    """One line for each of the things. `before` and `after` hold nothing personal; what is personal goes as (before, after)
    into rows of its own, which can be blanked without losing the line."""
    things = list(things) if isinstance(things, (list, tuple)) else [things]
    if not things:
        return
    db.session.flush()
    address, request_id = origin.get()
    row = {"action": action, "object_kind": type(things[0]).__name__.lower(), "actor_kind": by.kind, "actor_id": by.id,
           "before": before, "after": after, "address": address, "request_id": request_id}
    # One row alone as a dict: then the statement is compiled once and for all; so it is for many, which go as one value.
    if len(things) == 1:
        statement = insert(AuditLog).values(row | {"object_id": things[0].id, "created_at": clock.now()})
    else:
        now = clock.now().isoformat()
        statement = insert_rows(AuditLog, [row | {"object_id": thing.id, "created_at": now} for thing in things])
    if personal is None:
        db.session.execute(statement)
        return
    ids = db.session.scalars(statement.returning(AuditLog.id)).all()
    db.session.execute(insert(AuditValues).values([
        {"audit_id": id_, "before": personal[0], "after": personal[1], "created_at": clock.now()} for id_ in ids]))
