"""Stripe's books: accounts, checkouts with all that becomes of them, the balance, and the events that tell of it.

One `Checkout` holds a session and what hangs on it: the payment intent, its charge, refunds and disputes. Every change
is one line of the journal, its movements and events included.
"""
import hashlib
import re
import secrets
import threading
from dataclasses import asdict, dataclass, field

from eventapp.money import exponent
from eventapp.sandbox import stripe_shapes as shapes
from eventapp.sandbox import stripe_signing
from eventapp.sandbox.courier import Scheme
from eventapp.sandbox.journal import made

DEMO = re.compile(r"(sk|rk|pk)_test_(demo[A-Za-z0-9_]{4,})\Z")
SECRET, PUBLIC = re.compile(r"(sk|rk)_test_[A-Za-z0-9_]{8,}\Z"), re.compile(r"pk_test_[A-Za-z0-9_]{8,}\Z")
WAITS = (5, 30, 120, 300, 600, 720, 720, 720)  # minutes between deliveries, three days in all
MINUTE, HOUR, DAY = 60, 3600, 86400
OPEN, COMPLETE, EXPIRED = "open", "complete", "expired"
DELAYED_TAKES, REFUND_TAKES, LIFETIME = 3 * DAY, 2 * DAY, DAY
CONTESTED = ("needs_response", "under_review")

# Stripe's own test cards, by what they do.
CARDS = {
    "4242424242424242": {}, "4000000000000002": {"decline": "generic_decline"},
    "4000000000009995": {"decline": "insufficient_funds"}, "4000000000009987": {"decline": "lost_card"},
    "4000000000000069": {"code": "expired_card"}, "4000000000000127": {"code": "incorrect_cvc"},
    "4000000000000119": {"code": "processing_error"},
    "4000000000007726": {"refunds": "pending"}, "4000000000005126": {"refunds": "fail later"},
    "4000000000000259": {"dispute": "fraudulent"},
}


class Refusal(Exception):
    """An error of Stripe's: status, type, code, message, the parameter it is about."""

    def __init__(self, code: str = "", message: str = "", *, status: int = 400, kind: str = "invalid_request_error",
                 param: str = "", **more):
        super().__init__(code or message)
        self.code, self.message, self.status, self.kind, self.param, self.more = code, message, status, kind, param, more


@dataclass
class Account:
    key: str  # publishable
    secret_keys: list[str]
    webhooks: list[dict] = field(default_factory=list)  # {"url", "secret", "events"}

    @property
    def id(self) -> str:
        return "acct_1" + hashlib.sha256(self.key.encode()).hexdigest()[:15]


@dataclass
class Checkout:
    id: str
    account: str  # the publishable key
    created: int
    expires_at: int
    amount: int
    currency: str  # lower case, as Stripe writes it
    name: str
    order_ref: str
    success_url: str
    cancel_url: str
    metadata: dict = field(default_factory=dict)
    intent_metadata: dict = field(default_factory=dict)
    description: str = ""
    email: str = ""
    locale: str = "auto"
    status: str = OPEN
    payment_status: str = "unpaid"
    intent: str = ""
    intent_status: str = ""
    intent_created: int = 0
    error: dict | None = None
    charge: str = ""
    charge_status: str = ""
    charged_at: int = 0
    method: str = "card"
    card: str = "4242424242424242"
    settles_at: float | None = None
    refunds: list[dict] = field(default_factory=list)
    disputes: list[dict] = field(default_factory=list)

    @property
    def refunded(self) -> int:
        return sum(one["amount"] for one in self.refunds if one["status"] in ("succeeded", "pending", "requires_action"))

    @property
    def left(self) -> int:
        """What can still be refunded."""
        return self.amount - self.refunded if self.payment_status == "paid" else 0

    @property
    def dispute(self) -> dict | None:
        return self.disputes[-1] if self.disputes else None


