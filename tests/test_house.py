"""The house itself: which way imports point, what every table, route, template and sentence must have."""
import ast
import re
import subprocess

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from sqlalchemy import text

from eventapp.config import ROOT
from eventapp.extensions import platform
from eventapp.models import Base

HOUSE = ROOT / "eventapp"
OUTER = {"payments", "mail", "tickets", "storage", "dns", "http"}
PLAIN = {"clock", "money", "languages", "config", "faults"}
"""Rooms without a door: what they hold is plain values, so everybody may come in."""

MAY_IMPORT = {
    **dict.fromkeys(OUTER, OUTER | PLAIN),
    "models": {"models"} | PLAIN,
    # `tenancy` for what crosses organisations: an account's own orders.
    "domain": {"domain", "models", "outbox", "audit", "extensions", "crypto", "unit_of_work", "tenancy"} | OUTER | PLAIN,
    "analytics": {"models", "extensions"} | PLAIN,
    "web": {"web", "permissions", "tenancy", "unit_of_work", "extensions", "audit", "outbox", "domain"} | PLAIN,
    "outbox": {"models", "extensions", "tenancy"} | PLAIN,
    "audit": {"models", "extensions"} | PLAIN,
    "sandbox": {"sandbox", "payments"} | PLAIN,
    "supervisor": {"supervisor"} | PLAIN,
    "blueprints": {"blueprints", "domain", "analytics", "models", "web", "permissions", "extensions", "audit", "unit_of_work",
                   "tickets", "tenancy", "mail", "payments", "probing", "crypto"} | PLAIN,
}
NO_FLASK = {"domain", "analytics", "models", "payments", "mail", "tickets"}


def sources():
    return [path for path in HOUSE.rglob("*.py")]


