from tests.gateway import gateway, shared_gateway  # noqa: F401
from tests.shop import guards_off, shop  # noqa: F401
