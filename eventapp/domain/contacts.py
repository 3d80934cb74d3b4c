"""How people are reached: what an email address and a phone number look like, for every form alike."""
import re

import phonenumbers

EMAIL = re.compile(r"^[^@\s\x00-\x1f\x7f<>\"',;:()\[\]\\]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}$")


def phone_number(text: str) -> str | None:
    """E.164, or None when it is none; Korean when it has no country."""
    try:
        number = phonenumbers.parse(text.strip(), "KR")
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if phonenumbers.is_valid_number(number) else None
