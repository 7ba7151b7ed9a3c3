"""Where an anomaly starts: P0 in [0, 1] with a soft border; 2D or 3D."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from ..types import AnyArray, FloatArray, Mask
from .arguments import as_array, as_mask, as_numbers, as_rng, check_number, like
from .noise import gradient_noise


def noise_shape(
    domain: Any,
    *,
    rng: np.random.Generator | int,
    percentile: float,
    periods: float | Sequence[float],
    softness_vox: float = 0.7,
) -> Any:
    """Noise above its `percentile` inside `domain`, smoothed and scaled to [0, 1]: a P₀ of UNA.

    Parameters
    ----------
    domain : (X, Y[, Z]) bool, NumPy or torch
        Where the anomaly may be. The result is of the same kind.
    rng : Generator or int
        A generator, or a seed for one.
    percentile : float
        In (0, 100); the published range is 90 to 99.6.
    periods : float, or one per axis
        Lattice cells of the noise along each axis.
    softness_vox : float
        σ in voxels of the Gaussian that softens the border.

    Raises
    ------
    ValueError, TypeError
        An empty domain; a number out of its range. The argument is named.
    """
    inside = as_mask(domain)
    check_number(percentile, "percentile")
    check_number(softness_vox, "softness_vox")
    if not 0 < percentile < 100:
        raise ValueError(f"percentile lies between 0 and 100, got {percentile}")
    noise = gradient_noise(inside.shape, periods, rng=rng)
    high = noise > np.percentile(noise[inside], percentile)
    return like(domain, _soft(high & inside, inside, softness_vox))


def ellipsoid_shape(
    domain: Any,
    *,
    centre_vox: Sequence[float],
    radii_vox: float | Sequence[float],
    softness_vox: float = 0.7,
) -> Any:
    """Ellipsoid (an ellipse in 2D) inside `domain`, its axes along the array's, with a soft border.

    Parameters
    ----------
    domain : (X, Y[, Z]) bool, NumPy or torch
        Where the anomaly may be. The result is of the same kind.
    centre_vox : one float per axis
        Its middle in voxels, the first voxel's at 0.
    radii_vox : float, or one per axis
        Half its lengths in voxels.
    softness_vox : float
        σ in voxels of the Gaussian that softens the border.

    Raises
    ------
    ValueError, TypeError
        Numbers that do not fit the axes; a radius that is not positive; no voxel inside the domain. The
        argument is named.
    """
    mask = as_mask(domain)
    check_number(softness_vox, "softness_vox")
    centre = as_numbers(centre_vox, mask.ndim, "centre_vox", positive=False)
    radii = as_numbers(radii_vox, mask.ndim, "radii_vox")
    axes = np.ogrid[tuple(slice(0, s) for s in mask.shape)]
    distance2 = sum(((x - c) / r) ** 2 for x, c, r in zip(axes, centre, radii, strict=True))
    inside = (distance2 <= 1) & mask
    if not inside.any():
        raise ValueError(f"the ellipsoid at centre_vox={centre} has no voxel inside the domain")
    return like(domain, _soft(inside, mask, softness_vox))


def bank_shape(
    domain: Any,
    masks: Sequence[Any],
    *,
    rng: np.random.Generator | int,
    flip_axis: int | None = None,
    softness_vox: float = 0.7,
) -> Any:
    """One of several masks by chance, in half the cases flipped along an axis, with a soft border.

    Parameters
    ----------
    domain : (X, Y[, Z]) bool, NumPy or torch
        Where the anomaly may be. The result is of the same kind.
    masks : sequence of arrays like domain
        Lesions on the domain's grid, in [0, 1], NumPy or torch.
    rng : Generator or int
        A generator, or a seed for one.
    flip_axis : int, optional
        Axis along which half of them are flipped; default none.
    softness_vox : float
        σ in voxels of the Gaussian that softens the border.

    Raises
    ------
    ValueError, TypeError
        No masks; one of another shape; none of the mask inside the domain. The argument is named.
    """
    inside, rng = as_mask(domain), as_rng(rng)
    check_number(softness_vox, "softness_vox")
    if not hasattr(masks, "__len__"):
        raise TypeError(f"masks must be a sequence of masks, got {type(masks).__name__}")
    if not len(masks):
        raise ValueError("the bank is empty: masks needs at least one mask")
    if flip_axis is not None and flip_axis not in range(-inside.ndim, inside.ndim):
        raise ValueError(f"flip_axis must be an axis of the domain's {inside.ndim}, got {flip_axis!r}")
    number = int(rng.integers(len(masks)))
    mask = as_array(masks[number], f"mask {number} of masks").astype(np.float32)
    if mask.shape != inside.shape:
        raise ValueError(f"mask {number} has shape {mask.shape}, the domain {inside.shape}")
    if flip_axis is not None and rng.random() < 0.5:
        mask = np.flip(mask, flip_axis)
    if not (mask * inside).any():
        raise ValueError(f"mask {number} has no voxel inside the domain")
    return like(domain, _soft(mask, inside, softness_vox))


def soften(mask: Any, domain: Any, sigma_vox: float) -> Any:
    """Mask blurred, cut to a domain, scaled to a maximum of 1 (0 if empty); of the kind of `domain`.

    Parameters
    ----------
    mask : (X, Y[, Z]) bool or float, NumPy or torch
        In [0, 1].
    domain : (X, Y[, Z]) bool, NumPy or torch
        Where the result may be other than 0.
    sigma_vox : float
        σ of the Gaussian in voxels.
    """
    check_number(sigma_vox, "sigma_vox")
    inside = as_mask(domain, empty=True)
    return like(domain, _soft(as_array(mask, "mask"), inside, sigma_vox))


def _soft(mask: AnyArray, domain: Mask, sigma_vox: float) -> FloatArray:
    soft = (
        ndimage.gaussian_filter(mask.astype(np.float32), sigma_vox, truncate=3)
        if sigma_vox > 0
        else mask.astype(np.float32)
    )
    soft *= domain
    peak = float(soft.max())
    return soft / np.float32(peak) if peak > 0 else soft
