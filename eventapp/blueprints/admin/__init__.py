"""The staff's side of one organisation."""
from flask import Blueprint

from eventapp.blueprints.admin import checkin, checkpoints, devices, doors, emails, events, frame, home, registration

MODULES = (
    registration,
    home,
    events,
    emails,
    doors,
    checkin,
    checkpoints,
    devices,
)

bp = Blueprint("admin", __name__, url_prefix="/<org>/admin")
for module in MODULES:
    bp.register_blueprint(module.bp)


@bp.context_processor
def around():
    """For `layouts/admin.html`; asked only where a whole page is drawn."""
    return {"frame": frame}
