"""The database's roles: the owner migrates, `app` serves, `platform` sees all, `backup` reads.

They are made by `flask release` as the owner. Roles belong to the whole cluster and so carry the database's name; their
passwords are derived from SECRET_KEY, so that one address in the environment is enough.
"""
import logging

import click
from psycopg import sql
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError

from eventapp.config import Settings

log = logging.getLogger("eventapp.roles")
OLDEST = 150014
"""As `server_version_num` writes 15.14."""
ABOUT_US = """
    SELECT rolsuper, rolbypassrls, EXISTS (SELECT FROM pg_class WHERE relowner = r.oid AND relkind IN ('r', 'p')),
           current_setting('server_version_num')::int
    FROM pg_roles r WHERE rolname = current_user"""
LIMITS = {
    "app": {"statement_timeout": "15s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "60s", "jit": "off"},
    "platform": {"statement_timeout": "60s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "60s", "jit": "off"},
    "backup": {"jit": "off"},
}
"""As the roles' defaults rather than in each session: PgBouncer passes no options on."""


def ensure(settings: Settings) -> None:
    """Make the roles, or give them the password that this SECRET_KEY means."""
    engine = create_engine(settings.owner_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        driver = connection.connection.driver_connection

        def run(statement, *names, **literals):
            driver.execute(sql.SQL(statement).format(*map(sql.Identifier, names),
                                                     **{key: sql.Literal(value) for key, value in literals.items()}))

        run("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        for name, limits in LIMITS.items():
            role = settings.role(name)
            exists = connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role})
            if not exists:  # only a superuser may name these attributes in an ALTER, even to leave them as they are
                run("CREATE ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE", role)
            run("ALTER ROLE {} PASSWORD {secret}", role, secret=settings.role_password(name))
            run("GRANT CONNECT ON DATABASE {} TO {}", engine.url.database, role)
            run("GRANT USAGE ON SCHEMA public TO {}", role)
            for limit, value in limits.items():
                run("ALTER ROLE {} SET " + limit + " = {value}", role, value=value)
    engine.dispose()


class WrongDatabase(Exception):
    """The server, or our role in it, does not keep organisations apart."""


def problems(superuser: bool, bypasses: bool, owns: bool, version: int) -> list[str]:
    """What is wrong with the server and the role that the application runs as; nothing, in a sound installation."""
    found = []
    if superuser or bypasses:
        found.append("the application's database role bypasses row-level security")
    if owns:
        found.append("the application's database role owns tables")
    if version < OLDEST:
        found.append(f"PostgreSQL 15.14 or newer is needed, this is {version // 10000}.{version % 10000}")
    return found


def guard(app, engine) -> None:
    """Look before the first statement. In production a server with a wrong role does not start at all; with the database
    away it does, and looks when it is back. Commands start, because `flask release` is what makes the roles."""
    @event.listens_for(engine, "first_connect")
    def look(connection, record):
        with connection.cursor() as cursor:
            found = problems(*cursor.execute(ABOUT_US).fetchone())
        connection.rollback()
        if found:
            raise WrongDatabase("; ".join(found))

    if app.config["SETTINGS"].production and click.get_current_context(silent=True) is None:
        try:
            engine.connect().close()
        except DBAPIError as error:
            log.warning("started without the database: %s", type(error.orig).__name__)
