"""A new account: the address is proven by a mailed link, and nobody learns who has one."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from eventapp import clock
from eventapp.extensions import db
from eventapp.models import Participation, User
from tests import make

NEW = {"email": "New.Person@Example.com", "password": "six blue bicycles", "name": "새사람"}


def sign_up(client, **values):
    return client.post("/auth/signup", {**NEW, **values})


def link_in(letter) -> str:
    return re.search(r"http://localhost(/auth/\w+/\S+)", letter.get_body(("plain",)).get_content())[1]


def user(email="new.person@example.com") -> User | None:
    db.session.rollback()
    return db.session.scalar(select(User).where(User.email == email).execution_options(populate_existing=True))


def confirmed(client, work, mailbox) -> str:
    """Sign up and press the button behind the mailed link; where that leads."""
    sign_up(client)
    work()
    client.get(link_in(mailbox()[-1]))
    return client.post("/auth/verify").location


def test_signing_up_ends_in_an_account_once_the_address_is_proven(client, work, mailbox):
    answer = sign_up(client)
    assert (answer.status_code, answer.location) == (303, "/auth/verify")
    assert "Check your email" in client.get("/auth/verify", headers={"Accept-Language": "en"}).text
    assert user().email_verified_at is None
    work()
    letter = mailbox()[-1]
    assert letter["To"] == "new.person@example.com"

    page = client.get(link_in(letter))
    assert (page.status_code, page.location) == (303, "/auth/verify")
    assert user().email_verified_at is None

    answer = client.post("/auth/verify")
    assert (answer.status_code, answer.location) == (303, "/account")
    assert user().email_verified_at is not None
    assert "new.person@example.com" in client.get("/account").text


def test_a_mail_program_that_opens_the_link_changes_nothing(client, app, work, mailbox):
    sign_up(client)
    work()
    robot = app.test_client()
    robot.get(link_in(mailbox()[-1]), follow_redirects=True)
    assert user().email_verified_at is None
    client.get(link_in(mailbox()[-1]))
    assert client.post("/auth/verify").location == "/account"


def test_in_another_browser_the_password_is_asked_for(client, app, work, mailbox):
    sign_up(client)
    work()
    phone = app.test_client()
    phone.get(link_in(mailbox()[-1]))
    assert 'name="password"' in phone.get("/auth/verify").text
    assert phone.post("/auth/verify", {"password": "a stranger's guess"}).status_code == 422
    assert user().email_verified_at is None
    assert phone.post("/auth/verify", {"password": NEW["password"]}).location == "/account"
    assert user().email_verified_at is not None


def test_a_stranger_who_signs_up_over_it_gains_nothing(client, app, work, mailbox):
    """The owner of the address presses the button of the stranger's letter, in the browser they signed up with."""
    sign_up(client)
    stranger = app.test_client()
    sign_up(stranger, password="the stranger's own")
    work()
    client.get(link_in(mailbox()[-1]))
    assert client.post("/auth/verify").status_code == 422
    assert client.post("/auth/verify", {"password": NEW["password"]}).status_code == 422
    assert user().email_verified_at is None
    assert (
        stranger.post("/auth/login", {"email": NEW["email"], "password": "the stranger's own"}).location
        == "/auth/verify"
    )


def test_a_link_works_once(client, work, mailbox):
    confirmed(client, work, mailbox)
    link = link_in(mailbox()[-1])
    answer = client.get(link)
    assert answer.status_code == 410
    assert client.post("/auth/verify").status_code == 200


def test_a_link_ends_after_a_day(client, work, mailbox):
    sign_up(client)
    work()
    clock.offset = timedelta(hours=25)
    assert client.get(link_in(mailbox()[-1])).status_code == 410


def test_an_unknown_link_is_not_there(client):
    assert client.get("/auth/verify/" + "x" * 43).status_code == 404
    assert client.get("/auth/reset/" + "x" * 43).status_code == 404


