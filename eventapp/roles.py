"""The database's roles: the owner migrates, `app` serves, `platform` sees all, `backup` reads.

They are made by `flask release` as the owner. Roles belong to the whole cluster and so carry the database's name; their
passwords are derived from SECRET_KEY, so that one address in the environment is enough.
"""
from psycopg import sql
from sqlalchemy import create_engine, text

from eventapp.config import Settings

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
            run("GRANT CONNECT ON DATABASE {} TO {}", settings.role_prefix, role)
            run("GRANT USAGE ON SCHEMA public TO {}", role)
            for limit, value in limits.items():
                run("ALTER ROLE {} SET " + limit + " = {value}", role, value=value)
    engine.dispose()


def problems(connection) -> list[str]:
    """What is wrong with the role that the application runs as; nothing, in a sound installation."""
    row = connection.execute(text(
        "SELECT rolsuper, rolbypassrls, current_setting('server_version_num')::int AS version, "
        "EXISTS (SELECT 1 FROM pg_class c WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p')) AS owns "
        "FROM pg_roles r WHERE rolname = current_user")).one()
    found = []
    if row.rolsuper or row.rolbypassrls:
        found.append("the application's database role bypasses row-level security")
    if row.owns:
        found.append("the application's database role owns tables")
    if row.version < 150014:
        found.append(f"PostgreSQL 15.14 or newer is needed, this is {row.version}")
    return found
