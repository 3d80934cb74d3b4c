"""The staff's first page: what waits, and how the events stand."""
import re
from datetime import timedelta

from eventapp import audit, clock
from eventapp.domain import paying, registering
from eventapp.extensions import db
from eventapp.models import BulkOperation, CheckIn, Checkpoint, EmailMessage, Membership
from tests import make


def register(tenant, *, slug="meetup", program="seat", method="free", name="김하나"):
    with tenant.inside():
        made = make.order(tenant.event(slug), make.Participant(name, "hana@example.com", chosen={program: 1}), method=method)
        db.session.commit()
        return made


def register_for_money(tenant):
    return register(tenant, slug="wmc-2026", program="main-conference", method="manual_transfer")


def waits(page: str) -> dict[str, str]:
    """What the page says is to be done: kind → where it leads."""
    parts = re.findall(r'<li class="line line-\w+" data-testid="(\w+)">(.*?)</li>', page, re.S)
    return {kind: (re.findall(r'<a [^>]*href="([^"]*)"', body) or [""])[0].replace("&amp;", "&") for kind, body in parts}


def row(page: str, slug: str) -> list[str]:
    """The figures of an event's line."""
    line = page.split(f'data-event="{slug}"')[1].split("</tr>")[0]
    return [re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r'<td class="number"[^>]*>(.*?)</td>', line, re.S)]


def limit(world, email: str, *slugs: str) -> None:
    """The member works for these events alone."""
    ids, user = [world.seoul.event(slug).id for slug in slugs], world.user(email)
    db.session.get(Membership, (world.seoul.id, user.id)).event_ids = ids
    db.session.commit()


def test_what_waits_comes_first_and_leads_to_the_desk(seoul_owner, world):
    register(world.seoul)
    register_for_money(world.seoul)
    page = seoul_owner.get("/seoul-ubf/admin").text
    assert waits(page) == {
        "waiting": "/seoul-ubf/admin/registrations?status=pending_approval",
        "deposits": "/seoul-ubf/admin/registrations?status=pending_payment&method=manual_transfer"}
    assert "₩100,000" in page
    assert row(page, "meetup") == ["0", "0", "1", "0"]
    assert row(page, "wmc-2026") == ["0", "1", "0", "0"]


def test_a_transfer_of_somebody_who_has_gone_is_awaited_no_more(seoul_owner, world):
    with world.seoul.inside():
        order = register_for_money(world.seoul)
        registering.cancel(registering.of_order(order), by=audit.SYSTEM)
        db.session.commit()
    assert waits(seoul_owner.get("/seoul-ubf/admin").text) == {}


def test_an_operation_is_shown_to_those_who_may_open_it(seoul_owner, sign_in, world):
    with world.seoul.inside():
        running = BulkOperation(user_id=world.user("owner@seoul-ubf.example").id, action="approve", state="running", total=3)
        db.session.add(running)
        db.session.commit()
    staff = sign_in("staff@seoul-ubf.example")
    assert waits(staff.get("/seoul-ubf/admin").text) == {}
    assert staff.get(waits(seoul_owner.get("/seoul-ubf/admin").text)["operations"]).status_code == 404


def test_with_nothing_to_do_it_says_so(seoul_owner):
    page = seoul_owner.get("/seoul-ubf/admin").text
    assert waits(page) == {} and 'data-testid="nothing"' in page
    assert row(page, "wmc-2026") == ["0", "0", "0", "0"]


def test_only_ones_own_organisation_is_counted(seoul_owner, busan_owner, world):
    register(world.busan)
    assert waits(seoul_owner.get("/seoul-ubf/admin").text) == {}
    assert list(waits(busan_owner.get("/busan-meetup/admin").text)) == ["waiting"]


def letter(tenant, order, key: str, state: str) -> EmailMessage:
    tenant.enter()
    made = EmailMessage(key=key, kind="order_confirmed", locale="ko", recipient="gone@example.com", subject="등록이 완료되었습니다",
                        body="", order_id=order.id, state=state, error="550 no such user" if state == "failed" else "")
    db.session.add(made)
    db.session.commit()
    return made


def test_a_letter_that_failed_waits_until_a_later_one_has_gone(seoul_owner, world):
    order = register(world.seoul)
    letter(world.seoul, order, "first", "failed")
    assert waits(seoul_owner.get("/seoul-ubf/admin").text)["letters"] == "/seoul-ubf/admin/emails/failed"
    page = seoul_owner.get("/seoul-ubf/admin/emails/failed").text
    assert "gone@example.com" in page and "550 no such user" in page and world.seoul.registrations()[0].number in page
    letter(world.seoul, order, "again", "sent")
    assert "letters" not in waits(seoul_owner.get("/seoul-ubf/admin").text)
    assert "gone@example.com" not in seoul_owner.get("/seoul-ubf/admin/emails/failed").text


def test_a_payment_that_differs_leads_to_itself(seoul_owner, world):
    order = register_for_money(world.seoul)
    with world.seoul.inside():
        payment = paying.current(order)
        payment.problem = {"kind": "differs", "expected": {"amount": 1}, "found": {"amount": 2}}
        db.session.commit()
        address = f"/seoul-ubf/admin/payments/{payment.id}"
    assert waits(seoul_owner.get("/seoul-ubf/admin").text)["problems"] == address


