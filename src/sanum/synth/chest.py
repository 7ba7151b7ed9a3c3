"""A made-up chest x-ray whose regions and findings are known: to test and to try detection with.

Two dark lungs in a bright body, each with three zones that overlap a little, a heart and a mediastinum: eight
regions. Four findings: opacities and effusions that may span two zones, a round mass, an enlarged heart. It
looks like no patient's. Lengths are shares of the picture's side; x goes to the right, y down, and the
patient's right is on the left, as on a film.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Box: TypeAlias = tuple[float, float, float, float]
"""x, y, width, height, in shares of the side."""

ZONES = ("upper zone", "middle zone", "lower zone")
SIDES = ("right", "left")
REGIONS = (*(f"{side} {zone}" for side in SIDES for zone in ZONES), "heart", "mediastinum")
FINDINGS = ("opacity", "effusion", "mass", "enlarged heart")
CHANCES = (0.35, 0.3, 0.3, 0.3)
"""Of each finding in a picture."""

OVERLAP = 0.09
"""Share of a zone's height that its box reaches into the next zone."""

SHIFTED = 0.15
"""Share of the pictures that lie so low that their lower end is cut off."""

LEAST_INSIDE = 0.5
"""Share of a box that must be in the picture for it to count as there."""


@dataclass(frozen=True)
class ChestFinding:
    """A finding and where it is.

    Parameters
    ----------
    name : str
        Of `FINDINGS`.
    regions : tuple of str
        That it is in.
    box : tuple of float
        Around it.
    """

    name: str
    regions: tuple[str, ...]
    box: Box


@dataclass(frozen=True)
class ChestParams:
    """One chest: plain numbers.

    Parameters
    ----------
    lungs : two boxes
        Of the right and of the left lung.
    heart : box
        Of the heart, enlarged or not.
    brightness : (float, float, float)
        Of lungs, body and heart.
    findings : tuple of ChestFinding
        What is not healthy.
    """

    lungs: tuple[Box, Box]
    heart: Box
    brightness: tuple[float, float, float]
    findings: tuple[ChestFinding, ...]

    def regions(self) -> dict[str, Box]:
        """Box of each region, before it is cut off at the picture's edge."""
        found: dict[str, Box] = {}
        for side, (x, y, width, height) in zip(SIDES, self.lungs, strict=True):
            third = height / 3
            for n, zone in enumerate(ZONES):
                top = max(y, y + (n - OVERLAP) * third)
                end = min(y + height, y + (n + 1 + OVERLAP) * third)
                found[f"{side} {zone}"] = (x, top, width, end - top)
        right, left = self.lungs
        inner = right[0] + right[2]
        found["heart"] = self.heart
        found["mediastinum"] = (inner, right[1], left[0] - inner, self.heart[1] - right[1] + 0.04)
        return found


def visible(box: Box) -> Box | None:
    """The part of a box that is in the picture; None if it is less than half.

    Parameters
    ----------
    box : tuple of float
        x, y, width, height.

    Examples
    --------
    >>> visible((0.5, 0.75, 0.25, 0.5)), visible((0.5, 0.9, 0.25, 0.5))
    ((0.5, 0.75, 0.25, 0.25), None)
    """
    x, y, width, height = box
    left, top, right, end = max(x, 0.0), max(y, 0.0), min(x + width, 1.0), min(y + height, 1.0)
    if (right - left) * (end - top) < LEAST_INSIDE * width * height or right <= left or end <= top:
        return None
    return left, top, right - left, end - top


def draw_chest(rng: np.random.Generator) -> ChestParams:
    """One random chest.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    """

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    shift = between(0.25, 0.38) if rng.random() < SHIFTED else between(-0.03, 0.04)
    aside, top, height = between(-0.03, 0.03), 0.12 + shift + between(-0.02, 0.02), between(0.62, 0.72)
    widths = between(0.24, 0.3), between(0.24, 0.3)
    gap = between(0.14, 0.2)
    right = (0.5 + aside - gap / 2 - widths[0], top, widths[0], height)
    left = (0.5 + aside + gap / 2, top, widths[1], height)
    has = [bool(rng.random() < chance) for chance in CHANCES]
    factor = between(1.45, 1.75) if has[3] else 1.0
    wide, high = between(0.24, 0.28) * factor, between(0.2, 0.24) * (1 + (factor - 1) / 2)
    base = top + height - between(0.0, 0.04)
    heart = (0.53 + aside - wide * 0.45, base - high, wide, high)
    made = []
    for name, there in zip(FINDINGS[:3], has, strict=False):
        one = _in_lung(rng, name, (right, left))  # drawn in any case, so that one does not move the others
        made += [one] if there else []
    if has[3]:
        made.append(ChestFinding("enlarged heart", ("heart",), heart))
    brightness = between(0.12, 0.25), between(0.5, 0.65), between(0.62, 0.75)
    return ChestParams((right, left), heart, brightness, tuple(made))


