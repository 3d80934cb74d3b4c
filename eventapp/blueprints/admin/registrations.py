"""The desk: the registrations of one event or of all, filtered, sorted, counted, fifty to a page. Everything is in the address."""
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import Blueprint, g, request, url_for
from markupsafe import Markup
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from eventapp import clock, money
from eventapp.blueprints.admin import columns, registration, showing, views
from eventapp.blueprints.admin.columns import Column, Row
from eventapp.domain import listing
from eventapp.extensions import db
from eventapp.languages import _, _l, current_locale, localized
from eventapp.models import Checkpoint, Event, Program, Registration, Status
from eventapp.permissions import can, requires
from eventapp.web.pages import is_htmx, page, target
from eventapp.web.templating import phone

bp = Blueprint("registrations", __name__)
SIZES = (25, 50, 100)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DEEPEST = 100_000
"""Pages."""
ACTIONS = (
    ("approve", "registrations.approve", _l("Approve"), "check"), ("reject", "registrations.approve", _l("Reject"), "ban"),
    ("mark_paid", "payments.mark_received", _l("Mark as paid"), "banknote"), ("send_email", "registrations.message", _l("Send an email"), "mail"),
    ("tag", "registrations.edit", _l("Tag"), "tag"), ("check_in", "registrations.check_in", _l("Check in"), "door-open"),
    ("export", "registrations.export", _l("Export"), "download"), ("refund", "registrations.refund", _l("Give money back"), "undo-2"),
    ("cancel", "registrations.cancel", _l("Cancel registrations"), "x"))
"""What can be done to those that are ticked; the rest of it is `bulk`'s."""


@bp.get("/registrations")
@bp.get("/events/<event>/registrations")
@requires("registrations.read")
def index(event=None):
    desk = Desk(g.member.event(event) if event else None, request.args)
    opened = desk.opened()
    values = registration.panel(opened) if opened else {"panel": None}
    answer = page("admin/registrations/index.html", desk=desk, panel_links=desk.links_around(opened) if opened else {}, **values)
    if is_htmx() and "" in request.args.values():
        answer.headers["HX-Push-Url"] = desk.here  # a form sends its empty fields too
    return answer


@dataclass(frozen=True)
class Chip:
    """A filter that can be taken off."""

    label: str
    text: str
    url: str


@dataclass(frozen=True)
class Tab:
    label: str
    count: str
    url: str
    here: bool


