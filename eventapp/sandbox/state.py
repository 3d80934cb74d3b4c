"""Toss's books and the machine behind them: what a payment may become, when it ends, what the money did.

Times are seconds since the epoch on a clock that can be moved. Every change is one line of the journal,
its transaction and its notices included, so that a kill -9 leaves the books whole.
"""
import math
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime

from eventapp.sandbox.journal import Journal, made
from eventapp.sandbox.times import KST

READY, IN_PROGRESS, WAITING, DONE = "READY", "IN_PROGRESS", "WAITING_FOR_DEPOSIT", "DONE"
CANCELED, PARTIAL, ABORTED, EXPIRED = "CANCELED", "PARTIAL_CANCELED", "ABORTED", "EXPIRED"
CARD, TRANSFER, VIRTUAL_ACCOUNT, MOBILE = "CARD", "TRANSFER", "VIRTUAL_ACCOUNT", "MOBILE_PHONE"
NORMAL, BILLING = "NORMAL", "BILLING"

MINUTE, HOUR, DAY = 60, 3600, 86400
TO_AUTHENTICATE, TO_CONFIRM = 30 * MINUTE, 10 * MINUTE
REFUND_DUE = {TRANSFER: 180 * DAY, VIRTUAL_ACCOUNT: 365 * DAY}
REFUND_TAKES = 2 * DAY  # until the bank has sent a virtual account's money back
LONGEST_VALID_HOURS = 2160
NEVER = math.inf

LEGAL = {  # None: a new payment
    None: {READY, WAITING, DONE}, READY: {IN_PROGRESS, EXPIRED}, IN_PROGRESS: {DONE, WAITING, ABORTED, EXPIRED},
    WAITING: {DONE, CANCELED}, DONE: {CANCELED, PARTIAL, WAITING}, PARTIAL: {PARTIAL},
    CANCELED: set(), ABORTED: set(), EXPIRED: set(),
}


class Refusal(Exception):
    """A code of Toss's; its HTTP status is looked up where the answer is made."""

    def __init__(self, code: str):
        super().__init__(code)
        self.code = code


@dataclass
class Payment:
    key: str
    account: str  # the client key
    order_id: str
    order_name: str
    method: str
    amount: int
    requested_at: float
    secret: str
    status: str = ""
    balance: int = 0
    tax_free: int = 0
    customer_name: str = ""
    customer_key: str | None = None
    success_url: str = ""
    fail_url: str = ""
    authenticated_at: float | None = None
    approved_at: float | None = None
    last_tx: str | None = None
    cancels: list[dict] = field(default_factory=list)
    failure: dict | None = None
    partial_cancelable: bool = True
    bank: str = "20"
    account_number: str = ""
    due_at: float | None = None
    valid_hours: int | None = None
    expired: bool = False
    refund_status: str = "NONE"
    refund_done_at: float | None = None
    deposit_when_issued: bool = False
    reversed: bool = False  # the bank took a deposit notice back
    kind: str = NORMAL
    forced: str = ""  # the code with which card company or bank will refuse
    card_number: str = "12345678****000*"
    receipt_type: str = ""  # the cash receipt chosen in the window: 소득공제 or 지출증빙
    receipts: list[dict] = field(default_factory=list)  # and what came of it


