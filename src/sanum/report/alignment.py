"""A picture of two scans on one grid: a checkerboard of both, and the edges of one over the other."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw

from ..scan.scan import Scan
from ..space.grid import covering
from ..space.resample import resample
from ..types import AnyArray, FloatArray
from .planes import PLANES, Plane

SQUARE_MM = 25.0
CT_WINDOW = (-20.0, 100.0)
"""Hounsfield units that are shown: ventricles and brain, beside bone in white."""
HEIGHT = 320
EDGE = (255, 140, 0)
ROWS = ("checkerboard of both", "edges of the moved scan over the fixed one")


def alignment_png(fixed: Scan, moved: Scan) -> bytes:
    """Three planes through the middle of what the fixed scan shows, the patient's right on the left.

    Parameters
    ----------
    fixed, moved : Scan
        On one grid.
    """
    spacing = max(1.0, float(fixed.grid.spacing_mm.min()))
    grid = covering(fixed.grid, spacing)
    a, b = (_grey(resample(_windowed(x), x.grid, grid, fill=float(np.min(x.voxels)))) for x in (fixed, moved))
    weight = a.sum() or 1.0
    middle = [
        round(float((a.sum(tuple({0, 1, 2} - {n})) * np.arange(a.shape[n])).sum() / weight)) for n in range(3)
    ]
    rows = []
    for draw in (_checkered, _edged):
        panels = [_panel(draw(_cut(a, p, middle), _cut(b, p, middle), spacing), p) for p in PLANES]
        rows.append(np.concatenate(panels, 1))
    picture = Image.fromarray(np.concatenate(rows, 0))
    write = ImageDraw.Draw(picture)
    for n, words in enumerate(ROWS):
        write.text((6, n * HEIGHT + 4), words, fill=(255, 255, 255))
    out = BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def _windowed(scan: Scan) -> AnyArray:
    return np.clip(scan.voxels, *CT_WINDOW) if scan.contrast == "CT" else scan.voxels


def _grey(voxels: FloatArray) -> FloatArray:
    low, high = np.percentile(voxels, (1, 99.5))
    scaled: FloatArray = np.clip((voxels - low) / max(float(high - low), 1e-6), 0, 1).astype(np.float32)
    return scaled


def _cut(volume: FloatArray, plane: Plane, middle: list[int]) -> FloatArray:
    """Rows from top to bottom; the right side of the patient, or the face, to the left."""
    at: list[slice | int] = [slice(None)] * 3
    at[plane.normal] = middle[plane.normal]
    return volume[tuple(at)].T[::-1, ::-1]


def _checkered(a: FloatArray, b: FloatArray, spacing: float) -> AnyArray:
    y, x = (np.floor(np.arange(n) * spacing / SQUARE_MM).astype(int) for n in a.shape)
    mixed = np.where((y[:, None] + x) % 2, b, a)
    return np.repeat((mixed * 255).astype(np.uint8)[..., None], 3, 2)


def _edged(a: FloatArray, b: FloatArray, spacing: float) -> AnyArray:
    slope = np.hypot(*np.gradient(b))
    thin = slope > max(float(np.percentile(slope, 92)), 0.05)
    picture = np.repeat((a * 200).astype(np.uint8)[..., None], 3, 2)
    picture[thin] = EDGE
    return picture


def _panel(picture: AnyArray, plane: Plane) -> AnyArray:
    """Scaled to the height of all panels; a letter says which side is which."""
    wide = max(1, round(picture.shape[1] * HEIGHT / picture.shape[0]))
    image = Image.fromarray(picture).resize((wide, HEIGHT), Image.Resampling.BILINEAR)
    letters = ("R", "L") if plane.across == 0 else ("A", "P")
    write = ImageDraw.Draw(image)
    for place, letter in zip((4, wide - 12), letters, strict=True):
        write.text((place, HEIGHT // 2), letter, fill=(255, 255, 255))
    return np.asarray(image)
