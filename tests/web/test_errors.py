"""What goes wrong in the database, and values that it can't hold."""
import pytest
from sqlalchemy import text

from eventapp.blueprints.public import register
from eventapp.extensions import db
from tests.public.test_register import PAGE, errors, form

OUT_OF_REACH = 10**30


@pytest.fixture
def failing(monkeypatch):
    """`failing("40P01", 1)`: placing an order fails with this state of PostgreSQL's, once."""
    place = register.ordering.place
    tries = []

    def fail(state, times):
        def failing_place(*arguments):
            tries.append(state)
            if len(tries) <= times:
                db.session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'injected' USING ERRCODE = '{state}'; END $$"))
            return place(*arguments)

        monkeypatch.setattr(register.ordering, "place", failing_place)
        return tries
    return fail


@pytest.mark.parametrize("state", ["40P01", "40001"])
def test_a_transaction_that_lost_a_race_is_repeated(client, world, failing, state):
    tries = failing(state, 2)
    answer = client.post(PAGE, form())
    assert (answer.status_code, len(tries), len(world.seoul.orders())) == (303, 3, 1)


def test_after_three_races_the_visitor_is_asked_to_come_back(client, world, failing):
    tries = failing("40P01", 9)
    answer = client.post(PAGE, form())
    assert (answer.status_code, answer.headers["Retry-After"], len(tries)) == (503, "5", 3)
    assert world.seoul.orders() == []


def test_a_full_disk_is_said_to_be_one(client, failing):
    failing("53100", 1)
    assert client.post(PAGE, form()).status_code == 507


@pytest.mark.parametrize("path", ["/seoul-ubf/a%00b", "/seoul-ubf/a%00b/register", "/seoul-ubf/a%00b/calendar.ics"])
def test_an_address_that_no_name_can_have_leads_nowhere(client, path):
    assert client.get(path).status_code == 404


def test_a_webhook_address_that_no_account_can_have_leads_nowhere(client):
    assert client.post("/api/webhooks/payment/toss/a%00b", data=b"{}").status_code == 404


def test_a_number_beyond_all_pages_leads_nowhere(operator):
    assert operator.get(f"/platform-admin/organizations?page={OUT_OF_REACH}").status_code == 404


def test_a_number_beyond_all_ids_is_refused(participant):
    assert participant.post(f"/account/sign-ins/{OUT_OF_REACH}/revoke").status_code == 422


def test_an_email_address_with_a_character_that_cannot_be_saved_is_wrong(client, world):
    answer = client.post(PAGE, form(email="ha\0na@example.com"))
    assert (answer.status_code, errors(answer), world.seoul.orders()) == (422, ["email"], [])


def test_a_submission_id_is_visible_ascii(client):
    assert client.post(PAGE, form(submission="a" * 20 + "\0")).status_code == 422


def test_a_form_with_more_fields_than_any_is_not_looked_through(client):
    assert client.post(PAGE, form() | {f"x{number}": "" for number in range(10_001)}).status_code == 413
