"""Money that goes back: what it comes to, the ways it takes, and how far it has got.

A refund is a row of its own. The gateway is asked by an attempt (`calling.py`), or staff transfer it by hand; where the money
can't find its way back by itself the buyer is asked for an account, which is encrypted, and erased once it has served.
What the organisation keeps by its rules is booked at the moment somebody cancels; the books say what is still to be returned.
"""
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, null, select

from eventapp import audit, clock, crypto
from eventapp.domain import Refused, bank_accounts, documenting, ledger, refund_rules
from eventapp.domain.attempts import lock, open_of, prepare
from eventapp.domain.refund_rules import Tier
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import (
    Event,
    LineItem,
    Membership,
    Order,
    Organization,
    Payment,
    PaymentAttempt,
    Refund,
    Registration,
    Status,
)
from eventapp.models.base import among
from eventapp.outbox import NotYet, later
from eventapp.payments import PROVIDERS
from eventapp.payments.provider import BANK_TRANSFER, CARD, MOBILE, VIRTUAL_ACCOUNT

LATE = "the payment came after the deadline"
TWICE = "the order had been paid already"
GONE = "the registration was cancelled"
EVENT_CANCELLED = "the event was cancelled"
CHARGEBACK = "the card holder's dispute was lost"
PAID = ("paid", "partially_refunded")
GIVING = (*PAID, "refund_pending")
"""Of a payment of which a part is on its way, another part can follow."""
BY_ITSELF = (CARD, BANK_TRANSFER, MOBILE)
"""What the gateway sends back without being told an account."""
CASH = "cash"
ON_ITS_WAY = ("requested", "needs_account", "to_pay")
GATEWAY, TRANSFER = "gateway", "transfer"
AT_MOST = {BANK_TRANSFER: timedelta(days=180), VIRTUAL_ACCOUNT: timedelta(days=365)}
"""How long after the payment a gateway gives it back; of a phone bill within the calendar month."""
WRONG_ACCOUNT = ("INVALID_REFUND_ACCOUNT_INFO", "INVALID_REFUND_ACCOUNT_NUMBER")
"""What a gateway says when the bank does not know the account: the buyer corrects it."""
OVERTAKEN = "OVERTAKEN"
"""The money went back another way while it was being asked for."""
SURPLUS = ("overpaid", "refund_by_hand", "not_given_back")
"""Problems that are over when nothing is too much any more."""
LONGEST_REASON = 200
LOOK_AGAIN = 10
"""Seconds until it is looked at again whether a payment is free for its next part."""
FROM_OUTSIDE = ("differs", "external_refund", "disputed", "refund_refused", "refund_failed", "refund_overtaken", "unresolved", "went_back", "reversed")
"""What nobody here has caused, and somebody should hear of without looking."""


# -- what it comes to ----------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class QuoteLine:
    """Of one line item: what was paid and not returned yet, what goes back of it, and what the organisation keeps."""

    line_item: LineItem
    registration: Registration
    paid: int
    amount: int
    kept: int


@dataclass(frozen=True, slots=True)
class Quote:
    """`parts`: which payments it comes from, with how much. `why_not`: the sentence why it can't be done now, or empty."""

    amount: int
    kept: int
    lines: tuple[QuoteLine, ...]
    currency: str
    tier: Tier
    parts: tuple[tuple[Payment, int], ...] = ()
    needs_account: bool = False
    why_not: str = ""

    @property
    def paid(self) -> int:
        return self.amount + self.kept

    @property
    def methods(self) -> tuple[str, ...]:
        """The ways it takes back."""
        return tuple(dict.fromkeys(payment.method for payment, _amount in self.parts))


