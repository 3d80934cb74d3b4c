"""The picture of a ticket's text: black on white with its quiet zone, also on dark pages, as scanners expect."""
import io
from functools import lru_cache

import qrcode
from markupsafe import Markup
from PIL import Image
from qrcode.constants import ERROR_CORRECT_M

QUIET = 4  # modules on each side; the standard asks for four
MASK = 2


def png(text: str, module: int = 6) -> bytes:
    """One bit a pixel, `module` pixels a module: about 800 bytes."""
    rows = _matrix(text)
    picture = Image.frombytes("L", (len(rows), len(rows)), bytes(0 if dark else 255 for row in rows for dark in row))
    out = io.BytesIO()
    side = len(rows) * module
    picture.convert("1").resize((side, side), Image.Resampling.NEAREST).save(out, "PNG", optimize=True)
    return out.getvalue()


def svg(text: str, label: str = "") -> Markup:
    """One path without style or script, so that it may stand inside a page under our CSP."""
    rows = _matrix(text)
    side = len(rows)
    path = "".join(f"M{left},{top}h{width}v1h-{width}z" for top, row in enumerate(rows) for left, width in _runs(row))
    named = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
    return Markup('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {0}" shape-rendering="crispEdges" {1}>'
                  '<path fill="#fff" d="M0,0h{0}v{0}h-{0}z"/><path fill="#000" d="{2}"/></svg>').format(
                      side, named, path)


@lru_cache(maxsize=256)
def _matrix(text: str) -> list[list[bool]]:
    """With its quiet zone. A letter and the PDF in it show the same one."""
    # Weighing all eight masks costs five times the rest; our text is as good as random, so any mask is even enough.
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, border=QUIET, mask_pattern=MASK)
    code.add_data(text, optimize=0)
    code.make(fit=True)
    return code.get_matrix()


def _runs(row: list[bool]):
    """(left, width) of each run of dark modules."""
    start = None
    for at, dark in enumerate([*row, False]):
        if dark and start is None:
            start = at
        elif not dark and start is not None:
            yield start, at - start
            start = None
