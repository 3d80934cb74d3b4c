"""The order that this browser has just made: a signed cookie for a day, so that no address has to carry it."""
from flask import request

from eventapp.web.sessions import cookie_name, set_cookie
from eventapp.web.urls import read_signed, sign

DAY = 24 * 3600


def remember(response, org_id: int, order_id: int):
    return set_cookie(response, "order", sign("order", [org_id, order_id]), DAY)


def forget(response):
    return set_cookie(response, "order", "", 0)


def remembered() -> tuple[int, int] | None:
    """(organisation's id, order's id), or None."""
    value = read_signed("order", request.cookies.get(cookie_name("order"), ""), max_age=DAY)
    return tuple(value) if value else None
