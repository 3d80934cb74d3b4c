"""An organisation's gateway accounts: keys that can be written and not read, checked by a job, and the way to real money."""
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from eventapp import audit, clock, crypto
from eventapp.domain import Refused, calling, connecting_gateways, paying, refund_rules
from eventapp.domain.connecting_gateways import Keys
from eventapp.extensions import db
from eventapp.models import AuditLog, GatewayAccount, OutboxItem, Payment, PaymentRoute
from tests.shop import KEYS, id_of

LIST = "/seoul-ubf/admin/settings/payments"
OWNER = audit.Actor("user", 1)
TOSS = {"client_key": "test_ck_demo0000abcd", "secret_key": "test_sk_demo0000abcd", "password": "demo-password", "name": "Camps", "for_all_events": "1"}
PORTONE = {"store_id": "store-demo0000abcd", "channel_key": "channel-key-demo0000abcd", "mode": "test", "approval": "manual",
           "secret_key": "portone_test_demo0000abcd", "webhook_secret": "", "password": "demo-password"}
STRIPE = {"client_key": "pk_test_demo0000abcd", "secret_key": "sk_test_demo0000abcd", "webhook_secret": "", "password": "demo-password"}
PARTICULARS = {"name": "서울 UBF 선교회", "representative": "김요한", "number": "124-81-00998", "mail_order_number": "신고 면제",
               "address": "서울특별시 종로구 대학로 1", "privacy_officer": "박은혜"}


def latest() -> GatewayAccount:
    return db.session.scalar(select(GatewayAccount).order_by(GatewayAccount.id.desc()).execution_options(populate_existing=True))


def actions(kind: str = "gateway_account") -> list[str]:
    return list(db.session.scalars(select(AuditLog.action).where(AuditLog.action.startswith(kind)).order_by(AuditLog.id)))


def again(shop, account: GatewayAccount) -> GatewayAccount:
    shop.enter()
    return db.session.get(GatewayAccount, id_of(account))


# -- connecting ----------------------------------------------------------------------------------------------

def test_the_pages_open(seoul_owner, shop):
    for path in (LIST, f"{LIST}/new", f"{LIST}/new/toss", f"{LIST}/new/portone", f"{LIST}/new/stripe", f"{LIST}/{shop.account.id}",
                 f"{LIST}/{shop.account.id}/keys", f"{LIST}/{shop.account.id}/edit", "/seoul-ubf/admin/events/wmc-2026/payment-account"):
        assert seoul_owner.get(path).status_code == 200, path
    assert seoul_owner.get(f"{LIST}/new/manual").status_code == 404


def test_an_account_is_connected_checked_and_never_shows_its_secret(seoul_owner, shop, work):
    answer = seoul_owner.post(f"{LIST}/new/toss", TOSS)
    shop.enter()
    account = latest()
    assert (answer.status_code, answer.location) == (303, f"{LIST}/{account.id}")
    assert (account.provider, account.mode, account.name, account.enabled, account.for_all_events) == ("toss", "test", "Camps", True, True)
    assert b"test_sk_demo0000abcd" not in bytes(account.secret_key) and crypto.get(account, "secret_key") == "test_sk_demo0000abcd"
    assert re.fullmatch(r"test_sk_••••abcd · [0-9a-f]{8}", account.secret_hint)
    assert db.session.get(PaymentRoute, f"webhook:{account.webhook_token}").id == account.id
    assert actions() == ["gateway_account.added"]
    page = seoul_owner.get(f"{LIST}/{account.id}")
    assert 'data-state="checking"' in page.text and 'hx-trigger="every 1s"' in page.text
    work()
    page = seoul_owner.get(f"{LIST}/{account.id}")
    assert 'data-state="working"' in page.text and "hx-trigger" not in page.text.partition('id="account_state"')[2].partition("</section>")[0]
    assert connecting_gateways.webhook_url(again(shop, account)) in page.text
    for path in (LIST, f"{LIST}/{account.id}", f"{LIST}/{account.id}/keys", "/seoul-ubf/admin/audit"):
        assert "test_sk_demo0000abcd" not in seoul_owner.get(path).text


def test_the_fragment_that_asks_again_stops_when_it_is_known(seoul_owner, shop, work):
    connecting_gateways.check_again(again(shop, shop.account))
    db.session.commit()
    address = f"{LIST}/{shop.account.id}"
    asking = {"HX-Request": "true", "HX-Target": "section#account_state"}
    assert "hx-trigger" in seoul_owner.get(address, headers=asking).text
    work()
    piece = seoul_owner.get(address, headers=asking).text
    assert "hx-trigger" not in piece and piece.lstrip().startswith("<section") and 'data-state="working"' in piece


