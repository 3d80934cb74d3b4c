"""kill -9 of the worker in the middle of 500 letters, ten times: the supervisor starts it again, every letter arrives."""
import os
import signal
import time
from collections import Counter
from contextlib import suppress
from email.parser import BytesHeaderParser

from tests.bench.figures import Figure

LETTERS, KILLS = 500, 10
PATIENCE = 600
UNDONE = "SELECT count(*) FROM outbox WHERE kind = 'mail_order_confirmed' AND done_at IS NULL"


def run(house, short: bool) -> list[Figure]:
    mailbox = house.folder / "mailbox"
    before = set(mailbox.glob("*.eml"))
    placed = house.command("-m", "tests.bench.world", "orders", str(LETTERS))
    if placed.returncode:
        raise SystemExit(placed.stderr[-3000:])
    began = time.monotonic()
    killed = [kill_at(house, lambda: len(set(mailbox.glob("*.eml")) - before), (number + 1) * LETTERS // (KILLS + 2))
              for number in range(KILLS)]
    while house.sql(UNDONE)[0][0] and time.monotonic() - began < PATIENCE:
        time.sleep(0.5)
    seconds = time.monotonic() - began
    arrived = Counter(message_id(path) for path in set(mailbox.glob("*.eml")) - before)
    return [Figure(f"letters of {LETTERS}, the worker killed {sum(killed)} times in their middle", len(arrived), "", LETTERS,
                   least=True, hard=True, note=f"all there after {seconds:.0f} s"),
            Figure("  kills", sum(killed), "", KILLS, least=True, hard=True),
            Figure("  that arrived twice", sum(count - 1 for count in arrived.values()), "")]


def kill_at(house, arrived, wanted: int) -> bool:
    """Once so many letters have arrived, kill the worker with everything it has started; whether it was at work."""
    until = time.monotonic() + 180
    while arrived() < wanted and time.monotonic() < until:
        time.sleep(0.02)
    if arrived() >= LETTERS:
        return False
    for pid in house.processes("worker"):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return True


def message_id(path) -> str:
    with path.open("rb") as file:
        return BytesHeaderParser().parsebytes(file.read(16_384))["Message-ID"]
