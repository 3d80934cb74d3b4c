"""What signing in means to a browser: a cookie with a secret, and where one finds oneself afterwards."""
from dataclasses import dataclass

from flask import abort, current_app, g, redirect, request, session, url_for
from flask_login import current_user, login_user
from sqlalchemy import select

from eventapp.domain import accounts
from eventapp.domain.accounts import digest
from eventapp.extensions import db, login
from eventapp.models import Directory, Membership, SignIn
from eventapp.permissions import MATRIX
from eventapp.tenancy import host_name
from eventapp.web import limits
from eventapp.web.sessions import cookie_name, set_cookie
from eventapp.web.urls import next_url, read_signed, sign

login.session_protection = None  # sign-ins are rows bound to a host; a phone that changes its network stays signed in


@login.user_loader
def load(secret):
    user = accounts.signed_in(secret, host_name(request.host), g.org.id if g.get("org") else None)
    g.user_id = user and user.id  # for the logs, which must not ask the database when it is away
    return user


def base() -> str:
    """Where links in letters lead: the host the person is on, which the gate has found among ours."""
    production = current_app.config["SETTINGS"].production
    return f"{request.scheme}://{host_name(request.host) if production else request.host}"


def let_in(user, where: str = ""):
    """A new sign-in with a new session, whatever there was before."""
    if current_user.is_authenticated:
        accounts.sign_out(current_user, SignIn.id == current_user.sign_in.id)
    session.clear()
    accounts.sign_in(user, host=host_name(request.host), address=request.remote_addr or "",
                     user_agent=request.user_agent.string)
    session.permanent = True
    login_user(user)
    return redirect(where or landing(user), 303)


def landing(user) -> str:
    """Where one wanted to go, or where one has work to do on this host."""
    return next_url("") or workplace(user) or url_for("account.home.show")


def workplace(user) -> str:
    """The operator's console, or the desk or the doors of the one organisation they work for; "" for everybody else."""
    if user.is_operator and not g.host_slug:
        return url_for("platform.home.index")
    places = workplaces(user)
    desks = [place for place in places if place.endpoint == DESK] or places
    return url_for(desks[0].endpoint, org=desks[0].directory.slug) if len(desks) == 1 else ""


DESK, DOORS = "admin.home.index", "admin.doors.index"


@dataclass(frozen=True)
class Workplace:
    """An organisation, and the page on which one begins there."""

    directory: Directory
    endpoint: str


def workplaces(user) -> list[Workplace]:
    """Where this person works and may go from this host: a sign-in belongs to its host. Who only works at the door has
    no desk."""
    query = select(Directory, Membership.role).join(Membership, Membership.org_id == Directory.org_id).where(
        Membership.user_id == user.id).order_by(Directory.slug)
    return [Workplace(directory, DESK if "admin.enter" in MATRIX[role] else DOORS) for directory, role in db.session.execute(query)
            if not g.host_slug or directory.slug == g.host_slug]


# -- what was in a mailed link, in a cookie, so that the address is clean ---------------------------------

HOUR = 3600


def keep_link(response, secret: str):
    return set_cookie(response, "link", secret, HOUR)


def kept_link(*purposes):
    """The link this browser was opened with, when it can still be used."""
    token = accounts.find_link(request.cookies.get(cookie_name("link"), ""), *purposes)
    return token if token and accounts.is_good(token) else None


def drop_link(response):
    return set_cookie(response, "link", "", 0)


def link_or_404(secret: str, *purposes):
    """A mailed link's row. An unknown one is a guess and counts as such."""
    token = accounts.find_link(secret, *purposes)
    if token is None:
        limits.failed()
        abort(404)
    return token


# -- the browser that signed up ------------------------------------------------------------------------------

DAY = 24 * HOUR


def remember_sign_up(response, kept: str):
    """`kept` is what the new password is stored as: whoever signs up over it later is not this browser. The same for an
    address that has an account, so that nobody can tell."""
    return set_cookie(response, "signup", sign("signup", digest(kept).hex()), DAY)


def signed_up_here(user) -> bool:
    known = read_signed("signup", request.cookies.get(cookie_name("signup"), ""), max_age=DAY)
    return bool(known) and known == digest(user.password_hash or "").hex()
