"""An offer as a visitor sees it: each program with the price of the moment, what comes after, and what is left."""
import re
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from eventapp.domain import pricing, refund_rules
from eventapp.domain.ordering import Offer
from eventapp.languages import current_locale, localized
from eventapp.mail.values import Deposit
from eventapp.models import Event, Program


@dataclass(frozen=True, slots=True)
class Sale:
    """`state`: open, sold_out, not_yet or closed. `left` only when it is worth saying."""

    program: Program
    state: str
    price: int
    tier: dict
    until: datetime | None
    next_price: int | None
    left: int | None


def sales(offer: Offer) -> list[Sale]:
    return [_sale(offer, program) for program in offer.programs.values() if program.tiers]


def refund_words(event: Event, sales: list[Sale]) -> list[str]:
    """What comes back when somebody cancels, where there is anything to pay."""
    return refund_rules.in_words(refund_rules.terms(event), event, current_locale()) if any(sale.price for sale in sales) else []


def lowest(sales: list[Sale]) -> int | None:
    """From how much one can come: the cheapest admission on sale, or anything when there is no admission."""
    admissions = [sale for sale in sales if sale.program.kind == "admission"] or sales
    return min((sale.price for sale in admissions if sale.state == "open"), default=None)


def state(offer: Offer, sales: list[Sale]) -> str:
    """open, sold_out, not_yet, closed, cancelled or draft: what the page says about coming."""
    whole = offer.event.registration_state(offer.at)
    admissions = [sale for sale in sales if sale.program.kind == "admission"] or sales
    full = any(quota.left <= 0 for quota in offer.whole_event)
    if whole == "open" and (full or (admissions and all(sale.state == "sold_out" for sale in admissions))):
        return "sold_out"
    return whole


def _sale(offer: Offer, program: Program) -> Sale:
    tier = pricing.current_tier(program, offer.at) or program.tiers[-1]
    # A tier that costs the same is no news.
    following = program.tiers[program.tiers.index(tier):]
    last, later = next(((now, after) for now, after in pairwise(following) if after["price"] != tier["price"]), (tier, None))
    until = datetime.fromisoformat(last["until"]) if later and last.get("until") else None
    return Sale(program, _state(offer, program), tier["price"], tier.get("name") or {}, until,
                later["price"] if later else None, _left(offer, program))


def _state(offer: Offer, program: Program) -> str:
    if program.sales_open_at and offer.at < program.sales_open_at:
        return "not_yet"
    if pricing.price(program, offer.at) is None:
        return "closed"
    left = offer.left(program)
    return "sold_out" if left is not None and left < max(1, program.minimum) else "open"


def _left(offer: Offer, program: Program) -> int | None:
    scarce = [quota.left for quota in [*program.quotas, *offer.whole_event] if quota.is_scarce]
    return min(scarce, default=None)


def order_lines(registrations) -> list[tuple[str, int, int]]:
    """What an order is for, over all its participants: (name, quantity, amount)."""
    return _summed((localized(item.name), item.unit_price, item.quantity)
                   for one in registrations for item in one.line_items)


def quote_lines(sold) -> list[tuple[str, int, int]]:
    """The same of what is only chosen so far: `pricing.Line`s of each participant."""
    return _summed((localized(line.program.name), line.unit_price, line.quantity) for lines in sold for line in lines)


def _summed(items) -> list[tuple[str, int, int]]:
    counted: dict[tuple[str, int], int] = {}
    for name, price, quantity in items:
        counted[name, price] = counted.get((name, price), 0) + quantity
    return [(name, quantity, price * quantity) for (name, price), quantity in counted.items()]


# -- for eyes other than the buyer's -------------------------------------------------------------------

def masked(name: str) -> str:
    """Enough to know whom it is about, and no more: 김*나, H*** K**."""
    return " ".join(_masked(word) for word in name.split())


def _masked(word: str) -> str:
    hangul = re.search("[가-힣]", word)
    return word[0] + "*" * (len(word) - 2) + word[-1] if hangul and len(word) > 2 else word[0] + "*" * max(1, min(3, len(word) - 1))


def without_names(deposit: Deposit) -> Deposit:
    """An account of the buyer's own bears the buyer's name; the organiser's bears the organiser's."""
    return replace(deposit, holder="" if deposit.virtual else deposit.holder, depositor="")
