"""What revisions need again and again: rights and policies."""
from alembic import op
from flask import current_app

EVERYTHING = "SELECT, INSERT, UPDATE, DELETE"


def role(name: str) -> str:
    return f'"{current_app.config["SETTINGS"].role(name)}"'


def allow(table: str, rights: str = EVERYTHING) -> None:
    """A global table: the application and the platform may do this much, the backup may read."""
    op.execute(f"GRANT {rights} ON {table} TO {role('app')}, {role('platform')}")
    op.execute(f"GRANT SELECT ON {table} TO {role('backup')}")


def protect(table: str, rights: str = EVERYTHING) -> None:
    """A tenant's table: nobody sees a row of another organisation, and without one a query raises.

    `(SELECT current_org())` is evaluated once for a statement and serves as an index condition.
    """
    allow(table, rights)
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    own = "org_id = (SELECT current_org())"
    op.execute(f"CREATE POLICY own_rows ON {table} TO {role('app')} USING ({own}) WITH CHECK ({own})")
    op.execute(f"CREATE POLICY all_rows ON {table} TO {role('platform')}, CURRENT_USER USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY read_rows ON {table} FOR SELECT TO {role('backup')} USING (true)")
