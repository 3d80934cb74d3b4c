"""Notices from a gateway: stored as they came, answered at once, and believed only after the gateway itself was asked.

Payments' notices are not signed by every gateway, so a notice can at most make us look.
"""
import logging
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from eventapp import audit, clock, config, crypto, faults
from eventapp.domain import Refused, calling
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import GatewayAccount, Payment, PaymentRoute, WebhookEvent
from eventapp.outbox import NotYet, later
from eventapp.payments import PROVIDERS
from eventapp.payments.provider import (
    CANCEL_CHANGED,
    DEPOSIT_CHANGED,
    DISPUTE_CHANGED,
    PAYMENT_CHANGED,
    PROOF_SIGNATURE,
    BadWebhook,
    GatewayMisconfigured,
    GatewayRef,
    WebhookHint,
)
from eventapp.unit_of_work import checkpoint

log = logging.getLogger("eventapp.noticing")
ABOUT_PAYMENTS = (PAYMENT_CHANGED, DEPOSIT_CHANGED, CANCEL_CHANGED, DISPUTE_CHANGED)
KEPT = ("content-type", "user-agent", "tosspayments-webhook-", "webhook-", "stripe-signature")
"""Headers worth keeping, by their beginning."""
SEEN_EVERY = timedelta(seconds=10)
REJECTED_A_MINUTE = 20
"""Of those that did not prove themselves so many are kept of an account; it is known by then."""
STRANGERS_A_MINUTE = 30
"""So many notices of payments that are not ours make us ask the gateway; the others wait their turn."""
OLD = "old_timestamp"
"""Why a notice was rejected that is signed rightly and whose time is off: ours may be the clock that is wrong."""
CLOCK_IN_DOUBT = 5
"""So many of them within an hour."""

faults.register_guard("webhook.secret")
faults.register("webhook.stored", "webhook.answered")


def take(account: GatewayAccount, headers: dict[str, str], raw: bytes) -> WebhookEvent | None:
    """Store a notice; None when this delivery is known already. Raises BadWebhook, and BadSignature after keeping nothing."""
    hint = _read(account, headers, raw, clock.now())
    row = db.session.scalar(insert(WebhookEvent).values(
        account_id=account.id, delivery_id=hint.delivery_id, headers=_kept(headers), body=raw, order_ref=hint.order_ref,
        gateway_key=hint.gateway_key, kind=hint.kind, proof=hint.proof, state="received", note="", created_at=clock.now())
        .on_conflict_do_nothing(index_elements=["org_id", "account_id", "delivery_id"]).returning(WebhookEvent))
    _seen(account)
    if row is not None:
        later("gateway_webhook", row, key="taken")
    faults.point("webhook.stored")
    return row


def rejected(account: GatewayAccount, headers: dict[str, str], raw: bytes, why: str) -> dict | None:
    """A notice that should prove itself and did not, as the row that is kept of it; None while many others are."""
    lately = db.session.scalar(select(func.count()).where(
        WebhookEvent.account_id == account.id, WebhookEvent.state == "rejected", WebhookEvent.created_at > clock.now() - timedelta(minutes=1)))
    if lately >= REJECTED_A_MINUTE:
        return None
    log.warning("a notice was rejected", extra={"account_id": account.id, "code": why})
    return {"account_id": account.id, "delivery_id": f"rejected {clock.now().isoformat()}", "headers": _kept(headers), "body": raw,
            "state": "rejected", "note": why, "proof": "none", "created_at": clock.now(), "handled_at": clock.now()}


def _read(account: GatewayAccount, headers, raw: bytes, at) -> WebhookHint:
    return PROVIDERS[account.provider].parse_webhook(calling.keys(account), headers, raw, at)


def _kept(headers) -> dict[str, str]:
    return {name.lower(): value[:1000] for name, value in headers.items() if name.lower().startswith(KEPT)}


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
    try:
        hint = _hint(account, event)
    except BadWebhook as error:  # one that was rejected before, and is no better today
        return _end(event, "rejected", error.code)
    event.kind, event.order_ref, event.gateway_key = hint.kind, hint.order_ref, hint.gateway_key
    if hint.kind not in ABOUT_PAYMENTS:
        return _end(event, "ignored", "not about a payment")
    payment = _payment(account, hint) or _named_otherwise(account, hint)
    if payment is None:
        return _of_nobody(account, hint, event)
    event.payment_id = payment.id
    secret = crypto.get(payment, "secret")
    if hint.contradicts(secret) and not faults.guard_off("webhook.secret"):
        log.warning("a notice with a wrong secret", extra={"account_id": account.id, "payment_id": payment.id})
        return _end(event, "rejected", "wrong secret")
    came_before = clock.now()
    calling.refresh(payment)
    _end(event, "applied", "", PROOF_SIGNATURE if hint.proof == PROOF_SIGNATURE else "secret" if hint.secret and secret else "refetch")
    _all_of(event, came_before)


