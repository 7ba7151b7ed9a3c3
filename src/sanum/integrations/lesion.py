"""What the transforms share: an anomaly in any image, without an anatomy; draw, then apply."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ..scan.contrast import CT_WINDOW_HU
from ..synth.anomaly import ShapeParams, draw_shape, grow_in
from ..synth.contrast import Preset
from ..synth.look import LookParams, apply_look, draw_look
from ..types import AnyArray, FloatArray, Mask
from .domain import check_finite

Effect = Literal["darker", "brighter", "ct"]
BANK_SHARE = 0.5  # of the anomalies start from a mask of the bank, if there is one (as published)


@dataclass(frozen=True)
class LesionParams:
    """One anomaly.

    Parameters
    ----------
    shape : ShapeParams
        Where it is.
    look : LookParams
        How it looks.
    mask : int or None
        Which mask of the bank it starts from; None: noise.
    """

    shape: ShapeParams
    look: LookParams
    mask: int | None = None


def draw_lesion(seed: int, *, bank_size: int = 0) -> LesionParams:
    """Parameters of one anomaly.

    Parameters
    ----------
    seed : int
        Decides them.
    bank_size : int
        Masks that it may start from.
    """
    rng = np.random.default_rng(seed)
    use_bank = bank_size > 0 and rng.random() < BANK_SHARE
    mask = int(rng.integers(bank_size)) if use_bank else None
    return LesionParams(draw_shape(rng, ()), draw_look(rng), mask)


def grow_lesion(
    params: LesionParams,
    domain: Mask,
    spacing_mm: Sequence[float],
    bank: Sequence[AnyArray] = (),
) -> FloatArray:
    """P in [0, 1], like `domain` (X, Y[, Z]): where the anomaly is; its peak is 1.

    Half of the masks of the bank are flipped along the first axis.

    Parameters
    ----------
    params : LesionParams
        Of `draw_lesion`.
    domain : (X, Y[, Z]) bool
        Where the anomaly may be.
    spacing_mm : sequence of float
        Edges of a voxel in mm, one per axis.
    bank : sequence of (X, Y[, Z]) array
        Masks that it may start from.

    Raises
    ------
    ValueError
        The domain is empty; a mask of the bank that does not fit or lies outside.
    """
    start = None
    if params.mask is not None:
        start = np.asarray(bank[params.mask])
        if start.shape != domain.shape:
            raise ValueError(f"mask {params.mask} has shape {start.shape}, the image {domain.shape}")
        start = start[::-1] if params.shape.flip else start
    return grow_in(domain, spacing_mm, params.shape, start=start)


def paint_lesion(
    params: LesionParams,
    image: AnyArray,
    p: FloatArray,
    domain: Mask,
    effect: Effect,
    spacing_mm: Sequence[float],
) -> FloatArray:
    """Image (X, Y[, Z]) with the anomaly, on the image's own scale.

    Parameters
    ----------
    params : LesionParams
        Of `draw_lesion`.
    image : (X, Y[, Z]) array
        Without the anomaly.
    p : (X, Y[, Z]) float32
        Of `grow_lesion`.
    domain : (X, Y[, Z]) bool
        Where the anomaly may be.
    effect : "darker", "brighter" or "ct"
        As in a T1w; as in T2w or FLAIR; in Hounsfield units, mostly hypodense. One in ten goes against it.
        Shifts of the first two are relative to the mean inside `domain`, above the image's minimum.
    spacing_mm : sequence of float
        Edges of a voxel in mm, one per axis.

    Raises
    ------
    ValueError
        An unknown effect; an image with NaN or infinite numbers.
    """
    check_finite(image)
    if effect not in get_args(Effect):
        raise ValueError(f'unknown effect "{effect}": known are {", ".join(get_args(Effect))}')
    before = np.asarray(image, dtype=np.float32)
    if effect == "ct":
        low, unit, levels = 0.0, CT_WINDOW_HU[1] - CT_WINDOW_HU[0], (0.4, 0.5)
    else:
        low = float(before.min())
        unit = (float(before[domain].mean(dtype=np.float64)) - low) or 1.0
        levels = (1.0, 0.9 if effect == "darker" else 1.1)
    scaled = ((before - low) / unit).astype(np.float32)
    preset: Preset = "ct" if effect == "ct" else "free"
    painted = apply_look(scaled, p, *levels, params.look, preset=preset, spacing_mm=spacing_mm)
    return np.where(p > 0, painted * unit + low, before).astype(np.float32)
