"""What can be done to many registrations at once: one small object for each action.

`decide` says of one row "ok" or why not (a key of WORDS); `apply` does it to the rows that are ok, which are locked, and may
answer otherwise for some of them: {registration's id: a reason, or a dict to be kept with the row}; `take_back` undoes what
`bulk.restore` does not, which puts back the registrations themselves, their orders' time and the books.
"""
from datetime import datetime

from sqlalchemy import func, select, update

from eventapp import audit, clock
from eventapp.domain import (
    Refused,
    RefusedFields,
    checking_in,
    deciding,
    exporting,
    ledger,
    messaging,
    receiving,
    refund_rules,
    refunding,
    registering,
)
from eventapp.domain.places import Room
from eventapp.extensions import db
from eventapp.languages import _, _l
from eventapp.models import CheckIn, Checkpoint, Event, Registration, Status
from eventapp.models.base import among
from eventapp.outbox import later

LONGEST_REASON, LONGEST_TAG, MOST_TAGS = 500, 40, 20

WORDS = {
    "ok": _l("ok"), "gone": _l("no longer there"),
    "not_waiting": _l("not waiting for approval"), "already_paid": _l("already paid"), "full": _l("over capacity"),
    "over": _l("the event is over or cancelled"), "ended": _l("already cancelled, rejected or expired"),
    "nothing_awaited": _l("no payment awaited"), "paying": _l("being paid at the moment"),
    "has_tag": _l("has the tag already"), "no_tag": _l("does not have the tag"), "many_tags": _l("has too many tags"),
    "no_email": _l("no email address"),
    "already": _l("already checked in"), "unpaid": _l("not paid"), "cancelled": _l("cancelled"), "invalid": _l("not confirmed"),
    "wrong_event": _l("of another event"),
    "paid_since": _l("paid meanwhile"), "same_order": _l("paid for together with somebody who stays"),
    "nothing_left": _l("given back already"),
    "changed": _l("changed meanwhile by somebody else"), "entered": _l("checked in meanwhile"),
}
"""Behind a number in the look-ahead ("8 over capacity"), and beside a name in the result."""


class Action:
    name = ""
    label = ""
    permission = ""
    undoable = True
    from_desk = True
    """Whether it can be chosen in the list of registrations."""
    changes = True
    """Whether it changes the registrations themselves."""
    size = 500
    """Rows of one transaction."""
    whole_orders = False
    """Whether it is taken back for all of an order or for nobody of it."""

    def widen(self, query):
        """Whom it concerns, beside those who were chosen."""
        return query

    def read(self, given, operation, member) -> dict:
        """Its own fields as they are kept; raises RefusedFields with what is wrong."""
        return {}

    def takes_places(self, row) -> bool:
        return False

    def decide(self, row, room: Room, parameters: dict) -> str:
        raise NotImplementedError

    def goes_back(self, row) -> int:
        """By the rules that the buyer agreed to, as far as one can tell beforehand."""
        return 0

    def apply(self, rows, *, operation, by) -> dict:
        raise NotImplementedError

    def reasons_to_keep(self, rows) -> dict[int, str]:
        """Of rows that look as they were left: {row's id: why it stays all the same}."""
        return {}

    def take_back(self, rows, *, operation, by) -> None:
        pass


def paid_since(row, parameters: dict) -> bool:
    """Whether the money came after staff had looked: they have not decided about somebody who has paid."""
    looked_at = parameters.get("looked_at")
    return bool(looked_at and row.price and row.paid_at and row.paid_at > datetime.fromisoformat(looked_at))


def line(given, name: str) -> str:
    return " ".join(given.get(name, "").replace("\0", "").split())


def paragraphs(given, name: str) -> str:
    return given.get(name, "").replace("\0", "").replace("\r\n", "\n").strip()


def too_long(text: str, longest: int) -> str:
    return _("Use at most %(count)s characters; there are %(found)s.", count=longest, found=len(text)) if len(text) > longest else ""


class Approve(Action):
    name, label, permission = "approve", _l("Approve"), "registrations.approve"

    def takes_places(self, row) -> bool:
        return row.status == Status.PENDING_APPROVAL and not row.paid_at

    def decide(self, row, room, parameters):
        if row.status != Status.PENDING_APPROVAL:
            return "already_paid" if row.status == Status.CONFIRMED and row.paid_at and row.price else "not_waiting"
        if row.event_status in ("draft", "cancelled") or row.event_ends_at <= clock.now():
            return "over"
        return "ok" if row.paid_at or room.take(row.id) else "full"

    def apply(self, rows, *, operation, by):
        deciding.approve(rows, by=by, operation=operation)
        return {}


