"""Where tickets are looked at, how often each may pass, and when."""
import re

from flask import Blueprint, abort, g, url_for
from sqlalchemy import select
from wtforms import DateTimeLocalField, IntegerField, RadioField, SelectField
from wtforms.validators import InputRequired, NumberRange, Optional, ValidationError

from eventapp.domain import Refused, checking_in
from eventapp.extensions import db
from eventapp.languages import _, _l, localized
from eventapp.models import Checkpoint, Program
from eventapp.permissions import requires
from eventapp.web import forms
from eventapp.web.pages import done, page

bp = Blueprint("checkpoints", __name__, url_prefix="/events/<event>/checkin/checkpoints")


class CheckpointForm(forms.Form):
    name_ko = forms.line(_l("Name in Korean"), longest=60)
    name_en = forms.line(_l("Name in English"), longest=60)
    code = forms.line(_l("Short name in addresses"), _l("Give it a short name."), longest=40)
    kind = SelectField(_l("Kind"), [InputRequired()])
    times = IntegerField(_l("How often may one ticket pass?"), [InputRequired(_l("Enter a number from 1 to 99.")),
                                                               NumberRange(1, 99, _l("Enter a number from 1 to 99."))], default=1)
    per = RadioField(_l("Counted"), [InputRequired()], default="event")
    program = SelectField(_l("Only for those who take part in"))
    opens_at = DateTimeLocalField(_l("Opens"), [Optional()], format="%Y-%m-%dT%H:%M")
    closes_at = DateTimeLocalField(_l("Closes"), [Optional()], format="%Y-%m-%dT%H:%M")

    def values(self, event, programs) -> dict:
        """As the domain takes them: times are typed in the event's zone."""
        program = next((each for each in programs if each.code == self.program.data), None)
        return {"code": self.code.data.lower(), "kind": self.kind.data, "times": self.times.data, "per": self.per.data,
                "name": {language: text for language, text in (("ko", self.name_ko.data), ("en", self.name_en.data)) if text},
                "program_id": program and program.id, "opens_at": checking_in.in_zone(self.opens_at.data, event),
                "closes_at": checking_in.in_zone(self.closes_at.data, event)}

    def validate_code(self, field):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*", field.data):
            raise ValidationError(_("Use letters, digits and hyphens."))


@bp.get("")
@requires("events.update")
def index(event):
    event = g.member.event(event)
    found = db.session.scalars(select(Checkpoint).where(Checkpoint.event_id == event.id)
                               .order_by(Checkpoint.closed, Checkpoint.position, Checkpoint.id)).all()
    return page("admin/checkin/checkpoints.html", event=event, checkpoints=found, programs={each.id: each for each in programs_of(event)})


@bp.route("/new", methods=["GET", "POST"])
@requires("events.update")
def new(event):
    return edited(g.member.event(event), None)


@bp.route("/<int:number>", methods=["GET", "POST"])
@requires("events.update")
def edit(event, number):
    event = g.member.event(event)
    return edited(event, of_event(event, number))


def edited(event, checkpoint):
    programs = programs_of(event)
    form = CheckpointForm(**shown(checkpoint, event, programs) if checkpoint else {})
    form.kind.choices = [("entry", _("Entrance")), ("day", _("Day")), ("session", _("Session")), ("meal", _("Meal"))]
    form.per.choices = [("event", _("Over the whole event")), ("day", _("On each day"))]
    form.program.choices = [("", _("Everybody")), *((each.code, localized(each.name)) for each in programs)]
    if form.validate_on_submit():
        try:
            if checkpoint:
                checking_in.change_checkpoint(checkpoint, by=g.member.actor, **form.values(event, programs))
            else:
                checking_in.add_checkpoint(event, by=g.member.actor, **form.values(event, programs))
        except Refused as refused:
            form.refuse(refused)
        else:
            return done(_("Saved."), url_for(".index", event=event.slug))
    return page("admin/checkin/checkpoint.html", 422 if form.errors else 200, event=event, checkpoint=checkpoint, form=form)


def shown(checkpoint: Checkpoint, event, programs) -> dict:
    program = next((each for each in programs if each.id == checkpoint.program_id), None)
    return {"name_ko": checkpoint.name.get("ko", ""), "name_en": checkpoint.name.get("en", ""), "code": checkpoint.code, "kind": checkpoint.kind,
            "times": checkpoint.times, "per": checkpoint.per, "program": program.code if program else "",
            "opens_at": checking_in.local(checkpoint.opens_at, event), "closes_at": checking_in.local(checkpoint.closes_at, event)}


@bp.post("/<int:number>/close")
@requires("events.update")
def close(event, number):
    event = g.member.event(event)
    checking_in.close_checkpoint(of_event(event, number), True, by=g.member.actor)
    return done(_("Doors no longer offer this checkpoint. Its entries stay."), url_for(".index", event=event.slug))


@bp.post("/<int:number>/open")
@requires("events.update")
def reopen(event, number):
    event = g.member.event(event)
    checking_in.close_checkpoint(of_event(event, number), False, by=g.member.actor)
    return done(_("Doors offer this checkpoint again."), url_for(".index", event=event.slug))


def of_event(event, number: int) -> Checkpoint:
    checkpoint = db.session.get(Checkpoint, number)
    return checkpoint if checkpoint and checkpoint.event_id == event.id else abort(404)


def programs_of(event) -> list[Program]:
    return list(db.session.scalars(select(Program).where(Program.event_id == event.id).order_by(Program.position)))
