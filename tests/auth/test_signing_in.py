"""In and out, and what a sign-in is bound to."""

from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import event, func, select

from eventapp import clock
from eventapp.extensions import db
from eventapp.models import SignIn, User
from tests.world import fresh

OWNER = "owner@seoul-ubf.example"
WRONG = "The email address or password is not right."


def log_in(client, email=OWNER, password="demo-password", **more):
    values = {"email": email, "password": password, **more}
    return client.post("/auth/login", values, headers={"Accept-Language": "en"})


@contextmanager
def asked():
    """The statements that the application sends meanwhile."""
    statements = []

    def note(connection, cursor, statement, *_rest):
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield statements
    event.remove(db.engine, "before_cursor_execute", note)


def count(table) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(table))


def test_who_knows_both_is_led_to_their_desk(client):
    answer = log_in(client)
    assert (answer.status_code, answer.location) == (303, "/seoul-ubf/admin")
    assert client.get("/account").status_code == 200


def test_where_one_lands(client, sign_in, operator, app):
    answers = {
        email: log_in(app.test_client(), email).location
        for email in (
            "operator@example.com",
            "participant@seoul-ubf.example",
            "door@seoul-ubf.example",
            "staff@busan-meetup.example",
        )
    }
    assert answers == {
        "operator@example.com": "/platform-admin",
        "participant@seoul-ubf.example": "/account",
        "door@seoul-ubf.example": "/seoul-ubf/admin/doors",
        "staff@busan-meetup.example": "/busan-meetup/admin",
    }


def test_one_goes_on_to_where_one_wanted_to_go(client):
    page = client.get("/account/security")
    assert (page.status_code, page.location) == (303, "/auth/login?next=/account/security")
    assert log_in(client, next="/account/security").location == "/account/security"


def test_nobody_is_sent_to_another_site(client):
    for target in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\tevil"):
        assert log_in(client, next=target).location == "/seoul-ubf/admin"
        client.post("/auth/logout")


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(client):
    wrong, unknown = log_in(client, password="not-the-password"), log_in(client, email="nobody@example.com")
    assert (wrong.status_code, unknown.status_code) == (422, 422)
    assert wrong.text.count(WRONG) == unknown.text.count(WRONG) == 2
    assert 'value="owner@seoul-ubf.example"' in wrong.text


def test_a_person_who_was_disabled_cannot_come_in_and_is_put_out_at_once(world, seoul_owner, client):
    user = world.user(OWNER)
    user.disabled_at = clock.now()
    db.session.commit()
    assert log_in(client).status_code == 422
    assert seoul_owner.get("/account").location == "/auth/login?next=/account"


def test_the_password_is_kept_anew_when_its_cost_has_changed(client, world):
    from argon2 import PasswordHasher

    user = world.user(OWNER)
    user.password_hash = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("demo-password")
    before = user.password_hash
    db.session.commit()
    log_in(client)
    assert fresh(user).password_hash != before
    assert user.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_logging_out_ends_the_sign_in_itself(client, app):
    log_in(client)
    thief = app.test_client()
    thief.set_cookie("session", client.get_cookie("session").value)
    assert thief.get("/account").status_code == 200
    answer = client.post("/auth/logout")
    assert (answer.status_code, answer.location) == (303, "/")
    assert thief.get("/account").location == "/auth/login?next=/account"
    assert count(SignIn) == 0


def test_a_sign_in_is_new_each_time(client):
    client.get("/auth/login")
    before = client.get_cookie("session").value
    log_in(client)
    first = client.get_cookie("session").value
    log_in(client)
    assert len({before, first, client.get_cookie("session").value}) == 3
    assert count(SignIn) == 1


def test_a_sign_in_is_good_on_its_host_only(client, app):
    log_in(client)
    other = app.test_client()
    other.set_cookie("session", client.get_cookie("session").value, domain="seoul-ubf.localhost")
    answer = other.get("/account", base_url="http://seoul-ubf.localhost")
    assert answer.location == "/auth/login?next=/account"


def test_a_sign_in_ends_after_thirty_days(client):
    log_in(client)
    clock.offset = timedelta(days=29)
    assert client.get("/account").status_code == 200
    clock.offset = timedelta(days=31)
    assert client.get("/account").location == "/auth/login?next=/account"


def test_the_cookie_is_safe(client, app):
    plain = log_in(client).headers.getlist("Set-Cookie")[0]
    assert plain.startswith("session=") and "HttpOnly" in plain and "SameSite=Lax" in plain and "Path=/" in plain
    assert "Domain" not in plain
    token = app.test_client()
    page = token.get("/auth/login", base_url="https://localhost")
    csrf = page.text.split('name="csrf_token" value="')[1].split('"')[0]
    secure = token.post(
        "/auth/login", {"email": OWNER, "password": "demo-password", "csrf_token": csrf}, base_url="https://localhost"
    ).headers.getlist("Set-Cookie")[0]
    assert secure.startswith("__Host-session=") and "Secure" in secure and "HttpOnly" in secure


def test_only_a_hash_of_the_secret_is_kept(client, app):
    log_in(client)
    session = app.session_interface.get_signing_serializer(app).loads(client.get_cookie("session").value)
    row = db.session.scalar(select(SignIn))
    assert session["_user_id"].encode() not in row.token_hash and len(row.token_hash) == 32


def test_one_statement_finds_out_who_is_asking(client):
    log_in(client)
    with asked() as statements:
        client.get("/auth/login")
    assert len([text for text in statements if "sign_ins" in text]) == 1


def test_what_was_typed_wrongly_is_said_beside_the_field(client):
    answer = log_in(client, email="not an address", password="")
    assert answer.status_code == 422
    assert 'data-error-for="email"' in answer.text and 'data-error-for="password"' in answer.text
    assert 'value="not an address"' in answer.text


def test_a_form_without_its_token_changes_nothing(client):
    from flask.testing import FlaskClient

    answer = FlaskClient.post(
        client,
        "/auth/login",
        data={"email": OWNER, "password": "demo-password"},
        headers={"Origin": "http://localhost"},
    )
    assert answer.status_code == 400
    assert count(SignIn) == 0


def test_a_form_from_elsewhere_changes_nothing(client):
    answer = client.post(
        "/auth/login", {"email": OWNER, "password": "demo-password"}, headers={"Origin": "http://seoul-ubf.localhost"}
    )
    assert answer.status_code == 400
    assert count(SignIn) == 0


def test_an_address_may_be_written_in_capitals(client):
    assert log_in(client, email="  Owner@Seoul-UBF.example ").status_code == 303


def test_control_characters_are_no_fault_of_ours(client):
    assert log_in(client, email="a\x00b@example.com", password="\x00").status_code == 422
    assert log_in(client, password="x" * 5000).status_code == 422
    assert db.session.scalar(select(func.count()).select_from(User)) > 0
