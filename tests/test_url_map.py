"""The whole map of addresses × everybody: each answer as the role matrix says; and what the database says by itself."""

import re

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError

from eventapp import audit, faults, tenancy
from eventapp.domain import devices, ticketing
from eventapp.extensions import db
from eventapp.models import Base, Checkpoint, Membership, Registration, SignIn, Tenant
from eventapp.permissions import ACCOUNT, MACHINE, MATRIX, OPERATOR, PUBLIC
from tests import make

REACHED = 299
LOGIN = "to log in"
ORGS = ("seoul-ubf", "busan-meetup")
ROLES = {"owner": "ORG_OWNER", "admin": "ORG_ADMIN", "staff": "ORG_STAFF", "door": "ORG_CHECKIN"}
STAFF = {f"{word}@{slug}.example": (slug, role) for slug in ORGS for word, role in ROLES.items()}
EVENTS = ("wmc-2026", "meetup")
LIMITED = {f"only-{event}@seoul-ubf.example": event for event in EVENTS}
"""Admins of Seoul who are limited to one event."""
DEVICES = {f"a phone at the doors of {event}": event for event in EVENTS}
STAFF |= dict.fromkeys(LIMITED, ("seoul-ubf", "ORG_ADMIN"))
EVERYBODY = ["", "participant@seoul-ubf.example", "operator@example.com", *STAFF, *DEVICES]

# design.md §7, written out again: a change of the matrix has to be meant.
OWNERS = {
    "admin.enter",
    "organization.read",
    "organization.update",
    "events.create",
    "events.read",
    "events.update",
    "events.delete",
    "registrations.read",
    "registrations.approve",
    "registrations.create",
    "registrations.edit",
    "registrations.cancel",
    "registrations.message",
    "registrations.check_in",
    "registrations.export",
    "registrations.refund",
    "payments.read",
    "payments.mark_received",
    "gateway_accounts.manage",
    "emails.manage",
    "analytics.read",
    "team.read",
    "team.manage",
    "billing.manage",
    "domain.manage",
    "audit.read",
}
NOT_ADMINS = {
    "organization.update",
    "events.delete",
    "registrations.export",
    "registrations.refund",
    "gateway_accounts.manage",
    "team.manage",
    "billing.manage",
    "domain.manage",
    "audit.read",
}


def test_the_matrix_is_the_one_that_was_decided():
    assert {role: set(names) for role, names in MATRIX.items()} == {
        "ORG_OWNER": OWNERS,
        "ORG_ADMIN": OWNERS - NOT_ADMINS,
        "ORG_CHECKIN": {"registrations.check_in"},
        "ORG_STAFF": {"admin.enter", "events.read", "registrations.read", "registrations.check_in"},
    }


# -- the walk ------------------------------------------------------------------------------------------


def addresses(app):
    """(endpoint, permission, organisation or "", method, address) of every route, in both organisations."""
    for rule in app.url_map.iter_rules():
        permission = app.view_functions[rule.endpoint].permission
        for slug in ORGS if "org" in rule.arguments else ("",):
            path = filled(rule.rule, org=slug)
            for method in sorted(rule.methods & {"GET", "POST", "PUT", "PATCH", "DELETE"}):
                yield rule.endpoint, permission, slug, method, path


def filled(rule: str, **values) -> str:
    samples = {"event": "wmc-2026", "token": "x" * 32, "provider": "toss", "slug": "seoul-ubf", "number": "1"} | values
    return re.sub(r"<(?:(\w+):)?(\w+)>", lambda match: samples.get(match[2], "1" if match[1] == "int" else "x"), rule)


def expected(permission: str, slug: str, who: str, path: str):
    if permission in (PUBLIC, MACHINE):
        return REACHED
    if who in DEVICES:
        own_doors = slug == "seoul-ubf" and f"/events/{DEVICES[who]}/" in path
        return REACHED if permission == "registrations.check_in" and own_doors else LOGIN
    if not who:
        return LOGIN
    if permission == ACCOUNT:
        return REACHED
    if permission in OPERATOR:
        return REACHED if who == "operator@example.com" else 404
    own, role = STAFF.get(who, ("", ""))
    if own != slug:
        return 404
    return REACHED if permission in MATRIX[role] else 403


def answer(response):
    if response.status_code == 303 and response.location.startswith("/auth/login"):
        return LOGIN
    return response.status_code


@pytest.fixture
def walls(app, monkeypatch):
    """Every view is one that says it was reached, so that what is in front of it is seen by itself."""

    def build():
        for endpoint, view in list(app.view_functions.items()):

            def reached(_endpoint=endpoint, **_values):
                return _endpoint, REACHED

            reached.permission = view.permission
            monkeypatch.setitem(app.view_functions, endpoint, reached)

    return build


