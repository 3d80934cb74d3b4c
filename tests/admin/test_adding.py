"""Registering by hand: who pays how, what staff are not held to, and what holds for everybody."""
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from eventapp import audit, checks, clock
from eventapp.domain import adding, changing, ledger, ordering, registering
from eventapp.domain.adding import Entry
from eventapp.domain.ordering import Participant
from eventapp.extensions import db, platform
from eventapp.models import AuditLog, CheckIn, Consent, Order, Payment, Quota, Registration, Status
from tests.browse import Document

NEW = "/seoul-ubf/admin/events/wmc-2026/registrations/new"


def typed(**values):
    return {"submission": "s" * 24, "name": "김현장", "program": "main-conference", "payment": "cash", "language": "ko"} | values


def only_order(world) -> Order:
    orders = world.seoul.orders()
    assert len(orders) == 1
    return orders[0]


def sound(app):
    with platform.engine.connect():
        answers = checks.run(platform.engine, app.config["SETTINGS"].role("app"), clock.now())
    assert [(one.name, one.breaches) for one in answers if not one.ok] == []


def test_the_page_offers_every_way(seoul_owner, world):
    page = seoul_owner.get(NEW)
    assert page.status_code == 200
    fields = {field.get("name") for form in Document(page.text).forms for field in form["fields"]}
    assert {"submission", "name", "email", "phone", "program", "qty-lodging", "payment", "until", "reason", "letter", "field-church",
            "order-field-group", "note", "flag", "again"} <= fields


def test_a_walk_in_pays_in_cash_without_an_email(app, seoul_owner, world, letters):
    answer = seoul_owner.post(NEW, typed(**{"qty-lodging": "2", "phone": "010-1234-5678", "note": "  현장 접수\n문의"}))
    order = only_order(world)
    registration = registering.of_order(order)[0]
    assert answer.location == f"/seoul-ubf/admin/registrations/{registration.number}"
    assert (registration.status, registration.email, registration.phone) == (Status.CONFIRMED, "", "+821012345678")
    assert (order.method, order.total, ledger.owed_and_paid(order)) == ("cash", 150_000, (0, 150_000))
    assert registration.note == "현장 접수\n문의"
    payment = db.session.scalar(select(Payment))
    assert (payment.provider, payment.method, payment.status, payment.balance) == ("manual", "cash", "paid", 150_000)
    assert letters == []
    assert db.session.scalar(select(func.count()).select_from(Consent)) == 0
    entry = db.session.scalar(select(AuditLog).where(AuditLog.action == "order.added_by_hand"))
    assert entry.after == {"payment": "cash", "total": 150_000, "status": "confirmed", "consents": "not asked"}
    sound(app)


def test_a_long_flag_is_no_longer_than_the_details_take_it(seoul_owner, world):
    seoul_owner.post(NEW, typed(flag="x" * 90))
    registration = registering.of_order(only_order(world))[0]
    page = f"/seoul-ubf/admin/registrations/{registration.number}/details"
    assert seoul_owner.post(page, {"flag": registration.flag, "name": "Kim"}).status_code == 303


def test_a_guest_pays_nothing_for_a_reason(app, seoul_owner, world, letters):
    missing = seoul_owner.post(NEW, typed(payment="guest"))
    assert missing.status_code == 422
    assert 'data-error-for="reason"' in missing.text
    seoul_owner.post(NEW, typed(payment="guest", reason="Speaker", email="gast@example.com", letter="1"))
    order = only_order(world)
    assert (order.method, order.total, registering.of_order(order)[0].status) == ("free", 0, Status.CONFIRMED)
    assert letters == [("mail_order_confirmed", {"order_id": order.id})]
    sound(app)


def test_who_pays_later_keeps_the_place_until_then(app, seoul_owner, world, letters):
    day = (clock.now() + timedelta(days=5)).date().isoformat()
    seoul_owner.post(NEW, typed(payment="unpaid", until=day, email="later@example.com", letter="1"))
    order = only_order(world)
    assert registering.of_order(order)[0].status == Status.PENDING_PAYMENT
    assert f"{order.hold_until.astimezone(adding_zone()) - timedelta(seconds=1):%Y-%m-%d}" == day
    assert ledger.owed(order) == 100_000
    payment = db.session.scalar(select(Payment))
    assert (payment.status, payment.virtual_account["number"], payment.due_at) == ("awaiting_deposit", "123456-04-567890", order.hold_until)
    assert [kind for kind, _payload in letters] == ["mail_payment_due", "mail_payment_reminder"]
    sound(app)


