"""Toss's JSON as its documents show it: our client reads it, and the sandbox writes the same fields and kinds of values."""
import json
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import pytest

from eventapp.payments import toss, toss_shapes
from eventapp.payments.provider import AWAITING_DEPOSIT, PARTIALLY_REFUNDED, GatewayAccount
from eventapp.payments.transport import parse_json
from tests.gateway import attempt

TEXT = (Path(__file__).parent / "recorded" / "toss.json").read_text(encoding="utf-8")
RECORDED = json.loads(TEXT)
EXACT = parse_json(TEXT.encode())
MAY_BE_NULL = {"cancels", "virtualAccount", "transfer", "mobilePhone", "card", "cashReceipt", "cashReceipts", "metadata", "failure",
               "receipt", "interestPayer", "customerKey", "approvedAt", "cancel", "receiptKey", "depositorName", "secret"}


def differences(sandboxed, recorded, where="") -> list[str]:
    """Fields that only one of them has, and values of another kind."""
    if isinstance(recorded, dict) and isinstance(sandboxed, dict):
        found = [f"{where}.{name} only in one" for name in sandboxed.keys() ^ recorded.keys()]
        return found + [line for name in sandboxed.keys() & recorded.keys() for line in differences(
            sandboxed[name], recorded[name], f"{where}.{name}")]
    if isinstance(recorded, list) and isinstance(sandboxed, list):
        return [line for one, other in zip(sandboxed, recorded, strict=False) for line in differences(one, other, where)]
    if None in (sandboxed, recorded):
        return [] if sandboxed is recorded or where.rpartition(".")[2] in MAY_BE_NULL else [f"{where} is null in one"]
    return [] if type(sandboxed) is type(recorded) else [f"{where} is {type(sandboxed).__name__}"]


def asked(gateway, path, **params):
    answer = httpx.get(f"{gateway.address}/toss{path}", params=params, auth=(gateway.account.secret_keys[0], ""))
    return answer.json()


def test_the_client_reads_each_of_them():
    paid = toss_shapes.payment(EXACT["payment"], test_mode=True)
    assert (paid.status, paid.balance, paid.refunded, paid.paid_with) == (PARTIALLY_REFUNDED, 40000, 10000,
                                                                         "신한카드 12345678****000*")
    waiting = toss_shapes.payment(EXACT["payment"] | EXACT["waiting"] | {"cancels": None, "balanceAmount": 50000, "card": None},
                                  test_mode=True)
    assert (waiting.status, waiting.virtual_account.bank, waiting.paid_with) == (AWAITING_DEPOSIT, "woori", "우리은행")
    assert toss_shapes.entry(EXACT["transaction"]).amount == 50000
    line = toss_shapes.settlement(EXACT["settlement"])
    assert (line.amount, line.fee, line.vat, line.payout, line.sold_on) == (50000, 1300, 130, 48570, date(2026, 11, 22))
    receipt = toss_shapes.cash_receipt(EXACT["cash receipt"])
    assert (receipt.status, receipt.amount, receipt.issue_number) == ("issued", 50000, "123456789")
    account = GatewayAccount("toss")
    for name in ("status notice", "deposit notice"):
        hint = toss.parse_webhook(account, {}, json.dumps(RECORDED[name]).encode(), datetime.now(UTC))
        assert hint.order_ref == "ev_01JD9Y3V7M4K8Q2T6W"


def test_the_sandbox_writes_the_same_payment(gateway):
    paid = gateway.pay()
    gateway.cancel(paid, 10000)
    assert differences(asked(gateway, f"/v1/payments/{paid.gateway_key}"), RECORDED["payment"]) == []
    waiting = gateway.issue()
    shown = asked(gateway, f"/v1/payments/{waiting.gateway_key}")
    assert differences({name: shown[name] for name in RECORDED["waiting"]}, RECORDED["waiting"]) == []


def test_the_sandbox_writes_the_same_books(gateway):
    gateway.pay()
    [line] = asked(gateway, "/v1/transactions", startDate="2000-01-01", endDate="2100-01-01")
    assert differences(line, RECORDED["transaction"]) == []
    [line] = asked(gateway, "/v1/settlements", startDate="2000-01-01", endDate="2100-01-01")
    assert differences(line, RECORDED["settlement"]) == []


def test_the_sandbox_writes_the_same_receipt(gateway):
    answer = httpx.post(f"{gateway.address}/toss/v1/cash-receipts", auth=(gateway.account.secret_keys[0], ""), json={
        "amount": 50000, "orderId": attempt("ev")[:30], "orderName": "등록", "type": "소득공제", "customerIdentityNumber": "01012345678"})
    assert differences(answer.json(), RECORDED["cash receipt"]) == []


def test_the_sandbox_writes_the_same_errors_and_notices(gateway, hooked):
    assert differences(asked(gateway, "/v1/payments/unknown"), RECORDED["error"]) == []
    waiting = gateway.issue()
    gateway.control("deposit", order_id=waiting.order_ref)
    hooked.wait(3)
    bodies = [json.loads(raw) for _, raw in hooked.notices]
    flat = next(body for body in bodies if "eventType" not in body)
    assert differences(flat, RECORDED["deposit notice"]) == []
    told = next(body for body in bodies if "eventType" in body)
    assert told.keys() == RECORDED["status notice"].keys() and RECORDED["status notice"]["data"].keys() <= told["data"].keys()


@pytest.mark.parametrize("one, other", [({"a": 1}, {}), ({"a": 1}, {"a": "1"}), ({"a": None}, {"a": 1}), ([{"a": 1}], [{"b": 1}])])
def test_a_difference_is_found(one, other):
    assert differences(one, other)
