import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.tickets import codes
from tests.specimens import KEYS

IDS = st.integers(0, 2**63 - 1)
KEY = b"k" * 32


@given(IDS, IDS, IDS, st.integers(0, 1000))
def test_what_was_signed_is_read_back(org_id, event_id, registration_id, version):
    text = codes.sign(KEYS[0], org_id, event_id, registration_id, version)
    assert codes.verify(KEYS[1], text) == (org_id, event_id, registration_id, version)


@given(st.integers(0, 115), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_no_other_text_is_taken_for_a_signed_one(place, letter):
    text = codes.sign(KEYS[0], 3, 12, 2345, 1)
    changed = text[:place] + letter + text[place + 1:]
    assert codes.verify(KEYS[1], changed) == (codes.Ticket(3, 12, 2345, 1) if changed == text else None)


@given(st.text(max_size=200) | st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567=", max_size=200))
def test_any_text_is_answered_quietly(text):
    assert codes.verify(KEYS[1], text) is None
    assert codes.read_token(KEY, "order", text) is None


def test_a_ticket_of_another_event_is_not_opened_but_says_where_it_belongs():
    text = codes.sign(codes.new_keys()[0], 3, 99, 2345, 1)
    assert codes.verify(KEYS[1], text) is None
    assert codes.unverified(text) == codes.Ticket(3, 99, 2345, 1)


def test_the_same_ticket_always_has_the_same_text_of_the_small_alphabet():
    text = codes.sign(KEYS[0], 3, 12, 2345, 1)
    assert text == codes.sign(KEYS[0], 3, 12, 2345, 1)
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    assert len(text) == 112


def test_a_scanner_may_add_white_space_but_nothing_else():
    text = codes.sign(KEYS[0], 3, 12, 2345, 1)
    assert codes.verify(KEYS[1], f" {text}\r\n") == codes.Ticket(3, 12, 2345, 1)
    assert codes.verify(KEYS[1], text.lower()) is None
    assert codes.verify(KEYS[1], text + "======") is None


@given(IDS, IDS, st.integers(0, 1000))
def test_a_token_is_read_back_for_its_own_purpose_and_key_only(org_id, thing, version):
    text = codes.token(KEY, "order", org_id, thing, version)
    assert codes.read_token(KEY, "order", text) == (org_id, thing, version)
    assert codes.read_token(KEY, "ticket", text) is None
    assert codes.read_token(b"l" * 32, "order", text) is None


@given(st.data())
def test_a_changed_token_is_refused(data):
    text = codes.token(KEY, "order", 3, 2345, 1)
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))
    changed = text[:place] + letter + text[place + 1:]
    assert (codes.read_token(KEY, "order", changed) is None) == (changed != text)


@pytest.mark.parametrize("text", ["", "=", "A", "한글", "A6kSAbdTXHXyy-xjpkyYNNUvNvM=", "A" * 10_000])
def test_rubbish_is_no_token(text):
    assert codes.read_token(KEY, "order", text) is None


def test_purpose_and_payload_cannot_be_shifted_into_each_other():
    assert codes.token(KEY, "a", 98, 1, 1) != codes.token(KEY, "ab", 1, 1, 1)
