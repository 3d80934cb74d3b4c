"""Who runs the demo's events, and who works for them."""
from datetime import timedelta
from functools import cache

from eventapp.demo.people import PARTICIPANT
from eventapp.domain import passwords
from eventapp.extensions import db
from eventapp.models import Directory, Membership, Organization, User
from eventapp.tenancy import inside

OPERATOR = "operator@example.com"

ALL = (
    {
        "slug": "seoul-ubf", "plan": "pro", "mail": "seoul-ubf.example", "accent": "#1f5fae", "phone": "02-745-0191",
        "name": {"ko": "서울 UBF", "en": "Seoul UBF"},
        "about": {
            "ko": "대학로에서 시작해 캠퍼스마다 성경을 함께 읽어 온 공동체입니다. 해마다 선교대회와 여름 수련회를 열고, "
                  "세계 곳곳의 지부와 함께 예배합니다.",
            "en": "A community that began on Daehak-ro and has read the Bible together on campus ever since. We hold a mission "
                  "conference and a summer retreat every year, and worship with chapters all over the world."},
        "business": {"name": "서울 UBF 선교회", "representative": "김요한", "number": "101-82-04417",
                     "mail_order_number": "제2021-서울종로-0387호", "address": "서울특별시 종로구 대학로12길 38, 4층",
                     "privacy_officer": "박은혜"},
        "bank_account": {"bank": "nonghyup", "number": "301-0187-4420-91", "holder": "서울UBF선교회"},
        "people": (("owner", "김요한", "ORG_OWNER", []), ("admin", "박은혜", "ORG_ADMIN", ["export", "refund"]),
                   ("staff", "이다윗", "ORG_STAFF", ["approve"]), ("door", "최한나", "ORG_CHECKIN", []),
                   ("participant", PARTICIPANT, None, [])),
    },
    {
        "slug": "busan-meetup", "plan": "basic", "mail": "busan-meetup.example", "accent": "#0f766e", "phone": "051-462-0310",
        "name": {"ko": "부산 개발자 모임", "en": "Busan Developers"},
        "about": {
            "ko": "퇴근길에 들러 만든 것을 보여 주고 배운 것을 나누는 모임입니다. 2019년부터 매달 서면과 해운대를 오가며 열립니다.",
            "en": "People who build things, showing them to each other after work. Monthly since 2019, in Seomyeon and Haeundae."},
        "business": {"name": "부산 개발자 모임", "representative": "정태윤", "number": "605-80-11925",
                     "address": "부산광역시 부산진구 서전로 8, 7층", "privacy_officer": "정태윤"},
        "bank_account": {"bank": "busan", "number": "101-2074-5513-08", "holder": "정태윤(부산개발자모임)"},
        "people": (("owner", "정태윤", "ORG_OWNER", []), ("staff", "손유진", "ORG_STAFF", ["approve"])),
    },
    {
        "slug": "hanbit-university", "plan": "enterprise", "tax": "tax_free", "mail": "hanbit-university.example", "accent": "#7c2d3a",
        "phone": "042-280-3300",
        "name": {"ko": "한빛대학교", "en": "Hanbit University"},
        "about": {
            "ko": "1954년에 문을 연 한빛대학교의 공개 강연과 동문 행사를 안내합니다. 대부분의 강연은 누구나 무료로 들을 수 있습니다.",
            "en": "Public lectures and alumni events of Hanbit University, founded in 1954. Most lectures are free and open to all."},
        "business": {"name": "학교법인 한빛학원", "representative": "윤서경", "number": "314-82-00754",
                     "mail_order_number": "제2018-대전유성-0142호", "address": "대전광역시 유성구 한빛로 77", "privacy_officer": "오민석"},
        "bank_account": {"bank": "hana", "number": "660-910045-22304", "holder": "한빛대학교"},
        "people": (("owner", "윤서경", "ORG_OWNER", []), ("admin", "오민석", "ORG_ADMIN", ["export"])),
    },
)


def add_operator(password: str, now) -> str:
    if db.session.query(User).filter_by(email=OPERATOR).first() is None:
        db.session.add(user(OPERATOR, "운영자", password, now, is_operator=True))
        db.session.flush()
    return OPERATOR


@cache
def kept(password: str) -> str:
    """One for everybody: each costs a quarter of a second."""
    return passwords.keep(password)


def user(email: str, name: str, password: str, now, **values) -> User:
    return User(email=email, name=name, password_hash=kept(password), email_verified_at=now - timedelta(days=200),
                created_at=now - timedelta(days=200), **values)


def add(each: dict, password: str, now) -> int:
    began = now - timedelta(days=400)
    directory = Directory(slug=each["slug"], name=each["name"], locale="ko", created_at=began)
    people = [(user(f"{name}@{each['mail']}", person, password, now, locale="ko"), role, grants)
              for name, person, role, grants in each["people"]]
    db.session.add_all([directory, *(person for person, _, _ in people)])
    db.session.flush()
    with inside(directory.org_id):
        db.session.add(Organization(org_id=directory.org_id, plan=each["plan"], about=each["about"], accent=each["accent"],
                                    email=f"office@{each['mail']}", phone=each["phone"], business=each["business"],
                                    bank_account=each["bank_account"], tax=each.get("tax", "taxable"), created_at=began))
    db.session.add_all(Membership(org_id=directory.org_id, user_id=person.id, role=role, grants=grants)
                       for person, role, grants in people if role)
    db.session.flush()
    return directory.org_id
