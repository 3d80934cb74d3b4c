"""One's own registrations, in whichever organisations they are. Each organisation is entered in turn."""
from dataclasses import dataclass

from flask import Blueprint, abort, current_app, g, request, url_for
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from eventapp import clock, tenancy
from eventapp.audit import Actor
from eventapp.blueprints.account.tabs import account_page
from eventapp.blueprints.public import cancelling
from eventapp.domain import Refused, refunding, ticketing, withdrawing
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import Directory, Event, Order, Participation, Registration
from eventapp.permissions import ACCOUNT, requires
from eventapp.unit_of_work import undo
from eventapp.web.pages import done

bp = Blueprint("registrations", __name__)
SHOWN = 200


@dataclass
class OwnOrder:
    order: Order
    event: Event
    directory: Directory
    url: str
    """The buyer's page."""
    asks_account: bool = False
    """Money waits to go back, and nobody knows where to."""

    @property
    def registrations(self) -> list[Registration]:
        return self.order.registrations

    @property
    def is_past(self) -> bool:
        return self.event.ends_at < clock.now()

    @property
    def may_ask_to_cancel(self) -> bool:
        """Worth a link; what comes of the money is shown on the page behind it."""
        return not withdrawing.why_not(self.event, self.registrations)


def own_orders(user) -> list[OwnOrder]:
    """What comes next first, then what is over, the latest first."""
    found = [own for directory in organizations_of(user) for own in orders_in(directory, user)]
    found.sort(key=lambda own: own.event.starts_at)
    return [own for own in found if not own.is_past] + [own for own in reversed(found) if own.is_past]


def organizations_of(user) -> list[Directory]:
    mine = select(Participation.org_id).where(Participation.user_id == user.id)
    return list(db.session.scalars(select(Directory).where(Directory.org_id.in_(mine)).order_by(Directory.org_id)))


def orders_in(directory: Directory, user, **only) -> list[OwnOrder]:
    with tenancy.inside(directory.org_id):
        mine = select(Participation.order_id).where(Participation.user_id == user.id,
                                                    Participation.org_id == directory.org_id)
        query = select(Order).where(Order.id.in_(mine)).filter_by(**only).order_by(Order.id.desc()).limit(SHOWN)
        orders = db.session.scalars(query.options(selectinload(Order.registrations), selectinload(Order.event))).all()
        asking = refunding.asking(orders)
        return [OwnOrder(order, order.event, directory, buyers_page(directory, order), order.id in asking) for order in orders]


def buyers_page(directory: Directory, order: Order) -> str:
    """On this host when the organisation has its pages here, otherwise on the platform's."""
    path = url_for("public.order.show", org=directory.slug, event=order.event.slug, token=ticketing.order_token(order))
    elsewhere = g.host_slug and g.host_slug != directory.slug
    return current_app.config["SETTINGS"].platform_url + path if elsewhere else path


@bp.route("/registrations/<slug>/<number>/cancel", methods=["GET", "POST"])
@requires(ACCOUNT)
def cancel(slug, number):
    """The whole order that the registration belongs to."""
    own = own_order_or_404(slug, number)
    with tenancy.inside(own.directory.org_id):
        if request.method == "GET" or "requote" in request.form:
            return cancel_page(own, number)
        try:
            cancelling.carry_out(own.order, own.registrations, by=Actor("user", current_user.id))
        except Refused as refused:
            undo()
            return cancel_page(own_order_or_404(slug, number), number, refused)
    return done(_("Cancelled. We have emailed you a confirmation."), url_for("account.home.show"))


def cancel_page(own: OwnOrder, number: str, refused: Refused | None = None):
    with tenancy.inside(own.directory.org_id):
        return account_page("account/cancel.html", refused.status if refused else 200, order=own.order, event=own.event,
                            action=url_for(".cancel", slug=own.directory.slug, number=number), keep_url=url_for("account.home.show"),
                            **cancelling.values(own.order, own.event, own.registrations, refused))


def own_order_or_404(slug: str, number: str) -> OwnOrder:
    for directory in organizations_of(current_user):
        if directory.slug == slug:
            with tenancy.inside(directory.org_id):
                order_id = db.session.scalar(select(Registration.order_id).where(Registration.number == number))
            for own in orders_in(directory, current_user, id=order_id):
                return own
    return abort(404)
