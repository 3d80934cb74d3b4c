"""The sandbox's own HTML: Korean and English side by side, no scripts."""
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from werkzeug.wrappers import Response

from eventapp.sandbox.shapes import METHODS, moment

FOLDER = Path(__file__).parent / "templates"
STYLE = (FOLDER / "sandbox.css").read_text(encoding="utf-8")

_templates = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True)
_templates.filters["won"] = lambda amount: f"₩{amount:,}"
_templates.filters["moment"] = lambda at: (moment(at) or "")[:19].replace("T", " ")
_templates.filters["method"] = METHODS.get


def page(template: str, status: int = 200, **values) -> Response:
    response = Response(_templates.get_template(template).render(**values), status, mimetype="text/html")
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'self'; img-src data:"
    response.headers["Cache-Control"] = "no-store"
    return response


def style(sandbox, request) -> Response:
    return Response(STYLE, mimetype="text/css")
