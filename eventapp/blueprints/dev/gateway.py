"""The way to the gateway's stand-in."""
from urllib.parse import urlsplit

from flask import abort, current_app, redirect

from eventapp.blueprints.dev import bp
from eventapp.permissions import PUBLIC, requires


@bp.get("/gateway")
@requires(PUBLIC)
def gateway():
    settings = current_app.config["SETTINGS"]
    if not settings.sandboxed:
        abort(404)
    parts = urlsplit(settings.toss_api_url)
    return redirect(f"{parts.scheme}://{parts.netloc}/", 303)
