import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.domain import asking
from tests.world import FIELDS

FIELDS = [field for field in FIELDS if not field.get("per_order")]


def test_answers_are_kept_in_their_own_types():
    answers, errors = asking.read(FIELDS, {"church": [" 종로 "], "age": ["1,2".replace(",", "")], "languages": ["en", "ko"]}, set())
    assert (answers, errors) == ({"church": "종로", "age": 12, "languages": ["ko", "en"]}, {})


@pytest.mark.parametrize("given", [{"transport": ["plane"]}, {"languages": ["ko", "fr"]}, {"age": ["0"]}, {"age": ["old"]},
                                   {"church": ["x" * 301]}, {"church": ["a\0b"]}, {"nobody": ["asked"]}])
def test_a_foreign_mistyped_or_overlong_answer_is_an_error_beside_its_field(given):
    answers, errors = asking.read(FIELDS, given, set())
    assert list(errors) == list(given) and answers == {}


def test_a_condition_decides_whether_a_question_is_asked():
    assert list(asking.read(FIELDS, {"transport": ["car"]}, set())[1]) == ["plate"]
    assert asking.read(FIELDS, {"transport": ["car"], "plate": ["12가3456"]}, set())[1] == {}
    assert list(asking.read(FIELDS, {"transport": ["train"], "plate": ["12가3456"]}, set())[1]) == ["plate"]


keys = st.sampled_from([field["key"] for field in FIELDS] + ["made-up"])


@given(st.dictionaries(keys, st.lists(st.text(max_size=20) | st.sampled_from(["car", "ko", "7"]), max_size=3)))
def test_no_set_of_answers_crashes_or_is_kept_for_a_question_that_is_not_asked(given):
    answers, errors = asking.read(FIELDS, given, set())
    asked = {field["key"] for field in FIELDS if asking.is_asked(field, answers, set())}
    assert answers.keys() <= asked
    assert not answers.keys() & errors.keys()
