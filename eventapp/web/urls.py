"""Addresses: made in one place, safe to go to, and signed where they must not be altered."""
from urllib.parse import urlsplit

from flask import current_app, request, url_for
from itsdangerous import BadSignature, URLSafeTimedSerializer


def is_local(target: str) -> bool:
    """A path of ours: one slash in front, no backslash or control character, nothing a browser reads as a host."""
    if not target.startswith("/") or target.startswith(("//", "/\\")):
        return False
    return "\\" not in target and target.isprintable() and not urlsplit(target).netloc


def next_url(default: str) -> str:
    """Where the visitor wanted to go, as the page before has put it into the form or address."""
    target = request.form.get("next") or request.args.get("next") or ""
    return target if is_local(target) else default


def came_from() -> str:
    """The page of ours that led here, or nothing."""
    parts = urlsplit(request.referrer or "")
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return path if parts.netloc == request.host and is_local(path) else ""


def login_url() -> str:
    wanted = request.full_path.rstrip("?") if request.method == "GET" else ""
    if request.headers.get("HX-Current-URL"):
        parts = urlsplit(request.headers["HX-Current-URL"])
        wanted = parts.path + (f"?{parts.query}" if parts.query else "")
    return url_for("auth.login", next=outside(wanted) if is_local(wanted) else None)


def here() -> str:
    """The address of this page as the visitor's address bar has it; of what a form has answered, the page it belongs to."""
    return outside(request.full_path.rstrip("?") if request.method == "GET" else request.path)


def outside(path: str) -> str:
    """The path as the visitor's address bar has it."""
    from eventapp.tenancy import shorten

    return shorten(path)


def sign(purpose: str, value) -> str:
    return URLSafeTimedSerializer(current_app.secret_key, salt=f"eventapp {purpose}").dumps(value)


def read_signed(purpose: str, text: str, max_age: int | None = None):
    """The value that was signed for this purpose, or None."""
    try:
        return URLSafeTimedSerializer(current_app.secret_key, salt=f"eventapp {purpose}").loads(text, max_age=max_age)
    except BadSignature:
        return None
