"""The demo's events. Each function makes one inside its organisation and returns it."""
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select

from eventapp.demo import wmc
from eventapp.domain import checking_in, refund_rules, ticketing
from eventapp.extensions import db
from eventapp.models import Event, EventSession, FormVersion, GatewayAccount, Program, Quota, QuotaProgram

SEOUL = ZoneInfo("Asia/Seoul")


def local(day: date, clock: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), SEOUL)


def weekday(now, days: int, wanted: int) -> date:
    """The first such weekday (Monday is 0) at least so many days from now; with negative days, before."""
    day = now.astimezone(SEOUL).date() + timedelta(days=days)
    return day + timedelta(days=(wanted - day.weekday()) % 7)


def make(*, programs=(), quotas=(), sessions=(), form=None, **values) -> Event:
    """`programs`: columns of Program, `requires` by code; `quotas`: (capacity, codes), no codes for the whole event."""
    event = Event(timezone="Asia/Seoul", status=values.pop("status", "published"), **values)
    db.session.add(event)
    db.session.flush()
    ticketing.give_keys(event)
    checking_in.make_entrance(event)
    by_code = {}
    for position, each in enumerate(programs):
        requires = each.pop("requires", None)
        program = by_code[each["code"]] = Program(event_id=event.id, position=position, **each)
        program.requires_id = by_code[requires].id if requires else None
        db.session.add(program)
        db.session.flush()
    for capacity, *codes in quotas:
        name = ", ".join(codes) or "whole event"
        quota = Quota(event_id=event.id, capacity=capacity, whole_event=not codes, name=name)
        db.session.add(quota)
        db.session.flush()
        db.session.add_all(QuotaProgram(quota_id=quota.id, program_id=by_code[code].id) for code in codes)
    db.session.add_all(EventSession(event_id=event.id, **each) for each in sessions)
    if form:
        db.session.add(FormVersion(event_id=event.id, version=1, **form))
    db.session.flush()
    return event


def price(amount: int, name=None, until: datetime | None = None) -> dict:
    return {"name": name or {}, "price": amount, "until": until and until.astimezone(ZoneInfo("UTC")).isoformat()}


def session(day: date, start: str, end: str, ko: str, en: str, room=None, speaker=None) -> dict:
    return {"starts_at": local(day, start), "ends_at": local(day, end), "title": {"ko": ko, "en": en}, "room": room or {},
            "speaker": speaker or {}}


NOTICE = {
    "ko": "신청하신 이름, 이메일, 전화번호와 답변은 등록 확인과 행사 운영에만 쓰며, 행사가 끝나고 1년 뒤에 지웁니다. "
          "결제 정보는 결제대행사가 처리하고 저희는 카드 번호를 받지 않습니다.",
    "en": "Your name, email, phone number and answers are used to confirm your registration and to run the event, and are "
          "deleted a year after it ends. Payment details go to the payment provider; we never see your card number."}
NEWS = {"key": "news", "purpose": "marketing", "required": False, "version": "1",
        "label": {"ko": "다음 행사 소식을 이메일로 받겠습니다.", "en": "Tell me about future events by email."},
        "text": {"ko": "이메일 주소를 다음 행사를 알리는 데 씁니다. 언제든지 그만 받을 수 있습니다.",
                 "en": "We use your email address to announce future events. You can stop this at any time."}}
SMALL_FORM = {"fields": [], "consents": [NEWS], "notice": NOTICE}


