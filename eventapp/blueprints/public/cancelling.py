"""Cancelling as a form asks for it, on the buyer's page and in the account: who, what comes back and where to. The sum that was
shown comes back with the press of the button, and must still be right then."""
from flask import request

from eventapp.domain import Refused, RefusedFields, bank_accounts, refund_rules, refunding, withdrawing
from eventapp.languages import _, current_locale
from eventapp.models import Event, Order
from eventapp.payments.banks import BANKS

ACCOUNT = {"bank": "refund-bank", "number": "refund-number", "holder": "refund-holder"}
"""What the domain calls them, and the form's fields: a page may have another `bank`."""


def chosen(registrations) -> list:
    """Whom the form names; where there is one, nobody needs to be named."""
    people, named = withdrawing.standing(registrations), request.form.getlist("who")
    return [one for one in people if one.number in named] if named or len(people) > 1 else people


def carry_out(order: Order, registrations, *, by) -> list:
    """Raises Refused, RefusedFields by the form's own names."""
    people = chosen(registrations)
    if not people and withdrawing.standing(registrations):
        raise RefusedFields({"who": _("Choose who is not coming.")})
    found = refunding.quote(order, people)
    typed = typed_account()
    try:
        if found.needs_account:
            bank_accounts.read(**typed)
        return withdrawing.cancel(order, people, by=by, agreed=request.form.get("agreed", type=int),
                                  account=typed if found.needs_account else None)
    except RefusedFields as refused:
        raise by_field(refused) from None


def by_field(refused: RefusedFields) -> RefusedFields:
    return RefusedFields({ACCOUNT.get(name, name): sentence for name, sentence in refused.errors.items()}, refused.status)


def typed_account() -> dict[str, str]:
    return {name: request.form.get(field, "") for name, field in ACCOUNT.items()}


def values(order: Order, event: Event, registrations, refused: Refused | None = None) -> dict:
    """What the form is drawn from."""
    people = chosen(registrations)
    rules = refund_rules.of_order(order)
    found = refunding.quote(order, people) if people else None
    return {"people": withdrawing.standing(registrations), "chosen": people, "quote": found, "why_not": withdrawing.why_not(event, registrations),
            "rules": terms(order, event),
            "rule": rule(rules, event, found) if found else "", "typed": typed_account(), "banks": banks(),
            "errors": getattr(refused, "errors", None) or ({refused.field or "form": refused.sentence} if refused else {}),
            "per_person": per_person(found) if found else []}


def terms(order: Order, event: Event) -> list[str]:
    """What the buyer agreed to, in the language that is being read; as it was read then stands in the order."""
    return refund_rules.in_words(refund_rules.of_order(order), event, current_locale()) if order.refund_terms else []


def rule(rules: dict, event: Event, found: refunding.Quote) -> str:
    """The line of the table that holds now."""
    table, words = refund_rules.tiers(rules), refund_rules.in_words(rules, event, current_locale())
    if not table:
        return ""
    first = 1 if rules.get("regret") else 0
    if found.tier in table:
        return words[first + table.index(found.tier)]
    return words[0] if first and found.tier.percent else words[first + len(table)]


def per_person(found: refunding.Quote) -> list[tuple]:
    """(registration, paid, what goes back, what is kept)"""
    sums: dict = {}
    for line in found.lines:
        paid, amount, kept = sums.get(line.registration, (0, 0, 0))
        sums[line.registration] = (paid + line.paid, amount + line.amount, kept + line.kept)
    return [(one, *three) for one, three in sums.items()]


def banks() -> list[tuple[str, str]]:
    return [(name, bank_accounts.name(name)) for name in BANKS]
