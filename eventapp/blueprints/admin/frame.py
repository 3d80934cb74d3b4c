"""What stands around every page of the staff: where one can go, and in which organisations one works."""
from dataclasses import dataclass

from flask import request
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
    Section(("events",), _l("Events"), "calendar", "events.read"),
    Section(("registrations", "registration", "details", "changing", "views", "cells", "columns", "bulk", "adding", "imports"), _l("Registrations"), "users",
            "registrations.read"),
    Section(("doors", "checkin", "checkpoints", "devices"), _l("Check-in"), "door-open", "registrations.check_in"),
    Section(("operations",), _l("Operations history"), "history", "registrations.read"),
    Section(("audit",), _l("Audit log"), "scroll-text", "audit.read"),
)


def sections() -> list[Section]:
    """Those this person may open."""
    return [section for section in SECTIONS if can(section.permission)]


def organizations() -> list[entering.Workplace]:
    """Where the signed-in person works."""
    return entering.workplaces(current_user) if current_user.is_authenticated else []
