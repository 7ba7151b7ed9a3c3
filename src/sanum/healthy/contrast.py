"""Which contrast a scan has, where its file does not say."""

import numpy as np

from ..methods.common.anatomy import Maps
from ..types import FloatArray

_FLUID, _GREY, _WHITE = (0.05, 0.5), (0.65, 0.82), (0.93, 1.15)  # intensity in a T1w, white matter 1
_LEAST_VOXELS = 200  # of a tissue, for its median to mean something


def guess_contrast(image: FloatArray, maps: Maps) -> str | None:
    """Contrast that the input looks like, such as "T2w-like (guessed)"; None if it is like none.

    It follows from the order of the input's medians in fluid, grey and white matter, outside of anomalies.

    Parameters
    ----------
    image : (X, Y, Z) float32
        The scan on the model grid, on any scale.
    maps : Maps
        What the network made of it, on the same grid.
    """
    healthy = (maps.brain > 0.5) & (maps.anomaly < 0.2)
    medians = []
    for low, high in (_FLUID, _GREY, _WHITE):
        tissue = healthy & (maps.t1w > low) & (maps.t1w < high)
        if tissue.sum() < _LEAST_VOXELS:
            return None
        medians.append(float(np.median(image[tissue])))
    fluid, grey, white = medians
    if white > grey > fluid:
        return "T1w-like (guessed)"
    if fluid > grey > white:
        return "T2w-like (guessed)"
    return "FLAIR-like (guessed)" if grey > white and grey > fluid else None
