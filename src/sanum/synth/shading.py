"""What else makes healthy tissue bright or dark: coils, the ends of a stack, echo-planar fields, vessels.

None of it is an anomaly. Coils: the sum of the squares of sensitivities that fall with the distance (Roemer
et al. 1990, Magn Reson Med 16:192). Ends: inflow, cross-talk and the slab's profile change the first and last
slices. Echo-planar images pile signal up above the sinuses and the ear (Jezzard and Balaban 1995, Magn Reson
Med 34:65). Contrast agent brightens vessels, dura and plexus.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from ..space.grid import Grid, apply_affine
from ..types import Affine, FloatArray, Mask

PLACES = ((-46.0, -22.0, -26.0), (46.0, -22.0, -26.0), (0.0, 42.0, -20.0), (0.0, -30.0, -38.0))
"""Where air is near: above both ears, above the sinuses, at the brain stem; MNI mm."""
_COARSE = 14  # cells of the coils' field along each axis


@dataclass(frozen=True)
class ShadingParams:
    """Brightness and softness that are no anatomy; all neutral by default.

    Parameters
    ----------
    coils : int
        Number of coils around the head.
    coils_strength : float
        Standard deviation of their log intensity over the box.
    ends : (2,) float
        Log intensity of the first and of the last slice along z.
    ends_mm : float
        Over which that falls by a factor e.
    piled : (4,) float
        Added at `PLACES`, as a share of the intensity.
    piled_mm : float
        σ of these.
    vessels : float
        Brightness of vessels and dura, in units of the white matter.
    soft_mm : float
        σ of a blur: many scans are softer than their voxels.
    seed : int
        Of coils and vessels.
    """

    coils: int = 0
    coils_strength: float = 0.0
    ends: tuple[float, float] = (0.0, 0.0)
    ends_mm: float = 6.0
    piled: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    piled_mm: float = 10.0
    vessels: float = 0.0
    soft_mm: float = 0.0
    seed: int = 0


def draw_shading(
    rng: np.random.Generator, *, echo_planar: bool, enhanced: bool, x_ray: bool
) -> ShadingParams:
    """Shading of one scan; a CT has none, but for a blur.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    echo_planar : bool
        DWI, ADC.
    enhanced : bool
        After contrast agent.
    x_ray : bool
        CT.
    """
    coils, ends, piled = rng.random(3)
    strength, n = float(rng.uniform(0.05, 0.3)), int(rng.integers(4, 13))
    logs, mm = rng.normal(0, 0.3, 2), float(rng.uniform(3, 12))
    added, spread, vessels = (
        rng.uniform(-0.2, 0.8, 4),
        float(rng.uniform(7, 14)),
        float(rng.uniform(0.2, 1.2)),
    )
    seed = int(rng.integers(2**31))
    soft = max(0.0, float(rng.uniform(-0.8, 1.6)))
    some = coils < 0.3 and not x_ray
    first, last = (float(v) for v in logs * (ends < 0.3 and not x_ray))
    a, b, c, d = (float(v) for v in np.maximum(added, 0) * (echo_planar and piled < 0.8))
    return ShadingParams(
        coils=n if some else 0,
        coils_strength=strength if some else 0.0,
        ends=(first, last),
        ends_mm=mm,
        piled=(a, b, c, d),
        piled_mm=spread,
        vessels=vessels if enhanced else 0.0,
        soft_mm=soft,
        seed=seed,
    )


def shade(image: FloatArray, params: ShadingParams, to_atlas: Affine, box: Grid, in_view: Mask) -> FloatArray:
    """Image (X, Y, Z) times its shading, and as soft as it is drawn.

    Parameters
    ----------
    image : (X, Y, Z) float32
        Of the head.
    params : ShadingParams
        Of `draw_shading`.
    to_atlas : (4, 4) float64
        Millimetres of the box → MNI mm.
    box : Grid
        Of the image.
    in_view : (X, Y, Z) bool
        What the scan covers: its ends are those of the slices.
    """
    if params.soft_mm:
        image = ndimage.gaussian_filter(image, params.soft_mm / np.asarray(box.spacing_mm), truncate=2.5)
    if params.coils:
        image = image * _coils(image.shape, params)
    if any(params.ends):
        planes = np.flatnonzero(in_view.any(axis=(0, 1)))
        if planes.size:
            z = np.arange(image.shape[2]) * float(box.spacing_mm[2])
            low, high = z[planes[0]], z[planes[-1]]
            gain = params.ends[0] * np.exp(-np.abs(z - low) / params.ends_mm)
            gain += params.ends[1] * np.exp(-np.abs(z - high) / params.ends_mm)
            image = image * np.exp(gain).astype(np.float32)
    if any(params.piled):
        image = image * _piled(box, params, to_atlas)
    return image.astype(np.float32, copy=False)


def _coils(shape: tuple[int, ...], params: ShadingParams) -> FloatArray:
    """Factor (X, Y, Z), its log with mean 0 and the drawn deviation."""
    rng = np.random.default_rng([params.seed, 1])
    where = rng.standard_normal((params.coils, 3))
    where *= rng.uniform(1.1, 1.6, (params.coils, 1)) / np.linalg.norm(where, axis=1, keepdims=True)
    axis = np.linspace(-1, 1, _COARSE)
    at = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"))
    power = np.zeros((_COARSE,) * 3)
    for place, weight in zip(where, rng.uniform(0.3, 1.0, params.coils), strict=True):
        square = ((at - place[:, None, None, None]) ** 2).sum(0)
        power += weight / (0.15 + square) ** 2
    log = np.log(power) / 2
    log = (log - log.mean()) * (params.coils_strength / max(float(log.std()), 1e-6))
    knots = torch.from_numpy(log.astype(np.float32))[None, None]
    field = F.interpolate(knots, size=shape, mode="trilinear", align_corners=True)[0, 0].numpy()
    out: FloatArray = np.exp(field)
    return out


def _piled(box: Grid, params: ShadingParams, to_atlas: Affine) -> FloatArray:
    """Factor (X, Y, Z): 1, and more around `PLACES`."""
    centres = apply_affine(np.linalg.inv(to_atlas), np.array(PLACES))
    origin, spacing = box.affine[:3, 3], np.asarray(box.spacing_mm)
    axes = [o + s * np.arange(n) for o, s, n in zip(origin, spacing, box.shape, strict=True)]
    out = np.ones(box.shape, np.float32)
    for centre, share in zip(centres, params.piled, strict=True):
        bells = [
            np.exp(-((x - c) ** 2) / (2 * params.piled_mm**2)) for x, c in zip(axes, centre, strict=True)
        ]
        out += share * np.einsum("i,j,k->ijk", *bells).astype(np.float32)
    return out


def vessels(brain: FloatArray, params: ShadingParams, spacing_mm: float) -> FloatArray:
    """Brightness (X, Y, Z) of enhanced vessels and dura: patches at the surface (white matter is 1).

    Parameters
    ----------
    brain : (X, Y, Z) float32
        Soft mask.
    params : ShadingParams
        Its `vessels` and `seed`.
    spacing_mm : float
        Edge of a voxel in mm.
    """
    rng = np.random.default_rng([params.seed, 2])
    noise = ndimage.gaussian_filter(
        rng.standard_normal(brain.shape, dtype=np.float32), 6.0 / spacing_mm, truncate=2
    )
    noise /= max(float(noise[::4, ::4, ::4].std()), 1e-6)
    soft = ndimage.gaussian_filter(brain, 1.5 / spacing_mm, truncate=2)
    at_the_border = 4 * soft * (1 - soft)
    out: FloatArray = params.vessels * at_the_border * np.clip(noise + 0.3, 0, 1.2)
    return out
