"""`python -m tests.pictures [--out pictures] [--docs] [--crowd] [names…]`: every page, or those whose names begin so."""
import argparse
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from eventapp import config, create_app, release
from eventapp.demo import crowd
from eventapp.supervisor.postgres import EmbeddedPostgres
from tests.pictures import camera, sheets
from tests.pictures.money_scenes import refund_scenes
from tests.pictures.scenes import scenes
from tests.pictures.staff_scenes import crowd_scenes
from tests.pictures.stage import paper, stage, tickets

LOCALES = ("ko", "en")
DOCS = {"event": "event-fold-en-1280-light.png", "register": "register-filled-en-390-light.png"}
"""Pictures that are kept in `docs/pictures/`."""
TALLEST_KEPT = 1200
CROWD = 100_000


def main() -> int:
    options = argparse.ArgumentParser(prog="make pictures", description=__doc__)
    options.add_argument("--out", type=Path, default=Path("pictures"))
    options.add_argument("--docs", action="store_true", help="also renew those of docs/pictures")
    options.add_argument("--crowd", action="store_true", help="also the desk with 100,000 rows, which take a minute to write")
    options.add_argument("names", nargs="*")
    chosen = options.parse_args()
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="eventapp-pictures-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    folder.chmod(0o755)
    database = EmbeddedPostgres(folder / "postgres", durable=False)
    try:
        app = application(database.start(), folder / "var")
        with stage(app) as made:
            if chosen.crowd:
                with app.app_context():
                    print(crowd.gather(CROWD), flush=True)
            print(f"The stage is set after {time.monotonic() - began:.0f} s: {made.url}", flush=True)
            pictures, complaints = take(made, chosen, folder)
    finally:
        database.stop()
        shutil.rmtree(folder, ignore_errors=True)
    series = sheets.contact_sheets(chosen.out, pictures)
    sheets.index(chosen.out, pictures, series, complaints)
    if chosen.docs:
        keep(chosen.out)
    print(*complaints, sep="\n")
    print(f"{len(pictures)} pictures, {len(series)} contact sheets, {time.monotonic() - began:.0f} s: {chosen.out / 'index.html'}")
    return 1 if complaints else 0


def application(database_url: str, var: Path):
    var.mkdir(parents=True)
    settings = config.Settings(secret_key="k" * 40, encryption_key="e" * 40, database_url=database_url, var=var,
                               roles="eventapp_pictures", from_email="tickets@events.example",
                               platform_hosts=frozenset({"localhost", "127.0.0.1"}))
    app = create_app(settings)
    import tasks  # noqa: F401  (registers the jobs)
    logging.getLogger("eventapp").setLevel(logging.WARNING)
    with app.app_context():
        release.release(settings)
    return app


def take(made, chosen, folder: Path):
    """Each language has a browser of its own, at the same time."""
    out, names = chosen.out, chosen.names
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*.png") if not names else ():
        old.unlink()

    def walk(locale: str):
        taken, place = {}, folder / f"browser-{locale}"
        place.mkdir()
        with camera.browser(place) as chromium:
            visits = camera.Visits(chromium, made, locale)
            for scene in [*scenes(made, locale), *refund_scenes(made, locale), *(crowd_scenes(locale) if chosen.crowd else [])]:
                if names and not scene.name.startswith(tuple(names)):
                    continue
                page = visits.open(scene)
                for width, theme in camera.looks(page, scene.looks(locale)):
                    path = out / f"{scene.name}-{locale}-{width}-{theme}.png"
                    camera.photograph(page, scene, path)
                    taken[scene.name, locale, width, theme] = path
                page.close()
        if not names or any(name.startswith("ticket") for name in names):
            taken["ticket", locale, 390, "light"] = printed(out, "ticket", locale, tickets(locale))
        for kind in sorted({kind for kind, _locale in made.papers}):
            if not names or f"pdf-{kind}".startswith(tuple(names)):
                taken[f"pdf-{kind}", locale, 820, "light"] = printed(out, f"pdf-{kind}", locale, paper(made, kind, locale), 820)
        return taken, visits.complaints

    with ThreadPoolExecutor(len(LOCALES)) as pool:
        walks = list(pool.map(walk, LOCALES))
    return walks[0][0] | walks[1][0], walks[0][1] + walks[1][1]


def printed(out: Path, name: str, locale: str, pdf: bytes, width: int = 390) -> Path:
    """The first page of a PDF."""
    path = out / f"{name}-{locale}-{width}-light.png"
    command = ["pdftoppm", "-png", "-r", "120", "-f", "1", "-singlefile", "-", str(path.with_suffix(""))]
    subprocess.run(command, input=pdf, check=True)
    return path


def keep(out: Path) -> None:
    for name, source in DOCS.items():
        target = config.ROOT / "docs/pictures" / f"{name}.png"
        target.parent.mkdir(exist_ok=True)
        with Image.open(out / source) as picture:
            top = picture.convert("RGB").crop((0, 0, picture.width, min(picture.height, TALLEST_KEPT)))
            top.quantize(200, dither=Image.Dither.NONE).save(target, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
