"""Payments and refunds of every kind, in an organisation of their own. No gateway is asked: what it would answer is applied."""
from datetime import timedelta

from flask import url_for
from sqlalchemy import select, update

from eventapp import audit, tenancy
from eventapp.domain import (
    applying,
    attempts,
    cash_receipting,
    connecting_gateways,
    documenting,
    giving_back,
    paying,
    refunding,
    registering,
    ticketing,
    withdrawing,
)
from eventapp.domain.giving_back import Wanted
from eventapp.domain.ordering import Participant
from eventapp.extensions import db
from eventapp.languages import LOCALES, force_locale
from eventapp.models import (
    Directory,
    Document,
    Event,
    GatewayAccount,
    Order,
    Payment,
    Refund,
    Registration,
    User,
    WebhookEvent,
)
from eventapp.payments.provider import GatewayPayment, GatewayRefund
from eventapp.web.urls import sign
from tests import make
from tests.make import both
from tests.pictures.scene import OWNERS

SLUG = "narae"
BACK = {"bank": "woori", "number": "1002123456789", "holder": "김하나"}
RULES = {"tiers": [{"days": 30, "percent": 100, "fee": 0}, {"days": 7, "percent": 50, "fee": 0}],
         "note": both("당일 취소는 전화로 알려 주세요.", "On the day, please ring us.")}
WAYS = {"card": ("toss", "card"), "transfer": ("toss", "bank_transfer"), "account": ("toss", "virtual_account"), "mobile": ("toss", "mobile"),
        "portone": ("portone", "card"), "stripe": ("stripe", "card"), "manual": ("manual", "manual_transfer")}
"""What a way to pay is called in the pictures → (provider, method)."""
KINDS = ("before", "whole", "part", "line", "rule", "external", "failed")
PAID_WITH = {"card": "신한카드 12345678****000*", "bank_transfer": "우리은행", "mobile": "SKT"}
ILL, SORRY, MEAL = "갑작스러운 사정으로 참석이 어려움", "냉방 고장에 대한 사과", "저녁 식사를 못 하게 됨"


def kinds(way: str):
    """Nobody but staff sends a transfer by hand back, so nothing comes from outside there and nothing is refused."""
    return KINDS[:-2] if way == "manual" else KINDS


class Books:
    """What the gateways would say."""

    def __init__(self, now):
        self.now, self.refunds, self.count = now, {}, 0

    def say(self, payment: Payment, **values) -> None:
        refunds = tuple(self.refunds.get(payment.id, ()))
        back = sum(one.amount for one in refunds)
        status = "refunded" if back == payment.amount else "partially_refunded" if back else "paid"
        applying.apply_snapshot(payment, GatewayPayment(**{
            "order_ref": payment.gateway_order_id, "gateway_key": payment.gateway_key or f"tpic{payment.id:012}", "status": status, "raw_status": status.upper(),
            "method": payment.method, "total": payment.amount, "balance": payment.amount - back, "currency": payment.currency, "test_mode": True,
            "refunds": refunds, "approved_at": self.now - timedelta(days=1), "paid_with": PAID_WITH.get(payment.method, ""), "last_tx": f"tx{payment.id}"} | values))
        db.session.flush()

    def send_back(self, payment: Payment, amount: int, reason: str) -> None:
        self.count += 1
        self.refunds.setdefault(payment.id, []).append(GatewayRefund(f"tx_back_{self.count}", amount, reason, "done", self.now))
        self.say(payment)

    def answer(self, refund: Refund, refusal: str = "") -> None:
        """The question that was written down for the job."""
        payment = db.session.get(Payment, refund.payment_id)
        attempt = attempts.open_of(payment, "cancel")
        attempt.state, attempt.finished_at, attempt.code = "refused" if refusal else "succeeded", self.now, refusal
        db.session.flush()
        if refusal:
            refunding.refused(refund, refusal)
        else:
            self.send_back(payment, refund.amount, refund.reason)


