"""One Runge-Kutta stage of a batch, fused, in Triton: what `oracle.stage` computes, read and written once.

Each program takes a block of cells of one volume, and programs in a row the same block of all volumes: the
fields of the flow have no batch axis, and are still in the cache. Without a GPU the kernels run in Triton's
interpreter (TRITON_INTERPRET=1).
"""

from contextlib import nullcontext
from functools import lru_cache
from typing import Any

import torch
import triton
import triton.language as tl

BLOCK = 512  # cells of a program


@triton.jit
def _at(p, c, n, step, shift: tl.constexpr, place, live):
    """P `shift` cells further along an axis of n cells; 0 beyond its ends."""
    there = place + shift
    return tl.load(p + c + shift * step, mask=live & (there >= 0) & (there < n), other=0.0)


@triton.jit
def _half_slope(low, here, high, inside, c, n, step, place, live):
    """Half of van Leer's limited slope; 0 in cells that lack a neighbour inside."""
    between = live & (place > 0) & (place < n - 1)
    open_ = tl.load(inside + c - step, mask=between, other=0) != 0
    open_ = open_ & (tl.load(inside + c + step, mask=between, other=0) != 0)
    a, b = here - low, high - here
    open_ = open_ & (a * b > 0)
    return tl.where(open_, a * b / tl.where(open_, a + b, 1.0), 0.0)


@triton.jit
def _along(p, inside, v, d, c, place, n, step, face, face_step, g, live, muscl: tl.constexpr):
    """Inflow minus outflow through the two faces across one axis."""
    below, here, above = (
        _at(p, c, n, step, -1, place, live),
        _at(p, c, n, step, 0, place, live),
        _at(p, c, n, step, 1, place, live),
    )
    from_below, to_below, to_above, from_above = below, here, here, above
    if muscl:
        farther_below = _at(p, c, n, step, -2, place, live)
        farther_above = _at(p, c, n, step, 2, place, live)
        own = _half_slope(below, here, above, inside, c, n, step, place, live)
        under = _half_slope(farther_below, below, here, inside, c - step, n, step, place - 1, live)
        over = _half_slope(here, above, farther_above, inside, c + step, n, step, place + 1, live)
        from_below, to_below = below + under, here - own
        to_above, from_above = here + own, above - over
    low_open, high_open = live & (place > 0), live & (place < n - 1)
    v_low = tl.load(v + face, mask=low_open, other=0.0)
    v_high = tl.load(v + face + face_step, mask=high_open, other=0.0)
    d_low = tl.load(d + face, mask=low_open, other=0.0)
    d_high = tl.load(d + face + face_step, mask=high_open, other=0.0)
    inflow = tl.where(v_low > 0, v_low * from_below, v_low * to_below) - d_low * (here - below) * g
    outflow = tl.where(v_high > 0, v_high * to_above, v_high * from_above) - d_high * (above - here) * g
    return (inflow - outflow) * g


@triton.jit
def _stage(
    p,
    base,
    out,
    inside,
    vx,
    vy,
    vz,
    dx,
    dy,
    dz,
    numbers,
    volumes,
    nx,
    ny,
    nz,
    muscl: tl.constexpr,
    with_base: tl.constexpr,
    block: tl.constexpr,
):
    a, b, dt = tl.load(numbers), tl.load(numbers + 1), tl.load(numbers + 2)
    gx, gy, gz = tl.load(numbers + 3), tl.load(numbers + 4), tl.load(numbers + 5)
    cells = nx * ny * nz
    c = (tl.program_id(0) // volumes) * block + tl.arange(0, block)
    live = c < cells
    k = c % nz
    j = (c // nz) % ny
    i = c // (nz * ny)
    volume = (tl.program_id(0) % volumes).to(tl.int64) * cells
    p += volume
    rate = _along(p, inside, vx, dx, c, i, nx, ny * nz, c, ny * nz, gx, live, muscl)
    rate += _along(p, inside, vy, dy, c, j, ny, nz, (i * (ny + 1) + j) * nz + k, nz, gy, live, muscl)
    rate += _along(p, inside, vz, dz, c, k, nz, 1, (i * ny + j) * (nz + 1) + k, 1, gz, live, muscl)
    new = b * (tl.load(p + c, mask=live, other=0.0) + dt * rate)
    if with_base:
        new += a * tl.load(base + volume + c, mask=live, other=0.0)
    tl.store(out + volume + c, tl.maximum(new, 0.0), mask=live)


def stage(
    p: torch.Tensor,
    base: torch.Tensor,
    a: float,
    b: float,
    inside: torch.Tensor,
    velocity: tuple[torch.Tensor, ...],
    diffusivity: tuple[torch.Tensor, ...],
    spacing: tuple[float, ...],
    dt: float,
    scheme: str,
    out: torch.Tensor,
) -> torch.Tensor:
    """a·base + b·(p + dt·rate(p)) into `out`; P (B, X, Y, Z), fields as of `Flow`, all contiguous."""
    fields = [x.to(p.dtype).contiguous() for x in (*velocity, *diffusivity)]
    numbers = _numbers((a, b, dt, *(1 / h for h in spacing)), p.dtype, p.device)
    volumes, *shape = p.shape
    cells = shape[0] * shape[1] * shape[2]
    kernel: Any = _stage
    with torch.cuda.device(p.device) if p.is_cuda else nullcontext():  # Triton launches on the current one
        kernel[(triton.cdiv(cells, BLOCK) * volumes,)](
            p.contiguous(),
            base.contiguous(),
            out,
            inside.contiguous().view(torch.uint8),
            *fields,
            numbers,
            volumes,
            *shape,
            muscl=scheme == "muscl",
            with_base=a != 0,
            block=BLOCK,
        )
    return out


@lru_cache(maxsize=64)
def _numbers(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """In a tensor, since Triton takes Python's numbers as float32; kept, since a transport repeats them."""
    return torch.tensor(values, dtype=dtype, device=device)
