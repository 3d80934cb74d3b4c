"""Bringing in a table of people: how its columns are read, what is wrong with each row, doing it, and taking all of it back.

What is done stands in an operation with a row for each line of the file (`domain/bulk.py`): a line's registration and the mark
that it is done are one transaction, so a worker that is killed leaves each line done once or not at all.
"""
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import insert, select, update

from eventapp import audit, clock, faults
from eventapp.domain import (
    Refused,
    RefusedFields,
    adding,
    applying,
    bulk,
    editing,
    exporting,
    ledger,
    ordering,
    reading,
    registering,
)
from eventapp.domain.adding import Entry
from eventapp.domain.ordering import Offer, Participant
from eventapp.extensions import db
from eventapp.languages import LOCALES, _, localized
from eventapp.models import (
    AuditLog,
    BulkOperation,
    BulkRow,
    EmailMessage,
    Event,
    ImportFile,
    Order,
    Payment,
    Refund,
    Registration,
    Status,
)
from eventapp.models.account import normal_email
from eventapp.models.form import FILE, MULTIPLE_CHOICE
from eventapp.outbox import HELD, NotYet, held, later, let_go
from eventapp.payments.provider import AWAITING_DEPOSIT, PAID, REFUNDED, VOIDED
from eventapp.unit_of_work import checkpoint

BATCH = 25
"""Lines of one transaction: it keeps the places locked, and visitors wait for them."""
KEPT_FOR = timedelta(days=7)
ENDED = (Status.CANCELLED, Status.EXPIRED, Status.REJECTED)
UNDONE = "the import was undone"

faults.register("import.applied", "import.undone")


# -- columns ---------------------------------------------------------------------------------------

WORDS = {
    "name": ("name", "full name", "participant", "이름", "성명", "성함", "참가자", "참가자명", "참가자 이름"),
    "email": ("email", "e-mail", "mail", "email address", "이메일", "메일", "이메일 주소", "전자우편"),
    "phone": ("phone", "phone number", "mobile", "mobile phone", "tel", "telephone", "cell", "contact", "전화", "전화번호", "휴대폰",
              "휴대전화", "휴대폰 번호", "핸드폰", "연락처"),
    "programs": ("program", "programs", "programme", "programmes", "ticket", "프로그램", "참가 프로그램", "신청 프로그램"),
    "tags": ("tag", "tags", "태그"),
    "note": ("note", "notes", "memo", "remarks", "메모", "비고", "참고"),
    "flag": ("flag", "flag at the door", "입장 시 표시", "표시"),
    "language": ("language", "locale", "언어"),
}
YES, NO = ("o", "v", "y", "yes", "true", "예", "네", "참가"), ("-", "n", "no", "false", "아니요", "아니오", "불참")
"""Of a program. An x is neither: it means yes in the West and no in Korea."""
LANGUAGES = {"ko": "ko", "korean": "ko", "한국어": "ko", "kr": "ko", "en": "en", "english": "en", "영어": "en"}


def targets(offer: Offer) -> dict[str, str]:
    """What a column can be: name of the form's field → what it is called."""
    named = {"name": _("Name"), "email": _("Email"), "phone": _("Phone"), "programs": _("Programs (names or codes)")}
    named |= {f"qty-{code}": _("How many: %(what)s", what=localized(program.name)) for code, program in offer.programs.items()}
    for prefix, fields in (("field-", offer.fields), ("order-field-", offer.order_fields)):
        named |= {prefix + one["key"]: localized(one["label"]) for one in fields if one["type"] != FILE}
    return named | {"tags": _("Tags"), "note": _("Note"), "flag": _("Flag at the door"), "language": _("Language of the letters")}


def guess(headings: list[str], offer: Offer) -> dict[str, str]:
    """Number of a column, as text → what it seems to be, by its heading in either language; each only once."""
    known = {_plain(word): key for key, words in WORDS.items() for word in words}
    for code, program in offer.programs.items():
        known |= dict.fromkeys(map(_plain, (code, *program.name.values())), f"qty-{code}")
    for prefix, fields in (("field-", offer.fields), ("order-field-", offer.order_fields)):
        for one in fields:
            if one["type"] != FILE:
                known |= dict.fromkeys(map(_plain, (one["key"], *one["label"].values())), prefix + one["key"])
    found: dict[str, str] = {}
    for number, heading in enumerate(headings):
        target = known.get(_plain(heading))
        if target and target not in found.values():
            found[str(number)] = target
    return found


