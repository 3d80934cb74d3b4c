"""What goes back when somebody cancels: the event's table, edited, with a preview in words; and cancelling the whole event."""
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, g, request, url_for

from eventapp import clock
from eventapp.domain import Refused, RefusedFields, cancelling_events, refund_rules
from eventapp.domain.listing import METHOD_WORDS
from eventapp.languages import LOCALES, NAMES, _, current_locale
from eventapp.models import Event
from eventapp.money import Money, exponent
from eventapp.permissions import requires
from eventapp.unit_of_work import undo
from eventapp.web.pages import done, page

bp = Blueprint("refund_rules", __name__)


@bp.route("/events/<event>/refund-rules", methods=["GET", "POST"])
@requires("events.update")
def edit(event):
    event = g.member.event(event)
    if request.method == "GET":
        return form(event, typed(event.refund_rules, event, event.cancellable_until), event.refund_rules)
    if "preset" in request.form:
        return form(event, typed(refund_rules.PERFORMANCES, event, event.cancellable_until), refund_rules.PERFORMANCES)
    try:
        rules, until = refund_rules.read(request.form, event)
    except RefusedFields as refused:
        quiet = "calculate" in request.form
        return form(event, request.form, None, {} if quiet else refused.errors, 200 if quiet else refused.status)
    if "calculate" in request.form:
        return form(event, request.form, rules)
    refund_rules.save(event, rules, until, by=g.member.actor)
    return done(_("Saved. It holds for everybody who registers from now on."), url_for(".edit", event=event.slug))


def form(event: Event, given, rules: dict | None, errors=None, status: int = 200):
    """`rules`: as they would be, for the preview; None while something can't be read."""
    return page("admin/refunds/rules.html", status, event=event, given=given, rules=rules, errors=errors or {}, lines=lines(given),
                words=None if rules is None else refund_rules.in_words(rules, event, current_locale()),
                worse=refund_rules.worse_than_the_standard(rules or {}), names=[(locale, NAMES[locale]) for locale in LOCALES],
                example=example(event, rules), decimals=exponent(event.currency))


def lines(given) -> int:
    """How many lines are drawn: those that are filled in, and some to fill in."""
    used = max([number for number in range(1, refund_rules.MOST_TIERS + 1) if given.get(f"tier-{number}-days") or given.get(f"tier-{number}-percent")],
               default=0)
    return min(refund_rules.MOST_TIERS, max(4, used + 2))


def typed(rules: dict, event: Event, until) -> dict[str, str]:
    """A table as the form's fields."""
    given = {f"note-{locale}": (rules.get("note") or {}).get(locale, "") for locale in LOCALES}
    for number, tier in enumerate(refund_rules.tiers(rules), start=1):
        given |= {f"tier-{number}-days": str(tier.days), f"tier-{number}-percent": str(tier.percent),
                  f"tier-{number}-fee": str(Money(tier.fee, event.currency).decimal) if tier.fee else ""}
    if rules.get("regret"):
        given |= {"regret": "1", "regret-hours": str(rules["regret"]["hours"]), "regret-days": str(rules["regret"]["days"])}
    return given | {"until": until.astimezone(ZoneInfo(event.timezone)).strftime("%Y-%m-%dT%H:%M") if until else ""}


def example(event: Event, rules: dict | None) -> tuple[int, int] | None:
    """What somebody who had cancelled today would get back of a usual price: (of, back)."""
    price = max((program.tiers[0]["price"] for program in event.programs if program.tiers), default=0)
    if rules is None or not price:
        return None
    return price, refund_rules.share(rules, event, clock.now()).amount(price)


# -- the whole event ------------------------------------------------------------------------------------

@bp.route("/events/<event>/cancel", methods=["GET", "POST"])
@requires("registrations.refund")
def cancel(event):
    event = g.member.event(event)
    if not (g.member.can("events.update") and g.member.can("registrations.cancel")):
        abort(403)
    if request.method == "GET":
        return cancel_page(event)
    try:
        cancelling_events.cancel(event, request.form, member=g.member)
    except Refused as refused:
        undo()
        errors = refused.errors if isinstance(refused, RefusedFields) else {refused.field or "form": refused.sentence}
        return cancel_page(g.member.event(event.slug), errors, refused.status)
    return done(_("The event is cancelled. Refunds are going out one after another."), url_for(".cancel", event=event.slug))


def cancel_page(event: Event, errors=None, status: int = 200):
    operation = cancelling_events.latest(event)
    waiting = cancelling_events.waiting(operation)
    going = operation is not None and operation.state in ("waiting", "running") or waiting > 0
    return page("admin/refunds/cancel_event.html", status, event=event, errors=errors or {}, given=request.form, operation=operation,
                going=going, waiting=waiting, left=cancelling_events.left(event), ways=cancelling_events.ways(event), methods=METHOD_WORDS,
                progress=cancelling_events.progress(event) if event.status == "cancelled" else {}, now=clock.now())
