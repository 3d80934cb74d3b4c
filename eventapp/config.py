"""The environment, read once and checked whole: every wrong value is named at start."""
import base64
import hashlib
import json
import os
import secrets
import socket
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy.engine import URL, make_url

ROOT = Path(__file__).resolve().parent.parent


class WrongConfiguration(Exception):
    """Names every variable that is missing or wrong."""

    def __init__(self, problems):
        self.problems = problems
        super().__init__("The configuration is wrong:\n" + "\n".join(f"  {problem}" for problem in problems))


@dataclass(frozen=True)
class Settings:
    app_env: str = "development"
    port: int = 5000
    platform_host: str = "localhost"
    secret_key: str = ""
    encryption_key: str = ""
    database_url: str = ""
    queue_database_url: str = ""
    redis_url: str = ""
    toss_client_key: str = ""
    toss_secret_key: str = ""
    toss_api_url: str = "https://api.tosspayments.com"
    toss_sdk_url: str = "https://js.tosspayments.com/v2/standard"
    portone_store_id: str = ""
    portone_channel_key: str = ""
    portone_api_secret: str = ""
    portone_webhook_secret: str = ""
    portone_api_url: str = "https://api.portone.io"
    portone_sdk_url: str = "https://cdn.portone.io/v2/browser-sdk.js"
    stripe_publishable_key: str = ""
    stripe_secret_key: str = ""
    stripe_webhook_secret: str = ""
    stripe_api_url: str = "https://api.stripe.com"
    smtp_url: str = ""
    from_email: str = ""
    sentry_dsn: str = ""
    s3_bucket: str = ""
    s3_endpoint_url: str = ""
    s3_access_key: str = ""
    s3_secret_key: str = ""
    trusted_hops: int = 0
    rate_limit_scale: float = 1.0
    hold_minutes: int = 15
    reconcile_seconds: int = 60
    backoff_scale: float = 1.0
    clock_offset: int = 0
    sandbox_autopay: bool = False
    faults: str = ""
    guards_off: frozenset = frozenset()
    var: Path = ROOT / "var"
    platform_hosts: frozenset = field(default_factory=frozenset)
    roles: str = ""

    @property
    def production(self) -> bool:
        return self.app_env == "production"

    @property
    def mail_url(self) -> str:
        """Where letters go: an SMTP server, or the local mailbox page."""
        return self.smtp_url or f"folder:{self.var / 'mailbox'}"

    @property
    def platform_url(self) -> str:
        """The platform's own address, for links in letters."""
        return f"https://{self.platform_host}" if self.production else f"http://{self.platform_host}:{self.port}"

    @property
    def sandboxed(self) -> bool:
        """Whether the gateway is the sandbox on loopback."""
        return urlsplit(self.toss_api_url).hostname in ("localhost", "127.0.0.1", "::1")

    @property
    def hold(self) -> timedelta:
        return timedelta(minutes=self.hold_minutes)

    # -- the database, seen by each role ------------------------------------------------------
    @property
    def role_prefix(self) -> str:
        """Roles live in the whole cluster, so they carry the database's name (or `roles`, for copies of a database)."""
        return self.roles or make_url(self.database_url).database

    def role(self, name: str) -> str:
        return f"{self.role_prefix}_{name}"

    def role_password(self, name: str) -> str:
        return derive(self.secret_key, f"database role {self.role(name)}").hex()

    def url_of(self, name: str) -> URL:
        """`DATABASE_URL` as the role `app`, `platform` or `backup` sees it."""
        return psycopg_url(self.database_url).set(username=self.role(name), password=self.role_password(name))

    @property
    def owner_url(self) -> URL:
        return psycopg_url(self.database_url)


def psycopg_url(text: str) -> URL:
    return make_url(text).set(drivername="postgresql+psycopg")


def derive(key: str, purpose: str, length: int = 32) -> bytes:
    """A key for one purpose only, out of a secret (HKDF would add nothing to an HMAC of this length)."""
    return hashlib.blake2b(purpose.encode(), key=hashlib.sha256(key.encode()).digest(), digest_size=length).digest()


GATEWAY_URLS = ("TOSS_API_URL", "TOSS_SDK_URL", "PORTONE_API_URL", "PORTONE_SDK_URL", "STRIPE_API_URL")
REFUSED_IN_PRODUCTION = ("BACKOFF_SCALE", "CLOCK_OFFSET", "SANDBOX_AUTOPAY", "FAULTS", "GUARDS_OFF")
NEEDED_IN_PRODUCTION = ("SECRET_KEY", "ENCRYPTION_KEY", "DATABASE_URL", "SMTP_URL", "FROM_EMAIL", "PLATFORM_HOST")


