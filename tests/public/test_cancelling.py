"""The buyer takes it back: what is shown before, what goes back, what is kept, and where to."""
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from eventapp import clock
from eventapp.domain import calling, ledger, refunding, ticketing
from eventapp.extensions import db
from eventapp.models import Payment, Quota, QuotaProgram, Refund, Registration
from eventapp.money import money_text
from tests import make
from tests.shop import id_of

HALF = {"tiers": [{"days": 90, "percent": 100, "fee": 0}, {"days": 7, "percent": 50, "fee": 0}], "note": {}}
ACCOUNT = {"refund-bank": "woori", "refund-number": "1002-123-456789", "refund-holder": "김하나"}


@pytest.fixture
def rules(shop):
    """The conference gives half back."""
    def set_to(rules=HALF, **values):
        event = shop.world.seoul.event()
        event.refund_rules = rules
        for name, value in values.items():
            setattr(event, name, value)
        db.session.commit()
    set_to()
    return set_to


def page_of(shop, order, tail="") -> str:
    shop.enter()
    return f"/seoul-ubf/wmc-2026/orders/{ticketing.order_token(shop.fresh(order))}{tail}"


def cancel(shop, order, **sent):
    return shop.app.test_client().post(page_of(shop, order, "/cancel"), sent)


def numbers(shop, order) -> list[str]:
    shop.enter()
    return list(db.session.scalars(select(Registration.number).where(Registration.order_id == shop.fresh(order).id).order_by(Registration.position)))


def deposited(shop):
    order = shop.deposit_account()
    shop.gateway.control("deposit", order_id=shop.payment(order).gateway_order_id)
    calling.refresh(shop.payment(order))
    db.session.commit()
    shop.work()
    return shop.fresh(order)


def days_pass(shop, order):
    """Until the bank has sent the money on its way back from a virtual account."""
    shop.later(days=2, minutes=5)
    calling.refresh(shop.payment(order))
    db.session.commit()
    shop.work()


def refunds(shop, order) -> list[tuple]:
    shop.enter()
    return list(map(tuple, db.session.execute(select(Refund.amount, Refund.kept, Refund.state, Refund.route).join(
        Payment, Payment.id == Refund.payment_id).where(Payment.order_id == shop.fresh(order).id).order_by(Refund.id))))


def wrong(answer) -> list[str]:
    return re.findall(r'data-error-for="([^"]+)"', answer.text)


def shown(answer) -> int:
    return int(re.search(r'data-testid="refund" data-amount="(\d+)"', answer.text)[1])


# -- what it comes to ---------------------------------------------------------------------------------

def test_the_page_says_what_comes_back_before_anything_happens(shop, rules):
    order = shop.pay()
    answer = shop.app.test_client().get(page_of(shop, order, "/cancel"))
    assert (shown(answer), shop.statuses(order)) == (50_000, ["confirmed"])
    assert "₩50,000 comes back to you" in answer.text
    assert "Until 7 days before the event: 50%" in answer.text
    assert "To the card it was paid with" in answer.text


def test_half_goes_back_and_half_is_kept_as_the_rules_say(shop, rules):
    order = shop.pay()
    answer = cancel(shop, order, agreed="50000")
    assert answer.headers["Location"] == page_of(shop, order)
    shop.work()
    assert (shop.statuses(order), refunds(shop, order)) == (["cancelled"], [(50_000, 50_000, "done", "gateway")])
    order = shop.fresh(order)
    assert (ledger.owed(order), ledger.paid(order), ledger.kept(order)) == (0, 50_000, 50_000)
    assert shop.balanced()
    page = shop.app.test_client().get(page_of(shop, order)).text
    assert 'data-refund="done"' in page and "Kept by the refund rules" in page


def test_the_rules_of_the_day_of_registering_hold(shop, rules):
    order = shop.pay()
    rules({"tiers": [{"days": 0, "percent": 0, "fee": 0}]})
    assert shown(shop.app.test_client().get(page_of(shop, order, "/cancel"))) == 50_000
    assert "50%" in shop.fresh(order).refund_terms["text"]


