"""Tables that people take away: complete, harmless in every cell, in chunks, after the request."""
import csv
import io
import json
import shutil
import subprocess
import unicodedata
from datetime import datetime, timezone

import openpyxl
import pytest
from openpyxl.utils.escape import unescape
from sqlalchemy import select

from eventapp import audit, tenancy
from eventapp.domain import exporting, ledger
from eventapp.domain.ordering import Participant
from eventapp.extensions import db
from eventapp.models import AuditLog, CheckIn, Checkpoint, Registration
from tests import make
from tests.hostile import CELLS

SIGNS = "=+-@|%"


@pytest.fixture
def crowd(world):
    """Registrations whose notes are hostile cells, one each."""
    event = world.seoul.event()
    made = []
    for number, text in enumerate(CELLS):
        order = make.order(event, Participant(name=f"참가자 {number}", email=f"p{number}@example.com", phone="010-1234-5678",
                                              chosen={"main-conference": 1}), method="manual_transfer")
        registration = db.session.scalar(select(Registration).where(Registration.order_id == order.id))
        registration.note = text.replace("\0", "")  # PostgreSQL keeps none
        made.append(registration)
    db.session.commit()
    return made


def found(event):
    return select(Registration).where(Registration.event_id == event.id)


def as_csv(world, format="csv", locale="en", query=None):
    event = world.seoul.event()
    content = b"".join(exporting.stream(found(event) if query is None else query, format, exporting.columns(event, locale)))
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))


def meant(text: str) -> str:
    """What must arrive of it: everything but what is invisible in front, with the sign made harmless."""
    text = text.replace("\0", "")
    while text and unicodedata.category(text[0]) in ("Cc", "Cf", "Zs", "Zl", "Zp"):
        text = text[1:]
    return "'" + text if text and unicodedata.normalize("NFKC", text[0])[0] in SIGNS else text


@pytest.mark.parametrize("text", CELLS)
def test_no_cell_begins_with_a_formula_sign_and_nothing_else_is_lost(text):
    made = exporting.cell(text)
    assert made == meant(text) or "\0" in text
    assert not made or unicodedata.normalize("NFKC", made[0])[0] not in SIGNS
    assert made.removeprefix("'") in text


def test_hostile_cells_survive_csv_complete(world, crowd):
    rows = as_csv(world)
    assert [row["Note"] for row in rows] == [meant(text) for text in CELLS]


