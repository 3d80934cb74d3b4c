"""Who sells, whether prices bear VAT, and whether cash receipts must be issued unasked."""
from flask import Blueprint, g, url_for
from wtforms import BooleanField, RadioField
from wtforms.validators import InputRequired

from eventapp.domain import RefusedFields, taxes
from eventapp.extensions import db
from eventapp.languages import _, _l
from eventapp.models import Organization
from eventapp.permissions import requires
from eventapp.unit_of_work import undo
from eventapp.web import forms
from eventapp.web.pages import done, page

bp = Blueprint("tax", __name__)


class TaxForm(forms.Form):
    name = forms.line(_l("Business name"))
    representative = forms.line(_l("Representative"))
    number = forms.line(_l("Business registration number"), longest=20)
    mail_order_number = forms.line(_l("Mail-order business report number"), longest=60)
    address = forms.line(_l("Address"), longest=200)
    privacy_officer = forms.line(_l("Privacy officer"))
    tax = RadioField(_l("VAT in prices"), [InputRequired(_l("Choose one."))], choices=[
        ("taxable", _l("Prices include VAT")), ("tax_free", _l("Prices bear no VAT (exempt)"))], validate_choice=False)
    must_issue = BooleanField(_l("Issue cash receipts unasked"))


@bp.route("/settings/tax", methods=["GET", "POST"])
@requires("organization.update")
def edit():
    organization = db.session.get(Organization, g.org.id)
    form = TaxForm(data={**organization.business, "tax": organization.tax, "must_issue": organization.must_issue_receipts})
    if form.validate_on_submit():
        try:
            taxes.save(organization, tax=form.tax.data or "", must_issue=form.must_issue.data, by=g.member.actor,
                       particulars={name: form[name].data or "" for name in taxes.PARTICULARS})
        except RefusedFields as refused:
            undo()
            for name, sentence in refused.errors.items():
                form[name].errors = [sentence]
        else:
            return done(_("Saved."), url_for("admin.tax.edit"))
    return page("admin/settings/tax.html", 422 if form.errors else 200, form=form)
