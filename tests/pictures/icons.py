"""The door's icons for home screens, drawn from static/img/door.svg: `python -m tests.pictures.icons`.

The drawing keeps to the middle four fifths, so that the same one serves phones that cut a circle out of it.
"""
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import FLAGS

IMAGES = Path(__file__).parents[2] / "eventapp" / "static" / "img"
SIZES = {"door-192.png": 192, "door-512.png": 512}


def main():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        for name, side in SIZES.items():
            page = browser.new_page(viewport={"width": side, "height": side})
            page.set_content(f"<style>body{{margin:0}}svg{{display:block;width:{side}px}}</style>{(IMAGES / 'door.svg').read_text()}")
            page.screenshot(path=IMAGES / name)
        browser.close()


if __name__ == "__main__":
    main()
