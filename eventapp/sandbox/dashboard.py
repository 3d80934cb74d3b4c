"""What the organiser would see at the gateways, on one screen: all payments with what a bank, a card holder or somebody at
the console may do to them; notices; the clock and what goes wrong; billing keys and cash receipts."""
import json
from collections import Counter
from urllib.parse import urlsplit

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from eventapp.sandbox import billing, desks, magic, receipts
from eventapp.sandbox.courier import Switches
from eventapp.sandbox.pages import page
from eventapp.sandbox.state import Refusal

SHOWN = 100
STATES = {"open": ("진행 중", "Open"), "waiting": ("입금 대기", "Awaiting money"), "paid": ("결제됨", "Paid"),
          "part": ("일부 환불", "Partly refunded"), "back": ("환불됨", "Refunded"), "over": ("끝남", "Not paid")}
OPERATIONS = {
    "toss": ["confirm", "fetch", "cancel", "issue", "transactions", "settlements", "receipt", "billing"],
    "portone": ["portone.register", "portone.confirm", "portone.fetch", "portone.cancel", "portone.receipt"],
    "stripe": ["stripe.open", "stripe.fetch", "stripe.cancel", "stripe.list", "stripe.account"]}
FAULTS = {
    "drop_before": ("처리 전에 연결 끊김", "connection lost, nothing done"), "hang:5": ("5초 뒤 연결 끊김", "silence, nothing done"),
    "500": ("서버 오류", "server error"), "429": ("요청이 너무 많음", "too many requests"), "409": ("처리 중", "in progress"),
    "html": ("HTML 오류 페이지", "a proxy's page"), "timeout_after_commit": ("처리 후 응답 없음", "done, no answer"),
    "500_after_commit": ("처리 후 서버 오류", "done, server error"), "html_after_commit": ("처리 후 HTML", "done, a page"),
    "truncated": ("처리 후 잘린 응답", "done, half an answer"), "wrong_amount": ("틀린 금액", "a wrong amount"),
    "delay:3": ("3초 늦은 응답", "three seconds late")}
STEPS = {600: "10분", 3600: "1시간", 86400: "1일", 3 * 86400: "3일", 30 * 86400: "30일"}


def index(sandbox, request: Request, refused: str = "", status: int = 200) -> Response:
    wanted, gateway, state = (request.args.get(name, "").strip() for name in ("q", "gateway", "state"))
    rows = [row for row in desks.rows(sandbox) if wanted.lower() in row.text]
    of_gateway = [row for row in rows if gateway in ("", row.gateway)]
    found = [row for row in of_gateway if state in ("", row.state)]
    return _page(sandbox, "payments", "dashboard.html", status, rows=found[:SHOWN], found=len(found), q=wanted, gateway=gateway,
                 state=state, states=STATES, gateways=desks.GATEWAYS, refused=refused, here=request.full_path.rstrip("?"),
                 in_gateway=Counter(row.gateway for row in rows), in_state=Counter(row.state for row in of_gateway))


def show(sandbox, request: Request, gateway: str, key: str, refused: str = "", status: int = 200) -> Response:
    """One payment with its JSON."""
    try:
        row = desks.row(sandbox, gateway, key)
    except Refusal as refusal:
        return page("refused.html", 404, code=refusal.code)
    text = json.dumps(desks.raw(sandbox, row), ensure_ascii=False, indent=2, default=str)
    return _page(sandbox, "payments", "payment.html", status, row=row, raw=text, states=STATES, gateways=desks.GATEWAYS,
                 refused=refused, here=f"/payments/{gateway}/{key}")


