"""The supervisor as a process of its own around stand-ins, with every single one killed in turn."""
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from eventapp.config import ROOT
from eventapp.supervisor.postgres import EmbeddedPostgres
from eventapp.supervisor.processes import marked

ELSEWHERE = ("DATABASE_URL", "REDIS_URL", "QUEUE_DATABASE_URL", "TOSS_API_URL", "SMTP_URL", "APP_ENV")
STAND_IN = Path(__file__).with_name("stand_in.py")


def two_free_ports():
    """Below those that the system hands out by itself, which others may be given in between."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as one, socket.socket() as two, suppress(OSError):
            one.bind(("127.0.0.1", port))
            two.bind(("127.0.0.1", port + 1))
            return port


class House:
    """`make run` with stand-ins: start it, ask it, kill its members."""

    def __init__(self, var):
        self.var, self.port = var, two_free_ports()
        self.started = []

    def start(self, **environment):
        clean = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
        process = subprocess.Popen([sys.executable, STAND_IN], cwd=ROOT, text=True, stdout=subprocess.PIPE,
                                   env=clean | {"VAR": str(self.var), "PORT": str(self.port), "PYTHONPATH": str(ROOT)}
                                   | environment)
        self.started.append(process)
        return process

    def start_and_wait(self):
        process = self.start()
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ctrl-C stops everything" in line:
                return process, "".join(said)
        raise AssertionError("".join(said))

    def answer(self, port=None):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}/", timeout=5) as answer:
                return int(answer.read())
        except OSError:
            return None

    @property
    def database(self):
        return EmbeddedPostgres(self.var / "postgres")

    def count(self, table):
        with psycopg.connect(self.database.url) as db:
            return db.execute(f"select count(*) from {table}").fetchone()[0]

    def members(self):
        return {name: marked(f"{self.var}:{name}") for name in ("web", "worker", "sandbox")}

    def is_whole(self):
        members = self.members()
        try:
            return (len(members["web"]) == 2 and len(members["worker"]) == 1 and len(members["sandbox"]) == 2
                    and self.answer() in members["web"] and self.answer(self.port + 1) in members["sandbox"]
                    and self.count("releases") > 0)
        except psycopg.OperationalError:
            return False

    def nothing_runs(self):
        return not marked(str(self.var)) and not self.database.alive

    def end(self):
        for process in self.started:
            if process.poll() is None:
                process.terminate()
            process.wait(30)
            process.stdout.close()


@pytest.fixture
def house():
    var = Path(tempfile.mkdtemp(prefix="eventapp-var-"))
    var.chmod(0o755)
    made = House(var)
    yield made
    made.end()
    place = made.database.elsewhere
    shutil.rmtree(var)
    shutil.rmtree(place, ignore_errors=True)


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_it_starts_says_where_everything_is_and_leaves_nothing_running(house):
    process, said = house.start_and_wait()
    for words in (f"http://localhost:{house.port}/seoul-ubf/wmc-2026", f"http://seoul-ubf.localhost:{house.port}/",
                  "/dev/mailbox", "/dev/gateway", "operator@example.com", "demo-password"):
        assert words in said
    until(house.is_whole)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert house.nothing_runs()


def test_each_one_killed_comes_back_and_so_does_the_whole(house):
    process, _ = house.start_and_wait()
    until(house.is_whole)
    for name in ("web", "worker", "sandbox"):
        before = house.members()[name]
        os.kill(min(before), signal.SIGKILL)
        until(lambda name=name, before=before: house.is_whole() and not set(before) & set(house.members()[name]))
    os.kill(house.database._postmaster(), signal.SIGKILL)
    until(house.is_whole)
    process.kill()
    process.wait()
    until(house.nothing_runs)
    process, said = house.start_and_wait()
    until(house.is_whole)
    assert "Loading the demo" not in said
    assert (house.count("organization_directory"), house.count("releases")) == (1, 2)


def test_a_start_right_after_a_kill_does_not_trip_over_the_last_one(house):
    for _ in range(2):
        process, _ = house.start_and_wait()
        process.kill()
        process.wait()
    house.start_and_wait()
    until(house.is_whole)


def test_a_second_start_says_that_it_runs_and_does_no_harm(house):
    first, _ = house.start_and_wait()
    second = house.start()
    assert second.wait(20) == 0
    said = second.stdout.read()
    assert f"running already, as process {first.pid}" in said
    assert f"http://localhost:{house.port}/" in said
    assert first.poll() is None and house.is_whole()


def test_a_port_that_somebody_else_has_is_named_with_its_holder(house):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", house.port))
        taken.listen()
        process = house.start()
        assert process.wait(20) == 1
    assert f"Port {house.port} is taken by “python" in process.stdout.read()
    assert house.nothing_runs()


def test_a_web_server_that_does_not_start_is_given_up_with_its_last_words(house):
    process = house.start(STAND_IN_WEB="sh -c 'echo the reason; exit 3'")
    assert process.wait(30) == 1
    said = process.stdout.read()
    assert "web does not start" in said and "  the reason" in said
    assert house.nothing_runs()


def test_wrong_configuration_is_named_before_anything_starts(house):
    process = house.start(HOLD_MINUTES="-1")
    assert process.wait(20) == 2
    assert "HOLD_MINUTES: -1 will not do" in process.stdout.read()
    assert not (house.var / "postgres").exists()
