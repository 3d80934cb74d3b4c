"""The demo's registrations in all states, with the money and the history that each state implies."""
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from sqlalchemy import insert, select

from eventapp.demo.people import PARTICIPANT, PRAYERS, People, Person
from eventapp.domain import ordering, paying, pricing, registering
from eventapp.extensions import db
from eventapp.models import (
    AuditLog,
    CheckIn,
    Checkpoint,
    Consent,
    Event,
    LedgerEntry,
    LineItem,
    Order,
    Organization,
    Participation,
    Payment,
    PaymentRoute,
    Program,
    Refund,
    Registration,
    Status,
    User,
)

PARTICIPANT_EMAIL = "participant@seoul-ubf.example"


@dataclass(frozen=True)
class Kind:
    """How a story ended. `money`: none, owed, paid, released or refunded."""

    status: str
    method: str
    money: str
    asked: bool = False
    """Chose what needs approval."""
    least: timedelta = timedelta()
    most: timedelta = timedelta(days=60)
    """How long ago it began."""


HOUR, DAY = timedelta(hours=1), timedelta(days=1)
KINDS = {
    "card": Kind(Status.CONFIRMED, "card", "paid", least=HOUR),
    "account": Kind(Status.CONFIRMED, "virtual_account", "paid", least=DAY),
    "transfer": Kind(Status.CONFIRMED, "manual_transfer", "paid", least=3 * DAY),
    "approved": Kind(Status.CONFIRMED, "card", "paid", asked=True, least=4 * DAY),
    "waiting": Kind(Status.PENDING_PAYMENT, "manual_transfer", "owed", least=HOUR, most=40 * HOUR),
    "asked": Kind(Status.PENDING_APPROVAL, "card", "none", asked=True, least=HOUR, most=6 * DAY),
    "rejected": Kind(Status.REJECTED, "card", "none", asked=True, least=3 * DAY),
    "expired": Kind(Status.EXPIRED, "manual_transfer", "released", least=5 * DAY),
    "given_up": Kind(Status.CANCELLED, "manual_transfer", "released", least=2 * DAY),
    "refunded": Kind(Status.CANCELLED, "card", "refunded", least=4 * DAY),
    "free": Kind(Status.CONFIRMED, "free", "none", least=HOUR),
}
# (kind, participants in the order, how many such orders); the participant with an account has the first of each `mine`.
PLANS = {
    "wmc-2026": ([("card", 1, 90), ("card", 2, 12), ("account", 1, 22), ("transfer", 1, 18), ("transfer", 24, 1), ("account", 14, 1),
                  ("card", 8, 1), ("approved", 1, 8), ("waiting", 1, 16), ("waiting", 10, 1), ("asked", 1, 16), ("asked", 4, 1),
                  ("rejected", 1, 8), ("expired", 1, 14), ("given_up", 1, 8), ("refunded", 1, 12), ("refunded", 2, 2)], "card"),
    "leaders-retreat": ([("transfer", 1, 11), ("waiting", 1, 5), ("expired", 1, 2)], "waiting"),
    "summer-retreat": ([("card", 1, 60), ("card", 3, 4), ("transfer", 1, 25), ("refunded", 1, 4)], "card"),
    "build-night": ([("free", 1, 14), ("asked", 1, 9), ("rejected", 1, 3)], None),
    "open-lecture": ([("free", 1, 64), ("free", 3, 4)], None),
    "alumni-evening": ([("card", 1, 22), ("card", 2, 9), ("account", 1, 6), ("transfer", 1, 5), ("waiting", 1, 3), ("refunded", 1, 2)], None),
    "international-school": ([("card", 1, 9), ("card", 2, 1), ("refunded", 1, 1)], None),
}
ABROAD = {"wmc-2026": 0.4, "summer-retreat": 0.4, "build-night": 0.12, "open-lecture": 0.1, "international-school": 1}
TAGS = ("volunteer", "choir", "interpreter", "speaker")
NOTES = ("전화로 도착 시각 확인함", "단체 버스 2호차", "영수증 요청", "Asked for a room on the ground floor", "Will pay the rest at the desk")
FLAGS = ("휠체어 안내", "VIP", "이름표 다시 확인", "Needs a receiver")


@dataclass
class Story:
    """One order on its way into the tables."""

    kind: Kind
    people: list[Person]
    chosen: list[dict[str, int]]
    sold: list[list[pricing.Line]]
    begun: datetime
    ended: datetime
    user_id: int | None = None
    order_id: int = 0
    registration_ids: tuple = ()
    payment_id: int | None = None

    @property
    def total(self) -> int:
        return pricing.total(self.sold)


