"""What a first visit of the event page fetches, in a real browser with an empty cache."""
import shutil

from playwright.sync_api import sync_playwright

from tests.bench.figures import Figure
from tests.bench.page import PAGE

APART = ("Image", "Font")


def run(house, short: bool) -> list[Figure]:
    seen = fetched(f"http://localhost:{house.port}{PAGE}")
    counted = [one for one in seen if one["type"] not in APART]
    for one in seen:
        print(f"    {one['bytes'] / 1000:7.1f} KB  {one['type']:<10}  {one['url'].partition(str(house.port))[2]}"
              f"{'  (apart)' if one['type'] in APART else ''}")
    failed = [one for one in seen if one["status"] >= 400 or one["status"] == 0]
    return [Figure("first visit, requests without pictures and fonts", len(counted), "", 6, hard=True, peer=11),
            Figure("  compressed", sum(one["bytes"] for one in counted) / 1000, "KB", 80, hard=True, peer=357),
            Figure("  failed requests", len(failed), "", 0, hard=True),
            Figure("  pictures and font slices apart", sum(one["bytes"] for one in seen) / 1000
                   - sum(one["bytes"] for one in counted) / 1000, "KB", note=f"{len(seen) - len(counted)} requests")]


def fetched(url: str) -> list[dict]:
    """Every request with its type and the bytes on the wire, headers included."""
    found: dict[str, dict] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"),
                                             args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 390, "height": 844}, locale="ko-KR")
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        network.on("Network.requestWillBeSent", lambda event: found.setdefault(event["requestId"], {
            "url": event["request"]["url"], "type": event.get("type", "Other"), "bytes": 0, "status": 0}))
        network.on("Network.responseReceived", lambda event: found[event["requestId"]].update(
            type=event["type"], status=event["response"]["status"]))
        network.on("Network.loadingFinished", lambda event: found[event["requestId"]].update(bytes=event["encodedDataLength"]))
        page.goto(url, wait_until="networkidle")
        browser.close()
    return [one for one in found.values() if not one["url"].startswith("data:")]
