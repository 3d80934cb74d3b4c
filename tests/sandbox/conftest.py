from tests.gateway import gateway, hooked, inbox, shared_gateway  # noqa: F401
