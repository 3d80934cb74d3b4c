"""Payments that wait for a person: what the person may decide, and what follows from it.

Nothing here guesses. Each way out leaves the ledger and the registrations in step, or it is not offered; what the gateway has is
asked of the gateway (`calling.py`), never typed in.
"""
from dataclasses import dataclass

from sqlalchemy import func, null, select

from eventapp import audit, clock, config
from eventapp.domain import (
    Refused,
    accounts,
    applying,
    attempts,
    calling,
    ledger,
    paying,
    receiving,
    refunding,
    registering,
)
from eventapp.domain.applying import DIFFERS, MONEY, WAITING
from eventapp.extensions import db
from eventapp.languages import _, current_locale, localized
from eventapp.models import (
    Directory,
    Event,
    Order,
    Organization,
    Payment,
    PaymentAttempt,
    Refund,
    Registration,
    Status,
    User,
)
from eventapp.money import money_text
from eventapp.outbox import later
from eventapp.payments.provider import FAILED, MANUAL_TRANSFER, VOIDED

READ, RECEIVE, REFUND, CANCEL = "payments.read", "payments.mark_received", "registrations.refund", "registrations.cancel"
TOO_MUCH = "more was paid than is owed"
BY_HAND = "SETTLED_BY_HAND"
REFUND_TROUBLE = ("refund_refused", "refund_failed", "refund_overtaken")


@dataclass(frozen=True, slots=True)
class Way:
    """A button of the payment's page: `text` on it, `help` beside it. `note`: it asks why; `people`: it asks for whom."""

    name: str
    text: str
    help: str
    permission: str = RECEIVE
    icon: str = "check"
    note: bool = False
    people: bool = False


def ask_gateway(payment: Payment) -> None:
    """Look now what the gateway knows; the job applies it."""
    later("gateway_refresh", payment, key=f"asked by hand {clock.now().isoformat()}")


# -- telling the owners ------------------------------------------------------------------------------------

def mail_to_decide(organization: Organization, user_id: int) -> None:
    """To one owner, how many payments wait for a person; none when somebody has seen to them by then."""
    user = db.session.get(User, user_id)
    count = db.session.scalar(select(func.count()).select_from(Payment).where(Payment.problem.is_not(None)))
    if not count or user is None or user.disabled_at:
        return
    base, locale = config.active().platform_url, user.locale or "ko"
    slug = db.session.scalar(select(Directory.slug).where(Directory.org_id == organization.id))
    accounts.send("payments_to_decide", user, base, organizer=localized(organization.name, locale), count=count,
                  link=f"{base}/{slug}/admin/payments?status=problem")


# -- what may be decided -----------------------------------------------------------------------------------

def ways(payment: Payment) -> list[Way]:
    """The likeliest first; none where only time or the gateway can tell."""
    if payment.problem is None:
        return []
    order = db.session.get(Order, payment.order_id)
    kind, owed, surplus = payment.problem["kind"], ledger.owed(order), refunding.surplus(order)
    found = OFFERED.get(kind, _of_others)(payment, order, owed, surplus)
    if kind not in (DIFFERS, "disputed", "unresolved") and owed <= 0 and surplus == 0 and all(way.name != "note" for way in found):
        found.append(Way("note", _("It is settled"), _("The ledger is even. Say how it was settled."), note=True))
    return found


def _of_difference(payment, order, owed, surplus) -> list[Way]:
    expected, found = payment.problem["expected"], payment.problem["found"]
    offered = [Way("compare", _("Compare again"), _("Ask the payment company once more. If both agree by now, the payment goes on."), icon="rotate-ccw")]
    if set(found) == {"amount"} and isinstance(found["amount"], int) and 0 < found["amount"] < expected["amount"] and payment.status not in MONEY:
        offered.append(Way("accept", _("Count %(amount)s", amount=_money(payment, found["amount"])), _(
            "The money is booked as it came. What is missing is then asked for, let go, or everything is given back."), REFUND, "banknote"))
    offered.append(Way("close", _("Close without booking"), _("You have settled it at the payment company itself. Nothing is booked here."), REFUND, "ban", note=True))
    return offered


def _of_step_back(payment, order, owed, surplus) -> list[Way]:
    return [Way("compare", _("Compare again"), _("Ask the payment company once more. If both agree by now, the payment goes on."), icon="rotate-ccw")]


