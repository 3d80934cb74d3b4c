"""Where money is sent back to: an account at a Korean bank, looked at before it is kept."""
import re

from eventapp.domain import RefusedFields
from eventapp.languages import _, current_locale
from eventapp.payments.banks import BANKS

DIGITS = {"kb": (10, 14), "shinhan": (11, 14), "woori": (11, 14), "hana": (11, 14), "nonghyup": (11, 14), "ibk": (10, 14),
          "kakao": (13, 13), "toss": (12, 12), "kbank": (12, 12), "post": (12, 14), "saemaul": (12, 14), "shinhyup": (10, 14)}
"""How many an account of the bank has; of the others from 7 to 16."""
LONGEST_HOLDER = 60


def read(bank: str, number: str, holder: str) -> dict:
    """{"bank", "number", "holder"} as it is kept: the number in digits alone. Raises RefusedFields."""
    digits, holder = re.sub(r"[\s.-]", "", number), " ".join(holder.split())
    wrong = {}
    if bank not in BANKS:
        wrong["bank"] = _("Choose a bank.")
    least, most = DIGITS.get(bank, (7, 16))
    if not digits:
        wrong["number"] = _("Enter the account number.")
    elif not re.fullmatch(r"[0-9]+", digits, re.ASCII):
        wrong["number"] = _("An account number has digits only.")
    elif not least <= len(digits) <= most and "bank" not in wrong:
        wrong["number"] = _("An account of %(bank)s has %(least)s digits; there are %(found)s.", bank=name(bank), found=len(digits),
                            least=least if least == most else f"{least}–{most}")
    if not holder or "\0" in holder:
        wrong["holder"] = _("Enter the account holder's name, as the bank has it.")
    elif len(holder) > LONGEST_HOLDER:
        wrong["holder"] = _("Use at most %(count)s characters; there are %(found)s.", count=LONGEST_HOLDER, found=len(holder))
    if wrong:
        raise RefusedFields(wrong)
    return {"bank": bank, "number": digits, "holder": holder}


def name(bank: str) -> str:
    known = BANKS.get(bank)
    return (known.korean if current_locale() == "ko" else known.english) if known else bank


def hint(account: dict) -> str:
    """What may be kept in sight: our name of the bank and the last four digits."""
    return f"{account['bank']} {account['number'][-4:]}"


def shown(hint: str) -> str:
    bank, _space, last = hint.partition(" ")
    return f"{name(bank)} ••••{last}" if hint else ""
