"""Programs changed by staff: prices that stay and prices of today, places, what is owed, what goes back."""
import pytest
from sqlalchemy import select, update

from eventapp import audit, checks, clock
from eventapp.domain import Refused, RefusedFields, changing, ledger, paying, registering
from eventapp.domain.changing import Wanted
from eventapp.domain.ordering import Participant
from eventapp.extensions import db, platform
from eventapp.models import AuditLog, Payment, Program, Quota, Registration
from tests import make
from tests.shop import id_of

STAFF = audit.Actor("user", 1)


@pytest.fixture
def sound(app):
    """`flask check` finds nothing."""
    yield
    found = checks.run(platform.engine, app.config["SETTINGS"].role("app"), clock.now())
    assert [(one.name, one.breaches) for one in found if not one.ok] == []


def one_of(shop, order) -> Registration:
    shop.enter()
    return db.session.scalar(select(Registration).where(Registration.order_id == id_of(order)).order_by(Registration.position).limit(1)
                             .execution_options(populate_existing=True))


def change(shop, order, chosen, **more):
    registration = one_of(shop, order)
    done = changing.change(registration, Wanted(chosen, was=changing.mark(registration), **more), by=STAFF)
    db.session.commit()
    return done


def lines(shop, order) -> list[tuple[str, int, int]]:
    registration = one_of(shop, order)
    return [(item.program.code, item.quantity, item.unit_price) for item in registration.line_items]


def money(shop, order) -> tuple[int, int, int]:
    """Total, owed, paid."""
    order = shop.fresh(order)
    return order.total, ledger.owed(order), ledger.paid(order)


def used(shop, code) -> int:
    return shop.world.seoul.quota_of(code).used


def now_costs(shop, code: str, price: int) -> None:
    shop.enter()
    db.session.execute(update(Program).where(Program.code == code).values(tiers=[{"name": {}, "price": price, "until": None}]))
    db.session.commit()


# -- more ------------------------------------------------------------------------------------------------

def test_what_is_added_is_owed_and_the_ticket_stays(shop, sound):
    order = shop.pay()
    version = one_of(shop, order).ticket_version
    done = change(shop, order, {"main-conference": 1, "lodging": 2})
    assert (done.before, done.after, done.difference, done.owed) == (100_000, 150_000, 50_000, 50_000)
    assert money(shop, order) == (150_000, 50_000, 100_000)
    assert shop.entries(order) == [("charged", 100_000), ("paid", 100_000), ("charged", 50_000)]
    assert shop.statuses(order) == ["confirmed"]
    assert one_of(shop, order).ticket_version == version
    assert (used(shop, "main-conference"), used(shop, "lodging")) == (1, 2)


def test_what_stays_keeps_its_price_and_what_is_added_costs_what_it_costs_today(shop, sound):
    order = shop.pay()
    change(shop, order, {"main-conference": 1, "lodging": 1})
    now_costs(shop, "lodging", 40_000)
    now_costs(shop, "main-conference", 300_000)
    change(shop, order, {"main-conference": 1, "lodging": 3})
    assert lines(shop, order) == [("main-conference", 1, 100_000), ("lodging", 1, 25_000), ("lodging", 2, 40_000)]
    change(shop, order, {"main-conference": 1, "lodging": 2})
    assert lines(shop, order) == [("main-conference", 1, 100_000), ("lodging", 1, 25_000), ("lodging", 1, 40_000)]


def test_the_difference_is_paid_by_card(shop, sound, mailbox):
    order = shop.pay()
    change(shop, order, {"main-conference": 1, "workshop": 1}, tell=True)
    shop.work()
    letter = mailbox()[-1]
    assert letter["To"] == order.email and "₩30,000" in letter.get_body(("plain",)).get_content()
    assert paying.payable(shop.fresh(order))
    paying.begin(shop.fresh(order), "card")
    db.session.commit()
    payment = shop.payment(order)
    assert (payment.status, payment.amount) == ("created", 30_000)
    shop.browser_of(order).get(shop.approve(payment))
    shop.work()
    assert money(shop, order) == (130_000, 0, 130_000)
    assert shop.statuses(order) == ["confirmed"]
    assert shop.fresh(order).hold_until is None
    assert shop.balanced()


