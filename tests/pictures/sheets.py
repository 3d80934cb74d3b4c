"""Contact sheets, and the page on which one finds every picture."""
from html import escape
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from eventapp.config import ROOT

FONT = ROOT / "eventapp/static/vendor/pretendard/ttf/Pretendard-SemiBold.ttf"
COLUMNS, LABEL, GAP = {390: 10, 820: 6, 1280: 5}, 26, 14
THUMBNAIL = {390: (240, 620), 820: (400, 620), 1280: (480, 620)}
ROWS = 2
"""On a sheet: more than two are too small to see anything."""


def contact_sheets(out: Path, pictures: dict[tuple[str, str, int, str], Path]) -> list[Path]:
    """`pictures`: (scene, language, width, theme) → file. One series of sheets for each of the looks."""
    series: dict[tuple, list] = {}
    for (name, locale, width, theme), path in pictures.items():
        series.setdefault((locale, width, theme), []).append((name, path))
    made = []
    for (locale, width, theme), items in series.items():
        count = COLUMNS[width] * ROWS
        for number, start in enumerate(range(0, len(items), count), start=1):
            made.append(out / f"sheet-{locale}-{width}-{theme}-{number}.png")
            sheet(items[start:start + count], width).save(made[-1])
    return made


def sheet(items, width: int) -> Image.Image:
    across, down = THUMBNAIL[width]
    columns = min(COLUMNS[width], len(items))
    rows = -(-len(items) // columns)
    whole = Image.new("RGB", (GAP + columns * (across + GAP), rows * (down + LABEL + GAP)), "#8a8f98")
    draw, font = ImageDraw.Draw(whole), ImageFont.truetype(str(FONT), 15)
    for place, (name, path) in enumerate(items):
        x, y = GAP + place % columns * (across + GAP), place // columns * (down + LABEL + GAP)
        draw.text((x, y + 5), name, "#fff", font)
        with Image.open(path) as picture:
            visible = picture.convert("RGB").crop((0, 0, picture.width, min(picture.height, picture.width * down // across)))
            whole.paste(visible.resize((across, visible.height * across // visible.width), Image.Resampling.LANCZOS), (x, y + LABEL))
    return whole


def index(out: Path, pictures: dict[tuple[str, str, int, str], Path], sheets: list[Path], complaints: list[str]) -> None:
    names = list(dict.fromkeys(name for name, *_ in pictures))
    rows = []
    for name in names:
        links = "".join(f'<a href="{path.name}"><img src="{path.name}" loading="lazy" width="{width // 5}" alt="{locale} {width} {theme}"></a>'
                        for (scene, locale, width, theme), path in pictures.items() if scene == name)
        rows.append(f'<h2 id="{name}">{name}</h2><p>{links}</p>')
    said = "".join(f"<li>{escape(line)}</li>" for line in complaints)
    out.joinpath("index.html").write_text(
        '<!doctype html><meta charset="utf-8"><title>Pictures</title><style>body{font:14px sans-serif;background:#8a8f98;color:#fff}'
        "a{color:#fff}img{margin:0 8px 8px 0;max-height:480px;object-fit:cover;object-position:top;vertical-align:top}</style>"
        f'<h1>Pictures</h1><ul>{said}</ul><p>{" · ".join(f"<a href={path.name!r}>{path.stem}</a>" for path in sheets)}</p>'
        f'<p>{" · ".join(f"<a href=#{name}>{name}</a>" for name in names)}</p>{"".join(rows)}')
