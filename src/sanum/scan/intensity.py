"""What the stored numbers of a scan mean: where its background is, what is padding, and what is a mark.

The network's scale begins at the background (`conform.scale_intensity`). Scanners leave it at 0, people do
not: scans are shifted, z-scored as a whole or inside the brain, padded by -1000, or carry burnt-in marks. All
of it is undone here, so that a positive linear map of a scan gives the result of the scan.
"""

import numpy as np
from scipy import ndimage

from ..types import AnyArray, FloatArray, Mask
from .scan import Scan

_LARGE = (1e-15, 1e15)  # largest values that are left as they are
_SAMPLED = 1_000_000  # voxels that statistics are taken from
# of the foreground below the background: ringing leaves up to 0.009 (33 scans), a z-score in the brain 0.4
_BELOW = 0.05
_GAP = 0.5  # from padding to the rest, in spans of the rest: a set background to 0.09 (33 scans)
_AIR = 0.1  # of the span: a head's air, its darkest fifth, lies within; that of most stripped brains does not
_LEAST_LEVELS = 5  # of values in air; a drawing has one
_FAR_ABOVE = 4.0  # marks beside the brightest tissue
_MARK = (2e-4, 0.02)  # of the voxels above 0: fewer cannot move the percentiles of the scale, more are tissue
_CONVENTIONAL = -100.0  # padding below this beside values from 0 on: -1000, -1024, -3024, -32768


def with_background_at_zero(scan: Scan) -> Scan:
    """The scan with its background at 0 and without padding and marks; the same object if it is so already.

    Not for Hounsfield units, which have a scale of their own.

    Parameters
    ----------
    scan : Scan
        Of any contrast but CT.
    """
    if scan.contrast == "CT":
        return scan
    voxels = _of_usual_size(np.asarray(scan.voxels))
    out = _without_marks(_shifted(voxels, _sample(voxels)))
    return scan if out is scan.voxels else scan.with_voxels(out)


def _of_usual_size(voxels: AnyArray) -> AnyArray:
    """Voxels divided by the largest, if sums over them could overflow or vanish in float32."""
    largest = max(abs(float(voxels.min())), abs(float(voxels.max())))
    if _LARGE[0] < largest < _LARGE[1]:
        return voxels
    return (voxels.astype(np.float64) / largest).astype(np.float32)


def border_value(voxels: AnyArray) -> float | None:
    """The value that all eight corners have: of a background that somebody has set; else None.

    Parameters
    ----------
    voxels : (X, Y, Z) array
        Of a scan.
    """
    corners = voxels[:: voxels.shape[0] - 1, :: voxels.shape[1] - 1, :: voxels.shape[2] - 1]
    return float(corners.flat[0]) if (corners == corners.flat[0]).all() else None


def _shifted(voxels: AnyArray, sample: FloatArray) -> AnyArray:
    """Voxels minus their background; padding, and a background amid the tissue's values, become it."""
    set_to = border_value(voxels)
    if set_to is None:
        low, top = np.percentile(sample, (0.1, 99.9))
        lowest = float(voxels.min())
        if low - lowest > _GAP * (top - low):  # a few dead voxels
            lowest = float(low)
        return _from(voxels, lowest) if lowest < 0 or lowest > voxels.min() else voxels
    tissue = sample[sample != np.float32(set_to)]
    if not tissue.size:
        return voxels
    if float((tissue < set_to).mean()) > _BELOW:
        lowest = float(np.percentile(tissue, 0.01))
        return _from(voxels, lowest, outside=_connected_border(voxels, set_to))
    if _is_padding(set_to, tissue):
        return _from(voxels, float(np.percentile(tissue, 1)), outside=voxels == set_to)
    return _from(voxels, set_to, clip=False) if set_to != 0 else voxels


def _from(voxels: AnyArray, zero: float, *, outside: Mask | None = None, clip: bool = True) -> FloatArray:
    out = voxels.astype(np.float64) - zero
    if outside is not None:
        out[outside] = 0
    if clip:
        np.maximum(out, 0, out=out)
    return out.astype(np.float32)


def _is_padding(value: float, tissue: FloatArray) -> bool:
    """Whether the border's value lies so far below the rest that the rest has a background of its own."""
    low, dark, top = np.percentile(tissue, (0.5, 20, 99.9))
    span = float(top - low)
    if dark - low > _AIR * span:
        return False
    if value <= _CONVENTIONAL and low > _AIR * value:
        return True
    air = tissue[tissue < low + _AIR * span]
    return bool(low - value > _GAP * span and len(np.unique(air[:100_000])) >= _LEAST_LEVELS)


def _without_marks(voxels: AnyArray) -> AnyArray:
    """Few voxels far above all tissue, with nothing between, are clipped to the brightest tissue."""
    values = np.sort(_sample(voxels), axis=None)
    values = values[np.searchsorted(values, 0, side="right") :]
    values = values[values.size // 2 :]
    before, after = values[:-1], values[1:]
    gaps = np.flatnonzero(after > _FAR_ABOVE * before)
    share = (after.size - gaps[0]) / values.size / 2 if gaps.size else 0.0
    if not _MARK[0] < share < _MARK[1]:
        return voxels
    return np.asarray(np.minimum(voxels, before[gaps[0]].astype(voxels.dtype)))


def _connected_border(voxels: AnyArray, value: float) -> Mask:
    """Voxels of a value that are connected to a corner through voxels of that value."""
    labels, _ = ndimage.label(voxels == value)
    corners = np.unique(labels[:: voxels.shape[0] - 1, :: voxels.shape[1] - 1, :: voxels.shape[2] - 1])
    return np.isin(labels, corners[corners > 0])


def _sample(voxels: AnyArray) -> FloatArray:
    step = max(1, round((voxels.size / _SAMPLED) ** (1 / 3)))
    return np.asarray(voxels[::step, ::step, ::step], dtype=np.float32)
