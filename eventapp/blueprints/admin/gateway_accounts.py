"""The organisation's accounts at the gateways: connecting one, whether its keys are good, going live, and which event uses which."""
from flask import Blueprint, abort, g, request, url_for
from flask_login import current_user
from sqlalchemy import func, or_, select
from wtforms import BooleanField, PasswordField, RadioField
from wtforms.validators import InputRequired, Optional

from eventapp import clock
from eventapp.domain import Refused, RefusedFields, accounts, connecting_gateways, noticing
from eventapp.domain.connecting_gateways import GATEWAYS, Keys, clean_key
from eventapp.domain.listing import METHOD_WORDS
from eventapp.extensions import db
from eventapp.languages import _, _l
from eventapp.models import Event, GatewayAccount, Organization, Payment
from eventapp.permissions import requires
from eventapp.unit_of_work import undo
from eventapp.web import forms, limits
from eventapp.web.pages import done, page

bp = Blueprint("gateway_accounts", __name__)


def secret(label, **options) -> PasswordField:
    return PasswordField(label, [Optional()], filters=[clean_key], **options)


class KeysForm(forms.Form):
    """What every gateway's form has. The password is the one of whoever is signed in."""

    password = forms.password(_l("Your password"))

    def keys(self) -> Keys:
        return Keys(clean_key(self.client_key.data), self.secret_key.data or "")


class TossForm(KeysForm):
    client_key = forms.line(_l("Client key"), _l("Paste the client key."), longest=connecting_gateways.LONGEST)
    secret_key = secret(_l("Secret key"))


class PortoneForm(KeysForm):
    store_id = forms.line(_l("Store ID"), _l("Paste the store ID."), longest=connecting_gateways.LONGEST)
    channel_key = forms.line(_l("Channel key"), _l("Paste the channel key."), longest=connecting_gateways.LONGEST)
    mode = RadioField(_l("The channel is for"), [InputRequired(_l("Choose one."))], choices=[("test", _l("tests")), ("live", _l("real money"))])
    approval = RadioField(_l("How the channel approves payments"), [InputRequired(_l("Choose one."))], default="manual", choices=[
        ("manual", _l("Manually: we take the money once the places are certain")),
        ("automatic", _l("Automatically: PortOne takes the money in its window"))])
    secret_key = secret(_l("V2 API secret"))
    webhook_secret = secret(_l("Webhook signing secret"))

    def keys(self) -> Keys:
        public = {"store_id": clean_key(self.store_id.data), "channel_key": clean_key(self.channel_key.data), "approval": self.approval.data or ""}
        return Keys(public["store_id"], self.secret_key.data or "", self.webhook_secret.data or "", self.mode.data or "", public)


class StripeForm(KeysForm):
    client_key = forms.line(_l("Publishable key"), _l("Paste the publishable key."), longest=connecting_gateways.LONGEST)
    secret_key = secret(_l("Secret key"))
    webhook_secret = secret(_l("Webhook signing secret"))

    def keys(self) -> Keys:
        return Keys(clean_key(self.client_key.data), self.secret_key.data or "", self.webhook_secret.data or "")


FORMS = {"toss": TossForm, "portone": PortoneForm, "stripe": StripeForm}


STRIPE_EVENTS = (
    "checkout.session.completed", "checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed", "checkout.session.expired",
    "charge.refunded", "refund.created", "refund.updated", "refund.failed", "charge.dispute.created", "charge.dispute.updated",
    "charge.dispute.closed", "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated")


class UseForm(forms.Form):
    name = forms.line(_l("Name"), longest=60)
    for_all_events = BooleanField(_l("For all events that have chosen no account of their own"), default=True)


# -- the list ----------------------------------------------------------------------------------------------

@bp.get("/settings/payments")
@requires("gateway_accounts.manage")
def index():
    found = db.session.scalars(select(GatewayAccount).where(GatewayAccount.purpose == "one_off", GatewayAccount.secret_key.is_not(None))
                               .order_by(GatewayAccount.mode, GatewayAccount.provider, GatewayAccount.name)).all()
    coming = db.session.scalars(select(Event).where(Event.status != "archived", or_(Event.gateway_account_id.is_not(None), Event.ends_at > clock.now()))
                                .order_by(Event.starts_at).limit(100)).all()
    events = [event for event in coming if event.gateway_account_id or set(event.methods) - set(connecting_gateways.OWN_METHODS)]
    return page("admin/gateway_accounts/index.html", accounts=found, events=events if found else [], by_id={each.id: each for each in found}, gateways=GATEWAYS,
                state=connecting_gateways.state, live=any(each.mode == "live" and each.enabled for each in found), zone=zone())


# -- connecting one ------------------------------------------------------------------------------------------

@bp.get("/settings/payments/new")
@requires("gateway_accounts.manage")
def choose():
    return page("admin/gateway_accounts/choose.html", gateways=GATEWAYS)


@bp.route("/settings/payments/new/<provider>", methods=["GET", "POST"])
@requires("gateway_accounts.manage")
@limits.failures("sign-in", 50, minutes=15)
def new(provider):
    if provider not in FORMS:
        abort(404)
    form, use = FORMS[provider](), UseForm()
    form.secret_key.flags.required = True
    if form.validate_on_submit() and use.validate():
        try:
            confirm_password(form.password.data)
            account = connecting_gateways.add(provider, form.keys(), name=use.name.data, for_all_events=use.for_all_events.data, by=g.member.actor)
        except Refused as refused:
            refuse(form, use, refused)
        else:
            return done(_("The account is there. Its keys are being checked."), url_for(".show", number=account.id))
    return page("admin/gateway_accounts/keys.html", status_of(form, use), form=form, use=use, provider=provider, gateway=GATEWAYS[provider],
                account=None, mistakes=form.mistakes | use.mistakes)


