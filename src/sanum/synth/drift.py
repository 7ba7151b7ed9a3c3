"""Displacement of a steady flow: each voxel walks along a velocity field for some steps."""

from typing import Any

import numpy as np
from numba import njit, prange

from ..fluid.kernels.threads import kernel


@njit(forceinline=True)
def read_vector(field: Any, x: Any, y: Any, z: Any, axis: Any) -> Any:
    """Component `axis` of a field (X, Y, Z, 3) at a place in voxels, linearly; 0 outside."""
    nx, ny, nz, _ = field.shape
    if x < 0 or y < 0 or z < 0 or x > nx - 1 or y > ny - 1 or z > nz - 1:
        return np.float32(0)
    a, b, c = min(int(x), nx - 2), min(int(y), ny - 2), min(int(z), nz - 2)
    fx, fy, fz = np.float32(x - a), np.float32(y - b), np.float32(z - c)
    one = np.float32(1)
    low = (one - fy) * ((one - fz) * field[a, b, c, axis] + fz * field[a, b, c + 1, axis]) + fy * (
        (one - fz) * field[a, b + 1, c, axis] + fz * field[a, b + 1, c + 1, axis]
    )
    high = (one - fy) * ((one - fz) * field[a + 1, b, c, axis] + fz * field[a + 1, b, c + 1, axis]) + fy * (
        (one - fz) * field[a + 1, b + 1, c, axis] + fz * field[a + 1, b + 1, c + 1, axis]
    )
    return (one - fx) * low + fx * high


@njit(forceinline=True)
def moved_on(field: Any, x: Any, y: Any, z: Any) -> Any:
    """A place in voxels, moved by what a field (X, Y, Z, 3) says there."""
    u, v, w = read_vector(field, x, y, z, 0), read_vector(field, x, y, z, 1), read_vector(field, x, y, z, 2)
    return x + u, y + v, z + w


@kernel
def drift(velocity: Any, steps: Any, length: Any, out: Any) -> None:
    """Fill `out` (X, Y, Z, 3) with where each voxel is after the walk, less where it was, in voxels.

    Parameters
    ----------
    velocity : (X, Y, Z, 3) float32
        In voxels per unit of length.
    steps : int
        Number of steps (explicit Euler).
    length : float32
        Of a step.
    out : (X, Y, Z, 3) float32
        Filled.
    """
    nx, ny, nz, _ = velocity.shape
    for i in prange(nx):
        for j in range(ny):
            for k in range(np.uint64(nz)):
                x, y, z = np.float32(i), np.float32(j), np.float32(k)
                if velocity[i, j, k, 0] == 0 and velocity[i, j, k, 1] == 0 and velocity[i, j, k, 2] == 0:
                    continue
                for _ in range(steps):
                    u = read_vector(velocity, x, y, z, 0)
                    v = read_vector(velocity, x, y, z, 1)
                    w = read_vector(velocity, x, y, z, 2)
                    x += length * u
                    y += length * v
                    z += length * w
                out[i, j, k, 0] = x - np.float32(i)
                out[i, j, k, 1] = y - np.float32(j)
                out[i, j, k, 2] = z - np.float32(np.int64(k))
