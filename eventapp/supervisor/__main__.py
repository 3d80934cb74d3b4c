"""`make run` ends here: database, migrations, demo, sandbox, web and worker, kept running until Ctrl-C.

Everything is started in this order and stopped in reverse. Whoever is killed comes back; when this process itself is
killed, the kernel tells its children to stop, and the next start clears away whatever has not.
"""
import fcntl
import http.client
import json
import os
import shlex
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

import psycopg

from eventapp import config

from .postgres import DatabaseDidNotStart, EmbeddedPostgres
from .processes import Child, end_marked, last_words, rotate

SANDBOX_KEYS = {
    "TOSS_CLIENT_KEY": "test_ck_demo0000000001", "TOSS_SECRET_KEY": "test_sk_demo0000000001",
    "PORTONE_STORE_ID": "store-demo0000000001", "PORTONE_CHANNEL_KEY": "channel-key-demo0000000001",
    "PORTONE_API_SECRET": "portone_test_demo0000000001", "PORTONE_WEBHOOK_SECRET": "whsec_ZGVtby1wb3J0b25lLXdlYmhvb2stc2VjcmV0LTAwMDE=",
    "STRIPE_PUBLISHABLE_KEY": "pk_test_demo0000000001", "STRIPE_SECRET_KEY": "sk_test_demo0000000001",
    "STRIPE_WEBHOOK_SECRET": "whsec_demo0000000001"}
FALLS_BEFORE_GIVING_UP = 3  # while starting; later a child is started again for ever


class CannotStart(Exception):
    """With a sentence for the person who typed `make run`."""


class Stop(BaseException):
    """Ctrl-C, SIGTERM or the terminal's end."""


def say(text=""):
    with suppress(OSError):  # a closed terminal is no reason to fall
        print(text, flush=True)


def read_procfile(path: Path) -> dict[str, str]:
    lines = (line.partition(":") for line in path.read_text().splitlines() if line.strip() and not line.startswith("#"))
    return {name.strip(): command.strip() for name, _, command in lines}


class Supervisor:
    """`procfile` and `sandbox` are commands, `database` an EmbeddedPostgres or None where DATABASE_URL names one."""

    def __init__(self, settings, *, procfile: dict[str, str], sandbox: str, demo: str, database, environ=os.environ,
                 root=config.ROOT):
        self.settings, self.procfile, self.demo, self.database, self.root = settings, procfile, demo, database, root
        self.var = settings.var.absolute()
        self.sandbox = sandbox if not settings.production and not environ.get("TOSS_API_URL") else ""
        self.environment = self._environment(environ)
        self.children, self.database_due, self.rotated = [], 0.0, 0.0

    def _environment(self, environ) -> dict[str, str]:
        bin_folder = str(Path(sys.executable).parent)
        made = dict(environ) | {"PORT": str(self.settings.port), "VAR": str(self.var), "PYTHONUNBUFFERED": "1",
                                "PATH": f"{bin_folder}{os.pathsep}{environ.get('PATH', os.defpath)}"}
        if self.sandbox:
            port = self.settings.port + 1
            made |= {"TOSS_API_URL": f"http://127.0.0.1:{port}/toss", "TOSS_SDK_URL": f"http://localhost:{port}/toss/v2/standard",
                     "PORTONE_API_URL": f"http://127.0.0.1:{port}/portone",
                     "PORTONE_SDK_URL": f"http://localhost:{port}/portone/v2/browser-sdk.js",
                     "STRIPE_API_URL": f"http://127.0.0.1:{port}/stripe"}
            made |= {name: environ.get(name) or key for name, key in SANDBOX_KEYS.items()}
        return made

    def log(self, name) -> Path:
        return self.var / "log" / f"{name}.log"

    def child(self, name, command, **options) -> Child:
        return Child(name, command, environment=self.environment, log=self.log(name), mark=str(self.var), cwd=self.root,
                     **options)

    # -- the whole story ----------------------------------------------------------------------
    def run(self):
        """Returns after a Stop; raises CannotStart."""
        began = time.monotonic()
        try:
            end_marked(str(self.var), 0, signal.SIGKILL)  # what one that was killed has left
            self._look_at_ports()
            if self.database:
                self._start_database()
            self._once("release", self.procfile["release"])
            self._load_demo()
            self._start_children()
            self._wait_until_ready()
            say(self.addresses(time.monotonic() - began))
            while True:
                self._keep()
                time.sleep(0.2)
        except Stop:
            say("\nStopping.")
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            self.stop()

    def stop(self):
        """In reverse; those behind the web and the worker only when these have gone."""
        for names in (("web", "worker"), ("sandbox",)):
            ending = [child for child in self.children if child.name in names]
            for child in ending:
                child.ask_to_stop()
            for child in ending:
                child.stop()
        end_marked(str(self.var), signal.SIGKILL)
        if self.database:
            self.database.stop()

    # -- starting -----------------------------------------------------------------------------
    def _look_at_ports(self):
        port = self.settings.port
        for each in (port, port + 1) if self.sandbox else (port,):
            with socket.socket() as test:
                test.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    test.bind(("0.0.0.0", each))  # noqa: S104 - the web server's own address
                except PermissionError:
                    raise CannotStart(f"Port {each} needs more rights than yours: PORT=5000 make run") from None
                except OSError:
                    raise CannotStart(f"Port {each} is taken by {_holder(each)}. End that, or choose another port"
                                      f"{' (the next one is needed too)' if self.sandbox else ''}: "
                                      f"PORT={port + 1000} make run") from None

    def _start_database(self):
        try:
            self.environment["DATABASE_URL"] = self.database.start()
        except DatabaseDidNotStart as why:
            raise CannotStart(str(why)) from None
        if self.database.place != self.database.folder:
            say(f"PostgreSQL's own user cannot enter {self.database.folder}, so its data lies in {self.database.place}")

    def _once(self, name, command):
        child = self.child(name, command)
        child.start()
        if child.process.wait():
            raise CannotStart(f"{name} failed; its last words in {child.log}:\n{last_words(child.log)}")

    def _load_demo(self):
        """On an empty database, and again where it was interrupted."""
        begun = self.var / "demo.begun"
        if not self.settings.production and (begun.exists() or self._empty()):
            say("Loading the demo, once …")
            begun.touch()
            self._once("demo", self.demo)
            begun.unlink()

    def _empty(self) -> bool:
        url = self.environment["DATABASE_URL"].replace("postgresql+psycopg:", "postgresql:")
        with psycopg.connect(url) as db:
            return not db.execute("select exists (select from organization_directory)").fetchone()[0]

    def _start_children(self):
        if self.sandbox:
            self.children.append(self.child("sandbox", self.sandbox))
        self.children.append(self.child("web", self.procfile["web"]))
        self.children.append(self.child("worker", self.procfile["worker"], stop_with=signal.SIGINT))
        for child in self.children:
            child.start()

    def _wait_until_ready(self):
        until = time.monotonic() + 120
        while not self._web_answers():
            self._keep()
            fallen = [child for child in self.children if child.falls >= FALLS_BEFORE_GIVING_UP]
            if fallen or time.monotonic() > until:
                name = fallen[0].name if fallen else "web"
                raise CannotStart(f"{name} does not start; its last words in {self.log(name)}:\n"
                                  f"{last_words(self.log(name))}")
            time.sleep(0.05)

    def _web_answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.settings.port, timeout=5)
        try:
            connection.request("GET", "/api/live", headers={"Host": self.settings.platform_host})
            return connection.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    # -- keeping ------------------------------------------------------------------------------
    def _keep(self):
        if self.database and not self.database.alive and time.monotonic() >= self.database_due:
            say("PostgreSQL has ended and is started again")
            try:
                self.database.start()
            except DatabaseDidNotStart as why:
                say(str(why))
                self.database_due = time.monotonic() + 10
        for child in self.children:
            child.keep(say)
        if time.monotonic() - self.rotated > 5:
            self.rotated = time.monotonic()
            for log in (self.var / "log").glob("*.log"):
                rotate(log)

    # -- what the person reads ----------------------------------------------------------------
    def addresses(self, seconds=None) -> str:
        at = f"{self.settings.platform_host}:{self.settings.port}"
        lines = [f"Ready in {seconds:.1f} s." if seconds is not None else "", "",
                 f"  Landing page     http://{at}/"]
        if not self.settings.production:
            lines += [f"  Event            http://{at}/seoul-ubf/wmc-2026", f"  Organisation     http://seoul-ubf.{at}/"]
            if not self.settings.smtp_url:
                lines += [f"  Mail sent        http://{at}/dev/mailbox"]
            if self.sandbox:
                lines += [f"  Gateway sandbox  http://{at}/dev/gateway"]
            lines += ["", "  Accounts, all with the password demo-password:",
                      "    operator@example.com                              the platform's operator",
                      "    owner@ admin@ staff@ door@ participant@           … seoul-ubf.example",
                      "    owner@ staff@                                     … busan-meetup.example",
                      "    owner@ admin@                                     … hanbit-university.example"]
        return "\n".join([*lines, "", f"  Data in {self.var}, logs in {self.var / 'log'}. Ctrl-C stops everything."])


