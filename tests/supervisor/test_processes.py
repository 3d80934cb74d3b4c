"""Children that are kept, ended with everything they have started, and whose logs stay small."""
import os
import signal
import sys
import time

import pytest

from eventapp.supervisor.processes import Child, end_marked, last_words, marked, rotate

FORKS_AND_WAITS = f"{sys.executable} -c 'import os, signal; os.fork(); signal.pause()'"


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def child(tmp_path):
    made = Child("stand-in", FORKS_AND_WAITS, environment=dict(os.environ), log=tmp_path / "stand-in.log",
                 mark=str(tmp_path))
    yield made
    made.stop(0)


def test_a_killed_child_comes_back_and_what_it_had_started_is_gone(child, tmp_path):
    child.start()
    until(lambda: len(marked(str(tmp_path))) == 2)
    first = set(marked(str(tmp_path)))
    os.kill(child.process.pid, signal.SIGKILL)
    said = []
    until(lambda: child.keep(said.append) or (said and child.running))
    until(lambda: len(marked(str(tmp_path))) == 2)
    assert said == ["stand-in has ended (signal 9) and is started again"]
    assert first.isdisjoint(marked(str(tmp_path)))


def test_a_child_that_keeps_falling_is_started_ever_more_rarely_and_its_log_is_named(child):
    child.command = "false"
    child.start()
    said = []
    until(lambda: child.keep(said.append) or child.falls == 4)
    assert child.due - time.monotonic() > 1
    assert said[-1] == f"stand-in has ended (code 1) and is started again; 4 times in a row now, read {child.log}"


def test_a_child_deaf_to_its_signal_is_ended_all_the_same(child, tmp_path):
    child.command = "sh -c 'trap \"\" TERM; sleep 60'"
    child.start()
    child.ask_to_stop()
    child.stop(0.2)
    assert marked(str(tmp_path)) == []


def test_only_processes_with_the_very_mark_are_ended(child, tmp_path):
    child.start()
    until(lambda: len(marked(str(tmp_path))) == 2)
    end_marked(f"{tmp_path}:stand", signal.SIGKILL)
    end_marked(str(tmp_path)[:-1], signal.SIGKILL)
    assert child.running
    end_marked(f"{tmp_path}:stand-in", signal.SIGKILL)
    assert marked(str(tmp_path)) == []


def test_a_log_is_rotated_by_size_while_its_writer_goes_on(tmp_path):
    log = tmp_path / "web.log"
    with open(log, "a") as writer:
        for word in ("first", "second", "third", "fourth", "fifth"):
            writer.write(word * 10)
            writer.flush()
            rotate(log, longest=20)
        writer.write("the end")
    kept = {path.name: path.read_text()[:6] for path in tmp_path.iterdir()}
    assert kept == {"web.log": "the en", "web.log.1": "fifthf", "web.log.2": "fourth", "web.log.3": "thirdt"}
    assert last_words(log) == "  the end"