def test_hostile_cells_survive_xlsx_as_text(world, crowd, tmp_path):
    event = world.seoul.event()
    count = exporting.write_xlsx(found(event), exporting.columns(event, "en"), tmp_path / "all.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "all.xlsx").active
    titles = [one.value for one in sheet[1]]
    assert count == len(CELLS)
    assert {one.data_type for row in sheet.iter_rows() for one in row if one.value is not None} == {"s", "n"}
    assert not any(one.hyperlink for row in sheet.iter_rows() for one in row)
    notes = [unescape(row[titles.index("Note")].value or "") for row in sheet.iter_rows(min_row=2)]
    assert notes == [meant(text).replace("\r\n", "\n").replace("\r", "\n") for text in CELLS]


def test_json_has_everything_as_it_is(world, crowd):
    event = world.seoul.event()
    content = b"".join(exporting.stream(found(event), "json", exporting.columns(event, "en")))
    rows = json.loads(content)
    assert [row["note"] for row in rows] == [text.replace("\0", "") for text in CELLS]
    assert rows[0]["total"] == 100_000
    assert datetime.fromisoformat(rows[0]["created_at"]).utcoffset().total_seconds() == 9 * 3600


def test_the_mark_stands_in_front_where_it_was_asked_for(world, crowd):
    event = world.seoul.event()
    columns = exporting.columns(event, "ko")
    plain, marked = (b"".join(exporting.stream(found(event), format, columns)) for format in ("csv", "csv_bom"))
    assert marked == "\ufeff".encode() + plain
    assert not plain.startswith("\ufeff".encode())


def test_nobody_is_a_table_with_its_headings(world, tmp_path):
    event = world.seoul.event()
    columns = exporting.columns(event, "en")
    content = b"".join(exporting.stream(found(event), "csv", columns)).decode()
    assert content.count("\r\n") == 1
    assert content.startswith('"Number","Status","Name","Email","Phone",')
    assert json.loads(b"".join(exporting.stream(found(event), "json", columns))) == []
    assert exporting.write_xlsx(found(event), columns, tmp_path / "none.xlsx") == 0
    assert openpyxl.load_workbook(tmp_path / "none.xlsx").active.max_row == 1


def test_a_row_says_everything(world):
    event = world.seoul.event()
    order = make.order(
        event, Participant(name="김하나", email="hana@example.com", phone="010-1234-5678", chosen={"main-conference": 1, "lodging": 2},
                           answers={"church": ["서울교회"]}),
        Participant(name="Ann Lee", email="ann@example.com", phone="+44 20 7946 0958", chosen={"free-day": 1}),
        method="manual_transfer", consents=frozenset(["photo"]))
    first, second = db.session.scalars(select(Registration).where(Registration.order_id == order.id).order_by(Registration.position))
    first.tags, first.flag = ["봉사", "VIP"], "휠체어"
    point = Checkpoint(event_id=event.id, code="entry-2", name={"ko": "입구", "en": "Entrance"})
    db.session.add(point)
    db.session.flush()
    db.session.add(CheckIn(registration_id=first.id, checkpoint_id=point.id, at=datetime(2026, 11, 22, 0, 1, tzinfo=timezone.utc), nonce="n1"))
    db.session.commit()
    one, two = as_csv(world)
    assert one["Status"] == "Awaiting payment"
    assert (one["Phone"], two["Phone"]) == ("010-1234-5678", "(+44) 20 7946 0958")
    assert (one["Buyer"], two["Buyer"], two["Buyer's email"]) == ("김하나", "김하나", "hana@example.com")
    assert one["Programs"] == "Main conference, Lodging ×2"
    assert (one["Main conference"], one["Lodging"], two["Lodging"], two["Free day visit"]) == ("1", "2", "", "1")
    assert (one["Total"], one["Paid"], one["Owed"], two["Owed"]) == ("150000", "0", "150000", "0")
    assert one["Payment method"] == "Bank transfer"
    assert one["Tags"] == "봉사, VIP"
    assert one["Flag at the door"] == "휠체어"
    assert (one["Church"], one["Consent: I agree to photographs"], one["How you come"]) == ("서울교회", "Yes", "")
    assert one["Check-ins"] == "Entrance 2026-11-22 09:01"
    assert one["Registered (Asia/Seoul)"] == f"{first.created_at.astimezone(exporting.zone('Asia/Seoul')):%Y-%m-%d %H:%M}"


def test_what_was_paid_adds_up_to_the_ledger(world):
    event = world.seoul.event()
    people = [Participant(name=f"참가자{n}", email=f"p{n}@example.com", chosen={"main-conference": 1, "lodging": n}) for n in (1, 2, 3)]
    order = make.order(event, *people, method="manual_transfer")
    from eventapp.domain import paying, registering

    paying.mark_received(paying.current(order), order.total, by=audit.SYSTEM)
    registering.cancel(registering.of_order(order)[1:2], by=audit.SYSTEM)
    db.session.commit()
    rows = as_csv(world)
    assert [(int(row["Paid"]), int(row["Owed"])) for row in rows] == [(275_000, -150_000), (0, 0), (175_000, 0)]
    assert sum(int(row["Paid"]) for row in rows) == ledger.paid(order)
    assert sum(int(row["Owed"]) for row in rows) == ledger.owed(order)


def test_a_chunk_costs_the_same_with_one_row_and_with_many(world, crowd, statements):
    event = world.seoul.event()
    columns = exporting.columns(event, "en")
    counts = [statements(lambda last=crowd[most - 1]: list(exporting.lines(found(event).where(Registration.id <= last.id)))) for most in (1, 20)]
    assert counts[0] == counts[1] < 12
    assert columns


def test_a_stream_outlives_its_request_and_stays_in_its_organisation(app, world, crowd, monkeypatch):
    """Read when transaction, session and organisation of the request are gone; in chunks, each row once."""
    monkeypatch.setattr(exporting, "CHUNK", 7)
    event = world.seoul.event()
    pieces = exporting.stream(found(event), "csv", exporting.columns(event, "en"))
    wanted = [one.number for one in crowd]
    db.session.remove()
    tenancy.enter(world.busan.id)
    first = next(pieces)
    assert first.startswith(b'"Number",')
    rest = [piece.decode() for piece in pieces]
    assert len(rest) == -(-len(CELLS) // 7)
    numbers = [row[0] for row in csv.reader(io.StringIO(first.decode() + "".join(rest), newline=""))][1:]
    assert numbers == wanted
    assert db.engine.pool.checkedout() == 0


def test_an_export_is_written_into_the_audit_log(world, crowd):
    event = world.seoul.event()
    made = exporting.download(found(event), "xlsx", exporting.columns(event, "en"), event=event, about=event, by=audit.Actor("user", 1))
    db.session.commit()
    content = b"".join(made.chunks)
    assert openpyxl.load_workbook(io.BytesIO(content)).active.max_row == len(CELLS) + 1
    assert made.name.startswith("wmc-2026-registrations-")
    assert made.name.endswith(".xlsx")
    entry = db.session.scalar(select(AuditLog).where(AuditLog.action == "registrations.exported"))
    assert (entry.object_kind, entry.object_id, entry.actor_id) == ("event", event.id, 1)


OFFICE = shutil.which("soffice") or shutil.which("libreoffice")


@pytest.mark.skipif(not OFFICE, reason="LibreOffice is not installed")
@pytest.mark.parametrize(("format", "separators"), [("csv", "44"), ("csv", "9/44/59"), ("xlsx", "")])
def test_libreoffice_opens_hostile_cells_harmless_and_complete(world, crowd, tmp_path, format, separators):
    """Opened and saved as its own kind of file, in which a formula could not hide."""
    event = world.seoul.event()
    columns = [column for column in exporting.columns(event, "en") if column.key in ("number", "note", "phone", "total")]
    path = tmp_path / f"all.{format}"
    path.write_bytes(b"".join(exporting.download(found(event), format, columns, event=event, about=event, by=audit.SYSTEM).chunks))
    options = [f"--infilter=CSV:{separators},34,76,1"] if format == "csv" else []
    subprocess.run([OFFICE, "--headless", f"-env:UserInstallation=file://{tmp_path}/profile", *options, "--convert-to", "fods",
                    "--outdir", str(tmp_path), str(path)], check=True, timeout=180, capture_output=True)
    text = (tmp_path / "all.fods").read_text()
    assert "table:formula" not in text
    rows = [(row + [""] * 4)[:4] for row in office_rows(text)]
    assert rows[0] == ["Number", "Phone", "Total", "Note"] and len(rows) == len(CELLS) + 1
    assert [row[1:3] for row in rows[1:]] == [["010-1234-5678", "100000"]] * len(CELLS)
    guessed = ("1e5", "00123", "2026-11-22", "1/2", "TRUE") if format == "csv" else ()
    """What a spreadsheet takes for a number of its own, because CSV can't say that it is text."""
    pairs = [(row[3], office_text(meant(text))) for row, text in zip(rows[1:], CELLS) if text not in guessed]
    assert [found for found, _wanted in pairs] == [wanted for _found, wanted in pairs]


def office_rows(text: str) -> list[list[str]]:
    from xml.etree import ElementTree

    names = {"table": "urn:oasis:names:tc:opendocument:xmlns:table:1.0", "text": "urn:oasis:names:tc:opendocument:xmlns:text:1.0"}
    rows = []
    for row in ElementTree.fromstring(text).iterfind(".//table:table-row", names):
        cells = ["\n".join(whole(p) for p in one.iterfind("text:p", names)) for one in row.iterfind("table:table-cell", names)]
        if any(cells):
            rows.append(cells)
    return rows


def whole(paragraph) -> str:
    """Its text, with the spaces and tabs that are elements of their own."""
    parts = [paragraph.text or ""]
    for child in paragraph:
        kind = child.tag.rpartition("}")[2]
        count = next((int(value) for name, value in child.attrib.items() if name.endswith("}c")), 1)
        parts.append({"s": " " * count, "tab": "\t", "line-break": "\n"}.get(kind) or whole(child))
        parts.append(child.tail or "")
    return "".join(parts)


def office_text(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
