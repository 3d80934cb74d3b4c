"""The sandbox is told where each of the demo's accounts hears its notices."""
from eventapp.demo import gateway as demo
from eventapp.domain import connecting_gateways
from eventapp.extensions import db
from eventapp.supervisor.__main__ import SANDBOX_KEYS
from tests.gateway import BROWSER


def test_each_gateway_of_the_sandbox_learns_the_address_of_each_account(app, world, gateway, settings):
    changed = settings(**{name.lower(): value for name, value in SANDBOX_KEYS.items()}, port=5999, **{
        f"{name}_api_url": f"{gateway.address}/{name}" for name in ("toss", "portone", "stripe")})
    world.seoul.enter()
    wanted = {}
    for provider, keys in demo.keys(changed).items():
        account = connecting_gateways.connect_account(provider, mode="test", client_key=keys.client_key, secret_key=keys.secret_key,
                                                      webhook_secret=keys.webhook_secret, public=keys.public)
        wanted[provider] = f"http://127.0.0.1:5999{connecting_gateways.webhook_path(account)}"
    db.session.commit()
    assert demo.register_webhooks(changed)
    assert demo.register_webhooks(changed), "and once more"
    told = {provider: BROWSER.get(f"{gateway.address}/control/{path}").text
            for provider, path in (("toss", "webhooks"), ("portone", "portone/webhooks"), ("stripe", "stripe/webhooks"))}
    assert {provider: told[provider].count(wanted[provider]) for provider in wanted} == {"toss": 1, "portone": 1, "stripe": 1}
