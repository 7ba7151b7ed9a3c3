"""`draw_flow` in plain PyTorch, on any device: the same flow from the same generator, to rounding."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from .arguments import as_numbers, as_rng, check_number
from .flow import Flow
from .noise import cells_of, lattice


def gradient_noise_on(
    device: torch.device | str,
    shape: Sequence[int],
    periods: float | Sequence[float],
    *,
    rng: np.random.Generator | int,
    offset: float | Sequence[float] = 0.0,
) -> torch.Tensor:
    """`gradient_noise` of one octave in three dimensions, (X, Y, Z) float32.

    Parameters
    ----------
    device : torch.device or str
        Where it is computed.
    shape : (3,) int
        Voxels.
    periods : float, or one per axis
        Lattice cells along each axis of the box.
    rng : Generator or int
        A generator, or a seed for one.
    offset : float, or one per axis
        Shift of the sampling points in voxels.
    """
    rng, periods = as_rng(rng), as_numbers(periods, 3, "periods")
    offset = as_numbers(offset, 3, "offset", positive=False)
    gradients = torch.from_numpy(lattice(periods, rng)).to(device)
    axes = []
    for axis, (n, o, p) in enumerate(zip(shape, offset, periods, strict=True)):
        view = [-1 if a == axis else 1 for a in range(3)]
        axes.append(
            [torch.from_numpy(x).to(device).reshape(view) for x in cells_of((np.arange(n) + o) * (p / n))]
        )
    total = torch.zeros(tuple(shape), device=device)
    for corner in np.ndindex(2, 2, 2):
        at = gradients[tuple(cell + c for (cell, _, _), c in zip(axes, corner, strict=True))]
        value = sum(at[..., a] * (axes[a][1] - corner[a]) for a in range(3))
        for (_, _, fade), c in zip(axes, corner, strict=True):
            value = value * (fade if c else 1 - fade)
        total += value
    return total


def draw_flow_on(
    domain: torch.Tensor,
    ramp: torch.Tensor,
    *,
    rng: np.random.Generator | int,
    spacing: float | Sequence[float],
    peak_speed: float,
    diffusion_length: float,
) -> Flow:
    """As `draw_flow` with the default periods, of a volume with its border ramp on a device.

    Parameters
    ----------
    domain : (X, Y, Z) bool
        Any mask; it says the device.
    ramp : (X, Y, Z) float32
        `border_ramp(domain, spacing)`.
    rng : Generator or int
        A generator, or a seed for one.
    spacing : float, or one per axis
        Voxel size, mm.
    peak_speed : float
        Largest speed at a face, mm per unit time.
    diffusion_length : float
        √(2·max D) in mm.
    """
    domain = torch.as_tensor(domain)
    ramp, rng = torch.as_tensor(ramp, device=domain.device), as_rng(rng)
    spacing = as_numbers(spacing, 3, "spacing")
    check_number(peak_speed, "peak_speed")
    check_number(diffusion_length, "diffusion_length")
    shape, device = tuple(domain.shape), domain.device
    periods = [2.0 * k * s / 200.0 for k, s in zip(shape, spacing, strict=True)]
    psi = [_potential(axis, shape, periods, ramp, rng) for axis in range(3)]
    velocity = []
    for axis in range(3):
        b, c = (axis + 1) % 3, (axis + 2) % 3
        velocity.append(torch.diff(psi[c], dim=b) / spacing[b] - torch.diff(psi[b], dim=c) / spacing[c])
    peak = torch.stack([v.abs().max() for v in velocity]).max()
    scale = torch.where(peak > 0, peak_speed / peak, torch.zeros_like(peak))
    phi = gradient_noise_on(device, shape, periods, rng=rng)
    top = (phi.abs() * domain).max().clamp_min(1e-20)
    cell = (phi * (diffusion_length / np.sqrt(2.0) / top)) ** 2
    faces = []
    for axis in range(3):
        n = shape[axis] - 1
        both = domain.narrow(axis, 0, n) & domain.narrow(axis, 1, n)
        mean = 0.5 * (cell.narrow(axis, 0, n) + cell.narrow(axis, 1, n)) * both
        faces.append(_padded(mean, [axis]))
    return Flow(domain, spacing, tuple(v * scale for v in velocity), tuple(faces))


def _potential(
    along: int, shape: tuple[int, ...], periods: Sequence[float], ramp: torch.Tensor, rng: np.random.Generator
) -> torch.Tensor:
    across = [a for a in range(3) if a != along]
    places = [n + (a in across) for a, n in enumerate(shape)]
    offset = [0.0 if a in across else 0.5 for a in range(3)]
    scaled = [p * e / n for p, e, n in zip(periods, places, shape, strict=True)]
    noise = gradient_noise_on(ramp.device, places, scaled, rng=rng, offset=offset)
    low = _padded(ramp, across)
    for axis in across:
        n = low.shape[axis] - 1
        low = torch.minimum(low.narrow(axis, 0, n), low.narrow(axis, 1, n))
    return noise * low


def _padded(x: torch.Tensor, axes: Sequence[int]) -> torch.Tensor:
    """A layer of zeros at both ends of each of the axes."""
    return F.pad(x, [int(a in axes) for a in (2, 1, 0) for _ in range(2)])
