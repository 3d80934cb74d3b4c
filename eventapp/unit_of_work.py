"""One request, one transaction: an answer below 400 commits, anything else rolls back. Nobody else commits, except
`checkpoint` (before asking a gateway) and `keep` (what must outlive a refusal)."""
import logging
from contextlib import contextmanager

from flask import Flask, current_app, g, request
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from eventapp import outbox, tenancy
from eventapp.extensions import db

log = logging.getLogger("eventapp.unit_of_work")
RETRIED = {"40001", "40P01"}
"""Serialization failure and deadlock: the whole request again, up to twice."""


def init_app(app: Flask) -> None:
    app.after_request(end)
    dispatch = app.full_dispatch_request

    def dispatch_again():
        named = dict(request.view_args or {})
        for last in (False, False, True):
            g.last_try = last
            try:
                return dispatch()
            except OperationalError as error:
                if not to_be_repeated(error):
                    raise
                undo()
                request.view_args = dict(named)  # the organisation was taken out of them
                log.info("the transaction is repeated", extra={"sqlstate": error.orig.sqlstate})

    app.full_dispatch_request = dispatch_again


def to_be_repeated(error: DBAPIError) -> bool:
    """Also asked by the handler of errors, which lets such a one pass: what it answers, nobody repeats."""
    return getattr(error.orig, "sqlstate", None) in RETRIED and not g.get("last_try", True)


def end(response):
    if not db.session.registry.has():
        return response
    if response.status_code >= 400:
        undo()
        return response
    try:
        commit()
    except DBAPIError as error:
        if to_be_repeated(error):
            raise
        # Flask's own handling of errors is over by now.
        return current_app.make_response(current_app.handle_user_exception(error))
    return response


def commit() -> None:
    if db.session().in_transaction():
        db.session.commit()
        outbox.ring()


def undo() -> None:
    """Forget what this request has written so far."""
    db.session.rollback()
    db.session.info.pop("bells", None)


def checkpoint() -> None:
    """Commit between writing down what we are about to ask somebody outside and asking it."""
    db.session.commit()
    outbox.ring()


@contextmanager
def keep():
    """A transaction of its own, for what must outlive a refusal: limits, failed sign-ins, rejected webhooks."""
    with Session(db.engine, expire_on_commit=False) as session:
        session.execute(tenancy.SET_ORG, {"org": str(tenancy.current_org_id() or "")})
        yield session
        session.commit()
