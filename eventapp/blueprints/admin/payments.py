"""What came in, is awaited and was given back: of one event or of all, filtered, fifty to a page, and as a file."""
from datetime import datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, abort, g, request, url_for
from sqlalchemy import func, select

from eventapp import audit, clock
from eventapp.blueprints.admin import showing
from eventapp.domain import Refused, exporting, finding_payments
from eventapp.domain.finding_payments import GROUP_WORDS, GROUPS, NAMES, PROVIDER_WORDS
from eventapp.domain.listing import METHOD_WORDS
from eventapp.extensions import db
from eventapp.languages import _, localized
from eventapp.models import Event, Organization, Payment
from eventapp.permissions import requires
from eventapp.web.forms import clean
from eventapp.web.pages import page

bp = Blueprint("payments", __name__)
PER_PAGE = 50


@bp.get("/payments")
@bp.get("/events/<event>/payments")
@requires("payments.read")
def index(event=None):
    listing = List(g.member.event(event) if event else None)
    return page("admin/payments/index.html", list=listing, totals=listing.search.totals())


@bp.post("/payments/export")
@bp.post("/events/<event>/payments/export")
@requires("registrations.export")
def export(event=None):
    """What the filter of the address means. That it was taken is itself on record."""
    for_readers()
    event = g.member.event(event) if event else None
    listing = List(event)
    found = listing.search.payments()
    format = read_format(count_of(found.with_only_columns(Payment.id)))
    audit.record("payments.exported", event or organization(), by=g.member.actor, after={"format": format, "filter": listing.asked})
    return download(finding_payments.payments_table(found, format), format, [event.slug] if event else [], "payments")


class List:
    """What one address of the list asks for, and the addresses around it."""

    def __init__(self, event: Event | None, endpoint: str = "payments.index"):
        self.event, self.zone = event, ZoneInfo(organization().timezone)
        self.path = url_for(f"admin.{endpoint}", **({"event": event.slug} if event else {}))
        self.wanted = finding_payments.wanted(request.args, self.zone, self.events())
        self.search = finding_payments.Search(self.wanted)

    def events(self) -> list[int] | None:
        """Those that the page is about, of those that the member may see."""
        slugs = [slug for slug in request.args.getlist("event") if slug]
        if self.event:
            return [self.event.id]
        if slugs:
            return list(db.session.scalars(g.member.events().with_only_columns(Event.id).where(Event.slug.in_(slugs))))
        return g.member.event_ids

    # -- rows ----------------------------------------------------------------------------------------

    @property
    def rows(self) -> list[finding_payments.Row]:
        """One more than is shown tells whether there is a further page."""
        found = finding_payments.some(self.search.payments(), PER_PAGE + 1, self.older_than)
        self.last = (found[PER_PAGE - 1].payment.created_at, found[PER_PAGE - 1].payment.id) if len(found) > PER_PAGE else None
        return found[:PER_PAGE]

    @property
    def older_than(self) -> tuple[datetime, int] | None:
        return read_place(request.args.get("older", ""))

    # -- addresses -------------------------------------------------------------------------------------

    @property
    def asked(self) -> dict[str, list[str]]:
        return {name: values for name in NAMES if (values := [clean(value)[:200] for value in request.args.getlist(name) if clean(value)])}

    def with_(self, **values) -> str:
        query = urlencode([(name, one) for name, given in (self.asked | values).items() if given for one in (given if isinstance(given, list) else [given])])
        return f"{self.path}?{query}" if query else self.path

    def older(self, last: tuple[datetime, int]) -> str:
        return self.with_(older=f"{last[0].isoformat()} {last[1]}")

    # -- the filter --------------------------------------------------------------------------------------

    @property
    def fields(self) -> list[tuple]:
        """(name, label, what empty means, [(value, text)]) of each choice."""
        found = [("method", _("Payment method"), _("Any method"), _texts(METHOD_WORDS, "cash", "free")),
                 ("provider", _("Through"), _("Through anybody"), _texts(PROVIDER_WORDS))]
        if self.event is None:
            events = db.session.execute(g.member.events().with_only_columns(Event.slug, Event.title).order_by(Event.starts_at.desc()).limit(200))
            found.append(("event", _("Event"), _("Any event"), [(slug, localized(title)) for slug, title in events]))
        return found

    @property
    def crumbs(self) -> list[tuple[str, str]]:
        if self.event is None:
            return [(_("Payments"), "")]
        return [(_("Events"), url_for("admin.events.index")), (localized(self.event.title), url_for("admin.events.show", event=self.event.slug)),
                (_("Payments"), "")]

    def tabs(self, totals) -> list[tuple[str, int, str, bool]]:
        """(text, count, address, whether it is this one): all, each group there is, what needs a decision."""
        here = self.wanted.status
        tabs = [(_("All"), totals.everything, self.with_(status=""), not here)]
        return tabs + [(str(GROUP_WORDS[name]), totals.counts[name], self.with_(status=name), here == name)
                       for name in (*GROUPS, "problem") if totals.counts[name] or here == name]

    def state(self, row) -> tuple[str, str]:
        return showing.PAYMENT_WORDS[row.payment.status]

    def method(self, payment: Payment) -> str:
        return str(METHOD_WORDS.get(payment.method, payment.method))

    def provider(self, payment: Payment) -> str:
        return str(PROVIDER_WORDS.get(payment.provider, payment.provider))


def _texts(words, *without) -> list[tuple[str, str]]:
    return [(name, str(text)) for name, text in words.items() if name not in without]


def for_readers() -> None:
    """Who may take away lists of registrations may not, by that alone, take away what they may not read."""
    if not g.member.can("payments.read"):
        abort(403)


def organization() -> Organization:
    return db.session.get(Organization, g.org.id)


def read_place(text: str) -> tuple[datetime, int] | None:
    """Where the page before has ended."""
    at, _space, id_ = text.rpartition(" ")
    try:
        at = datetime.fromisoformat(at)
        return (at, int(id_)) if at.tzinfo and int(id_) < 2**63 else None
    except ValueError:
        return None


def read_format(count: int) -> str:
    format = request.form.get("format", "")
    if format not in ("csv", "csv_bom", "xlsx"):
        raise Refused(_("Choose a format."))
    if format == "xlsx" and count > finding_payments.MOST_XLSX:
        raise Refused(_("This is too much for a workbook. Choose CSV, or fewer days."))
    return format


def download(chunks, format: str, words: list[str], name: str) -> Response:
    today = clock.now().astimezone(ZoneInfo(organization().timezone))
    file = "-".join([*words, name, f"{today:%Y%m%d}"]) + "." + format.removesuffix("_bom")
    return Response(chunks, mimetype=exporting.TYPES[format], headers={
        "Content-Disposition": f'attachment; filename="{file}"', "Cache-Control": "no-store"})


def count_of(query) -> int:
    return db.session.scalar(select(func.count()).select_from(query.subquery()))
