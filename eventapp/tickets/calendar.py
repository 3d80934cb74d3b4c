"""The event as an entry for people's calendars (RFC 5545)."""
from datetime import date
from functools import lru_cache
from zoneinfo import ZoneInfo

from icalendar import Calendar, Timezone, vUri
from icalendar import Event as Entry

from eventapp import clock
from eventapp.tickets.values import Event, Organization


def ics(event: Event, organization: Organization) -> bytes:
    """The same `uid` with a higher `sequence` replaces what the calendar already has."""
    zone = ZoneInfo(event.timezone)
    entry = Entry()
    entry.add("uid", event.uid)
    entry.add("sequence", event.sequence)
    entry.add("dtstamp", event.updated_at or clock.now())
    entry.add("dtstart", event.starts_at.astimezone(zone))
    entry.add("dtend", event.ends_at.astimezone(zone))
    entry.add("summary", event.title)
    entry.add("description", "\n\n".join(part for part in (event.description, event.online_url or event.url) if part))
    place = ", ".join(part for part in (event.venue, event.address) if part) or event.online_url
    if place:
        entry.add("location", place)
    entry.add("url", event.url)
    entry.add("status", "CANCELLED" if event.cancelled else "CONFIRMED")
    if organization.email:
        entry.add("organizer", vUri(f"mailto:{organization.email}"), parameters={"CN": organization.name})
    calendar = Calendar()
    calendar.add("prodid", "-//eventapp//tickets//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    if event.timezone != "UTC":
        calendar.add_component(_rules(event.timezone, event.starts_at.year - 1, event.ends_at.year + 2))
    calendar.add_component(entry)
    return calendar.to_ical()


@lru_cache(maxsize=100)
def _rules(zone: str, first: int, last: int) -> Timezone:
    """The zone's rules around the event only (Seoul's summer times of 1987 help nobody); finding them takes 12 ms."""
    return Timezone.from_tzid(zone, first_date=date(first, 1, 1), last_date=date(last, 1, 1))
