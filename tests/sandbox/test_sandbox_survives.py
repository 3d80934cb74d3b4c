"""The sandbox as the process it is: killed, started again, refused where it must not run; and quick enough."""
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from eventapp.payments import toss
from eventapp.payments.provider import PAID, GatewayRef
from eventapp.sandbox.journal import Journal
from tests.gateway import Gateway, attempt, running

ENVIRONMENT = {name: value for name, value in os.environ.items()
               if not re.match("TOSS_|STRIPE_|PORTONE_|APP_ENV|SANDBOX_|FAULTS|GUARDS_OFF|CLOCK_", name)}


def command(port=0):
    return [sys.executable, "-m", "eventapp.sandbox", "--port", str(port)]


@contextmanager
def process(folder, port=0, **environ):
    child = subprocess.Popen(command(port), env=ENVIRONMENT | {"VAR": str(folder)} | environ, stdout=subprocess.PIPE,
                             text=True)
    try:
        address = re.search(r"http://localhost:(\d+)", child.stdout.readline())
        yield Gateway(f"http://127.0.0.1:{address[1]}"), child
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_the_books_survive_a_kill(tmp_path, inbox):
    with process(tmp_path) as (gateway, child):
        gateway.control("webhooks", client_key=gateway.account.client_key, url=inbox.url)
        gateway.control("accounts", client_key="test_ck_another0001", secret_keys=["test_sk_another0001"])
        intent, key = gateway.intent(), attempt()
        hint = gateway.approve(intent)
        paid = toss.confirm(gateway.account, intent, hint, key)
        gateway.cancel(paid, 10000)
        waiting = gateway.issue()
        gateway.control("clock", advance=60)
        before = gateway.books()
        child.send_signal(signal.SIGKILL)
        child.wait()
    inbox.wait(3)
    with process(tmp_path) as (again, _):
        assert again.books()["transactions"] == before["transactions"]
        assert [payment["paymentKey"] for payment in again.books()["payments"]] == [
            payment["paymentKey"] for payment in before["payments"]]
        assert again.fetch(paid).balance == 40000
        assert toss.confirm(again.account, intent, hint, key).last_tx == paid.last_tx
        assert toss.check_credentials(again.account_of("another0001")).ok
        again.control("deposit", order_id=waiting.order_ref)
        assert again.fetch(waiting).status == PAID
        assert again.control("clock", advance=0)["offset"] == 60
    inbox.wait(5)


def test_a_notice_that_was_under_way_arrives_after_the_kill(tmp_path, inbox):
    with process(tmp_path) as (gateway, child):
        gateway.control("webhooks", client_key=gateway.account.client_key, url=inbox.url)
        gateway.control("switches", delay=60)
        paid = gateway.pay()
        child.kill()
    assert inbox.notices == []
    with process(tmp_path):
        [body] = inbox.wait(1)
    assert body["data"]["paymentKey"] == paid.gateway_key


def test_nothing_confirmed_is_lost_when_it_is_killed_under_load(tmp_path):
    confirmed = []
    with process(tmp_path) as (gateway, child):
        def buyer():
            while True:
                intent = gateway.intent()
                try:
                    hint = gateway.approve(intent)
                    confirmed.append((toss.confirm(gateway.account, intent, hint, attempt()).order_ref, intent))
                except Exception:
                    return

        buyers = [threading.Thread(target=buyer) for _ in range(4)]
        for one in buyers:
            one.start()
        time.sleep(1)
        child.kill()
        for one in buyers:
            one.join()
    assert confirmed
    with process(tmp_path) as (again, _):
        for order_ref, _ in confirmed:
            assert toss.fetch(again.account, GatewayRef(order_ref)).status == PAID


def test_a_line_that_was_being_written_is_dropped(tmp_path):
    path = tmp_path / "journal"
    path.write_bytes('{"a": 1}\n{"b": "한글"}\n{"c": '.encode() + b"\xed\x95")
    assert list(Journal(path).read()) == [{"a": 1}, {"b": "한글"}]


@pytest.mark.parametrize("environ, word", [({"APP_ENV": "production"}, "production"),
                                           ({"TOSS_SECRET_KEY": "live_sk_12345678"}, "live keys"),
                                           ({"TOSS_CLIENT_KEY": "live_ck_12345678"}, "live keys"),
                                           ({"STRIPE_SECRET_KEY": "sk_live_12345678"}, "live keys")])
def test_it_does_not_start_where_it_must_not(tmp_path, environ, word):
    ended = subprocess.run(command(), env=ENVIRONMENT | {"VAR": str(tmp_path)} | environ, capture_output=True,
                           text=True,
                           timeout=20)
    assert (ended.returncode, word in ended.stderr) == (2, True)


def test_it_stops_when_it_is_asked(tmp_path):
    with process(tmp_path) as (_, child):
        child.send_signal(signal.SIGTERM)
        assert child.wait(5) == 0


def test_the_platforms_own_pair_comes_from_the_environment(tmp_path):
    keys = {"TOSS_CLIENT_KEY": "test_ck_platform01", "TOSS_SECRET_KEY": "test_sk_somethingelse"}
    with process(tmp_path, **keys, SANDBOX_AUTOPAY="1") as (gateway, _):
        account = gateway.account_of("platform01", secret_keys=("test_sk_somethingelse",))
        assert toss.check_credentials(account).ok
        assert not toss.check_credentials(gateway.account_of("platform01")).ok
        gateway.account = account
        assert gateway.open_window(gateway.intent()).endswith("amount=50000")


def test_fifty_payments_a_second_are_no_burden():
    """Window, approval, confirm and question, eight buyers at once; the client shares the processor."""
    with running() as gateway:
        gateway.pay()
        began, each = time.monotonic(), 15

        def buyer():
            for _ in range(each):
                gateway.fetch(gateway.pay())

        buyers = [threading.Thread(target=buyer) for _ in range(8)]
        for one in buyers:
            one.start()
        for one in buyers:
            one.join()
        speed = 8 * each / (time.monotonic() - began)
        print(f"{speed:.0f} payments a second")
        assert gateway.books()["balances"] == {gateway.account.client_key: 50000 * (8 * each + 1)}
        assert speed > 10  # alone on two cores it is well above 100