@bp.route("/settings/payments/<int:number>/keys", methods=["GET", "POST"])
@requires("gateway_accounts.manage")
@limits.failures("sign-in", 50, minutes=15)
def keys(number):
    account = account_or_404(number)
    form = FORMS[account.provider](**{"client_key": account.client_key, "mode": account.mode, **account.public})
    if form.validate_on_submit():
        try:
            confirm_password(form.password.data)
            connecting_gateways.change_keys(account, form.keys(), by=g.member.actor)
        except Refused as refused:
            refuse(form, form, refused)
        else:
            return done(_("The new keys are there and are being checked."), url_for(".show", number=number))
    return page("admin/gateway_accounts/keys.html", status_of(form), form=form, use=None, provider=account.provider, account=account,
                gateway=GATEWAYS[account.provider], mistakes=form.mistakes)


def confirm_password(password: str) -> None:
    """Whoever finds a browser that is signed in must not be able to send the money elsewhere."""
    try:
        accounts.confirm(current_user, password)
    except Refused:
        limits.failed()
        raise


def refuse(form, use, refused: Refused) -> None:
    """Each sentence beside its field."""
    undo()
    sentences = refused.errors if isinstance(refused, RefusedFields) else {refused.field: refused.sentence}
    for name, sentence in sentences.items():
        (use if name in use._fields else form).refuse(Refused(sentence, name))


def status_of(*shown) -> int:
    return 422 if any(form.errors for form in shown) else 200


# -- one account -------------------------------------------------------------------------------------------------

@bp.get("/settings/payments/<int:number>")
@requires("gateway_accounts.manage")
def show(number):
    account = account_or_404(number)
    return page("admin/gateway_accounts/show.html", account=account, state=connecting_gateways.state(account), zone=zone(),
                gateway=GATEWAYS[account.provider], title=connecting_gateways.title(account), address=connecting_gateways.webhook_url(account),
                conditions=connecting_gateways.conditions(account) if account.mode == "live" and not account.enabled else [],
                notices=connecting_gateways.notices_of(account), off_the_clock=noticing.off_the_clock(db.session, account) >= noticing.CLOCK_IN_DOUBT,
                unsigned=account.provider in connecting_gateways.SIGNING and account.webhook_secret is None, has_previous=account.previous_until is not None,
                events=events_of(account), stripe_events=STRIPE_EVENTS,
                payments=db.session.scalar(select(func.count()).where(Payment.account_id == account.id)))


@bp.post("/settings/payments/<int:number>/check")
@requires("gateway_accounts.manage")
@limits.own_requests("gateway check", 30, minutes=10)
def check(number):
    account = account_or_404(number)
    connecting_gateways.check_again(account)
    return done("", url_for(".show", number=number), "admin/gateway_accounts/show.html#account_state", account=account,
                state=connecting_gateways.state(account), zone=zone())


@bp.post("/settings/payments/<int:number>/switch")
@requires("gateway_accounts.manage")
def switch(number):
    account, on = account_or_404(number), request.form.get("on") == "1"
    connecting_gateways.switch(account, on, by=g.member.actor)
    return done(_("The account takes money again.") if on else _("The account takes no new payments. What has been begun goes on."), url_for(".show", number=number))


@bp.post("/settings/payments/<int:number>/live")
@requires("gateway_accounts.manage")
def go_live(number):
    connecting_gateways.go_live(account_or_404(number), by=g.member.actor)
    return done(_("You take real money now."), url_for(".show", number=number))


@bp.route("/settings/payments/<int:number>/edit", methods=["GET", "POST"])
@requires("gateway_accounts.manage")
def edit(number):
    account = account_or_404(number)
    form = UseForm(obj=account)
    if form.validate_on_submit():
        try:
            connecting_gateways.describe(account, name=form.name.data, for_all_events=form.for_all_events.data, by=g.member.actor)
        except Refused as refused:
            form.refuse(refused)
        else:
            return done(_("Saved."), url_for(".show", number=number))
    return page("admin/gateway_accounts/edit.html", status_of(form), form=form, account=account, title=connecting_gateways.title(account))


# -- which event uses which ------------------------------------------------------------------------------------------

@bp.route("/events/<event>/payment-account", methods=["GET", "POST"])
@requires("gateway_accounts.manage")
def of_event(event):
    event = g.member.event(event)
    offered = connecting_gateways.usable(event)
    error = ""
    if request.method == "POST":
        chosen = request.form.get("account", "")
        account = next((each for each in offered if str(each.id) == chosen), None)
        if account is None and chosen:
            error = _("Choose one.")
        else:
            connecting_gateways.choose(event, account, by=g.member.actor)
            return done(_("Saved. Payments that have begun end where they began."), url_for(".of_event", event=event.slug))
    return page("admin/gateway_accounts/event.html", 422 if error else 200, event=event, offered=offered, error=error,
                title_of=connecting_gateways.title, state=connecting_gateways.state,
                lacking={each.id: [METHOD_WORDS[method] for method in connecting_gateways.not_taken(each, event)] for each in offered})


# -- finding -----------------------------------------------------------------------------------------------------

def account_or_404(number: int) -> GatewayAccount:
    account = db.session.get(GatewayAccount, number)
    return account if account and account.purpose == "one_off" and account.provider in FORMS else abort(404)


def events_of(account: GatewayAccount) -> list[Event]:
    return list(db.session.scalars(select(Event).where(Event.gateway_account_id == account.id).order_by(Event.starts_at.desc()).limit(50)))


def zone() -> str:
    return db.session.get(Organization, g.org.id).timezone
