"""Money that goes back: given by staff for one registration, and the list of transfers that are made by hand."""
from flask import Blueprint, Response, abort, g, request, url_for

from eventapp import audit
from eventapp.blueprints.admin.payment import REFUNDS
from eventapp.domain import Refused, RefusedFields, exporting, giving_back, ledger, refund_rules, refunding, registering
from eventapp.domain import payouts as lists
from eventapp.domain.giving_back import Wanted
from eventapp.domain.listing import METHOD_WORDS
from eventapp.domain.payouts import Row
from eventapp.extensions import db
from eventapp.languages import _, _l, current_locale, ngettext
from eventapp.models import Event, Order, Organization, Refund, Registration
from eventapp.payments.banks import BANKS
from eventapp.permissions import requires
from eventapp.unit_of_work import undo
from eventapp.web.pages import done, page

bp = Blueprint("refunds", __name__)
FAILURES = {
    "FAILED": _l("The bank did not take it."), refunding.OVERTAKEN: _l("It was given back another way meanwhile."),
    "EXCEED_MAX_REFUND_DUE": _l("It is too late for the payment company to send it back. Send it by transfer."),
    "NOT_ALLOWED_PARTIAL_REFUND": _l("The payment company gives this payment back whole only. Send the part by transfer."),
    "NOT_MATCHES_REFUNDABLE_AMOUNT": _l("Something else was given back in the same moment. Look at the payment, and try again."),
    "NOT_CANCELABLE_AMOUNT": _l("The payment company does not have as much for you at the moment. Try again later."),
    "REFUND_REJECTED": _l("The payment company does not have as much for you at the moment. Try again later.")}


# -- for one registration ------------------------------------------------------------------------------

@bp.route("/registrations/<number>/refund", methods=["GET", "POST"])
@requires("registrations.refund")
def edit(number):
    row = g.member.registration(number)
    if request.method == "GET":
        return form(row, Wanted({item.id for item in row.line_items}, account=dict.fromkeys(("bank", "number", "holder"), "")))
    wanted = read()
    if "calculate" in request.form:
        return form(row, wanted)
    order = db.session.get(Order, row.order_id)
    if not wanted.keep and not g.member.can("registrations.cancel"):
        abort(403)
    try:
        refunds = giving_back.do(order, wanted, by=g.member.actor)
    except Refused as refused:
        undo()
        errors = refused.errors if isinstance(refused, RefusedFields) else {refused.field or "form": refused.sentence}
        return form(g.member.registration(number), wanted, errors, refused.status)
    return done(sentence(refunds), url_for("admin.registration.show", number=number, _anchor="payments"))


def sentence(refunds: list[Refund]) -> str:
    if not refunds:
        return _("Cancelled. Nothing goes back.")
    if any(refund.state == "needs_account" for refund in refunds):
        return _("The buyer is being asked for a bank account.")
    if any(refund.state == "to_pay" for refund in refunds):
        return _("The refund is in the list of transfers to make.")
    return _("The money is on its way back.")


def read() -> Wanted:
    given = request.form
    lines = {int(one) for one in given.getlist("lines") if one.isascii() and one.isdigit() and len(one) < 19}
    how = given.get("how", "")
    return Wanted(lines, how if how in (giving_back.ALL, giving_back.OTHER) else giving_back.RULES, given.get("amount", "")[:30],
                  given.get("tickets") == "keep", " ".join(given.get("reason", "").replace("\0", "").split()),
                  {name: given.get(name, "") for name in ("bank", "number", "holder")}, given.get("shown", ""))


def form(row: Registration, wanted: Wanted, errors=None, status: int = 200):
    order, errors = db.session.get(Order, row.order_id), dict(errors or {})
    try:
        outcome = giving_back.look(order, wanted)
    except RefusedFields as refused:
        if request.form.get("shown") is not None and "calculate" not in request.form or wanted.amount:
            errors |= refused.errors
        outcome = None
    event, rules = db.session.get(Event, row.event_id), refund_rules.of_order(order)
    return page("admin/refunds/edit.html", status, registration=row, order=order, event=event, wanted=wanted, errors=errors, outcome=outcome,
                everybody=registering.of_order(order), rules=refund_rules.in_words(rules, event, current_locale()), agreed=bool(order.refund_terms),
                banks=banks(), refunds=refunding.of_order(order), states=REFUNDS, paid=ledger.paid(order), methods=METHOD_WORDS,
                may_cancel=g.member.can("registrations.cancel"))


def banks() -> list[tuple[str, str]]:
    return [(bank.name, bank.korean if current_locale() == "ko" else bank.english) for bank in BANKS.values()]


# -- transfers to make ----------------------------------------------------------------------------------

@bp.get("/payments/payouts")
@requires("registrations.refund")
def payouts():
    return listed()


