"""What the gateways have told us: as it came, how it was proven, what became of it, and once more."""
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, g, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import defer

from eventapp.domain import connecting_gateways, inbox, noticing
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import GatewayAccount, Order, Organization, Payment, Registration, WebhookEvent
from eventapp.permissions import requires
from eventapp.web.forms import clean
from eventapp.web.pages import done, page

bp = Blueprint("webhooks", __name__)
PER_PAGE = 50
NAMES = ("state", "account", "kind", "q", "from", "to")


@bp.get("/payments/webhooks")
@requires("payments.read")
def index():
    zone = ZoneInfo(db.session.get(Organization, g.org.id).timezone)
    asked = asked_for(request.args, NAMES)
    rows, older = a_page(db.session, inbox.Wanted(events=g.member.event_ids, **wanted(asked, zone)), request.args.get("older", ""))
    accounts = db.session.scalars(select(GatewayAccount).where(GatewayAccount.secret_key.is_not(None)).order_by(GatewayAccount.id)).all()
    return page("admin/webhooks/index.html", rows=rows, asked=asked, zone=zone.key, accounts=accounts, title_of=connecting_gateways.title, inbox=inbox,
                first=not request.args.get("older"), older=older and url_for(".index", **asked, older=older))


@bp.get("/payments/webhooks/<int:number>")
@requires("payments.read")
def show(number):
    event, account = one_or_404(number)
    return page("admin/webhooks/show.html", event=event, account=account, inbox=inbox, title=connecting_gateways.title(account),
                zone=db.session.get(Organization, g.org.id).timezone, registration=registration_of(event))


@bp.post("/payments/webhooks/<int:number>/replay")
@requires("payments.mark_received")
def replay(number):
    event, _account = one_or_404(number)
    noticing.replay(event, by=g.member.actor)
    return done(_("The notice is looked at once more: the gateway is asked again."), url_for(".show", number=number))


def one_or_404(number: int):
    found = inbox.query(inbox.Wanted(events=g.member.event_ids)).where(WebhookEvent.id == number)
    return db.session.execute(found).one_or_none() or abort(404)


def registration_of(event: WebhookEvent) -> str | None:
    """The number of the order's first registration, to be opened."""
    return event.payment_id and db.session.scalar(
        select(Registration.number).join(Order, Order.id == Registration.order_id).join(Payment, Payment.order_id == Order.id)
        .where(Payment.id == event.payment_id).order_by(Registration.position).limit(1))


# -- what is asked for, here and at the operator's --------------------------------------------------------------

def asked_for(args, names) -> dict[str, str]:
    """The filter as its address says it, without what is empty."""
    given = {name: clean(args.get(name))[:200] for name in names}
    return {name: value for name, value in given.items() if value}


def wanted(asked: dict, zone: ZoneInfo) -> dict:
    """Days are whole, in the reader's time."""
    account = asked.get("account", "")
    end = read_day(asked.get("to"), zone)
    return {"state": asked.get("state", ""), "kind": asked.get("kind", ""), "search": asked.get("q", ""), "since": read_day(asked.get("from"), zone),
            "until": end and end + timedelta(days=1), "account": int(account) if account.isdecimal() and len(account) < 18 else -1 if account else None}


def read_day(text: str | None, zone: ZoneInfo) -> datetime | None:
    try:
        day = datetime.combine(date.fromisoformat(text or ""), datetime.min.time(), zone)
        return day if 1900 < day.year < 9999 else None
    except ValueError:
        return None


def a_page(session, asked: inbox.Wanted, place: str):
    """The rows of one page, and where the next one begins."""
    found = inbox.query(asked)
    at, _space, id_ = place.rpartition(" ")
    try:
        found = inbox.older(found, datetime.fromisoformat(at), int(id_)) if place else found
    except ValueError:
        pass
    rows = session.execute(found.options(defer(WebhookEvent.body), defer(WebhookEvent.headers)).limit(PER_PAGE + 1)).all()
    last = rows[PER_PAGE - 1][0] if len(rows) > PER_PAGE else None
    return rows[:PER_PAGE], last and f"{last.created_at.isoformat()} {last.id}"
