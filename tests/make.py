"""Short ways to make rows for a test, with what every row needs filled in."""
import secrets
from datetime import timedelta
from functools import cache

from eventapp import clock, tenancy
from eventapp.domain import checking_in, ordering, passwords, ticketing
from eventapp.domain.ordering import Participant, Submission
from eventapp.extensions import db
from eventapp.models import (
    Directory,
    Event,
    FormVersion,
    Membership,
    Organization,
    Program,
    Quota,
    QuotaProgram,
    User,
)

PASSWORD = "demo-password"


def both(ko: str, en: str) -> dict:
    return {"ko": ko, "en": en}


@cache
def password_hash() -> str:
    """One for everybody: it costs a quarter of a second."""
    return passwords.keep(PASSWORD)


def user(email: str, name: str = "", **values) -> User:
    made = User(email=email, name=name or email.split("@")[0].title(), password_hash=password_hash(),
                email_verified_at=clock.now(), **values)
    db.session.add(made)
    db.session.flush()
    return made


def organization(slug: str, name: dict, **values) -> Organization:
    directory = Directory(slug=slug, name=name, locale="ko")
    db.session.add(directory)
    db.session.flush()
    tenancy.enter(directory.org_id)
    made = Organization(org_id=directory.org_id, email=f"hello@{slug}.example", **values)
    db.session.add(made)
    db.session.flush()
    return made


def member(organization: Organization, person: User, role: str, **values) -> Membership:
    made = Membership(org_id=organization.org_id, user_id=person.id, role=role, **values)
    db.session.add(made)
    return made


def event(slug: str, title: dict, code: str = "EVT", **values) -> Event:
    now = clock.now()
    defaults = dict(starts_at=now + timedelta(days=60), ends_at=now + timedelta(days=63), timezone="Asia/Seoul", status="published",
                    methods=["card", "bank_transfer", "virtual_account", "manual_transfer"],
                    cancellable_until=now + timedelta(days=50))
    made = Event(slug=slug, title=title, code=code, **(defaults | values))
    db.session.add(made)
    db.session.flush()
    ticketing.give_keys(made)
    checking_in.make_entrance(made)
    return made


def program(event: Event, code: str, price: int | list, capacity: int | None = None, **values) -> Program:
    """`price` is an amount, or the list of tiers."""
    tiers = price if isinstance(price, list) else [{"name": {}, "price": price, "until": None}]
    made = Program(event_id=event.id, code=code, name=values.pop("name", both(code, code.replace("-", " ").capitalize())),
                   tiers=tiers, **values)
    db.session.add(made)
    db.session.flush()
    if capacity is not None:
        quota(event, capacity, made)
    return made


def quota(event: Event, capacity: int, *programs: Program, whole_event: bool = False) -> Quota:
    made = Quota(event_id=event.id, capacity=capacity, whole_event=whole_event)
    db.session.add(made)
    db.session.flush()
    db.session.add_all(QuotaProgram(quota_id=made.id, program_id=one.id) for one in programs)
    db.session.flush()
    return made


def form(event: Event, fields=(), consents=(), version: int = 1) -> FormVersion:
    made = FormVersion(event_id=event.id, version=version, fields=list(fields), consents=list(consents),
                       notice=both("등록에 필요한 정보만 받습니다.", "We ask only for what registering needs."))
    db.session.add(made)
    db.session.flush()
    return made


def submission(*participants: Participant, method: str = "card", **values) -> Submission:
    people = list(participants) or [Participant(name="김하나", email="hana@example.com", chosen={"main-conference": 1})]
    return Submission(id=secrets.token_urlsafe(24), participants=people, method=method,
                      **({"locale": "ko", "browser": secrets.token_hex(8)} | values))


def order(event: Event, *participants: Participant, method: str = "card", **values):
    """An order as the form would place it (not committed)."""
    from eventapp import config

    return ordering.place(ordering.offer(event), submission(*participants, method=method, **values), config.active())
