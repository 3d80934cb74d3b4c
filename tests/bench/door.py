"""The door: eight gates that scan as fast as they are answered, and five hundred tickets each at two gates at once.

`python -m tests.bench.door codes 3000` prints what stands in the QR of so many tickets.
"""
import json
import secrets
import sys
import threading
import time
from collections import Counter

from tests.bench.desk import gather
from tests.bench.figures import Figure, quantile
from tests.bench.statements import Log, short_form
from tests.bench.visitor import signed_in

DOOR, DOOR_STAFF = "/seoul-ubf/admin/events/online-rally/checkin", "door@seoul-ubf.example"
GATES, PEOPLE, TWICE = 8, 10_000, 500
RATE, SLOWEST = 150, 100
"""Check-ins a second; milliseconds, 99 of 100."""
ENTRIES = """SELECT count(*), count(DISTINCT c.registration_id) FROM check_ins c JOIN checkpoints p ON p.id = c.checkpoint_id
             JOIN events e ON e.id = p.event_id WHERE e.slug = 'online-rally' AND c.result = 'ok' AND c.undone_at IS NULL"""


class Gate:
    """One phone. `code` as a form of the page, or as its script sends it; the answer's result."""

    def __init__(self, port: int):
        self.browser = signed_in(port, DOOR_STAFF)
        self.token = self.browser.get(DOOR, "page").hidden()["csrf_token"]
        self.checkpoint = json.loads(self.browser.get(f"{DOOR}/live", "live").body)["checkpoints"][0]["id"]

    def posted(self, code: str) -> str:
        answer = self.browser.post(DOOR, {"csrf_token": self.token, "code": code}, "posted")
        return answer.text.partition('data-result="')[2].partition('"')[0] or str(answer.status)

    def sent(self, code: str) -> str:
        answer = self.browser.post_json(f"{DOOR}/scans", {"scans": [{"nonce": secrets.token_hex(8), "code": code, "checkpoint": self.checkpoint}]},
                                        self.token, "sent")
        return json.loads(answer.body)["results"][0]["result"] if answer.status == 200 else str(answer.status)


def run(house, short: bool) -> list[Figure]:
    gather(house, PEOPLE)
    codes = json.loads(house.command("-m", "tests.bench.door", "codes", str(PEOPLE)).stdout)
    gates = [Gate(house.port) for _ in range(GATES)]
    many = 300 if short else 3000
    figures, expected = [], 0
    for way, name in (("sent", "by the door's script"), ("posted", "as a form")):
        mine, codes = codes[:many + 200], codes[many + 200:]
        at_once(gates, way, mine[:200])  # every process has it ready
        results, seconds, took = at_once(gates, way, mine[200:])
        expected += len(mine)
        figures += [Figure(f"check-ins {name}, {GATES} gates", len(seconds) / took, "/s", RATE, least=True, peer=34),
                    Figure("  p99", quantile(seconds, .99) * 1e3, "ms", SLOWEST, note=f"median {quantile(seconds, .5) * 1e3:.0f}"),
                    Figure("  not let in", many - results["ok"], "", 0, hard=True)]
    pairs = [code for code in codes[:TWICE] for _ in range(2)]
    results, _, _ = at_once(gates, "sent", pairs)
    entries, people = house.sql(ENTRIES)[0]
    log = Log(house)
    for code in codes[TWICE:TWICE + 2]:  # the first fills what is remembered for a second
        gates[0].posted(code)
        asked = log.since()["web"]
    log.stop()
    print("\n".join(f"      {short_form(one)}" for one in asked))
    return figures + [Figure(f"{TWICE} tickets, each at two gates: let in", results["ok"], "", TWICE, hard=True, note=str(dict(results))),
                      Figure("  entries beyond the tickets", abs(entries - people) + abs(entries - expected - TWICE), "", 0, hard=True),
                      Figure("SQL statements of one check-in", len(asked), "", 4, hard=True)]


def at_once(gates: list[Gate], way: str, codes: list[str]) -> tuple[Counter, list[float], float]:
    """The gates share the queue of codes; results, the seconds of each, and how long it took in all."""
    queue, results, lock = iter(codes), Counter(), threading.Lock()
    for gate in gates:
        gate.browser.took.pop(way, None)

    def stand(gate):
        while True:
            with lock:
                code = next(queue, None)
            if code is None:
                return
            result = getattr(gate, way)(code)
            with lock:
                results[result] += 1

    threads = [threading.Thread(target=stand, args=(gate,)) for gate in gates]
    began = time.perf_counter()
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    took = time.perf_counter() - began
    return results, [each for gate in gates for each in gate.browser.took.get(way, [])], took


def codes(count: int) -> list[str]:
    """Of confirmed people who are not in yet."""
    from sqlalchemy import select

    from eventapp import tenancy
    from eventapp.domain import ticketing
    from eventapp.extensions import db
    from eventapp.models import CheckIn, Directory, Event, Registration

    tenancy.enter(db.session.scalar(select(Directory.org_id).where(Directory.slug == "seoul-ubf")))
    event = db.session.scalar(select(Event).where(Event.slug == "online-rally"))
    inside = select(CheckIn.registration_id)
    return [ticketing.code(event, one) for one in db.session.scalars(
        select(Registration).where(Registration.event_id == event.id, Registration.status == "confirmed", Registration.id.not_in(inside))
        .order_by(Registration.id).limit(count))]


if __name__ == "__main__":
    from eventapp import create_app

    with create_app().app_context():
        print(json.dumps(codes(int(sys.argv[2]))))
