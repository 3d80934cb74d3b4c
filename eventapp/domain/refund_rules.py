"""What goes back when somebody cancels: the event's table, as whole days before it begins by the calendar of its own zone.

An order keeps the table that its buyer agreed to; where none was agreed to, all of the money goes back.
"""
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from eventapp import audit
from eventapp.domain import RefusedFields
from eventapp.languages import LOCALES, _, force_locale, localized, ngettext
from eventapp.models import Event, Order
from eventapp.money import money_text, read_amount

MOST_TIERS, MOST_DAYS, MOST_HOURS, LONGEST_NOTE = 10, 730, 720, 500
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
        lines.append(_("After that: no refund") if table[-1].percent or table[-1].days else _("Once the event has begun: no refund"))
        note = localized(rules.get("note") or {})
        return [*lines, note] if note else lines


def worse_than_the_standard(rules: dict) -> list[int]:
    """Days before the event on which less goes back than the standard for performances says."""
    table = tiers(rules)
    if not table:
        return []

    def percent(of, days):
        return next((tier.percent for tier in of if days >= tier.days), 0)

    standard = tiers(PERFORMANCES)
    days = sorted({tier.days for tier in standard} | {tier.days for tier in table}, reverse=True)
    return [each for each in days if percent(table, each) < percent(standard, each)
            or any(tier.fee and tier == next((one for one in table if each >= one.days), None) for tier in table)]


# -- writing them ---------------------------------------------------------------------------------------

def read(given, event: Event) -> tuple[dict, datetime | None]:
    """The table and until when participants may cancel by themselves, as a form gives them: tier-1-days, tier-1-percent,
    tier-1-fee, … Raises RefusedFields. Lines that are empty are left out; the order does not matter."""
    wrong: dict[str, str] = {}
    found = [tier for number in range(1, MOST_TIERS + 1) if (tier := _tier(given, number, event.currency, wrong))]
    table = sorted(found, key=lambda tier: -tier["days"])
    if len({tier["days"] for tier in table}) < len(table):
        wrong.setdefault("tiers", _("Two lines have the same number of days."))
    if any(later["percent"] > earlier["percent"] for earlier, later in zip(table, table[1:], strict=False)):
        wrong.setdefault("tiers", _("The nearer the event, the less goes back: a later line has a higher percentage."))
    rules: dict = {"tiers": table, "note": {}}
    if given.get("regret"):
        rules["regret"] = {"hours": _whole(given, "regret-hours", 1, MOST_HOURS, wrong), "days": _whole(given, "regret-days", 0, MOST_DAYS, wrong)}
    for locale in LOCALES:
        text = " ".join(given.get(f"note-{locale}", "").replace("\0", "").split())
        if len(text) > LONGEST_NOTE:
            wrong[f"note-{locale}"] = _("Use at most %(count)s characters; there are %(found)s.", count=LONGEST_NOTE, found=len(text))
        elif text:
            rules["note"][locale] = text
    until = _moment(given.get("until", ""), event, wrong)
    if wrong:
        raise RefusedFields(wrong)
    return (rules if table else {}), until


def _tier(given, number: int, currency: str, wrong: dict) -> dict | None:
    names = {name: f"tier-{number}-{name}" for name in ("days", "percent", "fee")}
    if not given.get(names["days"], "").strip() and not given.get(names["percent"], "").strip():
        return None
    days, percent = _whole(given, names["days"], 0, MOST_DAYS, wrong), _whole(given, names["percent"], 0, 100, wrong)
    typed = given.get(names["fee"], "").strip()
    fee = read_amount(typed, currency) if typed else 0
    if fee is None:
        wrong[names["fee"]] = _("Enter an amount, such as 30,000.")
    return {"days": days, "percent": percent, "fee": fee or 0}


def _whole(given, name: str, least: int, most: int, wrong: dict) -> int:
    text = given.get(name, "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 6 and least <= int(text) <= most):
        wrong[name] = _("Enter a whole number from %(least)s to %(most)s.", least=least, most=most)
        return least
    return int(text)


def _moment(text: str, event: Event, wrong: dict) -> datetime | None:
    if not text.strip():
        return None
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=ZoneInfo(event.timezone))
    except ValueError:
        wrong["until"] = _("Enter a date and a time.")
        return None


def save(event: Event, rules: dict, until: datetime | None, *, by) -> None:
    """For those who register from now on; who has registered keeps what they agreed to."""
    before = event.refund_rules, event.cancellable_until
    event.refund_rules, event.cancellable_until = rules, until
    audit.record("event.refund_rules_changed", event, by=by,
                 before={"refund_rules": before[0].get("tiers", []), "until": before[1] and before[1].isoformat()},
                 after={"refund_rules": rules.get("tiers", []), "until": until and until.isoformat()})


def _when(days: int) -> str:
    if days == 0:
        return _("On the day of the event, until it begins")
    return ngettext("Until %(num)s day before the event", "Until %(num)s days before the event", days)


def _what(tier: Tier, currency: str, locale: str) -> str:
    if tier.percent == 0:
        return _("no refund")
    if tier.fee:
        return _("%(percent)s%% less %(fee)s for each participant", percent=tier.percent, fee=money_text(tier.fee, currency, locale))
    return _("everything") if tier.percent == 100 else _("%(percent)s%%", percent=tier.percent)
