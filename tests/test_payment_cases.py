"""docs/payment-cases.md names a test for each case, and they are there."""
import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
LIST = TESTS.parent / "docs" / "payment-cases.md"
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \| ?(.*?) ?\|$", re.M)
LATER = "with subscriptions"


@cache
def names_in(path: str) -> set[str]:
    return {node.name for node in ast.parse((TESTS / path).read_text()).body if isinstance(node, ast.FunctionDef)}


def rows() -> list[tuple[int, str, list[str]]]:
    return [(int(number), what_we_do, re.findall(r"`([\w/.]+::\w+)`", tests)) for number, _what, what_we_do, tests in ROW.findall(LIST.read_text())]


def test_every_case_is_in_the_list_once_and_in_order():
    assert [number for number, _what, _tests in rows()] == list(range(1, 55))


def test_every_case_has_a_test_but_those_that_need_subscriptions():
    assert [number for number, what, tests in rows() if not tests and what != LATER] == []
    assert [number for number, what, tests in rows() if tests and what == LATER] == []


def test_every_test_of_the_list_exists():
    named = [test for _number, _what, tests in rows() for test in tests]
    assert [test for test in named if test.partition("::")[2] not in names_in(test.partition("::")[0])] == []


def test_every_test_that_bears_a_number_is_in_the_list():
    listed = {(number, test) for number, _what, tests in rows() for test in tests}
    missing = []
    for path in sorted(TESTS.rglob("test_*.py")):
        name = str(path.relative_to(TESTS))
        if name.startswith(("browser/", "bench/")):
            continue
        for test in sorted(names_in(name)):
            numbers = re.match(r"(?:test_(?:case_)?)?((?:\d+_)*)", test)[1]
            missing += [(number, f"{name}::{test}") for number in map(int, re.findall(r"\d+", numbers)) if (number, f"{name}::{test}") not in listed]
    assert missing == []
