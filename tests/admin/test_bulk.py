"""Many at once over the real addresses: what would happen, what happened, and the minute in which it did not."""
import io
import re
from datetime import timedelta

import openpyxl
import pytest
from sqlalchemy import func, select, text

from eventapp import clock, tenancy
from eventapp.domain import bulk, exporting, ledger, paying
from eventapp.extensions import db
from eventapp.models import (
    BulkOperation,
    BulkRow,
    Directory,
    EmailMessage,
    Membership,
    Order,
    OutboxItem,
    Payment,
    Quota,
    Registration,
)
from tests import crowds, make

DESK = "/seoul-ubf/admin/events/camp/registrations"
TRACKED = ("status", "status_reason", "paid_at", "confirmed_at", "approved_at", "ticket_version", "tags")


@pytest.fixture
def camp(world):
    world.seoul.enter()
    return crowds.camp(1000)


@pytest.fixture
def stay(camp, world):
    return world.seoul.program("stay")


def numbers(status="pending_approval"):
    tenancy.enter(db.session.scalar(select(Directory.org_id).where(Directory.slug == "seoul-ubf")))
    return list(db.session.scalars(select(Registration.number).where(Registration.code == "CAMP", Registration.status == status)
                                   .order_by(Registration.id)))


def look(browser, action, ids=(), query="", **given):
    answer = browser.post(DESK + query, {"ids": list(ids), "action": action, **given})
    assert answer.status_code == 200, answer.text
    return answer


def operation_of(answer) -> int:
    return int(re.search(r'name="operation" value="(\d+)"', answer.text)[1])


def do(browser, action, ids=(), query="", all="", **given):
    """Both steps; answers the page at the end."""
    first = look(browser, action, ids, query, **({"all": all} if all else {}))
    answer = browser.post(DESK + query, {"operation": operation_of(first), **given})
    return browser.get(answer.location) if answer.status_code == 303 else answer


def result(answer) -> tuple[int, int]:
    return tuple(map(int, re.search(r'data-testid="bulk-result" data-ok="(\d+)" data-failed="(\d+)"', answer.text).groups()))


def undo(browser, answer):
    form = re.search(r'<form[^>]*action="([^"]+/undo)"[^>]*data-testid="undo"', answer.text)
    back = browser.post(form[1])
    assert back.status_code == 303, back.text
    return browser.get(back.location)


def states(world):
    """Everything that undoing must put back."""
    tenancy.enter(world.seoul.id)
    db.session.rollback()
    rows = db.session.execute(select(Registration.id, *(getattr(Registration, name) for name in TRACKED), Order.hold_until)
                              .join(Order, Order.id == Registration.order_id).order_by(Registration.id)).all()
    quotas = db.session.execute(select(Quota.id, Quota.used).order_by(Quota.id)).all()
    return rows, quotas


def sound(app):
    from eventapp import checks
    from eventapp.extensions import platform

    with app.app_context():
        answers = checks.run(platform.engine, app.config["SETTINGS"].role("app"), clock.now())
    assert [answer for answer in answers if not answer.ok] == []
    return True


def jobs(kind="%") -> int:
    return db.session.scalar(select(func.count()).where(OutboxItem.kind.like(kind), OutboxItem.done_at.is_(None)))


# -- the first show ----------------------------------------------------------------------------------------------

def test_three_hundred_approved_and_undone_within_the_minute_leave_no_mail_and_everything_as_before(
        app, seoul_owner, camp, stay, world, work, letters):
    crowds.waiting(camp, stay, 300)
    before = states(world)
    answer = do(seoul_owner, "approve", query="?status=pending_approval", all="1")
    assert 'hx-trigger="every 1s"' in answer.text  # more than 200: the worker does it
    work()
    done = seoul_owner.get(answer.request.path)
    assert result(done) == (300, 0) and 'data-testid="undo"' in done.text
    assert len(letters) == 300
    work()
    assert states(world)[0] != before[0] and db.session.scalar(select(func.count()).select_from(EmailMessage)) == 0
    sound(app)
    undo(seoul_owner, done)
    work()
    assert states(world) == before
    assert len(letters) == 0 and sound(app)
    clock.offset += timedelta(minutes=10)
    work()
    assert db.session.scalar(select(func.count()).select_from(EmailMessage)) == 0

    answer = do(seoul_owner, "approve", query="?status=pending_approval", all="1")
    work()
    clock.offset += timedelta(minutes=2)
    work()
    assert db.session.scalars(select(EmailMessage.kind).distinct()).all() == ["order_approved"]
    assert db.session.scalar(select(func.count(EmailMessage.recipient.distinct()))) == 300
    work()
    assert db.session.scalar(select(func.count()).select_from(EmailMessage)) == 300
    assert sound(app)


