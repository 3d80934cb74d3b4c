"""Registrations as a table that people take away: CSV, XLSX, JSON.

    columns = exporting.columns(event, locale)
    found = exporting.download(query, "csv", columns, event=event, about=operation, by=member.actor)
    Response(found.chunks, mimetype=found.type, headers={"Content-Disposition": …found.name…})

What comes out is read long after the request's transaction has ended, and no faster than the reader takes it. So the ids are
read first, and each chunk of rows in a short transaction of its own: a slow reader keeps no connection, no snapshot and no
lock, and gets each registration once.

Every cell that a spreadsheet will open goes through `cell()`.
"""
import csv as plain_csv
import io
import json
import re
import tempfile
import unicodedata
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import phonenumbers
import xlsxwriter
from defusedcsv import csv
from sqlalchemy import any_, case, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

from eventapp import audit, clock, config, money, outbox, storage, tenancy
from eventapp.domain import listing
from eventapp.extensions import db
from eventapp.languages import _, force_locale, localized
from eventapp.models import (
    BulkOperation,
    CheckIn,
    Checkpoint,
    Consent,
    Event,
    FormVersion,
    LedgerEntry,
    LineItem,
    Order,
    Program,
    Registration,
)
from eventapp.models.form import FILE, MULTIPLE_CHOICE, SINGLE_CHOICE