def _of_too_little(payment, order, owed, surplus) -> list[Way]:
    if owed <= 0:
        return _of_too_much(payment, order, owed, surplus)
    rest = _money(payment, owed)
    offered = [
        Way("ask_rest", _("Ask the buyer for %(amount)s", amount=rest), _("The places are kept meanwhile, and the buyer can pay the rest on the order's page."),
            icon="mail"),
        Way("receive_rest", _("%(amount)s has come", amount=rest), _("By transfer or in cash. The registration is confirmed."), icon="banknote"),
        Way("forgive", _("Let %(amount)s go", amount=rest), _("The price becomes what was paid, and the registration is confirmed."), REFUND)]
    if refunding.available(payment):
        offered.append(_giving_back(payment, refunding.available(payment)))
    return offered


def _of_too_much(payment, order, owed, surplus) -> list[Way]:
    if not surplus:
        return []
    amount = min(surplus, refunding.available(payment))
    return [*([_giving_back(payment, amount)] if amount else []), Way(
        "keep", _("Keep %(amount)s", amount=_money(payment, surplus)), _("The organisation keeps it, by its rules or by agreement. Say why."), REFUND, "wallet", note=True)]


def _of_refund(payment, order, owed, surplus) -> list[Way]:
    if not surplus or _failed_refund(payment) is None:
        return _of_too_much(payment, order, owed, surplus)
    amount = _money(payment, min(surplus, _failed_refund(payment).amount))
    offered = [Way("refund_again", _("Give back %(amount)s once more", amount=amount), _("The same way as before."), REFUND, "rotate-ccw")]
    if not refunding.by_hand(payment):
        offered.append(Way("refund_transfer", _("Send %(amount)s by transfer", amount=amount), _(
            "The buyer is asked for an account, and somebody of yours transfers it."), REFUND, "landmark"))
    return offered


def _of_outside(payment, order, owed, surplus) -> list[Way]:
    if owed <= 0:
        return _of_too_much(payment, order, owed, surplus)
    amount = _money(payment, owed)
    offered = [Way("forgive", _("It was a reduction"), _("Everybody stays, and %(amount)s less is charged.", amount=amount), REFUND)]
    if live(order):
        offered.append(Way("cancel", _("It was for these participants"), _("Their registrations are cancelled and their places are free."), CANCEL, "ban", people=True))
    return offered


def _of_silence(payment, order, owed, surplus) -> list[Way]:
    return [Way("retry", _("Ask again now"), _("With the same key: nothing is done twice."), icon="rotate-ccw"),
            Way("not_done", _("It did not happen"), _("You have looked at the payment company, and it knows nothing of it. The buyer may try again."),
                REFUND, "ban", note=True)]


def _of_dispute(payment, order, owed, surplus) -> list[Way]:
    return []


def _of_others(payment, order, owed, surplus) -> list[Way]:
    return _of_too_much(payment, order, owed, surplus) or _of_too_little(payment, order, owed, surplus)


OFFERED = {DIFFERS: _of_difference, "went_back": _of_step_back, "underpaid": _of_too_little, "unresolved": _of_silence,
           "external_refund": _of_outside, "disputed": _of_dispute, **dict.fromkeys(REFUND_TROUBLE, _of_refund),
           **dict.fromkeys(("overpaid", "not_given_back", "refund_by_hand"), _of_too_much)}


def _giving_back(payment: Payment, amount: int) -> Way:
    return Way("give_back", _("Give back %(amount)s", amount=_money(payment, amount)), _("The way it came, or to an account that the buyer is asked for."), REFUND, "undo-2")


def _money(payment: Payment, amount: int) -> str:
    return money_text(amount, payment.currency, current_locale())


def _failed_refund(payment: Payment) -> Refund | None:
    return db.session.scalar(select(Refund).where(Refund.payment_id == payment.id, Refund.state == "failed", ~Refund.repeated).order_by(Refund.id.desc()).limit(1))


def live(order: Order) -> list[Registration]:
    return registering.with_status(registering.of_order(order), Status.CONFIRMED, Status.PENDING_APPROVAL, Status.PENDING_PAYMENT)


# -- deciding ------------------------------------------------------------------------------------------------

def settle(payment: Payment, name: str, *, note: str = "", people=(), by) -> None:
    """Do it, and say on record who decided so. `people`: ids of registrations. Raises Refused when it is not open any more."""
    order = attempts.lock(payment)
    way = next((one for one in ways(payment) if one.name == name), None)
    if way is None:
        raise Refused(_("This has changed since you opened the page. Look at it again."), status=409)
    if way.note and not note:
        raise Refused(_("Say in a few words how it was settled."), f"note-{name}")
    kind = payment.problem["kind"]
    audit.record("payment.settled", payment, by=by, before={"problem": kind}, after={"way": name}, personal=(None, {"note": note}) if note else None)
    DEEDS[name](payment, order, people, by)


