"""Structured logs: one JSON object a line, with request id, tenant and actor, and nothing secret in it."""
import json
import logging
import re
import secrets
import time

from flask import g, has_request_context, request

from eventapp import audit, clock, tenancy

STANDARD = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
SECRETS = re.compile(r"(?i)(authorization|password|secret|token|billingkey|accountnumber|card|cookie|code)(\"?\s*[=:]\s*\"?)[^\s\",;&}]+")
TOKENS_IN_PATH = re.compile(r"(/(?:orders|tickets|join|verify|reset|claim|payment(?:/[a-z]+)?)/)[A-Za-z0-9_.-]{12,}")


def redact(text: str) -> str:
    return TOKENS_IN_PATH.sub(r"\1…", SECRETS.sub(r"\1\2…", text))


class JsonFormatter(logging.Formatter):
    def format(self, record):
        line = {"at": clock.now().isoformat(timespec="milliseconds"), "level": record.levelname.lower(), "logger": record.name,
                "message": redact(record.getMessage())}
        org = tenancy.current_org_id()
        if org:
            line["org_id"] = org
        if has_request_context():
            line["request_id"] = g.get("request_id")
            line |= {name: g.get(name) for name in ("user_id", "device_id") if g.get(name)}
        line.update({key: value for key, value in record.__dict__.items() if key not in STANDARD})
        if record.exc_info:
            line["trace"] = redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


def init_app(app):
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger("eventapp")
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False
    app.before_request(begin)
    app.after_request(end)


def begin():
    g.began = time.perf_counter()
    g.request_id = secrets.token_hex(8)
    audit.origin.set((request.remote_addr or "", g.request_id))


def end(response):
    if request.endpoint != "static":
        logging.getLogger("eventapp.request").info(
            "%s %s %s", request.method, request.path, response.status_code,
            extra={"status": response.status_code, "ms": round((time.perf_counter() - g.began) * 1000, 1)})
    return response
