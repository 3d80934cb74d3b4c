"""The three gateways' books as one list, and what can be done with each payment: the dashboard's only way to them.

`state` of a row is its colour: open (nothing taken yet), waiting (for money), paid, part (partly given back), back (all of
it), over (nothing was paid). `acts` are the names of the buttons that make sense now.
"""
from collections.abc import Callable
from dataclasses import dataclass

from eventapp.sandbox import control, portone_books, portone_control, state, stripe_books, stripe_control
from eventapp.sandbox.state import Refusal

GATEWAYS = {"toss": "Toss", "portone": "PortOne", "stripe": "Stripe"}
REASON = "대시보드에서 취소"


@dataclass(frozen=True)
class Row:
    gateway: str
    key: str
    order: str
    name: str
    customer: str
    account: str
    method: str
    status: str
    state: str
    amount: int
    balance: int
    currency: str
    at: float
    window: str
    acts: tuple[str, ...]
    number: str = ""
    due_at: float | None = None
    notes: tuple[str, ...] = ()
    refunds: tuple[dict, ...] = ()
    """{"at", "amount", "reason", "status"}"""

    @property
    def text(self) -> str:
        return " ".join([self.gateway, self.key, self.order, self.name, self.customer, self.account, self.status,
                         self.number, self.method]).lower()


# -- TossPayments -----------------------------------------------------------------------------------
TOSS_STATES = {state.READY: "open", state.IN_PROGRESS: "open", state.WAITING: "waiting", state.DONE: "paid",
               state.PARTIAL: "part", state.CANCELED: "back", state.ABORTED: "over", state.EXPIRED: "over"}
TOSS_METHODS = {state.CARD: "카드", state.TRANSFER: "계좌이체", state.VIRTUAL_ACCOUNT: "가상계좌", state.MOBILE: "휴대폰"}


def _toss(one: state.Payment) -> Row:
    colour = TOSS_STATES[one.status]
    colour = "back" if colour == "part" and not one.balance else colour
    colour = "over" if one.expired or (one.status == state.CANCELED and not one.approved_at) else colour
    waiting = one.status == state.WAITING and not one.expired
    acts = [name for name, fits in {
        "deposit": waiting, "cancel": one.status in (state.DONE, state.PARTIAL, state.WAITING) and one.balance,
        "reverse": one.status == state.DONE and one.method == state.VIRTUAL_ACCOUNT,
        "expire": waiting or one.status in (state.READY, state.IN_PROGRESS),
        "refund-completed": one.refund_status == "PENDING", "refund-failed": one.refund_status == "PENDING"}.items() if fits]
    notes = [note for note, fits in {
        "자동결제 BILLING": one.kind == state.BILLING, "기한 경과 overdue": one.expired,
        f"환불 {one.refund_status}": one.refund_status != "NONE",
        f"현금영수증 {one.receipt_type}": bool(one.receipts)}.items() if fits]
    if one.failure:
        notes.append(one.failure["code"])
    refunds = [{"at": each["at"], "amount": each["amount"], "reason": each["reason"], "status": "DONE"}
               for each in one.cancels]
    return Row("toss", one.key, one.order_id, one.order_name, one.customer_name, one.account, TOSS_METHODS[one.method],
               one.status, colour, one.amount, one.balance if one.approved_at else 0, "KRW", one.requested_at,
               f"/toss/window/{one.key}", tuple(acts), one.account_number, one.due_at, tuple(notes), tuple(refunds))


def _toss_act(sandbox, key: str, action: str, amount: int | None) -> None:
    books = sandbox.books
    if action == "cancel":
        books.cancel(books.find_any(key).account, key, reason=REASON, amount=amount, refundable=None, tax_free=0,
                     has_refund_account=True)
        return
    {"deposit": lambda key: books.deposit(key, amount), "reverse": books.reverse, "expire": books.expire,
     "refund-completed": lambda key: books.finish_refund(key, "COMPLETED"),
     "refund-failed": lambda key: books.finish_refund(key, "FAILED")}[action](key)


# -- PortOne ----------------------------------------------------------------------------------------
PORTONE_STATES = {portone_books.READY: "open", portone_books.PAY_PENDING: "open", portone_books.ISSUED: "waiting",
                  portone_books.PAID: "paid", portone_books.PARTIAL: "part", portone_books.CANCELLED: "back",
                  portone_books.FAILED: "over"}
PORTONE_METHODS = {"CARD": "카드", "TRANSFER": "계좌이체", "VIRTUAL_ACCOUNT": "가상계좌", "MOBILE": "휴대폰"}


