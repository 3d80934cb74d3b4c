"""Public pages for visitors without a session: answered before session, transaction and Flask itself.

An entry lives for a second, so a page is at most that old when the last place is sold or a price steps up; while one
thread renders it anew the others show what is there. A view opts in by `cacheable(response)`. Nothing in such a page may
be personal: no form, token, nonce or cookie.
"""
import gzip
import hashlib
import threading
import time
from functools import lru_cache

from flask import request
from flask_login import current_user

from eventapp.languages import LOCALES
from eventapp.web.preferences import THEMES, from_browser

SECONDS = 1.0
MOST = 500
NOT_KEPT = {"content-length", "x-request-id", "set-cookie", "date", "content-encoding"}
MARK = "X-Page-Cache"


def cacheable(response):
    """Only the plain page, as a stranger sees it."""
    if not request.args and not request.headers.get("HX-Request") and response.status_code == 200 \
            and not current_user.is_authenticated:
        response.headers[MARK] = "1"
        response.headers["Cache-Control"] = "no-cache"
    return response


@lru_cache(maxsize=4096)
def _browser_language(header: str) -> str | None:
    return from_browser(header)


def _cookies(header: str) -> dict[str, str]:
    return dict(part.strip().partition("=")[::2] for part in header.split(";") if "=" in part)


def _one_of(known, value: str | None) -> str | None:
    """Anything else draws the same page, and must not fill the memory with copies of it."""
    return value if value in known else None


class Entry:
    __slots__ = ("until", "status", "headers", "body", "zipped", "etag", "rendering")

    def __init__(self, status, headers, body):
        self.until = time.monotonic() + SECONDS
        self.status, self.body = status, body
        self.zipped = gzip.compress(body, 6)
        self.etag = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        self.headers = [*headers, ("ETag", self.etag)]
        self.rendering = threading.Lock()


class PageCache:
    def __init__(self, wsgi):
        self.wsgi, self.entries = wsgi, {}

    def key(self, environ):
        if environ["REQUEST_METHOD"] != "GET" or environ.get("QUERY_STRING") or environ.get("HTTP_HX_REQUEST"):
            return None
        header = environ.get("HTTP_COOKIE", "")
        cookies = _cookies(header) if header else {}
        if any(name.removeprefix("__Host-") in ("session", "order") for name in cookies):
            return None
        return (environ["wsgi.url_scheme"], environ.get("HTTP_HOST"), environ.get("PATH_INFO"), _one_of(THEMES, cookies.get("theme")),
                _one_of(LOCALES, cookies.get("lang")), _browser_language(environ.get("HTTP_ACCEPT_LANGUAGE", "")))

    def __call__(self, environ, start_response):
        key = self.key(environ)
        if key is None:
            return self.wsgi(environ, _unmarked(start_response))
        entry = self.entries.get(key)
        if entry and (entry.until > time.monotonic() or not entry.rendering.acquire(blocking=False)):
            return self.answer(entry, environ, start_response)
        try:
            return self.render(key, environ, start_response)
        finally:
            if entry:
                entry.rendering.release()

    def render(self, key, environ, start_response):
        caught = {}

        def catch(status, headers, exc_info=None):
            caught.update(status=status, headers=headers)
            return start_response

        body = self.wsgi(environ, catch)
        if not any(name == MARK for name, _ in caught["headers"]):
            start_response(caught["status"], caught["headers"])
            return body
        try:
            whole = b"".join(body)
        finally:
            getattr(body, "close", lambda: None)()
        headers = [(name, value) for name, value in caught["headers"] if name.lower() not in NOT_KEPT and name != MARK]
        if len(self.entries) > MOST:
            self.entries.clear()
        entry = self.entries[key] = Entry(caught["status"], headers, whole)
        return self.answer(entry, environ, start_response)

    @staticmethod
    def answer(entry, environ, start_response):
        if environ.get("HTTP_IF_NONE_MATCH") == entry.etag:
            start_response("304 NOT MODIFIED", entry.headers)
            return [b""]
        if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
            start_response(entry.status, [*entry.headers, ("Content-Encoding", "gzip"), ("Content-Length", str(len(entry.zipped)))])
            return [entry.zipped]
        start_response(entry.status, [*entry.headers, ("Content-Length", str(len(entry.body)))])
        return [entry.body]


def _unmarked(start_response):
    def start(status, headers, exc_info=None):
        return start_response(status, [pair for pair in headers if pair[0] != MARK], exc_info)
    return start
