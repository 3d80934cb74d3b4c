"""The tables, one module per aggregate."""
from eventapp.models.account import AccountToken, Participation, RateLimit, SignIn, User
from eventapp.models.audit import AuditLog, AuditValues
from eventapp.models.base import Base, Tenant
from eventapp.models.check_in import CheckIn, Checkpoint, DoorDevice
from eventapp.models.email import EmailMessage
from eventapp.models.event import Event, EventDirectory, EventSession
from eventapp.models.form import FormVersion
from eventapp.models.operation import BulkOperation, BulkRow, ImportFile, SavedView
from eventapp.models.order import Order
from eventapp.models.organization import CustomDomain, Directory, Membership, Organization
from eventapp.models.outbox import OutboxItem, PeriodicRun, Probe
from eventapp.models.payment import (
    BankLine,
    BookDifference,
    CashReceipt,
    Document,
    DocumentSeries,
    GatewayAccount,
    LedgerEntry,
    Payment,
    PaymentAttempt,
    PaymentRoute,
    Refund,
    Settlement,
    WebhookEvent,
)
from eventapp.models.plan import Plan
from eventapp.models.program import Program, Quota, QuotaProgram
from eventapp.models.registration import Consent, LineItem, Registration, Status
from eventapp.models.upload import Upload

__all__ = [
    "AccountToken", "AuditLog", "AuditValues", "BankLine", "Base", "BookDifference", "BulkOperation", "BulkRow", "CashReceipt", "CheckIn",
    "Checkpoint", "Consent", "CustomDomain", "Directory", "Document", "DocumentSeries", "DoorDevice", "EmailMessage", "Event", "EventDirectory", "EventSession",
    "FormVersion", "GatewayAccount", "ImportFile", "LedgerEntry", "LineItem", "Membership", "Order", "Organization",
    "OutboxItem", "Participation", "Payment", "PaymentAttempt", "PaymentRoute", "PeriodicRun", "Plan", "Probe",
    "Program", "Quota", "QuotaProgram", "RateLimit", "Refund", "Registration", "SavedView", "Settlement", "SignIn", "Status",
    "Tenant", "Upload", "User", "WebhookEvent",
]
