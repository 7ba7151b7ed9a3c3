"""From a scan as it comes to what a network sees: canonical axes, model grid, robust intensity scale."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..space.box import Box
from ..space.grid import Grid
from ..space.resample import resample
from ..types import FloatArray, Mask
from .contrast import CT_WINDOW_HU
from .scan import Scan


@dataclass(frozen=True, eq=False)
class Conformed:
    """A scan on the model grid.

    Parameters
    ----------
    image : (X, Y, Z) float32
        Scaled intensities in [0, 1.5]; 0 where the scan has no voxels.
    covered : (X, Y, Z) bool
        Where the scan has voxels.
    grid : Grid
    window : (float, float)
        Values of the scan that became 0 and 1.
    """

    image: FloatArray
    covered: Mask
    grid: Grid
    window: tuple[float, float] = (0.0, 1.0)


def conform(scan: Scan, centre_mm: npt.ArrayLike, box: Box) -> Conformed:
    """Scan on an isotropic RAS box around a point, intensities by `scale_intensity`.

    The box moves by up to half a voxel to where its voxels are the scan's own, if they may be.

    Parameters
    ----------
    scan : Scan
        A whole head or part of one.
    centre_mm : (3,) float
        World position of the middle of the box in mm.
    box : Box
        Input region of the network.
    """
    return _on(scan, on_lattice(box.grid(centre_mm), scan.grid), None)


def conform_finer(scan: Scan, coarse: Conformed, box: Box) -> Conformed:
    """The same scan in the same place on finer voxels, its intensities on the same scale.

    Parameters
    ----------
    scan : Scan
        That `coarse` was made of.
    coarse : Conformed
        Of `conform`.
    box : Box
        As large as that of `coarse`; its voxels move by up to half a voxel, as in `conform`.
    """
    affine = coarse.grid.affine.copy()
    affine[:3, :3] *= box.spacing_mm / coarse.grid.spacing_mm
    middle = np.append((np.array(box.shape) - 1) / 2, 1)
    affine[:3, 3] += np.asarray(coarse.grid.centre_mm) - (affine @ middle)[:3]
    return _on(scan, on_lattice(Grid(box.shape, affine), scan.grid), coarse.window)


def _on(scan: Scan, grid: Grid, window: tuple[float, float] | None) -> Conformed:
    voxels, ct = scan.voxels, scan.contrast == "CT"
    if ct:
        voxels = np.clip(voxels, CT_WINDOW_HU[0], CT_WINDOW_HU[1])  # before blurring: bone must not bleed
    image = resample(voxels, scan.grid, grid, fill=float(voxels.min()))
    everywhere = np.broadcast_to(np.float32(1), voxels.shape)
    covered = resample(everywhere, scan.grid, grid, antialias=False) > 0.5
    low, high = window or intensity_window(image, ct=ct)
    return Conformed(_scaled(image, low, high) * covered, covered, grid, (low, high))


def on_lattice(box: Grid, scan: Grid) -> Grid:
    """`box` moved so that its first voxel is one of `scan`: fewer values are interpolated, and blurred.

    By up to half a voxel of the scan, along those of its axes that are an axis of the box and no coarser.

    Parameters
    ----------
    box : Grid
        Where the box should be.
    scan : Grid
        Of the scan.
    """
    to_index = np.linalg.inv(scan.affine) @ box.affine
    step = to_index[:3, :3]
    alone = (np.abs(step) > 1e-3 * np.abs(step).max()).sum(axis=1) == 1
    usable = alone & (np.abs(step).max(axis=1) > 0.99)
    off = np.where(usable, np.rint(to_index[:3, 3]) - to_index[:3, 3], 0)
    affine = box.affine.copy()
    affine[:3, 3] += scan.affine[:3, :3] @ off
    return Grid(box.shape, affine)


def scale_intensity(image: FloatArray, *, ct: bool = False) -> FloatArray:
    """Intensities on a scale that any scanner shares: those of `intensity_window` become 0 and 1.

    Clipped to [0, 1.5].

    Parameters
    ----------
    image : (X, Y, Z) float32
        Hounsfield units, or any scanner's.
    ct : bool
        Whether they are Hounsfield units.
    """
    return _scaled(image, *intensity_window(image, ct=ct))


def intensity_window(image: FloatArray, *, ct: bool = False) -> tuple[float, float]:
    """Intensities that any scanner's images have in common.

    CT: 0 and 80 HU. Else the background (the lowest decile if that is above 0, never a negative value) and
    the 99th percentile of the foreground (above a tenth of the 99.9th).

    Parameters
    ----------
    image : (X, Y, Z) float32
        Hounsfield units, or any scanner's.
    ct : bool
        Whether they are Hounsfield units.
    """
    if ct:
        return CT_WINDOW_HU
    sample = image[::2, ::2, ::2]
    low = max(float(np.percentile(sample, 1)), 0.0)
    top = float(np.percentile(sample, 99.9))
    foreground = sample[sample > low + 0.1 * (top - low)]
    return low, float(np.percentile(foreground, 99)) if foreground.size else top


def _scaled(image: FloatArray, low: float, high: float) -> FloatArray:
    scaled = (image - low) / max(high - low, float(np.finfo(np.float32).tiny))
    out: FloatArray = np.clip(scaled, 0, 1.5).astype(np.float32)
    return out
