"""Where an anomaly starts: P0 in [0, 1] with a soft border; 2D or 3D."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .noise import gradient_noise

Array = npt.NDArray[np.float32]


def noise_shape(
    domain: npt.NDArray[np.bool_],
    *,
    rng: np.random.Generator,
    percentile: float,
    periods: Sequence[float],
    softness_vox: float = 0.7,
) -> Array:
    """Noise above its `percentile` inside `domain`, smoothed and scaled to [0, 1]: a P₀ of UNA.

    Parameters
    ----------
    domain : (X, Y[, Z]) bool
        Where the anomaly may be.
    percentile : float
        In (0, 100); the published range is 90 to 99.6.
    periods : float per axis
        Lattice cells of the noise along each axis.
    softness_vox : float
        σ of the Gaussian that softens the border.
    """
    _require(domain)
    if not 0 < percentile < 100:
        raise ValueError(f"percentile lies between 0 and 100, got {percentile}")
    noise = gradient_noise(domain.shape, periods, rng=rng)
    inside = noise > np.percentile(noise[domain], percentile)
    return soften(inside & domain, domain, softness_vox)


def ellipsoid_shape(
    domain: npt.NDArray[np.bool_],
    *,
    centre_vox: Sequence[float],
    radii_vox: Sequence[float],
    softness_vox: float = 0.7,
) -> Array:
    """Ellipsoid (an ellipse in 2D) inside `domain`, its axes along the array's, with a soft border.

    Raises
    ------
    ValueError
        Numbers that do not fit the axes; a radius that is not positive; no voxel inside the domain.
    """
    _require(domain)
    n = domain.ndim
    if len(centre_vox) != n or len(radii_vox) != n or not min(radii_vox) > 0:
        raise ValueError(
            f"centre_vox and radii_vox need {n} numbers, radii > 0; got {centre_vox}, {radii_vox}"
        )
    axes = np.ogrid[tuple(slice(0, s) for s in domain.shape)]
    distance2 = sum(((x - c) / r) ** 2 for x, c, r in zip(axes, centre_vox, radii_vox, strict=True))
    inside = (distance2 <= 1) & domain
    if not inside.any():
        raise ValueError(f"the ellipsoid at {tuple(centre_vox)} has no voxel inside the domain")
    return soften(inside, domain, softness_vox)


def bank_shape(
    domain: npt.NDArray[np.bool_],
    masks: Sequence[npt.NDArray],
    *,
    rng: np.random.Generator,
    flip_axis: int | None = None,
    softness_vox: float = 0.7,
) -> Array:
    """One of `masks` (each on the domain's grid, [0, 1]) by chance, in half the cases flipped along an axis.

    Raises
    ------
    ValueError
        No masks; one of another shape; none of the mask inside the domain.
    """
    _require(domain)
    if not masks:
        raise ValueError("the bank is empty: masks needs at least one mask")
    number = int(rng.integers(len(masks)))
    mask = np.asarray(masks[number], dtype=np.float32)
    if mask.shape != domain.shape:
        raise ValueError(f"mask {number} has shape {mask.shape}, the domain {domain.shape}")
    if flip_axis is not None and rng.random() < 0.5:
        mask = np.flip(mask, flip_axis)
    if not (mask * domain).any():
        raise ValueError(f"mask {number} has no voxel inside the domain")
    return soften(mask, domain, softness_vox)


def soften(mask: npt.NDArray, domain: npt.NDArray[np.bool_], sigma_vox: float) -> Array:
    """Mask blurred by σ voxels, cut to `domain`, scaled to a maximum of 1 (0 if empty)."""
    soft = (
        ndimage.gaussian_filter(mask.astype(np.float32), sigma_vox, truncate=3)
        if sigma_vox > 0
        else mask.astype(np.float32)
    )
    soft *= domain
    peak = float(soft.max())
    return soft / np.float32(peak) if peak > 0 else soft


def _require(domain: npt.NDArray[np.bool_]) -> None:
    if not domain.any():
        raise ValueError("domain is empty: it needs at least one voxel")