def adding_zone():
    from zoneinfo import ZoneInfo

    return ZoneInfo("Asia/Seoul")


def test_without_a_day_the_place_is_kept_as_long_as_the_event_lasts(app, seoul_owner, world, letters):
    seoul_owner.post(NEW, typed(payment="unpaid"))
    order = only_order(world)
    assert order.hold_until == world.seoul.event().ends_at.replace(microsecond=0)
    assert letters == []
    sound(app)


def test_the_money_of_somebody_added_confirms_without_another_approval(app, seoul_owner, world):
    from eventapp.domain import paying

    world.seoul.event().approval = "after_payment"
    db.session.commit()
    seoul_owner.post(NEW, typed(payment="unpaid"))
    order = only_order(world)
    paying.mark_received(paying.current(order), order.total, by=audit.SYSTEM)
    db.session.commit()
    assert registering.of_order(order)[0].status == Status.CONFIRMED
    sound(app)


def test_a_day_that_is_over_or_none_is_refused(seoul_owner, world):
    for text in ("2020-01-01", "tomorrow"):
        answer = seoul_owner.post(NEW, typed(payment="unpaid", until=text))
        assert (answer.status_code, 'data-error-for="until"' in answer.text) == (422, True)
    assert world.seoul.orders() == []


def test_a_letter_needs_an_address(seoul_owner, world):
    answer = seoul_owner.post(NEW, typed(letter="1"))
    assert (answer.status_code, 'data-error-for="email"' in answer.text) == (422, True)


def test_what_was_typed_stays_when_something_is_wrong(seoul_owner, world):
    answer = seoul_owner.post(NEW, typed(name="", email="nobody", phone="12", note="중요", payment="guest", reason="Speaker"))
    assert answer.status_code == 422
    for name in ("name", "email", "phone"):
        assert f'data-error-for="{name}"' in answer.text
    assert "중요" in answer.text and 'value="Speaker"' in answer.text
    assert world.seoul.orders() == []


@pytest.mark.parametrize("change", ["closed", "not_yet", "draft_answers"])
def test_staff_are_not_held_to_sales_windows_and_required_answers(seoul_owner, world, change):
    event, main = world.seoul.event(), world.seoul.program("main-conference")
    if change == "closed":
        event.status = "closed"
        main.sales_close_at = clock.now() - timedelta(days=1)
    elif change == "not_yet":
        main.sales_open_at = clock.now() + timedelta(days=1)
    db.session.commit()
    # Of those who come by car a licence plate is required: of staff it is not.
    answer = seoul_owner.post(NEW, typed(**{"field-transport": "car"}))
    assert answer.status_code == 303
    registration = registering.of_order(only_order(world))[0]
    assert registration.answers == {"transport": "car"}


def test_an_answer_that_is_no_option_is_refused(seoul_owner, world):
    answer = seoul_owner.post(NEW, typed(**{"field-transport": "rocket", "field-nothing": "x"}))
    assert (answer.status_code, 'data-error-for="field-transport"' in answer.text) == (422, True)


def test_the_last_price_holds_when_sales_are_over(seoul_owner, world):
    main = world.seoul.program("main-conference")
    main.tiers = [{"name": {}, "price": 70_000, "until": "2020-01-01T00:00:00+00:00"}]
    db.session.commit()
    seoul_owner.post(NEW, typed())
    assert only_order(world).total == 70_000 == changing.today(main, clock.now())[0]


def test_capacity_holds_for_staff_too(app, seoul_owner, world):
    quota = world.seoul.quota_of("main-conference")
    quota.capacity = 1
    db.session.commit()
    assert seoul_owner.post(NEW, typed()).status_code == 303
    full = seoul_owner.post(NEW, typed(submission="t" * 24, name="김둘"))
    assert full.status_code == 422
    assert "“Main conference” is sold out." in full.text
    assert len(world.seoul.orders()) == 1
    sound(app)


