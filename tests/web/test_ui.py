"""The macros: what they escape, and the hooks that forms and programs rely on."""
from datetime import timedelta

import pytest
from markupsafe import Markup

from eventapp import clock
from eventapp.languages import force_locale
from eventapp.web.ui import attributes, until


def test_attributes_are_escaped_and_named_with_dashes():
    assert attributes({"data_testid": 'a"b', "required": True, "hidden": False, "title": None}) == \
        Markup(' data-testid="a&#34;b" required')


def test_an_attribute_that_is_no_name_is_refused():
    with pytest.raises(ValueError):
        attributes({"x onclick": "alert(1)"})


@pytest.mark.parametrize(("ahead", "english", "korean"), [
    (timedelta(minutes=14, seconds=50), "in 14 minutes", "14분 후"),
    (timedelta(hours=1, minutes=59), "in 1 hour", "1시간 후"),
    (timedelta(days=2, hours=23), "in 2 days", "2일 후")])
def test_a_deadline_is_said_in_whole_units(ahead, english, korean):
    with force_locale("en"):
        assert until(clock.now() + ahead + timedelta(seconds=1)) == english
    with force_locale("ko"):
        assert until(clock.now() + ahead + timedelta(seconds=1)) == korean
