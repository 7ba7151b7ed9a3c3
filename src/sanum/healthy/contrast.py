"""Which contrast a scan has, where its file does not say."""

import numpy as np

from ..methods.common.anatomy import Maps
from ..types import FloatArray

_FLUID, _GREY, _WHITE = (0.05, 0.5), (0.65, 0.82), (0.93, 1.15)  # intensity in a T1w, white matter 1
_LEAST_VOXELS = 200  # of a tissue, for its quantiles to mean something
# Of 18 T1w, 10 T2w and 11 FLAIR of real people. Grey over white: T1w 0.55 to 0.83, T2w 1.28 to 1.58, FLAIR
# 0.65 to 1.22.
_T1W_GREY, _T2W_GREY, _FLAIR_GREY = (0.5, 0.9), 1.22, 1.04
# Distance of grey and white in their mean interquartile range: T1w 1.0 to 3.4, FLAIR to 1.94.
_T1W_APART = 2.15
# 90th percentile of fluid over white: T2w 1.8 to 3.1, FLAIR 0.4 to 1.35.
_BRIGHT_FLUID, _DARK_FLUID = 1.2, 0.85


def guess_contrast(image: FloatArray, maps: Maps) -> str | None:
    """Contrast that the input looks like, such as "T2w-like (guessed)"; None where that is not clear.

    It follows from how bright grey matter and fluid are beside white matter, outside of anomalies. A T1w has
    grey and white clearly apart; a FLAIR in which grey is no brighter than white, as of old people, looks
    much like a T1w, and is left unknown.

    Parameters
    ----------
    image : (X, Y, Z) float32
        The scan on the model grid, on any scale whose background is 0.
    maps : Maps
        What the network made of it, on the same grid.
    """
    healthy = (maps.brain > 0.5) & (maps.anomaly < 0.2) & (image > 0)
    tissues = [image[healthy & (maps.t1w > low) & (maps.t1w < high)] for low, high in (_FLUID, _GREY, _WHITE)]
    if min(x.size for x in tissues) < _LEAST_VOXELS:
        return None
    (_, _, fluid), (g1, grey, g3), (w1, white, w3) = (
        np.percentile(x, q) for x, q in zip(tissues, ((25, 50, 90), (25, 50, 75), (25, 50, 75)), strict=True)
    )
    apart = (white - grey) / max((g3 - g1 + w3 - w1) / 2, 1e-6)
    if _T1W_GREY[0] * white < grey < _T1W_GREY[1] * white and apart > _T1W_APART and fluid < grey:
        return "T1w-like (guessed)"
    if grey > _T2W_GREY * white and fluid > _BRIGHT_FLUID * white:
        return "T2w-like (guessed)"
    if grey > _FLAIR_GREY * white and fluid < _DARK_FLUID * white:
        return "FLAIR-like (guessed)"
    return None
