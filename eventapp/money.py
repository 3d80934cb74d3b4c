"""Money is an integer number of minor units and a currency; there are no floats here."""
import re
import unicodedata
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from babel.numbers import format_currency, get_currency_symbol

ZERO_DECIMAL = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF".split())
THREE_DECIMAL = frozenset("BHD JOD KWD OMR TND".split())


def exponent(currency: str) -> int:
    """How many decimals the currency has (ISO 4217)."""
    return 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2


@dataclass(frozen=True, slots=True)
class Money:
    """`amount` minor units of `currency`; adding or comparing different currencies raises ValueError."""

    amount: int
    currency: str

    def __post_init__(self):
        if type(self.amount) is not int:
            raise TypeError(f"an amount is a whole number of minor units, not {self.amount!r}")

    def _same(self, other: "Money") -> int:
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not mix")
        return other.amount

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount - self._same(other), self.currency)

    def __mul__(self, times: int) -> "Money":
        return Money(self.amount * times, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: "Money") -> bool:
        return self.amount <= self._same(other)

    def __bool__(self) -> bool:
        return self.amount != 0

    @property
    def decimal(self) -> Decimal:
        return Decimal(self.amount).scaleb(-exponent(self.currency))

    def text(self, locale: str) -> str:
        """With its sign and grouping: ₩120,000, $12.50."""
        return money_text(self.amount, self.currency, locale)


def money_text(amount: int, currency: str, locale: str) -> str:
    value = Decimal(amount).scaleb(-exponent(currency))
    return format_currency(value, currency, locale=locale)


def read_amount(text: str, currency: str) -> int | None:
    """An amount as a person types it ("30,000", "₩30000", "12.50"), in minor units; None when it is none."""
    plain = re.sub(r"[\s,₩￦원$€]", "", unicodedata.normalize("NFKC", text))
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,3})?", plain, re.ASCII):
        return None
    value = Decimal(plain).scaleb(exponent(currency))
    return int(value) if value == value.to_integral_value() and value < 2**31 else None


def currency_sign(currency: str, locale: str) -> str:
    return get_currency_symbol(currency, locale=locale)


def vat_included(total: int, tax_free: int = 0) -> int:
    """The VAT inside a Korean gross price, in minor units: (total − tax free) / 11, rounded half up."""
    return int((Decimal(total - tax_free) / 11).quantize(Decimal(1), ROUND_HALF_UP))
