"""HTTP to a gateway: pooled connections, every wait and every body bounded, and a broken answer is an unknown one.

The addresses come from the deployment's configuration, never from a tenant.
"""
import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import httpx

from eventapp.payments.provider import GatewayAccount, GatewayError, GatewayMisconfigured, GatewayUnknown

CONNECT, READ, POOL = 5.0, 60.0, 5.0  # seconds
IN_ALL = 75.0  # a server that drips a byte a minute would never run into READ
LARGEST = 10 * 1024 * 1024  # bytes

_clients: dict[tuple[int, str], httpx.Client] = {}
_lock = threading.Lock()
logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log whole addresses, payment keys among them


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is the parsed JSON; None stands for one that could not be read."""

    status: int
    headers: Mapping[str, str]
    body: Any


def client_for(api_url: str) -> httpx.Client:
    """The pool of this process for one gateway; the process is part of the key because a fork must not share it."""
    name = (os.getpid(), api_url)
    with _lock:
        if name not in _clients:
            local = urlsplit(api_url).hostname in ("localhost", "127.0.0.1", "::1")
            _clients[name] = httpx.Client(
                timeout=httpx.Timeout(READ, connect=CONNECT, pool=POOL), follow_redirects=False, trust_env=not local,
                limits=httpx.Limits(max_connections=100, max_keepalive_connections=20))
        return _clients[name]


def call(api_url: str, method: str, path: str, *, headers: Mapping[str, str], content: bytes | None = None,
         params: Mapping[str, str] | None = None) -> Answer:
    """One request; raises GatewayUnknown when no whole answer came back."""
    status, answered, raw = exchange(api_url, method, path, headers=headers, content=content, params=params)
    return Answer(status, answered, parse_json(raw))


def exchange(api_url: str, method: str, path: str, *, headers: Mapping[str, str], content: bytes | None = None,
             params: Mapping[str, str] | None = None) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and the whole body of one request, or GatewayUnknown. Only connecting is tried twice."""
    client = client_for(api_url)
    request = client.build_request(method, api_url + path, headers=headers, content=content, params=params)
    try:
        try:
            return _exchange(client, request)
        except httpx.ConnectError:
            return _exchange(client, request)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise GatewayUnknown("unreachable", type(error).__name__, sent=False) from error
    except httpx.TimeoutException as error:
        raise GatewayUnknown("timeout", type(error).__name__) from error
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise GatewayUnknown("connection_lost", type(error).__name__) from error


def _exchange(client: httpx.Client, request: httpx.Request) -> tuple[int, Mapping[str, str], bytes]:
    until = time.monotonic() + IN_ALL
    response = client.send(request, stream=True)
    try:
        chunks, size = [], 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > LARGEST:
                raise GatewayUnknown("too_large", http_status=response.status_code)
            if time.monotonic() > until:
                raise GatewayUnknown("timeout", http_status=response.status_code)
            chunks.append(chunk)
    finally:
        response.close()
    return response.status_code, response.headers, b"".join(chunks)


def parse_json(raw: bytes) -> Any:
    """JSON with exact numbers, or None: nested too deep, NaN, too many digits and broken text included."""
    def refuse(constant):
        raise ValueError(constant)
    try:
        return json.loads(raw, parse_float=Decimal, parse_constant=refuse)
    except (ValueError, ArithmeticError, RecursionError):
        return None


@contextmanager
def told(log: logging.Logger, gateway: str, operation: str, key: str = "") -> Iterator[dict]:
    """One line in the log for what is asked inside, which may add `http_status` and `trace_id`: never keys, bodies or the path,
    which names the payment."""
    said, began, outcome = {"http_status": None, "trace_id": ""}, time.monotonic(), "ok"
    try:
        yield said
    except GatewayError as error:
        outcome = f"{type(error).__name__} {error.code}"
        raise
    finally:
        log.info("%s %s: %s", gateway, operation, outcome, extra={
            "gateway": gateway, "operation": operation, "outcome": outcome, "attempt_key": key, **said,
            "milliseconds": round(1000 * (time.monotonic() - began))})


def with_each_key(account: GatewayAccount, ask):
    """What `ask(secret key)` answers: with the current one and, when that one is not valid (any more), once with the previous."""
    refused = None
    for secret in account.secret_keys:
        try:
            return ask(secret)
        except GatewayMisconfigured as error:
            refused = refused or error
    raise refused