def test_the_difference_is_paid_into_a_virtual_account(shop, sound):
    order = shop.pay()
    change(shop, order, {"main-conference": 1, "workshop": 1})
    payment = paying.begin(shop.fresh(order), "virtual_account")
    paying.request_account(payment, "woori")
    db.session.commit()
    shop.work()
    payment = shop.payment(order)
    assert payment.status == "awaiting_deposit"
    shop.enter()
    paying.reconcile()
    db.session.commit()
    shop.work()
    assert shop.payment(order).status == "awaiting_deposit"  # nobody closes it because all are confirmed
    shop.gateway.control("deposit", client_key="test_ck_demo0000000001", order_id=payment.gateway_order_id)
    shop.enter()
    from eventapp.domain import calling
    calling.refresh(shop.payment(order))
    db.session.commit()
    shop.work()
    assert money(shop, order) == (130_000, 0, 130_000)


def test_a_difference_that_nobody_pays_costs_nobody_the_ticket(shop, sound):
    order = shop.pay()
    change(shop, order, {"main-conference": 1, "workshop": 1})
    paying.begin(shop.fresh(order), "card")
    db.session.commit()
    shop.later(hours=2)
    shop.work()
    assert shop.statuses(order) == ["confirmed"]
    assert money(shop, order) == (130_000, 30_000, 100_000)
    assert shop.payment(order).status == "expired"
    assert paying.payable(shop.fresh(order))


def test_a_transfer_by_hand_has_its_account_and_its_time(shop, sound, letters):
    order = shop.place("manual_transfer")
    paying.mark_received(shop.payment(order), 100_000, by=STAFF)
    db.session.commit()
    shop.work()
    change(shop, order, {"main-conference": 1, "workshop": 1})
    payment = shop.payment(order)
    assert (payment.status, payment.amount) == ("awaiting_deposit", 30_000)
    assert payment.due_at > clock.now().replace(microsecond=0)
    assert [kind for kind, _payload in letters if kind != "mail_payment_reminder"] == []
    paying.mark_received(payment, 30_000, by=STAFF)
    db.session.commit()
    assert money(shop, order) == (130_000, 0, 130_000)


def test_free_of_charge_needs_a_reason(shop, sound):
    order = shop.pay()
    with pytest.raises(RefusedFields) as refused:
        change(shop, order, {"main-conference": 1, "workshop": 1}, free=True)
    assert list(refused.value.errors) == ["reason"]
    change(shop, order, {"main-conference": 1, "workshop": 1}, free=True, reason="a speaker")
    assert lines(shop, order) == [("main-conference", 1, 100_000), ("workshop", 1, 0)]
    assert money(shop, order) == (100_000, 0, 100_000)


def test_who_was_free_and_takes_something_more_owes_it(shop, sound):
    shop.enter()
    order = make.order(shop.world.seoul.event(), Participant("김하나", "hana@example.com", chosen={"free-day": 1}))
    db.session.commit()
    change(shop, order, {"free-day": 1, "lodging": 1})
    assert shop.statuses(order) == ["confirmed"]
    assert money(shop, order) == (25_000, 25_000, 0)


# -- less ------------------------------------------------------------------------------------------------

def test_what_is_taken_away_goes_back_to_the_card(shop, sound):
    order = shop.pay()
    change(shop, order, {"main-conference": 1, "lodging": 2})
    paying.begin(shop.fresh(order), "card")
    db.session.commit()
    shop.browser_of(order).get(shop.approve(shop.payment(order)))
    shop.work()
    done = change(shop, order, {"main-conference": 1, "lodging": 1}, give_back=True)
    assert (done.difference, done.back) == (-25_000, 25_000)
    shop.work()
    payment = shop.payment(order)
    assert (payment.status, payment.balance, payment.problem) == ("partially_refunded", 25_000, None)
    assert money(shop, order) == (125_000, 0, 125_000)
    assert shop.refunds(payment) == [(25_000, "done", False)]
    assert used(shop, "lodging") == 1
    assert shop.balanced()


