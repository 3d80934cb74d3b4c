"""What the bench's installation is filled with: the demo, and an organisation with room for every journey.

`python -m tests.bench.world` fills an empty database; `python -m tests.bench.world orders 500` places that many free orders,
whose letters then wait in the outbox; `… applicants bench-one 10000` makes an organisation in which so many wait for approval.
"""
import secrets
import subprocess
import sys

from eventapp import clock, create_app
from eventapp.domain import connecting_gateways
from eventapp.domain.ordering import Participant
from eventapp.extensions import db
from eventapp.supervisor import __main__ as supervising
from tests import make
from tests.bench.house import CLIENT_KEY, PORTONE_STORE, SECRET_KEY, STRIPE_KEY
from tests.make import both
from tests.world import CONSENTS, FIELDS

ORGANISATION = "bench"
PLENTY = 1_000_000
RUSHES, PLACES = 10, 50


def build() -> None:
    make.organization(ORGANISATION, both("벤치", "Bench"), plan="enterprise", bank_account={
        "bank": "kb", "number": "123456-04-567890", "holder": "벤치"})
    connecting_gateways.connect_account("toss", mode="test", client_key=CLIENT_KEY, secret_key=SECRET_KEY)
    keys = supervising.SANDBOX_KEYS
    portone = connecting_gateways.connect_account(
        "portone", mode="test", client_key=PORTONE_STORE, secret_key=f"portone_test_{PORTONE_STORE.removeprefix('store-')}",
        webhook_secret=keys["PORTONE_WEBHOOK_SECRET"], for_all_events=False,
        public={"store_id": PORTONE_STORE, "channel_key": f"channel-key-{PORTONE_STORE.removeprefix('store-')}-manual", "approval": "manual"})
    stripe = connecting_gateways.connect_account(
        "stripe", mode="test", client_key=STRIPE_KEY, secret_key=f"sk_test_{STRIPE_KEY.removeprefix('pk_test_')}",
        webhook_secret=f"whsec_{STRIPE_KEY.removeprefix('pk_test_')}", for_all_events=False)
    conference()
    conference("by-portone", "PORT", gateway_account_id=portone.id, methods=["card"])
    conference("by-stripe", "STRP", gateway_account_id=stripe.id, methods=["card"])
    for number in range(RUSHES):
        rush(number)
    db.session.commit()


def conference(slug: str = "conference", code: str = "BENCH", **values) -> None:
    """As `tests.world.conference`, but with room: four programs, six questions, a consent."""
    event = make.event(slug, both("세계선교대회", "World Mission Conference"), code, **values,
                       venue={"name": both("서울 컨벤션홀", "Seoul Convention Hall"), "address": both("서울시 종로구 1", "1 Jongno, Seoul")})
    soon = (clock.now().replace(year=clock.now().year + 1)).isoformat()
    main = make.program(event, "main-conference", [{"name": both("조기 등록", "Early bird"), "price": 100_000, "until": soon},
                                                   {"name": {}, "price": 120_000, "until": None}],
                        capacity=PLENTY, position=1, name=both("본 대회", "Main conference"))
    make.program(event, "workshop", 30_000, capacity=PLENTY, position=2, kind="workshop", requires_id=main.id,
                 name=both("찬양 워크숍", "Worship workshop"))
    make.program(event, "lodging", 25_000, capacity=PLENTY, position=3, kind="lodging", maximum=3, minimum=0, name=both("숙박", "Lodging"))
    make.program(event, "free-day", 0, capacity=PLENTY, position=4, name=both("무료 하루 참가", "Free day visit"))
    make.form(event, FIELDS, CONSENTS)


def rush(number: int) -> None:
    """Free, fifty places."""
    event = make.event(f"rush-{number}", both("선착순 모임", "First come"), f"RUSH{number}", methods=[])
    make.program(event, "seat", 0, capacity=PLACES, name=both("자리", "Seat"))
    make.form(event, FIELDS[:2])


def orders(count: int) -> None:
    """Free orders by the hand that the form uses, each with a letter to be sent."""
    from sqlalchemy import select

    from eventapp import tenancy
    from eventapp.models import Directory, Event

    tenancy.enter(db.session.scalar(select(Directory.org_id).where(Directory.slug == ORGANISATION)))
    event = db.session.scalar(select(Event).where(Event.slug == "conference"))
    for _ in range(count):
        person = Participant(name="김하나", email=f"{secrets.token_hex(8)}@example.com", chosen={"free-day": 1})
        make.order(event, person, method="free")
    db.session.commit()


