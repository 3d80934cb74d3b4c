"""An organisation's one colour, made into the stylesheet that lays it over the design system's own.

Whatever is chosen stays readable: the text on the colour is black or white, whichever has the better contrast, and
the colour as text is darkened (or lightened, in the dark) until it reaches 4.5 on every ground it stands on.
"""
import hashlib
import math
import re
from functools import lru_cache

FALLBACK = "#3b5bdb"
WHITE, BLACK = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
ENOUGH = 4.5


def version(accent: str) -> str:
    """Changes with the text of the stylesheet: part of its address, so that browsers may keep it for ever."""
    return hashlib.sha256(stylesheet(accent).encode()).hexdigest()[:10]


@lru_cache(maxsize=512)
def stylesheet(accent: str) -> str:
    accent = accent if re.fullmatch(r"#[0-9a-fA-F]{6}", accent) else FALLBACK
    lightness, chroma, hue = _to_oklch(_from_hex(accent))
    fill, dark_fill = _from_hex(accent), _rgb(max(lightness, 0.55), min(chroma, 0.17), hue)
    tint, dark_tint = _rgb(0.965, min(chroma, 0.02), hue), _rgb(0.27, min(chroma, 0.045), hue)
    text = _until_readable(lightness, chroma, hue, tint, -0.01)
    dark_text = _until_readable(max(lightness, 0.7), min(chroma, 0.11), hue, dark_tint, 0.01)
    return (
        ":root{"
        f"--hue:{hue:.0f};"
        f"--accent:light-dark({accent},{_hex(dark_fill)});"
        f"--on-accent:light-dark({_hex(_on(fill))},{_hex(_on(dark_fill))});"
        f"--accent-text:light-dark({_hex(text)},{_hex(dark_text)});"
        f"--accent-tint:light-dark({_hex(tint)},{_hex(dark_tint)})"
        "}\n")


def contrast(one, other) -> float:
    """WCAG 2's contrast of two colours, 1 to 21."""
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def _on(fill):
    return WHITE if contrast(fill, WHITE) >= ENOUGH or contrast(fill, WHITE) > contrast(fill, BLACK) else BLACK


def _until_readable(lightness, chroma, hue, ground, step):
    colour = _rgb(lightness, chroma, hue)
    while contrast(colour, ground) < ENOUGH + 0.1 and 0 < lightness < 1:
        lightness += step
        colour = _rgb(lightness, chroma, hue)
    return colour


def _luminance(rgb) -> float:
    red, green, blue = map(_linear, rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _gamma(value: float) -> float:
    value = min(max(value, 0.0), 1.0)
    return value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


def _to_oklch(rgb):
    red, green, blue = map(_linear, rgb)
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    middle = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    lightness = 0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short
    return lightness, math.hypot(a, b), math.degrees(math.atan2(b, a)) % 360


def _rgb(lightness, chroma, hue):
    """OKLCH as sRGB in the 256 steps that a stylesheet can say; what lies outside is clipped."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    exact = (_gamma(4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short),
             _gamma(-1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short),
             _gamma(-0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short))
    return tuple(round(part * 255) / 255 for part in exact)


def _from_hex(text: str):
    return tuple(int(text[place:place + 2], 16) / 255 for place in (1, 3, 5))


def _hex(rgb) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in rgb)
