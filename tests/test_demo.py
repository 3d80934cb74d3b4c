"""The demo's world: believable, whole, the same when asked for twice."""
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from eventapp import checks, clock, demo, tenancy
from eventapp.extensions import db, platform
from eventapp.models import (
    CheckIn,
    Checkpoint,
    Directory,
    Event,
    FormVersion,
    GatewayAccount,
    Membership,
    Order,
    Organization,
    OutboxItem,
    Payment,
    Program,
    Quota,
    Registration,
    Status,
    User,
)
from tests.browse import Client
from tests.conftest import dispose, server, settings_for


@pytest.fixture(scope="module")
def demo_app(worker_database):
    """A database with nothing in it but the demo."""
    from eventapp import config, create_app, release

    name = f"{worker_database}_demo"
    with server() as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
    before = config.active()
    app = create_app(settings_for(name, toss_client_key="test_ck_demo0000000001", toss_secret_key="test_sk_demo0000000001",
                                  toss_api_url="http://127.0.0.1:9/toss"))
    app.testing, app.test_client_class = True, Client
    with app.app_context():
        release.release(app.config["SETTINGS"])
        app.config["SAID"] = demo.load(app.config["SETTINGS"])
    yield app
    dispose(app)
    with server() as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    config.activate(before)


@pytest.fixture
def world(demo_app):
    from eventapp import config

    tenancy.lookup.seen.clear()
    config.activate(demo_app.config["SETTINGS"])
    with demo_app.app_context():
        yield demo_app
        db.session.remove()
    tenancy._org_id.set(None)


def enter(slug: str = "seoul-ubf") -> None:
    tenancy.enter(db.session.scalar(select(Directory.org_id).where(Directory.slug == slug)))


def conference() -> Event:
    enter()
    return db.session.scalars(select(Event).where(Event.slug == "wmc-2026")).one()


def count(*conditions) -> int:
    return db.session.scalar(select(func.count()).where(*conditions))


def test_every_invariant_holds_in_it(world):
    answers = checks.run(platform.engine, world.config["SETTINGS"].role("app"), clock.now())
    assert [answer for answer in answers if not answer.ok] == []


def test_there_are_three_organisations_on_different_plans(world):
    plans = {}
    for org_id in tenancy.each_organization():
        plans[db.session.get(Directory, org_id).slug] = db.session.get(Organization, org_id).plan
    assert plans == {"seoul-ubf": "pro", "busan-meetup": "basic", "hanbit-university": "enterprise"}


def test_its_accounts_sign_in_with_the_password_that_was_said(world):
    roles = dict(db.session.execute(select(User.email, Membership.role).outerjoin(Membership, Membership.user_id == User.id)).all())
    assert roles.items() >= {
        "operator@example.com": None, "owner@seoul-ubf.example": "ORG_OWNER", "admin@seoul-ubf.example": "ORG_ADMIN",
        "staff@seoul-ubf.example": "ORG_STAFF", "door@seoul-ubf.example": "ORG_CHECKIN", "participant@seoul-ubf.example": None,
        "owner@busan-meetup.example": "ORG_OWNER", "staff@busan-meetup.example": "ORG_STAFF"}.items()
    for email in roles:
        answer = world.test_client().post("/auth/login", {"email": email, "password": "demo-password"})
        assert answer.status_code == 303, email


def test_the_conference_lies_ahead_and_is_open(world):
    event = conference()
    assert clock.now() + timedelta(days=20) < event.starts_at < clock.now() + timedelta(days=35)
    assert event.ends_at - event.starts_at > timedelta(days=2) and len(event.sessions) > 15
    assert event.registration_state(clock.now()) == "open"
    programs = {program.code: program for program in event.programs}
    assert {"admission", "workshop", "lodging", "meal"} <= {program.kind for program in programs.values()}
    assert [tier["price"] for tier in programs["main-conference"].tiers] == [90_000, 120_000, 150_000]
    assert event.methods[0] == "card" and event.max_participants == 60


def test_nothing_but_name_email_and_a_program_is_needed_there(world):
    form = db.session.scalars(select(FormVersion).where(FormVersion.event_id == conference().id)).one()
    assert not any(field["required"] for field in form.fields)
    assert {field["type"] for field in form.fields} >= {"text", "long_text", "number", "single_choice", "multiple_choice", "file"}
    assert any(field.get("show_if") for field in form.fields)
    assert not any(consent["required"] for consent in form.consents) and form.notice["ko"] and form.notice["en"]


