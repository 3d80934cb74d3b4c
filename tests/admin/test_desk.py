"""The desk: what its address shows, as a page and as a fragment, to whom."""
import re

import pytest
from sqlalchemy import select

from eventapp.domain.ordering import Participant
from eventapp.extensions import db
from eventapp.models import Membership, Registration
from tests import make

DESK, ALL = "/seoul-ubf/admin/events/wmc-2026/registrations", "/seoul-ubf/admin/registrations"
HTMX = {"HX-Request": "true", "HX-Target": "section#desk"}


def people(world, *names, slug="wmc-2026", **chosen):
    event = world.seoul.event(slug)
    for name in names:
        program = {"seat": 1} if slug == "meetup" else chosen or {"free-day": 1}
        make.order(event, Participant(name=name, email=f"p{abs(hash(name)) % 10**6}@example.com", chosen=program), method="manual_transfer")
    db.session.commit()
    world.seoul.enter()
    return list(db.session.scalars(select(Registration).where(Registration.name.in_(names)).order_by(Registration.id)))


def shown(page):
    return re.findall(r'data-registration="([^"]+)" data-status="(\w+)"', page.text)


def names(page):
    return re.findall(r"data-open>([^<]+)</a>", page.text)


def test_rows_carry_number_and_status_and_the_newest_is_first(seoul_owner, world):
    first, second = people(world, "김하나", "Bob Lee")
    page = seoul_owner.get(DESK)
    assert page.status_code == 200 and 'data-testid="registrations"' in page.text
    assert shown(page) == [(second.number, "confirmed"), (first.number, "confirmed")]


def test_a_fragment_is_the_block_alone_and_the_page_has_it_too(seoul_owner, world):
    people(world, "김하나")
    page, fragment = seoul_owner.get(DESK), seoul_owner.get(DESK, headers=HTMX)
    assert fragment.text.startswith('<section id="desk"') or fragment.text.strip().startswith('<section id="desk"')
    assert "<html" not in fragment.text and shown(fragment) == shown(page)


def test_pages_follow_one_another(seoul_owner, world):
    people(world, *[f"Guest {n:02}" for n in range(27)])
    first = seoul_owner.get(DESK + "?size=25&sort=name")
    assert names(first) == [f"Guest {n:02}" for n in range(25)]
    [address] = re.findall(r'rel="next" href="([^"]+)"', first.text)
    second = seoul_owner.get(address.replace("&amp;", "&"))
    assert names(second) == ["Guest 25", "Guest 26"]
    assert 'rel="next"' not in second.text and 'rel="prev"' in second.text
    assert "This page is empty" in seoul_owner.get(DESK + "?page=9").text


@pytest.mark.parametrize("sort", ["name", "-name", "email", "phone", "number", "-number", "created", "-created", "status", "paid", "total", "-total", "method"])
def test_every_heading_sorts(seoul_owner, world, sort):
    event = world.seoul.event()
    make.order(event, Participant(name="가", email="b@example.com", phone="010-1234-5678", chosen={"free-day": 1}), method="free")
    make.order(event, Participant(name="나", email="a@example.com", chosen={"main-conference": 1}), method="manual_transfer")
    db.session.commit()
    expected = {"name": "가나", "-name": "나가", "email": "나가", "phone": "나가", "created": "가나", "-created": "나가", "status": "가나",
                "paid": "가나", "total": "가나", "-total": "나가", "method": "가나"}
    found = "".join(names(seoul_owner.get(f"{DESK}?sort={sort}")))
    if sort in expected:
        assert found == expected[sort]
    else:
        world.seoul.enter()
        by_number = sorted(world.seoul.registrations(), key=lambda one: one.number, reverse=sort.startswith("-"))
        assert found == "".join(one.name for one in by_number)


@pytest.mark.parametrize("query", ["sort=nonsense", "page=0", "page=-1", "page=99999999999999999999", "page=x", "size=7", "size=abc", "columns=nonsense",
                                   "density=nonsense", "open=nonsense", "q=%00", "tag=%00", "event=meetup", "checkin=%27", "answer-=1", "answer-age=1-"])
