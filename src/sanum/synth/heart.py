"""A made-up heart whose labels are known at every point, between voxels too: to test segmentation with.

The left ventricle is a disc in each short-axis plane, with a muscular ring around it and the crescent of the
right ventricle at its side. Radii fall towards the apex, and not linearly, so that a slice cannot be guessed
from its neighbours by a straight line. It beats where a phase is given.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..scan.scan import Scan
from ..space.grid import Grid, apply_affine
from ..types import Points

NAMES = ("right ventricle", "myocardium", "left ventricle")
"""Of labels 1, 2 and 3."""

LENGTH_MM = 80.0
"""Of a stack that holds the heart from its base to beyond its apex."""


@dataclass(frozen=True)
class HeartParams:
    """One heart. Lengths are in mm; its origin is the middle of the stack.

    Parameters
    ----------
    centre_mm : (float, float)
        Of the left ventricle, in the plane.
    radius_mm : float
        Of its cavity at the base.
    wall_mm : float
        Of the muscle at the base.
    length_mm : float
        From base to apex.
    base_mm : float
        Where the base is along the third axis.
    taper : float
        Radius = base's · (1 − s^taper), s from 0 at the base to 1 at the apex.
    lean : (float, float)
        Shift of the centre from base to apex, in mm.
    angle : float
        Direction of the right ventricle, in radians.
    right_mm : float
        How far it reaches beyond the muscle at the base.
    contrast : (float, float, float, float)
        Intensity of background, right ventricle, muscle and left ventricle.
    shading : float
        Share by which intensity changes across the image.
    noise : float
        Standard deviation.
    squeeze : float
        Share of the radius that is lost at half the beat.
    """

    centre_mm: tuple[float, float]
    radius_mm: float
    wall_mm: float
    length_mm: float
    base_mm: float
    taper: float
    lean: tuple[float, float]
    angle: float
    right_mm: float
    contrast: tuple[float, float, float, float]
    shading: float
    noise: float
    squeeze: float


def draw_heart(rng: np.random.Generator) -> HeartParams:
    """One random heart.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    """

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    return HeartParams(
        centre_mm=(between(-6, 6), between(-6, 6)),
        radius_mm=between(15, 24),
        wall_mm=between(7, 12),
        length_mm=between(0.75, 0.95) * LENGTH_MM,
        base_mm=-0.5 * LENGTH_MM + between(0, 4),
        taper=between(1.6, 3.5),
        lean=(between(-6, 6), between(-6, 6)),
        angle=between(-0.5, 0.5) + np.pi,
        right_mm=between(14, 24),
        contrast=(between(0.1, 0.3), between(0.7, 0.9), between(0.35, 0.5), between(0.8, 1.0)),
        shading=between(0, 0.15),
        noise=between(0.02, 0.05),
        squeeze=between(0.25, 0.4),
    )


def heart_labels(points_mm: npt.ArrayLike, heart: HeartParams, phase: float = 0.0) -> npt.NDArray[np.uint8]:
    """Labels at points: 0 outside, 1 right ventricle, 2 myocardium, 3 left ventricle.

    Parameters
    ----------
    points_mm : (…, 3) float
        x, y in the plane and z from base to apex.
    heart : HeartParams
        The heart.
    phase : float
        Of the beat, in [0, 1): 0 is its widest.
    """
    x, y, z = np.moveaxis(np.asarray(points_mm, dtype=np.float64), -1, 0)
    along = (z - heart.base_mm) / heart.length_mm
    inside = np.clip(along, 0, 1)
    squeezed = 1 - heart.squeeze * (1 - np.cos(2 * np.pi * phase)) / 2
    fall = 1 - inside**heart.taper
    cavity = heart.radius_mm * fall * squeezed
    area = (heart.radius_mm + heart.wall_mm) ** 2 - heart.radius_mm**2  # the muscle does not shrink
    outer = np.sqrt(cavity**2 + area * np.maximum(fall, 0.05) ** 2)
    dx, dy = x - heart.centre_mm[0] - inside * heart.lean[0], y - heart.centre_mm[1] - inside * heart.lean[1]
    distance = np.hypot(dx, dy)
    reach = heart.right_mm * (1 - inside ** (0.7 * heart.taper)) * (0.5 + 0.5 * squeezed)
    side = np.array([np.cos(heart.angle), np.sin(heart.angle)])
    right = np.hypot(dx - side[0] * reach, dy - side[1] * reach) < outer
    labels = np.zeros(x.shape, np.uint8)
    labels[right & (inside < 0.9)] = 1
    labels[distance < outer] = 2
    labels[distance < cavity] = 3
    labels[(along < 0) | (along > 1)] = 0
    return labels


def heart_image(
    points_mm: Points, heart: HeartParams, rng: np.random.Generator, phase: float = 0.0
) -> npt.NDArray[np.float32]:
    """Intensity at points, with shading and noise.

    Parameters
    ----------
    points_mm : (…, 3) float
        As of `heart_labels`.
    heart : HeartParams
        The heart.
    rng : Generator
        Of the noise.
    phase : float
        Of the beat.
    """
    clean = np.asarray(heart.contrast)[heart_labels(points_mm, heart, phase)]
    shaded = clean * (1 + heart.shading * points_mm[..., 0] / LENGTH_MM)
    image: npt.NDArray[np.float32] = (shaded + rng.normal(0, heart.noise, clean.shape)).astype(np.float32)
    return image


def heart_grid(shape: tuple[int, int, int], width_mm: float = 100.0) -> Grid:
    """Grid of a short-axis stack around the origin; a large right ventricle may reach its edge.

    Parameters
    ----------
    shape : (3,) int
        Voxels; the third axis is the stack's.
    width_mm : float
        Of the image in the plane.
    """
    spacing = np.array([width_mm / shape[0], width_mm / shape[1], LENGTH_MM / shape[2]])
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -spacing * (np.array(shape) - 1) / 2
    return Grid(shape, affine)


def heart_stack(
    heart: HeartParams, grid: Grid, rng: np.random.Generator, phase: float = 0.0
) -> tuple[Scan, Scan]:
    """Image and labels on a grid.

    Parameters
    ----------
    heart : HeartParams
        The heart.
    grid : Grid
        Such as `heart_grid`.
    rng : Generator
        Of the noise.
    phase : float
        Of the beat.
    """
    points = apply_affine(grid.affine, np.moveaxis(np.indices(grid.shape), 0, -1))
    labels = heart_labels(points, heart, phase)
    return Scan(heart_image(points, heart, rng, phase), grid.affine), Scan(labels, grid.affine)
