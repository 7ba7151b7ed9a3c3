"""Gradient noise (Perlin 1985, with the quintic fade of Perlin 2002) on arrays of any shape."""

import numpy as np
import numpy.typing as npt

from .kernels.cpu import gradient_noise_3d

Array = npt.NDArray[np.float32]


def gradient_noise(
    shape: tuple[int, int, int],
    periods: tuple[float, float, float],
    *,
    rng: np.random.Generator,
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Array:
    """Smooth noise with zero value at its lattice points.

    Parameters
    ----------
    shape : (3,) int
        Voxels; need not be a multiple of the periods.
    periods : (3,) float
        Lattice cells along each axis of the box.
    rng : numpy Generator
        Source of the unit gradients.
    offset : (3,) float
        Shift of the sampling points in voxels (0.5 for a staggered grid).

    Returns
    -------
    shape float32
        ∑ over the cell's 8 corners of fade·(gradient · distance), about [−1, 1];
        fade(t) = 6t⁵ − 15t⁴ + 10t³.
    """
    if min(shape) < 1 or min(periods) <= 0:
        raise ValueError(f"shape and periods must be positive, got {shape} and {periods}")
    cells = np.array([int(np.ceil(p)) + 2 for p in periods])
    gradients = rng.standard_normal((*cells, 3)).astype(np.float32)
    gradients /= np.maximum(np.linalg.norm(gradients, axis=-1, keepdims=True), 1e-12)
    steps = np.array([p / n for p, n in zip(periods, shape, strict=True)], dtype=np.float64)
    out = np.empty(shape, dtype=np.float32)
    gradient_noise_3d(gradients, steps, np.asarray(offset, dtype=np.float64), out)
    return out