def listed(error: str = "", status: int = 200):
    found = lists.rows(g.member, Refund.state.in_(lists.STATES), ~lists.given_up(), ~lists.nothing_left())
    groups = {state: [row for row in found if row.refund.state == state] for state in lists.STATES}
    sums: dict[str, int] = {}
    for row in groups["to_pay"]:
        sums[row.payment.currency] = sums.get(row.payment.currency, 0) + row.refund.amount
    return page("admin/refunds/payouts.html", status, groups=groups, sums=sums, error=error, zone=db.session.get(Organization, g.org.id).timezone,
                full=len(found) == lists.MOST)


@bp.post("/payments/payouts")
@requires("registrations.refund")
def payouts_done():
    """The ticked ones: taken to the bank as a file, or marked as sent."""
    ids = {int(one) for one in request.form.getlist("ids") if one.isascii() and one.isdigit() and len(one) < 19}
    wanted = "failed" if request.form.get("do") == "again" else "to_pay"
    chosen = lists.rows(g.member, Refund.id.in_(ids), Refund.state == wanted) if ids else []
    if not chosen:
        return listed(_("Nothing was chosen. Tick at least one transfer."), 422)
    if wanted == "failed":
        count = lists.again(chosen, by=g.member.actor)
        return done(ngettext("%(num)d refund is tried again.", "%(num)d refunds are tried again.", count), url_for("admin.refunds.payouts"))
    if request.form.get("do") == "sent":
        count = lists.sent(chosen, by=g.member.actor)
        return done(ngettext("%(num)d transfer marked as sent.", "%(num)d transfers marked as sent.", count), url_for("admin.refunds.payouts"))
    format = request.form.get("do", "")
    if format not in exporting.TYPES or format == "json":
        abort(400)
    found = lists.export(chosen, format, about=db.session.get(Organization, g.org.id), by=g.member.actor)
    response = Response(found.chunks, content_type=found.type)
    response.headers.set("Content-Disposition", "attachment", filename=found.name)
    response.headers["Cache-Control"] = "no-store"
    return response


# -- one refund ------------------------------------------------------------------------------------------

@bp.get("/payments/refunds/<int:id>")
@requires("registrations.refund")
def show(id):
    return shown(row_or_404(id))


@bp.post("/payments/refunds/<int:id>/reveal")
@requires("registrations.refund")
def reveal(id):
    """The account number in clear, for whoever makes the transfer: who looked is on record."""
    row = row_or_404(id)
    account = refunding.account_of(row.refund) or abort(404)
    audit.record("payment.refund_account_shown", row.payment, by=g.member.actor, after={"refund_account": row.refund.account_hint})
    return shown(row, account=account)


@bp.post("/payments/refunds/<int:id>/account")
@requires("registrations.refund")
def account(id):
    row, given = row_or_404(id), request.form
    try:
        refunding.take_account(row.refund, given.get("bank", ""), given.get("number", ""), given.get("holder", ""), by=g.member.actor)
    except RefusedFields as refused:
        undo()
        return shown(row_or_404(id), errors=refused.errors, status=refused.status)
    return done(_("Saved."), url_for(".show", id=id))


@bp.post("/payments/refunds/<int:id>/ask")
@requires("registrations.refund")
def ask(id):
    row = row_or_404(id)
    refunding.ask_again(row.refund, by=g.member.actor)
    return done(_("The letter is on its way to %(address)s.", address=row.order.email), url_for(".show", id=id))


@bp.post("/payments/refunds/<int:id>/sent")
@requires("registrations.refund")
def sent(id):
    refunding.sent(row_or_404(id).refund, by=g.member.actor)
    return done(_("Marked as sent."), url_for(".show", id=id))


@bp.post("/payments/refunds/<int:id>/again")
@requires("registrations.refund")
def again(id):
    new = refunding.again(row_or_404(id).refund, by=g.member.actor, by_transfer=request.form.get("way") == "transfer")
    return done(sentence([new]), url_for(".show", id=new.id))


def row_or_404(id) -> Row:
    return lists.row(g.member, id) or abort(404)


def shown(row: Row, *, errors=None, account=None, status: int = 200):
    refund = row.refund
    return page("admin/refunds/show.html", status, row=row, refund=refund, errors=errors or {}, account=account, banks=banks(),
                state=REFUNDS[refund.state], given=request.form if errors else {}, failure=failure(refund),
                method=METHOD_WORDS.get(row.payment.method, row.payment.method),
                left=min(refund.amount, refunding.surplus(row.order)) if refund.state == "failed" else 0,
                at_gateway=not refunding.by_hand(row.payment))


def failure(refund: Refund) -> str:
    """Why it did not go, in words as far as we know the gateway's."""
    if not refund.failure_code:
        return ""
    if refund.failure_code in refunding.WRONG_ACCOUNT:
        return _("The bank does not know the account that was given.")
    return str(FAILURES.get(refund.failure_code, refund.failure_code))