def conference(now) -> Event:
    first = weekday(now, 24, 3)
    days = [first + timedelta(days=n) for n in range(4)]
    early, regular = local(weekday(now, -14, 0), "00:00"), local(first - timedelta(days=3), "00:00")
    tiers = lambda *amounts: [  # noqa: E731
        price(amounts[0], {"ko": "조기 등록", "en": "Early bird"}, early),
        price(amounts[1], {"ko": "일반 등록", "en": "Regular"}, regular), price(amounts[2], {"ko": "현장 등록", "en": "At the door"})]
    year = first.year
    return make(
        slug="wmc-2026", code=f"WMC{year % 100}", **wmc.texts(year), starts_at=local(days[0], "14:00"), ends_at=local(days[3], "13:00"),
        registration_opens_at=now - timedelta(days=75), registration_closes_at=local(days[0], "12:00"),
        methods=["card", "virtual_account", "bank_transfer", "manual_transfer"], transfer_days=3,
        cancellable_until=local(first - timedelta(days=7), "00:00"), max_participants=60, contact_email="wmc@seoul-ubf.example",
        refund_rules={"tiers": [{"days": 60, "percent": 100, "fee": 0}, {"days": 30, "percent": 90, "fee": 0},
                                {"days": 7, "percent": 50, "fee": 0}], "note": wmc.REFUND_NOTE},
        created_at=now - timedelta(days=90),
        programs=[
            {"code": "main-conference", "kind": "admission", **wmc.MAIN, "tiers": tiers(90_000, 120_000, 150_000)},
            {"code": "campus-workshop", "kind": "workshop", **wmc.WORKSHOP, "tiers": [price(20_000)], "requires": "main-conference", "tax": "tax_free"},
            {"code": "leaders-forum", "kind": "workshop", **wmc.FORUM, "tiers": [price(30_000)], "requires": "main-conference",
             "requires_approval": True},
            {"code": "lodging", "kind": "lodging", **wmc.LODGING, "tiers": tiers(75_000, 90_000, 90_000)},
            {"code": "lodging-twin", "kind": "lodging", **wmc.TWIN, "tiers": tiers(150_000, 180_000, 180_000)},
            {"code": "meals", "kind": "meal", **wmc.MEALS, "tiers": [price(9_000)], "minimum": 0, "maximum": 9},
            {"code": "open-evening", "kind": "other", **wmc.EVENING, "tiers": [price(0)]},
        ],
        quotas=[(3000,), (60, "campus-workshop"), (80, "leaders-forum"), (600, "lodging"), (80, "lodging-twin"), (9000, "meals"), (400, "open-evening")],
        sessions=[session(days[day], *rest) for day, *rest in wmc.SCHEDULE],
        form={"fields": wmc.FIELDS, "consents": [wmc.PHOTOS, NEWS], "notice": NOTICE})


def leaders_retreat(now) -> Event:
    """Small, and by bank transfer alone."""
    day = weekday(now, 12, 4)
    return make(
        slug="leaders-retreat", code="RT",
        title={"ko": "겨울 리더 수양회", "en": "Winter leaders' retreat"},
        summary={"ko": "새 학기를 준비하는 리더들의 하룻밤입니다.", "en": "One night for leaders preparing for the new term."},
        description={
            "ko": "서른 명이 한 집에서 지내며 말씀을 읽고 이야기합니다. 침구는 준비되어 있으니 갈아입을 옷만 챙겨 오세요.\n\n"
                  "참가비는 계좌로 보내 주시면 됩니다. 입금이 확인되면 등록이 확정됩니다.",
            "en": "Thirty of us in one house, reading and talking. Bedding is there; bring a change of clothes.\n\n"
                  "Please pay by bank transfer. Your place is confirmed once the money arrives."},
        venue={"name": {"ko": "가평 은혜의 집", "en": "House of Grace, Gapyeong"},
               "address": {"ko": "경기도 가평군 설악면 유명로 1240", "en": "1240 Yumyeong-ro, Seorak-myeon, Gapyeong-gun, Gyeonggi-do"},
               "map_url": "https://www.openstreetmap.org/search?query=%EA%B0%80%ED%8F%89%20%EC%84%A4%EC%95%85%EB%A9%B4"},
        starts_at=local(day, "18:00"), ends_at=local(day + timedelta(days=1), "15:00"), methods=["manual_transfer"], transfer_days=2,
        created_at=now - timedelta(days=30), contact_email="office@seoul-ubf.example", form=SMALL_FORM,
        programs=[{"code": "retreat", "kind": "admission", "name": {"ko": "1박 2일 참가", "en": "One night, all meals"},
                   "description": {"ko": "저녁, 아침, 점심 식사를 포함합니다.", "en": "With dinner, breakfast and lunch."},
                   "tiers": [price(35_000)]}],
        quotas=[(30,)],
        sessions=[session(day, "18:00", "19:00", "저녁 식사", "Dinner"), session(day, "19:30", "21:30", "여는 예배", "Opening worship"),
                  session(day + timedelta(days=1), "09:00", "12:00", "말씀과 나눔", "Scripture and sharing"),
                  session(day + timedelta(days=1), "13:00", "15:00", "새 학기 계획", "Plans for the new term")])


