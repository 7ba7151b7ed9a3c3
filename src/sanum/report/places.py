"""Points worth looking at: where the planes of a montage should cross."""

import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from scipy import ndimage

from ..scan.scan import Scan

Point = npt.NDArray[np.float64]


def largest_component_centre_mm(mask: Scan) -> Point | None:
    """World point, (3,) in mm, in the middle of the largest connected part of a mask; None if it is empty.

    The point is the centre of the voxel *inside* that part which lies nearest to its centroid, so that planes
    through it cut the part even if it is bent around a hole. Voxels that touch at a corner are connected.
    """
    labels, count = ndimage.label(mask.voxels > 0.5, structure=np.ones((3, 3, 3)))
    if count == 0:
        return None
    sizes = np.bincount(labels.ravel())
    largest = 1 + int(np.argmax(sizes[1:]))
    points_mm = apply_affine(mask.affine, np.argwhere(labels == largest))
    distance2 = ((points_mm - points_mm.mean(0)) ** 2).sum(1)
    return points_mm[int(np.argmin(distance2))]


def brain_centre_mm(brain: Scan) -> Point:
    """World point, (3,) in mm: the centroid of the brain mask, or the middle of the box if it is empty."""
    inside = np.argwhere(brain.voxels > 0.5)
    return apply_affine(brain.affine, inside.mean(0)) if len(inside) else brain.grid.centre_mm
