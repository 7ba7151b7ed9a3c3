"""Points worth looking at: where the planes of a montage should cross."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..scan.scan import Scan
from ..space.components import largest_component
from ..space.grid import apply_affine
from ..types import Mask, Points


def largest_component_centre_mm(mask: Scan) -> Points | None:
    """World point, (3,) in mm, in the middle of the largest connected part of a mask; None if it is empty.

    The point is the centre of the voxel *inside* that part nearest to its centroid, so that planes
    through it cut the part even if it is bent around a hole. Voxels that touch at a corner are connected.

    Parameters
    ----------
    mask : Scan
        A voxel counts where the value is above 0.5.
    """
    marked, first = _cropped(mask)
    if not marked.any():
        return None
    points_mm = apply_affine(mask.affine, first + np.argwhere(largest_component(marked, connectivity=3)))
    distance2 = ((points_mm - points_mm.mean(0)) ** 2).sum(1)
    return np.asarray(points_mm[int(np.argmin(distance2))])


def brain_centre_mm(brain: Scan) -> Points:
    """World point, (3,) in mm: the centroid of the brain mask, or the middle of the box if it is empty.

    Parameters
    ----------
    brain : Scan
        Mask; a voxel counts where the value is above 0.5.
    """
    inside, first = _cropped(brain)
    if not inside.any():
        return brain.grid.centre_mm
    return apply_affine(brain.affine, first + np.array(ndimage.center_of_mass(inside)))


def _cropped(mask: Scan) -> tuple[Mask, npt.NDArray[np.int64]]:
    """The box of voxels in which a mask lies (all of it where it is empty), and its first voxel."""
    inside = mask.voxels > 0.5
    box, first = inside, np.zeros(3, np.int64)
    for axis in range(3):
        there = np.flatnonzero(box.any(axis=tuple({0, 1, 2} - {axis})))
        if there.size:
            first[axis] = there[0]
            box = box[(slice(None),) * axis + (slice(there[0], there[-1] + 1),)]
    return box, first
