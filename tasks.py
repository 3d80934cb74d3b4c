"""Every background job, and the timetable.

A job is three lines: fetch, look, call the domain. It runs inside its organisation (`eventapp/outbox.py`), may run twice,
and is known by its function's name; those that begin with `gateway_`, `bulk_` or `import_` have threads of their own.
"""
import logging
from datetime import datetime

from eventapp import audit
from eventapp.domain import (
    accounts,
    bulk,
    calling,
    cash_receipting,
    comparing,
    connecting_gateways,
    deciding,
    documenting,
    exporting,
    housekeeping,
    importing,
    issuing_receipts,
    money_letters,
    noticing,
    paying,
    refunding,
    resending,
    resolving,
    settlements,
    ticketing,
    uploading,
)
from eventapp.extensions import db
from eventapp.models import (
    BulkOperation,
    CashReceipt,
    EmailMessage,
    GatewayAccount,
    Order,
    Organization,
    Payment,
    PaymentAttempt,
    Refund,
    Registration,
    Upload,
    User,
    WebhookEvent,
)
from eventapp.outbox import job
from eventapp.tenancy import inside, organization_ids
from eventapp.unit_of_work import checkpoint, undo

log = logging.getLogger("eventapp.tasks")


def timetable(settings) -> dict[str, int]:
    """Seconds from one time to the next. These run outside of any organisation."""
    return {"expire_overdue": 60, "reconcile_payments": settings.reconcile_seconds, "purge": 600, "check_gateway_accounts": 6 * 3600, "sweep_uploads": 3600,
            "sweep_receipts": 300, "keep_books": 3600}


def in_each_organization(what) -> None:
    """One after another, each in a transaction of its own, so that one that fails keeps no other from its turn."""
    failed = []
    for org_id in organization_ids():
        try:
            with inside(org_id):
                what()
                checkpoint()
        except Exception:
            log.exception("%s failed", what.__qualname__, extra={"org_id": org_id})
            undo()
            failed.append(org_id)
    if failed:
        raise RuntimeError(f"failed in organisations {failed}")


# -- the timetable's own -------------------------------------------------------------------------

@job
def expire_overdue():
    """A safety net below `expire_hold`, which is written with each hold."""
    in_each_organization(housekeeping.expire_overdue)


@job
def reconcile_payments():
    """What a gateway may know better than we do is asked again."""
    in_each_organization(paying.reconcile)


@job
def check_gateway_accounts():
    """A key that was revoked is noticed before a buyer notices it."""
    in_each_organization(connecting_gateways.check_all)


@job
def keep_books():
    """Each account's books and payouts, once a day."""
    in_each_organization(comparing.begin)


@job
def purge():
    housekeeping.purge()
    in_each_organization(housekeeping.forget_operations)
    in_each_organization(connecting_gateways.forget_previous)


@job
def sweep_uploads():
    """Files of forms that were never sent, and tables that were brought in or written long ago."""
    in_each_organization(uploading.sweep)
    in_each_organization(importing.forget)
    in_each_organization(exporting.forget)


@job
def sweep_receipts():
    """Movements of money without their document, and cash receipts that wait for something."""
    in_each_organization(documenting.sweep)
    in_each_organization(cash_receipting.sweep)


# -- money -----------------------------------------------------------------------------------------

@job
def expire_hold(order_id):
    paying.end_hold(db.session.get(Order, order_id))


@job
def settle_gone(order_id, give_back, user_id, operation=None):
    deciding.settle_gone(db.session.get(Order, order_id), give_back=give_back, by=audit.Actor("user", user_id),
                         operation=operation and db.session.get(BulkOperation, operation))


@job
def gateway_open(payment_attempt_id):
    calling.carry_out(db.session.get(PaymentAttempt, payment_attempt_id))


@job
def gateway_look(payment_attempt_id):
    calling.carry_out(db.session.get(PaymentAttempt, payment_attempt_id))


@job
def gateway_confirm(payment_attempt_id):
    calling.carry_out(db.session.get(PaymentAttempt, payment_attempt_id))


@job
def gateway_issue(payment_attempt_id):
    calling.carry_out(db.session.get(PaymentAttempt, payment_attempt_id))


@job
def gateway_cancel(payment_attempt_id):
    calling.carry_out(db.session.get(PaymentAttempt, payment_attempt_id))


@job
def gateway_refresh(payment_id):
    calling.refresh(db.session.get(Payment, payment_id))


@job
def gateway_check(gateway_account_id, until):
    connecting_gateways.check(db.session.get(GatewayAccount, gateway_account_id), datetime.fromisoformat(until))


@job
def gateway_books(gateway_account_id):
    comparing.compare(db.session.get(GatewayAccount, gateway_account_id))


@job
def gateway_settlements(gateway_account_id):
    settlements.read(db.session.get(GatewayAccount, gateway_account_id))


