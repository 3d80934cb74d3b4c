"""What Toss pays out: each transaction less its fee, two working days later. Real test keys have none of it; ours do,
so that the pages about it have something to show."""
from datetime import date, timedelta

from eventapp.sandbox import state
from eventapp.sandbox.accounts import Account
from eventapp.sandbox.shapes import METHODS, moment
from eventapp.sandbox.state import Refusal
from eventapp.sandbox.times import day

RATES = {state.CARD: 0.026, state.TRANSFER: 0.018, state.MOBILE: 0.035}
FOR_EACH_ACCOUNT = 300  # won for each deposit into a virtual account
DAYS = 2


def settlements(sandbox, account: Account, body: dict, request, forced: str) -> list[dict]:
    if forced:
        raise Refusal(forced)
    args = request.args
    by, page, size = args.get("dateType", "soldDate"), args.get("page", "1"), args.get("size", "100")
    try:
        start, end = date.fromisoformat(args.get("startDate", "")), date.fromisoformat(args.get("endDate", ""))
    except ValueError:
        raise Refusal("INVALID_REQUEST") from None
    right = by in ("soldDate", "paidOutDate") and page.isdecimal() and size.isdecimal()
    if not right or not 0 < int(size) <= 5000 or int(page) < 1:
        raise Refusal("INVALID_REQUEST")
    with sandbox.books.lock:
        lines = [_line(sandbox, one, account) for one in sandbox.books.transactions
                 if one["account"] == account.client_key]
    lines = [line for line in lines if start.isoformat() <= line[by] <= end.isoformat()]
    first = (int(page) - 1) * int(size)
    return lines[first:first + int(size)]


def _line(sandbox, one: dict, account: Account) -> dict:
    """A refund gets the fee of its share back, except that of a virtual account."""
    payment, amount = sandbox.books.payments[one["payment"]], one["amount"]
    if one["method"] == state.VIRTUAL_ACCOUNT:
        supply = FOR_EACH_ACCOUNT if amount > 0 else 0
    else:
        supply = round(amount * RATES[one["method"]])
    vat, sold = round(supply / 10), day(one["at"])
    cancel = next((each for each in payment.cancels if each["tx"] == one["key"]), None)
    return {"mId": account.merchant_id, "paymentKey": one["payment"], "transactionKey": one["key"],
            "orderId": one["order_id"], "currency": "KRW", "method": METHODS[one["method"]], "amount": amount,
            "interestFee": 0, "fees": [{"type": "BASE", "fee": supply + vat}], "supplyAmount": supply, "vat": vat,
            "payOutAmount": amount - supply - vat, "approvedAt": moment(payment.approved_at or one["at"]),
            "soldDate": sold, "paidOutDate": _paid_out(sold),
            "cancel": {"transactionKey": one["key"], "cancelAmount": -amount, "cancelReason": cancel["reason"],
                       "canceledAt": moment(cancel["at"])} if cancel else None}


def _paid_out(sold: str) -> str:
    on, left = date.fromisoformat(sold), DAYS
    while left:
        on += timedelta(days=1)
        left -= on.weekday() < 5
    return on.isoformat()