@pytest.mark.parametrize("provider, fields, mode", [("portone", PORTONE, "test"), ("portone", PORTONE | {"mode": "live"}, "live"), ("stripe", STRIPE, "test"),
                                                    ("stripe", STRIPE | {"client_key": "pk_live_abcdefgh1234", "secret_key": "rk_live_abcdefgh1234"}, "live")])
def test_accounts_of_the_other_gateways(seoul_owner, shop, provider, fields, mode):
    assert seoul_owner.post(f"{LIST}/new/{provider}", fields).status_code == 303
    shop.enter()
    account = latest()
    assert (account.provider, account.mode, account.enabled) == (provider, mode, mode == "test")
    if provider == "portone":
        assert account.public == {"store_id": "store-demo0000abcd", "channel_key": "channel-key-demo0000abcd", "approval": "manual"}
        assert account.client_key == "store-demo0000abcd"
    page = seoul_owner.get(f"{LIST}/{account.id}").text
    assert "The signing secret is missing" in page


def test_without_the_password_nothing_is_stored(seoul_owner, shop):
    answer = seoul_owner.post(f"{LIST}/new/toss", TOSS | {"password": "wrong-password"})
    assert answer.status_code == 422 and "This is not your password." in answer.text
    answer = seoul_owner.post(f"{LIST}/{shop.account.id}/keys", TOSS | {"password": ""})
    assert answer.status_code == 422
    shop.enter()
    assert (latest().id, crypto.get(latest(), "secret_key"), actions()) == (shop.account.id, KEYS[1], [])


def test_wrong_passwords_are_counted(seoul_owner, shop, settings):
    settings(rate_limit_scale=0.04)
    answers = [seoul_owner.post(f"{LIST}/new/toss", TOSS | {"password": "wrong-password"}).status_code for _ in range(4)]
    assert answers == [422, 422, 429, 429]


@pytest.mark.parametrize("provider, fields, wrong", [
    ("toss", {"client_key": "test_sk_demo0000abcd"}, "client_key"),
    ("toss", {"client_key": "test_gck_demo0000abcd", "secret_key": "test_gsk_demo0000abcd"}, "client_key"),
    ("toss", {"secret_key": "test_ck_demo0000abcd"}, "secret_key"),
    ("toss", {"secret_key": "test_gsk_demo0000abcd"}, "secret_key"),
    ("toss", {"secret_key": "live_sk_demo0000abcd"}, "secret_key"),
    ("toss", {"secret_key": "test_sk_1"}, "secret_key"),
    ("toss", {"secret_key": ""}, "secret_key"),
    ("toss", {"client_key": ""}, "client_key"),
    ("portone", {"store_id": "channel-key-demo0000abcd"}, "store_id"),
    ("portone", {"channel_key": "store-demo0000abcd"}, "channel_key"),
    ("portone", {"secret_key": "store-demo0000abcd"}, "secret_key"),
    ("portone", {"secret_key": "two words of a secret"}, "secret_key"),
    ("portone", {"webhook_secret": "whsec_not/base64!"}, "webhook_secret"),
    ("portone", {"mode": ""}, "mode"),
    ("portone", {"approval": "whenever"}, "approval"),
    ("stripe", {"client_key": "sk_test_demo0000abcd"}, "client_key"),
    ("stripe", {"secret_key": "pk_test_demo0000abcd"}, "secret_key"),
    ("stripe", {"secret_key": "sk_live_demo0000abcd"}, "secret_key"),
    ("stripe", {"webhook_secret": "sk_test_demo0000abcd"}, "webhook_secret")])
def test_keys_of_the_wrong_kind_are_refused_beside_their_field(seoul_owner, shop, provider, fields, wrong):
    answer = seoul_owner.post(f"{LIST}/new/{provider}", {"toss": TOSS, "portone": PORTONE, "stripe": STRIPE}[provider] | fields)
    assert answer.status_code == 422
    assert f'id="{wrong}-error"' in answer.text or f'data-error-for="{wrong}"' in answer.text
    shop.enter()
    assert latest().id == shop.account.id


