"""Places where the program can be told to fail, and guards that can be taken away, by name.

`FAULTS="toss.confirm.after=exit,outbox.mail.before=raise:0.1"` plans what happens at the points named:
`raise`, `exit` (the process is gone at once, as by kill -9) or `sleep:SECONDS`, each with an optional
probability behind another colon. `GUARDS_OFF="name name"` takes guards away, so that their tests can be
seen to go red. The configuration refuses both in production; without them a point costs one look at a
variable.
"""
import os
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass

EXIT_CODE = 137  # what a shell reports of a process that was killed with -9


class Injected(Exception):
    """The fault that was asked for."""


@dataclass(frozen=True)
class Plan:
    action: str
    seconds: float = 0.0
    probability: float = 1.0


_points: set[str] = set()
_guards: set[str] = set()
_planned: dict[str, Plan] = {}
_off: frozenset[str] = frozenset()


def register(*names: str) -> None:
    """Make points known, so that they can be listed; called beside the code that has them."""
    _points.update(names)


def register_guard(*names: str) -> None:
    _guards.update(names)


def points() -> list[str]:
    return sorted(_points)


def guards() -> list[str]:
    return sorted(_guards)


def unknown() -> list[str]:
    """Names that were asked for and that nothing in the program has: a spelling mistake, most likely."""
    return sorted((_planned.keys() - _points) | (_off - _guards))


def point(name: str) -> None:
    """Fail here if that is the plan."""
    if not _planned:
        return
    plan = _planned.get(name)
    if plan is None or (plan.probability < 1 and random.random() >= plan.probability):  # noqa: S311
        return
    if plan.action == "exit":
        os._exit(EXIT_CODE)
    if plan.action == "sleep":
        time.sleep(plan.seconds)
    else:
        raise Injected(name)


def guard_off(name: str) -> bool:
    return name in _off


def configure(faults: str = "", guards_off: Iterable[str] = ()) -> None:
    """Replace the plan; raises ValueError for a plan that cannot be read."""
    global _planned, _off
    _planned = dict(_read(part) for part in faults.replace(" ", "").split(",") if part)
    _off = frozenset(guards_off)


def _read(text: str) -> tuple[str, Plan]:
    name, equals, rest = text.partition("=")
    action, *numbers = rest.split(":")
    numbers = [float(number) for number in numbers]
    seconds = [numbers.pop(0)] if action == "sleep" and numbers else []
    if not name or not equals or action not in ("raise", "exit", "sleep") or len(numbers) > 1 \
            or (action == "sleep") != bool(seconds):
        raise ValueError(f"FAULTS: {text} is not name=raise|exit|sleep:SECONDS[:PROBABILITY]")
    return name, Plan(action, *(seconds or [0.0]), *numbers)


if os.environ.get("APP_ENV") != "production":
    configure(os.environ.get("FAULTS", ""), os.environ.get("GUARDS_OFF", "").replace(",", " ").split())
