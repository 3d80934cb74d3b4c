"""Receipts and notes: numbers without gaps, the VAT to the won, one for each movement of money, and never another text."""
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError

from eventapp import audit, checks, clock, faults, tenancy
from eventapp.domain import changing, documenting, ledger, paying, receiving, refunding, registering
from eventapp.domain.documenting import Split, charged, given_back, share
from eventapp.extensions import db
from eventapp.models import Document, DocumentSeries, LedgerEntry, LineItem, Order, Organization, Payment, Program, Registration
from eventapp.money import vat_included
from tests.shop import id_of

STAFF = audit.Actor("user", 1)


def documents(shop, order) -> list[tuple]:
    shop.enter()
    return [(one.name, one.kind, one.amount, one.tax_free, one.vat) for one in documenting.of(db.session.get(Order, id_of(order)))]


def sound(app) -> None:
    answers = checks.run(__import__("eventapp.extensions").extensions.platform.engine, app.config["SETTINGS"].role("app"), clock.now())
    assert [(answer.name, answer.breaches) for answer in answers if not answer.ok and answer.name.startswith(("money", "documents", "receipts"))] == []


def test_a_payment_has_a_receipt_and_its_refund_a_note(shop):
    order = shop.pay("card")
    year = f"{clock.now():%Y}"
    assert documents(shop, order) == [(f"R{year}-000001", "receipt", 100000, 0, 9091)]


def test_the_papers(shop):
    order = shop.pay("card", people=2)
    from eventapp.tickets import pdf
    from eventapp.languages import force_locale
    for locale in ("ko", "en"):
        with force_locale(locale):
            open(f"/tmp/rc/receipt-{locale}.pdf", "wb").write(pdf.paper(documenting.paper(documenting.of(order)[0])))
            open(f"/tmp/rc/statement-{locale}.pdf", "wb").write(pdf.statement(documenting.statement(order)))
