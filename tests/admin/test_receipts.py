"""The staff's pages of receipts and cash receipts, and the settings of tax."""
import csv
import io
import re

import pytest
from pypdf import PdfReader
from sqlalchemy import select

from eventapp import audit, crypto
from eventapp.domain import cash_receipting, paying
from eventapp.extensions import db
from eventapp.models import AuditLog, CashReceipt, Document, Order, Organization, Payment
from eventapp.tickets import pdf
from tests import make
from tests.admin.test_home import limit
from tests.make import Participant

PATH = "/seoul-ubf/admin/payments/receipts"
TAX = "/seoul-ubf/admin/settings/tax"
STAFF = audit.Actor("user", 1)


@pytest.fixture(autouse=True, scope="module")
def nothing_left_running():
    yield
    pdf.stop()


@pytest.fixture
def sold(world, work):
    """`sold("김하나")`: an order that was paid by transfer, with its receipt, and a cash receipt that must be issued by hand."""
    def sold(name: str, receipt: str = "deduction") -> Order:
        world.seoul.enter()
        order = make.order(world.seoul.event(), Participant(name, f"{abs(hash(name)) % 10**6}@example.com", "010-2345-6789", {"main-conference": 1}), method="manual_transfer")
        if receipt:
            cash_receipting.ask(order, receipt, "010-2345-6789" if receipt == "deduction" else "124-81-00998", by=audit.Actor("buyer", order.id))
        payment = db.session.scalars(select(Payment).where(Payment.order_id == order.id)).one()
        paying.mark_received(payment, payment.amount, by=STAFF)
        db.session.commit()
        work()
        world.seoul.enter()
        return db.session.get(Order, order.id)
    return sold


def names(page: str) -> list[str]:
    return re.findall(r'data-document="([^"]+)"', page)


def receipt_of(world, order) -> CashReceipt:
    world.seoul.enter()
    db.session.expire_all()
    return db.session.scalars(select(CashReceipt).where(CashReceipt.order_id == order.id)).one()


def test_receipts_are_listed_filtered_and_summed(world, sold, seoul_owner):
    for name in ("김하나", "박두리", "최세나"):
        sold(name)
    page = seoul_owner.get(PATH).text
    assert [one[-1] for one in names(page)] == ["3", "2", "1"]
    sums = re.search(r'data-sum="receipt-KRW".*?</tr>', page, re.S)[0]
    assert all(amount in sums for amount in ("₩300,000", "₩27,273", "₩272,727"))
    year = names(page)[0][1:5]
    assert names(seoul_owner.get(f"{PATH}?q=R{year}-2").text) == [f"R{year}-000002"]
    assert names(seoul_owner.get(f"{PATH}?q=박두리").text) == [f"R{year}-000002"]
    assert names(seoul_owner.get(f"{PATH}?kind=refund").text) == []
    assert names(seoul_owner.get(f"{PATH}?from=2020-01-01&to=2020-01-02").text) == []
    assert seoul_owner.get(f"{PATH}?q=%25&page=x&from=nonsense").status_code == 200


def test_a_receipt_is_printed_for_staff(world, sold, seoul_owner, busan_owner):
    order = sold("김하나")
    id_ = db.session.scalar(select(Document.id).where(Document.order_id == order.id))
    answer = seoul_owner.get(f"{PATH}/{id_}.pdf")
    assert answer.mimetype == "application/pdf"
    assert "김하나" in PdfReader(io.BytesIO(answer.data)).pages[0].extract_text()
    assert busan_owner.get(f"/busan-meetup/admin/payments/receipts/{id_}.pdf").status_code == 404


def test_who_is_limited_to_an_event_sees_only_its_receipts(world, sold, sign_in):
    order = sold("김하나")
    id_ = db.session.scalar(select(Document.id).where(Document.order_id == order.id))
    limit(world, "admin@seoul-ubf.example", "meetup")
    browser = sign_in("admin@seoul-ubf.example")
    assert names(browser.get(PATH).text) == []
    assert "김하나" not in browser.get(f"{PATH}?show=cash").text
    assert browser.get(f"{PATH}/{id_}.pdf").status_code == 404
    receipt = receipt_of(world, order)
    assert browser.post(f"/seoul-ubf/admin/payments/cash-receipts/{receipt.id}/issued", {"issue_number": "1"}).status_code == 404


def test_what_is_to_be_issued_by_hand_comes_first_and_is_noted(world, sold, seoul_owner):
    sold("김하나", "")
    order = sold("박두리", "expense")
    page = seoul_owner.get(f"{PATH}?show=cash").text
    assert "124-81-•••••" in page
    assert "124-81-00998" not in page
    assert "To do by hand (1)" in page
    receipt = receipt_of(world, order)
    path = f"/seoul-ubf/admin/payments/cash-receipts/{receipt.id}/issued"
    assert seoul_owner.post(path, {"issue_number": ""}).status_code == 422
    assert seoul_owner.post(path, {"issue_number": "G-123456789"}).status_code == 303
    receipt = receipt_of(world, order)
    assert (receipt.state, receipt.issue_number, receipt.identity) == ("issued", "G-123456789", None)
    assert seoul_owner.post(path, {"issue_number": "again"}).status_code == 422
    assert "Cash receipt issued by hand" in seoul_owner.get("/seoul-ubf/admin/audit").text


