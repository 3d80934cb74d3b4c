"""Chromium in front of the live application."""
import os
from dataclasses import replace

import pytest
from playwright.sync_api import sync_playwright

from eventapp import config
from tests.browser.doors import Doors, Gate, Server
from tests.live import serving

FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def system_chromium():
    return next((path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if os.path.exists(path)), None)


@pytest.fixture(scope="module")
def player():
    """One at a time can be had, so it ends with its module."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def chromium(player):
    browser = player.chromium.launch(executable_path=system_chromium(), args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture
def live(app):
    with serving(app) as live:
        yield live


@pytest.fixture
def autopay(app):
    """Like `live`, with a gateway whose window approves by itself."""
    with serving(app, autopay=True) as live:
        yield live


@pytest.fixture
def visit(chromium):
    """`page = visit(live)`: a browser of its own. Afterwards no page may have complained or failed to load anything."""
    contexts, complaints = [], []

    def open_(live, *, locale="en-US", scripts=True, width=390, **options):
        context = chromium.new_context(locale=locale, java_script_enabled=scripts, base_url=live.url,
                                       viewport={"width": width, "height": 844}, **options)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: complaints.append(f"{page.url}: {message.text}") if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.on("requestfailed", lambda request: complaints.append(f"{request.url} failed: {request.failure}")
                if "ERR_ABORTED" not in (request.failure or "") else None)
        contexts.append(context)
        return page

    open_.complaints = complaints
    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def eventually():
    """Wait for what a worker does: `eventually(lambda: len(mailbox()) == 1)`."""
    import time

    def wait(condition, seconds=15):
        until = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < until, "it did not come to pass"
            time.sleep(0.05)
        return found
    return wait


# -- doors -------------------------------------------------------------------------------------------------------

@pytest.fixture
def doors(world) -> Doors:
    return Doors(world)


@pytest.fixture
def server(app):
    original = app.config["SETTINGS"]
    server = Server(app)
    app.config["SETTINGS"] = replace(original, port=server.port)
    config.activate(app.config["SETTINGS"])
    app.testing = False
    yield server
    server.stalled.clear()
    server.stop()
    app.testing = True
    app.config["SETTINGS"] = original
    config.activate(original)


@pytest.fixture
def stand(chromium, server, doors):
    """`gate = stand("Gate A")`: a phone that has joined as this door and is ready. Scripts may not have failed anywhere."""
    contexts, errors = [], []

    def stand(name: str = "", member="", init="", **options) -> Gate:
        context = chromium.new_context(base_url=server.url, viewport={"width": 390, "height": 844}, locale="en-US", **options)
        contexts.append(context)
        device, cookie = doors.phone(name) if name else (None, None)
        context.add_cookies([cookie] if cookie else [])
        if init:
            context.add_init_script(init)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text)
                if message.type == "error" and "Failed to load resource" not in message.text else None)
        gate = Gate(page, device)
        return (gate.sign_in(member) if member else gate).open()

    yield stand
    for context in contexts:
        context.close()
    assert errors == []


def pytest_collection_modifyitems(items):
    """Everything in this folder has a target of its own."""
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.browser)