def test_what_an_address_can_not_mean_is_no_fault(seoul_owner, world, query):
    people(world, "김하나")
    for headers in ({}, HTMX):
        assert seoul_owner.get(f"{DESK}?{query}", headers=headers).status_code == 200
        assert seoul_owner.get(f"{ALL}?{query}", headers=headers).status_code == 200


def test_tabs_count_and_chips_take_filters_off(seoul_owner, world):
    people(world, "김하나", "Bob Lee")
    people(world, "박세리", **{"main-conference": 1})
    page = seoul_owner.get(DESK + "?status=confirmed&q=lee")
    assert names(page) == ["Bob Lee"]
    counts = dict(re.findall(r'>([A-Z][a-z ]+) <span class="tab-count">([0-9,+]+)</span>', seoul_owner.get(DESK).text))
    assert counts == {"All": "3", "Awaiting payment": "1", "Confirmed": "2"}
    chips = re.findall(r'class="chip" href="([^"]+)"', page.text)
    assert chips == [DESK + "?status=confirmed"]  # one status is a tab
    two = seoul_owner.get(DESK + "?status=confirmed&status=expired&paid=yes&size=25")
    assert re.findall(r'class="chip" href="([^"]+)"', two.text) == [
        DESK + query for query in ("?status=expired&amp;paid=yes&amp;size=25", "?status=confirmed&amp;paid=yes&amp;size=25",
                                   "?status=confirmed&amp;status=expired&amp;size=25")]
    assert f'class="chip-clear" href="{DESK}?size=25"' in two.text


def test_columns_are_chosen_in_the_address_and_name_is_always_there(seoul_owner, world):
    event = world.seoul.event()
    make.order(event, Participant(name="김하나", email="hana@example.com", chosen={"free-day": 1}, answers={"transport": ["train"]}), method="free")
    db.session.commit()
    page = seoul_owner.get(DESK + "?columns=answer-transport&columns=method")
    assert re.findall(r'data-key="([^"]+)"', page.text) == ["name", "method", "answer-transport"]
    assert ">Train<" in page.text
    assert re.findall(r'data-key="([^"]+)"', seoul_owner.get(DESK + "?columns=email,phone").text) == ["name", "email", "phone"]


def test_all_events_are_on_one_desk_and_can_be_told_apart(seoul_owner, world):
    people(world, "김하나")
    people(world, "봄이", slug="meetup")
    page = seoul_owner.get(ALL)
    assert sorted(names(page)) == ["김하나", "봄이"] and "Spring meetup" in page.text
    assert names(seoul_owner.get(ALL + "?event=meetup")) == ["봄이"]


def test_there_is_a_word_for_an_empty_desk_and_for_an_empty_filter(seoul_owner, world):
    assert "Nobody has registered yet" in seoul_owner.get(DESK).text
    assert "http://localhost/seoul-ubf/wmc-2026" in seoul_owner.get(DESK).text
    people(world, "김하나")
    assert "No registration matches" in seoul_owner.get(DESK + "?q=nobody").text


def test_the_row_that_is_open_has_an_address_and_neighbours(seoul_owner, world):
    first, second, third = people(world, "가", "나", "다")
    page = seoul_owner.get(f"{DESK}?sort=name&open={second.number}")
    assert re.findall(r'<aside id="panel"[^>]*data-registration="([^"]+)"', page.text) == [second.number]
    around = dict(re.findall(r'rel="(prev|next)" href="[^"]*open=([^"&]+)"', page.text))
    assert around == {"prev": first.number, "next": third.number}
    piece = seoul_owner.get(f"{DESK}?open={first.number}", headers={"HX-Request": "true", "HX-Target": "aside#panel"})
    assert "<table" not in piece.text and first.number in piece.text
    assert '<aside id="panel"' in seoul_owner.get(DESK).text


