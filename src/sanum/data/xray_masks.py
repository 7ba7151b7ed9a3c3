"""Regions of a chest x-ray from masks of organs: boxes around them, with the lungs cut into zones."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image
from scipy import ndimage

from ..scan.errors import ScanError
from ..scan.names import printable
from ..scan.read_picture import read_picture
from ..types import Mask
from .xray_names import paired, plain_stem

Box: TypeAlias = tuple[float, float, float, float]
"""x, y, width, height in pixels."""

ZONES = ("upper zone", "middle zone", "lower zone")
SIDES = ("right", "left")
OVERLAP = 0.1
"""Share of a zone's height that it reaches into the next: findings do not end where a third does, and boxes
of neighbours are merged only if they overlap."""

BOTH = "lungs"
"""Name of a folder with both lungs in one mask."""


@dataclass(frozen=True)
class MaskedRegions:
    """What the masks of one image say.

    Parameters
    ----------
    regions : mapping of box or None
        By name; None: the mask is empty, so it is not there.
    swapped : bool
        The right lung lies to the right of the left one.
    """

    regions: Mapping[str, Box | None] = field(default_factory=dict)
    swapped: bool = False


def organs_in(folder: Path) -> dict[str, dict[str, Path]]:
    """Masks in `masks/ORGAN/`: by organ and by their path below its folder.

    Parameters
    ----------
    folder : Path
        May be missing.
    """
    found: dict[str, dict[str, Path]] = {}
    for place in sorted(folder.iterdir()) if folder.is_dir() else []:
        if place.is_dir() and not place.name.startswith("."):
            organ = " ".join(place.name.lower().replace("_", " ").replace("-", " ").split())
            files = [Path(below) / name for below, _, names in os.walk(place) for name in names]
            found[organ] = {p.relative_to(place).as_posix(): p for p in files if not p.name.startswith(".")}
    return found


def masks_of(
    organs: Mapping[str, Mapping[str, Path]], images: Sequence[str], problems: list[str]
) -> dict[str, dict[str, Path]]:
    """Masks of each image, by organ: those of its name, or of that and `_mask`.

    Parameters
    ----------
    organs : mapping
        Of `organs_in`.
    images : sequence of str
        File names of the images.
    problems : list of str
        Gets masks that may be of several images, and images that may have several masks of an organ.
    """
    found: dict[str, dict[str, Path]] = {image: {} for image in images}
    for organ, files in organs.items():
        pairs, wrong = paired(images, files, lambda name: plain_stem(name).removesuffix("_mask"))
        problems += [f"masks of {printable(organ)}: {one}" for one in wrong]
        for name, image in pairs.items():
            found[image][organ] = files[name]
    return found


def masked_regions(
    files: Mapping[str, Path], image: str, size: tuple[int, int], problems: list[str]
) -> MaskedRegions:
    """Regions of one image: each lung with its zones, and a box around every other organ.

    Parameters
    ----------
    files : mapping
        Its masks, by organ. "lungs" has both in one mask.
    image : str
        File name of the image.
    size : (int, int)
        Its width and height.
    problems : list of str
        Gets what is wrong.
    """
    masks: dict[str, Mask] = {}
    for organ, path in files.items():
        try:
            masks[organ] = read_mask(path)
        except ScanError as error:
            problems.append(f"mask {organ} of {printable(image)}: {error}")
            return MaskedRegions()
    for organ, mask in masks.items():
        high, wide = mask.shape
        if abs(wide / high - size[0] / size[1]) > 0.02 * size[0] / size[1]:
            problems.append(
                f"mask {organ} of {printable(image)} is {wide} × {high} pixels large, and the image "
                f"{size[0]} × {size[1]}: expected the same shape"
            )
            return MaskedRegions()
    if BOTH in masks:
        masks = {**dict(zip(("right lung", "left lung"), two_lungs(masks.pop(BOTH)), strict=True)), **masks}
    regions: dict[str, Box | None] = {}
    for organ, mask in masks.items():
        regions[organ] = scaled_box(mask, size)
        if organ.endswith(" lung"):
            side = organ.removesuffix(" lung")
            regions |= {f"{side} {zone}": scaled_box(part, size) for zone, part in zones_of(mask).items()}
    right, left = (regions.get(f"{side} lung") for side in SIDES)
    swapped = right is not None and left is not None and right[0] + right[2] / 2 > left[0] + left[2] / 2
    return MaskedRegions(regions, swapped)


def read_mask(path: Path) -> Mask:
    """A mask: what is above half of its largest value.

    Parameters
    ----------
    path : Path
        Any picture, GIF too: older data sets have such masks.
    """
    if path.suffix.lower() == ".gif":
        try:
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("L"), dtype=np.float32)
        except (OSError, ValueError, SyntaxError) as error:
            raise ScanError(f"{printable(path.name)} is damaged or no image: expected GIF") from error
    else:
        pixels = read_picture(path).pixels.mean(0)
    found: Mask = pixels > pixels.max() / 2
    return found


def two_lungs(mask: Mask) -> tuple[Mask, Mask]:
    """The right lung, which lies on the left of the picture, and the left one: the largest parts of a mask.

    Parameters
    ----------
    mask : (H, W) bool
        Of both lungs. If they touch, it is cut in the middle of its box.
    """
    labels, count = ndimage.label(mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    order = np.argsort(-sizes, kind="stable")[:2] + 1
    if count >= 2 and sizes[order[1] - 1] >= 0.1 * sizes[order[0] - 1]:
        parts = [labels == n for n in order]
    else:
        columns = np.flatnonzero(mask.any(0))
        middle = (columns[0] + columns[-1] + 1) // 2 if len(columns) else 0
        sides = np.arange(mask.shape[1]) < middle
        parts = [mask & sides, mask & ~sides]
    middles = [np.flatnonzero(part.any(0)).mean() if part.any() else np.inf for part in parts]
    one, other = parts if middles[0] <= middles[1] else parts[::-1]
    return one, other


def zones_of(lung: Mask) -> dict[str, Mask]:
    """Upper, middle and lower third of a lung's height, each a little into the next.

    Parameters
    ----------
    lung : (H, W) bool
        Mask.
    """
    rows = np.flatnonzero(lung.any(1))
    top, third = (rows[0], (rows[-1] + 1 - rows[0]) / 3) if len(rows) else (0, 0.0)
    place = np.arange(lung.shape[0]) + 0.5 - top
    found = {}
    for n, zone in enumerate(ZONES):
        inside = (place >= (n - OVERLAP) * third) & (place < (n + 1 + OVERLAP) * third)
        found[zone] = lung & inside[:, None]
    return found


def scaled_box(mask: Mask, size: tuple[int, int]) -> Box | None:
    """Box around a mask, in pixels of an image; None if it is empty.

    Parameters
    ----------
    mask : (H, W) bool
        May have another size than the image.
    size : (int, int)
        Width and height of the image.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    fx, fy = size[0] / mask.shape[1], size[1] / mask.shape[0]
    x, y = columns[0] * fx, rows[0] * fy
    return float(x), float(y), float((columns[-1] + 1) * fx - x), float((rows[-1] + 1) * fy - y)
