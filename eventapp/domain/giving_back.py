"""Staff give money back: for whole registrations, for some of what somebody had bought, or because they are kind.

What is ticked is cancelled, so that its places are free, unless the tickets stay. The sum is the one of the rules, all of it, or
another with a reason; whatever it is, it was seen before it was done.
"""
from dataclasses import dataclass, field

from eventapp.domain import Refused, RefusedFields, changing, ledger, refunding, registering, withdrawing
from eventapp.domain.refunding import Quote
from eventapp.extensions import db
from eventapp.languages import _, current_locale
from eventapp.models import LineItem, Order, Refund, Registration
from eventapp.money import money_text, read_amount

RULES, ALL, OTHER = "rules", "all", "other"


@dataclass
class Wanted:
    """As it was typed. `lines`: ids of the line items; `shown`: the sum that the page showed."""

    lines: set[int]
    how: str = RULES
    amount: str = ""
    keep: bool = False
    """Tickets and places stay."""
    reason: str = ""
    account: dict = field(default_factory=dict)
    """{"bank", "number", "holder"}, when the buyer has said it already."""
    shown: str = ""


@dataclass(frozen=True)
class Outcome:
    """What it would come to."""

    quote: Quote
    rules: int
    """What goes back by the rules."""
    cancelled: list[Registration]
    removed: list[tuple[Registration, list[LineItem]]]
    owed: int
    """What the order owes when all of it has gone back; negative: still too much."""

    @property
    def changes(self) -> bool:
        return bool(self.cancelled or self.removed)


def look(order: Order, wanted: Wanted) -> Outcome:
    """Raises RefusedFields for a sum that can't be."""
    everybody = registering.of_order(order)
    touched = [one for one in everybody if any(item.id in wanted.lines for item in one.line_items)]
    by_rules = refunding.quote(order, touched, line_items=wanted.lines)
    found = by_rules if wanted.how == RULES else refunding.quote(order, touched, in_full=True, line_items=wanted.lines)
    if wanted.how == OTHER:
        found = refunding.of_amount(order, found, _typed(found, wanted.amount))
    cancelled, removed = ([], []) if wanted.keep else _gone(touched, wanted.lines)
    gone = [item for one in cancelled if one.holds for item in one.line_items] + [item for one, items in removed if one.holds for item in items]
    released = sum(item.amount for item in gone) - ledger.no_longer_forgiven(order, frozenset(item.id for item in gone))
    owed = ledger.owed(order) + refunding.on_its_way(order) - released + found.amount + (-found.amount if wanted.keep else found.kept)
    return Outcome(found, by_rules.amount, cancelled, removed, owed)


def _typed(found: Quote, text: str) -> int:
    amount = read_amount(text, found.currency)
    if amount is None:
        raise RefusedFields({"amount": _("Enter an amount, such as 30,000.")})
    if not 0 <= amount <= found.paid:
        raise RefusedFields({"amount": _("At most %(amount)s can go back for what is ticked.",
                                         amount=money_text(found.paid, found.currency, current_locale()))})
    return amount


def _gone(touched, lines: set[int]):
    """Who is cancelled altogether, and of whom only a part."""
    whole = [one for one in touched if one.status in registering.LIVE and all(item.id in lines for item in one.line_items)]
    part = [(one, [item for item in one.line_items if item.id in lines]) for one in touched
            if one.status in registering.LIVE and one not in whole]
    return whole, part


def do(order: Order, wanted: Wanted, *, by) -> list[Refund]:
    """Raises Refused, or RefusedFields with everything that is wrong; then nothing is written."""
    db.session.flush()
    db.session.get(Order, order.id, with_for_update={"key_share": True}, populate_existing=True)
    outcome = look(order, wanted)
    found, wrong = outcome.quote, {}
    if not found.lines:
        wrong["lines"] = _("Tick what the money is for.")
    if not wanted.reason:
        wrong["reason"] = _("Write a reason.")
    elif len(wanted.reason) > refunding.LONGEST_REASON:
        wrong["reason"] = _("Use at most %(count)s characters; there are %(found)s.", count=refunding.LONGEST_REASON, found=len(wanted.reason))
    if wrong:
        raise RefusedFields(wrong)
    if wanted.shown != str(found.amount):
        raise Refused(_("This has changed since you opened the page: the sum is another one now. Look at it again."), status=409)
    if found.why_not:
        raise Refused(found.why_not, status=409)
    if not found.paid and not outcome.changes:
        raise Refused(_("There is nothing to give back."), status=409)
    given = wanted.account if found.needs_account and any(wanted.account.values()) else None
    registering.cancel(outcome.cancelled, by=by, reason=wanted.reason)
    for registration, items in outcome.removed:
        changing.take_out(registration, items, by=by, reason=wanted.reason)
    refunds = refunding.give(order, found, reason=wanted.reason, by=by, account=given, goodwill=wanted.keep)
    if outcome.changes:
        withdrawing.follow(order, by=by)
    return refunds
