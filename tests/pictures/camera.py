"""Chromium walking through the scenes."""
import os
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Error, sync_playwright

from eventapp.config import ROOT
from tests.pictures.scene import WIDTHS, Scene
from tests.pictures.stage import NOW, Stage

FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--font-render-hinting=none"]
TALLEST = 6000
"""Pixels of a page; forty participants are more than anybody looks at."""
STAND_IN = """window.TossPayments = () => ({ payment: () => ({ requestPayment: () => new Promise(() => {}) }) });
window.PortOne = { requestPayment: () => new Promise(() => {}) };"""
FONTS = f"""<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><include ignore_missing="yes">/etc/fonts/fonts.conf</include>
<dir>{ROOT / "eventapp/static/vendor/pretendard/ttf"}</dir><cachedir>CACHE</cachedir></fontconfig>"""


@contextmanager
def browser(folder: Path):
    """Letters use the reader's own fonts; a bare machine has none for Korean, so ours stand in."""
    fonts = folder / "fonts.conf"
    fonts.write_text(FONTS.replace("CACHE", str(folder / "fonts")))
    system = next((path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if os.path.exists(path)), None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=system, args=FLAGS, env=os.environ | {"FONTCONFIG_FILE": str(fonts)})
        yield chromium
        chromium.close()


class Visits:
    """Everybody's browsers in one language. `complaints`: what a page said on its console, or failed to load."""

    def __init__(self, chromium, stage: Stage, locale: str):
        self.chromium, self.stage, self.locale = chromium, stage, locale
        self.contexts: dict[tuple, object] = {}
        self.complaints: list[str] = []

    def context(self, who: str, scripts: bool):
        if (who, scripts) not in self.contexts:
            context = self.chromium.new_context(
                base_url=self.stage.url, locale={"ko": "ko-KR", "en": "en-US"}[self.locale], java_script_enabled=scripts,
                viewport={"width": 390, "height": 844}, reduced_motion="reduce", bypass_csp=True)
            context.set_default_timeout(30_000)
            context.clock.set_fixed_time(NOW)
            if who:
                sign_in(context, who)
            self.contexts[who, scripts] = context
        return self.contexts[who, scripts]

    def open(self, scene: Scene):
        """The page of a scene, as far as the person went."""
        context = self.context(scene.who, scene.scripts)
        context.clear_cookies(name="order")
        if scene.order:
            context.add_cookies([{"name": "order", "value": self.stage.cookies[scene.order], "url": self.stage.url}])
        page = context.new_page()
        if "/payment" in scene.path or "/pay/" in scene.path:  # not for all: where requests are looked at, Chromium keeps nothing it has loaded
            page.route("**/stand-in/**", lambda route: route.fulfill(body=STAND_IN, content_type="text/javascript"))
        page.on("console", lambda message: self.complain(scene, message.text) if message.type == "error"
                and not message.location["url"].endswith("/favicon.ico") else None)  # letters name no icon
        page.on("pageerror", lambda error: self.complain(scene, str(error)))
        page.on("response", lambda response: self.complain(scene, f"{response.status} of {response.url}")
                if response.status >= 400 and response.status != scene.status else None)
        # The account's own language goes before the browser's; only the address goes before that.
        joint = "&" if "?" in scene.path else "?"
        answer = page.goto(scene.path + (f"{joint}lang={self.locale}" if scene.who else ""), wait_until="networkidle" if scene.act else "load")
        if scene.act:
            try:
                scene.act(page)
            except Error as error:
                self.complain(scene, str(error).splitlines()[0])
        elif answer.status != scene.status:
            self.complain(scene, f"answered {answer.status}")
        return page

    def close(self) -> None:
        for context in self.contexts.values():
            context.close()

    def complain(self, scene: Scene, text: str) -> None:
        # Chromium's own note of a status that is expected; and the frame of a letter keeps our standing clock out too.
        expected = scene.status >= 400 and f"status of {scene.status}" in text or "frame is sandboxed" in text
        if not expected:
            self.complaints.append(f"{scene.name}-{self.locale}: {text}")


def sign_in(context, who: str) -> None:
    page = context.new_page()
    page.goto("/auth/login")
    page.fill('[name="email"]', who)
    page.fill('[name="password"]', "demo-password")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: not urlsplit(url).path.startswith("/auth/login"))
    page.close()


def looks(page, wanted):
    """The page as it looks at each of these: (width, theme)."""
    for width, theme in wanted:
        page.set_viewport_size({"width": width, "height": WIDTHS[width]})
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        yield width, theme


def photograph(page, scene: Scene, path: Path) -> None:
    """In a window as tall as the page, or what sticks to its foot would lie across the middle."""
    width = page.viewport_size["width"]
    page.evaluate("scrollTo(0, 0)")
    if not scene.fold:
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": width, "height": max(WIDTHS[width], min(height, TALLEST))})
    page.screenshot(path=path, animations="disabled", caret="hide")
