"""A second witness: where a scan departs from what its healthy anatomy would look like in its own contrast.

From the predicted anatomy alone the scan is predicted: its log intensity is a piecewise linear function of
the anatomy's intensity plus a smooth quadratic field, fitted robustly, so that a lesion does not bend the
curve. What is left over is divided by what is usual at that intensity and at that steepness. Nothing here is
trained. Where the anatomy is wrong, so is the residual.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..types import FloatArray, Mask

KNOTS = np.array([0.0, 0.2, 0.35, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])  # of the anatomy, white matter at 1
ROUNDS = 12  # of re-weighting
TUKEY = 3.0  # robust deviations beyond which a voxel has no say; usual is 4.7, but lesions are many
SAMPLE = 40_000  # voxels of the fit
FEWEST = 2_000
RIM_MM = 3.0  # from the brain's border, along each axis: about 4 mm in the mean over directions
FLUID, TISSUE = 0.35, 0.55  # anatomy below which nothing is said, and above which all is
BLUR_MM = 1.2  # σ of the smoothing
SLIP_MM = 1.0  # how far an edge of the predicted anatomy may be off
WORST_FIT = 0.35  # scatter (as of `Residual`) of a scan whose tissue says nothing about it
_FLOOR = 0.02  # of the median: lower intensities are no darker
_LEAST = 2e-3  # deviation of log intensity: half a step of 8 bits, for scans without noise
_HALF = 1.4826  # of a median absolute deviation to a standard deviation


@dataclass(frozen=True, eq=False)
class Residual:
    """What a scan has more or less of than its anatomy would.

    Parameters
    ----------
    z : (X, Y, Z) float32
        In robust standard deviations, bright above 0; 0 where nothing is said.
    said : (X, Y, Z) float32
        In [0, 1], how far something is said: 0 in fluid and at the brain's border, 1 in tissue.
    failure : str or None
        Why nothing is said anywhere, as the end of a sentence.
    scatter : float
        Robust deviation of log intensity (CT: of HU / 100) from what the anatomy gives; NaN: not found.
    """

    z: FloatArray
    said: FloatArray
    failure: str | None = None
    scatter: float = float("nan")


def own_contrast_residual(
    image: npt.NDArray[np.generic],
    anatomy: FloatArray,
    brain: Mask,
    spacing_mm: npt.ArrayLike,
    *,
    ct: bool = False,
) -> Residual:
    """Signed robust z of a scan against its own healthy anatomy.

    Parameters
    ----------
    image : (X, Y, Z) array
        The scan; of a CT in Hounsfield units.
    anatomy : (X, Y, Z) float32
        Predicted healthy T1w at the same voxels, white matter near 1.
    brain : (X, Y, Z) bool
        Where both mean something.
    spacing_mm : (3,) float
        Of the voxels.
    ct : bool
        Hounsfield units are compared as they are, without a field: they have neither gain nor shading.
    """
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    nothing = np.zeros(anatomy.shape, np.float32), np.zeros(anatomy.shape, np.float32)
    inside = brain & _away_from_border(brain, spacing)
    tissue = inside & (anatomy > FLUID)
    if (count := int(tissue.sum())) < FEWEST:
        return Residual(*nothing, f"only {count} voxels of tissue lie away from the brain's border")
    level = _level(image, tissue, ct=ct)
    rows = np.flatnonzero(inside)
    rows = rows[:: max(1, rows.size // SAMPLE)]
    a, y, x = anatomy.ravel()[rows], level.ravel()[rows], _positions(rows, anatomy.shape, spacing)
    if y.min() == y.max():
        return Residual(*nothing, "its tissue has a single value")
    curve, field, spread = _fit(a, y, None if ct else x)
    if not np.isfinite(spread) or spread > WORST_FIT:
        by = f"{100 * spread:.0f} HU" if ct else f"{spread:.0%}"
        return Residual(*nothing, f"its intensities scatter by {by} around those of its anatomy", spread)
    predicted = np.interp(anatomy, KNOTS, curve).astype(np.float32)
    rest = level - predicted
    if not ct:
        rest -= _on_grid(field, anatomy.shape, spacing)
    rest = _smooth(np.clip(rest, -8 * spread, 8 * spread), inside, spacing)
    steep = _steepness(predicted, spacing)
    usual = _usual(a, rest.ravel()[rows], steep.ravel()[rows])
    steep *= np.float32(SLIP_MM)
    rest /= np.hypot(np.interp(anatomy, KNOTS, usual).astype(np.float32), steep)
    said = (np.clip((anatomy - FLUID) / (TISSUE - FLUID), 0, 1) * inside).astype(np.float32, copy=False)
    return Residual((rest * said).astype(np.float32, copy=False), said, scatter=spread)


def _away_from_border(brain: Mask, spacing: npt.NDArray[np.float64]) -> Mask:
    size = [2 * round(RIM_MM / s) + 1 for s in spacing]
    return np.asarray(ndimage.minimum_filter(brain.view(np.uint8), size, mode="constant")) > 0


def _level(image: npt.NDArray[np.generic], tissue: Mask, *, ct: bool) -> FloatArray:
    """What the curve explains: Hounsfield units by 100, or the log of intensity over its median."""
    x = image.astype(np.float32)
    if ct:
        return np.asarray(np.clip(x, -20, 120) / np.float32(100))
    middle = max(float(np.median(x[tissue])), float(np.finfo(np.float32).tiny))
    return np.asarray(np.log(np.maximum(x / middle, np.float32(_FLOOR))))


def _positions(
    rows: npt.NDArray[np.intp], shape: tuple[int, ...], spacing: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """(N, 3): of voxels by their flat index, in units of 100 mm from the middle."""
    where = np.stack(np.unravel_index(rows, shape), axis=-1)
    return (where - (np.array(shape) - 1) / 2) * spacing / 100


def _quadratic(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(N, 9): the linear and quadratic monomials of positions."""
    u, v, w = x.T
    return np.stack([u, v, w, u * u, v * v, w * w, u * v, u * w, v * w], axis=-1)


