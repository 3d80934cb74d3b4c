"""What stands around every page of the staff: where one can go, and in which organisations one works."""
from dataclasses import dataclass

from flask import current_app, request, url_for
from flask_login import current_user

from eventapp.blueprints.auth import entering
from eventapp.languages import _l
from eventapp.permissions import can


@dataclass(frozen=True)
class Section:
    """A line of the sidebar. `modules` are those of this blueprint whose pages belong to it."""

    modules: tuple[str, ...]
    title: str
    icon: str
    permission: str

    @property
    def endpoint(self) -> str:
        return f"admin.{self.modules[0]}.index"

    @property
    def is_current(self) -> bool:
        return request.endpoint.split(".")[1] in self.modules


SECTIONS = (
    Section(("home", "emails"), _l("Home"), "house", "admin.enter"),
    Section(("events", "refund_rules"), _l("Events"), "calendar", "events.read"),
    Section(("registrations", "registration", "details", "changing", "views", "cells", "columns", "bulk", "adding", "imports"), _l("Registrations"), "users",
            "registrations.read"),
    Section(("payments", "payment", "deposits", "books", "ledgers", "refunds", "receipts", "webhooks"), _l("Payments"), "wallet", "payments.read"),
    Section(("doors", "checkin", "checkpoints", "devices"), _l("Check-in"), "door-open", "registrations.check_in"),
    Section(("operations",), _l("Operations history"), "history", "registrations.read"),
    Section(("audit",), _l("Audit log"), "scroll-text", "audit.read"),
    Section(("gateway_accounts", "tax"), _l("Settings"), "settings", "gateway_accounts.manage"),
)


def sections() -> list[Section]:
    """Those this person may open."""
    return [section for section in SECTIONS if section.endpoint in current_app.view_functions and can(section.permission)]


MONEY = (
    ("payments.index", _l("Payments"), "payments.read"), ("books.movements", _l("Movements"), "payments.read"),
    ("deposits.index", _l("Deposits to match"), "payments.mark_received"), ("refunds.payouts", _l("Transfers to make"), "registrations.refund"),
    ("receipts.index", _l("Receipts"), "payments.read"), ("books.payouts", _l("Payouts"), "payments.read"),
    ("books.differences", _l("Differences"), "payments.read"), ("webhooks.index", _l("Notices"), "payments.read"))
"""The pages about money, as the tabs above each of them: endpoint, title, what it needs."""


def money_pages() -> list[tuple[str, str, bool]]:
    """Those this person may open: (title, address, whether it is this one)."""
    return [(title, url_for(f"admin.{endpoint}"), request.endpoint == f"admin.{endpoint}") for endpoint, title, permission in MONEY
            if f"admin.{endpoint}" in current_app.view_functions and can(permission)]


SETTINGS = (("gateway_accounts.index", _l("Gateway accounts"), "gateway_accounts.manage"), ("tax.edit", _l("Tax and receipts"), "organization.update"))
"""The organisation's settings, as the tabs above each of them: endpoint, title, what it needs."""


def settings_pages() -> list[tuple[str, str, bool]]:
    """Those this person may open: (title, address, whether it is this one)."""
    return [(title, url_for(f"admin.{endpoint}"), request.endpoint == f"admin.{endpoint}") for endpoint, title, permission in SETTINGS
            if f"admin.{endpoint}" in current_app.view_functions and can(permission)]


def organizations() -> list[entering.Workplace]:
    """Where the signed-in person works."""
    return entering.workplaces(current_user) if current_user.is_authenticated else []
