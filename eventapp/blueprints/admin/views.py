"""Saved views: a filter of the desk with its columns and its order, under a name; one's own, or everybody's."""
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, abort, g, request, url_for
from sqlalchemy import or_, select

from eventapp.domain import Refused
from eventapp.extensions import db
from eventapp.languages import _, _l
from eventapp.models import Event, SavedView
from eventapp.permissions import can, requires
from eventapp.web.forms import Form, clean, line
from eventapp.web.pages import done, page

bp = Blueprint("views", __name__)
MOST, LONGEST, QUERY = 50, 60, 2000
PASSING = ("page", "open", "lang", "theme", "csrf_token")
"""What belongs to a visit and not to a view."""


@dataclass(frozen=True)
class Shown:
    view: SavedView
    url: str
    here: bool
    mine: bool


def shown(event: Event | None, pairs: list[tuple[str, str]], path: str) -> list[Shown]:
    """Of this desk: the member's own and those that are shared. `here`: the address says the same."""
    found = db.session.scalars(visible().where(SavedView.event_id == (event.id if event else None)).order_by(SavedView.name, SavedView.id))
    same = sorted(pairs)
    return [Shown(view, f"{path}?{view.query}", sorted(parse_qsl(view.query)) == same, view.user_id == g.member.user.id) for view in found]


def visible():
    """The member's own views and the shared ones, of events they may see."""
    query = select(SavedView).where(or_(SavedView.user_id == g.member.user.id, SavedView.shared))
    if g.member.event_ids is not None:
        query = query.where(or_(SavedView.event_id.is_(None), SavedView.event_id.in_(g.member.event_ids)))
    return query


def find(id: int) -> SavedView:
    return db.one_or_404(visible().where(SavedView.id == id))


def find_to_change(id: int) -> SavedView:
    """One's own; a shared one also by who may edit registrations."""
    view = find(id)
    if view.user_id != g.member.user.id and not can("registrations.edit"):
        abort(403)
    return view


def desk_of(view: SavedView, query: str = "") -> str:
    event = db.session.get(Event, view.event_id) if view.event_id else None
    path = url_for("admin.registrations.index", event=event.slug) if event else url_for("admin.registrations.index")
    return f"{path}?{query or view.query}"


class ViewForm(Form):
    name = line(_l("Name"), _l("Enter a name."), longest=LONGEST)


@bp.route("/views", methods=["GET", "POST"])
@bp.route("/events/<event>/views", methods=["GET", "POST"])
@requires("registrations.read")
def new(event=None):
    """Save what the desk shows: the address's own query is the view."""
    event = g.member.event(event) if event else None
    form = ViewForm()
    query = tidy(request.args.items(multi=True))
    if form.validate_on_submit():
        if db.session.query(SavedView).filter_by(user_id=g.member.user.id).count() >= MOST:
            raise Refused(_("You have %(count)s views already. Delete one first.", count=MOST))
        view = SavedView(user_id=g.member.user.id, event_id=event.id if event else None, name=form.name.data, query=query,
                         shared=wants_shared())
        db.session.add(view)
        db.session.flush()
        return done(_("The view “%(name)s” is saved.", name=view.name), desk_of(view))
    return page("admin/registrations/view.html", 422 if form.errors else 200, form=form, view=None, event=event, query=query,
                back=f"{url_for('admin.registrations.index', event=event.slug if event else None)}?{query}")


@bp.route("/views/<int:id>", methods=["GET", "POST"])
@requires("registrations.read")
def edit(id):
    """Another name, shared or not; or, with `query`, what the desk shows now."""
    view = find_to_change(id)
    form = ViewForm(obj=view)
    if form.validate_on_submit():
        view.name, view.shared = form.name.data, wants_shared() if can("registrations.edit") else view.shared
        return done(_("The view “%(name)s” is saved.", name=view.name), desk_of(view))
    return page("admin/registrations/view.html", 422 if form.errors else 200, form=form, view=view, query=view.query, back=desk_of(view))


@bp.post("/views/<int:id>/delete")
@requires("registrations.read")
def delete(id):
    view = find_to_change(id)
    address = desk_of(view)
    db.session.delete(view)
    return done(_("The view “%(name)s” is deleted.", name=view.name), address)


def wants_shared() -> bool:
    return bool(request.form.get("shared")) and can("registrations.edit")


def tidy(pairs) -> str:
    query = urlencode([(name, clean(value)) for name, value in pairs if value and name not in PASSING])
    if len(query) > QUERY:
        raise Refused(_("This filter is too long to be saved."))
    return query
