"""Anomalies: where they start, where the fluid moves them, how they look."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from scipy import ndimage

from ..fluid import draw_flow, noise_shape, transport
from ..fluid.shapes import soften
from ..space.grid import apply_affine
from ..types import AnyArray, FloatArray, Mask
from .anatomy import Anatomy, read_mask_on
from .spots import SpotsParams, spots_in

SMALLEST_MEAN = 1e-6  # of P over its grid: below, the shape is drawn again, as published (UNA)
LESION_FRACTION = 0.2  # of max P: below is no lesion, as published (UNA)
Tissue = Literal["brain", "white", "cortex", "left", "right"]


class NothingInside(ValueError):
    """An anomaly that does not fall inside the domain it was to grow in."""


@dataclass(frozen=True)
class ShapeParams:
    """Shape of one anomaly: where it starts, and how the fluid moves it.

    Parameters
    ----------
    mask : str or None
        File of the bank that it starts from; None: noise.
    flip : bool
        The mask is exchanged left for right.
    percentile : float
        Of the noise, above which the anomaly starts.
    periods_per_200mm : float
        Periods of the noise in 200 mm.
    duration : float
        Time of flow; 0: the start itself.
    peak_speed : float
        Largest speed of the flow, in mm per unit time.
    diffusion_length : float
        Spread in mm after one unit of time, where diffusion is strongest.
    seed : int
        Of noise and flow.
    tissue : Tissue
        Where it grows.
    spots : SpotsParams, optional
        It starts from spots of the white matter, in place of a mask or noise.
    parts : int
        Connected parts of the noise that it starts from; 0: one to three.
    pushes : bool
        The tissue around it gives way.
    """

    mask: str | None
    flip: bool
    percentile: float
    periods_per_200mm: float
    duration: float
    peak_speed: float
    diffusion_length: float
    seed: int
    tissue: Tissue = "brain"
    spots: SpotsParams | None = None
    parts: int = 0
    pushes: bool = False


def draw_shape(rng: np.random.Generator, bank: Sequence[Path], *, tissue: Tissue = "brain") -> ShapeParams:
    """Shape of an anomaly, as published: from a mask of the bank or from noise, 2 to 10 steps of 0.1 of flow.

    A mask with probability ½, if there is a bank.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    bank : sequence of Path
        Lesion masks in MNI space; may be empty.
    tissue : Tissue
        Where the anomaly grows.
    """
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
        tissue=tissue,
    )


def territory(anatomy: Anatomy, tissue: Tissue) -> Mask:
    """Where a tissue is (X, Y, Z): the brain, its white matter, its cortex, or the side of the patient.

    White and grey matter are separated by the T1w, half-way between their means, outside the deep nuclei.

    Parameters
    ----------
    anatomy : Anatomy
        Of a head.
    tissue : Tissue
        "brain", "white", "cortex", "left" or "right".
    """
    if tissue not in get_args(Tissue):
        raise ValueError(f'unknown tissue "{tissue}": known are {", ".join(get_args(Tissue))}')
    if tissue == "brain":
        return anatomy.brain
    if tissue in ("left", "right"):
        across = anatomy.mirror
        where = apply_affine(anatomy.grid.affine, np.moveaxis(np.indices(anatomy.grid.shape), 0, -1))
        right = (where - apply_affine(across, where))[..., 0] > 0  # RAS: x grows to the patient's right
        side: Mask = anatomy.brain & (right if tissue == "right" else ~right)
        return side
    if tissue == "white":
        return anatomy.white_matter
    fluid, grey, white = anatomy.tissue_means
    low, high = (fluid + grey) / 2, (grey + white) / 2
    out: Mask = anatomy.brain & (anatomy.groups == 0) & (anatomy.t1w > low) & (anatomy.t1w <= high)
    return out


def grow(anatomy: Anatomy, params: ShapeParams, *, within: Mask | None = None) -> FloatArray:
    """P (X, Y, Z) in [0, 1] on the anatomy's grid, moved and spread by the fluid inside a tissue.

    Parameters
    ----------
    anatomy : Anatomy
        Of a head.
    params : ShapeParams
        Of `draw_shape`.
    within : (X, Y, Z) bool, optional
        A part of the tissue that the anomaly stays in, as the territory of an artery.

    Raises
    ------
    NothingInside
        A ValueError: nothing of the anomaly falls inside.
    """
    domain = territory(anatomy, params.tissue)
    if within is not None:
        domain = domain & within
    start = start_of(anatomy, params)
    whole = params.tissue == "brain" and within is None
    spacing = tuple(float(s) for s in anatomy.grid.spacing_mm)
    try:
        return grow_in(domain, spacing, params, start=start, ramp=anatomy.ramp if whole else None)
    except NothingInside as error:
        raise NothingInside(
            f"no anomaly of {params} falls inside the {params.tissue} of {anatomy.name}"
        ) from error


def start_of(anatomy: Anatomy, params: ShapeParams) -> FloatArray | None:
    """Mask of the bank, or spots (X, Y, Z), that the anomaly starts from; None: noise.

    Parameters
    ----------
    anatomy : Anatomy
        On whose grid it comes.
    params : ShapeParams
        With the file of the mask.
    """
    if params.spots is not None:
        return spots_in(anatomy, params.spots)
    return read_mask_on(Path(params.mask), anatomy, flip=params.flip) if params.mask is not None else None


def grow_in(
    domain: Mask,
    spacing_mm: Sequence[float],
    params: ShapeParams,
    *,
    start: AnyArray | None = None,
    ramp: FloatArray | None = None,
) -> FloatArray:
    """P in [0, 1] inside any `domain` (X, Y[, Z]); its peak is 1.

    A shape whose mean is below 1e-6 is drawn again with the next seed, as published (UNA).

    Parameters
    ----------
    domain : (X, Y[, Z]) bool
        Where the anomaly may be.
    spacing_mm : sequence of float
        Edges of a voxel in mm, one per axis.
    params : ShapeParams
        Its `mask` and `tissue` are not used.
    start : like domain, optional
        Mask to start from, in place of noise.
    ramp : like domain, optional
        Its `border_ramp`, if already computed.

    Raises
    ------
    NothingInside
        A ValueError: the domain is empty, or nothing of the anomaly falls inside.
    """
    spacing = tuple(float(s) for s in spacing_mm)
    for begun in starts_in(domain, spacing, params, start=start):
        if params.duration == 0:
            return _peak_one(begun.p0, begun.box, domain.shape)
        flow = draw_flow(
            begun.inside,
            rng=begun.rng,
            spacing=spacing,
            peak_speed=params.peak_speed,
            diffusion_length=params.diffusion_length,
            ramp=None if ramp is None else ramp[begun.box],
        )
        p = transport(begun.p0, flow, duration=params.duration, integrator="euler").p
        if p.sum() >= SMALLEST_MEAN * domain.size:
            return _peak_one(p, begun.box, domain.shape)
    raise NothingInside("nothing of the anomaly falls inside its domain")


def _peak_one(p: FloatArray, box: tuple[slice, ...], shape: tuple[int, ...]) -> FloatArray:
    whole = np.zeros(shape, np.float32)
    whole[box] = p / p.max()
    return whole


@dataclass(frozen=True, eq=False)
class LesionStart:
    """Where an anomaly starts.

    Parameters
    ----------
    p0 : float32, like the box
        P before the flow, in [0, 1].
    inside : bool, like the box
        The domain.
    box : tuple of slice
        Part of the grid that holds the domain.
    rng : Generator
        What the flow is drawn from.
    """

    p0: FloatArray
    inside: Mask
    box: tuple[slice, ...]
    rng: np.random.Generator


def starts_in(
    domain: Mask, spacing: tuple[float, ...], params: ShapeParams, *, start: AnyArray | None = None
) -> Iterator[LesionStart]:
    """Up to eight starts, one seed after the other; none if `start` is outside of the domain.

    Parameters
    ----------
    domain : (X, Y[, Z]) bool
        Where the anomaly may be.
    spacing : tuple of float
        Edges of a voxel in mm, one per axis.
    params : ShapeParams
        Its seed and its noise.
    start : like domain, optional
        Mask to start from, in place of noise.
    """
    if not domain.any():
        raise NothingInside("the domain of the anomaly is empty")
    box = ndimage.find_objects(domain.astype(np.uint8))[0]
    inside = domain[box]
    for attempt in range(8):
        rng = np.random.default_rng([params.seed, attempt])
        if start is not None:
            p0 = soften(start, domain, 0.6)[box]
            if not p0.any():
                return
        else:
            n = params.periods_per_200mm
            periods = tuple(n * k * s / 200 for k, s in zip(inside.shape, spacing, strict=True))
            p0 = noise_shape(inside, rng=rng, percentile=params.percentile, periods=periods)
            p0 = _some_parts(p0, rng, params.parts)
        yield LesionStart(np.clip(p0, 0, 1), inside, box, rng)


def _some_parts(p0: FloatArray, rng: np.random.Generator, parts_wanted: int) -> FloatArray:
    """Some of the connected parts of a noise shape, one to three by default: lesions do not fill a brain."""
    parts, n = ndimage.label(p0 > LESION_FRACTION)
    if n <= 1:
        return p0
    sizes = np.bincount(parts.ravel())[1:]
    chosen = (
        rng.choice(
            n, size=min(n, parts_wanted or int(rng.integers(1, 4))), replace=False, p=sizes / sizes.sum()
        )
        + 1
    )
    near = ndimage.grey_dilation(np.where(np.isin(parts, chosen), parts, 0), size=3)
    out: FloatArray = p0 * (near > 0)
    return out
