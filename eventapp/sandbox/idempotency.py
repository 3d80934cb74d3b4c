"""Toss's rules for `Idempotency-Key`: 15 days, the first answer again whatever the body says, refusals included."""
import hashlib
import threading

from eventapp.sandbox.journal import Journal

LIFETIME = 15 * 86400


class Idempotency:
    lifetime = LIFETIME
    line = "answer"
    """Its name in the journal."""

    def __init__(self, journal: Journal):
        self.journal, self.lock = journal, threading.Lock()
        self.answers: dict[str, dict] = {}
        self.running: set[str] = set()

    @staticmethod
    def name(*parts: str) -> str:
        """Header, API key, method and address; the body is not part of it."""
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def begin(self, name: str, now: float) -> dict | None | bool:
        """The answer given before; None to go on (and `end` must follow); False while another is at it."""
        with self.lock:
            if name in self.running:
                return False
            answer = self.answers.get(name)
            if answer and now - answer["at"] <= self.lifetime:
                return answer
            self.running.add(name)
            return None

    def end(self, name: str, answer: dict | None) -> None:
        with self.lock:
            self.running.discard(name)
            if answer:
                self.answers[name] = answer
                self.journal.append(**{self.line: {"name": name, **answer}})

    def restore(self, line: dict) -> None:
        if self.line in line:
            answer = dict(line[self.line])
            self.answers[answer.pop("name")] = answer

    def dump(self):
        yield from ({self.line: {"name": name, **answer}} for name, answer in self.answers.items())

    def clear(self) -> None:
        with self.lock:
            self.answers.clear()
