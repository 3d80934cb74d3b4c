"""The pages of an account, side by side."""
from flask import request, url_for

from eventapp.languages import _
from eventapp.web.pages import page


def account_page(template: str, status: int = 200, **values):
    tabs = [(_("My account"), url_for("account.home.show"), "account.security" not in request.endpoint),
            (_("Password and devices"), url_for("account.security.show"), "account.security" in request.endpoint)]
    return page(template, status, tabs=tabs, **values)