def test_the_letter_says_how_much_and_until_when_and_an_offer_that_lapses_frees_the_place(
        app, seoul_owner, camp, stay, world, work, mailbox):
    crowds.waiting(camp, stay, 1)
    do(seoul_owner, "approve", numbers())
    clock.offset += timedelta(minutes=2)
    work()
    [letter] = mailbox()
    assert letter["Subject"].startswith("You have been accepted, please pay by")
    assert "₩100,000" in letter.get_body(("plain",)).get_content()
    [order] = world.seoul.orders()
    page = app.test_client().get(re.search(r"http://localhost\S*(/seoul-ubf/camp/orders/\S+)", letter.get_body(("plain",)).get_content())[1])
    assert "Pay now" in page.text and "₩100,000" in page.text
    assert world.seoul.quota_of("stay").used == 1
    clock.offset += timedelta(days=5, hours=1)
    work()
    assert [letter["Subject"].split(" until")[0] for letter in mailbox()[1:]] == ["Your places are held"]
    clock.offset += timedelta(days=2)
    work()
    assert mailbox()[-1]["Subject"] == "Your places have been released: Camp"
    assert numbers("expired") and world.seoul.quota_of("stay").used == 0 and sound(app)


def test_the_look_ahead_says_what_will_happen_to_whom(seoul_owner, camp, stay, world):
    world.seoul.quota_of("stay").capacity = 3
    db.session.commit()
    crowds.waiting(camp, stay, 5)
    db.session.execute(text("UPDATE registrations SET status = 'cancelled' WHERE name = 'Person 1/1'"))
    db.session.commit()
    answer = look(seoul_owner, "approve", query="?q=Person", all="1")
    said = re.sub(r"<[^>]+>", "", re.search(r'<p class="bulk-sum".*?</p>', answer.text, re.S)[0])
    assert said == "5: 3 ok, 1 not waiting for approval, 1 over capacity" or said == "5: 3 ok, 1 over capacity, 1 not waiting for approval"
    assert "Person 5/1" in answer.text and "Approve 3" in answer.text
    assert db.session.scalar(select(func.count()).where(Registration.status == "pending_payment")) == 0


def test_what_was_seen_is_what_is_done(seoul_owner, camp, stay, world):
    crowds.waiting(camp, stay, 3)
    first = look(seoul_owner, "approve", query="?status=pending_approval", all="1")
    crowds.waiting(camp, stay, 4, mark="later")
    answer = seoul_owner.post(f"{DESK}?status=pending_approval", {"operation": operation_of(first)})
    assert result(seoul_owner.get(answer.location)) == (3, 0)
    # Pressed twice it is done once.
    again = seoul_owner.post(f"{DESK}?status=pending_approval", {"operation": operation_of(first)})
    assert result(seoul_owner.get(again.location)) == (3, 0) and len(numbers("pending_payment")) == 3


def test_htmx_gets_the_piece_it_asked_for(seoul_owner, camp, stay):
    crowds.waiting(camp, stay, 2)
    asked = {"HX-Request": "true", "HX-Target": "bulk"}
    first = seoul_owner.post(DESK, {"ids": numbers(), "action": "approve"}, headers=asked)
    assert first.text.lstrip().startswith('<div id="bulk">') and "<dialog" in first.text and "<html" not in first.text
    second = seoul_owner.post(DESK, {"operation": operation_of(first)}, headers={"HX-Request": "true", "HX-Target": "section#operation"})
    assert second.text.lstrip().startswith('<section id="operation"') and result(second) == (2, 0)
    assert second.headers["HX-Trigger"] == "registrations-changed"


