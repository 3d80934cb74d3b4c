"""A test client that behaves like a browser, and reads each page as it passes."""
import re
from collections import Counter
from html.parser import HTMLParser

from flask.testing import FlaskClient

VOID = {"input", "br", "img", "meta", "link", "hr", "source", "wbr", "col", "area", "base", "embed", "track"}


class Document(HTMLParser):
    """The few things of a page that every page must have right."""

    def __init__(self, text: str):
        super().__init__()
        self.ids, self.labels, self.fields, self.forms, self.inline, self.titles = Counter(), set(), [], [], [], []
        self.language, self._in, self.headings = "", [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag not in VOID:
            self._in.append(tag)
        if values.get("id"):
            self.ids[values["id"]] += 1
        if tag == "html":
            self.language = values.get("lang", "")
        if tag == "label" and values.get("for"):
            self.labels.add(values["for"])
        if tag == "form":
            self.forms.append({"method": values.get("method", "get").lower(), "action": values.get("action"), "fields": []})
        if tag in ("input", "select", "textarea", "button") and self.forms:
            self.forms[-1]["fields"].append(values)
        if tag in ("input", "select", "textarea") and values.get("type") not in ("hidden", "submit", "button"):
            named = values.get("aria-label") or values.get("aria-labelledby") or "label" in self._in
            self.fields.append((values.get("name"), values.get("id"), bool(named)))
        if "style" in values or any(name.startswith("on") for name in values) or (
                tag == "script" and "src" not in values and values.get("type") not in ("application/json", "application/ld+json")):
            self.inline.append(tag)

    def handle_endtag(self, tag):
        if tag in self._in:
            while self._in.pop() != tag:
                pass

    def handle_data(self, data):
        if self._in and self._in[-1] == "title" and "svg" not in self._in:
            self.titles.append(data)
        if self._in and self._in[-1] == "h1":
            self.headings.append(data.strip())

    def problems(self) -> list[str]:
        found = [f"id {name} stands {count} times" for name, count in self.ids.items() if count > 1]
        found += [f"field {name} has no label" for name, id_, named in self.fields if not named and id_ not in self.labels]
        found += [f"inline script or style in <{tag}>" for tag in self.inline]
        found += [f"form to {form['action']} posts without a csrf token" for form in self.forms
                  if form["method"] == "post" and not any(field.get("name") == "csrf_token" for field in form["fields"])]
        if not "".join(self.titles).strip():
            found.append("no title")
        if self.language not in ("ko", "en"):
            found.append(f"language {self.language!r}")
        return found


class Client(FlaskClient):
    """Sends the Origin a browser would, carries the csrf token of its session, and checks every whole page it gets."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.environ_base["HTTP_ACCEPT_LANGUAGE"] = "en"

    def open(self, *args, **kwargs):
        # A context of its own, or the request would find what the test, or the request before, has left in `g`.
        with self.application.app_context():
            response = super().open(*args, **kwargs)
        if response.mimetype == "text/html" and "<html" in response.text[:300]:
            problems = Document(response.text).problems()
            assert not problems, f"{response.request.path}: {problems}"
        return response

    def token(self) -> str:
        """Of the session, as every form of this browser carries it."""
        page = self.open("/auth/login").text
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        if found:
            return found[1]
        return re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.open("/account").text)[1]

    def post(self, path, data=None, *, headers=None, **kwargs):
        """Like a form of the page: `data` is a dict, lists repeat a name."""
        if "json" in kwargs or isinstance(data, (bytes, str)):
            return super().post(path, data=data, headers=headers, **kwargs)
        base = kwargs.get("base_url", "http://localhost")
        sent = {"csrf_token": self.token() if base == "http://localhost" else ""} | (data or {})
        return super().post(path, data=sent, headers={"Origin": base, **(headers or {})}, **kwargs)
