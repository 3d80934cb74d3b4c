"""Registering: one page, one POST, nothing typed is lost."""
import re
import secrets
import threading

import pytest
from sqlalchemy import select, text

from eventapp.extensions import db
from eventapp.models import Membership, User
from tests import make

PAGE = "/seoul-ubf/wmc-2026/register"


def form(**more):
    """A form as somebody fills it in, with fields by their names; `p2_name` stands for `p2-name`."""
    fields = {"submission": secrets.token_urlsafe(24), "name": "김하나", "email": "hana@example.com", "program": "main-conference",
              "method": "manual_transfer"}
    return {key: value for key, value in (fields | more).items() if value is not None}


def errors(response):
    return re.findall(r'data-error-for="([^"]+)"', response.text)


def counts(world):
    world.seoul.enter()
    return {table: db.session.scalar(text(f"SELECT count(*) FROM {table}")) for table in ("orders", "registrations", "line_items")}


def test_the_page_offers_programs_and_a_button_to_pay(client):
    page = client.get(PAGE).text
    assert 'data-program="main-conference"' in page and 'data-testid="pay-button"' in page
    assert re.search(r'data-testid="total"[^>]*data-amount="0"', page)


def test_a_guest_registers_with_name_email_and_a_program(client, world, letters):
    answer = client.post(PAGE, form())
    assert answer.status_code == 303
    [order], [registration] = world.seoul.orders(), world.seoul.registrations()
    assert (order.total, order.method, order.email, registration.status) == (100_000, "manual_transfer", "hana@example.com",
                                                                            "pending_payment")
    assert re.fullmatch(r"WMC26-[2-9A-HJKMNP-TV-Z]{5}", registration.number)
    assert world.seoul.quota_of("main-conference").used == 1


def test_a_free_program_is_confirmed_at_once(client, world, letters):
    answer = client.post(PAGE, form(program="free-day"))
    assert answer.headers["Location"] == "/registration/success"
    [order] = world.seoul.orders()
    assert world.seoul.registrations()[0].status == "confirmed"
    assert letters == [("mail_order_confirmed", {"order_id": order.id})]


def test_an_event_with_approval_waits_and_holds_no_place(client, world):
    client.post("/seoul-ubf/meetup/register", form(program="seat"))
    assert world.seoul.registrations()[0].status == "pending_approval"
    assert world.seoul.quota_of("seat").used == 0


