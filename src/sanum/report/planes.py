"""Geometry of a montage: which slice, which way up, how many millimetres."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from nibabel import affines, orientations

from ..scan.scan import Scan
from ..space.grid import apply_affine

Convention = Literal["radiological", "neurological"]

MARGIN_MM = 14.0  # around the brain: scalp and skull are about 10 mm


@dataclass(frozen=True)
class Plane:
    """One anatomical plane of a RAS-ordered volume.

    Parameters
    ----------
    name : str
        For its title.
    across, up, normal : int
        Axes of the volume: from left to right of the picture, from bottom to top, and the one that is cut.
    """

    name: str
    across: int
    up: int
    normal: int


PLANES = (Plane("Axial", 0, 1, 2), Plane("Coronal", 0, 2, 1), Plane("Sagittal", 1, 2, 0))


@dataclass(frozen=True, eq=False)
class View:
    """What one montage shows. Axes in RAS order; positions in mm from the first voxel's centre.

    Parameters
    ----------
    shape : (3,) int
        Voxels of the volume.
    spacing_mm : (3,) float64
        Of its voxels.
    index : (3,) int64
        Voxel in which the planes cross.
    low_mm, high_mm : (3,) float64
        Outer edges of the box shown.
    convention : {"radiological", "neurological"}
        Radiological: the patient's right on the left of the picture, and the face looks left.
    """

    shape: tuple[int, ...]
    spacing_mm: npt.NDArray[np.float64]
    index: npt.NDArray[np.int64]
    low_mm: npt.NDArray[np.float64]
    high_mm: npt.NDArray[np.float64]
    convention: Convention

    @property
    def size_mm(self) -> npt.NDArray[np.float64]:
        """Edge lengths of the box shown."""
        return self.high_mm - self.low_mm

    def cut(self, volume: npt.NDArray[Any], plane: Plane) -> npt.NDArray[Any]:
        """Slice of a volume as an image: rows go up, columns across.

        Parameters
        ----------
        volume : (X, Y, Z) array
            RAS-ordered.
        plane : Plane
            Which slice.
        """
        at: list[Any] = [slice(None)] * 3
        at[plane.normal] = self.index[plane.normal]
        return np.asarray(volume[tuple(at)]).T

    def extent(self, plane: Plane) -> tuple[float, float, float, float]:
        """Outer edges of a slice (left, right, bottom, top) in mm, as `imshow` wants them.

        Parameters
        ----------
        plane : Plane
            Which slice.
        """
        a, u = self.spacing_mm[plane.across], self.spacing_mm[plane.up]
        return -a / 2, (self.shape[plane.across] - 0.5) * a, -u / 2, (self.shape[plane.up] - 0.5) * u

    def sides(self, plane: Plane) -> tuple[str, str]:
        """Letters for the left and the right edge of a picture of a plane.

        Parameters
        ----------
        plane : Plane
            Which one.
        """
        low, high = ("L", "R") if plane.across == 0 else ("P", "A")
        return (low, high) if self.convention == "neurological" else (high, low)


def ras_voxels(scan: Scan) -> npt.NDArray[Any]:
    """Voxels, as a view, turned to the axes nearest to right, anterior, superior.

    Parameters
    ----------
    scan : Scan
        Of any axes.
    """
    turn = orientations.io_orientation(scan.affine)
    voxels: npt.NDArray[Any] = orientations.apply_orientation(scan.voxels, turn)
    return voxels


def view_through(point_mm: npt.ArrayLike, brain: Scan, also: Scan, convention: Convention) -> View:
    """View through a world point that holds the point, the brain mask and the mask `also`, with a margin.

    If both masks are empty it holds the whole volume.

    Parameters
    ----------
    point_mm : (3,) float
        World point (RAS+, mm).
    brain, also : Scan
        Masks on one grid.
    convention : {"radiological", "neurological"}
        Which side of the picture is the patient's right.
    """
    if convention not in ("radiological", "neurological"):
        raise ValueError(f"convention must be 'radiological' or 'neurological', got {convention!r}")
    to_ras = orientations.io_orientation(brain.affine)
    affine = brain.affine @ orientations.inv_ornt_aff(to_ras, brain.voxels.shape)
    point = np.asarray(point_mm, dtype=np.float64)
    marked = (ras_voxels(brain) > 0.5) | (ras_voxels(also) > 0.5)
    shape = np.array(marked.shape)
    point_vox = apply_affine(np.linalg.inv(affine), point)
    if np.any(point_vox < -0.5 - 1e-6) or np.any(point_vox > shape - 0.5 + 1e-6):
        raise ValueError(f"the point {point.round(1).tolist()} mm lies outside the scan")
    index = np.clip(np.round(point_vox), 0, shape - 1).astype(np.int64)
    spacing = affines.voxel_sizes(affine)
    low, high = np.zeros(3), shape - 1.0
    if marked.any():
        for axis in range(3):
            hit = np.flatnonzero(marked.any(axis=tuple(a for a in range(3) if a != axis)))
            margin = MARGIN_MM / spacing[axis]
            low[axis] = max(low[axis], min(hit[0], index[axis]) - margin)
            high[axis] = min(high[axis], max(hit[-1], index[axis]) + margin)
    return View(marked.shape, spacing, index, (low - 0.5) * spacing, (high + 0.5) * spacing, convention)


def tilt_deg(scan: Scan) -> float:
    """Largest angle, in degrees, between a world axis and the voxel axis nearest to it.

    Parameters
    ----------
    scan : Scan
        Of any axes.
    """
    angles = affines.obliquity(scan.affine)
    return float(np.degrees(np.max(angles)))


def describe_point(point_mm: npt.ArrayLike) -> str:
    """A world point in words that need no convention.

    Parameters
    ----------
    point_mm : (3,) float
        RAS+, mm.

    Examples
    --------
    >>> describe_point([-31.2, 4.0, 12.6])
    '31 mm left, 4 mm anterior, 13 mm superior'
    """
    names = (("right", "left"), ("anterior", "posterior"), ("superior", "inferior"))
    point = np.round(np.asarray(point_mm, dtype=np.float64))
    return ", ".join(
        f"{abs(v):.0f} mm {positive if v >= 0 else negative}"
        for v, (positive, negative) in zip(point, names, strict=True)
    )