def test_the_database_refuses_by_itself(app, world, monkeypatch):
    """Also when nothing has looked before."""
    event = world.seoul.event()
    db.session.get(Quota, world.seoul.quota_of("main-conference").id).capacity = 0
    db.session.commit()
    monkeypatch.setattr(ordering, "lock_places", lambda offer, sold: None)
    offer = ordering.offer(event)
    with pytest.raises(ordering.RefusedFields, match="last place"):
        adding.add(offer, Entry(id="x" * 24, person=Participant(name="김", chosen={"main-conference": 1})), by=audit.SYSTEM)
    db.session.commit()
    assert world.seoul.orders() == []


def test_pressed_twice_it_is_one(seoul_owner, world):
    first, second = (seoul_owner.post(NEW, typed()) for _time in range(2))
    assert first.location == second.location
    assert len(world.seoul.orders()) == 1


def test_the_same_form_at_another_event_is_not_the_same(seoul_owner, world):
    seoul_owner.post(NEW, typed())
    other = seoul_owner.post(NEW.replace("wmc-2026", "meetup"), typed(program="seat"))
    assert other.status_code == 422
    assert len(world.seoul.orders()) == 1


def test_nobody_is_registered_for_what_is_cancelled(seoul_owner, world):
    world.seoul.event().status = "cancelled"
    db.session.commit()
    answer = seoul_owner.post(NEW, typed())
    assert (answer.status_code, "This event has been cancelled" in answer.text) == (422, True)


def test_approval_is_not_asked_for(seoul_owner, world):
    from eventapp.models import Program

    event = world.seoul.event("meetup")
    code = db.session.scalar(select(Program.code).where(Program.event_id == event.id))
    page = seoul_owner.get(NEW.replace("wmc-2026", "meetup"))
    assert 'name="payment"' not in page.text
    seoul_owner.post(NEW.replace("wmc-2026", "meetup"), {"submission": "s" * 24, "name": "이웃", "program": code})
    registration = registering.of_order(only_order(world))[0]
    assert (registration.status, registration.approved_at is not None) == (Status.CONFIRMED, True)


def test_a_walk_in_can_be_checked_in_at_once(app, seoul_owner, world):
    from eventapp.domain import checking_in

    if not checking_in.checkpoints(world.seoul.event()):
        checking_in.make_entrance(world.seoul.event())
        db.session.commit()
    assert 'name="check_in"' in seoul_owner.get(NEW).text
    seoul_owner.post(NEW, typed(check_in="1"))
    registration = registering.of_order(only_order(world))[0]
    entry = db.session.scalar(select(CheckIn))
    assert (entry.registration_id, entry.result) == (registration.id, "ok")
    sound(app)


def test_the_next_in_the_queue_finds_the_same_choice(seoul_owner, world):
    answer = seoul_owner.post(NEW, typed(again="1", payment="guest", reason="Speaker"))
    assert answer.location.startswith(NEW + "?")
    page = seoul_owner.get(answer.location).text
    form = next(form for form in Document(page).forms if form["action"] == NEW)
    ticked = [(field["name"], field["value"]) for field in form["fields"] if "checked" in field]
    assert ticked == [("program", "main-conference"), ("payment", "guest")]


def test_the_total_follows_the_choice(seoul_owner, world):
    answer = seoul_owner.post(NEW, typed(requote="1", **{"qty-lodging": "3"}),
                              headers={"HX-Request": "true", "HX-Target": "p#total"})
    assert 'data-amount="175000"' in answer.text
    assert "<form" not in answer.text
    assert world.seoul.orders() == []


def test_registrations_of_others_can_not_be_made(sign_in, world):
    assert sign_in("staff@seoul-ubf.example").get(NEW).status_code == 403
    assert sign_in("owner@busan-meetup.example").get(NEW).status_code == 404


def test_nobody_can_be_written_to_who_has_no_address(app, seoul_owner, world, work, mailbox):
    """Cancelling, expiring: letters that would go to nobody are not written."""
    seoul_owner.post(NEW, typed())
    registering.cancel(registering.of_order(only_order(world)), by=audit.SYSTEM)
    db.session.commit()
    work()
    assert mailbox() == []
    assert db.session.scalar(select(func.count()).select_from(Registration)) == 1
