"""`flask demo`: a believable world in both languages, relative to today. Run twice, it adds what is missing."""
from sqlalchemy import select, text

from eventapp import clock, tenancy
from eventapp.demo import books, crowd, events, gateway, organizations, receipts, refunds, registrations
from eventapp.extensions import db
from eventapp.models import Directory

PASSWORD = "demo-password"
LOCK = 0x64656D6F


class Refusal(Exception):
    """With a sentence."""


def load(settings, count: int = 0) -> list[str]:
    """Everything in one transaction. `count` makes the big event. Returns what there is to say."""
    if settings.production:
        raise Refusal("The demo's accounts have a password that everybody knows: not in production.")
    db.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
    now = clock.now()
    operator = organizations.add_operator(PASSWORD, now)
    new = [(each, organizations.add(each, PASSWORD, now)) for each in organizations.ALL if missing(each)]
    webhooks = gateway.connect(settings)
    for each, org_id in new:
        with tenancy.inside(org_id):
            for make in events.OF[each["slug"]]:
                event = make(now)
                registrations.register(event, now)
                if event.slug == "wmc-2026":
                    refunds.add(event)
            books.add(now)
            receipts.write()
    db.session.commit()
    gateway.register_webhooks(settings)
    return [f"Operator: {operator}", *accounts_said(), *webhooks, *([crowd.gather(count)] if count else [])]


def missing(each: dict) -> bool:
    return db.session.scalar(select(Directory.org_id).where(Directory.slug == each["slug"])) is None


def accounts_said() -> list[str]:
    lines = [f"Password of all accounts: {PASSWORD}"]
    for each in organizations.ALL:
        lines.append(f"/{each['slug']} ({each['plan']}): " + ", ".join(f"{name}@{each['mail']}" for name, *_ in each["people"]))
    return lines
