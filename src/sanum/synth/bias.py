"""The coils' shading of a real scan, found and taken out."""

import numpy as np
import SimpleITK as sitk

from ..space.grid import Grid
from ..space.register import to_sitk
from ..types import FloatArray, Mask


def correct_bias(voxels: FloatArray, grid: Grid, mask: Mask) -> FloatArray:
    """Volume divided by its `bias_field`.

    Parameters
    ----------
    voxels : (X, Y, Z) float32
        T1w.
    grid : Grid
        Of the volume.
    mask : (X, Y, Z) bool
        The brain.
    """
    out: FloatArray = voxels / bias_field(voxels, grid, mask)
    return out


def bias_field(voxels: FloatArray, grid: Grid, mask: Mask) -> FloatArray:
    """Shading as a factor (N4: Tustison et al. 2010), estimated inside `mask`, where its median is 1.

    Parameters
    ----------
    voxels : (X, Y, Z) float32
        T1w.
    grid : Grid
        Of the volume.
    mask : (X, Y, Z) bool
        The brain.
    """
    image = to_sitk(voxels, grid)
    region = sitk.Cast(to_sitk(mask.astype(np.float32), grid) > 0.5, sitk.sitkUInt8)
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations([30, 30, 20])
    n4.Execute(sitk.Shrink(image, [2] * 3), sitk.Shrink(region, [2] * 3))
    field = sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(image)).T
    field = np.clip(field - np.median(field[mask]), -0.7, 0.7)
    found: FloatArray = np.exp(field).astype(np.float32)
    return found
