"""`python -m tests.bench [--short] [names …]`: an installation of its own, measured, with ratios.

`--short` is for CI: it fails only where a count is wrong, never because a machine is slow.
"""
import argparse
import os
import platform
import sys
import time

from tests.bench import (
    desk,
    door,
    hang,
    journeys,
    kills,
    memory,
    operations,
    page,
    rush,
    statements,
    tickets,
    torture,
    visit,
    webhooks,
)
from tests.bench.figures import table
from tests.bench.house import House

BENCHES = {
    "visit": visit.run, "statements": statements.run, "page": page.run, "free": journeys.free, "manual": journeys.manual,
    "card": journeys.card, "rush": rush.run, "memory": memory.run, "tickets": tickets.run, "door": door.run,
    "operations": operations.run, "exports": operations.exports, "desk": desk.run, "webhooks": webhooks.run, "hang": hang.run,
    "kills": kills.run, "torture": torture.run,
}
ONLY_WHOLE = ("hang", "kills", "torture")
METHOD = """
Method. An installation of its own: PostgreSQL with durable settings on a disk, web and worker as the Procfile says, the
gateway sandbox, the local mailbox, all started by the supervisor; the demo and an event with room are in it. Load comes from
the same machine and shares its cores: wrk for pages, threads with one socket each for journeys. Targets are the issue's; the
peer is pretix 2026.8 with three web workers on the same kind of machine (docs/performance.md). A ratio above 1 is better.
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BENCHES)}; all of them when none is named")
    parser.add_argument("--short", action="store_true", help="less load; fails on wrong counts only")
    for name in ("web", "worker"):
        parser.add_argument(f"--{name}", default="", help="another line than the Procfile's, to compare")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BENCHES]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    names = [name for name in BENCHES if name in arguments.names
             or not arguments.names and not (arguments.short and name in ONLY_WHOLE)]
    began, figures = time.monotonic(), []
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}; starting …", flush=True)
    with House(web=arguments.web, worker=arguments.worker) as house:
        print(f"Up after {time.monotonic() - began:.0f} s on port {house.port}.", flush=True)
        for name in names:
            print(f"  {name} …", flush=True)
            found = BENCHES[name](house, arguments.short)
            figures += found
            print(table(found), flush=True)
        server = [line[:200] for line in house.errors()]
    print(METHOD if not arguments.names else "")
    print(table(figures))
    for line in server[:10]:
        print(f"logged as an error: {line}")
    wrong = [one.name.strip() for one in figures if one.hard and one.reached is False]
    missed = [one.name.strip() for one in figures if not one.hard and one.reached is False]
    print(f"\n{time.monotonic() - began:.0f} s in all."
          + (f" Not reached: {'; '.join(missed)}." if missed else "") + (f" WRONG: {'; '.join(wrong)}." if wrong else ""))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
