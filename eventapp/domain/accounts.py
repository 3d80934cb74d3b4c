"""Accounts: signing up, in and out, choosing a new password, and the registrations that an account sees as its own."""
import hashlib
import logging
import secrets
from datetime import timedelta

from sqlalchemy import and_, bindparam, delete, exists, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import contains_eager

from eventapp import clock, config, mail
from eventapp.domain import Refused, passwords
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import AccountToken, Membership, Order, Participation, SignIn, User
from eventapp.models.account import normal_email
from eventapp.outbox import later
from eventapp.tenancy import each_organization
from eventapp.tickets.values import Organization
from eventapp.unit_of_work import checkpoint

log = logging.getLogger("eventapp.accounts")
PLATFORM = "Eventapp"
SIGNED_IN = timedelta(days=30)
SEEN = timedelta(minutes=10)
"""How exactly we remember when a sign-in was last used."""
GOOD_FOR = {"verify": timedelta(hours=24), "reset": timedelta(hours=1), "claim": timedelta(hours=24)}
NOBODY = 0


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def by_email(email: str) -> User | None:
    return db.session.scalar(select(User).where(User.email == normal_email(email)))


# -- signing up --------------------------------------------------------------------------------------

def sign_up(email: str, password: str, name: str, *, locale: str, base: str, next_url: str) -> str:
    """Make an account that waits for its address to be confirmed. Whether there is one already is told by mail alone.

    A sign-up that nobody has confirmed gives way to the next: otherwise a stranger's password could stand in the
    account that the owner of the address confirms. Returns what the new password is kept as.
    """
    passwords.check(password, email)
    email, kept = normal_email(email), passwords.keep(password)
    known = db.session.scalar(select(User).where(User.email == email).with_for_update())
    if known and (known.email_verified_at or known.disabled_at):
        later("mail_already_registered", known, base=base, locale=locale)
        return kept
    if known:
        db.session.delete(known)
        db.session.flush()
    added = db.session.execute(insert(User).values(email=email, password_hash=kept, name=name, locale=locale)
                               .on_conflict_do_nothing(index_elements=["email"]).returning(User)).scalar()
    if added:  # else the same form, posted twice at once
        later("mail_verify_email", added, base=base, next_url=next_url)
    return kept


def ask_again_to_verify(user: User, *, base: str, next_url: str) -> None:
    """Somebody with the right password waits for a letter that got lost: once more, at most once in an hour."""
    later("mail_verify_email", user, key=f"{clock.now():%Y-%m-%d %H}", base=base, next_url=next_url)


def verify_email(token: AccountToken, *, base: str) -> User:
    user = use(token)
    if user.email != token.email:
        raise Refused(_("This link belongs to an address that the account no longer has."))
    user.email_verified_at = clock.now()
    log.info("email verified", extra={"user_id": user.id})
    later("mail_claim_orders", user, base=base)
    return user


# -- signing in and out --------------------------------------------------------------------------------

def authenticate(email: str, password: str) -> User:
    """The person who knows both. The answer and the time it takes do not tell which of them was wrong."""
    user = by_email(email)
    if not passwords.matches(user and user.password_hash, password) or user.disabled_at:
        log.info("sign-in refused", extra={"user_id": user and user.id})
        raise Refused(_("The email address or password is not right."), "password")
    if passwords.outdated(user.password_hash):
        user.password_hash = passwords.keep(password)
    return user


def sign_in(user: User, *, host: str, address: str, user_agent: str) -> SignIn:
    """A new sign-in on this host; its secret is told once and kept as a hash."""
    secret = secrets.token_urlsafe(32)
    made = SignIn(token_hash=digest(secret), user_id=user.id, host=host, expires_at=clock.now() + SIGNED_IN,
                  address=address, user_agent=user_agent[:400])
    db.session.add(made)
    db.session.flush()
    made.secret, user.sign_in = secret, made
    log.info("signed in", extra={"user_id": user.id, "sign_in_id": made.id})
    return made


