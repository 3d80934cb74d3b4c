"""How often something may be tried. Counted in the table `rate_limits`, or in Redis where there is one.

Of one network address only failures count: a campus is one address. `RATE_LIMIT_SCALE` multiplies every limit.
"""
import hashlib
import ipaddress
import math
from datetime import timedelta

from flask import current_app, g, request
from flask_limiter import Limiter, RateLimitExceeded
from flask_login import current_user
from limits.storage import Storage
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from eventapp import clock
from eventapp.extensions import db
from eventapp.languages import ngettext
from eventapp.unit_of_work import keep
from eventapp.web.errors import answer


def failures(feature: str, most: int, minutes: int, method: str = "POST"):
    """At most so many failures from one address, over all routes of the feature. A view says `failed()`."""
    return _limit(feature, most, minutes, address, method, deduct_when=has_failed)


def failures_of_account(feature: str, most: int, minutes: int):
    """The same for one email address as typed: guessing from many places at once is guessing too."""
    return _limit(f"{feature} account", most, minutes, typed_email, deduct_when=has_failed)


def letters(feature: str, most: int, minutes: int):
    """At most so many requests that write to one email address, whether or not it is known."""
    return _limit(f"{feature} letters", most, minutes, typed_email)


def requests(feature: str, most: int, minutes: int):
    """At most so many from one network, right or wrong: many more than a hall full of people needs."""
    return _limit(f"{feature} all", most, minutes, address)


def notices(feature: str, most: int, minutes: int):
    """At most so many calls of one address of ours that a machine posts to: each gateway account has its own. From one network,
    because a buyer's browser may see that address (PortOne's window is told it), and must not use up the gateway's share."""
    return _limit(feature, most, minutes, lambda: f"{(request.view_args or {}).get('account') or 'the only one'} {address()}")


def files(feature: str, most: int, minutes: int):
    """At most so many requests with files from one network. A view says `took_files()`."""
    return _limit(f"{feature} files", most, minutes, address, deduct_when=lambda response: g.get("took_files", False))


def took_files() -> None:
    g.took_files = True


def own_requests(feature: str, most: int, minutes: int):
    """At most so many of one signed-in person."""
    return _limit(f"{feature} of one", most, minutes, lambda: f"user {current_user.id}")


def failed() -> None:
    g.attempt_failed = True


def has_failed(response) -> bool:
    return g.get("attempt_failed", False)


def _limit(scope, most, minutes, key, method="POST", **options):
    return limiter.shared_limit(
        lambda: f"{max(1, round(most * scale()))} per {minutes} minutes", scope=scope, key_func=key,
        methods=[method], exempt_when=lambda: scale() == 0, **options)


def scale() -> float:
    return current_app.config["SETTINGS"].rate_limit_scale


def address() -> str:
    """One network: a single IPv4 address, or the /64 that one subscriber has."""
    try:
        found = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network((found, 64), strict=False) if found.version == 6 else found)


def typed_email() -> str:
    return request.form.get("email", "").strip().lower()[:254] or f"from {address()}"


limiter = Limiter(address)


def init_app(app):
    url = app.config["SETTINGS"].redis_url
    app.config.update(
        RATELIMIT_STORAGE_URI=url.replace("unix://", "redis+unix://", 1) if url else "rate-limits://",
        RATELIMIT_STORAGE_OPTIONS={"socket_connect_timeout": 1, "socket_timeout": 1} if url else {},
        # With Redis away each process counts for itself. Without the database nothing works anyway.
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=bool(url))
    limiter.init_app(app)
    app.register_error_handler(RateLimitExceeded, too_many)


def too_many(error: RateLimitExceeded):
    seconds = max(1, math.ceil(limiter.current_limit.reset_at - clock.now().timestamp()))
    minutes = max(1, math.ceil((seconds - 1) / 60))  # Redis ends a window up to a second late
    sentence = ngettext("Too many attempts. Try again in %(num)s minute.",
                        "Too many attempts. Try again in %(num)s minutes.", minutes)
    return answer(429, sentence, [("Retry-After", str(seconds))])


class RateLimits(Storage):
    """Fixed windows in a table, shared by all processes. Each count is a transaction of its own, because it must
    outlive the refusal that it counts. Keys are hashed: no address is kept."""

    STORAGE_SCHEME = ["rate-limits"]
    COUNT = text("""
        INSERT INTO rate_limits AS r (key, count, ends_at) VALUES (:key, :amount, :ends_at)
        ON CONFLICT (key) DO UPDATE SET
            count = CASE WHEN r.ends_at <= :now THEN excluded.count ELSE r.count + excluded.count END,
            ends_at = CASE WHEN r.ends_at <= :now THEN excluded.ends_at ELSE r.ends_at END
        RETURNING count""")
    READ = text("""
        SELECT count, extract(epoch FROM ends_at) AS ends FROM rate_limits WHERE key = :key AND ends_at > :now""")
    base_exceptions = SQLAlchemyError

    def incr(self, key, expiry, amount=1):
        now = clock.now()
        with keep() as session:
            return session.scalar(self.COUNT, {"key": _hashed(key), "amount": amount, "now": now,
                                               "ends_at": now + timedelta(seconds=expiry)})

    def get(self, key):
        row = self._read(key)
        return row.count if row else 0

    def get_expiry(self, key):
        row = self._read(key)
        return float(row.ends) if row else clock.now().timestamp()

    def _read(self, key):
        return db.session.execute(self.READ, {"key": _hashed(key), "now": clock.now()}).one_or_none()

    def check(self):
        return True

    def reset(self):
        with keep() as session:
            return session.execute(text("DELETE FROM rate_limits")).rowcount

    def clear(self, key):
        with keep() as session:
            session.execute(text("DELETE FROM rate_limits WHERE key = :key"), {"key": _hashed(key)})


def _hashed(key: str) -> str:
    return hashlib.blake2b(key.encode(), digest_size=20).hexdigest()