def _portone(one: portone_books.Payment) -> Row:
    paid = one.status in (portone_books.PAID, portone_books.PARTIAL)
    contested = any(each["status"] == "UNRESOLVED" for each in one.disputes)
    under_way = any(each["status"] == portone_books.REQUESTED for each in one.cancellations)
    acts = [name for name, fits in {
        "deposit": one.status == portone_books.ISSUED, "cancel": paid and one.cancellable, "dispute": paid and not contested,
        "dispute-won": contested, "dispute-lost": contested, "refund-completed": under_way, "refund-failed": under_way,
        "expire": one.status in (portone_books.READY, portone_books.PAY_PENDING, portone_books.ISSUED)}.items() if fits]
    notes = ["분쟁 중 disputed"] if contested else []
    if one.refund_status:
        notes.append(f"환불 {one.refund_status}")
    if one.receipt:
        notes.append("현금영수증 cash receipt")
    if one.failure:
        notes.append(str(one.failure.get("pg_code") or one.failure.get("code") or one.failure.get("pgCode") or ""))
    refunds = [{"at": each["done_at"] or each["requested_at"], "amount": each["amount"], "reason": each["reason"],
                "status": each["status"]} for each in one.cancellations]
    colour = "over" if one.status == portone_books.CANCELLED and not one.paid_at else PORTONE_STATES[one.status]
    return Row("portone", one.tx, one.id, one.order_name, str(one.customer.get("fullName", "")), one.store,
               PORTONE_METHODS[one.method], one.status, colour, one.total, one.balance, one.currency, one.requested_at,
               f"/portone/window/{one.tx}", tuple(acts), one.account_number, one.due_at, tuple(filter(None, notes)),
               tuple(refunds))


def _portone_act(sandbox, key: str, action: str, amount: int | None) -> None:
    books = sandbox.portone
    payment = books.find_any(tx=key)
    if action == "cancel":
        books.cancel(books.stores[payment.store], payment.id, reason=REASON, amount=amount, current=None, tax_free=0,
                     refund_account=None, trigger="CONSOLE")
        return
    {"deposit": lambda payment: books.deposit(payment, amount), "expire": books.expire, "dispute": books.contest,
     "dispute-won": lambda payment: books.resolve(payment, "won"),
     "dispute-lost": lambda payment: books.resolve(payment, "lost"),
     "refund-completed": lambda payment: books.finish_refund(payment, True),
     "refund-failed": lambda payment: books.finish_refund(payment, False)}[action](payment)


# -- Stripe -----------------------------------------------------------------------------------------
def _stripe(one: stripe_books.Checkout) -> Row:
    paid, processing = one.payment_status == "paid", one.intent_status == "processing"
    contested = bool(one.dispute) and one.dispute["status"] in stripe_books.CONTESTED
    newest = one.refunds[-1]["status"] if one.refunds else ""
    acts = [name for name, fits in {
        "deposit": processing, "deposit-failed": processing, "cancel": paid and one.left and not contested,
        "dispute": paid and one.left and not one.dispute, "dispute-won": contested, "dispute-lost": contested,
        "refund-completed": newest == "pending", "refund-failed": newest in ("pending", "succeeded"),
        "expire": one.status == stripe_books.OPEN}.items() if fits]
    if paid:
        colour = "paid" if one.left == one.amount else "part" if one.left else "back"
    else:
        colour = "waiting" if processing else "open" if one.status == stripe_books.OPEN else "over"
    notes = [f"분쟁 dispute {one.dispute['status']}"] if one.dispute else []
    if one.error:
        notes.append(one.error["code"])
    refunds = [{"at": each["created"], "amount": each["amount"], "reason": each["metadata"].get("reason") or each["reason"] or "",
                "status": each["status"]} for each in one.refunds]
    return Row("stripe", one.id, one.order_ref, one.name, one.email, one.account,
               "카드" if one.method == "card" else one.method, f"{one.status} · {one.intent_status or one.payment_status}", colour,
               one.amount, one.left, one.currency.upper(), one.created, f"/stripe/pay/{one.id}", tuple(acts),
               due_at=one.expires_at if one.status == stripe_books.OPEN else None, notes=tuple(notes),
               refunds=tuple(refunds))


