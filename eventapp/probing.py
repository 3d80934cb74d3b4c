"""Looks at the services outside, for the health page: the worker asks, the web reads what it last saw."""
import os
import smtplib
import ssl
import tempfile
import time
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

import httpx
import redis
from psycopg import OperationalError as PsycopgError
from redis.exceptions import RedisError
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from eventapp import clock, storage
from eventapp.config import Settings
from eventapp.domain import noticing
from eventapp.extensions import db, platform
from eventapp.models import Probe

PATIENCE = 4.0
NOT_CONFIGURED = "not_configured"


def look(settings: Settings) -> None:
    """Ask each of them and write down what was seen; the row `worker` says that somebody looked."""
    seen = {name: ask(what, settings) for name, what in SERVICES.items()} | {"worker": ("healthy", {})}
    rows = [{"name": name, "status": status, "detail": detail, "checked_at": clock.now()}
            for name, (status, detail) in sorted(seen.items())]
    statement = insert(Probe).values(rows)
    new = statement.excluded
    db.session.execute(statement.on_conflict_do_update(
        index_elements=["name"], set_={"status": new.status, "detail": new.detail, "checked_at": new.checked_at}))
    db.session.commit()


def ask(what: Callable, settings: Settings) -> tuple[str, dict]:
    began = time.perf_counter()
    try:
        detail = what(settings)
    except GatewayAway as error:
        return "unhealthy", {"error": "ConnectionError", "away": str(error)}
    except Exception as error:
        return "unhealthy", {"error": type(error).__name__}  # its text may hold an address with a password
    if detail is None:
        return NOT_CONFIGURED, {}
    return "healthy", {"ms": round((time.perf_counter() - began) * 1000, 1), **detail}


def ask_redis(settings: Settings) -> dict | None:
    if not settings.redis_url:
        return None
    with redis.Redis.from_url(settings.redis_url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE) as client:
        client.ping()
    return {}


GATEWAYS = {"toss": ("toss_secret_key", "/v1/payments/none"), "portone": ("portone_api_secret", "/payments/none"),
            "stripe": ("stripe_secret_key", "/v1/account")}
"""By the setting that says that it is used: a question that costs nothing and that it answers without a key."""


def ask_payment(settings: Settings) -> dict | None:
    """Whether the gateways answer at all; whether keys are good stands with each account. Many notices that are signed rightly and
    bear another time than ours say that our clock is wrong."""
    used = {name: path for name, (setting, path) in GATEWAYS.items() if getattr(settings, setting)}
    if not used:
        return None
    silent = [name for name, path in used.items() if not answers(getattr(settings, f"{name}_api_url") + path)]
    if silent:
        raise GatewayAway(", ".join(silent))
    detail = {"gateways": sorted(used)} | ({"mode": "sandbox"} if settings.sandboxed else {})
    with platform.session() as session:
        late = noticing.off_the_clock(session)
    return detail | ({"warning": f"{late} signed notices of the last hour bear another time than ours: is the clock right?"}
                     if late >= noticing.CLOCK_IN_DOUBT else {})


class GatewayAway(ConnectionError):
    """Names those that do not answer."""


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=PATIENCE, trust_env=False).status_code < 500
    except httpx.HTTPError:
        return False


def ask_email(settings: Settings) -> dict:
    if not settings.smtp_url:
        (settings.var / "mailbox").mkdir(parents=True, exist_ok=True)
        write_something(settings.var / "mailbox")
        return {"mode": "local mailbox"}
    parts = urlsplit(settings.smtp_url)
    secure = parts.scheme == "smtps"
    make = smtplib.SMTP_SSL if secure else smtplib.SMTP
    with make(unquote(parts.hostname or ""), parts.port or (465 if secure else 587), timeout=PATIENCE,
              **({"context": ssl.create_default_context()} if secure else {})) as server:
        server.noop()
    return {}


def ask_storage(settings: Settings) -> dict:
    if settings.s3_bucket:
        storage.connect(settings).look()
        return {"mode": "bucket"}
    folder = settings.var / "files"
    folder.mkdir(parents=True, exist_ok=True)
    write_something(folder)
    return {"mode": "local folder"}


def write_something(folder) -> None:
    """A full disk shows itself when the bytes have to lie there."""
    with tempfile.TemporaryFile(dir=folder) as out:
        out.write(bytes(4096))
        out.flush()
        os.fsync(out.fileno())


SERVICES = {"redis": ask_redis, "payment": ask_payment, "email": ask_email, "storage": ask_storage}


def is_outage(error: Exception) -> bool:
    """A service that is away, rather than a mistake of ours."""
    return isinstance(error, (DBAPIError, PoolTimeout, PsycopgError, RedisError, OSError, httpx.HTTPError))
