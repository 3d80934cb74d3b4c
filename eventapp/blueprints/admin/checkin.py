"""The door: a page that takes codes, the answers it gets in JSON when it works by itself, and what staff see of it.

A scan is the hottest request there is, so it asks for little: the device or person, the event, its checkpoints, one look
and one row. Everything else on the page is asked for by the page (`counts`), or not at all.
"""
import gzip
import json
import re
import time
from datetime import datetime, timedelta

from flask import Blueprint, Response, abort, g, render_template, request, url_for
from flask_wtf.csrf import generate_csrf
from sqlalchemy import select

from eventapp import clock
from eventapp.domain import Refused, arrivals, checking_in
from eventapp.domain.arrivals import in_words
from eventapp.domain.checking_in import Seen, Verdict
from eventapp.extensions import db
from eventapp.languages import _, localized, ngettext, time_of_day, when
from eventapp.models import CheckIn, Checkpoint, Event
from eventapp.permissions import requires
from eventapp.tenancy import lookup
from eventapp.tickets import codes
from eventapp.web.forms import clean
from eventapp.web.headers import allow_camera
from eventapp.web.pages import done, is_htmx, page

bp = Blueprint("checkin", __name__, url_prefix="/events/<event>/checkin")
MOST_SCANS = 200
NONCE = re.compile(r"[\w.-]{1,64}")
GREATEST = 2**63 - 1
OWN_MISTAKES = timedelta(minutes=15)
COUNTED = 2.0
"""Seconds for which the answer to a scan may show the counts of before; the page itself asks for new ones."""


@bp.route("", methods=["GET", "POST"])
@requires("registrations.check_in")
def show(event):
    if request.method == "POST":
        event, every = doors_of(event)
        found = [each for each in every if not each.closed]
    else:
        event = g.member.event(event)
        found = checking_in.checkpoints(event)
    checkpoint, verdict = chosen(found), None
    if request.method == "POST":
        if checkpoint is None:
            raise Refused(_("No checkpoint is open. Somebody of the organisation can open one."), "at")
        verdict = checking_in.scan(event, checkpoint, seen_in_form(), by=g.member.actor, gate=gate_of(request.form))
    allow_camera()
    return page("admin/checkin/door.html", event=event, options=[(each.code, localized(each.name)) for each in found], checkpoint=checkpoint, verdict=verdict, words=verdict and words(verdict, event),
                programs=in_words(verdict.person.items) if verdict and verdict.person else "", query=request.args.get("q", ""),
                found=[] if verdict else arrivals.search(event, request.args.get("q", "")), in_words=in_words, nonce=Seen().nonce,
                last=None if verdict else arrivals.last_entry(event, g.member.actor), counts=counts_for(event, found, verdict))


def doors_of(slug: str) -> tuple[Event, list[Checkpoint]]:
    """The event and its checkpoints, as they were at most a second ago: they are the same for every scan."""
    def find():
        event = g.member.event(slug)
        every = list(db.session.scalars(select(Checkpoint).where(Checkpoint.event_id == event.id)
                                        .order_by(Checkpoint.position, Checkpoint.id)))
        for each in (event, *every):
            db.session.expunge(each)  # other requests read them too
        return event, every

    event, every = lookup.remembered(("doors", g.org.id, slug), find)
    if not g.member.sees(event):
        abort(404)
    return event, every


def chosen(found: list[Checkpoint]) -> Checkpoint | None:
    """What the address says, then where this device stands, then what is open now."""
    code = request.values.get("at")
    device = g.member.device
    return next((each for each in found if each.code == code), None) \
        or next((each for each in found if device and each.id == device.checkpoint_id), None) or checking_in.open_now(found, clock.now())


def seen_in_form() -> Seen:
    number, nonce = request.form.get("registration"), request.form.get("nonce", "")
    registration_id = g.member.registration(number).id if number else None
    fresh = {"nonce": nonce} if NONCE.fullmatch(nonce) else {}
    return Seen(code=request.form.get("code", ""), registration_id=registration_id, **fresh)


def gate_of(sent) -> str:
    """What somebody has called this gate, otherwise the device's name or the person's."""
    return clean(str(sent.get("gate") or ""))[:60] or g.member.gate


_counted: dict[int, tuple[float, list]] = {}


def counts_for(event, found, verdict) -> list | None:
    """Counting thousands is dearer than letting somebody in. To htmx, which wants the verdict alone, nothing is counted."""
    if verdict and is_htmx():
        return None
    until, counts = _counted.get(event.id, (0, []))
    if verdict and until > time.monotonic():
        return counts
    counts = arrivals.counts(event, found)
    _counted[event.id] = (time.monotonic() + COUNTED, counts)
    return counts


