from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar

from eventapp.tickets import calendar
from tests.specimens import event, organization


def entry(**changes):
    return Calendar.from_ical(calendar.ics(event(**changes), organization())).walk("VEVENT")[0]


def test_the_entry_says_what_when_and_where():
    made = entry(description="나흘 동안")
    assert made["summary"] == "2026 세계선교대회"
    assert made["dtstart"].dt == datetime(2027, 8, 5, 14, tzinfo=ZoneInfo("Asia/Seoul"))
    assert made["dtend"].dt == datetime(2027, 8, 8, 12, tzinfo=ZoneInfo("Asia/Seoul"))
    assert made["location"] == "경주 화백컨벤션센터, 경주시 보문로 507"
    assert made["description"] == "나흘 동안\n\nhttps://events.example/seoul-ubf/wmc-2026"
    assert (made["status"], made["organizer"]) == ("CONFIRMED", "mailto:help@seoul-ubf.example")


def test_a_changed_event_is_the_same_entry_with_a_higher_sequence():
    before, after = entry(), entry(sequence=2, title="Moved")
    assert (before["uid"], before["sequence"]) == ("wmc-2026.seoul-ubf@events.example", 0)
    assert (after["uid"], after["sequence"], after["summary"]) == (before["uid"], 2, "Moved")


def test_a_cancelled_event_says_so():
    assert entry(cancelled=True)["status"] == "CANCELLED"


@pytest.mark.parametrize("zone", ["Asia/Seoul", "America/New_York", "Europe/Berlin", "Australia/Sydney", "UTC"])
@pytest.mark.parametrize("month", [1, 3, 7, 11])
def test_the_zone_in_the_file_alone_gives_the_right_moment(zone, month):
    """Read with the file's own rules, not with this machine's: that is what a calendar program does."""
    starts = datetime(2027, month, 28, 5, tzinfo=UTC)
    file = Calendar.from_ical(calendar.ics(event(timezone=zone, starts_at=starts, ends_at=starts + timedelta(hours=2)),
                                           organization()))
    local = file.walk("VEVENT")[0]["dtstart"].dt.replace(tzinfo=None)
    if zone == "UTC":
        assert local == starts.replace(tzinfo=None)
    else:
        rules = file.walk("VTIMEZONE")[0].to_tz()
        assert local.replace(tzinfo=rules).astimezone(UTC) == starts


def test_lines_are_short_and_end_as_the_standard_says():
    lines = calendar.ics(event(title="가" * 200), organization()).split(b"\r\n")
    assert max(map(len, lines)) <= 75
    assert lines[-1] == b""
