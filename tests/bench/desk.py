"""The staff's desk with a crowd on it: every page, filter and sort, as a whole page and as the fragment that htmx swaps.

One member of staff asks, one thing after another: it is the time that one answer takes that is measured.
"""
from urllib.parse import urlencode

from tests.bench.figures import Figure, quantile
from tests.bench.statements import Log
from tests.bench.visitor import Visitor, expect, signed_in

DESK, OWNER = "/seoul-ubf/admin/events/online-rally/registrations", "owner@seoul-ubf.example"
CROWDS, SMALL_CROWD = (10_000, 100_000, 1_000_000), 10_000
PAGE, FRAGMENT, SEARCH = 150, 100, 300
"""Milliseconds, 95 of 100, with a hundred thousand."""
MEASURED = 100_000

LOOKS = {
    "first page": {}, "second page": {"page": 2}, "in the middle": {"page": "middle"}, "last page": {"page": "last"},
    "by name": {"sort": "name"}, "by name, backwards, in the middle": {"sort": "-name", "page": "middle"},
    "oldest first": {"sort": "created"}, "by status": {"sort": "status"}, "by email": {"sort": "email"},
    "waiting for approval": {"status": "pending_approval"}, "confirmed or cancelled, by name": {"status": ["confirmed", "cancelled"], "sort": "name"},
    "of a program": {"program": "seat"}, "not paid": {"paid": "no"}, "by transfer": {"method": "manual_transfer"},
    "with a tag": {"tag": "volunteer"}, "not checked in": {"checkin": "none"},
}
SEARCHES = {"a name": {"q": "김"}, "a mail address": {"q": "guest9999@"}, "nobody": {"q": "zzzzzz"}, "an answer": {"answer-city": "Berlin"},
            "a number among the answers": {"answer-age": "33"}, "a choice": {"answer-first_time": "yes", "sort": "name"}}


def run(house, short: bool) -> list[Figure]:
    figures = []
    for count in (SMALL_CROWD,) if short else CROWDS:
        gather(house, count)
        figures += measure(house, count, 3 if short else 20)
    return figures


def gather(house, count: int) -> None:
    done = house.command("-m", "flask", "--app", "wsgi", "demo", "--registrations", str(count))
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    house.sql("VACUUM ANALYZE")


def measure(house, count: int, times: int) -> list[Figure]:
    staff = signed_in(house.port, OWNER)
    targets = count == MEASURED
    rows = []
    for kind, looks, limit in (("page", LOOKS, PAGE), ("fragment", LOOKS, FRAGMENT), ("search, fragment", SEARCHES, SEARCH)):
        staff.headers = {"HX-Request": "true", "HX-Target": "section#desk"} if "fragment" in kind else {}
        took = {name: timed(staff, place(look, count), times) for name, look in looks.items()}
        slowest = max(took, key=lambda name: quantile(took[name], .95))
        whole = [each for times_ in took.values() for each in times_]
        rows.append(Figure(f"desk of {count:,}: {kind}, p95 of all", quantile(whole, .95) * 1e3, "ms", limit if targets else None,
                           note=f"median {quantile(whole, .5) * 1e3:.0f}"))
        rows.append(Figure(f"  the slowest: {slowest}", quantile(took[slowest], .95) * 1e3, "ms", limit if targets else None))
        if count == MEASURED:
            print("\n".join(f"    {kind}, {name}: {quantile(each, .5) * 1e3:.0f} ms, p95 {quantile(each, .95) * 1e3:.0f}"
                            for name, each in took.items()))
    staff.headers = {}
    few, many = statements(house, staff, "q=guest77@"), statements(house, staff, "size=100")
    rows.append(Figure(f"desk of {count:,}: statements of a page of 100 rows beyond those of one row", many - few, "", 0, hard=True,
                       note=f"{many} in all"))
    return rows


def place(look: dict, count: int) -> dict:
    last = -(-count // 50)
    return look | ({"page": {"middle": last // 2, "last": last}.get(look["page"], look["page"])} if "page" in look else {})


def timed(staff: Visitor, query: dict, times: int) -> list[float]:
    path = f"{DESK}?{urlencode(query, doseq=True)}"
    expect(staff.get(path), 200)
    return [expect(staff.get(path), 200).seconds for _ in range(times)]


def statements(house, staff: Visitor, query: str) -> int:
    expect(staff.get(f"{DESK}?{query}"), 200)
    log = Log(house)
    expect(staff.get(f"{DESK}?{query}"), 200)
    count = len(log.since()["web"])
    log.stop()
    return count
