"""What is to be done to the ticked registrations, or to all that match: first what would happen, then doing it.

Both are posted to the desk's own address; the second time with `operation`, which the look-ahead has written down.
"""
from flask import Blueprint, Response, abort, g, redirect, request, url_for

from eventapp.blueprints.admin import operations
from eventapp.domain import Refused, RefusedFields, bulk, listing
from eventapp.domain.bulk_actions import ACTIONS, action_named
from eventapp.languages import LOCALES, _, current_locale, force_locale
from eventapp.models import BulkOperation, Registration
from eventapp.permissions import requires
from eventapp.unit_of_work import undo
from eventapp.web.pages import is_htmx
from eventapp.web.urls import next_url

bp = Blueprint("bulk", __name__)


@bp.post("/registrations")
@bp.post("/events/<event>/registrations")
@requires("registrations.read")
def begin(event=None):
    event = g.member.event(event) if event else None
    if request.form.get("operation"):
        return confirm(operations.operation_or_404(request.form.get("operation", type=int)))
    action = action_named(request.form.get("action", ""))
    allowed(action)
    return operations.draft(bulk.begin(action, chosen(event), member=g.member, **asked(event)))


def allowed(action) -> None:
    if not g.member.can(action.permission):
        abort(403)


def chosen(event):
    """Whom the form means."""
    query = g.member.registrations(event)
    if request.form.get("all"):
        return listing.matching(query, request.args, event)
    numbers = request.form.getlist("ids")
    if not numbers:
        raise Refused(_("Nobody was chosen. Tick at least one registration."))
    return query.where(Registration.number.in_(numbers))


def asked(event) -> dict:
    """The filter, where it was what chose them: as it stands in the address, and in words, for the list of operations."""
    if not request.form.get("all"):
        return {}
    words = {}
    for locale in LOCALES:
        with force_locale(locale):
            words[locale] = listing.described(request.args, event)
    return {"filter": request.query_string.decode(), "filter_words": words}


def confirm(operation: BulkOperation):
    action = ACTIONS.get(operation.action) or abort(404)
    allowed(action)
    if not bulk.all_within(operation, g.member):
        abort(404)
    try:
        if action.name == "export":
            return export(operation)
        bulk.start(operation, request.form, member=g.member)
    except RefusedFields as refused:
        errors, number = refused.errors, operation.id
        undo()
        return operations.draft(operations.operation_or_404(number), errors, refused.status)
    return after(operation)


def after(operation: BulkOperation):
    if is_htmx():
        return operations.shown(operation)
    return redirect(url_for("admin.operations.show", id=operation.id, next=next_url("") or None), 303)


def export(operation: BulkOperation):
    found = bulk.export(operation, request.form, member=g.member, locale=current_locale())
    if found is None:
        return after(operation)
    response = Response(found.chunks, mimetype=None, content_type=found.type)
    response.headers.set("Content-Disposition", "attachment", filename=found.name)
    response.headers["Cache-Control"] = "no-store"
    return response
