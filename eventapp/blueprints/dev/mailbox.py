"""The letters this installation has "sent" while no mail server is configured."""
from flask import Response, abort, current_app, request, url_for

from eventapp.blueprints.dev import bp
from eventapp.languages import _
from eventapp.mail import mailbox
from eventapp.permissions import requires
from eventapp.web.pages import done, page

SHOWN = 50
# A letter is somebody else's page: it may show its own pictures and styles, and nothing else.
LETTER_POLICY = ("default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'; "
                 "sandbox allow-popups allow-popups-to-escape-sandbox")


@bp.get("/mailbox")
@requires("public")
def letters():
    search = request.args.get("q", "", type=str).strip()[:200]
    number = max(1, request.args.get("page", 1, type=int))
    shown, total = mailbox.envelopes(folder(), search, (number - 1) * SHOWN, SHOWN)
    return page("dev/mailbox/index.html", letters=shown, total=total, search=search, number=number,
                pages=-(-total // SHOWN))


@bp.get("/mailbox/<name>")
@requires("public")
def letter(name):
    message = found(name)
    text = message.get_body(("plain",))
    return page("dev/mailbox/show.html", name=name, message=message, text=text.get_content() if text else "",
                attachments=list(message.iter_attachments()))


@bp.get("/mailbox/<name>/html")
@requires("public")
def letter_html(name):
    return Response(mailbox.page(found(name)), mimetype="text/html", headers={"Content-Security-Policy": LETTER_POLICY})


@bp.get("/mailbox/<name>/raw")
@requires("public")
def letter_raw(name):
    return Response(mailbox.raw(folder(), name) or abort(404), mimetype="text/plain")


@bp.get("/mailbox/<name>/attachments/<int:number>")
@requires("public")
def attachment(name, number):
    parts = list(found(name).iter_attachments())
    if number >= len(parts):
        abort(404)
    response = Response(parts[number].get_payload(decode=True), mimetype=parts[number].get_content_type())
    response.headers.set("Content-Disposition", "attachment", filename=parts[number].get_filename())
    return response


@bp.post("/mailbox/empty")
@requires("public")
def empty_mailbox():
    mailbox.empty(folder())
    return done(_("The mailbox is empty."), url_for(".letters"))


def folder():
    settings = current_app.config["SETTINGS"]
    if settings.smtp_url:
        abort(404)
    return settings.var / "mailbox"


def found(name):
    return mailbox.read(folder(), name) or abort(404)
