"""Two hundred at once for fifty places, ten times over HTTP."""
import threading
import time
from collections import Counter

from tests.bench.figures import Figure
from tests.bench.visitor import Visitor, filled_form
from tests.bench.world import ORGANISATION, PLACES, RUSHES

VISITORS = 200
PATIENCE = 10
COUNT = """SELECT count(*) FROM registrations r JOIN events e ON e.id = r.event_id WHERE e.slug = %s AND r.holds"""


def run(house, short: bool) -> list[Figure]:
    sold, slowest, whole, unanswered, broken = [], [], [], 0, 0
    for number in range(RUSHES):
        answers, seconds = at_once(house.port, f"/{ORGANISATION}/rush-{number}")
        sold.append(house.sql(COUNT, f"rush-{number}")[0][0])
        slowest.append(max(seconds, default=0))
        whole += seconds
        unanswered += VISITORS - sum(answers.values())
        broken += sum(count for status, count in answers.items() if status >= 500 or status == 0)
        if answers[303] != PLACES:
            print(f"    rush {number}: {dict(answers)}")
    check = house.command("-m", "flask", "--app", "wsgi", "check")
    if check.returncode:
        print(check.stdout[-2000:] + check.stderr[-2000:])
    return [
        Figure(f"{VISITORS} at once for {PLACES} places, {RUSHES} times: sold in all", sum(sold), "", RUSHES * PLACES, least=True,
               hard=True, peer=None, note=f"each time {sorted(set(sold))}"),
        Figure("  most in one rush", max(sold), "", PLACES, hard=True, peer=None),
        Figure("  slowest answer", max(slowest), "s", PATIENCE, peer=45, note=f"median {sorted(whole)[len(whole) // 2]:.1f} s"),
        Figure("  not answered, or 5xx", unanswered + broken, "", 0, hard=True),
        Figure("  flask check: exit code", check.returncode, "", 0, hard=True),
    ]


def at_once(port: int, path: str) -> tuple[Counter, list[float]]:
    """Everybody has the form filled in and sends it at the same moment, each on a connection of their own."""
    visitors = [Visitor(port, patience=60) for _ in range(VISITORS)]
    forms = [filled_form(visitor, path, "seat", "free", {}) for visitor in visitors]
    for visitor in visitors:
        visitor.close()
    start, answers, seconds, lock = threading.Barrier(VISITORS), Counter(), [], threading.Lock()

    def send(visitor, form):
        start.wait()
        began = time.perf_counter()
        try:
            status = visitor.post(f"{path}/register", form).status
        except OSError:
            status = 0
        with lock:
            answers[status] += 1
            seconds.append(time.perf_counter() - began)
        visitor.close()

    threads = [threading.Thread(target=send, args=pair) for pair in zip(visitors, forms, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers, seconds
