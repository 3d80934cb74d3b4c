"""Money: integers and a currency, whatever is done with it."""
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.money import Money, currency_sign, exponent, money_text, vat_included

amounts = st.integers(-10 ** 12, 10 ** 12)
currencies = st.sampled_from(["KRW", "JPY", "USD", "EUR", "KWD"])
prices = st.integers(0, 10 ** 10)


@given(amounts, amounts, amounts, currencies)
def test_adding_is_adding(a, b, c, currency):
    x, y, z = (Money(amount, currency) for amount in (a, b, c))
    assert x + y == y + x == Money(a + b, currency)
    assert (x + y) + z == x + (y + z)
    assert x - y == x + -y
    assert (x + y) - y == x


@given(amounts, st.integers(-1000, 1000), currencies)
def test_times(amount, times, currency):
    assert (Money(amount, currency) * times).amount == amount * times


@given(amounts, amounts, currencies)
def test_order_is_the_order_of_the_amounts(a, b, currency):
    assert (Money(a, currency) < Money(b, currency)) == (a < b)
    assert (Money(a, currency) <= Money(b, currency)) == (a <= b)
    assert bool(Money(a, currency)) == (a != 0)


@given(amounts, amounts)
def test_currencies_do_not_mix(a, b):
    won, dollars = Money(a, "KRW"), Money(b, "USD")
    for mix in (lambda: won + dollars, lambda: won - dollars, lambda: won < dollars, lambda: won <= dollars):
        with pytest.raises(ValueError):
            mix()
    assert won != dollars


@pytest.mark.parametrize("amount", [1.0, True, "1", Decimal(1), None])
def test_only_whole_numbers_are_amounts(amount):
    with pytest.raises(TypeError):
        Money(amount, "KRW")


@given(amounts, currencies)
def test_decimals_are_exact(amount, currency):
    money = Money(amount, currency)
    assert money.decimal.scaleb(exponent(currency)) == amount
    assert -money.decimal.as_tuple().exponent <= exponent(currency)


@given(prices)
def test_won_have_no_decimals_in_either_language(amount):
    korean, english = money_text(amount, "KRW", "ko"), money_text(amount, "KRW", "en")
    assert korean == english == f"₩{amount:,}"


def test_text_and_sign():
    assert Money(1250, "USD").text("en") == "$12.50"
    assert Money(-3000, "KRW").text("ko") == "-₩3,000"
    assert (currency_sign("KRW", "ko"), currency_sign("KRW", "en")) == ("₩", "₩")


@given(prices, st.data())
def test_vat_is_an_eleventh_of_what_is_taxed_to_half_a_won(total, data):
    tax_free = data.draw(st.integers(0, total))
    vat = vat_included(total, tax_free)
    assert 0 <= vat <= total - tax_free
    assert abs(11 * vat - (total - tax_free)) <= 5  # half a won is 5.5 elevenths, and never met exactly


@given(prices)
def test_vat_never_falls_when_the_price_rises(total):
    assert vat_included(total) <= vat_included(total + 1) <= vat_included(total) + 1


def test_vat_as_toss_reckons_it():
    assert [vat_included(50000), vat_included(40000), vat_included(0), vat_included(100, 100)] == [4545, 3636, 0, 0]
