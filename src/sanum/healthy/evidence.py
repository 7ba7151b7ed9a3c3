"""What a residual says of lesions: in which direction, how far around, and how it is on the other side."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..space.grid import Grid, at_spacing
from ..space.mirror import mirror
from ..space.resample import resample
from ..types import Affine, FloatArray

SURE = 6.0  # z beyond which nothing more is said
COARSE_MM = 2.0  # voxels for what is around, and on the other side
AROUND_MM = 2.0  # σ of what is around; 4 mm is no better, and blurs small lesions


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the residual says, each (X, Y, Z) float32.

    Parameters
    ----------
    z : (X, Y, Z) float32
        Signed, bright above 0.
    said : (X, Y, Z) float32
        In [0, 1], how far it may speak.
    around : (X, Y, Z) float32
        Mean of z⁺ around.
    other : (X, Y, Z) float32
        The same on the other side of the head.
    """

    z: FloatArray
    said: FloatArray
    around: FloatArray
    other: FloatArray


def weigh_surroundings(
    z: FloatArray, said: FloatArray, grid: Grid, across: Affine, contrast: str | None
) -> Evidence:
    """The residual with what is around each voxel, and on the other side.

    Parameters
    ----------
    z, said : (X, Y, Z) float32
        Of `residual.own_contrast_residual`.
    grid : Grid
        Of both.
    across : (4, 4) float64
        Reflection of the head in world mm (`space.mirror.find_mirror`).
    contrast : str or None
        Of the scan.
    """
    coarse = at_spacing(grid, np.maximum(grid.spacing_mm, COARSE_MM))
    seen = resample(np.minimum(evidence(z, contrast), SURE), grid, coarse)
    spoken = resample(said, grid, coarse)
    sigma = AROUND_MM / coarse.spacing_mm
    weight = ndimage.gaussian_filter(spoken, sigma)
    around = ndimage.gaussian_filter(seen * spoken, sigma) / np.maximum(weight, 0.05)
    other = mirror(around, coarse, across)
    return Evidence(z, said, *(resample(x, coarse, grid) for x in (around, other)))


def evidence(z: FloatArray, contrast: str | None) -> FloatArray:
    """How far z departs in the direction of lesions, at least 0.

    Dark in T1w; bright in T2w, FLAIR, PD and DWI; either in all else: contrast agents and blood make a T1w
    bright, fresh strokes an ADC dark and old ones bright, CT has infarcts and blood.

    Parameters
    ----------
    z : (X, Y, Z) float32
        Of the residual.
    contrast : str or None
        One of `scan.contrast.CONTRASTS`, or another BIDS suffix.
    """
    return np.asarray(np.maximum.reduce([np.maximum(sign * z, 0) for sign in lesion_signs(contrast)]))


def lesion_signs(contrast: str | None) -> tuple[int, ...]:
    """Where lesions lie in a contrast: (1,) bright, (-1,) dark, (1, -1) either.

    Parameters
    ----------
    contrast : str or None
        One of `scan.contrast.CONTRASTS`, or another BIDS suffix.

    Examples
    --------
    >>> lesion_signs("T1w"), lesion_signs("FLAIR"), lesion_signs("CT"), lesion_signs(None)
    ((-1,), (1,), (1, -1), (1, -1))
    """
    return _SIGNS.get(contrast or "", (1, -1))


_SIGNS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("T1w", "UNIT1"), (-1,)),
    **dict.fromkeys(("T2w", "FLAIR", "PD", "DWI", "T2starw"), (1,)),
}
