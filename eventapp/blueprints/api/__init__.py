"""What machines call."""
from flask import Blueprint

from eventapp.blueprints.api import webhooks

bp = Blueprint("api", __name__)
bp.register_blueprint(webhooks.bp)
