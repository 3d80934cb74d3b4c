"""Runs the revisions as the database's owner, whatever role the application itself has."""
from alembic import context
from flask import current_app
from sqlalchemy import create_engine, text

from eventapp.models import Base

settings = current_app.config["SETTINGS"]


def run():
    engine = create_engine(settings.owner_url, connect_args={"connect_timeout": 5})
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True,
                          include_name=lambda name, kind, parents: kind != "table" or not name.startswith("huey_"))
        with context.begin_transaction():
            # Waiting for a lock would make everybody else wait behind us: give up and be run again.
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))
            context.run_migrations()
    engine.dispose()


run()
