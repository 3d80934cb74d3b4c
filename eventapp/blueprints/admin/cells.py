"""One cell of the desk: read, written, and written over by somebody else meanwhile."""
from urllib.parse import parse_qsl, urlsplit

from flask import Blueprint, abort, flash, g, redirect, request, url_for
from werkzeug.datastructures import MultiDict

from eventapp.blueprints.admin import columns
from eventapp.blueprints.admin.registrations import Desk
from eventapp.domain import Refused, editing, listing
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import Event, Registration
from eventapp.permissions import requires
from eventapp.web.pages import is_htmx, page, pieces
from eventapp.web.urls import came_from, next_url

bp = Blueprint("cells", __name__)


@bp.get("/registrations/<number>/cells/<key>")
@requires("registrations.edit")
def edit(number, key):
    one, column = find(number, key)
    if is_htmx() and request.args.get("shown"):
        return shown(one, column)
    value = editing.value_of(one, key)
    return form(one, column, texts(value), was=editing.text_of(value))


@bp.post("/registrations/<number>/cells/<key>")
@requires("registrations.edit")
def save(number, key):
    one, column = find(number, key)
    given, was = request.form.getlist("value"), request.form.get("was", "").replace("\r\n", "\n")
    try:
        changed = editing.change(one, key, given, was=was, by=g.member.actor)
    except editing.Overtaken as overtaken:
        return form(one, column, texts(overtaken.meant), was=editing.text_of(overtaken.stands), overtaken=overtaken, status=409)
    except Refused as refused:
        return form(one, column, given, was=was, error=refused.sentence, status=422)
    if is_htmx():
        return shown(one, column, changed=changed)
    if changed:
        flash(_("%(column)s of %(name)s is saved.", column=column.label, name=one.name), "success")
    return redirect(back(), 303)


def find(number: str, key: str) -> tuple[Registration, columns.Column]:
    one = g.member.registration(number)
    event = db.session.get(Event, one.event_id)
    column = columns.known(event, listing.questions(event)).get(key)
    if column is None or not column.writable:
        abort(404)
    return one, column


def form(one: Registration, column, given: list[str], *, was: str, error: str = "", overtaken=None, status: int = 200):
    """In the cell's place, or on a page of its own."""
    [row] = columns.rows([one.id], [column])
    words = {"theirs": None, "mine": ""}
    if overtaken:
        words = {"theirs": in_words(column, overtaken.stands), "mine": in_words(column, overtaken.meant)}
    values = dict(row=row, column=column, given=given, was=was, error=error, url=url_for(".edit", number=one.number, key=column.key), **words)
    if is_htmx():
        return pieces("admin/registrations/_cell_form.html", status=status, **values)
    return page("admin/registrations/cell.html", status, back=back(), **values)


def shown(one: Registration, column, changed: bool = False):
    """The cell as the desk shows it, for the desk the browser is on."""
    address = urlsplit(request.headers.get("HX-Current-URL", ""))
    event = db.session.get(Event, one.event_id) if "/events/" in address.path else None
    [row] = columns.rows([one.id], [column])
    return pieces("admin/registrations/_cells.html", row=row, columns=[column], changed=changed,
                  desk=Desk(event, MultiDict(parse_qsl(address.query))))


def texts(value) -> list[str]:
    """As a form's field takes it."""
    if isinstance(value, list):
        return value
    return [] if value is None else [str(value)]


def in_words(column, value) -> str:
    if column.question:
        return columns.in_words(column.question, value)
    return ", ".join(texts(value))


def back() -> str:
    """To the page that the form was opened from, when it is one of ours."""
    came = came_from()
    return next_url(came if came and "/cells/" not in came else url_for("admin.registrations.index"))
