"""The child that turns HTML into PDF: started and talked to by `pdf.py` over its pipes.

It reads fonts and style sheets once and then serves page after page. It gets its HTML from our templates, but with
people's words in it, so it is fenced in: memory is limited, nothing is fetched but `data:` and our own static files,
and no socket can be opened nor program started, whatever a library might want. It ends when its parent does, and
when nobody has asked for a minute, so that its memory is only used while tickets are being made.

On the wire, both ways: four bytes of length, then as many bytes. A question is the style's name, a zero byte and the HTML;
the first byte of an answer is 0 (PDF) or 1 (why not).
"""
import gc
import os
import resource
import select
import signal
import struct
import sys
import threading
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

from weasyprint import CSS, HTML
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import FatalURLFetchingError, URLFetcher

STATIC = (Path(__file__).parent.parent / "static").resolve()
FOLDER = Path(__file__).parent.parent / "templates" / "pdf"
STYLES = ("ticket", "paper")
IDLE = 60  # seconds
FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.bind",
             "subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.fork", "os.forkpty")


class OwnFilesOnly(URLFetcher):
    def fetch(self, url, headers=None):
        parts = urlsplit(url)
        if parts.scheme == "data":
            return super().fetch(url, headers)
        if parts.scheme == "file" and not parts.netloc:
            path = Path(unquote(parts.path)).resolve()
            if path.is_relative_to(STATIC):
                return super().fetch(path.as_uri(), headers)
        raise FatalURLFetchingError(f"not one of our files: {url[:200]}")


def main(memory: int):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of a terminal; it is the parent who decides
    parent = os.getppid()
    fetcher, fonts = OwnFilesOnly(allowed_protocols=("data", "file"), allow_redirects=False), FontConfiguration()
    faces, *rest = (CSS(filename=str(FOLDER / f"{name}.css"), font_config=fonts, url_fetcher=fetcher) for name in ("fonts", *STYLES))
    styles = {name: [faces, style] for name, style in zip(STYLES, rest, strict=True)}
    HTML(string="<p>가 A", url_fetcher=fetcher).write_pdf(font_config=fonts, stylesheets=styles["ticket"])  # warm
    _fence(memory)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    wire_in, wire_out = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # a library's print must not get between the frames
    gc.freeze()
    gc.disable()  # tidying up waits until the answer is out
    _answer(wire_out, b"\0")  # ready
    while (question := _question(wire_in)) is not None:
        try:
            name, _zero, html = question.decode().partition("\0")
            pdf = HTML(string=html, base_url=STATIC.as_uri() + "/", url_fetcher=fetcher).write_pdf(
                font_config=fonts, stylesheets=styles[name])
            _answer(wire_out, b"\0" + pdf)
        except MemoryError:
            _answer(wire_out, b"\1out of memory")
            return
        except (Exception, FatalURLFetchingError) as error:  # noqa: BLE001 - the next page may be right
            _answer(wire_out, b"\1" + f"{type(error).__name__}: {error}".encode()[:500])
        gc.collect()


def _fence(memory: int):
    # Address space, which is what can be limited: what is used now and `memory` more.
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.addaudithook(_refuse)


def _refuse(event, arguments):
    if event in FORBIDDEN:
        raise PermissionError(f"the renderer does without {event}")


def _end_with(parent: int):
    """A kill -9 of the parent closes our pipe, but in the middle of a page nobody would be reading it."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


def _question(wire) -> bytes | None:
    if not select.select([wire], [], [], IDLE)[0]:
        return None
    head = wire.read(4)
    return wire.read(struct.unpack(">I", head)[0]) if len(head) == 4 else None


def _answer(wire, body: bytes):
    wire.write(struct.pack(">I", len(body)) + body)
    wire.flush()


if __name__ == "__main__":
    main(memory=int(sys.argv[1]))
