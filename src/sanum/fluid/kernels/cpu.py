"""Numba kernels: one pass over memory each, no temporaries, same bits on any number of threads."""

import numpy as np
from numba import njit, prange

from .threads import kernel

# Where it matters, the innermost index is unsigned: Numba lets a signed one count from the end, which turns
# loads of vectors into gathers and costs eightfold on an AVX-512 CPU.
ONE, TWO = np.uint64(1), np.uint64(2)


@kernel
def gradient_noise_3d(gradients, cx, fx, ux, cy, fy, uy, starts, fz, uz, out):
    """Fill `out` (X, Y, Z) with noise from unit `gradients` (A, B, C, 3) at the lattice points.

    Per place along the first two axes: its cell (c), where in the cell it lies (f), and the fade of that (u).
    Along the last: `starts` (C), the first place of each cell, then of none; within a cell the noise
    along a line is two straight lines, faded.
    """
    nx, ny, _ = out.shape
    one = np.float32(1)
    for i in prange(nx):
        for j in range(ny):
            for c in range(len(starts) - 1):
                if starts[c] == starts[c + 1]:
                    continue
                low = low_slope = high = high_slope = np.float32(0)
                for da in range(2):
                    for db in range(2):
                        w = (ux[i] if da else one - ux[i]) * (uy[j] if db else one - uy[j])
                        dx, dy = fx[i] - np.float32(da), fy[j] - np.float32(db)
                        a, b = cx[i] + da, cy[j] + db
                        low += w * (gradients[a, b, c, 0] * dx + gradients[a, b, c, 1] * dy)
                        low_slope += w * gradients[a, b, c, 2]
                        high += w * (gradients[a, b, c + 1, 0] * dx + gradients[a, b, c + 1, 1] * dy)
                        high_slope += w * gradients[a, b, c + 1, 2]
                for k in range(np.uint64(starts[c]), np.uint64(starts[c + 1])):
                    before = low + low_slope * fz[k]
                    after = high + high_slope * (fz[k] - one)
                    out[i, j, k] = before + uz[k] * (after - before)


@kernel
def nearest_along(squares, reach, steps, out):
    """Least of `squares` (X, Y, Z) + squared distance along Y, up to `reach` voxels away, into `out`.

    `steps` (reach + 1): squared distance of so many voxels. Nothing is read beyond the array.
    """
    nx, ny, nz = squares.shape
    for i in prange(nx):
        for j in range(ny):
            for k in range(np.uint64(nz)):
                out[i, j, k] = squares[i, j, k]
            for m in range(max(j - reach, 0), min(j + reach, ny - 1) + 1):
                step = steps[abs(m - j)]
                for k in range(np.uint64(nz)):
                    out[i, j, k] = min(out[i, j, k], squares[i, m, k] + step)


@kernel
def survey(p, bits, numbers, bounds):
    """Per plane of p (X, Y, Z): least, largest, sum into `numbers` (X, 3); where it is not 0 into `bounds`.

    `bits`: a view of p as integers, to skip lines of zeros fast. `bounds` (X, 4) int: first and last
    j, first and last k; first > last where a plane is all 0. A value not finite makes the largest inf.
    """
    nx, ny, nz = p.shape
    for i in prange(nx):
        low = 0.0
        high = 0.0
        total = 0.0
        j0, j1, k0, k1 = ny, -1, nz, -1
        for j in range(ny):
            any_bits = bits[i, j, 0]
            for k in range(np.uint64(nz)):
                any_bits |= bits[i, j, k]
            if any_bits == 0:
                continue
            for k in range(nz):
                x = p[i, j, k]
                if x != 0:
                    if not abs(x) < np.inf:
                        high = np.inf
                    low = min(low, x)
                    high = max(high, x)
                    total += x
                    j0, j1 = min(j0, j), max(j1, j)
                    k0, k1 = min(k0, k), max(k1, k)
        numbers[i, 0], numbers[i, 1], numbers[i, 2] = low, high, total
        bounds[i, 0], bounds[i, 1], bounds[i, 2], bounds[i, 3] = j0, j1, k0, k1


