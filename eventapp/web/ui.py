"""The design system's macros, reached from any template: `ui.badge(…)` is macro `badge` in `templates/ui/badge.html`.

A global rather than `{% import %}`, because a fragment is rendered without what its template imports.
"""
import re
from datetime import datetime, timedelta

from babel.dates import format_timedelta
from jinja2 import Environment
from markupsafe import Markup, escape

from eventapp import clock
from eventapp.languages import _, current_locale


class Ui:
    def __init__(self, environment: Environment):
        self._environment = environment
        environment.filters.update(attributes=attributes, until=until)

    def __getattr__(self, name: str):
        if name.startswith("_"):
            raise AttributeError(name)
        macro = getattr(self._environment.get_template(f"ui/{name}.html").module, name)
        if not self._environment.auto_reload:
            setattr(self, name, macro)  # a page asks a hundred times
        return macro


def attributes(given: dict) -> Markup:
    """A macro's further arguments as HTML: `data_testid="pay"` → ` data-testid="pay"`; True stands bare, None and
    False are left out. `class_` is for the macro itself."""
    parts = []
    for name, value in given.items():
        name = name.rstrip("_").replace("_", "-")
        if not re.fullmatch(r"[a-z][a-z0-9:.-]*", name):
            raise ValueError(f"not an attribute: {name}")
        if value is True:
            parts.append(Markup(" {}").format(name))
        elif value is not None and value is not False:
            parts.append(Markup(' {}="{}"').format(name, escape(value)))
    return Markup("").join(parts)


def until(moment: datetime) -> str:
    """How far away a moment is: "in 14 minutes", "14분 후". Whole units only, as `js/modules/countdown.js` counts."""
    seconds = (moment - clock.now()).total_seconds()
    if abs(seconds) < 1:
        return _("just now")
    unit = next((size for size in (86400, 3600, 60) if abs(seconds) >= size), 1)
    whole = timedelta(seconds=int(seconds / unit) * unit)
    return format_timedelta(whole, add_direction=True, threshold=1, locale=current_locale())
