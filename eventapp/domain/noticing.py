"""Notices from a gateway: stored as they came, answered at once, and believed only after the gateway itself was asked.

Payments' notices are not signed by every gateway, so a notice can at most make us look.
"""
import logging
from datetime import timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert

from eventapp import clock, crypto, faults
from eventapp.domain import calling
from eventapp.extensions import db
from eventapp.models import GatewayAccount, Payment, WebhookEvent
from eventapp.outbox import later
from eventapp.payments import PROVIDERS
from eventapp.payments.provider import (
    CANCEL_CHANGED,
    DEPOSIT_CHANGED,
    PAYMENT_CHANGED,
    GatewayRef,
    WebhookHint,
)

log = logging.getLogger("eventapp.noticing")
ABOUT_PAYMENTS = (PAYMENT_CHANGED, DEPOSIT_CHANGED, CANCEL_CHANGED)
KEPT = ("content-type", "user-agent", "tosspayments-webhook-")
"""Headers worth keeping, by their beginning."""
SEEN_EVERY = timedelta(seconds=10)

faults.register_guard("webhook.secret")
faults.register("webhook.stored", "webhook.answered")


def take(account: GatewayAccount, headers: dict[str, str], raw: bytes) -> WebhookEvent | None:
    """Store a notice; None when this delivery is known already. Raises BadWebhook, and BadSignature after keeping nothing."""
    hint = _read(account, headers, raw)
    row = db.session.scalar(insert(WebhookEvent).values(
        account_id=account.id, delivery_id=hint.delivery_id, headers=_kept(headers), body=raw, order_ref=hint.order_ref,
        proof=hint.proof, state="received", note="", created_at=clock.now()).on_conflict_do_nothing(
        index_elements=["org_id", "account_id", "delivery_id"]).returning(WebhookEvent))
    _seen(account)
    if row is not None:
        later("gateway_webhook", row, key="taken")
    faults.point("webhook.stored")
    return row


def rejected(account: GatewayAccount, headers: dict[str, str], raw: bytes) -> dict:
    """A notice that should prove itself and did not, as the row that is kept of it."""
    return {"account_id": account.id, "delivery_id": f"rejected {clock.now().isoformat()}", "headers": _kept(headers), "body": raw,
            "state": "rejected", "note": "bad signature", "proof": "none", "created_at": clock.now()}


def _read(account: GatewayAccount, headers, raw: bytes) -> WebhookHint:
    return PROVIDERS[account.provider].parse_webhook(calling.keys(account), headers, raw, clock.now())


def _kept(headers) -> dict[str, str]:
    return {name.lower(): value[:500] for name, value in headers.items() if name.lower().startswith(KEPT)}


def _seen(account: GatewayAccount) -> None:
    """When the last one came, for the account's page; not written for each of a crowd."""
    now = clock.now()
    stale = or_(GatewayAccount.last_webhook_at.is_(None), GatewayAccount.last_webhook_at < now - SEEN_EVERY)
    db.session.execute(update(GatewayAccount).where(GatewayAccount.id == account.id, stale).values(last_webhook_at=now)
                       .execution_options(synchronize_session=False))


# -- the job -----------------------------------------------------------------------------------------------

def handle(event: WebhookEvent) -> None:
    """Look where the notice points. All notices of the same payment that have come by then are answered by one question."""
    db.session.refresh(event, with_for_update=True)
    if event.state != "received":
        return
    account = db.session.get(GatewayAccount, event.account_id)
    hint = _read(account, event.headers, event.body)
    if hint.kind not in ABOUT_PAYMENTS:
        return _end(event, "ignored", hint.kind)
    payment = _payment(account, hint)
    if payment is None:
        return _of_nobody(account, hint, event)
    secret = crypto.get(payment, "secret")
    if hint.contradicts(secret) and not faults.guard_off("webhook.secret"):
        log.warning("a notice with a wrong secret", extra={"account_id": account.id, "payment_id": payment.id})
        return _end(event, "rejected", "wrong secret")
    came_before = clock.now()
    calling.refresh(payment)
    _end(event, "applied", "", "secret" if hint.secret and secret else "refetch")
    _all_of(event, came_before)


def _payment(account: GatewayAccount, hint: WebhookHint) -> Payment | None:
    """Among this account's own payments only."""
    if not (hint.order_ref or hint.gateway_key):
        return None
    key = Payment.gateway_order_id == hint.order_ref if hint.order_ref else Payment.gateway_key == hint.gateway_key
    return db.session.scalar(select(Payment).where(Payment.account_id == account.id, key))


def _of_nobody(account: GatewayAccount, hint: WebhookHint, event: WebhookEvent) -> None:
    """Not one of ours: invented, or a payment that somebody takes through the same account elsewhere."""
    ref = GatewayRef(hint.order_ref, hint.gateway_key)
    known = bool(ref.order_ref or ref.gateway_key) and calling.known_elsewhere(account, ref)
    _end(event, "orphan" if known else "ignored", "a payment that is not ours" if known else "no such payment")


def _end(event: WebhookEvent, state: str, note: str, proof: str = "") -> None:
    event.state, event.note, event.handled_at = state, note, clock.now()
    event.proof = proof or event.proof


def _all_of(event: WebhookEvent, came_before) -> None:
    """The gateway was asked after these came, so there is nothing to learn from them."""
    if event.order_ref:
        db.session.execute(update(WebhookEvent).where(
            WebhookEvent.account_id == event.account_id, WebhookEvent.order_ref == event.order_ref, WebhookEvent.id != event.id,
            WebhookEvent.state == "received", WebhookEvent.created_at < came_before).values(
            state="applied", note="answered together with another", proof="refetch", handled_at=clock.now())
            .execution_options(synchronize_session=False))
