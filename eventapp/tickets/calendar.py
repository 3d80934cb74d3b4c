"""The event as an entry for people's calendars (RFC 5545)."""
from datetime import timedelta
from zoneinfo import ZoneInfo

from icalendar import Calendar, vUri
from icalendar import Event as Entry

from eventapp import clock
from eventapp.tickets.values import Event, Organization

YEAR = timedelta(days=366)


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
    calendar.add_component(entry)
    # The zone's rules around the event only: Seoul's summer times of 1987 help nobody.
    calendar.add_missing_timezones(first_date=event.starts_at.date() - YEAR, last_date=event.ends_at.date() + YEAR)
    return calendar.to_ical()
