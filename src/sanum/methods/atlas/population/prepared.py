"""A scan as atlases see it: without shading and what has no label, on a scale of its own."""

from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from ....scan import Scan, ScanError, read
from ....scan.errors import SeveralVolumesError
from ....scan.maps import read_map
from ....space.grid import Grid, covering
from ....space.register import one_itk_thread
from ....space.resample import resample
from ....synth.bias import bias_field, correct_bias
from ....types import AnyArray, FloatArray, Mask, Slices
from .config import AtlasConfig

BRIGHT = 95.0
"""Percentile of what is looked at that gets the value 1."""

MOST = 1.5
"""Brighter voxels are cut: vessels, fat."""

SHADING_MM = 2.0
"""Voxels on which shading is estimated (at half their resolution again)."""

CUT = 0.25
"""Share of a slice that shows something where a body is cut: empty slices beyond it were never taken."""

FINER = 0.67
"""Scans with voxels below this part of the atlas's are brought to its spacing first."""


def read_scan(path: Path) -> Scan:
    """A scan of one volume.

    Parameters
    ----------
    path : Path
        Of the file.

    Raises
    ------
    ScanError
        It cannot be used, or has several volumes.
    """
    try:
        return read(path)
    except SeveralVolumesError:
        raise ScanError(
            f"{path.name} has several volumes where one 3D scan was expected: write the one that is meant to "
            "a file of its own"
        ) from None


def read_labels(path: Path, grid: Grid, scan: str) -> Scan:
    """A label map with whole numbers, which covers the scan.

    Parameters
    ----------
    path : Path
        Of the labels.
    grid : Grid
        Of the scan.
    scan : str
        Its name, for messages.

    Raises
    ------
    ScanError
        It lies elsewhere, or holds no label.
    """
    found = read_map(path)
    values = np.asarray(found.voxels, np.float64)
    voxels = np.rint(values).astype(np.int32)
    if voxels.ndim != 3 or not (voxels > 0).any() or np.abs(values - voxels).max() > 1e-3:
        raise ScanError(f"{path.name} holds no labels: expected a 3-D map of whole numbers above 0")
    here = np.linalg.inv(grid.affine) @ found.affine
    places = np.argwhere(voxels > 0)[:: max(1, int((voxels > 0).sum()) // 5000)]
    inside = places @ here[:3, :3].T + here[:3, 3]
    seen = ((inside > -1) & (inside < np.array(grid.shape))).all(1).mean()
    if seen < 0.5:
        raise ScanError(
            f"{path.name} lies on another grid than {scan}: {seen:.0%} of its labels are in the scan; "
            "register one to the other"
        )
    return Scan(voxels, found.affine)


def field_of_view(voxels: AnyArray) -> Slices:
    """Box without the slices of one value that pad the ends of a volume which cuts a body.

    Around what tapers off, such as a brain without its head, they are air, and stay.

    Parameters
    ----------
    voxels : (X, Y, Z) array
        As read.

    Examples
    --------
    >>> body = np.pad(np.arange(1, 28).reshape(3, 3, 3), ((0, 0), (0, 0), (1, 2)))
    >>> field_of_view(body)[2]
    slice(1, 4, None)
    """
    box = []
    for axis in range(3):
        lines = np.moveaxis(voxels, axis, 0).reshape(voxels.shape[axis], -1)
        shows = np.flatnonzero(lines.max(1) > lines.min(1))
        low, high = 0, len(lines)
        if len(shows) and shows[0] > 0 and (lines[shows[0]] != lines[0, 0]).mean() > CUT:
            low = int(shows[0])
        if len(shows) and shows[-1] < high - 1 and (lines[shows[-1]] != lines[-1, 0]).mean() > CUT:
            high = int(shows[-1]) + 1
        box.append(slice(low, high))
    return box[0], box[1], box[2]


def without_padding(scan: Scan) -> Scan:
    """Its field of view.

    Parameters
    ----------
    scan : Scan
        As read.
    """
    box = field_of_view(scan.voxels)
    return Scan(scan.voxels[box], scan.grid.part(box).affine, contrast=scan.contrast)


def prepare(scan: Scan, config: AtlasConfig, region: Mask | None = None) -> Scan:
    """Shading taken out, `BRIGHT` at 1, and 0 where nothing is looked at.

    Parameters
    ----------
    scan : Scan
        As read.
    config : AtlasConfig
        What is done.
    region : (X, Y, Z) bool, optional
        What is looked at; else what is brighter than the background (Otsu).

    Raises
    ------
    ScanError
        One value everywhere; an empty region.
    """
    voxels = np.asarray(scan.voxels, np.float32)
    if not float(voxels.max()) > float(voxels.min()):
        raise ScanError("one value everywhere: there is nothing to align")
    there = region if region is not None else voxels > threshold_otsu(voxels)
    if not there.any():
        raise ScanError("what is looked at lies beyond the scan: are the mask and the scan of one head?")
    if config.shading and scan.contrast != "CT":
        voxels = without_shading(voxels - voxels.min(), scan.grid, there)
    if config.masked and region is not None:
        voxels = np.where(region, voxels, 0)
    voxels = np.clip(voxels / max(float(np.percentile(voxels[there], BRIGHT)), 1e-6), 0, MOST)
    if float(scan.grid.spacing_mm.min()) < FINER * config.spacing_mm:
        coarse = covering(scan.grid, config.spacing_mm)
        return Scan(resample(voxels, scan.grid, coarse), coarse.affine, contrast=scan.contrast)
    return Scan(voxels.astype(np.float32), scan.affine, contrast=scan.contrast)


@one_itk_thread()
def without_shading(voxels: FloatArray, grid: Grid, there: Mask) -> FloatArray:
    """Divided by N4's field, which is smooth, so that it is estimated on voxels of `SHADING_MM`.

    On one thread: N4's bits depend on how many there are.

    Parameters
    ----------
    voxels : (X, Y, Z) float32
        Not below 0.
    grid : Grid
        Of them.
    there : (X, Y, Z) bool
        What is looked at.
    """
    if float(grid.spacing_mm.max()) >= SHADING_MM:
        return correct_bias(voxels, grid, there)
    coarse = covering(grid, SHADING_MM)
    region = resample(there.astype(np.float32), grid, coarse) > 0.5
    field = bias_field(resample(voxels, grid, coarse), coarse, region)
    found: FloatArray = voxels / resample(field, coarse, grid, fill=1.0)
    return found


def prepared(path: Path, labels: Path | None, config: AtlasConfig) -> Scan:
    """`prepare` of files.

    Parameters
    ----------
    path : Path
        Of the scan.
    labels : Path or None
        Its labels.
    config : AtlasConfig
        What is done.

    Raises
    ------
    ScanError
        A file cannot be used.
    """
    scan = without_padding(read_scan(path))
    if labels is None:
        return prepare(scan, config)
    return prepare(scan, config, labelled(read_labels(labels, scan.grid, path.name), scan.grid))


def labelled(labels: Scan, grid: Grid) -> Mask:
    """Where a grid has labels, holes filled.

    Parameters
    ----------
    labels : Scan
        Label map.
    grid : Grid
        Where it is wanted.
    """
    there: FloatArray = resample((labels.voxels > 0).astype(np.float32), labels.grid, grid)
    filled: Mask = ndimage.binary_fill_holes(there > 0.5)
    return filled