def furnish(made, now) -> None:
    """`made.money`: what is on a page → its address, without the host; `made.cookies` of the orders that are being paid."""
    owners = [db.session.scalar(select(User).where(User.email == email)) for email in OWNERS.values()]
    organization = make.organization(SLUG, both("나래 문화재단", "Narae Foundation"), plan="pro", bank_account={"bank": "kb", "number": "123456-04-567890", "holder": "나래문화재단"},
                                     business={"name": "나래문화재단", "representative": "박나래", "number": "124-81-00998", "address": "서울시 종로구 대학로 10", "phone": "02-123-4567"})
    db.session.get(Directory, organization.org_id).created_at = organization.created_at = now
    for one in owners:
        make.member(organization, one, "ORG_OWNER")
    db.session.flush()
    accounts = connect(now)
    staff, books = audit.Actor("user", owners[0].id), Books(now)
    events = {provider: concert(provider, accounts.get(provider), now) for provider in ("toss", "portone", "stripe")}
    for way, (provider, method) in WAYS.items():
        for kind in kinds(way):
            order = bought(events.get(provider, events["toss"]), way, method, books, staff)
            give_back(kind, order, books, staff)
            show(made, f"{way}-{kind}", order)
    awaited(made, events, books, staff)
    for payment in db.session.scalars(select(Payment).order_by(Payment.id)):
        documenting.document(payment)
    notices(made, now)
    for model in (Order, Registration, Payment, Refund, WebhookEvent):
        db.session.execute(update(model).values(created_at=now))
    db.session.commit()
    demo(made)
    tenancy.enter(None)


def connect(now) -> dict[str, GatewayAccount]:
    connected = {"toss": connecting_gateways.connect_account("toss", mode="test", client_key="test_ck_demo0000000002", secret_key="test_sk_demo0000000002"),
                 "portone": connecting_gateways.connect_account(
                     "portone", mode="test", client_key="store-demo0002", secret_key="portone_test_demo0002", for_all_events=False,
                     public={"store_id": "store-demo0002", "channel_key": "channel-key-demo0002", "approval": "automatic"}),
                 "stripe": connecting_gateways.connect_account("stripe", mode="test", client_key="pk_test_demo0002", secret_key="sk_test_demo0002", for_all_events=False)}
    for account in connected.values():
        account.checked_at, account.created_at = now, now
    connected["toss"].last_webhook_at = now - timedelta(minutes=12)
    live = connecting_gateways.connect_account("toss", mode="live", client_key="live_ck_narae00000001", secret_key="live_sk_narae00000001", name="본점", enabled=False)
    wrong = connecting_gateways.connect_account("portone", mode="test", client_key="store-demo0003", secret_key="portone_test_demo0003", name="옛 상점", enabled=False,
                                                public={"store_id": "store-demo0003", "channel_key": "channel-key-demo0003", "approval": "automatic"})
    live.checked_at = wrong.checked_at = live.created_at = wrong.created_at = now
    wrong.unhealthy = "UNAUTHORIZED_KEY"
    return connected


def concert(provider: str, account: GatewayAccount, now):
    slug = {"toss": "concert", "portone": "recital", "stripe": "abroad"}[provider]
    title = {"toss": both("가을 음악회", "Autumn concert"), "portone": both("하우스 콘서트", "House concert"), "stripe": both("해외 초청 강연", "A lecture for guests from abroad")}[provider]
    dollars = {"currency": "USD"} if provider == "stripe" else {}
    chosen = {"gateway_account_id": account.id} if provider != "toss" else {}
    event = make.event(slug, title, slug.upper()[:5], visibility="unlisted", refund_rules=RULES, starts_at=now + timedelta(days=19), ends_at=now + timedelta(days=19, hours=3),
                       cancellable_until=now + timedelta(days=18), summary=both("가을밤, 작은 음악회.", "A small concert on an autumn evening."),
                       description=both("함께 듣는 저녁입니다.", "An evening of listening together."),
                       methods=["card"] if dollars else ["card", "bank_transfer", "virtual_account", "mobile", "manual_transfer"], **dollars, **chosen)
    make.program(event, "seat", 8_000 if dollars else 80_000, 200, name=both("입장", "A seat"))
    make.program(event, "dinner", 2_000 if dollars else 20_000, 100, name=both("저녁 식사", "Dinner"), minimum=0, maximum=2, position=2)
    make.form(event)
    return event


