"""What one is registered for, across organisations."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import event

from eventapp import audit, clock
from eventapp.domain import paying, withdrawing
from eventapp.extensions import db
from eventapp.models import Status
from tests import make

EMAIL = "participant@seoul-ubf.example"


def register(tenant, email=EMAIL, *, user=None, slug="wmc-2026", program="free-day", method="free", people=1):
    """An order of that person in that organisation, committed."""
    with tenant.inside():
        participants = [
            make.Participant(f"사람 {number}", email if number == 0 else "", chosen={program: 1})
            for number in range(people)
        ]
        order = make.order(tenant.event(slug), *participants, method=method, user_id=user and user.id)
        db.session.commit()
        return order


@pytest.fixture
def person(world):
    return world.user(EMAIL)


@contextmanager
def asked():
    statements = []

    def note(connection, cursor, statement, *_rest):
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield statements
    event.remove(db.engine, "before_cursor_execute", note)


def test_registrations_of_both_organisations_are_shown_with_the_way_to_them(participant, world, person):
    seoul, busan = register(world.seoul, user=person), register(world.busan, user=person, slug="meetup", program="seat")
    page = participant.get("/account").text
    for tenant, order in ((world.seoul, seoul), (world.busan, busan)):
        with tenant.inside():
            for registration in order.registrations:
                assert f'data-registration="{registration.number}" data-status="{registration.status}"' in page
    path = page.split('href="/busan-meetup/meetup/orders/')[1].split('"')[0]
    assert participant.get(f"/busan-meetup/meetup/orders/{path}").status_code == 200


def test_orders_of_others_are_not_shown_even_with_the_same_address(participant, world, person):
    register(world.seoul, "somebody@example.com")
    register(world.seoul, EMAIL)
    assert "data-registration" not in participant.get("/account").text


def test_one_order_or_three_ask_the_same_number_of_statements(participant, world, person):
    register(world.seoul, user=person)
    with asked() as one:
        participant.get("/account")
    for _ in range(2):
        register(world.seoul, user=person, people=2)
    with asked() as three:
        participant.get("/account")
    assert len(three) == len(one)


def test_cancelling_where_the_event_allows_it(participant, world, person, letters):
    order = register(world.seoul, user=person)
    number = world.seoul.registrations()[-1].number
    path = f"/account/registrations/seoul-ubf/{number}/cancel"
    assert path in participant.get("/account").text
    assert participant.get(path).status_code == 200
    assert world.seoul.registrations()[-1].status == Status.CONFIRMED
    answer = participant.post(path)
    assert (answer.status_code, answer.location) == (303, "/account")
    assert world.seoul.registrations()[-1].status == Status.CANCELLED
    assert ("mail_order_cancelled", {"order_id": order.id}) in list(letters)


def test_where_the_event_does_not_allow_it_nothing_happens(participant, world, person):
    register(world.seoul, user=person)
    number = world.seoul.registrations()[-1].number
    conference = world.seoul.event()
    conference.cancellable_until = clock.now() - timedelta(minutes=1)
    db.session.commit()
    path = f"/account/registrations/seoul-ubf/{number}/cancel"
    assert path not in participant.get("/account").text
    assert participant.post(path).status_code == 422
    assert world.seoul.registrations()[-1].status == Status.CONFIRMED


def test_a_registration_of_somebody_else_is_like_one_that_is_not_there(participant, world, person):
    register(world.seoul, user=person)
    register(world.seoul, "somebody@example.com")
    register(world.busan, "somebody@example.com")
    foreign = [
        ("seoul-ubf", world.seoul.registrations()[-1].number),
        ("busan-meetup", world.busan.registrations()[-1].number),
        ("seoul-ubf", "WMC26-ZZZZZ"),
        ("nowhere", "WMC26-ZZZZZ"),
        ("busan-meetup", world.seoul.registrations()[0].number),
    ]
    answers = {
        participant.open(f"/account/registrations/{slug}/{number}/cancel").status_code for slug, number in foreign
    } | {participant.post(f"/account/registrations/{slug}/{number}/cancel").status_code for slug, number in foreign}
    assert answers == {404}
    assert {one.status for one in world.seoul.registrations()} == {Status.CONFIRMED}


def test_on_an_organisations_own_host_the_others_are_linked_on_the_platform(app, world, person):
    register(world.seoul, user=person)
    register(world.busan, user=person, slug="meetup", program="seat")
    base, browser = "http://busan-meetup.localhost", app.test_client()
    token = browser.get("/auth/login", base_url=base).text.split('name="csrf_token" value="')[1].split('"')[0]
    assert (
        browser.post(
            "/auth/login", {"email": EMAIL, "password": "demo-password", "csrf_token": token}, base_url=base
        ).status_code
        == 303
    )
    page = browser.get("/account", base_url=base).text
    assert 'href="/meetup/orders/' in page
    assert f'href="{app.config["SETTINGS"].platform_url}/seoul-ubf/wmc-2026/orders/' in page


def test_past_events_stand_below(participant, world, person):
    register(world.seoul, user=person)
    register(world.seoul, user=person, slug="meetup", program="seat")
    conference = world.seoul.event()
    conference.starts_at, conference.ends_at = clock.now() - timedelta(days=9), clock.now() - timedelta(days=8)
    db.session.commit()
    page = participant.get("/account").text
    assert page.index("/seoul-ubf/meetup/orders/") < page.index("/seoul-ubf/wmc-2026/orders/")


def test_claiming_needs_the_mailbox_of_the_account(participant, world, person, work, mailbox, app):
    register(world.seoul, EMAIL)
    register(world.busan, EMAIL, slug="meetup", program="seat")
    participant.post("/account/claim")
    work()
    secret = mailbox()[-1].get_body(("plain",)).get_content().split("http://localhost/auth/verify/")[1].split()[0]
    assert mailbox()[-1]["To"] == EMAIL
    assert "data-registration" not in participant.get("/account").text
    participant.get(f"/auth/verify/{secret}")
    participant.post("/auth/verify")
    assert participant.get("/account").text.count("data-registration") == 2
    assert participant.get(f"/auth/verify/{secret}").status_code == 410


def test_an_order_of_another_account_cannot_be_claimed(participant, world, person, work, mailbox):
    register(world.seoul, EMAIL, user=world.user("owner@seoul-ubf.example"))
    participant.post("/account/claim")
    work()
    assert [letter for letter in mailbox() if "/auth/verify/" in letter.get_body(("plain",)).get_content()] == []


def test_one_of_several_is_cancelled_from_the_account(participant, world, person):
    register(world.seoul, user=person, people=3)
    numbers = [one.number for one in world.seoul.registrations()]
    path = f"/account/registrations/seoul-ubf/{numbers[0]}/cancel"
    assert participant.post(path).status_code == 422  # nobody was named
    shown = participant.post(path, {"requote": "1", "who": numbers[1]}, headers={"HX-Request": "true", "HX-Target": "div#quote"})
    assert (shown.status_code, "<html" in shown.text, 'id="quote"' in shown.text) == (200, False, True)
    assert participant.post(path, {"who": numbers[1]}).status_code == 303
    assert [one.status for one in world.seoul.registrations()] == ["confirmed", "cancelled", "confirmed"]


def test_the_account_says_when_a_refund_waits_for_a_bank_account(participant, world, person):
    order = register(world.seoul, user=person, program="main-conference", method="manual_transfer")
    with world.seoul.inside():
        paying.mark_received(paying.current(order), 100_000, by=audit.Actor("user", 1))
        withdrawing.cancel(order, by=audit.Actor("user", 1))
        db.session.commit()
    page = participant.get("/account").text
    assert "/refund-account" in page
    link = page.split("/refund-account")[0].rpartition('"')[2]
    assert "₩100,000 is waiting" in participant.get(f"{link}/refund-account").text