def act(sandbox, request: Request, gateway: str, key: str, action: str) -> Response:
    """One of the buttons of a payment; back to where it was pressed."""
    amount = request.form.get("amount", "").replace(",", "").strip()
    try:
        if action == "forge":
            desks.forge(sandbox, desks.row(sandbox, gateway, key), request.form.get("how", ""))
        elif amount and not (amount.isdecimal() and int(amount) > 0):
            raise Refusal("INVALID_REQUEST")
        else:
            desks.act(sandbox, gateway, key, action, int(amount) if amount else None)
    except Refusal as refusal:
        return show(sandbox, request, gateway, key, refused=refusal.code, status=409)
    return redirect(_back(request, f"/payments/{gateway}/{key}"), 303)


def tools(sandbox, request: Request, refused: str = "", status: int = 200) -> Response:
    return _page(sandbox, "tools", "tools.html", status, operations=OPERATIONS, kinds=FAULTS, steps=STEPS,
                 switches=sandbox.courier.switches, autopay=sandbox.autopay, offset=sandbox.books.offset, magic=magic,
                 gateways=desks.GATEWAYS, refused=refused)


def turn(sandbox, request: Request, what: str) -> Response:
    """One of the tools' forms."""
    form = request.form
    try:
        if what == "clock":
            offset = sandbox.books.offset + float(form["advance"]) if "advance" in form else 0.0
            sandbox.books.move_clock(offset)
        elif what == "faults":
            sandbox.faults.add(form["op"], form.get("other", "").strip() or form["fault"], int(form.get("times") or 1),
                               form.get("order_id", "").strip())
        elif what == "no-faults":
            sandbox.faults.clear()
        elif what == "switches":
            sandbox.courier.switches = Switches(
                duplicate=int(form.get("duplicate") or 0), reorder="reorder" in form, delay=float(form.get("delay") or 0),
                drop=int(form.get("drop") or 0), old=float(form.get("old") or 0))
        elif what == "autopay":
            sandbox.autopay = form.get("on") == "1"
        else:
            sandbox.reset()
    except (ValueError, KeyError) as error:
        return tools(sandbox, request, refused=str(error), status=400)
    return redirect("/tools", 303)


def notices(sandbox, request: Request) -> Response:
    listed = sandbox.courier.listed()
    return _page(sandbox, "notices", "notices.html", waiting=listed["waiting"][::-1], done=listed["done"][::-1][:SHOWN],
                 addresses=desks.addresses(sandbox), gateways=desks.GATEWAYS)


def again(sandbox, request: Request, id: str) -> Response:
    if not sandbox.courier.again(id):
        return page("refused.html", 404, code="NOT_FOUND")
    return redirect("/notices", 303)


def stored(sandbox, request: Request) -> Response:
    """Billing keys and cash receipts."""
    now = sandbox.books.now()
    return _page(sandbox, "stored", "stored.html", keys=list(sandbox.billing.keys.values())[::-1][:SHOWN],
                 receipts=[(one, receipts.state_of(one, now)) for one in
                           list(sandbox.receipts.receipts.values())[::-1][:SHOWN]])


def unregister(sandbox, request: Request, key: str) -> Response:
    stored_key = sandbox.billing.keys.get(key)
    if stored_key is None or stored_key.removed_at is not None:
        return page("refused.html", 409, code="ALREADY_REMOVED_BILLING_KEY")
    billing.delete(sandbox, stored_key)
    return redirect("/stored", 303)


def end_receipt(sandbox, request: Request, key: str, result: str) -> Response:
    try:
        sandbox.receipts.end(sandbox.books.now(), key, result == "failed")
    except Refusal as refusal:
        return page("refused.html", 404, code=refusal.code)
    return redirect("/stored", 303)


def _page(sandbox, tab: str, template: str, status: int = 200, **values) -> Response:
    return page(template, status, tab=tab, now=sandbox.books.now(), moved=bool(sandbox.books.offset), faults=sandbox.faults.listed(),
                under_way=len(sandbox.courier.open), **values)


def _back(request: Request, otherwise: str) -> str:
    """An address of ours that the form came from."""
    back = request.form.get("back", "")
    parts = urlsplit(back)
    return back if back.startswith("/") and not back.startswith(("//", "/\\")) and not parts.netloc else otherwise
