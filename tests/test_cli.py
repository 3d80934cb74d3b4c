"""What an operator types: release, check, where, routes-json, faults; and when the application does not start."""
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace

import click
import pytest
from sqlalchemy import create_engine, text

from eventapp import audit, checks, clock, config, create_app, release, roles
from eventapp.domain import paying
from eventapp.extensions import db, platform
from tests import make
from tests.conftest import dispose, server, settings_for


@pytest.fixture
def run(app):
    runner = app.test_cli_runner()
    return lambda *words: runner.invoke(args=list(words))


@pytest.fixture
def empty(worker_database):
    """An application over a database that nobody has released to."""
    name = f"{worker_database}_empty"
    before = config.active()
    with server() as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
    app = create_app(settings_for(name))
    yield app
    dispose(app)
    with server() as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    config.activate(before)


# -- release ---------------------------------------------------------------------------------------

def test_two_releases_at_once_make_everything_once(empty):
    failures = []

    def release_it():
        with empty.app_context():
            try:
                release.release(empty.config["SETTINGS"])
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=release_it) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert failures == []
    with empty.app_context():
        release.release(empty.config["SETTINGS"])
        assert db.session.execute(text("SELECT code FROM plans ORDER BY position")).scalars().all() == ["basic", "pro", "enterprise"]


def test_release_leaves_what_the_operator_has_changed(app):
    release.release(app.config["SETTINGS"])
    with create_engine(app.config["SETTINGS"].owner_url).begin() as connection:
        connection.execute(text("UPDATE plans SET monthly = 59000 WHERE code = 'pro'"))
    release.release(app.config["SETTINGS"])
    assert db.session.execute(text("SELECT monthly FROM plans WHERE code = 'pro'")).scalar() == 59_000


def test_an_old_server_is_refused_in_one_line(app, monkeypatch, run):
    monkeypatch.setattr(roles, "OLDEST", 990_000)
    answer = run("release")
    assert answer.exit_code == 1
    assert answer.output.startswith("Error: PostgreSQL 15.14 or newer is needed; this is ") and answer.output.count("\n") == 1


def test_a_database_that_is_away_is_one_line_too(app, run, settings):
    settings(database_url="postgresql+psycopg://nobody@127.0.0.1:9/nothing")
    answer = run("release")
    assert answer.exit_code == 1 and answer.output.startswith("Error: The database says: ") and answer.output.count("\n") == 1


# -- starting --------------------------------------------------------------------------------------

def production(app, **values) -> config.Settings:
    return replace(app.config["SETTINGS"], app_env="production", smtp_url="smtp://mail.example", platform_host="events.example",
                   platform_hosts=frozenset({"events.example"}), **values)


@pytest.fixture
def start(app):
    """Create the application as a web server would, in production."""
    before = config.active()
    made = []

    def started(**values):
        made.append(create_app(production(app, **values)))
        return made[-1]

    yield started
    [dispose(each) for each in made]
    config.activate(before)


def test_production_starts_with_a_sound_role(start):
    assert start().config["SETTINGS"].production


def test_production_does_not_start_with_a_role_that_goes_around_the_policies(start, monkeypatch):
    monkeypatch.setattr(config.Settings, "url_of", lambda self, name: self.owner_url)
    with pytest.raises(roles.WrongDatabase, match="owns tables"):
        start()


def test_production_does_not_start_on_an_old_server(start, monkeypatch):
    monkeypatch.setattr(roles, "OLDEST", 990_000)
    with pytest.raises(roles.WrongDatabase, match="PostgreSQL 15.14 or newer is needed"):
        start()


def test_production_starts_without_the_database_and_looks_when_it_is_back(app, start, monkeypatch):
    away = start(database_url="postgresql+psycopg://nobody@127.0.0.1:9/nothing", roles="nobody")
    assert away.test_client().get("/api/live", base_url="https://events.example").status_code == 200
    assert away.test_client().get("/api/health", base_url="https://events.example").status_code == 503
    whose = away.test_client().get("/", base_url="https://tickets.somebody.example")
    assert whose.status_code == 503 and whose.headers["Retry-After"] == "5"


def test_commands_start_whatever_the_role(app, monkeypatch):
    monkeypatch.setattr(config.Settings, "url_of", lambda self, name: self.owner_url)
    before = config.active()
    with click.Context(click.Command("release")):
        dispose(create_app(production(app)))
    config.activate(before)


def test_production_without_its_secrets_names_each_and_shows_no_trace():
    environment = {"PATH": os.environ["PATH"], "APP_ENV": "production", "GUARDS_OFF": "csrf", "RATE_LIMIT_SCALE": "0"}
    answer = subprocess.run([sys.executable, "-c", "import wsgi"], cwd=config.ROOT, env=environment, capture_output=True, text=True)
    assert answer.returncode == 1 and "Traceback" not in answer.stderr
    for name in ("SECRET_KEY: needed", "ENCRYPTION_KEY: needed", "DATABASE_URL: needed", "SMTP_URL: needed", "GUARDS_OFF: refused",
                 "RATE_LIMIT_SCALE: 0 is refused"):
        assert name in answer.stderr


