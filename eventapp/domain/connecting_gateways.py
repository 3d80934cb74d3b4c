"""An organisation's accounts at the gateways: their keys, whether these are good, what takes money through which, going live.

Keys are written and never shown again. What was valid before a change of them stays good for a week, as it does at the
gateways themselves, and is then erased.
"""
import hashlib
import re
import secrets
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import exists, func, or_, select

from eventapp import audit, clock, config, crypto
from eventapp.domain import Refused, RefusedFields, accounts, calling, paying
from eventapp.extensions import db
from eventapp.languages import _, _l, force_locale
from eventapp.models import Directory, Event, GatewayAccount, Organization, Payment, PaymentRoute, User, WebhookEvent
from eventapp.outbox import NotYet, later
from eventapp.payments import PROVIDERS
from eventapp.payments.provider import GatewayUnknown
from eventapp.unit_of_work import checkpoint

PREVIOUS_KEPT = timedelta(days=7)
"""The gateways keep a replaced key valid for as long."""
GIVE_UP_CHECKING = timedelta(hours=1)
LONGEST = 400
TOSS_KEY = re.compile(r"(test|live)_(g?)(ck|sk)_[A-Za-z0-9_]{8,}\Z")
STRIPE_KEY = re.compile(r"(pk|sk|rk)_(test|live)_[A-Za-z0-9_]{8,}\Z")
STORE_ID, CHANNEL_KEY = re.compile(r"store-[A-Za-z0-9-]{4,}\Z"), re.compile(r"channel-key-[A-Za-z0-9-]{4,}\Z")
GATEWAYS = {"toss": _l("TossPayments"), "portone": _l("PortOne"), "stripe": "Stripe"}
"""Those that an organisation can have an account at."""
SIGNING = ("portone", "stripe")
"""Those whose notices are refused until we know the secret that signs them."""


# -- keys as they are typed -------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class Keys:
    """What somebody has pasted. `mode` is asked for only where the keys do not say it (PortOne)."""

    client_key: str = ""
    secret_key: str = field(default="", repr=False)
    webhook_secret: str = field(default="", repr=False)
    mode: str = ""
    public: dict = field(default_factory=dict)


def clean_key(text: str | None) -> str:
    """As pasted: spaces and a byte-order mark would make the gateway refuse it."""
    return (text or "").replace("\ufeff", "").strip()[:LONGEST]


def read_keys(provider: str, keys: Keys, *, must_be: str = "") -> str:
    """The mode these keys are for, test or live; raises RefusedFields where one is of the wrong kind or they do not belong
    together. An empty secret is not looked at: the present one stays. `must_be`: the mode of an account that exists."""
    wrong: dict[str, str] = {}
    mode = READERS[provider](keys, wrong)
    if not wrong and must_be and mode != must_be:
        first = "secret_key" if provider == "portone" else "client_key"
        wrong[first] = _("These are test keys, but this account takes real money. Add an account of its own for tests.") if mode == "test" \
            else _("These are live keys, but this account is for tests. Add another account for real money.")
    if wrong:
        raise RefusedFields(wrong)
    return mode


def _toss(keys: Keys, wrong: dict) -> str:
    client, secret = TOSS_KEY.match(keys.client_key), TOSS_KEY.match(keys.secret_key)
    if not client or client[3] != "ck":
        wrong["client_key"] = _("Paste the client key. It starts with %(test)s or %(live)s.", test="test_ck_", live="live_ck_")
    elif client[2]:
        wrong["client_key"] = _("This is a key of the payment widget. Paste the one for API individual integration, which starts with %(test)s or "
                                "%(live)s.", test="test_ck_", live="live_ck_")
    if keys.secret_key:
        if not secret or secret[3] != "sk":
            wrong["secret_key"] = _("Paste the secret key. It starts with %(test)s or %(live)s.", test="test_sk_", live="live_sk_")
        elif secret[2]:
            wrong["secret_key"] = _("This is a key of the payment widget. Paste the one for API individual integration, which starts with "
                                    "%(test)s or %(live)s.", test="test_sk_", live="live_sk_")
        elif not wrong and secret[1] != client[1]:
            wrong["secret_key"] = _("One key is for tests and the other for real money. Both must be of the same kind.")
    return client[1] if client else ""


