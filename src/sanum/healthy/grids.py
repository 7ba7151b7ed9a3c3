"""Between grids: a large scan made coarser for the network, and the maps back on the scan's own grid."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from ..methods.common.anatomy import Maps
from ..scan import Scan
from ..scan.contrast import CT_WINDOW_HU
from ..space.components import largest_component
from ..space.grid import Grid, at_spacing, box_of
from ..space.resample import resample
from ..types import AnyArray, FloatArray, Mask, Slices

ANOMALY_THRESHOLD = 0.5  # fixed beforehand, not tuned on anything that is reported
LARGE = 64_000_000  # voxels of a scan: 256 MB as float32
_MARGIN_MM = 4.0  # around the brain in which results are computed


@dataclass(frozen=True, eq=False)
class ScanMaps:
    """Maps on a scan's own grid.

    Parameters
    ----------
    anatomy : Scan
        Healthy T1w, white matter near 1, 0 outside of the brain.
    anomaly : Scan
        Probability in [0, 1].
    anomaly_mask, brain : Scan
        0 or 1, uint8.
    uncertainty : Scan
        Expected absolute error of `anatomy`, in its unit; 0 outside of the brain.
    """

    anatomy: Scan
    anomaly: Scan
    anomaly_mask: Scan
    uncertainty: Scan
    brain: Scan


def to_scan_grid(maps: Maps, grid: Grid, scan: Scan) -> ScanMaps:
    """Maps on the scan's grid; only the brain's part of it is computed and takes memory.

    Parameters
    ----------
    maps : Maps
        On the model grid, after `postprocess`.
    grid : Grid
        The model grid.
    scan : Scan
        Gives the grid, and the foreground that the results end with.
    """
    box = box_of((maps.t1w > 0) | (maps.brain > 0), grid, scan.grid, _MARGIN_MM)
    there = scan.grid.part(box)

    def back(x: FloatArray, order: int) -> FloatArray:
        return resample(x, grid, there, order=order) if 0 not in there.shape else np.empty(there.shape, "f4")

    def whole(part: AnyArray) -> Scan:
        voxels = np.zeros(scan.grid.shape, np.uint8 if part.dtype == bool else np.float32)
        voxels[box] = part
        return replace(scan, voxels=voxels, warnings=(), contrast=None)

    foreground = foreground_mask(np.asarray(scan.voxels), box)
    brain = largest_component((back(maps.brain, 1) > 0.5) & foreground)
    anatomy = np.clip(back(maps.t1w, 3), 0, None) * foreground
    anatomy[anatomy < 1e-3] = 0
    anomaly = np.clip(back(maps.anomaly, 1), 0, 1) * brain
    anomaly[anomaly < 1e-3] = 0
    return ScanMaps(
        anatomy=replace(whole(anatomy), contrast="T1w"),
        anomaly=whole(anomaly),
        anomaly_mask=whole(anomaly > ANOMALY_THRESHOLD),
        uncertainty=whole(np.where(brain, back(maps.uncertainty, 1), np.float32(0))),
        brain=whole(brain),
    )


def foreground_mask(voxels: AnyArray, box: Slices | None = None) -> Mask:
    """Where a scan with an exactly constant background shows something: somebody has drawn this border.

    Gaps of up to 4 voxels are closed and holes filled. Everywhere if the eight corners differ, or all is one.

    Parameters
    ----------
    voxels : (X, Y, Z) array
        Of the scan.
    box : three slices, optional
        The only part that is looked at, and given back.
    """
    corners = voxels[:: voxels.shape[0] - 1, :: voxels.shape[1] - 1, :: voxels.shape[2] - 1]
    part = voxels if box is None else voxels[box]
    foreground = part != corners.flat[0]
    if (corners != corners.flat[0]).any() or not foreground.any():
        return np.ones(part.shape, bool)
    closed = ndimage.binary_closing(np.pad(foreground, 2), iterations=2)
    return np.asarray(ndimage.binary_fill_holes(closed))[2:-2, 2:-2, 2:-2]


def on_grid(scan: Scan, grid: Grid) -> Scan:
    """Scan linearly interpolated onto another grid.

    Parameters
    ----------
    scan : Scan
        Of any grid; its lowest value stands where it has no voxels.
    grid : Grid
        The new one.
    """
    voxels = resample(scan.voxels, scan.grid, grid, fill=float(scan.voxels.min()))
    return replace(scan, voxels=voxels, affine=grid.affine)


def thinned(scan: Scan, spacing_mm: float) -> Scan:
    """A large scan on voxels no finer than `spacing_mm`: blurred once, not again in each pass.

    Parameters
    ----------
    scan : Scan
        Returned unchanged if it has few voxels, or coarse ones.
    spacing_mm : float
        Along each axis.
    """
    finest = scan.grid.spacing_mm
    if scan.voxels.size < LARGE or (finest > 0.8 * spacing_mm).all():
        return scan
    if scan.contrast == "CT":  # bone must not bleed
        scan = scan.with_voxels(np.clip(scan.voxels, *CT_WINDOW_HU))
    return on_grid(scan, at_spacing(scan.grid, np.maximum(finest, spacing_mm)))


def coverage_warnings(scan: Scan, spacing_mm: float) -> tuple[str, ...]:
    """What the slices of a scan mean for the results, in sentences.

    Parameters
    ----------
    scan : Scan
        The input.
    spacing_mm : float
        Of the voxels that the model sees.
    """
    thickest = float(scan.grid.spacing_mm.max())
    if thickest > 2 * spacing_mm:
        return (f"slices of {thickest:.1f} mm: between them the results are interpolated",)
    return ()