def test_more_than_the_last_payment_goes_back_from_the_one_before_too(shop, sound):
    order = shop.pay()
    change(shop, order, {"main-conference": 1, "lodging": 1})
    paying.begin(shop.fresh(order), "card")
    db.session.commit()
    shop.browser_of(order).get(shop.approve(shop.payment(order)))
    shop.work()
    change(shop, order, {"free-day": 1}, give_back=True)
    shop.work()
    assert money(shop, order) == (0, 0, 0)
    assert shop.statuses(order) == ["confirmed"]
    assert shop.balanced()


def test_without_the_right_to_refund_somebody_else_sees_it(shop, sound):
    order = shop.pay()
    change(shop, order, {"main-conference": 1, "workshop": 1}, free=True, reason="x")
    change(shop, order, {"free-day": 1})
    payment = shop.payment(order)
    assert payment.problem == {"kind": "overpaid", "expected": 0, "found": 100_000}
    assert money(shop, order) == (0, -100_000, 100_000)
    change(shop, order, {"main-conference": 1})  # and it is right again: at today's price, which is the same
    assert shop.payment(order).problem is None
    assert money(shop, order) == (100_000, 0, 100_000)


def test_a_transfer_by_hand_goes_back_by_hand(shop, sound):
    order = shop.place("manual_transfer")
    paying.mark_received(shop.payment(order), 100_000, by=STAFF)
    db.session.commit()
    change(shop, order, {"free-day": 1}, give_back=True)
    payment = shop.payment(order)
    assert payment.problem is None and shop.refunds(payment) == [(100_000, "needs_account", False)]


# -- before it is paid -------------------------------------------------------------------------------------

def test_who_has_not_paid_yet_owes_the_new_sum_and_the_old_payment_is_closed(shop, sound):
    order = shop.place("manual_transfer")
    old = id_of(shop.payment(order))
    until = shop.fresh(order).hold_until
    change(shop, order, {"main-conference": 1, "workshop": 1})
    assert money(shop, order) == (130_000, 130_000, 0)
    assert db.session.get(Payment, old).status == "voided"
    payment = shop.payment(order)
    assert (payment.status, payment.amount) == ("awaiting_deposit", 130_000)
    assert shop.fresh(order).hold_until == until
    change(shop, order, {"free-day": 1})
    assert shop.statuses(order) == ["confirmed"]
    assert money(shop, order) == (0, 0, 0)


def test_a_window_that_is_open_for_the_old_sum_takes_no_money(shop, sound):
    order = shop.place()
    address = shop.approve(shop.payment(order))
    change(shop, order, {"main-conference": 1, "workshop": 1})
    answer = shop.browser_of(order).get(address)
    assert "code=ORDER_CHANGED" in answer.location
    shop.work()
    assert money(shop, order) == (130_000, 130_000, 0)
    assert shop.statuses(order) == ["pending_payment"]


def test_while_the_money_is_being_taken_nothing_is_changed(shop):
    order = shop.place()
    shop.browser_of(order).get(shop.approve(shop.payment(order)))
    with pytest.raises(Refused) as refused:
        change(shop, order, {"main-conference": 1, "workshop": 1})
    assert refused.value.status == 409
    shop.enter()
    shop.work()
    assert shop.statuses(order) == ["confirmed"]


def test_who_waits_for_approval_holds_and_owes_nothing_yet(shop, sound):
    shop.enter()
    order = make.order(shop.world.seoul.event("meetup"), Participant("김하나", "hana@example.com", chosen={"seat": 1}))
    other = make.program(shop.world.seoul.event("meetup"), "dinner", 20_000, capacity=1)
    db.session.commit()
    change(shop, order, {"seat": 1, other.code: 1})
    assert money(shop, order) == (20_000, 0, 0)
    assert used(shop, "dinner") == 0


def test_what_is_over_can_not_be_changed(shop):
    order = shop.pay()
    registering.cancel(registering.of_order(shop.fresh(order)), by=STAFF)
    db.session.commit()
    with pytest.raises(Refused):
        change(shop, order, {"free-day": 1})


# -- rules and places --------------------------------------------------------------------------------------

