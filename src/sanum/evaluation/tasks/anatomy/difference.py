"""The difference map of a scan and its reconstruction, as the UNA paper measures it."""

import numpy as np

from ....metrics.errors import match_intensity
from ....types import FloatArray, Mask

HIGHEST = 99.5
"""Percentile of a map in the brain that becomes 1."""


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
    d = np.abs(match_intensity(scan, anatomy, brain) - anatomy) if brain.any() else np.zeros_like(anatomy)
    return share_of_highest(d, brain)


def share_of_highest(d: FloatArray, brain: Mask) -> FloatArray:
    """A map in [0, 1]: the 99.5th percentile in the brain becomes 1, and what is above it too; 0 outside.

    Parameters
    ----------
    d : (X, Y, Z) float32
        Of any unit; what is below 0 becomes 0.
    brain : (X, Y, Z) bool
        Where it counts.
    """
    if not brain.any():
        return np.zeros_like(d)
    inside = d * brain
    highest = max(float(np.percentile(inside[brain], HIGHEST)), 1e-6)
    scaled: FloatArray = np.clip(inside / highest, 0, 1).astype(np.float32)
    return scaled
