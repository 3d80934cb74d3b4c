"""Proportional set size of web and worker with all their children: shared pages are counted once."""
from contextlib import suppress
from pathlib import Path

from tests.bench.figures import Figure


def run(house, short: bool) -> list[Figure]:
    parts = {name: [pss(pid) for pid in house.processes(name)] for name in ("web", "worker")}
    whole = sum(map(sum, parts.values()))
    note = "; ".join(f"{name} {sum(sizes):.0f} in {len(sizes)}" for name, sizes in parts.items())
    return [Figure("memory of web and worker after all this, PSS", whole, "MB", 500, peer=1700, note=note)]


def pss(pid: int) -> float:
    """MB; 0 for one that has just ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0
