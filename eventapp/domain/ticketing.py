"""Tickets and the letters that bring them: from rows to plain values, from values to PDF, calendar and mail."""
from contextvars import ContextVar
from functools import cached_property

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from eventapp import clock, config, crypto, mail
from eventapp.config import derive
from eventapp.domain import ledger, messaging
from eventapp.extensions import db
from eventapp.languages import current_locale, force_locale, localized
from eventapp.mail.values import Deposit
from eventapp.mail.values import Order as OrderValues
from eventapp.models import (
    BulkOperation,
    CustomDomain,
    EmailMessage,
    Event,
    Order,
    Organization,
    Payment,
    Registration,
    Status,
)
from eventapp.outbox import later
from eventapp.payments.banks import BANKS
from eventapp.tickets import calendar, codes, pdf, qr
from eventapp.tickets.values import Event as EventValues
from eventapp.tickets.values import Organization as OrganizationValues
from eventapp.tickets.values import Participant, Ticket
from eventapp.unit_of_work import checkpoint

ENDED = ("voided", "failed", "expired")
"""Payments whose account takes no money any more."""
instead: ContextVar[EmailMessage | None] = ContextVar("instead", default=None)
"""A letter of the same kind that is to be written and sent in place of the one that would be (`resending.py`)."""
CALENDAR, PDF, PNG = "text/calendar", "application/pdf", "image/png"


# -- addresses and codes ---------------------------------------------------------------------------

def _key() -> bytes:
    return derive(config.active().secret_key, "order and ticket links")


def order_token(order: Order) -> str:
    return codes.token(_key(), "order", order.org_id, order.id, order.token_version)


def pay_token(order: Order) -> str:
    """Of the link by which anybody may pay for it, and do nothing else."""
    return codes.token(_key(), "pay", order.org_id, order.id, order.token_version)


def ticket_token(registration: Registration) -> str:
    return codes.token(_key(), "ticket", registration.org_id, registration.id, registration.ticket_version)


def order_of(token: str, org_id: int, purpose: str = "order") -> Order | None:
    """The order a buyer's link leads to, or (`pay`) one to pay by; None for a link that was altered, replaced, or is another
    organisation's."""
    read = codes.read_token(_key(), purpose, token)
    order = db.session.get(Order, read[1]) if read and read[0] == org_id else None
    return order if order and order.token_version == read[2] else None


def registration_of(token: str, org_id: int) -> Registration | None:
    """The confirmed registration a ticket's link leads to."""
    read = codes.read_token(_key(), "ticket", token)
    registration = db.session.get(Registration, read[1]) if read and read[0] == org_id else None
    valid = registration and registration.ticket_version == read[2] and registration.status == Status.CONFIRMED
    return registration if valid else None


def organization_url(organization: Organization) -> str:
    """The organisation's canonical address: its verified domain, otherwise the platform's host with its path."""
    domain = db.session.scalar(select(CustomDomain.host).where(CustomDomain.org_id == organization.org_id,
                                                               CustomDomain.verified_at.is_not(None)).limit(1))
    return f"https://{domain}" if domain else f"{config.active().platform_url}/{organization.slug}"


def give_keys(event: Event) -> None:
    """An event signs its tickets with a key of its own from the beginning."""
    private, event.ticket_public_key = codes.new_keys()
    event.ticket_key = crypto.seal(private, f"events:{event.org_id}:{event.id}:ticket_key")


def code(event: Event, registration: Registration) -> str:
    """The text in the QR; empty while there is no ticket."""
    if registration.status != Status.CONFIRMED:
        return ""
    private = crypto.unseal(event.ticket_key, f"events:{event.org_id}:{event.id}:ticket_key")
    return codes.sign(private, event.org_id, event.id, registration.id, registration.ticket_version)


# -- rows as plain values, in the language that is being spoken --------------------------------------

