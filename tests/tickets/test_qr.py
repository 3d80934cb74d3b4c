import io
import xml.etree.ElementTree as ElementTree

import zxingcpp
from PIL import Image

from eventapp.tickets import codes, qr
from tests.specimens import KEYS


def decoded(png):
    return zxingcpp.read_barcode(Image.open(io.BytesIO(png)).convert("L")).text


def test_a_scanner_reads_every_code_at_every_size():
    for registration_id in range(1, 60):
        text = codes.sign(KEYS[0], 3, 12, registration_id**5, 1)
        assert decoded(qr.png(text, module=1 + registration_id % 6)) == text


def test_it_is_small_and_one_bit_deep():
    picture = qr.png(codes.sign(KEYS[0], 3, 12, 2345, 1))
    assert Image.open(io.BytesIO(picture)).mode == "1"
    assert len(picture) < 1000


def test_the_drawing_shows_the_same_code_and_needs_no_style():
    text = codes.sign(KEYS[0], 3, 12, 2345, 1)
    drawing = ElementTree.fromstring(qr.svg(text, 'A "label" <b>'))
    assert drawing.get("aria-label") == 'A "label" <b>'
    assert "style" not in qr.svg(text)
    side = int(drawing.get("viewBox").split()[-1])
    picture = Image.new("L", (side, side), 255)
    for piece in drawing[1].get("d").split("z")[:-1]:
        left, top = piece[1:].split("h")[0].split(",")
        width = int(piece.split("h")[1].split("v")[0])
        picture.paste(0, (int(left), int(top), int(left) + width, int(top) + 1))
    assert zxingcpp.read_barcode(picture.resize((side * 4, side * 4))).text == text