def test_a_byte_order_mark_and_spaces_are_taken_off(seoul_owner, shop):
    assert seoul_owner.post(f"{LIST}/new/toss", TOSS | {"client_key": " \ufefftest_ck_demo0000abcd ", "secret_key": "\ufefftest_sk_demo0000abcd\n"}).status_code == 303
    shop.enter()
    assert crypto.get(latest(), "secret_key") == "test_sk_demo0000abcd" and latest().client_key == "test_ck_demo0000abcd"


def test_two_of_one_name_are_refused(seoul_owner, shop):
    answer = seoul_owner.post(f"{LIST}/new/toss", TOSS | {"name": ""})
    assert answer.status_code == 422 and "There is an account of this name already." in answer.text


# -- whether the keys are good ------------------------------------------------------------------------------------

def test_keys_that_the_gateway_does_not_know(seoul_owner, shop, work):
    seoul_owner.post(f"{LIST}/new/toss", TOSS | {"client_key": "test_ck_unknown00001", "secret_key": "test_sk_unknown00001"})
    work()
    shop.enter()
    account = latest()
    assert connecting_gateways.state(account) == "refused" and account.unhealthy
    page = seoul_owner.get(f"{LIST}/{account.id}").text
    assert "The gateway refuses these keys" in page and account.unhealthy in page
    shop.gateway.control("accounts", client_key="test_ck_unknown00001", secret_keys=["test_sk_unknown00001"])
    assert seoul_owner.post(f"{LIST}/{account.id}/check").status_code == 303
    work()
    assert connecting_gateways.state(again(shop, account)) == "working"


def test_while_the_gateway_is_away_nothing_is_said_of_the_keys(shop, work, settings):
    settings(toss_api_url="http://127.0.0.1:9/toss", backoff_scale=1.0)
    connecting_gateways.check_again(again(shop, shop.account))
    db.session.commit()
    work()
    account = again(shop, shop.account)
    assert (connecting_gateways.state(account), account.unhealthy) == ("checking", "")
    settings(toss_api_url=f"{shop.gateway.address}/toss")
    shop.later(seconds=20)
    work()
    assert connecting_gateways.state(again(shop, shop.account)) == "working"


def test_a_wrong_new_key_is_not_hidden_by_the_one_before(shop, work):
    connecting_gateways.change_keys(again(shop, shop.account), Keys(KEYS[0], "test_sk_mistyped00001"), by=OWNER)
    db.session.commit()
    work()
    assert connecting_gateways.state(again(shop, shop.account)) == "refused"


def test_what_was_valid_before_a_change_is_kept_for_a_week_and_then_erased(seoul_owner, shop, work):
    shop.gateway.control("accounts", client_key=KEYS[0], secret_keys=["test_sk_changed000001", KEYS[1]])
    answer = seoul_owner.post(f"{LIST}/{shop.account.id}/keys", {"client_key": KEYS[0], "secret_key": "test_sk_changed000001", "password": "demo-password"})
    assert answer.status_code == 303
    work()
    account = again(shop, shop.account)
    assert (crypto.get(account, "secret_key"), crypto.get(account, "previous_secret_key")) == ("test_sk_changed000001", KEYS[1])
    assert account.previous_until - clock.now() > timedelta(days=6) and actions() == ["gateway_account.keys_changed"]
    assert "tried as well until" in seoul_owner.get(f"{LIST}/{account.id}").text
    shop.later(days=6)
    connecting_gateways.forget_previous()
    assert account.previous_secret_key is not None
    shop.later(days=2)
    connecting_gateways.forget_previous()
    assert (account.previous_secret_key, account.previous_until, crypto.get(account, "secret_key")) == (None, None, "test_sk_changed000001")


def test_an_empty_secret_keeps_the_present_one(seoul_owner, shop):
    before = again(shop, shop.account).secret_hint
    assert seoul_owner.post(f"{LIST}/{shop.account.id}/keys", {"client_key": KEYS[0], "secret_key": "", "password": "demo-password"}).status_code == 303
    account = again(shop, shop.account)
    assert (crypto.get(account, "secret_key"), account.previous_secret_key, account.secret_hint) == (KEYS[1], None, before)


def test_a_signing_secret_is_pasted_later_and_changed_with_an_overlap(shop):
    shop.enter()
    account = connecting_gateways.add("stripe", Keys("pk_test_demo0000abcd", "sk_test_demo0000abcd"), name="", for_all_events=True, by=OWNER)
    for secret in ("whsec_first000", "whsec_second00"):
        connecting_gateways.change_keys(account, Keys("pk_test_demo0000abcd", "", secret), by=OWNER)
    assert calling.keys(account).webhook_secrets == ("whsec_second00", "whsec_first000")
    shop.later(days=8)
    connecting_gateways.forget_previous()
    assert calling.keys(account).webhook_secrets == ("whsec_second00",)


