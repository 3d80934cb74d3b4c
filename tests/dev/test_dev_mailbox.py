import re

import pytest
from flask.testing import FlaskClient

from eventapp import mail
from eventapp.tickets import qr
from tests.specimens import participant, values


@pytest.fixture
def sent(app):
    """Puts a letter into the mailbox of the application under test."""
    def put(to="kim@example.com", kind="ticket", **changes):
        letter = mail.render(kind, "ko", **values(kind, **changes))
        mail.send(mail.message(letter, to, ("서울 UBF", "tickets@localhost"), "", mail.message_id(to, "localhost"),
                               [mail.Attachment("ticket.pdf", "application/pdf", b"%PDF-1.7 here")],
                               [mail.Attachment(participant().number, "image/png", qr.png(participant().code))]),
                  f"folder:{app.config['SETTINGS'].var / 'mailbox'}")
    return put


def links(page):
    return re.findall(r'<a href="(/dev/mailbox/[^"]+)"', page.text)


def test_an_empty_mailbox_says_so(client):
    page = client.get("/dev/mailbox")
    assert (page.status_code, "No emails yet" in page.text) == (200, True)


def test_letters_are_listed_newest_first_and_found(client, sent):
    sent("kim@example.com")
    sent("lee@example.com")
    page = client.get("/dev/mailbox").text
    assert page.index("lee@example.com") < page.index("kim@example.com")
    found = client.get("/dev/mailbox?q=KIM@").text
    assert "kim@example.com" in found and "lee@example.com" not in found
    assert "No email matches" in client.get("/dev/mailbox?q=nobody").text


def test_a_letter_shows_all_its_sides(client, sent):
    sent()
    address, = links(client.get("/dev/mailbox"))
    page = client.get(address).text
    assert "Message-ID" in page and "세계선교대회" in page and f'src="{address}/html"' in page
    assert client.get(f"{address}/raw").data.startswith(b"From: ")
    file = client.get(f"{address}/attachments/0")
    assert (file.data, file.mimetype, file.headers["Content-Disposition"]) == (
        b"%PDF-1.7 here", "application/pdf", "attachment; filename=ticket.pdf")
    assert client.get(f"{address}/attachments/1").status_code == 404


def test_the_html_is_shut_in_a_frame(app, client, sent):
    sent()
    address, = links(client.get("/dev/mailbox"))
    answer = FlaskClient(app, app.response_class).get(f"{address}/html")  # no page of ours: its styles are inline
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "sandbox" in policy and "allow-scripts" not in policy
    assert "data:image/png;base64," in answer.text


def test_it_can_be_emptied(client, sent):
    sent()
    assert client.post("/dev/mailbox/empty").status_code == 303
    assert "No emails yet" in client.get("/dev/mailbox").text


@pytest.mark.parametrize("name", ["..", "x", "00000000000000000000-1-00000000"])
def test_what_is_not_there_is_not_found(client, name):
    assert [client.get(f"/dev/mailbox/{name}{more}").status_code for more in ("", "/html", "/raw")] == [404] * 3


def test_with_a_mail_server_there_is_no_mailbox(client, settings):
    settings(smtp_url="smtp://127.0.0.1:2525")
    assert client.get("/dev/mailbox").status_code == 404