@pytest.fixture
def browsers(app, sign_in, world):
    """Everybody, signed in, with the token of their session."""
    organization = world.seoul.organization
    for who, event in LIMITED.items():
        make.member(organization, make.user(who), "ORG_ADMIN", event_ids=[world.seoul.event(event).id])
    secrets = {}
    for who, event in DEVICES.items():
        device, _token = devices.invite(world.seoul.event(event), who, None, by=audit.Actor("user", 1))
        secrets[who] = devices.join(device)
    db.session.commit()
    made = {who: app.test_client() if who in ("", *DEVICES) else sign_in(who) for who in EVERYBODY}
    for who, secret in secrets.items():
        made[who].set_cookie("door", secret)
    return {who: (browser, browser.token()) for who, browser in made.items()}


def ask(browser, method, path, token="", origin="http://localhost", **headers):
    return browser.open(
        path,
        method=method,
        data={"csrf_token": token} if method != "GET" else None,
        headers={"Origin": origin, **headers} if method != "GET" else headers,
    )


def test_every_address_answers_everybody_as_the_matrix_says(app, browsers, walls):
    walls()
    wrong = []
    for endpoint, permission, slug, method, path in addresses(app):
        for who, (browser, token) in browsers.items():
            response = ask(browser, method, path, token)
            wanted, got = expected(permission, slug, who, path), answer(response)
            if got != wanted or (got == REACHED and response.text != endpoint):
                wrong.append(
                    (who or "nobody", method, path, permission, "wanted", wanted, "got", got, response.text[:40])
                )
    assert wrong == []


def test_the_real_pages_agree(app, browsers):
    """GET with the views in place: who may come gets an answer that is neither a wall nor a fault of ours."""
    wrong = []
    for endpoint, permission, slug, method, path in addresses(app):
        if method != "GET" or endpoint in ("api.health.health",):
            continue
        for who in (
            "",
            "participant@seoul-ubf.example",
            "owner@seoul-ubf.example",
            "door@seoul-ubf.example",
            "operator@example.com",
            *LIMITED,
            *DEVICES,
        ):
            browser, _token = browsers[who]
            wanted, got = expected(permission, slug, who, path), answer(ask(browser, "GET", path))
            if wanted == REACHED and permission != PUBLIC and LIMITED.get(who, "wmc-2026") != "wmc-2026" and "/events/wmc-2026" in path:
                wanted = 404
            fits = got not in (LOGIN, 403) and got < 500 if wanted == REACHED else got == wanted
            if not fits:
                wrong.append((who or "nobody", path, permission, "wanted", wanted, "got", got))
    assert wrong == []


def test_no_form_is_taken_without_its_token_or_from_elsewhere(app, browsers, walls):
    walls()
    taken = []
    for _endpoint, permission, slug, method, path in addresses(app):
        if method == "GET" or permission == MACHINE:
            continue
        for who in [who for who in EVERYBODY if expected(permission, slug, who, path) == REACHED][:1]:
            browser, token = browsers[who]
            answers = [
                ask(browser, method, path),
                ask(browser, method, path, token[:-3] + "abc"),
                ask(browser, method, path, token, origin="http://seoul-ubf.localhost"),
                ask(browser, method, path, token, origin="null"),
                ask(browser, method, path, token, origin="https://localhost"),
                browser.open(path, method=method, data={"csrf_token": token}),
            ]
            taken += [(who or "nobody", method, path, one.status_code) for one in answers if one.status_code != 400]
    assert taken == []


@pytest.mark.parametrize(
    "guard, request_", [("csrf", {"data": {}}), ("origin", {"headers": {"Origin": "http://seoul-ubf.localhost"}})]
)
def test_these_forms_are_refused_by_their_guards(app, participant, walls, guard, request_):
    """With the guard taken away the same form goes through: it is the guard that the walk above has seen."""
    token = participant.token()
    walls()
    sent = {"data": {"csrf_token": token}, "headers": {"Origin": "http://localhost"}} | request_
    assert participant.open("/account", method="POST", **sent).status_code == 400
    faults.configure(guards_off=[guard])
    try:
        assert participant.open("/account", method="POST", **sent).status_code == REACHED
    finally:
        faults.configure()


def test_behind_the_wall_even_what_is_not_there_sends_to_log_in(client, seoul_owner):
    paths = (
        "/seoul-ubf/admin/nothing",
        "/nowhere/admin",
        "/nowhere/admin/events/x",
        "/platform-admin/nothing",
        "/account/nothing",
    )
    assert {path: answer(client.get(path)) for path in paths} == dict.fromkeys(paths, LOGIN)
    assert {path: answer(seoul_owner.get(path)) for path in paths} == dict.fromkeys(paths, 404)