def test_somebody_who_has_an_account_is_told_by_mail_alone(client, app, work, mailbox, world):
    new, known = sign_up(client), sign_up(app.test_client(), email="owner@seoul-ubf.example")
    assert (new.status_code, new.location) == (known.status_code, known.location)
    cookies = [re.sub(r"=[^;]*", "=", header) for header in new.headers.getlist("Set-Cookie")]
    assert cookies == [re.sub(r"=[^;]*", "=", header) for header in known.headers.getlist("Set-Cookie")]
    before = world.user("owner@seoul-ubf.example").password_hash
    work()
    assert [letter["To"] for letter in mailbox()] == ["new.person@example.com", "owner@seoul-ubf.example"]
    assert "/auth/verify/" not in mailbox()[1].get_body(("plain",)).get_content()
    assert user("owner@seoul-ubf.example").password_hash == before


def test_who_has_not_confirmed_yet_is_sent_the_link_again(client, work, mailbox, app):
    sign_up(client)
    work()
    clock.offset = timedelta(hours=30)
    phone = app.test_client()
    answer = phone.post("/auth/login", {"email": NEW["email"], "password": NEW["password"]})
    assert answer.location == "/auth/verify"
    assert phone.get("/account").location == "/auth/login?next=/account"
    work()
    phone.get(link_in(mailbox()[-1]))
    assert phone.post("/auth/verify").location == "/account"


@pytest.mark.parametrize(
    "password", ["1234567", "password1", "PASSWORD123", "aaaaaaaaaa", "new.person@example.com", "new.person", "x" * 129]
)
def test_a_password_that_others_would_guess_is_refused(client, password):
    answer = sign_up(client, password=password)
    assert answer.status_code == 422
    assert 'data-error-for="password"' in answer.text and "새사람" in answer.text
    assert f'value="{password}"' not in answer.text or password in NEW["email"].lower()
    assert user() is None


def test_any_letters_do_for_a_password(client, work, mailbox, app):
    assert sign_up(client, password="파란 자전거 여섯 대").status_code == 303
    work()
    client.get(link_in(mailbox()[-1]))
    client.post("/auth/verify")
    import unicodedata

    apple = unicodedata.normalize("NFD", "파란 자전거 여섯 대")
    assert app.test_client().post("/auth/login", {"email": NEW["email"], "password": apple}).status_code == 303


def test_the_link_leads_back_to_where_one_was(client, work, mailbox):
    client.post("/auth/signup", {**NEW, "next": "/seoul-ubf/wmc-2026/register"})
    work()
    client.get(link_in(mailbox()[-1]))
    assert client.post("/auth/verify").location == "/seoul-ubf/wmc-2026/register"


def test_links_lead_to_the_host_where_the_person_asked(app, work, mailbox):
    browser = app.test_client()
    base = "http://seoul-ubf.localhost"
    page = browser.get("/auth/signup", base_url=base)
    token = page.text.split('name="csrf_token" value="')[1].split('"')[0]
    assert browser.post("/auth/signup", {**NEW, "csrf_token": token}, base_url=base).status_code == 303
    work()
    assert "http://seoul-ubf.localhost/auth/verify/" in mailbox()[-1].get_body(("plain",)).get_content()


def test_the_letter_speaks_the_language_of_the_page(client, work, mailbox):
    client.get("/auth/signup?lang=ko")
    sign_up(client)
    work()
    assert '<html lang="ko"' in mailbox()[-1].get_body(("html",)).get_content()


def test_guest_orders_of_the_same_address_appear_only_after_a_mailed_link(client, work, mailbox, world):
    with world.seoul.inside():
        make.order(
            world.seoul.event(),
            make.Participant("새사람", "new.person@example.com", chosen={"free-day": 1}),
            method="free",
        )
        db.session.commit()
    assert confirmed(client, work, mailbox) == "/account"
    number = world.seoul.registrations()[-1].number
    assert number not in client.get("/account").text
    work()
    letter = mailbox()[-1]
    assert "/auth/verify/" in letter.get_body(("plain",)).get_content()
    client.get(link_in(letter))
    assert number not in client.get("/account").text
    assert client.post("/auth/verify").location == "/account"
    assert number in client.get("/account").text
    assert db.session.scalars(select(Participation.org_id)).all() == [world.seoul.id]


def test_no_letter_is_sent_when_there_is_nothing_to_claim(client, work, mailbox):
    confirmed(client, work, mailbox)
    work()
    before = len(mailbox())
    client.post("/account/claim")
    work()
    assert len(mailbox()) == before
