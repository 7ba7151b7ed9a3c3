"""Scans as translators see them: values in [−1, 1], slices of a plane or a volume, and the way back."""

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

from ...scan import Scan, ScanError
from ...space.grid import Grid, at_spacing
from ...space.resample import resample
from ...types import FloatArray

Plane = Literal["axial", "coronal", "sagittal"]
NORMAL_AXIS: dict[Plane, int] = {"sagittal": 0, "coronal": 1, "axial": 2}
CT_RANGE_HU = (-1000.0, 1000.0)
HIGH_PERCENT = 99.5
EMPTY = -0.95
"""Below it, a voxel in [−1, 1] is background."""
SHEARED_DEG = 5.0
"""By which axes that are seen together may miss a right angle, without a warning."""
ACROSS = 2.0
"""Times by which a pixel may be longer than wide, without a warning."""


@dataclass(frozen=True)
class Frame:
    """How scans are cut for a network; plain values.

    Parameters
    ----------
    dims : 2 or 3
        Slices, or volumes.
    plane : "axial", "coronal" or "sagittal"
        Of the slices.
    spacing_mm : float
        Of the voxels that the network sees: of a slice in its plane, of a volume along all axes. 0: as the
        scan has them.
    """

    dims: int = 2
    plane: Plane = "axial"
    spacing_mm: float = 0.0

    @property
    def mirror_axis(self) -> int | None:
        """Axis of an image (…, spatial) that goes from left to right, from the end; None: there is none."""
        if self.dims == 3:
            return -3
        return None if self.plane == "sagittal" else -2

    def grid(self, scan: Grid) -> Grid:
        """Grid on which a scan is seen: its axes nearest to right, anterior, superior.

        Parameters
        ----------
        scan : Grid
            Of the scan.
        """
        turn = io_orientation(scan.affine)
        shape = [0, 0, 0]
        for n, axis in zip(scan.shape, turn[:, 0].astype(int), strict=True):
            shape[axis] = n
        turned = Grid((shape[0], shape[1], shape[2]), scan.affine @ inv_ornt_aff(turn, scan.shape))
        if not self.spacing_mm:
            return turned
        spacing = np.full(3, self.spacing_mm)
        if self.dims == 3:
            return at_spacing(turned, spacing)
        normal = NORMAL_AXIS[self.plane]
        spacing[normal] = turned.spacing_mm[normal]
        seen = at_spacing(turned, spacing)
        sizes = (turned.shape[a] if a == normal else seen.shape[a] for a in range(3))  # as many slices
        return Grid((next(sizes), next(sizes), next(sizes)), seen.affine)

    def images(self, scan: Scan, values: FloatArray) -> torch.Tensor:
        """Slices (N, H, W), or the volume (1, X, Y, Z).

        Parameters
        ----------
        scan : Scan
            Whose grid the values are on.
        values : (X, Y, Z) float32
            On it.
        """
        grid = self.grid(scan.grid)
        if self.spacing_mm:
            volume = _resampled(values, scan.grid, grid)
        else:
            volume = apply_orientation(values, io_orientation(scan.affine))
        if self.dims == 3:
            return torch.from_numpy(np.ascontiguousarray(volume, np.float32))[None]
        slices = np.moveaxis(volume, NORMAL_AXIS[self.plane], 0)
        return torch.from_numpy(np.ascontiguousarray(slices, np.float32))

    def back(self, images: torch.Tensor, scan: Grid) -> FloatArray:
        """Values (X, Y, Z) on the scan's grid, of images as `images` gives them.

        Parameters
        ----------
        images : (N, H, W) or (1, X, Y, Z) tensor
            Slices, or a volume.
        scan : Grid
            Of the scan.
        """
        array = images.numpy()
        volume = array[0] if self.dims == 3 else np.moveaxis(array, 0, NORMAL_AXIS[self.plane])
        if self.spacing_mm:
            return _resampled(volume, self.grid(scan), scan)
        turned = scan.affine @ inv_ornt_aff(io_orientation(scan.affine), scan.shape)
        back = io_orientation(np.linalg.inv(scan.affine) @ turned)
        found: FloatArray = np.ascontiguousarray(apply_orientation(volume, back), np.float32)
        return found