def test_the_rules_of_the_form_hold(shop):
    order = shop.pay()
    for chosen, field in (({}, "program"), ({"workshop": 1}, "program"), ({"main-conference": 1, "lodging": 4}, "qty-lodging"),
                          ({"nothing": 1}, "program")):
        with pytest.raises(RefusedFields) as refused:
            change(shop, order, chosen)
        assert list(refused.value.errors) == [field]
        db.session.rollback()
    assert lines(shop, order) == [("main-conference", 1, 100_000)]


def test_staff_may_add_what_is_no_longer_sold(shop, sound):
    order = shop.pay()
    shop.enter()
    db.session.execute(update(Program).where(Program.code == "workshop").values(sales_close_at=clock.now()))
    db.session.commit()
    change(shop, order, {"main-conference": 1, "workshop": 1})
    assert lines(shop, order) == [("main-conference", 1, 100_000), ("workshop", 1, 30_000)]


def test_there_are_no_more_places_than_there_are(shop, sound):
    order = shop.pay()
    shop.enter()
    quota = shop.world.seoul.quota_of("workshop")
    db.session.execute(update(Quota).where(Quota.id == quota.id).values(capacity=0))
    db.session.commit()
    with pytest.raises(RefusedFields) as refused:
        change(shop, order, {"main-conference": 1, "workshop": 1})
    assert refused.value.errors == {"program": "“Worship workshop” is sold out."}
    db.session.rollback()
    assert (lines(shop, order), money(shop, order)) == ([("main-conference", 1, 100_000)], (100_000, 0, 100_000))


def test_places_that_are_swapped_inside_one_quota_are_enough(shop, sound):
    shop.enter()
    make.quota(shop.world.seoul.event(), 1, shop.world.seoul.program("free-day"), shop.world.seoul.program("main-conference"))
    db.session.commit()
    order = shop.pay()
    change(shop, order, {"free-day": 1})
    assert lines(shop, order) == [("free-day", 1, 0)]


def test_a_change_that_another_has_overtaken_is_refused(shop):
    order = shop.pay()
    seen = changing.mark(one_of(shop, order))
    change(shop, order, {"main-conference": 1, "workshop": 1})
    with pytest.raises(Refused) as refused:
        changing.change(one_of(shop, order), Wanted({"free-day": 1}, was=seen), by=STAFF)
    assert refused.value.status == 409


def test_the_log_says_what_it_was_and_what_it_is(shop):
    order = shop.pay()
    change(shop, order, {"main-conference": 1, "lodging": 2}, free=True, reason="helper")
    line = db.session.scalar(select(AuditLog).where(AuditLog.action == "registration.programs_changed"))
    assert line.before == {"programs": {"main-conference": 1}, "amount": 100_000}
    assert line.after == {"programs": {"main-conference": 1, "lodging": 2}, "amount": 100_000, "free": True}


def test_a_look_writes_nothing(shop):
    order = shop.pay()
    registration = one_of(shop, order)
    seen = changing.preview(registration, Wanted({"main-conference": 1, "lodging": 3}))
    assert (seen.difference, seen.owed, seen.back) == (75_000, 75_000, 0)
    assert not db.session.dirty and not db.session.new
    assert lines(shop, order) == [("main-conference", 1, 100_000)]


def test_two_staff_and_one_place(shop, sound):
    import threading

    from eventapp import tenancy

    orders = [shop.pay(), shop.pay()]
    shop.enter()
    quota = shop.world.seoul.quota_of("workshop")
    db.session.execute(update(Quota).where(Quota.id == quota.id).values(capacity=1))
    db.session.commit()
    ids = [one_of(shop, order).id for order in orders]
    together, outcomes = threading.Barrier(2), []

    def take(registration_id):
        with shop.app.app_context(), tenancy.inside(shop.world.seoul.id):
            registration = db.session.get(Registration, registration_id)
            wanted = Wanted({"main-conference": 1, "workshop": 1}, was=changing.mark(registration))
            db.session.rollback()
            together.wait()
            try:
                changing.change(db.session.get(Registration, registration_id), wanted, by=STAFF)
                db.session.commit()
                outcomes.append("has it")
            except RefusedFields as refused:
                db.session.rollback()
                outcomes.append(list(refused.errors))
            db.session.remove()

    threads = [threading.Thread(target=take, args=(id_,)) for id_ in ids]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(outcomes, key=str) == [["program"], "has it"]
    assert used(shop, "workshop") == 1
