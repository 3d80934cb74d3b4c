"""Whose keys are valid. Only test keys: a live one is refused before anything else is looked at.

Valid are the pair of TOSS_CLIENT_KEY and TOSS_SECRET_KEY, pairs registered by `POST /control/accounts`, and
every pair `test_ck_demo…` / `test_sk_demo…` with the same ending, so that a demo's organisations have
accounts of their own without registering.
"""
import hashlib
import re
import threading
from dataclasses import asdict, dataclass, field

from eventapp.sandbox.journal import Journal, made

DEMO = re.compile(r"test_(g?)(ck|sk)_(demo[A-Za-z0-9_]{4,})\Z")
TEST_KEY = re.compile(r"test_g?(ck|sk)_[A-Za-z0-9_]{8,}\Z")


@dataclass
class Account:
    client_key: str
    secret_keys: list[str]
    webhooks: list[dict] = field(default_factory=list)  # {"url", "events"}

    @property
    def merchant_id(self) -> str:
        return "sb" + hashlib.sha256(self.client_key.encode()).hexdigest()[:12]


class Accounts:
    def __init__(self, journal: Journal):
        self.journal, self.lock = journal, threading.Lock()
        self.by_client: dict[str, Account] = {}

    def of_client(self, client_key: str) -> Account | None:
        return self.by_client.get(client_key) or self._demo(client_key)

    def of_secret(self, secret_key: str) -> Account | None:
        for account in list(self.by_client.values()):
            if secret_key in account.secret_keys:
                return account
        match = DEMO.match(secret_key)
        client_key = f"test_{match[1]}ck_{match[3]}" if match and match[2] == "sk" else ""
        return self._demo(client_key) if client_key not in self.by_client else None

    def _demo(self, client_key: str) -> Account | None:
        match = DEMO.match(client_key)
        if not match or match[2] != "ck":
            return None
        return self.put(client_key, [f"test_{match[1]}sk_{match[3]}"])

    def put(self, client_key: str, secret_keys: list[str]) -> Account:
        """Make an account or change its keys; raises ValueError for keys that are not test keys."""
        if not TEST_KEY.match(client_key) or not all(TEST_KEY.match(key) for key in secret_keys):
            raise ValueError("test keys only: test_ck_… and test_sk_…")
        with self.lock:
            account = self.by_client.get(client_key) or Account(client_key, [])
            account.secret_keys = secret_keys
            self.by_client[client_key] = account
            self.journal.append(account=asdict(account))
            return account

    def set_webhooks(self, account: Account, webhooks: list[dict]) -> None:
        with self.lock:
            if account.webhooks != webhooks:  # a shop may say it again every minute
                account.webhooks = webhooks
                self.journal.append(account=asdict(account))

    def restore(self, line: dict) -> None:
        if "account" in line:
            account = made(Account, line["account"])
            self.by_client[account.client_key] = account

    def dump(self):
        yield from ({"account": asdict(account)} for account in list(self.by_client.values()))