@kernel
def largest_rates(vx, vy, vz, dx_, dy_, dz_, hx, hy, hz, rates):
    """Largest rates at which a cell of each plane can empty, 1/time, into `rates` (X, 2).

    Column 0: by flow, ∑ outflow/h over its six faces; column 1: by flow and diffusion, which adds ∑ D/h².
    A field that is not finite gives inf.
    """
    nx, ny, nz = vx.shape[0] - 1, vx.shape[1], vx.shape[2]
    for i in prange(nx):
        flow = 0.0
        both = 0.0
        for j in range(ny):
            for k in range(np.uint64(nz)):
                out = (
                    (max(vx[i + 1, j, k], 0.0) - min(vx[i, j, k], 0.0)) / hx
                    + (max(vy[i, j + 1, k], 0.0) - min(vy[i, j, k], 0.0)) / hy
                    + (max(vz[i, j, k + ONE], 0.0) - min(vz[i, j, k], 0.0)) / hz
                )
                spread = (
                    (dx_[i + 1, j, k] + dx_[i, j, k]) / (hx * hx)
                    + (dy_[i, j + 1, k] + dy_[i, j, k]) / (hy * hy)
                    + (dz_[i, j, k + ONE] + dz_[i, j, k]) / (hz * hz)
                )
                if not out + spread < np.inf:
                    flow = np.inf
                    both = np.inf
                flow = max(flow, out)
                both = max(both, out + spread)
        rates[i, 0] = flow
        rates[i, 1] = both


# forceinline, not inline="always": the same bits and as fast, but compiled in a quarter of the time.
# Neighbours beyond the array are the cell itself: the faces there carry no flow and no diffusion, so what
# stands in for the neighbour counts nothing, and the loops need no branches. g is 1/h.


@njit(forceinline=True)
def _upwind(before, here, after, v0, v1, d0, d1, g):
    """Inflow minus outflow of a cell along one axis, first order: faces 0 (before) and 1 (after)."""
    left = (v0 * before if v0 > 0 else v0 * here) - d0 * (here - before) * g
    right = (v1 * here if v1 > 0 else v1 * after) - d1 * (after - here) * g
    return (left - right) * g


@njit(forceinline=True)
def _upwind_cell(p, i, j, k, im, ip, jm, jp, km, kp, k1, vx, vy, vz, dx_, dy_, dz_, gx, gy, gz):
    here = p[i, j, k]
    return (
        _upwind(
            p[im, j, k], here, p[ip, j, k], vx[i, j, k], vx[i + 1, j, k], dx_[i, j, k], dx_[i + 1, j, k], gx
        )
        + _upwind(
            p[i, jm, k], here, p[i, jp, k], vy[i, j, k], vy[i, j + 1, k], dy_[i, j, k], dy_[i, j + 1, k], gy
        )
        + _upwind(p[i, j, km], here, p[i, j, kp], vz[i, j, k], vz[i, j, k1], dz_[i, j, k], dz_[i, j, k1], gz)
    )


@kernel
def upwind_stage(p, base, a, b, vx, vy, vz, dx_, dy_, dz_, gx, gy, gz, dt, i0, i1, j0, j1, k0, k1, out):
    """One Runge-Kutta stage, out = a·base + b·(p + dt·rate(p)), with first-order upwind flow; (X, Y, Z).

    Only cells from (i0, j0, k0) up to, but not with, (i1, j1, k1) are written.
    """
    nx, ny, nz = p.shape
    for i in prange(i0, i1):
        im, ip = max(i - 1, 0), min(i + 1, nx - 1)
        for j in range(j0, j1):
            jm, jp = max(j - 1, 0), min(j + 1, ny - 1)
            for k in range(np.uint64(max(k0, 1)), np.uint64(max(min(k1, nz - 1), 0))):  # but for the ends
                rate = _upwind_cell(
                    p,
                    i,
                    j,
                    k,
                    im,
                    ip,
                    jm,
                    jp,
                    k - ONE,
                    k + ONE,
                    k + ONE,
                    vx,
                    vy,
                    vz,
                    dx_,
                    dy_,
                    dz_,
                    gx,
                    gy,
                    gz,
                )
                out[i, j, k] = a * base[i, j, k] + b * (p[i, j, k] + dt * rate)
            for k in (0, nz - 1):
                if k < k0 or k >= k1:
                    continue
                km, kp = max(k - 1, 0), min(k + 1, nz - 1)
                rate = _upwind_cell(
                    p, i, j, k, im, ip, jm, jp, km, kp, k + 1, vx, vy, vz, dx_, dy_, dz_, gx, gy, gz
                )
                out[i, j, k] = a * base[i, j, k] + b * (p[i, j, k] + dt * rate)


@njit(forceinline=True)
def _half_slope(before, here, after, open_):
    """Half the limited slope of a cell (van Leer 1974): at most either difference; 0 beside a wall."""
    a = here - before
    b = after - here
    return a * b / (a + b) if open_ and a * b > 0 else a * 0


