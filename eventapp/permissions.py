"""The names, the role matrix, @requires, and the gate that decides.

`@requires` only declares. An app with a route that declares nothing does not start.
"""
from dataclasses import dataclass, field

from flask import abort, current_app, g, redirect, request
from flask_login import current_user
from sqlalchemy import select

from eventapp import audit
from eventapp.domain import devices
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import Event, Membership, Order, Payment, Registration

PUBLIC = "public"
"""Anybody, signed in or not."""
ACCOUNT = "account.manage"
"""One's own account: anybody signed in."""
MACHINE = "machine"
"""Webhooks and probes: no cookie is read, the call proves itself."""

MATRIX = {
    "ORG_OWNER": frozenset((
        "admin.enter", "organization.read", "organization.update", "events.create", "events.read", "events.update", "events.delete",
        "registrations.read", "registrations.approve", "registrations.create", "registrations.edit", "registrations.cancel",
        "registrations.message", "registrations.check_in", "registrations.export", "registrations.refund",
        "payments.read", "payments.mark_received", "gateway_accounts.manage", "emails.manage", "analytics.read",
        "team.read", "team.manage", "billing.manage", "domain.manage", "audit.read")),
    "ORG_ADMIN": frozenset((
        "admin.enter", "organization.read", "events.create", "events.read", "events.update",
        "registrations.read", "registrations.approve", "registrations.create", "registrations.edit", "registrations.cancel",
        "registrations.message", "registrations.check_in", "payments.read", "payments.mark_received", "emails.manage",
        "analytics.read", "team.read")),
    "ORG_STAFF": frozenset(("admin.enter", "events.read", "registrations.read", "registrations.check_in")),
    "ORG_CHECKIN": frozenset(("registrations.check_in",)),
}
GRANTS = {"export": "registrations.export", "refund": "registrations.refund", "approve": "registrations.approve",
          "edit": "registrations.edit"}
"""Given to a member by name, on top of the role."""
DEVICE = frozenset(("registrations.check_in",))
"""Of a phone at a door, at its own event."""
OPERATOR = frozenset(("platform.manage", "organizations.manage", "subscriptions.manage", "users.manage"))
NAMES = frozenset((PUBLIC, ACCOUNT, MACHINE)) | OPERATOR | frozenset().union(*MATRIX.values())


@dataclass
class Member:
    """A person inside one organisation, or a door's device (then there is no user): finding starts here, because either
    may be limited to some events."""

    user: object
    role: str
    permissions: frozenset
    event_ids: list[int] | None = field(default=None)
    device: object = None

    @property
    def actor(self) -> audit.Actor:
        return audit.Actor("device", self.device.id) if self.device else audit.Actor("user", self.user.id)

    @property
    def gate(self) -> str:
        """What stands beside an entry: which door, or who was signed in there."""
        return self.device.name if self.device else self.user.name or self.user.email

    def can(self, permission: str) -> bool:
        return permission in self.permissions

    def sees(self, event) -> bool:
        return self.event_ids is None or event.id in self.event_ids

    def _limited(self, query, column):
        return query if self.event_ids is None else query.where(column.in_(self.event_ids))

    def events(self):
        return self._limited(select(Event), Event.id)

    def registrations(self, event=None):
        query = self._limited(select(Registration), Registration.event_id)
        return query.where(Registration.event_id == event.id) if event else query

    def orders(self):
        return self._limited(select(Order), Order.event_id)

    def payments(self, event=None):
        query = select(Payment)
        if event is None and self.event_ids is None:
            return query
        of = self.orders().with_only_columns(Order.id)
        return query.where(Payment.order_id.in_(of.where(Order.event_id == event.id) if event else of))

    def payment(self, id: int) -> Payment:
        return db.one_or_404(self.payments().where(Payment.id == id))

    def event(self, slug: str) -> Event:
        """The event of this address, or 404: also when it is somebody else's."""
        return db.one_or_404(self.events().where(Event.slug == slug))

    def registration(self, number: str) -> Registration:
        """The registration of this number, or 404."""
        return db.one_or_404(self.registrations().where(Registration.number == number))


