"""Numba kernel of the contrast: one pass over the voxels in place of ten."""

import numpy as np
from numba import njit, prange

from ..fluid.kernels.threads import kernel


@njit(inline="always")
def _between(x, knots, values):
    """As `numpy.interp`: piecewise linear, constant beyond the ends."""
    if x <= knots[0]:
        return values[0]
    for n in range(1, len(knots)):
        if x <= knots[n]:
            t = (x - knots[n - 1]) / (knots[n] - knots[n - 1])
            return values[n - 1] + t * (values[n] - values[n - 1])
    return values[len(knots) - 1]


@kernel
def recolour(
    t1w, brain, shift, noise, knots, values, widths, head_knots, head_values, head_width, keep_air, out
):  # fmt: skip
    """Fill `out` (X, Y, Z) with brain·(inside(t1w) + shift) + (1 − brain)·outside(t1w) + width·noise ≥ 0.

    Inside and outside are piecewise linear; so is the width inside. `keep_air`: outside, what is at most
    0.02 stays as it is. Noise comes where there is more than 0.02.
    """
    nx, ny, nz = t1w.shape
    for i in prange(nx):
        for j in range(ny):
            for k in range(np.uint64(nz)):
                x, b = t1w[i, j, k], brain[i, j, k]
                value = width = np.float32(0)
                if b > 0:
                    value += b * np.float32(_between(x, knots, values) + shift[i, j, k])
                    width += b * np.float32(_between(x, knots, widths))
                if b < 1:
                    far = x if keep_air and x <= np.float32(0.02) else _between(x, head_knots, head_values)
                    value += (np.float32(1) - b) * np.float32(far)
                    width += (np.float32(1) - b) * np.float32(head_width)
                if value > np.float32(0.02):
                    value += width * noise[i, j, k]
                out[i, j, k] = max(value, np.float32(0))
