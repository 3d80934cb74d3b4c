"""Files sent with the form."""
import io
import re
from datetime import timedelta

import pytest
from PIL import Image
from sqlalchemy import delete, select

from eventapp import clock, config, storage
from eventapp.domain import uploading
from eventapp.extensions import db
from eventapp.models import FormVersion, Upload
from tests.make import both
from tests.public.test_register import PAGE, errors, form

FIELD = {"key": "letter", "type": "file", "label": both("추천서", "Letter"), "required": True}
PDF = b"%PDF-1.7\n%small\n"


@pytest.fixture
def asked(world):
    """The conference asks for a file."""
    event = world.seoul.event()
    db.session.add(FormVersion(event_id=event.id, version=2, fields=[FIELD], consents=[], notice={}))
    db.session.commit()


def picture(size=(40, 30), kind="JPEG"):
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "camera of somebody"
    Image.new("RGB", size, "red").save(out, kind, exif=exif)
    return out.getvalue()


def sent(content, name):
    return (io.BytesIO(content), name)


def uploads(world):
    world.seoul.enter()
    return db.session.scalars(select(Upload).order_by(Upload.id).execution_options(populate_existing=True)).all()


def test_a_file_goes_with_the_order_and_to_the_store(client, world, asked, work):
    answer = client.post(PAGE, form(**{"field-letter": sent(PDF, "추천서.pdf")}))
    assert answer.status_code == 303
    [order], [registration], [upload] = world.seoul.orders(), world.seoul.registrations(), uploads(world)
    assert registration.answers == {"letter": {"upload": upload.id, "name": "추천서.pdf"}}
    assert (upload.order_id, upload.type) == (order.id, "application/pdf")
    work()
    [upload] = uploads(world)
    assert upload.content is None
    assert storage.connect(config.active()).get(upload.key) == PDF


def test_a_form_that_is_refused_keeps_its_file(client, world, asked):
    page = client.post(PAGE, form(email="", **{"field-letter": sent(PDF, "letter.pdf")}))
    assert page.status_code == 422 and errors(page) == ["email"]
    reference = re.search(r'type="hidden" name="field-letter" value="([^"]+)"', page.text)[1]
    assert client.post(PAGE, form(**{"field-letter": reference})).status_code == 303
    assert world.seoul.registrations()[0].answers["letter"]["name"] == "letter.pdf"


@pytest.mark.parametrize("content, name", [
    (b"<svg onload=alert(1)>", "a.svg"), (b"MZ", "a.pdf"), (PDF, "a.jpg"), (b"\xff\xd8\xffbroken", "a.jpg"),
    (b"%PDF-" + b"x" * uploading.LARGEST, "a.pdf"), (b"", "a.pdf"), (PDF, "a"), (b"RIFF____WEBPVP8 ", "a.webp")])
def test_a_hostile_or_broken_file_is_refused_beside_its_field(client, world, asked, content, name):
    answer = client.post(PAGE, form(**{"field-letter": sent(content, name)}))
    assert answer.status_code == 422 and errors(answer) == ["field-letter"]
    assert uploads(world) == [] and world.seoul.orders() == []


def test_a_pixel_bomb_is_refused(client, world, asked, monkeypatch):
    monkeypatch.setattr(uploading, "MOST_PIXELS", 1000)
    answer = client.post(PAGE, form(**{"field-letter": sent(picture(), "a.jpg")}))
    assert errors(answer) == ["field-letter"]


def test_what_the_camera_wrote_is_gone(client, world, asked):
    client.post(PAGE, form(**{"field-letter": sent(picture(), "a.jpg")}))
    [upload] = uploads(world)
    assert b"camera of somebody" not in upload.content
    assert Image.open(io.BytesIO(upload.content)).size == (40, 30)


def test_somebody_elses_file_can_not_be_named(client, world, asked):
    client.post(PAGE, form(**{"field-letter": sent(PDF, "mine.pdf")}))
    [upload] = uploads(world)
    answer = client.post(PAGE, form(**{"field-letter": f"upload:{upload.id}:mine.pdf"}))
    assert answer.status_code == 422 and errors(answer) == ["field-letter"]


def test_a_file_that_was_swept_up_meanwhile_is_asked_for_again(client, world, asked):
    page = client.post(PAGE, form(email="", **{"field-letter": sent(PDF, "a.pdf")}))
    reference = re.search(r'name="field-letter" value="([^"]+)"', page.text)[1]
    world.seoul.enter()
    db.session.execute(delete(Upload))
    db.session.commit()
    answer = client.post(PAGE, form(**{"field-letter": reference}))
    assert (answer.status_code, world.seoul.orders()) == (422, [])


def test_files_of_forms_that_were_never_sent_are_swept_up(client, world, asked, work):
    client.post(PAGE, form(email="", **{"field-letter": sent(PDF, "a.pdf")}))
    work()
    [upload] = uploads(world)
    key = upload.key
    clock.offset += timedelta(days=2)
    world.seoul.enter()
    uploading.sweep()
    db.session.commit()
    assert uploads(world) == []
    with pytest.raises(storage.NotStored):
        storage.connect(config.active()).get(key)