def _stripe(keys: Keys, wrong: dict) -> str:
    client, secret = STRIPE_KEY.match(keys.client_key), STRIPE_KEY.match(keys.secret_key)
    if not client or client[1] != "pk":
        wrong["client_key"] = _("Paste the publishable key. It starts with %(test)s or %(live)s.", test="pk_test_", live="pk_live_")
    if keys.secret_key:
        if not secret or secret[1] == "pk":
            wrong["secret_key"] = _("Paste the secret key. It starts with %(test)s or %(live)s.", test="sk_test_", live="sk_live_")
        elif not wrong and secret[2] != client[2]:
            wrong["secret_key"] = _("One key is for tests and the other for real money. Both must be of the same kind.")
    if keys.webhook_secret and not re.fullmatch(r"whsec_[A-Za-z0-9+/=_-]{8,}", keys.webhook_secret):
        wrong["webhook_secret"] = _("Paste the signing secret of the webhook. It starts with %(start)s.", start="whsec_")
    return client[2] if client else ""


def _portone(keys: Keys, wrong: dict) -> str:
    if not STORE_ID.match(keys.public.get("store_id", "")):
        wrong["store_id"] = _("Paste the store ID. It starts with %(start)s.", start="store-")
    if not CHANNEL_KEY.match(keys.public.get("channel_key", "")):
        wrong["channel_key"] = _("Paste the channel key. It starts with %(start)s.", start="channel-key-")
    if keys.secret_key and (not re.fullmatch(r"[!-~]{16,}", keys.secret_key) or keys.secret_key.startswith(("store-", "channel-key-", "whsec_"))):
        wrong["secret_key"] = _("Paste the V2 API secret: one word of letters and digits.")
    if keys.webhook_secret and not _is_standard_secret(keys.webhook_secret):
        wrong["webhook_secret"] = _("Paste the signing secret of the webhook. It starts with %(start)s.", start="whsec_")
    if keys.public.get("approval") not in ("manual", "automatic"):
        wrong["approval"] = _("Choose one.")
    if keys.mode not in ("test", "live"):
        wrong["mode"] = _("Choose one.")
    return keys.mode


def _is_standard_secret(text: str) -> bool:
    """Of Standard Webhooks: the key itself in base64, behind its mark."""
    try:
        return text.startswith("whsec_") and len(b64decode(text.removeprefix("whsec_"), validate=True)) >= 16
    except ValueError:
        return False


READERS = {"toss": _toss, "portone": _portone, "stripe": _stripe}


def hint(secret: str) -> str:
    """What may be shown of a key: what kind it is, how it ends, and by what two people can tell that it is the same one."""
    kind = re.match(r"(?:(?:test|live)_g?sk_|(?:sk|rk)_(?:test|live)_)", secret)
    mark = hashlib.blake2b(secret.encode(), digest_size=4).hexdigest()
    return f"{kind[0] if kind else ''}••••{secret[-4:]} · {mark}"


# -- making and changing ------------------------------------------------------------------------------------

def connect_account(provider: str, *, mode: str, client_key: str, secret_key: str, purpose: str = "one_off", name: str = "",
                    webhook_secret: str = "", public: dict | None = None, enabled: bool = True, for_all_events: bool = True) -> GatewayAccount:
    """Give the organisation an account at a gateway, or new keys to the one it has of this name."""
    account = db.session.scalar(select(GatewayAccount).filter_by(provider=provider, mode=mode, purpose=purpose, name=name).with_for_update())
    if account is None:
        account = GatewayAccount(provider=provider, mode=mode, purpose=purpose, name=name, enabled=enabled, for_all_events=for_all_events,
                                 webhook_token=secrets.token_urlsafe(32))
        db.session.add(account)
        db.session.flush()
        db.session.add(PaymentRoute(key=f"webhook:{account.webhook_token}", org_id=account.org_id, id=account.id))
    _put(account, Keys(client_key, secret_key, webhook_secret, mode, public or {}))
    db.session.flush()
    return account


