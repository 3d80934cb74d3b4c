"""The application as people meet it: served, with workers, and the gateway's stand-in beside it."""
import threading
from contextlib import contextmanager
from dataclasses import replace

from werkzeug.serving import WSGIRequestHandler, make_server

from eventapp import config, outbox
from eventapp.domain import connecting_gateways
from eventapp.extensions import db
from eventapp.models.outbox import QUEUES
from tests.gateway import running
from tests.world import World


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


class Live:
    """`url` of the platform's host; `gateway` is the sandbox (`tests/gateway.py`)."""

    def __init__(self, app, url: str, gateway):
        self.app, self.url, self.gateway = app, url, gateway


@contextmanager
def serving(app, **options):
    """Serve `app` on loopback with a worker for each queue; both organisations have accounts at the sandbox."""
    original = app.config["SETTINGS"]
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    with running(retry_scale=0.001, **options) as gateway:
        changed = replace(original, port=server.server_port, toss_api_url=f"{gateway.address}/toss",
                          toss_sdk_url=f"{gateway.address}/toss/v2/standard", portone_api_url=f"{gateway.address}/portone",
                          portone_sdk_url=f"{gateway.address}/portone/v2/browser-sdk.js")
        app.config["SETTINGS"] = changed
        config.activate(changed)
        app.testing = False
        stopping = threading.Event()
        connect(app, gateway, server.server_port)
        threads = [threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)]
        threads += [threading.Thread(target=work, args=(app, queue, stopping), daemon=True) for queue in QUEUES]
        [thread.start() for thread in threads]
        try:
            yield Live(app, f"http://localhost:{server.server_port}", gateway)
        finally:
            stopping.set()
            server.shutdown()
            server.server_close()
            [thread.join(10) for thread in threads]
            app.testing = True
            app.config["SETTINGS"] = original
            config.activate(original)


def connect(app, gateway, port: int) -> None:
    with app.app_context():
        world = World()
        for number, tenant in enumerate((world.seoul, world.busan), start=1):
            tenant.enter()
            keys = {"client_key": f"test_ck_demo000000000{number}", "secret_key": f"test_sk_demo000000000{number}"}
            account = connecting_gateways.connect_account("toss", mode="test", **keys)
            token = account.webhook_token
            db.session.commit()
            gateway.control("accounts", client_key=keys["client_key"], secret_keys=[keys["secret_key"]])
            gateway.control("webhooks", client_key=keys["client_key"],
                            url=f"http://127.0.0.1:{port}/api/webhooks/payment/toss/{token}")


def work(app, queue: str, stopping: threading.Event) -> None:
    with app.app_context():
        while not stopping.is_set():
            if not outbox.drain(queue):
                stopping.wait(0.03)