def register(event: Event, now: datetime) -> None:
    offer, random = ordering.offer(event), Random(event.slug)
    stories = tell(event, offer, random, now)
    write_orders(event, offer, stories, random)
    write_money(event, offer, stories)
    write_history(stories)
    if event.slug in ("wmc-2026", "summer-retreat"):
        check_in(event, stories, random, now)


# -- making it up ----------------------------------------------------------------------------------

def tell(event, offer, random, now) -> list[Story]:
    plan, mine = PLANS[event.slug]
    # One crowd for both of Seoul's large events: a good part of it comes again.
    people = People(1 if event.slug in ("wmc-2026", "summer-retreat") else len(event.slug), abroad=ABROAD.get(event.slug, 0.2))
    participant = db.session.scalar(select(User).where(User.email == PARTICIPANT_EMAIL)) if mine else None
    latest = min(now, event.starts_at - 3 * DAY)
    stories = []
    for name, size, count in plan:
        for number in range(count):
            party = [people.next() for _ in range(size)]
            is_mine = participant and name == mine and size == 1 and number == 0
            if is_mine:
                party = [Person(PARTICIPANT, PARTICIPANT_EMAIL, "+821030245716", "ko", "종로 지부", "KR")]
            story = begin(KINDS[name], party, offer, random, latest)
            story.user_id = participant.id if is_mine else None
            stories.append(story)
    return sorted(stories, key=lambda story: story.begun)


def begin(kind, party, offer, random, latest) -> Story:
    # More and more of them as the event comes closer.
    ago = kind.least + (kind.most - kind.least) * random.random() ** 1.4
    begun = latest - ago
    takes = {"card": timedelta(minutes=random.randrange(1, 6)), "virtual_account": HOUR * random.uniform(0.3, 20),
             "manual_transfer": HOUR * random.uniform(4, 60), "free": timedelta(seconds=2)}[kind.method]
    if kind.money == "refunded" or kind.asked:
        takes += DAY * random.uniform(0.5, 2.5)
    chosen = [choose(kind, offer, random) for _ in party]
    return Story(kind, party, chosen, [pricing.lines(offer.programs, each, begun) for each in chosen], begun, begun + takes)


def choose(kind, offer, random) -> dict[str, int]:
    """The admission, and at the conference what a person may want besides."""
    first, *others = offer.programs
    chosen = {first: 1}
    if not others:
        return chosen
    if kind.asked:
        chosen["leaders-forum"] = 1
    elif random.random() < 0.12:
        chosen["campus-workshop"] = 1
    if random.random() < 0.55:
        chosen["lodging-twin" if random.random() < 0.2 else "lodging"] = 1
    if random.random() < 0.6:
        chosen["meals"] = random.randrange(2, 10)
    return chosen


def answers(offer, person, random) -> dict:
    if offer.event.slug == "build-night":
        return {"why": random.choice(("주말마다 만드는 가계부 앱이 있습니다.", "회사에서 쓰는 배포 도구를 공개하려고 해요.", "A tide table for surfers."))}
    if offer.event.slug != "wmc-2026":
        return {}
    given = {"church": person.church, "years": random.randrange(6)}
    if person.country != "KR":
        given |= {"arrival": "flight", "flight": f"KE{random.randrange(10, 990):03}"}
    elif random.random() < 0.8:
        given["arrival"] = random.choice(("train", "bus", "car"))
    if random.random() < 0.25:
        given["needs"] = [random.choice(("vegetarian", "halal", "wheelchair", "interpreting", "childcare"))]
    if random.random() < 0.2:
        given["prayer"] = random.choice(PRAYERS[person.locale])
    return given


# -- rows ------------------------------------------------------------------------------------------

def write(model, rows: list[dict], *returning) -> list:
    """One statement for all of them."""
    if not rows:
        return []
    return db.session.execute(insert(model).values(rows).returning(*returning or (model.id,))).all()


def write_orders(event, offer, stories, random) -> None:
    by_submission = {f"demo-{event.slug}-{number}": story for number, story in enumerate(stories)}
    for order_id, submission in write(Order, [
            {"event_id": event.id, "submission": submission, "name": story.people[0].name, "email": story.people[0].email,
             "phone": story.people[0].phone, "locale": story.people[0].locale, "currency": event.currency, "total": story.total,
             "method": story.kind.method if story.total else "free", "form_version": offer.form.version, "user_id": story.user_id,
             "answers": {"delegation": story.people[0].church} if len(story.people) > 4 else {}, "created_at": story.begun}
            for submission, story in by_submission.items()], Order.id, Order.submission):
        by_submission[submission].order_id = order_id
    rows = [registration(event, offer, story, position, person, random)
            for story in stories for position, person in enumerate(story.people, start=1)]
    ids = {(order_id, position): id_ for id_, order_id, position in write(
        Registration, rows, Registration.id, Registration.order_id, Registration.position)}
    for story in stories:
        story.registration_ids = tuple(ids[story.order_id, position] for position in range(1, len(story.people) + 1))
    write_lines(offer, stories)
    write_consents(offer, stories, random)
    write(Participation, [{"user_id": story.user_id, "org_id": event.org_id, "order_id": story.order_id, "created_at": story.begun}
                          for story in stories if story.user_id], Participation.order_id)


