"""Letters that did not arrive."""
from flask import Blueprint, g
from sqlalchemy import func, select

from eventapp.blueprints.admin.todo import failed_letters
from eventapp.extensions import db
from eventapp.models import EmailMessage, Event, Order, Registration
from eventapp.permissions import requires
from eventapp.web.pages import page

bp = Blueprint("emails", __name__)
SHOWN = 100


@bp.get("/emails/failed")
@bp.get("/events/<event>/emails/failed")
@requires("registrations.read")
def failed(event=None):
    event = event and g.member.event(event)
    number = func.coalesce(
        select(Registration.number).where(Registration.id == EmailMessage.registration_id).scalar_subquery(),
        select(Registration.number).where(Registration.order_id == EmailMessage.order_id).order_by(Registration.position).limit(1).scalar_subquery())
    rows = db.session.execute(failed_letters(event).join(Event, Event.id == Order.event_id).add_columns(Event, Order.name, number)
                              .order_by(EmailMessage.id.desc()).limit(SHOWN)).all()
    return page("admin/emails/failed.html", event=event, rows=rows, most=SHOWN)
