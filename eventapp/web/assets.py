"""Static files: bundled, hashed and compressed once at start, cached for ever by browsers. There is no build step.

The names in BUNDLES are not files but made of the ordered sources beside them; the staff's are loaded by the staff's pages
only. Every address made by `url_for("static", filename=…)` carries the hash of what it names, also inside stylesheets and
between modules (`import … from "./other.js"`), so that no page ever runs the halves of two versions.
"""
import gzip
import hashlib
import mimetypes
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

import brotli
from flask import Flask, Response, abort, g, request, send_from_directory, url_for

from eventapp.permissions import PUBLIC, requires

BUNDLES = {
    "css/app.css": ("css/tokens.css", "css/reset.css", "vendor/pretendard/slices.css", "css/base.css",
                    "css/layouts/*.css", "css/ui/*.css", "css/pages/*.css", "css/utilities.css", "css/print.css"),
    "js/app.js": ("js/modules/*.js",),
    "css/staff.css": ("css/staff/*.css",),
    "js/staff.js": ("js/staff/*.js",),
    "css/door.css": ("css/door/*.css",),
}
TEXT = (".css", ".js", ".svg", ".json", ".webmanifest", ".wasm")
BIG = 200_000
"""Bytes above which the last per cent of compression would cost seconds at each start."""
NEIGHBOUR = re.compile(r'"(\.\.?/[\w./-]+\.(?:js|wasm))"')
WASM = {"js/door/decoder.js"}
"""Workers that run WebAssembly; a worker has the policy it was served with, not its page's."""
FOR_EVER = "public, max-age=31536000, immutable"
mimetypes.add_type("font/woff2", ".woff2")
mimetypes.add_type("font/ttf", ".ttf")
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("application/wasm", ".wasm")


@dataclass(frozen=True)
class Asset:
    """`bodies` by content encoding; empty for what is sent from the disk (fonts, pictures)."""

    version: str
    mimetype: str
    bodies: dict


def init_assets(app: Flask) -> None:
    assets = _collect(Path(app.static_folder), app.static_url_path)
    app.extensions["assets"] = assets

    @app.url_defaults
    def add_version(endpoint, values):
        if endpoint == "static" and "v" not in values and values.get("filename") in assets:
            values["v"] = assets[values["filename"]].version

    # What a page must have at hand when the network is gone.
    app.jinja_env.globals["static_files"] = lambda *starts: [
        url_for("static", filename=name) for name in assets if name.startswith(starts) and name.endswith(TEXT)]

    def static(filename):
        asset = assets.get(filename)
        if filename in WASM:
            g.policy = {"script-src": "'self' 'wasm-unsafe-eval'"}
        return _answer(asset, app.static_folder, filename) if asset else abort(404)

    app.view_functions["static"] = requires(PUBLIC)(static)


def _answer(asset: Asset, folder: str, filename: str) -> Response:
    fresh = request.args.get("v") == asset.version
    if asset.bodies:
        encoding = request.accept_encodings.best_match(["br", "gzip"]) or "identity"
        response = Response(asset.bodies[encoding], mimetype=asset.mimetype)
        if encoding != "identity":
            response.content_encoding = encoding
        response.vary.add("Accept-Encoding")
        response.set_etag(asset.version)
        response.make_conditional(request)
    else:
        response = send_from_directory(folder, filename, mimetype=asset.mimetype, etag=asset.version)
    # An address without the right hash may outlive its content, so it has to be asked again.
    response.headers["Cache-Control"] = FOR_EVER if fresh else "no-cache"
    return response


def _collect(root: Path, prefix: str) -> dict[str, Asset]:
    """Every file under `root`, then the bundles, which may point to any of them."""
    files = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}
    assets = {name: _asset(name, path.read_bytes()) for name, path in files.items() if path.suffix not in (".md", ".js")}
    for name in files:
        _module(name, files, prefix, assets)
    for bundle, patterns in BUNDLES.items():
        sources = [path for pattern in patterns for path in sorted(root.glob(pattern))]
        text = "".join(_source(path, root, prefix, assets) for path in sources)
        assets[bundle] = _asset(bundle, text.encode())
    return assets


def _module(name: str, files: dict, prefix: str, assets: dict) -> None:
    """A script, after those it names: their hashes are part of its own."""
    path = files[name]
    if path.suffix != ".js" or name in assets:
        return

    def address(match):
        other = posixpath.normpath(posixpath.join(posixpath.dirname(name), match[1]))
        _module(other, files, prefix, assets)
        return f'"{prefix}/{other}?v={assets[other].version}"'

    assets[name] = _asset(name, NEIGHBOUR.sub(address, path.read_text()).encode())


def _source(path: Path, root: Path, prefix: str, assets: dict) -> str:
    text = path.read_text()
    if path.suffix == ".js":
        return f"{{\n{text}}}\n"  # a block of its own, so that modules cannot see each other's names

    def address(match):
        name = (path.parent / match[1]).resolve().relative_to(root.resolve()).as_posix()
        return f'url("{prefix}/{name}?v={assets[name].version}")'

    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r'url\("(?!data:|#)([^"]+)"\)', address, text)
    return re.sub(r"\n\s*", "\n", text)


def _asset(name: str, content: bytes) -> Asset:
    mimetype = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Asset(_version(content), mimetype, _encoded(content) if name.endswith(TEXT) else {})


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:10]


def _encoded(content: bytes) -> dict[str, bytes]:
    return {"identity": content, "gzip": gzip.compress(content, 9, mtime=0),
            "br": brotli.compress(content, quality=11 if len(content) < BIG else 9)}
