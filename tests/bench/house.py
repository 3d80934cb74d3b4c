"""An installation of its own for the bench, kept by the real supervisor: durable PostgreSQL, the Procfile's web and worker,
the sandbox, all on free ports and in a folder that is removed afterwards.
"""
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psycopg

from eventapp import config
from eventapp.supervisor import __main__ as supervising
from eventapp.supervisor import postgres
from eventapp.supervisor.postgres import EmbeddedPostgres
from eventapp.supervisor.processes import die_with_parent, last_words, marked

OURS = ("DATABASE_URL", "QUEUE_DATABASE_URL", "REDIS_URL", "SMTP_URL", "TOSS_API_URL", "TOSS_SDK_URL", "FAULTS", "GUARDS_OFF",
        "CLOCK_OFFSET", "RATE_LIMIT_SCALE", "HOLD_MINUTES", "PLATFORM_HOST", "APP_ENV")

CLIENT_KEY, SECRET_KEY = "test_ck_demobench000001", "test_sk_demobench000001"
PORTONE_STORE, STRIPE_KEY = "store-demobench000001", "pk_test_demobench000001"


class House:
    """`with House() as house:` — up and filled; `lines` replace the Procfile's, to compare settings; `more` of the environment."""

    def __init__(self, more: dict[str, str] | None = None, **lines: str):
        self.folder = Path(tempfile.mkdtemp(prefix="eventapp-bench-", dir="/var/tmp"))  # a disk, not memory
        self.folder.chmod(0o755)
        self.port = free_ports()
        self.lines = {name: line for name, line in lines.items() if line}
        self.more = more or {}
        self.log = self.folder / "supervisor.log"

    def __enter__(self) -> "House":
        environment = {name: value for name, value in os.environ.items() if name not in OURS}
        environment |= {"VAR": str(self.folder), "PORT": str(self.port), "BENCH_PROCFILE": json.dumps(self.lines)} | self.more
        with self.log.open("w") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "tests.bench.house"], cwd=config.ROOT, env=environment, stdout=log,
                                            stderr=log, start_new_session=True, preexec_fn=die_with_parent(signal.SIGTERM))
        until = time.monotonic() + 300
        while "Ready in" not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > until:
                words = self.log.read_text()
                self.__exit__()
                raise SystemExit(f"The installation does not start:\n{words}")
            time.sleep(0.1)
        self.database = EmbeddedPostgres(self.folder / "postgres")
        self._tell_sandbox()
        return self

    def _tell_sandbox(self) -> None:
        """The bench's organisation has accounts of its own at the gateways, with one address each for notices; PortOne is told with
        each payment."""
        sandbox = f"http://127.0.0.1:{self.port + 1}/control"
        for key, provider, place in ((CLIENT_KEY, "toss", sandbox), (STRIPE_KEY, "stripe", f"{sandbox}/stripe")):
            token = self.sql("SELECT webhook_token FROM gateway_accounts WHERE client_key = %s", key)[0][0]
            httpx.post(f"{place}/webhooks", json={"client_key": key, "url": (
                f"http://localhost:{self.port}/api/webhooks/payment/{provider}/{token}")}).raise_for_status()

    def __exit__(self, *_) -> None:
        self.process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(60)
        if self.process.poll() is None:
            self.process.kill()
        place = getattr(self, "database", None) and self.database.place
        if place and place != self.database.folder:
            shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- looking into it ------------------------------------------------------------------------
    def sql(self, statement: str, *values):
        """As the superuser, who sees every organisation; the rows, if it gives any."""
        with psycopg.connect(self.database.superuser_url, autocommit=True) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def processes(self, name: str) -> list[int]:
        """Of `web`, `worker` or `sandbox`, with everything they have started."""
        return marked(f"{self.folder}:{name}")

    def cpu(self) -> dict[str, float]:
        """Seconds of processor time so far, by who used them; the load generator is "bench"."""
        pids = {name: self.processes(name) for name in ("web", "worker", "sandbox")}
        pids |= {"postgres": self.database._orphans(), "bench": [os.getpid()]}
        return {name: sum(map(used, each)) for name, each in pids.items()}

    def command(self, *arguments: str) -> subprocess.CompletedProcess:
        """`flask …`, or a module, in the installation's environment."""
        environment = {name: value for name, value in os.environ.items() if name not in OURS}
        environment |= {"VAR": str(self.folder), "PORT": str(self.port), "DATABASE_URL": self.database.url,
                        "TOSS_API_URL": f"http://127.0.0.1:{self.port + 1}/toss"} | supervising.SANDBOX_KEYS | self.more
        return subprocess.run([sys.executable, *arguments], cwd=config.ROOT, env=environment, capture_output=True, text=True)

    def waiting(self, kinds: str = "mail_%") -> int:
        """Jobs that are due and not done."""
        return self.sql("SELECT count(*) FROM outbox WHERE kind LIKE %s AND done_at IS NULL AND dead_at IS NULL AND run_at <= now()",
                        kinds)[0][0]

    def settle(self, seconds: float = 120) -> float:
        """Wait until no letter is waiting; how long that took."""
        began = time.monotonic()
        while self.waiting() and time.monotonic() - began < seconds:
            time.sleep(0.2)
        return time.monotonic() - began

    def errors(self) -> list[str]:
        """What the web's and the worker's logs say went wrong."""
        lines = [line for name in ("web", "worker") for line in (self.folder / "log" / f"{name}.log").read_text().splitlines()]
        return [line[:300] for line in lines if '"level": "error"' in line or "Traceback" in line or '"status": 5' in line]

    def last_words(self, name: str) -> str:
        return last_words(self.folder / "log" / f"{name}.log")


def used(pid: int) -> float:
    """Seconds of a process and of the children it has seen end."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def free_ports() -> int:
    """A port whose next one is free too: that is the sandbox's."""
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("0.0.0.0", 0))
            port = one.getsockname()[1]
            with suppress(OSError):
                two.bind(("0.0.0.0", port + 1))
                return port


def supervisor(settings):
    """The real one, with the bench's world for a demo; the server's log says whether web or worker is asking."""
    postgres.SETTINGS["log_line_prefix"] = "%m [%p] %u@%a "
    made = supervising.supervisor(settings)
    python = shlex.quote(sys.executable)
    made.demo = f"{python} -m tests.bench.world"
    lines = made.procfile | json.loads(os.environ["BENCH_PROCFILE"])
    made.procfile = {name: f"env PGAPPNAME={name} {command}" for name, command in lines.items()}
    return made


if __name__ == "__main__":
    sys.exit(supervising.main(supervisor))
