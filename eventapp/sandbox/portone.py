"""PortOne V2's REST API and window."""
ROUTES = []
