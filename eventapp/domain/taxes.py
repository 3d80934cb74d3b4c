"""What the tax office wants to know of an organisation: who it is, whether its prices bear VAT, whether it must issue cash receipts."""
from eventapp import audit
from eventapp.domain import RefusedFields
from eventapp.domain.contacts import business_number
from eventapp.languages import _
from eventapp.models import Organization

MODES = ("taxable", "tax_free")
PARTICULARS = ("name", "representative", "number", "mail_order_number", "address", "privacy_officer")


def save(organization: Organization, *, tax: str, must_issue: bool, particulars: dict[str, str], by) -> None:
    """What has been sold keeps its tax, and documents what they say. Raises RefusedFields."""
    errors = {}
    if tax not in MODES:
        errors["tax"] = _("Choose one.")
    number = particulars.get("number", "")
    if number and business_number(number) is None:
        errors["number"] = _("This is not a business number. It has ten digits, such as 124-81-00998.")
    if must_issue and not number:
        errors["number"] = _("Cash receipts are issued under a business number. Enter it.")
    if errors:
        raise RefusedFields(errors)
    if number:
        digits = business_number(number)
        particulars = particulars | {"number": f"{digits[:3]}-{digits[3:5]}-{digits[5:]}"}
    kept = {name: value for name, value in particulars.items() if name in PARTICULARS and value}
    before = {"tax": organization.tax, "must_issue_receipts": organization.must_issue_receipts, "business": organization.business}
    organization.business = {name: value for name, value in organization.business.items() if name not in PARTICULARS} | kept
    organization.tax, organization.must_issue_receipts = tax, must_issue
    after = {"tax": tax, "must_issue_receipts": must_issue, "business": organization.business}
    if before != after:
        changed = [name for name in after if before[name] != after[name]]
        audit.record("organization.tax_changed", organization, by=by, before={name: before[name] for name in changed},
                     after={name: after[name] for name in changed})
