"""Every organisation, with how much goes on in it."""
from flask import Blueprint, request, url_for
from sqlalchemy import String, cast, func, or_, select

from eventapp.extensions import platform
from eventapp.models import Directory, Event, Membership, Organization, Plan, Registration, Status
from eventapp.permissions import requires
from eventapp.web.forms import clean
from eventapp.web.pages import page

bp = Blueprint("organizations", __name__)
SHOWN = 50


@bp.get("/organizations")
@requires("organizations.manage")
def index():
    search, number = clean(request.args.get("q"))[:100], max(1, request.args.get("page", 1, type=int))
    query = (select(Directory, Plan.name.label("plan"), *counts()).join(Organization, Organization.org_id == Directory.org_id)
             .join(Plan, Plan.code == Organization.plan))
    if search:
        like = f"%{search.replace('%', '').replace('_', '')}%"
        query = query.where(or_(Directory.slug.ilike(like), cast(Directory.name, String).ilike(like)))
    with platform.session() as session:
        total = session.scalar(select(func.count()).select_from(query.subquery()))
        rows = session.execute(query.order_by(Directory.slug).limit(SHOWN).offset((number - 1) * SHOWN)).all()
    return page("platform/organizations.html", rows=rows, total=total, search=search, number=number,
                pages=-(-total // SHOWN), url=lambda page: url_for(".index", q=search or None, page=page))


def counts():
    """Beside each organisation, asked with the list itself."""
    def of(table, *conditions):
        return select(func.count()).select_from(table).where(table.org_id == Directory.org_id, *conditions)

    return (of(Membership).scalar_subquery().label("members"),
            of(Event).scalar_subquery().label("events"),
            of(Registration, Registration.status == Status.CONFIRMED).scalar_subquery().label("registrations"))