class Desk:
    """What one address of the desk shows. Asked for piece by piece, so that a fragment costs only what it draws."""

    def __init__(self, event: Event | None, args: MultiDict):
        self.event, self.args = event, args
        self.path = url_for("admin.registrations.index", event=event.slug) if event else url_for("admin.registrations.index")
        self.query = g.member.registrations(event)
        self.sort = listing.sort_of(args)
        self.size = number(args.get("size"), 50) if number(args.get("size"), 50) in SIZES else 50
        self.number = min(number(args.get("page"), 1), DEEPEST)
        self.compact = args.get("density") == "compact"
        self._memory = {}

    def once(self, name: str, make):
        if name not in self._memory:
            self._memory[name] = make()
        return self._memory[name]

    # -- what is there ---------------------------------------------------------------------------

    @property
    def ids(self) -> list[int]:
        return self.once("ids", lambda: listing.some_ids(self.query, self.args, self.event, self.size + 1, (self.number - 1) * self.size))

    @property
    def rows(self) -> list[Row]:
        return self.once("rows", lambda: columns.rows(self.ids[:self.size], self.columns, self.event))

    @property
    def counts(self) -> listing.Counts:
        return self.once("counts", lambda: listing.count(self.query, self.args, self.event))

    @property
    def questions(self) -> dict[str, dict]:
        return self.once("questions", lambda: listing.questions(self.event))

    @property
    def known_columns(self) -> dict[str, Column]:
        return self.once("known_columns", lambda: columns.known(self.event, self.questions))

    @property
    def columns(self) -> list[Column]:
        return self.once("columns", lambda: columns.chosen(self.known_columns, self.args.getlist("columns")))

    @property
    def views(self) -> list[views.Shown]:
        return self.once("views", lambda: views.shown(self.event, self.kept(), self.path))

    def total_text(self) -> str:
        return counted(self.counts.total, self.counts.more)

    @property
    def pages(self) -> int | None:
        """None when nobody has counted so far."""
        return None if self.counts.more else max(1, -(-self.counts.total // self.size))

    @property
    def has_next(self) -> bool:
        return len(self.ids) > self.size

    @property
    def first(self) -> int:
        return (self.number - 1) * self.size + 1

    @property
    def is_filtered(self) -> bool:
        return any(True for _ in listing.given(self.args, self.event))

    # -- addresses -------------------------------------------------------------------------------

    def kept(self, *without: str) -> list[tuple[str, str]]:
        """The address's own names and values, without the page and the row that is open."""
        return [(name, value) for name, value in self.args.items(multi=True)
                if value and name not in ("page", "open", "lang", "theme", *without)]

    def to(self, pairs) -> str:
        query = urlencode(list(pairs))
        return f"{self.path}?{query}" if query else self.path

    def with_(self, **values) -> str:
        """This desk with something else: `with_(sort="name")`; empty takes it off. A list is several values."""
        more = [(name, one) for name, value in values.items() for one in (value if isinstance(value, list) else [value]) if one]
        return self.to([*self.kept(*values), *more])

    def at_page(self, page: int) -> str:
        return self.with_(page=page if page > 1 else "")

    @property
    def here(self) -> str:
        return self.at_page(self.number)

    def opening(self, number: str) -> str:
        return self.once("opening", lambda: self.to([*self.kept(), *([("page", self.number)] if self.number > 1 else []), ("open", "")])) + number

    def sorting(self, column: Column) -> str:
        """A heading pressed once goes up, twice down."""
        return self.with_(sort=("-" if self.sort == column.sort else "") + column.sort)

    def direction(self, column: Column) -> str | None:
        return None if self.sort.removeprefix("-") != column.sort else "descending" if self.sort.startswith("-") else "ascending"

    def clear(self) -> str:
        return self.to(pair for pair in self.kept() if not is_filter(pair[0]))

    def live(self, url: str) -> dict:
        """A link that changes what the desk shows; htmx swaps the desk alone."""
        return {"href": url, "hx-get": url, "hx-target": "#desk", "hx-swap": "outerMorph", "hx-push-url": "true"}

    def hidden_in_filters(self) -> list[tuple[str, str]]:
        """What stands in the address and has no field among the filters."""
        return [pair for pair in self.kept() if pair[0] == "status" or not is_filter(pair[0])]

    @property
    def saving_path(self) -> str:
        return url_for("admin.views.new", event=self.event.slug) if self.event else url_for("admin.views.new")

    @property
    def saving(self) -> str:
        return f"{self.saving_path}?{urlencode(self.kept())}"

    def writing(self, number: str, key: str) -> str:
        """Where a cell is written; made once, because a page has hundreds."""
        return self.once("writing", lambda: url_for("admin.cells.edit", number="0", key="0")).replace("0/cells/0", f"{number}/cells/{key}")

    # -- what is around the table ----------------------------------------------------------------

    @property
    def crumbs(self) -> list[tuple[str, str]]:
        if self.event is None:
            return [(_("Registrations"), "")]
        overview = showing.address("admin.events.show", event=self.event.slug)
        return [(_("Events"), showing.address("admin.events.index")), (localized(self.event.title), overview), (_("Registrations"), "")]

    @property
    def doors(self) -> list[tuple[str, str, str]]:
        """To other ways in: by hand, from a file."""
        if self.event is None or not can("registrations.create"):
            return []
        found = [(_("Add"), showing.address("admin.adding.new", event=self.event.slug), "user-plus"),
                 (_("Import"), showing.address("admin.imports.new", event=self.event.slug), "upload")]
        return [door for door in found if door[1]]

    @property
    def public_url(self) -> str:
        return url_for("public.event.show", event=self.event.slug, _external=True) if self.event and self.event.status == "published" else ""

    @property
    def can_edit(self) -> bool:
        return self.once("can_edit", lambda: can("registrations.edit"))

    def method_word(self, method: str) -> str:
        return str(listing.METHOD_WORDS.get(method, method))

    @property
    def chips(self) -> list[Chip]:
        asked = listing.asked(self.args, self.event)
        if sum(one.name == "status" for one in asked) == 1:
            asked = [one for one in asked if one.name != "status"]  # the tabs say it
        return [Chip(one.label, one.text, self.to(
            pair for pair in self.kept() if not (pair[0] == one.name and listing.clean(pair[1]) == one.value))) for one in asked]

    @property
    def tabs(self) -> list[Tab]:
        mine, counts = self.args.getlist("status"), self.counts
        everything = counts.everything if mine else counts.total
        tabs = [Tab(_("All"), "" if everything is None else counted(everything, counts.more and not mine), self.with_(status=""), not any(mine))]
        for status, label in listing.STATUSES.items():
            here, known = mine == [status], counts.by_status[status]
            if known or here or known is None and status != Status.DRAFT:
                text = counted(known) if known is not None else self.total_text() if here else ""
                tabs.append(Tab(str(label), text, self.with_(status=status), here))
        return tabs

    @property
    def actions(self) -> list[tuple]:
        return self.once("actions", lambda: [(name, label, icon) for name, permission, label, icon in ACTIONS if can(permission)])

    @property
    def fields(self) -> list[dict]:
        """The choices of the filter bar: (name, label, [(value, text)])."""
        fields = []
        if self.event is None:
            found = db.session.execute(g.member.events().with_only_columns(Event.slug, Event.title).order_by(Event.starts_at.desc()).limit(200))
            fields.append(("event", _("Event"), [(slug, localized(title)) for slug, title in found]))
        else:
            found = db.session.execute(select(Program.code, Program.name).where(Program.event_id == self.event.id).order_by(Program.position))
            fields.append(("program", _("Program"), [(code, localized(name)) for code, name in found]))
        fields.append(("paid", _("Payment"), [(name, str(text)) for name, text in listing.PAID_WORDS.items()]))
        fields.append(("method", _("Payment method"), [(name, str(text)) for name, text in listing.METHOD_WORDS.items()]))
        gates = db.session.execute(select(Checkpoint.code, Checkpoint.name).where(Checkpoint.event_id == self.event.id)
                                   .order_by(Checkpoint.position, Checkpoint.id)) if self.event else ()
        fields.append(("checkin", _("Check-in"), [("any", _("Checked in")), ("none", _("Not checked in")),
                                                  *[(code, localized(name)) for code, name in gates]]))
        return fields

    @property
    def seen_tags(self) -> list[str]:
        """To choose from while writing: those on this page."""
        return sorted({tag for row in self.rows for tag in row.registration.tags})

    # -- the row that is open ----------------------------------------------------------------------

    def opened(self) -> Registration | None:
        wanted = self.args.get("open")
        if not wanted or target() == "desk":
            return None
        return db.session.scalar(self.query.where(Registration.number == wanted))

    def links_around(self, opened: Registration) -> dict:
        """From the open row to its neighbours on this page."""
        ids, links = self.ids[:self.size], {"close": self.here, "self": self.opening(opened.number)}
        if opened.id in ids:
            place = ids.index(opened.id)
            near = {"previous": ids[place - 1] if place else None, "next": ids[place + 1] if place + 1 < len(ids) else None}
            numbers = dict(db.session.execute(select(Registration.id, Registration.number)
                                              .where(Registration.id.in_([one for one in near.values() if one]))).all())
            links |= {name: self.opening(numbers[one]) for name, one in near.items() if one}
        return links


def is_filter(name: str) -> bool:
    return name in listing.NAMES or name.startswith(listing.ANSWER)


def number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and 0 < int(text[:9]) else otherwise


@bp.app_template_filter()
def short_date(moment: datetime, zone: str) -> Markup:
    """The day, or the time when it is today; all of it for whoever points at it."""
    local = moment.astimezone(ZoneInfo(zone))
    return Markup('<time datetime="{}" title="{} ({})">{}</time>').format(
        moment.isoformat(), local.strftime("%Y-%m-%d %H:%M"), zone, short_day(local, clock.now().astimezone(local.tzinfo).date()))


def short_day(local: datetime, today: date) -> str:
    if local.date() == today:
        return local.strftime("%H:%M")
    if local.year != today.year:
        return local.strftime("%Y-%m-%d")
    return f"{local.month}월 {local.day}일" if current_locale() == "ko" else f"{local.day} {MONTHS[local.month - 1]}"


@bp.app_template_filter()
@lru_cache(maxsize=4096)
def short_phone(text: str) -> str:
    return phone(text)


@bp.app_template_filter()
def short_money(amount: int, currency: str) -> str:
    return _money(amount, currency, current_locale()) if amount else "—"


@lru_cache(maxsize=4096)
def _money(amount: int, currency: str, locale: str) -> str:
    """A page shows the same prices again and again."""
    return money.money_text(amount, currency, locale)


def counted(count: int, more: bool = False) -> str:
    return f"{count:,}" + ("+" if more else "")
