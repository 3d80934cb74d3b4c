"""Notices of the gateways that sign them: which are believed enough to make us ask, which are refused, and what bounds them."""
import json
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from eventapp import audit, clock, probing
from eventapp.domain import calling, connecting_gateways, noticing
from eventapp.domain.connecting_gateways import Keys
from eventapp.extensions import db
from eventapp.models import GatewayAccount, OutboxItem, PaymentRoute, WebhookEvent
from eventapp.sandbox import portone_signing, stripe_signing
from eventapp.sandbox.portone_books import DEMO_SECRET
from tests import malformed
from tests.shop import id_of

OWNER = audit.Actor("user", 1)
OTHER_SECRET = {"portone": "whsec_b3RoZXItc2VjcmV0LW9mLXBvcnRvbmUh", "stripe": "whsec_other00000001"}
KEYS = {
    "portone": {"client_key": "store-demo0000000001", "secret_key": "portone_test_demo0000000001", "webhook_secret": DEMO_SECRET,
                "public": {"store_id": "store-demo0000000001", "channel_key": "channel-key-demo0000000001", "approval": "automatic"}},
    "stripe": {"client_key": "pk_test_demo0000000001", "secret_key": "sk_test_demo0000000001", "webhook_secret": "whsec_demo0000000001"}}
SIGNING = {"portone": portone_signing, "stripe": stripe_signing}


class Line:
    """One account, and notices to it as its gateway signs them. None of them is about a payment of ours."""

    def __init__(self, shop, provider: str):
        self.shop, self.provider = shop, provider
        shop.enter()
        self.account = connecting_gateways.connect_account(provider, mode="test", **KEYS[provider])
        self.secret, self.path = KEYS[provider]["webhook_secret"], connecting_gateways.webhook_path(self.account)
        db.session.commit()

    def send(self, number: int = 1, *, secret: str = "", late: float = 0, order_ref: str = "ev_never_was_there", **headers) -> int:
        value = malformed.bodies(self.provider, order_ref, "cs_test_" + "z" * 20)[0]
        if self.provider == "stripe":
            value["id"] = f"evt_{number}"
        body = json.dumps(value)
        signed = SIGNING[self.provider].headers({"id": f"msg_{number}", "body": body, "secret": secret or self.secret}, clock.now().timestamp() - late)
        return self.shop.app.test_client().post(self.path, data=body, headers=signed | headers, content_type="application/json").status_code

    def fresh(self) -> GatewayAccount:
        self.shop.enter()
        return db.session.get(GatewayAccount, id_of(self.account))

    def kept(self) -> list[tuple[str, str]]:
        self.shop.enter()
        return list(map(tuple, db.session.execute(select(WebhookEvent.state, WebhookEvent.note).where(
            WebhookEvent.account_id == id_of(self.account)).order_by(WebhookEvent.id))))


@pytest.fixture(params=["portone", "stripe"])
def line(shop, settings, request) -> Line:
    settings(portone_api_url=f"{shop.gateway.address}/portone", stripe_api_url=f"{shop.gateway.address}/stripe")
    return Line(shop, request.param)


def test_1_the_same_delivery_twice_is_kept_once(line):
    assert [line.send(), line.send(), line.send(2)] == [200, 200, 200]
    assert line.kept() == [("received", ""), ("received", "")]


def test_38_a_payment_that_nobody_knows_is_ignored(line):
    line.send()
    line.shop.work()
    assert line.kept() == [("ignored", "no such payment")]


def test_36_another_secret_is_refused_and_kept(line):
    assert line.send(secret=OTHER_SECRET[line.provider]) == 400
    assert line.kept() == [("rejected", "bad_signature")]
    assert line.fresh().last_webhook_at is None


def test_36_without_a_signature_it_is_refused(line):
    answer = line.shop.app.test_client().post(line.path, data="{}", content_type="application/json")
    assert (answer.status_code, answer.text, line.kept()) == (400, "", [("rejected", "no_signature")])


def test_36_as_long_as_no_secret_is_known_everything_is_refused(line):
    line.fresh().webhook_secret = None
    db.session.commit()
    assert line.send() == 400
    assert line.kept() == [("rejected", "no_secret")]


@pytest.mark.parametrize("late", [301, -301])
def test_35_a_time_more_than_five_minutes_off_is_refused(line, late):
    assert line.send(late=late) == 400
    assert line.kept() == [("rejected", "old_timestamp")]
    assert line.send(2, late=290 if late > 0 else -290) == 200


def test_while_the_secret_is_changed_both_are_good_and_after_a_week_one(line):
    new = OTHER_SECRET[line.provider]
    connecting_gateways.change_keys(line.fresh(), Keys(KEYS[line.provider]["client_key"], "", new, public=KEYS[line.provider].get("public", {})), by=OWNER)
    db.session.commit()
    assert [line.send(1), line.send(2, secret=new)] == [200, 200]
    line.shop.later(days=8)
    connecting_gateways.forget_previous()
    db.session.commit()
    assert [line.send(3), line.send(4, secret=new)] == [400, 200]


def test_what_was_proven_at_the_door_is_looked_into_when_the_secret_has_changed_and_time_has_passed(line):
    line.send()
    line.fresh().webhook_secret = None
    db.session.commit()
    line.shop.later(hours=2)
    line.shop.work()
    assert line.kept() == [("ignored", "no such payment")]