def test_all_accounts_are_looked_at_every_few_hours_and_a_revoked_key_is_told(shop, work, mailbox):
    account = again(shop, shop.account)
    account.checked_at = clock.now()
    db.session.commit()
    shop.gateway.control("accounts", client_key=KEYS[0], secret_keys=["test_sk_another00001"])
    shop.enter()
    connecting_gateways.check_all()
    db.session.commit()
    work()
    assert again(shop, shop.account).unhealthy == "UNAUTHORIZED_KEY"
    letters = mailbox()
    assert [letter["To"] for letter in letters] == ["owner@seoul-ubf.example"]
    text = letters[0].get_body(("plain",)).get_content()
    assert "UNAUTHORIZED_KEY" in text and f"/seoul-ubf/admin/settings/payments/{shop.account.id}" in text


def test_40_owners_hear_of_a_refused_account_once_a_day_and_see_it_on_their_home_page(seoul_owner, shop, work, mailbox):
    for _ in range(3):
        account = again(shop, shop.account)
        calling.account_is_wrong(account, "INVALID_API_KEY")
        calling.account_is_right(account)
        calling.account_is_wrong(account, "UNAUTHORIZED_KEY")
        db.session.commit()
        work()
    assert len(mailbox()) == 1
    home = seoul_owner.get("/seoul-ubf/admin").text
    assert 'data-testid="accounts"' in home and "UNAUTHORIZED_KEY" in home
    calling.account_is_right(again(shop, shop.account))
    db.session.commit()
    assert 'data-testid="accounts"' not in seoul_owner.get("/seoul-ubf/admin").text


def test_no_letter_goes_when_it_works_again_by_then(shop, work, mailbox):
    account = again(shop, shop.account)
    calling.account_is_wrong(account, "INVALID_API_KEY")
    calling.account_is_right(account)
    db.session.commit()
    work()
    assert mailbox() == []


# -- real money -----------------------------------------------------------------------------------------------------

@pytest.fixture
def live(shop) -> GatewayAccount:
    """With live keys, which the sandbox does not take: the check is written here."""
    shop.enter()
    account = connecting_gateways.add("toss", Keys("live_ck_demo0000abcd", "live_sk_demo0000abcd"), name="", for_all_events=True, by=OWNER)
    db.session.commit()
    return account


def unmet(account) -> set[str]:
    return {each.kind for each in connecting_gateways.missing(account)}


def meet(shop, *kinds) -> None:
    if "check" in kinds:
        live_account = db.session.scalar(select(GatewayAccount).where(GatewayAccount.mode == "live"))
        live_account.checked_at = clock.now()
    if "notice" in kinds:
        db.session.scalar(select(GatewayAccount).where(GatewayAccount.mode == "live")).last_webhook_at = clock.now()
    if "particulars" in kinds:
        organization = shop.world.seoul.organization
        organization.business, organization.phone = PARTICULARS, "02-745-0191"
    if "rules" in kinds:
        shop.world.seoul.event().refund_rules = refund_rules.PERFORMANCES


def test_a_live_account_takes_nothing_until_everything_is_there(seoul_owner, shop, live):
    event = shop.world.seoul.event()
    assert unmet(live) == {"check", "notice", "particulars", "rules"}
    assert paying.account_for(event, "card").mode == "test"
    page = seoul_owner.get(f"{LIST}/{live.id}").text
    assert [kind for kind in re.findall(r'data-condition="(\w+)" data-met="false"', page)] == ["check", "notice", "particulars", "rules"]
    assert "disabled" in page.partition(f'{live.id}/live"')[2].partition("</form>")[0]
    for kinds, still in (((), {"check", "notice", "particulars", "rules"}), (("check",), {"notice", "particulars", "rules"}),
                         (("notice", "particulars"), {"rules"})):
        meet(shop, *kinds)
        db.session.commit()
        shop.enter()
        assert unmet(again(shop, live)) == still
        answer = seoul_owner.post(f"{LIST}/{live.id}/live")
        assert answer.status_code == 422 and not again(shop, live).enabled
    meet(shop, "rules")
    db.session.commit()
    assert seoul_owner.post(f"{LIST}/{live.id}/live").status_code == 303
    account, event = again(shop, live), shop.world.seoul.event()
    assert account.enabled and paying.account_for(event, "card").id == account.id and actions()[-1] == "gateway_account.went_live"


