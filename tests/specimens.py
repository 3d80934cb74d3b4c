"""What letters and tickets are tried out with, in both languages."""
from datetime import UTC, datetime

from eventapp import mail
from eventapp.mail.values import Deposit, Order
from eventapp.tickets import codes, qr
from eventapp.tickets.values import Event, Organization, Participant, Ticket

KEYS = codes.new_keys()
TEXTS = {
    "ko": {"organization": "서울 UBF", "business": "대학생성경읽기선교회", "event": "2026 세계선교대회",
           "venue": "경주 화백컨벤션센터", "address": "경주시 보문로 507", "people": ("김다윗", "이사라", "박요한"),
           "programs": ("본대회", "청년 워크숍"), "bank": "국민은행"},
    "en": {"organization": "Seoul UBF", "business": "University Bible Fellowship", "event": "World Mission Conference",
           "venue": "Gyeongju Hwabaek Convention Centre", "address": "507 Bomun-ro, Gyeongju",
           "people": ("David Kim", "Sarah Lee", "John Park"), "programs": ("Main conference", "Workshop for students"),
           "bank": "KB Kookmin Bank"},
}


def organization(locale="ko", **changes):
    text = TEXTS[locale]
    return Organization(**{
        "name": text["organization"], "url": "https://events.example/seoul-ubf", "email": "help@seoul-ubf.example",
        "phone": "02-742-8301", "business_name": text["business"], "representative": text["people"][0],
        "business_number": "101-82-00000", "mail_order_number": "2026-0123", "address": text["address"]} | changes)


def event(locale="ko", **changes):
    text = TEXTS[locale]
    return Event(**{
        "title": text["event"], "url": "https://events.example/seoul-ubf/wmc-2026", "timezone": "Asia/Seoul",
        "starts_at": datetime(2027, 8, 5, 5, tzinfo=UTC), "ends_at": datetime(2027, 8, 8, 3, tzinfo=UTC),
        "uid": "wmc-2026.seoul-ubf@events.example", "venue": text["venue"], "address": text["address"]} | changes)


def participant(locale="ko", which=0, **changes):
    text = TEXTS[locale]
    return Participant(**{
        "name": text["people"][which % 3], "number": f"WMC26-7K3Q{which}", "programs": text["programs"],
        "code": codes.sign(KEYS[0], 3, 12, 2345 + which, 1)} | changes)


def order(locale="ko", people=2, **changes):
    return Order(**{
        "name": TEXTS[locale]["people"][0], "url": "https://events.example/seoul-ubf/wmc-2026/orders/A6kSAbdTXHXyy",
        "amount": 240_000, "currency": "KRW", "pay_by": datetime(2026, 11, 25, 14, 59, tzinfo=UTC),
        "participants": tuple(participant(locale, which) for which in range(people))} | changes)


def deposit(locale="ko", **changes):
    return Deposit(**{"bank": TEXTS[locale]["bank"], "account_number": "X6505636518308", "virtual": True,
                      "holder": TEXTS[locale]["business"]} | changes)


def ticket(locale="ko", which=0):
    return Ticket(organization(locale), event(locale), participant(locale, which), locale)


def values(kind, locale="ko", **changes):
    """All that a letter of this kind needs."""
    link = "https://events.example/auth/verify/3f0f7b8e0c2d4b6a8f1e2d3c4b5a6978"
    everything = {
        "organization": organization(locale), "event": event(locale), "order": order(locale),
        "deposit": deposit(locale), "participant": participant(locale), "amount": 120_000, "back": 30_000, "wrong": False, "account": {"ko": "우리은행 ••••6789", "en": "Woori Bank ••••6789"}[locale],
        "reason": {"ko": "이번에는 정원이 찼습니다.\n다음 기회에 뵙겠습니다.", "en": "We had to choose this year.\nPlease come next time."}[locale],
        "subject": {"ko": "셔틀버스 안내", "en": "About the shuttle bus"}[locale],
        "paragraphs": [[[(TEXTS[locale]["people"][0], False)]], [[("10:00", False)], [("https://events.example/x", True)]]],
        "name": TEXTS[locale]["people"][0], "link": link,
        "login_url": "https://events.example/auth/login", "reset_url": "https://events.example/auth/reset",
        "hours": 24, "minutes": 30, "count": 3, "gateway": "TossPayments", "organizer": TEXTS[locale]["organization"], "code": "UNAUTHORIZED_KEY"} | changes
    return {name: everything[name] for name in mail.KINDS[kind]}


def qr_pictures(order):
    return [mail.Attachment(person.number, "image/png", qr.png(person.code)) for person in order.participants]