def test_what_is_ticked_is_posted_to_the_desks_own_address_with_its_filter(seoul_owner, world):
    [one] = people(world, "김하나")
    page = seoul_owner.get(DESK + "?status=confirmed&q=%EA%B9%80")
    [action] = re.findall(r'<form id="ticked"[^>]* action="([^"]+)"', page.text)
    assert action == DESK + "?status=confirmed&amp;q=%EA%B9%80"
    assert f'name="ids" value="{one.number}" form="ticked"' in page.text
    offered = re.findall(r'name="action" value="(\w+)"', page.text)
    assert offered == ["approve", "reject", "mark_paid", "send_email", "tag", "check_in", "export", "refund", "cancel"]


def test_staff_are_offered_what_they_may_do(sign_in, world):
    [one] = people(world, "김하나")
    page = sign_in("staff@seoul-ubf.example").get(DESK)
    assert re.findall(r'name="action" value="(\w+)"', page.text) == ["check_in"]
    assert "cell-edit" not in page.text


@pytest.fixture
def limited(world):
    """The staff member of Seoul, who sees the meetup only."""
    def limit(**values):
        member = db.session.scalar(select(Membership).where(Membership.user_id == world.user("staff@seoul-ubf.example").id))
        member.event_ids = [world.seoul.event("meetup").id]
        for name, value in values.items():
            setattr(member, name, value)
        db.session.commit()
    return limit


def test_a_member_limited_to_one_event_sees_no_other(sign_in, world, limited):
    [foreign] = people(world, "김하나")
    [own] = people(world, "봄이", slug="meetup")
    limited(grants=["edit"])
    staff = sign_in("staff@seoul-ubf.example")
    assert names(staff.get(ALL)) == ["봄이"]
    assert names(staff.get(ALL + "?event=wmc-2026")) == [] and "World Mission Conference" not in staff.get(ALL).text
    assert staff.get(DESK).status_code == 404
    assert "김하나" not in staff.get(f"{ALL}?open={foreign.number}").text
    assert staff.get(f"{ALL}/{foreign.number}/cells/name").status_code == 404
    assert staff.get(f"{ALL}/{own.number}/cells/name").status_code == 200
    assert staff.post(f"{ALL}/{foreign.number}/cells/name", {"value": "x", "was": ""}).status_code == 404


def test_another_organisations_desk_shows_nothing_of_ours(busan_owner, world):
    people(world, "김하나")
    assert busan_owner.get(DESK).status_code == 404
    assert "김하나" not in busan_owner.get("/busan-meetup/admin/registrations").text


@pytest.mark.parametrize("address", [DESK + "?columns=" + ",".join(("name", "programs", "checkin", "total", "tags", "answer-age")), ALL])
def test_many_rows_cost_as_many_statements_as_one(seoul_owner, world, statements, address):
    people(world, "김하나")
    seoul_owner.get(address)
    for headers in ({}, HTMX):
        one = statements(seoul_owner.get, address, headers=headers)
        people(world, *[f"Guest {n} {len(headers)}" for n in range(6)])
        assert statements(seoul_owner.get, address, headers=headers) == one


# -- cells ---------------------------------------------------------------------------------------------


def test_a_cell_is_written_plainly_and_leads_back(seoul_owner, world):
    [one] = people(world, "김하나")
    address = f"{ALL}/{one.number}/cells/phone"
    form = seoul_owner.get(address, headers={"Referer": f"http://localhost{DESK}?q=x"})
    assert f'name="next" value="{DESK}?q=x"' in form.text
    answer = seoul_owner.post(address, {"value": "010 1234 5678", "was": "", "next": f"{DESK}?q=x"})
    assert (answer.status_code, answer.location) == (303, f"{DESK}?q=x")
    [fresh] = world.seoul.registrations()
    assert fresh.phone == "+821012345678"


def test_a_cell_is_written_where_it_stands(seoul_owner, world):
    [one] = people(world, "김하나")
    address, htmx = f"{ALL}/{one.number}/cells/tags", {"HX-Request": "true", "HX-Current-URL": f"http://localhost{DESK}?q=x"}
    assert "cell-form" in seoul_owner.get(address, headers=htmx).text
    cell = seoul_owner.post(address, {"value": "choir, 봉사", "was": "[]"}, headers=htmx)
    assert cell.status_code == 200 and "is-changed" in cell.text and cell.text.count('class="tag"') == 2
    refused = seoul_owner.post(address, {"value": "x" * 41, "was": '["choir", "봉사"]'}, headers=htmx)
    assert refused.status_code == 422 and "x" * 41 in refused.text and "cell-form" in refused.text


