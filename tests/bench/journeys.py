"""Complete registrations, sixteen visitors at a time: event page, form, five answers, POST, (payment,) confirmation."""
import os
import threading
import time
from collections import Counter

from tests.bench.figures import Figure, quantile
from tests.bench.visitor import Unexpected, Visitor, register

EVENT = "/bench/conference"
VISITORS = 16
KINDS = {  # program, method, how it ends, least a second
    "free": ("free-day", "free", "confirmed", 25), "manual": ("main-conference", "manual_transfer", "pending_payment", 25),
    "card": ("main-conference", "card", "confirmed", 12),
}
LETTERS_WITHIN = 60
WARMING = 3
"""Seconds before the measured time: templates and statements are compiled when they are first needed."""


def free(house, short: bool) -> list[Figure]:
    return run(house, short, "free")


def manual(house, short: bool) -> list[Figure]:
    return run(house, short, "manual")


def card(house, short: bool) -> list[Figure]:
    return run(house, short, "card")


def run(house, short: bool, kind: str) -> list[Figure]:
    program, method, ending, least = KINDS[kind]
    Load(house.port, program, method, ending).run(WARMING)
    house.settle()
    errors_before, before = len(house.errors()), house.cpu()
    load = Load(house.port, program, method, ending)
    load.run(8 if short else 60)
    waiting = house.waiting()
    during = spent(house, before)
    letters = house.settle(LETTERS_WITHIN * 3)
    whole = spent(house, before)
    failures = sum(load.failures.values())
    for what, count in load.failures.most_common(5):
        print(f"    {count} × {what}")
    for line in house.errors()[errors_before:][:5]:
        print(f"    {line}")
    slowest = sorted(((quantile(times, .5), name) for name, times in load.took.items()), reverse=True)
    return [
        Figure(f"complete registration, {kind}", load.done / load.seconds, "a second", least, least=True, peer=2.2,
               note=f"{load.done} in {load.seconds:.0f} s"),
        Figure("  median, whole journey", quantile(load.journeys, .5) * 1e3, "ms", peer=6700),
        Figure("  p99", quantile(load.journeys, .99) * 1e3, "ms",
               note=", ".join(f"{name} {seconds * 1e3:.0f}" for seconds, name in slowest)),
        Figure("  journeys that failed", failures, "", 0, hard=True),
        Figure("  last letter and ticket after the last registration", letters, "s", LETTERS_WITHIN, note=f"{waiting} were waiting"),
        Figure("  processor time of one, all together", sum(whole.values()) / max(load.done, 1) * 1e3, "ms",
               note=", ".join(f"{name} {seconds / max(load.done, 1) * 1e3:.0f}" for name, seconds in whole.items())
               + f"; busy {sum(during.values()) / load.seconds:.1f} of {os.cpu_count()} cores"),
        Figure("  letters that failed", house.waiting(), "", 0, hard=not short),
    ]


def spent(house, before: dict[str, float]) -> dict[str, float]:
    return {name: seconds - before[name] for name, seconds in house.cpu().items()}


class Load:
    """Threads, each one visitor after another with a new browser."""

    def __init__(self, port: int, program: str, method: str, ending: str):
        self.port, self.program, self.method, self.ending = port, program, method, ending
        self.took: dict[str, list[float]] = {}
        self.journeys: list[float] = []
        self.failures: Counter = Counter()
        self.done, self.seconds, self.lock = 0, 0.0, threading.Lock()

    def run(self, seconds: float) -> None:
        began = time.perf_counter()
        threads = [threading.Thread(target=self._visit, args=(began + seconds,)) for _ in range(VISITORS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.seconds = time.perf_counter() - began

    def _visit(self, until: float) -> None:
        while time.perf_counter() < until:
            took: dict[str, list[float]] = {}
            visitor, began, problem = Visitor(self.port, took), time.perf_counter(), ""
            try:
                ended = register(visitor, EVENT, self.program, self.method)
                problem = "" if ended == self.ending else f"ended as {ended}"
            except (Unexpected, OSError) as error:
                problem = f"{type(error).__name__}: {error}"
            finally:
                visitor.close()
            with self.lock:
                for name, times in took.items():
                    self.took.setdefault(name, []).extend(times)
                if problem:
                    self.failures[problem[:300]] += 1
                else:
                    self.done += 1
                    self.journeys.append(time.perf_counter() - began)
