"""What the gateways have told every organisation: as it came, how it was proven, what became of it, and once more."""
from datetime import timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, request, url_for
from flask_login import current_user
from sqlalchemy import func, select

from eventapp import audit, clock, tenancy
from eventapp.blueprints.admin.webhooks import a_page, asked_for, wanted
from eventapp.domain import connecting_gateways, inbox, noticing
from eventapp.extensions import db, platform
from eventapp.languages import _, localized
from eventapp.models import Directory, WebhookEvent
from eventapp.permissions import requires
from eventapp.web.pages import done, page

bp = Blueprint("webhooks", __name__)
ZONE = ZoneInfo("Asia/Seoul")
NAMES = ("state", "provider", "kind", "org", "q", "from", "to")


@bp.get("/webhooks")
@requires("platform.manage")
def index():
    asked = asked_for(request.args, NAMES)
    with platform.session() as session:
        whose = session.scalar(select(Directory.org_id).where(Directory.slug == asked["org"])) if asked.get("org") else None
        looked_for = inbox.Wanted(org_id=whose or -1 if asked.get("org") else None, provider=asked.get("provider", ""), **wanted(asked, ZONE))
        rows, older = a_page(session, looked_for, request.args.get("older", ""))
        names = {each.org_id: localized(each.name) for each in session.scalars(select(Directory).where(
            Directory.org_id.in_({event.org_id for event, _account in rows})))} if rows else {}
        day = dict(map(tuple, session.execute(select(WebhookEvent.state, func.count()).where(
            WebhookEvent.created_at > clock.now() - timedelta(days=1)).group_by(WebhookEvent.state))))
        late = noticing.off_the_clock(session)
    return page("platform/webhooks.html", rows=rows, asked=asked, zone=ZONE.key, inbox=inbox, organizations=names, day=day,
                gateways=connecting_gateways.GATEWAYS, off_the_clock=late >= noticing.CLOCK_IN_DOUBT, first=not request.args.get("older"),
                older=older and url_for(".index", **asked, older=older))


@bp.get("/webhooks/<int:org_id>/<int:number>")
@requires("platform.manage")
def show(org_id, number):
    with platform.session() as session:
        found = session.execute(inbox.query(inbox.Wanted(org_id=org_id)).where(WebhookEvent.id == number)).one_or_none() or abort(404)
        directory = session.get(Directory, org_id)
    event, account = found
    return page("platform/webhook.html", event=event, account=account, inbox=inbox, zone=ZONE.key, directory=directory,
                title=connecting_gateways.title(account))


@bp.post("/webhooks/<int:org_id>/<int:number>/replay")
@requires("platform.manage")
def replay(org_id, number):
    """On record in the organisation whose notice it is."""
    if db.session.get(Directory, org_id) is None:
        abort(404)
    with tenancy.inside(org_id):
        event = db.session.scalar(select(WebhookEvent).where(WebhookEvent.id == number)) or abort(404)
        noticing.replay(event, by=audit.Actor("user", current_user.id))
    return done(_("The notice is looked at once more: the gateway is asked again."), url_for(".show", org_id=org_id, number=number))
