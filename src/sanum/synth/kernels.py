"""Numba kernels of the generator: each one pass over the voxels in place of ten."""

from typing import Any

import numpy as np
from numba import njit, prange

from ..fluid.kernels.threads import kernel
from .drift import moved_on

UNMOVED = np.zeros((1, 1, 1, 3), np.float32)


@njit()  # not inline="always": the compiler would take half as long again, and what it makes be no faster
def _between(x: Any, knots: Any, values: Any) -> Any:
    """As `numpy.interp`: piecewise linear, constant beyond the ends."""
    if x <= knots[0]:
        return values[0]
    for n in range(1, len(knots)):
        if x <= knots[n]:
            t = (x - knots[n - 1]) / (knots[n] - knots[n - 1])
            return values[n - 1] + t * (values[n] - values[n - 1])
    return values[len(knots) - 1]


@njit()
def _weight(volumes: Any, a: Any, b: Any, c: Any, n: Any) -> Any:
    """Value of volume n at (a, b, c); 0 outside."""
    nx, ny, nz, _ = volumes.shape
    return volumes[a, b, c, n] if 0 <= a < nx and 0 <= b < ny and 0 <= c < nz else np.float32(0)


@kernel
def pose(volumes: Any, labels: Any, matrix: Any, knots: Any, moved: Any, out: Any, mapped: Any) -> None:
    """Read `volumes` (X, Y, Z, C), linearly, and `labels` (X, Y, Z), the nearest, into the boxes `out`.

    Voxel (i, j, k) of `out` (C, I, J, K) and `mapped` (I, J, K) lies at `matrix` (3, 4)·(i, j, k, 1)
    + u, u the trilinear interpolation over the box of `knots` (N, N, N, 3), in voxels, and from there by
    `moved` (X, Y, Z, 3), read linearly (one voxel: not at all). 0 outside.

    Parameters
    ----------
    volumes, labels : (X, Y, Z, C) float32, (X, Y, Z) int16
        See above.
    matrix : (3, 4) float64
        From voxels of the box to voxels of the volumes.
    knots : (N, N, N, 3) float32
        Displacement at the knots of the warp, in voxels.
    moved : (X, Y, Z, 3) float32
        Displacement of the subject's own tissue, in voxels.
    out : (C, I, J, K) float32
        Filled.
    mapped : (I, J, K) int16
        Filled.
    """
    count, ni, nj, nk = out.shape
    nx, ny, nz, _ = volumes.shape
    cells = knots.shape[0] - 1
    one = np.float32(1)
    for i in prange(ni):
        line = np.empty((cells + 1, 3), np.float32)  # of the displacement, along k
        s = np.float32(i * cells / max(ni - 1, 1))
        p = min(int(s), cells - 1)
        s -= np.float32(p)
        for j in range(nj):
            t = np.float32(j * cells / max(nj - 1, 1))
            q = min(int(t), cells - 1)
            t -= np.float32(q)
            for n in range(cells + 1):
                for axis in range(3):
                    line[n, axis] = (one - s) * (
                        (one - t) * knots[p, q, n, axis] + t * knots[p, q + 1, n, axis]
                    ) + s * ((one - t) * knots[p + 1, q, n, axis] + t * knots[p + 1, q + 1, n, axis])
            for k in range(nk):
                u = np.float32(k * cells / max(nk - 1, 1))
                r = min(int(u), cells - 1)
                u -= np.float32(r)
                x, y, z = (
                    matrix[0, 0] * i + matrix[0, 1] * j + matrix[0, 2] * k + matrix[0, 3],
                    matrix[1, 0] * i + matrix[1, 1] * j + matrix[1, 2] * k + matrix[1, 3],
                    matrix[2, 0] * i + matrix[2, 1] * j + matrix[2, 2] * k + matrix[2, 3],
                )
                x += (one - u) * line[r, 0] + u * line[r + 1, 0]
                y += (one - u) * line[r, 1] + u * line[r + 1, 1]
                z += (one - u) * line[r, 2] + u * line[r + 1, 2]
                if moved.shape[0] > 1:
                    x, y, z = moved_on(moved, x, y, z)
                if x <= -1 or y <= -1 or z <= -1 or x >= nx or y >= ny or z >= nz:
                    for n in range(count):
                        out[n, i, j, k] = 0
                    mapped[i, j, k] = 0
                    continue
                a, b, c = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
                fx, fy, fz = np.float32(x - a), np.float32(y - b), np.float32(z - c)
                for n in range(count):
                    if 0 <= a < nx - 1 and 0 <= b < ny - 1 and 0 <= c < nz - 1:
                        v000, v001 = volumes[a, b, c, n], volumes[a, b, c + 1, n]
                        v010, v011 = volumes[a, b + 1, c, n], volumes[a, b + 1, c + 1, n]
                        v100, v101 = volumes[a + 1, b, c, n], volumes[a + 1, b, c + 1, n]
                        v110, v111 = volumes[a + 1, b + 1, c, n], volumes[a + 1, b + 1, c + 1, n]
                    else:
                        v000, v001 = _weight(volumes, a, b, c, n), _weight(volumes, a, b, c + 1, n)
                        v010, v011 = _weight(volumes, a, b + 1, c, n), _weight(volumes, a, b + 1, c + 1, n)
                        v100, v101 = _weight(volumes, a + 1, b, c, n), _weight(volumes, a + 1, b, c + 1, n)
                        v110 = _weight(volumes, a + 1, b + 1, c, n)
                        v111 = _weight(volumes, a + 1, b + 1, c + 1, n)
                    low = (one - fy) * (v000 + fz * (v001 - v000)) + fy * (v010 + fz * (v011 - v010))
                    high = (one - fy) * (v100 + fz * (v101 - v100)) + fy * (v110 + fz * (v111 - v110))
                    out[n, i, j, k] = low + fx * (high - low)
                a, b, c = int(np.floor(x + 0.5)), int(np.floor(y + 0.5)), int(np.floor(z + 0.5))
                inside = 0 <= a < nx and 0 <= b < ny and 0 <= c < nz
                mapped[i, j, k] = labels[a, b, c] if inside else 0


