"""PortOne's books and the machine behind them: stores with their channels, payments with their tries, cancellations.

As in `state.py` times are seconds on a clock that can be moved, and every change is one line of the journal with the
notices it makes. One payment id may be tried often and is paid at most once.
"""
import re
import secrets
import threading
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from eventapp.sandbox.courier import Scheme
from eventapp.sandbox.idempotency import Idempotency
from eventapp.sandbox.journal import made
from eventapp.sandbox.portone_signing import headers
from eventapp.sandbox.state import DAY, HOUR, MINUTE, NEVER, Refusal

READY, PAY_PENDING, ISSUED, PAID = "READY", "PAY_PENDING", "VIRTUAL_ACCOUNT_ISSUED", "PAID"
PARTIAL, CANCELLED, FAILED = "PARTIAL_CANCELLED", "CANCELLED", "FAILED"
SUCCEEDED, REQUESTED = "SUCCEEDED", "REQUESTED"
CARD, TRANSFER, VIRTUAL_ACCOUNT, MOBILE = "CARD", "TRANSFER", "VIRTUAL_ACCOUNT", "MOBILE"
AUTOMATIC, MANUAL = "automatic", "manual"

DEMO = re.compile(r"(portone_test_|store-|channel-key-)(demo[A-Za-z0-9_]{4,}?)(-manual)?\Z")
DEMO_SECRET = "whsec_ZGVtby1wb3J0b25lLXdlYmhvb2stc2VjcmV0LTAwMDE="  # noqa: S105 - of the sandbox
TO_APPROVE, TO_CONFIRM = 30 * MINUTE, 10 * MINUTE
REFUND_DUE = {TRANSFER: 180 * DAY, VIRTUAL_ACCOUNT: 365 * DAY}
REFUND_TAKES = 2 * DAY  # until the bank has sent a virtual account's money back
SLOW = 4.0  # seconds that a slow approval takes after the buyer has come back
WAITS = (1, 4, 16, 64, 256)  # minutes between tries

LEGAL = {  # None: a new payment
    None: {READY}, READY: {READY, PAY_PENDING, ISSUED, PAID, FAILED}, PAY_PENDING: {PAID, FAILED}, FAILED: {READY},
    ISSUED: {PAID, CANCELLED, FAILED}, PAID: {PARTIAL, CANCELLED}, PARTIAL: {PARTIAL, CANCELLED}, CANCELLED: set(),
}


class PgRefusal(Refusal):
    """The gateway behind PortOne says no: `code` is its code."""


@dataclass
class Store:
    """`channels`: key → `automatic` or `manual`. All of them are test channels."""

    id: str
    secrets: list[str]
    channels: dict[str, str] = field(default_factory=dict)
    webhook_secrets: list[str] = field(default_factory=list)
    webhooks: list[str] = field(default_factory=list)


@dataclass
class Payment:
    id: str
    store: str
    channel: str
    order_name: str
    method: str
    total: int
    currency: str
    requested_at: float
    status: str = ""
    status_at: float = 0.0
    tax_free: int = 0
    customer: dict = field(default_factory=dict)
    custom_data: str | None = None
    redirect_url: str = ""
    notice_urls: list[str] = field(default_factory=list)
    tx: str = ""
    """The try that counts: the one that was paid, else the newest."""
    tries: list[dict] = field(default_factory=list)  # {"tx", "at", "token", "approved_at", "failure"}
    pg_tx: str = ""
    paid_at: float | None = None
    pays_at: float | None = None  # when an approval that is slow comes through
    failure: dict | None = None
    failed_at: float | None = None
    cancellations: list[dict] = field(default_factory=list)
    disputes: list[dict] = field(default_factory=list)
    receipt: dict | None = None  # the cash receipt that was chosen in the window
    receipt_type: str = ""  # what the window was told to issue
    bank: str = "WOORI"
    account_number: str = ""
    due_at: float | None = None
    issued_at: float | None = None
    refund_status: str | None = None

    @property
    def cancelled(self) -> int:
        return sum(one["amount"] for one in self.cancellations if one["status"] == SUCCEEDED)

    @property
    def cancellable(self) -> int:
        return self.total - sum(one["amount"] for one in self.cancellations if one["status"] != FAILED)

    @property
    def balance(self) -> int:
        return self.total - self.cancelled if self.paid_at else 0


