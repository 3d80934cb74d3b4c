"""Host or path → organisation, in one place; the only writer of `app.org_id`.

On an organisation's own host its pages live without the first segment. The host is looked at once, before routing:
the path is completed to the one on the platform's host, so that there is one set of routes, and `EventApp.url_for`
takes the segment off again, so that every link stays on the host the visitor is on.
"""
import re
import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache

from flask import Flask, g, request
from flask_sqlalchemy.session import Session
from psycopg.pq import TransactionStatus
from sqlalchemy import event, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from eventapp.extensions import db
from eventapp.models import CustomDomain, Directory

SHARED = frozenset(("auth", "account", "payment", "registration", "api", "static"))
"""First segments that mean the same on every host."""
RESERVED = SHARED | {"admin", "platform-admin", "dev", "orders", "tickets", "register", "embed", "events", "about", "help", "www",
                     "accent", "favicon.ico", "robots.txt", "sitemap.xml"}
PROBES = frozenset(("/api/live", "/api/health"))
"""A load balancer asks for them by the machine's address, which is nobody's host."""
SLUG = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?$")

_org_id: ContextVar[int | None] = ContextVar("org_id", default=None)


@dataclass(frozen=True, slots=True)
class Org:
    """What the directory says of an organisation; its own row is behind the policy."""

    id: int
    slug: str
    name: dict
    status: str
    locale: str


class Lookup:
    """The directory, remembered for a second per process: it is asked by every request."""

    def __init__(self):
        self.seen: dict[tuple, tuple[float, object]] = {}

    def by_slug(self, slug: str) -> Org | None:
        return self._get(("slug", slug), Directory.slug == slug) if SLUG.match(slug) else None

    def by_id(self, org_id: int) -> Org | None:
        return self._get(("id", org_id), Directory.org_id == org_id)

    def by_domain(self, host: str) -> Org | None:
        active = select(CustomDomain.org_id).where(CustomDomain.host == host, CustomDomain.verified_at.is_not(None))
        return self._get(("domain", host), Directory.org_id.in_(active))

    def _get(self, key, condition) -> Org | None:
        def find():
            found = db.session.scalar(select(Directory).where(condition))
            return Org(found.org_id, found.slug, found.name, found.status, found.locale) if found else None

        return self.remembered(key, find)

    def remembered(self, key: tuple, find):
        """What `find` finds, for a second."""
        now = time.monotonic()
        known = self.seen.get(key)
        if known and known[0] > now:
            return known[1]
        found = find()
        if len(self.seen) > 10_000:
            self.seen.clear()
        self.seen[key] = (now + 1, found)
        return found


lookup = Lookup()


# -- the transaction's organisation ------------------------------------------------------------

@event.listens_for(Session, "after_begin")
def _begin_inside(session, transaction, connection):
    connection.execute(SET_ORG, {"org": str(_org_id.get() or "")})


SET_ORG = text("SELECT set_config('app.org_id', :org, true)")


def current_org_id() -> int | None:
    return _org_id.get()


def enter(org_id: int | None) -> None:
    """From here on this request or job is inside the organisation."""
    _org_id.set(org_id)
    if db.session().in_transaction():
        db.session.connection().execute(SET_ORG, {"org": str(org_id or "")})


@contextmanager
def inside(org_id: int | None):
    """One organisation after another: work that crosses them enters each in turn."""
    outer = _org_id.get()
    enter(org_id)
    try:
        yield
        db.session.flush()
    finally:
        _org_id.set(outer)
        if db.session().in_transaction() and db.session.is_active and not _aborted():
            db.session.connection().execute(SET_ORG, {"org": str(outer or "")})


def _aborted() -> bool:
    """After an error the transaction takes no more statements; one of ours would hide what went wrong."""
    status = db.session.connection().connection.driver_connection.info.transaction_status
    return status == TransactionStatus.INERROR


def organization_ids() -> list[int]:
    return list(db.session.scalars(select(Directory.org_id).order_by(Directory.org_id)))


def each_organization():
    """Enter every organisation in turn, for work that crosses them."""
    for org_id in organization_ids():
        with inside(org_id):
            yield org_id


# -- the request's organisation ------------------------------------------------------------------

class Hosts:
    """WSGI: on an organisation's own host, completes the path to the one it has on the platform's host."""

    def __init__(self, app, wsgi):
        self.app, self.wsgi, self.settings = app, wsgi, app.config["SETTINGS"]

    def __call__(self, environ, start_response):
        name = host_name(environ.get("HTTP_HOST", ""))
        if name not in self.settings.platform_hosts:
            try:
                slug = self.slug_of(name)
            except (OperationalError, PoolTimeout) as error:
                slug, environ["eventapp.no_answer"] = None, error
            path = environ.get("PATH_INFO", "/")
            environ["eventapp.host_slug"] = slug or ""
            if slug is None:
                environ["PATH_INFO"] = path if path in PROBES else "/"
            elif path.lstrip("/").split("/", 1)[0] not in SHARED:
                environ["PATH_INFO"] = f"/{slug}{path.rstrip('/')}"
        return self.wsgi(environ, start_response)

    def slug_of(self, name: str) -> str | None:
        suffix = "." + self.settings.platform_host
        if name.endswith(suffix):
            slug = name.removesuffix(suffix)
            return slug if SLUG.match(slug) else None
        with self.app.app_context():
            org = lookup.by_domain(name)
            return org and org.slug


def host_name(host: str) -> str:
    """Without the port, lower case."""
    host = host.lower().strip()
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.split(":", 1)[0]


def resolve() -> None:
    """Before every request: which organisation this is, if any. The gate answers when it is not there."""
    enter(None)
    host_slug = request.environ.get("eventapp.host_slug")
    g.host_slug = host_slug
    g.unknown_host = host_slug == ""
    g.org_slug = g.org = None
    if "eventapp.no_answer" in request.environ and request.path not in PROBES:
        raise request.environ["eventapp.no_answer"]  # nobody knows whose host this is while the database is away
    slug = (request.view_args or {}).pop("org", None) or host_slug
    g.org_slug = slug
    g.org = lookup.by_slug(slug) if slug else None
    if g.org:
        enter(g.org.id)


class EventApp(Flask):
    """Flask, with links that stay on the host the visitor is on and in the organisation the page belongs to."""

    def url_for(self, endpoint, **values):
        if endpoint == "static" and "_external" not in values:
            return self._static_url(**values)
        if "org" not in values and g and g.get("org_slug"):
            name = f"{request.blueprint}{endpoint}" if endpoint.startswith(".") else endpoint
            if self.url_map.is_endpoint_expecting(name, "org"):
                values["org"] = g.org_slug
        url = super().url_for(endpoint, **values)
        return url if values.get("_external") else shorten(url)

    @lru_cache(maxsize=4096)  # noqa: B019 - there is one application in a process
    def _static_url(self, **values):
        """A page has some thirty of them, the same on every host."""
        return super().url_for("static", **values)


def shorten(path: str) -> str:
    """On an organisation's own host its pages go without the first segment."""
    slug = g.get("host_slug") if g else None
    if slug and (path == f"/{slug}" or path.startswith((f"/{slug}/", f"/{slug}?", f"/{slug}#"))):
        rest = path[len(slug) + 1:]
        return rest if rest.startswith("/") else "/" + rest
    return path
