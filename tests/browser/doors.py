"""Doors for browser tests: an event with tickets for many, and phones that have joined it."""
import re
import threading
import time
from datetime import timedelta

from sqlalchemy import select, text
from werkzeug.serving import make_server

from eventapp import audit, clock
from eventapp.domain import devices, ticketing
from eventapp.extensions import db
from eventapp.models import CheckIn, Checkpoint, Registration
from tests.live import Quiet
from tests.make import both

DOOR = "/seoul-ubf/admin/events/wmc-2026/checkin"
PEOPLE = (
    """INSERT INTO orders (event_id, submission, token_version, name, email, phone, locale, currency, total, method, answers,
                           form_version, browser, created_at)
       SELECT :event, 'guest-' || n, 1, '손님 ' || n, 'guest' || n || '@example.com', '', 'ko', 'KRW', 0, 'free', '{}', 1, '', :now
       FROM generate_series(1, :count) AS n""",
    """INSERT INTO registrations (order_id, event_id, position, code, status, name, email, phone, locale, answers, tags, ticket_version,
                                  confirmed_at, status_reason, note, flag, created_at)
       SELECT id, event_id, 1, 'WMC26', 'confirmed', name, email, '', 'ko', '{}', '{}', 1, :now, '', '', '', :now
       FROM orders WHERE submission LIKE 'guest-%' ORDER BY id""",
    """INSERT INTO line_items (registration_id, program_id, name, tier, quantity, unit_price, created_at)
       SELECT id, :program, CAST(:name AS jsonb), '{}', 1, 0, :now FROM registrations WHERE name LIKE '손님 %'""",
)


class Doors:
    """The conference is on; `codes` are the texts of its tickets, `people` their registrations, in the same order."""

    def __init__(self, world, count: int = 300):
        world.seoul.enter()
        self.world, self.event = world, world.seoul.event()
        self.event.starts_at, self.event.ends_at = clock.now() - timedelta(hours=2), clock.now() + timedelta(days=2)
        program = world.seoul.program("free-day")
        values = {"event": self.event.id, "count": count, "now": clock.now(), "program": program.id, "name": '{"ko": "무료 하루 참가", "en": "Free day"}'}
        for statement in PEOPLE:
            wanted = {name: values[name] for name in set(re.findall(r"(?<!:):(\w+)", statement))}
            db.session.execute(text(statement), wanted)
        self.people = list(db.session.scalars(select(Registration).where(Registration.name.like("손님 %")).order_by(Registration.id)))
        self.codes = [ticketing.code(self.event, one) for one in self.people]
        self.owner = audit.Actor("user", world.user("owner@seoul-ubf.example").id)
        self.entrance = db.session.scalar(select(Checkpoint).where(Checkpoint.event_id == self.event.id))
        self.entrance.name = both("정문", "Main entrance")
        db.session.commit()

    def phone(self, name: str) -> tuple[object, dict]:
        """A device that has joined, and its cookie."""
        device, token = devices.invite(self.event, name, self.entrance, by=self.owner)
        secret = devices.join(device)
        db.session.commit()
        return device, {"name": "door", "value": secret, "domain": "localhost", "path": "/"}

    def rows(self) -> list[CheckIn]:
        self.world.seoul.enter()
        db.session.rollback()
        self.world.seoul.enter()
        return list(db.session.scalars(select(CheckIn).order_by(CheckIn.id).execution_options(populate_existing=True)))


class Server:
    """The application on a port of its own that can be away for a while, or take calls and never answer."""

    def __init__(self, app):
        self.app, self.port, self.stalled = app, 0, threading.Event()
        self.start()

    def start(self):
        self.server = make_server("127.0.0.1", self.port, self, threaded=True, request_handler=Brief)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)

    def __call__(self, environ, start_response):
        while self.stalled.is_set():
            time.sleep(0.05)
        return self.app(environ, start_response)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"


class Brief(Quiet):
    """No connection outlives its answer, so that a server that has stopped is really gone."""

    protocol_version = "HTTP/1.0"


class Gate:
    """A browser at a door."""

    def __init__(self, page, device=None):
        self.page, self.context, self.device = page, page.context, device

    def open(self):
        if not self.page.url.endswith(DOOR):
            self.page.goto(DOOR)
        self.page.wait_for_function(f"() => navigator.serviceWorker.controller && {TEXT} === 'Connected'")
        return self

    def sign_in(self, email: str):
        self.page.goto(DOOR)
        self.page.fill("#email", email)
        self.page.fill("#password", "demo-password")
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(f"**{DOOR}")
        return self

    def scan(self, *codes: str) -> list[dict]:
        """Each as a USB scanner types it, when the one before has been answered: result, offline, name, milliseconds."""
        return self.page.evaluate(SCAN, list(codes))

    def says(self, status: str):
        self.page.wait_for_function(f"(wanted) => {TEXT}.includes(wanted)", arg=status)

    def sends_all(self):
        self.says("Connected")

    def stand_at(self, checkpoint: str):
        self.page.click("#settings-open")
        self.page.select_option("#checkpoint", label=checkpoint)
        self.page.get_by_role("button", name="Done").click()

    @property
    def conflicts(self) -> list[str]:
        return self.page.locator("#conflicts-list li").all_text_contents()


TEXT = "document.getElementById('status-text').textContent"
SCAN = """async (codes) => {
  const said = () => performance.getEntriesByName("verdict");
  const press = (key, code) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, code, bubbles: true, cancelable: true }));
  const results = [];
  for (const text of codes) {
    const before = said().length;
    for (const letter of text) press(letter, /\\d/.test(letter) ? `Digit${letter}` : `Key${letter}`);
    press("Enter", "Enter");
    for (let tries = 0; said().length === before; tries++) {
      if (tries > 3000) throw new Error(`no verdict for ${text}`);
      await new Promise((done) => setTimeout(done, 2));
    }
    const last = said().at(-1), slot = (name) => document.querySelector(`#verdict [data-slot=${name}]`).textContent;
    results.push({ ...last.detail, name: slot("name"), first: slot("first"), advice: slot("advice"), ms: last.duration });
  }
  return results;
}"""

