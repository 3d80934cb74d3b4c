"""The demo, served at a moment that never changes, with one order and one event for each state that a page can show."""
import secrets
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Thread
from unittest.mock import patch

from flask import request
from sqlalchemy import select
from werkzeug.serving import make_server

from eventapp import clock, config, demo, mail, tenancy
from eventapp.domain import attempts, paying, registering, ticketing
from eventapp.domain.ordering import Participant
from eventapp.extensions import db
from eventapp.languages import force_locale
from eventapp.mail import mailbox
from eventapp.models import Directory, Event, Order, Registration, Status
from eventapp.tickets import pdf
from eventapp.web import errors
from eventapp.web.urls import sign
from tests import make, specimens
from tests.live import Quiet
from tests.make import both
from tests.pictures import money_stage, staff_stage

NOW = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
"""Half past ten in the morning in Seoul: with the clock standing still the pictures of two runs can be compared."""
SLUG = "hanmaum"
LONG_TITLE = both(
    "제37회 전국 청년 대학생 캠퍼스 선교 대회와 지역 교회 지도자를 위한 세미나, 그리고 해외에서 온 손님들과 함께하는 저녁 음악회 "
    "(참가자 전원에게 자료집과 기념품을 드리며, 멀리서 오시는 분들을 위해 셔틀버스를 운행합니다: 서울역, 용산역, 청량리역 출발, 오전 여덟 시)",
    "The thirty-seventh national campus mission conference for students and young adults, with a seminar for leaders of local "
    "churches and an evening of music with guests from abroad (shuttle buses leave from three stations)")


@dataclass
class Stage:
    """`url` of the platform's host. `orders`: state → Order; `cookies`: state → value of the cookie of that order."""

    url: str
    orders: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    letters: dict[tuple[str, str], str] = field(default_factory=dict)
    cancel: str = ""
    """Where the participant cancels one of their own registrations."""
    staff: dict[str, str] = field(default_factory=dict)
    """What the staff's scenes have to know: addresses, codes, numbers."""
    money: dict[str, str] = field(default_factory=dict)
    """What is to be seen of payments and refunds → its address."""
    papers: dict = field(default_factory=dict)
    """Receipts, notes and statements: (kind, language) → what is printed."""


@contextmanager
def stage(app):
    """Serve `app`, whose database has its tables and nothing else."""
    original = app.config["SETTINGS"]
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    # No gateway listens there: the camera brings a still stand-in for its script.
    changed = replace(original, port=server.server_port, rate_limit_scale=0, toss_client_key="test_ck_demo0000000001",
                      toss_secret_key="test_sk_demo0000000001", toss_api_url="http://127.0.0.1:9/toss",
                      toss_sdk_url=f"http://localhost:{server.server_port}/stand-in/v2/standard",
                      portone_sdk_url=f"http://localhost:{server.server_port}/stand-in/portone.js")
    app.config["SETTINGS"] = changed
    config.activate(changed)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    hooks = app.before_request_funcs[None]
    hooks.append(show_error)
    with patch.object(clock, "now", lambda: NOW):
        try:
            made = Stage(f"http://localhost:{server.server_port}")
            with app.app_context():
                furnish(app, changed, made)
                db.session.remove()
            thread.start()
            yield made
            server.shutdown()
            thread.join(10)
        finally:
            server.server_close()
            hooks.remove(show_error)
            app.config["SETTINGS"] = original
            config.activate(original)
            pdf.stop()


def show_error():
    """`/dev/ui?status=503`: an error's page, without the error."""
    if request.path == "/dev/ui" and "status" in request.args:
        return errors.answer(request.args.get("status", type=int))


