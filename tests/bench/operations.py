"""Many at once: approving ten thousand and taking it back, two organisations side by side, and tables to take home.

The worker does it; what is measured is the time from pressing the button to the page that says it is done, and the
worker's memory meanwhile.
"""
import re
import threading
import time

from tests.bench.desk import DESK, OWNER, gather
from tests.bench.figures import Figure
from tests.bench.memory import pss
from tests.bench.visitor import Unexpected, Visitor, expect, signed_in

SOME, MANY = 1_000, 10_000
SECONDS, MEGABYTES = 10, 250
CROWD, SMALL_CROWD, SHEET_SECONDS = 100_000, 10_000, 30
RESULT = re.compile(r'data-testid="bulk-result" data-ok="(\d+)" data-failed="(\d+)"(?: data-state="(\w+)")?')


def run(house, short: bool) -> list[Figure]:
    count = SOME if short else MANY
    for slug in ("bench-one", "bench-two"):
        made = house.command("-m", "tests.bench.world", "applicants", slug, str(count))
        if made.returncode:
            raise SystemExit(made.stderr[-2000:])
    house.sql("VACUUM ANALYZE")
    first, second = Owner(house, "bench-one"), Owner(house, "bench-two")
    with Watch(house) as watch:
        alone = first.approve(count)
        back = first.undo()
        both = at_once(lambda: first.approve(count), lambda: second.approve(count))
    slower = max(both)
    target = None if short else SECONDS
    return [
        Figure(f"approve {count:,}, seconds", alone, "s", target, note=f"look-ahead {first.looked:.1f} s"),
        Figure("  undo, seconds", back, "s", target),
        Figure("  approved, undone and approved again: rows as they should be", first.right(count) + second.right(count), "", 2, least=True, hard=True),
        Figure("  two organisations at once, the slower one", slower, "s", note=f"{slower / alone:.1f} × alone; two workers share two cores"),
        Figure("  the worker's largest memory, PSS", watch.most, "MB", None if short else MEGABYTES),
    ]


class Owner:
    """An organisation's owner with an event of applicants."""

    def __init__(self, house, slug: str):
        self.house, self.slug = house, slug
        self.staff, self.desk = signed_in(house.port, f"owner@{slug}.example"), f"/{slug}/admin/events/selection/registrations"
        self.operation, self.looked = "", 0.0

    def approve(self, count: int) -> float:
        page = expect(self.staff.get(self.desk), 200)
        began = time.monotonic()
        token = page.hidden()["csrf_token"]
        ahead = expect(self.staff.post(f"{self.desk}?status=pending_approval", {"csrf_token": token, "all": "1", "action": "approve"}), 200)
        self.looked = time.monotonic() - began
        began = time.monotonic()
        answer = expect(self.staff.post(f"{self.desk}?status=pending_approval", ahead.hidden()), 303)
        self.operation = answer.headers["location"].partition("?")[0]
        return self.until("done", count, began)

    def undo(self) -> float:
        page = expect(self.staff.get(self.operation), 200)
        began = time.monotonic()
        expect(self.staff.post(f"{self.operation}/undo", {"csrf_token": page.hidden()["csrf_token"]}), 303)
        return self.until("undone", None, began)

    def until(self, state: str, count: int | None, began: float) -> float:
        while time.monotonic() - began < 300:
            found = RESULT.search(expect(self.staff.get(self.operation), 200).text)
            if found and found[3] == state:
                if count is not None and int(found[1]) != count:
                    raise Unexpected(f"{found[1]} of {count} approved, {found[2]} not")
                return time.monotonic() - began
            time.sleep(0.1)
        raise Unexpected(f"{self.operation} is not {state} after five minutes")

    def right(self, count: int) -> bool:
        """Everybody has an offer, once charged and with one letter."""
        rows = self.house.sql("""
            SELECT (SELECT count(*) FROM registrations r WHERE r.org_id = d.org_id AND r.status = 'pending_payment'),
                   (SELECT coalesce(sum(CASE kind WHEN 'charged' THEN amount ELSE -amount END), 0) FROM ledger_entries l WHERE l.org_id = d.org_id),
                   (SELECT count(*) FROM outbox o WHERE o.org_id = d.org_id AND o.kind = 'mail_order_approved')
            FROM organization_directory d WHERE d.slug = %s""", self.slug)
        return tuple(map(int, rows[0])) == (count, count * 50_000, count)


def at_once(*deeds) -> list[float]:
    took = [300.0] * len(deeds)

    def do(number, deed):
        took[number] = deed()

    threads = [threading.Thread(target=do, args=pair) for pair in enumerate(deeds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


class Watch:
    """The largest memory that the worker has had, looked at four times a second."""

    def __init__(self, house):
        self.house, self.most, self.over = house, 0.0, threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self) -> None:
        while not self.over.wait(0.25):
            self.most = max(self.most, max(map(pss, self.house.processes("worker")), default=0))

    def __enter__(self) -> "Watch":
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.over.set()
        self.thread.join()


# -- tables to take home ---------------------------------------------------------------------------------

def exports(house, short: bool) -> list[Figure]:
    count = SMALL_CROWD if short else CROWD
    gather(house, count)
    staff = signed_in(house.port, OWNER)
    staff.patience = 120
    table = csv(staff)
    columns = table.body.split(b"\n", 1)[0].count(b",") + 1
    with Watch(house) as watch:
        sheet = workbook(staff)
    target = None if short else SHEET_SECONDS
    return [
        Figure(f"CSV of {count:,}: first bytes after", table.first * 1e3, "ms", None if short else 1000,
               note=f"{len(table.body) / 1e6:.0f} MB in {table.seconds:.1f} s"),
        Figure("  rows in it", table.body.count(b"\n"), "", count + 1, least=True, hard=True),
        Figure(f"XLSX of {count:,} rows, {columns} columns", sheet, "s", target),
        Figure("  the worker's largest memory, PSS", watch.most, "MB", None if short else MEGABYTES),
    ]


def confirmed(staff: Visitor, form: str) -> dict:
    """The look-ahead of exporting everybody, ready to be sent."""
    token = expect(staff.get(DESK), 200).hidden()["csrf_token"]
    ahead = expect(staff.post(DESK, {"csrf_token": token, "all": "1", "action": "export"}), 200)
    return ahead.hidden() | {"format": form}


def csv(staff: Visitor):
    return expect(staff.post(DESK, confirmed(staff, "csv")), 200)


def workbook(staff: Visitor) -> float:
    fields, began = confirmed(staff, "xlsx"), time.monotonic()
    operation = expect(staff.post(DESK, fields), 303).headers["location"].partition("?")[0]
    while time.monotonic() - began < 300:
        if f"{operation}/download" in expect(staff.get(operation), 200).text:
            took = time.monotonic() - began
            expect(staff.get(f"{operation}/download"), 200)
            return took
        time.sleep(0.25)
    raise Unexpected("the workbook is not written after five minutes")

