"""Stripe's JSON to plain values; what breaks its contract raises.

Unknown fields are ignored, and of an unknown state nothing is concluded, because Stripe adds both without a new
version.
"""
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from eventapp.payments.bodies import matching, object_of, optional, text_of
from eventapp.payments.provider import (
    AUTHORIZED,
    AWAITING_DEPOSIT,
    BANK_TRANSFER,
    CANCEL_CHANGED,
    CARD,
    DISPUTE_CHANGED,
    EXPIRED,
    FAILED,
    IRRELEVANT,
    OTHER,
    PAID,
    PARTIALLY_REFUNDED,
    PAYMENT_CHANGED,
    PAYOUT_CHANGED,
    PENDING,
    REFUND_PENDING,
    REFUNDED,
    UNKNOWN,
    VOIDED,
    BadWebhook,
    Dispute,
    Failure,
    GatewayContractError,
    GatewayPayment,
    GatewayRefund,
    LedgerEntry,
    Opened,
    SettlementLine,
)

SESSION = re.compile(r"cs_(test|live)_[A-Za-z0-9]{1,180}\Z")
INTENT = re.compile(r"pi_[A-Za-z0-9]{1,180}\Z")
EVENT = re.compile(r"evt_[A-Za-z0-9_]{1,190}\Z")
ORDER_REF = re.compile(r"[A-Za-z0-9_-]{6,64}\Z")
MOST = 10 ** 12

# Wallets and Link carry a card; Korean methods of merchants abroad do as well.
CARDS = frozenset("card link kakao_pay kr_card naver_pay payco samsung_pay".split())
BANKS = frozenset("""acss_debit au_becs_debit bacs_debit customer_balance fpx ideal p24 sepa_debit twint us_bank_account
                     bancontact eps giropay multibanco konbini promptpay paynow""".split())
REFUND_STATES = {"succeeded": "done", "pending": "pending", "requires_action": "pending", "failed": "failed", "canceled": "failed"}
DISPUTE_STATES = {"lost": "lost", "won": "won", "warning_closed": "won", "prevented": "won"}  # any other is open
MOVEMENTS = frozenset("charge payment refund payment_refund refund_failure payment_failure_refund payment_reversal adjustment".split())


def moment(value: Any) -> datetime | None:
    if type(value) is not int or not 0 < value < 10 ** 11:
        return None
    return datetime.fromtimestamp(value, UTC)


# -- sessions ---------------------------------------------------------------------------------------
def opened(session: Mapping[str, Any]) -> Opened:
    url = text_of(session, "url")
    if not SESSION.match(text_of(session, "id")) or not re.match(r"https?://", url):
        raise GatewayContractError("wrong_shape", "a session without a page")
    return Opened(gateway_key=session["id"], url=url)


def charge_and_refunds(session: Mapping[str, Any]) -> tuple[str, list | None]:
    """The charge and the refunds that came with it; None when there are more."""
    charge = _charge(session)
    if charge is None:
        return "", []
    refunds = charge.get("refunds")
    if not isinstance(refunds, dict) or not isinstance(refunds.get("data"), list) or refunds.get("has_more") is not False:
        return text_of(charge, "id"), None
    return text_of(charge, "id"), refunds["data"]


def disputed(session: Mapping[str, Any]) -> bool:
    charge = _charge(session)
    return charge is not None and charge.get("disputed") is True


def payment(session: Mapping[str, Any], refunds: list, disputes: list) -> GatewayPayment:
    """A session with what hangs on it as our snapshot."""
    total, currency = _amount(session, "amount_total"), text_of(session, "currency").upper()
    intent, charge = _intent(session), _charge(session)
    given_back = tuple(_refund(object_of(each, "refund")) for each in reversed(refunds))  # they come newest first
    gone = sum(refund.amount for refund in given_back if refund.status != "failed")
    if gone > total:
        raise GatewayContractError("wrong_amount", "more was given back than came")
    status, raw_status = _status(session, intent, given_back, total - gone)
    approved_at = None
    if status in (PAID, PARTIALLY_REFUNDED, REFUND_PENDING, REFUNDED):
        _same_money(total, currency, intent, charge)
        approved_at = moment((charge or {}).get("created")) or moment(session.get("created"))
    done = [refund for refund in given_back if refund.status != "failed"]
    return GatewayPayment(
        order_ref=optional(session, "client_reference_id"), gateway_key=text_of(session, "id"), status=status,
        raw_status=raw_status, method=_method(charge), total=total, balance=total - gone, currency=currency,
        test_mode=session.get("livemode") is not True, refunds=given_back, requested_at=moment(session.get("created")),
        approved_at=approved_at, receipt_url=optional(charge or {}, "receipt_url"), failure=_failure(intent),
        last_tx=done[-1].transaction_key if done else optional(charge or {}, "id"), paid_with=_paid_with(charge),
        dispute=_dispute(disputes), raw=dict(session) | {"_refunds": refunds, "_disputes": disputes})


