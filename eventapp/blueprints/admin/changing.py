"""Changing what somebody takes part in: choose, see the difference, save."""
from dataclasses import dataclass

from flask import Blueprint, g, request, url_for

from eventapp import clock
from eventapp.domain import Refused, RefusedFields, changing, ordering
from eventapp.domain.changing import Wanted
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import Event, Order, Program, Registration
from eventapp.permissions import can, requires
from eventapp.unit_of_work import undo
from eventapp.web.pages import done, page

bp = Blueprint("changing", __name__)


@dataclass(frozen=True, slots=True)
class Offered:
    """A program as staff may choose it: `has` of it now, `left` places or None when they are not counted."""

    program: Program
    price: int
    has: int
    wanted: int
    left: int | None


@bp.route("/registrations/<number>/programs", methods=["GET", "POST"])
@requires("registrations.edit")
def edit(number):
    row = g.member.registration(number)
    if request.method == "GET":
        return form(row, Wanted(changing.chosen(row), was=changing.mark(row)))
    wanted = read(row)
    if "calculate" in request.form:
        return form(row, wanted)
    try:
        changing.change(row, wanted, by=g.member.actor)
    except Refused as refused:
        undo()
        row = g.member.registration(number)
        if refused.status == 409:
            wanted.was = changing.mark(row)  # what stands now is shown; sent once more it is meant
        errors = refused.errors if isinstance(refused, RefusedFields) else {refused.field or "form": refused.sentence}
        return form(row, wanted, errors, refused.status)
    return done(_("Programs changed."), url_for("admin.registration.show", number=number, _anchor="programs"))


def read(row: Registration) -> Wanted:
    chosen = dict.fromkeys(filter(None, request.form.getlist("program")), 1)
    wrong = {}
    for name, text in request.form.items():
        if name.startswith("qty-") and text.strip() not in ("", "0"):
            if text.strip().isascii() and text.strip().isdigit() and len(text.strip()) < 6:
                chosen[name.removeprefix("qty-")] = int(text)
            else:
                wrong[name] = _("Enter a whole number, such as 3.")
    return Wanted(chosen, was=request.form.get("was", ""), free=request.form.get("price") == "free",
                  reason=" ".join(request.form.get("reason", "").split())[:200], tell="tell" in request.form,
                  give_back="give_back" in request.form and can("registrations.refund"), wrong_quantities=wrong)


def form(row: Registration, wanted: Wanted, errors=None, status: int = 200):
    event, order = db.session.get(Event, row.event_id), db.session.get(Order, row.order_id)
    offer = ordering.offer(event, with_places=True)
    return page("admin/registrations/programs.html", status, registration=row, event=event, order=order, wanted=wanted,
                offered=offered(offer, row, wanted), preview=changing.preview(row, wanted), errors=errors or {},
                first=request.method == "GET", can_change=row.status in changing.CHANGEABLE,
                may_refund=can("registrations.refund"))


def offered(offer: ordering.Offer, row: Registration, wanted: Wanted) -> list[Offered]:
    has, now = changing.chosen(row), clock.now()
    return [Offered(program, changing.today(program, now)[0], has.get(code, 0), wanted.chosen.get(code, 0), left(program))
            for code, program in offer.programs.items()]


def left(program: Program) -> int | None:
    return min((quota.left for quota in program.quotas), default=None)
