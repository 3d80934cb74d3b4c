"""What one is registered for, and who one is."""
from flask import Blueprint, g, url_for
from flask_login import current_user
from wtforms.fields import SelectChoice, SelectField

from eventapp.blueprints.account.registrations import own_orders
from eventapp.blueprints.account.tabs import account_page
from eventapp.blueprints.auth import entering
from eventapp.domain import accounts
from eventapp.languages import NAMES, _, _l, current_locale, set_locale
from eventapp.permissions import ACCOUNT, requires
from eventapp.web import forms, limits
from eventapp.web.pages import done
from eventapp.web.urls import next_url

bp = Blueprint("home", __name__)


class ProfileForm(forms.Form):
    name = forms.line(_l("Name"))
    phone = forms.phone_number()


class LanguageForm(forms.Form):
    language = SelectField(_l("Language"), choices=[SelectChoice(*name) for name in NAMES.items()])


@bp.route("", methods=["GET", "POST"])
@requires(ACCOUNT)
def show():
    form = ProfileForm(obj=current_user)
    if form.validate_on_submit():
        form.populate_obj(current_user._get_current_object())
        return done(_("Saved."), url_for(".show"))
    return home(form=form)


@bp.post("/language")
@requires(ACCOUNT)
def language():
    form = LanguageForm()
    if not form.validate():
        return home(languages=form)
    current_user.locale = g.locale = form.language.data
    set_locale(current_user.locale)
    return done(_("Saved."), next_url(url_for(".show")))


@bp.post("/claim")
@requires(ACCOUNT)
@limits.own_requests("claim", 5, minutes=60)
def claim():
    """The same answer whether or not there are any: the letter tells."""
    accounts.ask_to_claim(current_user._get_current_object(), base=entering.base())
    return done(_("If registrations were made with your address, we have emailed you a link that adds them."),
                url_for(".show"))


def home(form=None, languages=None):
    form = form or ProfileForm(formdata=None, obj=current_user)
    languages = languages or LanguageForm(formdata=None, language=current_user.locale or current_locale())
    status = 422 if form.errors or languages.errors else 200
    return account_page("account/home.html", status, form=form, languages=languages,
                        orders=own_orders(current_user), workplaces=entering.workplaces(current_user))