def _status(session, intent, refunds, balance: int) -> tuple[str, str]:
    """Ours, and Stripe's own words for it."""
    at_session, at_payment = optional(session, "status"), optional(session, "payment_status")
    at_intent = optional(intent or {}, "status")
    raw = "/".join(filter(None, (at_session, at_payment, at_intent)))
    if at_session == "open":
        return PENDING, raw
    if at_session == "expired":
        return EXPIRED, raw
    if at_session != "complete":
        return UNKNOWN, raw
    if at_payment == "paid" and at_intent == "succeeded":
        if any(refund.status == "pending" for refund in refunds):
            return REFUND_PENDING, raw
        if balance == 0:
            return REFUNDED, raw
        return PARTIALLY_REFUNDED if any(refund.status == "done" for refund in refunds) else PAID, raw
    if at_payment == "unpaid":
        return {"processing": AWAITING_DEPOSIT, "requires_action": AWAITING_DEPOSIT, "requires_capture": AUTHORIZED,
                "requires_payment_method": FAILED, "canceled": VOIDED}.get(at_intent, UNKNOWN), raw
    return UNKNOWN, raw


def _same_money(total: int, currency: str, intent, charge) -> None:
    """Session, intent and charge speak of the same sum, or something is not as we think."""
    if intent is None or _amount(intent, "amount_received") != total or text_of(intent, "currency").upper() != currency:
        raise GatewayContractError("wrong_amount", "the session and its payment differ")
    if charge is None or _amount(charge, "amount") != total or text_of(charge, "currency").upper() != currency:
        raise GatewayContractError("wrong_amount", "the session and its charge differ")


