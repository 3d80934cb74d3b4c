"""The session cookie, and who may send us a form."""
from flask import abort, current_app, request
from flask.sessions import SecureCookieSessionInterface

from eventapp.extensions import csrf
from eventapp.faults import guard_off, register_guard
from eventapp.permissions import MACHINE

register_guard("origin", "csrf")
SAFE = {"GET", "HEAD", "OPTIONS"}


class SessionCookie(SecureCookieSessionInterface):
    """HttpOnly, Lax, of this host alone; `__Host-` and Secure whenever the request is https."""

    def get_cookie_name(self, app):
        return cookie_name("session")

    def get_cookie_secure(self, app):
        return request.is_secure

    def get_cookie_samesite(self, app):
        return "Lax"

    def get_cookie_domain(self, app):
        return None

    def get_cookie_path(self, app):
        return "/"

    def should_set_cookie(self, app, session):
        return session.modified


def cookie_name(name: str) -> str:
    return f"__Host-{name}" if request.is_secure else name


def set_cookie(response, name: str, value: str, max_age: int, http_only: bool = True):
    response.set_cookie(cookie_name(name), value, max_age=max_age, httponly=http_only, secure=request.is_secure,
                        samesite="Lax", path="/")
    return response


def check_origin():
    """Organisations under our domain are same-site to one another, so a form must come from this very host."""
    view = request.endpoint and _view()
    if request.method in SAFE or view is None or view.permission == MACHINE or guard_off("origin"):
        return
    own = request.host_url.rstrip("/")
    origin = request.headers.get("Origin")
    if origin is not None:
        ok = origin == own
    else:
        ok = request.headers.get("Sec-Fetch-Site") == "same-origin" or \
            (request.headers.get("Referer", "") + "/").startswith(own + "/")
    if not ok:
        abort(400)


def check_token():
    """After the gate: who is signed out is sent to sign in, with or without a token."""
    view = request.endpoint and _view()
    if view is not None and view.permission != MACHINE and not guard_off("csrf"):
        csrf.protect()


def _view():
    return current_app.view_functions.get(request.endpoint)
