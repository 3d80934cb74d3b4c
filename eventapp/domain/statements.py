"""Deposits out of a bank's statement: a file as the banks give it out, or what somebody has copied from the bank's page.

Each bank names its columns otherwise, and puts some lines above them. What can't be read for sure is named and left out.
"""
import csv
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from eventapp import money
from eventapp.domain import Refused, reading
from eventapp.languages import _, _l

DATE = ("거래일시", "거래일자", "거래일", "일자", "날짜", "거래날짜", "입금일시", "입금일자", "입금일", "이체일시", "date", "transactiondate", "bookingdate", "datetime", "valuedate")
TIME = ("거래시간", "거래시각", "시간", "시각", "time")
IN = ("입금액", "입금금액", "입금", "맡기신금액", "들어온금액", "deposit", "deposits", "credit", "creditamount", "moneyin", "paidin")
OUT = ("출금액", "출금금액", "출금", "찾으신금액", "지급액", "나간금액", "withdrawal", "withdrawals", "debit", "debitamount", "moneyout", "paidout")
AMOUNT = ("거래금액", "금액", "amount")
KIND = ("구분", "입출금구분", "거래구분", "거래유형", "type")
NAME = ("입금자명", "입금자", "보낸분받는분", "보낸분", "보낸사람", "의뢰인수취인", "의뢰인명", "의뢰인", "송금인", "보낸이", "기재내용", "거래기록사항", "통장표시내용",
        "받는분통장표시", "내용", "상대계좌예금주명", "거래내용", "적요", "payer", "sender", "name", "counterparty", "remittancedetails", "details", "description")
MEMO = ("송금메모", "메모", "내통장표시", "reference", "memo", "note")
WENT_OUT = re.compile(r"출금|지급|withdraw|debit", re.I)
ABOVE = 30
"""How many lines may stand above the headings."""
DAY = re.compile(r"(?<!\d)(?:(20\d\d)\s*[-./년]\s*(\d{1,2})\s*[-./월]\s*(\d{1,2})일?|(20\d\d)(\d\d)(\d\d)(?!\d)|(\d\d)[-./](\d\d)[-./](\d\d))(?!\d)")
HOUR = re.compile(r"(오전|오후|[AaPp][Mm])?\s*(?<![\d:])(\d{1,2}):(\d\d)(?::(\d\d))?(?![\d:])")
SHORT_HOUR = re.compile(r"(\d\d)(\d\d)(\d\d)?$")
NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?$")
IN_TEXT = re.compile(r"(?<![\d,.-])(?:[+₩￦]\s?)?(\d{1,3}(?:,\d{3})+(?:\.\d\d)?|\d{4,10})\s?원?(?![\d,-])")
LONGEST = 100
LONGEST_LINE = 10_000

WRONG = {
    "day": _l("There is no date in this line."), "amount": _l("It is not clear which number of this line is the deposit. Copy it with its headings."),
    "number": _l("The amount in this line can't be read."), "row": _l("This line can't be read.")}


@dataclass(frozen=True, slots=True)
class Deposit:
    day: date
    time: str
    amount: int
    depositor: str
    memo: str = ""


@dataclass
class Statement:
    deposits: list[Deposit] = field(default_factory=list)
    others: int = 0
    """Lines on which nothing came in."""
    wrong: list[tuple[int, str]] = field(default_factory=list)
    """(number of the line, sentence)"""


def read_file(name: str, content: bytes, currency: str) -> Statement:
    rows = [(row.number, None if row.wrong else row.cells) for row in reading.rows(name, content)]
    return _table(rows, currency) or _refuse()


