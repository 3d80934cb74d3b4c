"""The one place that knows what time it is.

`CLOCK_OFFSET` (seconds, refused in production) moves it, so that deadlines can be tried out.
"""
from datetime import datetime, timedelta, timezone

offset = timedelta()


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(timezone.utc) + offset
