"""Phones at the doors: invited by a link in a QR, joined by a button, taken off with another."""
from flask import Blueprint, abort, g, redirect, url_for
from wtforms import SelectField

from eventapp import clock
from eventapp.domain import Refused, checking_in, devices
from eventapp.extensions import db
from eventapp.languages import _, _l, localized
from eventapp.models import DoorDevice, Event
from eventapp.permissions import PUBLIC, requires
from eventapp.tickets import qr
from eventapp.web import forms, limits
from eventapp.web.pages import done, page
from eventapp.web.sessions import set_cookie

bp = Blueprint("devices", __name__, url_prefix="/events/<event>/checkin")
YEAR = 365 * 24 * 3600


class InviteForm(forms.Form):
    name = forms.line(_l("Name of the door or the person"), _l("Give the device a name, such as Gate A."), longest=60)
    checkpoint = SelectField(_l("Checkpoint"))


@bp.route("/devices", methods=["GET", "POST"])
@requires("events.update")
def index(event):
    event = g.member.event(event)
    found = checking_in.checkpoints(event)
    form = InviteForm()
    form.checkpoint.choices = [("", _("Whichever is open")), *((each.code, localized(each.name)) for each in found)]
    if form.validate_on_submit():
        checkpoint = next((each for each in found if each.code == form.checkpoint.data), None)
        device, token = devices.invite(event, form.name.data, checkpoint, by=g.member.actor)
        # The secret of the link is kept as a hash, so this answer is the only one that can show it.
        link = url_for(".join", event=event.slug, token=token, _external=True)
        return page("admin/checkin/invitation.html", event=event, device=device, link=link, picture=qr.svg(link, _("Code for the phone's camera")))
    return page("admin/checkin/devices.html", 422 if form.errors else 200, event=event, form=form, devices=devices.of(event), now=clock.now(),
                places={each.id: each for each in found})


@bp.post("/devices/<int:number>/revoke")
@requires("events.update")
def revoke(event, number):
    event = g.member.event(event)
    device = db.session.get(DoorDevice, number)
    if device is None or device.event_id != event.id:
        abort(404)
    devices.revoke(device, by=g.member.actor)
    return done(_("%(name)s has been taken off the doors.", name=device.name), url_for(".index", event=event.slug))


@bp.get("/join/<token>")
@requires(PUBLIC)
@limits.failures("door", 50, minutes=15, method="GET")
def join(event, token):
    """A link changes nothing by being opened: previews of messengers open it too."""
    device = devices.invited(event, token)
    if device is None:
        limits.failed()
    return page("admin/checkin/join.html", 200 if device else 404, device=device, event=device and db.session.get(Event, device.event_id))


@bp.post("/join/<token>")
@requires(PUBLIC)
@limits.failures("door", 50, minutes=15)
def accept(event, token):
    device = devices.invited(event, token)
    if device is None:
        limits.failed()
        return page("admin/checkin/join.html", 404, device=None, event=None)
    try:
        secret = devices.join(device)
    except Refused:
        return page("admin/checkin/join.html", 404, device=None, event=None)
    return set_cookie(redirect(url_for("admin.checkin.show", event=event), 303), "door", secret, YEAR)