def words(verdict: Verdict, event) -> tuple[str, str]:
    """The verdict in a few large words, and what more there is to say."""
    first = verdict.first
    earlier = first and (_("At %(time)s, %(gate)s", time=moment(first.at, event), gate=first.gate) if first.gate
                         else _("At %(time)s", time=moment(first.at, event)))
    return {
        "ok": (_("Come in"), ""),
        "already": (_("Already in"), earlier or ""),
        "unpaid": (_("Not paid"), _("The payment has not arrived yet.")),
        "cancelled": (_("Cancelled"), {"replaced": _("A newer ticket has replaced this one."), "expired": _("It was not paid in time."),
                                       "rejected": _("The registration was not accepted.")}.get(verdict.reason, _("This registration was cancelled."))),
        "wrong_event": (_("Wrong event"), _("This is a ticket for another event.")),
        "invalid": (_("Not valid"), {"approval": _("The registration is waiting for approval."), "program": _("This checkpoint is for a program they do not have."),
                                     "not_yet": _("This checkpoint is not open yet."), "closed": _("This checkpoint is closed."),
                                     "undone": _("This scan was taken back. Scan the ticket again.")}.get(
                                         verdict.reason, _("This is not a ticket of ours, or it could not be read whole."))),
    }[verdict.result]


def moment(at: datetime, event) -> str:
    """The time alone, while it is still the same day there."""
    same_day = checking_in.local_day(at, event) == checking_in.local_day(clock.now(), event)
    return time_of_day(at, event.timezone) if same_day else when(at, event.timezone)


# -- for a door that works by itself ----------------------------------------------------------------------------

@bp.get("/snapshot")
@requires("registrations.check_in", json=True)
def snapshot(event):
    taken = arrivals.snapshot(g.member.event(event), request.args.get("since"))
    return packed(taken | {"csrf": generate_csrf(), "gate": g.member.gate})


def packed(answer: dict) -> Response:
    body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
    response = Response(body, mimetype="application/json")
    if "gzip" in request.accept_encodings and len(body) > 2000:
        response.set_data(gzip.compress(body, 4))
        response.content_encoding = "gzip"
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.post("/scans")
@requires("registrations.check_in", json=True, revoked=True)
def scans(event):
    """A phone that was taken off the doors is told so, and nothing else; whom it has let in before is kept as conflicts."""
    event, every = doors_of(event)
    sent = (request.get_json() or {}).get("scans") if isinstance(request.get_json(), dict) else None
    if not isinstance(sent, list) or len(sent) > MOST_SCANS:
        abort(422)
    places = {each.id: each for each in every}
    if g.member.device and g.member.device.revoked_at:
        for raw in sent:
            left_behind(event, places, raw)
        return {"error": "revoked", "now": clock.now().isoformat(), "results": []}
    # Two doors that upload the same tickets take the rows in the same order.
    verdicts = {number: scanned(event, places, sent[number]) for number in sorted(range(len(sent)), key=lambda number: in_order(sent[number]))}
    return {"now": clock.now().isoformat(), "results": [verdicts[number] for number in range(len(sent))]}


def in_order(raw) -> tuple:
    raw = raw if isinstance(raw, dict) else {}
    ticket = codes.unverified(str(raw.get("code", "")))
    return ticket.registration_id if ticket else whole(raw.get("registration")) or 0, str(raw.get("at"))


def scanned(event, places: dict, raw) -> dict:
    """One of those a door has sent. What can't be read is answered like a code that can't: it must not stop the others."""
    raw = raw if isinstance(raw, dict) else {}
    nonce, checkpoint, seen = read(places, raw)
    if seen is None:
        return as_json(Verdict(nonce[:64], "invalid", "checkpoint" if checkpoint is None else "nonce"))
    return as_json(checking_in.scan(event, checkpoint, seen, by=g.member.actor, gate=gate_of(raw)))


def left_behind(event, places: dict, raw) -> None:
    raw = raw if isinstance(raw, dict) else {}
    _nonce, checkpoint, seen = read(places, raw)
    if seen and seen.let_in:
        checking_in.keep_of_revoked(event, checkpoint, seen, by=g.member.actor, gate=gate_of(raw))


def read(places: dict, raw: dict) -> tuple[str, Checkpoint | None, Seen | None]:
    nonce, checkpoint = str(raw.get("nonce", "")), places.get(whole(raw.get("checkpoint")))
    if not NONCE.fullmatch(nonce) or checkpoint is None:
        return nonce, checkpoint, None
    return nonce, checkpoint, Seen(
        code=str(raw.get("code") or ""), registration_id=whole(raw.get("registration")), version=whole(raw.get("version")), nonce=nonce,
        at=moment_of(raw.get("at")), offline=raw.get("offline") is True, let_in=raw.get("let_in") is True)


def whole(value) -> int | None:
    return value if type(value) is int and 0 < value <= GREATEST else None