def _holder(port: int) -> str:
    """Who listens there, as far as we may know."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
            inodes |= {row[9] for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port}
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if os.readlink(descriptor).removeprefix("socket:[").rstrip("]") in inodes:
                process = descriptor.parents[1]
                return f"“{(process / 'comm').read_text().strip()}” (process {process.name})"
    return "another program"


class OneAtATime:
    """A lock that ends with its holder; beside it lies who that is and where it listens."""

    def __init__(self, var: Path):
        var.mkdir(parents=True, exist_ok=True)
        self.note = var / "supervisor.json"
        self.file = open(os.open(var / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600), "r+")

    def taken(self) -> bool:
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False

    def write(self, **values):
        new = self.note.with_suffix(".new")
        new.write_text(json.dumps(values))
        new.replace(self.note)

    def read(self) -> dict:
        try:
            return json.loads(self.note.read_text())
        except (OSError, ValueError):
            return {}


def supervisor(settings) -> Supervisor:
    var = settings.var.absolute()
    database = None if settings.database_url else EmbeddedPostgres(var / "postgres", log=var / "log" / "postgres.log")
    python = shlex.quote(sys.executable)
    return Supervisor(settings, procfile=read_procfile(config.ROOT / "Procfile"), demo="flask --app wsgi demo",
                      sandbox=f"{python} -m eventapp.sandbox --port {settings.port + 1}", database=database)


def main(make=supervisor) -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        settings = config.read()
        lock = OneAtATime(settings.var.absolute())
        if lock.taken():
            say(f"It is running already, as process {lock.read().get('pid')}:")
            say(lock.read().get("addresses", ""))
            return 0
        (settings.var / "log").mkdir(exist_ok=True)
        made = make(settings)
        lock.write(pid=os.getpid(), addresses=made.addresses())
        made.run()
    except config.WrongConfiguration as wrong:
        say(str(wrong))
        return 2
    except (CannotStart, DatabaseDidNotStart) as why:
        say(str(why))
        return 1
    except PermissionError as why:
        say(f"{why.filename} belongs to another user: run as that one, or with VAR=<a folder of your own>.")
        return 1
    except Stop:
        return 0
    return 0


def _stop(number, frame):
    raise Stop


if __name__ == "__main__":
    sys.exit(main())