def identifier(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


class State:
    """Wired like the other parts: `restore` a line of the journal, `dump` them all, `sweep` with the clock, `clear`."""

    def __init__(self, sandbox):
        self.sandbox, self.lock = sandbox, threading.RLock()
        self.accounts: dict[str, Account] = {}
        self.checkouts: dict[str, Checkout] = {}
        self.named: dict[str, str] = {}  # intents, charges and refunds, each with its session
        self.open: set[str] = set()  # sessions that time can still change
        self.transactions: list[dict] = []
        self.answers: dict[str, dict] = {}
        self.running: set[str] = set()
        sandbox.courier.schemes["stripe"] = Scheme(stripe_signing.headers, WAITS)

    def now(self) -> int:
        return int(self.sandbox.books.now())

    # -- accounts -----------------------------------------------------------------------------------
    def of_client(self, key: str) -> Account | None:
        match = DEMO.match(key)
        if key not in self.accounts and match and match[1] == "pk":
            return self.put(key, [f"sk_test_{match[2]}", f"rk_test_{match[2]}"])
        return self.accounts.get(key)

    def of_secret(self, secret: str) -> Account | None:
        for account in list(self.accounts.values()):
            if secret in account.secret_keys:
                return account
        match = DEMO.match(secret)
        key = f"pk_test_{match[2]}" if match and match[1] != "pk" else ""
        return self.of_client(key) if key not in self.accounts else None

    def put(self, key: str, secret_keys: list[str]) -> Account:
        """Make an account or change its keys; raises ValueError for keys that are not test keys."""
        if not PUBLIC.match(key) or not all(SECRET.match(each) for each in secret_keys):
            raise ValueError("test keys only: pk_test_… and sk_test_…")
        with self.lock:
            account = self.accounts.setdefault(key, Account(key, []))
            account.secret_keys = secret_keys
            self.sandbox.journal.append(stripe_account=asdict(account))
            return account

    def set_webhooks(self, account: Account, webhooks: list[dict]) -> None:
        with self.lock:
            if account.webhooks != webhooks:
                account.webhooks = webhooks
                self.sandbox.journal.append(stripe_account=asdict(account))

    # -- looking ------------------------------------------------------------------------------------
    def find(self, account: str, what: str, id: str) -> Checkout:
        """By the id of its session, payment intent or charge, of this account only."""
        checkout = self.checkouts.get(self.named.get(id, id))
        if checkout is None or checkout.account != account or id not in (checkout.id, checkout.intent, checkout.charge):
            raise Refusal("resource_missing", f"No such {what}: '{id}'", status=404, param=what.split(".")[-1])
        return checkout

    def find_any(self, session: str = "", order_ref: str = "") -> Checkout:
        """Across accounts: for the page and the control calls only."""
        if session in self.checkouts:
            return self.checkouts[session]
        for checkout in reversed(list(self.checkouts.values())):
            if order_ref and checkout.order_ref == order_ref:
                return checkout
        raise Refusal("resource_missing", "No such checkout.session", status=404)

    def find_refund(self, id: str) -> tuple[Checkout, dict]:
        checkout = self.checkouts.get(self.named.get(id, ""))
        for refund in checkout.refunds if checkout else ():
            if refund["id"] == id:
                return checkout, refund
        raise Refusal("resource_missing", f"No such refund: '{id}'", status=404, param="refund")

    def of_account(self, account: str) -> list[Checkout]:
        return [checkout for checkout in list(self.checkouts.values()) if checkout.account == account]

    # -- the shop -----------------------------------------------------------------------------------
    def create(self, account: str, **values) -> Checkout:
        with self.lock:
            checkout = Checkout(id=f"cs_test_{secrets.token_hex(28)}", account=account, created=self.now(), **values)
            self._record(checkout)
            return checkout

    def expire(self, checkout: Checkout) -> Checkout:
        with self.lock:
            if checkout.status != OPEN:
                raise Refusal("", 'Only Checkout Sessions with a status in ["open"] can be expired. '
                                  f"This Checkout Session has a status of `{checkout.status}`.", param="session")
            checkout.status = EXPIRED
            if checkout.intent:
                checkout.intent_status = "canceled"
            self._record(checkout, ["checkout.session.expired"])
            return checkout

    def refund(self, checkout: Checkout, amount: int | None, *, reason: str | None = None, metadata: dict | None = None) -> dict:
        with self.lock:
            if checkout.payment_status != "paid":
                raise Refusal("payment_intent_unexpected_state", "This PaymentIntent does not have a successful charge to refund.")
            if checkout.dispute and checkout.dispute["status"] in (*CONTESTED, "lost"):
                raise Refusal("charge_disputed", f"Charge {checkout.charge} has been charged back; cannot issue a refund.")
            if checkout.left == 0:
                raise Refusal("charge_already_refunded", f"Charge {checkout.charge} has already been refunded.")
            amount = checkout.left if amount is None else amount
            if amount > checkout.left:
                raise Refusal("", f"Refund amount ({amount}) is greater than unrefunded amount on charge ({checkout.left})", param="amount")
            how = CARDS.get(checkout.card, {}).get("refunds", "")
            refund = {"id": identifier("re"), "amount": amount, "status": "pending" if how == "pending" else "succeeded",
                      "reason": reason, "metadata": metadata or {}, "created": self.now(), "failure_reason": None, "ends_at": None,
                      "transaction": None}
            refund["ends_at"] = self.now() + REFUND_TAKES if how else None
            checkout.refunds.append(refund)
            movement = self._movement(checkout, "refund", refund["id"], -amount)
            refund["transaction"] = movement["id"]
            self._record(checkout, ["charge.refunded", ("refund.created", refund)], [movement])
            return refund

    # -- the buyer ----------------------------------------------------------------------------------
    def pay(self, checkout: Checkout, card: str = "4242424242424242") -> Checkout:
        """The buyer confirms with a card; raises Refusal (402) when it is declined, and the page stays open."""
        with self.lock:
            self._usable(checkout)
            behaves = CARDS.get(card)
            if behaves is None:
                raise Refusal("incorrect_number", "Your card number is incorrect.", status=402, kind="card_error")
            self._begin(checkout, card=card)
            if "decline" in behaves or "code" in behaves:
                code = behaves.get("code", "card_declined")
                checkout.error = {"type": "card_error", "code": code, "decline_code": behaves.get("decline"),
                                  "message": "Your card was declined."}
                checkout.intent_status = "requires_payment_method"
                self._record(checkout, ["payment_intent.payment_failed"])
                raise Refusal(code, "Your card was declined.", status=402, kind="card_error", decline_code=behaves.get("decline"))
            checkout.status = COMPLETE
            self._take(checkout, ["payment_intent.succeeded", "charge.succeeded", "checkout.session.completed"])
            if "dispute" in behaves:
                self.contest(checkout, behaves["dispute"])
            return checkout

    def pay_later(self, checkout: Checkout) -> Checkout:
        """A delayed method: the session is complete, the money is not there."""
        with self.lock:
            self._usable(checkout)
            self._begin(checkout, method="us_bank_account")
            checkout.status, checkout.intent_status, checkout.settles_at = COMPLETE, "processing", self.now() + DELAYED_TAKES
            checkout.charge, checkout.charge_status, checkout.charged_at = identifier("py"), "pending", self.now()
            self._record(checkout, ["payment_intent.processing", "charge.pending", "checkout.session.completed"])
            return checkout

    def settle(self, checkout: Checkout, well: bool) -> Checkout:
        """How a delayed method ended."""
        with self.lock:
            if checkout.intent_status != "processing":
                raise Refusal("payment_intent_unexpected_state", "Nothing is being processed.")
            checkout.settles_at = None
            if well:
                self._take(checkout, ["payment_intent.succeeded", "charge.succeeded", "checkout.session.async_payment_succeeded"])
                return checkout
            checkout.intent_status, checkout.charge_status = "requires_payment_method", "failed"
            checkout.error = {"type": "invalid_request_error", "code": "payment_method_provider_decline", "decline_code": None,
                              "message": "The payment failed."}
            self._record(checkout, ["payment_intent.payment_failed", "charge.failed", "checkout.session.async_payment_failed"])
            return checkout

    # -- banks --------------------------------------------------------------------------------------
    def finish_refund(self, id: str, status: str) -> dict:
        """A refund ends: succeeded, failed or canceled; failing may come days after it succeeded."""
        with self.lock:
            checkout, refund = self.find_refund(id)
            if status not in ("succeeded", "failed", "canceled") or refund["status"] not in ("pending", "succeeded") \
                    or refund["status"] == status:
                raise Refusal("", "That refund cannot end so.")
            refund["status"], refund["ends_at"] = status, None
            movements = []
            if status != "succeeded":
                refund["failure_reason"] = "lost_or_stolen_card" if status == "failed" else None
                movements = [self._movement(checkout, "refund_failure", id, refund["amount"])]
            told = [("refund.updated", refund), ("charge.refund.updated", refund)]
            self._record(checkout, told + ([("refund.failed", refund)] if status == "failed" else []), movements)
            return refund

    def contest(self, checkout: Checkout, reason: str = "fraudulent", amount: int | None = None) -> dict:
        """The card holder contests: the money is withdrawn at once, with a fee."""
        with self.lock:
            again = checkout.dispute is None or checkout.dispute["status"] == "won"
            if checkout.payment_status != "paid" or checkout.left == 0 or not again:
                raise Refusal("", "That payment cannot be disputed now.")
            dispute = {"id": identifier("du"), "amount": amount or checkout.left, "reason": reason, "status": "needs_response",
                       "created": self.now()}
            checkout.disputes.append(dispute)
            fee = 20000 if exponent(checkout.currency.upper()) == 0 else 1500
            movement = self._movement(checkout, "adjustment", dispute["id"], -dispute["amount"], fee)
            self._record(checkout, [("charge.dispute.created", dispute), ("charge.dispute.funds_withdrawn", dispute)], [movement])
            return dispute

    def close_dispute(self, checkout: Checkout, status: str) -> dict:
        """`won`: the money comes back, without the fee; `lost`: it stays gone."""
        with self.lock:
            dispute = checkout.dispute
            if status not in ("won", "lost") or not dispute or dispute["status"] not in CONTESTED:
                raise Refusal("", "There is no open dispute.")
            dispute["status"] = status
            told = [("charge.dispute.closed", dispute)]
            movements = []
            if status == "won":
                movements = [self._movement(checkout, "adjustment", dispute["id"], dispute["amount"])]
                told.append(("charge.dispute.funds_reinstated", dispute))
            self._record(checkout, told, movements)
            return dispute

    # -- time ---------------------------------------------------------------------------------------
    def sweep(self) -> None:
        """Let what is overdue end."""
        with self.lock:
            now = self.now()
            for checkout in [self.checkouts[id] for id in self.open]:
                if checkout.status == OPEN and now >= checkout.expires_at:
                    self.expire(checkout)
                if checkout.settles_at and now >= checkout.settles_at:
                    self.settle(checkout, True)
                for refund in checkout.refunds:
                    if refund["ends_at"] and now >= refund["ends_at"]:
                        self.finish_refund(refund["id"], "succeeded" if refund["status"] == "pending" else "failed")

    # -- idempotency --------------------------------------------------------------------------------
    def begin(self, account: str, key: str, digest: str) -> dict | None:
        """The answer given before to the same request; None to go on (and `end` must follow)."""
        with self.lock:
            name = f"{account} {key}"
            if name in self.running:
                raise Refusal("idempotency_key_in_use", "There is currently another in-progress request using this Idempotent Key.",
                              status=409, kind="idempotency_error")
            known = self.answers.get(name)
            if known and self.now() - known["at"] <= LIFETIME:
                if known["digest"] != digest:
                    raise Refusal("", "Keys for idempotent requests can only be used with the same parameters they were first used "
                                      f"with. Try using a key other than '{key}' if you meant to execute a different request.",
                                  kind="idempotency_error")
                return known
            self.running.add(name)
            return None

    def end(self, account: str, key: str, digest: str, status: int, answer: dict | None) -> None:
        with self.lock:
            name = f"{account} {key}"
            self.running.discard(name)
            if answer is not None:
                kept = {"name": name, "digest": digest, "status": status, "body": answer, "at": self.now()}
                self.answers[name] = kept
                self.sandbox.journal.append(stripe_answer=kept)

    # -- inside -------------------------------------------------------------------------------------
    def _usable(self, checkout: Checkout) -> None:
        self.sweep()
        if checkout.status != OPEN:
            raise Refusal("checkout_session_not_open", f"The session is {checkout.status}.")

    def _begin(self, checkout: Checkout, **values) -> None:
        checkout.intent = checkout.intent or identifier("pi")
        checkout.intent_created = checkout.intent_created or self.now()
        for name, value in values.items():
            setattr(checkout, name, value)

    def _take(self, checkout: Checkout, events: list) -> None:
        """The money is there."""
        checkout.payment_status, checkout.intent_status, checkout.charge_status = "paid", "succeeded", "succeeded"
        checkout.error, checkout.charged_at = None, checkout.charged_at or self.now()
        checkout.charge = checkout.charge or identifier("ch")
        fee = (checkout.amount * 34 + 500) // 1000
        kind = "charge" if checkout.method == "card" else "payment"
        self._record(checkout, events, [self._movement(checkout, kind, checkout.charge, checkout.amount, fee)])

    def _movement(self, checkout: Checkout, kind: str, source: str, amount: int, fee: int = 0) -> dict:
        now = self.now()
        return {"id": identifier("txn"), "account": checkout.account, "checkout": checkout.id, "order_ref": checkout.order_ref,
                "type": kind, "source": source, "amount": amount, "fee": fee, "currency": checkout.currency, "created": now,
                "available_on": (now // DAY + 2) * DAY}

    def _record(self, checkout: Checkout, events: list | None = None, movements: list[dict] | None = None) -> None:
        self._keep(checkout)
        self.transactions += movements or []
        self.sandbox.journal.append(stripe_checkout=asdict(checkout), stripe_transactions=movements or [],
                                    deliveries=self._tell(checkout, events or []))

    def _keep(self, checkout: Checkout) -> None:
        self.checkouts[checkout.id] = checkout
        for name in (checkout.intent, checkout.charge, *(refund["id"] for refund in checkout.refunds)):
            self.named[name] = checkout.id
        waits = checkout.status == OPEN or checkout.settles_at or any(refund["ends_at"] for refund in checkout.refunds)
        (self.open.add if waits else self.open.discard)(checkout.id)

    def _tell(self, checkout: Checkout, events: list) -> list[dict]:
        """The notices for events; an event is a name, of the object it speaks of, or a name and the part."""
        account, sent = self.accounts[checkout.account], []
        for each in events:
            kind, part = each if isinstance(each, tuple) else (each, None)
            event = shapes.event(kind, shapes.subject(self, checkout, kind, part), self.now())
            for number, webhook in enumerate(account.webhooks):
                if kind in webhook["events"] or "*" in webhook["events"]:
                    sent.append(self.sandbox.courier.take(webhook["url"], event, self.now(), scheme="stripe",
                                                          secret=webhook["secret"], id=f"{event['id']}.{number}"))
        return [notice for notice in sent if notice]

    # -- surviving ----------------------------------------------------------------------------------
    def restore(self, line: dict) -> None:
        """One line of the journal, at start."""
        if "stripe_account" in line:
            account = made(Account, line["stripe_account"])
            self.accounts[account.key] = account
        if "stripe_checkout" in line:
            self._keep(made(Checkout, line["stripe_checkout"]))
        self.transactions += line.get("stripe_transactions", ())
        if "stripe_answer" in line:
            self.answers[line["stripe_answer"]["name"]] = line["stripe_answer"]

    def dump(self):
        yield from ({"stripe_account": asdict(account)} for account in list(self.accounts.values()))
        yield from ({"stripe_checkout": asdict(checkout)} for checkout in list(self.checkouts.values()))
        if self.transactions:
            yield {"stripe_transactions": list(self.transactions)}
        yield from ({"stripe_answer": answer} for answer in list(self.answers.values()))

    def clear(self) -> None:
        """Forget everything but accounts and addresses."""
        with self.lock:
            for each in (self.checkouts, self.named, self.open, self.transactions, self.answers):
                each.clear()
