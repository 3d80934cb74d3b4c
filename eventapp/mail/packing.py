"""A letter as an RFC 5322 message. Whatever could smuggle in a second header is refused here with ValueError."""
import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from eventapp import clock
from eventapp.mail.letters import Letter

PLAIN = SMTP.clone(max_line_length=78, cte_type="7bit")  # goes through any server, also without 8BITMIME


@dataclass(frozen=True)
class Attachment:
    """`name` is the file's name, or for an inline picture the cid without `cid:`."""

    name: str
    type: str
    content: bytes


def message_id(key: str, domain: str) -> str:
    """The same letter sent twice has the same id, so that mail programs and servers can tell."""
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{_clean(domain)}>"


def message(letter: Letter, to: str, from_: tuple[str, str], reply_to: str, message_id: str,
            attachments: Sequence[Attachment] = (), inline: Sequence[Attachment] = ()) -> EmailMessage:
    """`from_` is (the organisation's name, our address); `reply_to` may be empty."""
    made = EmailMessage(policy=PLAIN)
    made["From"] = _address(from_[1], _clean(from_[0]))
    made["To"] = _address(to)
    if reply_to:
        made["Reply-To"] = _address(reply_to)
    made["Subject"] = _clean(letter.subject)
    made["Date"] = format_datetime(clock.now())
    made["Message-ID"] = _clean(message_id)
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
    made["X-Auto-Response-Suppress"] = "All"  # the same for Exchange
    made.set_content(letter.text, cte="quoted-printable")
    made.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    page = made.get_payload()[1]
    for picture in inline:
        kind, subtype = picture.type.split("/")
        page.add_related(picture.content, kind, subtype, cid=f"<{_clean(picture.name)}>", disposition="inline",
                         filename=f"{_clean(picture.name)}.{subtype}")
    for file in attachments:
        _attach(made, file)
    return made


def _attach(made: EmailMessage, file: Attachment):
    kind, subtype = file.type.split("/")
    name = _clean(file.name)
    if kind == "text":  # a calendar: its method must be in the type, or it is shown as a mere file
        made.add_attachment(file.content.decode(), subtype, filename=name, cte="base64",
                            params={"method": "PUBLISH"} if subtype == "calendar" else None)
    else:
        made.add_attachment(file.content, kind, subtype, filename=name)


def _address(text: str, name: str = "") -> Address:
    """An address as it can travel: the domain in ASCII, and nothing in it that would be read as something else."""
    local, at, domain = _clean(text).rpartition("@")
    if not (local and at and domain):
        raise ValueError(f"not an address: {text!r}")
    try:
        spec = f"{local}@{domain.encode('idna').decode()}"
        address = Address(name, addr_spec=spec)
    except (UnicodeError, HeaderParseError):
        raise ValueError(f"not an address: {text!r}") from None
    if address.addr_spec != spec:
        raise ValueError(f"not an address: {text!r}")
    return address


def _clean(text: str) -> str:
    if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in text):
        raise ValueError("a header has no line breaks or control characters")
    return text
