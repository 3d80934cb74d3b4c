"""Times as Toss's API takes them."""
from datetime import datetime

from eventapp.sandbox.shapes import KST


def seoul(text) -> float | None:
    """Seconds since the epoch of an ISO 8601 time, Seoul's when it names no offset; a bare date is its midnight."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=KST)).timestamp()
    except (ValueError, OverflowError):
        return None
