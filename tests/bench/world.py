"""What the bench's installation is filled with: the demo, and an organisation with room for every journey.

`python -m tests.bench.world` fills an empty database; `python -m tests.bench.world orders 500` places that many free orders,
whose letters then wait in the outbox.
"""
import secrets
import subprocess
import sys

from eventapp import clock, create_app
from eventapp.domain import paying
from eventapp.domain.ordering import Participant
from eventapp.extensions import db
from tests import make
from tests.bench.house import CLIENT_KEY, SECRET_KEY
from tests.make import both
from tests.world import CONSENTS, FIELDS

ORGANISATION = "bench"
PLENTY = 1_000_000
RUSHES, PLACES = 10, 50


def build() -> None:
    organization = make.organization(ORGANISATION, both("벤치", "Bench"), plan="enterprise", bank_account={
        "bank": "kb", "number": "123456-04-567890", "holder": "벤치"})
    paying.connect_account("toss", mode="test", client_key=CLIENT_KEY, secret_key=SECRET_KEY)
    conference(organization)
    for number in range(RUSHES):
        rush(number)
    db.session.commit()


def conference(organization) -> None:
    """As `tests.world.conference`, but with room: four programs, six questions, a consent."""
    event = make.event("conference", both("세계선교대회", "World Mission Conference"), "BENCH",
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


if __name__ == "__main__":
    app = create_app()
    if len(sys.argv) == 1:
        subprocess.run([sys.executable, "-m", "flask", "--app", "wsgi", "demo"], check=True)
    with app.app_context():
        orders(int(sys.argv[2])) if sys.argv[1:2] == ["orders"] else build()