def read(environ=os.environ) -> Settings:
    """Settings out of environment variables; raises WrongConfiguration naming all that is wrong."""
    problems, values = [], {}

    def take(name, kind=str, allowed=None):
        text = environ.get(name, "").strip()
        if text == "":
            return
        try:
            value = kind(text)
            if allowed is not None and not allowed(value):
                raise ValueError
        except ValueError:
            problems.append(f"{name}: {text if 'KEY' not in name and 'URL' not in name else 'this value'} will not do")
            return
        values[name.lower()] = value

    take("APP_ENV", str, lambda v: v in ("development", "production"))
    take("PORT", int, lambda v: 0 < v < 65535)
    take("PLATFORM_HOST", str.lower, lambda v: "/" not in v and ":" not in v)
    for name in ("SECRET_KEY", "ENCRYPTION_KEY", "TOSS_CLIENT_KEY", "TOSS_SECRET_KEY", "PORTONE_STORE_ID", "PORTONE_CHANNEL_KEY",
                 "PORTONE_API_SECRET", "PORTONE_WEBHOOK_SECRET", "STRIPE_PUBLISHABLE_KEY", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "FROM_EMAIL", "SENTRY_DSN", "S3_BUCKET", "S3_ACCESS_KEY",
                 "S3_SECRET_KEY"):
        take(name)
    for name in ("DATABASE_URL", "QUEUE_DATABASE_URL"):
        take(name, str, lambda v: v.startswith(("postgres://", "postgresql://", "postgresql+psycopg://")))
    take("REDIS_URL", str, lambda v: v.startswith(("redis://", "rediss://", "unix://")))
    take("SMTP_URL", str, lambda v: v.startswith(("smtp://", "smtps://")))
    for name in (*GATEWAY_URLS, "S3_ENDPOINT_URL"):
        take(name, lambda v: v.rstrip("/"), lambda v: v.startswith(("https://", "http://")))
    take("TRUSTED_HOPS", int, lambda v: 0 <= v < 10)
    take("RATE_LIMIT_SCALE", float, lambda v: v >= 0)
    take("HOLD_MINUTES", int, lambda v: v > 0)
    take("RECONCILE_SECONDS", int, lambda v: v > 0)
    take("BACKOFF_SCALE", float, lambda v: v >= 0)
    take("CLOCK_OFFSET", int)
    take("SANDBOX_AUTOPAY", lambda v: {"1": True, "0": False}.get(v))
    take("FAULTS")
    take("GUARDS_OFF", lambda v: frozenset(v.replace(",", " ").split()))
    take("VAR", Path)

    production = values.get("app_env") == "production"
    if production:
        problems += [f"{name}: needed in production" for name in NEEDED_IN_PRODUCTION if name.lower() not in values]
        problems += [f"{name}: refused in production" for name in REFUSED_IN_PRODUCTION if environ.get(name)]
        problems += [f"{name}: too short, 32 characters at least" for name in ("SECRET_KEY", "ENCRYPTION_KEY")
                     if 0 < len(values.get(name.lower(), "")) < 32]
        if environ.get("FLASK_DEBUG", "").lower() not in ("", "0", "false", "no"):
            problems.append("FLASK_DEBUG: refused in production")
        if values.get("rate_limit_scale") == 0:
            problems.append("RATE_LIMIT_SCALE: 0 is refused in production")
        problems += [f"{name}: https only in production" for name in GATEWAY_URLS if values.get(name.lower(), "https:").startswith("http:")]
    if problems:
        raise WrongConfiguration(problems)

    if not production:
        kept = _kept_secrets(values.get("var", Settings.var))
        for name in ("secret_key", "encryption_key"):
            values.setdefault(name, kept[name])
    for name in ("database_url", "queue_database_url"):
        if name in values:
            values[name] = psycopg_url(values[name]).set(drivername="postgresql").render_as_string(hide_password=False)
    host = values.get("platform_host", Settings.platform_host)
    values.setdefault("from_email", f"tickets@{host}")
    values["platform_hosts"] = frozenset([host] if production else [host, *_own_addresses()])
    return Settings(**values)


def _kept_secrets(folder: Path) -> dict:
    """Development's secrets: made once, kept beside the data, so that a restart signs nobody out."""
    path = folder / "secrets.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        made = {name: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
                for name in ("secret_key", "encryption_key")}
        temporary = path.with_suffix(f".{os.getpid()}")
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            json.dump(made, out)
        try:
            os.link(temporary, path)  # the first of several processes wins
        except FileExistsError:
            pass
        temporary.unlink()
    return json.loads(path.read_text())


def _own_addresses():
    addresses = {"localhost", "127.0.0.1", "[::1]", socket.gethostname().lower()}
    try:
        for *_, address in socket.getaddrinfo(socket.gethostname(), None):
            addresses.add(f"[{address[0]}]" if ":" in address[0] else address[0])
    except OSError:
        pass
    return addresses


_active: Settings | None = None


def activate(settings: Settings) -> None:
    """The settings this process runs with, for what has no application at hand."""
    global _active
    _active = settings


def active() -> Settings:
    return _active
