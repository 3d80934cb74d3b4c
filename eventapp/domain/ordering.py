"""From a filled-in form to an order whose places are held."""
from dataclasses import dataclass, field
from hashlib import sha256

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import selectinload

from eventapp import audit, clock
from eventapp.config import Settings
from eventapp.domain import (
    Refused,
    RefusedFields,
    asking,
    cash_receipting,
    ledger,
    paying,
    pricing,
    refund_rules,
    uploading,
)
from eventapp.domain.contacts import EMAIL, phone_number
from eventapp.extensions import db
from eventapp.languages import _, localized
from eventapp.models import (
    Consent,
    Event,
    FormVersion,
    LineItem,
    Order,
    Organization,
    Participation,
    Program,
    Quota,
    QuotaProgram,
    Registration,
    Status,
)
from eventapp.models.account import normal_email
from eventapp.outbox import later, together

OPEN_PER_BROWSER, OPEN_PER_EMAIL = 3, 5
TAX_FREE = "tax_free"


@dataclass
class Participant:
    """As typed. `chosen`: program code → quantity; `answers`: question → values."""

    name: str = ""
    email: str = ""
    phone: str = ""
    chosen: dict[str, int] = field(default_factory=dict)
    answers: dict[str, list[str]] = field(default_factory=dict)
    wrong_quantities: dict[str, str] = field(default_factory=dict)


@dataclass
class Submission:
    """A registration form as it was sent. `id` makes it one order however often it is posted."""

    id: str
    participants: list[Participant]
    method: str = ""
    locale: str = "ko"
    answers: dict[str, list[str]] = field(default_factory=dict)
    """To the questions asked once per order."""
    consents: frozenset[str] = frozenset()
    fingerprint: str = ""
    """Of the price list that the page showed."""
    browser: str = ""
    user_id: int | None = None
    receipt: tuple[str, str] = ("", "")
    """The cash receipt that is wanted for a transfer: its kind, and for what number."""


@dataclass
class Offer:
    """What an event offers at a moment: everything that a registration is checked against."""

    event: Event
    programs: dict[str, Program]
    form: FormVersion
    at: object
    tax: str = "taxable"
    """Of the organisation: what holds for programs that say nothing else."""

    @property
    def fields(self):
        return [one for one in self.form.fields if not one.get("per_order")]

    @property
    def order_fields(self):
        return [one for one in self.form.fields if one.get("per_order")]

    def lines(self, participant: Participant) -> list[pricing.Line]:
        return pricing.lines(self.programs, participant.chosen, self.at)

    def total(self, participants) -> int:
        return pricing.total(self.lines(participant) for participant in participants)

    def is_tax_free(self, program: Program) -> bool:
        """Whether its price bears no VAT; as it is sold now, so it stays."""
        return (program.tax or self.tax) == TAX_FREE

    def left(self, program: Program) -> int | None:
        """Places left of a program, None when they are not counted."""
        counts = [quota.left for quota in [*program.quotas, *self.whole_event]]
        return min(counts) if counts else None

    @property
    def whole_event(self) -> list[Quota]:
        return [quota for quota in self.event.quotas if quota.whole_event]


def offer(event: Event, *, with_places: bool = False) -> Offer:
    """Load what is offered; `with_places` also how many places are left, for showing (not for deciding)."""
    latest = select(func.max(FormVersion.version)).where(FormVersion.event_id == event.id).scalar_subquery()
    tax = select(Organization.tax).where(Organization.org_id == event.org_id).scalar_subquery()
    query = (select(Program, FormVersion, tax).where(Program.event_id == event.id).order_by(Program.position, Program.id)
             .outerjoin(FormVersion, (FormVersion.event_id == Program.event_id) & (FormVersion.version == latest)))
    if with_places:
        query = query.options(selectinload(Program.quotas)).execution_options(populate_existing=True)
    rows = db.session.execute(query).all()
    programs = {program.code: program for program, *_rest in rows}
    form, tax = rows[0][1:] if rows else (None, "")  # nobody is asked anything where there is nothing to take part in
    return Offer(event, programs, form or FormVersion(version=0, fields=[], consents=[], notice={}), clock.now(), tax)


