"""Small volumes for a viewer: one isotropic grid along the axes of the world, one byte a cell."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ...scan.contrast import CT_WINDOW_HU
from ...scan.scan import Scan
from ...space.grid import Grid, apply_affine, box_of
from ...space.resample import resample
from ...types import AnyArray, FloatArray, Mask, Shape, Slices
from ..inputs import ReportInputs
from ..planes import MARGIN_MM

CELLS = 700_000
"""Of a volume, about: a head's brain and its margin then have cells of 2 mm."""

CT_RANGE_HU = (-100.0, 155.0)
"""What the bytes of a CT hold, one Hounsfield unit a step: fat, brain and fresh blood, but no bone."""

TOP = 255
_ROOM = (0.25, 0.75)  # of a window's width, below and above it, for who makes it wider

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class ViewedVolume:
    """One image of a viewer.

    Parameters
    ----------
    name : str
        What the script knows it by.
    title : str
        What a reader knows it by.
    cells : (X, Y, Z) uint8
        RAS-ordered.
    low, high : float
        Values of the bytes 0 and 255.
    window : (float, float)
        What is shown black and white at first.
    unit : str
        Of the values.
    beyond : (bool, bool)
        Whether values lie below `low`, and above `high`: the bytes 0 and 255 stand for them, too.
    """

    name: str
    title: str
    cells: Bytes
    low: float
    high: float
    window: tuple[float, float]
    unit: str
    beyond: tuple[bool, bool] = (False, False)


def viewer_grid(inputs: ReportInputs) -> Grid:
    """Grid along the axes of the world about the brain and the anomaly, with the margin of the pictures.

    Its cells are cubes of about 2 mm (a head's), never finer than the scan. Without a brain and an anomaly it
    holds the whole scan.

    Parameters
    ----------
    inputs : ReportInputs
        Scans on one grid.
    """
    own = inputs.scan.grid
    marked = (inputs.brain.voxels > 0.5) | (inputs.anomaly_mask.voxels > 0.5)
    ends = np.array([[0, 0, 0], np.array(own.shape) - 1])
    at = np.argwhere(marked[::2, ::2, ::2]) * 2 if marked.any() else _corners(ends)
    points = apply_affine(own.affine, at if len(at) else np.argwhere(marked))
    most = apply_affine(own.affine, _corners(ends))
    low = np.maximum(points.min(0) - MARGIN_MM, most.min(0))
    high = np.minimum(points.max(0) + MARGIN_MM, most.max(0))
    finest = float(own.spacing_mm.min())
    edge_mm = max(finest, float(np.cbrt(np.prod(high - low + finest) / CELLS)))
    affine = np.diag([edge_mm, edge_mm, edge_mm, 1.0])
    affine[:3, 3] = low
    return Grid(_whole((high - low) / edge_mm + 1.5), affine)


def viewer_volumes(inputs: ReportInputs, grid: Grid) -> list[ViewedVolume]:
    """The scan, the healthy anatomies, probability of an anomaly, uncertainty, and the mask (0 or 255).

    Parameters
    ----------
    inputs : ReportInputs
        Scans on one grid.
    grid : Grid
        Of `viewer_grid`.
    """
    from ..figures import intensity_window  # matplotlib, where something is drawn

    is_ct = inputs.contrast is not None and inputs.contrast.split()[:1] == ["CT"]
    window = intensity_window(inputs.scan, inputs.brain, contrast=inputs.contrast)
    held = CT_RANGE_HU if is_ct and window == CT_WINDOW_HU else _with_room(window)
    unit = "HU" if is_ct else "in the file's unit"
    found = [_viewed("scan", "Scan", inputs.scan, grid, (held, window, unit))]
    common = intensity_window(inputs.anatomy, inputs.brain)
    for n, (title, anatomy) in enumerate(inputs.anatomies.items()):
        how = _with_room(common, floor=0.0), common, "white matter = 1"
        found.append(_viewed(f"anatomy{n}", title, anatomy, grid, how))
    found.append(_viewed("anomaly", "Anomaly", inputs.anomaly, grid, ((0.0, 1.0), (0.0, 1.0), "probability")))
    most = max(intensity_window(inputs.uncertainty, inputs.brain)[1], 1e-6)
    error = (0.0, most), (0.0, most), "expected error, white matter = 1"
    found.append(_viewed("uncertainty", "Uncertainty", inputs.uncertainty, grid, error))
    cells = np.where(viewer_mask(inputs.anomaly_mask, grid), TOP, 0).astype(np.uint8)
    return [*found, ViewedVolume("mask", "Anomaly mask", cells, 0.0, 1.0, (0.0, 1.0), "")]


