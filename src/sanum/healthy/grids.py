"""Between grids: a large scan made coarser for the network, and the maps back on the scan's own grid."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..methods.common.anatomy import Maps
from ..scan import Scan
from ..scan.contrast import CT_WINDOW_HU
from ..scan.intensity import border_value
from ..space.components import largest_component
from ..space.grid import Grid, at_spacing, box_of
from ..space.resample import resample
from ..types import AnyArray, FloatArray, Mask, Slices

ANOMALY_THRESHOLD = 0.5  # fixed beforehand, not tuned on anything that is reported
LARGE = 64_000_000  # voxels of a scan: 256 MB as float32
THICK = 1.25  # voxels of the model in a slice, from which on it is said: 3 mm of one of 2 mm
_HULL_MM, _COARSE_MM = 20.0, 3.0  # of the ball that closes a drawn border, and of the voxels for it
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

    foreground = foreground_mask(scan, box)
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


def foreground_mask(scan: Scan, box: Slices | None = None) -> Mask:
    """Within what somebody has drawn, where a scan has an exactly constant background.

    That is the closed hull of what the scan shows: sulci, holes, and cavities that open to the outside by
    less than 40 mm, such as masked lesions and resections, are inside. Everywhere if the corners differ,
    or all is one.

    Parameters
    ----------
    scan : Scan
        Any.
    box : three slices, optional
        The only part that is looked at, and given back.
    """
    voxels = np.asarray(scan.voxels)
    x, y, z = voxels.shape
    box = box or (slice(0, x), slice(0, y), slice(0, z))
    value = border_value(voxels)
    if value is None or not (foreground := voxels != value).any():
        return np.ones(voxels[box].shape, bool)
    closed = ndimage.binary_closing(np.pad(foreground[box], 2), iterations=2)[2:-2, 2:-2, 2:-2]
    return np.asarray(ndimage.binary_fill_holes(closed | _hull(foreground, scan.grid.spacing_mm, box)))


def _hull(foreground: Mask, spacing_mm: npt.NDArray[np.float64], box: tuple[slice, ...]) -> Mask:
    """Closing by a ball of `_HULL_MM` on coarse voxels, less their rim, so that it never is the border.

    Of the whole foreground, in a box alone.
    """
    steps = tuple(max(1, int(_COARSE_MM / s)) for s in spacing_mm)
    reach = [int(np.ceil((_HULL_MM + _COARSE_MM) / (s * n))) for s, n in zip(spacing_mm, steps, strict=True)]
    coarse = np.pad(_any_of(foreground, steps), [(r, r) for r in reach])
    size = spacing_mm * steps
    grown = ndimage.distance_transform_edt(~coarse, sampling=size) <= _HULL_MM
    closed = ndimage.distance_transform_edt(grown, sampling=size) > _HULL_MM + _COARSE_MM
    inner = closed[tuple(slice(r, m - r) for r, m in zip(reach, closed.shape, strict=True))]
    for axis, (step, part) in enumerate(zip(steps, box, strict=True)):
        first = part.start // step
        lines = np.moveaxis(inner, axis, 0)[first : -(-part.stop // step)].repeat(step, 0)
        inner = np.moveaxis(lines[part.start - first * step :][: part.stop - part.start], 0, axis)
    return np.asarray(inner)


def _any_of(mask: Mask, steps: tuple[int, ...]) -> Mask:
    """Blocks of voxels of which at least one is set."""
    whole = np.pad(mask, [(0, -n % s) for n, s in zip(mask.shape, steps, strict=True)])
    split = whole.reshape([m for n, s in zip(whole.shape, steps, strict=True) for m in (n // s, s)])
    return np.asarray(split.any(axis=(1, 3, 5)))


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
    if thickest > THICK * spacing_mm:
        return (
            f"slices of {thickest:.1f} mm: between them the results are interpolated, and small lesions may "
            "be missed",
        )
    return ()
