"""The ledger of one registration's order: every entry on both of its accounts, the balance after each, to be printed."""
from dataclasses import dataclass

from flask import Blueprint, g
from sqlalchemy.orm import selectinload

from eventapp.blueprints.admin import showing
from eventapp.domain.finding_payments import ACCOUNT_WORDS
from eventapp.extensions import db
from eventapp.models import Order
from eventapp.models.payment import ACCOUNTS
from eventapp.permissions import requires
from eventapp.web.pages import page

bp = Blueprint("ledgers", __name__)


@bp.get("/registrations/<number>/ledger")
@requires("payments.read")
def show(number):
    row = g.member.registration(number)
    order = db.session.get(Order, row.order_id, options=[selectinload(Order.event), selectinload(Order.registrations)])
    books = showing.books(order)
    return page("admin/payments/ledger.html", registration=row, order=order, event=order.event, books=books, accounts=balances(books),
                payments={one.payment.id: one for one in showing.payments(order)})


@dataclass
class Account:
    name: str
    debit: int = 0
    credit: int = 0

    @property
    def balance(self) -> int:
        return self.debit - self.credit


def balances(books) -> list[Account]:
    """Of each account that has an entry; all debits together are all credits together."""
    accounts = {name: Account(str(ACCOUNT_WORDS[name])) for name in ACCOUNTS}
    for line in books:
        accounts[line.entry.debit].debit += line.entry.amount
        accounts[line.entry.credit].credit += line.entry.amount
    return [account for account in accounts.values() if account.debit or account.credit]
