"""A new account, and the links in letters that prove an address."""
from flask import flash, redirect, url_for
from flask_login import current_user

from eventapp.blueprints.auth import bp, entering
from eventapp.domain import Refused, accounts
from eventapp.languages import _, _l, current_locale
from eventapp.permissions import PUBLIC, requires
from eventapp.web import forms, limits
from eventapp.web.pages import page
from eventapp.web.urls import is_local, next_url


class SignupForm(forms.Form):
    name = forms.line(_l("Name"))
    email = forms.email_address()
    password = forms.password(missing=_l("Choose a password."))


class ConfirmForm(forms.Form):
    password = forms.password()


@bp.route("/signup", methods=["GET", "POST"])
@requires(PUBLIC)
@limits.requests("sign-up", 500, minutes=60)
@limits.letters("sign-up", 5, minutes=60)
def signup():
    form = SignupForm()
    if current_user.is_authenticated and not form.is_submitted():
        return redirect(entering.landing(current_user), 303)
    if form.validate_on_submit():
        try:
            kept = accounts.sign_up(form.email.data, form.password.data, form.name.data, locale=current_locale(),
                                    base=entering.base(), next_url=next_url(""))
        except Refused as refused:
            form.refuse(refused)
        else:
            return entering.remember_sign_up(redirect(url_for(".verify"), 303), kept)
    return page("auth/signup.html", 422 if form.errors else 200, form=form, next=next_url(""))


@bp.get("/verify/<token>")
@requires(PUBLIC)
@limits.failures("mailed link", 30, minutes=15, method="GET")
def open_link(token):
    """From a letter: the secret goes into a cookie and leaves the address."""
    link = entering.link_or_404(token, "verify", "claim")
    if not accounts.is_good(link):
        return page("auth/stale.html", 410, purpose=link.purpose)
    return entering.keep_link(redirect(url_for(".verify"), 303), token)


@bp.route("/verify", methods=["GET", "POST"])
@requires(PUBLIC)
@limits.failures("sign-in", 50, minutes=15)
def verify():
    """Mail programs open links by themselves, so nothing happens before somebody presses the button."""
    link, form = entering.kept_link("verify", "claim"), ConfirmForm()
    if link is None:
        return page("auth/sent.html")
    ask = link.purpose == "verify" and not entering.signed_up_here(link.user)
    if form.is_submitted() and (not ask or form.validate()):
        try:
            return confirm_claim(link) if link.purpose == "claim" else confirm_address(link, form if ask else None)
        except Refused as refused:
            limits.failed()
            form.refuse(refused)
    return page("auth/verify.html", 422 if form.errors else 200, form=form, link=link, ask=ask)


def confirm_address(link, form):
    """In the browser that signed up a press of the button is enough. Elsewhere the password is asked for, or the owner
    of the address would confirm an account whose password a stranger has chosen."""
    if form is not None:
        accounts.authenticate(link.email, form.password.data)
    user = accounts.verify_email(link, base=entering.base())
    response = entering.let_in(user, link.next_url if is_local(link.next_url) else "")
    flash(_("Your email address is confirmed."), "success")
    return entering.drop_link(response)


def confirm_claim(link):
    accounts.claim_orders(link)
    flash(_("Your earlier registrations are now in your account."), "success")
    return entering.drop_link(redirect(url_for("account.home.show"), 303))