@kernel
def recolour(
    t1w: Any,
    brain: Any,
    groups: Any,
    shifts: Any,
    noise: Any,
    knots: Any,
    values: Any,
    widths: Any,
    head_knots: Any,
    head_values: Any,
    head_width: Any,
    keep_air: Any,
    out: Any,
) -> None:
    """Fill `out` (X, Y, Z) with brain·(inside(t1w) + shift) + (1 − brain)·outside(t1w) + width·noise ≥ 0.

    The shift is the mean of `shifts` over the groups of the voxel (twice) and its six neighbours. Inside and
    outside are piecewise linear; so is the width inside. `keep_air`: outside, what is at most
    0.02 stays as it is. Noise comes where there is more than 0.02.

    Parameters
    ----------
    t1w, brain : (X, Y, Z) float32
        T1w, and soft mask in [0, 1].
    groups : (X, Y, Z) uint8
        Group of each voxel.
    shifts : (9,) float32
        Offset of each group.
    noise : (X, Y, Z) float32
        Texture of deviation 1.
    knots, values, widths : (5,) float64
        T1w intensities inside the brain; intensity and width of the texture there.
    head_knots, head_values : (6,) float64
        T1w intensities outside of the brain, and intensity there.
    head_width : float
        Width of the texture outside of the brain.
    keep_air : bool
        See above.
    out : (X, Y, Z) float32
        Filled.
    """
    nx, ny, nz = t1w.shape
    for i in prange(nx):
        for j in range(ny):
            for k in range(np.uint64(nz)):
                x, b = t1w[i, j, k], brain[i, j, k]
                value = width = np.float32(0)
                if b > 0:
                    shift = np.float32(2) * shifts[groups[i, j, k]]
                    shift += shifts[groups[max(i - 1, 0), j, k]] + shifts[groups[min(i + 1, nx - 1), j, k]]
                    shift += shifts[groups[i, max(j - 1, 0), k]] + shifts[groups[i, min(j + 1, ny - 1), k]]
                    before, after = max(np.int64(k) - 1, 0), min(np.int64(k) + 1, nz - 1)
                    shift += shifts[groups[i, j, before]] + shifts[groups[i, j, after]]
                    shift *= np.float32(0.125)
                    value += b * np.float32(_between(x, knots, values) + shift)
                    width += b * np.float32(_between(x, knots, widths))
                if b < 1:
                    far = x if keep_air and x <= np.float32(0.02) else _between(x, head_knots, head_values)
                    value += (np.float32(1) - b) * np.float32(far)
                    width += (np.float32(1) - b) * np.float32(head_width)
                if value > np.float32(0.02):
                    value += width * noise[i, j, k]
                out[i, j, k] = max(value, np.float32(0))
