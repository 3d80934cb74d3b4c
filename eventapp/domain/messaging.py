"""A letter that staff write to many: plain text with {{name}}, {{event}}, {{number}} and {{link}} in it.

One pass over a flat map of strings: what is filled in is never looked at again, and an unknown name is a mistake.
"""
import re

from eventapp.languages import _

NAMES = ("name", "event", "number", "link")
PLACE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


def wrong(text: str, longest: int) -> str:
    """Why the text can't be sent, or ""."""
    if len(text) > longest:
        return _("Use at most %(count)s characters; there are %(found)s.", count=longest, found=len(text))
    unknown = [name for name in PLACE.findall(text) if name not in NAMES]
    if unknown:
        return _("There is no {{%(name)s}}. What can be filled in: %(names)s.", name=unknown[0][:50],
                 names=", ".join("{{" + name + "}}" for name in NAMES))
    return ""


def filled(text: str, values: dict[str, str]) -> str:
    return PLACE.sub(lambda match: values[match[1]], text)


def pieces(text: str, values: dict[str, str]) -> list[list[list[tuple[str, bool]]]]:
    """Paragraphs of lines of (text, whether it is the link): only what we have put there ourselves is ever a link."""
    return [[_line(line, values) for line in paragraph.split("\n")] for paragraph in re.split(r"\n{2,}", text.strip())]


def _line(line: str, values: dict[str, str]) -> list[tuple[str, bool]]:
    parts, end = [], 0
    for match in PLACE.finditer(line):
        parts += [(line[end:match.start()], False), (values[match[1]], match[1] == "link")]
        end = match.end()
    return [(text, is_link) for text, is_link in [*parts, (line[end:], False)] if text]
