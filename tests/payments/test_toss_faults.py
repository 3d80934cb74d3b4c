"""Whatever goes wrong at the gateway: the right exception, and afterwards the truth can be asked for."""
import json
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from eventapp import faults
from eventapp.payments import toss, toss_codes, transport
from eventapp.payments.provider import (
    AUTHORIZED,
    FAILED,
    PAID,
    GatewayContractError,
    GatewayMisconfigured,
    GatewayRef,
    GatewayRefused,
    GatewayUnknown,
)
from tests.gateway import attempt

NOT_DONE = ["drop_before", "409", "429", "500", "html", "hang:0.05"]
DONE = ["timeout_after_commit", "timeout_after_commit:0.05", "500_after_commit", "html_after_commit", "truncated"]


@pytest.mark.parametrize("fault", NOT_DONE)
def test_a_confirm_that_was_not_done_is_unknown_and_succeeds_with_the_same_key(gateway, fault):
    intent = gateway.intent()
    hint, key = gateway.approve(intent), attempt()
    gateway.fault("confirm", fault)
    with pytest.raises(GatewayUnknown):
        toss.confirm(gateway.account, intent, hint, key)
    assert toss.fetch(gateway.account, GatewayRef(intent.order_ref)).status == AUTHORIZED
    assert toss.confirm(gateway.account, intent, hint, key).status == PAID
    assert gateway.books()["balances"] == {gateway.account.client_key: 50000}


@pytest.mark.parametrize("fault", DONE)
def test_a_confirm_that_was_done_and_not_answered_is_unknown_and_found_paid(gateway, fault):
    intent = gateway.intent()
    hint, key = gateway.approve(intent), attempt()
    gateway.fault("confirm", fault)
    with pytest.raises(GatewayUnknown):
        toss.confirm(gateway.account, intent, hint, key)
    found = toss.fetch(gateway.account, GatewayRef(intent.order_ref))
    assert found.status == PAID
    assert toss.confirm(gateway.account, intent, hint, key) == found
    assert gateway.books()["balances"] == {gateway.account.client_key: 50000}


@pytest.mark.parametrize("fault", NOT_DONE + DONE)
def test_a_refund_with_an_unknown_outcome_is_made_once(gateway, fault):
    paid, key = gateway.pay(), attempt("cancel")
    gateway.fault("cancel", fault)
    with pytest.raises(GatewayUnknown):
        gateway.cancel(paid, 20000, key)
    assert gateway.fetch(paid).balance == (30000 if fault in DONE else 50000)
    assert gateway.cancel(paid, 20000, key).balance == 30000
    assert gateway.books()["balances"] == {gateway.account.client_key: 30000}


@pytest.mark.parametrize("fault", NOT_DONE + DONE)
def test_an_account_with_an_unknown_outcome_is_issued_once(gateway, fault):
    gateway.fault("issue", fault)
    with pytest.raises(GatewayUnknown):
        gateway.issue()
    assert len(gateway.books()["payments"]) == (fault in DONE)


@pytest.mark.parametrize("fault", [*NOT_DONE, "truncated", "html_after_commit", "code:FORBIDDEN_CONSECUTIVE_REQUEST"])
def test_a_question_without_an_answer_is_no_answer(gateway, fault):
    paid = gateway.pay()
    gateway.fault("fetch", fault)
    with pytest.raises(GatewayUnknown):
        gateway.fetch(paid)
    assert gateway.fetch(paid).status == PAID


def test_a_refusal_of_a_question_is_no_answer_either(gateway):
    paid = gateway.pay()
    gateway.fault("fetch", "code:REJECT_CARD_PAYMENT")
    with pytest.raises(GatewayUnknown):
        gateway.fetch(paid)


def test_a_slow_gateway_is_waited_for(gateway):
    gateway.fault("confirm", "delay:0.3")
    began = time.monotonic()
    assert gateway.pay().status == PAID
    assert time.monotonic() - began >= 0.3


