"""The demo's gateway accounts: the keys of the environment in each organisation, and their webhooks at the sandbox."""
import logging
from urllib.parse import urlsplit

import httpx
from sqlalchemy import select

from eventapp import tenancy
from eventapp.config import Settings
from eventapp.demo import organizations
from eventapp.domain import connecting_gateways
from eventapp.extensions import db
from eventapp.models import Directory, GatewayAccount

log = logging.getLogger("eventapp.demo")


def connect(settings: Settings) -> list[str]:
    """Give each of the demo's organisations the keys of TOSS_*; says each account's webhook address."""
    if not (settings.toss_client_key and settings.toss_secret_key):
        return ["TOSS_CLIENT_KEY and TOSS_SECRET_KEY are not set: cards and virtual accounts can't be paid."]
    said = []
    mode = "live" if settings.toss_secret_key.startswith("live_") else "test"
    for each in organizations.ALL:
        with tenancy.inside(db.session.scalar(select(Directory.org_id).where(Directory.slug == each["slug"]))):
            account = connecting_gateways.connect_account("toss", mode=mode, client_key=settings.toss_client_key,
                                             secret_key=settings.toss_secret_key)
            said.append(f"Webhook of {each['slug']} at Toss: {settings.platform_url}{path(account)}")
    return said


def path(account: GatewayAccount) -> str:
    return f"/api/webhooks/payment/{account.provider}/{account.webhook_token}"


def register_webhooks(settings: Settings) -> bool:
    """Tell the sandbox where its notices go. False while it does not answer."""
    if not settings.sandboxed or settings.production:
        return True
    parts = urlsplit(settings.toss_api_url)
    wanted = []
    for _ in tenancy.each_organization():
        accounts = db.session.scalars(select(GatewayAccount).where(GatewayAccount.provider == "toss", GatewayAccount.client_key != ""))
        wanted += [{"client_key": account.client_key, "url": f"http://127.0.0.1:{settings.port}{path(account)}"} for account in accounts]
    seen = set()
    try:
        for each in wanted:
            # The first address of an account replaces those of a database that is gone.
            body = each | {"add": each["client_key"] in seen}
            httpx.post(f"{parts.scheme}://{parts.netloc}/control/webhooks", json=body, timeout=3, trust_env=False).raise_for_status()
            seen.add(each["client_key"])
    except httpx.HTTPError as error:
        log.info("the sandbox does not take the webhooks' addresses yet: %s", type(error).__name__)
        return False
    return True
