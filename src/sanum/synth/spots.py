"""Many small lesions of the white matter: where they start; draw, then apply.

Lesions of multiple sclerosis and of small vessels lie around the ventricles, under the cortex and between;
they are many, often alike on both sides, and grow together along the ventricles (Fazekas et al. 1987;
Filippi et al. 2019, Brain 142:1858, with the typical places and shapes).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..space.grid import apply_affine
from ..types import FloatArray
from .anatomy import Anatomy

SMALLEST_MM, LARGEST_MM = 1.2, 9.0  # radii
UNDER_THE_CORTEX_MM = 14.0  # depth in the brain, up to which a lesion of white matter is juxtacortical


@dataclass(frozen=True)
class SpotsParams:
    """Lesions of the white matter.

    Parameters
    ----------
    count : int
        How many.
    reach_mm : float
        Over which they become rarer away from the ventricles, by a factor e.
    juxtacortical : float
        Share that lies under the cortex instead.
    symmetric : float
        Share that has its like on the other side.
    radius_mm : float
        Median radius.
    confluent_mm : float
        Mean width of a band along the ventricles, uneven; 0: none.
    seed : int
        Of places and sizes.
    """

    count: int
    reach_mm: float
    juxtacortical: float
    symmetric: float
    radius_mm: float
    confluent_mm: float
    seed: int


def draw_spots(rng: np.random.Generator) -> SpotsParams:
    """From three spots to a white matter that is full of them.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    """
    return SpotsParams(
        count=int(np.exp(rng.uniform(np.log(3), np.log(45)))),
        reach_mm=float(rng.uniform(4, 18)),
        juxtacortical=float(rng.uniform(0, 0.4)),
        symmetric=float(rng.choice([0.0, 0.5, 0.9])),
        radius_mm=float(rng.uniform(1.8, 3.6)),
        confluent_mm=float(rng.uniform(2, 9)) if rng.random() < 0.35 else 0.0,
        seed=int(rng.integers(2**31)),
    )


def spots_in(anatomy: Anatomy, params: SpotsParams) -> FloatArray:
    """P before the flow (X, Y, Z) in [0, 1].

    Parameters
    ----------
    anatomy : Anatomy
        Of a head.
    params : SpotsParams
        Of `draw_spots`.
    """
    rng = np.random.default_rng(params.seed)
    spacing = np.asarray(anatomy.grid.spacing_mm)
    white = np.flatnonzero(anatomy.white_matter)
    out = np.zeros(anatomy.grid.shape, np.float32)
    if not white.size:
        return out
    far, deep = anatomy.from_ventricles_mm.ravel()[white], anatomy.depth_mm.ravel()[white]
    around, under = np.exp(-far / params.reach_mm), np.exp(-deep / 4.0) * (deep < UNDER_THE_CORTEX_MM)
    for _ in range(params.count):
        weight = under if rng.random() < params.juxtacortical and under.any() else around
        place = np.array(np.unravel_index(_choose(rng, white, weight), out.shape), float)
        radius = float(np.clip(params.radius_mm * np.exp(rng.normal(0, 0.45)), SMALLEST_MM, LARGEST_MM))
        radii = np.clip(radius * np.exp(rng.normal(0, 0.25, 3)), SMALLEST_MM, LARGEST_MM)
        axes = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        _paint(out, place, axes, radii, spacing)
        if rng.random() < params.symmetric:
            to_voxel = np.linalg.inv(anatomy.grid.affine)
            there = apply_affine(to_voxel @ anatomy.mirror @ anatomy.grid.affine, place[None])[0]
            _paint(out, there + rng.normal(0, 1.5, 3) / spacing, axes, radii, spacing)
    if params.confluent_mm:
        np.maximum(out, _band(anatomy, params.confluent_mm, rng), out=out)
    out *= anatomy.white_matter
    return out


def _choose(rng: np.random.Generator, among: npt.NDArray[np.int64], weight: FloatArray) -> int:
    total = np.cumsum(weight, dtype=np.float64)
    return int(among[min(int(np.searchsorted(total, rng.random() * total[-1])), len(among) - 1)])


def _paint(
    out: FloatArray,
    place: npt.NDArray[np.float64],
    axes: npt.NDArray[np.float64],
    radii: npt.NDArray[np.float64],
    spacing: npt.NDArray[np.float64],
) -> None:
    """Raise `out` to a soft ellipsoid at `place` (voxels), 1 within its radii (mm), 0 one third beyond."""
    reach = np.ceil(1.5 * radii.max() / spacing).astype(int)
    low = np.maximum(np.round(place).astype(int) - reach, 0)
    high = np.minimum(np.round(place).astype(int) + reach + 1, out.shape)
    if (low >= high).any():
        return
    index = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1)
    q = np.linalg.norm(((index - place) * spacing) @ axes / radii, axis=-1)
    part = out[tuple(map(slice, low, high))]
    np.maximum(part, np.clip((1.33 - q) / 0.33, 0, 1), out=part)


def _band(anatomy: Anatomy, mean_mm: float, rng: np.random.Generator) -> FloatArray:
    """1 along the ventricles, to an uneven distance of `mean_mm` on average, 0 beyond."""
    from ..fluid.noise import gradient_noise

    size_mm = np.asarray(anatomy.grid.shape) * np.asarray(anatomy.grid.spacing_mm)
    noise = gradient_noise(anatomy.grid.shape, list(size_mm / 25.0), rng=rng)
    width = mean_mm * np.clip(1 + 2.5 * noise, 0, 2.5)
    band: FloatArray = np.clip((width - anatomy.from_ventricles_mm) / 2.0, 0, 1).astype(np.float32)
    return band
