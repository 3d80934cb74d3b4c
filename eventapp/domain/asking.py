"""The event's own questions: which are asked, and whether an answer will do."""
from eventapp.languages import _
from eventapp.models.form import FILE, LONG_TEXT, MULTIPLE_CHOICE, NUMBER, SINGLE_CHOICE, TEXT

LONGEST = {TEXT: 300, LONG_TEXT: 5000}


def is_asked(field: dict, answers: dict, programs) -> bool:
    """Whether the question concerns this participant: by an answer given before it, or by what was chosen."""
    condition = field.get("show_if")
    if not condition:
        return True
    if "program" in condition:
        return any(code in programs for code in condition["program"])
    given = answers.get(condition["field"])
    return any(value in condition["in"] for value in (given if isinstance(given, list) else [given]))


def read(fields: list[dict], given: dict, programs) -> tuple[dict, dict]:
    """Answers as they are kept, and what is wrong with them: ({key: answer}, {key: sentence}).

    `given` maps keys to lists of strings, as a form sends them. The server decides which questions are asked: an answer to
    another one, or a value that is no option, is an error.
    """
    answers, errors = {}, {}
    for field in fields:
        key = field["key"]
        values = [value.strip() for value in given.get(key, []) if value.strip()]
        if not is_asked(field, answers, programs):
            if values:
                errors[key] = _("This question does not apply to what you chose. Leave it empty.")
            continue
        if not values:
            if field.get("required"):
                errors[key] = _("Choose an answer.") if "options" in field else _("Fill this in.")
            continue
        try:
            answers[key] = CHECKS[field["type"]](field, values)
        except ValueError as problem:
            errors[key] = str(problem)
    for key in given.keys() - {field["key"] for field in fields}:
        errors[key] = _("This question is no longer on the form. Reload the page.")
    return answers, errors


def _text(field, values):
    longest = LONGEST[field["type"]]
    if len(values[0]) > longest:
        raise ValueError(_("Use at most %(count)s characters; there are %(found)s.", count=longest, found=len(values[0])))
    if "\0" in values[0]:
        raise ValueError(_("This contains a character that can't be saved."))
    return values[0]


def _number(field, values):
    try:
        number = int(values[0].replace(",", ""))
    except ValueError:
        raise ValueError(_("Enter a whole number, such as 3.")) from None
    lowest, highest = field.get("minimum", -10**9), field.get("maximum", 10**9)
    if not lowest <= number <= highest:
        raise ValueError(_("Enter a number from %(lowest)s to %(highest)s.", lowest=lowest, highest=highest))
    return number


def _options(field) -> set[str]:
    return {option["value"] for option in field["options"]}


def _single(field, values):
    if len(values) != 1 or values[0] not in _options(field):
        raise ValueError(_("Choose one of the answers shown."))
    return values[0]


def _multiple(field, values):
    if not set(values) <= _options(field):
        raise ValueError(_("Choose from the answers shown."))
    return [option["value"] for option in field["options"] if option["value"] in values]


def _file(field, values):
    """`upload:<id>:<name>`, made by us when the file came in; whatever else is written there is none."""
    word, identity, name = (values[0].split(":", 2) + ["", ""])[:3]
    if word != "upload" or not identity.isdigit():
        raise ValueError(_("Send the file again."))
    return {"upload": int(identity), "name": name}


CHECKS = {FILE: _file, TEXT: _text, LONG_TEXT: _text, NUMBER: _number, SINGLE_CHOICE: _single, MULTIPLE_CHOICE: _multiple}
