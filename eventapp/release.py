"""Before a new version serves: roles, tables, plans. Safe to run twice, and by several machines at once."""
import json

import flask_migrate
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from eventapp import roles
from eventapp.config import Settings

LOCK = 0x65766E74
PLANS = (
    {"code": "basic", "position": 1, "monthly": 0, "yearly": 0, "live_events": 1, "registrations_a_month": 100, "members": 2,
     "features": [],
     "name": {"ko": "베이직", "en": "Basic"},
     "summary": {"ko": "작은 모임을 여는 데 필요한 것을 모두 담았어요.", "en": "Everything a small meetup needs."}},
    {"code": "pro", "position": 2, "monthly": 49_000, "yearly": 490_000, "live_events": 10, "registrations_a_month": 3_000,
     "members": 15, "features": ["approval", "delegations", "own_colour", "export"],
     "name": {"ko": "프로", "en": "Pro"},
     "summary": {"ko": "수련회와 콘퍼런스를 여러 번 여는 단체에 알맞아요.", "en": "For organisations that run conferences and retreats."}},
    {"code": "enterprise", "position": 3, "monthly": 290_000, "yearly": 2_900_000, "live_events": 0,
     "registrations_a_month": 0, "members": 0,
     "features": ["approval", "delegations", "own_colour", "export", "own_domain", "audit"],
     "name": {"ko": "엔터프라이즈", "en": "Enterprise"},
     "summary": {"ko": "인원과 행사 수의 제한이 없고, 자체 도메인을 쓸 수 있어요.", "en": "No limits, and a domain of your own."}},
)


class CannotRelease(Exception):
    """With a sentence for whoever deploys."""


def release(settings: Settings) -> None:
    if not settings.database_url:
        raise CannotRelease("DATABASE_URL is not set; `make run` starts a PostgreSQL of its own.")
    engine = create_engine(settings.owner_url, connect_args={"connect_timeout": 5})
    try:
        with engine.begin() as connection:
            look(connection)
            # Held by this transaction until all is done (a session's lock would not survive PgBouncer): a second release
            # waits here, and then finds nothing left to do.
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
            roles.ensure(settings)
            flask_migrate.upgrade()
            add_plans(connection)
            let_backup_read(connection, settings)
    except DBAPIError as error:
        raise CannotRelease(f"The database says: {str(error.orig).strip().splitlines()[0]}") from error
    finally:
        engine.dispose()


def look(connection) -> None:
    version = connection.scalar(text("SELECT current_setting('server_version_num')::int"))
    if version < roles.OLDEST:
        raise CannotRelease(f"PostgreSQL 15.14 or newer is needed; this is {version // 10000}.{version % 10000}.")


def let_backup_read(connection, settings: Settings) -> None:
    """Sequences and Alembic's own table too, which no migration mentions: `pg_dump` asks for all or fails."""
    for what in ("TABLES", "SEQUENCES"):
        connection.execute(text(f'GRANT SELECT ON ALL {what} IN SCHEMA public TO "{settings.role("backup")}"'))


def add_plans(connection) -> None:
    """Those that are missing; what the operator has changed stays."""
    connection.execute(text(
        "INSERT INTO plans (code, position, monthly, yearly, live_events, registrations_a_month, members, features, name, summary) "
        "VALUES (:code, :position, :monthly, :yearly, :live_events, :registrations_a_month, :members, :features, "
        "CAST(:name AS jsonb), CAST(:summary AS jsonb)) ON CONFLICT (code) DO NOTHING"),
        [plan | {"name": json.dumps(plan["name"]), "summary": json.dumps(plan["summary"])} for plan in PLANS])