def test_41_a_test_account_never_stands_in_for_a_live_one(shop, live):
    event = shop.world.seoul.event()
    account = again(shop, live)
    account.enabled = True
    db.session.flush()
    assert paying.account_for(event, "card").id == account.id
    account.unhealthy = "UNAUTHORIZED_KEY"
    assert paying.account_for(event, "card") is None
    account.unhealthy, event.gateway_account_id = "", shop.account.id
    assert paying.account_for(event, "card") is None, "not even where the event has chosen it"
    event.gateway_account_id, event.currency = None, "USD"
    stripe = connecting_gateways.connect_account("stripe", mode="test", client_key="pk_test_demo0000abcd", secret_key="sk_test_demo0000abcd")
    assert paying.account_for(event, "card") is None, "nor for what the live one does not take"
    stripe.mode = "live"
    db.session.flush()
    assert paying.account_for(event, "card").id == stripe.id


def test_going_live_with_test_keys_is_refused(seoul_owner, shop):
    shop.enter()
    with pytest.raises(Refused):
        connecting_gateways.go_live(again(shop, shop.account), by=OWNER)
    assert seoul_owner.post(f"{LIST}/{shop.account.id}/live").status_code == 422


@pytest.mark.parametrize("keys", [Keys(*KEYS), Keys("live_ck_demo0000abcd", "test_sk_demo0000abcd")])
def test_41_test_keys_never_get_into_a_live_account(shop, live, keys):
    with pytest.raises(Refused):
        connecting_gateways.change_keys(again(shop, live), keys, by=OWNER)
    with pytest.raises(Refused):
        connecting_gateways.change_keys(again(shop, shop.account), Keys("live_ck_demo0000abcd", "live_sk_demo0000abcd"), by=OWNER)
    assert crypto.get(again(shop, live), "secret_key") == "live_sk_demo0000abcd"


def test_a_gateway_abroad_asks_for_less_and_for_its_signing_secret(shop):
    shop.enter()
    account = connecting_gateways.add("stripe", Keys("pk_live_abcdefgh1234", "sk_live_abcdefgh1234"), name="", for_all_events=False, by=OWNER)
    organization = shop.world.seoul.organization
    organization.business, organization.phone = {"name": "Seoul UBF", "address": "1 Jongno"}, "+82 2 745 0191"
    assert unmet(account) == {"check", "signing", "notice"}


# -- on and off, and what it is called ---------------------------------------------------------------------------------

def test_switched_off_it_begins_nothing_and_on_again_it_does(seoul_owner, shop):
    address = f"{LIST}/{shop.account.id}/switch"
    assert seoul_owner.post(address, {}).status_code == 303
    assert not again(shop, shop.account).enabled and paying.account_for(shop.world.seoul.event(), "card") is None
    assert seoul_owner.post(address, {"on": "1"}).status_code == 303
    shop.enter()
    assert paying.account_for(shop.world.seoul.event(), "card").id == shop.account.id
    assert actions() == ["gateway_account.switched_off", "gateway_account.switched_on"]


def test_a_live_account_is_not_switched_on_by_the_side_door(seoul_owner, shop, live):
    assert seoul_owner.post(f"{LIST}/{live.id}/switch", {"on": "1"}).status_code == 422
    assert not again(shop, live).enabled


def test_it_is_renamed_and_kept_for_events_that_choose_it(seoul_owner, shop):
    assert seoul_owner.post(f"{LIST}/{shop.account.id}/edit", {"name": "  Camps "}).status_code == 303
    account = again(shop, shop.account)
    assert (account.name, account.for_all_events, connecting_gateways.title(account)) == ("Camps", False, "TossPayments · Camps")
    assert paying.account_for(shop.world.seoul.event(), "card") is None


# -- which event uses which ---------------------------------------------------------------------------------------------

def test_an_event_takes_money_through_an_account_of_its_own(seoul_owner, shop):
    shop.enter()
    own = connecting_gateways.connect_account("toss", mode="test", client_key="test_ck_demo0000abcd", secret_key="test_sk_demo0000abcd",
                                              name="Camps", for_all_events=False)
    db.session.commit()
    address = "/seoul-ubf/admin/events/wmc-2026/payment-account"
    assert paying.account_for(shop.world.seoul.event(), "card").id == shop.account.id
    assert seoul_owner.post(address, {"account": own.id}).status_code == 303
    shop.enter()
    assert paying.account_for(shop.world.seoul.event(), "card").id == own.id and actions("event.") == ["event.payment_account_chosen"]
    assert "TossPayments · Camps" in seoul_owner.get(LIST).text.partition('aria-labelledby="own"')[2]
    assert seoul_owner.post(address, {"account": ""}).status_code == 303
    shop.enter()
    assert paying.account_for(shop.world.seoul.event(), "card").id == shop.account.id
    assert seoul_owner.post(address, {"account": "987654321"}).status_code == 422


