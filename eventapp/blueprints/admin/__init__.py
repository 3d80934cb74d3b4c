"""The staff's side of one organisation."""
from flask import Blueprint

from eventapp.blueprints.admin import doors, frame, home, registration

MODULES = (
    registration,
    home,
    doors,
)

bp = Blueprint("admin", __name__, url_prefix="/<org>/admin")
for module in MODULES:
    bp.register_blueprint(module.bp)


@bp.context_processor
def around():
    """For `layouts/admin.html`; asked only where a whole page is drawn."""
    return {"frame": frame}
