"""A grid: number of voxels along each axis, and their places in the world."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..types import Affine, Mask, Shape, Slices


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular lattice of voxel centres in world millimetres (RAS+, as in NIfTI).

    Parameters
    ----------
    shape : (3,) int
        Voxels along each axis.
    affine : (4, 4) float64
        Voxel index (i, j, k, 1) to world (x, y, z, 1) in mm.
    """

    shape: Shape
    affine: Affine

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise ValueError("a grid needs a finite (4, 4) affine")
        if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
            raise ValueError("the affine is singular: its three axes do not span a volume")
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @property
    def spacing_mm(self) -> npt.NDArray[np.float64]:
        """Length of a voxel along each of its axes, (3,) in mm."""
        lengths: npt.NDArray[np.float64] = np.linalg.norm(self.affine[:3, :3], axis=0)
        return lengths

    @property
    def centre_mm(self) -> npt.NDArray[np.float64]:
        """World position of the middle of the box, (3,) in mm."""
        return apply_affine(self.affine, (np.array(self.shape) - 1) / 2)

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    def part(self, box: Slices) -> "Grid":
        """The grid of a box of its voxels (slices with start and stop, no step).

        Parameters
        ----------
        box : three slices
            With start and stop, no step.
        """
        affine = self.affine.copy()
        affine[:3, 3] = apply_affine(self.affine, [s.start for s in box])
        return Grid(
            (box[0].stop - box[0].start, box[1].stop - box[1].start, box[2].stop - box[2].start), affine
        )

    def same_as(self, other: "Grid", tolerance_mm: float = 1e-3) -> bool:
        """Whether both grids put every voxel at the same place.

        Parameters
        ----------
        other : Grid
            To compare with.
        tolerance_mm : float
            How far, in mm, any entry of the affines may differ.
        """
        return self.shape == other.shape and bool(np.abs(self.affine - other.affine).max() <= tolerance_mm)


def apply_affine(affine: npt.ArrayLike, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Map points (…, 3) by a (4, 4) affine.

    Parameters
    ----------
    affine : (4, 4) float
        Applied to each point.
    points : (…, 3) float
        Voxel indices or positions in mm.

    Examples
    --------
    >>> apply_affine(np.diag([2.0, 2, 2, 1]), [1, 2, 3]).tolist()
    [2.0, 4.0, 6.0]
    """
    a = np.asarray(affine, dtype=np.float64)
    return np.asarray(points, dtype=np.float64) @ a[:3, :3].T + a[:3, 3]


def covering(grid: Grid, spacing_mm: float) -> Grid:
    """Axis-aligned RAS grid of isotropic `spacing_mm` that holds all of `grid`.

    Parameters
    ----------
    grid : Grid
        What it holds, however tilted.
    spacing_mm : float
        Edge of its voxels in mm.
    """
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * (
        np.array(grid.shape) - 1
    )
    world = apply_affine(grid.affine, corners)
    low, high = world.min(0), world.max(0)
    shape = np.maximum(np.ceil((high - low) / spacing_mm - 1e-6).astype(int) + 1, 1)
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = low
    return Grid(tuple(int(n) for n in shape), affine)  # type: ignore[arg-type]


def at_spacing(grid: Grid, spacing_mm: npt.ArrayLike) -> Grid:
    """Grid of the same axes and about the same box; `spacing_mm` of its voxels is one number or three.

    Parameters
    ----------
    grid : Grid
        Whose axes and box it has.
    spacing_mm : float, or one per axis
        Size of its voxels in mm.
    """
    ratio = grid.spacing_mm / np.asarray(spacing_mm, dtype=np.float64)
    shape = tuple(max(4, round(n * r)) for n, r in zip(grid.shape, ratio, strict=True))
    affine = grid.affine @ np.diag([*(1 / ratio), 1.0])
    affine[:3, 3] = apply_affine(grid.affine, 0.5 / ratio - 0.5)
    return Grid(shape, affine)


def box_of(mask: Mask, grid: Grid, target: Grid, margin_mm: float) -> Slices:
    """Bounding box, in voxels of `target`, of a mask on `grid`, with `margin_mm` more on each side.

    Empty (0 voxels at the start of each axis) if the mask is outside of `target`, or empty.

    Parameters
    ----------
    mask : (X, Y, Z) bool
        On `grid`.
    grid : Grid
        Of the mask.
    target : Grid
        Whose voxels are counted.
    margin_mm : float
        How much more on each side, in mm.
    """
    if not mask.any():
        return (slice(0, 0),) * 3
    ends = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {a})))[[0, -1]] for a in range(3)]
    corners = np.array([[a, b, c] for a in ends[0] for b in ends[1] for c in ends[2]])
    there = apply_affine(np.linalg.inv(target.affine) @ grid.affine, corners)
    margin = (margin_mm + float(grid.spacing_mm.max())) / target.spacing_mm
    low = np.clip(np.floor(there.min(0) - margin), 0, target.shape).astype(int)
    high = np.clip(np.ceil(there.max(0) + margin) + 1, 0, target.shape).astype(int)
    if (low >= high).any():
        return (slice(0, 0),) * 3
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))  # type: ignore[return-value]


def middle_of(mask: Mask, affine: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """World position of the middle of a mask's bounding box, less 0.2 % of its voxels at each side.

    Unlike the mean it leaves equal room at both ends of a box around it.

    Parameters
    ----------
    mask : (X, Y, Z) bool
        With at least one voxel.
    affine : (4, 4) float
        Voxel index to world mm.
    """
    voxels = np.argwhere(mask)
    low, high = np.percentile(voxels, [0.2, 99.8], axis=0)
    return apply_affine(affine, (low + high) / 2)
