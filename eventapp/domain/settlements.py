"""What the gateways pay out, and what they keep of it, as far as they tell: read each day, some days over again."""
import logging
from collections.abc import Iterator
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import case, func, select
from sqlalchemy.dialects.postgresql import insert

from eventapp import clock, tenancy
from eventapp.domain import calling, exporting
from eventapp.domain.exporting import Column
from eventapp.domain.finding_payments import FIRST, PROVIDER_WORDS, amount
from eventapp.domain.listing import METHOD_WORDS
from eventapp.extensions import db
from eventapp.languages import _, current_locale, localized
from eventapp.models import Event, GatewayAccount, Order, Payment, Settlement
from eventapp.models.base import among
from eventapp.payments import PROVIDERS
from eventapp.payments.provider import GatewayMisconfigured, GatewayRefused, SettlementLine
from eventapp.unit_of_work import checkpoint

log = logging.getLogger("eventapp.settlements")
BACK, FIRST_TIME = timedelta(days=10), timedelta(days=60)
"""How far is read again: a payout is put off, or a day is booked late."""
CHUNK = 500
SEOUL = ZoneInfo("Asia/Seoul")


# -- reading -----------------------------------------------------------------------------------------------

def read(account: GatewayAccount) -> int:
    """How many lines the gateway told."""
    today = clock.now().astimezone(SEOUL).date()
    latest = db.session.scalar(select(func.max(Settlement.sold_on)).where(Settlement.account_id == account.id))
    keys, provider = calling.keys(account), PROVIDERS[account.provider]
    checkpoint()  # nothing is held while we wait
    try:
        lines = list(provider.list_settlements(keys, (latest or today - FIRST_TIME + BACK) - BACK, today))
    except GatewayMisconfigured as error:
        calling.account_is_wrong(account, error.code)
        checkpoint()  # known, even though this job has failed
        raise
    except GatewayRefused as error:
        if account.mode == "test":  # a gateway may tell nothing of what was no money
            log.info("no settlements of a test account", extra={"account_id": account.id, "code": error.code})
            return 0
        raise
    for start in range(0, len(lines), CHUNK):
        _keep(account, {line.transaction_key: line for line in lines[start:start + CHUNK]})
    return len(lines)


def _keep(account: GatewayAccount, lines: dict[str, SettlementLine]) -> None:
    payments = dict(db.session.execute(select(Payment.gateway_order_id, Payment.id).where(
        Payment.account_id == account.id, Payment.gateway_order_id.in_({line.order_ref for line in lines.values()}))).all())
    rows = [{"account_id": account.id, "payment_id": payments.get(line.order_ref), "transaction_key": line.transaction_key, "gateway_order_id": line.order_ref,
             "method": line.method, "currency": line.currency, "amount": line.amount, "fee": line.fee, "vat": line.vat, "payout": line.payout,
             "sold_on": line.sold_on, "paid_out_on": line.paid_out_on, "created_at": clock.now()} for line in lines.values()]
    statement = insert(Settlement).values(rows)
    changing = ("payment_id", "method", "amount", "fee", "vat", "payout", "sold_on", "paid_out_on")
    db.session.execute(statement.on_conflict_do_update(index_elements=["org_id", "account_id", "transaction_key"],
                                                       set_={name: statement.excluded[name] for name in changing}))


# -- looking -----------------------------------------------------------------------------------------------

def visible(payments, limited: bool):
    """Who works for some events sees the lines of their payments."""
    query = select(Settlement)
    return query.where(Settlement.payment_id.in_(payments.with_only_columns(Payment.id))) if limited else query


def payouts(query, most: int, before: date | None = None):
    """(day, account, currency, lines, amount, fee, VAT, payout) of each payout, the newest first; those without a day come first."""
    if before:
        query = query.where(Settlement.paid_out_on < before)
    sums = [func.sum(column) for column in (Settlement.amount, Settlement.fee, Settlement.vat, Settlement.payout)]
    return db.session.execute(
        query.join(GatewayAccount, GatewayAccount.id == Settlement.account_id)
        .with_only_columns(Settlement.paid_out_on, Settlement.account_id, GatewayAccount.provider, Settlement.currency, func.count(), *sums)
        .group_by(Settlement.paid_out_on, Settlement.account_id, GatewayAccount.provider, Settlement.currency)
        .order_by(Settlement.paid_out_on.desc().nulls_first(), Settlement.account_id, Settlement.currency).limit(most)).all()


def totals(query, today: date):
    """(currency, amount, fee, VAT, paid out, still to be paid out)"""
    over = Settlement.paid_out_on <= today
    return db.session.execute(query.with_only_columns(
        Settlement.currency, func.sum(Settlement.amount), func.sum(Settlement.fee), func.sum(Settlement.vat),
        func.coalesce(func.sum(case((over, Settlement.payout))), 0), func.sum(Settlement.payout) - func.coalesce(func.sum(case((over, Settlement.payout))), 0))
        .group_by(Settlement.currency).order_by(func.count().desc())).all()


def rows(session, ids: list[int]):
    """(settlement, gateway, buyer, event's title, number of the first registration); without an order it is not ours."""
    return session.execute(
        select(Settlement, GatewayAccount.provider, Order.name, Event.title, FIRST).join(GatewayAccount, GatewayAccount.id == Settlement.account_id)
        .outerjoin(Payment, Payment.id == Settlement.payment_id).outerjoin(Order, Order.id == Payment.order_id).outerjoin(Event, Event.id == Order.event_id)
        .where(among(Settlement.id, ids)).order_by(Settlement.sold_on, Settlement.id)).all()


def table(query, format: str) -> Iterator[bytes]:
    methods, locale = {name: str(word) for name, word in METHOD_WORDS.items()}, current_locale()

    def sums(name):
        return lambda row: amount(getattr(row[0], name), row[0].currency)

    def day(name):
        return lambda row: (found := getattr(row[0], name)) and found.isoformat()

    columns = [
        Column("sold", _("Sold"), day("sold_on")), Column("paid_out", _("Paid out on"), day("paid_out_on")),
        Column("provider", _("Through"), lambda row: str(PROVIDER_WORDS.get(row[1], row[1]))), Column("method", _("Payment method"), lambda row: methods.get(row[0].method, row[0].method)),
        Column("event", _("Event"), lambda row: localized(row[3], locale)), Column("number", _("Number"), lambda row: row[4]), Column("buyer", _("Buyer"), lambda row: row[2]),
        Column("currency", _("Currency"), lambda row: row[0].currency), Column("amount", _("Amount"), sums("amount")), Column("fee", _("Fees"), sums("fee")),
        Column("vat", _("VAT on fees"), sums("vat")), Column("payout", _("Paid out"), sums("payout")),
        Column("order", _("Order id"), lambda row: row[0].gateway_order_id), Column("key", _("Transaction"), lambda row: row[0].transaction_key)]
    return exporting.table(_chunks(db.engine, tenancy.current_org_id(), query.with_only_columns(Settlement.id).order_by(Settlement.id)), format, columns)


def _chunks(engine, org_id: int, ids_query) -> Iterator[list]:
    with exporting.inside(engine, org_id) as session:
        ids = list(session.scalars(ids_query))
    for start in range(0, len(ids), CHUNK):
        with exporting.inside(engine, org_id) as session:
            found = [tuple(row) for row in rows(session, ids[start:start + CHUNK])]
        yield found
