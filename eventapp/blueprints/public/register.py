"""Registration: one page, one POST. The same address draws rows, reads a pasted table, quotes a total and places the order."""
import secrets
from hashlib import sha256

from flask import Blueprint, abort, current_app, g, redirect, request, session, url_for
from flask_login import current_user

from eventapp.blueprints.public import cash_receipt, showing
from eventapp.blueprints.public.event import event_or_404
from eventapp.blueprints.public.organization import branding
from eventapp.domain import Refused, RefusedFields, ordering, paying, pricing, uploading
from eventapp.domain.ordering import Participant, Submission
from eventapp.languages import _
from eventapp.models.form import FILE
from eventapp.permissions import PUBLIC, requires
from eventapp.unit_of_work import checkpoint, undo
from eventapp.web import limits, order_cookie
from eventapp.web.pages import is_htmx, page
from eventapp.web.urls import read_signed, sign

bp = Blueprint("register", __name__)
AT_MOST = 60
MOST_FIELDS = 10_000
"""Of one form. Each participant's are looked for among all, so that more would keep a thread busy for seconds."""


@bp.route("/<org>/<event>/register", methods=["GET", "POST"])
@requires(PUBLIC)
@limits.files("registration", 300, 60)
def show(event):
    event = event_or_404(event)
    intent = next((name for name in ("requote", "paste_rows", "add", "remove") if name in request.form), "submit")
    offer = ordering.offer(event, with_places=request.method == "GET" or intent != "submit")
    if request.method == "GET":
        return form_page(event, offer, first_view(event, offer))
    submission = read_submission(event)
    wrong_files = {} if is_htmx() else receive_files(offer, submission)  # a total needs no files
    if intent != "submit":
        return form_page(event, offer, INTENTS[intent](event, offer, submission))
    try:
        if not submission.id:
            submission.id = new_submission()
            raise Refused(_("This page was not complete. Please send it again."))
        check_quote(offer, submission)
        if wrong_files:
            raise RefusedFields(wrong_files | ordering.check(offer, submission))
        order = ordering.place(offer, submission, current_app.config["SETTINGS"])
    except RefusedFields as refused:
        undo()
        return form_page(event, ordering.offer(event, with_places=True), submission, refused.errors, refused.status)
    except Refused as refused:
        undo()
        return form_page(event, ordering.offer(event, with_places=True), submission, {refused.field or "form": refused.sentence},
                         refused.status)
    return order_cookie.remember(redirect(after(event, order), 303), order.org_id, order.id)


def after(event, order) -> str:
    """Where an order that was just placed goes on."""
    pays_now = order.method in paying.WINDOW and order.hold_until
    return url_for("public.payment.show", event=event.slug) if pays_now else url_for("public.returning.complete")


def form_page(event, offer, submission: Submission, errors=None, status: int = 200):
    sales = showing.sales(offer)
    sold = [offer.lines(participant) for participant in submission.participants]
    total = pricing.total(sold)
    return page(
        "public/register.html", status, **branding(), event=event, offer=offer, sales=sales,
        state=showing.state(offer, sales), people=people(submission), order_answers=submission.answers, consents=submission.consents,
        method=submission.method, methods=ordering.methods(event), lines=showing.quote_lines(sold), total=total,
        quote=sign("quote", [chosen_hash(submission), total]), errors=errors or {}, submission=submission.id,
        fingerprint=pricing.fingerprint(offer.programs, offer.at), needs_approval=event.approval == "before_payment",
        refund_words=showing.refund_words(event, sales), receipt=cash_receipt.typed(), asks_receipt=cash_receipt.offered(event),
        takes_files=any(field["type"] == FILE for field in offer.form.fields))


def people(submission: Submission) -> list[dict]:
    """Each participant with the prefix of its fields: the first has none, the second `p2-`."""
    return [{"number": number, "prefix": "" if number == 1 else f"p{number}-", "value": participant}
            for number, participant in enumerate(submission.participants, start=1)]


# -- what was sent ---------------------------------------------------------------------------------

def first_view(event, offer) -> Submission:
    """An empty form, with what we know of somebody signed in, and the only program chosen already."""
    rows = min(max(request.args.get("participants", 1, type=int), 1), event.max_participants)
    buyer = Participant()
    if current_user.is_authenticated:
        buyer = Participant(name=current_user.name, email=current_user.email, phone=current_user.phone)
    participants = [buyer] + [Participant() for _row in range(rows - 1)]
    if len(offer.programs) == 1:
        code = next(iter(offer.programs))
        for participant in participants:
            participant.chosen = {code: max(1, offer.programs[code].minimum)}
    methods = ordering.methods(event)
    return Submission(id=new_submission(), participants=participants, method=methods[0] if methods else "free")


def new_submission() -> str:
    return secrets.token_urlsafe(24)


def typed_submission() -> str:
    """The form's hidden id, if it may be one. Those that we make for lines of a file have spaces in them."""
    identity = request.form.get("submission", "")
    return identity if 16 <= len(identity) <= 64 and identity.isascii() and identity.isprintable() and " " not in identity else ""


def read_submission(event) -> Submission:
    rows = max(1, min(request.form.get("participants", 1, type=int) or 1, max(AT_MOST, event.max_participants) + 1))
    methods = ordering.methods(event)
    if len(request.form) > MOST_FIELDS:
        abort(413)
    asked = cash_receipt.typed()
    return Submission(
        id=typed_submission(), participants=[read_participant(f"p{number}-" if number > 1 else "") for number in range(1, rows + 1)],
        method=request.form.get("method") or (methods[0] if methods else "free"), locale=g.locale,
        answers=read_answers("order-field-"),
        consents=frozenset(name.removeprefix("consent-") for name in request.form if name.startswith("consent-")),
        fingerprint=request.form.get("prices", ""), browser=browser(), receipt=(asked.kind, asked.identity),
        user_id=current_user.id if current_user.is_authenticated else None)


