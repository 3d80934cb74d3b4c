"""One event with as many registrations as asked for, written by the database itself, thousands in a statement.

Everything a real one has is there: order, registration, line item, payment, ledger and consent; and because the triggers
count them as they count any other, the places are right.
"""
import json
import time
from datetime import timedelta

from sqlalchemy import func, select, text

from eventapp import clock, tenancy
from eventapp.demo import events
from eventapp.demo.people import ABROAD, FAMILY, GIVEN
from eventapp.extensions import db
from eventapp.models import Directory, Event, Order, Organization, Program, Quota

SLUG = "online-rally"
BATCH = 10_000

# A number's place decides everything about it, so that a second run goes on where the first has ended.
STATEMENTS = (
    """INSERT INTO orders (event_id, submission, token_version, name, email, phone, locale, currency, total, method, answers,
                           form_version, browser, created_at)
       SELECT :event_id, 'crowd-' || n, 1, name, 'guest' || n || '@example.com', '+8210' || lpad((20000000 + n)::text, 8, '0'),
              locale, 'KRW', 10000, CASE WHEN n % 3 = 0 THEN 'manual_transfer' ELSE 'card' END, '{}', 1, '', born
       FROM (SELECT n, CASE WHEN n % 4 = 0 THEN (CAST(:abroad AS text[]))[1 + n / 4 % :abroads] ELSE
                    (CAST(:family AS text[]))[1 + n % :families] || (CAST(:given AS text[]))[1 + n / 7 % :givens] END AS name,
                    CASE WHEN n % 4 = 0 THEN 'en' ELSE 'ko' END AS locale,
                    CAST(:now AS timestamptz) - make_interval(mins => n % 86400) AS born
             FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n) AS made""",
    """INSERT INTO registrations (order_id, event_id, position, code, status, paid_at, name, email, phone, locale, answers, tags,
                                  ticket_version, confirmed_at, status_reason, note, flag, created_at)
       SELECT id, event_id, 1, :code, status, paid_at, name, email, phone, locale,
              jsonb_build_object('city', (CAST(:cities AS text[]))[1 + id % :many_cities], 'age', 18 + id % 60, 'church', 'UBF ' || id % 97,
                                 'first_time', CASE WHEN id % 3 = 0 THEN 'yes' ELSE 'no' END, 'channel', 'room ' || id % 12,
                                 'helps', CASE WHEN id % 10 = 0 THEN CAST('["prayer", "translation"]' AS jsonb) ELSE '[]' END,
                                 'team', 'team ' || id % 40, 'prayer', 'For ' || name),
              CASE WHEN id % 25 = 0 THEN CAST('{volunteer}' AS text[]) WHEN id % 40 = 3 THEN '{choir,speaker}' ELSE '{}' END,
              1, paid_at, '', CASE WHEN id % 50 = 7 THEN 'Called twice' ELSE '' END, CASE WHEN id % 200 = 9 THEN 'VIP' ELSE '' END, created_at
       FROM (SELECT *, CASE WHEN status = 'confirmed' THEN created_at + interval '3 minutes' END AS paid_at FROM (
             SELECT *, CASE WHEN id % 20 = 0 THEN 'expired' WHEN id % 20 = 1 THEN 'cancelled' WHEN id % 20 = 2 THEN 'pending_approval'
                            ELSE 'confirmed' END AS status
             FROM orders WHERE event_id = :event_id AND id > :after) AS with_status) AS made""",
    """INSERT INTO line_items (registration_id, program_id, name, tier, quantity, unit_price, created_at)
       SELECT id, :program_id, CAST(:program AS jsonb), '{}', 1, 10000, created_at
       FROM registrations WHERE event_id = :event_id AND order_id > :after""",
    """INSERT INTO payments (order_id, account_id, provider, method, gateway_order_id, gateway_key, customer_key, amount, currency,
                             status, balance, virtual_account, due_at, last_tx, receipt_url, failure_code, approved_at, checked_at, created_at)
       SELECT o.id, NULL, CASE WHEN o.method = 'card' THEN 'toss' ELSE 'manual' END, o.method, 'ev_crowd_' || o.id,
              CASE WHEN o.method = 'card' THEN 'tcrowd' || o.id END, '', o.total, o.currency,
              CASE r.status WHEN 'confirmed' THEN 'paid' WHEN 'expired' THEN 'expired' ELSE 'voided' END,
              CASE r.status WHEN 'confirmed' THEN o.total ELSE 0 END, CASE WHEN o.method <> 'card' THEN CAST(:bank AS jsonb) END,
              o.created_at + interval '3 days', '', '', '', r.paid_at, r.paid_at, o.created_at
       FROM orders o JOIN registrations r ON r.order_id = o.id
       WHERE o.event_id = :event_id AND o.id > :after AND r.status <> 'pending_approval'""",
    """INSERT INTO ledger_entries (order_id, payment_id, kind, transaction_key, debit, credit, amount, currency, created_at)
       SELECT o.id, NULL, 'charged', 'placed', 'receivable', 'sales', o.total, o.currency, o.created_at
       FROM orders o JOIN registrations r ON r.order_id = o.id
       WHERE o.event_id = :event_id AND o.id > :after AND r.status <> 'pending_approval'
       UNION ALL
       SELECT p.order_id, p.id, 'paid', p.gateway_order_id || ' 1', CASE p.provider WHEN 'toss' THEN 'gateway' ELSE 'bank' END,
              'receivable', p.amount, p.currency, p.approved_at
       FROM payments p JOIN orders o ON o.id = p.order_id
       WHERE o.event_id = :event_id AND p.order_id > :after AND p.status = 'paid'
       UNION ALL
       SELECT p.order_id, NULL, 'released', p.status || ' 0', 'sales', 'receivable', p.amount, p.currency, p.created_at + interval '4 days'
       FROM payments p JOIN orders o ON o.id = p.order_id
       WHERE o.event_id = :event_id AND p.order_id > :after AND p.status IN ('expired', 'voided')""",
)


