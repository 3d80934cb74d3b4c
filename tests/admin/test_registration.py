"""One registration's page and the panel beside the desk."""
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from eventapp import audit, clock
from eventapp.domain import paying, ticketing, uploading
from eventapp.extensions import db
from eventapp.models import AuditLog, CheckIn, Checkpoint, EmailMessage, Membership, Order, Registration
from tests import make
from tests.make import Participant

HTMX = {"HX-Request": "true", "HX-Target": "aside#panel"}


def placed(world, *people, **values) -> list[str]:
    """Numbers of an order of the conference."""
    with world.seoul.inside():
        people = people or (Participant("김하나", "hana@example.com", "010-1234-5678", {"main-conference": 1}, {"church": ["종로"]}),)
        order = make.order(world.seoul.event(), *people, **{"method": "manual_transfer"} | values)
        db.session.commit()
        return [one.number for one in order.registrations]


def row_of(world, number: str) -> Registration:
    world.seoul.enter()
    return db.session.scalar(select(Registration).where(Registration.number == number).execution_options(populate_existing=True))


def received(world, number: str) -> None:
    """Its transfer has come."""
    row = row_of(world, number)
    order = db.session.get(Order, row.order_id)
    paying.mark_received(paying.current(order), order.total, by=audit.Actor("user", world.user("owner@seoul-ubf.example").id))
    db.session.commit()


def path(number: str, rest: str = "") -> str:
    return f"/seoul-ubf/admin/registrations/{number}{rest}"


# -- what is there -----------------------------------------------------------------------------------

def test_the_panel_is_the_same_piece_beside_the_desk_and_by_htmx(seoul_owner, world):
    number, = placed(world)
    answer = seoul_owner.get(path(number), headers=HTMX)
    assert answer.text.lstrip().startswith('<aside id="panel"')
    assert number in answer.text and "김하나" in answer.text and "종로" in answer.text


def test_the_page_says_everything_about_one_registration(seoul_owner, world, work):
    number, _mate = placed(world, Participant("김하나", "hana@example.com", "010-1234-5678", {"main-conference": 1, "lodging": 2},
                                              {"transport": ["car"], "plate": ["12가3456"]}),
                           Participant("이두리", chosen={"main-conference": 1}), answers={"group": ["종로 청년부"]},
                           consents=frozenset(["photo"]))
    received(world, number)
    work()
    text = seoul_owner.get(path(number)).text
    for words in (number, "김하나", "hana@example.com", "010-1234-5678", "이두리",  # who
                  "How you come", "Car", "12가3456", "종로 청년부",  # answers
                  "I agree to photographs", "Main conference", "Early bird", "× 2", "₩150,000", "₩250,000",  # sold
                  "Payment received", "Confirmation with tickets", "Has not come in yet"):
        assert words in text, words


def test_answers_keep_the_labels_of_the_form_they_were_given_to(seoul_owner, world):
    number, = placed(world)
    with world.seoul.inside():
        make.form(world.seoul.event(), [{"key": "church", "type": "text", "label": make.both("교회", "Parish")}], version=2)
        db.session.commit()
    text = seoul_owner.get(path(number)).text
    assert "<dt>Church</dt>" in text and "Parish" not in text


def test_the_books_are_told_with_the_balance_after_each(seoul_owner, world):
    number, = placed(world)
    received(world, number)
    text = seoul_owner.get(path(number)).text
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in re.findall(r"<tr><td>.*?</tr>", text)]
    assert [row[-4:] for row in rows] == [["Charged", "₩100,000", "₩100,000", "₩0"], ["received", "₩100,000", "₩0", "₩100,000"]]


def test_money_is_for_those_who_may_see_payments(sign_in, world):
    number, = placed(world)
    text = sign_in("staff@seoul-ubf.example").get(path(number)).text
    assert "Main conference" in text and "₩100,000" in text
    assert "All movements of money" not in text and 'id="payments"' not in text


