"""The local mailbox: what `send(…, "folder:…")` has put down, newest first, for people and tests to look at."""
import base64
import email
import re
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import default
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path

NAME = re.compile(r"[0-9]{20}-[0-9]+-[0-9a-f]{8}")
HEADERS = 16_384  # bytes of a file that its headers fit into


@dataclass(frozen=True)
class Envelope:
    name: str
    to: str
    sender: str
    subject: str
    date: str

    @property
    def sent_at(self):
        return parsedate_to_datetime(self.date)


def envelopes(folder: Path, search: str = "", start: int = 0, count: int = 50) -> tuple[list[Envelope], int]:
    """One page of letters whose address or subject contains `search`, and how many there are."""
    names = sorted((path.stem for path in folder.glob("*.eml")), reverse=True)
    if not search:
        return [envelope for name in names[start:start + count] if (envelope := _envelope(folder, name))], len(names)
    found = [envelope for name in names if (envelope := _envelope(folder, name))
             and search.casefold() in f"{envelope.to}\n{envelope.subject}".casefold()]
    return found[start:start + count], len(found)


def raw(folder: Path, name: str) -> bytes | None:
    """The file as it was sent, or None when there is none of that name."""
    try:
        return (folder / f"{name}.eml").read_bytes() if NAME.fullmatch(name) else None
    except FileNotFoundError:
        return None


def read(folder: Path, name: str) -> EmailMessage | None:
    content = raw(folder, name)
    return email.message_from_bytes(content, policy=default) if content is not None else None


def page(message: EmailMessage) -> str:
    """The HTML with its pictures inside, and links that leave the frame they are shown in."""
    part = message.get_body(("html",))
    if part is None:
        return ""
    pictures = {picture["Content-ID"].strip("<>"): picture for picture in message.walk() if picture["Content-ID"]}

    def inside(match):
        picture = pictures.get(match[1])
        if picture is None:
            return match[0]
        return f"data:{picture.get_content_type()};base64,{base64.b64encode(picture.get_content()).decode()}"

    html = re.sub(r"cid:([A-Za-z0-9._-]+)", inside, part.get_content())
    return html.replace("<head>", '<head><base target="_blank">', 1)


def empty(folder: Path) -> None:
    for path in folder.glob("*.eml"):
        path.unlink(missing_ok=True)


@lru_cache(maxsize=5000)
def _envelope(folder: Path, name: str) -> Envelope | None:
    """A letter never changes once it is there, so its headers are read once."""
    try:
        with (folder / f"{name}.eml").open("rb") as file:
            headers = BytesHeaderParser(policy=default).parsebytes(file.read(HEADERS))
    except FileNotFoundError:
        return None
    return Envelope(name, str(headers["To"]), str(headers["From"]), str(headers["Subject"]), str(headers["Date"]))
