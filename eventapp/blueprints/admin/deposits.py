"""Deposits to match: a bank's statement is brought in, payments are proposed for its lines, a person says which of them it is."""
from flask import Blueprint, flash, g, redirect, request, url_for
from sqlalchemy import func, select

from eventapp.domain import Refused, matching, reading, statements
from eventapp.extensions import db
from eventapp.languages import _, ngettext
from eventapp.models import BankLine, Order, Payment, Registration
from eventapp.permissions import requires
from eventapp.unit_of_work import undo as forget
from eventapp.web import limits
from eventapp.web.forms import clean
from eventapp.web.pages import done, page

bp = Blueprint("deposits", __name__)
SHOWN = 50
STATES = ("open", "matched", "ignored")


@bp.get("/payments/deposits")
@requires("payments.mark_received")
def index():
    return shown()


@bp.post("/payments/deposits")
@requires("payments.mark_received")
@limits.own_requests("statement", 60, 60)
def bring():
    """A file, or what was pasted. Nothing is booked by it."""
    sent, text, currency = request.files.get("file"), request.form.get("text", ""), request.form.get("currency", "")
    try:
        if currency not in currencies():
            currency = currencies()[0]
        if sent and sent.filename:
            sent.seek(0)  # read before, when the transaction is repeated
            found = statements.read_file(sent.filename, sent.read(reading.LARGEST + 1), currency)
        else:
            found = statements.read_text(text[:1_000_000], currency)
        brought = matching.bring(found.deposits, currency, by=g.member.actor)
    except Refused as refused:
        forget()
        return shown({refused.field or "text": refused.sentence}, 422, text)
    flash(told(found, brought), "success" if brought.new else "info")
    if found.wrong:
        return shown(wrong=found.wrong)
    return redirect(url_for(".index"), 303)


def told(found: statements.Statement, brought: matching.Brought) -> str:
    parts = [ngettext("%(num)d new deposit.", "%(num)d new deposits.", brought.new)]
    if brought.known:
        parts.append(ngettext("%(num)d was known already.", "%(num)d were known already.", brought.known))
    if found.others:
        parts.append(ngettext("%(num)d line was no deposit.", "%(num)d lines were no deposits.", found.others))
    if found.wrong:
        parts.append(ngettext("%(num)d line could not be read.", "%(num)d lines could not be read.", len(found.wrong)))
    return " ".join(parts)


@bp.post("/payments/deposits/match")
@requires("payments.mark_received")
def match():
    """What was ticked: confirmed as chosen, or set aside."""
    ticked = [int(one) for one in request.form.getlist("lines") if one.isascii() and one.isdigit()][:SHOWN]
    mine = set(db.session.scalars(lines().with_only_columns(BankLine.id).where(BankLine.id.in_(ticked))))
    if not mine:
        raise Refused(_("Tick the deposits first."))
    if request.form.get("action") == "ignore":
        count = matching.ignore(mine, by=g.member.actor)
        return done(ngettext("%(num)d deposit is set aside.", "%(num)d deposits are set aside.", count), url_for(".index"))
    chosen, without = {}, []
    for id_ in ticked:
        number, payment = clean(request.form.get(f"number-{id_}"))[:40], request.form.get(f"payment-{id_}", "")
        if id_ in mine and (number or payment.isascii() and payment.isdigit()):
            chosen[id_] = number or int(payment)
        elif id_ in mine:
            without.append(id_)
    outcome = matching.confirm(chosen, g.member.payments(), g.member.registrations(), by=g.member.actor)
    if outcome.matched:
        flash(ngettext("%(num)d deposit is matched.", "%(num)d deposits are matched.", outcome.matched), "success")
    if without:
        flash(ngettext("For %(num)d deposit no payment was chosen.", "For %(num)d deposits no payment was chosen.", len(without)), "warning")
    for line, sentence in outcome.refused:
        flash(f"{line.depositor or line.day}: {sentence}", "error")
    return redirect(url_for(".index"), 303)


@bp.post("/payments/deposits/<int:id>/reopen")
@requires("payments.mark_received")
def reopen(id):
    """Back among those that are to be matched; a payment is awaited again."""
    line = db.one_or_404(lines().where(BankLine.id == id))
    matching.reopen(line, by=g.member.actor)
    return done(_("The deposit is to be matched again."), url_for(".index"))


def lines():
    return matching.visible(g.member.event_ids, g.member.user.id)


def currencies() -> list[str]:
    """Of what is awaited; the first is the usual one."""
    found = db.session.scalars(select(Payment.currency).where(Payment.status == "awaiting_deposit", Payment.provider == "manual")
                               .group_by(Payment.currency).order_by(func.count().desc())).all()
    return list(found) or ["KRW"]


def shown(errors=None, status: int = 200, text: str = "", wrong=()):
    state = request.args.get("state") if request.args.get("state") in STATES else "open"
    counts = dict(db.session.execute(lines().with_only_columns(BankLine.state, func.count()).group_by(BankLine.state)).all())
    number = max(1, min(request.args.get("page", 1, type=int) or 1, 10_000))
    if state == "open":
        found = matching.proposals(list(db.session.scalars(lines().where(BankLine.state == "open").limit(reading.MOST_ROWS))), g.member.payments())
        rows = found[(number - 1) * SHOWN:number * SHOWN]
    else:
        rows = settled(state, number)
    return page("admin/payments/deposits.html", status, errors=errors or {}, text=text, wrong=list(wrong)[:20], state=state, counts=counts, rows=rows, number=number,
                pages=max(1, -(-counts.get(state, 0) // SHOWN)), currencies=[(one, one) for one in currencies()])


def settled(state: str, number: int) -> list[tuple]:
    """(line, payment, buyer, number of the first registration)"""
    first = (select(Registration.number).where(Registration.order_id == Payment.order_id).order_by(Registration.position).limit(1)
             .correlate(Payment).scalar_subquery())
    query = (lines().where(BankLine.state == state).outerjoin(Payment, Payment.id == BankLine.payment_id).outerjoin(Order, Order.id == Payment.order_id)
             .with_only_columns(BankLine, Payment, Order.name, first).order_by(BankLine.day.desc(), BankLine.id.desc()))
    return db.session.execute(query.limit(SHOWN).offset((number - 1) * SHOWN)).all()
