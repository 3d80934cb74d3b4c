"""The demo's gateway accounts: the keys of the environment in each organisation, and their webhooks at the sandbox."""
import logging
from urllib.parse import urlsplit

import httpx
from sqlalchemy import select

from eventapp import clock, tenancy
from eventapp.config import Settings
from eventapp.demo import organizations
from eventapp.domain import connecting_gateways
from eventapp.domain.connecting_gateways import GATEWAYS, Keys
from eventapp.extensions import db
from eventapp.models import Directory, GatewayAccount

log = logging.getLogger("eventapp.demo")
USES = {"seoul-ubf": ("toss",), "busan-meetup": ("toss",), "hanbit-university": ("portone", "stripe")}
"""Which gateways an organisation has accounts at; Stripe's is only for the event that chooses it."""


def keys(settings: Settings) -> dict[str, Keys]:
    """Of the environment, where they are whole."""
    found = {
        "toss": Keys(settings.toss_client_key, settings.toss_secret_key),
        "portone": Keys(settings.portone_store_id, settings.portone_api_secret, settings.portone_webhook_secret, "test",
                        {"store_id": settings.portone_store_id, "channel_key": settings.portone_channel_key, "approval": "automatic"}),
        "stripe": Keys(settings.stripe_publishable_key, settings.stripe_secret_key, settings.stripe_webhook_secret)}
    return {provider: each for provider, each in found.items()
            if each.client_key and each.secret_key and (provider != "portone" or settings.portone_channel_key)}


def connect(settings: Settings) -> list[str]:
    """Give each of the demo's organisations the keys of the environment; says each account's webhook address."""
    there, said = keys(settings), []
    if "toss" not in there:
        said.append("TOSS_CLIENT_KEY and TOSS_SECRET_KEY are not set: cards and virtual accounts can't be paid.")
    for each in organizations.ALL:
        # An organisation whose own gateway is not to be had takes money through Toss as the others do.
        wanted = [provider for provider in USES[each["slug"]] if provider in there]
        wanted = wanted if set(wanted) - {"stripe"} else [*(["toss"] if "toss" in there else []), *wanted]
        with tenancy.inside(db.session.scalar(select(Directory.org_id).where(Directory.slug == each["slug"]))):
            for provider in wanted:
                given = there[provider]
                account = connecting_gateways.connect_account(
                    provider, mode=connecting_gateways.read_keys(provider, given), client_key=given.client_key, secret_key=given.secret_key,
                    webhook_secret=given.webhook_secret, public=given.public, for_all_events=provider != "stripe")
                account.checked_at = account.checked_at or clock.now()
                said.append(f"Webhook of {each['slug']} at {GATEWAYS[provider]}: {connecting_gateways.webhook_url(account)}")
    return said


def register_webhooks(settings: Settings) -> bool:
    """Tell the sandbox where its notices go. False while it does not answer."""
    if not settings.sandboxed or settings.production:
        return True
    parts = urlsplit(settings.toss_api_url)
    wanted = []
    for _ in tenancy.each_organization():
        for account in db.session.scalars(select(GatewayAccount).where(GatewayAccount.client_key != "").order_by(GatewayAccount.id)):
            url = f"http://127.0.0.1:{settings.port}{connecting_gateways.webhook_path(account)}"
            wanted += [(account.provider, account.client_key, url)] if urlsplit(getattr(settings, f"{account.provider}_api_url")).netloc == parts.netloc else []
    seen = set()
    try:
        for provider, client_key, url in wanted:
            path, body = ADDRESSES[provider](settings, client_key, url)
            # The first address of an account replaces those of a database that is gone.
            httpx.post(f"{parts.scheme}://{parts.netloc}/control/{path}", json=body | {"add": client_key in seen}, timeout=3,
                       trust_env=False).raise_for_status()
            seen.add(client_key)
    except httpx.HTTPError as error:
        log.info("the sandbox does not take the webhooks' addresses yet: %s", type(error).__name__)
        return False
    return True


ADDRESSES = {
    "toss": lambda settings, client_key, url: ("webhooks", {"client_key": client_key, "url": url}),
    "portone": lambda settings, client_key, url: ("portone/webhooks", {"store_id": client_key, "url": url}),
    "stripe": lambda settings, client_key, url: ("stripe/webhooks", {"client_key": client_key, "url": url, "secret": settings.stripe_webhook_secret})}
"""What the sandbox is told: where to, and with what."""
