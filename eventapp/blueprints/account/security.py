"""The password, and the devices that are signed in."""
import re

from flask import Blueprint, abort, redirect, url_for
from flask_login import current_user

from eventapp.blueprints.account.tabs import account_page
from eventapp.blueprints.auth import entering
from eventapp.domain import Refused, accounts
from eventapp.languages import _, _l
from eventapp.models import SignIn
from eventapp.permissions import ACCOUNT, requires
from eventapp.web import forms, limits
from eventapp.web.pages import done

bp = Blueprint("security", __name__)
BROWSERS = (("Edg", "Edge"), ("SamsungBrowser", "Samsung Internet"), ("Whale", "Whale"), ("KAKAOTALK", "KakaoTalk"),
            ("Firefox", "Firefox"), ("FxiOS", "Firefox"), ("CriOS", "Chrome"), ("Chrome", "Chrome"),
            ("Safari", "Safari"))
SYSTEMS = (("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS", "Mac"),
           ("Linux", "Linux"))


class PasswordForm(forms.Form):
    password = forms.password(_l("Current password"))
    new_password = forms.password(_l("New password"), _l("Choose a password."))


@bp.get("/security")
@requires(ACCOUNT)
def show():
    return security_page(PasswordForm())


@bp.route("/password", methods=["GET", "POST"])
@requires(ACCOUNT)
@limits.failures("sign-in", 50, minutes=15)
def password():
    form = PasswordForm()
    if form.validate_on_submit():
        user = current_user._get_current_object()
        try:
            accounts.change_password(user, form.password.data, form.new_password.data, base=entering.base())
        except Refused as refused:
            limits.failed()
            form.refuse(refused)
        else:
            entering.let_in(user)
            return done(_("Your password has been changed. Other devices have been logged out."), url_for(".show"))
    return security_page(form)


@bp.post("/sign-ins/<int:number>/revoke")
@requires(ACCOUNT)
def revoke(number):
    if not accounts.sign_out(current_user, SignIn.id == number):
        abort(404)
    if number == current_user.sign_in.id:
        return redirect(url_for("auth.login"), 303)
    return done(_("That device has been logged out."), url_for(".show"))


@bp.post("/sign-ins/revoke-others")
@requires(ACCOUNT)
def revoke_others():
    accounts.sign_out(current_user, SignIn.id != current_user.sign_in.id)
    return done(_("All other devices have been logged out."), url_for(".show"))


def security_page(form):
    return account_page("account/security.html", 422 if form.errors else 200, form=form, device=device,
                        sign_ins=accounts.sign_ins(current_user))


def device(user_agent: str) -> str:
    """"Chrome, Android", as far as a browser says."""
    words = [next((name for mark, name in kind if re.search(rf"\b{mark}", user_agent)), "")
             for kind in (BROWSERS, SYSTEMS)]
    return ", ".join(filter(None, words)) or _("Unknown browser")
