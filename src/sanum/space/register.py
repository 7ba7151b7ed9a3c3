"""Affine registration of two volumes, by SimpleITK."""

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from .grid import Grid


def to_sitk(voxels: npt.NDArray, grid: Grid) -> sitk.Image:
    """SimpleITK image (LPS, axes z-y-x in its arrays) of a volume on an orthogonal grid."""
    flip = np.diag([-1.0, -1.0, 1.0])
    image = sitk.GetImageFromArray(np.ascontiguousarray(np.asarray(voxels, dtype=np.float32).T))
    image.SetSpacing(grid.spacing_mm.tolist())
    image.SetDirection((flip @ grid.affine[:3, :3] / grid.spacing_mm).ravel().tolist())
    image.SetOrigin((flip @ grid.affine[:3, 3]).tolist())
    return image


def register_affine(
    fixed: npt.NDArray, fixed_grid: Grid, moving: npt.NDArray, moving_grid: Grid
) -> npt.NDArray[np.float64]:
    """World map (4, 4), fixed mm → moving mm, that makes the two volumes correlate best.

    Same contrast is assumed (correlation metric); starts from the centres of mass.
    """
    a, b = to_sitk(fixed, fixed_grid), to_sitk(moving, moving_grid)
    start = sitk.CenteredTransformInitializer(
        a, b, sitk.AffineTransform(3), sitk.CenteredTransformInitializerFilter.MOMENTS
    )
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.2)
    method.SetInterpolator(sitk.sitkLinear)
    # the default tolerance (1e-4) ends after ten steps, some 5 mm off: a correlation's gradient is small
    method.SetOptimizerAsRegularStepGradientDescent(
        2.0, 1e-3, 120, relaxationFactor=0.6, gradientMagnitudeTolerance=1e-8
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2])
    method.SetSmoothingSigmasPerLevel([4, 2])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(start, inPlace=True)
    method.Execute(a, b)
    matrix = np.array(
        start.GetNthTransform(0).GetMatrix() if hasattr(start, "GetNthTransform") else start.GetMatrix()
    )
    affine = start if not hasattr(start, "GetNthTransform") else start.GetNthTransform(0)
    m = matrix.reshape(3, 3)
    c, t = np.array(affine.GetFixedParameters()[:3]), np.array(affine.GetParameters()[9:12])
    lps = np.eye(4)
    lps[:3, :3], lps[:3, 3] = m, c + t - m @ c
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    return flip @ lps @ flip
