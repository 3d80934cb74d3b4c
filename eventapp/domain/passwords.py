"""Passwords: what may be one, and how one is kept."""
import secrets
import unicodedata
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from eventapp.domain import Refused
from eventapp.languages import _

SHORTEST, LONGEST = 8, 128
# OWASP's least for argon2id; 64 MB each would be half of a small machine when a hall full of people signs in.
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def check(password: str, email: str, field: str = "password") -> None:
    """Refuses what others would guess. There are no rules on kinds of characters: they make passwords worse."""
    plain = _normal(password)
    if len(plain) < SHORTEST:
        raise Refused(_("Use %(count)s characters or more.", count=SHORTEST), field)
    if len(plain) > LONGEST:
        raise Refused(_("Use %(count)s characters at most.", count=LONGEST), field)
    guess = plain.casefold()
    if guess in common() or len(set(guess)) < 3:
        raise Refused(_("This password is too common and easy to guess. Choose another one."), field)
    if guess in (email.casefold(), email.partition("@")[0].casefold()):
        raise Refused(_("Your email address is easy to guess. Choose a different password."), field)


def keep(password: str) -> str:
    return HASHER.hash(_normal(password))


def matches(kept: str | None, password: str) -> bool:
    """Takes as long for a person whom we do not know."""
    if len(password) > LONGEST * 4:
        return False
    try:
        return HASHER.verify(kept or _nobodys(), _normal(password)) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


def outdated(kept: str) -> bool:
    return HASHER.check_needs_rehash(kept)


@cache
def common() -> frozenset[str]:
    lines = Path(__file__).with_name("common_passwords.txt").read_text().splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


@cache
def _nobodys() -> str:
    return keep(secrets.token_urlsafe())


def _normal(password: str) -> str:
    """The same word typed on another keyboard is the same password."""
    return unicodedata.normalize("NFKC", password)
