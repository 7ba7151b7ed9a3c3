"""Where an anomaly starts: P0 in [0, 1] with a soft border."""

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
    periods: tuple[float, float, float],
    softness_vox: float = 0.7,
) -> Array:
    """Noise above its `percentile` inside `domain`, smoothed and scaled to [0, 1] (spec 1, P0).

    Parameters
    ----------
    domain : (X, Y, Z) bool
        Where the anomaly may be.
    percentile : float
        In (0, 100); the published range is 90 to 99.6.
    periods : (3,) float
        Lattice cells of the noise along each axis.
    softness_vox : float
        σ of the Gaussian that softens the border.
    """
    if not domain.any():
        raise ValueError("domain is empty: it needs at least one voxel")
    if not 0 < percentile < 100:
        raise ValueError(f"percentile lies between 0 and 100, got {percentile}")
    noise = gradient_noise(domain.shape, periods, rng=rng)
    inside = noise > np.percentile(noise[domain], percentile)
    return soften(inside & domain, domain, softness_vox)


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