def test_choosing_says_what_the_account_does_not_take(seoul_owner, shop):
    shop.enter()
    connecting_gateways.connect_account("stripe", mode="test", client_key="pk_test_demo0000abcd", secret_key="sk_test_demo0000abcd", for_all_events=False)
    shop.world.seoul.event().methods = ["card", "virtual_account", "manual_transfer"]
    db.session.commit()
    page = seoul_owner.get("/seoul-ubf/admin/events/wmc-2026/payment-account").text
    assert "It does not take Virtual account, which this event offers" in page


def test_while_real_money_is_taken_no_test_account_can_be_chosen(shop, live):
    test, event = again(shop, shop.account), shop.world.seoul.event()
    db.session.get(GatewayAccount, live.id).enabled = True
    db.session.flush()
    assert [account.id for account in connecting_gateways.usable(event)] == [live.id]
    with pytest.raises(Refused):
        connecting_gateways.choose(event, test, by=OWNER)


# -- others ---------------------------------------------------------------------------------------------------------------

def test_another_organisations_account_is_one_that_is_not_there(busan_owner, shop):
    for path in ("", "/keys", "/edit"):
        foreign = busan_owner.get(f"/busan-meetup/admin/settings/payments/{shop.account.id}{path}")
        assert foreign.status_code == 404
    for path in ("/check", "/switch", "/live"):
        assert busan_owner.post(f"/busan-meetup/admin/settings/payments/{shop.account.id}{path}").status_code == 404
    assert db.session.scalar(select(OutboxItem.id).where(OutboxItem.kind == "gateway_check")) is None


def test_41_a_live_account_that_is_switched_off_leaves_no_way_in_for_nothing(seoul_owner, shop, live):
    """It has taken real money: until it is on again nobody pays, and the test account stays what it is for."""
    order = shop.place()
    again(shop, live).enabled = True
    db.session.get(Payment, shop.payment(order).id).account_id = live.id
    db.session.commit()
    assert seoul_owner.post(f"{LIST}/{live.id}/switch", {}).status_code == 303
    shop.enter()
    event = shop.world.seoul.event()
    assert not again(shop, live).enabled and paying.account_for(event, "card") is None
    assert shop.account.id not in [account.id for account in connecting_gateways.usable(event)]


def test_41_what_was_begun_for_tests_is_not_paid_for_tests_afterwards(shop, live):
    order = shop.place()
    location = shop.approve(shop.payment(order))
    again(shop, live).enabled = True
    db.session.commit()
    assert "code=ORDER_CHANGED" in shop.browser_of(order).get(location).headers["Location"]
    assert shop.attempts(shop.payment(order)) == [] and paying.begin(shop.fresh(order), "card").account_id == id_of(live)


def test_a_payment_begun_at_an_account_that_refuses_its_keys_is_begun_anew_elsewhere(shop):
    order = shop.place()
    again(shop, shop.account).unhealthy = "UNAUTHORIZED_KEY"
    other = connecting_gateways.connect_account("toss", mode="test", client_key=KEYS[0], secret_key=KEYS[1], name="other")
    db.session.commit()
    assert paying.begin(shop.fresh(order), "card").account_id == id_of(other)


def test_the_store_of_payments_that_were_made_is_not_exchanged(shop):
    """They could neither be looked at nor given back."""
    order = shop.place()
    account = connecting_gateways.connect_account("portone", mode="test", client_key="store-demo0001", secret_key="portone_test_demo0001", public={
        "store_id": "store-demo0001", "channel_key": "channel-key-demo0001", "approval": "manual"})
    db.session.commit()
    other = Keys("store-demo0002", "", "", "test", {"store_id": "store-demo0002", "channel_key": "channel-key-demo0001", "approval": "manual"})
    connecting_gateways.change_keys(account, other, by=OWNER)
    db.session.commit()
    shop.payment(order).account_id = id_of(account)
    db.session.commit()
    with pytest.raises(Refused, match="through the present store"):
        connecting_gateways.change_keys(account, replace(other, public=other.public | {"store_id": "store-demo0001"}), by=OWNER)