def imports(path):
    """(line, module) of everything a file imports, with the names of `from x import y`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def test_imports_point_the_way_they_should():
    wrong = []
    for path in sources():
        room = path.relative_to(HOUSE).parts[0].removesuffix(".py")
        allowed = MAY_IMPORT.get(room)
        for line, module in imports(path):
            parts = module.split(".")
            where = f"{path.relative_to(ROOT)}:{line} imports {module}"
            if allowed is not None and parts[0] == "eventapp" and len(parts) > 1 and parts[1] not in allowed:
                wrong.append(where)
            if room in NO_FLASK and parts[0] == "flask":
                wrong.append(where)
    assert wrong == []


def test_the_base_of_accounts_is_all_that_models_take_from_flask():
    taken = {module for path in (HOUSE / "models").glob("*.py") for _line, module in imports(path) if module.startswith("flask")}
    assert taken == {"flask_login.UserMixin"}


def test_web_knows_no_model_by_name():
    wrong = [f"{path.relative_to(ROOT)}:{line}" for path in (HOUSE / "web").glob("*.py") for line, module in imports(path)
             if module.startswith("eventapp.models") and path.name != "limits.py"]
    assert wrong == []


def test_only_the_helper_makes_links_and_only_one_place_writes_the_tenant():
    text_of = {path.relative_to(ROOT).as_posix(): path.read_text() for path in sources()}
    assert [name for name, source in text_of.items() if "set_config(" in source] == ["eventapp/tenancy.py"]
    assert [name for name, source in text_of.items() if re.search(r"\.host_url|request\.host\b", source)
            and not name.startswith(("eventapp/web/", "eventapp/sandbox/", "eventapp/blueprints/auth/", "eventapp/tenancy.py"))] == []


def test_every_later_names_a_job():
    import tasks

    named = {match for path in sources() for match in re.findall(r'\blater\(\s*"([a-z_]+)"', path.read_text())}
    from eventapp.outbox import JOBS

    assert named - JOBS.keys() == set()
    assert tasks.timetable.__call__  # the module that registers them is the one the worker loads


def test_every_template_compiles(whole_app):
    from eventapp.mail.environment import environment

    names = whole_app.jinja_env.list_templates(filter_func=lambda name: name.endswith((".html", ".txt", ".xml")))
    assert len(names) > 40
    for name in names:
        # Letters and PDF are made without Flask.
        (environment() if name.startswith(("mail/", "pdf/")) else whole_app.jinja_env).get_template(name)


def test_every_form_that_htmx_sends_posts_plainly_too():
    wrong = []
    for path in (HOUSE / "templates").rglob("*.html"):
        for tag in re.findall(r"<form\b[^>]*>", path.read_text(), re.S):
            if "hx-post" in tag and 'method="post"' not in tag:
                wrong.append((path.name, tag))
    assert wrong == []


def test_no_template_turns_escaping_off():
    listed = {"ui/attributes"}
    wrong = [path.relative_to(HOUSE).as_posix() for path in (HOUSE / "templates").rglob("*.html")
             if re.search(r"\|\s*safe\b|autoescape false|\bhx-on\b|<[^>]+\sstyle=", path.read_text())
             and path.stem not in listed and "mail/" not in path.as_posix() and "pdf/" not in path.as_posix()]
    assert wrong == []


def test_every_reserved_word_covers_the_first_segments(whole_app):
    from eventapp.tenancy import RESERVED

    firsts = {rule.rule.strip("/").split("/")[0] for rule in whole_app.url_map.iter_rules()}
    assert {first for first in firsts if first and not first.startswith("<")} - RESERVED == set()


def test_every_route_says_who_may_come(whole_app):
    silent = [rule.endpoint for rule in whole_app.url_map.iter_rules()
              if not hasattr(whole_app.view_functions[rule.endpoint], "permission")]
    assert silent == []


def test_an_app_with_an_undeclared_route_does_not_start(whole_app):
    from flask import Flask

    from eventapp.permissions import check_declared

    app = Flask("silent")
    app.view_functions["static"].permission = "public"
    app.add_url_rule("/secret", "secret", lambda: "open")
    with pytest.raises(RuntimeError, match="secret"):
        check_declared(app)


# -- the database ----------------------------------------------------------------------------------

def test_every_table_of_a_tenant_has_forced_policies_and_org_id_in_its_keys(app):
    with platform.session() as session:
        forced = set(session.scalars(text("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")))
        policies = session.execute(text("SELECT tablename, count(*) FROM pg_policies GROUP BY 1")).all()
    tenant = {table.name for table in Base.metadata.tables.values() if "org_id" in table.c and table.name not in GLOBAL}
    assert tenant == forced
    assert {table for table, count in policies if count == 3} == tenant
    for name in tenant:
        table = Base.metadata.tables[name]
        assert "org_id" in table.primary_key.columns
        for constraint in table.foreign_key_constraints:
            target = constraint.referred_table.name
            assert target in GLOBAL | {"plans"} or "org_id" in constraint.columns, (name, constraint)


GLOBAL = {"organization_directory", "custom_domains", "memberships", "participations", "event_directory", "payment_routes", "outbox"}
"""Tables with an org_id that are reached by key, not walled off (see docs/architecture.md)."""


def test_the_application_may_not_change_what_is_written_once(app):
    once = ("audit_log", "audit_values", "ledger_entries", "consents", "documents")
    with platform.session() as session:
        role = app.config["SETTINGS"].role("app")
        rights = session.execute(text("SELECT table_name, privilege_type FROM information_schema.role_table_grants "
                                      "WHERE grantee = :role AND table_name = ANY(:once)"), {"role": role, "once": list(once)}).all()
        used = session.scalar(text("SELECT has_column_privilege(:role, 'quotas', 'used', 'UPDATE')"), {"role": role})
    assert {right for _table, right in rights} <= {"SELECT", "INSERT"}
    assert used is False


def test_models_and_migrations_agree(app):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy import create_engine

    engine = create_engine(app.config["SETTINGS"].owner_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={
            "include_name": lambda name, kind, parents: kind != "table" or not (name.startswith("huey_") or name == "alembic_version")})
        found = compare_metadata(context, Base.metadata)
    engine.dispose()
    assert found == []


# -- languages -------------------------------------------------------------------------------------

METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2"), ("**/templates/**.txt", "jinja2")]
KEYWORDS = {"_": None, "_l": None, "gettext": None, "ngettext": (1, 2), "lazy_gettext": None}


def messages() -> set:
    found = set()
    options = {"**/templates/**.html": {"trimmed": "true", "silent": "false"}, "**/templates/**.txt": {"silent": "false"}}
    for name, _line, message, _comments, _context in extract_from_dir(HOUSE, METHODS, options, KEYWORDS):
        if not name.startswith("sandbox"):
            found.add(message if isinstance(message, str) else message[0])
    return found


def test_every_sentence_has_its_korean():
    catalogue = read_po((HOUSE / "translations/ko/LC_MESSAGES/messages.po").open("rb"), locale="ko")
    missing = []
    for sentence in sorted(messages()):
        entry = catalogue.get(sentence)
        translated = entry and (all(entry.string) if isinstance(entry.string, tuple) else entry.string) and not entry.fuzzy
        if not translated:
            missing.append(sentence)
    assert missing == []


def test_korean_sentences_keep_their_placeholders():
    catalogue = read_po((HOUSE / "translations/ko/LC_MESSAGES/messages.po").open("rb"), locale="ko")
    placeholder = re.compile(r"%\(\w+\)[sd]")
    wrong = []
    for entry in catalogue:
        if not entry.id:
            continue
        sources_, targets = ([entry.id], [entry.string]) if isinstance(entry.id, str) else (list(entry.id), list(entry.string))
        wanted = set(placeholder.findall(sources_[-1]))
        wrong += [target for target in targets if set(placeholder.findall(target)) - wanted]
        wrong += [target for target in targets if wanted - set(placeholder.findall(target)) - {"%(num)d"}]
    assert wrong == []


def test_the_product_speaks_of_itself_alone():
    words = re.compile(r"/wor[k]/|/roo[t]/|subagen[t]|language mode[l]|shared/desig[n]", re.I)
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    names = [ROOT / name for name in tracked if name and "/vendor/" not in name and (ROOT / name).is_file()]
    assert [str(path) for path in names if words.search(path.read_text(errors="ignore"))] == []
