"""PortOne V2's REST API and window."""
from eventapp.sandbox.portone_books import State

__all__ = ["ROUTES", "State"]
ROUTES = []
