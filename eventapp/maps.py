"""From an address to everything about it: `flask where` and `flask routes-json`."""
import ast
import inspect
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import RequestRedirect

from eventapp import permissions, tenancy
from eventapp.config import ROOT

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


# -- all routes ------------------------------------------------------------------------------------

def routes(app) -> list[dict]:
    """Every route with methods, permission and the kinds of actors that may come, sorted by address."""
    return [{"rule": rule.rule, "methods": sorted(rule.methods & set(METHODS)), "endpoint": rule.endpoint,
             "permission": app.view_functions[rule.endpoint].permission, "in_organization": "org" in rule.arguments,
             "actors": actors(app.view_functions[rule.endpoint].permission), "view": place(app.view_functions[rule.endpoint])}
            for rule in sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, rule.endpoint))]


def actors(permission: str) -> dict:
    """`always`: who may because of what they are; `granted`: who may when it was given to them by name."""
    everybody = ["ANONYMOUS", "PARTICIPANT", *permissions.MATRIX, "SUPER_ADMIN"]
    if permission == permissions.MACHINE:
        return {"always": ["MACHINE"], "granted": []}
    if permission == permissions.PUBLIC:
        return {"always": everybody, "granted": []}
    if permission == permissions.ACCOUNT:
        return {"always": everybody[1:], "granted": []}
    if permission in permissions.OPERATOR:
        return {"always": ["SUPER_ADMIN"], "granted": []}
    always = [role for role, allowed in permissions.MATRIX.items() if permission in allowed]
    granted = [role for role in permissions.MATRIX if role not in always] if permission in permissions.GRANTS.values() else []
    return {"always": always, "granted": granted}


# -- one address -----------------------------------------------------------------------------------

def where(app, url: str) -> list[str]:
    """Lines that say what answers there, method by method."""
    path = path_on_platform(app, url)
    adapter, lines, seen = app.url_map.bind("localhost"), [], {}
    for method in METHODS:
        try:
            endpoint, values = adapter.match(path, method)
        except MethodNotAllowed:
            continue
        except RequestRedirect as redirect:
            return [f"{path} redirects to {redirect.new_url}"]
        except HTTPException:
            return [f"Nothing answers at {path}."]
        seen.setdefault(endpoint, ([], values))[0].append(method)
    for endpoint, (methods, values) in seen.items():
        lines += ["", f"{' '.join(methods)} {path}", *describe(app, endpoint, values)]
    return lines[1:]


def path_on_platform(app, url: str) -> str:
    """As the router sees it: an organisation's own host completes the path."""
    parts = urlsplit(url if "//" in url else f"//localhost{url}")
    environ = {"HTTP_HOST": parts.netloc, "PATH_INFO": parts.path or "/"}
    return tenancy.Hosts(app, lambda environ, start_response: environ["PATH_INFO"])(environ, None)


def describe(app, endpoint: str, values: dict) -> list[str]:
    permission, view = app.view_functions[endpoint].permission, inspect.unwrap(app.view_functions[endpoint])
    source = Source(view)
    described = [("view", f"{place(view)}  {endpoint}({', '.join(f'{name}={value}' for name, value in values.items())})"),
                 ("permission", permission)]
    described += [("template", f"eventapp/templates/{name}") for name in source.templates]
    described += [("rule", rule) for rule in source.rules]
    described += [("test", test) for test in tests(view, source.modules)]
    return [f"  {name:11} {value}" for name, value in described]


class Source:
    """A view's code, with the functions of its own module that it calls: the templates it shows, the rules it follows."""

    def __init__(self, view):
        self.module = sys.modules[view.__module__]
        self.templates, self.rules, self.modules, self.seen = [], [], [], set()
        self.read(view)

    def read(self, function) -> None:
        if function in self.seen or getattr(function, "__module__", None) != self.module.__name__:
            return
        self.seen.add(function)
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.partition("#")[0].endswith(".html"):
                add(self.templates, node.value.partition("#")[0])
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                self.follow(getattr(self.module, node.value.id, None), node.attr)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                called = getattr(self.module, node.func.id, None)
                if inspect.isfunction(called):
                    self.read(called)

    def follow(self, module, name: str) -> None:
        """`ordering.place` names a rule of the domain."""
        if isinstance(module, ModuleType) and module.__name__.startswith("eventapp.domain."):
            rule = getattr(module, name, None)
            if inspect.isfunction(rule) and rule.__module__ == module.__name__:
                add(self.rules, f"{place(rule)}  {module.__name__.rpartition('.')[2]}.{name}")
                add(self.modules, module.__name__.rpartition(".")[2])


def add(found: list, one) -> None:
    if one not in found:
        found.append(one)


def tests(view, rules: list[str]) -> list[str]:
    """Tests lie where the view lies, in folders of the same names; those of the rules in `domain/`."""
    folder, _, module = view.__module__.removeprefix("eventapp.").removeprefix("blueprints.").rpartition(".")
    wanted = [ROOT / "tests" / folder / f"test_{module}.py", *(ROOT / "tests" / "domain" / f"test_{rule}.py" for rule in rules)]
    return [str(path.relative_to(ROOT)) for path in wanted if path.exists()]


def place(function) -> str:
    function = inspect.unwrap(function)
    path = Path(inspect.getsourcefile(function))
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) and ".venv" not in path.parts else path.name
    return f"{shown}:{inspect.getsourcelines(function)[1]}"