def test_posted_twice_it_is_one_order_and_the_same_answer(client, world):
    fields = form()
    answers = [client.post(PAGE, fields), client.post(PAGE, fields)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert counts(world) == {"orders": 1, "registrations": 1, "line_items": 1}


def test_nobody_takes_the_id_of_a_line_that_will_be_imported(client, world):
    answer = client.post(PAGE, form(submission="import 1000 10000"))
    assert (answer.status_code, world.seoul.orders()) == (422, [])


def test_pressed_twice_at_the_same_moment_it_is_one_order(app, world):
    fields, statuses = form(), []
    clients = [app.test_client() for _ in range(4)]
    tokens = [client.token() for client in clients]
    barrier = threading.Barrier(4)

    def press(client, token):
        barrier.wait()
        statuses.append(client.post(PAGE, fields | {"csrf_token": token}).status_code)

    threads = [threading.Thread(target=press, args=pair) for pair in zip(clients, tokens, strict=True)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert statuses == [303] * 4
    assert counts(world)["orders"] == 1


@pytest.mark.parametrize("wrong, field", [
    ({"name": ""}, "name"), ({"name": "x" * 101}, "name"), ({"email": ""}, "email"), ({"email": "hana@"}, "email"),
    ({"email": "a\nb@example.com"}, "email"), ({"phone": "12"}, "phone"), ({"program": None}, "program"),
    ({"program": "made-up"}, "program"), ({"program": ["workshop"]}, "program"), ({"qty-lodging": "9"}, "qty-lodging"),
    ({"qty-lodging": "-1"}, "qty-lodging"), ({"qty-lodging": "two"}, "qty-lodging"), ({"method": "bitcoin"}, "method"),
    ({"field-age": "200"}, "field-age"), ({"field-transport": "car"}, "field-plate"), ({"field-made-up": "x"}, "form"), ({"order-field-made-up": "x"}, "form"),
    ({"consent-made-up": "1"}, "consents"), ({"total": "1"}, "total"), ({"quote": "forged"}, "total"),
    ({"prices": "old"}, "program"),
])
def test_bad_input_is_a_sentence_beside_the_field_and_nothing_is_written_or_lost(client, world, wrong, field):
    answer = client.post(PAGE, form(**{"field-church": "종로교회", **wrong}))
    assert answer.status_code == 422
    assert field in errors(answer)
    assert "종로교회" in answer.text
    assert counts(world) == {"orders": 0, "registrations": 0, "line_items": 0}


def test_a_sold_out_program_is_refused_beside_it(client, world):
    for number in range(5):
        assert client.post(PAGE, form(program=["main-conference", "workshop"], email=f"a{number}@example.com")).status_code == 303
        client.delete_cookie("session")
    answer = client.post(PAGE, form(program=["main-conference", "workshop"]))
    assert answer.status_code == 422 and errors(answer) == ["program"]
    assert world.seoul.quota_of("workshop").used == 5


def test_closed_registration_is_refused(client, world):
    world.seoul.event().status = "closed"
    db.session.commit()
    answer = client.post(PAGE, form())
    assert answer.status_code == 422 and counts(world)["orders"] == 0


def test_forty_people_are_one_order(client, world):
    more = {}
    for number in range(2, 41):
        more |= {f"p{number}-name": f"참가자 {number}", f"p{number}-program": "main-conference"}
    assert client.post(PAGE, form(participants="40", **more)).status_code == 303
    [order] = world.seoul.orders()
    assert (order.total, counts(world)["registrations"]) == (4_000_000, 40)


def test_more_than_sixty_are_refused(client, world):
    more = {}
    for number in range(2, 62):
        more |= {f"p{number}-name": f"참가자 {number}", f"p{number}-program": "main-conference"}
    answer = client.post(PAGE, form(participants="61", **more))
    assert answer.status_code == 422 and counts(world)["orders"] == 0


def test_the_wrong_field_of_the_second_person_is_named(client):
    answer = client.post(PAGE, form(participants="2", **{"p2-name": "", "p2-email": "no", "p2-program": "main-conference"}))
    assert errors(answer) == ["p2-name", "p2-email"]


def test_a_pasted_table_becomes_rows(client):
    table = "박둘\tdul@example.com\t010-2222-3333\tmain-conference, workshop\n이셋\tset@example.com\t\t본 대회"
    page = client.post(PAGE, form(paste=table, paste_rows="1")).text
    assert re.findall(r'name="(?:p\d-)?name"[^>]*value="([^"]*)"', page) == ["김하나", "박둘", "이셋"]
    assert re.search(r'name="p2-program"[^>]*value="workshop"[^>]*checked|checked[^>]*name="p2-program"[^>]*value="workshop"', page)


def test_the_total_is_recalculated_by_the_function_that_charges(client):
    page = client.post(PAGE, form(program=["main-conference", "workshop"], requote="1", **{"qty-lodging": "2"})).text
    assert re.search(r'data-testid="total"[^>]*data-amount="180000"', page)


def test_three_open_orders_of_one_browser_are_enough(client, settings):
    settings(rate_limit_scale=1)
    answers = [client.post(PAGE, form(email=f"n{number}@example.com")).status_code for number in range(4)]
    assert answers == [303, 303, 303, 429]


def test_a_draft_is_not_there_for_visitors(client, world, seoul_owner):
    world.seoul.event().status = "draft"
    db.session.commit()
    assert client.get("/seoul-ubf/wmc-2026").status_code == 404
    assert seoul_owner.get("/seoul-ubf/wmc-2026").status_code == 200


def test_a_draft_is_not_there_for_staff_of_another_event(client, world, sign_in):
    event = world.seoul.event()
    event.status = "draft"
    membership = db.session.scalar(select(Membership).join(User).where(User.email == "staff@seoul-ubf.example"))
    membership.event_ids = [event.id]
    db.session.commit()
    staff = sign_in("staff@seoul-ubf.example")
    assert staff.get("/seoul-ubf/wmc-2026").status_code == 200
    membership.event_ids = []
    db.session.commit()
    assert staff.get("/seoul-ubf/wmc-2026").status_code == 404


def test_the_other_organisation_has_an_event_of_that_name_and_nothing_is_mixed(client, world):
    client.post("/busan-meetup/wmc-2026/register", form())
    assert len(world.busan.orders()) == 1 and world.seoul.orders() == []


def test_on_the_organisations_own_host_links_stay_there(client):
    page = client.get("/wmc-2026", base_url="http://seoul-ubf.localhost").text
    assert 'href="/wmc-2026/register"' in page and "/seoul-ubf/" not in page.replace("http://localhost:5000/seoul-ubf/", "")


def test_a_price_of_an_hour_ago_is_a_stale_page(client, world):
    offered = make.ordering.offer(world.seoul.event())
    old = make.ordering.pricing.fingerprint(offered.programs, offered.at.replace(year=2099))
    answer = client.post(PAGE, form(prices=old))
    assert answer.status_code == 422 and errors(answer) == ["program"]