def test_without_rules_everything_comes_back(shop):
    order = shop.pay()
    assert cancel(shop, order).status_code == 303
    shop.work()
    assert refunds(shop, order) == [(100_000, 0, "done", "gateway")]


def test_where_the_rules_give_nothing_it_says_so_and_the_place_is_free(shop, rules):
    rules({"tiers": [{"days": 90, "percent": 100, "fee": 0}]})
    order = shop.pay()
    page = shop.app.test_client().get(page_of(shop, order, "/cancel"))
    assert (shown(page), "Nothing comes back" in page.text) == (0, True)
    assert cancel(shop, order, agreed="0").status_code == 303
    shop.work()
    assert (shop.statuses(order), refunds(shop, order), ledger.owed(shop.fresh(order))) == (["cancelled"], [], 0)
    assert shop.balanced()


def test_a_sum_that_has_changed_since_it_was_shown_is_shown_again(shop, rules):
    order = shop.pay()
    answer = cancel(shop, order, agreed="100000")
    assert (answer.status_code, shown(answer), shop.statuses(order)) == (409, 50_000, ["confirmed"])
    assert "has changed since you opened the page" in answer.text


def test_after_the_last_moment_the_organiser_is_asked(shop, rules):
    order = shop.pay()
    rules(cancellable_until=clock.now() - timedelta(minutes=1))
    page = shop.app.test_client().get(page_of(shop, order, "/cancel"))
    assert "contact the organiser" in page.text and "data-testid=\"cancel\"" not in page.text
    assert (cancel(shop, order).status_code, shop.statuses(order)) == (422, ["confirmed"])


# -- some of several ------------------------------------------------------------------------------------

def test_one_of_three_is_cancelled_and_their_part_goes_back(shop, rules):
    order = shop.pay(people=3)
    second = numbers(shop, order)[1]
    asked = shop.app.test_client().post(page_of(shop, order, "/cancel"), {"requote": "1", "who": second})
    assert (asked.status_code, shown(asked), shop.statuses(order)) == (200, 50_000, ["confirmed"] * 3)
    assert cancel(shop, order, who=second, agreed="50000").status_code == 303
    shop.work()
    assert shop.statuses(order) == ["confirmed", "cancelled", "confirmed"]
    assert refunds(shop, order) == [(50_000, 50_000, "done", "gateway")]
    assert shop.balanced()


def test_one_after_another_comes_to_the_same_as_all_at_once(shop, rules):
    rules({"tiers": [{"days": 7, "percent": 33, "fee": 1_000}]})
    one_by_one, at_once = shop.pay(people=3), shop.pay(people=3)
    for number in numbers(shop, one_by_one):
        cancel(shop, one_by_one, who=number)
        shop.work()
    cancel(shop, at_once, who=numbers(shop, at_once))
    shop.work()
    assert sum(one[0] for one in refunds(shop, one_by_one)) == sum(one[0] for one in refunds(shop, at_once)) == 3 * 32_000
    assert shop.balanced()


def test_nobody_is_cancelled_by_a_form_that_names_nobody(shop):
    order = shop.pay(people=2)
    answer = cancel(shop, order)
    assert (answer.status_code, wrong(answer), shop.statuses(order)) == (422, ["who"], ["confirmed"] * 2)


def test_somebody_of_another_order_can_not_be_named(shop):
    order, other = shop.pay(people=2), shop.pay()
    answer = cancel(shop, order, who=numbers(shop, other))
    assert (answer.status_code, shop.statuses(order), shop.statuses(other)) == (422, ["confirmed"] * 2, ["confirmed"])


def test_the_place_is_free_again(shop, rules):
    shop.enter()
    order = shop.pay(people=2)

    def used():
        shop.enter()
        return db.session.scalar(select(Quota.used).join(QuotaProgram, QuotaProgram.quota_id == Quota.id)
                                 .where(QuotaProgram.program_id == shop.world.seoul.program("main-conference").id))
    before = used()
    cancel(shop, order, who=numbers(shop, order)[0])
    assert used() == before - 1


