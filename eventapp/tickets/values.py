"""What tickets and mails are made from: plain values in the reader's language, nothing that reaches a database."""
import re
from dataclasses import dataclass
from datetime import datetime

DEFAULT_ACCENT = "#3b4cca"


@dataclass(frozen=True)
class Organization:
    """Who sends. `accent` is the only thing of theirs that reaches a style sheet, so its shape is checked."""

    name: str
    url: str
    accent: str = DEFAULT_ACCENT
    email: str = ""
    phone: str = ""
    business_name: str = ""
    representative: str = ""
    business_number: str = ""
    mail_order_number: str = ""
    address: str = ""

    def __post_init__(self):
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", self.accent):
            raise ValueError(f"an accent is #rrggbb, not {self.accent!r}")

    @property
    def on_accent(self) -> str:
        """White or black, whichever is easier to read on the accent (WCAG 2 relative luminance)."""
        parts = [int(self.accent[at:at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return "#ffffff" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.183 else "#000000"


@dataclass(frozen=True)
class Event:
    """`uid` stays the same for the life of the event, `sequence` grows with each change (RFC 5545)."""

    title: str
    url: str
    starts_at: datetime
    ends_at: datetime
    timezone: str
    uid: str
    sequence: int = 0
    updated_at: datetime | None = None
    venue: str = ""
    address: str = ""
    online_url: str = ""
    description: str = ""
    cancelled: bool = False


@dataclass(frozen=True)
class Participant:
    """One registration; `code` is the text of its QR, empty while there is no ticket."""

    name: str
    number: str
    programs: tuple[str, ...]
    code: str = ""
    email: str = ""

    @property
    def caption(self) -> str:
        """"WMC26-7K3Q9 · Main conference · Lodging"."""
        return " · ".join((self.number, *self.programs))


@dataclass(frozen=True)
class Ticket:
    """One page of a PDF, in the participant's language."""

    organization: Organization
    event: Event
    participant: Participant
    locale: str


@dataclass(frozen=True)
class Seller:
    """Who gives a receipt, as it was then."""

    name: str
    business_name: str = ""
    representative: str = ""
    business_number: str = ""
    mail_order_number: str = ""
    address: str = ""
    email: str = ""
    phone: str = ""


@dataclass(frozen=True)
class PaperLine:
    """`kind`: sold, or what else the money was for. `detail`: for whom."""

    kind: str
    amount: int
    name: str = ""
    detail: str = ""
    quantity: int = 1
    unit_price: int = 0
    tax_free: bool = False
    kept: int = 0


@dataclass(frozen=True)
class Paper:
    """A receipt, or the note of a refund: `kind` is receipt or refund, `movement` what happened in the ledger."""

    kind: str
    movement: str
    number: str
    issued_at: datetime
    timezone: str
    seller: Seller
    buyer: str
    numbers: tuple[str, ...]
    event: str
    event_when: str
    lines: tuple[PaperLine, ...]
    amount: int
    tax_free: int
    supply: int
    vat: int
    currency: str
    method: str
    moved_at: datetime
    reference: str
    paid_with: str = ""
    refers_to: str = ""
    kept: int = 0
    test: bool = False


@dataclass(frozen=True)
class Movement:
    """A line of a statement: `came` and `went` are the buyer's money."""

    at: datetime
    kind: str
    document: str = ""
    came: int = 0
    went: int = 0


@dataclass(frozen=True)
class Statement:
    """How an order stands at a moment (`as_of`): what was sold, what came, what went back."""

    as_of: str
    timezone: str
    seller: Seller
    buyer: str
    event: str
    event_when: str
    lines: tuple[PaperLine, ...]
    movements: tuple[Movement, ...]
    sold: int
    kept: int
    received: int
    given_back: int
    owed: int
    vat: int
    tax_free: int
    currency: str
    test: bool = False
