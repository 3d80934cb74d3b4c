"""Hosts that are nobody's, and whose they are while the database is away; copies of pages."""
import pytest
from sqlalchemy.exc import OperationalError

from eventapp import tenancy

STRANGE = "http://10.1.2.3"


@pytest.fixture
def database_away(monkeypatch):
    def by_domain(host):
        raise OperationalError("SELECT", {}, Exception("the server is not there"))

    monkeypatch.setattr(tenancy.lookup, "by_domain", by_domain)


def test_on_a_strange_host_only_probes_are_answered(client):
    answers = {path: client.get(path, base_url=STRANGE).status_code
               for path in ("/", "/seoul-ubf", "/auth/login", "/account", "/static/css/app.css", "/api/live")}
    assert answers == dict.fromkeys(answers, 404) | {"/api/live": 200}


def test_whose_host_it_is_can_not_be_said_while_the_database_is_away(client, database_away):
    answer = client.get("/wmc-2026", base_url="http://events.example.org")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "Content-Security-Policy" in answer.headers and "<h1>" in answer.text
    assert client.get("/api/live", base_url=STRANGE).status_code == 200


def test_made_up_cookies_make_no_copies_of_a_page(app, client):
    for theme in ("dark", "<b>", "1", "2"):
        client.set_cookie("theme", theme)
        client.set_cookie("lang", theme)
        client.get("/seoul-ubf/wmc-2026")
    assert len(app.wsgi_app.entries) == 2
