"""What the staff's pages show in pictures: an organisation of its own, so that the demo's stays as it is.

Its camp takes people after approval and has too few places; its retreat is on today, so that its doors are open.
"""
from datetime import timedelta

from flask import url_for
from sqlalchemy import select, update

from eventapp import permissions, tenancy
from eventapp.domain import bulk, checking_in, devices, importing, ordering, registering, ticketing
from eventapp.domain.bulk_actions import ACTIONS
from eventapp.domain.checking_in import Seen
from eventapp.domain.ordering import Participant
from eventapp.extensions import db
from eventapp.models import (
    BulkOperation,
    Directory,
    EmailMessage,
    Event,
    Order,
    Organization,
    Payment,
    Registration,
    SavedView,
    Status,
    User,
)
from tests import crowds, make
from tests.make import both
from tests.pictures.scene import OWNERS

SLUG, EMPTY = "saebom", "onnuri"
NAMES = ("김하나", "이서연", "박도윤", "최예은", "정민준", "강수빈", "조은혜", "윤요셉", "장다은", "임현우", "한미경", "오영수", "서지민", "신찬양", "권소망",
         "황태영", "안보람", "송성호", "류유진", "남궁혜린", "Emily Carter", "Daniel Okafor", "María Fernández",
         "Maximilian-Alexander Freiherr von und zu Hohenlohe-Langenburg", "Nguyễn Thị Mai")
TABLE = """이름,이메일,휴대폰,프로그램,태그,비고
김온유,onyu@example.com,010-1234-5678,하루 참가,봉사,
박둘,둘@,010-2222-3333,숙박,"VIP, 강사",늦게 옴
,nobody@example.com,,하루 참가,,
김온유,onyu@example.com,010-1234-5678,하루 참가,,두 번 적음
Ann Lee,ann@example.com,+44 20 7946 0958,Dinner,,
한소라,sora@example.com,12,하루 참가,,
"""
GOOD = "이름,이메일,프로그램\n정다혜,dahye@example.com,하루 참가\n오지훈,jihoon@example.com,하루 참가\n,nobody@example.com,하루 참가\n"


def furnish(made, now) -> None:
    """`made.staff`: what is on a page → its address, without the host; or what a scene has to know."""
    owner = db.session.scalar(select(User).where(User.email == OWNERS["ko"]))
    owners = [owner, make.user(OWNERS["en"], "Dana Whitfield", locale="en")]
    for slug, name in ((EMPTY, both("온누리 공방", "Onnuri Workshop")), (SLUG, both("새봄 수련원", "Saebom Retreats"))):
        account = {"bank": "kb", "number": "123456-04-567890", "holder": "새봄수련원"}
        organization = make.organization(slug, name, plan="pro", bank_account=account)
        db.session.get(Directory, organization.org_id).created_at = organization.created_at = now
        for one in owners:
            make.member(organization, one, "ORG_OWNER")
        db.session.flush()
    members = [permissions.Member(one, "ORG_OWNER", permissions.MATRIX["ORG_OWNER"]) for one in owners]
    make.form(event("autumn", both("가을 걷기 모임", "Autumn walks"), "WALK", starts_at=now + timedelta(days=40), ends_at=now + timedelta(days=41)))
    camp(made, members, now)
    retreat(made, members[0], now)
    for model in (Order, Registration, Payment, BulkOperation):
        db.session.execute(update(model).values(created_at=now))  # the database's own clock does not stand still
    db.session.commit()
    demo(made, owners)
    db.session.commit()
    tenancy.enter(None)


def event(slug: str, title: dict, code: str, **values) -> Event:
    return make.event(slug, title, code, visibility="unlisted", summary=both("함께 쉬고 함께 배웁니다.", "To rest and learn together."), **values)


def answer(made, name: str, endpoint: str, **values) -> None:
    """The address of a page of this organisation's staff."""
    made.staff[name] = url_for(endpoint, org=SLUG, **values)


# -- what is done to many -------------------------------------------------------------------------------------

