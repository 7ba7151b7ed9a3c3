"""The difference map of a scan and its reconstruction, as the UNA paper measures it."""

import numpy as np

from ....metrics.errors import match_intensity
from ....types import FloatArray, Mask


def difference_map(scan: FloatArray, anatomy: FloatArray, brain: Mask) -> FloatArray:
    """|g·scan + o − anatomy| inside the brain, in [0, 1].

    g and o are the least-squares fit to the anatomy over the predicted brain, lesion included, for who looks
    for a lesion does not know it; the 99.5th percentile in the brain becomes 1, and what is above it too.

    Parameters
    ----------
    scan : (X, Y, Z) float32
        Of any unit.
    anatomy : (X, Y, Z) float32
        White matter near 1.
    brain : (X, Y, Z) bool
        The predicted brain.
    """
    if not brain.any():
        return np.zeros_like(anatomy)
    d = np.abs(match_intensity(scan, anatomy, brain) - anatomy) * brain
    scaled: FloatArray = np.clip(d / max(float(np.percentile(d[brain], 99.5)), 1e-6), 0, 1).astype(np.float32)
    return scaled
