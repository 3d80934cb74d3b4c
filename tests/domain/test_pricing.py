from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from eventapp.domain import pricing
from eventapp.models import Program

NOON = datetime(2026, 5, 1, 3, tzinfo=timezone.utc)


def program(code="a", tiers=None, **values):
    return Program(code=code, tiers=tiers or [{"name": {}, "price": 100, "until": None}], **values)


def tier(price, until=None):
    return {"name": {}, "price": price, "until": until and until.isoformat()}


def test_the_early_price_holds_until_its_moment_and_not_after():
    early = program(tiers=[tier(100, NOON), tier(120)])
    assert pricing.price(early, NOON - timedelta(microseconds=1)) == 100
    assert pricing.price(early, NOON) == 120


def test_after_the_last_tier_nothing_is_sold():
    assert pricing.price(program(tiers=[tier(100, NOON)]), NOON) is None


def test_outside_of_its_sales_window_a_program_has_no_price():
    windowed = program(sales_open_at=NOON, sales_close_at=NOON + timedelta(hours=1))
    prices = [pricing.price(windowed, NOON + timedelta(minutes=minutes)) for minutes in (-1, 0, 59, 60)]
    assert prices == [None, 100, 100, None]


def test_a_page_with_other_prices_has_another_fingerprint():
    stepping = {"a": program(tiers=[tier(100, NOON), tier(120)])}
    before, after = (pricing.fingerprint(stepping, NOON + timedelta(seconds=seconds)) for seconds in (-1, 1))
    assert before != after
    assert before == pricing.fingerprint(stepping, NOON - timedelta(days=3))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1_000_000)), max_size=6),
       st.lists(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 9), max_size=4), max_size=8))
def test_the_total_is_the_sum_of_quantity_times_price(table, people):
    programs = {code: program(code, [tier(price)]) for code, (_, price) in zip("abcdef", table, strict=False)}
    sold = [pricing.lines(programs, chosen, NOON) for chosen in people]
    by_hand = sum(quantity * programs[code].tiers[0]["price"] for chosen in people for code, quantity in chosen.items()
                  if code in programs)
    assert pricing.total(sold) == by_hand
