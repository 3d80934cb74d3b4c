"""Pictures of a ticket's code as doors meet them: printed, on a screen, tilted, torn."""
import base64
import io

import qrcode
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter
from qrcode.constants import ERROR_CORRECT_M

SIDE = 720


def code(text: str, module: int = 8) -> Image.Image:
    """As on the ticket: the same level of correction, with its quiet zone."""
    made = qrcode.QRCode(error_correction=ERROR_CORRECT_M, border=4, box_size=module)
    made.add_data(text, optimize=0)
    made.make(fit=True)
    return made.make_image().get_image().convert("L")


def scene(picture: Image.Image, side: int, ground: int, at=(0, 0)) -> Image.Image:
    """The picture somewhere in the frame that the camera sees."""
    frame = Image.new("L", (SIDE, SIDE), ground)
    picture = picture.resize((side, side), Image.Resampling.LANCZOS)
    frame.paste(picture, ((SIDE - side) // 2 + at[0], (SIDE - side) // 2 + at[1]))
    return frame


def noise(frame: Image.Image, strength: int) -> Image.Image:
    return ImageChops.add(frame, Image.effect_noise(frame.size, strength), scale=1, offset=-128)


def printed(text: str) -> Image.Image:
    """On grey paper under a lamp that lights one side, a little out of focus."""
    lamp = Image.linear_gradient("L").rotate(90).resize((SIDE, SIDE)).point(lambda value: 110 + value // 2)
    frame = ImageChops.multiply(scene(code(text), 380, 235, (40, -30)), lamp)
    return noise(frame.filter(ImageFilter.GaussianBlur(1.1)), 18)


def on_a_screen(text: str) -> Image.Image:
    """A phone held up: glowing in a dark hall, with the lines of its pixels crossing ours."""
    frame = scene(code(text), 340, 12)
    lines = Image.new("L", (SIDE, SIDE), 255)
    draw = ImageDraw.Draw(lines)
    for place in range(0, SIDE * 2, 5):
        draw.line((place, 0, place - SIDE // 6, SIDE), fill=150, width=2)
        draw.line((0, place, SIDE, place - SIDE // 9), fill=190, width=1)
    glow = ImageChops.lighter(frame, frame.filter(ImageFilter.GaussianBlur(14)).point(lambda value: value // 2))
    return noise(ImageEnhance.Contrast(ImageChops.multiply(glow, lines)).enhance(0.7), 14)


def tilted(text: str) -> Image.Image:
    """Turned by a third of a right angle and leaning back, as held in a hand."""
    frame = scene(code(text), 420, 200).rotate(27, Image.Resampling.BICUBIC, fillcolor=200)
    corners = (-60, -30, -170, SIDE + 60, SIDE + 190, SIDE + 20, SIDE + 40, -90)  # where the frame's corners come from
    return noise(frame.transform((SIDE, SIDE), Image.Transform.QUAD, corners, Image.Resampling.BICUBIC, fillcolor=200), 12)


def torn(text: str) -> Image.Image:
    """A corner gone that has no finder in it, a fold, and a drop of coffee."""
    picture = code(text)
    side = picture.width
    draw = ImageDraw.Draw(picture)
    draw.polygon([(side, side), (side, side * 0.8), (side * 0.88, side * 0.86), (side * 0.78, side)], fill=120)
    draw.line((0, side * 0.55, side, side * 0.53), fill=170, width=4)
    draw.ellipse((side * 0.5, side * 0.62, side * 0.56, side * 0.68), fill=90)
    return noise(scene(picture, 430, 120).rotate(-8, Image.Resampling.BICUBIC, fillcolor=120).filter(ImageFilter.GaussianBlur(0.8)), 14)


RECORDED = {"printed": printed, "on a screen": on_a_screen, "tilted": tilted, "torn": torn}


def address(picture: Image.Image) -> str:
    """For an <img> of a page."""
    out = io.BytesIO()
    picture.save(out, "PNG")
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"


def film(picture: Image.Image, path) -> None:
    """A film of the picture for Chromium's stand-in for a camera (motion JPEG), as wide as cameras film."""
    frame = Image.new("L", (1280, 720), 60)
    frame.paste(picture, (280, 0))
    out = io.BytesIO()
    frame.convert("RGB").save(out, "JPEG", quality=80)
    path.write_bytes(out.getvalue() * 20)