def test_pressed_twice_it_is_cancelled_once(shop, rules):
    order = shop.pay()
    assert [cancel(shop, order, agreed="50000").status_code for _ in range(2)] == [303, 422]
    shop.work()
    assert refunds(shop, order) == [(50_000, 50_000, "done", "gateway")]


# -- before it was paid ---------------------------------------------------------------------------------

def test_an_order_that_is_not_paid_yet_costs_nothing(shop, rules):
    order = shop.place()
    page = shop.app.test_client().get(page_of(shop, order, "/cancel"))
    assert (shown(page), "Nothing has been paid" in page.text) == (0, True)
    assert cancel(shop, order, agreed="0").status_code == 303
    shop.work()
    assert (shop.statuses(order), shop.payment(order).status, ledger.owed(shop.fresh(order))) == (["cancelled"], "voided", 0)


def test_who_stays_of_a_transfer_is_told_the_new_sum(shop, rules, mailbox):
    order = shop.place("manual_transfer", people=2)
    first = id_of(shop.payment(order))
    cancel(shop, order, who=numbers(shop, order)[1])
    shop.work()
    now = shop.payment(order)
    assert (first != id_of(now), now.amount, now.status, shop.statuses(order)) == (True, 100_000, "awaiting_deposit", ["pending_payment", "cancelled"])
    told = [letter.get_body(("plain",)).get_content() for letter in mailbox()]
    assert sum("₩100,000" in text and "123456-04-567890" in text for text in told) == 1
    assert shop.app.test_client().get(page_of(shop, order)).text.count("123456-04-567890") == 2  # shown, and to be copied


def test_who_stays_and_owes_nothing_is_in(shop):
    order = make.order(shop.world.seoul.event(), make.Participant("김하나", "hana@example.com", chosen={"main-conference": 1}),
                       make.Participant("이두리", "", chosen={"free-day": 1}))
    db.session.commit()
    cancel(shop, order, who=numbers(shop, order)[0])
    shop.work()
    assert (shop.statuses(order), ledger.owed(shop.fresh(order))) == (["cancelled", "confirmed"], 0)


def test_the_account_of_an_order_that_was_cancelled_takes_no_money(shop):
    order = shop.deposit_account()
    cancel(shop, order)
    shop.work()
    assert shop.payment(order).status == "voided"
    assert shop.get_books(order)["status"] == "CANCELED"


def test_a_part_is_not_cancelled_while_it_is_being_paid(shop):
    order = shop.place(people=2)
    shop.browser_of(order).get(shop.approve(shop.payment(order)))  # asked for, not answered yet
    answer = cancel(shop, order, who=numbers(shop, order)[0])
    assert (answer.status_code, shop.statuses(order)) == (409, ["pending_payment"] * 2)
    shop.work()
    assert shop.statuses(order) == ["confirmed"] * 2


def test_42_a_window_that_was_opened_before_the_order_was_changed_takes_nothing(shop):
    order = shop.place(people=2)
    browser, address = shop.browser_of(order), shop.approve(shop.payment(order))
    cancel(shop, order, who=numbers(shop, order)[1])
    failed = browser.get(browser.get(address).headers["Location"])
    assert "was changed while the window was open" in failed.text and "Nothing was charged" in failed.text
    assert shop.gateway.books()["balances"] in ({}, {"KRW": 0}) or sum(shop.gateway.books()["balances"].values()) == 0
    page = browser.get("/seoul-ubf/wmc-2026/register/payment")
    assert money_text(100_000, "KRW", "en") in page.text and "payment-params" not in page.text
    browser.post("/seoul-ubf/wmc-2026/register/payment", {"method": "card"})
    browser.get(shop.approve(shop.payment(order)))
    shop.work()
    assert (shop.statuses(order), ledger.paid(shop.fresh(order))) == (["confirmed", "cancelled"], 100_000)
    assert shop.balanced()


# -- where to -------------------------------------------------------------------------------------------

