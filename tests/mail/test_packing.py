import email
from email.policy import default
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from eventapp import clock, mail
from eventapp.tickets import calendar, qr
from tests.specimens import event, order, organization, participant, values

LETTER = mail.Letter("제목", "본문\n", "<html><p>본문</p></html>")
ID = mail.message_id("order_confirmed:3:4", "events.example")


def packed(**changes):
    return mail.message(**{"letter": LETTER, "to": "kim@example.com", "from_": ("서울 UBF", "tickets@events.example"),
                           "reply_to": "help@seoul-ubf.example", "message_id": ID} | changes)


def received(message):
    return email.message_from_bytes(message.as_bytes(), policy=default)


def test_the_headers_are_as_the_standards_want_them():
    message = received(packed())
    assert str(message["From"]) == "서울 UBF <tickets@events.example>"
    assert (message["To"], message["Reply-To"]) == ("kim@example.com", "help@seoul-ubf.example")
    assert (message["Subject"], message["Message-ID"]) == ("제목", ID)
    assert message["Auto-Submitted"] == "auto-generated"
    assert abs((parsedate_to_datetime(message["Date"]) - clock.now()).total_seconds()) < 5
    assert [name for name in message if name.startswith("List-")] == []
    assert b"\xea" not in packed().as_bytes()  # ASCII only: any server passes it on


def test_the_message_id_follows_from_what_the_letter_is_for():
    assert ID == mail.message_id("order_confirmed:3:4", "events.example")
    assert ID != mail.message_id("order_confirmed:3:5", "events.example")


@pytest.mark.parametrize("where", ["to", "reply_to", "message_id", "subject", "name", "sender"])
@pytest.mark.parametrize("break_", ["\n", "\r", "\r\n", "\0", "\u2028", "\x85"])
def test_a_line_break_in_a_header_is_refused(where, break_):
    bad = f"kim@example.com{break_}Bcc: x@example.com"
    changes = {"subject": {"letter": mail.Letter(bad, "", "")}, "name": {"from_": (bad, "tickets@events.example")},
               "sender": {"from_": ("UBF", bad)}}.get(where, {where: bad})
    with pytest.raises(ValueError):
        packed(**changes)


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=300))
def test_any_subject_and_name_arrive_as_they_were(text):
    message = received(packed(letter=mail.Letter(text, "x", "x"), from_=(text, "tickets@events.example")))
    assert " ".join(str(message["Subject"]).split()) == " ".join(text.split())
    assert message["To"] == "kim@example.com" and message.get_all("Bcc") is None
    assert message["From"].addresses[0].addr_spec == "tickets@events.example"


@pytest.mark.parametrize("address", ["", "kim", "@example.com", "kim@", "kim@exa mple.com",
                                     "kim@example.com, x@example.com", "a b@example.com", "a..b@example.com",
                                     "a@b@example.com", "(c)a@example.com", "a<b@example.com", "김@example.com",
                                     "a@" + "x" * 70 + ".com"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ValueError):
        packed(to=address)


def test_a_korean_domain_travels_in_ascii():
    assert packed(to="kim@한국.example")["To"] == "kim@xn--3e0b707e.example"


def test_a_letter_carries_its_pictures_and_files():
    given = values("order_confirmed")
    message = received(packed(
        letter=mail.render("order_confirmed", "ko", **given),
        attachments=[mail.Attachment("티켓.pdf", "application/pdf", b"%PDF-1.7"),
                     mail.Attachment("wmc-2026.ics", "text/calendar", calendar.ics(event(), organization()))],
        inline=[mail.Attachment(person.number, "image/png", qr.png(person.code)) for person in order().participants]))
    assert message.get_content_type() == "multipart/mixed"
    assert order().url in message.get_body(("plain",)).get_content()
    pictures = {part["Content-ID"]: part.get_content() for part in message.walk() if part["Content-ID"]}
    assert pictures == {f"<{person.number}>": qr.png(person.code) for person in (participant(), participant(which=1))}
    ticket, entry = message.iter_attachments()
    assert (ticket.get_filename(), ticket.get_content()) == ("티켓.pdf", b"%PDF-1.7")
    assert (entry.get_content_type(), entry.get_param("method")) == ("text/calendar", "PUBLISH")
    assert Calendar.from_ical(entry.get_payload(decode=True)).walk("VEVENT")[0]["summary"] == event().title