def placed(event, way: str, method: str, number: str = "") -> Order:
    people = [Participant(name=name, email=f"{way}{number}.{place}@example.com", phone="010-2345-6789", chosen={"seat": 1, "dinner": 1})
              for place, name in enumerate(("김하나", "이서연"))]
    return make.order(event, *people, method=method)


def bought(event, way: str, method: str, books: Books, staff) -> Order:
    order = placed(event, way, method)
    payment = paying.current(order)
    if method == "manual_transfer":
        paying.mark_received(payment, payment.amount, by=staff)
    else:
        books.say(payment)
    return order


def give_back(kind: str, order: Order, books: Books, staff) -> None:
    payment, items = paying.current(order), {item.id for one in registering.of_order(order) for item in one.line_items}
    account = BACK if refunding.needs_account(payment) else {}
    if kind == "whole":
        settle(by_staff(order, items, staff, giving_back.ALL, ILL, account), books, staff)
    elif kind == "part":
        amount = "30.00" if order.currency == "USD" else "30,000"
        settle(by_staff(order, items, staff, giving_back.OTHER, SORRY, account, amount=amount, keep=True), books, staff)
    elif kind == "line":
        dinner = {item.id for item in registering.of_order(order)[0].line_items if "Dinner" in item.name.values()}
        settle(by_staff(order, dinner, staff, giving_back.ALL, MEAL, account), books, staff)
    elif kind == "rule":
        settle(withdrawing.cancel(order, by=audit.Actor("buyer", order.id), account=account or None), books, staff)
    elif kind == "external":
        books.send_back(payment, payment.amount // 4, "고객센터 요청")
    elif kind == "failed":
        refund, = by_staff(order, items, staff, giving_back.ALL, ILL, account)
        books.answer(refund, "REFUND_REJECTED")
        again = refunding.again(refund, by=staff)
        if again.state == "needs_account":
            refunding.take_account(again, **BACK, by=staff)
        settle([again], books, staff)
    db.session.flush()


def by_staff(order: Order, lines: set[int], staff, how: str, reason: str, account: dict, **more) -> list[Refund]:
    wanted = Wanted(lines, how, reason=reason, account=account, **more)
    wanted.shown = str(giving_back.look(order, wanted).quote.amount)
    return giving_back.do(order, wanted, by=staff)


def settle(refunds: list[Refund], books: Books, staff) -> None:
    for refund in refunds:
        db.session.flush()
        if refund.state == "to_pay":
            refunding.sent(refund, by=staff)
        else:
            books.answer(refund)


def show(made, name: str, order: Order) -> None:
    """Its ledger and the buyer's page."""
    db.session.flush()
    first, event = registering.of_order(order)[0], db.session.get(Event, order.event_id)
    made.money[f"{name}-ledger"] = url_for("admin.ledgers.show", org=SLUG, number=first.number)
    made.money[f"{name}-order"] = f"/{SLUG}/{event.slug}/orders/{ticketing.order_token(order)}"
    made.cookies[f"money-{name}"] = sign("order", [order.org_id, order.id])


def awaited(made, events, books: Books, staff) -> None:
    """What is still going on: windows that are to be opened, a bank's account that is awaited, a refund that staff look at."""
    for name, event in (("portone", events["portone"]), ("stripe", events["stripe"])):
        order = placed(event, name, "card", "window")
        show(made, f"open-{name}", order)
        opened = paying.current(order)
        if name == "stripe":
            order = placed(event, name, "card", "opened")
            opened = paying.current(order)
        opened.status, opened.gateway_key, opened.checkout_url = "pending", f"opened_{name}", "https://checkout.stripe.example/c/pay/cs_test_1" if name == "stripe" else ""
        show(made, f"opened-{name}", order)
        asked = placed(event, name, "card", "asked")
        attempts.prepare(paying.current(asked), "open", {})
        show(made, f"opening-{name}", asked)
    order = placed(events["toss"], "link", "card")
    show(made, "unpaid", order)
    made.money["pay-link"] = f"/{SLUG}/concert/pay/{ticketing.pay_token(order)}"
    order = bought(events["toss"], "asked", "virtual_account", books, staff)
    refund, = withdrawing.cancel(order, by=audit.Actor("buyer", order.id))
    show(made, "needs-account", order)
    made.money["needs-account-refund"] = url_for("admin.refunds.show", org=SLUG, id=refund.id)
    order = bought(events["toss"], "receipt", "manual_transfer", books, staff)
    cash_receipting.ask(order, "deduction", "01023456789", by=audit.Actor("buyer", order.id))
    show(made, "cash-receipt", order)
    for name, number in (("one", "a"), ("other", "b")):
        order = bought(events["toss"], f"staff{number}", "card", books, staff)
        show(made, f"staff-{name}", order)
        made.money[f"staff-{name}-refund"] = url_for("admin.refunds.edit", org=SLUG, number=registering.of_order(order)[0].number)
    order = bought(events["toss"], "refused", "card", books, staff)
    items = {item.id for one in registering.of_order(order) for item in one.line_items}
    refund, = by_staff(order, items, staff, giving_back.ALL, ILL, {})
    books.answer(refund, "REFUND_REJECTED")
    show(made, "refused", order)
    made.money["refused-payment"] = url_for("admin.payment.show", org=SLUG, id=refund.payment_id)
    made.money["refused-refund"] = url_for("admin.refunds.show", org=SLUG, id=refund.id)
    made.money["external-payment"] = url_for("admin.payment.show", org=SLUG, id=outside().id)
    for provider in ("toss", "portone"):
        for account in db.session.scalars(select(GatewayAccount).where(GatewayAccount.provider == provider).order_by(GatewayAccount.id)):
            made.money[f"{provider}-{'live' if account.mode == 'live' else 'wrong' if account.unhealthy else 'test'}-account"] = url_for(
                "admin.gateway_accounts.show", org=SLUG, number=account.id)


def outside() -> Payment:
    return db.session.scalars(select(Payment).join(Refund, Refund.payment_id == Payment.id).where(Refund.external).order_by(Payment.id)).first()


def notices(made, now) -> None:
    account = db.session.scalars(select(GatewayAccount).where(GatewayAccount.provider == "toss", GatewayAccount.mode == "test")).first()
    payment = outside()
    for number, (state, proof, note) in enumerate((("applied", "refetch", ""), ("ignored", "refetch", ""), ("orphan", "none", ""), ("rejected", "none", "bad_signature"),
                                                   ("wrong_account", "none", ""), ("received", "none", ""))):
        body = f'{{"eventType":"PAYMENT_STATUS_CHANGED","data":{{"paymentKey":"{payment.gateway_key}","orderId":"{payment.gateway_order_id}","status":"PARTIAL_CANCELED"}}}}'
        row = WebhookEvent(account_id=account.id, delivery_id=f"whtrans_pic_{number}", headers={"tosspayments-webhook-transmission-id": f"pic-{number}", "content-type": "application/json"},
                           body=body.encode(), order_ref=payment.gateway_order_id, gateway_key=payment.gateway_key, proof=proof, state=state, note=note,
                           kind="payment_changed", payment_id=payment.id if state == "applied" else None, handled_at=None if state == "received" else now)
        db.session.add(row)
        db.session.flush()
        if state == "applied":
            made.money["webhook"] = url_for("admin.webhooks.show", org=SLUG, number=row.id)
            made.money["platform-webhook"] = f"/platform-admin/webhooks/{row.org_id}/{row.id}"


def demo(made) -> None:
    """Papers of the demo's conference, whose organisation has its particulars."""
    tenancy.enter(db.session.scalar(select(Directory.org_id).where(Directory.slug == "seoul-ubf")))
    for kind in ("receipt", "refund"):
        found = db.session.scalars(select(Document).where(Document.kind == kind).order_by(Document.id.desc())).first()
        if found:
            for locale in LOCALES:
                with force_locale(locale):
                    made.papers[kind, locale] = documenting.paper(found)
                    made.papers["statement", locale] = documenting.statement(db.session.get(Order, found.order_id))
