"""Tickets as PDF behind their links."""
import io

from pypdf import PdfReader

from eventapp.blueprints.public import ticket as view
from eventapp.domain import registering, ticketing
from eventapp.domain.ordering import Participant
from eventapp.extensions import db
from tests import make


def confirmed(world, people=1):
    order = make.order(world.seoul.event(), *[Participant(name=f"김하나{number}", email="hana@example.com", chosen={"free-day": 1})
                                              for number in range(people)])
    db.session.commit()
    return order


def test_a_ticket_and_all_of_an_order(client, world):
    order = confirmed(world, 3)
    first = registering.of_order(order)[0]
    one = client.get(f"/seoul-ubf/wmc-2026/tickets/{ticketing.ticket_token(first)}.pdf")
    whole = client.get(f"/seoul-ubf/wmc-2026/orders/{ticketing.order_token(order)}/tickets.pdf")
    assert first.number in PdfReader(io.BytesIO(one.data)).pages[0].extract_text()
    assert len(PdfReader(io.BytesIO(whole.data)).pages) == 3
    assert one.headers["Cache-Control"] == "no-store"


def test_a_link_of_an_older_ticket_or_another_event_leads_nowhere(client, world):
    order = confirmed(world)
    [registration] = registering.of_order(order)
    token = ticketing.ticket_token(registration)
    assert client.get(f"/seoul-ubf/meetup/tickets/{token}.pdf").status_code == 404
    assert client.get(f"/busan-meetup/wmc-2026/tickets/{token}.pdf").status_code == 404
    registration.ticket_version += 1
    db.session.commit()
    assert client.get(f"/seoul-ubf/wmc-2026/tickets/{token}.pdf").status_code == 404


def test_when_too_many_draw_at_once_some_are_asked_to_come_back(client, world, monkeypatch):
    order = confirmed(world)
    monkeypatch.setattr(view, "PATIENCE", 0.05)
    path = f"/seoul-ubf/wmc-2026/tickets/{ticketing.ticket_token(registering.of_order(order)[0])}.pdf"
    taken = [view.drawing.acquire(), view.drawing.acquire()]
    try:
        answer = client.get(path)
    finally:
        [view.drawing.release() for _each in taken]
    assert answer.status_code == 503 and "Retry-After" in answer.headers
    assert client.get(path).status_code == 200
