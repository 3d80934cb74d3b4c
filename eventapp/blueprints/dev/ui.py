"""Every component of the design system in every state, to look at and to test."""
import re
from datetime import timedelta
from pathlib import Path

from flask import current_app, render_template

from eventapp import clock
from eventapp.blueprints.dev import bp
from eventapp.permissions import PUBLIC, requires
from eventapp.tickets import qr


@bp.get("/ui")
@requires(PUBLIC)
def components():
    soon = clock.now() + timedelta(days=2, hours=5)
    return render_template("dev/ui.html", soon=soon, sessions=_sessions(soon), icons=_icons(),
                           sample_qr=qr.svg("a sample, no ticket", "QR"))


def _sessions(start):
    """Some lines of a programme."""
    lines = [(0, "등록과 환영", "Registration and welcome", ""), (2, "개회 예배", "Opening service", "이바울"),
             (20, "아침 강해", "Morning lecture", "")]
    return [{"starts_at": start + timedelta(hours=hours), "title": {"ko": ko, "en": en}, "speaker": speaker,
             "room": {"ko": "대강당", "en": "Hall"}} for hours, ko, en, speaker in lines]


def _icons():
    sprite = Path(current_app.static_folder, "vendor/lucide/icons.svg").read_text()
    return re.findall(r'<symbol id="([a-z0-9-]+)"', sprite)
