"""The operator's console, on the platform's own host."""
from flask import Blueprint

from eventapp.blueprints.platform import home, organizations, webhooks

bp = Blueprint("platform", __name__, url_prefix="/platform-admin")
for module in (home, organizations, webhooks):
    bp.register_blueprint(module.bp)
