"""Manual transfers, free orders, banks."""
from datetime import UTC, datetime

import pytest

from eventapp.money import Money
from eventapp.payments import provider
from eventapp.payments.banks import BANKS, BY_TOSS_CODE
from eventapp.payments.provider import AWAITING_DEPOSIT, PAID, BadReturn, GatewayAccount, PaymentIntent

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ACCOUNT = GatewayAccount("manual", public={"bank": "kb", "account_number": "123-45-6789", "holder": "서울UBF"})


def test_a_manual_transfer_shows_the_account_and_waits_for_staff():
    manual = provider("manual")
    intent = PaymentIntent("ev_123456", Money(50000, "KRW"))
    shown = manual.create_checkout(ACCOUNT, intent)
    assert (shown.kind, shown.params["bank"], shown.params["accountNumber"], shown.params["holder"]) == (
        "none", "kb", "123-45-6789", "서울UBF")
    waiting, paid = manual.awaiting(intent), manual.received(intent, NOW)
    assert (waiting.status, waiting.captured, waiting.gateway_key) == (AWAITING_DEPOSIT, 0, paid.gateway_key)
    assert (paid.status, paid.captured, paid.approved_at, paid.consistent) == (PAID, 50000, NOW, True)


def test_free_is_paid_at_once_and_only_when_it_is_free():
    free = provider("free")
    paid = free.received(PaymentIntent("ev_123456", Money(0, "KRW")), NOW)
    assert (paid.status, paid.captured, paid.balance) == (PAID, 0, 0)
    with pytest.raises(ValueError, match="not free"):
        free.received(PaymentIntent("ev_123456", Money(1, "KRW")), NOW)


@pytest.mark.parametrize("name", ["manual", "free"])
def test_nobody_comes_back_from_them(name):
    with pytest.raises(BadReturn):
        provider(name).parse_return(ACCOUNT, {})


def test_kookmin_has_the_unusual_code():
    assert BANKS["kb"].toss == "06"
    assert len(BY_TOSS_CODE) == len(BANKS) == 26
