"""The inbox of gateways' notices: who sees which, what it shows and hides, and looking once more; the operator's beside it."""
import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from eventapp import clock
from eventapp.domain import connecting_gateways, inbox
from eventapp.extensions import db
from eventapp.models import AuditLog, WebhookEvent
from tests import make
from tests.api.test_webhooks import changed, confirmed_unheard, deposit, post
from tests.shop import id_of

INBOX = "/seoul-ubf/admin/payments/webhooks"


def notices(shop) -> list[WebhookEvent]:
    shop.enter()
    return list(db.session.scalars(select(WebhookEvent).order_by(WebhookEvent.id)))


@pytest.fixture
def told(shop):
    """An order whose payment was told of, and a notice about nothing."""
    order = confirmed_unheard(shop)
    post(shop, changed(shop, order), "whtrans_first")
    post(shop, {"eventType": "METHOD_UPDATED"}, "whtrans_second")
    shop.work()
    return order


def test_the_newest_first_and_each_opens(seoul_owner, shop, told):
    page = seoul_owner.get(INBOX).text
    first, second = notices(shop)
    assert page.index(f'data-notice="{second.id}"') < page.index(f'data-notice="{first.id}"')
    assert (first.kind, first.state, first.payment_id) == ("payment_changed", "applied", shop.payment(told).id)
    one = seoul_owner.get(f"{INBOX}/{first.id}").text
    assert "whtrans_first" in one and first.order_ref in one and "/seoul-ubf/admin/registrations/" in one
    assert "whtrans_second" in seoul_owner.get(f"{INBOX}/{second.id}").text


@pytest.mark.parametrize("query, numbers", [("state=applied", [0]), ("state=ignored", [1]), ("kind=payment_changed", [0]), ("q=whtrans_second", [1]),
                                            ("q=nothing", []), ("account=987654321", []), ("account=x", []), ("from=2001-01-01&to=2001-01-02", []),
                                            ("from=yesterday&older=nonsense", [0, 1])])
def test_it_is_filtered(seoul_owner, shop, told, query, numbers):
    rows = notices(shop)
    page = seoul_owner.get(f"{INBOX}?{query}").text
    assert [number for number, row in enumerate(rows) if f'data-notice="{row.id}"' in page] == numbers


def test_it_is_found_by_its_order(seoul_owner, shop, told):
    first, second = notices(shop)
    page = seoul_owner.get(f"{INBOX}?q={first.order_ref}&account={shop.account.id}").text
    assert f'data-notice="{first.id}"' in page and f'data-notice="{second.id}"' not in page


def test_what_is_secret_or_personal_is_blotted_out(seoul_owner, shop):
    order = shop.deposit_account()
    body = changed(shop, order)
    post(shop, body, **{"tosspayments-webhook-transmission-time": "now"})
    event = notices(shop)[-1]
    page = seoul_owner.get(f"{INBOX}/{event.id}").text
    account = body["data"]["virtualAccount"]
    assert body["data"]["secret"] not in page and account["accountNumber"] not in page and account["customerName"] not in page.partition('data-testid="raw"')[2]
    assert "PAYMENT_STATUS_CHANGED" in page and "••••" in page


def test_a_body_that_is_no_text_is_shown_without_breaking_the_page(seoul_owner, shop, told):
    event = notices(shop)[0]
    event.body = b"\xff\xfe\x00<script>alert(1)</script>" + b"[" * 50_000
    db.session.commit()
    page = seoul_owner.get(f"{INBOX}/{event.id}")
    assert page.status_code == 200 and "<script>alert" not in page.text


def test_looking_once_more_asks_the_gateway_and_is_on_record(seoul_owner, shop, told):
    event = notices(shop)[0]
    shop.gateway.control("cancel", order_id=event.order_ref)
    assert seoul_owner.post(f"{INBOX}/{event.id}/replay").status_code == 303
    assert notices(shop)[0].state == "received"
    assert seoul_owner.post(f"{INBOX}/{event.id}/replay").status_code == 409
    shop.work()
    assert notices(shop)[0].state == "applied" and shop.payment(told).status == "refunded"
    assert list(db.session.scalars(select(AuditLog.action).where(AuditLog.action.like("webhook%")))) == ["webhook.replayed"]
    page = seoul_owner.get("/seoul-ubf/admin/audit").text
    assert "looked at again" in page


def test_a_forged_one_stays_refused_however_often_it_is_replayed(seoul_owner, shop):
    order = shop.deposit_account()
    post(shop, deposit(shop, order, secret="ps_forged"))
    shop.work()
    event = notices(shop)[0]
    assert event.state == "rejected"
    seoul_owner.post(f"{INBOX}/{event.id}/replay")
    shop.work()
    assert (notices(shop)[0].state, shop.statuses(order)) == ("rejected", ["pending_payment"])


