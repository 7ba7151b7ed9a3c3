"""Slices that a scanner did not take: constant ones at the ends of a slab, and dropped ones inside."""

from dataclasses import replace

import numpy as np

from ..space.components import bounds_of
from ..space.grid import Grid
from ..types import AnyArray, Mask
from .intensity import border_value
from .scan import Scan

_DEEPER_MM = 10.0  # where the end of what was taken is compared
# of the first slice, and beside the deeper one: the tips of 43 real scans have up to 0.48
_LEAST_CM2, _LEAST_SHARE = 30.0, 0.75
_MOST_DROPPED = 0.34  # of the slices along an axis


def without_padding(scan: Scan) -> Scan:
    """The part of a scan between constant slices that were added to a slab, at one end or at both.

    The end of a slab is as wide as what lies behind it; the end of a head or of a brain is a tip.

    Parameters
    ----------
    scan : Scan
        The same object comes back where nothing was added.
    """
    voxels = np.asarray(scan.voxels)
    box = _taken(voxels, scan.grid, 0), _taken(voxels, scan.grid, 1), _taken(voxels, scan.grid, 2)
    if all(part == slice(0, n) for part, n in zip(box, voxels.shape, strict=True)):
        return scan
    return replace(scan, voxels=voxels[box], affine=scan.grid.part(box).affine)


def shown_part(scan: Scan) -> Scan:
    """The smallest part of a scan that holds all that differs from a constant border; else the scan.

    Parameters
    ----------
    scan : Scan
        Of which more background should change nothing.
    """
    value = border_value(scan.voxels)
    if value is None:
        return scan
    shown = np.asarray(scan.voxels) != value
    if (found := bounds_of(shown)) is None:
        return scan
    x, y, z = found
    box = (_of_two(x, shown.shape[0]), _of_two(y, shown.shape[1]), _of_two(z, shown.shape[2]))
    return replace(scan, voxels=np.asarray(scan.voxels)[box], affine=scan.grid.part(box).affine)


def _of_two(part: slice, n: int) -> slice:
    """At least two voxels, which a volume has."""
    start = min(part.start, n - 2)
    return slice(start, max(part.stop, start + 2))


def _taken(voxels: AnyArray, grid: Grid, axis: int) -> slice:
    """The slices along an axis between those that were added."""
    spacing = grid.spacing_mm
    lines, step = np.moveaxis(voxels, axis, 0), max(1, round(_DEEPER_MM / spacing[axis]))
    voxel_cm2 = float(np.prod(np.delete(spacing, axis))) / 100
    return slice(_added(lines, step, voxel_cm2), len(lines) - _added(lines[::-1], step, voxel_cm2))


def _added(lines: AnyArray, step: int, voxel_cm2: float) -> int:
    """How many slices of one value were added before the first that shows something."""
    value = lines[0].flat[0]
    first = next((k for k, line in enumerate(lines) if (line != value).any()), 0)
    if first == 0 or first + step >= len(lines):
        return 0
    end, deeper = (float((lines[k] != value).sum()) * voxel_cm2 for k in (first, first + step))
    return first if end > _LEAST_CM2 and end > _LEAST_SHARE * deeper else 0


def with_dropped_slices(scan: Scan) -> Scan:
    """The scan with each constant slice between others filled from its neighbours, and a warning.

    Parameters
    ----------
    scan : Scan
        The same object comes back where no slice is constant.
    """
    voxels = np.asarray(scan.voxels)
    for axis in range(3):
        flat = _constant(voxels, axis)
        inside = np.flatnonzero(~flat)
        dropped = [k for k in np.flatnonzero(flat) if inside.size and inside[0] < k < inside[-1]]
        if not dropped or len(dropped) > _MOST_DROPPED * len(flat):
            continue
        lines = np.moveaxis(voxels, axis, 0).astype(np.float32)
        for k in dropped:
            below, above = inside[inside < k][-1], inside[inside > k][0]
            share = np.float32((k - below) / (above - below))
            lines[k] = (1 - share) * lines[below] + share * lines[above]
        filled = scan.with_voxels(np.moveaxis(lines, 0, axis))
        some = "1 slice was" if len(dropped) == 1 else f"{len(dropped)} slices were"
        return filled.warn(f"{some} empty and filled from the neighbours")
    return scan


def _constant(voxels: AnyArray, axis: int) -> Mask:
    """(n,) bool: which slices along an axis have one value."""
    others = tuple(a for a in range(3) if a != axis)
    return np.asarray(voxels.min(axis=others) == voxels.max(axis=others))
