"""The sandbox as one WSGI application and as a server on loopback."""
import logging
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from eventapp.sandbox import (
    billing,
    control,
    dashboard,
    pages,
    payouts,
    portone,
    receipts,
    shapes,
    stripe,
    toss,
    window,
)
from eventapp.sandbox.accounts import Accounts
from eventapp.sandbox.courier import Courier
from eventapp.sandbox.faults import Faults
from eventapp.sandbox.idempotency import Idempotency
from eventapp.sandbox.journal import Journal
from eventapp.sandbox.routes import route
from eventapp.sandbox.state import Books, Payment

log = logging.getLogger(__name__)
TICK = 0.5  # seconds between looks at what is overdue
LARGEST = 1024 * 1024  # bytes of a request


def api(operation, call):
    return lambda sandbox, request, **ids: toss.endpoint(sandbox, operation, call, request, **ids)


ROUTES = Map([
    route("POST", "/toss/v1/payments/confirm", api("confirm", toss.confirm)),
    route("GET", "/toss/v1/payments/<key>", api("fetch", toss.fetch)),
    route("GET", "/toss/v1/payments/orders/<order_id>", api("fetch", toss.fetch_order)),
    route("POST", "/toss/v1/payments/<key>/cancel", api("cancel", toss.cancel)),
    route("POST", "/toss/v1/virtual-accounts", api("issue", toss.issue)),
    route("GET", "/toss/v1/transactions", api("transactions", toss.transactions)),
    route("GET", "/toss/v1/settlements", api("settlements", payouts.settlements)),
    route("POST", "/toss/v1/cash-receipts", api("receipt", receipts.issue)),
    route("GET", "/toss/v1/cash-receipts", api("receipt", receipts.listed)),
    route("POST", "/toss/v1/cash-receipts/<key>/cancel", api("receipt", receipts.cancel)),
    route("POST", "/toss/v1/billing/authorizations/issue", api("billing", billing.issue)),
    route("POST", "/toss/v1/billing/authorizations/card", api("billing", billing.issue_card)),
    route("POST", "/toss/v1/billing/<key>", api("billing", billing.charge)),
    route("DELETE", "/toss/v1/billing/<key>", api("billing", billing.remove)),
    route("GET", "/toss/v2/standard", window.sdk),
    route("GET", "/toss/billing-auth", billing.show),
    route("GET", "/toss/billing-auth/<id>", billing.look),
    route("POST", "/toss/billing-auth/<id>/<any(approve,decline,close):action>", billing.press),
    route("GET", "/toss/window", window.show),
    route("GET", "/toss/window/<key>", window.window),
    route("GET", "/toss/receipt/<key>", window.window),
    route("GET", "/toss/window/order/<order_id>", window.of_order),
    route("POST", "/toss/window/<key>/<any(approve,decline,close,timeout,deposit):action>", window.press),
    route("GET", "/", dashboard.index),
    route("GET", "/payments/<any(toss,portone,stripe):gateway>/<key>", dashboard.show),
    route("POST", "/payments/<any(toss,portone,stripe):gateway>/<key>/<action>", dashboard.act),
    route("GET", "/notices", dashboard.notices),
    route("POST", "/notices/<id>/again", dashboard.again),
    route("GET", "/tools", dashboard.tools),
    route("POST", "/tools/<any(clock,faults,'no-faults',switches,autopay,reset):what>", dashboard.turn),
    route("GET", "/stored", dashboard.stored),
    route("POST", "/stored/keys/<key>/delete", dashboard.unregister),
    route("POST", "/stored/receipts/<key>/<any(completed,failed):result>", dashboard.end_receipt),
    route("GET", "/sandbox.css", pages.style),
    route("GET", "/font/<path:name>", pages.font),
    route("GET", "/control/<what>", control.call),
    route("POST", "/control/<what>", control.call),
    *portone.ROUTES,
    *stripe.ROUTES,
])


class Sandbox:
    """`journal` keeps the books over a kill; `retry_scale` 1 would be Toss's own minutes between notices."""

    def __init__(self, *, journal: Path | None = None, autopay: bool = False, retry_scale: float = 1 / 60,
                 clock_offset: float = 0.0, keys: tuple[str, str] | None = None):
        self.base, self.autopay = "", autopay
        self.journal = Journal(journal)
        self.accounts, self.idempotency, self.faults = Accounts(self.journal), Idempotency(self.journal), Faults()
        self.courier = Courier(self.journal, retry_scale, clock_offset)
        self.books = Books(self.journal, self._tell, clock_offset)
        self.receipts, self.billing = receipts.Receipts(self.journal), billing.Billing(self.journal)
        self.portone, self.stripe = portone.State(self), stripe.State(self)
        self.stopped = threading.Event()
        kept = (self.books, self.accounts, self.idempotency, self.receipts, self.billing, self.portone, self.stripe,
                self.courier)
        for line in self.journal.read():
            for part in kept:
                part.restore(line)
        self.journal.rewrite(line for part in kept for line in part.dump())
        if keys and keys[0] not in self.accounts.by_client:
            self.accounts.put(keys[0], [keys[1]])

    def start(self) -> None:
        self.courier.start()
        threading.Thread(target=self._tick, name="sandbox clock", daemon=True).start()

    def stop(self) -> None:
        self.stopped.set()
        self.courier.stop()
        self.journal.close()

    def reset(self) -> None:
        with self.books.lock:
            for part in (self.books, self.receipts, self.billing, self.portone, self.stripe, self.idempotency, self.faults,
                         self.courier):
                part.clear()
            self.journal.rewrite(line for part in (self.accounts, self.portone, self.stripe) for line in part.dump())

    def _tick(self) -> None:
        while not self.stopped.wait(TICK):
            for part in (self.books, self.portone, self.stripe):
                part.sweep()

    def _tell(self, payment: Payment) -> list[dict]:
        account, now = self.accounts.of_client(payment.account), self.books.now()
        body = shapes.payment(payment, account, self.base)
        made = [self.courier.take(webhook["url"], notice, now) for webhook in account.webhooks
                for notice in shapes.notices(payment, body, now, webhook["events"])]
        return [notice for notice in made if notice]

    def __call__(self, environ, start_response):
        request = Request(environ)
        request.max_content_length = LARGEST
        try:
            response = self._answer(request)
        except toss.Drop:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            response = Response()
        except HTTPException as error:
            response = error.get_response(environ)
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        """Loopback names only, and no form of a foreign page: a browser on this machine visits other sites too."""
        host = urlsplit(f"//{request.host}").hostname or ""
        if host not in control.LOOPBACK and not host.endswith(".localhost"):
            return Response("the sandbox is on localhost", 421)
        view, ids = ROUTES.bind_to_environ(request.environ).match()
        if request.method == "POST" and request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            return Response("not from another site", 403)
        return view(self, request, **ids)


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30  # seconds for a client to say something

    def log_request(self, *_):
        """Not one line for each request."""


class Server:
    """A thread for each connection; `port` 0 takes a free one."""

    def __init__(self, sandbox: Sandbox, port: int = 0):
        self.sandbox = sandbox
        self.server: BaseWSGIServer = make_server("127.0.0.1", port, sandbox, threaded=True, request_handler=_Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        sandbox.base = f"http://localhost:{self.server.server_port}"

    def __enter__(self) -> "Server":
        self.sandbox.start()
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.sandbox.stop()