def _in_lung(rng: np.random.Generator, name: str, lungs: tuple[Box, Box]) -> ChestFinding:
    side = int(rng.integers(2))
    x, y, width, height = lungs[side]
    third, two, first = height / 3, bool(rng.random() < 0.5), int(rng.integers(3))
    a, b, c = (float(v) for v in rng.uniform(0, 1, 3))
    if name == "opacity":  # in one zone, or across the border of two
        begin = min(first, 1) if two else first
        zones = range(begin, begin + (2 if two else 1))
        start, long = (0.4 + 0.15 * b, 1.05 + 0.2 * c) if two else (0.05 + 0.1 * b, 0.85)
        box = (x + width * 0.1 * a, y + third * (begin + start), width * (1 - 0.15 * a), third * long)
    elif name == "effusion":
        zones = range(1, 3) if two else range(2, 3)
        level = third * ((1.35 + 0.25 * a) if two else (0.65 + 0.25 * a))
        box = (x, y + height - level, width, level)
    else:
        zones = range(first, first + 1)
        size = width * (0.55 + 0.2 * a)
        box = (x + (width - size) * b, y + third * first + max(third - size, 0) * c, size, size)
    return ChestFinding(name, tuple(f"{SIDES[side]} {ZONES[n]}" for n in zones), box)


def chest_image(chest: ChestParams, size: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Picture of a chest, (size, size) uint8.

    Parameters
    ----------
    chest : ChestParams
        What is shown.
    size : int
        Rows and columns.
    rng : Generator
        Of texture and noise.
    """
    y, x = (np.indices((size, size)) + 0.5) / size
    dark, body, heart = chest.brightness
    image = np.full((size, size), 0.05)
    image[_inside(x, y, (0.04, chest.lungs[0][1] - 0.12, 0.92, 1.4), 4)] = body
    lungs = np.zeros((size, size), bool)
    for lung in chest.lungs:
        lungs |= _inside(x, y, lung, 3)
    ribs = 0.05 * np.sin(2 * np.pi * (y * 13 + 1.5 * (x - 0.5) ** 2))
    image[lungs] = dark + ribs[lungs]
    cloud = ndimage.gaussian_filter(rng.normal(0, 1, (size, size)), size / 24)
    cloud /= cloud.std()
    for one in chest.findings:
        if one.name == "opacity":
            soft = _inside(x, y, one.box, 3) & lungs
            image[soft] += 0.22 + 0.05 * cloud[soft]
        elif one.name == "effusion":
            curve = one.box[1] + 0.25 * one.box[3] * np.cos(np.pi * (x - one.box[0]) / one.box[2]) ** 2 * 0.3
            image[lungs & _column(x, one.box) & (y > curve)] = body + 0.02
        elif one.name == "mass":
            disc = _inside(x, y, one.box, 2) & lungs
            image[disc] += 0.3
    image[_inside(x, y, chest.heart, 2)] = heart
    image = ndimage.gaussian_filter(image, size / 160) + rng.normal(0, 0.03, image.shape)
    shown: npt.NDArray[np.uint8] = np.clip(np.rint(image * 255), 0, 255).astype(np.uint8)
    return shown


def chest_masks(chest: ChestParams, size: int) -> dict[str, npt.NDArray[np.bool_]]:
    """Masks of the organs, (size, size) each: right lung, left lung and heart.

    Parameters
    ----------
    chest : ChestParams
        What is shown.
    size : int
        Rows and columns.
    """
    y, x = (np.indices((size, size)) + 0.5) / size
    right, left = chest.lungs
    parts = {"right lung": (right, 3), "left lung": (left, 3), "heart": (chest.heart, 2)}
    return {name: _inside(x, y, box, power) for name, (box, power) in parts.items()}


def _inside(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], box: Box, power: int
) -> npt.NDArray[np.bool_]:
    """Inside the rounded shape that fills a box: an ellipse for power 2, nearer to the box for more."""
    left, top, width, height = box
    u, v = (x - left) / width * 2 - 1, (y - top) / height * 2 - 1
    found: npt.NDArray[np.bool_] = np.abs(u) ** power + np.abs(v) ** power < 1
    return found


def _column(x: npt.NDArray[np.float64], box: Box) -> npt.NDArray[np.bool_]:
    return (x > box[0]) & (x < box[0] + box[2])
