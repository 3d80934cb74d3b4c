"""Ten thousand checkouts while everything goes wrong: the gateways lie, hang and drop, notices are lost, doubled and shuffled,
and web, worker and database are killed. Afterwards our ledger and each gateway's books must be equal to the won.

An installation of its own, since its web and worker run with faults. Buyers come with a signed link each, as from the
gateway's window; the registration form is not part of it.
"""
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import psycopg

from eventapp.config import ROOT
from tests.bench.figures import Figure
from tests.bench.house import CLIENT_KEY, PORTONE_STORE, STRIPE_KEY, House
from tests.bench.visitor import Visitor

CHECKOUTS, IN_SHORT = 10_000, 300
BATCH, BUYERS = 250, 16
KILLS = {"web": 8, "worker": 12, "database": 4}
EXIT, RAISE = 0.0004, 0.004
"""How often a point of the program is its last word, and how often it fails."""
GATEWAY = ("drop_before", "409", "429", "500", "html", "timeout_after_commit", "500_after_commit", "html_after_commit", "truncated")
OPERATIONS = ("confirm", "confirm", "fetch", "issue", "cancel", "portone.register", "portone.confirm", "portone.fetch", "portone.cancel",
              "stripe.open", "stripe.fetch", "stripe.cancel")
SHARE = 0.04
"""Of the calls that go wrong at the gateway."""
PATIENCE = 900
ENVIRONMENT = {"HOLD_MINUTES": "240", "BACKOFF_SCALE": "0.1", "RECONCILE_SECONDS": "15", "RATE_LIMIT_SCALE": "0"}
POINTS = ("paying.", "toss.", "portone.", "stripe.", "webhook.", "outbox.gateway_")
OPEN = """SELECT count(*) FROM outbox WHERE done_at IS NULL AND dead_at IS NULL AND kind LIKE 'gateway_%'
          AND run_at < now() + interval '10 minutes'"""
LETTERS = "SELECT count(*) FROM outbox WHERE done_at IS NULL AND dead_at IS NULL AND kind LIKE 'mail_%' AND run_at <= now()"
AN_HOUR_LATER = "UPDATE payments SET checked_at = now() - interval '2 hours' WHERE status = 'awaiting_deposit' AND account_id IS NOT NULL"
"""Deposits whose notice was lost are asked for each hour."""
UNDECIDED = "SELECT count(*) FROM payment_attempts WHERE state IN ('prepared', 'sent', 'unknown')"
MONEY = """FROM ledger_entries e JOIN organization_directory d ON d.org_id = e.org_id AND d.slug = 'bench'
           JOIN payments p ON p.org_id = e.org_id AND p.id = e.payment_id"""
HELD = "sum(CASE WHEN e.kind IN ('paid', 'returned') THEN e.amount WHEN e.kind IN ('refunded', 'reversed') THEN -e.amount ELSE 0 END)"
BOOKED = f"SELECT p.gateway_order_id, {HELD}::bigint {MONEY} GROUP BY 1 HAVING {HELD} <> 0"
TWICE = f"SELECT e.order_id {MONEY} GROUP BY 1 HAVING count(*) FILTER (WHERE e.kind = 'paid') - count(*) FILTER (WHERE e.kind = 'reversed') > 1"
CONFIRMED = "SELECT FROM registrations r WHERE r.org_id = {of}.org_id AND r.order_id = {of}.order_id AND r.status = 'confirmed'"
TICKETLESS = f"""SELECT count(*) FROM (SELECT e.org_id, e.order_id {MONEY} GROUP BY 1, 2 HAVING {HELD} > 0) AS paid
                 WHERE NOT EXISTS ({CONFIRMED.format(of='paid')})"""
UNPAID = """SELECT count(*) FROM registrations r JOIN organization_directory d ON d.org_id = r.org_id AND d.slug = 'bench'
             JOIN orders o ON o.org_id = r.org_id AND o.id = r.order_id AND o.total > 0
             WHERE r.status = 'confirmed' AND NOT EXISTS (SELECT FROM ledger_entries e WHERE e.org_id = r.org_id AND e.order_id = r.order_id AND e.kind = 'paid')"""


