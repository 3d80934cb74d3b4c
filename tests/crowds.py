"""Many registrations at once, written straight into the tables as the form would have left them."""
from sqlalchemy import text

from eventapp import clock, tenancy
from eventapp.extensions import db
from eventapp.models import Event, Program
from tests import make

STATEMENTS = (
    """INSERT INTO orders (event_id, submission, token_version, name, email, phone, locale, currency, total, method, answers,
                            form_version, browser, created_at)
       SELECT :event, :mark || n, 1, 'Person ' || n, :mark || n || '@example.com', '', 'en', 'KRW', :price * :people, :method, '{}', 1, '', :now
       FROM generate_series(1, :count) AS n""",
    """INSERT INTO registrations (order_id, event_id, position, code, status, name, email, phone, locale, answers, tags, ticket_version,
                                  status_reason, note, flag, created_at)
       SELECT o.id, o.event_id, place, :code, 'pending_approval', o.name || '/' || place, CASE WHEN place = 1 THEN o.email ELSE '' END, '',
              'en', '{}', '{}', 1, '', '', '', :now
       FROM orders o, generate_series(1, :people) AS place WHERE o.submission LIKE :mark || '%' ORDER BY o.id, place""",
    """INSERT INTO line_items (registration_id, program_id, name, tier, quantity, unit_price, created_at)
       SELECT r.id, :program, '{"en": "Main conference"}', '{}', 1, :price, :now
       FROM registrations r JOIN orders o ON o.id = r.order_id WHERE o.submission LIKE :mark || '%' ORDER BY r.id""",
)


def camp(capacity: int) -> Event:
    """Before anybody pays somebody says yes (committed)."""
    event = make.event("camp", make.both("수련회", "Camp"), "CAMP", approval="before_payment")
    make.program(event, "stay", 100_000, capacity=capacity)
    make.form(event)
    db.session.commit()
    return event


def waiting(event: Event, program: Program, count: int, *, price: int = 100_000, people: int = 1, mark: str = "crowd",
            method: str = "card") -> None:
    """`count` orders of `people` each that wait for approval (committed)."""
    values = {"event": event.id, "code": event.code, "program": program.id, "count": count, "price": price, "people": people,
              "mark": mark, "method": method, "now": clock.now()}
    org_id = event.org_id
    for statement in STATEMENTS:
        db.session.execute(text(statement), {name: values[name] for name in values if f":{name}" in statement})
    db.session.commit()
    tenancy.enter(org_id)
