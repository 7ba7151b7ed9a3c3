"""Lesions of two visits: the scans are laid onto each other, and the masks meet in half-way space.

So neither visit is resampled more than the other, and swapping them swaps the result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from ..metrics.lesion_changes import CHANGED, CHANGED_ML, Change, State, changes
from ..scan import ScanError
from ..space.components import Components
from ..space.grid import Grid, apply_affine
from ..space.halfway import half_of, halfway_grid
from ..space.resample import resample
from ..types import Affine
from .lesions import LesionRow, TableColumn

CHANGE_COLUMNS: Mapping[str, TableColumn] = {
    "state": TableColumn(
        "What has become of it.",
        levels={
            "new": "No lesion was there.",
            "grown": f"More than {CHANGED:g} times its earlier volume, and more than {CHANGED_ML:g} mL more.",
            "stable": "Neither grown nor shrunk.",
            "shrunk": f"Its earlier volume is more than {CHANGED:g} times this, and more than "
            f"{CHANGED_ML:g} mL larger.",
            "vanished": "No lesion is there any more.",
        },
    ),
    "ids": TableColumn(
        "Its numbers in the table of this visit; several where it has split, n/a where it is too small."
    ),
    "previous_ids": TableColumn("The same of the previous visit; several where they have merged."),
    "volume_ml": TableColumn("Volume at this visit.", "mL", 4),
    "previous_ml": TableColumn("Volume at the previous visit.", "mL", 4),
    "change_ml": TableColumn("The first less the second.", "mL", 4),
    "x_mm": TableColumn("Centre of mass, x (right), in the world of this visit's scan, RAS.", "mm", 1),
    "y_mm": TableColumn("Centre of mass, y (front), in the world of this visit's scan, RAS.", "mm", 1),
    "z_mm": TableColumn("Centre of mass, z (up), in the world of this visit's scan, RAS.", "mm", 1),
}
"""Of `changes.tsv`, in its order."""


@dataclass(frozen=True, eq=False)
class Visit:
    """The lesions of one visit.

    Parameters
    ----------
    found : Components
        As of `found_in`.
    grid : Grid
        Of the mask.
    rows : sequence of LesionRow
        Of the same.
    """

    found: Components
    grid: Grid
    rows: Sequence[LesionRow]

    @property
    def part(self) -> Grid:
        """Grid of the box that holds all lesions."""
        return self.grid.part(self.found.box)


@dataclass(frozen=True)
class ChangeRow:
    """What has become of one lesion; see `CHANGE_COLUMNS`.

    Parameters
    ----------
    state, ids, previous_ids, volume_ml, previous_ml, change_ml, x_mm, y_mm, z_mm
        As in `CHANGE_COLUMNS`.
    """

    state: State
    ids: str
    previous_ids: str
    volume_ml: float
    previous_ml: float
    change_ml: float
    x_mm: float
    y_mm: float
    z_mm: float


def compared(before: Visit, now: Visit, world: Affine, *, least_ml: float = 0.0) -> tuple[ChangeRow, ...]:
    """One row per lesion of either visit; what is one lesion by `metrics.lesion_changes` has one row.

    What is a voxel's width apart, and overlaps with nothing, is one as well: a lesion of a voxel or two may
    fall between the voxels of half-way space.

    Parameters
    ----------
    before, now : Visit
        The previous visit and this one.
    world : (4, 4) float64
        World of the previous visit → world of this one, mm.
    least_ml : float
        Rows without a lesion so large at either visit are left out, and the numbers of smaller ones are not
        named: they are in no table.

    Raises
    ------
    ScanError
        The map has no half: one scan is turned by half a circle against the other.
    """
    if not before.rows and not now.rows:
        return ()
    try:
        half = half_of(world)
    except ValueError as error:
        raise ScanError(f"the two visits have no half-way: {error}") from error
    there, here = _meeting(before, now, half)
    was, is_ = ([row.volume_ml for row in visit.rows] for visit in (before, now))
    found = changes(there, here, was, is_, _near(before, now, world))
    least = least_ml * (1 - 1e-6)
    kept = [one for one in found if max(_volumes(one, before, now)) >= least]
    return tuple(_row(one, before, now, world, least) for one in kept)


def _volumes(one: Change, before: Visit, now: Visit) -> list[float]:
    return [visit.rows[k - 1].volume_ml for visit, ks in ((before, one.before), (now, one.now)) for k in ks]


def _near(before: Visit, now: Visit, world: Affine) -> list[tuple[int, int]]:
    """Pairs of numbers whose centres are at most a voxel of either visit apart, the nearest first."""
    if not before.rows or not now.rows:
        return []
    was = apply_affine(world, [row.centre_mm for row in before.rows])
    is_ = np.array([row.centre_mm for row in now.rows])
    ways = np.linalg.inv(now.grid.affine[:3, :3]), np.linalg.inv((world @ before.grid.affine)[:3, :3])
    reach_mm = np.sqrt(3) * max(float(visit.grid.spacing_mm.max()) for visit in (before, now))
    pairs = [
        (min(float(np.abs(way @ (was[i] - is_[j])).max()) for way in ways), i + 1, j + 1)
        for i, those in enumerate(KDTree(is_).query_ball_point(was, reach_mm))
        for j in those
    ]
    return [(i, j) for apart, i, j in sorted(pairs) if apart <= 1 + 1e-6]


def _meeting(before: Visit, now: Visit, half: Affine) -> list[npt.NDArray[np.int32]]:
    """The numbers of both visits' lesions on one grid of half-way space."""
    ways = (half, np.linalg.inv(half))
    there = [
        (visit.found.labels, Grid(visit.part.shape, way @ visit.part.affine))
        for visit, way in zip((before, now), ways, strict=True)
    ]
    spacing = min(float(visit.grid.spacing_mm.min()) for visit in (before, now))
    grid = halfway_grid([g for labels, g in there if labels.size], spacing)
    nothing = np.zeros(grid.shape, np.int32)
    return [
        resample(labels, g, grid, order=0).astype(np.int32) if labels.size else nothing for labels, g in there
    ]


def _row(one: Change, before: Visit, now: Visit, world: Affine, least_ml: float) -> ChangeRow:
    centre = _centre([now.rows[k - 1] for k in one.now])
    if not one.now:
        centre = apply_affine(world, _centre([before.rows[k - 1] for k in one.before]))
    x, y, z = centre.tolist()
    ids, previous = (
        ",".join(str(k) for k in numbers if visit.rows[k - 1].volume_ml >= least_ml)
        for numbers, visit in ((one.now, now), (one.before, before))
    )
    return ChangeRow(one.state, ids, previous, one.now_ml, one.before_ml, one.now_ml - one.before_ml, x, y, z)


def _centre(rows: Sequence[LesionRow]) -> npt.NDArray[np.float64]:
    """Centre of mass of all of them, (3,)."""
    if not rows:
        return np.zeros(3)
    return np.average([row.centre_mm for row in rows], axis=0, weights=[row.volume_ml for row in rows])
