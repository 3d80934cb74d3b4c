"""Whatever colour an organisation chooses, it can be read."""
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.web import accent

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def declared(colour):
    """name → (light, dark), as red, green, blue."""
    pairs = re.findall(r"--([a-z-]+):light-dark\((#[0-9a-fA-F]{6}),(#[0-9a-fA-F]{6})\)", accent.stylesheet(colour))
    return {name: (accent._from_hex(light), accent._from_hex(dark)) for name, light, dark in pairs}


@given(COLOURS)
def test_text_on_the_colour_and_the_colour_as_text_have_contrast(colour):
    values = declared(colour)
    for theme in (0, 1):
        assert accent.contrast(values["accent"][theme], values["on-accent"][theme]) >= 4.5
        assert accent.contrast(values["accent-text"][theme], values["accent-tint"][theme]) >= 4.5


def test_the_chosen_colour_stays_what_it_is_in_the_light():
    assert "--accent:light-dark(#0f6b5c," in accent.stylesheet("#0f6b5c")


@pytest.mark.parametrize("nonsense", ["", "red", "#12345", "#123456}body{display:none", "url(x)"])
def test_what_is_no_colour_never_reaches_the_stylesheet(nonsense):
    assert accent.stylesheet(nonsense) == accent.stylesheet(accent.FALLBACK)


def test_the_version_changes_with_the_colour():
    assert accent.version("#0f6b5c") != accent.version("#0f6b5d")
