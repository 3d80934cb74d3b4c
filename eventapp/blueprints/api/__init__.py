"""What machines call."""
from flask import Blueprint

from eventapp.blueprints.api import health, webhooks

bp = Blueprint("api", __name__)
bp.register_blueprint(health.bp)
bp.register_blueprint(webhooks.bp)
