"""Who did what to which object, when and from where."""
import codecs
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, g, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from eventapp import audit, clock, tenancy
from eventapp.domain import auditing, exporting
from eventapp.extensions import db
from eventapp.languages import _, current_locale, force_locale
from eventapp.models import Membership, Organization, User
from eventapp.permissions import requires
from eventapp.web.forms import clean
from eventapp.web.pages import page

bp = Blueprint("audit", __name__)
PER_PAGE, CHUNK = 50, 1000
NAMES = ("actor", "group", "kind", "number", "from", "to")


@bp.get("/audit")
@requires("audit.read")
def index():
    zone, asked = own_zone(), asked_for(request.args)
    found = auditing.query(wanted(asked, zone))
    after = read_place(request.args.get("older", ""))
    rows = db.session.execute((auditing.older(found, *after) if after else found).limit(PER_PAGE + 1)).all()
    last = rows[PER_PAGE - 1][0] if len(rows) > PER_PAGE else None
    return page("admin/audit/index.html", asked=asked, lines=auditing.lines(rows[:PER_PAGE]), zone=zone.key, groups=auditing.GROUPS,
                kinds=auditing.KINDS, actors=auditing.ACTORS, staff=staff(), first=not after,
                older=last and url_for(".index", **asked, older=f"{last.created_at.isoformat()} {last.id}"))


@bp.post("/audit/export")
@requires("audit.read")
def export():
    """The lines that the filter means, as a table. That it was taken is itself on record."""
    zone, asked = own_zone(), asked_for(request.args)
    # What is written from now on, this very line among it, is not in it.
    until = min(filter(None, (wanted(asked, zone).until, clock.now())))
    found = auditing.query(wanted(asked, zone, until=until))
    audit.record("audit_log.exported", db.session.get(Organization, g.org.id), by=g.member.actor, after={"filter": asked} if asked else None)
    table = written(db.engine, tenancy.current_org_id(), found, zone, current_locale())
    name = f"audit-{g.org.slug}-{clock.now().astimezone(zone):%Y%m%d-%H%M}.csv"
    return Response(table, mimetype="text/csv; charset=utf-8", headers={
        "Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"})


# -- what is asked for -----------------------------------------------------------------------------------

def asked_for(args) -> dict[str, str]:
    """The filter as its address says it, without what is empty."""
    given = {name: clean(args.get(name))[:60] for name in NAMES}
    return {name: value for name, value in given.items() if value}


def wanted(asked: dict, zone: ZoneInfo, **other) -> auditing.Wanted:
    """Days are whole, in the organisation's own time."""
    start, end = read_day(asked.get("from"), zone), read_day(asked.get("to"), zone)
    given = {"events": g.member.event_ids, "since": start, "until": end and end + timedelta(days=1)}
    given |= {name: asked.get(name, "") for name in ("actor", "group", "kind", "number")}
    return auditing.Wanted(**(given | other))


def read_day(text: str | None, zone: ZoneInfo) -> datetime | None:
    try:
        day = datetime.combine(date.fromisoformat(text or ""), datetime.min.time(), zone)
        return day if 1900 < day.year < 9999 else None
    except ValueError:
        return None


def read_place(text: str) -> tuple[datetime, int] | None:
    """Where the page before has ended."""
    at, _space, id_ = text.rpartition(" ")
    try:
        return datetime.fromisoformat(at), int(id_)
    except ValueError:
        return None


def own_zone() -> ZoneInfo:
    return ZoneInfo(db.session.get(Organization, g.org.id).timezone)


def staff() -> list[tuple[int, str]]:
    """To choose from: the members of today."""
    return db.session.execute(select(User.id, User.name).join(Membership, Membership.user_id == User.id)
                              .where(Membership.org_id == g.org.id).order_by(User.name)).all()


# -- as a file ---------------------------------------------------------------------------------------------

def written(engine, org_id: int, found, zone: ZoneInfo, locale: str):
    """Read long after the request's own transaction: each chunk in a short one, so that a slow reader keeps nothing open."""
    with force_locale(locale):
        head = row((_("When"), _("Who"), _("What was done"), _("About"), _("Change"), _("Before"), _("After"), _("From where"), _("Action")))
    yield codecs.BOM_UTF8 + head
    after = None
    while True:
        with force_locale(locale), Session(engine) as session:
            session.execute(tenancy.SET_ORG, {"org": str(org_id)})
            rows = session.execute((auditing.older(found, *after) if after else found).limit(CHUNK)).all()
            text = b"".join(row(cells) for line in auditing.lines(rows, session) for cells in table(line, zone))
        yield text
        if len(rows) < CHUNK:
            return
        after = rows[-1][0].created_at, rows[-1][0].id


def table(line: auditing.Line, zone: ZoneInfo):
    """A row for each thing that was changed, one for a line that changed nothing."""
    entry = line.entry
    for change in line.changes or [auditing.Change("", "", "")]:
        yield (entry.created_at.astimezone(zone).isoformat(" ", "seconds"), line.who, line.what, line.subject.text, change.label,
               change.before, change.after, entry.address, entry.action)


def row(cells) -> bytes:
    return exporting.table_text([[exporting.cell(cell) for cell in cells]]).encode()
