"""Affine registration of two volumes, by SimpleITK.

Each search ends after a fixed number of steps, and each step looks at a fixed share of the voxels, so that
the work has a bound whatever the volumes show (`MOST_STEPS`, `MOST_REFINING_STEPS`).
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
import torch

from ..types import AnyArray, FloatArray, Mask
from .grid import Grid

_LPS = np.diag([-1.0, -1.0, 1.0])
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])  # RAS ↔ LPS
MOST_STEPS = 400  # on each of two levels, by correlation; whole brains took 28 to 94, cut ones to 332
MOST_REFINING_STEPS = 200  # on each of two levels, by mutual information; heads took 22 to 148
_LEVELS, _SAMPLED = ((4, 4.0), (2, 2.0)), 0.2  # shrink factor and σ in mm; share of voxels
STARTS_MM = (-45.0, -30.0, -15.0, 0.0, 15.0, 30.0, 45.0)  # up and down: there, fields of view are cut


def to_sitk(voxels: AnyArray, grid: Grid) -> sitk.Image:
    """SimpleITK image (LPS, axes z-y-x in its arrays) of a volume on an orthogonal grid.

    Parameters
    ----------
    voxels : (X, Y, Z) array
        Taken as float32.
    grid : Grid
        With orthogonal axes.
    """
    image = sitk.GetImageFromArray(np.ascontiguousarray(np.asarray(voxels, dtype=np.float32).T))
    image.SetSpacing(grid.spacing_mm.tolist())
    image.SetDirection((_LPS @ grid.affine[:3, :3] / grid.spacing_mm).ravel().tolist())
    image.SetOrigin((_LPS @ grid.affine[:3, 3]).tolist())
    return image


class _Users:
    """How many calls need ITK's filters on one thread now, and how many threads those had before."""

    def __init__(self) -> None:
        self.lock, self.count, self.threads = threading.Lock(), 0, 0


_users = _Users()


@contextmanager
def one_itk_thread() -> Iterator[None]:
    """Let ITK's filters add up in one order: each takes its number of threads from the process."""
    with _users.lock:
        if _users.count == 0:
            _users.threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
        _users.count += 1
    try:
        yield
    finally:
        with _users.lock:
            _users.count -= 1
            if _users.count == 0:
                sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(_users.threads)


@one_itk_thread()
def register_affine(
    fixed: AnyArray,
    fixed_grid: Grid,
    moving: AnyArray,
    moving_grid: Grid,
    *,
    region: Mask | None = None,
    start: npt.NDArray[np.float64] | None = None,
) -> npt.NDArray[np.float64]:
    """World map (4, 4), fixed mm → moving mm, that makes the two volumes correlate best.

    Same contrast is assumed (correlation metric). The start lays the centres of mass onto each other.
    At most `MOST_STEPS` steps are done on each of two levels; of a part, as many on the first level from each
    of seven starts, and on the second from the best of them. A step samples a fifth of the level's voxels,
    which are a 64th of those of `fixed`, then an eighth.

    Parameters
    ----------
    fixed : (X, Y, Z) array
        The one that the map starts from.
    fixed_grid : Grid
        Where it is.
    moving : (X', Y', Z') array
        The one that the map leads to.
    moving_grid : Grid
        Where it is.
    region : (X, Y, Z) bool, optional
        Where `fixed` was taken at all. A part has no centre of mass of the whole: the best of seven starts
        along z is kept.
    start : (4, 4), optional
        A map that is near already: of a part, the only start.
    """
    if region is None:
        a, b = to_sitk(fixed, fixed_grid), to_sitk(moving, moving_grid)
        middle = sitk.CenteredTransformInitializer(
            a, b, sitk.AffineTransform(3), sitk.CenteredTransformInitializerFilter.MOMENTS
        )
        return _descend(a, b, sitk.AffineTransform(middle))[0]

    def descend(
        first: sitk.AffineTransform, levels: tuple[tuple[int, float], ...] = _LEVELS
    ) -> tuple[npt.NDArray[np.float64], float]:
        a, b = to_sitk(fixed, fixed_grid), to_sitk(moving, moving_grid)  # ITK writes into what it shares
        return _descend(a, b, first, _mask(region, fixed_grid), levels)

    def roughly(first: sitk.AffineTransform) -> tuple[npt.NDArray[np.float64], float]:
        return descend(first, _LEVELS[:1])

    if start is not None:
        return descend(_to_itk(start))[0]
    between = _LPS @ (moving_grid.centre_mm - fixed_grid.centre_mm)
    starts = []
    for z in STARTS_MM:
        shifted = sitk.AffineTransform(3)
        shifted.SetCenter((_LPS @ fixed_grid.centre_mm).tolist())
        shifted.SetTranslation((between + np.array([0, 0, z])).tolist())
        starts.append(shifted)
    with ThreadPoolExecutor(min(torch.get_num_threads(), len(starts))) as pool:  # each of them on one thread
        best = min(pool.map(roughly, starts), key=lambda found: found[1])[0]
    return descend(_to_itk(best), _LEVELS[1:])[0]


