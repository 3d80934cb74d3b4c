"""A participant's details and what staff note about them, all on one form. The desk changes the same one cell at a time."""
from flask import Blueprint, g, request, url_for

from eventapp import audit
from eventapp.domain import Refused, editing
from eventapp.extensions import db
from eventapp.languages import LOCALES, _
from eventapp.models import Event, Order, Registration
from eventapp.permissions import requires
from eventapp.unit_of_work import undo
from eventapp.web.pages import done, page

bp = Blueprint("details", __name__)
KEYS = ("name", "email", "phone", "note", "flag", "tags")


@bp.route("/registrations/<number>/details", methods=["GET", "POST"])
@requires("registrations.edit")
def edit(number):
    row = g.member.registration(number)
    if request.method == "GET":
        return form(row, {key: shown(row, key) for key in KEYS} | {"locale": row.locale}, marks(row))
    errors, status = change(row)
    if errors:
        undo()
        row = g.member.registration(number)
        # Who is told that another was quicker sees both, and may send it once more.
        return form(row, request.form, marks(row) if status == 409 else request.form, errors, status)
    return done(_("Saved."), url_for("admin.registration.show", number=number))


def change(row: Registration) -> tuple[dict[str, str], int]:
    """What is wrong, by field, and the status to say it with."""
    errors, status = {}, 422
    for key in KEYS:
        if key not in request.form:
            continue
        try:
            editing.change(row, key, [request.form[key]], was=request.form.get(f"was-{key}"), by=g.member.actor)
        except editing.Overtaken as overtaken:
            errors[key] = _("Somebody else has changed this meanwhile. It is now: %(value)s", value=plain(overtaken.stands) or "–")
            status = 409
        except Refused as refused:
            errors[key] = refused.sentence
    locale = request.form.get("locale")
    if locale in LOCALES and locale != row.locale:
        before, row.locale = row.locale, locale
        audit.record("registration.edited", row, by=g.member.actor, before={"locale": before}, after={"field": "locale", "locale": locale})
    return errors, status


def form(row: Registration, values, was, errors=None, status: int = 200):
    order = db.session.get(Order, row.order_id)
    return page("admin/registrations/details.html", status, registration=row, order=order, event=db.session.get(Event, row.event_id),
                values=values, was=was, errors=errors or {}, limits=editing.LONGEST)


def marks(row: Registration) -> dict[str, str]:
    """What each field stood at when the form was drawn."""
    return {f"was-{key}": editing.text_of(editing.value_of(row, key)) for key in KEYS}


def shown(row: Registration, key: str) -> str:
    return plain(editing.value_of(row, key))


def plain(value) -> str:
    return ", ".join(value) if isinstance(value, list) else value or ""