def _on_grid(
    field: npt.NDArray[np.float64], shape: tuple[int, ...], spacing: npt.NDArray[np.float64]
) -> FloatArray:
    """The quadratic field at every voxel."""
    u, v, w = (
        (((np.arange(n) - (n - 1) / 2) * s / 100).astype(np.float32)).reshape(np.roll([-1, 1, 1], axis))
        for axis, (n, s) in enumerate(zip(shape, spacing, strict=True))
    )
    a = field.astype(np.float32)
    plane = a[0] * u + a[3] * u * u + a[1] * v + a[4] * v * v + a[6] * u * v
    return np.asarray(plane + (a[7] * u + a[8] * v + a[2] + a[5] * w) * w)


def _hats(a: FloatArray) -> npt.NDArray[np.float64]:
    """(N, K): weight of each knot at these intensities."""
    return np.stack([np.interp(a, KNOTS, unit) for unit in np.eye(KNOTS.size)], axis=-1)


def _fit(
    a: FloatArray, y: FloatArray, x: npt.NDArray[np.float64] | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    """Values of the curve at its knots, coefficients of the field, robust spread around both."""
    design = _hats(a) if x is None else np.concatenate([_hats(a), _quadratic(x)], axis=1)
    # a knot that no voxel is near follows its neighbours; 0.1 % of the voxels' say
    bend = np.zeros((KNOTS.size - 2, design.shape[1]))
    bend[:, : KNOTS.size] = np.diff(np.eye(KNOTS.size), 2, axis=0) * np.sqrt(1e-3 * a.size)
    weight = np.ones(a.size)
    for _ in range(ROUNDS):
        weighted = design * weight[:, None]
        found = np.linalg.solve(
            design.T @ weighted + bend.T @ bend + 1e-9 * np.eye(design.shape[1]), weighted.T @ y
        )
        rest = y - design @ found
        spread = max(_HALF * float(np.median(np.abs(rest))), _LEAST)
        weight = np.clip(1 - (rest / (TUKEY * spread)) ** 2, 0, None) ** 2
    both = np.asarray(found, dtype=np.float64)
    return both[: KNOTS.size], both[KNOTS.size :], spread


def _smooth(rest: FloatArray, inside: Mask, spacing: npt.NDArray[np.float64]) -> FloatArray:
    """Smoothed by σ = `BLUR_MM` along the axes whose voxels are not coarser; only voxels inside count."""
    sigma = [BLUR_MM / s if s < 2 * BLUR_MM else 0 for s in spacing]
    summed = ndimage.gaussian_filter(rest * inside, sigma, truncate=3)
    weight = ndimage.gaussian_filter(inside.astype(np.float32), sigma, truncate=3)
    return np.asarray(summed / np.maximum(weight, 1e-3))


def _steepness(predicted: FloatArray, spacing: npt.NDArray[np.float64]) -> FloatArray:
    """Length of the gradient per mm."""
    total = np.zeros(predicted.shape, np.float32)
    for axis, step in enumerate(spacing):  # one after the other: three would take three times the memory
        part = np.gradient(predicted, step, axis=axis).astype(np.float32, copy=False)
        total += np.square(part, out=part)
    return np.asarray(np.sqrt(total, out=total))


def _usual(a: FloatArray, rest: FloatArray, steep: FloatArray) -> npt.NDArray[np.float64]:
    """Robust spread at each knot, less what the steepness makes up; that of all where voxels are few."""
    flat = steep <= np.median(steep)
    a, rest = a[flat], rest[flat]
    every = max(_HALF * float(np.median(np.abs(rest))), _LEAST)
    near = [np.abs(a - knot) < 0.1 for knot in KNOTS]
    return np.array(
        [
            max(_HALF * float(np.median(np.abs(rest[n]))), 0.5 * every) if n.sum() >= 200 else every
            for n in near
        ]
    )
