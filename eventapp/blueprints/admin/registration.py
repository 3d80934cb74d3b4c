"""One registration: everything about it, on a page of its own and as a panel beside the desk."""
import io

from flask import Blueprint, abort, g, send_file, url_for
from sqlalchemy.orm import selectinload

from eventapp.blueprints.admin import showing
from eventapp.domain import ledger, uploading
from eventapp.extensions import db
from eventapp.models import Order, Registration, Upload
from eventapp.permissions import requires
from eventapp.web.pages import is_htmx, page, target

bp = Blueprint("registration", __name__)
IN_SHORT = 5


@bp.get("/registrations/<number>")
@requires("registrations.read")
def show(number):
    row = g.member.registration(number)
    if is_htmx() and target() == "panel":
        return page("admin/registrations/_panel.html", **panel(row))
    return page("admin/registrations/show.html", **panel(row))


def panel(row: Registration) -> dict:
    """What `admin/registrations/_panel.html` is drawn from: `page(…, **panel(row))`, or `page(…, panel=None)` while it is closed.

    The page around it may add `panel_links`: addresses as `close`, `previous`, `next`.
    """
    order = db.session.get(Order, row.order_id, options=[selectinload(Order.event)])
    owed, paid = ledger.owed_and_paid(order)
    form = showing.form_of(order)
    return {"panel": {
        "registration": row, "order": order, "event": order.event, "lines": list(row.line_items), "owed": owed, "paid": paid,
        "answers": showing.answers(form.fields, row.answers) + showing.answers(form.fields, order.answers),
        "history": showing.history(row, IN_SHORT), "actions": showing.actions(row, owed),
        "begin": showing.address("admin.bulk.begin"), "url": url_for("admin.registration.show", number=row.number),
        "desk": showing.address("admin.registrations.index")}}


@bp.get("/registrations/<number>/files/<int:id>")
@requires("registrations.read")
def file(number, id):
    """A file that came with the form: to be kept, never shown as a page of ours."""
    row = g.member.registration(number)
    order = db.session.get(Order, row.order_id)
    upload = db.session.get(Upload, id) if id in showing.upload_ids(row, order) else None
    content = uploading.content_of(upload) if upload and upload.order_id == order.id else None
    if content is None:
        abort(404)
    response = send_file(io.BytesIO(content), mimetype=upload.type, as_attachment=True, download_name=upload.name)
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response
