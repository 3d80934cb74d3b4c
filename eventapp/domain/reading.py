"""A table out of a file that somebody sends: CSV in the encodings and with the separators that spreadsheets write, or XLSX.

Nothing is guessed about a row that is broken: it is named, with what is wrong with it.
"""
import codecs
import csv
import io
import re
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import accumulate, islice

import openpyxl
from openpyxl.utils.cell import range_boundaries

from eventapp.domain import Refused, exporting
from eventapp.languages import _, _l

LARGEST, MOST_ROWS, MOST_COLUMNS = 10_000_000, 5_000, 200
UNPACKED = 100_000_000
"""Bytes that an XLSX may unpack to."""
MOST_BLANK = 20_000
"""Lines that are looked at in all: below a table a spreadsheet may carry a million empty ones."""
LONGEST_CELL, TALLEST_CELL = 10_000, 100
"""Characters of a cell; lines of one, before a quotation mark counts as never closed."""
SEPARATORS = ",;\t"
FORMULA = re.compile(r"[=＝]")

WRONG = {
    "encoding": _l("This row has characters that can't be read. Save the file as UTF-8."),
    "quotes": _l("A quotation mark in this row is not closed, or stands in the wrong place."),
    "columns": _l("This row has more or fewer columns than the headings."),
    "formula": _l("There is a formula in this row. Paste the values instead."),
    "error": _l("There is a cell in this row that the spreadsheet could not work out."),
    "merged": _l("There are merged cells in this row. Split them."),
    "character": _l("There is a character in this row that can't be saved."),
    "long": _l("A cell in this row is longer than %(most)s characters.", most=LONGEST_CELL),
}


@dataclass(slots=True)
class Row:
    """`number` as the spreadsheet counts; `wrong` a word of WRONG, empty when the row can be read; `cell` where, from 0."""

    number: int
    cells: list[str]
    wrong: str = ""
    cell: int | None = None


@dataclass
class Table:
    headings: list[str]
    rows: list[Row] = field(default_factory=list)
    blank: list[int] = field(default_factory=list)
    """Numbers of the rows that are empty."""


def read(name: str, content: bytes) -> Table:
    """Raises Refused when it is no table at all."""
    return _table(rows(name, content))


def rows(name: str, content: bytes) -> Iterator[Row]:
    """Row after row as they stand, headings or not. Raises Refused when it is no table at all."""
    if len(content) > LARGEST:
        raise Refused(_("This file is larger than 10 MB. Split it into several."), "file")
    if not content.strip():
        raise Refused(_("This file is empty."), "file")
    if content.startswith(b"PK\x03\x04"):
        return _sheet(content)
    if content.startswith((b"\xd0\xcf\x11\xe0", b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"{\\rtf")) or name.lower().endswith((".xls", ".ods", ".pdf")):
        raise Refused(_("This kind of file can't be read. Save it as XLSX or CSV."), "file")
    return _lines(content)


def _table(rows: Iterator[Row]) -> Table:
    """The first row that is not empty has the headings."""
    looked_at = islice(rows, MOST_BLANK)
    first = next((row for row in looked_at if row.wrong or any(cell.strip() for cell in row.cells)), None)
    if first is None:
        raise Refused(_("This file is empty."), "file")
    if first.wrong:
        raise Refused(f"{_('The headings can not be read.')} {WRONG[first.wrong]}", "file")
    headings = [" ".join(cell.split()) for cell in first.cells]
    while headings and not headings[-1]:
        headings.pop()
    if len(headings) > MOST_COLUMNS:
        raise Refused(_("This table has more than %(most)s columns.", most=MOST_COLUMNS), "file")
    table = Table(headings)
    for row in looked_at:
        if not row.wrong and not any(cell.strip() for cell in row.cells):
            table.blank.append(row.number)
            continue
        if len(table.rows) == MOST_ROWS:
            raise Refused(_("This table has more than %(most)s rows. Split it into several files.", most=MOST_ROWS), "file")
        table.rows.append(_looked_at(row, len(headings)))
    while table.blank and table.blank[-1] > (table.rows[-1].number if table.rows else 0):
        table.blank.pop()  # below the table
    return table


def _looked_at(row: Row, width: int) -> Row:
    while len(row.cells) > width and not row.cells[-1].strip():
        row.cells.pop()
    if not row.wrong:
        row.wrong, row.cell = _what_is_wrong(row, width)
    row.cells = [_as_meant(cell) for cell in row.cells]
    row.cells += [""] * (width - len(row.cells))
    return row


def _what_is_wrong(row: Row, width: int) -> tuple[str, int | None]:
    if len(row.cells) != width:
        return "columns", None
    for position, cell in enumerate(row.cells):
        if "\0" in cell or any(0xD800 <= ord(letter) < 0xE000 for letter in cell):
            return "character", position
        if len(cell) > LONGEST_CELL:
            return "long", position
        if FORMULA.match(cell.strip()):
            return "formula", position
    return "", None


def _as_meant(cell: str) -> str:
    """Without the apostrophe with which our own exports make a cell harmless."""
    cell = unicodedata.normalize("NFC", cell.strip())
    return cell[1:] if cell.startswith("'") and exporting.cell(cell[1:]) == cell else cell


