"""Whether it works: for load balancers (`/api/live`), and for whoever is woken at night (`/api/health`)."""
import time
from datetime import timedelta

from flask import Blueprint, current_app, jsonify
from sqlalchemy import func, select, text

from eventapp import clock, probing
from eventapp.extensions import db
from eventapp.models import OutboxItem, Probe
from eventapp.permissions import MACHINE, requires

bp = Blueprint("health", __name__)
HEALTHY, UNHEALTHY, NOT_CONFIGURED = "healthy", "unhealthy", "not_configured"
OUTSIDE = ("redis", "payment", "email", "storage")
SILENT_AFTER = timedelta(seconds=90)
"""A worker looks around every twenty seconds."""
LATE_AFTER = timedelta(minutes=5)
TOO_MANY_DEAD = 20
"""Jobs given up in the last day."""


@bp.get("/api/live")
@requires(MACHINE)
def live():
    return jsonify(status="alive")


@bp.get("/api/health")
@requires(MACHINE)
def health():
    """Asks the database itself; of the services outside it says what a worker has last seen, so that a probe never waits for
    them, nor they for a probe."""
    began = time.perf_counter()
    try:
        checks = look()
        checks["database"] = {"status": HEALTHY, "ms": round((time.perf_counter() - began) * 1000, 1)}
    except Exception as error:
        db.session.remove()
        current_app.logger.warning("health: the database does not answer: %s", type(error).__name__)
        unknown = {"status": UNHEALTHY, "reason": "unknown: the database does not answer"}
        checks = dict.fromkeys(("queue", *OUTSIDE), unknown) | {"redis": configured("redis") or unknown}
        checks["database"] = {"status": UNHEALTHY}
    well = all(check["status"] != UNHEALTHY for check in checks.values())
    return jsonify(status=HEALTHY if well else UNHEALTHY, checks=checks), 200 if well else 503


def look() -> dict:
    now = clock.now()
    db.session.execute(text("SET LOCAL statement_timeout = '3s'"))
    probes = {probe.name: probe for probe in db.session.scalars(select(Probe))}
    checks = {name: configured(name) or seen(probes.get(name)) for name in OUTSIDE}
    checks["queue"] = queue(probes.get("worker"), now)
    return checks


def configured(name: str) -> dict | None:
    settings = current_app.config["SETTINGS"]
    missing = {"redis": not settings.redis_url, "payment": not any(getattr(settings, setting) for setting, _path in probing.GATEWAYS.values())}
    return {"status": NOT_CONFIGURED} if missing.get(name) else None


def seen(probe: Probe | None) -> dict:
    if probe is None:
        return {"status": UNHEALTHY, "reason": "not looked at yet"}
    return {"status": probe.status, "checked_at": probe.checked_at.isoformat(), **probe.detail}


def queue(worker: Probe | None, now) -> dict:
    """Work that waits, work that was given up, and whether anybody is at work."""
    open_ = OutboxItem.done_at.is_(None) & OutboxItem.dead_at.is_(None) & (OutboxItem.run_at <= now)
    waiting, oldest = db.session.execute(select(func.count(), func.min(OutboxItem.run_at)).where(open_)).one()
    dead = db.session.scalar(select(func.count()).where(OutboxItem.dead_at > now - timedelta(days=1)))
    reasons = []
    if worker is None or worker.checked_at < now - SILENT_AFTER:
        reasons.append("no worker is at work")
    if oldest and oldest < now - LATE_AFTER:
        reasons.append("work is late")
    if dead >= TOO_MANY_DEAD:
        reasons.append("much work was given up")
    return {"status": UNHEALTHY if reasons else HEALTHY, "waiting": waiting, "dead": dead,
            "oldest_seconds": round((now - oldest).total_seconds()) if oldest else 0, **({"reason": "; ".join(reasons)} if reasons else {})}