def test_a_repeat_while_the_first_is_still_running_is_told_to_wait(gateway):
    intent = gateway.intent()
    hint, key = gateway.approve(intent), attempt()
    gateway.fault("confirm", "delay:1.5")
    first = []
    slow = threading.Thread(target=lambda: first.append(toss.confirm(gateway.account, intent, hint, key)))
    slow.start()
    time.sleep(0.7)
    with pytest.raises(GatewayUnknown) as unknown:
        toss.confirm(gateway.account, intent, hint, key)
    slow.join()
    assert unknown.value.code == "IDEMPOTENT_REQUEST_PROCESSING"
    assert toss.confirm(gateway.account, intent, hint, key) == first[0]


def test_a_wrong_amount_in_the_answer_is_handed_on_for_comparing(gateway):
    gateway.fault("confirm", "wrong_amount")
    assert gateway.pay(50000).total == 51000


# -- codes ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("code", sorted(toss_codes.REFUSALS))
def test_each_refusal_is_definite(gateway, code):
    gateway.fault("confirm", f"code:{code}")
    with pytest.raises(GatewayRefused) as refused:
        gateway.pay()
    assert refused.value.code == code and refused.value.trace_id
    assert gateway.books()["transactions"] == []


@pytest.mark.parametrize("code", [*sorted(toss_codes.ASK_FIRST), "SOMETHING_NOBODY_HAS_HEARD_OF"])
def test_each_other_code_means_ask(gateway, code):
    gateway.fault("confirm", f"code:{code}")
    with pytest.raises(GatewayUnknown) as unknown:
        gateway.pay()
    assert unknown.value.code == code


@pytest.mark.parametrize("code", sorted(toss_codes.KEYS_ARE_WRONG))
def test_each_code_about_keys_is_about_keys(gateway, code):
    gateway.fault("confirm", f"code:{code}", times=2)
    with pytest.raises(GatewayMisconfigured):
        gateway.pay()


def test_no_code_is_in_two_classes():
    classes = [toss_codes.REFUSALS, toss_codes.ASK_FIRST, toss_codes.KEYS_ARE_WRONG]
    assert sum(map(len, classes)) == len(frozenset.union(*classes))


def test_a_card_that_was_refused_shows_why(gateway):
    gateway.fault("confirm", "code:REJECT_CARD_COMPANY")
    intent = gateway.intent()
    with pytest.raises(GatewayRefused):
        toss.confirm(gateway.account, intent, gateway.approve(intent), attempt())
    failed = toss.fetch(gateway.account, GatewayRef(intent.order_ref))
    assert (failed.status, failed.failure.code) == (FAILED, "REJECT_CARD_COMPANY")


