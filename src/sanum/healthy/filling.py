"""What the network sees in a lesion mask: something healthy, which does not come from the mask's own voxels.

That is the mirror image, joined to the tissue around without a step; where the mirror image is hidden too, a
smooth interpolation. A second pass, with what the first one predicted in the mask, was tried: on simulated
voids (4 subjects) it brings 0.2 dB for twice the time.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.sparse.linalg import LinearOperator, cg

from ..scan import Scan
from ..scan.conform import Conformed
from ..space.mirror import mirror
from ..space.resample import resample
from ..types import Affine, FloatArray, Mask

BRIGHTEST = 1.5  # of a conformed scan
_TOUCHED = 0.02  # share of a model's voxel that lies in the mask and may still be looked at
_TOLERANCE, _MOST_STEPS = 1e-4, 2000  # of the interpolation


def interpolated(image: FloatArray, hole: Mask, spacing_mm: npt.NDArray[np.float64]) -> FloatArray:
    """Image whose values in a hole are the smoothest that fit those around: they solve Laplace's equation.

    Parameters
    ----------
    image : (X, Y, Z) float32
        Values in the hole do not matter.
    hole : (X, Y, Z) bool
        What is filled; nothing flows through the edge of the volume.
    spacing_mm : (3,) float64
        Of the voxels.
    """
    out = image.copy()
    if not hole.any() or hole.all():
        return out
    (found,) = ndimage.find_objects(hole.astype(np.uint8))
    box = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in found)
    inner, values = hole[box], np.where(hole[box], 0, image[box]).astype(np.float64)

    def laplacian(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Negative, in the hole's voxels."""
        total = np.zeros(x.shape)
        for axis, step in enumerate(spacing_mm):
            first, last = x.take([0], axis), x.take([-1], axis)
            total -= np.diff(x, 2, axis, prepend=first, append=last) / step**2
        return np.asarray(total[inner])

    def of_hole(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        whole = np.zeros(inner.shape)
        whole[inner] = x
        return laplacian(whole)

    count, around = int(inner.sum()), values[ndimage.binary_dilation(inner) & ~inner]
    start = np.full(count, around.mean() if around.size else 0.0)
    operator = LinearOperator((count, count), matvec=of_hole, dtype=np.float64)
    solved, _ = cg(operator, -laplacian(values), x0=start, rtol=_TOLERANCE, maxiter=_MOST_STEPS)
    out[box][inner] = solved
    return out


def mirrored(conformed: Conformed, across: Affine, mask: Scan) -> Conformed:
    """The scan with its mirror image in the mask, where that shows anything but the mask.

    Parameters
    ----------
    conformed : Conformed
        On the model grid, of a scan whose lesion is hidden.
    across : (4, 4) float64
        The reflection in world mm.
    mask : Scan
        Of a `Lesion`.
    """
    hole, grid = on_model(mask, conformed), conformed.grid
    known = mirror((conformed.covered & ~hole).astype(np.float32), grid, across) > 0.99
    image = joined(conformed.image, mirror(conformed.image, grid, across), hole & known, grid.spacing_mm)
    return replace(conformed, image=image)


def joined(
    image: FloatArray, other: FloatArray, hole: Mask, spacing_mm: npt.NDArray[np.float64]
) -> FloatArray:
    """Image with another in a hole, plus what is between them around it, interpolated: no step is left.

    Parameters
    ----------
    image, other : (X, Y, Z) float32
        Conformed, or on that scale but for shading.
    hole : (X, Y, Z) bool
        Where the other is taken.
    spacing_mm : (3,) float64
        Of the voxels.
    """
    step = interpolated(image - other, hole, spacing_mm)
    return np.where(hole, np.clip(other + step, 0, BRIGHTEST), image).astype(np.float32)


def on_model(mask: Scan, conformed: Conformed) -> Mask:
    """The mask on the model grid, with every voxel that it touches.

    Parameters
    ----------
    mask : Scan
        Of a `Lesion`.
    conformed : Conformed
        The scan.
    """
    return resample(np.asarray(mask.voxels), mask.grid, conformed.grid) > _TOUCHED
