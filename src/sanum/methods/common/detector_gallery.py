"""What a detector sees, makes and marks, side by side: small pictures for reports."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib import colormaps
from PIL import Image

from ...learn.threads import one_thread
from ...scan.picture import Picture
from ...scan.picture_conform import as_picture
from ...types import FloatArray
from .findings import Finding
from .scorer import PictureScorer
from .squares import BATCH

HEIGHT, GAP = 132, 3  # pixels
WIDEST = 264
MAP = colormaps["magma"]

Limits = tuple[float, float]


def panel_titles(detector: PictureScorer) -> tuple[str, ...]:
    """What stands side by side in each picture.

    Parameters
    ----------
    detector : PictureScorer
        Fitted.
    """
    size, channels = detector.config.picture.size, detector.channels or 1
    with torch.inference_mode():
        blank = torch.zeros(1, channels, size, size, device=detector.device)
        made = detector.reconstruct(blank, torch.ones_like(blank[:, 0], dtype=torch.bool))
    return ("input", "map") if made is None else ("input", "reconstruction", "map")


def panels(
    detector: PictureScorer, pictures: Sequence[Picture], found: Sequence[Finding], limits: Limits
) -> list[bytes]:
    """JPEG of each picture: input, reconstruction where the method makes one, map.

    Parameters
    ----------
    detector : PictureScorer
        That found it.
    pictures : sequence of Picture
        As read.
    found : sequence of Finding
        Of each.
    limits : (float, float)
        Values of the map that are black and white; the same in all pictures, so that they can be compared.
    """
    made: list[FloatArray | None] = []
    for first in range(0, len(found), BATCH):
        squares = [one.square for one in found[first : first + BATCH]]
        pixels = torch.from_numpy(np.stack([square.pixels for square in squares])).to(detector.device)
        valid = torch.from_numpy(np.stack([square.valid for square in squares])).to(detector.device)
        with one_thread(), torch.inference_mode():
            images = detector.reconstruct(pixels, valid)
        made += [None] * len(squares) if images is None else list(images.float().cpu().numpy())
    scaled = detector.config.picture.scale != "none"
    return [
        _strip(one, image, (0.0, 1.0) if scaled else picture.window or picture.range, limits)
        for picture, one, image in zip(pictures, found, made, strict=True)
    ]


def limits_of(found: Sequence[Finding]) -> Limits:
    """Limits of the maps of many pictures: the smallest value, and the largest that is no lone pixel.

    Parameters
    ----------
    found : sequence of Finding
        At least one.
    """
    values = [one.map[one.square.valid] for one in found]
    return min(float(v.min()) for v in values), max(float(np.quantile(v, 0.995)) for v in values)


def _strip(found: Finding, made: FloatArray | None, shown: Limits, limits: Limits) -> bytes:
    """JPEG of panels of one height."""
    place = found.square.placement
    images = [found.square.pixels] if made is None else [found.square.pixels, made]
    parts = [_colours(np.stack([as_picture(one, place) for one in image]), *shown) for image in images]
    bottom, top = limits
    heat = np.clip((found.on_picture - bottom) / (top - bottom if top > bottom else 1.0), 0, 1)
    parts.append((255 * MAP(heat)[..., :3]).astype(np.uint8))
    gap = np.zeros((HEIGHT, GAP, 3), np.uint8)
    row = [piece for part in parts for piece in (gap, _fitted(part))][1:]
    stream = io.BytesIO()
    Image.fromarray(np.concatenate(row, 1)).save(
        stream, format="JPEG", quality=88, subsampling=0, optimize=True
    )
    return stream.getvalue()


def _colours(pixels: FloatArray, low: float, high: float) -> np.ndarray:
    """(C, H, W) as (H, W, 3) of 8 bits; three channels are colours, of others the mean is grey."""
    unit = np.clip((pixels - low) / (high - low if high > low else 1.0), 0, 1)
    rgb = unit if len(unit) == 3 else np.repeat(unit.mean(0, keepdims=True), 3, axis=0)
    return np.asarray((255 * rgb).astype(np.uint8).transpose(1, 2, 0))


def _fitted(part: np.ndarray) -> np.ndarray:
    height, width = part.shape[:2]
    wide = int(np.clip(round(width * HEIGHT / height), 1, WIDEST))
    return np.asarray(Image.fromarray(part).resize((wide, HEIGHT), Image.Resampling.BICUBIC))