def _plain(text: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text).casefold())


# -- a file ----------------------------------------------------------------------------------------

def receive(event: Event, name: str, content: bytes, *, by) -> ImportFile:
    """Take a file in; raises Refused when it is no table."""
    table = reading.read(name, content)
    if not table.rows:
        raise Refused(_("This table has headings, but no rows."), "file")
    offer = ordering.offer(event)
    only = next(iter(offer.programs), "") if len(offer.programs) == 1 else ""
    file = ImportFile(event_id=event.id, user_id=by.id, name=re.sub(r"[\x00-\x1f\x7f/\\]", "", name)[-120:], content=content,
                      mapping=guess(table.headings, offer),
                      options={"payment": adding.UNPAID, "reason": "", "letters": False, "program": only, "skip_existing": True,
                               "tag": "", "language": event.languages[0] if event.languages else "ko"})
    db.session.add(file)
    db.session.flush()
    audit.record("import.uploaded", file, by=by, after={"rows": len(table.rows)})
    return file


def settle(file: ImportFile, offer: Offer, mapping: dict[str, str], options: dict) -> None:
    """How its columns are read and what is done with them; raises RefusedFields."""
    if file.operation_id:
        raise Refused(_("This table has been brought in already."), status=409)
    known, errors = targets(offer), {}
    used = Counter(target for target in mapping.values() if target)
    for number, target in mapping.items():
        if target and (target not in known or used[target] > 1):
            errors[f"column-{number}"] = _("Two columns can not be the same.")
    if "name" not in used:
        errors.setdefault("columns", _("Say which column has the names."))
    if options["payment"] not in adding.PAYMENTS:
        errors["payment"] = _("Choose how it is paid.")
    if options["payment"] == adding.GUEST and not options["reason"]:
        errors["reason"] = _("Say why nothing is charged.")
    if options["program"] and options["program"] not in offer.programs:
        errors["default_program"] = _("One of the programs is no longer part of this event. Choose again.")
    file.mapping = {number: target for number, target in mapping.items() if target}
    file.options = options
    if errors:
        raise RefusedFields(errors)


def template(offer: Offer) -> str:
    """An empty table with the headings that are understood, as CSV."""
    headings = [_("Name"), _("Email"), _("Phone"), _("Programs")]
    headings += [localized(one["label"]) for one in (*offer.fields, *offer.order_fields) if one["type"] != FILE]
    return "\ufeff" + exporting.table_text([[exporting.cell(heading) for heading in [*headings, _("Tags"), _("Note")]]])


# -- looking ---------------------------------------------------------------------------------------

@dataclass
class Line:
    """A row of the file. `problems`: (column's heading, sentence); `code` why it is left out, empty when it will be done."""

    number: int
    cells: list[str]
    entry: Entry | None = None
    problems: list[tuple[str, str]] = field(default_factory=list)
    code: str = ""
    known: bool = False
    """Somebody of this name and address is registered already."""

    def refuse(self, code: str, column: str, sentence: str) -> None:
        self.code = self.code or code
        self.problems.append((column, sentence))


@dataclass
class Look:
    table: reading.Table
    lines: list[Line]

    @property
    def good(self) -> list[Line]:
        return [line for line in self.lines if not line.code]

    @property
    def wrong(self) -> list[Line]:
        return [line for line in self.lines if line.code not in ("", "exists")]

    @property
    def known(self) -> list[Line]:
        return [line for line in self.lines if line.known]


def look(file: ImportFile, offer: Offer) -> Look:
    """What would happen to each row. Nothing is written and nothing locked, so what happens later may differ, and is said then."""
    found = read(file, offer)
    for line in found.lines:
        if line.entry:
            for name, sentence in adding.check(offer, line.entry).items():
                if name == "program" and line.problems:
                    continue  # of what it names there is none, which has been said
                line.refuse("invalid", heading_of(file, found.table, name), sentence)
    _find_duplicates(found.lines)
    _find_known(file, found.lines)
    _find_room(offer, found.lines)
    return found


