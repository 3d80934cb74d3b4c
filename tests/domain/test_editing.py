"""One cell written anew: checked as the form would, on record, never over somebody else's change."""
import pytest
from sqlalchemy import select

from eventapp import audit
from eventapp.domain import Refused, editing
from eventapp.domain.ordering import Participant
from eventapp.extensions import db
from eventapp.models import AuditLog, AuditValues, Registration
from tests import make

BY = audit.Actor("user", 1)


@pytest.fixture
def hana(world):
    make.order(world.seoul.event(), Participant(name="김하나", email="hana@example.com", chosen={"free-day": 1},
                                                answers={"transport": ["train"], "age": ["31"]}), method="free")
    db.session.commit()
    world.seoul.enter()
    return db.session.scalar(select(Registration))


@pytest.mark.parametrize(("key", "given", "stands"), [
    ("name", ["  김  하나 "], "김 하나"), ("phone", ["010-1234-5678"], "+821012345678"), ("phone", [""], ""), ("email", [" Hana@Example.COM "], "hana@example.com"),
    ("tags", ["choir, a,,choir", "b"], ["choir", "a", "b"]), ("tags", [], []), ("note", ["one\r\n two "], "one\ntwo"), ("flag", ["VIP"], "VIP"),
    ("answer-age", ["32"], 32), ("answer-age", [""], None), ("answer-transport", ["car"], "car"), ("answer-languages", ["en", "ko"], ["ko", "en"]),
    ("answer-church", ["은혜교회"], "은혜교회")])
def test_a_value_is_kept_as_the_form_would_keep_it(hana, key, given, stands):
    editing.change(hana, key, given, was=None, by=BY)
    db.session.commit()
    db.session.refresh(hana)
    assert editing.value_of(hana, key) == stands


@pytest.mark.parametrize(("key", "given"), [
    ("name", ["  "]), ("name", ["x" * 101]), ("phone", ["12"]), ("email", ["nobody"]), ("tags", ["x" * 41]), ("tags", [",".join(map(str, range(21)))]),
    ("note", ["x" * 2001]), ("note", ["a\0b"]), ("tags", ["a\0b"]), ("flag", ["x" * 41]), ("answer-age", ["many"]), ("answer-age", ["121"]),
    ("answer-transport", ["rocket"]), ("answer-languages", ["ko", "xx"]), ("answer-church", ["x" * 301]), ("answer-plate", ["12가 3456"]),
    ("answer-nonsense", ["x"]), ("answer-group", ["x"])])
def test_what_will_not_do_is_refused_and_nothing_changes(hana, key, given):
    with pytest.raises(Refused):
        editing.change(hana, key, given, was=None, by=BY)
    assert (hana.name, hana.answers) == ("김하나", {"transport": "train", "age": 31})


def test_a_question_that_another_answer_asks_for_may_then_be_answered(hana):
    editing.change(hana, "answer-transport", ["car"], was="train", by=BY)
    editing.change(hana, "answer-plate", ["12가 3456"], was="", by=BY)
    assert hana.answers == {"transport": "car", "age": 31, "plate": "12가 3456"}


def test_a_change_is_on_record_and_its_values_lie_apart(hana):
    assert editing.change(hana, "name", ["김둘"], was="김하나", by=BY) is True
    assert editing.change(hana, "name", ["김둘"], was="김하나", by=BY) is False
    db.session.commit()
    [entry] = db.session.scalars(select(AuditLog).where(AuditLog.action == "registration.edited")).all()
    [values] = db.session.scalars(select(AuditValues).where(AuditValues.audit_id == entry.id)).all()
    assert (entry.before, entry.after, values.before, values.after) == (None, {"field": "name"}, {"name": "김하나"}, {"name": "김둘"})


def test_a_value_that_has_changed_meanwhile_is_not_written_over(hana):
    editing.change(hana, "tags", ["choir"], was="[]", by=BY)
    with pytest.raises(editing.Overtaken) as overtaken:
        editing.change(hana, "tags", ["speaker"], was="[]", by=BY)
    assert (overtaken.value.status, overtaken.value.stands, overtaken.value.meant) == (409, ["choir"], ["speaker"])
    assert editing.change(hana, "tags", ["speaker"], was=editing.text_of(["choir"]), by=BY) is True


def test_the_search_finds_the_new_name(hana):
    editing.change(hana, "name", ["Ada Kim"], was=None, by=BY)
    db.session.commit()
    assert db.session.scalar(select(Registration.search)).startswith("ada kim\n")