@job
def gateway_webhook(webhook_event_id):
    noticing.handle(db.session.get(WebhookEvent, webhook_event_id))


# -- receipts ------------------------------------------------------------------------------------

@job
def document_money(payment_id):
    documenting.document(db.session.get(Payment, payment_id))


@job
def follow_cash_receipt(payment_id):
    cash_receipting.follow(db.session.get(Payment, payment_id))


@job
def gateway_cash_receipt(payment_attempt_id):
    issuing_receipts.carry_out(db.session.get(PaymentAttempt, payment_attempt_id))


@job
def gateway_check_cash_receipt(cash_receipt_id):
    issuing_receipts.check(db.session.get(CashReceipt, cash_receipt_id))


# -- letters about orders ------------------------------------------------------------------------

@job
def mail_order_received(order_id):
    ticketing.mail_received(db.session.get(Order, order_id))


@job
def mail_payment_due(order_id):
    ticketing.mail_payment_due(db.session.get(Order, order_id))


@job
def mail_payment_reminder(order_id):
    ticketing.mail_payment_reminder(db.session.get(Order, order_id))


@job
def mail_order_confirmed(order_id):
    ticketing.mail_confirmed(db.session.get(Order, order_id))


@job
def mail_ticket(registration_id):
    ticketing.mail_ticket(db.session.get(Registration, registration_id))


@job
def mail_order_expired(order_id, until):
    ticketing.mail_expired(db.session.get(Order, order_id), until)


@job
def mail_order_cancelled(order_id):
    ticketing.mail_cancelled(db.session.get(Order, order_id))


@job
def mail_order_changed(registration_id, about):
    ticketing.mail_changed(db.session.get(Registration, registration_id), about)


@job
def mail_order_approved(order_id, operation):
    order = db.session.get(Order, order_id)
    deciding.start_offer(order)
    ticketing.mail_approved(order, operation)


@job
def mail_order_rejected(order_id, operation):
    ticketing.mail_rejected(db.session.get(Order, order_id), operation)


@job
def mail_message(registration_id, operation):
    ticketing.mail_message(db.session.get(Registration, registration_id), db.session.get(BulkOperation, operation))


@job
def mail_again(email_message_id):
    resending.deliver(db.session.get(EmailMessage, email_message_id))


@job
def mail_payment_refunded(refund_id):
    money_letters.mail_refunded(db.session.get(Refund, refund_id))


@job
def mail_late_payment_refunded(refund_id):
    money_letters.mail_refunded(db.session.get(Refund, refund_id), "late_payment_refunded")


@job
def refund_when_free(refund_id):
    refunding.when_free(db.session.get(Refund, refund_id))


@job
def mail_refund_requested(refund_id):
    money_letters.mail_requested(db.session.get(Refund, refund_id))


@job
def mail_refund_needs_account(refund_id, about):
    money_letters.mail_needs_account(db.session.get(Refund, refund_id), about)


@job
def mail_event_cancelled(order_id, written):
    money_letters.mail_event_cancelled(db.session.get(Order, order_id), written)


# -- many at once ----------------------------------------------------------------------------------

@job
def bulk_run(bulk_operation_id):
    bulk.run(bulk_operation_id)


@job
def bulk_export(bulk_operation_id):
    bulk.run_export(bulk_operation_id)


@job
def bulk_undo(bulk_operation_id):
    bulk.run_undo(bulk_operation_id)


@job
def import_run(bulk_operation_id):
    importing.run(bulk_operation_id)


@job
def import_undo(bulk_operation_id):
    importing.run_undo(bulk_operation_id)


# -- files ---------------------------------------------------------------------------------------

@job
def store_upload(upload_id):
    uploading.store(db.session.get(Upload, upload_id))


# -- letters about accounts ----------------------------------------------------------------------

@job
def mail_verify_email(user_id, base, next_url):
    accounts.mail_verify_email(db.session.get(User, user_id), base, next_url)


@job
def mail_already_registered(user_id, base, locale):
    accounts.mail_already_registered(db.session.get(User, user_id), base, locale)


@job
def mail_reset_password(user_id, base, locale):
    accounts.mail_reset_password(db.session.get(User, user_id), base, locale)


@job
def mail_password_changed(user_id, base):
    accounts.mail_password_changed(db.session.get(User, user_id), base)


@job
def mail_payment_reversed(order_id, about):
    ticketing.mail_payment_reversed(db.session.get(Order, order_id), about)


@job
def mail_payments_to_decide(organization_id, user_id):
    resolving.mail_to_decide(db.session.get(Organization, organization_id), user_id)


@job
def mail_gateway_account_unhealthy(gateway_account_id, user_id):
    connecting_gateways.mail_unhealthy(db.session.get(GatewayAccount, gateway_account_id), user_id)


@job
def mail_claim_orders(user_id, base):
    accounts.mail_claim_orders(db.session.get(User, user_id), base)
