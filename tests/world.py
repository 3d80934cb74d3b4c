"""Two organisations always exist, Seoul and Busan, so that a leak has somewhere to show."""
from datetime import timedelta

from sqlalchemy import select

from eventapp import clock, tenancy
from eventapp.extensions import db
from eventapp.models import Directory, Event, Order, Organization, Program, Quota, Registration, User
from tests import make
from tests.make import both

SEOUL_STAFF = {"owner": "ORG_OWNER", "admin": "ORG_ADMIN", "staff": "ORG_STAFF", "door": "ORG_CHECKIN"}


def build() -> None:
    """Fill the template database; everything is committed."""
    make.user("operator@example.com", is_operator=True)
    make.user("participant@seoul-ubf.example", "박참가")
    for slug, name in (("seoul-ubf", both("서울 UBF", "Seoul UBF")), ("busan-meetup", both("부산 밋업", "Busan Meetup"))):
        organization = make.organization(slug, name, plan="pro", bank_account={"bank": "kb", "number": "123456-04-567890",
                                                                              "holder": "서울UBF"})
        for word, role in SEOUL_STAFF.items():
            make.member(organization, make.user(f"{word}@{slug}.example"), role)
        conference(organization)
        meetup(organization)
        db.session.commit()
    tenancy.enter(None)


def conference(organization: Organization) -> Event:
    """Paid, with a workshop of five places, lodging by the night, questions and consents."""
    event = make.event("wmc-2026", both("세계선교대회 2026", "World Mission Conference 2026"), "WMC26",
                       venue={"name": both("서울 컨벤션홀", "Seoul Convention Hall"), "address": both("서울시 종로구 1", "1 Jongno, Seoul")})
    soon = (clock.now() + timedelta(days=30)).isoformat()
    main = make.program(event, "main-conference",
                        [{"name": both("조기 등록", "Early bird"), "price": 100_000, "until": soon},
                         {"name": {}, "price": 120_000, "until": None}], capacity=100, position=1,
                        name=both("본 대회", "Main conference"))
    make.program(event, "workshop", 30_000, capacity=5, position=2, kind="workshop", requires_id=main.id,
                 name=both("찬양 워크숍", "Worship workshop"))
    make.program(event, "lodging", 25_000, capacity=200, position=3, kind="lodging", maximum=3, minimum=0,
                 name=both("숙박", "Lodging"))
    make.program(event, "free-day", 0, position=4, name=both("무료 하루 참가", "Free day visit"))
    make.form(event, FIELDS, CONSENTS)
    return event


def meetup(organization: Organization) -> Event:
    """Free, three places, the organiser approves."""
    event = make.event("meetup", both("봄 모임", "Spring meetup"), "MEET", approval="before_payment", methods=[])
    make.program(event, "seat", 0, capacity=3, name=both("참가", "Seat"))
    make.form(event)
    return event


FIELDS = [
    {"key": "church", "type": "text", "label": both("소속 교회", "Church"), "required": False},
    {"key": "allergy", "type": "long_text", "label": both("알레르기", "Allergies"), "required": False},
    {"key": "age", "type": "number", "label": both("나이", "Age"), "required": False, "minimum": 1, "maximum": 120},
    {"key": "transport", "type": "single_choice", "label": both("교통편", "How you come"), "required": False,
     "options": [{"value": "train", "label": both("기차", "Train")}, {"value": "car", "label": both("자가용", "Car")}]},
    {"key": "plate", "type": "text", "label": both("차량 번호", "Licence plate"), "required": True,
     "show_if": {"field": "transport", "in": ["car"]}},
    {"key": "languages", "type": "multiple_choice", "label": both("사용 언어", "Languages"), "required": False,
     "options": [{"value": "ko", "label": both("한국어", "Korean")}, {"value": "en", "label": both("영어", "English")}]},
    {"key": "group", "type": "text", "label": both("단체 이름", "Group"), "required": False, "per_order": True},
]
CONSENTS = [{"key": "photo", "purpose": "photo", "label": both("사진 촬영에 동의합니다", "I agree to photographs"), "required": False,
             "version": "1", "text": both("행사 사진이 홈페이지에 실릴 수 있습니다.", "Photographs may appear on our site.")}]


class World:
    """Finds the rows of the world again, inside the right organisation."""

    def __init__(self):
        self.seoul, self.busan = Tenant("seoul-ubf"), Tenant("busan-meetup")

    def user(self, email: str) -> User:
        return db.session.scalar(select(User).where(User.email == email))


class Tenant:
    """`world.seoul.inside()` is a with-block; the properties enter by themselves and stay."""

    def __init__(self, slug: str):
        self.slug = slug
        self.id = db.session.scalar(select(Directory.org_id).where(Directory.slug == slug))

    def inside(self):
        return tenancy.inside(self.id)

    def enter(self) -> "Tenant":
        tenancy.enter(self.id)
        return self

    @property
    def organization(self) -> Organization:
        return self.enter() and db.session.get(Organization, self.id)

    def event(self, slug: str = "wmc-2026") -> Event:
        self.enter()
        return db.session.scalar(select(Event).where(Event.slug == slug))

    def program(self, code: str) -> Program:
        self.enter()
        return db.session.scalar(select(Program).where(Program.code == code))

    def quota_of(self, code: str) -> Quota:
        self.enter()
        return db.session.scalar(select(Quota).join(Quota.programs).where(Program.code == code)
                                 .execution_options(populate_existing=True))

    def orders(self) -> list[Order]:
        self.enter()
        return list(db.session.scalars(select(Order).order_by(Order.id).execution_options(populate_existing=True)))

    def registrations(self) -> list[Registration]:
        self.enter()
        return list(db.session.scalars(select(Registration).order_by(Registration.id).execution_options(populate_existing=True)))


def fresh(row):
    """The row as the database has it now."""
    db.session.rollback()
    db.session.refresh(row)
    return row
