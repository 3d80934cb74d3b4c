"""A forgotten password."""

import re
from datetime import timedelta

from eventapp import clock
from eventapp.extensions import db

OWNER = "owner@seoul-ubf.example"


def link(mailbox) -> str:
    return re.search(r"http://localhost(/auth/reset/\S+)", mailbox()[-1].get_body(("plain",)).get_content())[1]


def ask(client, work, mailbox) -> str:
    client.post("/auth/reset", {"email": OWNER})
    work()
    return link(mailbox)


def test_a_mailed_link_leads_to_a_new_password(client, work, mailbox, app):
    path = ask(client, work, mailbox)
    assert client.get(path).location == "/auth/reset/new"
    answer = client.post("/auth/reset/new", {"password": "six blue bicycles"})
    assert (answer.status_code, answer.location) == (303, "/account")
    assert client.get("/account").status_code == 200
    assert app.test_client().post("/auth/login", {"email": OWNER, "password": "demo-password"}).status_code == 422
    assert app.test_client().post("/auth/login", {"email": OWNER, "password": "six blue bicycles"}).status_code == 303


def test_every_other_sign_in_ends_and_the_owner_is_told(client, work, mailbox, seoul_owner):
    client.get(ask(client, work, mailbox))
    client.post("/auth/reset/new", {"password": "six blue bicycles"})
    assert seoul_owner.get("/account").location == "/auth/login?next=/account"
    work()
    assert mailbox()[-1]["To"] == OWNER and "/auth/reset" in mailbox()[-1].get_body(("plain",)).get_content()


def test_a_stranger_gets_the_same_answer_and_no_letter(client, work, mailbox, letters):
    known, unknown = (client.post("/auth/reset", {"email": email}) for email in (OWNER, "nobody@example.com"))
    assert (known.status_code, known.location) == (unknown.status_code, unknown.location) == (303, "/auth/reset/sent")
    assert [kind for kind, _ in letters] == ["mail_reset_password"] * 2
    work()
    assert [letter["To"] for letter in mailbox()] == [OWNER]


def test_the_link_works_once_and_ends_after_an_hour(client, work, mailbox, app):
    first, second = ask(client, work, mailbox), ask(client, work, mailbox)
    client.get(first)
    client.post("/auth/reset/new", {"password": "six blue bicycles"})
    assert app.test_client().get(first).status_code == 410
    assert app.test_client().get(second).status_code == 410
    third = ask(app.test_client(), work, mailbox)
    clock.offset = timedelta(minutes=61)
    assert app.test_client().get(third).status_code == 410


def test_a_link_kept_in_another_tab_is_used_up_too(client, work, mailbox, app):
    path = ask(client, work, mailbox)
    client.get(path)
    other = app.test_client()
    other.get(path)
    assert client.post("/auth/reset/new", {"password": "six blue bicycles"}).status_code == 303
    answer = other.post("/auth/reset/new", {"password": "another password"})
    assert (answer.status_code, answer.location) == (303, "/auth/reset")


def test_a_weak_password_is_refused_and_the_link_stays_good(client, work, mailbox):
    client.get(ask(client, work, mailbox))
    answer = client.post("/auth/reset/new", {"password": "password1"})
    assert answer.status_code == 422 and 'data-error-for="password"' in answer.text
    assert client.post("/auth/reset/new", {"password": "six blue bicycles"}).status_code == 303


def test_without_a_link_there_is_no_new_password(client, seoul_owner):
    assert client.get("/auth/reset/new").location == "/auth/reset"
    assert client.post("/auth/reset/new", {"password": "six blue bicycles"}).location == "/auth/reset"


def test_a_verification_link_resets_nothing(client, work, mailbox, world):
    user = world.user(OWNER)
    user.email_verified_at = None
    db.session.commit()
    client.post("/auth/login", {"email": OWNER, "password": "demo-password"})
    work()
    secret = re.search(r"/auth/verify/(\S+)", mailbox()[-1].get_body(("plain",)).get_content())[1]
    assert client.get(f"/auth/reset/{secret}").status_code == 404
