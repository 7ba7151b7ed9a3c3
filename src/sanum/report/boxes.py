"""Boxes with words drawn on a picture."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..types import FloatArray

COLOURS = ("#ffb000", "#4fe3ff", "#ff6db6", "#7CFC6B", "#ff7f50", "#b99aff", "#ffff6d", "#9ad0f5")
"""Of kinds, in turn; they are told apart on grey, and by their words."""

TRUE = "#ffffff"
"""Of boxes that a person drew."""

LONGEST = 1024
"""Pixels of the longer side of a picture."""

_DASH = 7
_PAD = 3


@dataclass(frozen=True)
class DrawnBox:
    """A box to draw.

    Parameters
    ----------
    box : (4,) float
        x, y, width, height in pixels of the picture.
    words : str
        Beside it; may be empty.
    colour : str
        As CSS has it.
    dashed : bool
        The line has gaps.
    thin : bool
        The line is thin.
    """

    box: tuple[float, ...]
    words: str
    colour: str
    dashed: bool = False
    thin: bool = False


def boxes_png(picture: FloatArray, boxes: Sequence[DrawnBox], longest: int = LONGEST) -> bytes:
    """PNG of a picture with boxes on it.

    Parameters
    ----------
    picture : (H, W) float32
        In [0, 1].
    boxes : sequence of DrawnBox
        Later ones lie above.
    longest : int
        Pixels of its longer side, at most.
    """
    grey = Image.fromarray(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8))
    scale = _scale_of(grey.size, longest)
    size = tuple(max(1, round(n * scale)) for n in grey.size)
    image = grey.resize((size[0], size[1]), Image.Resampling.BICUBIC).convert("RGB")
    return _drawn(image, boxes, scale)


def boxes_over(png: bytes, size: tuple[int, int], boxes: Sequence[DrawnBox], longest: int = LONGEST) -> bytes:
    """PNG of `boxes_png` with other boxes; those that it has, drawn again at their place, do not change it.

    Parameters
    ----------
    png : bytes
        Of `boxes_png`.
    size : (int, int)
        Width and height of the picture that it was made of.
    boxes : sequence of DrawnBox
        In pixels of that picture; later ones lie above.
    longest : int
        As it was then.
    """
    with Image.open(io.BytesIO(png)) as image:
        return _drawn(image.convert("RGB"), boxes, _scale_of(size, longest))


def _scale_of(size: tuple[int, int], longest: int) -> float:
    """Pixels of the drawing for one of the picture; words need some, so small pictures become larger."""
    scale = min(1.0, longest / max(size))
    least = longest / 2 / max(max(1, round(n * scale)) for n in size)
    return scale * max(1.0, least)


def _drawn(image: Image.Image, boxes: Sequence[DrawnBox], scale: float) -> bytes:
    size = image.size
    draw, taken = ImageDraw.Draw(image), list[tuple[float, float, float, float]]()
    line = max(2, round(max(size) / 320))
    font = font_of(max(11, round(max(size) / 36)))
    for one in boxes:
        x, y, width, height = (v * scale for v in one.box)
        ends = (x, y, min(x + width, size[0] - 1), min(y + height, size[1] - 1))
        _outline(draw, ends, one.colour, 1 if one.thin else line, dashed=one.dashed)
    for one in boxes:
        if one.words:
            _label(draw, one, scale, size, font, taken)
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()


def small_jpeg(png: bytes, longest: int = 480) -> bytes:
    """A picture as a smaller JPEG, for a page.

    Parameters
    ----------
    png : bytes
        Any image file.
    longest : int
        Pixels of its longer side.
    """
    with Image.open(io.BytesIO(png)) as image:
        small = image.convert("RGB")
        small.thumbnail((longest, longest))
        stream = io.BytesIO()
        small.save(stream, format="JPEG", quality=85)
    return stream.getvalue()


def font_of(size: int) -> ImageFont.FreeTypeFont:
    """The font that matplotlib brings.

    Parameters
    ----------
    size : int
        In pixels.
    """
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def _outline(
    draw: ImageDraw.ImageDraw,
    ends: tuple[float, float, float, float],
    colour: str,
    line: int,
    *,
    dashed: bool,
) -> None:
    if not dashed:
        draw.rectangle(ends, outline=colour, width=line)
        return
    x0, y0, x1, y1 = ends
    for start, end in (
        ((x0, y0), (x1, y0)),
        ((x1, y0), (x1, y1)),
        ((x1, y1), (x0, y1)),
        ((x0, y1), (x0, y0)),
    ):
        length = abs(end[0] - start[0]) + abs(end[1] - start[1])
        for first in np.arange(0, length, 2 * _DASH):
            parts = [first / length, min(first + _DASH, length) / length]
            points = [tuple(a + (b - a) * p for a, b in zip(start, end, strict=True)) for p in parts]
            draw.line(points, fill=colour, width=line)


def _label(
    draw: ImageDraw.ImageDraw,
    one: DrawnBox,
    scale: float,
    size: tuple[int, int],
    font: ImageFont.FreeTypeFont,
    taken: list[tuple[float, float, float, float]],
) -> None:
    """Words on a dark ground: above the box, or inside it, or further down where others are."""
    left, top, right, bottom = draw.textbbox((0, 0), one.words, font=font)
    wide, high = right - left + 2 * _PAD, bottom - top + 2 * _PAD
    x = max(0.0, min(one.box[0] * scale, size[0] - wide))
    y = one.box[1] * scale - high
    y = y if y >= 0 else one.box[1] * scale
    for _ in range(40):
        if not any(x < b[2] and b[0] < x + wide and y < b[3] and b[1] < y + high for b in taken):
            break
        y += high
    y = min(y, size[1] - high)
    taken.append((x, y, x + wide, y + high))
    draw.rectangle((x, y, x + wide, y + high), fill="#000000")
    draw.text((x + _PAD - left, y + _PAD - top), one.words, fill=one.colour, font=font)