def read(file: ImportFile, offer: Offer) -> Look:
    """The rows as they would be registered, by themselves."""
    if file.content is None:
        raise Refused(_("The content of this file is no longer kept. Upload it again."))
    table = reading.read(file.name, file.content)
    lines = []
    for row in table.rows:
        line = Line(row.number, row.cells)
        if row.wrong:
            line.refuse("invalid", table.headings[row.cell] if row.cell is not None and row.cell < len(table.headings) else "",
                        str(reading.WRONG[row.wrong]))
        else:
            line.entry = _entry(file, offer, table, line)
        lines.append(line)
    return Look(table, lines)


def heading_of(file: ImportFile, table: reading.Table, name: str) -> str:
    """The heading of the column from which a field of the form was read."""
    wanted = {name, "programs"} if name == "program" or name.startswith("qty-") else {name}
    return next((table.headings[int(number)] for number, target in file.mapping.items()
                 if target in wanted and int(number) < len(table.headings)), "")


def _entry(file: ImportFile, offer: Offer, table: reading.Table, line: Line) -> Entry:
    options = file.options
    given = {target: line.cells[int(number)] for number, target in file.mapping.items() if int(number) < len(line.cells)}
    person = Participant(name=_one_line(given.get("name", "")), email=_one_line(given.get("email", "")),
                         phone=_one_line(given.get("phone", "")), answers=_answers(offer.fields, "field-", given))
    person.chosen = _programs(offer, given, line, heading_of(file, table, "program"))
    for code in offer.programs:
        text = given.get(f"qty-{code}", "").strip()
        if text.isascii() and text.isdigit() and len(text) < 6:
            person.chosen |= {code: int(text)} if int(text) else {}
        elif text.casefold() in YES:
            person.chosen |= {code: 1}
        elif text and text.casefold() not in NO:
            line.refuse("invalid", heading_of(file, table, f"qty-{code}"), _("Enter a whole number, such as 3."))
    if not person.chosen and options["program"] in offer.programs:
        person.chosen = {options["program"]: max(1, offer.programs[options["program"]].minimum)}
    language = given.get("language", "").strip().casefold()
    if language and language not in LANGUAGES:
        line.refuse("invalid", heading_of(file, table, "language"), _("This is none of the languages: %(known)s.", known=", ".join(LOCALES)))
    tags = [_one_line(tag)[:40] for tag in re.split("[,;]", given.get("tags", "")) if tag.strip()]
    return Entry(
        id=f"import {file.id} {line.number}", person=person, payment=options["payment"], reason=options["reason"],
        letter=bool(options["letters"] and person.email), locale=LANGUAGES.get(language, options["language"]),
        note=given.get("note", "")[:2000], flag=_one_line(given.get("flag", ""))[:editing.LONGEST["flag"]],
        tags=tuple(dict.fromkeys([*tags, *([options["tag"]] if options["tag"] else [])]))[:20],
        order_answers=_answers(offer.order_fields, "order-field-", given))


def _one_line(text: str) -> str:
    return " ".join("".join(" " if unicodedata.category(letter) in ("Cc", "Zl", "Zp") else letter for letter in text).split())


def _programs(offer: Offer, given: dict[str, str], line: Line, column: str) -> dict[str, int]:
    """“Main conference, Lodging ×2”: names in either language, or codes."""
    words = {_plain(word): code for code, program in offer.programs.items() for word in (code, *program.name.values())}
    text, whole = given.get("programs", ""), words.get(_plain(given.get("programs", "")))
    chosen: dict[str, int] = {}
    for part in [text] if whole else re.split("[,;\n/]", text):
        name, _times, count = re.fullmatch(r"(.*?)(?:\s*([×x*])\s*(\d{1,4}))?", part.strip(), re.S).groups()
        code = words.get(_plain(part)) or words.get(_plain(name))
        if code:
            chosen[code] = chosen.get(code, 0) + (int(count) if count and not words.get(_plain(part)) else 1)
        elif part.strip():
            line.refuse("invalid", column, _("There is no program called “%(name)s”.", name=part.strip()[:100]))
    return chosen


