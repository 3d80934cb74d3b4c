"""What participants see: an organisation, its events, registering, paying, tickets."""
from flask import Blueprint

from eventapp.blueprints.public import (
    cash_receipt,
    event,
    order,
    organization,
    pay,
    payment,
    receipts,
    refund,
    register,
    returning,
    ticket,
)

bp = Blueprint("public", __name__)
for module in (organization, event, register, payment, pay, returning, order, refund, cash_receipt, receipts, ticket):
    bp.register_blueprint(module.bp)
