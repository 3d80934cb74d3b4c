"""What goes back when somebody cancels: the event's table, as whole days before it begins by the calendar of its own zone.

An order keeps the table that its buyer agreed to; where none was agreed to, all of the money goes back.
"""
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from eventapp.languages import _, force_locale, localized, ngettext
from eventapp.models import Event, Order
from eventapp.money import money_text

MOST_TIERS, MOST_DAYS = 10, 730
PERFORMANCES = {"tiers": [{"days": 10, "percent": 100, "fee": 0}, {"days": 7, "percent": 90, "fee": 0},
                          {"days": 3, "percent": 80, "fee": 0}, {"days": 1, "percent": 70, "fee": 0},
                          {"days": 0, "percent": 10, "fee": 0}],
                "regret": {"hours": 24, "days": 3}, "note": {}}
"""공연업 소비자분쟁해결기준: the Fair Trade Commission's standard for performances."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A line of the table: from so many days before, this part of the money less a fee for each participant."""

    days: int
    percent: int
    fee: int = 0

    def amount(self, paid: int) -> int:
        """Of what somebody has paid: the part that goes back, in whole minor units."""
        part = (Decimal(paid) * self.percent / 100).quantize(Decimal(1), ROUND_HALF_UP)
        return max(0, int(part) - self.fee)


ALL, NOTHING = Tier(0, 100), Tier(0, 0)


def tiers(rules: dict) -> list[Tier]:
    return [Tier(one["days"], one["percent"], one.get("fee", 0)) for one in rules.get("tiers", [])]


def terms(event: Event) -> dict:
    """The table as it stands, to be kept with an order."""
    return dict(event.refund_rules or {})


def of_order(order: Order) -> dict:
    """What its buyer agreed to."""
    return order.refund_terms.get("rules") or {}


def days_before(event: Event, at: datetime) -> int:
    """Midnights between then and the day it begins, where it takes place."""
    zone = ZoneInfo(event.timezone)
    return (event.starts_at.astimezone(zone).date() - at.astimezone(zone).date()).days


def share(rules: dict, event: Event, at: datetime, booked_at: datetime | None = None) -> Tier:
    """The line that holds at a moment. Without a table everything goes back; below its last line, and once the event has
    begun, nothing."""
    table = tiers(rules)
    if not table:
        return ALL
    if at >= event.starts_at:
        return NOTHING
    left, regret = days_before(event, at), rules.get("regret")
    if regret and booked_at and at < booked_at + timedelta(hours=regret["hours"]) and left >= regret["days"]:
        return Tier(regret["days"], 100)
    return next((tier for tier in table if left >= tier.days), NOTHING)


def in_words(rules: dict, event: Event, locale: str) -> list[str]:
    """The table line by line, as it is shown before somebody pays."""
    with force_locale(locale):
        table = tiers(rules)
        if not table:
            return [_("Everything you paid goes back.")]
        lines, regret = [], rules.get("regret")
        if regret:
            lines.append(_("Within %(hours)s hours of registering, and at least %(days)s days before the event: everything",
                           hours=regret["hours"], days=regret["days"]))
        lines += [f"{_when(tier.days)}: {_what(tier, event.currency, locale)}" for tier in table]
        lines.append(_("After that: nothing") if table[-1].percent or table[-1].days else _("Once the event has begun: nothing"))
        note = localized(rules.get("note") or {})
        return [*lines, note] if note else lines


def _when(days: int) -> str:
    if days == 0:
        return _("On the day of the event, until it begins")
    return ngettext("Until %(num)s day before the event", "Until %(num)s days before the event", days)


def _what(tier: Tier, currency: str, locale: str) -> str:
    if tier.percent == 0:
        return _("nothing")
    if tier.fee:
        return _("%(percent)s%% less %(fee)s for each participant", percent=tier.percent, fee=money_text(tier.fee, currency, locale))
    return _("everything") if tier.percent == 100 else _("%(percent)s%%", percent=tier.percent)
