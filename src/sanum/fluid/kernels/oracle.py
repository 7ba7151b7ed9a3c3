"""The right-hand side in plain PyTorch: slow, readable, on any device; what the kernels must equal.

Volumes are (…, X, Y, Z) with any leading batch axes; the fields of the flow have none.
"""

import torch

Tensor = torch.Tensor


def rate(
    p: Tensor,
    inside: Tensor,
    velocity: tuple[Tensor, ...],
    diffusivity: tuple[Tensor, ...],
    spacing: tuple[float, ...],
    scheme: str,
) -> Tensor:
    """∂P/∂t = −∇·(V P) + ∇·(D ∇P) by finite volumes; no flux through the array's edge."""
    total = torch.zeros_like(p)
    for axis, h in enumerate(spacing):
        dim = axis - 3
        n = p.shape[dim]
        low, high = p.narrow(dim, 0, n - 1), p.narrow(dim, 1, n - 1)
        v = velocity[axis].narrow(axis, 1, n - 1)
        d = diffusivity[axis].narrow(axis, 1, n - 1)
        from_low, from_high = low, high
        if scheme == "muscl":
            half = half_slope(p, inside, dim)
            from_low, from_high = low + half.narrow(dim, 0, n - 1), high - half.narrow(dim, 1, n - 1)
        flux = (torch.where(v > 0, v * from_low, v * from_high) - d * (high - low) / h) / h
        total.narrow(dim, 0, n - 1).sub_(flux)
        total.narrow(dim, 1, n - 1).add_(flux)
    return total


def half_slope(p: Tensor, inside: Tensor, dim: int) -> Tensor:
    """Half of van Leer's limited slope along `dim` (negative); 0 in cells that lack a neighbour inside."""
    n = p.shape[dim]
    half = torch.zeros_like(p)
    if n < 3:
        return half
    difference = p.diff(dim=dim)
    a, b = difference.narrow(dim, 0, n - 2), difference.narrow(dim, 1, n - 2)
    open_ = inside.narrow(dim, 0, n - 2) & inside.narrow(dim, 2, n - 2) & (a * b > 0)
    total = torch.where(open_, a + b, torch.ones_like(a))
    half.narrow(dim, 1, n - 2).copy_(torch.where(open_, a * b / total, torch.zeros_like(a)))
    return half


def stage(
    p: Tensor,
    base: Tensor,
    a: float,
    b: float,
    inside: Tensor,
    velocity: tuple[Tensor, ...],
    diffusivity: tuple[Tensor, ...],
    spacing: tuple[float, ...],
    dt: float,
    scheme: str,
) -> Tensor:
    """One Runge-Kutta stage: a·base + b·(p + dt·rate(p)); below 0 by rounding only, and then 0."""
    new = p + dt * rate(p, inside, velocity, diffusivity, spacing, scheme)
    return (new if a == 0 else a * base + b * new).clamp_min(0)


def largest_rates(
    velocity: tuple[Tensor, ...], diffusivity: tuple[Tensor, ...], spacing: tuple[float, ...]
) -> tuple[float, float]:
    """Largest rates at which a cell can empty, 1/time: by flow, and by flow and diffusion together."""
    flow, spread = torch.zeros(()), torch.zeros(())
    for axis, h in enumerate(spacing):
        n = velocity[axis].shape[axis] - 1
        v, d = _precise(velocity[axis]), _precise(diffusivity[axis])
        flow = flow.to(v.device) + (v.narrow(axis, 1, n).clamp_min(0) - v.narrow(axis, 0, n).clamp_max(0)) / h
        spread = spread.to(d.device) + (d.narrow(axis, 1, n) + d.narrow(axis, 0, n)) / h**2
    return float(flow.max()), float((flow + spread).max())


def _precise(x: Tensor) -> Tensor:
    return (x.cpu() if x.device.type == "mps" else x).double()  # MPS has no float64
