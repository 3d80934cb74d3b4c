"""The questions of an event, in versions: an answer stays with the version it was given to."""
from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from eventapp.models.base import Base, Id, Tenant, belongs_to

TEXT, LONG_TEXT, NUMBER, SINGLE_CHOICE, MULTIPLE_CHOICE, FILE = (
    "text", "long_text", "number", "single_choice", "multiple_choice", "file")


class FormVersion(Tenant, Base):
    """`fields`: [{"key", "type", "label": Localized, "help": Localized, "required": bool, "per_order": bool,
    "options": [{"value", "label": Localized}], "show_if": {"field": key, "in": [values]} or {"program": [codes]},
    "minimum", "maximum"}] · `consents`: [{"key", "purpose", "label": Localized, "text": Localized, "required": bool,
    "version": str}] · `notice`: Localized, the privacy notice."""

    __tablename__ = "form_versions"
    __table_args__ = (belongs_to("events", "event_id", ondelete="CASCADE"), UniqueConstraint("org_id", "event_id", "version"))

    event_id: Mapped[Id]
    version: Mapped[int]
    fields: Mapped[list] = mapped_column(default=list)
    consents: Mapped[list] = mapped_column(default=list)
    notice: Mapped[dict] = mapped_column(default=dict)
