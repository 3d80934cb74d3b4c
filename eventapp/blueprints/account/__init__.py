"""A person's own pages, on every host."""
from flask import Blueprint

from eventapp.blueprints.account import home, registrations, security

bp = Blueprint("account", __name__, url_prefix="/account")
for module in (home, security, registrations):
    bp.register_blueprint(module.bp)
