"""A forgotten password: a mailed link, a cookie in its place, a new password."""
from flask import flash, redirect, url_for

from eventapp.blueprints.auth import bp, entering
from eventapp.domain import Refused, accounts
from eventapp.languages import _, _l, current_locale
from eventapp.permissions import PUBLIC, requires
from eventapp.web import forms, limits
from eventapp.web.pages import page


class ResetForm(forms.Form):
    email = forms.email_address()


class NewPasswordForm(forms.Form):
    password = forms.password(_l("New password"), _l("Choose a password."))


@bp.route("/reset", methods=["GET", "POST"])
@requires(PUBLIC)
@limits.failures("reset", 30, minutes=60)
@limits.letters("reset", 5, minutes=60)
def reset():
    form = ResetForm()
    if form.validate_on_submit():
        if not accounts.ask_for_reset(form.email.data, base=entering.base(), locale=current_locale()):
            limits.failed()
        return redirect(url_for(".reset_sent"), 303)
    return page("auth/reset.html", 422 if form.errors else 200, form=form)


@bp.get("/reset/sent")
@requires(PUBLIC)
def reset_sent():
    return page("auth/sent.html")


@bp.get("/reset/<token>")
@requires(PUBLIC)
@limits.failures("mailed link", 30, minutes=15, method="GET")
def open_reset(token):
    """From a letter: the secret goes into a cookie and leaves the address."""
    link = entering.link_or_404(token, "reset")
    if not accounts.is_good(link):
        return page("auth/stale.html", 410, purpose=link.purpose)
    return entering.keep_link(redirect(url_for(".new_password"), 303), token)


@bp.route("/reset/new", methods=["GET", "POST"])
@requires(PUBLIC)
def new_password():
    link, form = entering.kept_link("reset"), NewPasswordForm()
    if link is None:
        return redirect(url_for(".reset"), 303)
    if form.validate_on_submit():
        try:
            user = accounts.reset_password(link, form.password.data, base=entering.base())
        except Refused as refused:
            form.refuse(refused)
        else:
            response = entering.let_in(user, url_for("account.home.show"))
            flash(_("Your new password is set. Other devices have been logged out."), "success")
            return entering.drop_link(response)
    return page("auth/new_password.html", 422 if form.errors else 200, form=form, link=link)
