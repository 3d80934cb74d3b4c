"""The kinds of letters and their texts, out of `templates/mail/<kind>/{subject.txt,body.txt,body.html}`."""
import re
from dataclasses import dataclass
from functools import cache

from css_inline import CSSInliner

from eventapp.languages import force_locale
from eventapp.mail.environment import environment

# What each letter needs, all of it: `organization` (tickets.values.Organization; the platform itself for accounts),
# `event` (tickets.values.Event), `order` and `deposit` (mail.values), `participant` (tickets.values.Participant).
KINDS = {
    "order_received": ("organization", "event", "order"),
    "payment_due": ("organization", "event", "order", "deposit"),
    "payment_reminder": ("organization", "event", "order", "deposit"),  # deposit None when it is not by transfer
    "order_approved": ("organization", "event", "order"),  # those who are to pay now; order.amount: what is owed
    "order_rejected": ("organization", "event", "order", "reason"),
    "order_confirmed": ("organization", "event", "order"),
    "ticket": ("organization", "event", "participant"),
    "order_expired": ("organization", "event", "order"),
    "order_cancelled": ("organization", "event", "order"),
    "order_changed": ("organization", "event", "order", "participant", "back", "deposit"),  # order.amount: what is owed now
    "event_cancelled": ("organization", "event", "order", "reason", "amount"),  # amount: what was paid and comes back
    "refund_needs_account": ("organization", "event", "order", "amount", "link", "wrong"),  # wrong: the one that was given was
    "refund_requested": ("organization", "event", "order", "amount", "account"),  # account: as it may be shown, or empty
    "payment_refunded": ("organization", "event", "order", "amount", "account"),  # amount: what goes back, in order.currency
    "late_payment_refunded": ("organization", "event", "order", "amount"),
    "payment_reversed": ("organization", "event", "order", "deposit"),  # the bank took a deposit back
    "message": ("organization", "event", "subject", "paragraphs"),  # of `messaging.pieces`
    "verify_email": ("organization", "name", "link", "hours"),
    "reset_password": ("organization", "name", "link", "minutes"),
    "email_already_registered": ("organization", "name", "login_url", "reset_url"),
    "password_changed": ("organization", "name", "reset_url"),
    "gateway_account_unhealthy": ("organization", "name", "gateway", "code", "link"),
    "payments_to_decide": ("organization", "name", "organizer", "count", "link"),
    "claim_orders": ("organization", "name", "link", "count", "hours"),
}

GAP = re.compile(r"\n{3,}")  # where a template's conditions left more than one empty line


@dataclass(frozen=True)
class Letter:
    subject: str
    text: str
    html: str


def render(kind: str, locale: str, **values) -> Letter:
    """The letter in that language. A value that is missing or not asked for raises TypeError.

    Tickets appear in the HTML as pictures `cid:<registration number>`; `message(inline=…)` brings them along.
    """
    if set(values) != set(KINDS[kind]):
        raise TypeError(f"{kind} takes {', '.join(KINDS[kind])}, not {', '.join(sorted(values))}")
    with force_locale(locale):
        subject, text, html = (environment().get_template(f"mail/{kind}/{name}").render(values)
                               for name in ("subject.txt", "body.txt", "body.html"))
    # A title with a line break in it must neither break nor extend the header.
    return Letter(" ".join(subject.split()), GAP.sub("\n\n", text.strip()) + "\n", _inliner().inline(html))


@cache
def _inliner() -> CSSInliner:
    """Styles go to the elements, where every mail program looks; what is for dark mode and small screens stays."""
    return CSSInliner(keep_at_rules=True, minify_css=True, load_remote_stylesheets=False)