def read_text(text: str, currency: str) -> Statement:
    """As pasted: a table with its headings, or line after line with a date, a name and one number."""
    lines = [(number, line.strip("\r\n")) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines:
        raise Refused(_("Paste the lines of the statement, or choose a file."), "text")
    if len(lines) > reading.MOST_ROWS:
        raise Refused(_("This table has more than %(most)s rows. Split it into several files.", most=reading.MOST_ROWS), "text")
    return (_table([(number, line.split("\t")) for number, line in lines], currency)
            or _table([(number, next(csv.reader([line[:LONGEST_LINE]]))) for number, line in lines], currency) or _free(lines, currency))


def _refuse():
    raise Refused(_("No headings were found. A statement has columns like 거래일시, 입금액 and 보낸분, or Date, Deposit and Name."), "file")


# -- with headings -----------------------------------------------------------------------------------------

def _heading(cell: str) -> str:
    return re.sub(r"\(.*?\)|\[.*?\]|[^0-9a-z가-힣]", "", unicodedata.normalize("NFKC", cell).lower())


def _find(headings: list[str], names) -> int | None:
    return next((headings.index(name) for name in names if name in headings), None)


@dataclass(frozen=True)
class _Columns:
    day: int
    time: int | None
    came: int | None
    went: int | None
    amount: int | None
    kind: int | None
    names: tuple[int, ...]


def _columns(cells: list[str]) -> _Columns | None:
    headings = [_heading(cell) for cell in cells]
    day, came, amount = _find(headings, DATE), _find(headings, IN), _find(headings, AMOUNT)
    if day is None or came is None and amount is None:
        return None
    named = (headings.index(name) for name in (*NAME, *MEMO) if name in headings)
    return _Columns(day, _find(headings, TIME), came, _find(headings, OUT), amount, _find(headings, KIND), tuple(dict.fromkeys(named)))


def _table(rows, currency: str) -> Statement | None:
    """None when no row of the first ones has headings."""
    for place, (_number, cells) in enumerate(rows[:ABOVE]):
        columns = cells and _columns(cells)
        if columns:
            statement = Statement()
            for number, cells in rows[place + 1:place + 1 + reading.MOST_ROWS]:
                if cells is None:
                    statement.wrong.append((number, str(WRONG["row"])))
                elif any(cell.strip() for cell in cells):
                    _take(statement, number, cells, columns, currency)
            return statement
    return None


def _take(statement: Statement, number: int, cells: list[str], columns: _Columns, currency: str) -> None:
    def cell(place: int | None) -> str:
        return _line(cells[place]) if place is not None and place < len(cells) else ""

    found = DAY.search(cell(columns.day))
    came = _amount(cell(columns.came if columns.came is not None else columns.amount), currency)
    if columns.came is None and (columns.kind is not None and WENT_OUT.search(cell(columns.kind)) or came is not None and came < 0):
        came = 0
    day = found and _day(found)
    if not day and not came:
        return  # a sum, or a remark below the table
    if came is None or not day:
        statement.wrong.append((number, str(WRONG["number" if came is None else "day"])))
    elif came <= 0:
        statement.others += 1
    else:
        said = [text for place in columns.names if (text := cell(place))]
        time = _time(cell(columns.time), short=True) if columns.time is not None else _time(cell(columns.day)[found.end():])
        statement.deposits.append(Deposit(day, time, came, said[0] if said else "", " ".join(said[1:])[:LONGEST]))


# -- without -------------------------------------------------------------------------------------------------

def _free(lines, currency: str) -> Statement:
    statement = Statement()
    for number, line in lines:
        text = _line(line)
        found = DAY.search(text)
        day = found and _day(found)
        if not day:
            statement.wrong.append((number, str(WRONG["day"])))
            continue
        rest = text[:found.start()] + "  " + text[found.end():]
        time = _time(rest)
        rest = HOUR.sub("  ", rest, count=1) if time else rest
        amounts = list(IN_TEXT.finditer(rest))
        came = _amount(amounts[0][1], currency) if len(amounts) == 1 else None
        if not came:
            statement.wrong.append((number, str(WRONG["amount"])))
            continue
        name = _line(re.sub(r"(?<!\S)(입금|원|KRW|₩|\+)(?!\S)", " ", rest[:amounts[0].start()] + "  " + rest[amounts[0].end():]))
        statement.deposits.append(Deposit(day, time, came, name[:LONGEST]))
    return statement


# -- values --------------------------------------------------------------------------------------------------

def _line(text: str) -> str:
    text = unicodedata.normalize("NFC", text)
    return " ".join("".join(letter if unicodedata.category(letter) not in ("Cc", "Cs") else " " for letter in text).split())[:LONGEST]


def _amount(text: str, currency: str) -> int | None:
    """Minor units; 0 for an empty cell, None for one that is no amount."""
    text = re.sub(r"[\s,₩￦원$€]|KRW|USD", "", unicodedata.normalize("NFKC", text).replace("−", "-"))
    if text in ("", "-"):
        return 0
    if not NUMBER.match(text):
        return None
    value = Decimal(text).scaleb(money.exponent(currency))
    return int(value) if value == value.to_integral_value() and abs(value) < 2**31 else None


def _day(found: re.Match) -> date | None:
    year, month, day = [int(part) for part in found.groups() if part]
    try:
        return date(year if year > 99 else 2000 + year, month, day)
    except ValueError:
        return None


def _time(text: str, short: bool = False) -> str:
    found = HOUR.search(text)
    if found:
        half, hour, minute, second = found.groups()
        hour = int(hour)
        if half:
            hour = hour % 12 + (12 if half.lower() in ("오후", "pm") else 0)
    elif short and (found := SHORT_HOUR.match(text)):
        hour, minute, second = int(found[1]), found[2], found[3]
    else:
        return ""
    return f"{hour:02}:{minute}" + (f":{second}" if second else "") if hour < 24 and int(minute) < 60 else ""