def _hint(account: GatewayAccount, event: WebhookEvent) -> WebhookHint:
    """What it said. One that was proven at the door is not asked for its proof again: the secret may have been changed since."""
    if event.proof == PROOF_SIGNATURE:
        return WebhookHint(event.delivery_id, event.kind, event.order_ref, event.gateway_key, proof=event.proof)
    return _read(account, event.headers, event.body, event.created_at)


def _payment(account: GatewayAccount, hint: WebhookHint) -> Payment | None:
    """Among this account's own payments only."""
    if not (hint.order_ref or hint.gateway_key):
        return None
    key = Payment.gateway_order_id == hint.order_ref if hint.order_ref else Payment.gateway_key == hint.gateway_key
    return db.session.scalar(select(Payment).where(Payment.account_id == account.id, key))


def _named_otherwise(account: GatewayAccount, hint: WebhookHint) -> Payment | None:
    """Stripe names a dispute's payment by a key that we do not keep, and is asked whose it is. Only a proven notice makes us ask."""
    if hint.order_ref or not hint.gateway_key or hint.proof != PROOF_SIGNATURE:
        return None
    keys = calling.keys(account)
    checkpoint()  # nothing is held while we wait
    try:
        found = PROVIDERS[account.provider].fetch(keys, GatewayRef(gateway_key=hint.gateway_key))
    except GatewayMisconfigured:
        return None
    return _payment(account, replace(hint, order_ref=found.order_ref, gateway_key=found.gateway_key)) if found else None


def _of_nobody(account: GatewayAccount, hint: WebhookHint, event: WebhookEvent) -> None:
    """Not one of ours: invented, a payment that somebody takes through the same account elsewhere, or a notice that another
    organisation's gateway sends here because the address was pasted in the wrong place. Nothing is looked up over there."""
    ref = GatewayRef(hint.order_ref, hint.gateway_key)
    if not (ref.order_ref or ref.gateway_key):
        return _end(event, "ignored", "names no payment")
    route = db.session.get(PaymentRoute, f"order:{ref.order_ref}") if ref.order_ref else None
    if route is not None and route.org_id != event.org_id:
        return _end(event, "wrong_account", "another organisation's payment")
    if not PROVIDERS[account.provider].caps.lookup_by_order and not ref.gateway_key:
        return _end(event, "ignored", "no such payment")
    _take_turns(account)
    known = calling.known_elsewhere(account, ref)
    if known is None:
        return _end(event, "wrong_account", "the gateway refuses the account's keys")
    _end(event, "orphan" if known else "ignored", "a payment that is not ours" if known else "no such payment")


def _take_turns(account: GatewayAccount) -> None:
    """Inventions must not make us hammer the gateway: it would refuse our real questions as well."""
    lately = db.session.scalar(select(func.count()).where(
        WebhookEvent.account_id == account.id, WebhookEvent.state.in_(("ignored", "orphan")), WebhookEvent.payment_id.is_(None),
        WebhookEvent.kind.in_(ABOUT_PAYMENTS), WebhookEvent.handled_at > clock.now() - timedelta(minutes=1)))
    if lately >= STRANGERS_A_MINUTE:
        raise NotYet(60 * config.active().backoff_scale)


def _end(event: WebhookEvent, state: str, note: str, proof: str = "") -> None:
    event.state, event.note, event.handled_at = state, note, clock.now()
    event.proof = proof or event.proof


def _all_of(event: WebhookEvent, came_before) -> None:
    """The gateway was asked after these came, so there is nothing to learn from them."""
    same = [column == value for column, value in ((WebhookEvent.order_ref, event.order_ref), (WebhookEvent.gateway_key, event.gateway_key)) if value]
    if same:
        db.session.execute(update(WebhookEvent).where(
            WebhookEvent.account_id == event.account_id, or_(*same), WebhookEvent.id != event.id,
            WebhookEvent.state == "received", WebhookEvent.created_at < came_before).values(
            state="applied", note="answered together with another", proof="refetch", payment_id=event.payment_id, handled_at=clock.now())
            .execution_options(synchronize_session=False))


# -- by hand ------------------------------------------------------------------------------------------------

def replay(event: WebhookEvent, *, by) -> None:
    """As if it came once more. It proves no more than it did: the gateway is asked again."""
    db.session.refresh(event, with_for_update=True)
    if event.state == "received":
        raise Refused(_("This notice is waiting to be looked at already."), status=409)
    audit.record("webhook.replayed", event, by=by, before={"status": event.state})
    event.state, event.note, event.handled_at = "received", "", None
    later("gateway_webhook", event, key=f"again {clock.now().isoformat()}")


# -- the clock ------------------------------------------------------------------------------------------------

def off_the_clock(session, account: GatewayAccount | None = None) -> int:
    """How many notices of the last hour were signed rightly and bore a time that is not ours."""
    query = select(func.count()).where(WebhookEvent.state == "rejected", WebhookEvent.note == OLD,
                                       WebhookEvent.created_at > clock.now() - timedelta(hours=1))
    return session.scalar(query.where(WebhookEvent.account_id == account.id) if account else query)
