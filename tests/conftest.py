"""A real PostgreSQL, a world of two organisations, and a browser that reads what it is given.

One server for the whole run; a template database is migrated and filled once; every test that touches the application
has a fresh copy of it (about 15 ms), so that commits, roles, workers and races are the real ones.
"""
import os
import re
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import hypothesis
import psycopg
import pytest

from eventapp import config
from eventapp.supervisor.postgres import EmbeddedPostgres
from tests.browse import Client
from tests.world import World, build

# A machine that is busy with other things makes no test wrong.
hypothesis.settings.register_profile("here", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("here")
TEMPLATE = "eventapp_template"
ROLES = "eventapp_test"
RUN = "EVENTAPP_TEST_RUN"


def pytest_configure(config):
    """The controller starts the server; workers find it in the environment."""
    if RUN in os.environ:
        return
    folder = Path(tempfile.mkdtemp(prefix="eventapp-tests-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    folder.chmod(0o755)
    os.environ[RUN] = str(folder)
    config.eventapp_server = None
    if not os.environ.get("DATABASE_URL"):
        config.eventapp_server = EmbeddedPostgres(folder / "postgres", durable=False)
        os.environ["TEST_SERVER_URL"] = config.eventapp_server.start()
    else:
        os.environ["TEST_SERVER_URL"] = os.environ["DATABASE_URL"]
    with server() as connection:
        for name in leftovers(connection):
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{TEMPLATE}"')
    make_template()


def pytest_unconfigure(config):
    folder = os.environ.get(RUN)
    if not hasattr(config, "eventapp_server"):
        return
    if config.eventapp_server is None:
        with server() as connection:
            for name in leftovers(connection):
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    else:
        config.eventapp_server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def leftovers(connection):
    return [name for name, in connection.execute("SELECT datname FROM pg_database WHERE datname ~ '^eventapp_t'").fetchall()]


def server():
    """The server's owner, outside of every database of ours."""
    return psycopg.connect(config.psycopg_url(os.environ["TEST_SERVER_URL"]).set(drivername="postgresql")
                           .render_as_string(False), autocommit=True)


def settings_for(database: str, **values) -> config.Settings:
    url = config.psycopg_url(os.environ["TEST_SERVER_URL"]).set(drivername="postgresql", database=database)
    var = Path(os.environ[RUN]) / "var" / database
    var.mkdir(parents=True, exist_ok=True)
    defaults = dict(secret_key="k" * 40, encryption_key="e" * 40, database_url=url.render_as_string(False), roles=ROLES,
                    redis_url=os.environ.get("REDIS_URL", ""), var=var, from_email="tickets@events.example", rate_limit_scale=0,
                    platform_hosts=frozenset({"localhost", "127.0.0.1"}))
    return config.Settings(**(defaults | values))


def make_template():
    from eventapp import create_app, release

    app = create_app(settings_for(TEMPLATE))
    with app.app_context():
        release.release(app.config["SETTINGS"])
        build()
    dispose(app)


def dispose(app):
    from eventapp.extensions import db, platform

    with app.app_context():
        db.session.remove()
        db.engine.dispose()
        platform.engine.dispose()


@pytest.fixture(scope="session")
def worker_database(worker_id="gw"):
    return f"eventapp_test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"


@pytest.fixture(scope="session")
def whole_app(worker_database):
    """The application of this test process; its database is made anew for each test."""
    from eventapp import create_app

    app = create_app(settings_for(worker_database))
    app.testing = True
    app.test_client_class = Client
    import tasks  # noqa: F401  (registers the jobs)
    return app


@pytest.fixture
def database(worker_database, whole_app):
    """A fresh copy of the template."""
    dispose(whole_app)
    with server() as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{worker_database}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{worker_database}" TEMPLATE "{TEMPLATE}" STRATEGY FILE_COPY')
    return worker_database


@pytest.fixture
def app(whole_app, database):
    from eventapp import clock, tenancy
    from eventapp.languages import set_locale

    tenancy.lookup.seen.clear()
    page_cache = whole_app.wsgi_app
    page_cache.entries.clear()
    config.activate(whole_app.config["SETTINGS"])
    set_locale("en")
    before = clock.offset
    shutil.rmtree(whole_app.config["SETTINGS"].var / "mailbox", ignore_errors=True)
    with whole_app.app_context():
        yield whole_app
        from eventapp.extensions import db
        db.session.remove()
    tenancy._org_id.set(None)
    clock.offset = before


@pytest.fixture
def world(app) -> World:
    return World()


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def settings(app, monkeypatch):
    """Change settings for one test: `settings(rate_limit_scale=1)`."""
    original = app.config["SETTINGS"]

    def change(**values):
        changed = replace(app.config["SETTINGS"], **values)
        app.config["SETTINGS"] = changed
        config.activate(changed)
        return changed

    yield change
    app.config["SETTINGS"] = original
    config.activate(original)


@pytest.fixture
def sign_in(app, world):
    """`sign_in("owner@seoul-ubf.example")` is a browser of theirs."""
    def signed_in(email: str) -> Client:
        browser = app.test_client()
        answer = browser.post("/auth/login", {"email": email, "password": "demo-password"})
        assert answer.status_code == 303, answer.text
        return browser
    return signed_in


@pytest.fixture
def seoul_owner(sign_in):
    return sign_in("owner@seoul-ubf.example")


@pytest.fixture
def busan_owner(sign_in):
    return sign_in("owner@busan-meetup.example")


@pytest.fixture
def participant(sign_in):
    return sign_in("participant@seoul-ubf.example")


@pytest.fixture
def operator(sign_in):
    return sign_in("operator@example.com")


@pytest.fixture
def statements(app):
    """`statements(browser.get, address)`: how many statements the application sends meanwhile. Not counted is what happens once
    a second (the directory) or a minute (when somebody was last seen), and the context that goes with it."""
    from sqlalchemy import event

    from eventapp.extensions import db

    def count(act, *arguments, **options) -> int:
        sent = []

        def note(_connection, _cursor, statement, *_rest):
            if not re.search("set_config|organization_directory|UPDATE sign_ins", statement):
                sent.append(statement)

        event.listen(db.engine, "before_cursor_execute", note)
        try:
            act(*arguments, **options)
        finally:
            event.remove(db.engine, "before_cursor_execute", note)
        return len(sent)
    return count


class Letters:
    """The jobs that wait in the outbox and will write a letter: `letters == [("mail_order_confirmed", {"order_id": 1})]`."""

    def _rows(self):
        from sqlalchemy import select

        from eventapp.extensions import platform
        from eventapp.models import OutboxItem

        with platform.session() as session:
            rows = session.scalars(select(OutboxItem).where(OutboxItem.done_at.is_(None), OutboxItem.kind.like("mail_%"))
                                   .order_by(OutboxItem.id)).all()
        return [(row.kind, row.payload) for row in rows]

    def __eq__(self, other):
        return self._rows() == other

    def __iter__(self):
        return iter(self._rows())

    def __len__(self):
        return len(self._rows())

    def __repr__(self):
        return repr(self._rows())


@pytest.fixture
def letters(app) -> Letters:
    return Letters()


@pytest.fixture
def work(app):
    """Do everything that is due, as the workers would; how many jobs were done."""
    from eventapp import outbox
    from eventapp.models.outbox import QUEUES

    def work() -> int:
        done = 0
        while True:
            now = sum(outbox.drain(queue) for queue in QUEUES)
            done += now
            if not now:
                return done
    return work


@pytest.fixture
def mailbox(app):
    """The letters that were sent, oldest first, as `email.message.EmailMessage`."""
    from email import message_from_bytes, policy

    folder = app.config["SETTINGS"].var / "mailbox"

    def read():
        files = sorted(folder.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns) if folder.exists() else []
        return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in files]
    return read
