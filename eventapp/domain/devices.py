"""Phones that may check in for one event and nothing else: invited by a link that works once, taken off at once."""
import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import select, update

from eventapp import audit, clock
from eventapp.domain import Refused
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import Checkpoint, DoorDevice, Event

INVITED = timedelta(hours=24)
SEEN = timedelta(minutes=1)
"""How exactly we remember when a device was last here."""
MOST = 200


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def of(event: Event) -> list[DoorDevice]:
    """Those that work or are invited first."""
    return list(db.session.scalars(select(DoorDevice).where(DoorDevice.event_id == event.id)
                                   .order_by(DoorDevice.revoked_at.is_not(None), DoorDevice.id.desc()).limit(MOST)))


def invite(event: Event, name: str, checkpoint: Checkpoint | None, *, by: audit.Actor) -> tuple[DoorDevice, str]:
    """The device that is to come, and the secret of its link, which is told once."""
    token = secrets.token_urlsafe(24)
    device = DoorDevice(event_id=event.id, name=name, checkpoint_id=checkpoint and checkpoint.id, invitation_hash=digest(token),
                        invitation_expires_at=clock.now() + INVITED, invited_by=by.id)
    db.session.add(device)
    audit.record("device.invited", device, by=by, after={"name": name})
    return device, token


def invited(event_slug: str, token: str) -> DoorDevice | None:
    """The device that this link was made for, while it can be used."""
    return db.session.scalar(
        select(DoorDevice).join(Event, Event.id == DoorDevice.event_id)
        .where(DoorDevice.invitation_hash == digest(token), DoorDevice.invitation_expires_at > clock.now(), DoorDevice.revoked_at.is_(None),
               Event.slug == event_slug))


def join(device: DoorDevice) -> str:
    """The invitation is used up; answers the secret that the device shows from now on."""
    secret = secrets.token_urlsafe(32)
    taken = db.session.execute(
        update(DoorDevice).where(DoorDevice.id == device.id, DoorDevice.invitation_hash == device.invitation_hash)
        .values(invitation_hash=None, secret_hash=digest(secret), joined_at=clock.now(), seen_at=clock.now())
        .execution_options(synchronize_session=False)).rowcount
    if not taken:
        raise Refused(_("This invitation has just been used on another device."))
    audit.record("device.joined", device, by=audit.Actor("device", device.id), after={"name": device.name})
    return secret


def revoke(device: DoorDevice, *, by: audit.Actor) -> None:
    """From its next request on it is a stranger that is told so."""
    if device.revoked_at is None:
        device.revoked_at, device.invitation_hash = clock.now(), None
        audit.record("device.revoked", device, by=by, after={"name": device.name})


def by_secret(event_slug: str, secret: str) -> DoorDevice | None:
    """The device with this secret at this event's doors, revoked or not: asked on every request."""
    device = db.session.scalar(select(DoorDevice).join(Event, Event.id == DoorDevice.event_id)
                               .where(DoorDevice.secret_hash == digest(secret), Event.slug == event_slug))
    if device and not device.revoked_at and (device.seen_at is None or device.seen_at < clock.now() - SEEN):
        db.session.execute(update(DoorDevice).where(DoorDevice.id == device.id).values(seen_at=clock.now())
                           .execution_options(synchronize_session=False))
    return device
