"""What the desk's address means."""
import pytest
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from eventapp import clock
from eventapp.domain import listing
from eventapp.domain.ordering import Participant
from eventapp.extensions import db
from eventapp.languages import force_locale
from eventapp.models import CheckIn, Checkpoint, Registration
from tests import make


@pytest.fixture
def three(world):
    """김하나 by card, Bob Lee for nothing, 박세리 by transfer with tags and answers."""
    event = world.seoul.event()
    first = make.order(event, Participant(name="김하나", email="hana@example.com", phone="010-1234-5678", chosen={"main-conference": 1},
                                          answers={"church": ["은혜교회 100%"], "age": ["31"], "languages": ["ko", "en"]}),
                       method="manual_transfer")
    first.method = "card"
    make.order(event, Participant(name="Bob Lee", email="bob@example.org", phone="+44 20 7946 0958", chosen={"free-day": 1},
                                  answers={"age": ["18"], "transport": ["train"]}))
    make.order(event, Participant(name="박세리", email="seri@example.com", chosen={"main-conference": 1, "lodging": 2}),
               method="manual_transfer", answers={"group": ["Choir North"]})
    seri = db.session.scalar(select(Registration).where(Registration.name == "박세리"))
    seri.tags = ["choir", "a,b"]
    entry = db.session.scalar(select(Checkpoint).where(Checkpoint.event_id == event.id, Checkpoint.code == "entry"))
    lunch = Checkpoint(event_id=event.id, code="lunch", kind="meal", name={"en": "Lunch"})
    db.session.add(lunch)
    db.session.flush()
    db.session.add(CheckIn(registration_id=seri.id, checkpoint_id=entry.id, at=clock.now(), nonce="1"))
    db.session.add(CheckIn(registration_id=seri.id, checkpoint_id=lunch.id, at=clock.now(), nonce="2", undone_at=clock.now()))
    db.session.commit()
    world.seoul.enter()
    return event


def names(event, *pairs):
    query = listing.matching(select(Registration), MultiDict(pairs), event).order_by(Registration.id)
    return [one.name for one in db.session.scalars(query)]


HANA, BOB, SERI = "김하나", "Bob Lee", "박세리"


@pytest.mark.parametrize(("pairs", "found"), [
    ([], [HANA, BOB, SERI]),
    ([("status", ""), ("q", "  ")], [HANA, BOB, SERI]),
    ([("q", "hana")], [HANA]),
    ([("q", "LEE bob")], [BOB]),
    ([("q", "hana"), ("q", "bob")], [HANA, BOB]),
    ([("q", "%")], []),
    ([("q", "\0hana")], [HANA]),
    ([("q", "010-1234-5678")], [HANA]),
    ([("q", "010 1234")], [HANA]),
    ([("q", "12345678")], [HANA]),
    ([("q", "+44 20 7946")], [BOB]),
    ([("q", "------")], []),
    ([("status", "confirmed")], [BOB]),
    ([("status", "confirmed"), ("status", "pending_payment")], [HANA, BOB, SERI]),
    ([("status", "nonsense")], []),
    ([("program", "main-conference")], [HANA, SERI]),
    ([("program", "lodging"), ("program", "free-day")], [BOB, SERI]),
    ([("program", "nonsense")], []),
    ([("tag", "choir")], [SERI]),
    ([("tag", "a,b")], [SERI]),
    ([("tag", "a")], []),
    ([("paid", "yes")], [BOB]),
    ([("paid", "no")], [HANA, SERI]),
    ([("paid", "perhaps")], []),
    ([("method", "manual_transfer")], [SERI]),
    ([("method", "cash")], []),
    ([("checkin", "entry")], [SERI]),
    ([("checkin", "lunch")], []),
    ([("checkin", "any")], [SERI]),
    ([("checkin", "none")], [HANA, BOB]),
    ([("answer-church", "은혜")], [HANA]),
    ([("answer-church", "100%")], [HANA]),
    ([("answer-age", "31")], [HANA]),
    ([("answer-age", "18-30")], [BOB]),
    ([("answer-age", "old")], []),
    ([("answer-transport", "train")], [BOB]),
    ([("answer-transport", "tra")], []),
    ([("answer-languages", "en")], [HANA]),
    ([("answer-group", "north")], [SERI]),
    ([("answer-nonsense", "1")], []),
    ([("answer-", "1")], []),
    ([("program", "main-conference"), ("paid", "no"), ("method", "card")], [HANA]),
    ([("page", "7"), ("sort", "-name"), ("columns", "name")], [HANA, BOB, SERI]),
    ([("event", "meetup")], [HANA, BOB, SERI]),
])
def test_an_address_means_these_registrations(three, pairs, found):
    assert names(three, *pairs) == found


def test_where_all_events_are_shown_the_event_is_a_filter_and_answers_match_nothing(three):
    assert names(None, ("event", "meetup")) == []
    assert names(None, ("event", "wmc-2026")) == [HANA, BOB, SERI]
    assert names(None, ("event", "nonsense")) == []
    assert names(None, ("answer-church", "은혜")) == []


def test_a_filter_is_said_in_words_and_in_the_readers_language(three):
    args = MultiDict([("status", "confirmed"), ("status", "expired"), ("program", "lodging"), ("checkin", "entry"),
                      ("answer-transport", "train"), ("paid", "no"), ("page", "2"), ("tag", "")])
    assert listing.described(args, three) == ["Status: Confirmed or Expired", "Program: Lodging", "Check-in: Entrance",
                                              "How you come: Train", "Payment: Not received"]
    with force_locale("ko"):
        assert listing.described(MultiDict([("answer-transport", "car")]), three) == ["교통편: 자가용"]


def test_a_registration_follows_its_order_and_its_line_items(three):
    seri = db.session.scalar(select(Registration).where(Registration.name == SERI))
    assert (seri.method, sorted(seri.programs), seri.sold) == ("manual_transfer", ["lodging", "main-conference"], 150_000)
    seri.order.method = "virtual_account"
    nights = next(item for item in seri.line_items if item.quantity == 2)
    nights.quantity = 3
    db.session.commit()
    db.session.refresh(seri)
    assert (seri.method, seri.sold) == ("virtual_account", 175_000)
    seri.status = "expired"
    db.session.flush()
    db.session.delete(nights)
    db.session.commit()
    db.session.refresh(seri)
    assert (seri.programs, seri.sold) == (["main-conference"], 100_000)


def test_many_line_items_at_once_are_told_apart(three):
    make.order(three, *[Participant(name=f"Guest {n}", email="g@example.com", chosen={"free-day": 1, "main-conference": 1}) for n in range(60)],
               method="manual_transfer")
    db.session.commit()
    found = db.session.execute(select(Registration.programs, Registration.sold).where(Registration.name.like("Guest %"))).all()
    assert [(sorted(programs), sold) for programs, sold in found] == [(["free-day", "main-conference"], 100_000)] * 60