def run(house, short: bool) -> list[Figure]:
    count = int(os.environ.get("TORTURE", IN_SHORT if short else CHECKOUTS))
    faults = f"FAULTS={planned_faults()}"
    lines = dict(line.split(":", 1) for line in (ROOT / "Procfile").read_text().splitlines() if ":" in line)
    with House(ENVIRONMENT, **{name: f"env {faults} {lines[name].strip()}" for name in ("web", "worker")}) as own:
        return Torture(own, count).run()


def planned_faults() -> str:
    """Of every point that has to do with money."""
    import tasks  # noqa: F401 - registers the jobs and what they call
    from eventapp import faults

    names = [name for name in faults.points() if name.startswith(POINTS)]
    chance = random.Random(4)  # noqa: S311 - which of both is the same in each run
    return ",".join(f"{name}=exit:{EXIT}" if chance.random() < 0.5 else f"{name}=raise:{RAISE}" for name in names)


class NeverOpened(Exception):
    """A gateway that did not answer for so long that the buyer has to choose another way."""


class Torture:
    def __init__(self, house: House, count: int):
        self.house, self.count = house, count
        self.sandbox = f"http://127.0.0.1:{house.port + 1}/control"
        self.client = httpx.Client(trust_env=False, timeout=30)
        self.chance = random.Random(54)  # noqa: S311
        self.waiting: list[dict] = []
        self.lock = threading.Lock()
        self.stories: Counter = Counter()
        self.answers: Counter = Counter()
        self.killed: Counter = Counter()
        self.placed, self.done = 0, 0
        self.over = threading.Event()

    def run(self) -> list[Figure]:
        began = time.monotonic()
        self.control("switches", duplicate=1, reorder=True, delay=0.05)
        threads = [threading.Thread(target=self.keep(work)) for work in (self.place, self.spoil, self.kill)]
        threads += [threading.Thread(target=self.keep(self.buy)) for _ in range(BUYERS)]
        for thread in threads:
            thread.start()
        while self.done < self.count and time.monotonic() - began < 3 * 3600:
            time.sleep(15)
            print(f"    {self.done} of {self.count} bought, {self.placed} placed, {dict(self.killed)} killed, "
                  f"{time.monotonic() - began:.0f} s", flush=True)
        self.over.set()
        for thread in threads:
            thread.join()
        for what in ("no-faults", "switches"):
            self.control(what)
        settled = self.settle()
        return self.figures(time.monotonic() - began, settled)

    def keep(self, work):
        """A thread whose error ends the bench instead of being lost."""
        def kept():
            try:
                work()
            except Exception as error:
                print(f"    {work.__name__}: {type(error).__name__}: {error}", flush=True)
                self.done = self.count
                self.stories["broken bench"] += 1
        return kept

    def ask(self, statement: str) -> list:
        """Also of a database that is being started again."""
        for _ in range(120):
            with suppress(psycopg.OperationalError):
                return self.house.sql(statement)
            time.sleep(0.5)
        raise RuntimeError("the database does not come back")

    def post(self, what: str, **body) -> httpx.Response:
        return self.client.post(f"{self.sandbox}/{what}", json=body)

    def control(self, what: str, **body) -> dict:
        return self.post(what, **body).raise_for_status().json()

    # -- buyers ----------------------------------------------------------------------------------------
    def place(self) -> None:
        """Orders by the hand that the form uses, a few hundred ahead of the buyers."""
        failures = 0
        while self.placed < self.count and not self.over.is_set():
            if len(self.waiting) > BATCH:
                time.sleep(0.2)
                continue
            made = self.house.command("-m", "tests.bench.world", "checkouts", str(min(BATCH, self.count - self.placed)))
            if made.returncode:  # perhaps the database is being killed at the moment
                failures += 1
                if failures == 10:
                    raise RuntimeError(made.stderr[-2000:])
                time.sleep(2)
                continue
            failures = 0
            orders = [json.loads(line) for line in made.stdout.splitlines() if line.startswith("{")]
            with self.lock:
                self.placed += len(orders)
                self.waiting += orders

    def buy(self) -> None:
        while not self.over.is_set():
            with self.lock:
                order = self.waiting.pop(0) if self.waiting else None
            if order is None:
                time.sleep(0.05)
                continue
            story = self.chance.choices((self.comes_back, self.comes_back_twice, self.never_returns, self.closes, self.declines,
                                         self.changes_mind), (74, 6, 6, 4, 4, 6))[0]
            self.stories[f"{order['provider']} {story.__name__}"] += 1
            try:
                story(order)
            except NeverOpened:
                self.stories["gateway never told of it"] += 1
            with self.lock:
                self.done += 1

    def approved(self, order: dict) -> str:
        """The buyer approves in the window; where the gateway sends the browser. A gateway that has to be told first may not have
        been yet."""
        for _ in range(600):
            match order["provider"]:
                case "toss":
                    answer = self.post("pay", client_key=CLIENT_KEY, request=order["request"], customer_key=order["customer_key"])
                case "portone":
                    answer = self.post("portone/pay", request=order["request"])
                case "stripe":
                    if not self.is_open(order["ref"]):  # nobody has been told where its page is
                        time.sleep(0.2)
                        continue
                    answer = self.post("stripe/pay", order_id=order["ref"])
            if answer.status_code == 200:
                return answer.json()["location"]
            time.sleep(0.2)
        raise NeverOpened(order["ref"])

    def is_open(self, ref: str) -> bool:
        return self.ask(f"SELECT checkout_url <> '' FROM payments WHERE gateway_order_id = '{ref}'")[0][0]

    def comes_back(self, order: dict) -> None:
        self.visit(self.approved(order))
        if order["method"] == "virtual_account":
            self.deposit(order)

    def comes_back_twice(self, order: dict) -> None:
        location = self.approved(order)
        again = threading.Thread(target=self.visit, args=(location,))
        again.start()
        self.visit(location)
        again.join()
        self.visit(location)

    def never_returns(self, order: dict) -> None:
        self.approved(order)

    def closes(self, order: dict) -> None:
        parts = urlsplit(order["fail"])
        self.visit(f"{parts.path}?{parts.query}&code=PAY_PROCESS_CANCELED")

    def declines(self, order: dict) -> None:
        if order["provider"] == "toss":
            self.control("faults", op="confirm", fault="code:REJECT_CARD_PAYMENT", order_id=order["ref"])
        self.visit(self.approved(order))

    def changes_mind(self, order: dict) -> None:
        """Pays, and cancels on the page behind the mailed link as soon as the money is there."""
        self.visit(self.approved(order))
        if order["method"] == "virtual_account":
            return self.deposit(order)
        for _ in range(60):
            visitor = Visitor(self.house.port)
            try:
                form = visitor.get(f"{order['page']}/cancel")
                if form.status == 200 and "agreed" in form.hidden() and form.hidden()["agreed"] != "0" \
                        and visitor.post(f"{order['page']}/cancel", form.hidden()).status == 303:
                    self.stories["cancelled and refunded"] += 1
                    return None
            except OSError:
                pass
            finally:
                visitor.close()
            time.sleep(1)
        self.stories["could not cancel"] += 1
        return None

    def deposit(self, order: dict) -> None:
        """Once the account is there; somebody whose confirm is still unknown pays nothing, and that is a story of its own."""
        for _ in range(100):
            if self.post("deposit", order_id=order["ref"]).status_code == 200:
                self.stories["deposits"] += 1
                return
            time.sleep(0.2)
        self.stories["no account to pay into"] += 1

    def visit(self, location: str) -> None:
        """As a browser does it: once more when nobody answers, while web or database is being started again."""
        parts = urlsplit(location)
        for pause in (0.5, 1, 2, 4, 8, 16, 0):
            visitor = Visitor(self.house.port, patience=30)
            try:
                status = visitor.get(f"{parts.path}?{parts.query}").status
            except OSError:
                status = 0
            finally:
                visitor.close()
            with self.lock:
                self.answers[status] += 1
            if 200 <= status < 500:
                return
            time.sleep(pause)

    # -- what goes wrong -------------------------------------------------------------------------------
    def spoil(self) -> None:
        """Each second a few calls, and now and then the notices, go another way than they should."""
        while not self.over.wait(1):
            calls = max(1, int(SHARE * 40))
            for _ in range(calls):
                op = self.chance.choice(OPERATIONS)
                self.control("faults", op=op, fault=self.chance.choice(GATEWAY))
            with suppress(httpx.HTTPStatusError):
                self.control("switches", duplicate=self.chance.randint(0, 3), reorder=True, delay=self.chance.random(),
                             drop=self.chance.choice((0, 0, 3)))

    def kill(self) -> None:
        """With -9, each its share, spread over the whole."""
        plan = [name for name, times in KILLS.items() for _ in range(max(1, times * self.count // CHECKOUTS))]
        self.chance.shuffle(plan)
        for number, name in enumerate(plan, start=1):
            while self.done < number * self.count / (len(plan) + 1):
                if self.over.wait(0.1):
                    return
            pids = [self.house.database._postmaster()] if name == "database" else self.house.processes(name)
            for pid in filter(None, pids):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.killed[name] += 1

    # -- the reckoning -----------------------------------------------------------------------------------
    def settle(self) -> float:
        """Until nothing is asked of the gateways any more and their books are ours: those who never came back and whose notices were
        lost are found by the reconciliation, minutes later. How long that took, in seconds."""
        began = time.monotonic()
        self.ask(AN_HOUR_LATER)
        while time.monotonic() - began < PATIENCE:
            if not any(self.ask(statement)[0][0] for statement in (OPEN, UNDECIDED, LETTERS)) and not self.apart():
                return time.monotonic() - began
            time.sleep(3)
        return -1

    def apart(self) -> list[str]:
        """Orders of which a gateway holds another sum than our ledger says."""
        theirs, ours = self.theirs(), dict(self.ask(BOOKED))
        return [ref for ref in {**theirs, **ours} if theirs.get(ref, 0) != ours.get(ref, 0)]

    def figures(self, seconds: float, settled: float) -> list[Figure]:
        theirs, ours = self.theirs(), dict(self.ask(BOOKED))
        apart = self.apart()
        twice = self.ask(TWICE)
        ticketless, unpaid = self.ask(TICKETLESS)[0][0], self.ask(UNPAID)[0][0]
        check = self.house.command("-m", "flask", "--app", "wsgi", "check")
        if check.returncode:
            print(check.stdout[-3000:] + check.stderr[-1000:])
        print(f"    stories {dict(self.stories)}; answers {dict(self.answers)}; killed {dict(self.killed)}; apart {apart[:5]}")
        broken = sum(count for status, count in self.answers.items() if status >= 500 and status != 503)
        return [
            Figure(f"checkouts with faults at {planned_faults().count('=') // 2} points and the gateways'", self.done, "", self.count,
                   least=True, hard=True, note=f"{seconds:.0f} s, {sum(self.killed.values())} kills"),
            Figure("  with money at a gateway in the end", len(theirs), ""),
            Figure("  orders of which our books and the gateway's differ", len(apart), "", 0, hard=True),
            Figure("  charged twice", len(twice), "", 0, hard=True),
            Figure("  our books against the gateways'", abs(sum(ours.values()) - sum(theirs.values())), "won apart", 0, hard=True),
            Figure("  paid without a confirmed registration", ticketless, "", 0, hard=True),
            Figure("  confirmed without money", unpaid, "", 0, hard=True),
            Figure("  undecided in the end", self.ask(UNDECIDED)[0][0], "", 0, hard=True, note=f"settled after {settled:.0f} s"),
            Figure("  answers 5xx other than while something was down (503)", broken, "", 0),
            Figure("  flask check: exit code", check.returncode, "", 0, hard=True),
        ]

    def theirs(self) -> dict[str, int]:
        """What each gateway holds of each order, where it is anything."""
        def books(path: str, **query) -> dict:
            return self.client.get(f"{self.sandbox}/{path}", params=query).raise_for_status().json()

        held: Counter = Counter()
        for line in books("books", client_key=CLIENT_KEY)["transactions"]:
            held[line["order_id"]] += line["amount"]
        for line in books("stripe/books", client_key=STRIPE_KEY)["transactions"]:
            held[line["order_ref"]] += line["amount"]
        for payment in books("portone/books", store_id=PORTONE_STORE)["payments"]:
            held[payment["id"]] += payment["balance"] if payment.get("paidAt") else 0
        return {ref: amount for ref, amount in held.items() if amount}