KEPT_FOR = timedelta(days=7)
CHUNK = 1000
TYPES = {"csv": "text/csv; charset=utf-8", "csv_bom": "text/csv; charset=utf-8", "json": "application/json",
         "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
FORMATS = tuple(TYPES)
"""`csv_bom` begins with the mark by which Excel knows UTF-8."""
AT_ONCE = 5000
"""Rows of an XLSX that are made while somebody waits; more in the worker (`store_xlsx`)."""


# -- a cell ----------------------------------------------------------------------------------------

SIGNS = frozenset("=+-@|%")
"""With these a spreadsheet begins to calculate, or to call another program. Full-width and small forms count as well."""
BLANK = ("Cc", "Cf", "Zs", "Zl", "Zp")


def cell(text: str) -> str:
    """A person's text as it may stand in a spreadsheet: without what is invisible in front, and never a formula."""
    if not text or text[0].isalnum():
        return text
    start = 0
    while start < len(text) and unicodedata.category(text[start]) in BLANK:
        start += 1
    text = text[start:]
    if text and unicodedata.normalize("NFKC", text[0])[0] in SIGNS:
        return "'" + text
    return text


# -- columns ---------------------------------------------------------------------------------------

@dataclass(slots=True)
class Line:
    """One registration with what belongs to it."""

    row: object
    """Columns of registration, order and event, as `BASE` names them."""
    items: list = field(default_factory=list)
    """(code, name, quantity, amount) of each program."""
    paid: int = 0
    owed: int = 0
    check_ins: list = field(default_factory=list)
    """(checkpoint's name, when)"""
    consents: dict = field(default_factory=dict)

    @property
    def zone(self) -> ZoneInfo:
        return zone(self.row.timezone)

    @property
    def total(self) -> int:
        return sum(amount for _code, _name, _quantity, amount in self.items)

    def amount(self, minor: int) -> int | Decimal:
        exponent = money.exponent(self.row.currency)
        return Decimal(minor).scaleb(-exponent) if exponent else minor

    def local(self, moment: datetime | None) -> datetime | None:
        return moment and moment.astimezone(self.zone)


@dataclass(frozen=True)
class Column:
    key: str
    title: str
    value: Callable[[Line], object]
    """Text, a number, a moment in the event's time zone, or None."""


zone = lru_cache(ZoneInfo)


def columns(event: Event | None, locale: str) -> list[Column]:
    """Everything there is to know of a registration, in the reader's language; with `event` also its programs one by one,
    its questions and its consents."""
    with force_locale(locale):
        found = _common(event, locale)
        if event:
            found += _programs(event, locale) + _questions(event, locale) + _consents(event, locale)
        return found


def _common(event: Event | None, locale: str) -> list[Column]:
    statuses = {name: str(word) for name, word in listing.STATUSES.items()}
    methods = {name: str(word) for name, word in listing.METHOD_WORDS.items()}
    whose = f" ({event.timezone})" if event else ""
    return [
        Column("number", _("Number"), lambda line: line.row.number),
        *([] if event else [Column("event", _("Event"), lambda line: localized(line.row.event_title, locale))]),
        Column("status", _("Status"), lambda line: statuses[line.row.status]),
        Column("name", _("Name"), lambda line: line.row.name),
        Column("email", _("Email"), lambda line: line.row.email),
        Column("phone", _("Phone"), lambda line: phone(line.row.phone)),
        Column("buyer", _("Buyer"), lambda line: line.row.buyer),
        Column("buyer_email", _("Buyer's email"), lambda line: line.row.buyer_email),
        Column("programs", _("Programs"), lambda line: ", ".join(
            localized(name, locale) + (f" ×{quantity}" if quantity > 1 else "") for _code, name, quantity, _amount in line.items)),
        Column("total", _("Total"), lambda line: line.amount(line.total)),
        Column("paid", _("Paid"), lambda line: line.amount(line.paid)),
        Column("owed", _("Owed"), lambda line: line.amount(line.owed)),
        Column("currency", _("Currency"), lambda line: line.row.currency),
        Column("method", _("Payment method"), lambda line: methods.get(line.row.method, line.row.method)),
        Column("created_at", _("Registered") + whose, lambda line: line.local(line.row.created_at)),
        Column("confirmed_at", _("Confirmed") + whose, lambda line: line.local(line.row.confirmed_at)),
        Column("paid_at", _("Paid at") + whose, lambda line: line.local(line.row.paid_at)),
        Column("tags", _("Tags"), lambda line: ", ".join(line.row.tags)),
        Column("note", _("Note"), lambda line: line.row.note),
        Column("flag", _("Flag at the door"), lambda line: line.row.flag),
        Column("reason", _("Reason"), lambda line: line.row.status_reason),
        Column("check_ins", _("Check-ins"), lambda line: ", ".join(
            f"{localized(name, locale)} {line.local(at):%Y-%m-%d %H:%M}" for name, at in line.check_ins)),
        Column("language", _("Language"), lambda line: line.row.locale),
    ]


def _programs(event: Event, locale: str) -> list[Column]:
    """How many of each, in columns that add up."""
    programs = db.session.execute(select(Program.code, Program.name).where(Program.event_id == event.id)
                                  .order_by(Program.position, Program.id)).all()
    return [Column(f"program-{code}", localized(name, locale), lambda line, code=code: sum(
        quantity for sold, _name, quantity, _amount in line.items if sold == code) or None) for code, name in programs]


def _questions(event: Event, locale: str) -> list[Column]:
    return [Column(f"answer-{key}", localized(field["label"], locale), _answer(field, locale))
            for key, field in listing.questions(event).items()]


def _answer(field: dict, locale: str) -> Callable[[Line], object]:
    key, kind = field["key"], field["type"]
    words = {option["value"]: localized(option["label"], locale) for option in field.get("options", ())}

    def value(line: Line):
        answer = (line.row.order_answers if field.get("per_order") else line.row.answers).get(key)
        if answer is None:
            return None
        if kind == MULTIPLE_CHOICE and isinstance(answer, list):
            return ", ".join(words.get(one, one) for one in answer)
        if kind == SINGLE_CHOICE:
            return words.get(answer, answer)
        return answer["name"] if kind == FILE and isinstance(answer, dict) else answer
    return value


def _consents(event: Event, locale: str) -> list[Column]:
    """Given, refused, or (empty) never asked; of somebody who has changed their mind, what they said last."""
    versions = db.session.scalars(select(FormVersion.consents).where(FormVersion.event_id == event.id).order_by(FormVersion.version.desc()))
    labels: dict[str, str] = {}
    for consents in versions:
        for consent in consents:
            labels.setdefault(consent["key"], localized(consent["label"], locale))
    words = {True: _("Yes"), False: _("No"), None: None}
    return [Column(f"consent-{key}", _("Consent: %(what)s", what=label), lambda line, key=key: words[line.consents.get(key)])
            for key, label in labels.items()]


KOREAN = re.compile(r"\+82(1\d)(\d{3,4})(\d{4})")


def phone(text: str) -> str:
    """As people write it, and never like a sum: 010-1234-5678, (+44) 20 7946 0958."""
    korean = KOREAN.fullmatch(text)
    if korean:
        return "0" + "-".join(korean.groups())
    try:
        number = phonenumbers.parse(text, "KR")
    except phonenumbers.NumberParseException:
        return text
    if number.country_code == 82:
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    code, _space, rest = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL).partition(" ")
    return f"({code}) {rest}"


