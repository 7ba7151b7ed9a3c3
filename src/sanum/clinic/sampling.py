"""Results at the planes of the source: each pixel of each plane gets what the result has at its place."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..scan import Scan
from ..scan.dicom_planes import SourcePlanes
from ..space.grid import Grid
from ..types import AnyArray, FloatArray

_WHOLE = 1e-3  # voxels: a place so near to a slice is in it


def on_planes(image: Scan, source: SourcePlanes, *, nearest: bool = False) -> AnyArray:
    """A result at each plane.

    Pixels that `sanum.read` took over as they are get their own voxel back. Planes between two slices of an
    evened scan, and those of a result on another grid, are interpolated linearly.

    Parameters
    ----------
    image : Scan
        Of the result, on the grid of the scan or any other.
    source : SourcePlanes
        The planes.
    nearest : bool
        Take the nearest voxel, as masks need it.

    Returns
    -------
    (S, rows, columns) array
        In the order of the planes; 0 outside of the image.
    """
    voxels = np.asarray(image.voxels)
    if image.grid.same_as(Grid(source.shape, source.affine)):
        return np.stack([_between(voxels, place, nearest=nearest) for place in source.places])
    way = np.linalg.inv(image.affine) @ source.affine
    columns, rows = source.planes[0].size
    out = np.empty((len(source.places), rows, columns), voxels.dtype if nearest else np.float32)
    j, i = np.mgrid[:rows, :columns]
    for k, place in enumerate(source.places):
        at = [way[a, 0] * i + way[a, 1] * j + way[a, 2] * place + way[a, 3] for a in range(3)]
        out[k] = ndimage.map_coordinates(voxels, at, order=0 if nearest else 1, mode="grid-constant", cval=0)
    return out


def nearest_slices(places: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.intp]:
    """Number of the slice nearest to each place along the third axis; halfway the lower one.

    Parameters
    ----------
    places : (S,) float64
        As of `SourcePlanes`, in voxels.
    count : int
        Of slices.

    Examples
    --------
    >>> nearest_slices(np.array([-0.2, 0.5, 1.5, 1.6, 9]), 3)
    array([0, 0, 1, 2, 2])
    """
    return np.asarray(np.clip(np.ceil(places - 0.5), 0, count - 1), np.intp)


def _between(voxels: AnyArray, place: float, *, nearest: bool) -> npt.NDArray[np.generic]:
    """Rows × columns at a place along the third axis."""
    below = int(np.clip(np.floor(place), 0, voxels.shape[2] - 1))
    share = place - below
    if nearest or min(share, 1 - share) < _WHOLE:
        return np.asarray(voxels[..., int(nearest_slices(np.array([place]), voxels.shape[2])[0])].T)
    first, second = (np.asarray(voxels[..., k].T, np.float32) for k in (below, below + 1))
    mixed: FloatArray = (first * (1 - share) + second * share).astype(np.float32)
    return mixed
