"""Tickets and receipts as PDF, made in one long-lived child per process (`renderer.py`), shared by the process's threads."""
import base64
import os
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from eventapp.languages import current_locale, force_locale
from eventapp.mail.environment import environment
from eventapp.tickets import qr
from eventapp.tickets.values import Paper, Statement, Ticket

RENDERER = Path(__file__).with_name("renderer.py")  # as a file: as a module it would load the whole application
SECONDS = 20  # for one document; a hundred tickets take two
STARTING = 30  # for the child to be ready; half a second when the machine is idle
MEMORY = 512 * 2**20  # beyond what the child has when it is ready
DOCUMENTS = 200  # after so many a new child: whatever leaks, leaks a little
LONGEST = 8 * 2**20  # bytes of HTML


class RenderFailed(Exception):
    """This document cannot be made; why is in the message, which is for our log."""


class _Gone(Exception):
    """The child went away by itself: idle, recycled, killed. Another may do."""


def ticket(value: Ticket) -> bytes:
    return tickets([value])


def tickets(values: Sequence[Ticket]) -> bytes:
    """One document with a page for each ticket, in the language of each."""
    pages = []
    for value in values:
        with force_locale(value.locale):
            page = environment().get_template("pdf/ticket.html").render(
                organization=value.organization, event=value.event, participant=value.participant,
                language=value.locale, qr=_picture(value.participant.code))
        pages.append(Markup(page))  # noqa: S704 - escaped when it was rendered
    return render(environment().get_template("pdf/tickets.html").render(
        pages=pages, title=values[0].event.title, language=values[0].locale))


def _picture(code: str) -> str:
    """As an image: drawing the same as SVG takes WeasyPrint longer than all the rest of the page."""
    return "data:image/png;base64," + base64.b64encode(qr.png(code, module=4)).decode()


def paper(value: Paper) -> bytes:
    """A receipt, or the note of a refund, in the language that is being spoken."""
    return render(environment().get_template(f"pdf/{value.kind}.html").render(paper=value, language=current_locale()), "paper")


def statement(value: Statement) -> bytes:
    return render(environment().get_template("pdf/statement.html").render(paper=value, language=current_locale()), "paper")


def render(html: str, style: str = "ticket") -> bytes:
    """`html` with `templates/pdf/<style>.css` as PDF; raises RenderFailed."""
    body = f"{style}\0{html}".encode()
    if len(body) > LONGEST:
        raise RenderFailed("the document is too long")
    with _child.lock:
        for attempt in (1, 2):
            try:
                return _child.render(body)
            except _Gone:
                if attempt == 2:
                    raise RenderFailed("the renderer died twice over this document") from None


def stop() -> None:
    """End the child; the next document starts another."""
    with _child.lock:
        _child.stop()


class _Child:
    def __init__(self):
        self.lock = threading.Lock()
        self.process: subprocess.Popen | None = None
        self.made = 0

    def render(self, body: bytes) -> bytes:
        if self.process is None or self.process.poll() is not None or self.made >= DOCUMENTS:
            self.start()
        deadline = time.monotonic() + SECONDS
        try:
            self.write(struct.pack(">I", len(body)) + body, deadline)
            answer = self.read(deadline)
        except BaseException:
            self.stop()  # whatever it was doing, its next answer would be to this question
            raise
        self.made += 1
        if answer[:1] == b"\0":
            return answer[1:]
        raise RenderFailed(answer[1:].decode(errors="replace"))

    def start(self):
        self.stop()
        # Nothing of our environment but where programs and libraries are: no secret lies in its memory.
        keep = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "LANG", "HOME", "TMPDIR")
                if name in os.environ}
        self.process = subprocess.Popen([sys.executable, "-I", str(RENDERER), str(MEMORY)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, env=keep, bufsize=0)
        os.set_blocking(self.process.stdin.fileno(), False)
        self.made = 0
        try:
            self.read(time.monotonic() + STARTING)
        except BaseException:
            self.stop()
            raise

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None

    def write(self, data: bytes, deadline: float):
        pipe, left = self.process.stdin.fileno(), memoryview(data)
        while left:
            if not select.select([], [pipe], [], max(0, deadline - time.monotonic()))[1]:
                raise RenderFailed("the renderer took too long")
            try:
                left = left[os.write(pipe, left):]
            except BrokenPipeError:
                raise _Gone from None

    def read(self, deadline: float) -> bytes:
        return self.exactly(struct.unpack(">I", self.exactly(4, deadline))[0], deadline)

    def exactly(self, count: int, deadline: float) -> bytes:
        pipe, out = self.process.stdout.fileno(), bytearray()
        while len(out) < count:
            if not select.select([pipe], [], [], max(0, deadline - time.monotonic()))[0]:
                raise RenderFailed("the renderer took too long")
            some = os.read(pipe, min(2**20, count - len(out)))
            if not some:
                raise _Gone
            out += some
        return bytes(out)


_child = _Child()


def _after_fork():
    """A forked process has a copy of the pipes, not of the child: it starts its own."""
    global _child
    _child = _Child()


os.register_at_fork(after_in_child=_after_fork)