def test_a_check_in_says_when_where_and_by_whom(seoul_owner, world):
    number, = placed(world)
    received(world, number)
    row = row_of(world, number)
    door = Checkpoint(event_id=row.event_id, code="hall", name=make.both("대강당", "Great hall"))
    db.session.add(door)
    db.session.flush()
    user = world.user("door@seoul-ubf.example")
    db.session.add_all([
        CheckIn(registration_id=row.id, checkpoint_id=door.id, at=clock.now(), gate="Gate A", user_id=user.id, nonce="1"),
        CheckIn(registration_id=row.id, checkpoint_id=door.id, at=clock.now() - timedelta(hours=1), gate="Gate B", nonce="2", ordinal=2,
                undone_at=clock.now())])
    db.session.commit()
    text = seoul_owner.get(path(number)).text
    assert "Great hall" in text and "Gate A" in text and "Gate B" in text and user.name in text and "Taken back" in text


# -- who sees it ---------------------------------------------------------------------------------------

def test_what_is_not_the_members_is_not_there(seoul_owner, busan_owner, world):
    number, = placed(world)
    assert busan_owner.get(f"/busan-meetup/admin/registrations/{number}").status_code == 404
    owner = db.session.get(Membership, (world.seoul.id, world.user("owner@seoul-ubf.example").id))
    owner.event_ids = [world.seoul.event("meetup").id]
    db.session.commit()
    for rest in ("", "/details", "/programs", "/ticket.pdf", "/letters/1", "/files/1"):
        assert seoul_owner.get(path(number, rest)).status_code == 404


def test_the_buyers_link_is_for_those_who_edit(seoul_owner, sign_in, world):
    number, = placed(world)
    row = row_of(world, number)
    token = ticketing.order_token(db.session.get(Order, row.order_id))
    assert token in seoul_owner.get(path(number)).text
    assert token not in sign_in("staff@seoul-ubf.example").get(path(number)).text
    assert token not in seoul_owner.get(path(number), headers=HTMX).text


# -- files ---------------------------------------------------------------------------------------------

@pytest.fixture
def with_file(world):
    """A registration that came with a PDF, and the file's id."""
    with world.seoul.inside():
        fields = [{"key": "proof", "type": "file", "label": make.both("증빙", "Proof")}]
        make.form(world.seoul.event(), fields, version=2)
        upload = uploading.receive("증빙 서류.pdf", b"%PDF-1.7 proof")
        order = make.order(world.seoul.event(), Participant("김하나", "hana@example.com", chosen={"main-conference": 1},
                                                            answers={"proof": [f"upload:{upload.id}:{upload.name}"]}), method="manual_transfer")
        db.session.commit()
        return order.registrations[0].number, upload.id


def test_a_file_is_kept_and_never_shown_as_a_page(seoul_owner, with_file, work):
    number, id_ = with_file
    assert "증빙 서류.pdf" in seoul_owner.get(path(number)).text
    waiting = seoul_owner.get(path(number, f"/files/{id_}"))
    work()  # it is in the store now
    stored = seoul_owner.get(path(number, f"/files/{id_}"))
    for answer in (waiting, stored):
        assert (answer.status_code, answer.data) == (200, b"%PDF-1.7 proof")
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert answer.headers["Cache-Control"] == "no-store"


def test_a_file_of_somebody_else_is_not_there(seoul_owner, with_file, world):
    _number, id_ = with_file
    other, = placed(world, Participant("이두리", "duri@example.com", chosen={"main-conference": 1}))
    assert seoul_owner.get(path(other, f"/files/{id_}")).status_code == 404


# -- letters -------------------------------------------------------------------------------------------

def letters_of(world, number: str) -> list[EmailMessage]:
    row = row_of(world, number)
    return list(db.session.scalars(select(EmailMessage).where(EmailMessage.order_id == row.order_id).order_by(EmailMessage.id)
                                   .execution_options(populate_existing=True)))


def test_a_letter_is_read_without_the_buyers_link(seoul_owner, world, work):
    number, = placed(world)
    work()
    letter, = letters_of(world, number)
    text = seoul_owner.get(path(number, f"/letters/{letter.id}")).text
    assert "123456-04-567890" in text and "/orders/…" in text
    assert ticketing.order_token(db.session.get(Order, letter.order_id)) not in text


