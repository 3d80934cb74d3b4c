"""The staff's side of one organisation."""
from flask import Blueprint

from eventapp.blueprints.admin import (
    adding,
    audit,
    books,
    bulk,
    cells,
    changing,
    checkin,
    checkpoints,
    deposits,
    details,
    devices,
    doors,
    emails,
    events,
    frame,
    gateway_accounts,
    home,
    imports,
    ledgers,
    operations,
    palette,
    payment,
    payments,
    receipts,
    refund_rules,
    refunds,
    registration,
    registrations,
    tax,
    views,
    webhooks,
)

MODULES = (
    registrations,
    cells,
    views,
    bulk,
    operations,
    registration,
    details,
    changing,
    home,
    events,
    emails,
    palette,
    audit,
    doors,
    checkin,
    checkpoints,
    devices,
    adding,
    imports,
    payments,
    deposits,
    books,
    payment,
    ledgers,
    refunds,
    refund_rules,
    receipts,
    gateway_accounts,
    tax,
    webhooks,
)

bp = Blueprint("admin", __name__, url_prefix="/<org>/admin")
for module in MODULES:
    bp.register_blueprint(module.bp)


@bp.context_processor
def around():
    """For `layouts/admin.html`; asked only where a whole page is drawn."""
    return {"frame": frame}
