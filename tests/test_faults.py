"""Failing on purpose."""
import subprocess
import sys
import time

import pytest

from eventapp import faults


@pytest.fixture(autouse=True)
def nothing_planned():
    yield
    faults.configure()


def test_without_a_plan_nothing_happens():
    faults.configure()
    faults.point("a.before")


def test_the_plan_says_where():
    faults.configure("a.before=raise, b.before=sleep:0.05")
    with pytest.raises(faults.Injected, match="a.before"):
        faults.point("a.before")
    began = time.monotonic()
    faults.point("b.before")
    assert time.monotonic() - began >= 0.05
    faults.point("c.before")


def test_probability():
    faults.configure("a.before=raise:0")
    for _ in range(100):
        faults.point("a.before")
    faults.configure("a.before=raise:1")
    with pytest.raises(faults.Injected):
        faults.point("a.before")


def test_exit_is_like_a_kill():
    code = "from eventapp import faults\ntry:\n    faults.point('a.before')\nfinally:\n    print('cleaned up')"
    ended = subprocess.run([sys.executable, "-c", code], env={"FAULTS": "a.before=exit"}, capture_output=True,
                           text=True)
    assert (ended.returncode, ended.stdout) == (137, "")


def test_production_has_none():
    code = "from eventapp import faults; faults.point('a.before'); print(faults.guard_off('g'))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                           env={"FAULTS": "a.before=raise", "GUARDS_OFF": "g", "APP_ENV": "production"})
    assert (ended.returncode, ended.stdout) == (0, "False\n")


@pytest.mark.parametrize("plan",
                         ["a.before", "=raise", "a=explode", "a=raise:x", "a=sleep", "a=raise:1:2", "a=exit:0.1:1"])
def test_a_plan_that_cannot_be_read(plan):
    with pytest.raises(ValueError):
        faults.configure(plan)


def test_names_are_listed_and_mistakes_found():
    faults.register("test.before", "test.after")
    faults.register_guard("test.guard")
    assert {"test.before", "test.after"} <= set(faults.points())
    assert "test.guard" in faults.guards()
    faults.configure("test.before=raise,test.befor=raise", ["test.guard", "test.gard"])
    assert faults.unknown() == ["test.befor", "test.gard"]
    assert faults.guard_off("test.guard") and not faults.guard_off("other")
