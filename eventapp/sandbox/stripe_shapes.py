"""The JSON that Stripe writes, API version 2026-10-28.endive, out of our books. `expand` are the dotted paths asked for."""
import secrets

VERSION = "2026-10-28.endive"
FIRST = 10  # refunds that come along with a charge
CARD_LAST4 = {"us_bank_account": "6789"}


def listed(items: list[dict], url: str, has_more: bool = False) -> dict:
    return {"object": "list", "data": items, "has_more": has_more, "url": url}


def within(expand: set[str], name: str) -> set[str]:
    """The paths below one of them."""
    return {path[len(name) + 1:] for path in expand if path.startswith(name + ".")}


def asked(expand: set[str], name: str) -> bool:
    return any(path == name or path.startswith(name + ".") for path in expand)


def session(one, base: str, expand: set[str]) -> dict:
    below = within(expand, "payment_intent")
    return {
        "id": one.id, "object": "checkout.session", "adaptive_pricing": {"enabled": False}, "amount_subtotal": one.amount,
        "amount_total": one.amount, "automatic_tax": {"enabled": False, "status": None}, "cancel_url": one.cancel_url,
        "client_reference_id": one.order_ref or None, "created": one.created, "currency": one.currency, "customer": None,
        "customer_details": {"email": one.email or "buyer@example.com"} if one.status == "complete" else None,
        "customer_email": one.email or None, "expires_at": one.expires_at, "invoice": None, "livemode": False,
        "locale": one.locale, "metadata": one.metadata, "mode": "payment",
        "payment_intent": (intent(one, below) if asked(expand, "payment_intent") else one.intent) if one.intent else None,
        "payment_method_types": ["card", "us_bank_account"], "payment_status": one.payment_status, "status": one.status,
        "success_url": one.success_url, "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page", "url": f"{base}/stripe/pay/{one.id}" if one.status == "open" else None,
    }


def intent(one, expand: set[str]) -> dict:
    below = within(expand, "latest_charge")
    return {
        "id": one.intent, "object": "payment_intent", "amount": one.amount, "amount_capturable": 0,
        "amount_received": one.amount if one.payment_status == "paid" else 0, "canceled_at": None,
        "capture_method": "automatic_async", "created": one.intent_created, "currency": one.currency,
        "description": one.description or None, "last_payment_error": one.error,
        "latest_charge": (charge(one, below) if asked(expand, "latest_charge") else one.charge) if one.charge else None,
        "livemode": False, "metadata": one.intent_metadata, "payment_method_types": ["card", "us_bank_account"],
        "status": one.intent_status,
    }


def charge(one, expand: set[str]) -> dict:
    paid = one.charge_status == "succeeded"
    made = {
        "id": one.charge, "object": "charge", "amount": one.amount, "amount_captured": one.amount if paid else 0,
        "amount_refunded": one.refunded, "captured": paid, "created": one.charged_at, "currency": one.currency,
        "description": one.description or None, "disputed": bool(one.disputes), "failure_code": None, "livemode": False,
        "metadata": one.intent_metadata, "paid": paid, "payment_intent": one.intent, "receipt_url": None,
        "payment_method_details": _details(one), "refunded": paid and one.refunded == one.amount, "status": one.charge_status,
    }
    if asked(expand, "refunds"):
        newest = list(reversed(one.refunds))
        made["refunds"] = listed([refund(one, each) for each in newest[:FIRST]], f"/v1/charges/{one.charge}/refunds", len(newest) > FIRST)
    return made


def _details(one) -> dict:
    if one.method == "card":
        return {"type": "card", "card": {"brand": "visa", "country": "US", "exp_month": 12, "exp_year": 2034, "funding": "credit",
                                         "last4": one.card[-4:], "network": "visa"}}
    return {"type": one.method, one.method: {"bank_name": "STRIPE TEST BANK", "last4": CARD_LAST4.get(one.method, "0000")}}


def refund(one, each: dict) -> dict:
    made = {
        "id": each["id"], "object": "refund", "amount": each["amount"], "balance_transaction": each["transaction"],
        "charge": one.charge, "created": each["created"], "currency": one.currency, "metadata": each["metadata"],
        "payment_intent": one.intent, "reason": each["reason"], "receipt_number": None, "status": each["status"],
    }
    if each["failure_reason"]:
        made["failure_reason"] = each["failure_reason"]
    return made


def dispute(one, each: dict) -> dict:
    return {
        "id": each["id"], "object": "dispute", "amount": each["amount"], "charge": one.charge, "created": each["created"],
        "currency": one.currency, "is_charge_refundable": False, "livemode": False, "metadata": {}, "payment_intent": one.intent,
        "reason": each["reason"], "status": each["status"],
    }


def movement(state, line: dict, expand: set[str]) -> dict:
    """A balance transaction; its source is an id or, expanded, the charge, refund or dispute itself."""
    source = line["source"]
    if asked(expand, "source"):
        one = state.checkouts[line["checkout"]]
        found = [refund(one, each) for each in one.refunds if each["id"] == source] \
            + [dispute(one, each) for each in one.disputes if each["id"] == source]
        source = found[0] if found else charge(one, set())
    return {
        "id": line["id"], "object": "balance_transaction", "amount": line["amount"], "available_on": line["available_on"],
        "created": line["created"], "currency": line["currency"], "description": None, "exchange_rate": None, "fee": line["fee"],
        "fee_details": [{"amount": line["fee"], "application": None, "currency": line["currency"], "description": "Stripe processing fees",
                         "type": "stripe_fee"}] if line["fee"] else [],
        "net": line["amount"] - line["fee"], "reporting_category": line["type"], "source": source,
        "status": "available" if line["available_on"] <= state.now() else "pending", "type": line["type"],
    }


def account(one) -> dict:
    return {"id": one.id, "object": "account", "business_profile": {"name": "Sandbox"}, "charges_enabled": True, "country": "US",
            "default_currency": "usd", "details_submitted": True, "email": None, "payouts_enabled": True, "type": "standard"}


def subject(state, one, kind: str, part: dict | None) -> dict:
    """What an event of this kind is about."""
    if kind.startswith("charge.dispute."):
        return dispute(one, part)
    if kind.startswith("refund.") or kind == "charge.refund.updated":
        return refund(one, part)
    if kind.startswith("charge."):
        return charge(one, set())
    return intent(one, set()) if kind.startswith("payment_intent.") else session(one, state.sandbox.base, set())


def event(kind: str, about: dict, at: int) -> dict:
    return {"id": f"evt_{secrets.token_hex(12)}", "object": "event", "api_version": VERSION, "created": at, "data": {"object": about},
            "livemode": False, "pending_webhooks": 1, "request": {"id": None, "idempotency_key": None}, "type": kind}


def error(refusal) -> dict:
    said = {"type": refusal.kind, "message": f"SANDBOX: {refusal.message or refusal.code}"}
    for name, value in (("code", refusal.code), ("param", refusal.param), *refusal.more.items()):
        if value:
            said[name] = value
    return {"error": said}
