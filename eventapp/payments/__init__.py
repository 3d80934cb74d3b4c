"""The gateways, behind one interface: `provider("toss")` has the calls of `provider.PaymentProvider`."""
from eventapp.payments import free, manual, portone, stripe, toss

PROVIDERS = {each.name: each for each in (toss, portone, stripe, manual, free)}


def provider(name: str):
    """The module that speaks to this gateway; raises KeyError for one we don't have."""
    return PROVIDERS[name]