def registration(event, offer, story, position, person, random) -> dict:
    kind, cancelled = story.kind, story.kind.status == Status.CANCELLED
    return {"order_id": story.order_id, "event_id": event.id, "position": position, "code": event.code, "status": kind.status,
            "name": person.name, "email": person.email, "phone": person.phone, "locale": person.locale, "created_at": story.begun,
            "answers": answers(offer, person, random), "note": random.choice(NOTES) if random.random() < 0.06 else "",
            "flag": random.choice(FLAGS) if random.random() < 0.03 else "", "tags": [random.choice(TAGS)] if random.random() < 0.08 else [],
            "paid_at": story.ended if kind.money == "paid" and story.total else None,
            "confirmed_at": story.ended if kind.status == Status.CONFIRMED else None,
            "ticket_version": 2 if cancelled else 1, "status_reason": "cancelled by the buyer" if cancelled else ""}


def write_lines(offer, stories) -> None:
    write(LineItem, [
        {"registration_id": registration_id, "program_id": line.program.id, "name": line.program.name, "tier": line.tier,
         "quantity": line.quantity, "unit_price": line.unit_price, "tax_free": offer.is_tax_free(line.program), "created_at": story.begun}
        for story in stories for registration_id, lines in zip(story.registration_ids, story.sold) for line in lines])


def write_consents(offer, stories, random) -> None:
    hashes = {(consent["key"], locale): hashlib.sha256(consent["text"][locale].encode()).hexdigest()
              for consent in offer.form.consents for locale in ("ko", "en")}
    write(Consent, [
        {"registration_id": registration_id, "key": consent["key"], "purpose": consent["purpose"], "version": consent["version"],
         "text_hash": hashes[consent["key"], person.locale], "given": random.random() < 0.6, "created_at": story.begun}
        for story in stories for registration_id, person in zip(story.registration_ids, story.people) for consent in offer.form.consents])


def write_money(event, offer, stories) -> None:
    """The payment as it stands, and every movement in the ledger, as `domain/ledger.py` would have written it."""
    owing = {story.order_id: story for story in stories if story.total and story.kind.money != "none"}
    account, own = paying.account_for(event, "card"), db.session.get(Organization, event.org_id).bank_account
    for payment_id, order_id in write(Payment, [payment(event, offer, story, account, own) for story in owing.values()],
                                      Payment.id, Payment.order_id):
        owing[order_id].payment_id = payment_id
    write(PaymentRoute, [{"key": f"order:{reference(story)}", "org_id": event.org_id, "id": story.payment_id} for story in owing.values()])
    write(Refund, [{"payment_id": story.payment_id, "amount": story.total, "reason": "cancelled by the buyer", "state": "done",
                    "transaction_key": f"{reference(story)}-back", "done_at": story.ended, "created_at": story.ended}
                   for story in owing.values() if story.kind.money == "refunded"])
    write(LedgerEntry, [entry for story in owing.values() for entry in movements(event, story)])
    for story in owing.values():
        if story.kind.money == "owed":
            registering.hold(db.session.get(Order, story.order_id), due(story))


def reference(story) -> str:
    return f"ev_demo_{story.order_id}"


def due(story) -> datetime:
    return (story.begun + timedelta(days=3)).replace(microsecond=0)


def payment(event, offer, story, account, own) -> dict:
    by_hand, money = story.kind.method == "manual_transfer", story.kind.money
    status = {"paid": "paid", "owed": "awaiting_deposit", "refunded": "refunded"}.get(
        money, "expired" if story.kind.status == Status.EXPIRED else "voided")
    virtual = {"bank": "shinhan", "number": f"X562{story.order_id:010}", "holder": story.people[0].name}
    return {
        "order_id": story.order_id, "account_id": account.id if account and not by_hand else None,
        "provider": "manual" if by_hand else account.provider if account else "toss", "method": story.kind.method, "gateway_order_id": reference(story),
        "gateway_key": None if by_hand else f"tdemo_{story.order_id}", "amount": story.total, "currency": event.currency,
        "tax_free": sum(line.amount for lines in story.sold for line in lines if offer.is_tax_free(line.program)), "status": status, "balance": story.total if money == "paid" else 0,
        "virtual_account": own if by_hand else virtual if story.kind.method == "virtual_account" else None,
        "due_at": due(story) if story.kind.method != "card" else None, "checked_at": story.ended, "created_at": story.begun,
        "approved_at": story.ended if money in ("paid", "refunded") else None}