def test_a_letter_that_failed_is_sent_to_another_address(seoul_owner, world, work, mailbox):
    number, = placed(world)
    work()
    letter, = letters_of(world, number)
    letter.state, letter.error = "failed", "550 no such user"
    db.session.commit()
    assert "Not delivered" in seoul_owner.get(path(number)).text
    sent = {"to": "Hana@new.example", "nonce": "n" * 16}
    answer = seoul_owner.post(path(number, f"/letters/{letter.id}"), sent)
    assert answer.status_code == 303
    seoul_owner.post(path(number, f"/letters/{letter.id}"), sent)  # pressed twice it is one letter
    work()
    first, again = letters_of(world, number)
    assert (first.state, again.state, again.recipient, again.kind) == ("failed", "sent", "hana@new.example", "payment_due")
    assert again.key != first.key
    assert [each["To"] for each in mailbox()] == ["hana@example.com", "hana@new.example"]
    line = db.session.scalar(select(AuditLog).where(AuditLog.action == "email.sent_again"))
    assert line.after == {"kind": "payment_due"}


def test_an_address_that_is_none_is_refused(seoul_owner, world, work):
    number, = placed(world)
    work()
    letter, = letters_of(world, number)
    answer = seoul_owner.post(path(number, f"/letters/{letter.id}"), {"to": "hana"})
    assert answer.status_code == 422 and 'data-error-for="to"' in answer.text
    assert len(letters_of(world, number)) == 1


def test_a_reminder_to_pay_is_not_sent_to_who_has_paid(seoul_owner, world, work):
    number, = placed(world)
    work()
    received(world, number)
    letter = letters_of(world, number)[0]
    answer = seoul_owner.post(path(number, f"/letters/{letter.id}"), {"to": "hana@example.com"})
    assert answer.status_code == 422 and "Nothing is owed any more" in answer.text


def test_a_letter_without_a_template_of_its_own_goes_as_it_was_written(seoul_owner, world, work, mailbox):
    number, = placed(world)
    row = row_of(world, number)
    db.session.add(EmailMessage(key="message:1", kind="message", locale="ko", recipient="hana@example.com", subject="안내 <드립니다>",
                                body="내일 <b>9시</b>에 뵙겠습니다.", order_id=row.order_id, registration_id=row.id, state="sent",
                                sent_at=clock.now()))
    db.session.commit()
    letter = letters_of(world, number)[0]
    seoul_owner.post(path(number, f"/letters/{letter.id}"), {"to": "hana@example.com"})
    work()
    again = mailbox()[-1]
    assert again["Subject"] == "안내 <드립니다>"
    assert again.get_body(("plain",)).get_content().strip() == "내일 <b>9시</b>에 뵙겠습니다."
    assert "&lt;b&gt;9시" in again.get_body(("html",)).get_content()


def test_the_ticket_is_sent_again_and_printed(seoul_owner, world, work, mailbox):
    number, = placed(world)
    assert seoul_owner.get(path(number, "/ticket.pdf")).status_code == 404
    received(world, number)
    work()
    before = len(mailbox())
    assert seoul_owner.post(path(number, "/ticket"), {"nonce": "n" * 16}).status_code == 303
    work()
    letter = mailbox()[-1]
    assert (len(mailbox()) - before, letter["To"]) == (1, "hana@example.com")
    assert f"ticket-{number}.pdf" in [part.get_filename() for part in letter.iter_attachments()]
    assert seoul_owner.get(path(number, "/ticket.pdf")).data.startswith(b"%PDF")


def test_staff_who_may_not_write_can_read(sign_in, world, work):
    number, = placed(world)
    work()
    letter, = letters_of(world, number)
    staff = sign_in("staff@seoul-ubf.example")
    assert "Send again" not in staff.get(path(number, f"/letters/{letter.id}")).text
    assert staff.post(path(number, f"/letters/{letter.id}"), {"to": "x@example.com"}).status_code == 403
    assert staff.post(path(number, "/ticket")).status_code == 403


# -- details -------------------------------------------------------------------------------------------

def fields_of(answer) -> dict[str, str]:
    from html import unescape

    found = {name: unescape(value) for name, value in re.findall(r'<input[^>]*? name="([^"]+)" value="([^"]*)"', answer.text)}
    return {name: value for name, value in found.items() if name != "csrf_token"}


