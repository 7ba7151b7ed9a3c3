"""Affine registration of two volumes, by SimpleITK."""

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from .grid import Grid

_LPS = np.diag([-1.0, -1.0, 1.0])
_STARTS_MM = (-45.0, -30.0, -15.0, 0.0, 15.0, 30.0, 45.0)  # up and down: there, fields of view are cut


def to_sitk(voxels: npt.NDArray, grid: Grid) -> sitk.Image:
    """SimpleITK image (LPS, axes z-y-x in its arrays) of a volume on an orthogonal grid."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(np.asarray(voxels, dtype=np.float32).T))
    image.SetSpacing(grid.spacing_mm.tolist())
    image.SetDirection((_LPS @ grid.affine[:3, :3] / grid.spacing_mm).ravel().tolist())
    image.SetOrigin((_LPS @ grid.affine[:3, 3]).tolist())
    return image


def register_affine(
    fixed: npt.NDArray,
    fixed_grid: Grid,
    moving: npt.NDArray,
    moving_grid: Grid,
    *,
    region: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.float64]:
    """World map (4, 4), fixed mm → moving mm, that makes the two volumes correlate best.

    Same contrast is assumed (correlation metric). The start lays the centres of mass onto each other.

    Parameters
    ----------
    region : (X, Y, Z) bool, optional
        Where `fixed` was taken at all. A part has no centre of mass of the whole: the best of several starts
        along z is kept.
    """
    a, b = to_sitk(fixed, fixed_grid), to_sitk(moving, moving_grid)
    if region is None:
        middle = sitk.CenteredTransformInitializer(
            a, b, sitk.AffineTransform(3), sitk.CenteredTransformInitializerFilter.MOMENTS
        )
        return _descend(a, b, sitk.AffineTransform(middle))[0]
    mask = sitk.Cast(to_sitk(region, fixed_grid) > 0.5, sitk.sitkUInt8)
    found = []
    for z in _STARTS_MM:
        start = sitk.AffineTransform(3)
        start.SetCenter((_LPS @ fixed_grid.centre_mm).tolist())
        start.SetTranslation((_LPS @ (moving_grid.centre_mm - fixed_grid.centre_mm) + [0, 0, z]).tolist())
        found.append(_descend(a, b, start, mask))
    return min(found, key=lambda f: f[1])[0]


def _descend(
    a: sitk.Image, b: sitk.Image, transform: sitk.AffineTransform, mask: sitk.Image | None = None
) -> tuple[npt.NDArray[np.float64], float]:
    """World map (RAS) and metric, lower is better."""
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)  # sums in one order, and a default seed is the clock: one result each time
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.2, seed=1)
    if mask is not None:
        method.SetMetricFixedMask(mask)
    method.SetInterpolator(sitk.sitkLinear)
    # the default tolerance (1e-4) ends after ten steps, some 5 mm off: a correlation's gradient is small
    method.SetOptimizerAsRegularStepGradientDescent(
        2.0, 1e-4, 400, relaxationFactor=0.6, gradientMagnitudeTolerance=1e-8
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2])
    method.SetSmoothingSigmasPerLevel([4, 2])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(a, b)
    m = np.array(transform.GetMatrix()).reshape(3, 3)
    centre, shift = np.array(transform.GetCenter()), np.array(transform.GetTranslation())
    lps = np.eye(4)
    lps[:3, :3], lps[:3, 3] = m, centre + shift - m @ centre
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    return flip @ lps @ flip, method.GetMetricValue()
