"""Notices from gateways. Stored, answered at once, and looked into by a job; no cookie is read, no word is believed."""
from flask import Blueprint, request
from sqlalchemy import insert, select

from eventapp import faults, tenancy
from eventapp.domain import noticing
from eventapp.extensions import csrf, db
from eventapp.models import GatewayAccount, PaymentRoute, WebhookEvent
from eventapp.payments.provider import BadSignature, BadWebhook
from eventapp.permissions import MACHINE, requires
from eventapp.unit_of_work import keep
from eventapp.web import limits

bp = Blueprint("webhooks", __name__)
LARGEST = 256 * 1024


@bp.post("/api/webhooks/payment/<provider>/<account>")
@csrf.exempt
@requires(MACHINE)
@limits.notices("webhooks", 3000, minutes=1)
def payment(provider, account):
    route = db.session.get(PaymentRoute, f"webhook:{account}")
    return receive(route, provider)


@bp.post("/api/webhooks/payment")
@csrf.exempt
@requires(MACHINE)
@limits.notices("webhooks", 3000, minutes=1)
def only_account():
    """For an installation with exactly one account."""
    routes = db.session.scalars(select(PaymentRoute).where(PaymentRoute.key.startswith("webhook:")).limit(2)).all()
    return receive(routes[0] if len(routes) == 1 else None)


def receive(route: PaymentRoute | None, provider: str | None = None):
    if route is None:
        return "", 404
    tenancy.enter(route.org_id)
    account = db.session.get(GatewayAccount, route.id)
    if account is None or provider not in (None, account.provider):
        return "", 404
    request.max_content_length = LARGEST
    raw, headers = request.get_data(cache=False), dict(request.headers)
    try:
        noticing.take(account, headers, raw)
    except BadSignature as error:
        row = noticing.rejected(account, headers, raw, error.code)
        if row:
            with keep() as session:  # the answer is a refusal, the attempt stays on record
                session.execute(insert(WebhookEvent).values(row))
        return "", 400
    except BadWebhook:
        return "", 400
    faults.point("webhook.answered")
    return "", 200