def _intent(session: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Absent until the buyer has tried to pay."""
    return object_of(session["payment_intent"], "payment_intent") if session.get("payment_intent") else None


def _charge(session: Mapping[str, Any]) -> Mapping[str, Any] | None:
    intent = _intent(session)
    return object_of(intent["latest_charge"], "latest_charge") if intent and intent.get("latest_charge") else None


def _refund(body: Mapping[str, Any]) -> GatewayRefund:
    ours = body.get("metadata") if isinstance(body.get("metadata"), dict) else {}
    return GatewayRefund(transaction_key=text_of(body, "id"), amount=_amount(body, "amount"),
                         reason=optional(ours, "reason") or optional(body, "reason"),
                         status=REFUND_STATES.get(optional(body, "status"), "pending"), at=moment(body.get("created")))


def _dispute(disputes: list) -> Dispute | None:
    """The one that matters: an open one, then a lost one, then the newest."""
    found = [object_of(each, "dispute") for each in disputes]
    if not found:
        return None
    body = max(found, key=lambda each: (("won", "lost", "open").index(_dispute_state(each)), each.get("created") or 0))
    return Dispute(id=text_of(body, "id"), status=_dispute_state(body), amount=_amount(body, "amount"),
                   reason=optional(body, "reason"))


def _dispute_state(body: Mapping[str, Any]) -> str:
    return DISPUTE_STATES.get(optional(body, "status"), "open")


def _failure(intent) -> Failure | None:
    error = (intent or {}).get("last_payment_error")
    if not isinstance(error, dict):
        return None
    return Failure(optional(error, "decline_code") or optional(error, "code") or "payment_failed", optional(error, "message"))


def _details(charge) -> Mapping[str, Any]:
    details = (charge or {}).get("payment_method_details")
    return details if isinstance(details, dict) else {}


def _method(charge) -> str:
    kind = optional(_details(charge), "type")
    return CARD if kind in CARDS else BANK_TRANSFER if kind in BANKS else OTHER if kind else ""


def _paid_with(charge) -> str:
    details = _details(charge)
    kind = optional(details, "type")
    inside = details.get(kind) if isinstance(details.get(kind), dict) else {}
    names = optional(inside, "brand") or optional(inside, "bank_name") or kind
    last4 = optional(inside, "last4")
    return f"{names.replace('_', ' ').title()} •••• {last4}" if last4 else names.replace("_", " ").title()


def intent_of(snapshot: GatewayPayment) -> str:
    intent = _intent(snapshot.raw)
    return text_of(intent, "id") if intent else ""


def made_by(snapshot: GatewayPayment, key: str) -> bool:
    """Whether one of the refunds was made by the attempt with this key."""
    return any(isinstance(each.get("metadata"), dict) and each["metadata"].get("attempt") == key for each in snapshot.raw["_refunds"])


# -- books ------------------------------------------------------------------------------------------
def order_ref_of(body: Mapping[str, Any]) -> str:
    ours = body.get("metadata") if isinstance(body.get("metadata"), dict) else {}
    return matching(ours.get("order_ref"), ORDER_REF)


def order_of(line: Mapping[str, Any]) -> tuple[str, str]:
    """(our order as a movement's source names it, the charge behind a source that is none)."""
    source = line.get("source") if isinstance(line.get("source"), dict) else {}
    charge = source.get("charge")
    return order_ref_of(source), charge if isinstance(charge, str) else ""


def entry(line: Mapping[str, Any], order_ref: str) -> LedgerEntry:
    """A movement in the currency it was sold in; the balance may be kept in another one."""
    source = line.get("source") if isinstance(line.get("source"), dict) else {}
    amount = _whole(line.get("amount"), "amount")
    sold = source if type(source.get("amount")) is int and isinstance(source.get("currency"), str) else line
    size = abs(_whole(sold["amount"], "amount"))
    return LedgerEntry(transaction_key=_key(line, source), gateway_key="", order_ref=order_ref, raw_status=text_of(line, "type"),
                       amount=size if amount >= 0 else -size, currency=text_of(sold, "currency").upper(), at=moment(line.get("created")))


def settlement(line: Mapping[str, Any], order_ref: str) -> SettlementLine:
    """In the balance's currency. Stripe's days are UTC's; what becomes available then is paid out by the next payout."""
    source = line.get("source") if isinstance(line.get("source"), dict) else {}
    details = line.get("fee_details") if isinstance(line.get("fee_details"), list) else []
    vat = sum(_whole(each.get("amount"), "fee") for each in details if isinstance(each, dict) and each.get("type") == "tax")
    amount, fee, net = (_whole(line.get(name), name) for name in ("amount", "fee", "net"))
    if amount - fee != net:
        raise GatewayContractError("wrong_amount", "amount, fee and net do not agree")
    return SettlementLine(transaction_key=_key(line, source), gateway_key="", order_ref=order_ref,
                          currency=text_of(line, "currency").upper(), method=_method(source), amount=amount, fee=fee - vat, vat=vat,
                          payout=net, sold_on=_day(line.get("created")), paid_out_on=_day(line.get("available_on")))


def _key(line: Mapping[str, Any], source: Mapping[str, Any]) -> str:
    """Charges and refunds by their own names, as snapshots have them; what comes back or is contested by the movement's."""
    first = optional(line, "type") in ("charge", "payment", "refund", "payment_refund")
    return (optional(source, "id") if first else "") or text_of(line, "id")


def _day(value: Any) -> date | None:
    at = moment(value)
    return at.date() if at else None


# -- notices ----------------------------------------------------------------------------------------
def webhook(body: Any) -> dict:
    """What an event claims, as fields of WebhookHint.

    A dispute, and a refund made at Stripe by hand, name only the payment intent: `gateway_key` is that then, and
    `fetch` finds the session by it.
    """
    if not isinstance(body, dict) or body.get("object") != "event":
        raise BadWebhook("not_json", "an event was expected")
    delivery, kind = matching(body.get("id"), EVENT), body.get("type")
    if not delivery or not isinstance(kind, str):
        raise BadWebhook("wrong_shape", "an event has an id and a type")
    hint = {"delivery_id": delivery, "kind": IRRELEVANT, "occurred_at": moment(body.get("created"))}
    found = _kind(kind)
    if found == IRRELEVANT:
        return hint
    data = body.get("data") if isinstance(body.get("data"), dict) else {}
    about = data.get("object")
    if not isinstance(about, dict):
        raise BadWebhook("wrong_shape", "the event is about nothing")
    if found == PAYOUT_CHANGED:
        return hint | {"kind": found}
    session = matching(about.get("id"), SESSION)
    intent = about.get("id") if about.get("object") == "payment_intent" else about.get("payment_intent")
    order_ref = matching(about.get("client_reference_id"), ORDER_REF) if session else order_ref_of(about)
    gateway_key = session or matching(intent, INTENT)
    if not gateway_key and not order_ref:
        return hint  # of something that is not sold through a session
    status = "/".join(each for each in (about.get("status"), about.get("payment_status")) if isinstance(each, str))
    return hint | {"kind": found, "order_ref": order_ref, "gateway_key": gateway_key,
                   "claimed_status": status if re.fullmatch(r"[a-z_/]{1,80}", status) else ""}


def _kind(event: str) -> str:
    if event.startswith("charge.dispute."):
        return DISPUTE_CHANGED
    if event.startswith(("refund.", "charge.refund")):
        return CANCEL_CHANGED
    if event.startswith(("checkout.session.", "payment_intent.", "charge.")):
        return PAYMENT_CHANGED
    return PAYOUT_CHANGED if event.startswith("payout.") else IRRELEVANT


# -- reading ----------------------------------------------------------------------------------------
def _amount(body: Mapping[str, Any], name: str) -> int:
    value = _whole(body.get(name), name)
    if value < 0:
        raise GatewayContractError("wrong_amount", f"{name} is negative")
    return value


def _whole(value: Any, name: str) -> int:
    if type(value) is not int or abs(value) > MOST:
        raise GatewayContractError("wrong_amount", f"{name} is no amount")
    return value
