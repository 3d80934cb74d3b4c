"""Whatever goes wrong at PortOne: the right exception, and afterwards the truth can be asked for."""
import json
import threading
import time
from dataclasses import replace

import pytest

from eventapp import faults
from eventapp.payments import portone, portone_codes, toss_codes
from eventapp.payments.provider import (
    PAID,
    PENDING,
    VIRTUAL_ACCOUNT,
    CashReceiptRequest,
    GatewayContractError,
    GatewayMisconfigured,
    GatewayRef,
    GatewayRefused,
    GatewayUnknown,
)
from tests.payments.stands import attempt
from tests.payments.stands.portone import Portone
from tests.payments.test_toss_faults import answering, ok

NOT_DONE = ["drop_before", "409", "429", "500", "html", "hang:0.05"]
DONE = ["timeout_after_commit", "timeout_after_commit:0.05", "500_after_commit", "html_after_commit", "truncated"]
KNOWN = portone_codes.REFUSALS | portone_codes.ASK_FIRST | portone_codes.KEYS_ARE_WRONG


@pytest.fixture
def stand(gateway):
    return Portone(gateway)


@pytest.mark.parametrize("fault", NOT_DONE + DONE)
def test_opening_without_an_answer_may_be_asked_again(stand, fault):
    intent, key = stand.intent(), attempt("open")
    stand.fault("open", fault)
    with pytest.raises(GatewayUnknown):
        stand.open(intent, key)
    stand.open(intent, key)
    assert "PRE_REGISTERED" in stand.window(intent, totalAmount=1)


@pytest.mark.parametrize("fault", NOT_DONE)
def test_a_confirm_that_was_not_done_is_unknown_and_succeeds_with_the_same_key(stand, fault):
    intent, key = stand.intent(), attempt("confirm")
    hint = stand.visit(intent, "approve")
    stand.fault("confirm", fault)
    with pytest.raises(GatewayUnknown):
        stand.finish(intent, hint, key)
    assert stand.fetch_ref(intent).status == PENDING
    assert stand.finish(intent, hint, key).status == PAID and stand.in_books() == 50000


@pytest.mark.parametrize("fault", DONE)
def test_a_confirm_that_was_done_and_not_answered_is_unknown_and_found_paid(stand, fault):
    intent, key = stand.intent(), attempt("confirm")
    hint = stand.visit(intent, "approve")
    stand.fault("confirm", fault)
    with pytest.raises(GatewayUnknown):
        stand.finish(intent, hint, key)
    found = stand.fetch_ref(intent)
    assert found.status == PAID and stand.finish(intent, hint, key) == found and stand.in_books() == 50000


@pytest.mark.parametrize("operation", ["confirm", "cancel"])
@pytest.mark.parametrize("fault", NOT_DONE + DONE)
def test_when_only_the_look_afterwards_fails_it_is_unknown_and_done(stand, operation, fault):
    intent, key = stand.intent(), attempt()
    hint = stand.visit(intent, "approve")
    paid = stand.finish(intent, hint) if operation == "cancel" else None
    stand.fault("fetch", fault)
    with pytest.raises(GatewayUnknown):
        stand.cancel(paid, 20000, key) if paid else stand.finish(intent, hint, key)
    assert stand.in_books() == (30000 if paid else 50000)
    again = stand.cancel(paid, 20000, key) if paid else stand.finish(intent, hint, key)
    assert again.balance == stand.in_books() == (30000 if paid else 50000)


@pytest.mark.parametrize("fault", NOT_DONE + DONE)
def test_a_refund_with_an_unknown_outcome_is_made_once(stand, fault):
    paid, key = stand.pay(), attempt("cancel")
    stand.fault("cancel", fault)
    with pytest.raises(GatewayUnknown):
        stand.cancel(paid, 20000, key)
    assert stand.fetch(paid).balance == (30000 if fault in DONE else 50000)
    assert stand.cancel(paid, 20000, key).balance == 30000 and stand.in_books() == 30000


@pytest.mark.parametrize("fault", NOT_DONE + DONE)
def test_a_receipt_with_an_unknown_outcome_is_issued_once(stand, fault):
    waiting, key = stand.pay(70000, VIRTUAL_ACCOUNT), attempt("receipt")
    stand.deposit(waiting)
    request = CashReceiptRequest(waiting.order_ref, "등록", 70000, "deduction", "01012345678")
    stand.fault("receipt", fault)
    with pytest.raises(GatewayUnknown):
        portone.issue_cash_receipt(stand.account, request, key)
    found = portone.fetch_cash_receipt(stand.account, "", waiting.order_ref)
    assert (found is not None) == (fault in DONE)
    assert portone.issue_cash_receipt(stand.account, request, key).status == "issued"


@pytest.mark.parametrize("fault", [*NOT_DONE, "truncated", "html_after_commit", "code:INVALID_REQUEST", "code:ALREADY_PAID"])
def test_a_question_without_an_answer_is_no_answer(stand, fault):
    paid = stand.pay()
    stand.fault("fetch", fault)
    with pytest.raises(GatewayUnknown):
        stand.fetch(paid)
    assert stand.fetch(paid).status == PAID


def test_a_repeat_while_the_first_is_still_running_is_told_to_wait(stand):
    intent, key = stand.intent(), attempt("confirm")
    hint = stand.visit(intent, "approve")
    stand.fault("confirm", "delay:1")
    first = []
    slow = threading.Thread(target=lambda: first.append(stand.finish(intent, hint, key)))
    slow.start()
    time.sleep(0.4)
    with pytest.raises(GatewayUnknown) as unknown:
        stand.finish(intent, hint, key)
    slow.join()
    assert (unknown.value.code, unknown.value.http_status) == ("IDEMPOTENCY_OUTSTANDING_REQUEST", 409)
    assert stand.finish(intent, hint, key) == first[0]