def test_24_money_of_a_virtual_account_needs_an_account(shop, rules):
    order = deposited(shop)
    page = shop.app.test_client().get(page_of(shop, order, "/cancel"))
    assert 'name="refund-bank"' in page.text
    refused = cancel(shop, order, agreed="50000", **{"refund-bank": "woori", "refund-number": "12", "refund-holder": ""})
    assert (refused.status_code, wrong(refused)[-2:], shop.statuses(order)) == (422, ["refund-number", "refund-holder"], ["confirmed"])
    assert cancel(shop, order, agreed="50000", **ACCOUNT).status_code == 303
    shop.work()
    assert (shop.statuses(order), refunds(shop, order)) == (["cancelled"], [(50_000, 50_000, "requested", "gateway")])
    days_pass(shop, order)
    assert refunds(shop, order) == [(50_000, 50_000, "done", "gateway")]
    assert shop.balanced()


def test_money_of_a_transfer_by_hand_waits_for_the_organiser(shop, rules):
    from eventapp import audit
    from eventapp.domain import paying

    order = shop.place("manual_transfer")
    paying.mark_received(shop.payment(order), 100_000, by=audit.Actor("user", 1))
    db.session.commit()
    shop.work()
    assert cancel(shop, order, **ACCOUNT).status_code == 303
    assert refunds(shop, order) == [(50_000, 50_000, "to_pay", "transfer")]
    page = shop.app.test_client().get(page_of(shop, order)).text
    assert 'data-refund="to_pay"' in page and "Woori Bank ••••6789" in page
    # Until it is sent, another account can be given.
    changed = shop.app.test_client().post(page_of(shop, order, "/refund-account"), ACCOUNT | {"refund-number": "1002-999-111222"})
    assert changed.status_code == 303
    shop.enter()
    assert refunding.account_of(db.session.scalar(select(Refund)))["number"] == "1002999111222"


def test_the_page_behind_the_letter_takes_the_account(shop, mailbox, settings):
    """The event was cancelled, or staff gave the money back: nobody knew where to."""
    from eventapp import audit
    from eventapp.domain import withdrawing

    order = deposited(shop)
    withdrawing.cancel(order, by=audit.Actor("user", 1))
    db.session.commit()
    shop.work()
    assert refunds(shop, order) == [(100_000, 0, "needs_account", "gateway")]
    browser, path = shop.app.test_client(), page_of(shop, order, "/refund-account")
    assert path in browser.get(page_of(shop, order)).text
    assert "₩100,000" in browser.get(path).text
    assert wrong(browser.post(path, {})) != []
    assert refunds(shop, order)[0][2] == "needs_account"
    assert browser.post(path, ACCOUNT).headers["Location"] == page_of(shop, order)
    shop.work()
    days_pass(shop, order)
    assert refunds(shop, order) == [(100_000, 0, "done", "gateway")]
    assert browser.get(path).headers["Location"] == page_of(shop, order)  # nothing is asked any more
    shop.enter()
    assert db.session.scalar(select(Refund.account)) is None
    assert shop.balanced()


def test_nobody_gives_an_account_for_the_order_of_another(shop):
    order = deposited(shop)
    token = ticketing.pay_token(shop.fresh(order))
    for link in (token, "made-up", ticketing.order_token(shop.fresh(order))[:-2] + "xx"):
        assert shop.app.test_client().get(f"/seoul-ubf/wmc-2026/orders/{link}/refund-account").status_code == 404


# -- told before ----------------------------------------------------------------------------------------

def test_the_rules_stand_on_the_event_page_and_beside_the_payment_and_are_kept_with_the_order(shop, rules):
    browser = shop.app.test_client()
    for path in ("/seoul-ubf/wmc-2026", "/seoul-ubf/wmc-2026/register"):
        assert "Until 7 days before the event: 50%" in browser.get(path).text
    order = shop.place()
    terms = shop.fresh(order).refund_terms
    assert terms["rules"] == HALF and terms["locale"] == "ko" and "50%" in terms["text"] and terms["at"]
    rules({"tiers": [{"days": 0, "percent": 0, "fee": 0}]})
    assert "Until 7 days before the event: 50%" in browser.get(page_of(shop, order)).text
    assert "Cancelling and refunds" not in browser.get("/seoul-ubf/meetup").text
