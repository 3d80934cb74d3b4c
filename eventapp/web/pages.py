"""Whole pages and fragments: the only place that asks whether htmx is calling."""
from flask import Response, current_app, flash, get_flashed_messages, make_response, redirect, render_template, request
from jinja2_fragments.flask import render_block
from markupsafe import Markup

OOB = Markup('hx-swap-oob="true"')


def is_htmx() -> bool:
    return request.headers.get("HX-Request") == "true" and not request.headers.get("HX-Boosted")


def wants_json() -> bool:
    """A program or a script of ours, which can do nothing with a page."""
    view = current_app.view_functions.get(request.endpoint)
    return request.path.startswith("/api/") or request.is_json or getattr(view, "speaks_json", False)


def target() -> str:
    """The id of the element that htmx wants to fill: `id`, or the part of `tag#id` after the #."""
    return request.headers.get("HX-Target", "").rpartition("#")[2]


def page(template: str, status: int = 200, **values) -> Response:
    """The whole page, or to htmx the block named like the element it wants to fill."""
    if is_htmx() and target():
        try:
            body = render_block(template, target(), oob="", **values)
        except LookupError:
            body = None
        except Exception as error:
            if type(error).__name__ != "BlockNotFoundError":
                raise
            body = None
        if body is not None:
            return _private(make_response(body + _toasts(), status))
    return _private(make_response(render_template(template, oob="", **values), status))


def pieces(*blocks: str, status: int = 200, **values) -> Response:
    """Pieces that find their own place: `template.html#block`, or a whole template whose root carries an id."""
    parts = []
    for name in blocks:
        template, _, block = name.partition("#")
        parts.append(render_block(template, block, oob=OOB, **values) if block
                     else render_template(template, oob=OOB, **values))
    return _private(make_response("".join(parts) + _toasts(), status))


def done(sentence: str, url: str, *blocks: str, **values) -> Response:
    """After a change: to a plain form 303 and a flash, to htmx the pieces that changed and a toast."""
    if sentence:
        flash(sentence, "success")
    if not is_htmx():
        return redirect(url, 303)
    if not blocks:
        return make_response("", 204, {"HX-Redirect": url})
    return pieces(*blocks, **values)


def _toasts() -> str:
    messages = get_flashed_messages(with_categories=True)
    return render_template("layouts/_toasts.html", messages=messages, oob=OOB) if messages else ""


def _private(response: Response) -> Response:
    """Nothing is kept anywhere unless a page asks for it (`web/page_cache.py`)."""
    response.headers.setdefault("Cache-Control", "no-store")
    response.vary.update(("Cookie", "HX-Request", "Accept-Language"))
    return response


def go(url: str):
    """Elsewhere, also when a fragment was asked for."""
    return make_response("", 204, {"HX-Redirect": url}) if is_htmx() else redirect(url, 303)
