"""Nothing is held in the database while something of ours travels."""
from datetime import timedelta

import pytest

from eventapp import clock, mail, storage
from eventapp.domain import uploading
from eventapp.extensions import db
from eventapp.models import EmailMessage
from tests.public.test_register import PAGE, form


@pytest.fixture
def held(monkeypatch):
    """Whether a transaction was open, at each letter and file that left."""
    seen = []

    def leaves(call):
        def watched(*arguments):
            seen.append(db.session().in_transaction())
            return call(*arguments)
        return watched

    monkeypatch.setattr(mail, "send", leaves(mail.send))
    monkeypatch.setattr(storage.Folder, "put", leaves(storage.Folder.put))
    return seen


def test_while_a_letter_leaves(client, work, held):
    client.post(PAGE, form(program="free-day"))
    client.post("/auth/reset", {"email": "owner@seoul-ubf.example"})
    client.post("/auth/signup", {"name": "A", "email": "owner@seoul-ubf.example", "password": "a long enough one"})
    work()
    assert held == [False] * 3


def test_while_a_letter_leaves_that_was_written_down_before(client, world, work, held, monkeypatch):
    def away(*arguments):
        raise mail.MailUnavailable("not now")

    with monkeypatch.context() as patch:
        patch.setattr(mail, "send", away)
        client.post(PAGE, form(program="free-day"))
        work()
    world.seoul.enter()
    assert db.session.query(EmailMessage.state).all() == [("written",)]
    clock.offset += timedelta(minutes=5)
    work()
    assert held == [False]


def test_while_a_file_travels(world, held, work):
    world.seoul.enter()
    uploading.receive("a.pdf", b"%PDF-1.7\n%small\n")
    db.session.commit()
    work()
    assert held == [False]