def quote(order: Order, registrations=None, *, at: datetime | None = None, in_full: bool = False, line_items=None) -> Quote:
    """What goes back when these are cancelled (all that are left, unless some are named), by the rules that the buyer agreed to,
    or `in_full`. Also for those who are cancelled already, whose money is still here. `line_items`: the ids of those that are
    meant, where it is not all that they have."""
    chosen = _chosen(order, registrations)
    event = db.session.get(Event, order.event_id)
    tier = refund_rules.ALL if in_full else refund_rules.share(refund_rules.of_order(order), event, at or clock.now(), order.created_at)
    items = [(item, one) for one in chosen for item in one.line_items if line_items is None or item.id in line_items]
    worths = _unclaimed(order, [item for item, _one in items])
    sources = givers(order)
    pot = min(sum(worths), surplus_without(order, items), sum(amount for _payment, amount in sources))
    lines = _by_rule(items, spread(max(0, pot), worths), tier)
    return _quote(order, lines, tier, sources)


def of_amount(order: Order, found: Quote, amount: int) -> Quote:
    """The same, but staff have decided on another sum: the rest of what was paid is kept."""
    paid = [line.paid for line in found.lines]
    if not 0 <= amount <= sum(paid):
        raise ValueError("no more goes back than was paid")
    shares = spread(amount, paid)
    lines = tuple(replace(line, amount=share, kept=line.paid - share) for line, share in zip(found.lines, shares, strict=True))
    return _quote(order, lines, found.tier, givers(order))


