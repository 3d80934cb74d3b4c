"""One registration: everything about it, on a page of its own and as a panel beside the desk."""
import io
import secrets

from flask import Blueprint, abort, g, request, send_file, url_for
from sqlalchemy.orm import selectinload

from eventapp.blueprints.admin import showing
from eventapp.blueprints.public.ticket import document
from eventapp.domain import Refused, changing, ledger, receiving, resending, ticketing, uploading
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import EmailMessage, Event, Order, Registration, Status, Upload
from eventapp.permissions import can, requires
from eventapp.unit_of_work import undo
from eventapp.web.pages import done, is_htmx, page, target

bp = Blueprint("registration", __name__)
IN_SHORT, LINES, LETTERS = 5, 20, 12
"""How many lines of history the panel and a page of it show; how many letters before "all"."""


@bp.get("/registrations/<number>")
@requires("registrations.read")
def show(number):
    row = g.member.registration(number)
    if is_htmx() and target() == "panel":
        return page("admin/registrations/_panel.html", **panel(row))
    return page("admin/registrations/show.html", **everything(row))


def everything(row: Registration) -> dict:
    values = panel(row, history=False)
    shown = values["panel"]
    order, form = shown["order"], showing.form_of(shown["order"])
    all_letters = "letters" in request.args
    letters = showing.letters(row, 500 if all_letters else LETTERS + 1)
    number = max(1, min(request.args.get("history", 1, type=int) or 1, 1000))
    lines = showing.history(row, LINES + 1, (number - 1) * LINES, personal=can("registrations.edit"))
    return values | {
        "mates": showing.mates(row), "form_answers": showing.asked(form, row),
        "order_answers": showing.answers(form.fields, order.answers), "sizes": showing.sizes(showing.upload_ids(row, order)),
        "consents": showing.consents(row, form), "payments": showing.payments(order) if can("payments.read") else None,
        "books": showing.books(order) if can("payments.read") else None,
        "letters": letters if all_letters else letters[:LETTERS], "more_letters": len(letters) > LETTERS and not all_letters,
        "letter_name": showing.letter_name, "check_ins": showing.check_ins(row), "lines": lines[:LINES],
        "history_page": number, "more_history": len(lines) > LINES, "nonce": secrets.token_urlsafe(12),
        "order_url": ticketing.Papers(order, shown["event"]).order_url if can("registrations.edit") else "",
        "receivable": shown["owed"] > 0 and row.status == Status.CONFIRMED and can("payments.mark_received"),
        "returnable": changing.returnable(order) if shown["owed"] < 0 and can("registrations.refund") else 0,
        "edit": showing.address("admin.details.edit", number=row.number)}


def panel(row: Registration, *, history: bool = True) -> dict:
    """What `admin/registrations/_panel.html` is drawn from: `page(…, **panel(row))`, or `page(…, panel=None)` while it is closed.

    The page around it may add `panel_links`: addresses as `close`, `previous`, `next`.
    """
    order = db.session.get(Order, row.order_id, options=[selectinload(Order.event)])
    owed, paid = ledger.owed_and_paid(order)
    form = showing.form_of(order)
    return {"panel": {
        "registration": row, "order": order, "event": order.event, "lines": list(row.line_items), "owed": owed, "paid": paid,
        "answers": showing.answers(form.fields, row.answers) + showing.answers(form.fields, order.answers),
        "history": showing.history(row, IN_SHORT) if history else [], "actions": showing.actions(row, owed),
        "begin": showing.address("admin.bulk.begin"), "url": url_for("admin.registration.show", number=row.number),
        "desk": showing.address("admin.registrations.index")}}


