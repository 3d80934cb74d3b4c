"""현금영수증 as Toss issues them by its API: not tied to a payment, final a day later, taken back in whole or in part."""
import re
import secrets
import threading
from dataclasses import asdict, dataclass

from eventapp.sandbox import magic
from eventapp.sandbox.accounts import Account
from eventapp.sandbox.journal import Journal, made
from eventapp.sandbox.shapes import moment
from eventapp.sandbox.state import DAY, Refusal
from eventapp.sandbox.times import day
from eventapp.sandbox.toss import ORDER_ID, amount_of

CONFIRM, CANCEL = "CONFIRM", "CANCEL"
IDENTITY = {"소득공제": (r"01[016789][0-9]{7,8}|[0-9]{13,19}", "INVALID_CASH_RECEIPT_INFO"),
            "지출증빙": (r"[0-9]{10}", "INVALID_BUSINESS_NUMBER")}


@dataclass
class Receipt:
    key: str
    account: str
    order_id: str
    order_name: str
    type: str
    amount: int
    tax_free: int
    identity: str
    requested_at: float
    final_at: float
    number: str
    transaction: str = CONFIRM
    failed: bool = False
    cancelled: int = 0


class Receipts:
    def __init__(self, journal: Journal):
        self.journal, self.lock = journal, threading.Lock()
        self.receipts: dict[str, Receipt] = {}

    def issue(self, now: float, **values) -> Receipt:
        with self.lock:
            if any(one.account == values["account"] and one.order_id == values["order_id"] and one.transaction == CONFIRM
                   and one.cancelled < one.amount and not (one.failed and now >= one.final_at)
                   for one in self.receipts.values()):
                raise Refusal("DUPLICATED_CASH_RECEIPT")
            return self._put(Receipt(key=f"rcpt_{secrets.token_hex(16)}", number=_number(), requested_at=now,
                                     final_at=now + DAY, failed=magic.receipt_fails(values["identity"]), **values))

    def cancel(self, now: float, account: str, key: str, amount: int | None) -> Receipt:
        with self.lock:
            receipt = self.receipts.get(key)
            if receipt is None or receipt.account != account or receipt.transaction == CANCEL:
                raise Refusal("NOT_FOUND")
            left = receipt.amount - receipt.cancelled
            amount = left if amount is None else amount
            if not 0 < amount <= left:
                raise Refusal("INVALID_REQUEST")
            receipt.cancelled += amount
            self._put(receipt)
            return self._put(Receipt(
                key=f"c_{secrets.token_hex(16)}", account=account, order_id=receipt.order_id,
                order_name=receipt.order_name, type=receipt.type, amount=amount, tax_free=0, identity=receipt.identity,
                requested_at=now, final_at=now + DAY, number=_number(), transaction=CANCEL))

    def of_day(self, account: str, date: str) -> list[Receipt]:
        return [one for one in self.receipts.values() if one.account == account and day(one.requested_at) == date]

    def end(self, now: float, key: str, failed: bool) -> Receipt:
        """The tax office has answered, before its day is over."""
        with self.lock:
            receipt = self.receipts.get(key)
            if receipt is None:
                raise Refusal("NOT_FOUND")
            receipt.failed, receipt.final_at = failed, min(receipt.final_at, now)
            return self._put(receipt)

    def _put(self, receipt: Receipt) -> Receipt:
        self.receipts[receipt.key] = receipt
        self.journal.append(receipt=asdict(receipt))
        return receipt

    def restore(self, line: dict) -> None:
        if "receipt" in line:
            receipt = made(Receipt, line["receipt"])
            self.receipts[receipt.key] = receipt

    def dump(self):
        yield from ({"receipt": asdict(receipt)} for receipt in list(self.receipts.values()))

    def clear(self) -> None:
        self.receipts.clear()


def state_of(one: Receipt, now: float) -> str:
    return "IN_PROGRESS" if now < one.final_at else "FAILED" if one.failed else "COMPLETED"


def shape(one: Receipt, now: float, base: str) -> dict:
    state = state_of(one, now)
    return {"receiptKey": one.key, "issueNumber": one.number, "issueStatus": state, "amount": one.amount,
            "taxFreeAmount": one.tax_free, "orderId": one.order_id, "orderName": one.order_name, "type": one.type,
            "transactionType": one.transaction, "businessNumber": "1234567890",
            "customerIdentityNumber": re.sub(r"(?<=...)[0-9](?=.{4})", "*", one.identity),
            "failure": {"code": "NTS_ERROR", "message": "SANDBOX: NTS_ERROR"} if state == "FAILED" else None,
            "requestedAt": moment(one.requested_at), "receiptUrl": f"{base}/toss/cash-receipt/{one.key}"}


# -- the API ----------------------------------------------------------------------------------------
def issue(sandbox, account: Account, body: dict, request, forced: str) -> dict:
    _forced(forced)
    amount, tax_free = amount_of(body.get("amount")), amount_of(body.get("taxFreeAmount", 0), least=0)
    order_id, order_name, kind = (body.get(name) for name in ("orderId", "orderName", "type"))
    identity = body.get("customerIdentityNumber")
    if amount is None or tax_free is None or tax_free > amount or kind not in IDENTITY \
            or not all(isinstance(text, str) and 0 < len(text) <= 100 for text in (order_id, order_name, identity)):
        raise Refusal("INVALID_REQUEST")
    if not ORDER_ID.match(order_id):
        raise Refusal("INVALID_ORDER_ID")
    pattern, code = IDENTITY[kind]
    if not re.fullmatch(pattern, identity):
        raise Refusal(code)
    _not_from_the_window(sandbox, account, order_id)
    receipt = sandbox.receipts.issue(sandbox.books.now(), account=account.client_key, order_id=order_id, type=kind,
                                     order_name=order_name, amount=amount, tax_free=tax_free, identity=identity)
    return shape(receipt, sandbox.books.now(), sandbox.base)


def _not_from_the_window(sandbox, account: Account, order_id: str) -> None:
    try:
        payment = sandbox.books.find_order(account.client_key, order_id)
    except Refusal:
        return
    if payment.receipts and payment.balance:
        raise Refusal("DUPLICATED_CASH_RECEIPT")


def cancel(sandbox, account: Account, body: dict, request, forced: str, key: str) -> dict:
    _forced(forced)
    amount = amount_of(body.get("amount"))
    if amount is None and "amount" in body:
        raise Refusal("INVALID_REQUEST")
    receipt = sandbox.receipts.cancel(sandbox.books.now(), account.client_key, key, amount)
    return shape(receipt, sandbox.books.now(), sandbox.base)


def listed(sandbox, account: Account, body: dict, request, forced: str) -> dict:
    """`cursor` is the place to go on from."""
    _forced(forced)
    date, cursor, limit = (request.args.get(name, "") for name in ("requestDate", "cursor", "limit"))
    place, most = int(cursor) if cursor.isdecimal() else 0, int(limit) if limit.isdecimal() else 100
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", date) or not 0 < most <= 10000:
        raise Refusal("INVALID_REQUEST")
    ours = sandbox.receipts.of_day(account.client_key, date)
    now = sandbox.books.now()
    return {"hasNext": place + most < len(ours), "lastCursor": place + most,
            "data": [shape(one, now, sandbox.base) for one in ours[place:place + most]]}


def _forced(code: str) -> None:
    if code:
        raise Refusal(code)


def _number() -> str:
    return "".join(secrets.choice("0123456789") for _ in range(9))