# -- rows ------------------------------------------------------------------------------------------

BASE = select(
    Registration.id, Registration.order_id, Registration.number, Registration.status, Registration.name, Registration.email,
    Registration.phone, Registration.locale, Registration.answers, Registration.tags, Registration.note, Registration.flag,
    Registration.status_reason, Registration.created_at, Registration.confirmed_at, Registration.paid_at,
    Order.name.label("buyer"), Order.email.label("buyer_email"), Order.method, Order.currency, Order.answers.label("order_answers"),
    Event.title.label("event_title"), Event.timezone,
).join(Order, Order.id == Registration.order_id).join(Event, Event.id == Registration.event_id)


def lines(query) -> Iterator[list[Line]]:
    """The registrations of a query, in chunks, by id. Begun inside a request or job, it may go on when that is over."""
    return _lines(db.engine, tenancy.current_org_id(), query)


def _lines(engine, org_id: int, query) -> Iterator[list[Line]]:
    with inside(engine, org_id) as session:
        ids = array("q", session.scalars(query.with_only_columns(Registration.id).order_by(Registration.id)
                                         .execution_options(yield_per=10 * CHUNK)))
    for start in range(0, len(ids), CHUNK):
        with inside(engine, org_id) as session:
            chunk = _read(session, ids[start:start + CHUNK].tolist())
        yield chunk


def inside(engine, org_id: int) -> Session:
    """A transaction of our own inside the organisation."""
    session = Session(engine)
    session.execute(tenancy.SET_ORG, {"org": str(org_id or "")})
    return session


def _among(column, ids):
    return column == any_(literal(ids, ARRAY(BigInteger)))


def _read(session: Session, ids: list[int]) -> list[Line]:
    found = {row.id: Line(row) for row in session.execute(BASE.where(_among(Registration.id, ids)).order_by(Registration.id))}
    ids = list(found)
    for id_, code, name, quantity, price in session.execute(
            select(LineItem.registration_id, Program.code, LineItem.name, LineItem.quantity, LineItem.unit_price)
            .join(Program, Program.id == LineItem.program_id).where(_among(LineItem.registration_id, ids)).order_by(LineItem.id)):
        found[id_].items.append((code, name, quantity, quantity * price))
    for id_, name, at in session.execute(
            select(CheckIn.registration_id, Checkpoint.name, CheckIn.at).join(Checkpoint, Checkpoint.id == CheckIn.checkpoint_id)
            .where(_among(CheckIn.registration_id, ids), CheckIn.result == "ok", CheckIn.undone_at.is_(None)).order_by(CheckIn.at)):
        found[id_].check_ins.append((name, at))
    for id_, key, given in session.execute(select(Consent.registration_id, Consent.key, Consent.given).where(
            _among(Consent.registration_id, ids)).order_by(Consent.id)):
        found[id_].consents[key] = given
    _share_money(session, found)
    return list(found.values())


def _share_money(session: Session, found: dict[int, Line]) -> None:
    """Money came for orders; each participant's share of it is shown, so that both columns add up to the ledger."""
    orders = list({line.row.order_id for line in found.values()})
    entry = LedgerEntry
    came = case((entry.debit.in_(("gateway", "bank")), entry.amount), (entry.credit.in_(("gateway", "bank")), -entry.amount), else_=0)
    received = dict(session.execute(select(entry.order_id, func.sum(came)).where(_among(entry.order_id, orders))
                                    .group_by(entry.order_id)).all())
    parts = defaultdict(list)
    for order_id, id_, sold, holds in session.execute(
            select(Registration.order_id, Registration.id, Registration.sold, Registration.holds)
            .where(_among(Registration.order_id, orders)).order_by(Registration.position)):
        parts[order_id].append((id_, sold, holds))
    for order_id, people in parts.items():
        for id_, paid, owed in shares(people, int(received.get(order_id, 0))):
            if id_ in found:
                found[id_].paid, found[id_].owed = paid, owed


