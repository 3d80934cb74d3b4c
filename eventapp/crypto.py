"""Secrets at rest: each has a key of its own, and that key is wrapped by the deployment's ENCRYPTION_KEY.

    version 1 · key id (4 bytes) · nonce (12) · wrapped data key (48) · nonce (12) · AES-256-GCM ciphertext and tag

`context` names organisation, row and field and is authenticated: a value copied to another row or another organisation
does not open. The key id says which ENCRYPTION_KEY it was, so that a change of it can be told from a broken value.
"""
import hashlib
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from eventapp import config

VERSION, ID, NONCE, WRAPPED = b"\x01", 4, 12, 48


class CannotOpen(Exception):
    """Another key, another place, or altered."""


def seal(plain: bytes, context: str) -> bytes:
    key_id, master = _master(config.active().encryption_key)
    data_key, outer, inner = AESGCM.generate_key(256), os.urandom(NONCE), os.urandom(NONCE)
    associated = context.encode()
    return (VERSION + key_id + outer + AESGCM(master).encrypt(outer, data_key, associated)
            + inner + AESGCM(data_key).encrypt(inner, plain, associated))


def unseal(sealed: bytes, context: str) -> bytes:
    """Raises CannotOpen."""
    key_id, master = _master(config.active().encryption_key)
    parts, place = [], 0
    for length in (1, ID, NONCE, WRAPPED, NONCE):
        parts.append(bytes(sealed[place:place + length]))
        place += length
    version, sealed_by, outer, wrapped, inner = parts
    if version != VERSION or sealed_by != key_id:
        raise CannotOpen("sealed with another ENCRYPTION_KEY")
    try:
        data_key = AESGCM(master).decrypt(outer, wrapped, context.encode())
        return AESGCM(data_key).decrypt(inner, bytes(sealed[place:]), context.encode())
    except InvalidTag:
        raise CannotOpen("altered, or sealed for another place") from None


@lru_cache(maxsize=4)
def _master(secret: str) -> tuple[bytes, bytes]:
    key = config.derive(secret, "envelope encryption")
    return hashlib.sha256(b"key id" + key).digest()[:ID], key


# -- fields of rows --------------------------------------------------------------------------------

def context(row, field: str) -> str:
    return f"{row.__tablename__}:{row.org_id}:{row.id}:{field}"


def put(row, field: str, text: str) -> None:
    """Store a secret in a field of a row that has its id already."""
    setattr(row, field, seal(text.encode(), context(row, field)))


def get(row, field: str) -> str:
    sealed = getattr(row, field)
    return unseal(sealed, context(row, field)).decode() if sealed else ""