def test_a_fragment_is_told_to_go_to_the_sign_in_page(client):
    response = client.get(
        "/seoul-ubf/admin", headers={"HX-Request": "true", "HX-Current-URL": "http://localhost/seoul-ubf/admin?q=1"}
    )
    assert (response.status_code, response.headers["HX-Redirect"], response.text) == (
        401,
        "/auth/login?next=/seoul-ubf/admin?q%3D1",
        "",
    )


def test_on_an_organisations_own_host_the_wall_is_the_same(app, client, walls):
    walls()
    base = "http://seoul-ubf.localhost"
    wrong = []
    for _endpoint, permission, slug, method, path in addresses(app):
        if slug == "seoul-ubf" and method == "GET":
            got = answer(client.open(path.removeprefix("/seoul-ubf") or "/", base_url=base))
            if got != expected(permission, slug, "", path):
                wrong.append((path, got))
    assert wrong == []
    assert client.get("/busan-meetup/admin", base_url=base).status_code in (303, 404)
    assert client.get("/auth/login", base_url="http://nobody.example").status_code == 404
    assert client.get("/account", base_url="http://nowhere.localhost").status_code in (303, 404)


def test_a_right_that_was_taken_away_is_gone_at_once(seoul_owner, world):
    assert seoul_owner.get("/seoul-ubf/admin").status_code == 200
    row = db.session.get(Membership, (world.seoul.id, world.user("owner@seoul-ubf.example").id))
    row.role = "ORG_CHECKIN"
    db.session.commit()
    assert seoul_owner.get("/seoul-ubf/admin").status_code == 403
    db.session.delete(row)
    db.session.commit()
    assert seoul_owner.get("/seoul-ubf/admin").status_code == 404


def test_a_right_given_by_name_opens_what_the_role_does_not(app, world):
    from eventapp.permissions import member_of

    user = world.user("staff@seoul-ubf.example")
    org = tenancy.lookup.by_slug("seoul-ubf")
    assert not member_of(user, org).can("registrations.export")
    db.session.get(Membership, (world.seoul.id, user.id)).grants = ["export", "platform.manage"]
    db.session.commit()
    member = member_of(user, org)
    assert member.can("registrations.export") and not member.can("platform.manage")


# -- foreign ids -----------------------------------------------------------------------------------------


def plain(response) -> tuple:
    """Without what differs from one answer to the next."""
    body = re.sub(r'name="csrf_token" value="[^"]+"|\b[0-9a-f]{16}\b|\?[^"]*', "", response.text)
    return response.status_code, body


@pytest.fixture
def busy(world):
    """Both organisations with an order that is confirmed and one that is paid by transfer."""
    for tenant in (world.seoul, world.busan):
        with tenant.inside():
            event = tenant.event()
            make.order(
                event,
                make.Participant("김하나", "hana@example.com", chosen={"free-day": 1}),
                method="free",
                user_id=world.user("participant@seoul-ubf.example").id,
            )
            make.order(
                event,
                make.Participant("이두리", "duri@example.com", chosen={"main-conference": 1}),
                method="manual_transfer",
            )
            db.session.commit()
    return world