class Reject(Action):
    name, label, permission = "reject", _l("Reject"), "registrations.approve"

    def read(self, given, operation, member):
        reason = paragraphs(given, "reason")
        wrong = too_long(reason, LONGEST_REASON) if reason else _("Write a reason. It is sent to the participants.")
        if wrong:
            raise RefusedFields({"reason": wrong})
        return {"reason": reason}

    def decide(self, row, room, parameters):
        if row.status != Status.PENDING_APPROVAL:
            return "not_waiting"
        return "paid_since" if paid_since(row, parameters) else "ok"

    def apply(self, rows, *, operation, by):
        deciding.reject(rows, by=by, operation=operation, reason=operation.parameters["reason"])
        return {}


class Cancel(Action):
    name, label, permission = "cancel", _l("Cancel"), "registrations.cancel"

    def goes_back(self, row):
        return by_rules(row)

    def read(self, given, operation, member):
        reason, give_back = paragraphs(given, "reason"), how_much(given)
        wrong = {}
        if too_long(reason, LONGEST_REASON):
            wrong["reason"] = too_long(reason, LONGEST_REASON)
        if give_back and not member.can("registrations.refund"):
            wrong["give_back"] = _("You may not give money back. An owner of the organisation can grant it.")
        if wrong:
            raise RefusedFields(wrong)
        return {"reason": reason, "give_back": give_back}

    def decide(self, row, room, parameters):
        if row.status not in (Status.PENDING_APPROVAL, Status.PENDING_PAYMENT, Status.CONFIRMED):
            return "ended"
        return "paid_since" if paid_since(row, parameters) else "ok"

    def apply(self, rows, *, operation, by):
        deciding.cancel(rows, by=by, operation=operation, reason=operation.parameters["reason"],
                        give_back=operation.parameters["give_back"])
        return {}


class Refund(Action):
    """Give back what was paid for them. Who is still registered is cancelled with it."""

    name, label, permission = "refund", _l("Give money back"), "registrations.refund"

    def goes_back(self, row):
        return by_rules(row)

    def read(self, given, operation, member):
        reason = paragraphs(given, "reason")
        wrong = {}
        if not reason:
            wrong["reason"] = _("Write a reason.")
        elif too_long(reason, refunding.LONGEST_REASON):
            wrong["reason"] = too_long(reason, refunding.LONGEST_REASON)
        if not how_much(given):
            wrong["give_back"] = _("Choose how much goes back.")
        if not member.can("registrations.cancel"):
            wrong["form"] = _("You may not cancel registrations. An owner of the organisation can grant it.")
        if wrong:
            raise RefusedFields(wrong)
        return {"reason": reason, "give_back": how_much(given)}

    def decide(self, row, room, parameters):
        if not row.price or not row.paid_at:
            return "unpaid"
        return "nothing_left" if row.returned >= row.price or row.held <= 0 else "ok"

    def apply(self, rows, *, operation, by):
        deciding.cancel(rows, by=by, operation=operation, reason=operation.parameters["reason"],
                        give_back=operation.parameters["give_back"])
        return {}


class CancelEvent(Action):
    """All that are left of an event that will not take place (`cancelling_events.py`)."""

    name, label, permission = "cancel_event", _l("Cancel the event"), "registrations.refund"
    undoable = from_desk = False

    def decide(self, row, room, parameters):
        return "ok" if row.status in registering.LIVE else "ended"

    def apply(self, rows, *, operation, by):
        reason = operation.parameters["reason"]
        deciding.cancel(rows, by=by, operation=operation, reason=reason, give_back=deciding.ALL, letter="mail_event_cancelled",
                        written=reason)
        return {}


def by_rules(row) -> int:
    """Of what one row has paid."""
    if not row.paid_at:
        return 0
    tier = refund_rules.share((row.refund_terms or {}).get("rules") or {}, row, clock.now(), row.ordered_at)
    return tier.amount(max(0, row.price - row.returned))


def how_much(given) -> str:
    """Of the money: all, by the rules, or none for now."""
    chosen = given.get("give_back", "")
    return chosen if chosen in ("", deciding.RULES) else deciding.ALL


class Tag(Action):
    name, label, permission = "tag", _l("Tag"), "registrations.edit"

    def read(self, given, operation, member):
        tag, remove = line(given, "tag"), given.get("tag_mode") == "remove"
        wrong = too_long(tag, LONGEST_TAG) if tag else _("Write a tag.")
        if wrong:
            raise RefusedFields({"tag": wrong})
        return {"tag": tag, "remove": remove}

    def decide(self, row, room, parameters):
        tag, tags = parameters.get("tag"), row.tags
        if parameters.get("remove"):
            return "ok" if tag in tags else "no_tag"
        if tag in tags:
            return "has_tag"
        return "ok" if len(tags) < MOST_TAGS else "many_tags"

    def apply(self, rows, *, operation, by):
        tag, remove = operation.parameters["tag"], operation.parameters["remove"]
        change = func.array_remove if remove else func.array_append
        db.session.execute(update(Registration).where(among(Registration.id, [row.id for row in rows]))
                           .values(tags=change(Registration.tags, tag)).execution_options(synchronize_session=False))
        audit.record("registration.untagged" if remove else "registration.tagged", [Registration(id=row.id) for row in rows], by=by,
                     **{"before" if remove else "after": {"tag": tag}})
        return {}