def _answers(fields: list[dict], prefix: str, given: dict[str, str]) -> dict[str, list[str]]:
    """As a form would send them: of a choice the label is as good as the value."""
    answers = {}
    for one in fields:
        text = given.get(prefix + one["key"], "").strip()
        if not text:
            continue
        words = {_plain(word): option["value"] for option in one.get("options", ()) for word in (option["value"], *option["label"].values())}
        if one["type"] == MULTIPLE_CHOICE and _plain(text) not in words:
            answers[one["key"]] = [words.get(_plain(part), part.strip()) for part in re.split("[,;\n]", text) if part.strip()]
        else:
            answers[one["key"]] = [words.get(_plain(text), text)]
    return answers


def _find_duplicates(lines: list[Line]) -> None:
    first: dict[tuple, int] = {}
    for line in lines:
        if line.entry and not line.code:
            name, email, phone = _who(line.entry)
            key = (name, email) if email else (name, phone) if phone else tuple(line.cells)
            if key in first:
                line.refuse("duplicate", "", _("This is the same person as in row %(number)s.", number=first[key]))
            first.setdefault(key, line.number)


def _who(entry: Entry) -> tuple[str, str, str]:
    return entry.person.name.casefold(), normal_email(entry.person.email), ordering.phone_number(entry.person.phone) or ""


def _find_known(file: ImportFile, lines: list[Line]) -> None:
    """Who is registered for the event already, by name and email address (or phone number)."""
    people = {line.number: _who(line.entry) for line in lines if line.entry}
    emails, phones = ({who[part] for who in people.values()} - {""} for part in (1, 2))
    there = db.session.execute(select(Registration.name, Registration.email, Registration.phone).where(
        Registration.event_id == file.event_id, Registration.status.not_in(ENDED),
        Registration.email.in_(emails) | Registration.phone.in_(phones))).all()
    keys = {(name.casefold(), reached) for name, *ways in there for reached in ways if reached}
    for line in lines:
        if line.entry and not line.code:
            name, email, phone = people[line.number]
            line.known = (name, email or phone) in keys
            if line.known and file.options["skip_existing"]:
                line.refuse("exists", "", _("This person is registered already."))


def _find_room(offer: Offer, lines: list[Line]) -> None:
    """Whose turn comes when the places are gone. `offer` knows how many there are."""
    left = {quota.id: quota.left for program in offer.programs.values() for quota in program.quotas}
    left |= {quota.id: quota.left for quota in offer.whole_event}
    for line in lines:
        if not line.entry or line.code:
            continue
        wanted = Counter({quota.id: 1 for quota in offer.whole_event})
        for code, count in line.entry.person.chosen.items():
            wanted.update({quota.id: count for quota in offer.programs[code].quotas})
        if any(left[quota] < count for quota, count in wanted.items()):
            line.refuse("full", "", _("No place is left for this person."))
            continue
        for quota, count in wanted.items():
            left[quota] -= count


# -- doing it --------------------------------------------------------------------------------------

def start(file: ImportFile, *, by) -> BulkOperation:
    """Do what was looked at: at once when it is not much, otherwise by the worker. Pressed twice it is done once."""
    db.session.flush()
    db.session.get(ImportFile, file.id, with_for_update=True, populate_existing=True)
    if file.operation_id:
        return db.session.get(BulkOperation, file.operation_id)
    found = look(file, ordering.offer(db.session.get(Event, file.event_id), with_places=True))
    if not found.good:
        raise Refused(_("There is no row that could be brought in."))
    operation = BulkOperation(event_id=file.event_id, user_id=by.id, action="import", state="waiting", started_at=clock.now(),
                              parameters={"import": file.id, "name": file.name, "payment": file.options["payment"]}, total=len(found.lines),
                              failed=len(found.lines) - len(found.good))
    db.session.add(operation)
    db.session.flush()
    db.session.execute(insert(BulkRow), [
        {"operation_id": operation.id, "position": line.number, "state": "refused" if line.code else "waiting", "reason": line.code,
         "before": None} for line in found.lines])
    file.operation_id = operation.id
    audit.record("operation.started", operation, by=by, after={"action": "import", "total": operation.total})
    if len(found.good) > bulk.AT_ONCE:
        later("import_run", operation, key="0")
        return operation
    # Should this process die between two batches, the worker goes on.
    later("import_run", operation, key="0", run_at=clock.now() + timedelta(minutes=1))
    batch = _batch(found)
    while batch(operation.id):
        checkpoint()
    return operation