def shares(people: list[tuple[int, int, bool]], received: int) -> list[tuple[int, int, int]]:
    """(id, worth, holds) of an order's participants → (id, paid, owed). What is left over counts as paid by the first."""
    result = []
    for id_, worth, holds in people:
        paid = min(worth if holds else 0, received)
        received -= paid
        result.append([id_, paid, (worth if holds else 0) - paid])
    result[0][1] += received
    result[0][2] -= received
    return [tuple(one) for one in result]


# -- writing ---------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Download:
    name: str
    type: str
    chunks: Iterator[bytes]


def download(query, format: str, columns: list[Column], *, event: Event | None, about, by) -> Download:
    """What a browser is sent, and the line in the audit log. `about`: the operation, or the event, that the line is about."""
    audit.record("registrations.exported", about, by=by, after={"format": format, "columns": len(columns)})
    chunks = _xlsx_chunks(lines(query), columns) if format == "xlsx" else stream(query, format, columns)
    return Download(file_name(event, format), TYPES[format], chunks)


def file_name(event: Event | None, format: str) -> str:
    words = [event.slug] if event else []
    return "-".join([*words, "registrations", f"{clock.now().astimezone(zone(event.timezone if event else 'UTC')):%Y%m%d}"]) \
        + "." + format.removesuffix("_bom")


def stream(query, format: str, columns: list[Column]) -> Iterator[bytes]:
    """csv, csv_bom or json, the first bytes before the first row is read."""
    return (_json if format == "json" else _csv)(lines(query), columns, "\ufeff" if format == "csv_bom" else "")


def table(chunks: Iterator[list], format: str, columns: list[Column]) -> Iterator[bytes]:
    """Any rows as csv, csv_bom or xlsx: `chunks` are lists of what the columns' `value` takes."""
    return _xlsx_chunks(chunks, columns) if format == "xlsx" else _csv(chunks, columns, "\ufeff" if format == "csv_bom" else "")


def _csv(chunks, columns: list[Column], mark: str) -> Iterator[bytes]:
    yield (mark + table_text([[cell(column.title) for column in columns]])).encode()
    for chunk in chunks:
        yield table_text([[shown(column.value(line)) for column in columns] for line in chunk]).encode()


def table_text(rows: list[list]) -> str:
    """As CSV. Nothing that `cell` has let through is changed by the defused writer any more; it is the net below.

    Texts stand in quotation marks: a spreadsheet that also splits at semicolons or tabs would find a formula behind one.
    """
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n", quoting=plain_csv.QUOTE_NONNUMERIC).writerows(rows)
    return out.getvalue()


def shown(value) -> str | int | Decimal:
    """A value as a cell: our own numbers and times, and people's texts made harmless."""
    if value is None:
        return ""
    if isinstance(value, str):
        return cell(value)
    if type(value) is int:
        return value
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return value if isinstance(value, Decimal) else cell(str(value))


def _json(chunks, columns: list[Column], _mark) -> Iterator[bytes]:
    """For programs, so as it is: nothing calculates here. A list of objects, one to a line."""
    yield b"["
    between = "\n"
    for chunk in chunks:
        objects = [json.dumps({column.key: column.value(line) for column in columns}, ensure_ascii=False, default=_as_json)
                   for line in chunk]
        yield (between + ",\n".join(objects)).encode()
        between = ",\n"
    yield b"\n]\n"


def _as_json(value):
    return value.isoformat() if isinstance(value, datetime) else float(value) if isinstance(value, Decimal) else str(value)


LONGEST_CELL = 32_767
MOST_ROWS = 1_000_000
"""Of a sheet; more begin another one."""


