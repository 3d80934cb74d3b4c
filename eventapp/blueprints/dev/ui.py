"""Every component of the design system in every state, to look at and to test."""
import re
from datetime import timedelta
from pathlib import Path

from flask import current_app, render_template

from eventapp.permissions import PUBLIC, requires
from eventapp import clock
from eventapp.blueprints.dev import bp
from eventapp.permissions import PUBLIC, requires


@bp.get("/ui")
@requires(PUBLIC)
@requires(PUBLIC)
def components():
    return render_template("dev/ui.html", soon=clock.now() + timedelta(days=2, hours=5), icons=_icons())


def _icons():
    sprite = Path(current_app.static_folder, "vendor/lucide/icons.svg").read_text()
    return re.findall(r'<symbol id="([a-z0-9-]+)"', sprite)