def _put(account: GatewayAccount, keys: Keys) -> None:
    """What was valid before stays so for a while; an empty secret leaves the present one."""
    replaced = [_replace(account, "secret_key", keys.secret_key), _replace(account, "webhook_secret", keys.webhook_secret)]
    if any(replaced):
        account.previous_until = clock.now() + PREVIOUS_KEPT
    if keys.secret_key:
        account.secret_hint = hint(keys.secret_key)
    account.client_key, account.public, account.unhealthy = keys.client_key, account.public | keys.public | _former_channels(account, keys), ""


def _former_channels(account: GatewayAccount, keys: Keys) -> dict:
    """Money that came through a channel before it was changed stays ours, to be looked at and given back."""
    was, now = account.public.get("channel_key"), keys.public.get("channel_key")
    former = [one for one in (*account.public.get("former_channels", ()), was) if one != now]
    return {"former_channels": former} if was and now and former else {}


def _replace(account: GatewayAccount, name: str, new: str) -> bool:
    old = crypto.get(account, name)
    if not new or new == old:
        return False
    if old:
        crypto.put(account, f"previous_{name}", old)
    crypto.put(account, name, new)
    return bool(old)


def add(provider: str, keys: Keys, *, name: str, for_all_events: bool, by) -> GatewayAccount:
    """A new account. One that takes real money rests until somebody goes live with it."""
    mode = read_keys(provider, keys)
    if not keys.secret_key:
        raise Refused(_("Paste the secret key."), "secret_key")
    _only_one(provider, mode, name)
    account = connect_account(provider, mode=mode, client_key=keys.client_key, secret_key=keys.secret_key, name=name,
                              webhook_secret=keys.webhook_secret, public=keys.public, enabled=mode == "test", for_all_events=for_all_events)
    audit.record("gateway_account.added", account, by=by, after={"provider": provider, "mode": mode, "name": name, "key": account.secret_hint})
    check_again(account)
    return account


def _only_one(provider: str, mode: str, name: str, account: GatewayAccount | None = None) -> None:
    same = db.session.scalar(select(GatewayAccount).filter_by(provider=provider, mode=mode, purpose="one_off", name=name))
    if same is not None and same is not account:
        raise Refused(_("There is an account of this name already. Change its keys, or give this one another name."), "name")


def change_keys(account: GatewayAccount, keys: Keys, *, by) -> None:
    """New keys of the same merchant. Empty secrets leave those that are there."""
    db.session.refresh(account, with_for_update=True)
    read_keys(account.provider, replace(keys, mode=account.mode), must_be=account.mode)
    if keys.public.get("store_id", "") != account.public.get("store_id", "") and db.session.scalar(select(exists().where(Payment.account_id == account.id))):
        raise Refused(_("Payments have been made through the present store, and could not be refunded through another one. Add another account for the new store."), "store_id")
    before, had_signing = {"key": account.secret_hint, "client_key": account.client_key}, account.webhook_secret is not None
    changed_signing = bool(keys.webhook_secret) and keys.webhook_secret != crypto.get(account, "webhook_secret")
    _put(account, keys)
    after = {"key": account.secret_hint, "client_key": account.client_key}
    if changed_signing:
        before, after = before | {"webhook_secret": had_signing}, after | {"webhook_secret": True}
    audit.record("gateway_account.keys_changed", account, by=by, before=before, after=after)
    check_again(account)


def describe(account: GatewayAccount, *, name: str, for_all_events: bool, by) -> None:
    """What staff call it, and whether events that have chosen none take money through it."""
    _only_one(account.provider, account.mode, name, account)
    before, after = {"name": account.name, "for_all_events": account.for_all_events}, {"name": name, "for_all_events": for_all_events}
    if before != after:
        account.name, account.for_all_events = name, for_all_events
        audit.record("gateway_account.changed", account, by=by, before=before, after=after)


def switch(account: GatewayAccount, on: bool, *, by) -> None:
    """Take money through it, or no longer. What has been begun goes on either way. A live one is switched on by `go_live`."""
    if account.enabled == on:
        return
    if on and account.mode == "live" and missing(account):
        raise Refused(_("Something is still missing before this account can take real money."))
    account.enabled = on
    audit.record("gateway_account.switched_on" if on else "gateway_account.switched_off", account, by=by)


def forget_previous() -> None:
    """Of this organisation: keys that were replaced long enough ago are erased."""
    for account in db.session.scalars(select(GatewayAccount).where(GatewayAccount.previous_until < clock.now())).all():
        account.previous_secret_key = account.previous_webhook_secret = account.previous_until = None


