"""What people do. Operations take things and `by=`, and refuse with a sentence a person can act on."""


class Refused(Exception):
    """A rule says no. `field` names the form's field the sentence belongs beside; `status` the HTTP answer."""

    def __init__(self, sentence: str, field: str | None = None, status: int = 422):
        super().__init__(sentence)
        self.sentence, self.field, self.status = sentence, field, status


class RefusedFields(Refused):
    """Several fields at once: {name: sentence}, in the order of the form."""

    def __init__(self, errors: dict[str, str], status: int = 422):
        first = next(iter(errors))
        super().__init__(errors[first], first, status)
        self.errors = errors
