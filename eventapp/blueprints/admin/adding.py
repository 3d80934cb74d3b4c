"""Registering somebody by hand: one page, one POST, which also quotes the total (`requote`)."""
from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, g, redirect, request, url_for

from eventapp import clock
from eventapp.blueprints.public import showing
from eventapp.blueprints.public.register import new_submission, typed_submission
from eventapp.domain import RefusedFields, adding, changing, checking_in, editing, ordering, registering
from eventapp.domain.adding import Entry
from eventapp.domain.ordering import Participant
from eventapp.languages import LOCALES, _
from eventapp.money import money_text
from eventapp.permissions import can, requires
from eventapp.unit_of_work import undo
from eventapp.web.forms import clean
from eventapp.web.pages import page

bp = Blueprint("adding", __name__)


@bp.route("/events/<event>/registrations/new", methods=["GET", "POST"])
@requires("registrations.create")
def new(event):
    event = g.member.event(event)
    offer = ordering.offer(event, with_places=True)
    entry, wrong = read(event, offer, request.form if request.method == "POST" else request.args)
    if request.method == "GET" or "requote" in request.form:
        return form_page(event, offer, entry, {})
    try:
        if wrong:
            raise RefusedFields(wrong | adding.check(offer, entry))
        order = adding.add(offer, entry, by=g.member.actor)
    except RefusedFields as refused:
        undo()
        return form_page(event, ordering.offer(event, with_places=True), entry, refused.errors, refused.status)
    registration = registering.of_order(order)[0]
    flash(said(order, registration, entry), "success")
    if request.form.get("check_in"):
        flash(check_in(event, registration), "info")
    return redirect(onwards(event, registration, entry), 303)


def read(event, offer, values) -> tuple[Entry, dict[str, str]]:
    """What was typed, and what of it is no day or no number."""
    chosen = {code: 1 for code in values.getlist("program") if code}
    wrong, quantities = {}, {}
    for name, text in values.items():
        if name.startswith("qty-") and text.strip() not in ("", "0"):
            if text.strip().isascii() and text.strip().isdigit() and len(text.strip()) < 6:
                chosen[name.removeprefix("qty-")] = int(text)
            else:
                quantities[name] = _("Enter a whole number, such as 3.")
    if request.method == "GET" and not chosen and len(offer.programs) == 1:
        chosen = {code: max(1, program.minimum) for code, program in offer.programs.items()}
    until = None
    if values.get("until", "").strip():
        try:
            until = end_of_day(datetime.strptime(values["until"].strip(), "%Y-%m-%d"), event)
        except ValueError:
            wrong["until"] = _("Choose a day, like 2026-11-22.")
    locale = values.get("language") or (event.languages[0] if event.languages else g.locale)
    return Entry(
        id=typed_submission() or new_submission(),
        person=Participant(name=clean(values.get("name")), email=clean(values.get("email")), phone=clean(values.get("phone")),
                           chosen=chosen, answers=answers(values, "field-"), wrong_quantities=quantities),
        payment=values.get("payment", adding.CASH), reason=clean(values.get("reason"))[:500], until=until, letter="letter" in values,
        locale=locale if locale in LOCALES else g.locale, note=values.get("note", "").replace("\0", "")[:2000],
        flag=clean(values.get("flag"))[:editing.LONGEST["flag"]], order_answers=answers(values, "order-field-")), wrong


def answers(values, prefix: str) -> dict[str, list[str]]:
    return {name.removeprefix(prefix): values.getlist(name) for name in values if name.startswith(prefix)}


def end_of_day(day: datetime, event) -> datetime:
    """Midnight at the end of it, in the event's time zone."""
    return datetime.combine(day.date() + timedelta(days=1), time(), ZoneInfo(event.timezone)).astimezone(timezone.utc)


def form_page(event, offer, entry: Entry, errors: dict, status: int = 200):
    left = {program.code: offer.left(program) for program in offer.programs.values()}
    prices = {code: changing.today(program, offer.at)[0] for code, program in offer.programs.items()}
    states = {sale.program.code: sale.state for sale in showing.sales(offer)}
    local = entry.until and (entry.until - timedelta(seconds=1)).astimezone(ZoneInfo(event.timezone))
    zone = ZoneInfo(event.timezone)
    return page(
        "admin/adding/new.html", status, event=event, offer=offer, entry=entry, person=entry.person, errors=errors, left=left,
        prices=prices, states=states, costs=any(prices.values()), total=sum(line.amount for line in adding.lines(offer, entry)),
        questions=adding.optional(offer.fields), order_questions=adding.optional(offer.order_fields),
        until=local and f"{local:%Y-%m-%d}", today=f"{clock.now().astimezone(zone):%Y-%m-%d}", checkpoint=checkpoint(event),
        check_in="check_in" in request.values)


# -- afterwards ----------------------------------------------------------------------------------------

def said(order, registration, entry: Entry) -> str:
    values = {"name": registration.name, "number": registration.number,
              "amount": money_text(order.total, order.currency, g.locale)}
    if order.total and entry.payment == adding.CASH:
        return _("%(name)s is registered (%(number)s). %(amount)s was received in cash.", **values)
    if order.total:
        return _("%(name)s is registered (%(number)s) and owes %(amount)s.", **values)
    return _("%(name)s is registered (%(number)s).", **values)


def checkpoint(event):
    """Where somebody who stands before us would be checked in."""
    return checking_in.open_now(checking_in.checkpoints(event), clock.now()) if can("registrations.check_in") else None


def check_in(event, registration) -> str:
    point = checkpoint(event)
    if point and checking_in.enter([registration], point, by=g.member.actor, gate=g.member.user.name).entries:
        return _("%(name)s is checked in.", name=registration.name)
    return _("%(name)s could not be checked in. Look at the door.", name=registration.name)


def onwards(event, registration, entry: Entry) -> str:
    """To the registration; or to an empty form on which stands what the next one in the queue will take, too."""
    if "again" not in request.form:
        return url_for("admin.registration.show", number=registration.number)
    same = {"program": [code for code, count in entry.person.chosen.items() if count == 1], "payment": entry.payment}
    return url_for(".new", event=event.slug, **same, language=entry.locale, check_in=1 if "check_in" in request.form else None)
