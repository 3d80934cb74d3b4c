"""In and out."""
from flask import flash, g, redirect, session, url_for
from flask_login import current_user

from eventapp.blueprints.auth import bp, entering
from eventapp.domain import Refused, accounts
from eventapp.languages import _
from eventapp.models import SignIn
from eventapp.permissions import PUBLIC, requires
from eventapp.web import forms, limits, order_cookie
from eventapp.web.pages import page
from eventapp.web.urls import next_url


class LoginForm(forms.Form):
    email = forms.email_address()
    password = forms.password()


@bp.route("/login", methods=["GET", "POST"])
@requires(PUBLIC)
@limits.failures("sign-in", 50, minutes=15)
@limits.failures_of_account("sign-in", 10, minutes=15)
def login():
    form = LoginForm()
    if current_user.is_authenticated and not form.is_submitted():
        return redirect(entering.landing(current_user), 303)
    if form.validate_on_submit():
        try:
            user = accounts.authenticate(form.email.data, form.password.data)
        except Refused as refused:
            limits.failed()
            form.refuse(refused)
        else:
            return entering.let_in(user) if user.email_verified_at else to_be_verified(user)
    return page("auth/login.html", 422 if form.errors else 200, form=form, next=next_url(""))


def to_be_verified(user):
    accounts.ask_again_to_verify(user, base=entering.base(), next_url=next_url(""))
    flash(_("Confirm your email address first. We have sent you the link."), "info")
    return entering.remember_sign_up(redirect(url_for("auth.verify"), 303), user.password_hash)


@bp.post("/logout")
@requires(PUBLIC)
def logout():
    if current_user.is_authenticated:
        accounts.sign_out(current_user, SignIn.id == current_user.sign_in.id)
    session.clear()
    start = url_for("public.organization.show", org=g.host_slug) if g.host_slug else "/"
    # The next person at this computer is somebody else.
    return order_cookie.forget(redirect(start, 303))