class Papers:
    """What one order's letters and tickets are made from, loaded once; without an order what concerns the event alone."""

    def __init__(self, order: Order | None, event: Event | None = None):
        self.order = order
        self.event = event or db.session.get(Event, order.event_id)
        self.row = db.session.get(Organization, self.event.org_id)
        self.url = organization_url(self.row)
        self.registrations = [] if order is None else list(db.session.scalars(
            select(Registration).where(Registration.order_id == order.id).order_by(Registration.position)
            .options(selectinload(Registration.line_items)).execution_options(populate_existing=True)))

    @property
    def confirmed(self) -> list[Registration]:
        return [one for one in self.registrations if one.status == Status.CONFIRMED]

    @property
    def organization(self) -> OrganizationValues:
        business = self.row.business
        return OrganizationValues(
            name=localized(self.row.name), url=self.url, accent=self.row.accent, email=self.row.email, phone=self.row.phone,
            business_name=business.get("name", ""), representative=business.get("representative", ""),
            business_number=business.get("number", ""), mail_order_number=business.get("mail_order_number", ""),
            address=business.get("address", ""))

    @property
    def event_values(self) -> EventValues:
        event = self.event
        return EventValues(
            title=localized(event.title), url=f"{self.url}/{event.slug}", starts_at=event.starts_at, ends_at=event.ends_at,
            timezone=event.timezone, uid=f"event-{event.org_id}-{event.id}@{config.active().platform_host}",
            venue=localized(event.venue.get("name")), address=localized(event.venue.get("address")),
            online_url=event.online_url, description=localized(event.summary), cancelled=event.status == "cancelled")

    @property
    def order_url(self) -> str:
        return f"{self.url}/{self.event.slug}/orders/{order_token(self.order)}"

    def order_values(self, registrations=None, owed: int | None = None) -> OrderValues:
        """With `owed` the amount is what is still to be paid."""
        order = self.order
        return OrderValues(name=order.name, url=self.order_url, amount=order.total if owed is None else owed, currency=order.currency,
                           participants=tuple(map(self.participant, registrations or self.registrations)),
                           pay_by=self.pay_by, added=owed is not None and bool(self.confirmed))

    @property
    def pay_by(self):
        """The bank closes an account of the gateway's a little before the places are given free."""
        waiting = self.payment and self.payment.due_at and self.payment.status == "awaiting_deposit"
        return self.payment.due_at if waiting else self.order.hold_until

    @cached_property
    def payment(self) -> Payment | None:
        """The latest one."""
        return db.session.scalar(select(Payment).where(Payment.order_id == self.order.id).order_by(Payment.id.desc()).limit(1))

    def participant(self, registration: Registration) -> Participant:
        programs = tuple(localized(item.name) + (f" ×{item.quantity}" if item.quantity > 1 else "")
                         for item in registration.line_items)
        return Participant(name=registration.name, number=registration.number, programs=programs,
                           code=code(self.event, registration), email=registration.email)

    def ticket(self, registration: Registration) -> Ticket:
        return Ticket(self.organization, self.event_values, self.participant(registration), current_locale())

    def deposit(self) -> Deposit | None:
        """Where the money of an order by transfer goes, once that is known."""
        payment = self.payment
        if payment is None or not payment.virtual_account or payment.status in ENDED:
            return None
        if payment.status == "awaiting_deposit" and payment.amount != ledger.owed(self.order):
            return None  # more of the order was approved since, or some of it was cancelled
        account, virtual = payment.virtual_account, payment.method == "virtual_account"
        bank = BANKS.get(account["bank"])
        name = (bank.korean if current_locale() == "ko" else bank.english) if bank else account["bank"]
        return Deposit(bank=name, account_number=account["number"], holder=account["holder"], virtual=virtual,
                       depositor="" if virtual else self.order.name)


def ticket_pdf(registrations, papers: Papers) -> bytes:
    """All tickets in one document, in the language that is being spoken."""
    return pdf.tickets([papers.ticket(registration) for registration in registrations])


def calendar_file(papers: Papers) -> bytes:
    return calendar.ics(papers.event_values, papers.organization)


# -- letters -----------------------------------------------------------------------------------------

def mail_received(order: Order) -> None:
    papers = Papers(order)
    to_buyer(papers, "order_received")


