"""Signing up, in and out, and choosing a new password: on every host, for the host one is on."""
from flask import Blueprint

bp = Blueprint("auth", __name__, url_prefix="/auth")

from eventapp.blueprints.auth import resetting, signing_in, signing_up  # noqa: E402, F401  (declare their routes)
