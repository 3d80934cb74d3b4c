import html
import re

import pytest

from eventapp import mail
from tests.specimens import TEXTS, event, order, organization, values

ALL = [(kind, locale) for kind in mail.KINDS for locale in ("ko", "en")]


@pytest.mark.parametrize(("kind", "locale"), ALL)
def test_the_text_alone_says_all_that_the_page_says(kind, locale):
    letter = mail.render(kind, locale, **values(kind, locale))
    for link in re.findall(r'href="(https?:[^"]+)"', letter.html):
        assert html.unescape(link) in letter.text or link == organization().url
    amounts = re.findall(r"₩[\d,]+", letter.html)
    assert set(amounts) <= set(re.findall(r"₩[\d,]+", letter.text))
    assert "<" not in letter.text and "&" not in letter.text
    assert "\n\n\n" not in letter.text


@pytest.mark.parametrize(("kind", "locale"), ALL)
def test_every_letter_is_whole(kind, locale):
    letter = mail.render(kind, locale, **values(kind, locale))
    assert letter.subject and "\n" not in letter.subject
    assert f'<html lang="{locale}"' in letter.html
    assert TEXTS[locale]["business"] in letter.html and TEXTS[locale]["business"] in letter.text
    assert "prefers-color-scheme: dark" in letter.html
    assert not re.search(r"%\(|None|Undefined|\{\{|\}\}", letter.subject + letter.text + letter.html)
    assert not re.search(r'(?:src|href)="(?!https://events\.example|cid:)', letter.html)


def test_a_deposit_letter_says_where_how_much_and_until_when():
    letter = mail.render("payment_due", "en", **values("payment_due", "en"))
    for words in ("₩240,000", "KB Kookmin Bank", "X6505636518308", "University Bible Fellowship",
                  "Wed 25 Nov, 11:59 pm", order().url):
        assert words in letter.text
    assert "Korea" in letter.text


def test_a_manual_transfer_names_the_depositor():
    from tests.specimens import deposit
    given = deposit("en", virtual=False, depositor="David Kim 7K3Q")
    letter = mail.render("payment_due", "en", **values("payment_due", "en", deposit=given))
    assert "David Kim 7K3Q" in letter.text and "exactly as shown" in letter.text


def test_a_reminder_for_a_card_has_no_account():
    letter = mail.render("payment_reminder", "en", **values("payment_reminder", "en", deposit=None))
    assert "Account" not in letter.text
    assert f"Pay now: {order().url}" in letter.text


def test_a_confirmation_shows_every_ticket():
    letter = mail.render("order_confirmed", "ko", **values("order_confirmed", "ko", order=order(people=60)))
    assert re.findall(r'src="cid:([^"]+)"', letter.html) == [f"WMC26-7K3Q{which}" for which in range(60)]
    assert len(letter.html) < 102_000  # beyond that Gmail hides the end


def test_a_free_order_has_no_amount():
    letter = mail.render("order_confirmed", "en", **values("order_confirmed", "en", order=order("en", amount=0)))
    assert "Free of charge" in letter.text and "₩" not in letter.text


def test_words_from_people_are_not_markup():
    nasty = order("en", name='<img src=x onerror=alert(1)> "&')
    letter = mail.render("order_confirmed", "en", **values("order_confirmed", "en", order=nasty,
                                                         event=event("en", title="<script>1</script>")))
    assert "<script>" not in letter.html and "<img src=x" not in letter.html
    assert '<img src=x onerror=alert(1)> "&' in letter.text


def test_a_line_break_in_a_title_stays_out_of_the_subject():
    title = "World\r\nBcc: everybody@example.com\u2028Mission"
    letter = mail.render("ticket", "en", **values("ticket", "en", event=event("en", title=title)))
    assert letter.subject == "Your ticket: World Bcc: everybody@example.com Mission"


def test_an_accent_is_a_colour_and_nothing_more():
    with pytest.raises(ValueError, match="accent"):
        organization(accent="red; background: url(//x)")
    assert [organization(accent=colour).on_accent for colour in ("#000000", "#ffffff", "#3b4cca", "#ffd400")] == \
        ["#ffffff", "#000000", "#ffffff", "#000000"]


def test_a_letter_takes_exactly_what_it_needs():
    with pytest.raises(TypeError, match="order_confirmed takes organization, event, order"):
        mail.render("order_confirmed", "en", organization=organization())
    with pytest.raises(TypeError):
        mail.render("password_changed", "en", **values("password_changed"), link="x")
