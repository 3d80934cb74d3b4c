"""The sandbox's own HTML: Korean and English side by side, no scripts."""
import json
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from werkzeug.exceptions import NotFound
from werkzeug.security import safe_join
from werkzeug.wrappers import Response

from eventapp.money import money_text
from eventapp.sandbox.shapes import METHODS, moment

FOLDER = Path(__file__).parent / "templates"
FONT = Path(__file__).parents[1] / "static" / "vendor" / "pretendard"
STYLE = (FOLDER / "sandbox.css").read_text(encoding="utf-8")

_templates = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True)
_templates.filters["won"] = lambda amount: f"₩{amount:,}"
_templates.filters["moment"] = lambda at: (moment(at) or "")[:19].replace("T", " ")
_templates.filters["money"] = lambda amount, currency: money_text(amount, currency, "ko")
_templates.filters["json"] = lambda body: json.dumps(body, ensure_ascii=False, indent=2)
_templates.filters["method"] = METHODS.get


def page(template: str, status: int = 200, **values) -> Response:
    response = Response(_templates.get_template(template).render(**values), status, mimetype="text/html")
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'self'; font-src 'self'; img-src data:"
    response.headers["Cache-Control"] = "no-store"
    return response


def style(sandbox, request) -> Response:
    return Response(STYLE, mimetype="text/css")


def font(sandbox, request, name: str) -> Response:
    """The app's own letters, for machines without Korean ones."""
    path = safe_join(FONT, name)
    if path is None or not Path(path).is_file():
        raise NotFound
    response = Response(Path(path).read_bytes(), mimetype="text/css" if name.endswith(".css") else "font/woff2")
    response.headers["Cache-Control"] = "max-age=86400"
    return response
