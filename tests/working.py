"""A worker as a process of its own, to be stopped and killed: `with worker(database) as process: …`."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress

import psycopg

from eventapp import config
from tests.conftest import settings_for


@contextmanager
def worker(database: str, **settings):
    """`settings` as in `config.Settings`; whatever happens, it is gone in the end."""
    with tempfile.NamedTemporaryFile("w+", suffix=".log") as log:
        process = subprocess.Popen([sys.executable, "-m", "tests.working", database, json.dumps(settings)], cwd=config.ROOT,
                                   stderr=log, start_new_session=True)
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            log.seek(0)
            print(log.read()[-6000:])  # shown when the test fails


def until(condition, seconds: float = 90):
    """Waits for it; its last value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.05)


def ask(database: str, statement: str, *values):
    """One value, as the owner."""
    url = settings_for(database).owner_url.set(drivername="postgresql").render_as_string(False)
    with psycopg.connect(url) as connection:
        return connection.execute(statement, values).fetchone()[0]


def waiting(database: str, kind: str = "%") -> int:
    """Jobs that are not done."""
    return ask(database, "SELECT count(*) FROM outbox WHERE done_at IS NULL AND kind LIKE %s", kind)


if __name__ == "__main__":
    from eventapp import create_app
    from eventapp import worker as working

    working.run(create_app(settings_for(sys.argv[1], **json.loads(sys.argv[2]))))
