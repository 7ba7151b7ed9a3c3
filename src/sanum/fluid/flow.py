"""A velocity that neither compresses nor leaves its domain, and a diffusivity that stays in it.

V = ∇×Ψ with Ψ on the edges of the cells (in 2D: a stream function on their corners): the discrete
divergence vanishes identically. Ψ is ramped to zero with the distance to the domain's border (Bridson,
Houriham, Nordenstam 2007, "Curl-noise for procedural fluid flow"), and is exactly zero on every edge that
touches a cell outside, so that no face of the border carries any flow.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import ndimage

from ..types import FloatArray, Mask
from .arguments import as_array, as_mask, as_numbers, as_rng, check_number, is_tensor, like
from .kernels.cpu import nearest_along
from .noise import gradient_noise


@dataclass(frozen=True, eq=False)
class Flow:
    """Staggered fields over the cells of `domain` (X, Y) or (X, Y, Z); NumPy arrays or torch tensors.

    Parameters
    ----------
    domain : (X, Y[, Z]) bool
        Cells that the flow never leaves.
    spacing_mm : float, or one per axis
        Size of a cell in mm.
    velocity : one array per axis
        Normal velocity at the faces across that axis, mm per unit time; one more than cells along it:
        (X+1, Y, Z), (X, Y+1, Z), (X, Y, Z+1).
    diffusivity : one array per axis
        D ≥ 0 at the same faces, mm² per unit time. Neither may be changed in place: `peaks` is kept.
    """

    domain: Any
    spacing_mm: tuple[float, ...]
    velocity: tuple[Any, ...]
    diffusivity: tuple[Any, ...]

    def __post_init__(self) -> None:
        if isinstance(self.spacing_mm, int | float):
            object.__setattr__(self, "spacing_mm", (float(self.spacing_mm),) * self.domain.ndim)

    @cached_property
    def peaks(self) -> tuple[tuple[float, ...], float]:
        """Largest |V| along each axis, and largest D; kept, so the fields must not change afterwards.

        ValueError if D is negative anywhere.
        """
        if any(float(d.min()) < 0 for d in self.diffusivity):
            raise ValueError("the flow's diffusivity must not be negative")
        speeds, spreads = (
            tuple(max(float(x.max()), -float(x.min())) for x in fields)
            for fields in (self.velocity, self.diffusivity)
        )
        return speeds, float(np.max(spreads))  # not `max`, which loses a NaN

    def to(self, device: Any) -> "Flow":
        """Return the flow as torch tensors on a device.

        Parameters
        ----------
        device : torch.device or str
            Where they shall be.
        """
        import torch

        def moved(x: Any) -> Any:
            return torch.as_tensor(x).to(device)

        return replace(
            self,
            domain=moved(self.domain),
            velocity=tuple(map(moved, self.velocity)),
            diffusivity=tuple(map(moved, self.diffusivity)),
        )


def draw_flow(
    domain: Any,
    *,
    rng: np.random.Generator | int,
    spacing: float | Sequence[float] = 1.0,
    peak_speed: float = 11.0,
    diffusion_length: float = 2.0,
    periods: float | Sequence[float] | None = None,
    ramp: Any = None,
) -> Flow:
    """Random incompressible flow, tangential at the border of `domain`, with diffusivity Φ².

    Parameters
    ----------
    domain : (X, Y) or (X, Y, Z) bool, NumPy or torch
        Any mask, any number of parts. The fields are of the same kind, computed on the CPU;
        `on_device.draw_flow_on` computes them on the domain's device.
    rng : Generator or int
        A generator, or a seed for one.
    spacing : float, or one per axis
        Voxel size, mm.
    peak_speed : float
        Largest speed at a face, mm per unit time (the published scale is near 11).
    diffusion_length : float
        √(2·max D) in mm: the spread after one unit of time where D is largest.
    periods : float, or one per axis, optional
        Cells of the noise along each axis; default 2 per 200 mm, as published (UNA).
    ramp : like domain, float32, NumPy or torch, optional
        `border_ramp(domain, spacing)` if already computed.

    Raises
    ------
    ValueError, TypeError
        For an empty domain, numbers that do not fit its axes or are not finite, a negative speed or length.
        The argument is named.
    """
    given, domain = domain, as_mask(domain)
    n = domain.ndim
    spacing = as_numbers(spacing, n, "spacing")
    check_number(peak_speed, "peak_speed")
    check_number(diffusion_length, "diffusion_length")
    rng = as_rng(rng)
    if periods is None:
        periods = [2.0 * k * s / 200.0 for k, s in zip(domain.shape, spacing, strict=True)]
    periods = as_numbers(periods, n, "periods")
    ramp = border_ramp(domain, spacing) if ramp is None else as_array(ramp, "ramp")
    if ramp.shape != domain.shape:
        raise ValueError(f"ramp has shape {ramp.shape}, the domain {domain.shape}")
    if n == 2:
        velocity = _curl_2d(_potential((0, 1), domain.shape, periods, ramp, rng), spacing)
    else:
        psi = [
            _potential([b for b in range(3) if b != axis], domain.shape, periods, ramp, rng)
            for axis in range(3)
        ]
        velocity = _curl_3d(psi, spacing)
    peak = max(float(np.abs(v).max()) for v in velocity)
    scale = np.float32(peak_speed / peak) if peak > 0 else np.float32(0)
    for v in velocity:
        v *= scale
    phi = gradient_noise(domain.shape, periods, rng=rng)
    top = float(np.abs(phi[domain]).max())
    cell = (
        np.square(phi * np.float32(diffusion_length / np.sqrt(2.0) / top)) if top > 0 else np.zeros_like(phi)
    )
    flow = Flow(domain, spacing, velocity, _face_diffusivity(cell, domain))
    return flow.to(given.device) if is_tensor(given) else flow


def border_ramp(domain: Any, spacing: float | Sequence[float], width_mm: float = 8.0) -> Any:
    """Smooth step from 0 outside a domain to 1 deep inside: 10t³ − 15t⁴ + 6t⁵, t = distance / width.

    Parameters
    ----------
    domain : (X, Y[, Z]) bool, NumPy or torch
        Any mask. The result, float32, is of the same kind.
    spacing : float, or one per axis
        Voxel size, mm.
    width_mm : float
        Depth in mm from which on it is 1.
    """
    mask = as_mask(domain, empty=True)
    spacing = as_numbers(spacing, mask.ndim, "spacing")
    check_number(width_mm, "width_mm", above=True)
    ramp = np.zeros(mask.shape, np.float32)
    if not mask.any():
        return like(domain, ramp)
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    t = distance_within(mask[box], spacing, width_mm) / np.float32(width_mm)
    ramp[box] = t * t * t * (t * (t * 6 - 15) + 10)
    return like(domain, ramp)


def distance_within(
    domain: Any, spacing: float | Sequence[float], most_mm: float, *, edge: bool = True
) -> Any:
    """Distance (mm) from each cell of a domain to the nearest outside of it; 0 outside.

    Parameters
    ----------
    domain : (X, Y[, Z]) bool, NumPy or torch
        Any mask. The result, float32, is of the same kind.
    spacing : float, or one per axis
        Voxel size, mm.
    most_mm : float
        Larger distances are given as this one.
    edge : bool
        Whether the space beyond the array counts as outside.
    """
    mask = as_mask(domain, empty=True)
    spacing = as_numbers(spacing, mask.ndim, "spacing")
    check_number(most_mm, "most_mm", above=True)
    padded = np.pad(mask, 1, constant_values=not edge)
    squares = np.where(padded, np.float32(most_mm**2), np.float32(0))
    for axis, h in enumerate(spacing):
        squares = _nearest_along(squares, axis, h, most_mm)
    return like(domain, np.sqrt(squares[(slice(1, -1),) * mask.ndim]))


def _nearest_along(squares: FloatArray, axis: int, h: float, width_mm: float) -> FloatArray:
    """Least over a line of the square + squared distance: the squared distance transform, axis by axis.

    The definition of Felzenszwalb and Huttenlocher 2012 ("Distance transforms of sampled functions"); only
    distances up to `width_mm` count, so the least of so few voxels is found by looking at them all.
    """
    steps = np.square(h * np.arange(min(int(width_mm / h), squares.shape[axis]) + 1)).astype(np.float32)
    lines = np.ascontiguousarray(
        np.moveaxis(squares.reshape(-1, *squares.shape[-2:]), axis - squares.ndim, 1)
    )
    out = np.empty_like(lines)
    nearest_along(lines, len(steps) - 1, steps, out)
    return np.moveaxis(out, 1, axis - squares.ndim).reshape(squares.shape)


def _potential(
    across: Sequence[int],
    shape: tuple[int, ...],
    periods: Sequence[float],
    ramp: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:
    """Ramped noise between the cells along the axes `across`, of which it has one more than cells there."""
    between = [a in across for a in range(len(shape))]
    places = [n + b for n, b in zip(shape, between, strict=True)]
    offset = [0.0 if b else 0.5 for b in between]
    scaled = [p * e / n for p, e, n in zip(periods, places, shape, strict=True)]
    noise = gradient_noise(places, scaled, rng=rng, offset=offset)
    low = np.pad(ramp, [(1, 1) if b else (0, 0) for b in between])
    for axis in across:  # the least of the cells around: 0 if one of them lies outside
        low = np.minimum(_cut(low, axis, 0), _cut(low, axis, 1))
    return noise * low


def _cut(x: Any, axis: int, start: int) -> Any:
    return np.moveaxis(np.moveaxis(x, axis, 0)[start : x.shape[axis] - 1 + start], 0, axis)


def _curl_2d(psi: FloatArray, spacing: Sequence[float]) -> tuple[FloatArray, ...]:
    dx, dy = (np.float32(s) for s in spacing)
    return np.diff(psi, axis=1) / dy, np.diff(psi, axis=0) / -dx


def _curl_3d(psi: list[FloatArray], spacing: Sequence[float]) -> tuple[FloatArray, ...]:
    dx, dy, dz = (np.float32(s) for s in spacing)
    x = np.diff(psi[2], axis=1) / dy - np.diff(psi[1], axis=2) / dz
    y = np.diff(psi[0], axis=2) / dz - np.diff(psi[2], axis=0) / dx
    z = np.diff(psi[1], axis=0) / dx - np.diff(psi[0], axis=1) / dy
    return x, y, z


def _face_diffusivity(cell: FloatArray, domain: Mask) -> tuple[FloatArray, ...]:
    faces = []
    for axis in range(domain.ndim):
        face = np.zeros([n + (a == axis) for a, n in enumerate(domain.shape)], np.float32)
        inner = _cut(_cut(face, axis, 1), axis, 0)
        np.add(_cut(cell, axis, 0), _cut(cell, axis, 1), out=inner)
        inner *= np.float32(0.5)
        inner *= _cut(domain, axis, 0) & _cut(domain, axis, 1)
        faces.append(face)
    return tuple(faces)