def gather(count: int) -> str:
    """Make the event, and registrations until it has `count`."""
    began = time.monotonic()
    db.session.remove()
    db.engine.dispose()  # a connection that has written the small demo keeps plans for small tables, also of its foreign keys
    with tenancy.inside(db.session.scalar(select(Directory.org_id).where(Directory.slug == "seoul-ubf"))):
        event = db.session.scalar(select(Event).where(Event.slug == SLUG)) or rally()
        quota = db.session.scalar(select(Quota).where(Quota.event_id == event.id))
        if quota.capacity < count + 1000:
            quota.capacity = count + 1000
        there = db.session.scalar(select(func.count()).select_from(Order).where(Order.event_id == event.id))
        values = common_values(event)
        db.session.commit()
        for first in range(there + 1, count + 1, BATCH):
            add(values | {"first": first, "last": min(count, first + BATCH - 1)})
    return f"/seoul-ubf/{SLUG} has {max(there, count)} registrations ({time.monotonic() - began:.0f} s)."


def add(values: dict) -> None:
    values = values | {"after": db.session.scalar(select(func.coalesce(func.max(Order.id), 0)))}
    # The planner does not know yet how much there is, and would go through thousands of rows one by one.
    db.session.execute(text("SET LOCAL enable_nestloop = off"))
    for statement in STATEMENTS:
        db.session.execute(text(statement), values)
    db.session.commit()


def common_values(event: Event) -> dict:
    program = db.session.scalar(select(Program).where(Program.event_id == event.id))
    bank = db.session.get(Organization, event.org_id).bank_account
    return {"event_id": event.id, "code": event.code, "now": clock.now(), "program_id": program.id, "program": json.dumps(program.name),
            "bank": json.dumps(bank), "abroad": [name for name, _ in ABROAD], "abroads": len(ABROAD),
            "cities": CITIES, "many_cities": len(CITIES),
            "family": [name for name, _ in FAMILY], "families": len(FAMILY), "given": [name for name, _ in GIVEN], "givens": len(GIVEN)}


def question(key: str, kind: str, ko: str, en: str, options=()) -> dict:
    return {"key": key, "type": kind, "required": False, "help": {}, "label": {"ko": ko, "en": en},
            **({"options": [{"value": value, "label": {"ko": korean, "en": english}} for value, korean, english in options]} if options else {})}


CITIES = ["서울", "부산", "대구", "인천", "광주", "대전", "수원", "Chicago", "Berlin", "Nairobi", "São Paulo"]
FORM = events.SMALL_FORM | {"fields": [
    question("city", "text", "사는 도시", "City"), question("age", "number", "나이", "Age"), question("church", "text", "소속 지부", "Chapter"),
    question("first_time", "single_choice", "처음이신가요?", "Is it your first time?", [("yes", "네", "Yes"), ("no", "아니요", "No")]),
    question("channel", "text", "참가하는 방", "Your room"), question("team", "text", "조", "Team"),
    question("helps", "multiple_choice", "돕고 싶은 일", "How you can help",
             [("prayer", "중보 기도", "Intercession"), ("translation", "통역", "Interpreting")]),
    question("prayer", "long_text", "기도 제목", "What may we pray for?")]}
"""With enough columns for a desk and an export of their size."""


def rally() -> Event:
    now = clock.now()
    day = events.weekday(now, 40, 5)
    return events.make(
        slug=SLUG, code="ON", title={"ko": "온라인 선교 기도회", "en": "Online prayer rally"},
        summary={"ko": "하루 동안 이어지는 온라인 기도회", "en": "A day of prayer, online"}, online_url="https://rally.seoul-ubf.example/",
        starts_at=events.local(day, "09:00"), ends_at=events.local(day, "21:00"), methods=["card", "manual_transfer"],
        created_at=now - timedelta(days=70), form=FORM,
        programs=[{"code": "seat", "kind": "admission", "name": {"ko": "온라인 참가", "en": "Online participation"},
                   "tiers": [events.price(10_000)]}],
        quotas=[(1000,)])