class Answers(Idempotency):
    """Three hours, and lines of their own."""

    lifetime = 3 * HOUR
    line = "portone_answer"


class State:
    """Wired like the other parts: `restore` a line of the journal, `dump` them all, `sweep` with the clock, `clear`."""

    def __init__(self, sandbox):
        self.sandbox, self.journal = sandbox, sandbox.journal
        self.lock = threading.RLock()
        self.answers = Answers(sandbox.journal)
        self.webhook_secret = DEMO_SECRET  # of stores that bring none
        self.stores: dict[str, Store] = {}
        self.payments: dict[tuple[str, str], Payment] = {}
        self.of_tx: dict[str, tuple[str, str]] = {}
        self.registered: dict[tuple[str, str], dict] = {}
        self.receipts: dict[tuple[str, str], dict] = {}  # cash receipts that a shop asked for
        self.open: set[tuple[str, str]] = set()  # payments that time can still change
        self.earliest = NEVER  # when the first of them does
        sandbox.courier.schemes["portone"] = Scheme(headers, WAITS)

    def now(self) -> float:
        return self.sandbox.books.now()

    # -- whose keys ---------------------------------------------------------------------------------
    def store(self, store_id: str) -> Store | None:
        match = DEMO.match(store_id)
        if store_id not in self.stores and match and match[1] == "store-" and not match[3]:
            return self.put(store_id, [f"portone_test_{match[2]}"], {f"channel-key-{match[2]}": AUTOMATIC,
                                                                     f"channel-key-{match[2]}-manual": MANUAL})
        return self.stores.get(store_id)

    def of_secret(self, secret: str) -> Store | None:
        """Demo keys are valid without registering, as long as nobody has registered others for that store."""
        for store in list(self.stores.values()):
            if secret in store.secrets:
                return store
        match = DEMO.match(secret)
        if not match or match[1] != "portone_test_" or f"store-{match[2]}" in self.stores:
            return None
        return self.store(f"store-{match[2]}")

    def put(self, store_id: str, keys: list[str], channels: dict[str, str] | None = None,
            webhook_secrets: list[str] | None = None) -> Store:
        """Make a store, or change its keys; raises ValueError for what is no test channel of ours."""
        if channels and not set(channels.values()) <= {AUTOMATIC, MANUAL}:
            raise ValueError("a channel is automatic or manual, and always a test channel")
        if not store_id.startswith("store-") or not all(keys) or any(key.startswith("live") for key in keys):
            raise ValueError("test stores only: store-… and their API secrets")
        with self.lock:
            store = self.stores.setdefault(store_id, Store(store_id, [], webhook_secrets=[self.webhook_secret]))
            store.secrets = list(keys)
            store.channels |= channels or {}
            store.webhook_secrets = list(webhook_secrets) if webhook_secrets is not None else store.webhook_secrets
            self.journal.append(portone_store=asdict(store))
            return store

    def adopt(self, store_id: str, channel: str, secret: str, webhook_secret: str) -> None:
        """The platform's own, from the environment: valid as they are, with a channel that takes the money by itself."""
        self.webhook_secret = webhook_secret or DEMO_SECRET
        if store_id and secret and not self.store(store_id):
            self.put(store_id, [secret], {channel: AUTOMATIC} if channel else None)

    def set_webhooks(self, store: Store, urls: list[str]) -> None:
        with self.lock:
            if store.webhooks != urls:
                store.webhooks = urls
                self.journal.append(portone_store=asdict(store))

    # -- looking ------------------------------------------------------------------------------------
    def find(self, store: Store, payment_id: str) -> Payment:
        self.sweep()
        payment = self.payments.get((store.id, payment_id))
        if payment is None:
            raise Refusal("PAYMENT_NOT_FOUND")
        return payment

    def find_any(self, payment_id: str = "", tx: str = "") -> Payment:
        """Across stores: for the window and the control calls only."""
        self.sweep()
        if tx in self.of_tx:
            return self.payments[self.of_tx[tx]]
        for payment in reversed(list(self.payments.values())):
            if payment.id == payment_id:
                return payment
        raise Refusal("PAYMENT_NOT_FOUND")

    # -- before and in the window -------------------------------------------------------------------
    def register(self, store: Store, payment_id: str, fixed: dict) -> None:
        """Fix what the window may be opened for."""
        with self.lock:
            payment = self.payments.get((store.id, payment_id))
            if payment and payment.paid_at:
                raise Refusal("ALREADY_PAID")
            self.registered[store.id, payment_id] = fixed
            self.journal.append(portone_registered={"store": store.id, "id": payment_id, "fixed": fixed})

    def open_window(self, store: Store, payment_id: str, **values) -> Payment:
        with self.lock:
            self.sweep()
            fixed = self.registered.get((store.id, payment_id), {})
            if any(values[name] != value for name, value in fixed.items()):
                raise Refusal("PRE_REGISTERED_INFORMATION_MISMATCH")
            payment = self.payments.get((store.id, payment_id))
            if payment and payment.status not in (READY, FAILED):
                raise Refusal("ALREADY_PAID")
            if payment is None:
                payment = Payment(payment_id, store.id, requested_at=self.now(), **values)
            else:
                payment.__dict__.update(values, failure=None, failed_at=None)
            payment.tx = _uuid()
            payment.tries.append({"tx": payment.tx, "at": self.now(), "token": "", "approved_at": None, "failure": None})
            self._move(payment, READY)
            self._record(payment, "Ready")
            return payment

    def approve(self, tx: str, *, deposit: bool = False, slow: bool = False) -> Payment:
        """The buyer approves: automatic channels take the money now, manual ones hand out a token."""
        with self.lock:
            payment = self.find_any(tx=tx)
            attempt = self._try(payment, tx)
            if payment.status not in (READY, FAILED) or attempt["failure"] or attempt["approved_at"]:
                raise Refusal("ALREADY_PAID" if payment.paid_at else "PAYMENT_IS_OVER")
            attempt["approved_at"] = self.now()
            payment.status = READY  # another try of the same id may have failed
            if self.stores[payment.store].channels.get(payment.channel) == MANUAL:
                attempt |= {"token": secrets.token_urlsafe(24), "deposit": deposit}
                self._record(payment)
            elif slow and payment.method != VIRTUAL_ACCOUNT:
                payment.tx, payment.pays_at = tx, self.now() + SLOW
                self._move(payment, PAY_PENDING)
                self._record(payment, "PayPending")
            else:
                self._take_money(payment, tx, deposit)
            return payment

    def decline(self, tx: str, pg_code: str, message: str) -> Payment:
        with self.lock:
            payment = self.find_any(tx=tx)
            self._fail(payment, tx, pg_code, message)
            return payment

    # -- the shop -----------------------------------------------------------------------------------
    def confirm(self, store: Store, payment_id: str, token: str, checked: dict, reject: str = "") -> Payment:
        """`checked` are the values the shop wants compared; `reject` is the code a card company would refuse with."""
        with self.lock:
            payment = self.find(store, payment_id)
            if payment.paid_at or payment.status == ISSUED:
                raise Refusal("ALREADY_PAID")
            attempt = next((one for one in payment.tries if token and one["token"] == token), None)
            if attempt is None or attempt["failure"] or self.now() > attempt["approved_at"] + TO_CONFIRM:
                raise Refusal("INVALID_PAYMENT_TOKEN")
            is_so = {"txId": attempt["tx"], "totalAmount": payment.total, "currency": payment.currency,
                     "taxFreeAmount": payment.tax_free, "isTest": True}
            if any(is_so[name] != value for name, value in checked.items()):
                raise Refusal("INFORMATION_MISMATCH")
            if reject:
                payment.tx, payment.status = attempt["tx"], READY
                self._fail(payment, attempt["tx"], reject, "결제가 거절되었습니다.")
                raise PgRefusal(reject)
            self._take_money(payment, attempt["tx"], attempt.get("deposit", False))
            return payment

    def cancel(self, store: Store, payment_id: str, *, reason: str, amount: int | None, current: int | None,
               tax_free: int, refund_account: dict | None, requester: str = "", trigger: str = "API",
               later: bool = False) -> dict:
        """`later`: a card company that decides afterwards. Answers the cancellation."""
        with self.lock:
            payment = self.find(store, payment_id)
            amount = self._cancellable(payment, amount, current, tax_free)
            if payment.method == VIRTUAL_ACCOUNT and trigger == "API" and not refund_account:
                raise PgRefusal("INVALID_REFUND_ACCOUNT_INFO")
            later = later or payment.method == VIRTUAL_ACCOUNT
            one = {"id": _uuid(), "status": REQUESTED, "amount": amount, "tax_free": tax_free, "reason": reason,
                   "requested_at": self.now(), "done_at": None, "due_at": self.now() + REFUND_TAKES, "trigger": trigger,
                   "requester": requester}
            payment.cancellations.append(one)
            if later:
                payment.refund_status = "PENDING" if payment.method == VIRTUAL_ACCOUNT else None
                self._record(payment, "CancelPending", cancellationId=one["id"])
            else:
                self._cancelled(payment, one)
            return one

    def _cancellable(self, payment: Payment, amount: int | None, current: int | None, tax_free: int) -> int:
        """The amount that will be cancelled, after all the rules about it."""
        if payment.status == CANCELLED:
            raise Refusal("PAYMENT_ALREADY_CANCELLED")
        if payment.status not in (PAID, PARTIAL):
            raise Refusal("PAYMENT_NOT_PAID")
        left = payment.cancellable
        if current is not None and current != left:
            raise Refusal("CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN")
        amount = left if amount is None else amount
        if amount > left or not amount:
            raise Refusal("CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT")
        if tax_free > amount:
            raise Refusal("SUM_OF_PARTS_EXCEEDS_CANCEL_AMOUNT")
        due = REFUND_DUE.get(payment.method)
        if (due and self.now() > payment.paid_at + due) \
                or (payment.method == MOBILE and _month(payment.paid_at) != _month(self.now())):
            raise PgRefusal("EXCEED_MAX_REFUND_DUE")
        return amount

    def finish_refund(self, payment: Payment, succeeded: bool) -> Payment:
        """How the oldest cancellation that is under way ended. Of one that failed PortOne tells nobody."""
        with self.lock:
            one = next((one for one in payment.cancellations if one["status"] == REQUESTED), None)
            if one is None:
                raise Refusal("PAYMENT_NOT_CANCELLING")
            if payment.method == VIRTUAL_ACCOUNT:
                payment.refund_status = "COMPLETED" if succeeded else "FAILED"
            if succeeded:
                self._cancelled(payment, one)
            else:
                one["status"] = FAILED
                self._record(payment)
            return payment

    def close(self, store: Store, payment_id: str) -> Payment:
        """An account nobody has paid into."""
        with self.lock:
            payment = self.find(store, payment_id)
            if payment.paid_at:
                raise Refusal("ALREADY_PAID")
            if payment.status == CANCELLED:
                raise Refusal("PAYMENT_ALREADY_CANCELLED")
            if payment.status != ISSUED:
                raise Refusal("PAYMENT_NOT_WAITING_FOR_DEPOSIT")
            self._move(payment, CANCELLED)
            self._record(payment, "Cancelled")
            return payment

    def receipt_of(self, store: str, payment_id: str) -> dict | None:
        """The newest: one that the shop asked for, else that of the window."""
        payment = self.payments.get((store, payment_id))
        return self.receipts.get((store, payment_id)) or (payment and payment.receipt)

    def give_receipt(self, store: Store, payment_id: str, kind: str, amount: int, tax_free: int, order_name: str) -> dict:
        """Also for what was paid elsewhere: then the id is one that nobody here knows."""
        with self.lock:
            before = self.receipt_of(store.id, payment_id)
            if before and not before["cancelled_at"]:
                raise Refusal("CASH_RECEIPT_ALREADY_ISSUED")
            one = self._receipt(kind, amount, tax_free) | {"order_name": order_name, "manual": True}
            self.receipts[store.id, payment_id] = one
            self._record_receipt(store.id, payment_id)
            return one

    def take_receipt(self, store: Store, payment_id: str) -> dict:
        with self.lock:
            one = self.receipt_of(store.id, payment_id)
            if not one or one["cancelled_at"]:
                raise Refusal("CASH_RECEIPT_NOT_ISSUED")
            one["cancelled_at"] = self.now()
            if one["manual"]:
                self._record_receipt(store.id, payment_id)
            else:
                self._record(self.payments[store.id, payment_id])
            return one

    def _receipt(self, kind: str, amount: int, tax_free: int) -> dict:
        return {"type": kind, "amount": amount, "tax_free": tax_free, "at": self.now(), "pg": secrets.token_hex(10),
                "number": "".join(secrets.choice("0123456789") for _ in range(9)), "cancelled_at": None, "manual": False}

    def _record_receipt(self, store: str, payment_id: str) -> None:
        self.journal.append(portone_receipt={"store": store, "id": payment_id, "receipt": self.receipts[store, payment_id]})

    # -- banks and card companies -------------------------------------------------------------------
    def deposit(self, payment: Payment, amount: int | None = None) -> Payment:
        """Somebody pays in; the bank takes the exact amount only, and nothing after the due time."""
        with self.lock:
            self.sweep()
            if payment.status != ISSUED or amount not in (None, payment.total):
                raise Refusal("DEPOSIT_REFUSED_BY_BANK")
            self._paid(payment)
            return payment

    def expire(self, payment: Payment) -> Payment:
        """As if its time had passed, without moving the clock for the others."""
        with self.lock:
            if payment.status not in (READY, PAY_PENDING, ISSUED):
                raise Refusal("PAYMENT_IS_OVER")
            payment.due_at = min(payment.due_at, self.now()) if payment.due_at else None
            self._fail(payment, payment.tx, "PAYMENT_EXPIRED", "결제 기한이 지났습니다.")
            return payment

    def contest(self, payment: Payment, reason: str = "") -> Payment:
        with self.lock:
            if payment.status not in (PAID, PARTIAL):
                raise Refusal("PAYMENT_NOT_PAID")
            payment.disputes.append({"status": "UNRESOLVED", "id": f"dp_{secrets.token_hex(8)}", "reason": reason,
                                     "at": self.now(), "resolved_at": None})
            self._record(payment, "DisputeCreated")
            return payment

    def resolve(self, payment: Payment, outcome: str) -> Payment:
        """`lost`: the money has gone back as a cancellation that nobody here asked for."""
        with self.lock:
            one = next((one for one in payment.disputes if one["status"] == "UNRESOLVED"), None)
            if one is None:
                raise Refusal("NO_OPEN_DISPUTE")
            one |= {"status": "RESOLVED", "resolved_at": self.now()}
            self._record(payment, "DisputeResolved")
            if outcome == "lost":
                self.cancel(self.stores[payment.store], payment.id, reason=one["reason"] or "chargeback", amount=None,
                            current=None, tax_free=0, refund_account=None, trigger="CHARGEBACK")
            return payment

    # -- time ---------------------------------------------------------------------------------------
    def sweep(self) -> None:
        """Let what is overdue end, and what was slow come through."""
        with self.lock:
            now = self.now()
            if now <= self.earliest:
                return
            for payment in [self.payments[name] for name in self.open]:
                if now <= _ends(payment):
                    continue
                if payment.status == PAY_PENDING:
                    self._paid(payment)
                elif payment.status in (READY, ISSUED):
                    self._fail(payment, payment.tx, "PAYMENT_EXPIRED", "결제 기한이 지났습니다.")
                else:
                    self.finish_refund(payment, succeeded=True)
            self.earliest = min((_ends(self.payments[name]) for name in self.open), default=NEVER)

    # -- inside -------------------------------------------------------------------------------------
    def _try(self, payment: Payment, tx: str) -> dict:
        return next(one for one in payment.tries if one["tx"] == tx)

    def _take_money(self, payment: Payment, tx: str, deposit: bool) -> None:
        payment.tx, payment.failure, payment.failed_at = tx, None, None
        payment.status = READY if payment.status == FAILED else payment.status
        if payment.method != VIRTUAL_ACCOUNT:
            self._paid(payment)
            return
        payment.account_number = "X" + "".join(secrets.choice("0123456789") for _ in range(13))
        payment.issued_at, payment.due_at = self.now(), payment.due_at or self.now() + 7 * DAY
        self._move(payment, ISSUED)
        self._record(payment, "VirtualAccountIssued")
        if deposit:
            self._paid(payment)

    def _paid(self, payment: Payment) -> None:
        payment.paid_at, payment.pays_at, payment.pg_tx = self.now(), None, f"sandboxpg{secrets.token_hex(10)}"
        if payment.receipt_type and payment.method in (TRANSFER, VIRTUAL_ACCOUNT):
            payment.receipt = self._receipt(payment.receipt_type, payment.total, payment.tax_free)
        self._move(payment, PAID)
        self._record(payment, "Paid")

    def _fail(self, payment: Payment, tx: str, pg_code: str, message: str) -> None:
        failure = {"reason": message, "pgCode": pg_code, "pgMessage": message}
        self._try(payment, tx)["failure"] = failure
        if payment.tx != tx:  # there is a newer try, which counts
            self._record(payment)
            return
        payment.failure, payment.failed_at, payment.pays_at = failure, self.now(), None
        self._move(payment, FAILED)
        self._record(payment, "Failed")

    def _cancelled(self, payment: Payment, one: dict) -> None:
        one |= {"status": SUCCEEDED, "done_at": self.now(), "due_at": None}
        whole = payment.cancelled == payment.total
        self._move(payment, CANCELLED if whole else PARTIAL)
        if whole and payment.receipt and not payment.receipt["cancelled_at"]:
            payment.receipt["cancelled_at"] = self.now()
        self._record(payment, "Cancelled" if whole else "PartialCancelled", cancellationId=one["id"])

    def _move(self, payment: Payment, status: str) -> None:
        if status not in LEGAL[payment.status or None]:
            raise AssertionError(f"the sandbox would move {payment.status} to {status}")
        payment.status, payment.status_at = status, self.now()

    def _record(self, payment: Payment, event: str = "", **data) -> None:
        self._take(payment)
        records = {"portone_payment": asdict(payment)}
        if event:
            records["deliveries"] = self._tell(payment, event, data)
        self.journal.append(**records)

    def _tell(self, payment: Payment, event: str, data: dict) -> list[dict]:
        """To the addresses that the payment itself brought, else to the console's."""
        store = self.stores[payment.store]
        body = {"type": f"Transaction.{event}", "timestamp": moment(self.now()),
                "data": {"storeId": store.id, "paymentId": payment.id, "transactionId": payment.tx} | data}
        return [notice for url in payment.notice_urls or store.webhooks
                if (notice := self.send(url, body, " ".join(store.webhook_secrets)))]

    def send(self, url: str, body, secret: str, **more) -> dict | None:
        more = {"id": f"msg_{secrets.token_hex(12)}"} | more
        return self.sandbox.courier.take(url, body, self.now(), scheme="portone", secret=secret, **more)

    def _take(self, payment: Payment) -> None:
        name = payment.store, payment.id
        self.payments[name] = payment
        self.of_tx |= {one["tx"]: name for one in payment.tries}
        ends = _ends(payment)
        self.earliest = min(self.earliest, ends)
        (self.open.discard if ends == NEVER else self.open.add)(name)

    # -- surviving ----------------------------------------------------------------------------------
    def restore(self, line: dict) -> None:
        self.answers.restore(line)
        if "portone_store" in line:
            store = made(Store, line["portone_store"])
            self.stores[store.id] = store
        if "portone_registered" in line:
            one = line["portone_registered"]
            self.registered[one["store"], one["id"]] = one["fixed"]
        if "portone_receipt" in line:
            one = line["portone_receipt"]
            self.receipts[one["store"], one["id"]] = one["receipt"]
        if "portone_payment" in line:
            payment = made(Payment, line["portone_payment"])
            known = self.payments.setdefault((payment.store, payment.id), payment)
            known.__dict__.update(payment.__dict__)
            self._take(known)

    def dump(self):
        yield from ({"portone_store": asdict(store)} for store in list(self.stores.values()))
        yield from ({"portone_registered": {"store": store, "id": payment_id, "fixed": fixed}}
                    for (store, payment_id), fixed in self.registered.items())
        yield from ({"portone_payment": asdict(payment)} for payment in self.payments.values())
        yield from ({"portone_receipt": {"store": store, "id": payment_id, "receipt": one}}
                    for (store, payment_id), one in self.receipts.items())
        yield from self.answers.dump()

    def clear(self) -> None:
        """Forget everything but stores and addresses."""
        with self.lock:
            for part in (self.payments, self.of_tx, self.registered, self.receipts, self.open, self.answers):
                part.clear()
            self.earliest = NEVER


def _ends(payment: Payment) -> float:
    """When time changes this payment by itself."""
    if payment.status == READY:
        attempt = next(one for one in payment.tries if one["tx"] == payment.tx)
        return attempt["approved_at"] + TO_CONFIRM if attempt["approved_at"] else attempt["at"] + TO_APPROVE
    if payment.status == PAY_PENDING:
        return payment.pays_at
    if payment.status == ISSUED:
        return payment.due_at
    return min((one["due_at"] for one in payment.cancellations if one["status"] == REQUESTED), default=NEVER)


def moment(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _month(at: float) -> tuple[int, int]:
    day = datetime.fromtimestamp(at + 9 * HOUR, UTC)
    return day.year, day.month


def _uuid() -> str:
    text = secrets.token_hex(16)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
