"""Letters sent once more, perhaps to another address.

A letter that brings tickets or asks for money is made anew, so that it says what is so today; any other goes as it was written.
Each is a letter of its own on record, with a key of its own.
"""
import re
from html import escape

from sqlalchemy import select

from eventapp import audit, mail
from eventapp.domain import Refused, ledger, ticketing
from eventapp.domain.contacts import EMAIL
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import EmailMessage, Order, Registration, Status
from eventapp.models.account import normal_email
from eventapp.outbox import later

OF_ORDER = {"order_received": ticketing.mail_received, "order_confirmed": ticketing.mail_confirmed,
            "payment_due": ticketing.mail_payment_due, "payment_reminder": ticketing.mail_payment_reminder}
TICKETS = ("order_confirmed", "ticket")
AGAIN = re.compile(r" again .*$")


def send_again(letter: EmailMessage, to: str, nonce: str, *, by) -> EmailMessage:
    """The new letter, on its way. With the same nonce it is the same one. Raises Refused."""
    to = normal_email(to)
    if len(to) > 254 or not EMAIL.match(to):
        raise Refused(_("This is not an email address. It should look like name@example.com."), "to")
    sentence = why_not(letter)
    if sentence:
        raise Refused(sentence)
    key = f"{AGAIN.sub('', letter.key)} again {nonce}"
    made = db.session.scalar(select(EmailMessage).where(EmailMessage.key == key))
    if made is None:
        made = EmailMessage(key=key, kind=letter.kind, locale=letter.locale, recipient=to, subject=letter.subject, body=letter.body,
                            order_id=letter.order_id, registration_id=letter.registration_id)
        db.session.add(made)
        later("mail_again", made, key="1")
        audit.record("email.sent_again", _thing(letter), by=by, after={"kind": letter.kind},
                     personal=({"to": letter.recipient}, {"to": to}))
    return made


def send_ticket(registration: Registration, nonce: str, *, by) -> EmailMessage:
    """The ticket alone, whether or not it has been mailed before. Raises Refused."""
    order = db.session.get(Order, registration.order_id)
    letter = EmailMessage(key=f"ticket:{registration.id}:{registration.ticket_version}", kind="ticket", locale=registration.locale,
                          recipient=registration.email or order.email, subject="", body="", order_id=order.id,
                          registration_id=registration.id)
    return send_again(letter, letter.recipient, nonce, by=by)


def why_not(letter: EmailMessage) -> str:
    """Why this letter makes no sense today: "" or a sentence."""
    order = db.session.get(Order, letter.order_id)
    if letter.kind in TICKETS:
        of = Registration.id == letter.registration_id if letter.registration_id else Registration.order_id == letter.order_id
        if not db.session.scalar(select(Registration.id).where(of, Registration.status == Status.CONFIRMED).limit(1)):
            return _("There is no valid ticket to send.")
    if letter.kind in ("payment_due", "payment_reminder") and ledger.owed(order) <= 0:
        return _("Nothing is owed any more, so this letter would be wrong.")
    return ""


def deliver(letter: EmailMessage | None) -> None:
    if letter is None or letter.state != "written":
        return
    if letter.kind == "ticket":
        _instead(letter, ticketing.mail_ticket, db.session.get(Registration, letter.registration_id))
    elif letter.kind in OF_ORDER:
        _instead(letter, OF_ORDER[letter.kind], db.session.get(Order, letter.order_id))
    else:
        papers = ticketing.Papers(db.session.get(Order, letter.order_id))
        ticketing.post(papers, letter, mail.Letter(letter.subject, letter.body, as_page(letter)))
    if letter.state == "written":  # what it was about has gone meanwhile
        letter.state, letter.error = "failed", "no longer true"


def _instead(letter: EmailMessage, write, thing) -> None:
    token = ticketing.instead.set(letter)
    try:
        write(thing)
    finally:
        ticketing.instead.reset(token)


def as_page(letter: EmailMessage) -> str:
    """Of a letter only the text is kept: it reads the same as a page."""
    return (f'<!doctype html><html lang="{letter.locale}"><head><meta charset="utf-8"><title>{escape(letter.subject)}</title></head>'
            f'<body><div style="font-family:sans-serif;white-space:pre-line;max-width:36em">{escape(letter.body)}</div></body></html>')


def _thing(letter: EmailMessage):
    """What the letter is about, for the log."""
    return db.session.get(Registration, letter.registration_id) if letter.registration_id else db.session.get(Order, letter.order_id)
