"""The books: every movement of money by its day, what the payment companies pay out, and where their books differ from ours."""
from datetime import date
from zoneinfo import ZoneInfo

from flask import Blueprint, g, request, url_for
from sqlalchemy import func, select

from eventapp import audit, clock
from eventapp.blueprints.admin.payments import (
    PER_PAGE,
    List,
    count_of,
    download,
    for_readers,
    organization,
    read_format,
    read_place,
)
from eventapp.domain import Refused, comparing, finding_payments, settlements
from eventapp.domain.finding_payments import MOVEMENT_WORDS, PROVIDER_WORDS
from eventapp.domain.listing import METHOD_WORDS
from eventapp.extensions import db
from eventapp.languages import _, _l, ngettext
from eventapp.models import BookDifference, GatewayAccount, LedgerEntry, Order, Payment, Settlement, User
from eventapp.payments import PROVIDERS
from eventapp.permissions import requires
from eventapp.unit_of_work import undo as forget
from eventapp.web.forms import clean
from eventapp.web.pages import done, page

bp = Blueprint("books", __name__)
PAYOUTS, LINES, DIFFERENCES = 60, 500, 200
KINDS = {"missing_here": _l("Not in our ledger"), "missing_there": _l("Not in their books"), "amount": _l("Another amount")}


# -- movements -----------------------------------------------------------------------------------------------

@bp.get("/payments/movements")
@requires("payments.read")
def movements():
    listing, query = asked_movements()
    older = read_place(request.args.get("older", ""))
    found = finding_payments.some_movements(query, PER_PAGE + 1, older)
    last = found[PER_PAGE - 1].entry if len(found) > PER_PAGE else None
    return page("admin/payments/movements.html", list=listing, rows=found[:PER_PAGE], sums=finding_payments.movement_sums(query), words=MOVEMENT_WORDS,
                methods=METHOD_WORDS, older=last and listing.older((last.created_at, last.id)), first=not older)


@bp.post("/payments/movements/export")
@requires("registrations.export")
def export_movements():
    for_readers()
    listing, query = asked_movements()
    format = read_format(count_of(query.with_only_columns(LedgerEntry.id)))
    audit.record("payments.exported", organization(), by=g.member.actor, after={"format": format, "filter": listing.asked, "what": "movements"})
    return download(finding_payments.movements_table(query, format), format, [], "movements")


def asked_movements():
    listing = List(None, "books.movements")
    return listing, listing.search.movements()


# -- payouts ---------------------------------------------------------------------------------------------------

@bp.get("/payments/settlements")
@requires("payments.read")
def payouts():
    """By the day on which they are paid out; one of them opened shows its lines."""
    query, today = own_settlements(), clock.now().astimezone(ZoneInfo(organization().timezone)).date()
    before = read_date(request.args.get("before"))
    found = settlements.payouts(query, PAYOUTS + 1, before)
    day, account = request.args.get("day"), request.args.get("account", type=int)
    return page("admin/payments/settlements.html", payouts=found[:PAYOUTS], totals=settlements.totals(query, today), today=today, providers=PROVIDER_WORDS,
                lines=lines_of(query, day, account) if account else None, day=read_date(day), before=before, methods=METHOD_WORDS,
                more=found[PAYOUTS - 1].paid_out_on if len(found) > PAYOUTS else None, tells=tells("settlements"))


@bp.post("/payments/settlements/export")
@requires("registrations.export")
def export_payouts():
    for_readers()
    query = own_settlements()
    format = read_format(count_of(query.with_only_columns(Settlement.id)))
    audit.record("payments.exported", organization(), by=g.member.actor, after={"format": format, "what": "settlements"})
    return download(settlements.table(query, format), format, [], "payouts")


def own_settlements():
    return settlements.visible(g.member.payments(), g.member.event_ids is not None)


def lines_of(query, day: str | None, account: int) -> list:
    on = Settlement.paid_out_on == read_date(day) if read_date(day) else Settlement.paid_out_on.is_(None)
    ids = db.session.scalars(query.where(on, Settlement.account_id == account).with_only_columns(Settlement.id).order_by(Settlement.id).limit(LINES))
    return settlements.rows(db.session(), list(ids))


def read_date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


def tells(what: str) -> bool:
    """Whether any of the organisation's gateways tells this at all."""
    providers = db.session.scalars(select(GatewayAccount.provider).distinct()).all()
    return any(getattr(PROVIDERS[provider].caps, what) for provider in providers)


# -- differences -----------------------------------------------------------------------------------------------

@bp.get("/payments/differences")
@requires("payments.read")
def differences():
    return shown()


def shown(errors=None, status: int = 200):
    everything = request.args.get("state") == "all"
    query = own_differences()
    opened = db.session.scalar(query.where(BookDifference.settled_at.is_(None)).with_only_columns(func.count()))
    if not everything:
        query = query.where(BookDifference.settled_at.is_(None))
    rows = db.session.execute(
        query.join(GatewayAccount, GatewayAccount.id == BookDifference.account_id).outerjoin(Payment, Payment.id == BookDifference.payment_id)
        .outerjoin(Order, Order.id == Payment.order_id).outerjoin(User, User.id == BookDifference.settled_by)
        .with_only_columns(BookDifference, GatewayAccount.provider, Order.name, finding_payments.FIRST, User.name)
        .order_by(BookDifference.id.desc()).limit(DIFFERENCES)).all()
    accounts = db.session.scalars(select(GatewayAccount).order_by(GatewayAccount.id)).all()
    return page("admin/payments/differences.html", status, rows=rows, kinds=KINDS, providers=PROVIDER_WORDS, opened=opened, everything=everything, errors=errors or {},
                accounts=[account for account in accounts if PROVIDERS[account.provider].caps.books], zone=organization().timezone,
                stranger=any(row[0].payment_id is None and row[0].settled_at is None for row in rows))


@bp.post("/payments/differences")
@requires("payments.mark_received")
def settle():
    """Those that are ticked, or all that are about orders that are not ours; or look once more."""
    if request.form.get("action") == "again":
        for account in db.session.scalars(select(GatewayAccount)).all():
            if PROVIDERS[account.provider].caps.books:
                comparing.again(account)
        return done(_("The books are being compared. Look again in a minute."), url_for(".differences"))
    query = own_differences().where(BookDifference.settled_at.is_(None))
    if request.form.get("action") == "strangers":
        query = query.where(BookDifference.payment_id.is_(None))
    else:
        ticked = [int(one) for one in request.form.getlist("ids") if one.isascii() and one.isdigit()]
        query = query.where(BookDifference.id.in_(ticked[:DIFFERENCES]))
    found = list(db.session.scalars(query.with_for_update()))
    try:
        if not found:
            raise Refused(_("Tick the differences first."), "ids")
        count = comparing.settle(found, clean(request.form.get("note"))[:500], by=g.member.actor)
    except Refused as refused:
        forget()
        return shown({refused.field: refused.sentence}, 422)
    return done(ngettext("%(num)d difference is settled.", "%(num)d differences are settled.", count), url_for(".differences"))


def own_differences():
    query = select(BookDifference)
    return query if g.member.event_ids is None else query.where(BookDifference.payment_id.in_(g.member.payments().with_only_columns(Payment.id)))

