"""To any event, person or page in a few keys."""
from dataclasses import dataclass

from flask import Blueprint, g, request, url_for
from sqlalchemy import func

from eventapp import clock
from eventapp.blueprints.admin.events import named
from eventapp.blueprints.admin.frame import money_pages, sections
from eventapp.domain import listing
from eventapp.extensions import db
from eventapp.languages import _, localized
from eventapp.models import Event, Registration
from eventapp.permissions import can, requires
from eventapp.web.forms import clean
from eventapp.web.pages import page

bp = Blueprint("palette", __name__)
EVENTS, PEOPLE = 5, 8


@dataclass(frozen=True)
class Hit:
    """`status` is a registration's, shown as everywhere; `note` stands beside the text in grey."""

    icon: str
    text: str
    url: str
    note: str = ""
    status: str = ""


@bp.get("/palette")
@requires("admin.enter")
def index():
    text = clean(request.args.get("q"))[:100]
    groups = [(_("People"), people(text)), (_("Events"), events(text)), (_("Pages"), pages(text))]
    return page("admin/palette/index.html", q=text, groups=[(title, hits) for title, hits in groups if hits])


def people(text: str) -> list[Hit]:
    """By name, number, email or phone, the newest first. A number that is whole goes by its own index."""
    if len(text) < 2 or not can("registrations.read"):
        return []
    columns = (Registration.name, Registration.number, Registration.status, Event.title)
    mine = g.member.registrations().join(Event, Event.id == Registration.event_id).with_only_columns(*columns)
    found = db.session.execute(mine.where(Registration.number == text.upper())).all() if "-" in text else []
    found = found or db.session.execute(mine.where(listing.by_text(text)).order_by(Registration.id.desc()).limit(PEOPLE)).all()
    return [Hit("user", name, url_for("admin.registration.show", number=number), f"{number} · {localized(title)}", status)
            for name, number, status, title in found]


def events(text: str) -> list[Hit]:
    """Those that are called so; without a text, those that come next."""
    if not can("events.read"):
        return []
    query = g.member.events().where(named(text) if text else Event.ends_at >= clock.now())
    # Those that are on or coming before those that are over, the nearest first.
    nearest = func.abs(func.extract("epoch", Event.starts_at - clock.now()))
    found = db.session.scalars(query.order_by(Event.ends_at < clock.now(), nearest).limit(EVENTS)).all()
    return [Hit("calendar", localized(event.title), url_for("admin.events.show", event=event.slug), event.code) for event in found]


def pages(text: str) -> list[Hit]:
    known = [Hit(section.icon, str(section.title), url_for(section.endpoint)) for section in sections()]
    known += [Hit("wallet", str(title), address) for title, address, _here in money_pages() if address not in {hit.url for hit in known}]
    known += [Hit("globe", _("Public page"), url_for("public.organization.show")), Hit("user", _("My account"), url_for("account.home.show"))]
    return [hit for hit in known if text.lower() in hit.text.lower()]
