"""What the application is plugged into: the database (as the app and as the platform), sign-in, forms, limits, the queue."""
import json
import threading
from types import SimpleNamespace

from flask import current_app
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from huey import Huey, RedisHuey
from huey.registry import Message
from huey.serializer import Serializer
from huey.storage import PostgresStorage
from redis import ConnectionPool
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from eventapp import roles
from eventapp.config import ROOT, Settings
from eventapp.models.base import Base

db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False, "autoflush": False})
migrate = Migrate()
login = LoginManager()
csrf = CSRFProtect()


class JsonSerializer(Serializer):
    """The bell carries names and numbers only, and is never unpickled."""

    def _serialize(self, data):
        fields = data._asdict()
        return json.dumps({name: fields[name] for name in ("id", "name", "args", "kwargs")}, default=str).encode()

    def _deserialize(self, data):
        fields = json.loads(data)
        message = dict.fromkeys(Message._fields)
        message.update(retries=0, retry_delay=0, **fields)
        return Message(**message)


def configuration(settings: Settings) -> dict:
    """Flask's own settings."""
    return {
        "SETTINGS": settings,
        "SECRET_KEY": settings.secret_key,
        "SQLALCHEMY_DATABASE_URI": settings.url_of("app"),
        "SQLALCHEMY_ENGINE_OPTIONS": {"pool_size": 8, "max_overflow": 8, "pool_timeout": 5, "pool_recycle": 600,
                                      "pool_use_lifo": True, "hide_parameters": True, "connect_args": CONNECT},
        "MAX_CONTENT_LENGTH": 12_000_000, "MAX_FORM_MEMORY_SIZE": 2_000_000, "MAX_FORM_PARTS": 5_000,
        "WTF_CSRF_TIME_LIMIT": 24 * 3600,
        # Asked for by `web/sessions.py`, behind the gate.
        "WTF_CSRF_CHECK_DEFAULT": False,
        # The Origin is compared for every request (`web/sessions.py`), not only the Referer and only on https.
        "WTF_CSRF_SSL_STRICT": False,
    }


def init_app(app) -> None:
    db.init_app(app)
    platform.init_app(app)
    with app.app_context():
        roles.guard(app, db.engine)
    migrate.init_app(app, db, directory=str(ROOT / "migrations"))
    login.init_app(app)
    csrf.init_app(app)


def make_queue(settings: Settings, name: str):
    """A wake-up bell for the workers of one queue; what is to be done stands in the outbox."""
    common = {"results": False, "utc": True, "serializer": JsonSerializer()}
    if settings.redis_url:
        # A broker that does not answer must not keep a request waiting: the sweep finds the work.
        pool = ConnectionPool.from_url(settings.redis_url, socket_connect_timeout=2, socket_timeout=4)
        return RedisHuey(name, connection_pool=pool, **common)
    dsn = settings.queue_database_url or settings.url_of("app").set(drivername="postgresql").render_as_string(False)
    return Bell(name, dsn=dsn, connect_timeout=5, create_tables=False, **common)


class Door(PostgresStorage):
    """One thread of a process waits at the door; the others queue up behind it and are not woken by each ring.

    So an idle worker asks once a second for each queue, and needs one listening connection for it.
    """

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._listen_local = SimpleNamespace()  # shared by the threads, which take turns
        self._turn = threading.Lock()

    def dequeue(self):
        if not self._turn.acquire(timeout=self.read_timeout):
            return None
        try:
            return super().dequeue()
        finally:
            self._turn.release()

    def enqueue(self, data, priority=None):
        """Row and notice in one statement."""
        self.sql(f"WITH ring AS (INSERT INTO {self.table_task} (queue, data, priority) VALUES (%s, %s, %s)) "  # noqa: S608
                 "SELECT pg_notify(%s, '')", (self.name, data, priority or 0, self.channel), commit=True)


class Bell(Huey):
    storage_class = Door

    def is_revoked(self, task, timestamp=None, peek=True):
        """Nobody takes a ring back, so the database need not be asked …"""
        return False

    def delete(self, key):
        """… nor told."""
        return False


class Platform:
    """The engine that sees every organisation: the operator's console, the relay's claim, `flask check`."""

    def init_app(self, app):
        app.extensions["platform"] = create_engine(
            app.config["SETTINGS"].url_of("platform"), pool_size=2, max_overflow=6, pool_timeout=5, hide_parameters=True,
            connect_args=CONNECT)

    @property
    def engine(self):
        return current_app.extensions["platform"]

    def session(self) -> Session:
        return Session(self.engine, expire_on_commit=False)


# PgBouncer in transaction mode knows no prepared statements before 1.21. They would spare the server a third of its work.
CONNECT = {"connect_timeout": 5, "prepare_threshold": None, "fallback_application_name": "eventapp"}
platform = Platform()