def camp(made, members, now) -> None:
    member = members[0]
    made_event = event("camp", both("봄 수련회", "Spring camp"), "CAMP", approval="before_payment", starts_at=now + timedelta(days=19),
                       ends_at=now + timedelta(days=21))
    make.program(made_event, "stay", 100_000, 18, name=both("2박 3일", "Three days"))
    make.form(made_event)
    orders = [make.order(made_event, Participant(name=name, email=f"camp{number}@example.com", phone="010-2345-6789", chosen={"stay": 1}),
                         method="manual_transfer") for number, name in enumerate(NAMES)]
    db.session.commit()
    done(member, "approve", orders[:5])
    rejected = done(member, "reject", orders[5:8], reason="이번에는 정원이 모두 찼습니다.\n다음 수련회에 꼭 뵙고 싶습니다.")
    answer(made, "result", "admin.operations.show", id=rejected.id)
    undone = done(member, "tag", orders[8:12], tag="조장")
    bulk.undo(undone, by=member.actor)
    answer(made, "undone", "admin.operations.show", id=undone.id)
    everybody = member.registrations(made_event)
    mixed = done(member, "tag", orders, tag="봄")
    answer(made, "mixed", "admin.operations.show", id=mixed.id)
    for locale, one in zip(OWNERS, members, strict=True):  # nobody sees what another has not begun
        for action in ACTIONS:
            operation = bulk.begin(ACTIONS[action], everybody, member=one)
            answer(made, f"ahead-{action}-{locale}", "admin.operations.show", id=operation.id)
        nothing = bulk.begin(ACTIONS["mark_paid"], everybody.where(Registration.status == Status.REJECTED), member=one)
        answer(made, f"ahead-nothing-{locale}", "admin.operations.show", id=nothing.id)
    crowded(made, member, now)
    for state, order in (("approved", orders[0]), ("rejected", orders[5])):
        made.orders[state] = f"/{SLUG}/camp/orders/{ticketing.order_token(order)}"


def done(member, action: str, orders, **given):
    ids = [order.id for order in orders]
    operation = bulk.begin(ACTIONS[action], member.registrations().where(Registration.order_id.in_(ids)), member=member)
    db.session.commit()
    bulk.start(operation, given, member=member)
    db.session.commit()
    return operation


def crowded(made, member, now) -> None:
    """One order of sixty; and what is being done to them."""
    made_event = event("family", both("가족 캠프", "Family camp"), "FAM", starts_at=now + timedelta(days=30), ends_at=now + timedelta(days=32))
    program = make.program(made_event, "stay", 100_000, name=both("2박 3일", "Three days"))
    make.form(made_event)
    crowds.waiting(made_event, program, 1, people=60, mark="sixty")
    sixty = member.registrations(made_event).where(Registration.name.like("Person 1/%"))
    answer(made, "sixty", "admin.registration.show", number=db.session.scalar(sixty.order_by(Registration.id)).number)
    running = bulk.begin(ACTIONS["send_email"], sixty, member=member)
    running.state, running.total, running.ok, running.failed = "running", 1284, 412, 3
    running.parameters = {"subject": "셔틀버스 안내", "body": "…", "filter": "status=pending_approval",
                          "filter_words": both(["상태: 승인 대기"], ["Status: Awaiting approval"])}
    answer(made, "running", "admin.operations.show", id=running.id)


# -- doors and tables ---------------------------------------------------------------------------------------

def retreat(made, member, now) -> None:
    made_event = event("retreat", both("새봄 하루 수련회", "A day in spring"), "DAY", starts_at=now + timedelta(days=1), ends_at=now + timedelta(days=2),
                       description=both("하루를 함께 보냅니다.", "A day together."))
    make.program(made_event, "day", 0, 200, name=both("하루 참가", "The whole day"))
    make.program(made_event, "dinner", [{"name": both("일찍", "Early"), "price": 12_000, "until": None}], 80, name=both("저녁 식사", "Dinner"), minimum=0,
                 maximum=4, position=2)
    make.form(made_event, [
        {"key": "city", "type": "text", "required": True, "label": both("사는 도시", "City"), "help": {}},
        {"key": "diet", "type": "single_choice", "required": False, "label": both("식단", "Meals"), "help": {},
         "options": [{"value": "all", "label": both("모두 먹어요", "Anything")}, {"value": "vegan", "label": both("채식", "Vegan")}]}])

    def place(number, name, method="free", **chosen):
        person = Participant(name=name, email=f"day{number}@example.com", phone="010-2345-6789", chosen={"day": 1} | chosen,
                             answers={"city": ["서울"]})
        return registering.of_order(make.order(made_event, person, method=method))[0]

    people = [place(number, name) for number, name in enumerate(NAMES)]
    place(30, "배준호", "manual_transfer", dinner=2)
    gone, paying = place(31, "문가영"), place(32, "고은별", "manual_transfer", dinner=1)
    old = ticketing.code(made_event, gone)
    registering.must_move([gone], Status.CANCELLED, by=member.actor, action="registration.cancelled", reason="몸이 아파서")
    people[4].flag, people[4].note, people[4].tags = "휠체어", "앞줄에 자리를 부탁하셨음", ["봉사", "찬양팀"]
    made_event.starts_at, made_event.ends_at = now - timedelta(hours=1), now + timedelta(hours=8)
    db.session.flush()
    entrance = checking_in.checkpoints(made_event)[0]
    meal = checking_in.add_checkpoint(made_event, by=member.actor, code="dinner", kind="meal", name=both("저녁 식사", "Dinner"), times=1, per="day",
                                      program_id=None, opens_at=None, closes_at=None)
    closed = checking_in.add_checkpoint(made_event, by=member.actor, code="old", kind="session", name=both("개회", "Opening"), times=1, per="event",
                                        program_id=None, opens_at=now - timedelta(hours=1), closes_at=now)
    checking_in.close_checkpoint(closed, True, by=member.actor)
    arrive(made_event, entrance, meal, people, gone, member, now)
    people[20].flag = people[21].flag = "휠체어"
    for name, one in (("already", people[0]), ("ok-ko", people[20]), ("ok-en", people[21])):
        made.staff[f"ticket-{name}"] = ticketing.code(made_event, one)
    made.staff |= {"ticket-cancelled": old, "ticket-invalid": old[:-8] + "AAAAAAAA"}
    for name, one in (("plain", people[4]), ("owing", paying), ("gone", gone)):
        answer(made, name, "admin.registration.show", number=one.number)
    stand(made_event, entrance, member, now)
    tables(made, made_event, member)
    letters(made, people[4], now)


