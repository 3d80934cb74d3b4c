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


WEIGHTS = (1, 3, 7, 1, 3, 7, 1, 3, 5)


def business_number(text: str) -> str | None:
    """A Korean business number as its ten digits, or None when its last one does not follow from the others."""
    digits = text.strip().replace("-", "").replace(" ", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) == 10) or not digits.strip("0"):
        return None
    total = sum(int(digit) * weight for digit, weight in zip(digits, WEIGHTS, strict=False)) + int(digits[8]) * 5 // 10
    return digits if (10 - total % 10) % 10 == int(digits[9]) else None