class MarkPaid(Action):
    name, label, permission = "mark_paid", _l("Mark as paid"), "payments.mark_received"
    size = 50
    whole_orders = True

    def widen(self, query):
        """A transfer pays for the whole order."""
        orders = query.with_only_columns(Registration.order_id, maintain_column_froms=True)
        chosen = query.with_only_columns(Registration.id, maintain_column_froms=True)
        return select(Registration).where(Registration.order_id.in_(orders), Registration.id.in_(chosen)
                                          | (Registration.status == Status.PENDING_PAYMENT))

    def decide(self, row, room, parameters):
        if row.status != Status.PENDING_PAYMENT:
            return "already_paid" if row.paid_at and row.price else "nothing_awaited"
        return "ok"

    def apply(self, rows, *, operation, by):
        outcome = {}
        for order in registering.orders_of(rows):
            mine = [row.id for row in rows if row.order_id == order.id]
            if ledger.owed(order) <= 0:
                outcome |= dict.fromkeys(mine, "nothing_awaited")
            elif receiving.is_elsewhere(order):
                outcome |= dict.fromkeys(mine, "paying")
            else:
                outcome |= dict.fromkeys(mine, {"payment": receiving.receive(order, by=by).id})
        return outcome

    def reasons_to_keep(self, rows):
        untouched = {id_ for id_ in {row.before["payment"] for row in rows} if receiving.is_untouched(id_)}
        return {row.row_id: "changed" for row in rows if row.before["payment"] not in untouched}

    def take_back(self, rows, *, operation, by):
        for payment_id in sorted({row.before["payment"] for row in rows}):
            receiving.take_back(payment_id, by=by)


class SendEmail(Action):
    name, label, permission = "send_email", _l("Send an email"), "registrations.message"
    changes = False

    def read(self, given, operation, member):
        subject, body = line(given, "subject"), paragraphs(given, "body")
        wrong = {"subject": messaging.wrong(subject, 150) or (not subject and _("Write a subject.")),
                 "body": messaging.wrong(body, 10_000) or (not body and _("Write the letter."))}
        wrong = {name: sentence for name, sentence in wrong.items() if sentence}
        if wrong:
            raise RefusedFields(wrong)
        return {"subject": subject, "body": body}

    def decide(self, row, room, parameters):
        return "ok" if row.email or row.order_email else "no_email"

    def apply(self, rows, *, operation, by):
        people = [Registration(id=row.id) for row in rows]
        later("mail_message", people, key=f"bulk {operation.id}", operation=operation.id)
        audit.record("registration.written_to", people, by=by, after={"operation": operation.id})
        return {}


class EnterAll(Action):
    name, label, permission = "check_in", _l("Check in"), "registrations.check_in"
    changes = False

    def read(self, given, operation, member):
        chosen = given.get("checkpoint", "")
        found = [one.id for one in checkpoints_of(operation) if str(one.id) == chosen]
        if not found:
            raise RefusedFields({"checkpoint": _("Choose where they have come in.")})
        return {"checkpoint": found[0]}

    def decide(self, row, room, parameters):
        return "ok" if row.status == Status.CONFIRMED else checking_in.NOT_CONFIRMED[row.status][0]

    def apply(self, rows, *, operation, by):
        checkpoint = db.session.get(Checkpoint, operation.parameters["checkpoint"])
        tally = checking_in.enter(rows, checkpoint, by=by)
        return {id_: {"entry": entry} for id_, entry in tally.entries.items()} | tally.refused

    def take_back(self, rows, *, operation, by):
        checking_in.undo([CheckIn(id=row.before["entry"]) for row in rows], by=by)


def checkpoints_of(operation) -> list[Checkpoint]:
    """Where those of one event can come in; none when they are of several."""
    return checking_in.checkpoints(db.session.get(Event, operation.event_id)) if operation.event_id else []


class Export(Action):
    """Changes nothing; `bulk.export` does it."""

    name, label, permission = "export", _l("Export"), "registrations.export"
    undoable = changes = False

    def read(self, given, operation, member):
        chosen = given.get("format", "")
        if chosen not in exporting.TYPES:
            raise RefusedFields({"format": _("Choose a format.")})
        return {"format": chosen}

    def decide(self, row, room, parameters):
        return "ok"


ACTIONS: dict[str, Action] = {action.name: action for action in (
    Approve(), Reject(), Cancel(), Refund(), CancelEvent(), Tag(), MarkPaid(), SendEmail(), EnterAll(), Export())}


def action_named(name: str) -> Action:
    if name not in ACTIONS or not ACTIONS[name].from_desk:
        raise Refused(_("Choose what to do with them."))
    return ACTIONS[name]