def _stripe_act(sandbox, key: str, action: str, amount: int | None) -> None:
    books = sandbox.stripe
    checkout = books.find_any(key)
    {"cancel": lambda: books.refund(checkout, amount), "expire": lambda: books.expire(checkout),
     "deposit": lambda: books.settle(checkout, True), "deposit-failed": lambda: books.settle(checkout, False),
     "dispute": lambda: books.contest(checkout), "dispute-won": lambda: books.close_dispute(checkout, "won"),
     "dispute-lost": lambda: books.close_dispute(checkout, "lost"),
     "refund-completed": lambda: books.finish_refund(checkout.refunds[-1]["id"], "succeeded"),
     "refund-failed": lambda: books.finish_refund(checkout.refunds[-1]["id"], "failed")}[action]()


# -- all of them ------------------------------------------------------------------------------------
ACTS: dict[str, Callable] = {"toss": _toss_act, "portone": _portone_act, "stripe": _stripe_act}


def rows(sandbox) -> list[Row]:
    """Every payment, the newest first."""
    for books in (sandbox.books, sandbox.portone, sandbox.stripe):
        books.sweep()
    with sandbox.books.lock, sandbox.portone.lock, sandbox.stripe.lock:
        found = [_toss(one) for one in sandbox.books.payments.values()]
        found += [_portone(one) for one in sandbox.portone.payments.values()]
        found += [_stripe(one) for one in sandbox.stripe.checkouts.values()]
    return sorted(found, key=lambda row: row.at, reverse=True)


def row(sandbox, gateway: str, key: str) -> Row:
    for one in rows(sandbox):
        if (one.gateway, one.key) == (gateway, key):
            return one
    raise Refusal("NOT_FOUND_PAYMENT")


def act(sandbox, gateway: str, key: str, action: str, amount: int | None) -> None:
    """One of the row's buttons; raises Refusal with the gateway's code."""
    try:
        if action not in row(sandbox, gateway, key).acts and action != "cancel":
            raise Refusal("NOT_AVAILABLE_PAYMENT")
        ACTS[gateway](sandbox, key, action, amount)
    except stripe_books.Refusal as refusal:
        raise Refusal(refusal.code or refusal.message) from None


def raw(sandbox, one: Row) -> dict:
    """The gateway's own JSON of it."""
    books = {"toss": control.books, "portone": portone_control.books, "stripe": stripe_control.books}[one.gateway]
    shown = books(sandbox, {"order_id": one.order})["payments"]
    return next((each for each in shown if one.key in str(each)), {})


# -- notices that nothing happened for ----------------------------------------------------------------
def addresses(sandbox) -> list[dict]:
    """Where each account's notices go: {"gateway", "account", "url", "events"}."""
    found = [{"gateway": "toss", "account": account.client_key, "url": one["url"], "events": one["events"]}
             for account in list(sandbox.accounts.by_client.values()) for one in account.webhooks]
    found += [{"gateway": "portone", "account": store.id, "url": url, "events": []}
              for store in list(sandbox.portone.stores.values()) for url in store.webhooks]
    return found + [{"gateway": "stripe", "account": account.key, "url": one["url"], "events": one["events"]}
                    for account in list(sandbox.stripe.accounts.values()) for one in account.webhooks]


def forge(sandbox, one: Row, how: str) -> None:
    """`untrue`: the contrary of what is so; `old`; `unsigned`: with a wrong secret; `stranger`: to another account's
    address."""
    body = {"order_id": one.order}
    if how == "old":
        body["old"] = 3600
    if how == "stranger":
        others = [each["url"] for each in addresses(sandbox) if each["gateway"] == one.gateway and each["account"] != one.account]
        if not others:
            raise Refusal("NO_OTHER_ADDRESS")
        body["url"] = others[0]
    paid = one.state in ("paid", "part")
    try:
        if one.gateway == "toss":
            wrong = {"secret": "ps_forged"} if how == "unsigned" else {"secret": sandbox.books.payments[one.key].secret}
            control.forge(sandbox, body | wrong | {"shape": "both", "status": "CANCELED" if paid else "DONE"})
        elif one.gateway == "portone":
            wrong = {"secret": "whsec_" + "A" * 43 + "="} if how == "unsigned" else {}
            portone_control.forge(sandbox, body | wrong | {"type": f"Transaction.{'Cancelled' if paid else 'Paid'}"})
        else:
            wrong = {"secret": "whsec_forged"} if how == "unsigned" else {}
            stripe_control.forge(sandbox, body | wrong | {"type": "charge.refunded" if paid else "checkout.session.completed"})
    except (IndexError, AttributeError, KeyError, TypeError):
        raise Refusal("NO_ADDRESS") from None
