"""Notices on their way to the shop: sent at once, signed and repeated as each gateway does it, in a hurry.

Toss waits 1, 4, 16 … 4096 minutes between tries; here a minute lasts `scale` × 60 seconds (1 by default).
"""
import hashlib
import heapq
import hmac
import itertools
import json
import logging
import secrets
import threading
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from eventapp.sandbox.journal import Journal
from eventapp.sandbox.shapes import HEADER, created_at

log = logging.getLogger(__name__)
WAITS = (1, 4, 16, 64, 256, 1024, 4096)  # Toss's minutes
PATIENCE = 10  # seconds for an answer
SWAP = 0.4  # seconds that every other notice is held back when the order is to be wrong


@dataclass
class Switches:
    """`duplicate`: how many more times each is sent; `drop`: how many of the next are lost for good; `old`: by how
    many seconds their times are too old."""

    duplicate: int = 0
    reorder: bool = False
    delay: float = 0.0
    drop: int = 0
    old: float = 0.0


@dataclass(frozen=True)
class Scheme:
    """How one gateway sends: `headers(notice, at)` is asked at each try, so that a repeat is signed anew. A notice has
    `id`, `body` (text), `secret` and `tries` (before this one); `waits` are minutes."""

    headers: Callable[[dict, float], dict[str, str]]
    waits: tuple[float, ...]
    delivered: range = range(200, 300)


def toss_headers(notice: dict, at: float) -> dict[str, str]:
    """Signed only with a security key, which payouts have."""
    sent_at = created_at(at) + "+09:00"
    headers = {HEADER + "id": notice["id"], HEADER + "time": sent_at, HEADER + "retried-count": str(notice["tries"])}
    if notice["secret"]:
        signed = notice["body"].encode() + b":" + sent_at.encode()
        digest = hmac.new(bytes.fromhex(notice["secret"]), signed, hashlib.sha256).digest()
        headers["tosspayments-webhook-signature"] = "v1:" + b64encode(digest).decode()
    return headers


class Courier:
    """`offset`: by how many seconds the shop's clock differs from this machine's; each gateway adds its `schemes`."""

    def __init__(self, journal: Journal, scale: float = 1 / 60, offset: float = 0.0):
        self.journal, self.scale, self.offset = journal, scale, offset
        self.schemes = {"toss": Scheme(toss_headers, WAITS, range(200, 201))}
        self.switches, self.held = Switches(), False
        self.waiting: list[tuple[float, int, dict]] = []
        self.open: dict[str, dict] = {}
        self.done: deque[dict] = deque(maxlen=500)
        self.count = itertools.count()
        self.bell = threading.Condition()
        self.stopped = False
        self.pool = ThreadPoolExecutor(4, "courier")
        self.client = httpx.Client(timeout=PATIENCE, trust_env=False, follow_redirects=False)
        logging.getLogger("httpx").setLevel(logging.WARNING)

    def start(self) -> None:
        threading.Thread(target=self._run, name="courier", daemon=True).start()

    def stop(self) -> None:
        with self.bell:
            self.stopped = True
            self.bell.notify()
        self.pool.shutdown(wait=False, cancel_futures=True)
        self.client.close()

    def take(self, url: str, body: dict | str, now: float, *, scheme: str = "toss", secret: str = "", id: str = "",
             old: float = 0.0) -> dict | None:
        """A notice to deliver; None when the switches lose it. `old`: by how many seconds its times are too old."""
        with self.bell:
            if self.switches.drop > 0:
                self.switches.drop -= 1
                return None
            notice = {"id": id or f"whtrans_{secrets.token_hex(12)}", "url": url, "tries": 0, "scheme": scheme,
                      "secret": secret, "old": old or self.switches.old, "at": now,
                      "body": body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)}
            self.open[notice["id"]] = notice
            self.held = self.switches.reorder and not self.held
            swap = SWAP if self.held else 0
            for _ in range(1 + self.switches.duplicate):
                self._push(notice, self.switches.delay + swap)
            return notice

    def restore(self, line: dict) -> None:
        for notice in line.get("deliveries", ()):
            self.open[notice["id"]] = {"scheme": "toss", "secret": "", "old": 0.0} | notice
        if "delivered" in line:
            self.open.pop(line["delivered"], None)

    def dump(self):
        """What a restart must deliver yet; it is put on its way at the same time."""
        for notice in list(self.open.values()):
            self._push(notice, 0)
            yield {"deliveries": [notice]}

    def clear(self) -> None:
        with self.bell:
            self.waiting.clear()
            self.open.clear()
            self.done.clear()
            self.switches, self.held = Switches(), False

    def listed(self) -> dict:
        return {"waiting": [_shown(notice) for notice in list(self.open.values())],
                "done": [_shown(notice) for notice in list(self.done)]}

    def again(self, id: str) -> bool:
        """Send one once more by hand, as the gateways' consoles can."""
        with self.bell:
            notice = self.open.get(id) or next((one for one in self.done if one["id"] == id), None)
            if notice is None:
                return False
            notice = {name: value for name, value in notice.items() if name != "status"} | {"tries": 0}
            self.open[id] = notice
            self._push(notice, 0)
            return True

    def _push(self, notice: dict, seconds: float) -> None:
        with self.bell:
            heapq.heappush(self.waiting, (time.monotonic() + seconds, next(self.count), notice))
            self.bell.notify()

    def _run(self) -> None:
        while True:
            with self.bell:
                while not self.stopped and (not self.waiting or self.waiting[0][0] > time.monotonic()):
                    self.bell.wait(self.waiting[0][0] - time.monotonic() if self.waiting else None)
                if self.stopped:
                    return
                notice = heapq.heappop(self.waiting)[2]
            self.pool.submit(self._deliver, notice)

    def _deliver(self, notice: dict) -> None:
        scheme, tries = self.schemes[notice["scheme"]], notice["tries"]
        headers = scheme.headers(notice, time.time() + self.offset - notice["old"])
        notice["tries"] = tries + 1
        try:
            status = self.client.post(notice["url"], content=notice["body"].encode(), headers={
                "content-type": "application/json; charset=utf-8"} | headers).status_code
        except (httpx.HTTPError, RuntimeError) as error:  # RuntimeError: closed while the sandbox stops
            status = type(error).__name__
        if status in scheme.delivered or tries >= len(scheme.waits):
            with self.bell:
                self.open.pop(notice["id"], None)
            self.done.append(notice | {"status": status})
            self.journal.append(delivered=notice["id"])
        elif not self.stopped:
            log.info("notice %s: %s, again later", notice["id"], status)
            self._push(notice, scheme.waits[tries] * 60 * self.scale)


def _shown(notice: dict) -> dict:
    shown = {name: notice[name] for name in ("id", "scheme", "url", "tries", "at", "status") if name in notice}
    return shown | {"body": json.loads(notice["body"])}