def _solved(payment: Payment) -> None:
    payment.problem = null()
    db.session.flush()
    db.session.refresh(payment)


def _compare(payment, order, people, by) -> None:
    _solved(payment)
    ask_gateway(payment)


def _accept(payment, order, people, by) -> None:
    payment.amount = payment.problem["found"]["amount"]
    _compare(payment, order, people, by)


def _close(payment, order, people, by) -> None:
    _solved(payment)
    if payment.status in WAITING:
        payment.status = VOIDED
    calling.look_at_hold(order)


def _ask_rest(payment, order, people, by) -> None:
    _solved(payment)
    event = db.session.get(Event, order.event_id)
    registering.hold(order, paying.due(event.id, clock.now()))
    if MANUAL_TRANSFER in event.methods and db.session.get(Organization, order.org_id).bank_account:
        paying.begin(order, MANUAL_TRANSFER)


def _receive_rest(payment, order, people, by) -> None:
    if receiving.is_elsewhere(order):
        raise Refused(_("The buyer is paying at this moment. Try again in a minute."), status=409)
    _solved(payment)
    receiving.receive(order, by=by)


def _forgive(payment, order, people, by) -> None:
    ledger.forgive(order, ledger.owed(order))
    _solved(payment)
    registering.money_arrived(order, by=by)
    applying.close_others(order, payment)


def _give_back(payment, order, people, by) -> None:
    amount = None if ledger.owed(order) > 0 else refunding.surplus(order)
    if refunding.give_back(payment, TOO_MUCH, by=by, amount=amount) is None:
        raise Refused(_("Nothing of it can go back at the moment: a refund is on its way, or the card holder contests the payment."), status=409)
    if not refunding.surplus(order):
        _solved(payment)


def _keep(payment, order, people, by) -> None:
    ledger.keep(order, refunding.surplus(order))
    _solved(payment)


def _refund_again(payment, order, people, by) -> None:
    refunding.again(_failed_refund(payment), by=by)


def _refund_transfer(payment, order, people, by) -> None:
    refunding.again(_failed_refund(payment), by=by, by_transfer=True)


def _cancel(payment, order, people, by) -> None:
    chosen = [one for one in live(order) if one.id in people]
    if not chosen:
        raise Refused(_("Choose for whom it was given back."), "people")
    registering.cancel(chosen, by=by, reason="refunded at the gateway")
    if ledger.owed(order) > 0:
        raise Refused(_("More was given back than these participants had paid. Choose everybody it was for, or take it as a reduction."), "people")
    _solved(payment)
    if surplus := refunding.surplus(order):
        refunding.needs_a_person(payment, "overpaid", payment.balance - surplus, payment.balance, by=by)


def _retry(payment, order, people, by) -> None:
    for attempt in _open_attempts(payment):
        later(attempts.JOBS[attempt.operation], attempt, key=f"asked by hand {clock.now().isoformat()}")


def _not_done(payment, order, people, by) -> None:
    _solved(payment)
    for attempt in _open_attempts(payment):
        attempt.state, attempt.code, attempt.finished_at = "refused", BY_HAND, clock.now()
        if attempt.request.get("refund_id"):
            refunding.refused(db.session.get(Refund, attempt.request["refund_id"]), BY_HAND)
        elif payment.status in WAITING and attempt.operation != "cancel":
            payment.status, payment.failure_code = FAILED, BY_HAND
            audit.record("payment.failed", payment, by=by, after={"code": BY_HAND})
    db.session.flush()
    calling.look_at_hold(order)


def _open_attempts(payment: Payment) -> list[PaymentAttempt]:
    return list(db.session.scalars(select(PaymentAttempt).where(
        PaymentAttempt.payment_id == payment.id, PaymentAttempt.state.in_(attempts.OPEN)).order_by(PaymentAttempt.id)))


def _note(payment, order, people, by) -> None:
    _solved(payment)


DEEDS = {"compare": _compare, "accept": _accept, "close": _close, "ask_rest": _ask_rest, "receive_rest": _receive_rest, "forgive": _forgive,
         "give_back": _give_back, "keep": _keep, "refund_again": _refund_again, "refund_transfer": _refund_transfer, "cancel": _cancel,
         "retry": _retry, "not_done": _not_done, "note": _note}