# -- CSV -------------------------------------------------------------------------------------------

def _lines(content: bytes) -> Iterator[Row]:
    lines, broken = _decoded(content)
    separator = _separator(lines)
    number = 0
    while number < len(lines):
        row, used = _record(lines, number, separator)
        bad = next((one for one in range(number, number + used) if one in broken), None)
        if bad is not None:
            row.wrong = "encoding"
        yield row
        number += used


def _decoded(content: bytes) -> tuple[list[str], set[int]]:
    """The lines, and which of them can't be read (counted from 0)."""
    for mark, encoding in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if content.startswith(mark):
            return _by_line(content[len(mark):].decode(encoding, "surrogateescape" if encoding == "utf-8" else "replace"))
    lines, broken = _by_line(content.decode("utf-8", "surrogateescape"))
    if not broken or any(not line.isascii() for number, line in enumerate(lines) if number not in broken):
        return lines, broken  # where some of it is UTF-8, the rest is not something else
    return min((lines, broken), _by_line(content.decode("cp949", "surrogateescape")), key=lambda found: len(found[1]))


def _by_line(text: str) -> tuple[list[str], set[int]]:
    lines = re.split("(?<=\n)|(?<=\r)(?!\n)", text)
    if lines and not lines[-1]:
        lines.pop()
    broken = {number for number, line in enumerate(lines) if "\ufffd" in line or any("\udc80" <= letter <= "\udcff" for letter in line)}
    return ["".join("\ufffd" if "\udc80" <= letter <= "\udcff" else letter for letter in line) if number in broken else line
            for number, line in enumerate(lines)], broken


def _separator(lines: list[str]) -> str:
    first = re.sub('"[^"]*"', "", next((line for line in lines if line.strip()), ""))
    return max(SEPARATORS, key=first.count)


def _record(lines: list[str], start: int, separator: str) -> tuple[Row, int]:
    """The row that begins at this line, and how many lines it takes. One whose quotation mark is never closed takes one line,
    so that it does not swallow those below it."""
    for used in range(1, min(TALLEST_CELL, len(lines) - start) + 1):
        try:
            cells = next(csv.reader(["".join(lines[start:start + used])], delimiter=separator, strict=True), [])
            return Row(start + 1, cells), used
        except csv.Error as error:
            if "unexpected end of data" not in str(error):
                break
    return Row(start + 1, lines[start].rstrip("\r\n").split(separator), "quotes"), 1


# -- XLSX ------------------------------------------------------------------------------------------

def _sheet(content: bytes) -> Iterator[Row]:
    try:
        _look_into(content)
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, keep_links=False)
        sheet = next((one for one in book.worksheets if one.sheet_state == "visible"), None)
        if sheet is None:
            raise Refused(_("This file is empty."), "file")
        merged = _merged_rows(content, sheet)
        sheet.reset_dimensions()
        yield from _rows(sheet, merged)
    except Refused:
        raise
    except Exception as error:  # whatever a broken or forged file brings openpyxl to
        raise Refused(_("This file can't be opened. Save it again as XLSX or CSV."), "file") from error


def _look_into(content: bytes) -> None:
    """Before anything is unpacked: how much that would be, and whether it tries to define entities."""
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        if sum(part.file_size for part in parts.infolist()) > UNPACKED:
            raise Refused(_("This file is larger than 10 MB. Split it into several."), "file")
        for part in parts.infolist():
            if part.filename.endswith(".xml"):
                with parts.open(part) as opened:
                    if b"<!DOCTYPE" in opened.read(1000):
                        raise Refused(_("This file can't be opened. Save it again as XLSX or CSV."), "file")


def _merged_rows(content: bytes, sheet) -> set[int]:
    """openpyxl does not tell them when it reads row by row. Counted by where they begin and end: a forged file has millions."""
    edges = [0] * (MOST_BLANK + 2)
    with zipfile.ZipFile(io.BytesIO(content)) as parts, parts.open(sheet._worksheet_path.lstrip("/")) as opened:
        before = b""
        while piece := opened.read(1_000_000):
            for found in re.findall(rb'<(?:\w+:)?mergeCell ref="([A-Z]+\d+:[A-Z]+\d+)"', before + piece):
                _left, one, _right, other = range_boundaries(found.decode())
                top, bottom = sorted((one, other))
                if top <= MOST_BLANK:
                    edges[top] += 1
                    edges[min(bottom, MOST_BLANK) + 1] -= 1
            before = piece[-60:]
    return {number for number, inside in enumerate(accumulate(edges)) if inside > 0}


def _rows(sheet, merged: set[int]) -> Iterator[Row]:
    number = 0
    for cells in sheet.iter_rows(max_col=MOST_COLUMNS + 1):
        number += 1
        row = Row(number, [])
        for position, cell in enumerate(cells):
            kind = cell.data_type if cell.value is not None else ""
            if kind in ("f", "e") and not row.wrong:
                row.wrong, row.cell = ("formula" if kind == "f" else "error"), position
            row.cells.append(_text(cell.value))
        if number in merged and not row.wrong:
            row.wrong = "merged"
        yield row


def _text(value) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat() if not (value.hour or value.minute) else f"{value:%Y-%m-%d %H:%M}"
    return value.isoformat() if isinstance(value, date) else str(value)
