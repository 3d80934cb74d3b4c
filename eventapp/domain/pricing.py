"""What anybody pays, at any moment: the page's total and the charge come from here alone."""
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from eventapp.models import Program


@dataclass(frozen=True, slots=True)
class Line:
    """One program for one participant at the price of the moment."""

    program: Program
    quantity: int
    unit_price: int
    tier: dict

    @property
    def amount(self) -> int:
        return self.quantity * self.unit_price


def current_tier(program: Program, at: datetime) -> dict | None:
    """The price that holds: the first tier whose end is not past. None when the last one has ended."""
    for tier in program.tiers:
        if tier.get("until") is None or at < datetime.fromisoformat(tier["until"]):
            return tier
    return None


def price(program: Program, at: datetime) -> int | None:
    """Minor units, or None when it is not sold at that moment."""
    tier = current_tier(program, at)
    if tier is None or (program.sales_open_at and at < program.sales_open_at) \
            or (program.sales_close_at and at >= program.sales_close_at):
        return None
    return tier["price"]


def lines(programs: dict[str, Program], chosen: dict[str, int], at: datetime) -> list[Line]:
    """What one participant has chosen (code → quantity), in the order of the event; what is not sold is left out."""
    return [Line(program, chosen[code], price(program, at), current_tier(program, at))
            for code, program in programs.items() if chosen.get(code) and price(program, at) is not None]


def total(lines_of_all) -> int:
    return sum(line.amount for lines_of_one in lines_of_all for line in lines_of_one)


def fingerprint(programs: dict[str, Program], at: datetime) -> str:
    """Of the price list as it stands: a page that shows another one is out of date."""
    text = ";".join(f"{code}={price(program, at)}" for code, program in sorted(programs.items()))
    return blake2b(text.encode(), digest_size=9).hexdigest()
