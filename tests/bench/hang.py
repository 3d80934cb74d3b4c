"""A gateway that hangs for a minute with fifty buyers in front of it: everybody else's pages are as quick as before."""
import html
import json
import threading
import time
from urllib.parse import urlencode, urlsplit

import httpx

from tests.bench.figures import Figure, quantile
from tests.bench.visitor import PARAMETERS, Visitor, expect, filled_form

EVENT = "/bench/conference"
BUYERS = 50
CALLS = 6
"""As many as the worker has threads for gateways: each hangs for the whole time."""
PAID = "SELECT count(*), coalesce(sum(amount), 0) FROM ledger_entries WHERE kind = 'paid'"


def run(house, short: bool) -> list[Figure]:
    seconds = 10 if short else 60
    house.settle()
    quiet = quantile(pages(house.port, 5), .95)
    before = house.sql(PAID)[0]
    books_before = books(house)
    sandbox = f"http://127.0.0.1:{house.port + 1}/control"
    returns = [approved(house.port) for _ in range(BUYERS)]
    httpx.post(f"{sandbox}/faults", json={"op": "confirm", "fault": f"delay:{seconds}", "times": CALLS}).raise_for_status()
    answers: list[float] = []
    buyers = [threading.Thread(target=come_back, args=(visitor, address, answers)) for visitor, address in returns]
    for buyer in buyers:
        buyer.start()
    hanging = quantile(pages(house.port, seconds - 3), .95)
    for buyer in buyers:
        buyer.join()
    httpx.post(f"{sandbox}/no-faults", json={}).raise_for_status()
    began = time.monotonic()
    while house.sql(PAID)[0][0] - before[0] < BUYERS and time.monotonic() - began < 120:
        time.sleep(0.5)
    count, amount = (after - earlier for after, earlier in zip(house.sql(PAID)[0], before, strict=True))
    return [
        Figure("event page, p95, before", quiet * 1e3, "ms"),
        Figure(f"  while a gateway hangs for {seconds} s with {BUYERS} buyers", hanging * 1e3, "ms", max(quiet * 2e3, 20)),
        Figure("  slowest answer to a buyer who comes back", max(answers), "s"),
        Figure("  buyers paid in the end", count, "", BUYERS, least=True, hard=True, note=f"{time.monotonic() - began:.0f} s after"),
        Figure("  our ledger against the sandbox's books", abs(amount - (books(house) - books_before)), "won apart", 0, hard=True),
    ]


def books(house) -> int:
    """What the sandbox says was taken, in won."""
    found = httpx.get(f"http://127.0.0.1:{house.port + 1}/control/books").json()
    return sum(payment["totalAmount"] for payment in found["payments"] if payment["status"] == "DONE")


def approved(port: int) -> tuple[Visitor, str]:
    """A buyer who has approved in the window, and where the gateway sends them."""
    visitor = Visitor(port, patience=90)
    answer = expect(visitor.post(f"{EVENT}/register", filled_form(visitor, EVENT, "main-conference", "card")), 303)
    page = expect(visitor.get(answer.headers["location"]), 200)
    params = json.loads(html.unescape(PARAMETERS.search(page.text)[1]))
    sandbox = Visitor(port + 1)
    query = urlencode({"clientKey": params["clientKey"], "customerKey": params["customerKey"], "request": json.dumps(params["request"])})
    window = expect(sandbox.get(f"/toss/window?{query}"), 303)
    back = expect(sandbox.post(window.headers["location"] + "/approve", {}), 303)
    sandbox.close()
    return visitor, back.headers["location"]


def come_back(visitor: Visitor, address: str, answers: list[float]) -> None:
    parts = urlsplit(address)
    answers.append(visitor.get(f"{parts.path}?{parts.query}").seconds)
    visitor.close()


def pages(port: int, seconds: float) -> list[float]:
    """Event pages by four visitors who look at one after the other, with a breath between."""
    took: list[float] = []

    def look():
        visitor = Visitor(port)
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            took.append(expect(visitor.get(EVENT), 200).seconds)
            time.sleep(0.05)
        visitor.close()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took