def check(offer: Offer, submission: Submission) -> dict[str, str]:
    """What is wrong, by the name of the form's field, in the order of the form."""
    errors: dict[str, str] = {}
    event = offer.event
    if not 1 <= len(submission.participants) <= event.max_participants:
        errors["participants"] = _("You can register from 1 to %(most)s participants at once.", most=event.max_participants)
        return errors
    for number, participant in enumerate(submission.participants, start=1):
        prefix = "" if number == 1 else f"p{number}-"
        for name, sentence in check_participant(offer, participant, number == 1).items():
            errors["form" if name == "form" else prefix + name] = sentence
    if submission.fingerprint and submission.fingerprint != pricing.fingerprint(offer.programs, offer.at):
        errors.setdefault("program", _("The prices have changed since you opened this page. Check the new total and submit again."))
    _answers, wrong = asking.read(offer.order_fields, submission.answers, _all_chosen(submission))
    errors |= beside("order-field-", offer.order_fields, wrong)
    known = {consent["key"] for consent in offer.form.consents}
    for consent in offer.form.consents:
        if consent.get("required") and consent["key"] not in submission.consents:
            errors[f"consent-{consent['key']}"] = _("This is required to take part. Tick it to continue.")
    if submission.consents - known:
        errors["consents"] = _("The consents have changed since you opened this page. Please read them again.")
    if offer.total(submission.participants) and submission.method not in methods(event):
        errors["method"] = _("Choose how to pay.")
    elif _asks_receipt(event, submission):
        errors |= cash_receipting.check(*submission.receipt, submission.participants[0].phone)
    return errors


def _asks_receipt(event: Event, submission: Submission) -> bool:
    return submission.receipt[0] not in ("", "none") and event.currency == cash_receipting.CURRENCY \
        and submission.method in cash_receipting.METHODS


def _all_chosen(submission) -> set[str]:
    return {code for participant in submission.participants for code in participant.chosen}


def check_participant(offer: Offer, participant: Participant, is_buyer: bool) -> dict[str, str]:
    errors = check_person(participant, needs_email=is_buyer) | check_programs(offer, participant)
    _answers, wrong = asking.read(offer.fields, participant.answers, participant.chosen)
    return errors | beside("field-", offer.fields, wrong)


def check_person(participant: Participant, *, needs_email: bool) -> dict[str, str]:
    """The name, and how they are reached."""
    errors = {}
    name = participant.name.strip()
    if not name:
        errors["name"] = _("Enter the name as it should appear on the ticket.")
    elif len(name) > 100 or "\0" in name:
        errors["name"] = _("Use at most %(count)s characters; there are %(found)s.", count=100, found=len(name))
    email = participant.email.strip()
    if not email and needs_email:
        errors["email"] = _("Enter your email address. The ticket is sent there.")
    elif email and (len(email) > 254 or not EMAIL.match(email)):
        errors["email"] = _("This is not an email address. It should look like name@example.com.")
    if participant.phone.strip() and phone_number(participant.phone) is None:
        errors["phone"] = _("This is not a phone number. It should look like 010-1234-5678, or +44 20 7946 0958 from abroad.")
    return errors


def beside(prefix: str, fields, wrong: dict[str, str]) -> dict[str, str]:
    """Sentences by the form's fields; about a question that is not there, by `form`."""
    known = {one["key"] for one in fields}
    return {prefix + key if key in known else "form": sentence for key, sentence in wrong.items()}


def check_programs(offer: Offer, participant: Participant, *, on_sale: bool = True) -> dict[str, str]:
    """`on_sale`: whether it must be for sale at the moment, as for everybody but staff."""
    errors = dict(participant.wrong_quantities)
    foreign = participant.chosen.keys() - offer.programs.keys()
    if foreign:
        errors["program"] = _("One of the programs is no longer part of this event. Choose again.")
    elif not participant.chosen and not errors:
        errors["program"] = _("Choose at least one program.")
    by_id = {program.id: program for program in offer.programs.values()}
    for code, quantity in participant.chosen.items():
        program = offer.programs.get(code)
        if program is None:
            continue
        field_name = f"qty-{code}" if program.maximum > 1 else "program"
        name = localized(program.name)
        if not max(1, program.minimum) <= quantity <= program.maximum:
            errors[field_name] = _("“%(program)s”: choose from %(least)s to %(most)s per person.", program=name,
                                   least=max(1, program.minimum), most=program.maximum)
        elif on_sale and pricing.price(program, offer.at) is None:
            errors[field_name] = _("“%(program)s” is not on sale at the moment.", program=name)
        elif program.requires_id and by_id[program.requires_id].code not in participant.chosen:
            errors[field_name] = _("“%(program)s” can only be chosen together with “%(other)s”.", program=name,
                                   other=localized(by_id[program.requires_id].name))
    return errors