@njit(forceinline=True)
def _muscl(pmm, pm, here, pp, ppp, omm, om, o, op, opp, v0, v1, d0, d1, g):
    """As `_upwind`, second order: five cells in a row (p) and whether they lie in the domain (o)."""
    sm = _half_slope(pmm, pm, here, omm and o)
    s = _half_slope(pm, here, pp, om and op)
    sp = _half_slope(here, pp, ppp, o and opp)
    left = (v0 * (pm + sm) if v0 > 0 else v0 * (here - s)) - d0 * (here - pm) * g
    right = (v1 * (here + s) if v1 > 0 else v1 * (pp - sp)) - d1 * (pp - here) * g
    return (left - right) * g


@njit(forceinline=True)
def _muscl_cell(
    p,
    o,
    i,
    j,
    k,
    imm,
    im,
    ip,
    ipp,
    jmm,
    jm,
    jp,
    jpp,
    kmm,
    km,
    kp,
    kpp,
    k1,
    vx,
    vy,
    vz,
    dx_,
    dy_,
    dz_,
    gx,
    gy,
    gz,
):
    here, open_ = p[i, j, k], o[i, j, k]
    return (
        _muscl(
            p[imm, j, k],
            p[im, j, k],
            here,
            p[ip, j, k],
            p[ipp, j, k],
            o[imm, j, k],
            o[im, j, k],
            open_,
            o[ip, j, k],
            o[ipp, j, k],
            vx[i, j, k],
            vx[i + 1, j, k],
            dx_[i, j, k],
            dx_[i + 1, j, k],
            gx,
        )
        + _muscl(
            p[i, jmm, k],
            p[i, jm, k],
            here,
            p[i, jp, k],
            p[i, jpp, k],
            o[i, jmm, k],
            o[i, jm, k],
            open_,
            o[i, jp, k],
            o[i, jpp, k],
            vy[i, j, k],
            vy[i, j + 1, k],
            dy_[i, j, k],
            dy_[i, j + 1, k],
            gy,
        )
        + _muscl(
            p[i, j, kmm],
            p[i, j, km],
            here,
            p[i, j, kp],
            p[i, j, kpp],
            o[i, j, kmm],
            o[i, j, km],
            open_,
            o[i, j, kp],
            o[i, j, kpp],
            vz[i, j, k],
            vz[i, j, k1],
            dz_[i, j, k],
            dz_[i, j, k1],
            gz,
        )
    )


@kernel
def muscl_stage(
    p, base, a, b, inside, vx, vy, vz, dx_, dy_, dz_, gx, gy, gz, dt, i0, i1, j0, j1, k0, k1, out
):
    """As `upwind_stage`, flow of second order with a limiter; `inside` (X, Y, Z) bool: the domain."""
    nx, ny, nz = p.shape
    for i in prange(i0, i1):
        imm, im, ip, ipp = max(i - 2, 0), max(i - 1, 0), min(i + 1, nx - 1), min(i + 2, nx - 1)
        for j in range(j0, j1):
            jmm, jm, jp, jpp = max(j - 2, 0), max(j - 1, 0), min(j + 1, ny - 1), min(j + 2, ny - 1)
            for k in range(np.uint64(max(k0, 2)), np.uint64(max(min(k1, nz - 2), 0))):  # but for the ends
                rate = _muscl_cell(
                    p,
                    inside,
                    i,
                    j,
                    k,
                    imm,
                    im,
                    ip,
                    ipp,
                    jmm,
                    jm,
                    jp,
                    jpp,
                    k - TWO,
                    k - ONE,
                    k + ONE,
                    k + TWO,
                    k + ONE,
                    vx,
                    vy,
                    vz,
                    dx_,
                    dy_,
                    dz_,
                    gx,
                    gy,
                    gz,
                )
                new = a * base[i, j, k] + b * (p[i, j, k] + dt * rate)
                # below 0 by rounding only (some 1e-26)
                out[i, j, k] = new if inside[i, j, k] and new > 0 else a * 0
            for k in range(k0, k1):
                if 2 <= k < nz - 2:
                    continue
                kmm, km, kp, kpp = max(k - 2, 0), max(k - 1, 0), min(k + 1, nz - 1), min(k + 2, nz - 1)
                rate = _muscl_cell(
                    p,
                    inside,
                    i,
                    j,
                    k,
                    imm,
                    im,
                    ip,
                    ipp,
                    jmm,
                    jm,
                    jp,
                    jpp,
                    kmm,
                    km,
                    kp,
                    kpp,
                    k + 1,
                    vx,
                    vy,
                    vz,
                    dx_,
                    dy_,
                    dz_,
                    gx,
                    gy,
                    gz,
                )
                new = a * base[i, j, k] + b * (p[i, j, k] + dt * rate)
                out[i, j, k] = new if inside[i, j, k] and new > 0 else a * 0