def test_entries_in_doubt_wait_until_somebody_has_seen_them(seoul_owner, world):
    register(world.seoul)
    person, event = world.seoul.registrations()[0], world.seoul.event("meetup")
    point = Checkpoint(event_id=event.id, code="gate", name={"en": "Gate"})
    db.session.add(point)
    db.session.flush()
    entry = CheckIn(registration_id=person.id, checkpoint_id=point.id, at=clock.now(), nonce="n1", ordinal=0, result="already", offline=True)
    db.session.add(entry)
    db.session.commit()
    assert "conflicts" in waits(seoul_owner.get("/seoul-ubf/admin").text)
    world.seoul.enter()
    db.session.merge(entry).settled_at = clock.now()
    db.session.commit()
    assert "conflicts" not in waits(seoul_owner.get("/seoul-ubf/admin").text)


def test_operations_under_way_and_stopped_are_shown_and_those_that_are_done_are_not(seoul_owner, world):
    world.seoul.enter()
    user = world.user("owner@seoul-ubf.example")
    for state in ("running", "stopped", "done", "draft"):
        db.session.add(BulkOperation(user_id=user.id, action="approve", state=state, total=400, ok=100, failed=20))
    db.session.commit()
    page = seoul_owner.get("/seoul-ubf/admin").text
    assert page.count('data-testid="operations"') == 2
    assert "120 of 400" in page


def test_events_that_begin_within_a_week_are_announced(seoul_owner, world):
    event = world.seoul.event("meetup")
    event.starts_at, event.ends_at = clock.now() + timedelta(days=3), clock.now() + timedelta(days=4)
    db.session.commit()
    page = seoul_owner.get("/seoul-ubf/admin").text
    assert 'data-soon="meetup"' in page and 'data-soon="wmc-2026"' not in page


def test_who_is_limited_to_an_event_sees_that_event(sign_in, world):
    order = register(world.seoul)
    letter(world.seoul, order, "first", "failed")
    world.seoul.enter()
    db.session.add(BulkOperation(user_id=world.user("owner@seoul-ubf.example").id, action="approve", state="running", total=9))
    db.session.commit()
    limit(world, "admin@seoul-ubf.example", "wmc-2026")
    limited = sign_in("admin@seoul-ubf.example")
    page = limited.get("/seoul-ubf/admin").text
    assert 'data-event="wmc-2026"' in page and 'data-event="meetup"' not in page and waits(page) == {}
    assert "gone@example.com" not in limited.get("/seoul-ubf/admin/emails/failed").text
    assert limited.get("/seoul-ubf/admin/events/meetup/emails/failed").status_code == 404


def test_who_may_not_see_money_sees_none(sign_in, world):
    register_for_money(world.seoul)
    assert waits(sign_in("staff@seoul-ubf.example").get("/seoul-ubf/admin").text) == {}


def test_it_asks_as_often_with_many_events_as_with_few(seoul_owner, world, statements):
    register(world.seoul)
    register_for_money(world.seoul)
    seoul_owner.get("/seoul-ubf/admin")
    few = statements(lambda: seoul_owner.get("/seoul-ubf/admin"))
    world.seoul.enter()
    for number in range(8):
        event = make.event(f"event-{number}", make.both("행사", "Event"), "EVT", approval="before_payment")
        make.program(event, "seat", 0)
        make.form(event)
        db.session.flush()
        make.order(event, make.Participant("박둘", "two@example.com", chosen={"seat": 1}), method="free")
    db.session.commit()
    assert statements(lambda: seoul_owner.get("/seoul-ubf/admin")) == few


def test_on_its_own_host_the_desk_has_its_own_address(app):
    base, browser = "http://seoul-ubf.localhost", app.test_client()
    token = browser.get("/auth/login", base_url=base).text.split('name="csrf_token" value="')[1].split('"')[0]
    answer = browser.post("/auth/login", {"email": "owner@seoul-ubf.example", "password": "demo-password", "csrf_token": token}, base_url=base)
    assert answer.location == "/admin"
    page = browser.get("/admin", base_url=base)
    assert page.status_code == 200 and 'href="/admin/events/wmc-2026"' in page.text and "/seoul-ubf/" not in page.text


def test_every_link_leads_somewhere(seoul_owner, operator, world):
    register(world.seoul)
    for browser, start in (
        (seoul_owner, "/seoul-ubf/admin"),
        (seoul_owner, "/seoul-ubf/admin/events"),
        (seoul_owner, "/seoul-ubf/admin/events/wmc-2026"),
        (seoul_owner, "/seoul-ubf/admin/palette"),
        (operator, "/platform-admin"),
        (operator, "/platform-admin/organizations"),
        (seoul_owner, "/account"),
        (seoul_owner, "/account/security"),
    ):
        links = {link.replace("&amp;", "&") for link in re.findall(r'href="(/[^"#]*)"', browser.get(start).text) if not link.startswith("/static")}
        answers = {link: browser.get(link).status_code for link in links}
        assert {link: status for link, status in answers.items() if status >= 400} == {}
