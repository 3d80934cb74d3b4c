"""How many SQL statements one complete registration costs, as the server logs them."""
import re
import time
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.journeys import EVENT, KINDS
from tests.bench.visitor import Visitor, confirmed, expect, filled_form, pay

IN_POST, IN_JOURNEY = 15, 60
APART = re.compile(r"(BEGIN|COMMIT|ROLLBACK)\b|SELECT set_config\('app\.org_id'", re.I)
CLOCKWORK = re.compile(r"SELECT EXISTS \(SELECT outbox\.id|INSERT INTO periodic_runs|LISTEN|.*FROM outbox\s+WHERE outbox\.kind = |"
                       r".*\bprobes\b|SELECT 1\b", re.I | re.S)
"""What the worker asks again and again whether or not anybody registers."""
FIRST_TIME = re.compile(r"select pg_catalog\.version|select current_schema|show |SAVEPOINT \"_pg3|RELEASE \"_pg3|.*FROM pg_type\b", re.I | re.S)
"""What a connection asks once in its life."""
RING, LOOK = "WITH ring AS", "delete from huey_task"
STATEMENT = re.compile(r"^\S+ \S+ \S+ \[\d+\] \S+@(\S*) LOG:  (?:statement|execute [^:]*): (.*)$")


def run(house, short: bool) -> list[Figure]:
    figures = []
    for kind in KINDS:
        # The timetable's own work may fall into one of them, so the least of three counts.
        steps = min((journey(house, kind) for _ in range(3)), key=lambda steps: sum(map(len, steps.values())))
        posted, total = steps["POST"], sum(map(len, steps.values()))
        print(f"\n    {kind}: POST {len(posted)}, whole journey {total}")
        for name, statements in steps.items():
            print(f"      {name} ({len(statements)})")
            for statement in statements:
                print(f"        {short_form(statement)}")
        figures += [Figure(f"SQL statements of the POST, {kind}", len(posted), "", IN_POST, hard=True),
                    Figure("  of the whole journey with its tasks", total, "", IN_JOURNEY if kind != "card" else None, hard=True,
                           peer=334)]
    return figures


def journey(house, kind: str) -> dict[str, list[str]]:
    """What the web asked at each step and the worker in all, of the second of two journeys: the first fills what is kept."""
    program, method, _, _ = KINDS[kind]
    walk(house, program, method, lambda name: None)
    house.settle()
    log = Log(house)
    steps: dict[str, list[str]] = {}
    tasks: list[str] = []

    def step(name: str) -> None:
        said = log.since()
        steps[name] = said["web"]
        tasks.extend(said["worker"])

    walk(house, program, method, step)
    house.settle()
    time.sleep(0.5)
    step("afterwards")
    log.stop()
    return {name: found for name, found in (steps | {"tasks": without_idle_looks(tasks)}).items() if found}


def without_idle_looks(tasks: list[str]) -> list[str]:
    """Each ring costs a look that finds it and one of the next in line; the others are made each second anyway."""
    rings, kept, looks = sum(one.startswith(RING) for one in tasks) + 1, [], 0
    for one in tasks:
        looks += one.startswith(LOOK)
        if not one.startswith(LOOK) or looks <= 2 * rings:
            kept.append(one)
    return kept


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
        step("payment page, return and notices")
    confirmed(visitor, answer.headers["location"])
    step("confirmation")
    visitor.close()


class Log:
    """The server's own log, with every statement in it while it is switched on."""

    def __init__(self, house):
        self.house, self.path, self.place = house, Path(house.folder / "log" / "postgres.log"), 0
        self._switch("all")
        self.since()

    def stop(self) -> None:
        self._switch("none")

    def _switch(self, value: str) -> None:
        self.house.sql(f"ALTER SYSTEM SET log_statement = '{value}'")
        self.house.sql("SELECT pg_reload_conf()")
        time.sleep(1.0)

    def since(self) -> dict[str, list[str]]:
        """What web and worker have asked since the last time; what does not count is left out."""
        time.sleep(0.1)
        with self.path.open(errors="replace") as file:
            file.seek(self.place)
            text = file.read()
            self.place = file.tell()
        said: dict[str, list[str]] = {"web": [], "worker": []}
        latest: list[str] = []
        for line in text.splitlines():
            found = STATEMENT.match(line)
            if found:
                latest = said.get(found[1], [])
                latest.append(found[2].strip())
            elif line.startswith("\t") and latest:
                latest[-1] += " " + line.strip()
        return {name: [one for one in statements if not any(kind.match(one) for kind in (APART, CLOCKWORK, FIRST_TIME))]
                for name, statements in said.items()}


def short_form(statement: str) -> str:
    """The verb and the tables, in one line."""
    text = re.sub(r"\s+", " ", statement)
    text = re.sub(r"SELECT .*? FROM ", "SELECT … FROM ", text)
    return text if len(text) <= 150 else text[:150] + "…"
