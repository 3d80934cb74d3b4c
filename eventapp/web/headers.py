"""The headers on every answer, errors included."""
from urllib.parse import urlsplit

from flask import g, request

BASE = {
    "default-src": "'self'", "img-src": "'self' data:", "object-src": "'none'", "base-uri": "'none'", "form-action": "'self'",
    "frame-ancestors": "'self'", "script-src": "'self'", "style-src": "'self'", "font-src": "'self'", "connect-src": "'self'",
}
NO_CAMERA = "camera=(), microphone=(), geolocation=(), payment=(self)"
CAMERA = "camera=(self), microphone=(), geolocation=(), payment=()"


def init_app(app):
    app.after_request(add)


GATEWAY_HOSTS = {"toss": "https://*.tosspayments.com", "portone": "https:"}
"""Whose frames and forms a gateway's window needs; PortOne opens those of whichever company a channel leads to."""


def allow_gateway_window(provider: str, script_url: str) -> None:
    """For the payment page alone: the gateway's own script, frames and calls; its window needs its opener."""
    parts = urlsplit(script_url)
    origin = f"{parts.scheme}://{parts.netloc}"
    hosts = origin if parts.hostname in ("localhost", "127.0.0.1") else GATEWAY_HOSTS[provider]
    g.policy = {"script-src": f"'self' {origin}", "frame-src": f"'self' {hosts}", "connect-src": f"'self' {hosts}",
                "img-src": f"'self' data: {hosts}", "form-action": f"'self' {hosts}"}
    g.opener_policy = "same-origin-allow-popups"


def allow_camera() -> None:
    """For the door alone: its camera, and the decoder of codes, which is WebAssembly."""
    g.policy = {"script-src": "'self' 'wasm-unsafe-eval'"}
    g.camera = True


def add(response):
    policy = BASE | g.get("policy", {})
    headers = response.headers
    headers.setdefault("Content-Security-Policy", "; ".join(f"{name} {value}" for name, value in policy.items()))
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", g.get("opener_policy", "same-origin"))
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", CAMERA if g.get("camera") else NO_CAMERA)
    headers.setdefault("X-Frame-Options", "SAMEORIGIN")
    if request.is_secure:
        own = not request.environ.get("eventapp.host_slug")
        headers.setdefault("Strict-Transport-Security", "max-age=63072000" + ("; includeSubDomains" if own else ""))
    headers.setdefault("Cache-Control", "no-store")
    if g.get("request_id"):
        headers["X-Request-Id"] = g.request_id
    return response