def test_it_has_three_hundred_registrations_in_all_states_over_two_months(world):
    event = conference()
    states = dict(db.session.execute(select(Registration.status, func.count()).where(Registration.event_id == event.id)
                                     .group_by(Registration.status)).all())
    assert sum(states.values()) == 300
    assert set(states) == set(Status.ALL) - {Status.DRAFT}
    first, last = db.session.execute(select(func.min(Registration.created_at), func.max(Registration.created_at))
                                     .where(Registration.event_id == event.id)).one()
    assert timedelta(days=50) < last - first < timedelta(days=61) and last <= clock.now()
    assert count(CheckIn.checkpoint_id == Checkpoint.id, Checkpoint.code == "orientation") > 30
    assert {method for method, in db.session.execute(select(Payment.method).distinct())} >= {"card", "virtual_account", "manual_transfer"}
    assert {tier["name"].get("en") for tier, in db.session.execute(
        select(Registration.line_items.property.mapper.class_.tier)) if tier.get("name")} >= {"Early bird", "Regular"}


def test_orders_that_wait_for_their_money_end_by_themselves(world):
    enter()
    waiting = db.session.scalars(select(Order).where(Order.hold_until.is_not(None))).all()
    jobs = {item.payload["order_id"] for item in db.session.scalars(select(OutboxItem).where(
        OutboxItem.kind == "expire_hold", OutboxItem.org_id == tenancy.current_org_id()))}
    assert waiting and {order.id for order in waiting} == jobs
    assert all(order.hold_until > clock.now() for order in waiting)


def test_there_are_free_events_and_past_ones(world):
    enter("busan-meetup")
    assert db.session.scalars(select(Event.approval)).all() == ["before_payment"]
    enter("hanbit-university")
    assert db.session.scalars(select(Program.tiers)).all()[0][0]["price"] == 0
    enter()
    past = db.session.scalars(select(Event).where(Event.ends_at < clock.now())).one()
    here = select(Registration.email).where(Registration.event_id == conference().id)
    assert count(Registration.event_id == past.id, Registration.email.in_(here)) > 40, "many come again"
    assert count(CheckIn.checkpoint_id == Checkpoint.id, Checkpoint.code == "entry") > 70


def test_each_organisation_has_the_gateway_keys_and_says_its_webhook(world):
    for _ in tenancy.each_organization():
        account = db.session.scalars(select(GatewayAccount)).one()
        assert account.client_key == "test_ck_demo0000000001" and b"test_sk" not in account.secret_key
        assert any(line.endswith(f"/api/webhooks/payment/toss/{account.webhook_token}") for line in world.config["SAID"])


def test_its_pages_open_in_both_languages(world):
    browser = world.test_client()
    for address in ("/", "/seoul-ubf", "/seoul-ubf/wmc-2026", "/seoul-ubf/wmc-2026/register", "/seoul-ubf/leaders-retreat",
                    "/seoul-ubf/summer-retreat", "/busan-meetup/build-night", "/hanbit-university/open-lecture"):
        for language in ("ko", "en"):
            assert browser.get(f"{address}?lang={language}").status_code == 200, address


def test_asked_for_twice_it_adds_nothing_and_a_crowd_on_request(world):
    enter()
    before = count(Registration.id > 0)
    tenancy.enter(None)
    demo.load(world.config["SETTINGS"], 500)
    demo.load(world.config["SETTINGS"], 700)
    enter()
    assert count(Registration.id > 0) == before + 700
    rally = db.session.scalars(select(Event).where(Event.slug == "online-rally")).one()
    assert db.session.scalars(select(Quota.used).where(Quota.event_id == rally.id)).one() == 595
    assert db.session.scalar(select(func.count(Registration.number.distinct()))) == before + 700
    tenancy.enter(None)
    test_every_invariant_holds_in_it(world)


def test_it_is_refused_in_production(app):
    from dataclasses import replace

    with pytest.raises(demo.Refusal):
        demo.load(replace(app.config["SETTINGS"], app_env="production"))
