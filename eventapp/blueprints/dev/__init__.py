"""Only with the embedded defaults: the mailbox, the way to the sandbox, the design system."""
from flask import Blueprint

bp = Blueprint("dev", __name__, url_prefix="/dev")

from eventapp.blueprints.dev import mailbox, ui  # noqa: E402, F401  (declares its routes on bp)
