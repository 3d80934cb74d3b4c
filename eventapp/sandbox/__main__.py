"""`python -m eventapp.sandbox --port 5001 [--file var/sandbox.jsonl]`"""
import argparse
import os
import re
import signal
import sys
import threading
from pathlib import Path

from eventapp import config
from eventapp.sandbox.app import Sandbox, Server


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m eventapp.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", type=Path, help="where the books are kept (default: sandbox.jsonl beside the data)")
    arguments = parser.parse_args()
    if os.environ.get("APP_ENV") == "production":
        print("The sandbox takes no real money and does not start in production.", file=sys.stderr)
        return 2
    try:
        settings = config.read()
    except config.WrongConfiguration as wrong:
        print(wrong, file=sys.stderr)
        return 2
    keys = settings.toss_client_key, settings.toss_secret_key
    if any(re.match("live_", key) for key in keys):
        print("The sandbox refuses live keys: TOSS_CLIENT_KEY, TOSS_SECRET_KEY.", file=sys.stderr)
        return 2
    if any(re.match("(sk|rk|pk)_live_", key) for key in (settings.stripe_publishable_key, settings.stripe_secret_key)):
        print("The sandbox refuses live keys: STRIPE_PUBLISHABLE_KEY, STRIPE_SECRET_KEY.", file=sys.stderr)
        return 2
    sandbox = Sandbox(journal=arguments.file or settings.var / "sandbox.jsonl", autopay=settings.sandbox_autopay,
                      retry_scale=settings.backoff_scale / 60, clock_offset=settings.clock_offset,
                      keys=keys if all(keys) else None)
    sandbox.portone.adopt(settings.portone_store_id, settings.portone_channel_key, settings.portone_api_secret,
                          settings.portone_webhook_secret)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with Server(sandbox, arguments.port) as server:
        print(f"Sandbox (no real payments): {server.sandbox.base}", flush=True)
        ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
