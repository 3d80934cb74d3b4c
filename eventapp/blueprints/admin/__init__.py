"""The staff's side of one organisation."""
from flask import Blueprint

from eventapp.blueprints.admin import home

bp = Blueprint("admin", __name__, url_prefix="/<org>/admin")
for module in (home,):
    bp.register_blueprint(module.bp)