def read_participant(prefix: str) -> Participant:
    chosen = {code: 1 for code in request.form.getlist(f"{prefix}program") if code}
    wrong = {}
    for name, text in request.form.items():
        if name.startswith(f"{prefix}qty-") and text.strip() not in ("", "0"):
            code = name.removeprefix(f"{prefix}qty-")
            if text.strip().isascii() and text.strip().isdigit() and len(text.strip()) < 6:
                chosen[code] = int(text)
            else:
                wrong[f"qty-{code}"] = _("Enter a whole number, such as 3.")
    return Participant(name=request.form.get(f"{prefix}name", ""), email=request.form.get(f"{prefix}email", ""),
                       phone=request.form.get(f"{prefix}phone", ""), chosen=chosen, answers=read_answers(f"{prefix}field-"),
                       wrong_quantities=wrong)


def read_answers(prefix: str) -> dict[str, list[str]]:
    return {name.removeprefix(prefix): request.form.getlist(name) for name in request.form if name.startswith(prefix)}


# -- files -----------------------------------------------------------------------------------------

def receive_files(offer, submission: Submission) -> dict[str, str]:
    """Take in the files of this form; what is wrong with them, by field. A file that came in stays, whatever else is wrong
    with the form: the answer is then a reference that only we can make."""
    wrong = {}
    places = [("order-field-", field, submission.answers) for field in offer.order_fields]
    places += [(f"{one['prefix']}field-", field, one["value"].answers) for one in people(submission) for field in offer.fields]
    for prefix, field, answers in places:
        if field["type"] == FILE:
            name, key = prefix + field["key"], field["key"]
            file = request.files.get(name)
            try:
                answers[key] = [take(file)] if file and file.filename else [known(text) for text in answers.get(key, []) if text]
            except Refused as refused:
                wrong[name] = refused.sentence
    if any(file.filename for file in request.files.values()):
        limits.took_files()
        checkpoint()  # a form that is refused for something else keeps its files
    return wrong


def take(file) -> str:
    file.seek(0)  # read before, when the transaction is repeated
    upload = uploading.receive(file.filename, file.read(uploading.LARGEST + 1))
    return f"upload:{upload.id}:{upload.name}"


def known(text: str) -> str:
    """The answer that a signed reference of this organisation stands for; anything else is no file."""
    return read_signed(f"upload {g.org.id}", text) or ""


@bp.app_template_filter()
def file_reference(answer: str) -> str:
    """For the form that is shown again."""
    return sign(f"upload {g.org.id}", answer)


def browser() -> str:
    """This browser's own random id, hashed: for counting its open orders, for nothing else."""
    if "browser" not in session:
        session["browser"] = secrets.token_urlsafe(16)
    return sha256(session["browser"].encode()).hexdigest()[:32]


# -- the total that was shown ----------------------------------------------------------------------

def chosen_hash(submission: Submission) -> str:
    text = repr([sorted(participant.chosen.items()) for participant in submission.participants])
    return sha256(text.encode()).hexdigest()[:24]


def check_quote(offer, submission: Submission) -> None:
    """A total that was shown for just this choice, or sent along, must be the one that is charged."""
    total = offer.total(submission.participants)
    claimed = [request.form["total"]] if request.form.get("total") else []
    if request.form.get("quote"):
        signed = read_signed("quote", request.form["quote"])
        if signed is None:
            claimed.append("")
        elif signed[0] == chosen_hash(submission):
            claimed.append(str(signed[1]))
    if any(text != str(total) for text in claimed):
        raise RefusedFields({"total": _("The total has changed. Please check it before you pay.")})


# -- drawing the form again ------------------------------------------------------------------------

def requote(event, offer, submission):
    return submission


def add_row(event, offer, submission):
    if len(submission.participants) < event.max_participants:
        submission.participants.append(Participant(chosen=dict(submission.participants[-1].chosen)))
    return submission


def remove_row(event, offer, submission):
    number = request.form.get("remove", type=int) or len(submission.participants)
    if len(submission.participants) > 1 and 2 <= number <= len(submission.participants):
        del submission.participants[number - 1]
    return submission


def paste_rows(event, offer, submission):
    """Rows from a spreadsheet: name, email, phone, programs (codes or names, separated by commas)."""
    by_word = {word.casefold(): code for code, program in offer.programs.items() for word in (code, *program.name.values())}
    pasted = []
    for line in request.form.get("paste", "").splitlines()[: event.max_participants + 1]:
        cells = [cell.strip() for cell in (line.split("\t") if "\t" in line else line.split(";") if ";" in line else line.split(",", 3))]
        if not any(cells):
            continue
        name, email, phone, programs = (cells + ["", "", "", ""])[:4]
        codes = [by_word[word.strip().casefold()] for word in programs.split(",") if word.strip().casefold() in by_word]
        pasted.append(Participant(name=name, email=email, phone=phone,
                                  chosen={code: max(1, offer.programs[code].minimum) for code in codes}
                                  or dict(submission.participants[0].chosen)))
    empty = [one for one in submission.participants if not (one.name or one.email)]
    kept = [one for one in submission.participants if one not in empty]
    submission.participants = (kept + pasted)[: event.max_participants] or submission.participants
    return submission


INTENTS = {"requote": requote, "add": add_row, "remove": remove_row, "paste_rows": paste_rows}
