"""Where lesions lie: side, lobe and tissue, and how far from the ventricles and the cortex."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import KDTree

from ..space.grid import Grid, apply_affine
from ..types import Affine, FloatArray, Mask, Points

Side = Literal["left", "right", "both"]

BOTH = 0.1
"""Share of a lesion that lies beyond the mid-plane, from which it is on both sides."""

MOST_POINTS = 4000
"""Voxels of a lesion that are looked up."""

GOLDEN = 0.6180339887498949  # (√5 − 1) / 2


@dataclass(frozen=True)
class Region:
    """What a label of an atlas means.

    Parameters
    ----------
    name : str
        As the atlas has it.
    side : str
        "left", "right", or "" in the middle.
    lobe : str
        Frontal, insula, deep, cerebellum, …; "" where a label belongs to none.
    tissue : str
        "cortex", "white", "deep", "ventricle" or "csf".
    """

    name: str
    side: str
    lobe: str
    tissue: str


@dataclass(frozen=True, eq=False)
class Regions:
    """A label map, and what its labels mean.

    Parameters
    ----------
    labels : (X, Y, Z) int
        0 is no region.
    grid : Grid
        Of the labels, in the world of the lesions: an atlas lies there by any affine map.
    table : mapping of int to Region
        By label.
    """

    labels: npt.NDArray[np.integer]
    grid: Grid
    table: Mapping[int, Region]

    def at(self, points_mm: Points) -> list[Region]:
        """Regions of points, those of a region alone.

        Parameters
        ----------
        points_mm : (N, 3) float
            In the world of the lesions.
        """
        found, count = np.unique(_nearest(self.labels, self.grid, points_mm), return_counts=True)
        table = self.table
        return [table[int(n)] for n, k in zip(found, count, strict=True) if int(n) in table for _ in range(k)]

    @cached_property
    def ventricle(self) -> KDTree | None:
        """Border of the ventricles, mm."""
        return self._border("ventricle")

    @cached_property
    def cortex(self) -> KDTree | None:
        """Border of the cortex, mm."""
        return self._border("cortex")

    def _border(self, tissue: str) -> KDTree | None:
        wanted = [number for number, region in self.table.items() if region.tissue == tissue]
        inside = np.isin(self.labels, wanted)
        rim = inside & ~ndimage.binary_erosion(inside)
        return KDTree(apply_affine(self.grid.affine, np.argwhere(rim))) if rim.any() else None

    def distance_mm(
        self, points_mm: Points, tissue: Literal["ventricle", "cortex"], reach_mm: float
    ) -> float:
        """Distance from a lesion to a tissue, 0 where they touch or meet; NaN where there is none.

        Between the borders, as far as voxels show them.

        Parameters
        ----------
        points_mm : (N, 3) float
            Voxels of the lesion.
        tissue : "ventricle" or "cortex"
            Which.
        reach_mm : float
            Half a voxel of the lesion, which ends so far from the middle of its last voxel.
        """
        tree = self.ventricle if tissue == "ventricle" else self.cortex
        if tree is None:
            return float("nan")
        if any(region.tissue == tissue for region in self.at(points_mm)):
            return 0.0
        nearest = float(tree.query(points_mm)[0].min())
        return max(nearest - reach_mm - float(np.cbrt(np.prod(self.grid.spacing_mm))) / 2, 0.0)


@dataclass(frozen=True, eq=False)
class Normal:
    """How bright healthy people are at each place, and how far they differ.

    Parameters
    ----------
    mean, spread : (X, Y, Z) float32
        Of the population, where white matter is 1; a spread of 0 says nothing.
    grid : Grid
        Of both, in the world of the lesions.
    """

    mean: FloatArray
    spread: FloatArray
    grid: Grid

    def z(self, points_mm: Points, values: FloatArray) -> float:
        """Mean number of standard deviations that values lie above the population's mean; NaN outside of it.

        Parameters
        ----------
        points_mm : (N, 3) float
            Where they are.
        values : (N,) float
            White matter is 1.
        """
        mean, spread = (_nearest(x, self.grid, points_mm) for x in (self.mean, self.spread))
        known = spread > 0
        if not known.any():
            return float("nan")
        return float(((values[known] - mean[known]) / spread[known]).mean())


def midplane_of(across: Affine, rightwards: npt.ArrayLike = (1.0, 0.0, 0.0)) -> npt.NDArray[np.float64]:
    """(4,): how far to the right of a mirror plane a point (x, y, z, 1) lies, mm.

    Parameters
    ----------
    across : (4, 4) float64
        The reflection of the world, mm.
    rightwards : (3,) float
        Roughly to the patient's right.

    Examples
    --------
    >>> float(midplane_of(np.diag([-1.0, 1, 1, 1])) @ [7, 2, 3, 1])
    7.0
    """
    value, vectors = np.linalg.eig(across[:3, :3])
    normal = np.real(vectors[:, int(np.argmin(np.real(value)))])
    normal = normal * np.sign(normal @ np.asarray(rightwards)) / np.linalg.norm(normal)
    return np.append(normal, -float(normal @ across[:3, 3]) / 2)


def side_of(points_mm: Points, midplane: npt.NDArray[np.float64]) -> Side:
    """Side of a lesion; "both" where at least `BOTH` of it lies on the other side.

    Parameters
    ----------
    points_mm : (N, 3) float
        Its voxels.
    midplane : (4,) float64
        Of `midplane_of`.
    """
    right = float((points_mm @ midplane[:3] + midplane[3] > 0).mean())
    if BOTH <= right <= 1 - BOTH:
        return "both"
    return "right" if right > 0.5 else "left"


def most(words: Sequence[str]) -> str:
    """The word that occurs most often, "" aside; the first of the alphabet among equals.

    Parameters
    ----------
    words : sequence of str
        May be empty: then "".
    """
    count = Counter(word for word in words if word)
    return min(count, key=lambda word: (-count[word], word)) if count else ""


def every(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values (or points) of a lesion's voxels, `MOST_POINTS` at most.

    Those of a larger lesion are spread by the golden ratio: even steps would fall into the grid's own rows.

    Parameters
    ----------
    values : (N, …) array
        One for each voxel, in the order of `numpy.argwhere`.
    """
    if len(values) <= MOST_POINTS:
        return values
    index = (np.arange(MOST_POINTS) * GOLDEN % 1 * len(values)).astype(np.intp)
    return np.asarray(values[index])


def points_of(mask: Mask, grid: Grid) -> Points:
    """World positions (N, 3) in mm of a lesion's voxels, those of `every`.

    Parameters
    ----------
    mask : (X, Y, Z) bool
        The lesion.
    grid : Grid
        Of the mask.
    """
    return apply_affine(grid.affine, every(np.argwhere(mask)))


def _nearest(volume: npt.NDArray[Any], grid: Grid, points_mm: Points) -> npt.NDArray[Any]:
    """Values (N,) of the voxels that points lie in; 0 outside."""
    index = np.rint(apply_affine(np.linalg.inv(grid.affine), points_mm)).astype(np.intp)
    inside = ((index >= 0) & (index < grid.shape)).all(-1)
    out = np.zeros(len(index), volume.dtype)
    out[inside] = volume[tuple(index[inside].T)]
    return out
