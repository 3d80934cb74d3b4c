"""Malformed notices, a thousand to each gateway's address: how quickly they are answered, and that nothing changes and nothing breaks."""
import time
from collections import Counter

import httpx

from eventapp.supervisor.__main__ import SANDBOX_KEYS
from tests import malformed
from tests.bench.figures import Figure

SECRETS = {"toss": "", "portone": SANDBOX_KEYS["PORTONE_WEBHOOK_SECRET"], "stripe": SANDBOX_KEYS["STRIPE_WEBHOOK_SECRET"]}
STATE = """
    SELECT (SELECT md5(json_agg((org_id, id, status, balance, amount, problem) ORDER BY org_id, id)::text) FROM payments),
           (SELECT md5(json_agg((org_id, id, status, ticket_version, paid_at) ORDER BY org_id, id)::text) FROM registrations),
           (SELECT md5(json_agg((org_id, id, kind, amount) ORDER BY org_id, id)::text) FROM ledger_entries),
           (SELECT count(*) FROM refunds), (SELECT count(*) FROM documents), (SELECT count(*) FROM outbox WHERE kind LIKE 'mail_%%')"""


def run(house, short: bool) -> list[Figure]:
    figures, count = [], 200 if short else 1000
    for provider, secret in SECRETS.items():
        org_id, account_id, token = house.sql("SELECT org_id, id, webhook_token FROM gateway_accounts WHERE provider = %s ORDER BY org_id LIMIT 1", provider)[0]
        order_ref, key = house.sql("SELECT gateway_order_id, coalesce(gateway_key, '') FROM payments WHERE org_id = %s AND account_id = %s "
                                   "AND status = 'paid' LIMIT 1", org_id, account_id)[0]
        before = house.sql(STATE)
        took, statuses = send(f"http://127.0.0.1:{house.port}/api/webhooks/payment/{provider}/{token}",
                              malformed.notices(provider, count, order_ref=order_ref, key=key, secret=secret))
        settle(house)
        broken = sum(number for status, number in statuses.items() if status >= 500)
        figures += [
            Figure(f"{provider}: {count:,} malformed notices, p99", took[int(len(took) * 0.99)] * 1e3, "ms", 200,
                   note=", ".join(f"{number} × {status}" for status, number in sorted(statuses.items()))),
            Figure("  slowest", took[-1] * 1e3, "ms"),
            Figure("  5xx", broken, "", 0, hard=True),
            Figure("  changes of state", sum(one != other for one, other in zip(before[0], house.sql(STATE)[0])), "", 0, hard=True)]
    return figures


def send(url: str, notices) -> tuple[list[float], Counter]:
    """Seconds, sorted; one after another over one connection."""
    took, statuses = [], Counter()
    with httpx.Client(trust_env=False, timeout=30) as client:
        for headers, raw in notices:
            given = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
            began = time.perf_counter()
            statuses[client.post(url, content=raw, headers=given).status_code] += 1
            took.append(time.perf_counter() - began)
    return sorted(took), statuses


def settle(house, seconds: float = 60) -> None:
    """Until what they have set off is done; those that wait for their turn wait."""
    until = time.monotonic() + seconds
    while house.waiting("gateway_webhook") and time.monotonic() < until:
        time.sleep(0.2)