def test_a_foreign_thing_is_like_one_that_is_not_there(busy, participant, seoul_owner, client):
    with busy.busan.inside():
        order = busy.busan.orders()[0]
        registration = db.session.scalar(select(Registration).where(Registration.order_id == order.id))
        token, ticket, number = ticketing.order_token(order), ticketing.ticket_token(registration), registration.number
    draft = busy.seoul.event("meetup")
    draft.status = "draft"
    db.session.commit()
    with busy.busan.inside():
        phone, _token = devices.invite(busy.busan.event(), "x", None, by=audit.Actor("user", 1))
        entrance = db.session.scalar(select(Checkpoint.id).where(Checkpoint.event_id == phone.event_id))
    db.session.commit()
    doors = "/seoul-ubf/admin/events/wmc-2026/checkin"
    device = db.session.scalar(select(SignIn.id).where(SignIn.user_id == busy.user("owner@seoul-ubf.example").id))
    nothing = "A" * len(token)
    pairs = [
        (client, "GET", f"/seoul-ubf/wmc-2026/orders/{token}", f"/seoul-ubf/wmc-2026/orders/{nothing}"),
        (client, "GET", f"/busan-meetup/meetup/orders/{token}", f"/busan-meetup/meetup/orders/{nothing}"),
        (client, "GET", f"/seoul-ubf/wmc-2026/tickets/{ticket}.pdf", f"/seoul-ubf/wmc-2026/tickets/{nothing}.pdf"),
        (client, "POST", f"/seoul-ubf/wmc-2026/orders/{token}/cancel", f"/seoul-ubf/wmc-2026/orders/{nothing}/cancel"),
        (client, "GET", "/seoul-ubf/meetup", "/seoul-ubf/nothing"),
        (client, "GET", "/seoul-ubf/meetup/register", "/seoul-ubf/nothing/register"),
        (client, "GET", "/seoul-ubf/meetup/calendar.ics", "/seoul-ubf/nothing/calendar.ics"),
        (seoul_owner, "GET", "/busan-meetup/admin", "/nowhere/admin"),
        (seoul_owner, "GET", "/platform-admin", "/nothing-at-all"),
        (seoul_owner, "POST", f"{doors}/devices/{phone.id}/revoke", f"{doors}/devices/987654321/revoke"),
        (seoul_owner, "GET", f"{doors}/checkpoints/{entrance}", f"{doors}/checkpoints/987654321"),
        (seoul_owner, "POST", f"{doors}/checkpoints/{entrance}/close", f"{doors}/checkpoints/987654321/close"),
        (
            seoul_owner,
            "POST",
            f"/account/registrations/busan-meetup/{number}/cancel",
            "/account/registrations/busan-meetup/X/cancel",
        ),
        (participant, "POST", f"/account/sign-ins/{device}/revoke", "/account/sign-ins/987654321/revoke"),
    ]
    for browser, method, foreign, missing in pairs:
        token = browser.token()
        answers = [plain(ask(browser, method, path, token)) for path in (foreign, missing)]
        assert answers[0][0] == 404, (method, foreign, answers[0][0])
        assert answers[0] == answers[1], (method, foreign)


# -- the database by itself ----------------------------------------------------------------------------------

TABLES = sorted(mapper.local_table.name for mapper in Base.registry.mappers if issubclass(mapper.class_, Tenant))
OTHERS = ["organizations", "quota_programs"]


def test_without_any_filter_the_application_sees_its_own_rows_only(busy):
    seen = set()
    for tenant in (busy.seoul, busy.busan):
        with tenant.inside():
            for table in TABLES + OTHERS:
                owners = set(db.session.scalars(text(f"SELECT org_id FROM {table}")))
                assert owners <= {tenant.id}, table
                seen |= {table} if owners else set()
    assert {
        "orders",
        "registrations",
        "line_items",
        "payments",
        "ledger_entries",
        "events",
        "audit_log",
        "organizations",
    } <= seen


def test_without_an_organisation_a_query_raises(busy):
    db.session.rollback()
    tenancy.enter(None)
    for table in TABLES + OTHERS:
        with pytest.raises(ProgrammingError, match="no organisation is set"):
            db.session.execute(text(f"SELECT * FROM {table}"))
        db.session.rollback()


def test_foreign_rows_can_neither_be_made_nor_changed(busy):
    busan = {"org": busy.busan.id}
    busy.seoul.enter()
    for table in ("orders", "registrations", "events", "payments"):
        changed = db.session.execute(text(f"UPDATE {table} SET created_at = created_at WHERE org_id = :org"), busan)
        assert changed.rowcount == 0, table
    for statement in (
        "UPDATE events SET org_id = :org",
        """
            INSERT INTO audit_log (org_id, action, object_kind, object_id, actor_kind, address, request_id, created_at)
            VALUES (:org, '', '', 1, 'system', '', '', now())""",
    ):
        with pytest.raises(ProgrammingError, match="row-level security"):
            db.session.execute(text(statement), busan)
        db.session.rollback()


def test_every_table_of_an_organisation_has_a_forced_policy(busy):
    rows = db.session.execute(
        text("""
        SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS guarded,
               EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'own_rows'
                       AND p.polqual IS NOT NULL AND p.polwithcheck IS NOT NULL) AS both_ways
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace""")
    ).all()
    unguarded = {row.relname for row in rows if not (row.guarded and row.both_ways)}
    # design.md §7: global tables, reached by key only.
    assert unguarded == {
        "organization_directory",
        "custom_domains",
        "memberships",
        "participations",
        "event_directory",
        "outbox",
        "payment_routes",
    }
    assert set(TABLES + OTHERS) <= {row.relname for row in rows} - unguarded


def test_the_applications_role_bypasses_nothing(busy):
    row = db.session.execute(
        text("SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user")
    ).one()
    assert not any(row)
    assert (
        db.session.scalar(
            text(
                "SELECT count(*) FROM pg_class WHERE relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
            )
        )
        == 0
    )