# -- whether the keys are good --------------------------------------------------------------------------------

def check_again(account: GatewayAccount) -> None:
    """Asks the gateway, in a job; until it has answered the account is being checked."""
    account.checked_at = None
    later("gateway_check", account, until=(clock.now() + GIVE_UP_CHECKING).isoformat())


def check(account: GatewayAccount, until: datetime) -> None:
    """The job: only the current key is tried, or the one before would hide that it is wrong."""
    keys = calling.keys(account)
    asked = account.secret_hint
    checkpoint()  # nothing is held while we wait
    try:
        found = PROVIDERS[account.provider].check_credentials(replace(keys, secret_keys=keys.secret_keys[:1]))
    except GatewayUnknown:
        if clock.now() < until:
            raise NotYet(15 * config.active().backoff_scale) from None
        return
    db.session.refresh(account, with_for_update=True)
    if account.secret_hint != asked:
        return  # somebody has changed them meanwhile, and that is being checked by itself
    first, account.checked_at = account.checked_at is None, clock.now()
    if found.ok:
        calling.account_is_right(account)
    else:
        calling.account_is_wrong(account, found.code, tell=not first)  # whoever has just typed them is looking at the answer


def check_all() -> None:
    """Of this organisation: a key that was revoked is noticed before a buyer notices it."""
    for account in db.session.scalars(select(GatewayAccount).where(GatewayAccount.enabled, GatewayAccount.secret_key.is_not(None))).all():
        later("gateway_check", account, key=f"{clock.now():%Y%m%d%H}", until=clock.now().isoformat())


def state(account: GatewayAccount) -> str:
    """For pages: checking, refused, resting (switched off, or not live yet) or working."""
    if account.unhealthy:
        return "refused"
    if account.checked_at is None:
        return "checking"
    return "working" if account.enabled else "resting"


# -- notices -----------------------------------------------------------------------------------------------------

def webhook_path(account: GatewayAccount) -> str:
    return f"/api/webhooks/payment/{account.provider}/{account.webhook_token}"


def webhook_url(account: GatewayAccount) -> str:
    """To be pasted at the gateway: on the platform's own host, which does not change when a domain does."""
    return config.active().platform_url + webhook_path(account)


def notices_of(account: GatewayAccount, days: int = 7) -> dict[str, int]:
    """How many came of late, by what became of them."""
    rows = db.session.execute(select(WebhookEvent.state, func.count()).where(
        WebhookEvent.account_id == account.id, WebhookEvent.created_at > clock.now() - timedelta(days=days)).group_by(WebhookEvent.state))
    return dict(map(tuple, rows))


# -- going live ----------------------------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class Condition:
    """Of going live: what it is, whether it is met, and if not what is to be done. `kind` is also its place in a test."""

    kind: str
    text: str
    met: bool
    more: str = ""
    events: tuple = ()


PARTICULARS = {"name": _l("Business name"), "representative": _l("Representative"), "number": _l("Business registration number"),
               "mail_order_number": _l("Mail-order registration number, or that you are exempt"), "address": _l("Address"),
               "privacy_officer": _l("Privacy officer")}
ABROAD = ("name", "address")
"""What the law of Korea does not ask of organisers elsewhere."""


def conditions(account: GatewayAccount) -> list[Condition]:
    """What has to be there before an account takes real money, in the order in which it is done."""
    organization = db.session.get(Organization, account.org_id)
    lacking = particulars_missing(organization, ABROAD if account.provider == "stripe" else tuple(PARTICULARS))
    ruleless = tuple(without_rules(account))
    found = [Condition("keys", _("Live keys are connected."), account.mode == "live" and account.secret_key is not None),
             Condition("check", _("The gateway accepts the keys."), account.checked_at is not None and not account.unhealthy)]
    if account.provider in SIGNING:
        found.append(Condition("signing", _("The signing secret of the webhook is known."), account.webhook_secret is not None,
                               _("Without it every notice is refused. Paste it under “Change keys”.")))
    return [*found,
            Condition("notice", _("A notice from the gateway has arrived."), account.last_webhook_at is not None,
                      _("Paste the webhook address below at the gateway and send a test notice from there.")),
            Condition("particulars", _("Your business particulars are complete."), not lacking, ", ".join(map(str, lacking))),
            Condition("rules", _("Every published event that takes money has refund rules."), not ruleless, events=ruleless)]


