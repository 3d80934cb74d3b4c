"""The organisation's events, and how one of them stands."""
from collections import Counter
from dataclasses import dataclass

from flask import Blueprint, g, request, url_for
from sqlalchemy import func, or_, select
from sqlalchemy.orm import selectinload

from eventapp import clock
from eventapp.blueprints.admin.todo import todos
from eventapp.domain import arrivals, checking_in
from eventapp.extensions import db
from eventapp.languages import LOCALES, _l
from eventapp.models import Event, Quota, Registration, Status
from eventapp.models.event import STATUSES
from eventapp.permissions import can, requires
from eventapp.web.forms import clean
from eventapp.web.pages import page

bp = Blueprint("events", __name__)
PER_PAGE = 25
TIMES = {"upcoming": _l("Upcoming"), "past": _l("Past"), "all": _l("All")}
ENDED = (Status.CANCELLED, Status.EXPIRED, Status.REJECTED)


@dataclass
class Standing:
    """One event and how many of its registrations are in which state."""

    event: Event
    counts: Counter

    @property
    def ended(self) -> int:
        return sum(self.counts[status] for status in ENDED)


@bp.get("/events")
@requires("events.read")
def index():
    asked = Asked.of(request.args)
    query = asked.narrow(g.member.events())
    total = db.session.scalar(select(func.count()).select_from(query.subquery()))
    pages = max(1, -(-total // PER_PAGE))
    number = min(asked.page, pages)
    # What comes next stands first; of what is over, the latest.
    order = Event.starts_at if asked.when == "upcoming" else Event.starts_at.desc()
    found = db.session.scalars(query.order_by(order, Event.id).limit(PER_PAGE).offset((number - 1) * PER_PAGE)).all()
    return page("admin/events/index.html", asked=asked, total=total, number=number, pages=pages, standings=standings(found),
                times=TIMES, statuses=STATUSES, url=lambda page: url_for(".index", **asked.names(), page=page))


@dataclass(frozen=True)
class Asked:
    """What the list is narrowed to, as its address says; what it can't mean, it does not say."""

    q: str
    status: str
    when: str
    page: int

    @classmethod
    def of(cls, args) -> "Asked":
        status, when = args.get("status", ""), args.get("when", "")
        return cls(clean(args.get("q"))[:100], status if status in STATUSES else "", when if when in TIMES else "upcoming",
                   max(1, args.get("page", 1, type=int)))

    def names(self, **other) -> dict:
        """For an address: only what differs from the list as one finds it."""
        given = {"q": self.q, "status": self.status, "when": self.when} | other
        return {name: value for name, value in given.items() if value and (name, value) != ("when", "upcoming")}

    def narrow(self, query):
        if self.when != "all":
            query = query.where(Event.ends_at >= clock.now() if self.when == "upcoming" else Event.ends_at < clock.now())
        if self.status:
            query = query.where(Event.status == self.status)
        if self.q:
            query = query.where(named(self.q))
        return query


def named(text: str):
    """Events whose title (in any language), word in the address or code contains the text."""
    columns = [func.coalesce(Event.title[locale].astext, "") for locale in LOCALES] + [Event.slug, Event.code]
    return or_(*(func.lower(column).contains(text.lower(), autoescape=True) for column in columns))


def standings(events: list[Event]) -> list[Standing]:
    """In one statement, however many events."""
    counts: dict[int, Counter] = {event.id: Counter() for event in events}
    if counts and can("registrations.read"):
        query = select(Registration.event_id, Registration.status, func.count()).where(Registration.event_id.in_(counts)).group_by(
            Registration.event_id, Registration.status)
        for event_id, status, count in db.session.execute(query):
            counts[event_id][status] = count
    return [Standing(event, counts[event.id]) for event in events]


@bp.get("/events/<event>")
@requires("events.read")
def show(event):
    event = g.member.event(event)
    points = checking_in.checkpoints(event) if can("registrations.read") else []
    return page("admin/events/show.html", event=event, standing=standings([event])[0], quotas=quotas(event),
                doors=list(zip(points, arrivals.counts(event, points), strict=True)),
                todos=todos(event), now=clock.now())


def quotas(event: Event) -> list[tuple[Quota, list]]:
    """Each number of places with the programs that draw on it; the whole event's first."""
    found = db.session.scalars(select(Quota).where(Quota.event_id == event.id).options(selectinload(Quota.programs))
                               .order_by(Quota.whole_event.desc(), Quota.id)).all()
    return [(quota, [program.name for program in quota.programs]) for quota in found]