def summer_retreat(now) -> Event:
    """Past."""
    day = weekday(now, -110, 4)
    return make(
        slug="summer-retreat", code="SR", status="closed",
        title={"ko": "여름 수련회", "en": "Summer retreat"},
        summary={"ko": "강가에서 보낸 사흘", "en": "Three days by the river"},
        description={"ko": "함께해 주신 모든 분께 감사드립니다. 사진은 메일로 보내 드린 링크에서 보실 수 있습니다.",
                     "en": "Thank you to everybody who came. You will find the photos through the link in our email."},
        venue={"name": {"ko": "양평 강하수련원", "en": "Gangha Retreat Centre"},
               "address": {"ko": "경기도 양평군 강하면 강남로 316", "en": "316 Gangnam-ro, Gangha-myeon, Yangpyeong-gun, Gyeonggi-do"}},
        starts_at=local(day, "14:00"), ends_at=local(day + timedelta(days=2), "13:00"), methods=["card", "manual_transfer"],
        created_at=now - timedelta(days=200), form=SMALL_FORM,
        programs=[{"code": "retreat", "kind": "admission", "name": {"ko": "수련회 참가", "en": "The whole retreat"},
                   "description": {"ko": "숙박과 식사를 포함합니다.", "en": "With lodging and meals."}, "tiers": [price(70_000)]}],
        quotas=[(200,)],
        sessions=[session(day, "15:00", "17:00", "여는 모임", "Opening"),
                  session(day + timedelta(days=1), "10:00", "12:00", "강가 예배", "Worship by the river")])


def build_night(now) -> Event:
    """Free, and the organiser says yes to each."""
    day = weekday(now, 10, 3)
    return make(
        slug="build-night", code="BN", approval="before_payment",
        title={"ko": "만든 것을 보여 주는 밤", "en": "Build night: show what you made"},
        summary={"ko": "발표 네 개, 맥주와 피자, 그리고 긴 대화", "en": "Four talks, pizza and beer, and long conversations"},
        description={
            "ko": "올해 만든 것을 10분 동안 보여 주는 자리입니다. 회사 일도, 주말에 만든 장난감도 좋습니다.\n\n"
                  "자리가 서른 개뿐이라 신청하신 이유를 읽고 확정해 드립니다. 이틀 안에 답을 드릴게요.",
            "en": "Ten minutes each to show what you built this year, at work or on a weekend.\n\n"
                  "There are thirty chairs, so we read why you want to come and answer within two days."},
        venue={"name": {"ko": "서면 코워킹 라운지", "en": "Seomyeon Coworking Lounge"},
               "address": {"ko": "부산광역시 부산진구 서전로 8, 7층", "en": "7F, 8 Seojeon-ro, Busanjin-gu, Busan"}},
        faq=[{"question": {"ko": "영어로 발표해도 되나요?", "en": "May I present in English?"},
              "answer": {"ko": "네. 질문은 한국어와 영어 모두 받습니다.", "en": "Yes. Questions come in Korean and English."}}],
        starts_at=local(day, "19:00"), ends_at=local(day, "22:00"), methods=[], cancellable_until=local(day, "12:00"), max_participants=3,
        created_at=now - timedelta(days=25), contact_email="hello@busan-meetup.example",
        programs=[{"code": "seat", "kind": "admission", "name": {"ko": "참석", "en": "A seat"},
                   "description": {"ko": "피자와 음료를 준비합니다.", "en": "Pizza and drinks are on us."}, "tiers": [price(0)]}],
        quotas=[(30,)],
        sessions=[session(day, "19:00", "19:30", "문 열고 피자", "Doors and pizza"), session(day, "19:30", "20:30", "발표 네 개", "Four talks"),
                  session(day, "20:30", "22:00", "이야기", "Conversations")],
        form={"notice": NOTICE, "consents": [NEWS], "fields": [
            {"key": "why", "type": "long_text", "required": False, "help": {},
             "label": {"ko": "무엇을 만들고 계신가요?", "en": "What are you building?"}}]})


def open_lecture(now) -> Event:
    """Free, and nobody has to say yes."""
    day = weekday(now, 8, 1)
    return make(
        slug="open-lecture", code="OL",
        title={"ko": "공개 강연: 도시는 어떻게 기억되는가", "en": "Open lecture: how cities are remembered"},
        summary={"ko": "건축사학자 문채원 교수의 강연. 누구나 무료로 들을 수 있습니다.",
                 "en": "With the historian of architecture Moon Chaewon. Free and open to all."},
        description={
            "ko": "사라진 골목과 남은 건물 사이에서 도시가 스스로를 기억하는 방법을 이야기합니다. 강연 뒤에 질문을 받고, 다과를 나눕니다.",
            "en": "Between alleys that are gone and buildings that stayed: how a city remembers itself. Questions and refreshments after."},
        venue={"name": {"ko": "한빛대학교 정해관 101호", "en": "Jeonghae Hall 101, Hanbit University"},
               "address": {"ko": "대전광역시 유성구 한빛로 77", "en": "77 Hanbit-ro, Yuseong-gu, Daejeon"}},
        starts_at=local(day, "16:00"), ends_at=local(day, "18:00"), methods=[], cancellable_until=local(day, "15:00"), max_participants=10,
        created_at=now - timedelta(days=20), contact_email="lecture@hanbit-university.example", form=SMALL_FORM,
        programs=[{"code": "seat", "kind": "admission", "name": {"ko": "강연 참석", "en": "The lecture"}, "tiers": [price(0)]}],
        quotas=[(220,)],
        sessions=[session(day, "16:00", "17:15", "강연", "Lecture", None, {"ko": "문채원 교수", "en": "Prof. Moon Chaewon"}),
                  session(day, "17:15", "18:00", "질문과 다과", "Questions and refreshments")])