@one_itk_thread()
def refine_affine(
    fixed: AnyArray,
    fixed_grid: Grid,
    moving: AnyArray,
    moving_grid: Grid,
    start: npt.NDArray[np.float64],
    *,
    region: Mask,
) -> npt.NDArray[np.float64]:
    """World map (4, 4), fixed mm → moving mm, near `start`, with the most mutual information of the volumes.

    Any two contrasts (mutual information, Mattes et al. 2003). Errors of the start of about a centimetre are
    usually corrected; the caller must check the result. At most `MOST_REFINING_STEPS` steps are done on each
    of two levels. A step samples three tenths of the level's voxels in `region`: an eighth of all, then all.

    Parameters
    ----------
    fixed : (X, Y, Z) array
        The one that the map starts from.
    fixed_grid : Grid
        Where it is.
    moving : (X', Y', Z') array
        The one that the map leads to.
    moving_grid : Grid
        Where it is.
    start : (4, 4) float64
        A map that is near already.
    region : (X, Y, Z) bool
        Where `fixed` is compared: what is to be aligned and a rim around it.
    """
    method = _method(((2, 2.0), (1, 1.0)), 0.3)
    method.SetMetricAsMattesMutualInformation(24)
    method.SetOptimizerAsRegularStepGradientDescent(
        1.0, 1e-3, MOST_REFINING_STEPS, relaxationFactor=0.6, gradientMagnitudeTolerance=1e-8
    )
    a, b = to_sitk(fixed, fixed_grid), to_sitk(moving, moving_grid)
    return _run(method, a, b, _to_itk(start), _mask(region, fixed_grid))[0]


def resample_affine(
    voxels: AnyArray, source: Grid, target: Grid, world: npt.NDArray[np.float64]
) -> FloatArray:
    """Values at the voxel centres of `target` after a world map, by a cubic spline, cut to their range.

    Parameters
    ----------
    voxels : (X, Y, Z) array
        Values on `source`.
    source : Grid
        Of the voxels; orthogonal axes.
    target : Grid
        Where values are wanted; orthogonal axes.
    world : (4, 4) float64
        Target mm → source mm.

    Returns
    -------
    (X', Y', Z') float32
        The lowest value outside of `source`.
    """
    low, high = float(np.min(voxels)), float(np.max(voxels))
    reference = to_sitk(np.zeros(target.shape, np.uint8), target)
    found = sitk.Resample(to_sitk(voxels, source), reference, _to_itk(world), sitk.sitkBSpline, low)
    values: FloatArray = np.clip(sitk.GetArrayFromImage(found).T, low, high)
    return values


def _to_itk(world: npt.NDArray[np.float64]) -> sitk.AffineTransform:
    lps = _FLIP @ world @ _FLIP
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(lps[:3, :3].ravel().tolist())
    transform.SetTranslation(lps[:3, 3].tolist())
    return transform


def _descend(
    a: sitk.Image,
    b: sitk.Image,
    transform: sitk.AffineTransform,
    mask: sitk.Image | None = None,
    levels: tuple[tuple[int, float], ...] = _LEVELS,
) -> tuple[npt.NDArray[np.float64], float]:
    method = _method(levels, _SAMPLED)
    method.SetMetricAsCorrelation()
    # the default tolerance (1e-4) ends after ten steps, some 5 mm off: a correlation's gradient is small
    method.SetOptimizerAsRegularStepGradientDescent(
        2.0, 1e-4, MOST_STEPS, relaxationFactor=0.6, gradientMagnitudeTolerance=1e-8
    )
    return _run(method, a, b, transform, mask)


def _method(levels: tuple[tuple[int, float], ...], sampled: float) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    # sums in one order, and a default seed is the clock: one result each time; mutual information is summed
    # by work units, of which there are more than threads
    method.SetNumberOfThreads(1)
    method.SetNumberOfWorkUnits(1)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(sampled, seed=1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetShrinkFactorsPerLevel([shrink for shrink, _ in levels])
    method.SetSmoothingSigmasPerLevel([smooth_mm for _, smooth_mm in levels])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    return method


def _run(
    method: sitk.ImageRegistrationMethod,
    a: sitk.Image,
    b: sitk.Image,
    transform: sitk.AffineTransform,
    mask: sitk.Image | None,
) -> tuple[npt.NDArray[np.float64], float]:
    """World map (RAS) and metric, lower is better."""
    if mask is not None:
        method.SetMetricFixedMask(mask)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(a, b)
    m = np.array(transform.GetMatrix()).reshape(3, 3)
    centre, shift = np.array(transform.GetCenter()), np.array(transform.GetTranslation())
    lps = np.eye(4)
    lps[:3, :3], lps[:3, 3] = m, centre + shift - m @ centre
    return _FLIP @ lps @ _FLIP, method.GetMetricValue()


def _mask(region: Mask, grid: Grid) -> sitk.Image:
    mask: sitk.Image = sitk.Cast(to_sitk(region, grid) > 0.5, sitk.sitkUInt8)
    return mask