def test_details_are_changed_and_letters_follow(seoul_owner, world, work, mailbox):
    number, = placed(world)
    form = fields_of(seoul_owner.get(path(number, "/details")))
    answer = seoul_owner.post(path(number, "/details"), form | {
        "email": "New@Example.com", "phone": "010 9999 8888", "locale": "en", "note": "VIP", "flag": "wheelchair", "tags": "speaker, choir"})
    assert answer.status_code == 303
    row = row_of(world, number)
    assert (row.email, row.phone, row.locale, row.note, row.flag, row.tags) == (
        "new@example.com", "+821099998888", "en", "VIP", "wheelchair", ["speaker", "choir"])
    assert db.session.get(Order, row.order_id).email == "new@example.com"
    received(world, number)
    work()
    assert mailbox()[-1]["To"] == "new@example.com"
    text = seoul_owner.get(path(number)).text
    assert "<del>hana@example.com</del>" in text and "<ins>new@example.com</ins>" in text


def test_wrong_details_are_all_said_at_once_and_nothing_is_saved(seoul_owner, world):
    number, = placed(world)
    form = fields_of(seoul_owner.get(path(number, "/details")))
    answer = seoul_owner.post(path(number, "/details"), form | {"name": " ", "email": "x", "phone": "abc", "note": "kept"})
    assert answer.status_code == 422
    assert re.findall(r'data-error-for="(\w+)"', answer.text) == ["name", "email", "phone"]
    assert "kept" in answer.text
    assert row_of(world, number).note == ""


def test_another_who_was_quicker_is_not_written_over(seoul_owner, sign_in, world):
    number, = placed(world)
    form = fields_of(seoul_owner.get(path(number, "/details")))
    other = sign_in("admin@seoul-ubf.example")
    assert other.post(path(number, "/details"), form | {"name": "김둘"}).status_code == 303
    answer = seoul_owner.post(path(number, "/details"), form | {"name": "김셋"})
    assert answer.status_code == 409 and "김둘" in answer.text and "김셋" in answer.text
    assert row_of(world, number).name == "김둘"
    assert seoul_owner.post(path(number, "/details"), fields_of(answer) | {"name": "김셋"}).status_code == 303
    assert row_of(world, number).name == "김셋"


def test_an_answer_is_changed_in_its_cell_and_one_comes_back(seoul_owner, sign_in, world):
    number, = placed(world)
    text = seoul_owner.get(path(number)).text
    cells = re.findall(r'href="([^"]+/cells/answer-[^"]+)"', text)
    # The plate is asked of those who come by car, the group once for a whole order.
    assert [cell.rpartition("answer-")[2] for cell in cells] == ["church", "allergy", "age", "transport", "languages"]
    referrer = {"Referer": f"http://localhost{path(number)}"}
    form = seoul_owner.get(cells[0], headers=referrer)
    saved = seoul_owner.post(cells[0], fields_of(form) | {"value": "부산"})
    assert saved.status_code == 303 and saved.location == path(number)
    assert row_of(world, number).answers["church"] == "부산"
    assert "/cells/" not in sign_in("staff@seoul-ubf.example").get(path(number)).text


# -- history and how much it costs -----------------------------------------------------------------------

def test_the_history_goes_page_by_page_from_the_newest(seoul_owner, world):
    number, = placed(world)
    row = row_of(world, number)
    for count in range(45):
        audit.record("registration.edited", row, by=audit.Actor("user", world.user("admin@seoul-ubf.example").id),
                     after={"field": "note"}, personal=({"note": f"before {count}"}, {"note": f"after {count}"}))
    db.session.commit()
    first = seoul_owner.get(path(number)).text
    assert "after 44" in first and "after 24" not in first and "Admin" in first
    assert "after 24" in seoul_owner.get(path(number) + "?history=2").text
    last = seoul_owner.get(path(number) + "?history=3").text
    assert "after 0" in last and "Registered" in last and 'rel="next"' not in last