def spread(amount: int, worths: list[int]) -> list[int]:
    """A sum over shares in proportion, none above its own, in whole minor units; the last one takes what remains."""
    total, so_far, given, shares = sum(worths), 0, 0, []
    for worth in worths:
        so_far += worth
        shares.append(amount * so_far // total - given if total else 0)
        given += shares[-1]
    return shares


def _quote(order: Order, lines, tier: Tier, sources) -> Quote:
    amount, kept = sum(line.amount for line in lines), sum(line.kept for line in lines)
    parts, left = [], amount
    for payment, most in sources:
        if left and most:
            parts.append((payment, min(left, most)))
            left -= parts[-1][1]
    return Quote(amount, kept, tuple(lines), order.currency, tier, tuple(parts), any(needs_account(payment) for payment, _most in parts),
                 _why_not([payment for payment, _most in parts]))


def _chosen(order: Order, registrations) -> list[Registration]:
    query = select(Registration).where(Registration.order_id == order.id).order_by(Registration.position)
    if registrations is None:
        query = query.where(Registration.status.in_((Status.PENDING_APPROVAL, Status.PENDING_PAYMENT, Status.CONFIRMED)))
    else:
        query = query.where(among(Registration.id, [one.id for one in registrations]))
    db.session.flush()
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def _by_rule(items, paid: list[int], tier: Tier) -> tuple[QuoteLine, ...]:
    """Each participant for themselves, so that cancelling one after another comes to the same as all at once."""
    lines = []
    for registration in dict.fromkeys(one for _item, one in items):
        own = [(item, part) for (item, one), part in zip(items, paid, strict=True) if one is registration]
        whole = sum(part for _item, part in own)
        shares = spread(tier.amount(whole), [part for _item, part in own])
        lines += [QuoteLine(item, registration, part, share, part - share) for (item, part), share in zip(own, shares, strict=True)]
    return tuple(lines)


def _unclaimed(order: Order, items) -> list[int]:
    """What each line item cost, less what has gone back for it or was kept."""
    claimed: dict[int, int] = {}
    for refund in db.session.scalars(select(Refund).join(Payment, Payment.id == Refund.payment_id).where(
            Payment.order_id == order.id, Refund.state != "failed")):
        for line in refund.lines:
            claimed[line["line_item"]] = claimed.get(line["line_item"], 0) + line["amount"] + line["kept"]
    return [max(0, item.amount - claimed.get(item.id, 0)) for item in items]


def surplus(order: Order) -> int:
    """What is too much, and is not on its way back yet."""
    return max(0, -ledger.owed(order) - on_its_way(order))


def surplus_without(order: Order, items) -> int:
    """What will be too much once these line items hold no places any more."""
    held = [item for item, one in items if one.holds]
    forgiven = ledger.no_longer_forgiven(order, frozenset(item.id for item in held))
    return max(0, sum(item.amount for item in held) - forgiven - ledger.owed(order) - on_its_way(order))


def on_its_way(order: Order) -> int:
    db.session.flush()
    return db.session.scalar(select(func.coalesce(func.sum(Refund.amount), 0)).join(Payment, Payment.id == Refund.payment_id)
                             .where(Payment.order_id == order.id, Refund.state.in_(ON_ITS_WAY)))


def coming_back(order: Order, reason: str) -> int:
    """What goes back for a reason: promised already, or still too much."""
    return surplus(order) + sum(one.amount for one in of_order(order) if one.reason == reason and one.state != "failed")


def givers(order: Order) -> list[tuple[Payment, int]]:
    """The order's payments that money can come from, the latest first, with how much of each."""
    found = db.session.scalars(select(Payment).where(Payment.order_id == order.id, Payment.status.in_(GIVING)).order_by(Payment.id.desc()))
    return [(payment, amount) for payment in found.all() if (amount := available(payment)) > 0]


def available(payment: Payment) -> int:
    """How much of a payment can still be promised to somebody."""
    db.session.flush()
    promised = db.session.scalar(select(func.coalesce(func.sum(Refund.amount), 0)).where(
        Refund.payment_id == payment.id, Refund.state.in_(ON_ITS_WAY)))
    return max(0, min(payment.balance, ledger.held(payment) - promised))


def needs_account(payment: Payment) -> bool:
    """Whether its money goes back only to an account that the buyer names."""
    if payment.method == CASH:
        return False
    return by_hand(payment) or payment.method in PROVIDERS[payment.provider].caps.refund_account_for


def by_hand(payment: Payment) -> bool:
    """Whether staff send it themselves: no gateway had it, or the gateway's time for it is over."""
    return payment.account_id is None or too_late(payment, clock.now())


def too_late(payment: Payment, at: datetime) -> bool:
    since = payment.approved_at or payment.created_at
    if payment.method == MOBILE:
        return _month(since) != _month(at)
    return payment.method in AT_MOST and at > since + AT_MOST[payment.method]


def _month(at: datetime) -> tuple[int, int]:
    local = at.astimezone(ZoneInfo("Asia/Seoul"))
    return local.year, local.month


def _why_not(payments) -> str:
    if any(disputed(payment) for payment in payments):
        return _("The card holder contests this payment at the card company. Nothing can be refunded until that is decided.")
    if any(open_of(payment, "cancel") and not by_hand(payment) for payment in payments):
        return _("A refund of this payment is on its way. Try again in a minute.")
    return ""


def disputed(payment: Payment) -> bool:
    return bool(payment.dispute and payment.dispute["status"] == "open")


# -- giving it back -------------------------------------------------------------------------------------

def give(order: Order, found: Quote, *, reason: str, by, account: dict | None = None, goodwill: bool = False) -> list[Refund]:
    """Send back what was quoted, in the transaction in which the registrations were cancelled, and book what is kept.

    `account`: {"bank", "number", "holder"} as the buyer typed it; where one is needed and there is none they are asked by letter.
    `goodwill`: nobody was cancelled, the price is reduced by what goes back. Raises Refused, also when somebody was faster.
    """
    db.session.flush()
    db.session.get(Order, order.id, with_for_update={"key_share": True}, populate_existing=True)
    for payment, _amount in found.parts:
        lock(payment)
    if why_not := _why_not([payment for payment, _amount in found.parts]):
        raise Refused(why_not, status=409)
    if goodwill:
        ledger.forgive(order, found.amount)
    if found.amount + (0 if goodwill else found.kept) > surplus(order) or any(part > available(payment) for payment, part in found.parts):
        raise Refused(_("This has changed since you opened the page: the sum is another one now. Look at it again."), status=409)
    if not goodwill:
        ledger.keep(order, found.kept)
    kept_account = bank_accounts.read(account["bank"], account["number"], account["holder"]) if account and found.needs_account else None
    refunds, lines = [], [(line, line.amount, 0 if goodwill else line.kept) for line in found.lines]
    for payment, part in found.parts:
        taken, lines = _take(lines, part)
        refunds.append(_ask(payment, part, reason=reason, by=by, account=kept_account, lines=[
            {"line_item": line.line_item.id, "registration": line.registration.id, "name": line.line_item.name, "tax_free": line.line_item.tax_free,
             "amount": amount, "kept": kept, **({"forgiven": amount} if goodwill else {})} for line, amount, kept in taken]))
    _forget_surplus(order)
    return refunds


def _take(lines, part: int):
    """The first lines up to a sum, and what is left of them; what is kept of a line goes with its last piece."""
    taken, rest = [], []
    for line, amount, kept in lines:
        here = min(amount, part)
        if here == amount and not rest:
            taken.append((line, here, kept))
        else:
            if here:
                taken.append((line, here, 0))
            rest.append((line, amount - here, kept))
        part -= here
    return taken, rest


def give_back(payment: Payment, reason: str, *, by, amount: int | None = None) -> Refund | None:
    """All that is left of a payment, or `amount` of it, by the way that is open. None when nothing can go now: it is contested,
    or a part is on its way already."""
    lock(payment)
    amount = min(available(payment), payment.balance if amount is None else amount)
    if amount <= 0 or disputed(payment) or (open_of(payment, "cancel") and not needs_account(payment)):
        return None
    return _ask(payment, amount, reason=reason, by=by)


def refund_order(order: Order, *, reason: str, by) -> None:
    """All that was paid for an order."""
    for payment, _amount in givers(order):
        give_back(payment, reason, by=by)


def _ask(payment: Payment, amount: int, *, reason: str, by, lines=(), account: dict | None = None) -> Refund:
    refund = Refund(payment_id=payment.id, amount=amount, reason=reason[:LONGEST_REASON], lines=list(lines),
                    kept=sum(line["kept"] for line in lines), by=f"{by.kind}:{by.id or ''}", state="needs_account",
                    route=TRANSFER if by_hand(payment) else GATEWAY)
    db.session.add(refund)
    db.session.flush()
    audit.record("payment.refund_requested", payment, by=by, after={"amount": amount, "kept": refund.kept, "reason": refund.reason})
    if needs_account(payment) and account is None:
        _ask_account(refund, "1")
    else:
        _go(payment, refund, account)
    return refund


def _go(payment: Payment, refund: Refund, account: dict | None) -> None:
    """Everything is known: on to the gateway, or into the list of what staff transfer."""
    if account:
        crypto.put(refund, "account", json.dumps(account, ensure_ascii=False))
        refund.account_hint = bank_accounts.hint(account)
    refund.failure_code = ""
    if refund.route == TRANSFER:
        refund.state = "to_pay"
        later("mail_refund_requested", refund, key=refund.account_hint or "1")
        return
    refund.state = "requested"
    if account and open_of(payment, "cancel"):
        later("refund_when_free", refund)  # one part of a payment after another
    else:
        _call(payment, refund)
    if account:
        later("mail_refund_requested", refund, key=refund.account_hint)


def _call(payment: Payment, refund: Refund) -> None:
    prepare(payment, "cancel", {
        "gateway_key": payment.gateway_key, "order_ref": payment.gateway_order_id, "reason": refund.reason,
        "expected_remaining": payment.balance, "refund_id": refund.id, "tax_free": documenting.tax_free_part(payment, refund.amount, refund.lines),
        "amount": None if refund.amount == payment.balance else refund.amount})


def when_free(refund: Refund) -> None:
    """Its account came while another part of the payment was on its way."""
    payment = locked(refund)
    asked = db.session.scalar(select(PaymentAttempt.id).where(
        PaymentAttempt.payment_id == payment.id, PaymentAttempt.operation == "cancel", PaymentAttempt.state != "refused",
        PaymentAttempt.request["refund_id"].as_integer() == refund.id).limit(1))
    if refund.state != "requested" or asked:
        return
    if open_of(payment, "cancel") or disputed(payment):
        raise NotYet(LOOK_AGAIN)
    _call(payment, refund)


def _ask_account(refund: Refund, about: str) -> None:
    """By letter; `about` tells one asking from another."""
    later("mail_refund_needs_account", refund, key=about, about=about)


def void(payment: Payment) -> None:
    """Close an account that nobody has paid into."""
    if not open_of(payment, "cancel"):
        prepare(payment, "cancel", {"gateway_key": payment.gateway_key, "order_ref": payment.gateway_order_id,
                                    "reason": "no longer needed", "expected_remaining": payment.amount})


# -- how far it has got ----------------------------------------------------------------------------------

def take_account(refund: Refund, bank: str, number: str, holder: str, *, by) -> None:
    """The buyer has said where to, or staff have on the telephone. Raises RefusedFields for bank, number and holder."""
    payment = locked(refund)
    if refund.state not in ("needs_account", "to_pay"):
        raise Refused(_("This refund needs no account any more."), status=409)
    account = bank_accounts.read(bank, number, holder)
    if refund.route == GATEWAY and too_late(payment, clock.now()):
        refund.route = TRANSFER
    if refund.route == GATEWAY and disputed(payment):
        raise Refused(_why_not([payment]), status=409)
    before = refund.account_hint
    _go(payment, refund, account)
    audit.record("payment.refund_account_given", payment, by=by, before={"refund_account": before} if before else None,
                 after={"refund_account": refund.account_hint, "amount": refund.amount})


def account_of(refund: Refund) -> dict | None:
    """Where it goes, in clear: for the gateway's call and for the list of payouts alone."""
    return json.loads(crypto.get(refund, "account")) if refund.account else None


def ask_again(refund: Refund, *, by) -> None:
    """The letter that asks for the account, once more."""
    payment = locked(refund)
    if refund.state != "needs_account":
        raise Refused(_("This refund needs no account any more."), status=409)
    _ask_account(refund, f"asked {clock.now().isoformat()}")
    audit.record("payment.refund_account_asked", payment, by=by, after={"amount": refund.amount})


def sent(refund: Refund, *, by) -> None:
    """Staff have made the transfer by hand, or counted out the cash."""
    payment = locked(refund)
    if refund.route != TRANSFER or refund.state not in ("to_pay", "needs_account"):
        raise Refused(_("This refund is not one that is transferred by hand, or it has been sent already."), status=409)
    ledger.refund(payment, f"transfer {refund.id}", refund.amount, by_hand=True)
    if payment.account_id is None:
        payment.balance -= refund.amount
        payment.status = "partially_refunded" if payment.balance else "refunded"
    refund.transaction_key = refund.transaction_key or f"transfer {refund.id}"
    finish(refund)
    if payment.problem and payment.problem["kind"] == "refund_failed":
        payment.problem = null()
    audit.record("payment.refunded", payment, by=by, after={"amount": refund.amount, "external": False})


def finish(refund: Refund, at: datetime | None = None) -> None:
    """The money is back with the buyer; where it went need not be known any longer."""
    refund.state, refund.done_at, refund.account, refund.failure_code = "done", at or clock.now(), None, ""
    later("mail_late_payment_refunded" if refund.reason == LATE else "mail_payment_refunded", refund, key="done")


def refused(refund: Refund, code: str) -> None:
    """The gateway said no: to an account the bank does not know, which the buyer corrects; otherwise staff look."""
    if code in WRONG_ACCOUNT:
        refund.state, refund.failure_code, refund.account = "needs_account", code, None
        _ask_account(refund, f"wrong {clock.now().isoformat()}")
        return
    fail(refund, code)
    needs_a_person(db.session.get(Payment, refund.payment_id), "refund_refused", refund.amount, code)


def fail(refund: Refund, code: str) -> None:
    refund.state, refund.failure_code, refund.account = "failed", code, None


def drop_overtaken(payment: Payment) -> None:
    """The money was given back elsewhere: what was still promised and can't be kept is given up, the latest first."""
    waiting = db.session.scalars(select(Refund).where(Refund.payment_id == payment.id, Refund.state.in_(("needs_account", "to_pay")))
                                 .order_by(Refund.id.desc())).all()
    promised = sum(one.amount for one in waiting)
    for refund in waiting:
        if promised > ledger.held(payment):
            fail(refund, OVERTAKEN)
            promised -= refund.amount


def came_back(refund: Refund, code: str, *, by) -> None:
    """The bank did not take it after the gateway had sent it off: another account is asked for, and staff send it there."""
    payment = db.session.get(Payment, refund.payment_id)
    refund.failure_code, refund.account, refund.done_at = code, None, None
    if payment.method == VIRTUAL_ACCOUNT:
        refund.state, refund.route = "needs_account", TRANSFER
        _ask_account(refund, f"came back {clock.now().isoformat()}")
    else:
        refund.state = "failed"
    needs_a_person(payment, "refund_failed", refund.amount, code, by=by)


def again(refund: Refund, *, by, by_transfer: bool = False) -> Refund:
    """What failed, once more at the gateway or by hand: a refund of its own, for as much of it as is still owed to the buyer."""
    payment = locked(refund)
    order = db.session.get(Order, payment.order_id)
    amount = min(refund.amount, surplus(order), ledger.held(payment) if by_transfer else available(payment))
    if refund.state != "failed" or refund.repeated or amount <= 0:
        raise Refused(_("There is nothing left to give back for this refund."), status=409)
    if why_not := _why_not([payment]):
        raise Refused(why_not, status=409)
    if payment.problem and payment.problem["kind"] in ("refund_refused", "refund_failed", "refund_overtaken"):
        payment.problem = null()
    refund.repeated = True
    lines = [line | {"kept": 0, "forgiven": 0} for line in refund.lines] if amount == refund.amount else []
    if by_transfer and not by_hand(payment):
        new = Refund(payment_id=payment.id, amount=amount, reason=refund.reason, lines=lines,
                     by=f"{by.kind}:{by.id or ''}", state="needs_account", route=TRANSFER)
        db.session.add(new)
        db.session.flush()
        audit.record("payment.refund_requested", payment, by=by, after={"amount": amount, "kept": 0, "reason": new.reason})
        _ask_account(new, "1")
        return new
    return _ask(payment, amount, reason=refund.reason, by=by, lines=lines)


def locked(refund: Refund) -> Payment:
    """The refund and its payment as they are now; the order first, as everywhere."""
    payment = db.session.get(Payment, refund.payment_id)
    lock(payment)
    db.session.get(Refund, refund.id, with_for_update=True, populate_existing=True)
    return payment


def of_order(order: Order) -> list[Refund]:
    return list(db.session.scalars(select(Refund).join(Payment, Payment.id == Refund.payment_id)
                                   .where(Payment.order_id == order.id).order_by(Refund.id)))


def asking(orders) -> set[int]:
    """Of these orders those whose buyers must still say where their money goes."""
    return set(db.session.scalars(select(Payment.order_id).join(Refund, Refund.payment_id == Payment.id).where(
        among(Payment.order_id, [order.id for order in orders]), Refund.state == "needs_account"))) if orders else set()


def _forget_surplus(order: Order) -> None:
    """What an earlier change had left for a person is settled when nothing is too much any more."""
    if surplus(order):
        return
    for payment in db.session.scalars(select(Payment).where(Payment.order_id == order.id, Payment.problem.is_not(None))).all():
        if payment.problem["kind"] in SURPLUS or payment.problem["kind"] == "underpaid" and ledger.owed(order) <= 0:
            payment.problem = null()


def needs_a_person(payment: Payment, kind: str, expected, found, *, by=audit.SYSTEM) -> None:
    """Leave a difference on the payment for staff to see, once."""
    problem = {"kind": kind, "expected": expected, "found": found}
    if payment.problem != problem:
        payment.problem = problem
        audit.record("payment.needs_a_person", payment, by=by, after=problem)
        if kind in FROM_OUTSIDE:
            _tell_owners(payment)


def _tell_owners(payment: Payment) -> None:
    """By one letter at the next full hour, about all that waits by then."""
    organization = db.session.get(Organization, payment.org_id)
    at = (clock.now() + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
    for owner in db.session.scalars(select(Membership.user_id).where(Membership.org_id == payment.org_id, Membership.role == "ORG_OWNER")).all():
        later("mail_payments_to_decide", organization, key=f"{owner} {at:%Y%m%d%H}", run_at=at, user_id=owner)