# -- codes ------------------------------------------------------------------------------------------
def confirmed_with(stand, fault, times=1):
    intent = stand.intent()
    hint = stand.visit(intent, "approve")
    stand.fault("confirm", fault, times=times)
    return stand.finish(intent, hint)


@pytest.mark.parametrize("code", sorted(portone_codes.REFUSALS))
def test_each_refusal_is_definite(stand, code):
    with pytest.raises(GatewayRefused) as refused:
        confirmed_with(stand, f"code:{code}")
    assert refused.value.code == code and stand.in_books() == 0


@pytest.mark.parametrize("code", [*sorted(portone_codes.ASK_FIRST), "SOMETHING_NOBODY_HAS_HEARD_OF"])
def test_each_other_code_means_ask(stand, code):
    with pytest.raises(GatewayUnknown) as unknown:
        confirmed_with(stand, f"code:{code}")
    assert unknown.value.code == code


@pytest.mark.parametrize("code", sorted(portone_codes.KEYS_ARE_WRONG))
def test_each_code_about_keys_is_about_keys(stand, code):
    with pytest.raises(GatewayMisconfigured):
        confirmed_with(stand, f"code:{code}")


@pytest.mark.parametrize("code", ["REJECT_CARD_COMPANY", "EXCEED_MAX_AMOUNT", "INVALID_STOPPED_CARD"])
def test_what_the_gateway_behind_refuses_is_refused(stand, code):
    with pytest.raises(GatewayRefused) as refused:
        confirmed_with(stand, f"pg:{code}")
    assert (refused.value.code, refused.value.http_status) == (code, 502)


@pytest.mark.parametrize("code", ["PROVIDER_ERROR", "FAILED_INTERNAL_SYSTEM_PROCESSING", "3002"])
def test_what_the_gateway_behind_is_not_clear_about_is_asked(stand, code):
    assert code not in toss_codes.REFUSALS
    with pytest.raises(GatewayUnknown) as unknown:
        confirmed_with(stand, f"pg:{code}")
    assert unknown.value.code == code


def test_a_refund_that_the_gateway_behind_refuses(stand):
    paid = stand.pay()
    stand.fault("cancel", "pg:REFUND_REJECTED")
    with pytest.raises(GatewayRefused) as refused:
        stand.cancel(paid)
    assert refused.value.code == "REFUND_REJECTED" and stand.in_books() == 50000


def test_no_code_is_in_two_classes():
    classes = [portone_codes.REFUSALS, portone_codes.ASK_FIRST, portone_codes.KEYS_ARE_WRONG]
    assert sum(map(len, classes)) == len(KNOWN)


# -- answers no sandbox would give --------------------------------------------------------------------
def asked(stand, url):
    return portone.fetch(replace(stand.account, api_url=url), GatewayRef("ev_123456"))


def failing(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body)


@pytest.mark.parametrize("answer, reason", [
    (ok(b"<html>"), "not_json"), (ok(b""), "not_json"), (failing(b"502 Bad", b"<html>"), "http_502"),
    (failing(b"502 Bad", b'{"type":"PG_PROVIDER"}'), "PG_PROVIDER"), (failing(b"502 Bad", b'{"type":1}'), "http_502"),
    (failing(b"502 Bad", b'{"type":"INVALID_REQUEST"}'), "INVALID_REQUEST"), (failing(b"404 No", b"{}"), "http_404"),
    (failing(b"302 Found", b'{"type":"PAYMENT_NOT_FOUND"}'), "PAYMENT_NOT_FOUND"), (b"", "connection_lost")])
def test_an_answer_that_is_none(stand, answer, reason):
    with answering(answer) as url, pytest.raises(GatewayUnknown) as unknown:
        asked(stand, url)
    assert (unknown.value.reason, unknown.value.sent) == (reason, True)


@pytest.mark.parametrize("body", [b"[]", b"{}", b'"x"', b"1", b'{"id":"ev_123456","amount":[]}'])
def test_an_answer_against_the_contract(stand, body):
    with answering(ok(body)) as url, pytest.raises(GatewayContractError):
        asked(stand, url)


@pytest.mark.parametrize("body", [b"{}", b'{"cashReceipt":[]}', b"[]"])
def test_a_receipt_against_the_contract(stand, body):
    account = stand.account
    with answering(ok(body)) as url, pytest.raises(GatewayContractError):
        portone.issue_cash_receipt(replace(account, api_url=url), CashReceiptRequest("ev_123456", "등록", 1, "deduction", "01012345678"),
                                   attempt("receipt"))


def test_the_answer_must_be_about_the_payment_asked_for(stand):
    body = json.dumps(stand.books()["payments"][-1] if stand.pay() else {}).encode()
    with answering(ok(body)) as url, pytest.raises(GatewayContractError) as broken:
        asked(stand, url)
    assert broken.value.code == "another_payment"


def test_the_fault_points_lie_around_the_call(stand):
    intent = stand.intent()
    hint = stand.visit(intent, "approve")
    for point, status in (("portone.confirm.before", PENDING), ("portone.confirm.after", PAID)):
        faults.configure(f"{point}=raise")
        try:
            with pytest.raises(faults.Injected):
                stand.finish(intent, hint)
        finally:
            faults.configure()
        assert stand.fetch_ref(intent).status == status
