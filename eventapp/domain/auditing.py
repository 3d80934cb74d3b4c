"""Reading the audit log: what each line says in words, and the lines somebody looks for."""
from eventapp.languages import _l
from eventapp.models import AuditLog

SENTENCES = {
    "order.placed": _l("Registered"),
    "registration.confirmed": _l("Confirmed"),
    "registration.expired": _l("Expired without payment"),
    "registration.cancelled": _l("Cancelled"),
    "registration.rejected": _l("Not accepted"),
    "registration.held_again": _l("Taken in again, because the money came late"),
    "registration.paid": _l("Paid, waits for approval"),
    "registration.payment_reversed": _l("The bank took the payment back"),
    "registrations.exported": _l("Registrations exported"),
    "payment.paid": _l("Payment received"),
    "payment.failed": _l("Payment failed"),
    "payment.reversed": _l("Deposit taken back by the bank"),
    "payment.refund_requested": _l("Refund requested"),
    "payment.refunded": _l("Refunded"),
    "payment.amount_differs": _l("The amount in the address was altered"),
    "payment.needs_a_person": _l("Payment differs from what the gateway says"),
    "gateway_account.unhealthy": _l("The gateway refused the account"),
    "check_in.undone": _l("Check-in taken back"),
    "check_in.settled": _l("Conflict at the door settled"),
    "audit_log.exported": _l("Audit log exported"),
}
"""What each action says. `tests/admin/test_audit.py` finds an action that has no sentence."""


def sentence(entry: AuditLog) -> str:
    """What happened, in words; of an action nobody has given a sentence, its name."""
    known = SENTENCES.get(entry.action)
    return str(known) if known else entry.action.replace(".", ": ").replace("_", " ").capitalize()
