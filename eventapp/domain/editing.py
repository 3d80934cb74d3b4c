"""One cell of the desk written anew: checked as the form would, never over somebody else's change.

`key` is name, email, phone, tags, note, flag or answer-<key>. A cell has a text (`text_of`), which is what a form shows as
`was` and sends back: when another has changed the cell meanwhile, it differs from what stands.
"""
import json

from sqlalchemy import select

from eventapp import audit
from eventapp.domain import Refused, asking, contacts
from eventapp.extensions import db
from eventapp.languages import _
from eventapp.models import FormVersion, Order, Registration
from eventapp.models.account import normal_email
from eventapp.models.form import FILE, LONG_TEXT, MULTIPLE_CHOICE

ANSWER = "answer-"
LONGEST = {"name": 100, "email": 254, "phone": 40, "note": 2000, "flag": 40}
TAGS, TAG = 20, 40


class Overtaken(Refused):
    """Another has changed it since it was read: what stands now, and what was meant."""

    def __init__(self, stands, meant):
        super().__init__(_("Somebody else has changed this meanwhile."), status=409)
        self.stands, self.meant = stands, meant


def is_writable(key: str, question: dict | None = None) -> bool:
    """Answers given once for a whole order, and files, are not one person's cell."""
    if key.startswith(ANSWER):
        return question is not None and question["type"] != FILE and not question.get("per_order")
    return key in LONGEST or key == "tags"


def value_of(registration: Registration, key: str):
    return registration.answers.get(key.removeprefix(ANSWER)) if key.startswith(ANSWER) else getattr(registration, key)


def text_of(value) -> str:
    """The same for the same value; of a text, the text itself."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


def change(registration: Registration, key: str, given: list[str], *, was: str | None, by) -> bool:
    """Write what was given (as a form sends it: a list of texts) into the cell; False when it stands there already.

    `was`: the cell's text when it was read, or None to write whatever stands there now. Raises Overtaken, or Refused with the
    sentence for the cell.
    """
    registration = db.session.scalar(select(Registration).where(Registration.id == registration.id).with_for_update()
                                     .execution_options(populate_existing=True))
    before, after = value_of(registration, key), checked(registration, key, given)
    if text_of(before) == text_of(after):
        return False
    if was is not None and was != text_of(before):
        raise Overtaken(before, after)
    write(registration, key, after)
    tell_order(registration, key, before, after)
    audit.record("registration.edited", registration, by=by, after={"field": key}, personal=({key: before}, {key: after}))
    return True


def write(registration: Registration, key: str, value) -> None:
    if not key.startswith(ANSWER):
        setattr(registration, key, value)
        return
    rest = {name: answer for name, answer in registration.answers.items() if name != key.removeprefix(ANSWER)}
    registration.answers = rest if value is None else rest | {key.removeprefix(ANSWER): value}


def tell_order(registration: Registration, key: str, before, after) -> None:
    """The buyer is the first participant: letters about the order go where they can be reached now."""
    if key in ("name", "email", "phone") and after and registration.position == 1:
        order = db.session.get(Order, registration.order_id, populate_existing=True)
        if getattr(order, key) == before:
            setattr(order, key, after)


# -- what will do ----------------------------------------------------------------------------------------

def checked(registration: Registration, key: str, given: list[str]):
    """The value as it is kept, or Refused."""
    if key.startswith(ANSWER):
        return answer(registration, key.removeprefix(ANSWER), given)
    if key == "tags":
        return tags(given)
    text = "\n".join(line.strip() for line in (given[0] if given else "").replace("\r\n", "\n").strip().split("\n"))
    if "\0" in text:
        raise Refused(_("This contains a character that can't be saved."), key)
    if key != "note":
        text = " ".join(text.split())
    if len(text) > LONGEST[key]:
        raise Refused(_("Use %(count)s characters at most.", count=LONGEST[key]), key)
    return CHECKS.get(key, str)(text)


def name(text: str) -> str:
    if not text:
        raise Refused(_("Enter a name."), "name")
    return text


def email(text: str) -> str:
    text = normal_email(text)
    if text and not contacts.EMAIL.match(text):
        raise Refused(_("Enter an email address like name@example.com."), "email")
    return text


def phone(text: str) -> str:
    number = contacts.phone_number(text) if text else ""
    if number is None:
        raise Refused(_("Enter a phone number like 010-1234-5678, or starting with + from abroad."), "phone")
    return number


CHECKS = {"name": name, "email": email, "phone": phone}


def tags(given: list[str]) -> list[str]:
    """Written with commas between them."""
    found = list(dict.fromkeys(tag for text in given for tag in (" ".join(part.split()) for part in text.split(",")) if tag))
    if any("\0" in tag for tag in found):
        raise Refused(_("This contains a character that can't be saved."), "tags")
    if len(found) > TAGS or any(len(tag) > TAG for tag in found):
        raise Refused(_("Use at most %(tags)s tags of up to %(count)s characters.", tags=TAGS, count=TAG), "tags")
    return found


def answer(registration: Registration, key: str, given: list[str]):
    """As the form that was answered would take it; whether the question is asked depends on the other answers and programs."""
    field = question(registration, key)
    if not asking.is_asked(field, registration.answers, registration.programs):
        raise Refused(_("This question does not apply to what this person chose."), ANSWER + key)
    if field["type"] not in (LONG_TEXT, MULTIPLE_CHOICE):
        given = given[:1]
    found, errors = asking.read([{name: part for name, part in field.items() if name != "show_if"}], {key: given}, registration.programs)
    if errors:
        raise Refused(errors[key], ANSWER + key)
    return found.get(key)


def question(registration: Registration, key: str) -> dict:
    """In the version that the order was placed with; in the newest one that has it, when it was asked only later."""
    version = select(Order.form_version).where(Order.id == registration.order_id).scalar_subquery()
    versions = db.session.scalars(select(FormVersion.fields).where(FormVersion.event_id == registration.event_id)
                                  .order_by((FormVersion.version == version).desc(), FormVersion.version.desc()))
    field = next((field for fields in versions for field in fields if field["key"] == key), None)
    if field is None or not is_writable(ANSWER + key, field):
        raise Refused(_("This can't be changed here."), ANSWER + key)
    return field
