"""How often something may be tried."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from eventapp import clock
from eventapp.extensions import db
from eventapp.models import RateLimit
from eventapp.web.limits import limiter

OWNER = "owner@seoul-ubf.example"


@pytest.fixture(autouse=True)
def limited(settings):
    settings(rate_limit_scale=1)
    limiter.reset()
    yield
    limiter.reset()


def guess(client, email=OWNER, **more):
    return client.post("/auth/login", {"email": email, "password": "a wrong guess"}, **more)


def test_guessing_one_account_stops_after_ten_failures(client):
    assert [guess(client).status_code for _ in range(11)] == [422] * 10 + [429]


def test_the_answer_says_when_to_come_back(client):
    for _ in range(10):
        guess(client)
    answer = guess(client, headers={"Accept-Language": "en"})
    assert 14 * 60 < int(answer.headers["Retry-After"]) <= 15 * 60 + 1  # Redis says the end in whole seconds
    assert "Try again in 15 minutes." in answer.text


def test_the_right_password_waits_as_well_and_then_works(client, app):
    for _ in range(10):
        guess(client)
    right = {"email": OWNER, "password": "demo-password"}
    assert client.post("/auth/login", right).status_code == 429
    clock.offset = timedelta(minutes=16)
    if app.config["SETTINGS"].redis_url:
        limiter.reset()  # Redis goes by a clock of its own
    assert client.post("/auth/login", right).status_code == 303


def test_a_campus_is_one_address_so_only_failures_count(app):
    answers = [
        app.test_client().post("/auth/login", {"email": OWNER, "password": "demo-password"}).status_code
        for _ in range(60)
    ]
    assert set(answers) == {303}


def test_guessing_many_accounts_from_one_address_stops(app):
    client = app.test_client()
    answers = [guess(client, f"person{number}@example.com").status_code for number in range(51)]
    assert answers == [422] * 50 + [429]
    elsewhere = {"REMOTE_ADDR": "203.0.113.9"}
    assert guess(app.test_client(), environ_overrides=elsewhere).status_code == 422


def test_one_subscriber_of_ipv6_is_one_address(app):
    client = app.test_client()
    answers = [
        guess(
            client, f"person{number}@example.com", environ_overrides={"REMOTE_ADDR": f"2001:db8::{number:x}"}
        ).status_code
        for number in range(1, 52)
    ]
    assert answers[-1] == 429


def test_guessing_links_stops(client):
    answers = [client.get(f"/auth/verify/{number:043d}").status_code for number in range(31)]
    assert answers == [404] * 30 + [429]


def test_one_mailbox_gets_few_letters(client, letters):
    answers = [
        client.post("/auth/reset", {"email": email}).status_code
        for email in (OWNER, "nobody@example.com")
        for _ in range(6)
    ]
    assert answers == [303] * 5 + [429] + [303] * 5 + [429]


def test_sign_ups_for_one_address_are_few(client):
    values = {"email": "new@example.com", "password": "six blue bicycles"}
    assert [client.post("/auth/signup", values).status_code for _ in range(6)] == [303] * 5 + [429]


def test_no_address_is_kept_and_old_rows_go(client, work):
    guess(client)
    if not db.session.scalar(select(RateLimit)):
        pytest.skip("counted in Redis")
    assert all(re.fullmatch(r"[0-9a-f]{40}", key) for key in db.session.scalars(select(RateLimit.key)))
    from eventapp.domain import housekeeping

    clock.offset = timedelta(hours=2)
    housekeeping.purge()
    db.session.commit()
    assert db.session.scalars(select(RateLimit)).all() == []


def test_the_scale_multiplies_and_none_turns_it_off(client, settings):
    settings(rate_limit_scale=0.2)
    assert [guess(client).status_code for _ in range(3)] == [422, 422, 429]
    settings(rate_limit_scale=0)
    assert {guess(client).status_code for _ in range(5)} == {422}


def test_a_fragment_gets_a_toast(client):
    for _ in range(10):
        guess(client)
    answer = guess(client, headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Reswap"]) == (429, "none")
    assert "Retry-After" in answer.headers