def alumni_evening(now) -> Event:
    """Paid, through the university's own gateway."""
    day = weekday(now, 20, 4)
    return make(
        slug="alumni-evening", code="AE",
        title={"ko": "동문의 밤", "en": "Alumni evening"},
        summary={"ko": "졸업생과 재학생이 한 상에 둘러앉는 저녁입니다.", "en": "Graduates and students around one table."},
        description={
            "ko": "저녁 식사와 짧은 공연, 그리고 장학금 전달식이 있습니다. 참가비의 일부는 장학금으로 쓰입니다.\n\n"
                  "자리는 학과별로 마련해 두었습니다. 같이 앉고 싶은 분이 있으면 등록할 때 적어 주세요.",
            "en": "Dinner, a little music, and this year's scholarships. A part of the fee goes into them.\n\n"
                  "Tables are by department. Tell us when you register if you would like to sit with somebody."},
        venue={"name": {"ko": "한빛대학교 교직원회관", "en": "Faculty House, Hanbit University"},
               "address": {"ko": "대전광역시 유성구 한빛로 77", "en": "77 Hanbit-ro, Yuseong-gu, Daejeon"}},
        starts_at=local(day, "18:30"), ends_at=local(day, "21:30"), methods=["card", "virtual_account", "manual_transfer"],
        cancellable_until=local(day - timedelta(days=3), "00:00"), max_participants=10, created_at=now - timedelta(days=18),
        contact_email="alumni@hanbit-university.example", form=SMALL_FORM, refund_rules=refund_rules.PERFORMANCES,
        programs=[{"code": "dinner", "kind": "admission", "name": {"ko": "만찬 참석", "en": "Dinner"},
                   "description": {"ko": "식사와 음료를 포함합니다.", "en": "With food and drinks."}, "tiers": [price(60_000)]}],
        quotas=[(180,)],
        sessions=[session(day, "18:30", "19:00", "맞이", "Reception"), session(day, "19:00", "20:30", "만찬과 공연", "Dinner and music"),
                  session(day, "20:30", "21:30", "장학금 전달식", "Scholarships")])


def summer_school(now) -> Event:
    """For guests from abroad, in dollars, through an account of its own."""
    first = weekday(now, 60, 0)
    account = db.session.scalar(select(GatewayAccount).where(GatewayAccount.provider == "stripe"))
    return make(
        slug="international-school", code="IS", currency="USD", gateway_account_id=account and account.id,
        title={"ko": "국제 여름학교", "en": "International school"},
        summary={"ko": "해외 학생을 위한 닷새의 한국어와 한국사", "en": "Five days of Korean language and history for students from abroad"},
        description={
            "ko": "오전에는 한국어 수업, 오후에는 답사를 합니다. 기숙사와 식사를 포함합니다. 참가비는 미국 달러로 받습니다.",
            "en": "Language classes in the morning, walks through history in the afternoon. With a room in the dormitory and meals. Fees are in US "
                  "dollars."},
        venue={"name": {"ko": "한빛대학교 국제관", "en": "International House, Hanbit University"},
               "address": {"ko": "대전광역시 유성구 한빛로 77", "en": "77 Hanbit-ro, Yuseong-gu, Daejeon"}},
        starts_at=local(first, "09:00"), ends_at=local(first + timedelta(days=4), "17:00"), methods=["card"],
        cancellable_until=local(first - timedelta(days=14), "00:00"), max_participants=5, created_at=now - timedelta(days=16),
        contact_email="international@hanbit-university.example", form=SMALL_FORM, refund_rules=refund_rules.PERFORMANCES,
        programs=[{"code": "school", "kind": "admission", "name": {"ko": "여름학교 전체", "en": "The whole week"},
                   "description": {"ko": "기숙사 4박과 식사 포함", "en": "Four nights and all meals"}, "tiers": [price(48_000)]}],
        quotas=[(40,)],
        sessions=[session(first, "09:00", "12:00", "한국어 1", "Korean 1"), session(first, "14:00", "17:00", "백제의 길", "The road of Baekje")])


OF = {"seoul-ubf": (conference, leaders_retreat, summer_retreat), "busan-meetup": (build_night,), "hanbit-university": (open_lecture, alumni_evening, summer_school)}