def furnish(app, settings, made: Stage) -> None:
    demo.load(settings)
    tenancy.enter(db.session.scalar(select(Directory.org_id).where(Directory.slug == "seoul-ubf")))
    orders = found_orders() | new_orders()
    db.session.commit()
    with app.test_request_context("/"):
        for state, order in orders.items():
            event = db.session.get(Event, order.event_id)
            made.orders[state] = f"/seoul-ubf/{event.slug}/orders/{ticketing.order_token(order)}"
            made.cookies[state] = sign("order", [order.org_id, order.id])
            payment = paying.current(order)
            made.references[state] = payment and sign("payment", [payment.org_id, payment.id])
    made.cancel = f"/account/registrations/seoul-ubf/{own_registration().number}/cancel"
    waiting = db.session.scalar(select(Directory.org_id).where(Directory.slug == "busan-meetup"))
    tenancy.enter(waiting)
    order = db.session.scalars(select(Order).join(Registration, Registration.order_id == Order.id)
                               .where(Registration.status == Status.PENDING_APPROVAL).order_by(Order.id)).first()
    with app.test_request_context("/"):
        made.orders["approval"] = f"/busan-meetup/build-night/orders/{ticketing.order_token(order)}"
        made.cookies["approval"] = sign("order", [order.org_id, order.id])
    events_in_every_state()
    db.session.commit()
    with app.test_request_context("/"):
        staff_stage.furnish(made, NOW)
        money_stage.furnish(made, NOW)
    made.letters = write_letters(settings)


# -- orders ------------------------------------------------------------------------------------------------

def found_orders() -> dict[str, Order]:
    """Of the demo's."""
    event = db.session.scalar(select(Event).where(Event.slug == "wmc-2026"))

    def first(status, method, people=1):
        rows = db.session.scalars(select(Order).where(Order.event_id == event.id, Order.method == method).order_by(Order.id))
        return next(order for order in rows if {one.status for one in registering.of_order(order)} == {status}
                    and len(registering.of_order(order)) == people)

    return {"confirmed": first(Status.CONFIRMED, "card"), "eight": first(Status.CONFIRMED, "card", 8),
            "owing": first(Status.PENDING_PAYMENT, "manual_transfer"), "cancelled": first(Status.CANCELLED, "card"),
            "expired": first(Status.EXPIRED, "manual_transfer")}


def new_orders() -> dict[str, Order]:
    event = db.session.scalar(select(Event).where(Event.slug == "wmc-2026"))

    def place(method="card"):
        person = Participant(name="김하나", email=f"hana.kim.{secrets.token_hex(2)}@example.com", phone="010-2345-6789",
                             chosen={"main-conference": 1, "lodging": 1, "meals": 6})
        order = make.order(event, person, method=method)
        order.created_at = NOW
        return order

    card, checking, account, failed = place(), place(), place("virtual_account"), place()
    attempts.prepare(paying.current(checking), "confirm", {})
    payment = paying.current(account)
    payment.status, payment.due_at = "awaiting_deposit", NOW + timedelta(days=3)
    payment.virtual_account = {"bank": "shinhan", "number": "X5620000001203", "holder": "김하나"}
    registering.hold(account, payment.due_at)
    return {"card": card, "checking": checking, "deposit": account, "failed": failed}


def own_registration() -> Registration:
    return db.session.scalars(select(Registration).join(Order, Order.id == Registration.order_id)
                              .where(Order.email == "participant@seoul-ubf.example", Registration.status == Status.CONFIRMED)
                              .order_by(Registration.id)).first()


# -- events ------------------------------------------------------------------------------------------------

def events_in_every_state() -> None:
    """In an organisation of their own, without colour, cover and business, and unlisted: the landing page is the demo's."""
    account = {"bank": "kb", "number": "123456-04-567890", "holder": "한마음아카데미"}
    organization = make.organization(SLUG, both("한마음 아카데미", "Hanmaum Academy"), plan="basic", bank_account=account)
    db.session.get(Directory, organization.org_id).created_at = organization.created_at = NOW
    day = timedelta(days=1)
    plain = {"visibility": "unlisted", "summary": both("주말 하루, 손으로 배우는 자리입니다.", "One Saturday, learning by hand."),
             "description": both("재료는 모두 준비해 드립니다. **편한 옷**을 입고 오세요.\n\n- 오전: 기초\n- 오후: 실습",
                                 "We bring the materials. Wear **comfortable clothes**.\n\n- Morning: basics\n- Afternoon: practice"),
             "venue": {"name": both("한마음 작업실", "Hanmaum Workshop"), "address": both("서울시 마포구 월드컵로 12", "12 Worldcup-ro, Mapo-gu, Seoul")},
             "starts_at": NOW + 19 * day, "ends_at": NOW + 19 * day + timedelta(hours=6)}
    for slug, title, left, changes in (
            ("scarce", both("가죽 공예 하루 교실", "Leather craft, one day"), 3, {}),
            ("sold-out", both("도자기 물레 체험", "An afternoon at the potter's wheel"), 0, {}),
            ("closed", both("천연 염색 교실", "Natural dyeing"), 5, {"registration_closes_at": NOW - day}),
            ("cancelled", both("목판화 교실", "Woodblock printing"), 5, {"status": "cancelled"}),
            ("not-yet", both("겨울 뜨개 모임", "Winter knitting circle"), 5, {"registration_opens_at": NOW + 3 * day})):
        event = make.event(slug, title, slug.upper().replace("-", "")[:5], **plain | changes)
        make.program(event, "seat", 45_000, 20, name=both("하루 참가", "The whole day"))
        make.form(event)
        fill(event, 20 - left)
    long_event(plain)