class Books:
    """`tell(payment)` is called for each change that Toss reports, and answers with the notices to journal."""

    def __init__(self, journal: Journal, tell: Callable[[Payment], list[dict]], offset: float = 0.0):
        self.lock = threading.RLock()
        self.journal, self.tell, self.offset = journal, tell, offset
        self.payments: dict[str, Payment] = {}
        self.of_order: dict[tuple[str, str], list[str]] = {}
        self.transactions: list[dict] = []
        self.open: set[str] = set()  # keys of payments that time can still change
        self.earliest = NEVER  # when the first of them does

    def now(self) -> float:
        return time.time() + self.offset

    # -- looking ------------------------------------------------------------------------------------
    def find(self, account: str, key: str) -> Payment:
        payment = self.payments.get(key)
        if payment is None or payment.account != account:
            raise Refusal("NOT_FOUND_PAYMENT")
        return payment

    def find_order(self, account: str, order_id: str) -> Payment:
        """The payment of an order that counts: the approved one, otherwise the newest."""
        keys = self.of_order.get((account, order_id))
        if not keys:
            raise Refusal("NOT_FOUND_PAYMENT")
        return self._approved(account, order_id) or self.payments[keys[-1]]

    def find_any(self, key: str = "", order_id: str = "") -> Payment:
        """Across accounts: for the window and the control calls only."""
        if key in self.payments:
            return self.payments[key]
        for payment in reversed(self.payments.values()):
            if order_id and payment.order_id == order_id:
                return self.find_order(payment.account, order_id)
        raise Refusal("NOT_FOUND_PAYMENT")

    def _approved(self, account: str, order_id: str) -> Payment | None:
        for key in self.of_order.get((account, order_id), ()):
            if self.payments[key].status in (DONE, WAITING, CANCELED, PARTIAL):
                return self.payments[key]
        return None

    # -- the buyer ----------------------------------------------------------------------------------
    def open_window(self, account: str, **values) -> Payment:
        with self.lock:
            if self._approved(account, values["order_id"]):
                raise Refusal("DUPLICATED_ORDER_ID")
            payment = self._new(account, **values)
            self._move(payment, READY)
            self._record(payment, notice=False)
            return payment

    def authenticate(self, key: str, *, deposit_when_issued: bool = False, forced: str = "") -> Payment:
        """`forced`: the code with which the confirm will be refused."""
        with self.lock:
            self.sweep()
            payment = self.payments[key]
            if payment.status != READY:
                raise Refusal("NOT_AVAILABLE_PAYMENT")
            payment.authenticated_at, payment.deposit_when_issued = self.now(), deposit_when_issued
            payment.forced = forced
            self._move(payment, IN_PROGRESS)
            self._record(payment, notice=False)
            return payment

    def decline(self, key: str, code: str, message: str) -> Payment:
        """The card company says no in the window: the attempt shows its failure, the window stays usable."""
        with self.lock:
            payment = self.payments[key]
            payment.failure = {"code": code, "message": message}
            self._record(payment, notice=False)
            return payment

    # -- the shop -----------------------------------------------------------------------------------
    def confirm(self, account: str, key: str, order_id: str, amount: int, reject: str = "") -> Payment:
        """`reject` is the code a card company would refuse with."""
        with self.lock:
            self.sweep()
            payment = self.find(account, key)
            if payment.status in (READY, EXPIRED):
                raise Refusal("NOT_FOUND_PAYMENT_SESSION")
            if payment.status != IN_PROGRESS:
                raise Refusal("ALREADY_PROCESSED_PAYMENT")
            if payment.order_id != order_id or payment.amount != amount:
                raise Refusal("FORBIDDEN_REQUEST")
            if self._approved(account, order_id):
                raise Refusal("DUPLICATED_ORDER_ID")
            reject = reject or payment.forced
            if reject:
                payment.failure = {"code": reject, "message": "결제가 거절되었습니다."}
                self._move(payment, ABORTED)
                self._record(payment)
                raise Refusal(reject)
            if payment.method == VIRTUAL_ACCOUNT:
                self._give_account(payment)
                self._record(payment)
                if payment.deposit_when_issued:
                    self.deposit(payment.key)
            else:
                self._approve(payment)
            return payment

    def issue(self, account: str, **values) -> Payment:
        """A virtual account without a window."""
        with self.lock:
            if self._approved(account, values["order_id"]):
                raise Refusal("DUPLICATED_ORDER_ID")
            payment = self._new(account, method=VIRTUAL_ACCOUNT, **values)
            self._give_account(payment)
            self._record(payment)
            return payment

    def charge(self, account: str, **values) -> Payment:
        """Money by a billing key: done at once, and nobody is told."""
        with self.lock:
            if self._approved(account, values["order_id"]):
                raise Refusal("DUPLICATED_ORDER_ID")
            payment = self._new(account, kind=BILLING, **values)
            self._approve(payment, notice=False)
            return payment

    def cancel(self, account: str, key: str, *, reason: str, amount: int | None, refundable: int | None,
               tax_free: int, has_refund_account: bool) -> Payment:
        with self.lock:
            self.sweep()
            payment = self.find(account, key)
            amount = self._cancelable(payment, amount, refundable)
            paid = payment.status != WAITING
            if paid and payment.method == VIRTUAL_ACCOUNT:
                if not has_refund_account:
                    raise Refusal("INVALID_REFUND_ACCOUNT_INFO")
                payment.refund_status, payment.refund_done_at = "PENDING", self.now() + REFUND_TAKES
            whole = amount == payment.balance and payment.status in (DONE, WAITING)
            payment.balance -= amount
            payment.last_tx = self._transaction_key()
            payment.cancels.append({"amount": amount, "reason": reason, "left": payment.balance, "at": self.now(),
                                    "tx": payment.last_tx, "tax_free": tax_free})
            payment.tax_free = min(max(payment.tax_free - tax_free, 0), payment.balance)
            if payment.receipts and paid:
                payment.receipts.append(self._receipt("CANCEL", amount))
            self._move(payment, CANCELED if whole else PARTIAL)
            self._record(payment, transaction=self._transaction(payment, -amount) if paid else None)
            return payment

    def _cancelable(self, payment: Payment, amount: int | None, refundable: int | None) -> int:
        """The amount that will be cancelled, after all of Toss's rules about it."""
        if payment.status == CANCELED:
            raise Refusal("ALREADY_CANCELED_PAYMENT")
        if payment.status not in (DONE, PARTIAL, WAITING):
            raise Refusal("NOT_CANCELABLE_PAYMENT")
        if payment.balance == 0:
            raise Refusal("NOT_CANCELABLE_AMOUNT")
        if refundable is not None and refundable != payment.balance:
            raise Refusal("NOT_MATCHES_REFUNDABLE_AMOUNT")
        amount = payment.balance if amount is None else amount
        if amount > payment.balance:
            raise Refusal("NOT_CANCELABLE_AMOUNT")
        if payment.status == WAITING and amount != payment.amount:
            raise Refusal("NOT_ALLOWED_PARTIAL_REFUND_WAITING_DEPOSIT")
        if amount != payment.amount and not payment.partial_cancelable:
            raise Refusal("NOT_ALLOWED_PARTIAL_REFUND")
        due = REFUND_DUE.get(payment.method)
        late = due and payment.approved_at and self.now() > payment.approved_at + due
        if late or (payment.method == MOBILE and _month(self.now()) != _month(payment.approved_at)):
            raise Refusal("EXCEED_MAX_REFUND_DUE")
        return amount

    # -- the bank -----------------------------------------------------------------------------------
    def deposit(self, key: str, amount: int | None = None) -> Payment:
        """Somebody pays in; the bank takes the exact amount only, and nothing after the due time."""
        with self.lock:
            self.sweep()
            payment = self.payments[key]
            if payment.status != WAITING or payment.expired or amount not in (None, payment.amount):
                raise Refusal("DEPOSIT_REFUSED_BY_BANK")
            self._approve(payment)
            return payment

    def reverse(self, key: str) -> Payment:
        """The bank takes its deposit notice back."""
        with self.lock:
            payment = self.payments[key]
            if payment.method != VIRTUAL_ACCOUNT or payment.status != DONE:
                raise Refusal("NOT_CANCELABLE_PAYMENT")
            self._move(payment, WAITING)
            payment.approved_at, payment.last_tx, payment.reversed = None, self._transaction_key(), True
            payment.receipts.clear()
            self._record(payment, transaction=self._transaction(payment, -payment.amount))
            return payment

    def finish_refund(self, key: str, status: str) -> Payment:
        """The bank has sent a virtual account's money back (COMPLETED), or could not (FAILED); Toss tells nobody."""
        with self.lock:
            payment = self.payments[key]
            if payment.refund_status == "NONE":
                raise Refusal("NOT_CANCELABLE_PAYMENT")
            payment.refund_status, payment.refund_done_at = status, None
            self._record(payment, notice=False)
            return payment

    # -- time ---------------------------------------------------------------------------------------
    def move_clock(self, offset: float) -> None:
        with self.lock:
            self.offset = offset
            self.journal.append(offset=offset)
            self.sweep()

    def expire(self, key: str) -> Payment:
        """As if its time had passed, without moving the clock for the others."""
        with self.lock:
            payment = self.payments[key]
            if payment.status == WAITING:
                payment.expired, payment.due_at = True, min(payment.due_at, self.now())
                self._record(payment, notice=False)
            elif payment.status in (READY, IN_PROGRESS):
                self._move(payment, EXPIRED)
                self._record(payment)
            else:
                raise Refusal("NOT_AVAILABLE_PAYMENT")
            return payment

    def sweep(self) -> None:
        """Let what is overdue end. A virtual account only gets its mark: no new status, no notice."""
        with self.lock:
            now = self.now()
            if now <= self.earliest:
                return
            for payment in [self.payments[key] for key in self.open]:
                if now <= _ends(payment):
                    continue
                if payment.status in (READY, IN_PROGRESS):
                    self._move(payment, EXPIRED)
                    self._record(payment)
                elif payment.status == WAITING:
                    payment.expired = True
                    self._record(payment, notice=False)
                else:
                    self.finish_refund(payment.key, "COMPLETED")
            self.earliest = min((_ends(self.payments[key]) for key in self.open), default=NEVER)

    # -- inside -------------------------------------------------------------------------------------
    def _new(self, account: str, **values) -> Payment:
        return Payment(key=f"tsandbox{secrets.token_hex(14)}", account=account, requested_at=self.now(),
                       secret=f"ps_{secrets.token_hex(16)}", balance=values["amount"], **values)

    def _give_account(self, payment: Payment) -> None:
        payment.account_number = "X" + "".join(secrets.choice("0123456789") for _ in range(13))
        payment.due_at = payment.due_at or self.now() + (payment.valid_hours or 168) * HOUR
        payment.last_tx = self._transaction_key()
        self._move(payment, WAITING)

    def _approve(self, payment: Payment, *, notice: bool = True) -> None:
        payment.approved_at, payment.last_tx = self.now(), self._transaction_key()
        if payment.receipt_type:
            payment.receipts.append(self._receipt("CONFIRM", payment.amount))
        self._move(payment, DONE)
        self._record(payment, transaction=self._transaction(payment, payment.amount), notice=notice)

    def _receipt(self, transaction: str, amount: int) -> dict:
        """A cash receipt that belongs to the payment."""
        return {"key": f"{'c_' if transaction == 'CANCEL' else ''}rcpt_{secrets.token_hex(12)}", "amount": amount,
                "number": "".join(secrets.choice("0123456789") for _ in range(9)), "transaction": transaction,
                "at": self.now()}

    def _move(self, payment: Payment, status: str) -> None:
        if status not in LEGAL[payment.status or None]:
            raise AssertionError(f"the sandbox would move {payment.status} to {status}")
        payment.status = status

    def _transaction_key(self) -> str:
        return f"txrd_{secrets.token_hex(12)}"

    def _transaction(self, payment: Payment, amount: int) -> dict:
        return {"key": payment.last_tx, "payment": payment.key, "order_id": payment.order_id,
                "account": payment.account, "method": payment.method, "status": payment.status, "amount": amount,
                "at": self.now()}

    def _record(self, payment: Payment, *, transaction: dict | None = None, notice: bool = True) -> None:
        self._take(payment)
        records = {"payment": asdict(payment)}
        if transaction:
            self.transactions.append(transaction)
            records["transaction"] = transaction
        if notice:
            records["deliveries"] = self.tell(payment)
        self.journal.append(**records)

    def _take(self, payment: Payment) -> None:
        self.payments[payment.key] = payment
        keys = self.of_order.setdefault((payment.account, payment.order_id), [])
        if payment.key not in keys:
            keys.append(payment.key)
        ends = _ends(payment)
        self.earliest = min(self.earliest, ends)
        (self.open.discard if ends == NEVER else self.open.add)(payment.key)

    # -- surviving ----------------------------------------------------------------------------------
    def restore(self, line: dict) -> None:
        """One line of the journal, at start."""
        if "payment" in line:
            payment = made(Payment, line["payment"])
            known = self.payments.setdefault(payment.key, payment)
            known.__dict__.update(payment.__dict__)
            self._take(known)
        if "transaction" in line:
            self.transactions.append(line["transaction"])
        self.offset = line.get("offset", self.offset)

    def dump(self):
        """All of it as journal lines."""
        yield {"offset": self.offset}
        yield from ({"payment": asdict(payment)} for payment in self.payments.values())
        yield from ({"transaction": transaction} for transaction in self.transactions)

    def clear(self) -> None:
        with self.lock:
            self.payments.clear()
            self.of_order.clear()
            self.transactions.clear()
            self.open.clear()
            self.earliest, self.offset = NEVER, 0.0


def _month(at: float) -> tuple[int, int]:
    day = datetime.fromtimestamp(at, KST)
    return day.year, day.month


def _ends(payment: Payment) -> float:
    """When time changes this payment by itself."""
    if payment.status == READY:
        return payment.requested_at + TO_AUTHENTICATE
    if payment.status == IN_PROGRESS:
        return payment.authenticated_at + TO_CONFIRM
    if payment.status == WAITING and not payment.expired:
        return payment.due_at
    return payment.refund_done_at or NEVER