def test_personal_values_of_the_history_are_for_those_who_edit(sign_in, world):
    number, = placed(world)
    audit.record("registration.edited", row_of(world, number), by=audit.SYSTEM, after={"field": "phone"},
                 personal=({"phone": "+821011112222"}, {"phone": "+821033334444"}))
    db.session.commit()
    assert "+821011112222" in sign_in("admin@seoul-ubf.example").get(path(number)).text
    assert "+821011112222" not in sign_in("staff@seoul-ubf.example").get(path(number)).text


def test_a_crowded_page_asks_no_more_than_a_lonely_one(seoul_owner, world, statements):
    alone, = placed(world)
    many = placed(world, *[Participant(f"참가자 {number}", f"p{number}@example.com", chosen={"main-conference": 1}) for number in range(20)],
                  browser="another")
    row = row_of(world, many[0])
    for count in range(30):
        db.session.add(EmailMessage(key=f"k{count}", kind="message", locale="ko", recipient="x@example.com", subject=f"Letter {count}",
                                    body="…", order_id=row.order_id, state="sent", sent_at=clock.now()))
        audit.record("registration.edited", row, by=audit.Actor("user", world.user("admin@seoul-ubf.example").id), after={"field": "note"})
    db.session.commit()
    seoul_owner.get(path(alone))
    assert statements(lambda: seoul_owner.get(path(many[0]))) <= statements(lambda: seoul_owner.get(path(alone))) + 1
    assert statements(lambda: seoul_owner.get(path(many[0]), headers=HTMX)) <= statements(lambda: seoul_owner.get(path(alone), headers=HTMX)) + 1


# -- what is done from here --------------------------------------------------------------------------------

def test_the_buttons_are_the_desks_operations_with_this_one_alone(seoul_owner, sign_in, world):
    number, = placed(world)
    text = seoul_owner.get(path(number)).text
    assert re.findall(r'name="action" value="(\w+)"', text) == ["mark_paid", "send_email", "cancel"]
    assert f'name="ids" value="{number}"' in text
    received(world, number)
    assert re.findall(r'name="action" value="(\w+)"', seoul_owner.get(path(number)).text) == ["check_in", "send_email", "cancel"]
    assert re.findall(r'name="action" value="(\w+)"', sign_in("staff@seoul-ubf.example").get(path(number)).text) == ["check_in"]


def test_cancelling_from_here_comes_back_here(seoul_owner, world):
    number, = placed(world)
    form = {"ids": number, "action": "cancel", "next": path(number)}
    look = seoul_owner.post("/seoul-ubf/admin/registrations", form)
    operation = re.search(r'name="operation" value="(\d+)"', look.text)[1]
    done = seoul_owner.post("/seoul-ubf/admin/registrations", form | {"operation": operation})
    assert done.status_code == 303 and f"next={path(number)}" in done.location.replace("%2F", "/")
    assert row_of(world, number).status == "cancelled"
    assert re.findall(r'name="action" value="(\w+)"', seoul_owner.get(path(number)).text) == ["send_email"]


def test_to_htmx_the_page_draws_itself_anew(seoul_owner, world):
    number, = placed(world)
    answer = seoul_owner.get(path(number), headers={"HX-Request": "true", "HX-Target": "div#registration"})
    assert answer.text.lstrip().startswith('<div id="registration"') and "<html" not in answer.text


def test_a_difference_that_came_by_hand_is_marked_once(seoul_owner, sign_in, world):
    from eventapp.domain import changing, ledger

    number, = placed(world)
    received(world, number)
    row = row_of(world, number)
    changing.change(row, changing.Wanted({"main-conference": 1, "workshop": 1}, was=changing.mark(row)), by=audit.SYSTEM)
    db.session.commit()
    assert "Mark ₩30,000 as received" in seoul_owner.get(path(number)).text
    assert sign_in("staff@seoul-ubf.example").post(path(number, "/received"), {"amount": "30000"}).status_code == 403
    assert seoul_owner.post(path(number, "/received"), {"amount": "1"}).status_code == 409
    assert seoul_owner.post(path(number, "/received"), {"amount": "30000"}).status_code == 303
    assert seoul_owner.post(path(number, "/received"), {"amount": "30000"}).status_code == 409
    order = db.session.get(Order, row_of(world, number).order_id)
    assert (ledger.owed(order), ledger.paid(order)) == (0, 130_000)