# -- what is missing, what is wrong ----------------------------------------------------------------------------------

@pytest.mark.parametrize(("action", "given", "field"), [
    ("reject", {}, "reason"), ("tag", {"tag": ""}, "tag"), ("tag", {"tag": "x" * 41}, "tag"), ("check_in", {}, "checkpoint"),
    ("send_email", {"subject": "Hello", "body": "Dear {{nobody}}"}, "body"), ("send_email", {"body": "Hi"}, "subject"),
    ("export", {"format": "exe"}, "format"), ("cancel", {"reason": "x" * 501}, "reason")])
def test_what_is_missing_is_said_and_nothing_typed_is_lost(seoul_owner, camp, stay, action, given, field):
    crowds.waiting(camp, stay, 2)
    db.session.execute(text("UPDATE registrations SET status = 'confirmed', confirmed_at = now(), paid_at = now()"
                            " WHERE code = 'CAMP' AND :enter"), {"enter": action == "check_in"})
    db.session.commit()
    first = look(seoul_owner, action, query="?q=Person", all="1")
    answer = seoul_owner.post(f"{DESK}?q=Person", {"operation": operation_of(first), **given})
    assert answer.status_code == 422 and f'data-error-for="{field}"' in answer.text and 'data-testid="bulk-confirm"' in answer.text
    assert all(value in answer.text for value in given.values() if value and value != "exe")
    assert db.session.scalar(select(BulkOperation.state)) == "draft"


def test_nobody_chosen_and_an_unknown_action_are_refused_with_a_sentence(seoul_owner, camp, stay):
    crowds.waiting(camp, stay, 1)
    for given in ({"action": "approve"}, {"action": "fly", "ids": numbers()},
                  {"action": "approve", "ids": ["CAMP-ZZZZZ"]}):
        assert seoul_owner.post(DESK, given).status_code == 422
    assert db.session.scalar(select(func.count()).select_from(BulkRow)) == 0


def test_each_action_asks_for_its_own_right(sign_in, camp, stay):
    crowds.waiting(camp, stay, 1)
    admin, staff = sign_in("admin@seoul-ubf.example"), sign_in("staff@seoul-ubf.example")
    [number] = numbers()

    def answers(browser):
        return {action: browser.post(DESK, {"ids": number, "action": action}).status_code for action in bulk.ACTIONS}

    elsewhere = {"cancel_event": 422}  # it has a page of its own
    assert answers(admin) == dict.fromkeys(bulk.ACTIONS, 200) | {"export": 403, "refund": 403} | elsewhere
    assert answers(staff) == dict.fromkeys(bulk.ACTIONS, 403) | {"check_in": 200} | elsewhere


def test_a_member_of_other_events_finds_nobody_and_sees_no_operation(app, seoul_owner, sign_in, camp, stay, world):
    crowds.waiting(camp, stay, 2)
    member = db.session.get(Membership, (world.seoul.id, world.user("admin@seoul-ubf.example").id))
    member.event_ids = [world.seoul.event("meetup").id]
    db.session.commit()
    limited = sign_in("admin@seoul-ubf.example")
    assert limited.post("/seoul-ubf/admin/registrations", {"ids": numbers(), "action": "approve"}).status_code == 422
    assert limited.post("/seoul-ubf/admin/registrations", {"all": "1", "action": "approve"}).status_code == 422
    assert limited.post(DESK, {"all": "1", "action": "approve"}).status_code == 404
    answer = do(seoul_owner, "approve", numbers())
    assert limited.get(answer.request.path).status_code == 404
    assert limited.post(answer.request.path + "/undo").status_code == 404
    assert "data-operation" not in limited.get("/seoul-ubf/admin/operations").text
    draft = operation_of(look(seoul_owner, "tag", query="?q=Person", all="1"))
    assert sign_in("staff@seoul-ubf.example").get(f"/seoul-ubf/admin/operations/{draft}").status_code == 404


