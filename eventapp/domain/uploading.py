"""Files that participants send with a form: looked at, cleaned, and brought to the store by a job."""
import io
import re
import secrets
import threading
from datetime import timedelta

from PIL import Image, ImageOps, UnidentifiedImageError
from sqlalchemy import delete, select, update

from eventapp import clock, config, storage
from eventapp.domain import Refused
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import Order, Upload
from eventapp.outbox import later
from eventapp.unit_of_work import checkpoint

LARGEST = 5_000_000
MOST_PIXELS, LONGEST_SIDE = 25_000_000, 3000
KINDS = {".pdf": ("application/pdf", b"%PDF-"), ".jpg": ("image/jpeg", b"\xff\xd8\xff"), ".jpeg": ("image/jpeg", b"\xff\xd8\xff"),
         ".png": ("image/png", b"\x89PNG\r\n\x1a\n"), ".webp": ("image/webp", b"RIFF")}
ACCEPTED = ",".join(KINDS)
FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
UNUSED = timedelta(days=1)
drawing = threading.Lock()
"""One picture at a time for each process: unpacked they are large."""


def receive(name: str, content: bytes) -> Upload:
    """Take a file in. Its name's ending and its first bytes must agree; a picture is drawn anew, without what its camera wrote.

    Raises Refused.
    """
    ending = re.search(r"\.[A-Za-z0-9]+$", name)
    kind, magic = KINDS.get(ending[0].lower() if ending else "", ("", b""))
    if len(content) > LARGEST:
        raise Refused(_("This file is larger than 5 MB. Make it smaller, or send another one."))
    if not kind or not content.startswith(magic):
        raise Refused(_("Send a PDF, JPEG, PNG or WebP file."))
    if kind in FORMATS:
        with drawing:
            content = _drawn_anew(content, kind)
    upload = Upload(name=shown_name(name), type=kind, size=len(content), content=content, key="")
    db.session.add(upload)
    db.session.flush()
    upload.key = storage.key(upload.org_id, "uploads", secrets.token_hex(16) + ending[0].lower())
    later("store_upload", upload)
    return upload


def shown_name(name: str) -> str:
    """As people know it; never used as a path."""
    return re.sub(r"[\x00-\x1f\x7f/\\]", "", name)[-120:]


def _drawn_anew(content: bytes, kind: str) -> bytes:
    try:
        with Image.open(io.BytesIO(content), formats=[FORMATS[kind]]) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise Refused(_("This picture has too many pixels. Make it smaller, or send another one."))
            picture.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # a JPEG is decoded no larger than it is kept
            picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
            clean = ImageOps.exif_transpose(picture)
            out = io.BytesIO()
            clean.convert("RGB" if kind == "image/jpeg" else clean.mode).save(out, FORMATS[kind], quality=88)
            return out.getvalue()
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Refused(_("This picture can't be opened. Send another one.")) from error


def store(upload: Upload | None) -> None:
    """Bring the content to the store; a second time it is the same."""
    if upload is None or upload.content is None:
        return
    checkpoint()  # nothing is held while it travels
    storage.connect(config.active()).put(upload.key, upload.content, upload.type)
    upload.content, upload.stored_at = None, clock.now()


def content_of(upload: Upload) -> bytes | None:
    """From the row while it waits there, otherwise from the store; None when it is gone."""
    if upload.content is not None:
        return upload.content
    try:
        return storage.connect(config.active()).get(upload.key)
    except storage.NotStored:
        return None


def belong_to(order: Order, upload_ids) -> None:
    """The files of an order that was placed stay. Raises Refused when one was swept up meanwhile."""
    kept = db.session.execute(update(Upload).where(Upload.id.in_(upload_ids), Upload.order_id.is_(None)).values(order_id=order.id)
                              .execution_options(synchronize_session=False)).rowcount
    if kept < len(set(upload_ids)):
        raise Refused(_("Send the file again."))


def ids_in(answers: dict) -> list[int]:
    return [answer["upload"] for answer in answers.values() if isinstance(answer, dict) and "upload" in answer]


def sweep() -> None:
    """Of this organisation: files of forms that were never sent."""
    old = select(Upload.id, Upload.key).where(Upload.order_id.is_(None), Upload.created_at < clock.now() - UNUSED)
    files = storage.connect(config.active())
    while unused := db.session.execute(old.limit(200).with_for_update(skip_locked=True)).all():
        for _id, key in unused:
            files.delete(key)
        db.session.execute(delete(Upload).where(Upload.id.in_([identity for identity, _key in unused])))
        checkpoint()