def movements(event, story) -> list[dict]:
    """`released`: what was sold and is owed no more; nobody owes what was given back."""
    till = "bank" if story.kind.method == "manual_transfer" else "gateway"
    money, paid_at = story.kind.money, story.begun + (story.ended - story.begun) / 4
    rows = [("charged", "placed", "receivable", "sales", story.begun, None)]
    if money in ("paid", "refunded"):
        rows.append(("paid", f"{reference(story)} 1", till, "receivable", story.ended if money == "paid" else paid_at, story.payment_id))
    if money in ("released", "refunded"):
        key = "expired 0" if story.kind.status == Status.EXPIRED else f"cancelled:{story.registration_ids[0]} 0"
        rows.append(("released", key, "sales", "receivable", story.ended, None))
    if money == "refunded":
        rows.append(("refunded", f"{reference(story)}-back", "receivable", till, story.ended, story.payment_id))
    return [{"order_id": story.order_id, "payment_id": payment_id, "kind": kind, "transaction_key": key, "debit": debit,
             "credit": credit, "amount": story.total, "currency": event.currency, "created_at": at}
            for kind, key, debit, credit, at, payment_id in rows]


ACTIONS = {Status.CONFIRMED: "registration.confirmed", Status.EXPIRED: "registration.expired",
           Status.CANCELLED: "registration.cancelled", Status.REJECTED: "registration.rejected"}


def write_history(stories) -> None:
    rows = []
    for story in stories:
        buyer = {"actor_kind": "buyer", "actor_id": story.order_id, "address": "", "request_id": ""}
        system = buyer | {"actor_kind": "system", "actor_id": None}
        rows.append(buyer | {"action": "order.placed", "object_kind": "order", "object_id": story.order_id, "created_at": story.begun,
                             "after": {"total": story.total, "method": story.kind.method, "participants": len(story.people)}})
        if story.kind.status in ACTIONS:
            rows += [system | {"action": ACTIONS[story.kind.status], "object_kind": "registration", "object_id": registration_id,
                               "created_at": story.ended, "after": {"status": story.kind.status}} for registration_id in story.registration_ids]
    write(AuditLog, rows)


def check_in(event, stories, random, now) -> None:
    """At the door of what is past; before the conference, at one of its weekly evenings of preparation."""
    past, rows, at = event.starts_at < now, [], checkpoints(event)
    evenings = [now.replace(hour=11, minute=0, second=0, microsecond=0) - timedelta(days=7 * weeks + 2) for weeks in range(8)]
    for story in stories:
        for registration_id in story.registration_ids if story.kind.status == Status.CONFIRMED else ():
            after = [evening for evening in evenings if evening > story.ended]
            if past and random.random() < 0.93:
                rows.append(entry(registration_id, at["entry"], event.starts_at + timedelta(minutes=random.gauss(-20, 25))))
            elif not past and after and random.random() < 0.5:
                rows.append(entry(registration_id, at["orientation"], random.choice(after) + timedelta(minutes=random.gauss(0, 8))))
    write(CheckIn, rows)


def checkpoints(event) -> dict[str, int]:
    """The event's checkpoints by their codes."""
    programs = dict(db.session.execute(select(Program.code, Program.id).where(Program.event_id == event.id)).all())
    rows = [{"event_id": event.id, "position": position, "created_at": event.created_at, "program_id": programs.get(of), "code": code,
             "kind": kind, "name": name, "times": times, "per": per}
            for position, (code, kind, name, of, times, per) in enumerate(CHECKPOINTS, start=1) if not of or of in programs]
    write(Checkpoint, rows)
    return dict(db.session.execute(select(Checkpoint.code, Checkpoint.id).where(Checkpoint.event_id == event.id)).all())


# Beside the entrance: (code, kind, name, only for this program, how often, in what)
CHECKPOINTS = (
    ("day", "day", {"ko": "날마다 출석", "en": "Each day"}, "", 1, "day"),
    ("orientation", "session", {"ko": "준비 모임", "en": "Evening of preparation"}, "", 1, "event"),
    ("workshop", "session", {"ko": "캠퍼스 사역 워크숍", "en": "Campus ministry workshop"}, "campus-workshop", 1, "event"),
    ("meals", "meal", {"ko": "식당", "en": "Dining hall"}, "meals", 3, "day"),
)


def entry(registration_id: int, checkpoint_id: int, at) -> dict:
    return {"registration_id": registration_id, "checkpoint_id": checkpoint_id, "at": at, "created_at": at, "gate": "Gate A",
            "nonce": f"demo-{checkpoint_id}-{registration_id}"}