@bp.get("/registrations/<number>/files/<int:id>")
@requires("registrations.read")
def file(number, id):
    """A file that came with the form: to be kept, never shown as a page of ours."""
    row = g.member.registration(number)
    order = db.session.get(Order, row.order_id)
    upload = db.session.get(Upload, id) if id in showing.upload_ids(row, order) else None
    content = uploading.content_of(upload) if upload and upload.order_id == order.id else None
    if content is None:
        abort(404)
    response = send_file(io.BytesIO(content), mimetype=upload.type, as_attachment=True, download_name=upload.name)
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.get("/registrations/<number>/ticket.pdf")
@requires("registrations.read")
def ticket(number):
    row = g.member.registration(number)
    if row.status != Status.CONFIRMED:
        abort(404)
    return document([row], ticketing.Papers(db.session.get(Order, row.order_id)), f"ticket-{row.number}.pdf")


@bp.post("/registrations/<number>/ticket")
@requires("registrations.message")
def send_ticket(number):
    row = g.member.registration(number)
    letter = resending.send_ticket(row, nonce(), by=g.member.actor)
    return done(_("The ticket is on its way to %(address)s.", address=letter.recipient), url_for(".show", number=number, _anchor="letters"))


@bp.post("/registrations/<number>/received")
@requires("payments.mark_received")
def receive(number):
    """The difference that somebody who is confirmed still owed has come; what has to come first is the desk's operation."""
    row = g.member.registration(number)
    order = db.session.get(Order, row.order_id, with_for_update={"key_share": True}, populate_existing=True)
    owed = ledger.owed(order)
    if row.status != Status.CONFIRMED or owed <= 0 or str(owed) != request.form.get("amount"):
        raise Refused(_("What is owed has changed since you opened the page. Look at it again."), status=409)
    if receiving.is_elsewhere(order):
        raise Refused(_("The buyer is paying at this moment. Try again in a minute."), status=409)
    receiving.receive(order, by=g.member.actor)
    return done(_("Marked as received."), url_for(".show", number=number, _anchor="payments"))


@bp.post("/registrations/<number>/give-back")
@requires("registrations.refund")
def give_back(number):
    """What was paid too much goes back to where it came from."""
    row = g.member.registration(number)
    changing.give_back(db.session.get(Order, row.order_id), by=g.member.actor)
    return done(_("The money is on its way back."), url_for(".show", number=number, _anchor="payments"))


# -- letters -----------------------------------------------------------------------------------------

@bp.get("/registrations/<number>/letters/<int:id>")
@requires("registrations.read")
def letter(number, id):
    row = g.member.registration(number)
    return letter_page(row, letter_or_404(row, id))


@bp.post("/registrations/<number>/letters/<int:id>")
@requires("registrations.message")
def send_again(number, id):
    row = g.member.registration(number)
    found = letter_or_404(row, id)
    try:
        resending.send_again(found, request.form.get("to", ""), nonce(), by=g.member.actor)
    except Refused as refused:
        undo()
        return letter_page(row, letter_or_404(row, id), {refused.field or "form": refused.sentence}, refused.status)
    return done(_("The email is on its way to %(address)s.", address=request.form["to"].strip()),
                url_for(".show", number=number, _anchor="letters"))


def letter_or_404(row: Registration, id: int) -> EmailMessage:
    """Of this participant, or about the whole order."""
    found = db.session.get(EmailMessage, id)
    if found is None or found.order_id != row.order_id or found.registration_id not in (None, row.id):
        abort(404)
    return found


def letter_page(row: Registration, found: EmailMessage, errors=None, status: int = 200):
    return page("admin/registrations/letter.html", status, registration=row, event=db.session.get(Event, row.event_id), letter=found,
                name=showing.letter_name(found), text=showing.letter_text(found), why_not=resending.why_not(found),
                to=request.form.get("to", found.recipient), errors=errors or {}, nonce=secrets.token_urlsafe(12))


def nonce() -> str:
    """Of the form: sent twice it is one letter."""
    given = request.form.get("nonce", "")
    return given if 8 <= len(given) <= 40 and given.isascii() and given.isprintable() else secrets.token_urlsafe(12)
