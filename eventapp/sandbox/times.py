"""Times as Toss's API writes and takes them."""
from datetime import datetime, timedelta, timezone

KST = timezone(timedelta(hours=9))


def seoul(text) -> float | None:
    """Seconds since the epoch of an ISO 8601 time, Seoul's when it names no offset; a bare date is its midnight."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=KST)).timestamp()
    except (ValueError, OverflowError):
        return None


def day(at: float) -> str:
    """The day in Seoul, 2026-11-23."""
    return datetime.fromtimestamp(at, KST).date().isoformat()