def arrive(made_event, entrance, meal, people, gone, member, now) -> None:
    for number, one in enumerate(people[:15]):
        if one is not people[4]:
            checking_in.enter([one], entrance, by=member.actor, at=now - timedelta(minutes=5 * number + 3), gate="A문" if number % 2 else "B문")
    checking_in.enter(people[:6], meal, by=member.actor, gate="식당")
    for one, gate in ((people[0], "B문"), (gone, "A문")):
        checking_in.scan(made_event, entrance, Seen(registration_id=one.id, version=one.ticket_version, at=now - timedelta(minutes=2), offline=True,
                                                    let_in=True), by=member.actor, gate=gate)


def stand(made_event, entrance, member, now) -> None:
    """Phones at the doors: one that works, one that is invited, one that was taken off."""
    for name in ("B문", "자원봉사자 김하나의 아이폰", "A문"):
        device, _token = devices.invite(made_event, name, entrance, by=member.actor)
        if name != "B문":
            devices.join(device)
            device.seen_at = now - timedelta(minutes=3)
    db.session.flush()
    devices.revoke(device, by=member.actor)


def tables(made, made_event, member) -> None:
    offer = ordering.offer(made_event)
    file = importing.receive(made_event, "봄 수련회 명단.csv", TABLE.encode(), by=member.actor)
    made.staff["import"] = url_for("admin.imports.show", org=SLUG, event="retreat", id=file.id)
    done_file = importing.receive(made_event, "추가 명단.csv", GOOD.encode(), by=member.actor)
    importing.settle(done_file, offer, done_file.mapping, done_file.options)
    db.session.commit()
    importing.start(done_file, by=member.actor)
    made.staff["imported"] = url_for("admin.imports.show", org=SLUG, event="retreat", id=done_file.id)


def letters(made, one: Registration, now) -> None:
    for key, state, error in (("order_confirmed", "sent", ""), ("ticket", "failed", "550 5.1.1 The email account that you tried to reach does not exist")):
        letter = EmailMessage(key=f"pictures {key}", kind=key, locale="ko", recipient=one.email, subject="새봄 하루 수련회 등록이 확정되었습니다",
                              body="김하나 님,\n\n등록이 확정되었습니다. 당일 입구에서 이 입장권을 보여 주세요.\n\n" + "https://events.example/saebom/retreat\n",
                              order_id=one.order_id, registration_id=one.id, state=state, error=error, sent_at=now if state == "sent" else None)
        db.session.add(letter)
    db.session.flush()
    answer(made, "letter", "admin.registration.letter", number=one.number, id=letter.id)


# -- the demo's desk ----------------------------------------------------------------------------------------------

def demo(made, owners) -> None:
    tenancy.enter(db.session.scalar(select(Directory.org_id).where(Directory.slug == "seoul-ubf")))
    found = db.session.scalar(select(Event).where(Event.slug == "wmc-2026"))
    rows = db.session.scalars(select(Registration).where(Registration.event_id == found.id, Registration.status == Status.CONFIRMED)
                              .order_by(Registration.id.desc()).limit(3)).all()
    made.staff["open"] = rows[0].number
    made.staff["programs"] = url_for("admin.changing.edit", org="seoul-ubf", number=rows[0].number)
    for name, query, shared in (("입금 대기", "status=pending_payment", True), ("이메일이 없는 사람", "q=none", False)):
        db.session.add(SavedView(user_id=owners[0].id, event_id=found.id, name=name, query=query, shared=shared))
    make.member(db.session.get(Organization, found.org_id), owners[1], "ORG_OWNER")