def test_what_is_wrong_with_a_role_is_said():
    assert roles.problems(False, False, False, 150_014) == []
    assert len(roles.problems(True, False, True, 150_013)) == 3
    assert roles.problems(False, True, False, 180_000) == ["the application's database role bypasses row-level security"]


# -- check -----------------------------------------------------------------------------------------

def broken(app) -> set[str]:
    answers = checks.run(platform.engine, app.config["SETTINGS"].role("app"), clock.now())
    return {answer.name for answer in answers if not answer.ok}


@pytest.fixture
def paid(world):
    """A confirmed order that cost nothing, one that waits for its money, and one that is paid by hand."""
    world.seoul.enter()
    event = world.seoul.event()
    free = make.order(event, make.Participant("하나", "hana@example.com", chosen={"free-day": 1}))
    waiting = make.order(event, make.Participant("두리", "duri@example.com", chosen={"main-conference": 1}), method="manual_transfer")
    settled = make.order(event, make.Participant("세리", "seri@example.com", chosen={"main-conference": 1, "workshop": 1}),
                         method="manual_transfer")
    paying.mark_received(paying.current(settled), settled.total, by=audit.SYSTEM)
    db.session.commit()
    return {"free": free.id, "waiting": waiting.id, "settled": settled.id}


def test_a_sound_installation_has_no_breach(app, paid, run):
    answer = run("check")
    assert answer.exit_code == 0, answer.output
    assert "no breach" in answer.output
    assert json.loads(run("check", "--json").output)["ok"] is True


BREACHES = [
    ("places.counted", "UPDATE quotas SET used = used + 1 WHERE id = (SELECT min(id) FROM quotas WHERE used > 0)"),
    ("places.oversold", "ALTER TABLE quotas DROP CONSTRAINT quotas_capacity; UPDATE quotas SET capacity = 0 WHERE used > 0"),
    ("places.overdue", "UPDATE orders SET hold_until = now() - interval '2 hours' WHERE id = :waiting"),
    ("money.totals", "UPDATE orders SET total = total + 1000 WHERE id = :settled"),
    ("money.charged", "UPDATE ledger_entries SET amount = amount + 1 WHERE order_id = :waiting AND kind = 'charged'"),
    ("money.ticket_without_payment", "UPDATE registrations SET status = 'confirmed', confirmed_at = now(), paid_at = now() WHERE order_id = :waiting"),
    ("money.payment_without_ticket", "UPDATE registrations SET status = 'pending_payment', paid_at = NULL, confirmed_at = NULL WHERE order_id = :settled"),
    ("money.paid_at", "UPDATE registrations SET paid_at = NULL WHERE order_id = :settled"),
    ("money.balance", "UPDATE payments SET balance = balance - 1 WHERE order_id = :settled"),
    ("money.refunds", "INSERT INTO refunds (org_id, payment_id, amount, reason, state, external, transaction_key, created_at) "
                      "SELECT org_id, id, 100, 'x', 'done', false, 'x', now() FROM payments WHERE order_id = :settled"),
    ("money.once", "INSERT INTO ledger_entries (org_id, order_id, payment_id, kind, transaction_key, debit, credit, amount, currency, created_at) "
                   "SELECT org_id, order_id, payment_id, kind, 'again', debit, credit, amount, currency, now() FROM ledger_entries "
                   "WHERE order_id = :settled AND kind = 'paid'"),
    ("money.entries", "UPDATE ledger_entries SET debit = 'sales', credit = 'bank' WHERE order_id = :settled AND kind = 'paid'"),
    ("money.amounts", "UPDATE payments SET amount = amount + 1 WHERE order_id = :waiting"),
    ("money.remembered", "UPDATE registrations SET sold = sold + 1 WHERE order_id = :free"),
    ("money.remembered", "UPDATE registrations SET method = 'card' WHERE order_id = :free"),
    ("money.remembered", "UPDATE registrations SET programs = '{{}}' WHERE order_id = :free"),
    ("tickets.confirmed", "UPDATE registrations SET confirmed_at = NULL WHERE order_id = :free"),
    ("tickets.letters", "INSERT INTO email_messages (org_id, key, kind, locale, recipient, subject, body, order_id, state, error, created_at) "
                        "SELECT org_id, 'x', 'order_confirmed', 'ko', 'a@example.com', '', '', id, 'sent', '', now() FROM orders WHERE id = :waiting"),
    ("tickets.entries", "WITH door AS (INSERT INTO checkpoints (org_id, event_id, code, kind, name, position, times, per, closed, created_at) "
                        "SELECT org_id, event_id, 'x', 'entry', '{{}}', 0, 1, 'event', false, now() FROM orders WHERE id = :waiting RETURNING id) "
                        "INSERT INTO check_ins (org_id, registration_id, checkpoint_id, at, nonce, created_at) "
                        "SELECT r.org_id, r.id, door.id, now(), 'x', now() FROM registrations r, door WHERE order_id = :waiting"),
    ("tickets.entered_once", "WITH door AS (SELECT p.id FROM checkpoints p JOIN orders o ON o.event_id = p.event_id WHERE o.id = :free LIMIT 1) "
                             "INSERT INTO check_ins (org_id, registration_id, checkpoint_id, ordinal, at, nonce, created_at) "
                             "SELECT r.org_id, r.id, door.id, n, now(), 'x' || n, now() FROM registrations r, door, generate_series(1, 2) n WHERE order_id = :free"),
    ("tickets.keys", "UPDATE events SET ticket_key = NULL"),
    ("tenancy.policies", "ALTER TABLE orders NO FORCE ROW LEVEL SECURITY"),
    ("tenancy.policies", "DROP POLICY own_rows ON programs"),
    ("tenancy.policies", "CREATE POLICY everybody ON programs USING (true)"),
    ("tenancy.keys", "CREATE UNIQUE INDEX leak ON orders (submission)"),
    ("tenancy.references", "ALTER TABLE orders ADD UNIQUE (id); ALTER TABLE payments ADD FOREIGN KEY (order_id) REFERENCES orders (id)"),
    ("tenancy.append_only", "GRANT UPDATE ON ledger_entries TO {app}"),
    ("tenancy.places", "GRANT UPDATE ON quotas TO {app}"),
    ("tenancy.truncate", "GRANT TRUNCATE ON orders TO {app}"),
    ("tenancy.definers", "CREATE FUNCTION leak() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'"),
    ("tenancy.views", "CREATE VIEW leak AS SELECT * FROM orders"),
    ("tenancy.directory", "DELETE FROM event_directory"),
    ("work.dead", "UPDATE outbox SET dead_at = now()"),
]


