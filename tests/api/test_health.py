"""What the health page says, and when it is red."""
from datetime import timedelta

from sqlalchemy import update

from eventapp import clock, probing
from eventapp.extensions import db
from eventapp.models import OutboxItem, Probe
from tests.conftest import server

CHECKS = {"database", "redis", "queue", "payment", "email", "storage"}


def health(client):
    answer = client.get("/api/health")
    assert set(answer.json["checks"]) == CHECKS
    return answer


def look(app):
    probing.look(app.config["SETTINGS"])


def test_all_is_well_after_a_worker_has_looked(app, client, settings):
    settings(redis_url="")
    look(app)
    answer = health(client)
    assert answer.status_code == 200 and answer.json["status"] == "healthy"
    assert {name: check["status"] for name, check in answer.json["checks"].items()} == {
        "database": "healthy", "queue": "healthy", "email": "healthy", "storage": "healthy",
        "redis": "not_configured", "payment": "not_configured"}
    assert answer.headers["Cache-Control"] == "no-store"


def test_without_a_worker_it_is_red(app, client):
    answer = health(client)
    assert answer.status_code == 503
    assert answer.json["checks"]["queue"]["reason"] == "no worker is at work"


def test_a_worker_that_fell_silent_turns_it_red(app, client):
    look(app)
    db.session.execute(update(Probe).values(checked_at=clock.now() - timedelta(minutes=10)))
    db.session.commit()
    assert health(client).json["checks"]["queue"]["status"] == "unhealthy"


def test_work_that_piles_up_turns_it_red(app, client):
    look(app)
    db.session.add(OutboxItem(kind="mail_ticket", run_at=clock.now() - timedelta(minutes=6)))
    db.session.commit()
    queue = health(client).json["checks"]["queue"]
    assert (queue["status"], queue["waiting"], queue["reason"]) == ("unhealthy", 1, "work is late")


def test_work_that_was_given_up_turns_it_red_when_it_is_much(app, client):
    look(app)
    db.session.add_all(OutboxItem(kind="mail_ticket", dead_at=clock.now()) for _ in range(19))
    db.session.commit()
    assert health(client).status_code == 200
    db.session.add(OutboxItem(kind="mail_ticket", dead_at=clock.now()))
    db.session.commit()
    assert health(client).json["checks"]["queue"]["reason"] == "much work was given up"


def test_a_service_that_the_worker_could_not_reach_turns_it_red(app, client, settings):
    settings(toss_api_url="http://127.0.0.1:9/toss", toss_client_key="test_ck_demo0000000001", toss_secret_key="test_sk_demo0000000001",
             smtp_url="smtp://127.0.0.1:9", redis_url="redis://127.0.0.1:9/0")
    look(app)
    checks = health(client).json["checks"]
    assert {name for name, check in checks.items() if check["status"] == "unhealthy"} == {"payment", "email", "redis"}
    assert checks["email"]["error"] == "ConnectionRefusedError"


def test_with_the_database_away_it_answers_and_is_red(app, client, database):
    look(app)
    db.session.remove()
    db.engine.dispose()
    with server() as connection:
        connection.execute(f'ALTER DATABASE "{database}" RENAME TO "{database}_away"')
    try:
        answer = health(client)
        assert answer.status_code == 503
        assert answer.json["checks"]["database"] == {"status": "unhealthy"}
        assert client.get("/api/live").status_code == 200
    finally:
        db.engine.dispose()
        with server() as connection:
            connection.execute(f'ALTER DATABASE "{database}_away" RENAME TO "{database}"')
    assert health(client).status_code == 200, "and recovers without a hand"


def test_being_alive_asks_nobody(client):
    assert client.get("/api/live").json == {"status": "alive"}