WHO = (  # composed once
    select(SignIn, Membership).join(SignIn.user).options(contains_eager(SignIn.user))
    .outerjoin(Membership, and_(Membership.user_id == SignIn.user_id, Membership.org_id == bindparam("org_id")))
    .where(SignIn.token_hash == bindparam("hash"), SignIn.host == bindparam("host"), SignIn.expires_at > bindparam("now"),
           User.disabled_at.is_(None)))


def signed_in(secret: str, host: str, org_id: int | None = None) -> User | None:
    """Whoever this secret signs in on this host at this moment, with what they are in this organisation: one statement, asked
    on every request."""
    now = clock.now()
    row = db.session.execute(WHO, {"hash": digest(secret), "host": host, "now": now, "org_id": org_id or NOBODY}).one_or_none()
    if row is None:
        return None
    found, found.user.membership = row
    if found.seen_at < now - SEEN:
        db.session.execute(update(SignIn).where(SignIn.id == found.id).values(seen_at=now)
                           .execution_options(synchronize_session=False))
    found.secret, found.user.sign_in = secret, found
    return found.user


def sign_ins(user: User) -> list[SignIn]:
    return list(db.session.scalars(select(SignIn).where(SignIn.user_id == user.id, SignIn.expires_at > clock.now())
                                   .order_by(SignIn.seen_at.desc(), SignIn.id.desc()).limit(100)))


def sign_out(user: User, *conditions) -> int:
    """End the person's sign-ins, or those that meet the conditions; how many there were."""
    gone = db.session.execute(delete(SignIn).where(SignIn.user_id == user.id, *conditions)
                              .execution_options(synchronize_session=False)).rowcount
    log.info("signed out", extra={"user_id": user.id, "sign_ins": gone})
    return gone


# -- passwords -------------------------------------------------------------------------------------------

def ask_for_reset(email: str, *, base: str, locale: str) -> bool:
    """Mail a link to whoever has this address; whether there is somebody must stay between us.

    For a stranger the same work is written, so that the time tells nothing.
    """
    user = by_email(email)
    later("mail_reset_password", user or User(id=NOBODY), base=base, locale=locale)
    return user is not None


def reset_password(token: AccountToken, password: str, *, base: str) -> User:
    """The link proves the address as well. Every sign-in ends, and so do other links of the kind."""
    passwords.check(password, token.email)
    user = use(token)
    if user.disabled_at or user.email != token.email:
        raise Refused(_("This link belongs to an address that the account no longer has."))
    user.email_verified_at = user.email_verified_at or clock.now()
    _set_password(user, password, base)
    return user


def confirm(user: User, password: str) -> None:
    """Before something that a stranger at a forgotten browser must not do."""
    if not passwords.matches(user.password_hash, password):
        raise Refused(_("This is not your password."), "password")


def change_password(user: User, current: str, new: str, *, base: str) -> None:
    """Every sign-in ends, this one too: the caller signs in anew."""
    confirm(user, current)
    passwords.check(new, user.email, "new_password")
    _set_password(user, new, base)


def _set_password(user: User, password: str, base: str) -> None:
    user.password_hash = passwords.keep(password)
    sign_out(user)
    db.session.execute(update(AccountToken).where(AccountToken.user_id == user.id, AccountToken.purpose == "reset",
                                                  AccountToken.used_at.is_(None)).values(used_at=clock.now()))
    log.info("password changed", extra={"user_id": user.id})
    later("mail_password_changed", user, base=base)


# -- mailed links ------------------------------------------------------------------------------------------

def find_link(secret: str, *purposes: str) -> AccountToken | None:
    return db.session.scalar(select(AccountToken).where(AccountToken.token_hash == digest(secret),
                                                        AccountToken.purpose.in_(purposes)))


def is_good(token: AccountToken) -> bool:
    return token.used_at is None and token.expires_at > clock.now()


