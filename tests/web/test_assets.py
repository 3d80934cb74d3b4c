"""Static files: hashed addresses, compressed bundles, nothing that names a file that is not there."""
import gzip
import hashlib
import re
from pathlib import Path

import brotli
import pytest
from flask import Flask, url_for

from eventapp.config import ROOT
from eventapp.web import headers
from eventapp.web.assets import init_assets

STATIC = ROOT / "eventapp" / "static"


@pytest.fixture(scope="module")
def site():
    app = Flask("eventapp", root_path=str(ROOT / "eventapp"))
    init_assets(app)
    return app


def address(site, filename):
    with site.test_request_context():
        return url_for("static", filename=filename)


def test_an_address_carries_the_hash_and_may_be_kept_for_ever(site):
    url = address(site, "css/app.css")
    assert re.fullmatch(r"/static/css/app\.css\?v=[0-9a-f]{10}", url)
    assert site.test_client().get(url).headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_an_address_without_the_right_hash_is_asked_again(site):
    assert site.test_client().get("/static/css/app.css?v=old").headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(("accepted", "unpack"), [("br, gzip", brotli.decompress), ("gzip", gzip.decompress)])
def test_text_is_sent_compressed_and_says_so(site, accepted, unpack):
    plain = site.test_client().get("/static/js/app.js")
    packed = site.test_client().get("/static/js/app.js", headers={"Accept-Encoding": accepted})
    assert unpack(packed.data) == plain.data
    assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == (accepted.split(",")[0], "Accept-Encoding")


def test_every_address_inside_the_stylesheet_leads_somewhere(site):
    inside = re.findall(r'url\("([^"]+)"\)', site.test_client().get("/static/css/app.css").text)
    assert len(inside) > 90
    missing = [url for url in inside if site.test_client().get(url).status_code != 200]
    assert missing == []


def test_a_file_that_is_not_there_is_404(site):
    assert site.test_client().get("/static/nothing.css").status_code == 404
    assert site.test_client().get("/static/../config.py").status_code == 404


def test_vendored_files_are_the_ones_that_were_checked():
    for line in (STATIC / "vendor" / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == digest, name


def test_every_icon_a_template_names_is_in_the_sprite():
    known = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "vendor/lucide/icons.svg").read_text()))
    named = {name for path in Path(ROOT / "eventapp/templates").rglob("*.html")
             for name in re.findall(r'(?:ui\.icon\(|icon=)"([a-z0-9-]+)"', path.read_text())}
    assert named - known == set()


def test_a_module_names_the_version_of_those_it_needs(site):
    modules = [path.relative_to(STATIC).as_posix() for path in STATIC.glob("js/door/*.js")]
    assert len(modules) > 8
    for module in modules:
        named = re.findall(r'"(/static/[^"]+\.(?:js|wasm)\?v=[0-9a-f]+)"', site.test_client().get(f"/static/{module}").text)
        assert all(site.test_client().get(url).headers["Cache-Control"] == "public, max-age=31536000, immutable" for url in named)
        assert not re.search(r'from "\.', site.test_client().get(f"/static/{module}").text)


def test_a_worker_may_run_webassembly_only_where_it_is_one():
    site = Flask("eventapp", root_path=str(ROOT / "eventapp"))
    init_assets(site)
    headers.init_app(site)
    policies = {name: site.test_client().get(f"/static/js/{name}").headers["Content-Security-Policy"] for name in ("door/decoder.js", "door/main.js")}
    assert ["wasm-unsafe-eval" in policy for policy in policies.values()] == [True, False]
