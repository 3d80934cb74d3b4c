"""What the letters about an order are made from, beside `tickets.values`."""
from dataclasses import dataclass
from datetime import datetime

from eventapp.tickets.values import Participant


@dataclass(frozen=True)
class Order:
    """`url` is the buyer's page; `pay_by` is when its places are given up, where there is such a moment."""

    name: str
    url: str
    amount: int
    currency: str
    participants: tuple[Participant, ...]
    pay_by: datetime | None = None
    added: bool = False
    """The amount is for what was added to an order that is confirmed already."""


@dataclass(frozen=True)
class Deposit:
    """Where to send the money. `depositor` is the name the bank should show, so that it is recognised;
    a virtual account needs none and takes the exact amount only."""

    bank: str
    account_number: str
    holder: str
    virtual: bool
    depositor: str = ""
