"""The desk: what its address shows, as a page and as a fragment, to whom."""
import re

import pytest
from sqlalchemy import event as sql_event
from sqlalchemy import select

from eventapp.domain.ordering import Participant
from eventapp.extensions import db
from eventapp.models import Membership, Registration
from tests import make

DESK, ALL = "/seoul-ubf/admin/events/wmc-2026/registrations", "/seoul-ubf/admin/registrations"
HTMX = {"HX-Request": "true", "HX-Target": "section#desk"}


def people(world, *names, slug="wmc-2026", **chosen):
    event = world.seoul.event(slug)
    for name in names:
        program = {"seat": 1} if slug == "meetup" else chosen or {"free-day": 1}
        make.order(event, Participant(name=name, email=f"p{abs(hash(name)) % 10**6}@example.com", chosen=program), method="manual_transfer")
    db.session.commit()
    world.seoul.enter()
    return list(db.session.scalars(select(Registration).where(Registration.name.in_(names)).order_by(Registration.id)))


def shown(page):
    return re.findall(r'data-registration="([^"]+)" data-status="(\w+)"', page.text)


def names(page):
    return re.findall(r"data-open>([^<]+)</a>", page.text)


def test_rows_carry_number_and_status_and_the_newest_is_first(seoul_owner, world):
    first, second = people(world, "김하나", "Bob Lee")
    page = seoul_owner.get(DESK)
    assert page.status_code == 200 and 'data-testid="registrations"' in page.text
    assert shown(page) == [(second.number, "confirmed"), (first.number, "confirmed")]
