"""Bringing in a table: a page to upload it, and one on which it is read, tried out, done, watched and taken back."""
from flask import Blueprint, Response, flash, g, redirect, request, url_for
from sqlalchemy import func, select

from eventapp import clock
from eventapp.domain import Refused, RefusedFields, bulk, importing, ordering, reading
from eventapp.domain.bulk_actions import WORDS
from eventapp.extensions import db
from eventapp.languages import LOCALES, _, _l, localized
from eventapp.models import BulkOperation, BulkRow, Event, ImportFile
from eventapp.permissions import requires
from eventapp.unit_of_work import undo as forget
from eventapp.web import limits
from eventapp.web.forms import clean
from eventapp.web.pages import done, page

bp = Blueprint("imports", __name__)
SHOWN = 500
REASONS = {"invalid": _l("Something in this row is wrong."), "duplicate": _l("The same person stands in an earlier row."),
           "exists": _l("This person was registered already."), "full": _l("No place was left for this person.")}


@bp.route("/events/<event>/import", methods=["GET", "POST"])
@requires("registrations.create")
@limits.own_requests("import", 60, 60)
def new(event):
    event = g.member.event(event)
    errors = {}
    if request.method == "POST":
        sent = request.files.get("file")
        try:
            if not sent or not sent.filename:
                raise Refused(_("Choose a file."), "file")
            sent.seek(0)  # read before, when the transaction is repeated
            file = importing.receive(event, sent.filename, sent.read(reading.LARGEST + 1), by=g.member.actor)
            return redirect(url_for(".show", event=event.slug, id=file.id), 303)
        except Refused as refused:
            forget()
            errors = {refused.field or "form": refused.sentence}
    return page("admin/imports/new.html", 422 if errors else 200, event=event, errors=errors, earlier=earlier(event))


@bp.get("/events/<event>/import/template")
@requires("registrations.create")
def template(event):
    event = g.member.event(event)
    return Response(importing.template(ordering.offer(event)), mimetype="text/csv", headers={
        "Content-Disposition": f'attachment; filename="{event.slug}-import.csv"', "Cache-Control": "no-store"})


@bp.route("/events/<event>/import/<int:id>", methods=["GET", "POST"])
@requires("registrations.create")
def show(event, id):
    event = g.member.event(event)
    file = db.one_or_404(select(ImportFile).where(ImportFile.id == id, ImportFile.event_id == event.id))
    if file.operation_id:
        operation = db.session.get(BulkOperation, file.operation_id)
        return result_page(event, file, operation) if request.method == "GET" else act(event, file, operation)
    offer = ordering.offer(event, with_places=True)
    if request.method == "GET":
        return look_page(event, file, offer)
    seen = file.mapping, file.options
    try:
        importing.settle(file, offer, read_mapping(), read_options(event))
        if "run" in request.form and (file.mapping, file.options) != seen:
            flash(_("You have changed something since you looked. This is what would happen now."), "info")
        elif "run" in request.form:
            importing.start(file, by=g.member.actor)
    except RefusedFields as refused:
        # How the columns were set stays, so that nothing has to be chosen twice.
        return look_page(event, file, offer, refused.errors, refused.status)
    return redirect(url_for(".show", event=event.slug, id=file.id), 303)


def act(event, file: ImportFile, operation: BulkOperation):
    here = url_for(".show", event=event.slug, id=file.id)
    if "undo" in request.form:
        importing.undo(operation, by=g.member.actor)
        sentence = _("The import is being taken back.") if operation.state == "undoing" else _("The import was taken back.")
        return done(sentence, here)
    if "stop" in request.form:
        bulk.stop(operation, by=g.member.actor)
        return done(_("No further row is begun."), here)
    return redirect(here, 303)  # pressed twice


def read_mapping() -> dict[str, str]:
    numbers = (name.removeprefix("column-") for name in request.form if name.startswith("column-"))
    return {number: request.form[f"column-{number}"] for number in numbers if number.isascii() and number.isdigit() and len(number) < 4}


def read_options(event: Event) -> dict:
    language = request.form.get("language", "")
    return {"payment": request.form.get("payment", ""), "reason": clean(request.form.get("reason"))[:500],
            "letters": "letters" in request.form, "program": request.form.get("default_program", ""),
            "skip_existing": "skip_existing" in request.form, "tag": clean(request.form.get("tag"))[:40],
            "language": language if language in LOCALES else event.languages[0]}


def look_page(event, file: ImportFile, offer, errors=None, status: int = 200):
    try:
        found = importing.look(file, offer)
    except Refused as refused:  # its content is no longer kept
        return page("admin/imports/gone.html", event=event, file=file, sentence=refused.sentence)
    samples = [[line.cells[number] for line in found.lines[:3] if line.cells[number]] for number in range(len(found.table.headings))]
    return page(
        "admin/imports/look.html", status, event=event, file=file, offer=offer, found=found, errors=errors or {}, shown=SHOWN,
        targets=importing.targets(offer), samples=samples, count_more=sum(1 for line in found.lines if line.code or line.known) - SHOWN,
        programs=[(code, localized(program.name)) for code, program in offer.programs.items()], costs=any(tier["price"] for program in offer.programs.values() for tier in program.tiers))


def result_page(event, file: ImportFile, operation: BulkOperation):
    rows = db.session.scalars(select(BulkRow).where(BulkRow.operation_id == operation.id, BulkRow.state.in_(("refused", "kept")))
                              .order_by(BulkRow.position).limit(SHOWN)).all()
    counts = dict(db.session.execute(select(BulkRow.state, func.count()).where(BulkRow.operation_id == operation.id)
                                     .group_by(BulkRow.state)).all())
    return page("admin/imports/result.html", event=event, file=file, operation=operation, counts=counts, going_on=operation.state in (
        "waiting", "running", "undoing"), may_undo=importing.may_undo(operation), rows=[(row, said(row)) for row in rows],
        problems=problems_of(event, file, rows), now=clock.now(), shown=SHOWN)


def said(row: BulkRow) -> str:
    return str(REASONS.get(row.reason) or WORDS.get(row.reason, row.reason))


def problems_of(event, file: ImportFile, rows) -> dict[int, list]:
    """What exactly was wrong with a row, as long as the file is kept."""
    if file.content is None or not any(row.reason == "invalid" for row in rows):
        return {}
    found = importing.look(file, ordering.offer(event, with_places=True))
    return {line.number: line.problems for line in found.lines if line.code == "invalid"}


def earlier(event) -> list[tuple[ImportFile, BulkOperation | None]]:
    """The event's last imports, without their content."""
    query = select(ImportFile.id, ImportFile.name, ImportFile.created_at, BulkOperation).outerjoin(
        BulkOperation, BulkOperation.id == ImportFile.operation_id).where(ImportFile.event_id == event.id)
    return db.session.execute(query.order_by(ImportFile.id.desc()).limit(10)).all()