class TextSheet(Worksheet):
    """Row after row of texts and numbers, each as itself.

    XlsxWriter's own way of writing text takes one that begins with `<r>` and ends with `</r>` for mark-up of the program's and puts
    it into the file as it is: a person's name could write cells of its own. This one also takes a third of the time.
    """

    SPECIAL = re.compile("[&<>\x00-\x08\x0b-\x1f\ufffe\uffff]|_x[0-9A-Fa-f]{4}_")

    def __init__(self):
        super().__init__()
        self.count = 0

    def put(self, values: list, format=None) -> None:
        self.count += 1
        row, style, cells = self.count, f' s="{format._get_xf_index()}"' if format else "", []
        for position, value in enumerate(values):
            if value == "":
                continue
            where = f'<c r="{column_letters(position)}{row}"{style}'
            if isinstance(value, str):
                if self.SPECIAL.search(value) or len(value) > LONGEST_CELL:
                    value = self._escape_data(self._escape_control_characters(fitting(value)))
                cells.append(f'{where} t="inlineStr"><is><t xml:space="preserve">{value}</t></is></c>')
            else:
                cells.append(f"{where}><v>{value}</v></c>")
        self._check_dimensions(row - 1, 0)
        self._check_dimensions(row - 1, len(values) - 1)
        self.fh.write(f'<row r="{row}">{"".join(cells)}</row>')


column_letters = lru_cache(maxsize=None)(xl_col_to_name)


def fitting(text: str) -> str:
    """Line ends as XLSX has them, and no more than a cell holds. CSV has it whole."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"


def write_xlsx(query, columns: list[Column], path: Path) -> int:
    """Write the file; how many registrations are in it."""
    return _write_xlsx(_with_signs_of_life(lines(query)), columns, path)


def _write_xlsx(chunks, columns: list[Column], path: Path) -> int:
    count, sheet = 0, None
    with xlsxwriter.Workbook(str(path), {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False,
                                         "strings_to_numbers": False}) as book:
        bold = book.add_format({"bold": True})
        for chunk in chunks:
            for line in chunk:
                if sheet is None or sheet.count > MOST_ROWS:
                    sheet = _sheet(book, columns, bold)
                sheet.put([shown(column.value(line)) for column in columns])
            count += len(chunk)
        if sheet is None:
            _sheet(book, columns, bold)
    return count


def _sheet(book, columns: list[Column], bold) -> TextSheet:
    sheet = book.add_worksheet(worksheet_class=TextSheet)
    sheet.freeze_panes(1, 1)
    sheet.set_column(0, len(columns) - 1, 18)
    sheet.put([cell(column.title) for column in columns], bold)
    return sheet


def _xlsx_chunks(chunks, columns: list[Column]) -> Iterator[bytes]:
    with tempfile.NamedTemporaryFile(suffix=".xlsx") as file:
        _write_xlsx(chunks, columns, Path(file.name))
        while piece := file.read(65_536):
            yield piece


def _with_signs_of_life(chunks) -> Iterator[list[Line]]:
    """A hundred thousand rows take longer than a job's lease."""
    for chunk in chunks:
        outbox.still_here()
        yield chunk


def store_xlsx(operation: BulkOperation, query, columns: list[Column], event: Event | None) -> int:
    """In the worker: write the file, bring it to the store, and say on the operation where it is. How many rows it has."""
    with tempfile.NamedTemporaryFile(suffix=".xlsx") as file:
        count = write_xlsx(query, columns, Path(file.name))
        key = storage.key(tenancy.current_org_id(), "exports", f"{operation.id}.xlsx")
        storage.connect(config.active()).put(key, file.read(), TYPES["xlsx"])
    operation.file_key, operation.file_name = key, file_name(event, "xlsx")
    return count


def forget() -> None:
    """Of this organisation: workbooks that were written a week ago; whoever needs one has it by now."""
    files = storage.connect(config.active())
    for operation in db.session.scalars(select(BulkOperation).where(
            BulkOperation.file_key != "", BulkOperation.finished_at < clock.now() - KEPT_FOR).limit(200)).all():
        files.delete(operation.file_key)
        operation.file_key = ""
