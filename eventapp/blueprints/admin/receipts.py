"""Receipts, notes of refunds and cash receipts: looking through them, printing them, and what a person has to do about one."""
from datetime import timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import Blueprint, g, request, url_for
from sqlalchemy import select

from eventapp import audit
from eventapp.blueprints.admin.payments import download, for_readers, organization, read_format
from eventapp.blueprints.public.ticket import drawn
from eventapp.domain import cash_receipting, documenting, finding_receipts
from eventapp.domain.finding_receipts import (
    CASH_WORDS,
    GROUP_WORDS,
    GROUPS,
    KIND_WORDS,
    NAMES,
    STATE_WORDS,
    WHY_WORDS,
)
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import CashReceipt, Document, Order
from eventapp.permissions import requires
from eventapp.tickets import pdf
from eventapp.web.forms import clean
from eventapp.web.pages import done, page

bp = Blueprint("receipts", __name__)
PER_PAGE = 50
CASH = "cash"


@bp.get("/payments/receipts")
@requires("payments.read")
def index():
    listing = List()
    return page("admin/payments/receipts_cash.html" if listing.is_cash else "admin/payments/receipts.html", list=listing)


@bp.post("/payments/receipts/export")
@requires("registrations.export")
def export():
    """What the filter of the address means. Numbers to be typed elsewhere stand in it, so that it was taken is itself on record."""
    for_readers()
    listing = List()
    format = read_format(0)
    audit.record("receipts.exported", organization(), by=g.member.actor, after={"format": format, "filter": listing.asked})
    table = finding_receipts.cash_table if listing.is_cash else finding_receipts.documents_table
    return download(table(listing.query, format), format, [], "cash-receipts" if listing.is_cash else "receipts")


@bp.get("/payments/receipts/<int:id>.pdf")
@requires("payments.read")
def document(id):
    found = db.one_or_404(mine(Document).where(Document.id == id))
    return drawn(pdf.paper, documenting.paper(found), f"{found.name}.pdf")


@bp.post("/payments/cash-receipts/<int:id>/again")
@requires("payments.mark_received")
def again(id):
    cash_receipting.try_again(db.one_or_404(mine(CashReceipt).where(CashReceipt.id == id)), by=g.member.actor)
    return done(_("It is tried again."), back())


@bp.post("/payments/cash-receipts/<int:id>/issued")
@requires("payments.mark_received")
def issued(id):
    cash_receipting.issued_by_hand(db.one_or_404(mine(CashReceipt).where(CashReceipt.id == id)), clean(request.form.get("issue_number")), by=g.member.actor)
    return done(_("Noted as issued."), back())


@bp.post("/payments/cash-receipts/<int:id>/cancelled")
@requires("payments.mark_received")
def cancelled(id):
    cash_receipting.cancelled_by_hand(db.one_or_404(mine(CashReceipt).where(CashReceipt.id == id)), by=g.member.actor)
    return done(_("Noted as cancelled."), back())


def back() -> str:
    return url_for("admin.receipts.index", show=CASH)


def orders():
    """Those the member may see, or None for all."""
    return None if g.member.event_ids is None else g.member.orders().with_only_columns(Order.id)


def mine(table):
    query = select(table)
    return query if orders() is None else query.where(table.order_id.in_(orders()))


class List:
    """What the address asks for, and the addresses around it."""

    def __init__(self):
        self.zone = ZoneInfo(organization().timezone)
        self.is_cash = request.args.get("show") == CASH
        self.wanted = finding_receipts.wanted(request.args, self.zone)
        self.page = max(1, request.args.get("page", 1, int))
        self.path = url_for("admin.receipts.index")
        self.query = (finding_receipts.cash_receipts if self.is_cash else finding_receipts.documents)(orders(), self.wanted)

    @property
    def rows(self) -> list[finding_receipts.Row]:
        """One more than is shown tells whether there is a further page."""
        table = CashReceipt if self.is_cash else Document
        order = finding_receipts.first() if self.is_cash else (Document.created_at.desc(), Document.id.desc())
        ids = db.session.scalars(self.query.with_only_columns(table.id).order_by(*order).limit(PER_PAGE + 1).offset((self.page - 1) * PER_PAGE)).all()
        self.has_more = len(ids) > PER_PAGE
        return finding_receipts.rows(db.session, table, ids[:PER_PAGE])

    @property
    def sums(self) -> list[finding_receipts.Sums]:
        return finding_receipts.sums(self.query)

    @property
    def asked(self) -> dict[str, str]:
        return {name: value for name in NAMES if (value := clean(request.args.get(name))[:200])}

    def with_(self, **values) -> str:
        query = urlencode({name: value for name, value in (self.asked | values).items() if value})
        return f"{self.path}?{query}" if query else self.path

    @property
    def sides(self) -> list[tuple]:
        return [(_("Receipts and refund notes"), self.path, not self.is_cash), (_("Cash receipts"), url_for("admin.receipts.index", show=CASH), self.is_cash)]

    @property
    def is_filtered(self) -> bool:
        return bool(self.asked.keys() - {"show"})

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """(value, text) of the choice: the kind of document, or how far a cash receipt is, with how many there are."""
        if not self.is_cash:
            return [("", _("Any kind")), *((name, str(word)) for name, word in KIND_WORDS.items())]
        counts = finding_receipts.counts(orders())
        return [("", f"{_('Any state')} ({counts['']})"), *((name, f"{GROUP_WORDS[name]} ({counts[name]})") for name in GROUPS)]

    @property
    def days(self) -> tuple[str, str]:
        """As the fields of the form say them."""
        until = self.wanted.until and self.wanted.until - timedelta(days=1)
        return tuple(day.astimezone(self.zone).date().isoformat() if day else "" for day in (self.wanted.since, until))

    def kind(self, it) -> str:
        return str((CASH_WORDS if self.is_cash else KIND_WORDS)[it.kind])

    def state(self, receipt: CashReceipt) -> tuple[str, str]:
        word, tone = STATE_WORDS[receipt.state]
        return (_("By hand"), "warning") if self.by_hand(receipt) else (str(word), "danger" if receipt.failure_code else tone)

    def why(self, receipt: CashReceipt) -> str:
        """Why it is in trouble: in words, or as the gateway says."""
        return "" if receipt.failure_code == cash_receipting.BY_HAND else str(WHY_WORDS.get(receipt.failure_code, receipt.failure_code))

    def by_hand(self, receipt: CashReceipt) -> str:
        """issue or cancel, where no gateway of ours does it."""
        if cash_receipting.waits_for_hand(receipt):
            return "issue"
        return "cancel" if receipt.failure_code == cash_receipting.BY_HAND else ""

    def may_try_again(self, receipt: CashReceipt) -> bool:
        return cash_receipting.is_problem(receipt) and not self.by_hand(receipt) and not receipt.linked