def missing(account: GatewayAccount) -> list[Condition]:
    return [each for each in conditions(account) if not each.met]


def particulars_missing(organization: Organization, wanted: Iterable[str]) -> list:
    lacking = [PARTICULARS[each] for each in wanted if not str(organization.business.get(each, "")).strip()]
    contact = (("email", _l("Email")), ("phone", _l("Phone")))
    return lacking + [label for each, label in contact if not getattr(organization, each)]


def without_rules(account: GatewayAccount) -> list[Event]:
    """Events that take, or would take, money through this account and do not say what goes back."""
    through = Event.gateway_account_id == account.id
    if account.for_all_events:
        through = or_(through, Event.gateway_account_id.is_(None))
    methods = PROVIDERS[account.provider].caps.methods if account.provider in PROVIDERS else frozenset()
    rows = db.session.scalars(select(Event).where(Event.status == "published", Event.ends_at > clock.now(), through).order_by(Event.starts_at, Event.id))
    return [event for event in rows if methods.intersection(event.methods) and not event.refund_rules]


def go_live(account: GatewayAccount, *, by) -> None:
    if account.mode != "live":
        raise Refused(_("An account with test keys cannot take real money. Add one with live keys."))
    db.session.refresh(account, with_for_update=True)
    if account.enabled:
        return
    if missing(account):
        raise Refused(_("Something is still missing before this account can take real money."))
    account.enabled = True
    audit.record("gateway_account.went_live", account, by=by)


# -- which event takes money through which ------------------------------------------------------------------------------

def usable(event: Event) -> list[GatewayAccount]:
    """What an event can choose: accounts that are switched on; none for tests where there is one for real money."""
    found = db.session.scalars(select(GatewayAccount).where(GatewayAccount.purpose == "one_off", GatewayAccount.secret_key.is_not(None))
                               .order_by(GatewayAccount.mode, GatewayAccount.provider, GatewayAccount.name)).all()
    on = [account for account in found if account.enabled or account.id == event.gateway_account_id]
    live = paying.takes_real_money(found)
    return [account for account in on if account.mode == "live" or not live]


def not_taken(account: GatewayAccount, event: Event) -> list[str]:
    """The event's ways to pay that this account does not take."""
    caps = PROVIDERS[account.provider].caps
    if caps.currencies is not None and event.currency not in caps.currencies:
        return [method for method in event.methods if method not in OWN_METHODS]
    return [method for method in event.methods if method not in OWN_METHODS and method not in caps.methods]


OWN_METHODS = ("manual_transfer", "cash", "free")
"""Without any gateway."""


def choose(event: Event, account: GatewayAccount | None, *, by) -> None:
    """From here on the event's payments begin at this account, or at the organisation's. What was begun elsewhere ends there."""
    if account is not None and account not in usable(event):
        raise Refused(_("This account cannot be chosen. It is switched off, or it is for tests while you take real money."), "account")
    before, after = event.gateway_account_id, account and account.id
    if before != after:
        event.gateway_account_id = after
        audit.record("event.payment_account_chosen", event, by=by, before={"account": before}, after={"account": after})


# -- telling the owners ---------------------------------------------------------------------------------------------------

def mail_unhealthy(account: GatewayAccount, user_id: int) -> None:
    """To one owner; not any more when it works again."""
    user = db.session.get(User, user_id)
    if not account.unhealthy or user is None or user.disabled_at:
        return
    slug = db.session.scalar(select(Directory.slug).where(Directory.org_id == account.org_id))
    base = config.active().platform_url
    with force_locale(user.locale or "ko"):
        gateway = title(account)
    accounts.send("gateway_account_unhealthy", user, base, gateway=gateway, code=account.unhealthy,
                  link=f"{base}/{slug}/admin/settings/payments/{account.id}")


def title(account: GatewayAccount) -> str:
    """TossPayments, or TossPayments · Camps where there are several."""
    gateway = str(GATEWAYS.get(account.provider, account.provider))
    return f"{gateway} · {account.name}" if account.name else gateway
