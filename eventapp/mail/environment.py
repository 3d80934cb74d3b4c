"""The templates of letters and tickets: Jinja with our translations, without flask.

Everything speaks the language that `languages.force_locale` has set; an unknown name is an error, not a gap.
"""
from datetime import datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from eventapp import languages
from eventapp.money import money_text
from eventapp.tickets.values import Event


@cache
def environment() -> Environment:
    made = Environment(loader=FileSystemLoader(Path(__file__).parent.parent / "templates"), undefined=StrictUndefined,
                       autoescape=select_autoescape(("html",)), trim_blocks=True, lstrip_blocks=True,
                       extensions=["jinja2.ext.i18n"])
    made.install_gettext_callables(*languages.for_templates(), newstyle=True)
    made.filters.update(money=_money, when=languages.when, date=_date, span=span, zone=_zone)
    made.globals.update(locale=languages.current_locale)
    return made


def span(event: Event) -> tuple[str, str]:
    """From when to when, in pieces for one line or two: "Thu 5 Aug 2027, 2:00 pm –", "Sun 8 Aug, 1:00 pm"."""
    zone = event.timezone
    first, last = (moment.astimezone(ZoneInfo(zone)).date() for moment in (event.starts_at, event.ends_at))
    comma = " " if languages.current_locale() == "ko" else ", "
    starts = f"{languages.day(event.starts_at, zone, year=True)}{comma}{languages.time_of_day(event.starts_at, zone)} –"
    ends = languages.time_of_day(event.ends_at, zone)
    if first != last:
        ends = f"{languages.day(event.ends_at, zone, year=first.year != last.year)}{comma}{ends}"
    return starts, ends


def _money(amount: int, currency: str) -> str:
    return money_text(amount, currency, languages.current_locale())


def _date(moment: datetime, zone: str) -> str:
    return languages.day(moment, zone, year=True)


def _zone(zone: str, moment: datetime) -> str:
    return languages.zone_name(zone, moment)