def fill(event: Event, people: int) -> None:
    """So many places are taken."""
    if event.registration_state(NOW) == "open":
        make.order(event, *(Participant(name=f"참가자 {number}", email=f"guest{number}@example.com", chosen={"seat": 1})
                            for number in range(people)), method="manual_transfer")


def long_event(plain: dict) -> None:
    """Everything that people write is longer than one thinks."""
    event = make.event("long", LONG_TITLE, "LONG", **plain | {
        "summary": LONG_TITLE, "venue": {"name": both("대한민국 국립 중앙 청소년 수련원 본관 대강당과 별관 세미나실",
                                                     "The main auditorium and annexe of the national youth training centre"),
                                        "address": both("강원특별자치도 평창군 대관령면 올림픽로 715-1234 국립 청소년 수련원 본관 3층 대강당",
                                                        "Third floor, 715-1234 Olympic-ro, Daegwallyeong-myeon, Pyeongchang-gun")},
        "description": both("아주긴주소https://example.com/" + "a" * 120, "Write to " + "x" * 60 + "@example.com or see https://example.com/" + "a" * 120)})
    title = LONG_TITLE["ko"][:60], LONG_TITLE["en"][:60]
    make.program(event, "everything", 1_250_000, 400, name=both(*title), description=LONG_TITLE)
    make.program(event, "child", [{"name": both("조기 등록 특별 할인 기간", "A special price for those who come early"), "price": 980_000,
                                   "until": (NOW + timedelta(days=2)).isoformat()}, {"name": {}, "price": 1_100_000, "until": None}],
                 name=both("어린이와 청소년", "Children and teenagers"), maximum=12, minimum=0, position=2)
    make.form(event, [{"key": "why", "type": "long_text", "required": True, "label": LONG_TITLE, "help": LONG_TITLE}],
              [{"key": "all", "purpose": "all", "required": True, "version": "1", "label": LONG_TITLE, "text": LONG_TITLE}])


# -- letters -----------------------------------------------------------------------------------------------

def write_letters(settings) -> dict[tuple[str, str], str]:
    """One of each kind in both languages, in the local mailbox: (kind, language) → its name there."""
    names = {}
    for kind in mail.KINDS:
        for locale in ("ko", "en"):
            values = specimens.values(kind, locale)
            people = [*(values["order"].participants if "order" in values else ()),
                      *([values["participant"]] if "participant" in values else ())]
            pictures = [mail.Attachment(one.number, "image/png", specimens.qr.png(one.code)) for one in people]
            message = mail.message(mail.render(kind, locale, **values), f"{kind}.{locale}@example.com",
                                   (values["organization"].name, "tickets@events.example"), values["organization"].email,
                                   mail.message_id(f"{kind}.{locale}", "events.example"), [], pictures)
            mail.send(message, settings.mail_url)
    for letter in mailbox.envelopes(settings.var / "mailbox", count=100)[0]:
        kind, locale = letter.to.split("@")[0].split(".")
        names[kind, locale] = letter.name
    return names


def tickets(locale: str) -> bytes:
    return pdf.tickets([specimens.ticket(locale), specimens.ticket(locale, 1)])


def paper(made: Stage, kind: str, locale: str) -> bytes:
    draw = pdf.statement if kind == "statement" else pdf.paper
    with force_locale(locale):
        return draw(made.papers[kind, locale])
