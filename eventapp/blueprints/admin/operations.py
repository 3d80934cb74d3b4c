"""What was done to many registrations: how far it is, how it ended, taking it back; and the list of all of it."""
import io

from flask import Blueprint, abort, g, redirect, request, send_file, url_for
from sqlalchemy import select

from eventapp import clock
from eventapp.domain import bulk, exporting
from eventapp.domain.bulk_actions import ACTIONS, WORDS, checkpoints_of
from eventapp.extensions import db
from eventapp.languages import _, _l, localized
from eventapp.models import BulkOperation, Event, Organization, User
from eventapp.permissions import requires
from eventapp.web.pages import is_htmx, page, target
from eventapp.web.urls import next_url, outside

bp = Blueprint("operations", __name__)
PAGE = 50
STATES = {
    "draft": (_l("Not begun"), "neutral"), "waiting": (_l("About to begin"), "info"), "running": (_l("Under way"), "info"),
    "stopped": (_l("Stopped"), "warning"), "done": (_l("Done"), "success"), "undoing": (_l("Being undone"), "info"),
    "undone": (_l("Undone"), "neutral")}


@bp.get("/operations")
@requires("registrations.read")
def index():
    number = max(1, request.args.get("page", 1, type=int) or 1)
    rows = db.session.scalars(bulk.visible(g.member).order_by(BulkOperation.created_at.desc(), BulkOperation.id.desc())
                              .limit(PAGE + 1).offset((number - 1) * PAGE)).all()
    events = rows_by_id(Event, {row.event_id for row in rows if row.event_id})
    return page("admin/operations/index.html", rows=rows[:PAGE], number=number, more=len(rows) > PAGE, events=events,
                people=rows_by_id(User, {row.user_id for row in rows}), states=STATES, name_of=name_of, zone=zone(),
                filter_words=filter_words)


def rows_by_id(model, ids) -> dict:
    return {row.id: row for row in db.session.scalars(select(model).where(model.id.in_(ids)))} if ids else {}


@bp.get("/operations/<int:id>")
@requires("registrations.read")
def show(id):
    operation = operation_or_404(id)
    if operation.action == "import" and g.member.can("registrations.create"):
        event = db.session.get(Event, operation.event_id)
        return redirect(url_for("admin.imports.show", event=event.slug, id=operation.parameters["import"]), 303)
    return draft(operation) if operation.state == "draft" else shown(operation)


@bp.post("/operations/<int:id>/undo")
@requires("registrations.read")
def undo(id):
    operation = changeable(id)
    bulk.undo(operation, by=g.member.actor)
    return after(operation)


@bp.post("/operations/<int:id>/stop")
@requires("registrations.read")
def stop(id):
    operation = changeable(id)
    bulk.stop(operation, by=g.member.actor)
    return after(operation)


@bp.get("/operations/<int:id>/download")
@requires("registrations.export")
def download(id):
    operation = operation_or_404(id)
    if not operation.file_key:
        abort(404)
    response = send_file(io.BytesIO(bulk.file_of(operation)), mimetype=exporting.TYPES["xlsx"], as_attachment=True, download_name=operation.file_name)
    response.headers["Cache-Control"] = "no-store"
    return response


# -- pieces ------------------------------------------------------------------------------------------

def operation_or_404(id) -> BulkOperation:
    operation = bulk.of_member(id, g.member) if id and id < 2 ** 63 else None
    return operation or abort(404)


def changeable(id) -> BulkOperation:
    operation = operation_or_404(id)
    action = ACTIONS.get(operation.action) or abort(404)
    return operation if g.member.can(action.permission) else abort(403)


def after(operation: BulkOperation):
    if is_htmx():
        return shown(operation)
    return redirect(url_for("admin.operations.show", id=operation.id, next=next_url("") or None), 303)


def draft(operation: BulkOperation, errors=None, status: int = 200):
    """The look-ahead; what was typed stays."""
    action, given = ACTIONS[operation.action], request.form
    event = db.session.get(Event, operation.event_id) if operation.event_id else None
    parameters = {"tag": given.get("tag", "").strip(), "remove": given.get("tag_mode") == "remove"}
    return page("admin/operations/show.html", status, operation=operation, action=action, event=event, errors=errors or {}, given=given,
                forecast=bulk.forecast(operation, parameters if parameters["tag"] else {}), words=WORDS,
                confirm=outside(request.full_path.rstrip("?")) if request.method == "POST" else url_for("admin.bulk.begin"),
                checkpoints=checkpoints_of(operation) if action.name == "check_in" else [], formats=formats(), **around(operation, event))


def formats() -> list[tuple[str, str]]:
    return [("xlsx", _("Excel (XLSX)")), ("csv_bom", _("CSV for Excel")), ("csv", _("CSV")), ("json", "JSON")]


def shown(operation: BulkOperation):
    """How far it is, or how it ended."""
    event = db.session.get(Event, operation.event_id) if operation.event_id else None
    going = operation.state in ("waiting", "running", "undoing")
    action = ACTIONS.get(operation.action)
    undo_until = operation.undo_until if operation.undo_until and operation.undo_until > clock.now() else None
    response = page("admin/operations/show.html", operation=operation, action=action, event=event, going=going, words=WORDS,
                    results={} if going else bulk.results(operation), undo_until=undo_until,
                    undone=bulk.undone_so_far(operation) if operation.state == "undoing" else 0,
                    may_change=action is not None and g.member.can(action.permission), **around(operation, event))
    if is_htmx() and not going:
        response.headers["HX-Trigger"] = "registrations-changed"
    return response


def around(operation: BulkOperation, event: Event | None) -> dict:
    return {"title": name_of(operation), "state": STATES[operation.state], "zone": zone(event), "floating": is_htmx() and target() == "bulk",
            "author": db.session.get(User, operation.user_id), "back": back(operation, event)}


def name_of(operation: BulkOperation) -> str:
    return str(ACTIONS[operation.action].label) if operation.action in ACTIONS else _("Import")


def filter_words(operation: BulkOperation) -> list[str]:
    return localized(operation.parameters.get("filter_words")) or []


def back(operation: BulkOperation, event: Event | None) -> str:
    """Where they came from, or the desk as it was filtered."""
    desk = url_for("admin.registrations.index", event=event.slug) if event else url_for("admin.registrations.index")
    asked = operation.parameters.get("filter", "")
    return next_url(f"{desk}?{asked}" if asked else desk)


def zone(event: Event | None = None) -> str:
    return event.timezone if event else db.session.get(Organization, g.org.id).timezone
