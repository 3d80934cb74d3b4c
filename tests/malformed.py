"""Notices that nobody should send: bodies and headers bent in every way, from a seed, for each gateway."""
import gzip
import json
import time
from collections.abc import Iterator
from copy import deepcopy
from random import Random

from eventapp.sandbox import portone_signing, stripe_signing

NASTY = (None, True, -1, 0, 10**30, 1.5, "", "x", "x" * 5000, "\x00", "\u202e", "\ud83d", "' OR 1=1 --", "../../../etc/passwd", "${jndi:ldap://x}",
         "ev_" + "0" * 28, [], {}, [[]], {"$ne": 1}, "2026-13-45T99:99:99Z", "NaN", "１２３", "<script>alert(1)</script>", "\r\nSet-Cookie: a=b")


def bodies(provider: str, order_ref: str, key: str) -> list[dict]:
    """What the gateway would write of this payment, and what it did not."""
    if provider == "toss":
        payment = {"paymentKey": key, "orderId": order_ref, "status": "DONE", "totalAmount": 1, "balanceAmount": 1, "secret": "ps_forged"}
        return [{"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": "2026-11-22T12:01:11.123456", "data": payment},
                {"createdAt": "2026-11-22T12:30:00.000000", "secret": "ps_forged", "status": "DONE", "transactionKey": "t", "orderId": order_ref},
                {"eventType": "payout.changed", "createdAt": "2026-11-22T12:00:00+09:00", "version": "2022-11-16", "eventId": "e", "entityBody": {}},
                {"eventType": "CANCEL_STATUS_CHANGED", "createdAt": "2026-11-22T12:01:11.123456", "data": {"paymentKey": key, "cancelStatus": "DONE"}}]
    if provider == "portone":
        return [{"type": f"Transaction.{word}", "timestamp": "2026-11-22T03:00:00.000Z",
                 "data": {"storeId": "store-demo0000000001", "paymentId": order_ref, "transactionId": key, "cancellationId": "c"}}
                for word in ("Paid", "Cancelled", "DisputeCreated", "VirtualAccountIssued", "Nonsense")]
    things = {"checkout.session.completed": {"id": key, "object": "checkout.session", "client_reference_id": order_ref, "payment_status": "paid",
                                             "metadata": {"order_ref": order_ref}, "amount_total": 1, "currency": "krw"},
              "charge.refunded": {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount_refunded": 1, "metadata": {"order_ref": order_ref}},
              "charge.dispute.created": {"id": "dp_1", "object": "dispute", "payment_intent": "pi_1", "status": "lost", "amount": 1}}
    return [{"id": "evt_1", "object": "event", "type": kind, "created": 1795316400, "livemode": False, "data": {"object": thing}}
            for kind, thing in things.items()]


def bend(value, random: Random):
    """One thing in it made wrong, somewhere."""
    value = deepcopy(value)
    at, name = value, None
    while isinstance(at, dict) and at:
        name = random.choice(list(at))
        if not isinstance(at[name], dict) or random.random() < 0.3:
            break
        at = at[name]
    if name is not None:
        if random.random() < 0.25:
            at.pop(name, None)
        else:
            at[name] = random.choice(NASTY)
    return value


def raw_of(value, random: Random) -> bytes:
    text = json.dumps(value, ensure_ascii=random.random() < 0.7)
    raw = text.encode("utf-8", "surrogatepass")
    ways = (
        lambda: raw, lambda: raw, lambda: raw, lambda: raw,
        lambda: raw[:random.randrange(len(raw))],
        lambda: raw + raw,
        lambda: text.encode("utf-16", "surrogatepass"),
        lambda: b"\xef\xbb\xbf" + raw,
        lambda: gzip.compress(raw),
        lambda: random.randbytes(random.randrange(1, 3000)),
        lambda: b"[" * random.choice((10, 100_000)),
        lambda: b'{"a":' * 5000 + b"1" + b"}" * 5000,
        lambda: random.choice((b"", b"null", b"[]", b'""', b"0", b"true", b"NaN", b"<html></html>", b"a=b&c=d", b"\x00" * 50)),
        lambda: raw.replace(b"1", b"9" * 5000, 1),
        lambda: raw.replace(b'":', b'": 1e999999, "x":', 1),
        lambda: raw.replace(b"{", b'{"orderId":"twice","type":"twice",', 1),
        lambda: b" " * random.choice((1, 300_000)) + raw)
    return random.choice(ways)()


def headers_of(provider: str, raw: bytes, secret: str, random: Random) -> dict[str, str]:
    """Signed rightly, wrongly, or not at all."""
    given, at = {"Content-Type": random.choice(("application/json", "application/json", "text/plain", "application/x-www-form-urlencoded", "x"))}, time.time()
    if provider == "toss":
        given |= random.choice(({}, {"tosspayments-webhook-transmission-id": f"whtrans_{random.random()}"}, {"tosspayments-webhook-transmission-id": "x" * 4000},
                                {"tosspayments-webhook-signature": "v1:AAAA", "tosspayments-webhook-transmission-time": "never"},
                                {"tosspayments-webhook-signature": random.choice(("", "v1:", "v2:x", "v1:" + "A" * 3000, "é"))}))
        return given
    signing = {"portone": portone_signing, "stripe": stripe_signing}[provider]
    if random.random() < 0.5:  # as the gateway would sign it, so that the body itself is what is wrong
        notice = {"id": f"msg_{random.random()}", "body": raw.decode("utf-8", "replace"), "secret": secret}
        return given | signing.headers(notice, at + random.choice((0, 0, 0, -900, 900)))
    proper = signing.headers({"id": "msg_1", "body": "{}", "secret": secret}, at)
    for name in list(proper):
        way = random.random()
        if way < 0.3:
            proper.pop(name)
        elif way < 0.7:
            proper[name] = random.choice(("", "v1,", "t=", "t=1,v1=", "t=99999999999999999999,v1=00", "-1", "１２３", "NaN", "x" * 4000, "v1,AAAA v1,é",
                                          "t=é,v1=é", ",,,,", "v1," * 500))
    return given | {name: value.encode("utf-8").decode("latin-1") for name, value in proper.items()}


def notices(provider: str, count: int, *, order_ref: str, key: str, secret: str, seed: int = 7) -> Iterator[tuple[dict, bytes]]:
    random = Random(f"{provider} {seed}")
    for _ in range(count):
        value = random.choice(bodies(provider, order_ref, key))
        for _ in range(random.choice((1, 1, 2, 5))):
            value = bend(value, random)
        raw = raw_of(value, random)
        yield headers_of(provider, raw, secret, random), raw