def test_a_refused_one_is_tried_again(world, sold, seoul_owner):
    order = sold("박두리")
    receipt = receipt_of(world, order)
    receipt.state, receipt.failure_code = "failed", "INVALID_CASH_RECEIPT_INFO"
    db.session.commit()
    page = seoul_owner.get(f"{PATH}?show=cash&kind=trouble").text
    assert "The number was not accepted" in page
    assert "Try again" in page
    assert seoul_owner.post(f"/seoul-ubf/admin/payments/cash-receipts/{receipt.id}/again").status_code == 303
    assert receipt_of(world, order).state == "wanted"


def test_the_export_names_the_number_only_where_it_must_be_typed_elsewhere_and_is_on_record(world, sold, seoul_owner, sign_in):
    sold("김하나")
    order = sold("=박두리", "expense")
    answer = seoul_owner.post(f"{PATH}/export?show=cash", {"format": "csv"})
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert [row[6] for row in rows[1:]] == ["01023456789", "1248100998"]
    receipt = receipt_of(world, order)
    cash_receipting.issued_by_hand(receipt, "1", by=STAFF)
    db.session.commit()
    answer = seoul_owner.post(f"{PATH}/export?show=cash", {"format": "csv"})
    assert [row[6] for row in list(csv.reader(io.StringIO(answer.text)))[1:]] == ["01023456789", "124-81-•••••"]
    world.seoul.enter()
    assert db.session.scalars(select(AuditLog.action).where(AuditLog.action == "receipts.exported")).all() == ["receipts.exported"] * 2
    assert sign_in("staff@seoul-ubf.example").post(f"{PATH}/export?show=cash", {"format": "csv"}).status_code == 403


def test_the_export_of_receipts_has_the_sums_of_the_page(world, sold, seoul_owner):
    for name in ("김하나", "박두리"):
        sold(name)
    answer = seoul_owner.post(f"{PATH}/export", {"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["Number"][-1] for row in rows] == ["1", "2"]
    assert sum(int(row["Amount"]) for row in rows) == 200_000
    assert [int(row["Supply price"]) + int(row["VAT"]) + int(row["Without VAT"]) for row in rows] == [100_000, 100_000]
    assert seoul_owner.post(f"{PATH}/export", {"format": "xlsx"}).data[:2] == b"PK"
    assert seoul_owner.post(f"{PATH}/export", {"format": "exe"}).status_code == 422


# -- settings --------------------------------------------------------------------------------------------------

FORM = {"name": "서울 UBF 선교회", "representative": "김요한", "number": "1018204417", "mail_order_number": "", "address": "서울", "privacy_officer": "",
        "tax": "taxable"}


def organization(world) -> Organization:
    world.seoul.enter()
    db.session.expire_all()
    return db.session.get(Organization, world.seoul.id)


def test_the_particulars_are_saved_and_said_on_the_next_receipt(world, sold, seoul_owner):
    assert seoul_owner.post(TAX, FORM | {"must_issue": "1"}).status_code == 303
    saved = organization(world)
    assert saved.business == {"name": "서울 UBF 선교회", "representative": "김요한", "number": "101-82-04417", "address": "서울"}
    assert (saved.tax, saved.must_issue_receipts) == ("taxable", True)
    page = seoul_owner.get(TAX).text
    assert 'value="101-82-04417"' in page
    order = sold("김하나")
    content = db.session.scalars(select(Document).where(Document.order_id == order.id)).one().content
    assert content["seller"]["business"]["number"] == "101-82-04417"
    assert seoul_owner.post(TAX, FORM | {"tax": "tax_free"}).status_code == 303
    assert (organization(world).tax, organization(world).must_issue_receipts) == ("tax_free", False)


@pytest.mark.parametrize(("change", "field"), [
    ({"number": "101-82-04418"}, "number"), ({"number": "12"}, "number"), ({"tax": "none"}, "tax"),
    ({"number": "", "must_issue": "1"}, "number"), ({"name": "가" * 101}, "name")])
def test_what_is_wrong_is_said_beside_its_field(world, seoul_owner, change, field):
    answer = seoul_owner.post(TAX, FORM | change)
    assert answer.status_code == 422
    assert re.search(rf'id="{field}[-\w]*-error"|data-error-for="{field}"|href="#{field}', answer.text)
    assert organization(world).business == {}


def test_only_owners_change_it(sign_in):
    assert sign_in("admin@seoul-ubf.example").get(TAX).status_code == 403
    assert sign_in("staff@seoul-ubf.example").post(TAX, FORM).status_code == 403


def test_the_number_stays_encrypted(world, sold):
    receipt = receipt_of(world, sold("박두리"))
    assert crypto.get(receipt, "identity") == "01023456789"
    assert b"01023456789" not in receipt.identity