def mail_payment_due(order: Order) -> None:
    papers, owed = Papers(order), ledger.owed(order)
    if owed <= 0:
        return
    with force_locale(order.locale):
        deposit = papers.deposit()
    if deposit:
        to_buyer(papers, "payment_due", deposit=deposit, about=_account(papers, deposit), owed=owed)


def mail_payment_reversed(order: Order, about: str) -> None:
    """The bank took a deposit back; not any more when it has come again."""
    papers, owed = Papers(order), ledger.owed(order)
    with force_locale(order.locale):
        deposit = papers.deposit()
    if owed > 0 and deposit:
        to_buyer(papers, "payment_reversed", deposit=deposit, about=about, owed=owed)


def mail_payment_reminder(order: Order) -> None:
    """Once, before a hold ends, to those who still owe."""
    papers, owed = Papers(order), ledger.owed(order)
    if owed <= 0 or order.hold_until is None or order.hold_until <= clock.now():
        return
    with force_locale(order.locale):
        deposit = papers.deposit()
    to_buyer(papers, "payment_reminder", deposit=deposit, about=str(papers.payment.id) if papers.confirmed else "", owed=owed)


def _account(papers: Papers, deposit: Deposit) -> str:
    """What makes a letter about a deposit another one: the account, and the payment, since the organiser's account stays the same
    when the sum is another one."""
    return f"{deposit.account_number} {papers.payment.id}"


def mail_confirmed(order: Order) -> None:
    """Every ticket to the buyer, and to each participant with an address of their own theirs."""
    papers = Papers(order)
    confirmed = papers.confirmed
    if not confirmed:
        return
    with force_locale(order.locale):
        files, pictures = _ticket_files(papers, confirmed)
    to_buyer(papers, "order_confirmed", registrations=confirmed, about=_versions(confirmed), attachments=files, inline=pictures)
    later("mail_ticket", [one for one in confirmed if one.email and one.email != order.email], key=_versions(confirmed))


def mail_ticket(registration: Registration) -> None:
    papers = Papers(db.session.get(Order, registration.order_id))
    if registration.status != Status.CONFIRMED:
        return
    with force_locale(registration.locale):
        files, pictures = _ticket_files(papers, [registration])
        values = {"organization": papers.organization, "event": papers.event_values, "participant": papers.participant(registration)}
    _deliver(papers, f"ticket:{registration.id}:{registration.ticket_version}", "ticket", registration.locale, registration.email,
             values, attachments=files, inline=pictures, registration=registration)


def mail_expired(order: Order, until: str) -> None:
    """`until`: which of its holds it was; places that are taken again may be given up again."""
    to_buyer(Papers(order), "order_expired", about=until)


def mail_cancelled(order: Order) -> None:
    papers = Papers(order)
    gone = [one for one in papers.registrations if one.status == Status.CANCELLED]
    if gone:
        to_buyer(papers, "order_cancelled", registrations=gone, about=str(len(gone)))


def mail_approved(order: Order, operation: int) -> None:
    """The offer: how much, until when, and the link to pay."""
    papers, owed = Papers(order), ledger.owed(order)
    offered = [one for one in papers.registrations if one.status == Status.PENDING_PAYMENT]
    if offered and owed > 0 and order.hold_until and order.hold_until > clock.now():
        to_buyer(papers, "order_approved", registrations=offered, about=str(operation), owed=owed)


def mail_rejected(order: Order, operation: int) -> None:
    papers = Papers(order)
    gone = [one for one in papers.registrations if one.status == Status.REJECTED]
    if gone:
        to_buyer(papers, "order_rejected", registrations=gone, about=str(operation), reason=gone[-1].status_reason)


def mail_message(registration: Registration, operation: BulkOperation) -> None:
    """What staff have written to many, to the participant or, where no address is known, to who registered them."""
    papers = Papers(db.session.get(Order, registration.order_id))
    to = registration.email or papers.order.email
    with force_locale(registration.locale):
        values = {"name": registration.name, "number": registration.number, "event": localized(papers.event.title),
                  "link": _link_for(papers, registration, to)}
        text = operation.parameters
        letter = {"organization": papers.organization, "event": papers.event_values,
                  "subject": messaging.filled(text["subject"], values), "paragraphs": messaging.pieces(text["body"], values)}
    _deliver(papers, f"message:{operation.id}:{registration.id}", "message", registration.locale, to, letter, registration=registration)


