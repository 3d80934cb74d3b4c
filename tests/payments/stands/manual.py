"""A transfer by hand: no gateway, staff see the money."""
from eventapp.payments.provider import GatewayAccount
from tests.payments.stands import Stand


class Manual(Stand):
    name = "manual"

    def account_of(self, ending, **changes):
        return GatewayAccount("manual", public={"bank": "kb", "account_number": "123-45-6789", "holder": "서울UBF"})


STAND = Manual
