"""What the organiser would see at Toss: all payments, search, cancelling and the bank's doings by hand."""
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from eventapp.sandbox.pages import page
from eventapp.sandbox.state import Refusal

SHOWN = 200


def index(sandbox, request: Request, refused: str = "", status: int = 200) -> Response:
    sandbox.books.sweep()
    wanted = request.args.get("q", "").strip().lower()
    with sandbox.books.lock:
        payments = [payment for payment in reversed(sandbox.books.payments.values())
                    if wanted in f"{payment.key} {payment.order_id} {payment.order_name} {payment.customer_name} "
                                 f"{payment.status} {payment.account} {payment.account_number}".lower()]
        return page("dashboard.html", status, payments=payments[:SHOWN], found=len(payments), q=wanted, refused=refused,
                    now=sandbox.books.now(), faults=sandbox.faults.listed(), notices=sandbox.courier.listed())


def act(sandbox, request: Request, key: str, action: str) -> Response:
    """One of the buttons in a row."""
    books = sandbox.books
    try:
        payment = books.find_any(key)
        if action == "cancel":
            amount = request.form.get("amount", "")
            if amount and not (amount.isdecimal() and int(amount) > 0):
                raise Refusal("INVALID_REQUEST")
            books.cancel(payment.account, key, reason="대시보드에서 취소", amount=int(amount) if amount else None,
                         refundable=None, tax_free=0, has_refund_account=True)
        else:
            {"deposit": books.deposit, "reverse": books.reverse, "expire": books.expire,
             "refund-completed": lambda key: books.finish_refund(key, "COMPLETED"),
             "refund-failed": lambda key: books.finish_refund(key, "FAILED")}[action](key)
    except Refusal as refusal:
        return index(sandbox, request, refused=refusal.code, status=409)
    return redirect(f"/?q={payment.order_id}", 303)
