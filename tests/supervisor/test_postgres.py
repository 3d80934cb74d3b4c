"""The embedded PostgreSQL on real folders: as root (data moved where its user may go) and as anybody else."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from eventapp.supervisor.postgres import SHARED, DatabaseDidNotStart, EmbeddedPostgres

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def folder():
    """One that everybody may enter, unlike pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="eventapp-pg-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    made.chmod(0o755)
    yield made / "postgres"
    shutil.rmtree(made)


@pytest.fixture
def server(folder):
    made = EmbeddedPostgres(folder, durable=False)
    yield made
    made.stop()


def rows(url):
    with psycopg.connect(url) as db:
        return [row for row, in db.execute("select name from kept order by name")]


def keep_a_row(url, name="one"):
    with psycopg.connect(url) as db:
        db.execute("create table if not exists kept (name text)")
        db.execute("insert into kept values (%s)", [name])


def working_in(data):
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "cwd") == str(data):
                found.append(int(process.name))
        except OSError:
            pass
    return found


def test_the_owner_gets_a_database_on_a_socket_and_is_no_superuser(server):
    with psycopg.connect(server.start()) as db:
        answer = db.execute("""
            select current_database(), current_user, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls,
                   current_setting('listen_addresses'), current_setting('jit'), current_setting('server_encoding')
            from pg_roles where rolname = current_user""").fetchone()
    assert answer == ("eventapp", "eventapp", False, True, True, False, "", "off", "UTF8")


def test_a_wrong_password_is_refused_on_the_socket_too(server):
    server.start()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://postgres:wrong@/postgres?host={server.sockets}")


def test_starting_twice_joins_and_the_second_leaves_it_running(server, folder):
    url = server.start()
    second = EmbeddedPostgres(folder, durable=False)
    assert second.start() == url
    second.stop()
    keep_a_row(url)
    assert rows(url) == ["one"]


def test_nothing_is_left_after_stop_and_the_rows_are_there_after_the_next_start(server, folder):
    keep_a_row(server.start())
    server.stop()
    assert working_in(server.data) == []
    assert list(server.sockets.iterdir()) == []
    assert rows(server.start()) == ["one"]


def test_killed_with_everything_it_comes_back_with_every_committed_row(folder):
    server = EmbeddedPostgres(folder)
    for name in ("one", "two", "three"):
        keep_a_row(server.start(), name)
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
    assert rows(server.start()) == ["one", "three", "two"]
    server.stop()
    assert working_in(server.data) == []


def test_a_reused_process_id_in_what_a_dead_server_left_behind_is_not_believed(server):
    keep_a_row(server.start())
    pid_file, socket_lock = server.data / "postmaster.pid", server.sockets / ".s.PGSQL.5432.lock"
    left = {path: path.read_text() for path in (pid_file, socket_lock)}
    server.stop()
    stranger = subprocess.Popen(["sleep", "60"], **server.account.as_child)
    try:
        for path, text in left.items():
            path.write_text("\n".join([str(stranger.pid), *text.splitlines()[1:]]) + "\n")
            os.chown(path, server.account.uid, server.account.gid)
        assert rows(server.start()) == ["one"]
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_it_ends_with_the_process_that_started_it_even_when_that_is_killed(folder):
    program = ("import sys, time; from pathlib import Path; from eventapp.supervisor.postgres import EmbeddedPostgres;"
               "print(EmbeddedPostgres(Path(sys.argv[1])).start(), flush=True); time.sleep(60)")
    starter = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True)
    url = starter.stdout.readline().strip()
    keep_a_row(url)
    starter.kill()
    starter.wait()
    starter.stdout.close()
    server = EmbeddedPostgres(folder)
    until = time.monotonic() + 10
    while working_in(server.data) and time.monotonic() < until:
        time.sleep(0.05)
    assert working_in(server.data) == []
    assert rows(server.start()) == ["one"]
    server.stop()


def test_an_initdb_that_was_cut_short_is_begun_again(server):
    half = server.place / "data.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    keep_a_row(server.start())
    assert not half.exists()


def test_data_of_another_major_version_is_named(server):
    server.data.mkdir()
    (server.data / "PG_VERSION").write_text("15\n")
    with pytest.raises(DatabaseDidNotStart, match="is of PostgreSQL 15, this is 18"):
        server.start()


def test_a_server_that_cannot_start_says_why(server, folder):
    server.start()
    server.stop()
    (server.data / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(DatabaseDidNotStart, match="no_such_setting"):
        server.start()


def test_a_path_too_long_for_a_socket_does_no_harm(folder):
    server = EmbeddedPostgres(folder.joinpath("long" * 20, "er" * 20), durable=False)
    try:
        keep_a_row(server.start())
        assert len(str(server.sockets)) < 90
    finally:
        server.stop()
        if server.place == server.elsewhere:
            shutil.rmtree(server.place)
        else:
            assert not server.sockets.exists()


@as_root
def test_as_root_under_a_folder_that_nobody_may_enter_the_data_lies_elsewhere_and_rights_stay(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "postgres", durable=False)
    try:
        keep_a_row(server.start())
        assert server.place.parent == SHARED
        assert closed.stat().st_mode & 0o777 == 0o700
        assert os.stat(f"/proc/{server.process.pid}").st_uid == server.account.uid != 0
        server.stop()
        again = EmbeddedPostgres(closed / "postgres", durable=False)
        assert rows(again.start()) == ["one"]
        again.stop()
    finally:
        server.stop()
        shutil.rmtree(server.elsewhere)
