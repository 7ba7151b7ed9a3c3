"""Anomalies: where they start, how the fluid moves them, how they look (spec 1 and 2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..fluid import draw_flow, noise_shape, transport
from ..fluid.shapes import soften
from .anatomy import Anatomy, read_mask_on

Array = npt.NDArray[np.float32]
LESION_FRACTION = 0.2  # of max P: below is no lesion (spec 1)


@dataclass(frozen=True)
class ShapeParams:
    """One anomaly's shape."""

    mask: str | None  # file of the bank, or None: noise
    flip: bool
    percentile: float
    periods_per_200mm: float
    duration: float
    peak_speed: float
    diffusion_length: float
    seed: int


@dataclass(frozen=True)
class LookParams:
    """One anomaly's appearance: mean shift in units of μw, texture relative to it."""

    shift: float
    against_rule: bool
    texture: float
    smoothness_vox: float
    seed: int


def draw_shape(rng: np.random.Generator, bank: Sequence[Path]) -> ShapeParams:
    """With probability ½ a mask of the bank, else noise; 2 to 10 steps of 0.1 of flow (spec 1)."""
    real = bool(bank) and rng.random() < 0.5
    return ShapeParams(
        mask=str(bank[int(rng.integers(len(bank)))]) if real else None,
        flip=bool(rng.random() < 0.5),
        percentile=float(rng.uniform(90, 99.6)),
        periods_per_200mm=float(rng.uniform(2, 6)),
        duration=0.1 * int(rng.integers(2, 11)),
        peak_speed=float(rng.uniform(6, 14)),
        diffusion_length=float(rng.uniform(0.5, 3)),
        seed=int(rng.integers(2**31)),
    )


def grow(anatomy: Anatomy, params: ShapeParams) -> Array:
    """P (X, Y, Z) in [0, 1] on the anatomy's grid, moved and spread by the fluid inside the brain.

    A shape whose mean is below 1e-6 is drawn again with the next seed (spec 1).
    """
    spacing = tuple(float(s) for s in anatomy.grid.spacing_mm)
    for attempt in range(8):
        rng = np.random.default_rng([params.seed, attempt])
        if params.mask is not None:
            p0 = soften(read_mask_on(Path(params.mask), anatomy, flip=params.flip), anatomy.brain, 0.6)
        else:
            n = params.periods_per_200mm
            periods = tuple(n * k * s / 200 for k, s in zip(anatomy.brain.shape, spacing, strict=True))
            p0 = noise_shape(anatomy.brain, rng=rng, percentile=params.percentile, periods=periods)
            p0 = _some_parts(p0, rng)
        flow = draw_flow(
            anatomy.brain, rng=rng, spacing=spacing, peak_speed=params.peak_speed,
            diffusion_length=params.diffusion_length, ramp=anatomy.ramp,
        )  # fmt: skip
        p = transport(np.clip(p0, 0, 1), flow, duration=params.duration, integrator="euler").p
        if p.mean() >= 1e-6:
            return p / p.max()
    raise ValueError(f"no anomaly of {params} falls inside the brain of {anatomy.name}")


def _some_parts(p0: Array, rng: np.random.Generator) -> Array:
    """One to three of the connected parts of a noise shape: lesions do not fill the brain evenly."""
    parts, n = ndimage.label(p0 > LESION_FRACTION)
    if n <= 1:
        return p0
    sizes = np.bincount(parts.ravel())[1:]
    chosen = rng.choice(n, size=min(n, int(rng.integers(1, 4))), replace=False, p=sizes / sizes.sum()) + 1
    near = ndimage.grey_dilation(np.where(np.isin(parts, chosen), parts, 0), size=3)
    return p0 * (near > 0)


def draw_look(rng: np.random.Generator) -> LookParams:
    """|shift| near μw/2, against the sign rule in 20 %, with a correlated texture (spec 2)."""
    return LookParams(
        shift=float(np.clip(rng.normal(0.5, 0.17), 0.18, 0.95)),
        against_rule=bool(rng.random() < 0.2),
        texture=float(rng.uniform(0.05, 0.4)),
        smoothness_vox=float(rng.uniform(0.6, 2.5)),
        seed=int(rng.integers(2**31)),
    )


def apply_look(
    image: Array, p: Array, white: float, grey: float, params: LookParams, *, ct: bool = False
) -> Array:
    """I = I0 + ΔI·P (spec 2): darker where white > grey, else brighter; CT mostly darker.

    Parameters
    ----------
    image, p : (X, Y, Z) float32
        Healthy image, anomaly probability.
    white, grey : float
        Mean intensities of the image, same scale.
    """
    darker = (white > grey) or ct
    sign = -1.0 if darker != params.against_rule else 1.0
    shift = sign * params.shift * max(white, 0.25) * (0.6 if ct else 1.0)
    box = ndimage.find_objects((p > 1e-3).astype(np.uint8))
    if not box:
        return image
    cut = box[0]
    texture = np.random.default_rng(params.seed).standard_normal(p[cut].shape, dtype=np.float32)
    texture = ndimage.gaussian_filter(texture, params.smoothness_vox, truncate=2)
    texture *= params.texture * abs(shift) / max(float(texture.std()), 1e-6)
    out = image.copy()
    out[cut] = np.maximum(out[cut] + (np.float32(shift) + texture) * p[cut], 0)
    return out
