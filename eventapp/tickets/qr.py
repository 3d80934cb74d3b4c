"""The picture of a ticket's text: black on white with its quiet zone, also on dark pages, as scanners expect."""
import io

import qrcode
from markupsafe import Markup
from qrcode.constants import ERROR_CORRECT_M

QUIET = 4  # modules on each side; the standard asks for four
MASK = 2


def png(text: str, module: int = 6) -> bytes:
    """One bit a pixel, `module` pixels a module: about 800 bytes."""
    picture = _code(text, module).make_image()
    out = io.BytesIO()
    picture.get_image().convert("1").save(out, "PNG", optimize=True)
    return out.getvalue()


def svg(text: str, label: str = "") -> Markup:
    """One path without style or script, so that it may stand inside a page under our CSP."""
    rows = _code(text, 1).get_matrix()
    side = len(rows)
    path = "".join(f"M{left},{top}h{width}v1h-{width}z" for top, row in enumerate(rows) for left, width in _runs(row))
    named = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
    return Markup('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {0}" shape-rendering="crispEdges" {1}>'
                  '<path fill="#fff" d="M0,0h{0}v{0}h-{0}z"/><path fill="#000" d="{2}"/></svg>').format(
                      side, named, path)


def _code(text: str, module: int) -> qrcode.QRCode:
    # Weighing all eight masks costs five times the rest; our text is as good as random, so any mask is even enough.
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, border=QUIET, box_size=module, mask_pattern=MASK)
    code.add_data(text, optimize=0)
    code.make(fit=True)
    return code


def _runs(row: list[bool]):
    """(left, width) of each run of dark modules."""
    start = None
    for at, dark in enumerate([*row, False]):
        if dark and start is None:
            start = at
        elif not dark and start is not None:
            yield start, at - start
            start = None
