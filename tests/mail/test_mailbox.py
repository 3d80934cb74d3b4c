import os

from eventapp import mail
from eventapp.mail import mailbox
from tests.specimens import order, qr_pictures, values


def put(folder, to="kim@example.com", kind="order_confirmed"):
    letter = mail.render(kind, "ko", **values(kind))
    mail.send(mail.message(letter, to, ("서울 UBF", "tickets@localhost"), "", mail.message_id(to, "localhost"),
                           inline=qr_pictures(order())), f"folder:{folder}")


def test_letters_are_listed_newest_first_and_found_by_address(tmp_path):
    for name in ("kim", "lee", "park"):
        put(tmp_path, f"{name}@example.com")
    shown, total = mailbox.envelopes(tmp_path)
    assert ([letter.to for letter in shown], total) == (["park@example.com", "lee@example.com", "kim@example.com"], 3)
    found, count = mailbox.envelopes(tmp_path, "LEE@")
    assert ([letter.to for letter in found], count) == (["lee@example.com"], 1)
    assert mailbox.envelopes(tmp_path, start=1, count=1)[0] == [shown[1]]


def test_a_letter_is_shown_with_its_pictures_inside(tmp_path):
    put(tmp_path)
    message = mailbox.read(tmp_path, mailbox.envelopes(tmp_path)[0][0].name)
    page = mailbox.page(message)
    assert page.count("data:image/png;base64,") == 2 and "cid:" not in page
    assert '<base target="_blank">' in page


def test_names_lead_nowhere_else(tmp_path):
    (tmp_path.parent / "secret.eml").write_text("x")
    for name in ("../secret", "..", "", "x", "0" * 20 + "-1-0000000g"):
        assert mailbox.raw(tmp_path, name) is None


def test_no_half_letter_is_ever_seen(tmp_path):
    for _ in range(3):
        put(tmp_path)
    assert all(name.endswith(".eml") and not name.startswith(".") for name in os.listdir(tmp_path))


def test_an_empty_or_missing_folder_is_an_empty_mailbox(tmp_path):
    assert mailbox.envelopes(tmp_path / "none") == ([], 0)
    put(tmp_path)
    mailbox.empty(tmp_path)
    assert mailbox.envelopes(tmp_path) == ([], 0)