# -- answers no sandbox would give --------------------------------------------------------------------
@contextmanager
def answering(*answers: bytes, pause: float = 0):
    """A server that reads a request and writes these bytes, whatever they are."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                try:
                    for part in answers:
                        connection.sendall(part)
                        time.sleep(pause)
                except OSError:
                    pass

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def ok(body: bytes, head: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n" % (len(body), head) + body


def asked(gateway, url):
    account = gateway.account_of("demo0000000001")
    return toss.fetch(type(account)(**{name: getattr(account, name) for name in account.__slots__} | {"api_url": url}),
                      GatewayRef("ev_123456"))


@pytest.mark.parametrize("answer, reason", [
    (ok(b"<html>"), "not_json"), (ok(b""), "not_json"), (ok(b"\xff"), "not_json"), (ok(b"[" * 100000), "not_json"),
    (ok(b'{"totalAmount":NaN}'), "not_json"), (ok(b'{"totalAmount":1e99999999999999999999}'), "not_json"),
    (ok(b"x" * 20, b"Content-Encoding: gzip\r\n"), "connection_lost"),
    (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "http_302"),
    (b"HTTP/1.1 204 No Content\r\n\r\n", "http_204"),
    (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "http_503"),
    (b'HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}', "http_404"),
    (b'HTTP/1.1 404 No\r\nContent-Length: 10\r\n\r\n{"code":1}', "http_404"),
    (b'HTTP/1.1 404 No\r\nContent-Length: 20\r\n\r\n{"code":"NOT_FOUND"}', "NOT_FOUND"),
    (b"nonsense\r\n\r\n", "connection_lost"), (b"", "connection_lost")])
def test_an_answer_that_is_none(gateway, answer, reason):
    with answering(answer) as url, pytest.raises(GatewayUnknown) as unknown:
        asked(gateway, url)
    assert (unknown.value.reason, unknown.value.sent) == (reason, True)


@pytest.mark.parametrize("body", [b"[]", b"{}", b'"x"', b"1", b"null", b'{"currency":"KRW","totalAmount":true}'])
def test_an_answer_against_the_contract(gateway, body):
    with answering(ok(body)) as url, pytest.raises(GatewayUnknown) as unknown:
        asked(gateway, url)
    assert isinstance(unknown.value, GatewayContractError) or body == b"null"


def test_the_answer_must_be_about_the_payment_asked_for(gateway):
    body = json.dumps(gateway.of_order(gateway.pay().order_ref)).encode()
    with answering(ok(body)) as url, pytest.raises(GatewayContractError) as broken:
        asked(gateway, url)
    assert broken.value.code == "another_payment"


def test_a_body_without_end_is_cut_off(gateway, monkeypatch):
    monkeypatch.setattr(transport, "LARGEST", 1000)
    with answering(ok(b"x" * 2000)) as url, pytest.raises(GatewayUnknown) as unknown:
        asked(gateway, url)
    assert unknown.value.reason == "too_large"


def test_a_gateway_that_says_nothing(gateway, monkeypatch):
    monkeypatch.setattr(transport, "READ", 0.2)
    with answering(b"HTTP/1.1 200 OK\r\n", pause=2) as url, pytest.raises(GatewayUnknown) as unknown:
        asked(gateway, url)
    assert (unknown.value.reason, unknown.value.sent) == ("timeout", True)


def test_a_gateway_that_drips(gateway, monkeypatch):
    monkeypatch.setattr(transport, "IN_ALL", 0.2)
    drops = [b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", *[b"x"] * 50]
    with answering(*drops, pause=0.02) as url, pytest.raises(GatewayUnknown) as unknown:
        asked(gateway, url)
    assert unknown.value.reason == "timeout"


def test_nobody_there(gateway):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(GatewayUnknown) as unknown:
        asked(gateway, f"http://127.0.0.1:{port}")
    assert (unknown.value.reason, unknown.value.sent) == ("unreachable", False)


def test_the_fault_points_lie_around_the_call(gateway):
    assert {"toss.confirm.before", "toss.confirm.after", "toss.cancel.after",
            "toss.issue.before"} <= set(faults.points())
    intent = gateway.intent()
    hint, key = gateway.approve(intent), attempt()
    for point, status in (("toss.confirm.before", AUTHORIZED), ("toss.confirm.after", PAID)):
        faults.configure(f"{point}=raise")
        try:
            with pytest.raises(faults.Injected):
                toss.confirm(gateway.account, intent, hint, key)
        finally:
            faults.configure()
        assert toss.fetch(gateway.account, GatewayRef(intent.order_ref)).status == status


def test_without_its_guard_an_answer_about_another_payment_would_pass(gateway):
    body = json.dumps(gateway.of_order(gateway.pay().order_ref)).encode()
    faults.configure(guards_off=["toss.answer"])
    try:
        with answering(ok(body)) as url:
            assert asked(gateway, url).status == PAID
    finally:
        faults.configure()
    assert {"toss.signature", "toss.keys", "toss.answer"} <= set(faults.guards())
