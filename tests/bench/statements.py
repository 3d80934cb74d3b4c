"""How many SQL statements one complete registration costs, as the server logs them."""
import os
import re
import signal
import time
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.journeys import EVENT, KINDS
from tests.bench.visitor import Visitor, confirmed, expect, filled_form, pay

IN_POST, IN_JOURNEY = 15, 60
APART = re.compile(r"(BEGIN|COMMIT|ROLLBACK)\b|SELECT set_config\('app\.org_id'", re.I)
CLOCKWORK = re.compile(r"SELECT EXISTS \(SELECT outbox\.id|INSERT INTO periodic_runs|LISTEN|UNLISTEN|"
                       r".*FROM outbox\s+WHERE outbox\.kind = |SELECT 1\b|.*\bprobes\b|-- marker", re.I | re.S)
"""What the worker asks every second whether or not anybody registers."""
STATEMENT = re.compile(r"^\S+ \S+ \S+ \[(\d+)\] (\S+)@\S* LOG:  (?:statement|execute [^:]*): (.*)$")


def run(house, short: bool) -> list[Figure]:
    figures = []
    for kind in KINDS:
        posted, tasks, visits = journey(house, kind)
        total = sum(len(statements) for statements in visits.values()) + len(tasks)
        print(f"\n    {kind}: POST {len(posted)}, whole journey {total}")
        for name, statements in [*visits.items(), ("tasks", tasks)]:
            print(f"      {name} ({len(statements)})")
            for statement in statements:
                print(f"        {short_form(statement)}")
        figures += [Figure(f"SQL statements of the POST, {kind}", len(posted), "", IN_POST, hard=True),
                    Figure("  of the whole journey with its tasks", total, "", IN_JOURNEY, hard=True, peer=334)]
    return figures


def journey(house, kind: str):
    """(statements of the POST, of the tasks, of each request by name), after one journey that warms what is kept."""
    program, method, _, _ = KINDS[kind]
    log = Log(house)
    walk(house, program, method, lambda name: None)
    house.settle()
    log.start()
    visits: dict[str, list[str]] = {}
    hold_still = kind != "card"  # there the confirmation waits for a job, so the worker has to run
    worker = house.processes("worker") if hold_still else []
    for pid in worker:
        os.kill(pid, signal.SIGSTOP)
    try:
        walk(house, program, method, lambda name: visits.__setitem__(name, log.since()))
    finally:
        for pid in worker:
            os.kill(pid, signal.SIGCONT)
    house.settle()
    time.sleep(0.5)
    tasks = log.since()
    log.stop()
    return visits["POST"], tasks, visits


def walk(house, program: str, method: str, step) -> None:
    visitor = Visitor(house.port)
    expect(visitor.get(EVENT), 200)
    step("event page")
    filled = filled_form(visitor, EVENT, program, method)
    step("form")
    answer = expect(visitor.post(f"{EVENT}/register", filled), 303)
    step("POST")
    if answer.headers["location"].endswith("/register/payment"):
        answer = pay(visitor, answer.headers["location"])
        step("payment page, window, return, confirm")
    confirmed(visitor, answer.headers["location"])
    step("confirmation")
    visitor.close()


class Log:
    """The server's own log, with every statement in it while it is switched on."""

    def __init__(self, house):
        self.house, self.path, self.place = house, Path(house.folder / "log" / "postgres.log"), 0
        self.own = "postgres"

    def start(self) -> None:
        self._switch("all")
        self.since()

    def stop(self) -> None:
        self._switch("none")

    def _switch(self, value: str) -> None:
        self.house.sql(f"ALTER SYSTEM SET log_statement = '{value}'")
        self.house.sql("SELECT pg_reload_conf()")
        time.sleep(1.0)

    def since(self) -> list[str]:
        """What was asked since the last time, by the application; what does not count is left out."""
        time.sleep(0.1)
        with self.path.open(errors="replace") as file:
            file.seek(self.place)
            text = file.read()
            self.place = file.tell()
        statements: list[str] = []
        for line in text.splitlines():
            found = STATEMENT.match(line)
            if found:
                statements.append("" if found[2] == self.own else found[3])
            elif line.startswith("\t") and statements and statements[-1]:
                statements[-1] += " " + line.strip()
        return [one for one in statements if one and not APART.match(one.strip()) and not CLOCKWORK.match(one.strip())]


def short_form(statement: str) -> str:
    """The verb and the tables, in one line."""
    text = re.sub(r"\s+", " ", statement)
    text = re.sub(r"SELECT .*? FROM ", "SELECT … FROM ", text)
    return text if len(text) <= 150 else text[:150] + "…"