def test_39_a_notice_about_another_organisations_payment_is_told_apart_and_nothing_is_asked(line, monkeypatch):
    monkeypatch.setattr(calling, "known_elsewhere", lambda *_: pytest.fail("nobody is to be asked"))
    with line.shop.world.busan.inside():
        db.session.add(PaymentRoute(key="order:ev_of_busan_1", org_id=line.shop.world.busan.id, id=1))
        db.session.commit()
    line.shop.enter()
    line.send(order_ref="ev_of_busan_1")
    line.shop.work()
    assert line.kept() == [("wrong_account", "another organisation's payment")]


def test_36_of_those_that_prove_nothing_only_some_are_kept(line):
    assert {line.send(number, secret=OTHER_SECRET[line.provider]) for number in range(25)} == {400}
    assert len(line.kept()) == noticing.REJECTED_A_MINUTE
    line.shop.later(seconds=61)
    line.send(99, secret=OTHER_SECRET[line.provider])
    assert len(line.kept()) == noticing.REJECTED_A_MINUTE + 1


def test_37_inventions_do_not_make_us_hammer_the_gateway(line, settings, monkeypatch):
    settings(backoff_scale=1.0)
    asked = []
    monkeypatch.setattr(calling, "known_elsewhere", lambda account, ref: asked.append(ref) or False)
    monkeypatch.setattr(noticing, "_named_otherwise", lambda *_: None)
    for number in range(noticing.STRANGERS_A_MINUTE + 10):
        line.send(number, order_ref=f"ev_invented_{number}")
    line.shop.work()
    assert len(asked) in (noticing.STRANGERS_A_MINUTE, 0)  # 0: Stripe is not asked by our own order
    line.shop.later(seconds=90)
    line.shop.work()
    assert {state for state, _note in line.kept()} == {"ignored"}


def test_37_one_address_takes_so_many_a_minute_and_another_is_not_held_up_by_it(line, settings):
    settings(rate_limit_scale=0.001)
    assert [line.send(number) for number in range(4)] == [200, 200, 200, 429]
    line.shop.enter()
    other = connecting_gateways.connect_account("toss", mode="test", client_key="test_ck_demo0000abcd", secret_key="test_sk_demo0000abcd", name="x")
    path = connecting_gateways.webhook_path(other)
    db.session.commit()
    assert line.shop.app.test_client().post(path, json={"eventType": "METHOD_UPDATED"}).status_code == 200
    line.shop.enter()
    own = connecting_gateways.webhook_path(db.session.get(GatewayAccount, line.account.id))
    elsewhere = line.shop.app.test_client().post(own, json={}, environ_base={"REMOTE_ADDR": "203.0.113.9"})
    assert elsewhere.status_code == 400, "who has read the address in a page does not use up the gateway's share"


def test_50_many_times_that_are_off_say_that_a_clock_is_wrong(line, seoul_owner, settings):
    changed = settings(toss_client_key="test_ck_demo0000000001", toss_secret_key="test_sk_demo0000000001")
    address = f"/seoul-ubf/admin/settings/payments/{line.account.id}"
    for number in range(noticing.CLOCK_IN_DOUBT - 1):
        line.send(number, late=900)
    assert "warning" not in probing.ask_payment(changed) and "bear another time" not in seoul_owner.get(address).text
    line.send(99, late=900)
    assert "is the clock right?" in probing.ask_payment(changed)["warning"]
    assert "bear another time than ours" in seoul_owner.get(address).text
    line.shop.later(hours=2)
    assert "warning" not in probing.ask_payment(changed)


def test_replaying_a_refused_one_after_the_right_secret_was_pasted(line):
    line.fresh().webhook_secret = None
    db.session.commit()
    line.send()
    event = db.session.scalar(select(WebhookEvent).where(WebhookEvent.account_id == id_of(line.account)))
    noticing.replay(event, by=OWNER)
    db.session.commit()
    line.shop.work()
    assert line.kept() == [("rejected", "no_secret")], "it proves no more than it did"
    connecting_gateways.change_keys(line.fresh(), Keys(KEYS[line.provider]["client_key"], "", line.secret, public=KEYS[line.provider].get("public", {})), by=OWNER)
    noticing.replay(db.session.get(WebhookEvent, id_of(event)), by=OWNER)
    db.session.commit()
    line.shop.later(hours=1)
    line.shop.work()
    assert line.kept() == [("ignored", "no such payment")]


def test_every_gateway_that_is_used_is_looked_at(shop, settings):
    there = {"toss_secret_key": "test_sk_demo0000000001", "portone_api_secret": "x" * 20, "stripe_secret_key": "sk_test_demo0000000001"}
    changed = settings(**there, portone_api_url=f"{shop.gateway.address}/portone", stripe_api_url=f"{shop.gateway.address}/stripe")
    assert probing.ask_payment(changed)["gateways"] == ["portone", "stripe", "toss"]
    changed = settings(portone_api_url="http://127.0.0.1:9/portone")
    status, detail = probing.ask(probing.ask_payment, changed)
    assert (status, detail["away"]) == ("unhealthy", "portone")


def test_a_job_for_each_and_none_for_what_is_refused(line):
    line.send()
    line.send(2, secret=OTHER_SECRET[line.provider])
    line.shop.enter()
    assert db.session.scalar(select(func.count()).where(OutboxItem.kind == "gateway_webhook")) == 1
    assert timedelta(0) <= clock.now() - line.fresh().last_webhook_at < timedelta(minutes=1)
