"""Numba kernels: one pass over memory each, no temporaries, same bits on any number of threads."""

from math import floor

import numpy as np
from numba import njit, prange


@njit(cache=True, parallel=True, fastmath=False)
def gradient_noise_3d(gradients, steps, offset, out):
    """Fill `out` (X, Y, Z) from unit `gradients` (A, B, C, 3); position = (index + offset)·steps."""
    nx, ny, nz = out.shape
    for i in prange(nx):
        x = (i + offset[0]) * steps[0]
        a = floor(x)
        fx = np.float32(x - a)
        ux = fx * fx * fx * (fx * (fx * np.float32(6) - np.float32(15)) + np.float32(10))
        for j in range(ny):
            y = (j + offset[1]) * steps[1]
            b = floor(y)
            fy = np.float32(y - b)
            uy = fy * fy * fy * (fy * (fy * np.float32(6) - np.float32(15)) + np.float32(10))
            for k in range(nz):
                z = (k + offset[2]) * steps[2]
                c = floor(z)
                fz = np.float32(z - c)
                uz = fz * fz * fz * (fz * (fz * np.float32(6) - np.float32(15)) + np.float32(10))
                value = np.float32(0)
                for da in range(2):
                    wx = ux if da == 1 else np.float32(1) - ux
                    for db in range(2):
                        wy = uy if db == 1 else np.float32(1) - uy
                        for dc in range(2):
                            wz = uz if dc == 1 else np.float32(1) - uz
                            dot = (
                                gradients[a + da, b + db, c + dc, 0] * (fx - np.float32(da))
                                + gradients[a + da, b + db, c + dc, 1] * (fy - np.float32(db))
                                + gradients[a + da, b + db, c + dc, 2] * (fz - np.float32(dc))
                            )
                            value += wx * wy * wz * dot
                out[i, j, k] = value


@njit(cache=True)
def largest_rate(vx, vy, vz, dx_, dy_, dz_, hx, hy, hz):
    """Largest rate at which a cell can empty, 1/time: ∑ outflow/h + ∑ D/h² over its six faces."""
    nx, ny, nz = vx.shape[0] - 1, vx.shape[1], vx.shape[2]
    top = 0.0
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                rate = (
                    (max(vx[i + 1, j, k], 0.0) - min(vx[i, j, k], 0.0)) / hx
                    + (max(vy[i, j + 1, k], 0.0) - min(vy[i, j, k], 0.0)) / hy
                    + (max(vz[i, j, k + 1], 0.0) - min(vz[i, j, k], 0.0)) / hz
                    + (dx_[i + 1, j, k] + dx_[i, j, k]) / (hx * hx)
                    + (dy_[i, j + 1, k] + dy_[i, j, k]) / (hy * hy)
                    + (dz_[i, j, k + 1] + dz_[i, j, k]) / (hz * hz)
                )
                if rate > top:
                    top = rate
    return top


@njit(inline="always")
def _flux(left, right, v, d, h):
    """Flux through a face from `left` to `right`, per unit area: upwind flow and central diffusion."""
    return (v * left if v > 0 else v * right) - d * (right - left) / h


@njit(cache=True, parallel=True)
def upwind_euler(p, vx, vy, vz, dx_, dy_, dz_, hx, hy, hz, dt, out):
    """One forward step of the finite-volume update, p (X, Y, Z) → out."""
    nx, ny, nz = p.shape
    for i in prange(nx):
        for j in range(ny):
            for k in range(nz):
                here = p[i, j, k]
                west = _flux(p[i - 1, j, k], here, vx[i, j, k], dx_[i, j, k], hx) if i > 0 else 0.0
                east = (
                    _flux(here, p[i + 1, j, k], vx[i + 1, j, k], dx_[i + 1, j, k], hx) if i < nx - 1 else 0.0
                )
                south = _flux(p[i, j - 1, k], here, vy[i, j, k], dy_[i, j, k], hy) if j > 0 else 0.0
                north = (
                    _flux(here, p[i, j + 1, k], vy[i, j + 1, k], dy_[i, j + 1, k], hy) if j < ny - 1 else 0.0
                )
                below = _flux(p[i, j, k - 1], here, vz[i, j, k], dz_[i, j, k], hz) if k > 0 else 0.0
                above = (
                    _flux(here, p[i, j, k + 1], vz[i, j, k + 1], dz_[i, j, k + 1], hz) if k < nz - 1 else 0.0
                )
                out[i, j, k] = here - dt * ((east - west) / hx + (north - south) / hy + (above - below) / hz)