@pytest.mark.parametrize(("name", "damage"), BREACHES)
def test_each_damage_is_found(app, paid, name, damage):
    assert broken(app) == set()
    engine = create_engine(app.config["SETTINGS"].owner_url)
    with engine.begin() as connection:
        for statement in damage.split("; "):
            connection.execute(text(statement.format(app=app.config["SETTINGS"].role("app"))),
                               {key: value for key, value in paid.items() if f":{key}" in statement})
    engine.dispose()
    assert name in broken(app)


def test_a_breach_is_shown_and_ends_with_one(app, paid, run):
    with create_engine(app.config["SETTINGS"].owner_url).begin() as connection:
        connection.execute(text("UPDATE orders SET total = total + 1000 WHERE id = :id"), {"id": paid["settled"]})
    answer = run("check")
    assert answer.exit_code == 1
    assert f"order {paid['settled']}" in answer.output
    found = json.loads(run("check", "--json").output)
    assert found["ok"] is False and [one["name"] for one in found["checks"] if not one["ok"]] == ["money.totals"]


# -- maps ------------------------------------------------------------------------------------------

def test_every_route_is_told_with_who_may_come(app, run):
    routes = json.loads(run("routes-json").output)
    assert {route["rule"] for route in routes} == {rule.rule for rule in app.url_map.iter_rules()}
    by_rule = {route["rule"]: route for route in routes}
    assert by_rule["/<org>/admin"]["actors"] == {"always": ["ORG_OWNER", "ORG_ADMIN", "ORG_STAFF"], "granted": []}
    assert by_rule["/platform-admin"]["actors"]["always"] == ["SUPER_ADMIN"]
    assert by_rule["/api/health"]["actors"]["always"] == ["MACHINE"]
    assert by_rule["/<org>/<event>/register"]["methods"] == ["GET", "POST"]


@pytest.mark.parametrize("url", ["/seoul-ubf/wmc-2026/register", "http://seoul-ubf.localhost:5000/wmc-2026/register"])
def test_an_address_leads_to_its_view_template_rule_and_test(app, run, url):
    told = run("where", url).output
    for part in ("blueprints/public/register.py:", "templates/public/register.html", "domain/ordering.py:", "tests/public/test_register.py",
                 "permission  public"):
        assert part in told


def test_an_address_where_nothing_is_says_so(app, run):
    assert run("where", "/a/b/c/d/e").output == "Nothing answers at /a/b/c/d/e.\n"


def test_every_page_can_be_looked_up(app, run):
    """Whatever a view is written like, its source can be read."""
    from eventapp import maps

    for rule in app.url_map.iter_rules():
        assert maps.describe(app, rule.endpoint, {})


def test_fault_points_and_guards_are_listed(app, run):
    told = run("faults").output
    for name in ("toss.confirm.before", "outbox.mail_ticket.after", "origin"):
        assert f"  {name}\n" in told
