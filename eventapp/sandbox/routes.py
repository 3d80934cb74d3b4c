"""One line of the sandbox's addresses: `view(sandbox, request, **ids)` answers."""
from werkzeug.routing import Rule


def route(method: str, path: str, view) -> Rule:
    return Rule(path, methods=[method], endpoint=view)