def test_the_list_says_who_did_what_to_whom_with_as_many_questions_for_many(seoul_owner, camp, stay, world, statements):
    crowds.waiting(camp, stay, 3)
    do(seoul_owner, "approve", query="?status=pending_approval", all="1")
    page, one = seoul_owner.get("/seoul-ubf/admin/operations"), statements(seoul_owner.get, "/seoul-ubf/admin/operations")
    assert "Approve" in page.text and "Status: Awaiting approval" in page.text and "Owner" in page.text
    for number in range(3):
        do(seoul_owner, "tag", query="?program=stay", all="1", tag=f"tag {number}")
    page, four = seoul_owner.get("/seoul-ubf/admin/operations"), statements(seoul_owner.get, "/seoul-ubf/admin/operations")
    assert page.text.count("data-operation") == 4 and "Program: Stay" in page.text and one == four


# -- each of the others -------------------------------------------------------------------------------------------------

def test_rejecting_says_why_in_the_letter_and_on_the_page(app, seoul_owner, camp, stay, world, work, mailbox):
    crowds.waiting(camp, stay, 2)
    before = states(world)
    first = do(seoul_owner, "reject", numbers(), reason="No <room>\nthis year")
    assert result(first) == (2, 0)
    undo(seoul_owner, first)
    assert states(world) == before
    do(seoul_owner, "reject", numbers(), reason="No <room>\nthis year")
    clock.offset += timedelta(minutes=2)
    work()
    letter = mailbox()[0].get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert len(mailbox()) == 2 and "No <room>\nthis year" in letter
    page = app.test_client().get(re.search(r"http://localhost\S*(/seoul-ubf/camp/orders/\S+)", letter)[1])
    assert "No &lt;room&gt;" in page.text and "not accepted" in page.text and sound(app)


def test_a_tag_is_added_taken_away_and_put_back(seoul_owner, camp, stay, world):
    crowds.waiting(camp, stay, 3)
    assert result(do(seoul_owner, "tag", numbers()[:2], tag=" choir  alto ")) == (2, 0)
    tags = select(Registration.tags).where(Registration.code == "CAMP").order_by(Registration.id)
    assert db.session.scalars(tags).all() == [["choir alto"], ["choir alto"], []]
    again = do(seoul_owner, "tag", numbers(), tag="choir alto")
    assert result(again) == (1, 2) and "has the tag already" in again.text
    away = do(seoul_owner, "tag", numbers(), tag="choir alto", tag_mode="remove")
    assert result(away) == (3, 0) and db.session.scalars(tags).all() == [[], [], []]
    undo(seoul_owner, away)
    assert db.session.scalars(tags).all() == [["choir alto"]] * 3


