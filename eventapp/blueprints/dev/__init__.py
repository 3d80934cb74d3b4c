"""Only with the embedded defaults: the mailbox, the way to the sandbox, the design system."""
import ipaddress

from flask import Blueprint, abort, request

bp = Blueprint("dev", __name__, url_prefix="/dev")


@bp.before_request
def only_on_this_machine():
    """Letters with links that sign people in lie here; the network around has no business with them."""
    if not request.remote_addr or not ipaddress.ip_address(request.remote_addr).is_loopback:
        abort(404)


from eventapp.blueprints.dev import gateway, mailbox, ui  # noqa: E402, F401  (declares its routes on bp)
