"""The noise that an MP2RAGE's uniform image (UNI) has where there is no signal, over its whole range.

UNI is a ratio of two images (Marques et al., NeuroImage 49, 2010, eq. 3): where both are noise, in air and in
bone, it takes any value. Its second inversion would give a mask (O'Brien et al., PLoS ONE 9, 2014); here the
image itself has to do, by how much a voxel differs from its neighbours.
"""

from itertools import product

import numpy as np
from scipy import ndimage

from ..types import AnyArray, FloatArray, Mask
from .scan import Scan

# of a voxel in the corners, in spans of the scan: UNI 0.29 if its noise is uniform, 41 other scans to 0.005
_NOISE = 0.12
_SMOOTH = 0.5  # of that noise: tissue has less, within the window
_WINDOW = 5  # voxels
_LEAST_ML = 5.0  # of a piece of tissue


def without_noise_in_air(scan: Scan) -> Scan:
    """A scan whose air is noise over the whole range with that noise set to its lowest value, and a warning.

    Parameters
    ----------
    scan : Scan
        Any other scan comes back as it is.
    """
    voxels = np.asarray(scan.voxels)
    low, high = (float(v) for v in np.percentile(voxels[::3, ::3, ::3], (0.5, 99.5)))
    noise = _noise_in_corners(voxels)
    if not noise > _NOISE * (high - low):
        return scan
    tissue = _smooth(np.clip(voxels, low, high).astype(np.float32) - np.float32(low), _SMOOTH * noise)
    labels, count = ndimage.label(tissue)
    ml = np.bincount(labels.ravel(), minlength=count + 1) * scan.grid.voxel_volume_ml
    ml[0] = 0
    kept = ndimage.binary_fill_holes((ml > _LEAST_ML)[labels])
    if not kept.any():
        return scan
    return scan.with_voxels(np.where(kept, voxels, voxels.dtype.type(low))).warn(
        "noise over the whole range around the head, as in the UNI image of an MP2RAGE: it was masked"
    )


def _noise_in_corners(voxels: AnyArray) -> float:
    """Standard deviation of a voxel's noise, from neighbours: the median over the eight corners."""
    sides = [(slice(0, max(4, n // 10)), slice(-max(4, n // 10), None)) for n in voxels.shape]
    blocks = (voxels[corner].astype(np.float32) for corner in product(*sides))
    return float(np.median([np.diff(block, axis=0).std() / np.sqrt(2) for block in blocks]))


def _smooth(x: FloatArray, most: float) -> Mask:
    """Where the standard deviation within a window is at most so much, grown back to its border."""
    mean = ndimage.uniform_filter(x, _WINDOW)
    deviation = np.sqrt(np.maximum(ndimage.uniform_filter(x * x, _WINDOW) - mean * mean, 0))
    core = ndimage.binary_opening(deviation < most)
    return np.asarray(ndimage.binary_closing(ndimage.binary_dilation(core, iterations=_WINDOW // 2)))
