"""Errors: a page for people, a toast for htmx, always in their language and never a trace."""
import logging

from flask import flash, g, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import DataError, DBAPIError, OperationalError, TimeoutError
from werkzeug.exceptions import HTTPException

from eventapp.domain import Refused
from eventapp.languages import _
from eventapp.permissions import looks_private, signed_out_answer
from eventapp.unit_of_work import to_be_repeated, undo
from eventapp.web.pages import _toasts, is_htmx, wants_json

log = logging.getLogger("eventapp.errors")
PAGES = {400, 403, 404, 405, 409, 413, 422, 429, 500, 503, 507}


def init_app(app):
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Refused, refused)
    app.register_error_handler(CSRFError, lambda error: answer(400, _("This page has been open for too long. Reload it and try again.")))
    for kind in (OperationalError, TimeoutError, PoolTimeout, DBAPIError):
        app.register_error_handler(kind, database_away)
    app.register_error_handler(Exception, unexpected)


def answer(status: int, sentence: str = "", headers=()):
    """The error in the form that the caller can show."""
    undo_quietly()
    if wants_json():
        response = make_response({"error": sentence or str(status)}, status)
    elif is_htmx():
        flash(sentence or default_sentence(status), "error")
        response = make_response(_toasts(), status, {"HX-Reswap": "none"})
    else:
        template = f"errors/{status if status in PAGES else 500 if status >= 500 else 400}.html"
        response = make_response(render_template(template, sentence=sentence, oob="", layout="layouts/base.html"), status)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.extend(headers)
    return response


def undo_quietly():
    try:
        undo()
    except Exception:
        log.warning("nothing to roll back on: the database is away")


def default_sentence(status: int) -> str:
    return {
        403: _("You do not have permission to do this. An owner of the organisation can grant it."),
        404: _("There is nothing at this address."),
        413: _("This is more than can be sent at once."),
        429: _("Too many attempts. Try again in a while."),
        503: _("We can't reach our database at the moment. Try again in a few seconds."),
    }.get(status, _("Something went wrong on our side. Nothing was lost; try again."))


def http_error(error: HTTPException):
    status = error.code or 500
    if status == 404 and looks_private(request.path) and g.get("org_slug", "") is not None:
        signed_out = signed_out_answer()
        if signed_out is not None:
            return signed_out
    if status < 400:
        return error
    headers = [("Retry-After", str(error.retry_after))] if getattr(error, "retry_after", None) else []
    if status == 405 and error.valid_methods:
        headers.append(("Allow", ", ".join(error.valid_methods)))
    return answer(status, error.description if status == 429 else "", headers)


def refused(error: Refused):
    return answer(error.status, error.sentence)


def database_away(error):
    """Away, or asked for longer than it may take: come back in a moment. Anything else is a fault of ours."""
    if isinstance(error, DBAPIError) and to_be_repeated(error):
        raise error
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    if isinstance(error, DataError):  # a NUL in an address, a number beyond all ids: nothing of ours is called so
        log.warning("a value that can't be stored: %s", state or type(error.orig).__name__)
        return answer(404 if request.method in ("GET", "HEAD") or request.path.startswith("/api/") else 422)
    if state == "53100":
        log.error("the database's disk is full")
        return answer(507)
    away = isinstance(error, (TimeoutError, PoolTimeout)) or getattr(error, "connection_invalidated", False) \
        or state in (None, "57P01", "57P02", "57P03", "55P03", "57014", "40001", "40P01", "53300") \
        and isinstance(error, OperationalError)
    if not away:
        return unexpected(error)
    log.error("database away: %s", state or type(error).__name__)
    return answer(503, headers=[("Retry-After", "5")])


def unexpected(error):
    log.exception("unexpected %s", type(error).__name__)
    return answer(500)