def methods(event: Event) -> list[str]:
    return [method for method in event.methods if method != "free"]


def existing(submission_id: str) -> Order | None:
    return db.session.scalar(select(Order).where(Order.submission == submission_id))


def place(offer: Offer, submission: Submission, settings: Settings) -> Order:
    """Make the order and hold its places; raises RefusedFields with everything that is wrong, and then nothing is written.

    Posted a second time, the order of the first is returned.
    """
    made = _already_made(submission, settings)
    if made:
        return made
    state = offer.event.registration_state(offer.at)
    if state != "open":
        raise Refused(_("Registration is closed.") if state != "not_yet" else _("Registration has not opened yet."))
    errors = check(offer, submission)
    if errors:
        raise RefusedFields(errors)
    try:
        return _write(offer, submission, settings)
    except IntegrityError as error:
        db.session.rollback()
        twin = existing(submission.id)
        if twin is None and "quotas_capacity" in str(error.orig):
            raise _sold_out() from None
        if twin is None:
            raise
        return twin


def _already_made(submission: Submission, settings: Settings) -> Order | None:
    """The order this form has made before. Raises Refused when too many others are still open."""
    email = normal_email(submission.participants[0].email)
    email = email if EMAIL.match(email) else ""  # it is looked at before it is checked
    now = clock.now()
    mine = Order.hold_until > now
    row = db.session.execute(select(
        func.count().filter(mine, Order.browser == submission.browser), func.count().filter(mine, Order.email == email),
        func.max(Order.id).filter(Order.submission == submission.id),
    ).where((Order.submission == submission.id) | (Order.browser == submission.browser) | (Order.email == email))).one()
    in_browser, for_email, made = row
    if made:
        return db.session.get(Order, made)
    scale = settings.rate_limit_scale
    if scale and (in_browser >= OPEN_PER_BROWSER * scale or for_email >= OPEN_PER_EMAIL * scale):
        raise Refused(_("You have registrations that are not paid yet. Pay for or cancel one of them first."), "email", 429)
    return None


def _write(offer: Offer, submission: Submission, settings: Settings) -> Order:
    event, at = offer.event, offer.at
    sold = [offer.lines(participant) for participant in submission.participants]
    total = pricing.total(sold)
    status = _first_status(event, sold, total)
    buyer = submission.participants[0]
    answers, _wrong = asking.read(offer.order_fields, submission.answers, _all_chosen(submission))
    order = Order(event_id=event.id, submission=submission.id, name=buyer.name.strip(), email=normal_email(buyer.email),
                  phone=phone_number(buyer.phone) or "" if buyer.phone else "", locale=submission.locale, currency=event.currency,
                  total=total, method=submission.method if total else "free", answers=answers, form_version=offer.form.version,
                  user_id=submission.user_id, browser=submission.browser,
                  refund_terms=_refund_terms(event, submission.locale, at) if total else {},
                  hold_until=paying.first_hold(event.id, submission.method) if status == Status.PENDING_PAYMENT else None)
    db.session.add(order)
    db.session.flush()
    if status in (Status.PENDING_PAYMENT, Status.CONFIRMED):
        lock_places(offer, sold)
    registrations = _write_registrations(offer, submission, order, status, at)
    _write_line_items(offer, registrations, sold)
    _write_consents(offer, submission, registrations)
    files = [identity for given in [answers, *(one.answers for one in registrations)] for identity in uploading.ids_in(given)]
    if files:
        uploading.belong_to(order, files)
    if submission.user_id:
        db.session.add(Participation(user_id=submission.user_id, org_id=order.org_id, order_id=order.id))
    audit.record("order.placed", order, by=audit.Actor("buyer", order.id),
                 after={"total": total, "method": order.method, "participants": len(sold), "status": status})
    if status == Status.PENDING_PAYMENT:
        ledger.charge(order)
        with together():
            paying.begin(order, order.method, total, tax_free=sum(
                line.amount for lines in sold for line in lines if offer.is_tax_free(line.program)))
    elif status == Status.CONFIRMED:
        later("mail_order_confirmed", order, key="1")
    else:
        later("mail_order_received", order, key="1")
    if total and _asks_receipt(event, submission):
        cash_receipting.ask(order, *submission.receipt, by=audit.Actor("buyer", order.id))
    return order