def test_letters_to_many_are_filled_in_for_each_and_nothing_in_them_becomes_markup(app, seoul_owner, camp, stay, world, work, mailbox):
    crowds.waiting(camp, stay, 2)
    db.session.execute(text("UPDATE registrations SET name = '<b>{{link}}</b>' WHERE name = 'Person 1/1'"))
    db.session.commit()
    answer = do(seoul_owner, "send_email", numbers(), subject="{{event}}: {{number}}", body="Dear {{ name }},\n\nsee {{link}} <i>\nBye")
    assert result(answer) == (2, 0) and mailbox() == []
    clock.offset += timedelta(minutes=2)
    work()
    first = next(letter for letter in mailbox() if "crowd1@" in letter["To"])
    plain, html = (first.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert first["Subject"] == f"Camp: {numbers()[0]}"
    assert "Dear <b>{{link}}</b>," in plain and "/camp/orders/" in plain
    assert "&lt;b&gt;{{link}}&lt;/b&gt;" in html and "&lt;i&gt;" in html and html.count('/camp/orders/') == 2  # address and text
    undone = do(seoul_owner, "send_email", numbers(), subject="Again", body="Hello")
    undo(seoul_owner, undone)
    clock.offset += timedelta(minutes=2)
    work()
    assert len(mailbox()) == 2


def test_a_transfer_that_was_seen_pays_for_the_whole_order_and_can_be_taken_back(app, seoul_owner, camp, stay, world, work, letters):
    crowds.waiting(camp, stay, 2, people=2)
    do(seoul_owner, "approve", numbers())
    clock.offset += timedelta(minutes=2)
    work()
    before = states(world)
    first = look(seoul_owner, "mark_paid", numbers("pending_payment")[:1])
    assert "2</strong>: 2 ok" in first.text and "₩200,000" in first.text
    answer = do(seoul_owner, "mark_paid", numbers("pending_payment")[:1])
    assert result(answer) == (2, 0) and len(numbers("confirmed")) == 2
    assert [kind for kind, _ in letters if kind == "mail_order_confirmed"] == ["mail_order_confirmed"] and sound(app)
    undo(seoul_owner, answer)
    assert states(world) == before and sound(app)
    assert [kind for kind, _ in letters if kind == "mail_order_confirmed"] == []
    assert result(do(seoul_owner, "mark_paid", numbers("pending_payment"))) == (4, 0)
    assert sum(ledger.paid(order) for order in world.seoul.orders()) == 400_000 and sound(app)


def test_cancelling_frees_the_place_and_undoing_takes_it_again_while_there_is_one(app, seoul_owner, camp, stay, world, work):
    crowds.waiting(camp, stay, 3)
    do(seoul_owner, "approve", numbers())
    world.seoul.quota_of("stay").capacity = 3
    db.session.commit()
    before = states(world)
    answer = do(seoul_owner, "cancel", numbers("pending_payment"), reason="asked us")
    assert result(answer) == (3, 0) and world.seoul.quota_of("stay").used == 0 and sound(app)
    undo(seoul_owner, answer)
    assert states(world) == before and sound(app)
    answer = do(seoul_owner, "cancel", numbers("pending_payment"), reason="asked us")
    world.seoul.quota_of("stay").capacity = 2
    db.session.commit()
    kept = undo(seoul_owner, answer)
    assert 'data-reason="full"' in kept.text and len(numbers("pending_payment")) == 2 and len(numbers("cancelled")) == 1 and sound(app)


def test_checking_in_many_at_a_checkpoint(seoul_owner, camp, stay, world):
    crowds.waiting(camp, stay, 3)
    db.session.execute(text("UPDATE registrations SET status = 'confirmed', confirmed_at = now(), paid_at = now() WHERE name <> 'Person 3/1'"))
    db.session.commit()
    first = look(seoul_owner, "check_in", query="?q=Person", all="1")
    checkpoint = re.search(r'name="checkpoint" value="(\d+)"', first.text)[1]
    answer = do(seoul_owner, "check_in", query="?q=Person", all="1", checkpoint=checkpoint)
    assert result(answer) == (2, 1)
    entries = text("SELECT count(*) FROM check_ins WHERE result = 'ok' AND undone_at IS NULL")
    assert db.session.scalar(entries) == 2
    again = do(seoul_owner, "check_in", query="?q=Person", all="1", checkpoint=checkpoint)
    assert result(again) == (0, 3) and "already checked in" in again.text
    undo(seoul_owner, answer)
    assert db.session.scalar(entries) == 0


def test_nobody_waits_for_the_transfer_of_somebody_who_was_cancelled_once_it_cannot_be_undone(seoul_owner, world, work):
    order = make.order(world.seoul.event(), method="manual_transfer")
    db.session.commit()
    number = world.seoul.registrations()[0].number
    ahead = seoul_owner.post("/seoul-ubf/admin/registrations", {"ids": number, "action": "cancel"})
    page = seoul_owner.get(seoul_owner.post("/seoul-ubf/admin/registrations", {"operation": operation_of(ahead)}).location)
    statuses = []
    for minutes in (0, 2):
        clock.offset += timedelta(minutes=minutes)
        work()
        paying.reconcile()
        db.session.commit()
        statuses.append(db.session.scalar(select(Payment.status).where(Payment.order_id == order.id)))
    assert (result(page), statuses) == ((1, 0), ["awaiting_deposit", "voided"])


def test_a_large_workbook_is_written_by_the_worker_and_kept_for_a_week(seoul_owner, sign_in, camp, stay, work, monkeypatch):
    monkeypatch.setattr(bulk, "LARGEST_SHEET", 2)
    crowds.waiting(camp, stay, 3)
    page = do(seoul_owner, "export", all="1", format="xlsx")
    assert "bulk-result" not in page.text and "/download" not in page.text
    path = page.request.path
    work()
    assert f'href="{path}/download"' in seoul_owner.get(path).text
    file = seoul_owner.get(f"{path}/download")
    rows = list(openpyxl.load_workbook(io.BytesIO(file.data), read_only=True).active.iter_rows(values_only=True))
    assert (file.status_code, len(rows)) == (200, 4)
    assert [row[0] for row in rows[1:]] == numbers()
    assert sign_in("owner@busan-meetup.example").get(f"{path}/download").status_code == 404
    clock.offset += timedelta(days=8)
    exporting.forget()
    db.session.commit()
    assert seoul_owner.get(f"{path}/download").status_code == 404


def test_exporting_sends_the_file_of_those_who_were_chosen(seoul_owner, camp, stay):
    crowds.waiting(camp, stay, 3)
    first = look(seoul_owner, "export", numbers()[:2])
    answer = seoul_owner.post(DESK, {"operation": operation_of(first), "format": "csv"})
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/csv")
    assert "attachment" in answer.headers["Content-Disposition"]
    lines = answer.text.strip().splitlines()
    assert len(lines) == 3 and numbers()[0] in lines[1]


# -- the minute, and who was faster ----------------------------------------------------------------------------------

def test_after_the_minute_there_is_no_way_back(seoul_owner, camp, stay, letters):
    crowds.waiting(camp, stay, 1)
    answer = do(seoul_owner, "approve", numbers())
    clock.offset += timedelta(seconds=61)
    late = seoul_owner.get(answer.request.path)
    assert 'data-testid="undo"' not in late.text
    assert seoul_owner.post(answer.request.path + "/undo").status_code == 409
    assert len(letters) == 1


def test_who_has_paid_meanwhile_is_left_alone_and_listed(app, seoul_owner, camp, stay, world, work):
    crowds.waiting(camp, stay, 3)
    answer = do(seoul_owner, "approve", numbers())
    paid = numbers("pending_payment")[0]
    do(seoul_owner, "mark_paid", [paid])
    kept = undo(seoul_owner, answer)
    assert re.findall(r'data-row="([^"]+)" data-reason="(\w+)"', kept.text) == [(paid, "paid_since")]
    assert len(numbers("confirmed")) == 1 and len(numbers("pending_approval")) == 2 and sound(app)


def test_who_is_just_paying_is_left_alone(app, seoul_owner, camp, stay, world):
    crowds.waiting(camp, stay, 2, method="manual_transfer")
    answer = do(seoul_owner, "approve", numbers())
    from eventapp.domain import paying
    order = world.seoul.orders()[0]
    paying.begin(order, "manual_transfer")
    db.session.commit()
    kept = undo(seoul_owner, answer)
    assert re.findall(r'data-reason="(\w+)"', kept.text) == ["paying"]
    assert (len(numbers("pending_payment")), len(numbers("pending_approval"))) == (1, 1) and sound(app)


def test_a_running_operation_can_be_stopped_and_what_was_done_taken_back(seoul_owner, camp, stay, work, world):
    crowds.waiting(camp, stay, 250)
    before = states(world)
    answer = do(seoul_owner, "approve", query="?status=pending_approval", all="1")
    stopped = seoul_owner.post(answer.request.path + "/stop")
    assert stopped.status_code == 303
    work()
    assert result(seoul_owner.get(answer.request.path)) == (0, 0) and "250 not done" in seoul_owner.get(answer.request.path).text
    assert states(world) == before
