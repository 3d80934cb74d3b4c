"""The text in a ticket's QR, and the tokens in links: both prove themselves, neither is stored.

A QR's text is base32 (`A–Z2–7`, the QR's small alphabet) over

    version 1 · organisation · event · registration · ticket version · Ed25519 signature (64 bytes)

where each number is a varint, so ids of a few digits make 116 characters and a small QR. It is signed with the
event's own key: a door needs nothing but the public half. Ed25519 is deterministic, so mail, PDF and page agree.
"""
import base64
import binascii
import hashlib
import hmac
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FORMAT = 1
SIGNATURE = 64
MAC = 16  # bytes: 128 bits
LONGEST = 400  # characters; anything longer is not one of ours
PURPOSE = b"eventapp ticket\0"  # a signature made for something else must never open a door


class Ticket(NamedTuple):
    org_id: int
    event_id: int
    registration_id: int
    version: int


def new_keys() -> tuple[bytes, bytes]:
    """An event's private and public key, 32 bytes each."""
    private = Ed25519PrivateKey.generate()
    return private.private_bytes_raw(), private.public_key().public_bytes_raw()


def sign(private_key: bytes, org_id: int, event_id: int, registration_id: int, version: int) -> str:
    payload = bytes([FORMAT]) + _packed(org_id, event_id, registration_id, version)
    signature = Ed25519PrivateKey.from_private_bytes(private_key).sign(PURPOSE + payload)
    return _base32(payload + signature)


def verify(public_key: bytes, text: str) -> Ticket | None:
    """The ticket, if this event's key signed exactly this text."""
    split = _split(text)
    if split is None:
        return None
    payload, signature, ticket = split
    try:
        _public(public_key).verify(signature, PURPOSE + payload)
    except InvalidSignature:
        return None
    return ticket


def unverified(text: str) -> Ticket | None:
    """What the text claims, proven by nobody: good only for saying which event it would be for."""
    split = _split(text)
    return split and split[2]


def token(key: bytes, purpose: str, org_id: int, id: int, version: int) -> str:
    """The secret part of a link to one thing, for one purpose; raising the version ends it."""
    payload = _packed(org_id, id, version)
    return base64.urlsafe_b64encode(payload + _mac(key, purpose, payload)).decode().rstrip("=")


def read_token(key: bytes, purpose: str, text: str) -> tuple[int, int, int] | None:
    """(organisation, id, version), if `token` made exactly this text for this purpose."""
    if not text.isascii() or len(text) > LONGEST:
        return None
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    payload, mac = raw[:-MAC], raw[-MAC:]
    if not hmac.compare_digest(_mac(key, purpose, payload), mac):
        return None
    numbers = _unpacked(payload, 3)
    # One spelling only: unused bits at the end of base64 must not make a second token for the same thing.
    return numbers if numbers and hmac.compare_digest(token(key, purpose, *numbers), text) else None


def _mac(key: bytes, purpose: str, payload: bytes) -> bytes:
    return hmac.digest(key, purpose.encode() + b"\0" + payload, hashlib.sha256)[:MAC]


@lru_cache(maxsize=64)
def _public(key: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(key)


def _split(text: str) -> tuple[bytes, bytes, Ticket] | None:
    text = text.strip()
    if not text.isascii() or len(text) > LONGEST:
        return None
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        return None
    payload, signature = raw[:-SIGNATURE], raw[-SIGNATURE:]
    if payload[:1] != bytes([FORMAT]) or _base32(raw) != text:
        return None
    numbers = _unpacked(payload[1:], 4)
    return (payload, signature, Ticket(*numbers)) if numbers else None


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=")


def _packed(*numbers: int) -> bytes:
    """Varints: seven bits a byte, lowest first, the eighth says that more follow."""
    out = bytearray()
    for number in numbers:
        if number < 0:
            raise ValueError("an id is not negative")
        while number > 127:
            out.append(number & 127 | 128)
            number >>= 7
        out.append(number)
    return bytes(out)


def _unpacked(raw: bytes, count: int) -> tuple[int, ...] | None:
    """Exactly `count` numbers in their shortest form, or None."""
    numbers, number, shift = [], 0, 0
    for byte in raw:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(number)
            number = shift = 0
    return tuple(numbers) if shift == 0 and len(numbers) == count and _packed(*numbers) == raw else None
