"""Language and theme. An address that names a language is a person's act and goes first; then the account's choice, the
cookie, the browser and the organisation."""
from flask import g, request
from flask_login import current_user

from eventapp.languages import LOCALES, set_locale

YEAR = 365 * 24 * 3600
THEMES = ("light", "dark")


def choose() -> None:
    asked = request.args.get("lang")
    # Before anything is asked of the database, which may be away: the page that says so speaks the visitor's language too.
    set_locale(asked if asked in LOCALES else cookie("lang", LOCALES)
               or from_browser(request.headers.get("Accept-Language", "")) or LOCALES[0])
    choice = (asked if asked in LOCALES else None) or (current_user.locale if current_user.is_authenticated else None) \
        or cookie("lang", LOCALES) or from_browser(request.headers.get("Accept-Language", "")) \
        or (g.org.locale if g.get("org") else None) or LOCALES[0]
    g.locale = choice
    theme = request.args.get("theme") or request.cookies.get("theme")
    g.theme = theme if theme in THEMES else ""
    set_locale(choice)


def cookie(name: str, allowed) -> str | None:
    value = request.cookies.get(name)
    return value if value in allowed else None


def from_browser(header: str) -> str | None:
    """The first language of Accept-Language, by quality, that we speak."""
    wanted = []
    for place, part in enumerate(header.split(",")[:12]):
        tag, _, quality = part.strip().partition(";q=")
        try:
            wanted.append((-float(quality or 1), place, tag[:2].lower()))
        except ValueError:
            continue
    return next((tag for _, _, tag in sorted(wanted) if tag in LOCALES), None)


def remember(response):
    """`?lang=ko`, `?theme=dark`: this page already speaks so; a cookie of the look alone keeps it."""
    for name, allowed in (("lang", LOCALES), ("theme", (*THEMES, "auto"))):
        asked = request.args.get(name)
        if asked in allowed and asked != request.cookies.get(name) and response.status_code < 400:
            response.set_cookie(name, asked, max_age=YEAR, samesite="Lax", secure=request.is_secure, path="/")
    return response
