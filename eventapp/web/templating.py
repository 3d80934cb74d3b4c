"""What every template can use without asking: the design system, languages, money, dates, permissions."""
from functools import cache, lru_cache

import nh3
from flask import current_app, g
from markdown_it import MarkdownIt
from markupsafe import Markup

from eventapp import languages, money
from eventapp.permissions import can
from eventapp.web.ui import Ui
from eventapp.web.urls import here

RICH = {"p", "br", "strong", "em", "del", "h2", "h3", "h4", "ul", "ol", "li", "blockquote", "a", "code", "pre", "hr",
        "table", "thead", "tbody", "tr", "th", "td"}


def init_app(app):
    environment = app.jinja_env
    environment.add_extension("jinja2.ext.i18n")
    environment.install_gettext_callables(*languages.for_templates(), newstyle=True)
    environment.globals.update(ui=Ui(environment), can=can, locales=languages.NAMES, oob="", here=here)
    environment.filters.update(
        money=lambda amount, currency: money.money_text(amount, currency, languages.current_locale()),
        localized=languages.localized, when=languages.when, day=languages.day, time_of_day=languages.time_of_day,
        number=languages.number, to_the_second=languages.to_the_second,
        zone_name=languages.zone_name, markdown=markdown, phone=phone, isotime=lambda moment: moment.isoformat())
    environment.trim_blocks = environment.lstrip_blocks = True

    @app.context_processor
    def look():
        return {"locale": languages.current_locale(), "theme": g.get("theme", ""),
                "sandboxed": current_app.config["SETTINGS"].sandboxed}


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").enable("strikethrough")


@lru_cache(maxsize=512)
def markdown(text: str) -> Markup:
    """An organiser's text as safe HTML; headings begin below the page's own."""
    html = _markdown().render(text or "").replace("<h1>", "<h2>").replace("</h1>", "</h2>")
    return Markup(nh3.clean(html, tags=RICH, attributes={"a": {"href"}}, url_schemes={"http", "https", "mailto", "tel"},
                            link_rel="noopener nofollow"))


def phone(text: str) -> str:
    """A stored number as people write it: +82 10… as 010-1234-5678, others in international form."""
    import phonenumbers

    try:
        number = phonenumbers.parse(text, "KR")
    except phonenumbers.NumberParseException:
        return text
    form = phonenumbers.PhoneNumberFormat
    return phonenumbers.format_number(number, form.NATIONAL if number.country_code == 82 else form.INTERNATIONAL)