def told_of(frame: Frame, scan: Grid) -> list[str]:
    """What a user should know where a network sees a scan askew; what is seen comes back to its place anyhow.

    A shear between slices, as of a tilted gantry, is not seen in the slices themselves.

    Parameters
    ----------
    frame : Frame
        How the scan is cut.
    scan : Grid
        Of the scan.
    """
    grid, told = Frame(frame.dims, frame.plane).grid(scan), []
    normal = NORMAL_AXIS[frame.plane]
    axes = [a for a in range(3) if frame.dims == 3 or a != normal]
    ways = grid.affine[:3, :3] / grid.spacing_mm
    meets = min(
        math.degrees(math.acos(min(abs(float(ways[:, a] @ ways[:, b])), 1.0)))
        for a, b in combinations(axes, 2)
    )
    if 90 - meets > SHEARED_DEG:
        told.append(
            f"its axes meet at {meets:.0f}° in what the network sees, as where a gantry was tilted: shapes "
            "are sheared there"
        )
    spacing = grid.spacing_mm[axes]
    if frame.dims == 2 and spacing.max() > ACROSS * spacing.min():
        thick = axes[int(spacing.argmax())]
        better = next(plane for plane, axis in NORMAL_AXIS.items() if axis == thick)
        told.append(
            f"{frame.plane} planes lie across its slices, which are {spacing.max():.3g} mm apart: a model of "
            f"{better} planes sees more"
        )
    return told


def _resampled(values: FloatArray, source: Grid, target: Grid) -> FloatArray:
    """Linearly, of another grid about the same box; beyond the outermost centres values stay as there."""
    shift = np.eye(4)
    shift[:3, 3] = -1
    x, y, z = source.shape
    wide = Grid((x + 2, y + 2, z + 2), source.affine @ shift)
    return resample(np.pad(values, 1, mode="edge"), wide, target, order=1)


@dataclass(frozen=True)
class ValueRange:
    """What −1 and 1 stand for.

    Parameters
    ----------
    low, high : float
        In the scan's unit.
    """

    low: float
    high: float

    def unit(self, values: npt.ArrayLike) -> FloatArray:
        """Values in [−1, 1]; what is beyond is cut.

        Parameters
        ----------
        values : float array
            In the scan's unit.
        """
        x = np.asarray(values, np.float32)
        out: FloatArray = np.clip(2 * (x - self.low) / (self.high - self.low) - 1, -1, 1).astype(np.float32)
        return out

    def values(self, unit: FloatArray) -> FloatArray:
        """The way back.

        Parameters
        ----------
        unit : float array
            In [−1, 1].
        """
        out: FloatArray = (self.low + (unit + 1) * ((self.high - self.low) / 2)).astype(np.float32)
        return out


def range_of(scan: Scan, contrast: str, ct_range: tuple[float, float] = CT_RANGE_HU) -> ValueRange:
    """Range of a scan: of a CT a fixed one, so that Hounsfield units stay; else of its own values.

    Of others −1 is the half-percent point, and 1 the 99.5 % point of what is brighter than the mean.

    Parameters
    ----------
    scan : Scan
        Finite values.
    contrast : str
        "CT" or another.
    ct_range : (float, float)
        HU.

    Raises
    ------
    ScanError
        The scan is constant, or not finite.
    """
    values = np.asarray(scan.voxels, np.float32)
    if not np.isfinite(values).all():
        name = scan.path.name if scan.path else "the scan"
        raise ScanError(f"{name} has values that are not finite: replace them first")
    if contrast == "CT":
        return ValueRange(*ct_range)
    low = float(np.percentile(values, 100 - HIGH_PERCENT))
    bright = values[values > values.mean()]
    high = float(np.percentile(bright, HIGH_PERCENT)) if bright.size else low
    if not high > low:
        name = scan.path.name if scan.path else "the scan"
        raise ScanError(f"{name} is constant: expected an image")
    return ValueRange(low, high)


def ramps(
    shape: tuple[int, ...], start: tuple[int, ...] = (0, 0, 0), size: tuple[int, ...] | None = None
) -> torch.Tensor:
    """Coordinates (3, *size) of a patch in a volume: from −1 at its first voxel to 1 at its last.

    Parameters
    ----------
    shape : (3,) int
        Of the volume.
    start : (3,) int
        First voxel of the patch.
    size : (3,) int, optional
        Of the patch; default the volume.
    """
    size = size or shape
    axes = [
        2 * torch.arange(s, s + k, dtype=torch.float32) / max(n - 1, 1) - 1
        for n, s, k in zip(shape, start, size, strict=True)
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))


def padded(images: torch.Tensor, patch: tuple[int, ...]) -> torch.Tensor:
    """Images of at least the patch's size, with background (−1) at their ends.

    Parameters
    ----------
    images : (…, *spatial) tensor
        In [−1, 1].
    patch : tuple of int
        Least size of the spatial axes.
    """
    pads: list[int] = []
    for n, least in zip(reversed(images.shape[-len(patch) :]), reversed(patch), strict=True):
        pads += [0, max(0, least - n)]
    return torch.nn.functional.pad(images, pads, value=-1.0)
