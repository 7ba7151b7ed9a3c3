"""Grey and white matter of a T1w, and how far apart they are in another image of the same head."""

import numpy as np
from skimage.filters import threshold_multiotsu

from ..types import FloatArray, Mask

_LEAST_VOXELS = 100


def grey_and_white(t1w: FloatArray, brain: Mask) -> tuple[Mask, Mask]:
    """Grey and white matter: the upper two of three classes of intensity (Otsu 1979, several thresholds).

    Parameters
    ----------
    t1w : (X, Y, Z) float32
        Without a bias field, on any scale.
    brain : (X, Y, Z) bool
        Where tissue is looked for; without a lesion, which may have any intensity.

    Returns
    -------
    (X, Y, Z) bool, twice
        Grey, white. Both are empty where `brain` is too small, or all of one intensity.
    """
    values = t1w[brain]
    if values.size < _LEAST_VOXELS or np.ptp(values) == 0:
        return np.zeros_like(brain), np.zeros_like(brain)
    top = float(np.percentile(values, 99.5))  # vessels are brighter
    fluid, grey = threshold_multiotsu(np.minimum(values, top), 3)
    return brain & (t1w > fluid) & (t1w <= grey), brain & (t1w > grey)


def grey_white_contrast(image: FloatArray, grey: Mask, white: Mask) -> float:
    """(median of white − median of grey) / median of white matter; nan without either, or of black white.

    0.22 to 0.28 in a T1w; 0 where an image does not tell the two apart.

    Parameters
    ----------
    image : float array
        Of any shape.
    grey, white : bool array
        Of the same shape.

    Examples
    --------
    >>> image = np.array([0.7, 0.8, 0.9, 1.0, 1.0])
    >>> round(grey_white_contrast(image, image < 0.95, image > 0.95), 2)
    0.2
    """
    if not grey.any() or not white.any():
        return float("nan")
    g, w = (float(np.median(image[where])) for where in (grey, white))
    return (w - g) / w if w > 0 else float("nan")