def test_many_are_read_a_page_at_a_time(seoul_owner, shop, told):
    first = notices(shop)[0]
    db.session.add_all(WebhookEvent(account_id=shop.account.id, delivery_id=f"d{number}", headers={}, body=b"{}", kind="irrelevant", state="ignored",
                                    created_at=clock.now() + timedelta(seconds=number)) for number in range(60))
    db.session.commit()
    page = seoul_owner.get(INBOX).text
    assert page.count("data-notice=") == 50 and f'data-notice="{first.id}"' not in page
    older = page.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert f'data-notice="{first.id}"' in seoul_owner.get(older).text and seoul_owner.get(older).text.count("data-notice=") == 12


def test_who_works_for_one_event_sees_its_notices_only(sign_in, shop, told):
    make.member(shop.world.seoul.organization, make.user("limited@seoul-ubf.example"), "ORG_ADMIN", event_ids=[shop.world.seoul.event("meetup").id])
    make.member(shop.world.seoul.organization, make.user("conference@seoul-ubf.example"), "ORG_ADMIN", event_ids=[shop.world.seoul.event().id])
    db.session.commit()
    first, second = notices(shop)
    elsewhere, here = sign_in("limited@seoul-ubf.example"), sign_in("conference@seoul-ubf.example")
    assert "data-notice=" not in elsewhere.get(INBOX).text and elsewhere.get(f"{INBOX}/{first.id}").status_code == 404
    assert elsewhere.post(f"{INBOX}/{first.id}/replay").status_code == 404
    assert f'data-notice="{first.id}"' in here.get(INBOX).text and f'data-notice="{second.id}"' not in here.get(INBOX).text


def test_another_organisation_sees_none_of_it(busan_owner, shop, told):
    number = notices(shop)[0].id
    for path in ("", f"/{number}"):
        answer = busan_owner.get(f"/busan-meetup/admin/payments/webhooks{path}")
        assert "data-notice=" not in answer.text and answer.status_code == (404 if path else 200)
    assert busan_owner.post(f"/busan-meetup/admin/payments/webhooks/{number}/replay").status_code == 404


# -- the operator's ---------------------------------------------------------------------------------------------

def test_the_operator_sees_those_of_all(operator, shop, told):
    shop.world.busan.enter()
    other = connecting_gateways.connect_account("toss", mode="test", client_key="test_ck_demo0000busan", secret_key="test_sk_demo0000busan")
    path = connecting_gateways.webhook_path(other)
    db.session.commit()
    shop.app.test_client().post(path, data=json.dumps({"eventType": "METHOD_UPDATED"}), content_type="application/json")
    first = notices(shop)[0]
    page = operator.get("/platform-admin/webhooks").text
    assert page.count("data-notice=") == 3 and "Busan Meetup" in page and "Seoul UBF" in page
    assert operator.get("/platform-admin/webhooks?org=busan-meetup").text.count("data-notice=") == 1
    assert operator.get("/platform-admin/webhooks?org=nowhere").text.count("data-notice=") == 0
    assert operator.get("/platform-admin/webhooks?provider=stripe").text.count("data-notice=") == 0
    assert operator.get("/platform-admin/webhooks?state=applied&provider=toss").text.count("data-notice=") == 1
    address = f"/platform-admin/webhooks/{shop.world.seoul.id}/{first.id}"
    assert "whtrans_first" in operator.get(address).text
    assert operator.get(f"/platform-admin/webhooks/{shop.world.busan.id}/{first.id}").status_code == 404


def test_the_operator_has_one_looked_at_again_and_it_is_on_the_organisations_record(operator, shop, told):
    first = notices(shop)[0]
    address = f"/platform-admin/webhooks/{shop.world.seoul.id}/{id_of(first)}/replay"
    assert operator.post(address).status_code == 303
    assert notices(shop)[0].state == "received"
    shop.work()
    assert notices(shop)[0].state == "applied"
    line = db.session.scalar(select(AuditLog).where(AuditLog.action == "webhook.replayed"))
    assert (line.org_id, line.actor_id) == (shop.world.seoul.id, shop.world.user("operator@example.com").id)
    for path in (f"/platform-admin/webhooks/{shop.world.busan.id}/{first.id}/replay", f"/platform-admin/webhooks/987654/{first.id}/replay"):
        assert operator.post(path).status_code == 404


def test_whose_bank_account_it_is_is_blotted_out():
    body = {"data": {"virtualAccount": {"depositorName": "김하나", "refundReceiveAccount": {"bankCode": "20", "accountNumber": "1002123456789", "holderName": "김하나"}}}}
    text = inbox.body_text(WebhookEvent(body=json.dumps(body, ensure_ascii=False).encode()))
    assert "김하나" not in text and "1002123456789" not in text and "refundReceiveAccount" in text
