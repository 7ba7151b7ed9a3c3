"""A scan beside what is usual: a picture of three planes, and a page with it and the volumes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from ..scan.scan import Scan
from ..space.grid import Grid, covering
from ..space.resample import resample
from ..types import FloatArray
from .blocks import PageFacts, PagePicture, PageSection, PageTable, PageWords, blocks_page
from .planes import PLANES, Plane

HEIGHT, HEAD, GAP = 300, 26, 3
FROM, TO = 2.0, 6.0
"""|z| at which colours begin, and are fullest."""
HIGH, LOW = (255, 90, 20), (40, 140, 255)
MARGIN_VOX = 6


@dataclass(frozen=True)
class Column:
    """One of the pictures side by side.

    Parameters
    ----------
    title : str
        Above it.
    scan : Scan
        In grey; what is bright is near 1.
    z : Scan or None
        In colours over it, on the same grid.
    """

    title: str
    scan: Scan
    z: Scan | None = None


def comparison_png(columns: Sequence[Column], strange: Scan) -> bytes:
    """PNG of axial, coronal and sagittal planes (rows) through what is strangest; the right is on the left.

    Parameters
    ----------
    columns : sequence of Column
        On grids of one world.
    strange : Scan
        z: planes go through where it is farthest from 0 over some voxels; its box is shown.
    """
    grid = covering(strange.grid, max(1.0, float(strange.grid.spacing_mm.min())))
    z = resample(strange.voxels, strange.grid, grid)
    box = _box(z != 0)
    z = z[box]
    middle = [int(n) for n in np.unravel_index(np.argmax(ndimage.uniform_filter(np.abs(z), 5)), z.shape)]
    rows = [np.concatenate([_head(c.title, _width(z, PLANES)) for c in columns], 1)]
    pictures = [_colours(c, grid, box) for c in columns]
    for plane in PLANES:
        wide = _width(z, PLANES)
        rows.append(np.concatenate([_panel(p, plane, middle, z.shape, wide) for p in pictures], 1))
    out = BytesIO()
    Image.fromarray(np.concatenate(rows, 0)).save(out, "PNG", optimize=True)
    return out.getvalue()


def comparison_page(
    name: str,
    picture: bytes,
    facts: Mapping[str, str],
    volumes: Sequence[tuple[str, float, float, float]],
    notes: Sequence[str],
) -> str:
    """A complete HTML document.

    Parameters
    ----------
    name : str
        Of the scan.
    picture : bytes
        Of `comparison_png`.
    facts : mapping of str
        Key figures.
    volumes : sequence of (name, mL, expected mL, percentile)
        Of the labels; NaN: not known.
    notes : sequence of str
        What must be known first.
    """
    shown = PagePicture(
        picture,
        "The scan, its healthy anatomy, what is usual there, and z over the scan",
        CAPTION,
        light=False,
    )
    sections = [
        PageSection("Key figures", [PageFacts(facts)]),
        PageSection("Where it differs", [shown]),
    ]
    if volumes:
        far = sorted(volumes, key=lambda row: -abs(row[3] - 50) if np.isfinite(row[3]) else 1.0)
        cells = [[n, f"{v:.2f}", _number(e, 2), _number(p, 1)] for n, v, e, p in far]
        heads = ("Label", "Volume (mL)", "Expected (mL)", "Percentile")
        table = PageTable(heads, cells, (1, 2, 3))
        sections.append(PageSection("Volumes", [PageWords(VOLUMES, quiet=True), table]))
    return blocks_page(name, "sanum atlas compare", sections, notes)


CAPTION = (
    f"z: how many standard deviations of the group a voxel lies above (orange) or below (blue) its mean; "
    f"colours begin at {FROM:g} and are fullest at {TO:g}. Planes go through where it is farthest off. "
    "Radiological convention: the patient's right is on the left."
)
VOLUMES = (
    "Of the atlas's labels, laid onto the subject; the percentile is that among people of this age and sex, "
    "as far as they were told. Of many labels some lie far out by chance: "
    "one in twenty is below 2.5 or above 97.5."
)


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if np.isfinite(value) else "n/a"


def _box(there: npt.NDArray[np.bool_]) -> tuple[slice, ...]:
    if not there.any():
        return (slice(None),) * 3
    found = []
    for axis in range(3):
        hit = np.flatnonzero(there.any(axis=tuple({0, 1, 2} - {axis})))
        found.append(slice(max(0, hit[0] - MARGIN_VOX), int(hit[-1]) + MARGIN_VOX + 1))
    return tuple(found)


def _colours(column: Column, grid: Grid, box: tuple[slice, ...]) -> npt.NDArray[np.uint8]:
    """(X, Y, Z, 3)."""
    grey = np.clip(resample(column.scan.voxels, column.scan.grid, grid)[box], 0, 1.2) / 1.2
    out = np.repeat(255 * grey[..., None], 3, -1)
    if column.z is not None:
        z = resample(column.z.voxels, column.z.grid, grid)[box]
        share = (0.85 * np.clip((np.abs(z) - FROM) / (TO - FROM) + 0.15, 0, 1) * (np.abs(z) > FROM))[
            ..., None
        ]
        colour = np.where((z > 0)[..., None], np.array(HIGH, np.float32), np.array(LOW, np.float32))
        out = out * (1 - share) + colour * share
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)


def _width(volume: FloatArray, planes: Sequence[Plane]) -> int:
    """Of a column in pixels: the widest plane at the common height."""
    return max(round(HEIGHT * int(volume.shape[p.across]) / int(volume.shape[p.up])) for p in planes)


def _panel(
    colours: npt.NDArray[np.uint8], plane: Plane, middle: list[int], shape: tuple[int, ...], wide: int
) -> npt.NDArray[np.uint8]:
    cut = np.take(colours, middle[plane.normal], axis=plane.normal).transpose(1, 0, 2)[::-1, ::-1]
    across = round(HEIGHT * shape[plane.across] / shape[plane.up])
    image = Image.fromarray(np.ascontiguousarray(cut)).resize((across, HEIGHT), Image.Resampling.BICUBIC)
    letters, write = ("R", "L") if plane.across == 0 else ("A", "P"), ImageDraw.Draw(image)
    for place, letter in zip((4, across - 14), letters, strict=True):
        write.text((place, HEIGHT // 2), letter, fill=(230, 237, 243), font=ImageFont.load_default(13))
    out = np.zeros((HEIGHT + GAP, wide + GAP, 3), np.uint8)
    left = (wide - across) // 2
    out[:HEIGHT, left : left + across] = np.asarray(image)
    return out


def _head(title: str, wide: int) -> npt.NDArray[np.uint8]:
    image = Image.new("RGB", (wide + GAP, HEAD))
    ImageDraw.Draw(image).text((6, 5), title, fill=(230, 237, 243), font=ImageFont.load_default(15))
    return np.asarray(image)
