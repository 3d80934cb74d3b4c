"""The event page for visitors without a session: 64 busy connections, then 1,000, then an ordinary request."""
import re
import shutil
import subprocess

from tests.bench.figures import Figure
from tests.bench.visitor import Visitor, expect

PAGE = "/seoul-ubf/wmc-2026"
UNIT = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


def run(house, short: bool) -> list[Figure]:
    visitor = Visitor(house.port)
    for path in (PAGE, f"{PAGE}/register") * 4:  # both processes have it ready, and it is the page that is measured
        expect(visitor.get(path), 200)
        visitor.close()
    busy = wrk(house.port, PAGE, connections=64, seconds=5 if short else 20)
    crowd = wrk(house.port, PAGE, connections=1000, seconds=5 if short else 20)
    after = Visitor(house.port)
    seconds = [after.get(PAGE, "right after").seconds, after.get(f"{PAGE}/register", "form, right after").seconds]
    uncached = wrk(house.port, PAGE, connections=64, seconds=5, headers=("Cookie: order=none",))
    return [
        Figure("event page, 64 connections", busy["rate"], "requests/s", 1500, least=True, peer=41),
        Figure("  p99", busy["p99"], "ms", 200, peer=1900),
        Figure("  errors", busy["errors"], "", 0, hard=True),
        Figure("event page, 1,000 connections", crowd["rate"], "requests/s"),
        Figure("  p99", crowd["p99"], "ms", 2000),
        Figure("  errors", crowd["errors"], "", 0, hard=True, note="the peer: time-outs"),
        Figure("ordinary request right after", seconds[0] * 1e3, "ms", 100),
        Figure("registration form right after that", seconds[1] * 1e3, "ms", 100),
        Figure("event page without the page cache", uncached["rate"], "requests/s",
               note=f"the cache makes it {busy['rate'] / max(uncached['rate'], 1):.0f}× as many"),
        Figure("  p99", uncached["p99"], "ms"),
    ]


def wrk(port: int, path: str, *, connections: int, seconds: int, headers=()) -> dict:
    """Requests a second, p99 in ms, errors of every kind."""
    command = ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s", "-H", "Accept-Encoding: gzip",
               *(word for header in headers for word in ("-H", header)), f"http://localhost:{port}{path}"]
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing: .ci/packages bench")
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    errors = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", text)))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    found, unit = re.search(r"99%\s+([\d.]+)(us|ms|s|m)\b", text).groups()
    return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), "p99": float(found) * UNIT[unit],
            "errors": errors + int(refused[1] if refused else 0), "text": text}
