"""What a scan looks like, where neither its file nor its values say which contrast it has.

By what the physics of each contrast leaves: in a T2w fluid is bright and nothing is dark; in a FLAIR fluid is
dark and the rest of the brain of nearly one brightness; in a T1w grey and white matter are clearly apart.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..methods.common.anatomy import Maps
from ..types import FloatArray, Mask

_GREY, _WHITE = (0.65, 0.82), (0.93, 1.15)  # intensity in a T1w, white matter 1
_LEAST_VOXELS = 200  # of a tissue, for its quantiles to mean something
_LEAST_BRAIN_ML = 200.0
_CORE_MM = (22.0, 38.0, 22.0)  # half axes of an ellipsoid in the middle of the brain, which holds ventricles
_RIM_MM = 4.0  # from the border of the brain: cortex and its fluid

# The limits lie between what was found in 48 scans of real people, 26 T1w, 10 T2w, 11 FLAIR and a PD, and in
# 4 CT: about a quarter of the way from the contrast's own extreme to the next one's.
# T2w: bright from 2.30 (FLAIR to 1.51), dark from 0.51 (CT 0.27), ratio from 1.21 (FLAIR to 1.20, not bright)
_BRIGHT, _NOT_DARK, _T2W_RATIO = 2.1, 0.45, 1.18
# FLAIR: dark to 0.28 (even T1w from 0.35), upper to 1.15 (T1w as dark 1.17), apart to 1.93
_NULLED, _EVEN, _NOT_APART = 0.29, 1.155, 2.0
# FLAIR with grey brighter than white: dark to 0.34 (T2w from 0.51); any FLAIR: rim to 1.03 (CT from 1.11)
_DARK, _BRIGHT_GREY, _DARK_RIM = 0.38, 1.04, 1.05
# T1w: ratio to 0.83, and upper above that of FLAIR, or, where even, apart from 2.15 (an average brain with a
# lesion; two T1w of spin echo have 0.7 and 0.8, and are left unknown)
_T1W_RATIO, _UNEVEN, _APART = 0.9, 1.19, 2.1


@dataclass(frozen=True)
class Look:
    """How bright the parts of a brain are in a scan; the median of the brain is 1.

    Parameters
    ----------
    dark, bright : float
        2nd and 98th percentile in the middle of the brain, where the ventricles are.
    upper : float
        75th percentile: near 1 where the brain is of one brightness.
    rim : float
        Median within 4 mm of the border.
    ratio : float
        Grey over white matter.
    apart : float
        White less grey matter, in their mean interquartile range.
    """

    dark: float
    bright: float
    upper: float
    rim: float
    ratio: float
    apart: float


def guess_contrast(image: FloatArray, maps: Maps, spacing_mm: float) -> str | None:
    """Contrast that the input looks like, "T1w", "T2w" or "FLAIR"; None where that is not clear.

    A first look of the network is enough: what matters is where the brain is, and about which is which
    tissue. Not told apart: a T1w with contrast agent from one without, and a diffusion-weighted image from a
    FLAIR. A PD, an ADC map and a CT are left unknown.

    Parameters
    ----------
    image : (X, Y, Z) float32
        The scan on the model grid, on any scale whose background is 0.
    maps : Maps
        What the network made of it, on the same grid.
    spacing_mm : float
        Of the grid.
    """
    look = look_of(image, maps, spacing_mm)
    if look is None:
        return None
    if look.bright > _BRIGHT and look.dark > _NOT_DARK and look.ratio > _T2W_RATIO:
        return "T2w"
    is_nulled = look.dark < _NULLED and look.upper < _EVEN and look.apart < _NOT_APART
    is_grey_bright = look.dark < _DARK and look.ratio > _BRIGHT_GREY and look.bright < _BRIGHT
    if (is_nulled or is_grey_bright) and look.rim < _DARK_RIM:
        return "FLAIR"
    if look.ratio < _T1W_RATIO and look.rim < _DARK_RIM and (look.upper > _UNEVEN or look.apart > _APART):
        return "T1w"
    return None


def look_of(image: FloatArray, maps: Maps, spacing_mm: float) -> Look | None:
    """What `guess_contrast` decides by; None with too little brain or tissue.

    Parameters
    ----------
    image : (X, Y, Z) float32
        As of `guess_contrast`.
    maps : Maps
        As of `guess_contrast`.
    spacing_mm : float
        As of `guess_contrast`.
    """
    brain = (maps.brain > 0.5) & (image > 0)
    if brain.sum() * spacing_mm**3 / 1000 < _LEAST_BRAIN_ML:
        return None
    healthy = brain & (maps.anomaly < 0.2)
    grey, white = (image[healthy & (maps.t1w > low) & (maps.t1w < high)] for low, high in (_GREY, _WHITE))
    core = image[brain & _middle(brain, spacing_mm)]
    if min(grey.size, white.size, core.size) < _LEAST_VOXELS:
        return None
    rim = brain & (ndimage.distance_transform_edt(brain) * spacing_mm <= _RIM_MM)
    one = float(np.median(image[brain]))
    (g1, g2, g3), (w1, w2, w3) = (np.percentile(x, (25, 50, 75)) for x in (grey, white))
    return Look(
        dark=_percentile(core, 2) / one,
        bright=_percentile(core, 98) / one,
        upper=_percentile(image[brain], 75) / one,
        rim=float(np.median(image[rim])) / one,
        ratio=float(g2 / w2),
        apart=float((w2 - g2) / max((g3 - g1 + w3 - w1) / 2, 1e-6)),
    )


def _middle(brain: Mask, spacing_mm: float) -> Mask:
    """Ellipsoid in the middle of the brain, on the axes of the model grid."""
    centre = np.argwhere(brain).mean(axis=0)
    axes = np.ogrid[tuple(slice(0, n) for n in brain.shape)]
    parts = (
        ((axis - c) * spacing_mm / half) ** 2 for axis, c, half in zip(axes, centre, _CORE_MM, strict=True)
    )
    return np.asarray(sum(parts) < 1)


def _percentile(values: FloatArray, q: float) -> float:
    return float(np.percentile(values, q))