def _link_for(papers: Papers, registration: Registration, to: str) -> str:
    """The order's page is the buyer's alone; a participant beside them gets the own ticket, once there is one."""
    if to == papers.order.email:
        return papers.order_url
    page = f"{papers.url}/{papers.event.slug}"
    return f"{page}/tickets/{ticket_token(registration)}.pdf" if registration.status == Status.CONFIRMED else page


def mail_changed(registration: Registration, about: str) -> None:
    """What somebody takes part in now, what it costs, and what is to be paid or comes back."""
    papers = Papers(db.session.get(Order, registration.order_id))
    owed = ledger.owed(papers.order)
    with force_locale(papers.order.locale):
        deposit = papers.deposit() if owed > 0 else None
        changed = next(papers.participant(one) for one in papers.registrations if one.id == registration.id)
    to_buyer(papers, "order_changed", about=f"{registration.id}:{about}", participant=changed, owed=max(0, owed), back=max(0, -owed), deposit=deposit)


def _versions(registrations) -> str:
    return "-".join(f"{one.id}.{one.ticket_version}" for one in registrations)[:200]


def _ticket_files(papers: Papers, registrations):
    first = registrations[0].number
    files = [mail.Attachment(f"ticket-{first}.pdf" if len(registrations) == 1 else f"tickets-{first}.pdf", PDF,
                             ticket_pdf(registrations, papers)),
             mail.Attachment(f"{papers.event.slug}.ics", CALENDAR, calendar_file(papers))]
    return files, [mail.Attachment(one.number, PNG, qr.png(code(papers.event, one))) for one in registrations]


def to_buyer(papers: Papers, kind: str, *, registrations=None, about: str = "", owed: int | None = None, attachments=(), inline=(),
              **more) -> None:
    order = papers.order
    with force_locale(order.locale):
        values = {"organization": papers.organization, "event": papers.event_values, "order": papers.order_values(registrations, owed)}
    _deliver(papers, f"{kind}:{order.id}:{about}", kind, order.locale, order.email, values | more, attachments, inline)


def _deliver(papers: Papers, key: str, kind: str, locale: str, to: str, values: dict, attachments=(), inline=(),
             registration: Registration | None = None) -> None:
    """Write the letter down, then send it. A second run finds it written and sends it again only if it never went."""
    if not to:
        return  # registered by staff, without an address
    row = instead.get() or db.session.scalar(select(EmailMessage).where(EmailMessage.key == key))
    if row and row.state != "written":
        return
    letter = mail.render(kind, locale, **values)
    if row is None:
        row = EmailMessage(key=key, kind=kind, locale=locale, recipient=to, order_id=papers.order.id,
                           registration_id=registration and registration.id)
        db.session.add(row)
    row.subject, row.body = letter.subject, letter.text
    post(papers, row, letter, attachments, inline)


def post(papers: Papers, row: EmailMessage, letter: mail.Letter, attachments=(), inline=()) -> None:
    """Send a letter that is written down. What becomes of it stands in its row."""
    with force_locale(row.locale):
        sender = papers.organization.name
    checkpoint()  # a letter that went out is on record, whatever happens next, and nothing is held while it leaves
    settings = config.active()
    try:
        mail.send(mail.message(letter, row.recipient, (sender, settings.from_email), papers.row.email,
                               mail.message_id(f"{papers.order.org_id}:{row.key}", settings.from_email.rpartition("@")[2]),
                               attachments, inline), settings.mail_url)
    except (mail.MailRefused, ValueError) as refusal:  # ValueError: no letter can be addressed so
        row.state, row.error = "failed", str(refusal)[:500]
    else:
        row.state, row.sent_at, row.error = "sent", clock.now(), ""
