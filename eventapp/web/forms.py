"""Forms: fields that clean what was typed, checks of shape with a sentence for people, in their language."""
import unicodedata

from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField, StringField, TelField
from wtforms.validators import InputRequired, Length, Optional, ValidationError

from eventapp.domain import contacts
from eventapp.languages import _l, gettext, ngettext

WTFORMS = (_l("Not a valid choice."), _l("Invalid value, not a valid integer value"))
"""What WTForms itself may say of the fields we use, marked here for the catalogue."""


class Form(FlaskForm):
    """CSRF is checked for every request before its view (`web/sessions.py`), so forms do not carry it again."""

    class Meta(FlaskForm.Meta):
        csrf = False

        def get_translations(self, form):
            return Sentences()

    def refuse(self, refused) -> None:
        """Put the sentence of a rule that said no beside its field, or above the form."""
        field = self._fields.get(refused.field)
        if field is None:
            self.form_errors.append(refused.sentence)
        else:
            field.errors = [refused.sentence]

    @property
    def mistakes(self) -> dict[str, str]:
        """One sentence for each wrong field, for `ui.error_summary`."""
        return {name: errors[0] for name, errors in self.errors.items() if name}


class Sentences:
    """WTForms asks these for its own messages."""

    gettext = staticmethod(gettext)
    ngettext = staticmethod(ngettext)


def clean(text: str | None) -> str:
    """One line as it was meant: no control characters (PostgreSQL refuses NUL), one form of each letter,
    no space around."""
    text = unicodedata.normalize("NFC", text or "")
    return "".join(" " if unicodedata.category(letter) in ("Cc", "Zl", "Zp") else letter for letter in text).strip()


def line(label, missing=None, longest: int = 100, **options) -> StringField:
    """A line of text; `missing` is what to say when it is required and empty."""
    checks = [InputRequired(missing)] if missing else [Optional()]
    too_long = Length(max=longest, message=_l("Use %(count)s characters at most.", count=longest))
    return StringField(label, [*checks, too_long], filters=[clean], **options)


def email_address(**options) -> EmailField:
    """Normalised: trimmed and in lower case."""
    return EmailField(_l("Email"), [InputRequired(_l("Enter your email address.")), is_email],
                      filters=[clean, str.lower], **options)


def phone_number(**options) -> TelField:
    """Optional; stored in international form (E.164), a number without country code is Korean."""
    return TelField(_l("Phone"), [Optional(), is_phone], filters=[clean, international], **options)


def password(label=None, missing=None) -> PasswordField:
    return PasswordField(label or _l("Password"), [InputRequired(missing or _l("Enter your password."))])


def is_email(form, field) -> None:
    if len(field.data) > 254 or not contacts.EMAIL.match(field.data):
        raise ValidationError(gettext("Enter an email address like name@example.com."))


def is_phone(form, field) -> None:
    if not field.data.startswith("+"):
        raise ValidationError(gettext("Enter a phone number like 010-1234-5678, or starting with + from abroad."))


def international(text: str) -> str:
    """As it is stored, or what was typed when it is no phone number."""
    return contacts.phone_number(text) or text.lstrip("+")