def use(token: AccountToken) -> User:
    """Once, also when two tabs try at the same moment."""
    now = clock.now()
    used = db.session.execute(
        update(AccountToken).where(AccountToken.token_hash == token.token_hash, AccountToken.used_at.is_(None),
                                   AccountToken.expires_at > now).values(used_at=now)).rowcount
    if not used:
        raise Refused(_("This link has already been used or has expired. Ask for a new one."))
    return token.user


def _link(user: User, purpose: str, path: str, base: str, next_url: str = "") -> str:
    """Written down before the letter goes, so that a link that arrived is one that works."""
    secret = secrets.token_urlsafe(32)
    db.session.add(AccountToken(token_hash=digest(secret), purpose=purpose, user_id=user.id, email=user.email,
                                next_url=next_url, expires_at=clock.now() + GOOD_FOR[purpose]))
    checkpoint()
    return f"{base}{path}/{secret}"


# -- guest orders of one's own address ------------------------------------------------------------------------

def _unclaimed(user: User):
    """Of the organisation we are in: ordered with this address by somebody who was not signed in."""
    own = exists().where(and_(Participation.user_id == user.id, Participation.org_id == Order.org_id,
                              Participation.order_id == Order.id))
    return (Order.email == user.email, Order.user_id.is_(None), ~own)


def ask_to_claim(user: User, *, base: str) -> None:
    later("mail_claim_orders", user, base=base)


def claim_orders(token: AccountToken) -> User:
    """The owner of the address says that they are theirs."""
    user = use(token)
    if user.email != token.email:
        raise Refused(_("This link belongs to an address that the account no longer has."))
    for _org in each_organization():
        found = select(literal(user.id), Order.org_id, Order.id, literal(clock.now())).where(*_unclaimed(user))
        db.session.execute(insert(Participation).from_select(["user_id", "org_id", "order_id", "created_at"], found)
                           .on_conflict_do_nothing())
    return user


# -- letters -----------------------------------------------------------------------------------------------------

def mail_verify_email(user: User | None, base: str, next_url: str) -> None:
    if user and not user.email_verified_at and not user.disabled_at:
        link = _link(user, "verify", "/auth/verify", base, next_url)
        send("verify_email", user, base, link=link, hours=GOOD_FOR["verify"] // timedelta(hours=1))


def mail_already_registered(user: User | None, base: str, locale: str) -> None:
    if user and not user.disabled_at:
        send("email_already_registered", user, base, locale, login_url=f"{base}/auth/login",
              reset_url=f"{base}/auth/reset")


def mail_reset_password(user: User | None, base: str, locale: str) -> None:
    if user and not user.disabled_at:
        link = _link(user, "reset", "/auth/reset", base)
        send("reset_password", user, base, locale, link=link, minutes=GOOD_FOR["reset"] // timedelta(minutes=1))


def mail_password_changed(user: User | None, base: str) -> None:
    if user:
        send("password_changed", user, base, reset_url=f"{base}/auth/reset")


def mail_claim_orders(user: User | None, base: str) -> None:
    """Only when there is something to claim."""
    if user is None or user.disabled_at or not user.email_verified_at:
        return
    count = sum(db.session.scalar(select(func.count()).select_from(Order).where(*_unclaimed(user)))
                for _org in each_organization())
    if count:
        link = _link(user, "claim", "/auth/verify", base)
        send("claim_orders", user, base, link=link, count=count, hours=GOOD_FOR["claim"] // timedelta(hours=1))


def send(kind: str, user: User, base: str, locale: str = "", **values) -> None:
    """A letter of the platform's to somebody who has an account."""
    settings = config.active()
    sender = settings.from_email
    letter = mail.render(kind, user.locale or locale or "ko", name=user.name, organization=Organization(PLATFORM, base),
                         **values)
    identity = mail.message_id(secrets.token_hex(), sender.rpartition("@")[2])
    checkpoint()  # nothing is held while the letter leaves
    try:
        mail.send(mail.message(letter, user.email, (PLATFORM, sender), "", identity), settings.mail_url)
    except mail.MailRefused as refusal:
        log.warning("letter refused: %s", refusal, extra={"user_id": user.id, "kind": kind})
