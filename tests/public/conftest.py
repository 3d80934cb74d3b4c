from tests.gateway import gateway, inbox, shared_gateway  # noqa: F401
from tests.shop import guards_off, shop  # noqa: F401
