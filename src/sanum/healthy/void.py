"""A part of a brain that somebody has blanked: it has the background's value exactly, and the other side not.

Cut out before the scan was shared, or for inpainting; or a cavity that was set to 0. A network takes such a
void for a lesion whose neighbours are sick too, so it is treated as a mask that the user has drawn.
"""

import numpy as np
from scipy import ndimage

from ..methods.common.anatomy import Maps
from ..scan import Scan
from ..scan.conform import Conformed
from ..scan.intensity import border_value
from ..space.mirror import find_mirror, mirror
from ..space.resample import resample
from ..types import Mask
from .grids import ScanMaps
from .mask import Lesion

NAME = "a void in the scan"
RADIUS_MM = 6.0  # of a ball that fits into it: sulci, and the room beside a skull, are thinner
LEAST_ML = 0.3  # of the centres of such balls
BESIDE_MM = 6.0  # of the brain that a network finds, which leaves a part of a void at the border out
NECK_MM = 2.5  # of a smaller ball: the room beside an asymmetrical brain is thinner, and no part of the void
MOST_BOTH = 1.5  # of a void that crosses the midline, in sizes of its one-sided part
DEEP_MM = 4.0  # in the brain: what is connected to a void there, and blank, belongs to it, however thin
MOST_THIN = 1.2  # in sizes of the rest: more are ventricles
REACH_MM = 8.0  # around those balls: the wedges between a void and the border of the brain


class Void(Lesion):
    """A lesion that nobody has drawn; what of it lies outside of the brain is none."""

    def marked(self, there: ScanMaps) -> ScanMaps:
        """As of a `Lesion`, in the brain.

        Parameters
        ----------
        there : ScanMaps
            On the grid of the mask.
        """
        inside = np.asarray(self.mask.voxels) & (np.asarray(there.brain.voxels) > 0)
        return Lesion(self.mask.with_voxels(inside), self.name).marked(there)

    def warn(self, scan: Scan) -> Scan:
        """The scan with a warning of what was done.

        Parameters
        ----------
        scan : Scan
            As it was read.
        """
        ml = float(np.asarray(self.mask.voxels).sum()) * self.mask.grid.voxel_volume_ml
        return scan.warn(
            f"{ml:.1f} mL in the brain or at its border have the background's value, on one side alone: "
            "taken for a void that somebody has cut, filled, and marked as anomaly"
        )


def void_in(scan: Scan, conformed: Conformed, maps: Maps) -> Void | None:
    """The void of a scan, if it has one.

    Parameters
    ----------
    scan : Scan
        As it was read.
    conformed : Conformed
        The scan on the model grid.
    maps : Maps
        Of the scan, after `postprocess`.
    """
    voxels = np.asarray(scan.voxels)
    value = border_value(voxels)
    if value is None:
        return None
    nothing = voxels == value
    grid, found = conformed.grid, maps.brain > 0.5
    blank = (resample(nothing, scan.grid, grid, fill=1.0) > 0.99) & conformed.covered
    spacing = float(grid.spacing_mm[0])
    near_brain = _near(found, spacing)
    if not _centres(blank & near_brain, spacing).any():
        return None
    across = find_mirror(conformed.image, grid)
    other = mirror(blank.astype(np.float32), grid, across) < 0.5  # the other side shows something
    # a network may leave most of a large void out of the brain: the other side says how far it should reach
    near_brain |= _near(mirror(found.astype(np.float32), grid, across) > 0.5, spacing)
    known = mirror(conformed.covered.astype(np.float32), grid, across) > 0.99
    one_sided = blank & other & known
    centres = _centres(one_sided & near_brain, spacing)
    if centres.sum() * grid.voxel_volume_ml < LEAST_ML:
        return None
    near = ndimage.distance_transform_edt(~centres, sampling=spacing) <= RADIUS_MM + REACH_MM
    alone, both = _connected(one_sided & near_brain, centres, spacing), blank & found
    across_midline = _connected(both, centres & both, spacing)
    if across_midline.sum() > MOST_BOTH * alone.sum():  # ventricles that are blank too
        across_midline &= near
    # twice: the rim of what is blank is none on coarse voxels
    region = ndimage.binary_dilation(alone | across_midline | (both & near), iterations=2)
    inside = nothing & (resample(region, grid, scan.grid) > 0.5)
    deep = ndimage.distance_transform_edt(found, sampling=spacing) > DEEP_MM
    thin = ndimage.binary_propagation(
        inside, mask=inside | (nothing & (resample(deep, grid, scan.grid) > 0.5))
    )
    inside = thin if thin.sum() <= MOST_THIN * inside.sum() else inside
    return Void(Scan(inside, scan.affine), NAME) if inside.any() else None


def _near(brain: Mask, spacing_mm: float) -> Mask:
    """A brain and what lies beside it."""
    return np.asarray(ndimage.distance_transform_edt(~brain, sampling=spacing_mm) <= BESIDE_MM)


def _centres(mask: Mask, spacing_mm: float, radius_mm: float = RADIUS_MM) -> Mask:
    """Middles of all balls of a radius that fit into a mask."""
    return np.asarray(ndimage.distance_transform_edt(mask, sampling=spacing_mm) > radius_mm)


def _connected(mask: Mask, centres: Mask, spacing_mm: float) -> Mask:
    """What a ball of `NECK_MM` that starts at the centres can reach of a mask, and what is close to that."""
    reached = ndimage.binary_propagation(centres, mask=_centres(mask, spacing_mm, NECK_MM) | centres)
    close = ndimage.distance_transform_edt(~reached, sampling=spacing_mm) <= NECK_MM + spacing_mm
    return np.asarray(mask & close)