def viewer_mask(mask: Scan, grid: Grid) -> Mask:
    """A mask on a coarser grid, (X, Y, Z) bool: cells of which half is marked, and no part of it is lost.

    Of a part too small to fill half of any cell, every cell is marked that holds the centre of one of its
    voxels.

    Parameters
    ----------
    mask : Scan
        A voxel counts where the value is above 0.5.
    grid : Grid
        Of the cells.
    """
    marked = mask.voxels > 0.5
    own = _part_for(grid, mask.grid)
    half = _laid(marked[own].astype(np.float32), mask.grid.part(own), grid) >= 0.5
    touched = np.zeros(grid.shape, np.bool_)
    to_cell = np.linalg.inv(grid.affine) @ mask.affine
    at = np.round(apply_affine(to_cell, np.argwhere(marked))).astype(int)
    at = at[((at >= 0) & (at < grid.shape)).all(1)]
    touched[tuple(at.T)] = True
    parts, count = ndimage.label(touched, np.ones((3, 3, 3)))
    if count:
        shown = ndimage.maximum(half, parts, np.arange(1, count + 1))
        half |= np.isin(parts, 1 + np.flatnonzero(~np.asarray(shown, np.bool_)))
    return np.asarray(half, np.bool_)


def nearest_marked(cells: npt.NDArray[np.int64], grid: Grid, point_mm: npt.ArrayLike) -> list[int]:
    """The marked cell nearest to a point: the middle of a bent lesion lies outside of it.

    Parameters
    ----------
    cells : (N, 3) int
        Indices of the marked cells; none: the point's own cell.
    grid : Grid
        Of the cells.
    point_mm : (3,) float
        World point.
    """
    point = apply_affine(np.linalg.inv(grid.affine), point_mm)
    best = cells[int(np.argmin(((cells - point) ** 2).sum(1)))] if len(cells) else np.round(point)
    return [int(n) for n in np.clip(best, 0, np.array(grid.shape) - 1)]


def _laid(voxels: AnyArray, own: Grid, grid: Grid, fill: float = 0.0) -> FloatArray:
    """Values at the cells: means of blocks of about their size, and linear between those."""
    factors = np.maximum(1, np.round(grid.spacing_mm[0] / own.spacing_mm)).astype(int)
    rest = [(0, int(-n % f)) for n, f in zip(own.shape, factors, strict=True)]
    padded = np.pad(voxels, rest, mode="edge") if np.any(rest) else voxels
    (i, f), (j, g), (k, h) = ((n // f, f) for n, f in zip(padded.shape, factors, strict=True))
    means = padded.reshape(i, f, j, g, k, h).mean((1, 3, 5), dtype=np.float32)
    affine = own.affine @ np.diag([*factors, 1.0])
    affine[:3, 3] = apply_affine(own.affine, (factors - 1) / 2)
    return resample(means, Grid(means.shape, affine), grid, antialias=False, fill=fill)


def _part_for(grid: Grid, own: Grid) -> Slices:
    """The voxels that the cells see."""
    return box_of(np.ones(grid.shape, np.bool_), grid, own, 2 * float(grid.spacing_mm[0]))


def _corners(ends: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.array([[a, b, c] for a in ends[:, 0] for b in ends[:, 1] for c in ends[:, 2]])


def _whole(size: npt.NDArray[np.float64]) -> Shape:
    x, y, z = (max(1, int(n)) for n in size)
    return x, y, z


def _with_room(window: tuple[float, float], floor: float = -np.inf) -> tuple[float, float]:
    low, high = window
    return max(floor, low - _ROOM[0] * (high - low)), high + _ROOM[1] * (high - low)


def _viewed(
    name: str,
    title: str,
    scan: Scan,
    grid: Grid,
    how: tuple[tuple[float, float], tuple[float, float], str],
) -> ViewedVolume:
    """`how`: the range that the bytes hold, the window at first, the unit."""
    (low, high), window, unit = how
    own = _part_for(grid, scan.grid)
    values = np.nan_to_num(scan.voxels[own], nan=low, posinf=high, neginf=low)
    values = _laid(values, scan.grid.part(own), grid, fill=low)
    scaled = np.rint((values - low) * (TOP / (high - low)))
    beyond = bool(scaled.min() < 0), bool(scaled.max() > TOP)
    cells = np.clip(scaled, 0, TOP).astype(np.uint8)
    return ViewedVolume(name, title, cells, low, high, window, unit, beyond)