def run(operation_id: int) -> None:
    """The job."""
    operation = db.session.get(BulkOperation, operation_id)
    file = db.session.scalar(select(ImportFile).where(ImportFile.operation_id == operation_id))
    if operation.state in ("waiting", "running"):
        found = read(file, ordering.offer(db.session.get(Event, file.event_id)))
        bulk.work_off(operation_id, "import_run", _batch(found))


def _batch(found: Look):
    entries = {line.number: line.entry for line in found.lines}

    def batch(operation_id: int) -> bool:
        """Do the lines whose turn it is; False when there are none left, or somebody has stopped it."""
        operation = bulk.locked(operation_id, skip=True)
        if operation is None:
            raise NotYet(3)  # another worker has it in hand
        if operation.state not in ("waiting", "running"):
            return False
        rows = [] if operation.stop else _next(operation, "waiting")
        if not rows:
            _finish(operation)
            return False
        operation.state = "running"
        by = audit.Actor("user", operation.user_id)
        offer = ordering.offer(db.session.get(Event, operation.event_id))
        with held(operation):
            for row in rows:
                row.state, row.reason = _add(offer, entries.get(row.position), row, by)
        done = Counter(row.state for row in rows)
        operation.ok, operation.failed = operation.ok + done["ok"], operation.failed + done["refused"]
        db.session.flush()
        faults.point("import.applied")
        return True
    return batch


def _next(operation: BulkOperation, state: str) -> list[BulkRow]:
    return list(db.session.scalars(select(BulkRow).where(BulkRow.operation_id == operation.id, BulkRow.state == state)
                                   .order_by(BulkRow.position).limit(BATCH).execution_options(populate_existing=True)))


def _add(offer: Offer, entry: Entry | None, row: BulkRow, by) -> tuple[str, str]:
    if entry is None or adding.check(offer, entry):
        return "refused", "invalid"
    try:
        order = adding.add(offer, entry, by=by)
    except RefusedFields:
        return "refused", "full"  # it was right before: only places can be missing
    row.registration_id = registering.of_order(order)[0].id
    return "ok", ""


def _finish(operation: BulkOperation) -> None:
    """Letters go out after a minute, in which a mistake is seen; taken back it can be later, too."""
    now = clock.now()
    left = operation.total - operation.ok - operation.failed
    operation.state, operation.finished_at = "stopped" if left else "done", now
    let_go(operation, now + bulk.MINUTE + bulk.MARGIN)
    audit.record("operation.finished", operation, by=audit.Actor("user", operation.user_id),
                 after={"action": "import", "ok": operation.ok, "failed": operation.failed, "left": left})


# -- taking it back --------------------------------------------------------------------------------

def may_undo(operation: BulkOperation) -> bool:
    return operation.state in ("done", "stopped") and operation.ok > 0


def undo(operation: BulkOperation, *, by) -> None:
    """Cancel every registration it has made with which nothing has happened since; letters that still wait are taken away."""
    operation = bulk.locked(operation.id)
    if not may_undo(operation):
        raise Refused(_("There is nothing to take back."), status=409)
    operation.state, operation.stop = "undoing", False
    operation.parameters = operation.parameters | {"undone_by": by.id}
    let_go(operation, clock.now() + HELD)
    audit.record("operation.undo", operation, by=by)
    if operation.ok > bulk.AT_ONCE:
        later("import_undo", operation, key="0")
        return
    while batch_back(operation.id):
        pass


def run_undo(operation_id: int) -> None:
    """The job."""
    bulk.work_off(operation_id, "import_undo", batch_back)


