"""Nothing to pay."""
from eventapp.payments.provider import GatewayAccount
from tests.payments.stands import Stand


class Free(Stand):
    name = "free"

    def account_of(self, ending, **changes):
        return GatewayAccount("free")


STAND = Free
