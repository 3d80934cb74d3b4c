"""Tables as people send them, whole and broken."""
import io
import time
import zipfile

import openpyxl
import pytest

from eventapp.domain import Refused, reading


def rows(content, name="people.csv"):
    table = reading.read(name, content if isinstance(content, bytes) else content.encode())
    return [(row.number, row.cells, row.wrong) for row in table.rows]


def sheet(*lines, **options) -> bytes:
    book = openpyxl.Workbook()
    for line in lines:
        book.active.append(line)
    for area in options.get("merged", ()):
        book.active.merge_cells(area)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_what_spreadsheets_write_is_read(encoding, separator, end):
    text = end.join(separator.join(line) for line in (("이름", "이메일"), ("김하나", "hana@example.com"), ("박둘", "")))
    table = reading.read("사람.csv", text.encode(encoding))
    assert table.headings == ["이름", "이메일"]
    assert [(row.number, row.cells, row.wrong) for row in table.rows] == [(2, ["김하나", "hana@example.com"], ""), (3, ["박둘", ""], "")]


def test_a_cell_of_several_lines_keeps_the_numbers_of_the_rows_below():
    assert rows('name,note\n"Kim","a\nb, ""c"""\nLee,d\n') == [(2, ["Kim", 'a\nb, "c"'], ""), (4, ["Lee", "d"], "")]


def test_a_torn_quotation_mark_swallows_nothing():
    content = 'name,email\nKim,a@b.c\n"Lee,b@b.c\nPark,c@b.c\n"Choi" x,d@b.c\nHan,"e@b.c\nYun,f@b.c\n'
    assert [(number, wrong) for number, _cells, wrong in rows(content)] == [
        (2, ""), (3, "quotes"), (4, ""), (5, "quotes"), (6, "quotes"), (7, "")]


def test_rows_of_another_width_are_named():
    assert [(number, wrong) for number, _cells, wrong in rows("name,email,phone\nKim,a@b.c,1\nLee,b@b.c\nPark,c@b.c,2,3\nHan,d@b.c,4,,\n")] == [
        (2, ""), (3, "columns"), (4, "columns"), (5, "")]


def test_rows_that_can_not_be_decoded_are_named():
    content = "이름,메모\n김하나,좋음\n".encode() + b"Jos\xe9,x\n" + "박둘,y\n".encode()
    assert [(number, wrong) for number, _cells, wrong in rows(content)] == [(2, ""), (3, "encoding"), (4, "")]


def test_formulas_are_named_and_what_an_export_made_harmless_is_not():
    content = "name,note\n=1+1,\nKim,\"=HYPERLINK(\"\"http://evil\"\")\"\nLee,＝1+1\nPark,'=1+1\nHan,'@home\nYun,it's\nOh,'n\n"
    assert rows(content) == [
        (2, ["=1+1", ""], "formula"), (3, ["Kim", '=HYPERLINK("http://evil")'], "formula"), (4, ["Lee", "＝1+1"], "formula"),
        (5, ["Park", "=1+1"], ""), (6, ["Han", "@home"], ""), (7, ["Yun", "it's"], ""), (8, ["Oh", "'n"], "")]


def test_characters_that_can_not_be_saved_and_endless_cells_are_named():
    assert [wrong for _number, _cells, wrong in rows("name,note\nK\0m,x\nLee," + "x" * 20_000 + "\n")] == ["character", "long"]


def test_empty_rows_are_counted_and_those_below_are_not():
    table = reading.read("a.csv", b"\n\nname,email\nKim,a@b.c\n,\n\nLee,b@b.c\n,\n,\n")
    assert ([row.number for row in table.rows], table.blank) == ([4, 7], [5, 6])


@pytest.mark.parametrize("content, words", [
    (b"", "empty"), (b" \n\n", "empty"), (b"\xd0\xcf\x11\xe0rest", "can't be read"), (b"%PDF-1.7", "can't be read"),
    (b"PK\x03\x04 torn", "can't be opened"), (b'name,"email\nKim,x\n', "headings"), (b"x" * 10_000_001, "10 MB"),
    (b"name\n" + b"x\n" * 5001, "5000 rows"), (b",".join([b"x"] * 300) + b"\n", "200 columns")])
def test_what_is_no_table_is_refused(content, words):
    with pytest.raises(Refused, match=words):
        reading.read("people.csv", content)


def test_sheets_are_read_as_they_look():
    from datetime import date, datetime

    content = sheet(["이름", "전화", "생일", "비고"], ["김하나", 1012345678.0, date(1990, 3, 1), True], [None, None, None, None],
                    ["박둘", "010-1", datetime(2026, 1, 2, 3, 4), 1.5])
    assert rows(content, "a.xlsx") == [(2, ["김하나", "1012345678", "1990-03-01", "True"], ""), (4, ["박둘", "010-1", "2026-01-02 03:04", "1.5"], "")]


def test_formulas_errors_and_merged_cells_of_a_sheet_are_named():
    content = sheet(["name", "note"], ["=1+1", ""], ["Kim", "#REF!"], ["Lee", "x"], ["Park", "y"], ["Han", "z"], merged=["A4:A5"])
    found = reading.read("a.xlsx", content)
    assert [(row.number, row.wrong) for row in found.rows] == [(2, "formula"), (3, "error"), (4, "merged"), (5, "merged"), (6, "")]


def test_a_bomb_is_not_unpacked():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/worksheets/sheet1.xml", b"0" * 120_000_000)
    with pytest.raises(Refused, match="10 MB"):
        reading.read("a.xlsx", out.getvalue())


def test_entities_are_not_defined():
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sheet(["name"], ["Kim"]))) as parts, zipfile.ZipFile(out, "w") as changed:
        for part in parts.namelist():
            text = parts.read(part)
            if part.endswith("sheet1.xml"):
                text = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + text
            changed.writestr(part, text)
    with pytest.raises(Refused, match="can't be opened"):
        reading.read("a.xlsx", out.getvalue())


def test_a_forged_sheet_with_very_many_merged_cells_takes_no_time():
    content = sheet(["name"], ["Kim"], ["Lee"], ["Park"], merged=["A4:A5"])
    forged, many = io.BytesIO(), b"".join(b'<mergeCell ref="A%d:XFD20000"/>' % (4 + number % 3) for number in range(30_000))
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(forged, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'<mergeCell ref="A4:A5"', many + b'<mergeCell ref="A3:A3"'))
    begun = time.monotonic()
    table = reading.read("people.xlsx", forged.getvalue())
    assert time.monotonic() - begun < 5
    assert [row.wrong for row in table.rows] == ["", "merged", "merged", "merged"]