def batch_back(operation_id: int) -> bool:
    operation = bulk.locked(operation_id, skip=True)
    if operation is None:
        raise NotYet(3)
    if operation.state != "undoing":
        return False
    rows = _next(operation, "ok")
    if not rows:
        bulk.forget_jobs(operation)
        operation.state, operation.finished_at = "undone", clock.now()
        return False
    registrations = _locked([row.registration_id for row in rows])
    kept = _reasons_to_keep(operation, registrations)
    _take_back([one for one in registrations if one.id not in kept], by=audit.Actor("user", operation.parameters["undone_by"]))
    for row in rows:
        row.state, row.reason = ("kept", kept[row.registration_id]) if row.registration_id in kept else ("undone", "")
    db.session.flush()
    faults.point("import.undone")
    return True


def _locked(ids: list[int]) -> list[Registration]:
    """As they are now: orders first, like everybody."""
    found = select(Registration).where(Registration.id.in_(ids)).order_by(Registration.id)
    orders = select(Order.id).where(Order.id.in_(select(Registration.order_id).where(Registration.id.in_(ids)))).order_by(Order.id)
    db.session.execute(orders.with_for_update(key_share=True))
    return list(db.session.scalars(found.with_for_update().execution_options(populate_existing=True)))


def _reasons_to_keep(operation: BulkOperation, registrations: list[Registration]) -> dict[int, str]:
    """Whatever was done to one of them, its order or its payment stands in the audit log; only that it was made does not count."""
    orders = {one.order_id: one.id for one in registrations}
    payments = dict(db.session.execute(select(Payment.id, Payment.order_id).where(Payment.order_id.in_(orders))).all())
    touched = db.session.execute(select(AuditLog.object_kind, AuditLog.object_id).where(
        (AuditLog.object_kind == "registration") & AuditLog.object_id.in_([one.id for one in registrations])
        | (AuditLog.object_kind == "order") & AuditLog.object_id.in_(orders) & (AuditLog.action != "order.added_by_hand")
        | (AuditLog.object_kind == "payment") & AuditLog.object_id.in_(payments))).all()
    whose = {"registration": lambda id_: id_, "order": orders.get, "payment": lambda id_: orders[payments[id_]]}
    kept = {whose[kind](id_): "changed" for kind, id_ in touched}
    if operation.parameters["payment"] == adding.UNPAID:
        kept |= {one.id: "paid_since" for one in registrations if one.id in kept and one.sold and one.status == Status.CONFIRMED}
    paying = bulk.being_paid(operation, orders)
    kept |= {one.id: "paying" for one in registrations if one.order_id in paying and one.method != "manual_transfer"}
    return kept | dict.fromkeys(bulk.came_in({one.id for one in registrations}), "entered")


def _take_back(registrations: list[Registration], *, by) -> None:
    if not registrations:
        return
    registering.must_move(registrations, Status.CANCELLED, by=by, action="registration.import_undone", reason=UNDONE,
                          ticket_version=Registration.ticket_version + 1)
    orders = registering.orders_of(registrations)
    registering.end_holds(orders)
    ledger.charge_held(orders)
    ids = [order.id for order in orders]
    for payment in db.session.scalars(select(Payment).where(Payment.order_id.in_(ids)).order_by(Payment.id)):
        if payment.status == AWAITING_DEPOSIT:
            applying.close(payment, VOIDED)
        elif payment.status == PAID:
            _take_cash_back(payment)
    told = select(EmailMessage.order_id).where(EmailMessage.order_id.in_(ids), EmailMessage.state == "sent")
    later("mail_order_cancelled", [order for order in orders if order.id in set(db.session.scalars(told))], key=f"import {max(ids)}")


def _take_cash_back(payment: Payment) -> None:
    """What the table said was paid in cash was not: the books say so."""
    refund = Refund(payment_id=payment.id, amount=payment.balance, reason=UNDONE, state="done", done_at=clock.now(),
                    transaction_key=f"undone-{payment.gateway_order_id}")
    db.session.add(refund)
    ledger.refund(payment, refund.transaction_key, refund.amount)
    payment.status, payment.balance = REFUNDED, 0


# -- sweeping up -----------------------------------------------------------------------------------

def forget() -> None:
    """Of this organisation: people's data in files that were uploaded a week ago."""
    db.session.execute(update(ImportFile).where(ImportFile.content.is_not(None), ImportFile.created_at < clock.now() - KEPT_FOR)
                       .values(content=None).execution_options(synchronize_session=False))