def checkouts(count: int) -> None:
    """Orders that begin to be paid; prints for each, as JSON, what its payment page would: the window's parameters, and where the
    buyer's own page is."""
    import json
    import random

    from flask import current_app, url_for
    from sqlalchemy import select

    from eventapp import tenancy
    from eventapp.blueprints.public.payment import addresses
    from eventapp.domain import paying, ticketing
    from eventapp.models import Directory, Event

    with current_app.test_request_context(f"/{ORGANISATION}/", base_url=current_app.config["SETTINGS"].platform_url):
        tenancy.enter(db.session.scalar(select(Directory.org_id).where(Directory.slug == ORGANISATION)))
        events = [db.session.scalar(select(Event).where(Event.slug == slug)) for slug in ("conference", "by-portone", "by-stripe")]
        made = []
        for _ in range(count):
            event = random.choices(events, (60, 20, 20))[0]  # noqa: S311
            person = Participant(name="김하나", email=f"{secrets.token_hex(8)}@example.com", chosen={"main-conference": 1})
            method = random.choices(("card", "bank_transfer", "virtual_account"), (70, 10, 20))[0] if event is events[0] else "card"  # noqa: S311
            payment = paying.current(make.order(event, person, method=method))
            order = payment.order
            paying.open_window(payment, *addresses(payment))
            params = paying.checkout(payment, *addresses(payment)).params
            made.append({"provider": payment.provider, "ref": payment.gateway_order_id, "method": method,
                         "request": params.get("request"), "customer_key": params.get("customerKey"), "fail": addresses(payment)[1],
                         "page": url_for("public.order.show", org=ORGANISATION, event=event.slug, token=ticketing.order_token(order))})
        db.session.commit()
    for each in made:
        print(json.dumps(each))


APPLICANTS = (
    """INSERT INTO orders (event_id, submission, token_version, name, email, phone, locale, currency, total, method, answers,
                           form_version, browser, created_at)
       SELECT :event_id, 'applicant-' || n, 1, '지원자 ' || n, 'applicant' || n || '@example.com', '', 'ko', 'KRW', 50000, 'card', '{}',
              1, '', now() FROM generate_series(1, CAST(:count AS int)) AS n""",
    """INSERT INTO registrations (order_id, event_id, position, code, status, name, email, phone, locale, answers, tags,
                                  ticket_version, status_reason, created_at)
       SELECT id, event_id, 1, 'SEL', 'pending_approval', name, email, '', 'ko', '{}', '{}', 1, '', created_at
       FROM orders WHERE event_id = :event_id""",
    """INSERT INTO line_items (registration_id, program_id, name, tier, quantity, unit_price, created_at)
       SELECT id, :program_id, '{"ko": "자리", "en": "Seat"}', '{}', 1, 50000, created_at FROM registrations WHERE event_id = :event_id""",
)


def applicants(slug: str, count: int) -> None:
    """An organisation with an owner and an event of which so many wait to be approved, and will then have to pay."""
    from sqlalchemy import text

    organization = make.organization(slug, both("심사", "Selection"), plan="enterprise")
    make.member(organization, make.user(f"owner@{slug}.example"), "ORG_OWNER")
    event = make.event("selection", both("심사하는 모임", "Selection"), "SEL", approval="before_payment", methods=["card"])
    program = make.program(event, "seat", 50_000, capacity=PLENTY, name=both("자리", "Seat"))
    make.form(event)
    for statement in APPLICANTS:
        db.session.execute(text(statement), {"event_id": event.id, "program_id": program.id, "count": count})
    db.session.commit()


if __name__ == "__main__":
    app = create_app()
    if len(sys.argv) == 1:
        subprocess.run([sys.executable, "-m", "flask", "--app", "wsgi", "demo"], check=True)
    with app.app_context():
        match sys.argv[1:]:
            case ["orders", count]:
                orders(int(count))
            case ["checkouts", count]:
                checkouts(int(count))
            case ["applicants", slug, count]:
                applicants(slug, int(count))
            case _:
                build()