def test_two_write_in_one_cell_and_the_second_sees_both(seoul_owner, sign_in, world):
    [one] = people(world, "김하나")
    address = f"{ALL}/{one.number}/cells/note"
    assert seoul_owner.post(address, {"value": "came late", "was": ""}).status_code == 303
    second = sign_in("admin@seoul-ubf.example")
    answer = second.post(address, {"value": "needs a chair", "was": ""})
    assert answer.status_code == 409
    assert "came late" in answer.text and "needs a chair" in answer.text and 'name="was" value="came late"' in answer.text
    assert world.seoul.registrations()[0].note == "came late"
    assert second.post(address, {"value": "needs a chair", "was": "came late"}).status_code == 303
    assert world.seoul.registrations()[0].note == "needs a chair"


@pytest.mark.parametrize("key", ["status", "number", "total", "programs", "method", "answer-group", "answer-nonsense", "nonsense"])
def test_what_is_no_cell_to_write_in_is_not_there(seoul_owner, world, key):
    [one] = people(world, "김하나")
    assert seoul_owner.get(f"{ALL}/{one.number}/cells/{key}").status_code == 404
    assert seoul_owner.post(f"{ALL}/{one.number}/cells/{key}", {"value": "x", "was": ""}).status_code == 404


def test_every_cell_has_a_form(seoul_owner, world):
    [one] = people(world, "김하나")
    for key in ("name", "email", "phone", "tags", "note", "flag", "answer-church", "answer-allergy", "answer-age", "answer-transport", "answer-languages"):
        page = seoul_owner.get(f"{ALL}/{one.number}/cells/{key}")
        assert page.status_code == 200 and 'name="value"' in page.text, key


# -- saved views -----------------------------------------------------------------------------------------


def test_a_view_keeps_filter_columns_and_order_under_a_name(seoul_owner, sign_in, world):
    people(world, "김하나")
    address = "/seoul-ubf/admin/events/wmc-2026/views?status=confirmed&columns=email&sort=name&page=3"
    assert seoul_owner.get(address).status_code == 200
    answer = seoul_owner.post(address, {"name": "확정된 사람"})
    assert (answer.status_code, answer.location) == (303, DESK + "?status=confirmed&columns=email&sort=name")
    assert "확정된 사람" in seoul_owner.get(DESK).text
    assert "확정된 사람" not in seoul_owner.get(ALL).text
    assert "확정된 사람" not in sign_in("admin@seoul-ubf.example").get(DESK).text


def test_a_shared_view_is_everybodys_and_changed_by_editors_only(seoul_owner, sign_in, world):
    assert seoul_owner.post("/seoul-ubf/admin/views?q=kim", {"name": "Kims", "shared": "1"}).status_code == 303
    staff, admin = sign_in("staff@seoul-ubf.example"), sign_in("admin@seoul-ubf.example")
    [view] = re.findall(r"/seoul-ubf/admin/views/(\d+)", admin.get(ALL).text)
    assert "Kims" in staff.get(ALL).text
    assert staff.get(f"/seoul-ubf/admin/views/{view}").status_code == 403
    assert staff.post(f"/seoul-ubf/admin/views/{view}/delete", {}).status_code == 403
    assert admin.post(f"/seoul-ubf/admin/views/{view}", {"name": "김씨", "shared": "1"}).status_code == 303
    assert "김씨" in staff.get(ALL).text
    assert admin.post(f"/seoul-ubf/admin/views/{view}/delete", {}).status_code == 303
    assert "김씨" not in seoul_owner.get(ALL).text
    assert staff.post("/seoul-ubf/admin/views?q=a", {"name": "Mine", "shared": "1"}).status_code == 303
    assert "Mine" not in admin.get(ALL).text