def _refund_terms(event: Event, locale: str, at) -> dict:
    """What the page said about refunds, as it said it: it holds for this order whatever the event says later."""
    rules = refund_rules.terms(event)
    return {"rules": rules, "text": "\n".join(refund_rules.in_words(rules, event, locale)), "locale": locale, "at": at.isoformat()}


def _first_status(event: Event, sold, total: int) -> str:
    asks_first = event.approval == "before_payment" or any(line.program.requires_approval for lines in sold for line in lines)
    if asks_first or (event.approval == "after_payment" and not total):
        return Status.PENDING_APPROVAL
    return Status.PENDING_PAYMENT if total else Status.CONFIRMED


def lock_places(offer: Offer, sold) -> None:
    """Lock what is used up, in order, as late as we can; say whose program is gone. The database checks again by itself."""
    program_ids = {line.program.id for lines in sold for line in lines}
    rows = db.session.execute(
        select(Quota.id, Quota.capacity - Quota.used, Quota.whole_event,
               select(func.array_agg(QuotaProgram.program_id)).where(QuotaProgram.quota_id == Quota.id).scalar_subquery())
        .where(Quota.event_id == offer.event.id, Quota.whole_event | Quota.id.in_(
            select(QuotaProgram.quota_id).where(QuotaProgram.program_id.in_(program_ids))))
        .order_by(Quota.id).with_for_update(of=Quota)).all()
    errors: dict[str, str] = {}
    for _id, left, whole_event, programs in rows:
        for number, lines in enumerate(sold, start=1):
            prefix = "" if number == 1 else f"p{number}-"
            if whole_event:
                left -= 1
                if left < 0:
                    errors.setdefault(f"{prefix}program", _("The event is full. No places are left."))
                continue
            for line in lines:
                if line.program.id in (programs or ()):
                    left -= line.quantity
                    if left < 0:
                        key = f"qty-{line.program.code}" if line.program.maximum > 1 else "program"
                        errors.setdefault(prefix + key, _("“%(program)s” is sold out.", program=localized(line.program.name)))
    if errors:
        raise RefusedFields(errors)


def _sold_out() -> RefusedFields:
    return RefusedFields({"program": _("The last place has just been taken.")})


def _write_registrations(offer: Offer, submission: Submission, order: Order, status: str, at) -> list[Registration]:
    registrations = []
    for position, participant in enumerate(submission.participants, start=1):
        answers, _wrong = asking.read(offer.fields, participant.answers, participant.chosen)
        registrations.append(Registration(
            order_id=order.id, event_id=order.event_id, position=position, code=offer.event.code, status=status,
            name=participant.name.strip(), email=normal_email(participant.email) or ("" if position > 1 else order.email),
            phone=phone_number(participant.phone) or "" if participant.phone else "", locale=submission.locale, answers=answers,
            paid_at=at if status == Status.CONFIRMED else None, confirmed_at=at if status == Status.CONFIRMED else None))
    db.session.add_all(registrations)
    db.session.flush()
    return registrations


def _write_line_items(offer: Offer, registrations, sold) -> None:
    rows = [
        {"registration_id": registration.id, "program_id": line.program.id, "name": line.program.name,
         "tier": {"name": line.tier.get("name") or {}}, "quantity": line.quantity, "unit_price": line.unit_price,
         "tax_free": offer.is_tax_free(line.program), "created_at": clock.now()}
        for registration, lines in zip(registrations, sold, strict=True) for line in lines]
    db.session.execute(insert(LineItem).values(rows if len(rows) > 1 else rows[0]))


def _write_consents(offer: Offer, submission: Submission, registrations) -> None:
    if not offer.form.consents:
        return
    rows = [
        {"registration_id": registration.id, "key": consent["key"], "purpose": consent.get("purpose", consent["key"]),
         "version": str(consent.get("version", offer.form.version)), "given": consent["key"] in submission.consents,
         "text_hash": sha256(localized(consent["text"], submission.locale).encode()).hexdigest(), "created_at": clock.now()}
        for registration in registrations for consent in offer.form.consents]
    db.session.execute(insert(Consent).values(rows if len(rows) > 1 else rows[0]))