def requires(permission: str, json: bool = False, revoked: bool = False):
    """Declares what a view needs, beside its address; `json` where a script asks, which is told in JSON what went wrong; `revoked`
    where a phone that was taken off the doors is heard for the last time."""
    if permission not in NAMES:
        raise ValueError(f"there is no permission {permission!r}")

    def declare(view):
        view.permission, view.speaks_json, view.hears_revoked = permission, json, revoked
        return view
    return declare


def member_of(user, org) -> Member | None:
    """Read again on each request: a role taken away is gone at once. Whoever signed in brings it along."""
    row = user.membership
    if row is None or (row.org_id, row.user_id) != (org.id, user.id):
        row = db.session.get(Membership, (org.id, user.id))
    if row is None:
        return None
    granted = frozenset(GRANTS[grant] for grant in row.grants if grant in GRANTS)
    return Member(user, row.role, MATRIX[row.role] | granted, row.event_ids)


def device_here(permission: str) -> Member | None:
    """The device that asks, at the doors of its own event; anywhere else its cookie means nothing."""
    from eventapp.web.sessions import cookie_name

    secret, event = request.cookies.get(cookie_name("door")), (request.view_args or {}).get("event")
    if permission not in DEVICE or not secret or not event or g.org is None or g.org.status == "suspended":
        return None
    device = devices.by_secret(event, secret)
    g.device_id = device and device.id  # for the logs
    return Member(None, "DEVICE", DEVICE, [device.event_id], device) if device else None


def gate():
    """The one decision, before every view. To strangers a thing behind the wall looks like one that is not there."""
    g.member = None
    view = current_app.view_functions.get(request.endpoint)
    if view is None:
        return signed_out_answer() if looks_private(request.path) else None
    permission = view.permission
    if permission == MACHINE:
        return None
    if g.unknown_host:
        abort(404)
    if g.org and current_user.is_authenticated:
        g.member = member_of(current_user, g.org)
    if g.member is None or not g.member.can(permission):
        g.member = device_here(permission) or g.member
    if permission != PUBLIC and not current_user.is_authenticated and g.member is None:
        return to_login()
    if g.member and g.member.device and g.member.device.revoked_at and not getattr(view, "hears_revoked", False):
        return revoked_answer()
    if g.org_slug and g.org is None:
        abort(404)
    if g.org and g.org.status == "suspended" and g.member is None:
        abort(404)
    if permission in (PUBLIC, ACCOUNT):
        return None
    if permission in OPERATOR:
        return None if current_user.is_operator else abort(404)
    if g.member is None:
        abort(404)
    return None if g.member.can(permission) else abort(403)


def can(permission: str) -> bool:
    """For templates."""
    if permission in OPERATOR:
        return current_user.is_authenticated and current_user.is_operator
    return bool(g.get("member")) and g.member.can(permission)


def looks_private(path: str) -> bool:
    parts = path.strip("/").split("/")
    return parts[0] in ("account", "platform-admin") or parts[1:2] == ["admin"]


def signed_out_answer():
    """Behind the wall even what is not there sends a visitor to sign in."""
    return None if current_user.is_authenticated else to_login()


def to_login():
    from eventapp.web.urls import login_url

    if request.headers.get("HX-Request"):
        return "", 401, {"HX-Redirect": login_url(), "HX-Reswap": "none"}
    if request.headers.get("X-Door"):
        return {"error": "signed_out"}, 401  # a redirect could be anybody's on the way, and a door must not end for that
    return redirect(login_url(), 303)


def revoked_answer():
    from eventapp.web import errors, pages

    if pages.wants_json():
        return {"error": "revoked"}, 403
    return errors.answer(403, _("This device has been taken off the doors. Somebody of the organisation can invite it again."))


def check_declared(app) -> None:
    """Refuses to start with a route that does not say who may come."""
    silent = sorted({rule.endpoint for rule in app.url_map.iter_rules()
                     if getattr(app.view_functions[rule.endpoint], "permission", None) not in NAMES})
    if silent:
        raise RuntimeError(f"These routes declare no permission: {', '.join(silent)}")
