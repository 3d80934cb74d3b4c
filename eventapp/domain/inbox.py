"""Reading the gateways' notices: the ones somebody looks for, what each says, and what became of it in words.

Like the audit log they are only ever read from the newest end, a page at a time.
"""
import json
import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select, tuple_

from eventapp.domain.connecting_gateways import GATEWAYS
from eventapp.languages import _l
from eventapp.models import GatewayAccount, Order, Payment, WebhookEvent

STATES = {
    "received": (_l("Waiting"), "info"), "applied": (_l("Applied"), "success"), "ignored": (_l("Not needed"), "neutral"),
    "orphan": (_l("Not ours"), "warning"), "wrong_account": (_l("Wrong account"), "warning"), "rejected": (_l("Refused"), "danger")}
KINDS = {
    "payment_changed": _l("Payment changed"), "deposit_changed": _l("Deposit changed"), "cancel_changed": _l("Payment cancelled"),
    "dispute_changed": _l("Dispute"), "billing_deleted": _l("Billing key deleted"), "payout_changed": _l("Payout"),
    "irrelevant": _l("Something else")}
PROOFS = {"signature": _l("signed, and the gateway was asked"), "secret": _l("knew the payment’s secret, and the gateway was asked"),
          "refetch": _l("the gateway was asked"), "none": _l("nothing")}
NOTES = {
    "not about a payment": _l("It is not about a payment."),
    "names no payment": _l("It names no payment."),
    "no such payment": _l("The gateway knows no such payment under this account."),
    "a payment that is not ours": _l("A payment through the same account that was not begun here."),
    "another organisation's payment": _l("It is about another organisation’s payment: its gateway has this account’s address."),
    "the gateway refuses the account's keys": _l("It is about no payment of ours, and the gateway refuses the account’s keys."),
    "answered together with another": _l("Answered together with another notice about the same payment."),
    "wrong secret": _l("It carries a secret that is not this payment’s: invented."),
    "bad_signature": _l("Its signature is wrong: invented, or the signing secret here is not the gateway’s."),
    "no_signature": _l("It is not signed."), "no_secret": _l("The signing secret is missing here, so nothing can be believed."),
    "old_timestamp": _l("It is signed rightly, but its time is more than five minutes off: a replay, or a clock is wrong.")}
HIDDEN = re.compile(r"secret|accountnumber|holdername|depositorname|customername|customeremail|customermobilephone|customeridentitynumber|billingkey|cardnumber|phonenumber|"
                    r"fullname|^number$|^email$|^phone$", re.I)
"""What a notice may say of the buyer, or what would help to invent one: not for the page."""
SIGNATURES = ("signature",)


@dataclass(frozen=True)
class Wanted:
    """What is looked for; empty means everything. `events`: the ids of those the reader may see, None for all."""

    events: list[int] | None = None
    state: str = ""
    provider: str = ""
    account: int | None = None
    kind: str = ""
    search: str = ""
    """The gateway's order id or payment key, or the delivery's id."""
    org_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


def query(wanted: Wanted):
    """(WebhookEvent, GatewayAccount), the newest first."""
    found = select(WebhookEvent, GatewayAccount).join(
        GatewayAccount, (GatewayAccount.org_id == WebhookEvent.org_id) & (GatewayAccount.id == WebhookEvent.account_id))
    if wanted.events is not None:
        own = select(Payment.id).join(Order, Order.id == Payment.order_id).where(Order.event_id.in_(wanted.events))
        found = found.where(WebhookEvent.payment_id.in_(own))
    for column, value in ((WebhookEvent.state, wanted.state), (GatewayAccount.provider, wanted.provider), (WebhookEvent.kind, wanted.kind),
                          (WebhookEvent.account_id, wanted.account), (WebhookEvent.org_id, wanted.org_id)):
        if value:
            found = found.where(column == value)
    if wanted.search:
        found = found.where(or_(WebhookEvent.order_ref == wanted.search, WebhookEvent.gateway_key == wanted.search,
                                WebhookEvent.delivery_id == wanted.search))
    if wanted.since:
        found = found.where(WebhookEvent.created_at >= wanted.since)
    if wanted.until:
        found = found.where(WebhookEvent.created_at < wanted.until)
    return found.order_by(WebhookEvent.created_at.desc(), WebhookEvent.id.desc())


def older(found, at: datetime, id_: int):
    """What comes after this one on the way down."""
    return found.where(tuple_(WebhookEvent.created_at, WebhookEvent.id) < (at, id_))


def note(event: WebhookEvent) -> str:
    return str(NOTES.get(event.note, event.note))


def gateway(account: GatewayAccount) -> str:
    return str(GATEWAYS.get(account.provider, account.provider))


def body_text(event: WebhookEvent) -> str:
    """As it can be shown: JSON in lines, what is personal or secret blotted out; anything else byte by byte as far as it is text."""
    text = bytes(event.body).decode("utf-8", "replace")
    try:
        return json.dumps(_blotted(json.loads(text)), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text[:20_000].replace("\x00", "�")


def headers_text(event: WebhookEvent) -> list[tuple[str, str]]:
    return [(name, "••••" if any(each in name for each in SIGNATURES) else value) for name, value in sorted(event.headers.items())]


def _blotted(value, name: str = ""):
    if isinstance(value, dict):
        return {key: _blotted(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_blotted(each, name) for each in value]
    return "••••" if value is not None and HIDDEN.search(name) else value
