"""Korean and English: sentences, dates and an organisation's own texts in the language of the reader.

The catalogue is compiled when first needed, so that a checkout needs no build step.
Adding a language is adding `translations/<code>/LC_MESSAGES/messages.po` and its code to LOCALES.
"""
import io
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time, get_timezone_name
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import LazyProxy, NullTranslations, Translations

LOCALES = ("ko", "en")
NAMES = {"ko": "한국어", "en": "English"}
FOLDER = Path(__file__).parent / "translations"

_current: ContextVar[str] = ContextVar("locale", default="en")


@cache
def translations(locale: str) -> NullTranslations:
    path = FOLDER / locale / "LC_MESSAGES" / "messages.po"
    if not path.exists():
        return NullTranslations()
    compiled = io.BytesIO()
    with path.open("rb") as source:
        write_mo(compiled, read_po(source, locale=locale))
    compiled.seek(0)
    return Translations(compiled)


def current_locale() -> str:
    return _current.get()


def set_locale(locale: str) -> None:
    _current.set(locale)


@contextmanager
def force_locale(locale: str):
    """Speak `locale` for a while: a letter, a ticket."""
    token = _current.set(locale if locale in LOCALES else "en")
    try:
        yield
    finally:
        _current.reset(token)


def gettext(message: str, /, **values) -> str:
    text = translations(_current.get()).ugettext(message)
    return text % values if values else text


def ngettext(one: str, many: str, num: int, /, **values) -> str:
    text = translations(_current.get()).ungettext(one, many, num)
    return text % {"num": num, **values}


def lazy_gettext(message: str, /, **values) -> LazyProxy:
    return LazyProxy(gettext, message, enable_cache=False, **values)


_ = gettext
_l = lazy_gettext


def for_templates() -> tuple:
    """(gettext, ngettext) as Jinja's newstyle wants them: the sentence alone, which it fills in and escapes itself."""
    return (lambda message: translations(_current.get()).ugettext(message),
            lambda one, many, num: translations(_current.get()).ungettext(one, many, num))


def localized(value, locale: str | None = None) -> str:
    """An organisation's own text, stored as {"ko": …, "en": …}: in the reader's language, or in the one there is."""
    if not value:
        return ""
    if isinstance(value, str):
        return value
    return value.get(locale or _current.get()) or next((text for text in value.values() if text), "")


def when(moment: datetime, zone: str, locale: str | None = None) -> str:
    """Day and time in the event's zone: "Sun 22 Nov, 2:00 pm", "11월 22일 (일) 오후 2:00"; the year when it is not this one."""
    from eventapp import clock

    locale = locale or _current.get()
    local = moment.astimezone(ZoneInfo(zone))
    time = format_time(local, "aaaa h:mm" if locale == "ko" else "h:mm a", tzinfo=local.tzinfo, locale=locale)
    if locale != "ko":
        time = time.replace("AM", "am").replace("PM", "pm")
    other_year = local.year != clock.now().astimezone(ZoneInfo(zone)).year
    return f"{day(moment, zone, locale, year=other_year)}{' ' if locale == 'ko' else ', '}{time}"


def day(moment: datetime, zone: str, locale: str | None = None, year: bool = False) -> str:
    locale = locale or _current.get()
    local = moment.astimezone(ZoneInfo(zone))
    pattern = ("y년 " if year else "") + "M월 d일 (E)" if locale == "ko" else "EEE d MMM" + (" y" if year else "")
    return format_date(local.date(), pattern, locale=locale)


def time_of_day(moment: datetime, zone: str, locale: str | None = None) -> str:
    locale = locale or _current.get()
    local = moment.astimezone(ZoneInfo(zone))
    text = format_time(local, "aaaa h:mm" if locale == "ko" else "h:mm a", tzinfo=local.tzinfo, locale=locale)
    return text if locale == "ko" else text.replace("AM", "am").replace("PM", "pm")


def to_the_second(moment: datetime, zone: str) -> str:
    return format_time(moment.astimezone(ZoneInfo(zone)), "H:mm:ss", locale="en")


def number(value: int) -> str:
    """1,284"""
    return format_decimal(value, locale=_current.get())


def zone_name(zone: str, moment: datetime, locale: str | None = None) -> str:
    """The zone as a person names it: "Korean Standard Time", "대한민국 표준시"."""
    return get_timezone_name(moment.astimezone(ZoneInfo(zone)), locale=Locale.parse(locale or _current.get()))