def number_of(text: str) -> int | None:
    return whole(int(text)) if text.isdecimal() and len(text) < 20 else None


def moment_of(value) -> datetime | None:
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return at if at.tzinfo else None


def as_json(verdict: Verdict) -> dict:
    person, first = verdict.person, verdict.first
    return {"nonce": verdict.nonce, "result": verdict.result, "reason": verdict.reason, "entry": verdict.entry,
            "first": first and {"at": first.at.isoformat(), "gate": first.gate}, "registration": person and person.id,
            "name": person.name if person else "", "number": person.number if person else "", "flag": person.flag if person else "",
            "programs": in_words(person.items) if person else ""}


@bp.get("/live")
@requires("registrations.check_in", json=True)
def live(event):
    event = g.member.event(event)
    counts = arrivals.counts(event, checking_in.checkpoints(event))
    return {"now": clock.now().isoformat(), "conflicts": arrivals.conflict_count(event),
            "checkpoints": [{"id": each.id, "code": each.code, "inside": each.inside, "expected": each.expected, "gates": each.gates} for each in counts]}


@bp.post("/undo")
@requires("registrations.check_in")
def undo(event):
    """Of one entry, by its number or by the nonce of its scan; said twice it is undone once."""
    event = g.member.event(event)
    sent = request.get_json() if request.is_json else request.form
    if request.is_json and not isinstance(sent, dict):
        abort(422)
    entry = whole(sent.get("entry")) if request.is_json else number_of(sent.get("entry", ""))
    which = CheckIn.id == entry if entry else CheckIn.nonce == str(sent.get("nonce", ""))[:64].replace("\0", "")
    row = db.session.scalar(select(CheckIn).join(Checkpoint, Checkpoint.id == CheckIn.checkpoint_id)
                            .where(which, Checkpoint.event_id == event.id, CheckIn.result == "ok", *within_reach()))
    if row is not None:
        checking_in.undo([row], by=g.member.actor)
    if request.is_json:
        return {"undone": row is not None, "entry": row.id if row else None}
    if row is None:
        abort(404)
    return done(_("That entry has been taken back."), url_for(".show", event=event.slug, at=request.form.get("at") or None))


def within_reach():
    """A phone takes back what it has let in itself, and not for ever; people do for every gate."""
    device = g.member.device
    return (CheckIn.device_id == device.id, CheckIn.created_at > clock.now() - OWN_MISTAKES) if device else ()


@bp.get("/worker.js")
@requires("registrations.check_in")
def worker(event):
    """Keeps the page for when the network is gone. It must be served from where it is to rule."""
    event = g.member.event(event)
    address = url_for(".show", event=event.slug)
    allow_camera()
    return Response(render_template("admin/checkin/worker.js", event=event, page=address), mimetype="text/javascript",
                    headers={"Service-Worker-Allowed": address, "Cache-Control": "no-store"})


@bp.get("/app.webmanifest")
@requires("registrations.check_in")
def manifest(event):
    event = g.member.event(event)
    return Response(render_template("admin/checkin/manifest.json", event=event, page=url_for(".show", event=event.slug)),
                    mimetype="application/manifest+json", headers={"Cache-Control": "no-store"})


# -- for who is not at a door -------------------------------------------------------------------------------------

@bp.get("/overview")
@requires("registrations.read")
def overview(event):
    event = g.member.event(event)
    found = checking_in.checkpoints(event)
    checkpoint = chosen(found)
    return page("admin/checkin/overview.html", event=event, checkpoint=checkpoint, counts=arrivals.counts(event, found),
                conflicts=arrivals.conflict_count(event), bars=arrivals.by_quarter(event, checkpoint) if checkpoint else [])


@bp.get("/conflicts")
@requires("registrations.read")
def conflicts(event):
    event = g.member.event(event)
    return page("admin/checkin/conflicts.html", event=event, conflicts=arrivals.conflicts(event), count=arrivals.conflict_count(event))


@bp.post("/conflicts")
@requires("registrations.read")
def settle(event):
    event = g.member.event(event)
    ids = [number for number in map(number_of, request.form.getlist("ids")) if number]
    rows = db.session.scalars(select(CheckIn).join(Checkpoint, Checkpoint.id == CheckIn.checkpoint_id)
                              .where(CheckIn.id.in_(ids), Checkpoint.event_id == event.id, CheckIn.result != "ok")).all()
    settled = checking_in.settle(rows, by=g.member.actor)
    return done(ngettext("%(num)d conflict settled.", "%(num)d conflicts settled.", len(settled)), url_for(".conflicts", event=event.slug),
                "admin/checkin/conflicts.html#conflicts", event=event, conflicts=arrivals.conflicts(event), count=arrivals.conflict_count(event))
